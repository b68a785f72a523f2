//! Delimited files over time, with schemas in a registry; and very many of them.

use std::path::Path;

use client::schema_registry::SchemaRegistry;
use connect::{ConnectorConfig, TaskState, Worker};
use formats::{Value, avro, framing};
use registry::{Registry, RegistryConfig};
use tokio::task::yield_now;

use super::{Cluster, run, worker};

struct Place {
    dir: tempfile::TempDir,
    cluster: Cluster,
    registry: Registry,
}

impl Place {
    async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let cluster = Cluster::start(&dir.path().join("data")).await;
        let listener = "127.0.0.1:0".to_owned();
        let config = RegistryConfig { listener, ..RegistryConfig::default() };
        let registry = registry::start(config, cluster.client.clone()).await.expect("a registry");
        Self { dir, cluster, registry }
    }

    async fn stop(self) {
        self.registry.shutdown().await;
        self.cluster.stop().await;
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).expect("written");
    }

    async fn connector(&self, settings: &[(&str, &str)]) -> Worker {
        let files = self.dir.path().join("*.csv").display().to_string();
        let url = self.registry.url();
        let mut all = vec![
            ("connector.class", "DelimitedFileSource"),
            ("files", files.as_str()),
            ("topic", "t"),
        ];
        all.extend(settings);
        let converters = [
            ("key.converter", "StringConverter"),
            ("value.converter", "AvroConverter"),
            ("value.converter.schema.registry.url", url.as_str()),
        ];
        let name = settings.iter().find(|(key, _)| *key == "name").map_or("c", |(_, name)| name);
        run(&self.cluster, &worker(&converters), ConnectorConfig::new(name, all)).await
    }

    /// The records as their own schemas read them.
    async fn values(&self) -> Vec<Value> {
        let client = SchemaRegistry::new(&self.registry.url()).expect("a URL");
        let mut values = Vec::new();
        for record in self.cluster.records("t").await {
            let bytes = record.value.expect("a value");
            let (id, payload) = framing::split(&bytes).expect("framed");
            let schema = client.schema(id).await.expect("registered");
            let schema = avro::Schema::parse(&schema.text).expect("a schema");
            values.push(schema.decode_value(payload).expect("Avro"));
        }
        values
    }

    async fn until_there_are(&self, records: i64) {
        while self.cluster.end("t").await < records {
            yield_now().await;
        }
    }
}

fn text(text: &str) -> Value {
    Value::String(text.into())
}

#[tokio::test]
async fn files_whose_types_differ_are_one_schema() {
    let place = Place::start().await;
    place.write("day1.csv", "k,v\na,1.5\n");
    place.write("day2.csv", "k,v\nc,3\n");
    let running = place.connector(&[("mode", "batch")]).await;
    running.wait_done().await.expect("done");
    running.shutdown().await;
    let expected = [
        Value::Struct(vec![text("a"), Value::Float64(1.5)]),
        Value::Struct(vec![text("c"), Value::Float64(3.0)]),
    ];
    assert_eq!(place.values().await, expected);
    place.stop().await;
}

#[tokio::test]
async fn a_file_that_grows_widens_its_schema_as_far_as_the_registry_lets_it() {
    let place = Place::start().await;
    place.write("in.csv", "at,value\n1,21\n");
    let running = place.connector(&[]).await;
    place.until_there_are(1).await;
    place.write("in.csv", "at,value\n1,21\n2,21.5\n");
    place.until_there_are(2).await;
    let row = |at: i64, value: Value| Value::Struct(vec![Value::Int64(at), value]);
    let expected = [row(1, Value::Int64(21)), row(2, Value::Float64(21.5))];
    assert_eq!(place.values().await, expected);

    place.write("in.csv", "at,value\n1,21\n2,21.5\n3,n/a\n");
    let failed = running.wait_done().await.expect_err("STRING cannot be read as DOUBLE");
    for part in [
        "in.csv, line 4 (column value: \"n/a\" cannot be kept as DOUBLE, so that the column is \
         STRING from here on): a record for topic t cannot be converted by its value.converter",
        "the types that t-value has (as with the setting columns), or write to another topic",
    ] {
        assert!(failed.reason.contains(part), "{}", failed.reason);
    }
    running.shutdown().await;

    // What the user writes wins over what was remembered.
    let settings = [("columns", "value DOUBLE"), ("null.values", "n/a")];
    let running = place.connector(&settings).await;
    place.until_there_are(3).await;
    running.shutdown().await;
    assert_eq!(place.values().await[2], row(3, Value::Null));
    place.stop().await;
}

