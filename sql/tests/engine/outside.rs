//! What queries need from outside: topics, and the registry.

use std::time::Duration;

use serde_json::Value as Json;
use sql::{RowEvent, Server};

use crate::support::*;

async fn health(url: &str) -> Json {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("{url}/healthcheck")).send().await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_whose_topic_is_deleted_or_made_anew_says_so_and_is_not_healthy() {
    for (gone, role) in [("s", "source"), ("C", "sink")] {
        for anew in [false, true] {
            let cluster = Cluster::start().await;
            let engine = cluster.engine().await;
            let server = Server::start(engine.clone(), "127.0.0.1:0".parse().unwrap()).await;
            let server = server.unwrap();
            let url = format!("http://{}", server.address());
            let create = "CREATE STREAM s (k VARCHAR KEY, v INT) \
                          WITH (kafka_topic='s', value_format='JSON', partitions=1); \
                          CREATE TABLE c AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;";
            run(&engine, create).await;
            cluster.produce("s", &[("a", "{}", 1)]).await;
            engine.wait_caught_up().await.unwrap();
            assert_eq!(health(&url).await["isHealthy"], true);

            cluster.delete_topic(gone).await;
            if anew {
                cluster.create_topic(gone, 1).await;
            }
            let error = wait_for_query(&engine, "CTAS_C_1", |state, _| state == "ERROR").await;
            assert!(error.starts_with(&format!("{role} topic {gone} ")), "{error}");
            assert!(error.contains("deleted"), "{error}");
            let health = health(&url).await;
            assert_eq!(health["isHealthy"], false);
            assert_eq!(health["details"]["kafka"]["isHealthy"], true);
            assert_eq!(health["details"]["queries"]["failed"]["CTAS_C_1"], error.as_str());
            // The way out.
            run(&engine, "DROP TABLE c;").await;
            engine.shutdown().await;
            server.shutdown().await;
            cluster.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_is_away_keeps_queries_waiting_and_ends_none() {
    let mut cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let create = "CREATE STREAM s (k VARCHAR KEY, v INT) \
                  WITH (kafka_topic='s', value_format='AVRO', partitions=1); \
                  CREATE STREAM reads WITH (value_format='JSON') AS SELECT * FROM s; \
                  CREATE STREAM writes AS SELECT * FROM s;";
    run(&engine, create).await;
    run(&engine, "INSERT INTO s VALUES ('a', 1);").await;
    engine.wait_caught_up().await.unwrap();
    engine.shutdown().await;
    let producer = cluster.engine().await;
    run(&producer, "TERMINATE ALL;").await;
    producer.shutdown().await;
    cluster.stop_registry().await;

    let engine = cluster.engine().await;
    let create = "CREATE STREAM later WITH (value_format='JSON') AS SELECT * FROM s;";
    run(&engine, create).await;
    let id = query_id(&engine, "LATER").await;
    let reason = wait_for_query(&engine, &id, |_, error| !error.is_empty()).await;
    assert!(reason.contains("did not answer"), "{reason}");
    assert_eq!(query_state(&engine, &id).await.0, "RUNNING");
    let refused = refused(&engine, "CREATE STREAM other AS SELECT * FROM s;").await;
    assert!(refused.contains("did not answer"), "{refused}");
    cluster.start_registry().await;
    wait_for_query(&engine, &id, |state, error| state == "RUNNING" && error.is_empty()).await;
    engine.wait_caught_up().await.unwrap();
    assert_eq!(rows(&engine, "SELECT * FROM later;").await, ["[\"a\",1]"]);
    engine.shutdown().await;
    cluster.stop().await;
}

/// The id of the query that writes a source.
async fn query_id(engine: &sql::Engine, sink: &str) -> String {
    let shown = entity(engine, "SHOW QUERIES;").await;
    let queries = shown["queries"].as_array().unwrap();
    let query = queries.iter().find(|query| query["sinks"][0] == sink).unwrap();
    query["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_could_not_start_without_the_registry_starts_when_it_is_back() {
    let mut cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let create = "CREATE STREAM s (k VARCHAR KEY, v INT) \
                  WITH (kafka_topic='s', value_format='AVRO', partitions=1); \
                  CREATE STREAM writes AS SELECT * FROM s;";
    run(&engine, create).await;
    let id = query_id(&engine, "WRITES").await;
    run(&engine, "INSERT INTO s VALUES ('a', 1);").await;
    engine.wait_caught_up().await.unwrap();
    engine.shutdown().await;
    cluster.stop_registry().await;

    let engine = cluster.engine().await;
    let (state, error) = query_state(&engine, &id).await;
    assert_eq!(state, "ERROR");
    assert!(error.contains("did not answer") && error.ends_with("it is tried again"), "{error}");
    cluster.start_registry().await;
    wait_for_query(&engine, &id, |state, error| state == "RUNNING" && error.is_empty()).await;
    run(&engine, "INSERT INTO s VALUES ('b', 2);").await;
    engine.wait_caught_up().await.unwrap();
    assert_eq!(rows(&engine, "SELECT v FROM writes;").await, ["[1]", "[2]"]);
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_up_to_the_end_that_fails_on_its_way_is_an_error_and_not_complete() {
    let mut cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let create = "CREATE STREAM s (k VARCHAR KEY, v INT) \
                  WITH (kafka_topic='s', value_format='AVRO', partitions=1);";
    run(&engine, create).await;
    run(&engine, "INSERT INTO s VALUES ('a', 1);").await;
    engine.shutdown().await;
    cluster.stop_registry().await;
    let engine = cluster.engine().await;
    // It waits for the registry, so that it is still on its way when its topic goes.
    let mut shown = stream(&engine, "SELECT * FROM s;").await;
    cluster.delete_topic("s").await;
    let mut last = None;
    while let Some(event) = shown.rows.recv().await {
        last = Some(event);
    }
    let Some(RowEvent::Error(reason)) = last else { panic!("{last:?}") };
    assert!(reason.contains("source topic s "), "{reason}");
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_read_tells_of_a_registry_that_is_away_and_ends() {
    let mut cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let create = "CREATE STREAM s (k VARCHAR KEY, v INT) \
                  WITH (kafka_topic='s', value_format='AVRO', partitions=1);";
    run(&engine, create).await;
    run(&engine, "INSERT INTO s VALUES ('a', 1);").await;
    engine.shutdown().await;
    cluster.stop_registry().await;
    let engine = cluster.patient_engine(Duration::ZERO).await;
    for select in [
        "SELECT * FROM s EMIT CHANGES;",
        "SELECT * FROM s;",
        "SELECT k, COUNT(*) FROM s GROUP BY k;",
        "SELECT k, COUNT(*) FROM s GROUP BY k EMIT CHANGES;",
    ] {
        let mut shown = stream(&engine, select).await;
        let Some(RowEvent::Error(reason)) = shown.rows.recv().await else { panic!("{select}") };
        assert!(reason.contains("did not answer"), "{select}: {reason}");
        assert!(reason.ends_with("Run the query again when it answers."), "{select}: {reason}");
        assert_eq!(shown.rows.recv().await, None, "{select}");
    }
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_table_never_finds_the_state_of_another_one() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    for topic in ["one", "two"] {
        cluster.create_topic(topic, 1).await;
        cluster.produce(topic, &[(topic, "{\"v\":1}", 1)]).await;
    }
    let table = |name: &str, topic: &str| {
        format!(
            "CREATE SOURCE TABLE {name} (k VARCHAR PRIMARY KEY, v INT) \
             WITH (kafka_topic='{topic}', value_format='JSON');"
        )
    };
    // Names that are one text once their marks are replaced.
    run(&engine, &table("`a-b`", "one")).await;
    run(&engine, &table("`a_b`", "two")).await;
    engine.wait_caught_up().await.unwrap();
    assert_eq!(rows(&engine, "SELECT k FROM `a-b`;").await, ["[\"one\"]"]);
    assert_eq!(rows(&engine, "SELECT k FROM `a_b`;").await, ["[\"two\"]"]);

    // State that a kill has left behind between DROP and the removal of its folder.
    let leftovers = |cluster: &Cluster| {
        let folders = std::fs::read_dir(cluster.state_dir()).unwrap();
        folders.map(|folder| folder.unwrap().file_name()).collect::<Vec<_>>()
    };
    let before = leftovers(&cluster);
    run(&engine, "DROP TABLE `a-b`;").await;
    run(&engine, &table("`a-b`", "two")).await;
    engine.wait_caught_up().await.unwrap();
    assert_eq!(rows(&engine, "SELECT k FROM `a-b`;").await, ["[\"two\"]"]);
    let fresh = leftovers(&cluster).into_iter().filter(|folder| !before.contains(folder)).count();
    assert_eq!(fresh, 1, "the table that was created again has a folder of its own");
    engine.shutdown().await;

    let engine = cluster.engine().await;
    engine.wait_caught_up().await.unwrap();
    assert_eq!(rows(&engine, "SELECT k FROM `a-b`;").await, ["[\"two\"]"]);
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_are_kept_for_a_day_or_what_retention_says() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let create = "CREATE STREAM s (k VARCHAR KEY, v INT) WITH \
                  (kafka_topic='s', value_format='JSON', partitions=1, retention_ms=100000000);";
    run(&engine, create).await;
    for (name, retention) in [("d", ""), ("h", ", RETENTION 12 HOURS")] {
        let window = format!("SIZE 1 HOUR{retention}, GRACE PERIOD 1 MINUTE");
        let create = format!(
            "CREATE TABLE {name} AS SELECT k, COUNT(*) AS n FROM s WINDOW TUMBLING ({window}) \
             GROUP BY k;"
        );
        run(&engine, &create).await;
    }
    const HOUR: i64 = 3_600_000;
    for hour in 0..72 {
        cluster.produce("s", &[("a", "{}", hour * HOUR)]).await;
    }
    engine.wait_caught_up().await.unwrap();
    let count = async |table: &str| rows(&engine, &format!("SELECT n FROM {table};")).await.len();
    // Windows leave by segments of a quarter of the retention.
    let (day, half) = (count("d").await, count("h").await);
    assert!((24..=31).contains(&day), "{day}");
    assert!((12..=16).contains(&half), "{half}");
    for topic in ["D", "H"] {
        let policy = cluster.topic_config(topic, "cleanup.policy").await;
        assert_eq!(policy.as_deref(), Some("compact,delete"));
        let kept = cluster.topic_config(topic, "retention.ms").await;
        assert_eq!(kept.as_deref(), Some("100000000"), "as long as the source");
    }
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_over_a_topic_that_keeps_its_records_for_another_time_is_refused() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let create = |name: &str, retention: &str| {
        format!(
            "CREATE STREAM {name} (v INT) WITH (kafka_topic='t', value_format='JSON', \
             partitions=1{retention});"
        )
    };
    run(&engine, &create("a", ", retention_ms=3600000")).await;
    run(&engine, &create("b", ", retention_ms=3600000")).await;
    run(&engine, &create("c", "")).await;
    let refused = refused(&engine, &create("d", ", retention_ms=7200000")).await;
    let expected = "A Kafka topic with the name 't' already exists, with different \
                    partition/replica/retention configuration than required. KSQL expects 1 \
                    partitions (topic has 1), 1 replication factor (topic has 1), and 7200000 \
                    retention (topic has 3600000)";
    assert!(refused.contains(expected), "{refused}");
    engine.shutdown().await;
    cluster.stop().await;
}
