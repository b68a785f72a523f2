//! A table as Avro: schemas in the registry, values that decode, settings that are refused.

use client::schema_registry::SchemaRegistry;
use connect::{ConnectorConfig, TaskState};
use formats::{Decimal, Value, avro, framing};
use registry::RegistryConfig;

use super::{Cluster, run, worker};

const TABLE: &str = "carrier,name,fee,since\n\
                     9E,Endeavor Air Inc.,1.5,2013-01-01T10:00:00Z\n\
                     AA,\"American, Airlines\",NA,NA\n";

#[tokio::test]
async fn a_table_is_written_as_avro_by_its_key() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let listener = "127.0.0.1:0".to_owned();
    let config = RegistryConfig { listener, ..RegistryConfig::default() };
    let registry = registry::start(config, cluster.client.clone()).await.expect("a registry");
    let url = registry.url();
    let file = dir.path().join("airlines.csv");
    std::fs::write(&file, TABLE).expect("written");
    let path = file.display().to_string();
    let connector = ConnectorConfig::new(
        "airlines",
        [
            ("connector.class", "DelimitedFileSource"),
            ("files", path.as_str()),
            ("topic", "airlines"),
            ("mode", "batch"),
            ("null.values", "NA"),
            ("columns", "fee DECIMAL(6, 2)"),
            ("key.columns", "carrier"),
            ("timestamp.column", "since"),
        ],
    );
    let converters = [
        ("key.converter", "StringConverter"),
        ("value.converter", "AvroConverter"),
        ("value.converter.schema.registry.url", url.as_str()),
    ];
    let running = run(&cluster, &worker(&converters), connector).await;
    running.wait_done().await.expect("done");
    assert_eq!(running.status()[0].records_written, 2);
    running.shutdown().await;

    let client = SchemaRegistry::new(&url).expect("a URL");
    let registered = client.latest("airlines-value").await.expect("registered");
    let schema = avro::Schema::parse(&registered.schema.text).expect("a schema");
    let mut read = Vec::new();
    for record in cluster.records("airlines").await {
        let bytes = record.value.expect("a value");
        let (id, payload) = framing::split(&bytes).expect("framed");
        assert_eq!(id, registered.id);
        let value = schema.decode_value(payload).expect("Avro");
        read.push((record.key.expect("a key"), record.timestamp_ms, value));
    }
    let text = |text: &str| Value::String(text.into());
    let ms = 1_357_034_400_000;
    let fee = Value::Decimal(Decimal { unscaled: 150, scale: 2 });
    let first = vec![text("9E"), text("Endeavor Air Inc."), fee, Value::Timestamp(ms)];
    let second = vec![text("AA"), text("American, Airlines"), Value::Null, Value::Null];
    assert_eq!(read.len(), 2);
    assert_eq!(read[0], ("9E".into(), ms, Value::Struct(first)));
    assert_eq!((&read[1].0[..], &read[1].2), (&b"AA"[..], &Value::Struct(second)));
    registry.shutdown().await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_value_of_the_wrong_type_stops_the_connector_with_its_place() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let file = dir.path().join("in.csv");
    std::fs::write(&file, "n\n1\nx\n").expect("written");
    let path = file.display().to_string();
    let connector = ConnectorConfig::new(
        "numbers",
        [
            ("connector.class", "DelimitedFileSource"),
            ("files", path.as_str()),
            ("topic", "n"),
            ("columns", "n INT"),
        ],
    );
    let converters = [("key.converter", "StringConverter"), ("value.converter", "JsonConverter")];
    let running = run(&cluster, &worker(&converters), connector).await;
    let failed = running.wait_done().await.expect_err("a failure");
    let expected = format!("reading failed: {path}, line 3: column n: \"x\" is no INTEGER");
    assert_eq!((failed.connector.as_str(), failed.reason.as_str()), ("numbers", &*expected));
    assert_eq!(running.status()[0].state, TaskState::Failed(expected));
    running.shutdown().await;
    cluster.stop().await;
}

#[tokio::test]
async fn wrong_connectors_are_refused_before_anything_runs() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let connector = ConnectorConfig::new(
        "c",
        [("connector.class", "io.example.Sink"), ("transforms", "a"), ("tasks.max", "0")],
    );
    let worker = worker(&[("key.converter", "StringConverter")]);
    let client = cluster.client.clone();
    let refused = connect::start(worker, vec![connector], client).await.expect_err("refused");
    let message = refused.to_string();
    for part in [
        "Connector configuration of c is invalid and contains the following 4 error(s):",
        "transformations are not served yet; take them out",
        "no class",
        "it must be at least 1",
        "Missing required configuration \"value.converter\" which has no default value.",
    ] {
        let found =
            message.contains(part) || part == "no class" && message.contains("io.example.Sink");
        assert!(found, "{part}: {message}");
    }
    // It finds that nobody else holds the broker: no client was left behind.
    cluster.stop().await;
}

#[tokio::test]
async fn a_registry_that_is_away_is_waited_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let config = |listener: String| RegistryConfig { listener, ..RegistryConfig::default() };
    let first = registry::start(config("127.0.0.1:0".into()), cluster.client.clone());
    let first = first.await.expect("a registry");
    let (url, address) = (first.url(), first.address().to_string());
    first.shutdown().await;
    let file = dir.path().join("in.csv");
    std::fs::write(&file, "n\n1\n2\n").expect("written");
    let path = file.display().to_string();
    let connector = ConnectorConfig::new(
        "numbers",
        [
            ("connector.class", "DelimitedFileSource"),
            ("files", path.as_str()),
            ("topic", "n"),
            ("mode", "batch"),
        ],
    );
    let converters = [
        ("key.converter", "StringConverter"),
        ("value.converter", "AvroConverter"),
        ("value.converter.schema.registry.url", url.as_str()),
    ];
    let running = run(&cluster, &worker(&converters), connector).await;
    while !matches!(running.status()[0].state, TaskState::Restarting(_)) {
        tokio::task::yield_now().await;
    }
    let again = registry::start(config(address), cluster.client.clone());
    let again = again.await.expect("a registry at the same address");
    running.wait_done().await.expect("done");
    assert_eq!(cluster.records("n").await.len(), 2);
    running.shutdown().await;
    again.shutdown().await;
    cluster.stop().await;
}