#[tokio::test]
async fn a_header_in_korean_has_safe_names_in_avro_and_its_own_in_json() {
    let place = Place::start().await;
    place.write("in.csv", "이름,나이,unit price\n김,41,3\n");
    let running = place.connector(&[("mode", "batch")]).await;
    running.wait_done().await.expect("done");
    running.shutdown().await;
    let client = SchemaRegistry::new(&place.registry.url()).expect("a URL");
    let latest = client.latest("t-value").await.expect("registered");
    let schema = avro::Schema::parse(&latest.schema.text).expect("a schema");
    let typed = schema.to_typed().expect("typed");
    let names: Vec<(&str, Option<&str>)> =
        typed.fields().iter().map(|f| (f.name.as_str(), f.schema.doc.as_deref())).collect();
    let expected = [
        ("_xC774__xB984_", Some("이름")),
        ("_xB098__xC774_", Some("나이")),
        ("unit_price", Some("unit price")),
    ];
    assert_eq!(names, expected);
    let json = [
        ("name", "json"),
        ("topic", "j"),
        ("mode", "batch"),
        ("value.converter", "JsonConverter"),
        ("value.converter.schemas.enable", "false"),
    ];
    let running = place.connector(&json).await;
    running.wait_done().await.expect("done");
    running.shutdown().await;
    let records = place.cluster.records("j").await;
    let value = records[0].value.clone().expect("a value");
    assert_eq!(value, r#"{"이름":"김","나이":41,"unit price":3}"#);
    place.stop().await;
}

fn lines(folder: &Path, name: &str, mode: &str) -> ConnectorConfig {
    let files = folder.join("*.txt").display().to_string();
    ConnectorConfig::new(
        name,
        [
            ("connector.class", "DelimitedFileSource"),
            ("files", files.as_str()),
            ("topic", "t"),
            ("format", "line"),
            ("mode", mode),
        ],
    )
}

const STRINGS: [(&str, &str); 2] =
    [("key.converter", "StringConverter"), ("value.converter", "StringConverter")];

#[tokio::test]
async fn a_batch_of_a_file_that_is_not_there_says_so_as_the_system_does() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let mut connector = lines(dir.path(), "c", "batch");
    let missing = dir.path().join("none.csv").display().to_string();
    connector.settings.insert("files".into(), missing.clone());
    let running = run(&cluster, &worker(&STRINGS), connector).await;
    let failed = running.wait_done().await.expect_err("it is not there");
    let told = format!("reading failed: {missing}: No such file or directory; ");
    assert!(failed.reason.starts_with(&told), "{}", failed.reason);
    assert!(failed.reason.contains("mode=tail waits for one"), "{}", failed.reason);
    running.shutdown().await;
    cluster.stop().await;
}

/// More positions than one message holds move at once when an interrupted run is recognised.
#[tokio::test]
async fn a_run_that_was_killed_among_thousands_of_files_is_recognised() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let folder = dir.path().join("in");
    std::fs::create_dir(&folder).expect("a folder");
    for n in 0..6000u64 {
        // Names that compress badly.
        let name: String = (0..24).map(|i| format!("{:08x}", hash(n * 100 + i))).collect();
        std::fs::write(folder.join(format!("{name}.txt")), format!("{n}\n")).expect("written");
    }
    let mut seldom = worker(&STRINGS);
    seldom.offset_flush_interval = std::time::Duration::from_secs(3600);
    let running = run(&cluster, &seldom, lines(&folder, "c", "batch")).await;
    while cluster.end("t").await < 300 {
        yield_now().await;
    }
    drop(running);
    // A record of somebody else's is never recognised, so that all is read before positions are
    // remembered again.
    let other = dir.path().join("other");
    std::fs::create_dir(&other).expect("a folder");
    std::fs::write(other.join("a.txt"), "somebody else's\n").expect("written");
    for (folder, name) in [(&other, "other"), (&folder, "c"), (&folder, "c")] {
        let running = run(&cluster, &worker(&STRINGS), lines(folder, name, "batch")).await;
        running.wait_done().await.expect("done");
        running.shutdown().await;
    }
    assert_eq!(cluster.end("t").await, 6001, "each line once");
    cluster.stop().await;
}

fn hash(n: u64) -> u32 {
    let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32) as u32
}

/// The positions of so many files take more than a message may be long.
#[tokio::test]
async fn positions_of_thousands_of_files_are_remembered_as_they_move() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    let folder = dir.path().join("in");
    std::fs::create_dir(&folder).expect("a folder");
    for n in 0..4500 {
        let name = format!("{}-{n}.txt", "a-long-name-".repeat(10));
        std::fs::write(folder.join(name), format!("{n}\n")).expect("written");
    }
    for _ in 0..2 {
        let running = run(&cluster, &worker(&STRINGS), lines(&folder, "c", "batch")).await;
        running.wait_done().await.expect("done");
        running.shutdown().await;
        assert_eq!(cluster.end("t").await, 4500, "a second run has nothing to do");
    }
    let positions = cluster.end("connect-offsets").await;
    assert!(positions < 9500, "{positions} records: only what has moved is remembered");
    cluster.stop().await;
}

/// In a batch one file is read after the other, so that the first may fill the window before the
/// second has its turn.
#[tokio::test]
async fn what_was_written_of_a_second_file_is_recognised_behind_a_window_of_the_first() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(&dir.path().join("data")).await;
    std::fs::write(dir.path().join("a.txt"), "first\n").expect("written");
    std::fs::write(dir.path().join("b.txt"), "x\ny\nz\n").expect("written");
    let mut seldom = worker(&STRINGS);
    seldom.offset_flush_interval = std::time::Duration::from_secs(3600);
    let running = run(&cluster, &seldom, lines(dir.path(), "c", "tail")).await;
    while cluster.end("t").await < 4 {
        yield_now().await;
    }
    drop(running);

    let more: String = (0..connect::WINDOW + 500).map(|n| format!("line {n}\n")).collect();
    std::fs::write(dir.path().join("a.txt"), format!("first\n{more}")).expect("written");
    let running = run(&cluster, &worker(&STRINGS), lines(dir.path(), "c", "batch")).await;
    running.wait_done().await.expect("done");
    assert_eq!(running.status()[0].state, TaskState::Done);
    running.shutdown().await;
    assert_eq!(cluster.end("t").await, connect::WINDOW as i64 + 504, "none is there twice");
    cluster.stop().await;
}
