use serde_json::json;
use sql::{Outcome, RowEvent};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_query_shows_each_change_and_ends_at_its_limit() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let create = "CREATE STREAM s (k VARCHAR KEY, v INT) \
                  WITH (kafka_topic='s', value_format='DELIMITED', partitions=1);";
    run(&engine, create).await;
    let select = "SELECT k, v * 2 AS double FROM s WHERE v > 1 EMIT CHANGES LIMIT 2;";
    let mut changes = stream(&engine, select).await;
    assert_eq!(changes.columns[1].name, "DOUBLE");
    cluster.produce("s", &[("a", "1", 1), ("b", "2", 2), ("c", "3", 3), ("d", "4", 4)]).await;
    let mut seen = Vec::new();
    while let Some(event) = changes.rows.recv().await {
        seen.push(event);
    }
    let row = |k: &str, v: i32| RowEvent::Row(vec![json!(k), json!(v)]);
    assert_eq!(seen, [row("b", 4), row("c", 6), RowEvent::Final("Limit Reached".to_owned())]);
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_queried_like_any_other() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let create = "CREATE STREAM s (k VARCHAR KEY, g VARCHAR, v INT) \
                  WITH (kafka_topic='s', value_format='JSON', partitions=2); \
                  CREATE TABLE t AS SELECT k, LATEST_BY_OFFSET(g) AS g, SUM(v) AS v FROM s \
                  GROUP BY k;";
    run(&engine, create).await;
    for (k, g, v) in [("a", "x", 1), ("b", "y", 2), ("c", "x", 3), ("a", "x", 10)] {
        run(&engine, &format!("INSERT INTO s VALUES ('{k}', '{g}', {v});")).await;
    }
    engine.wait_caught_up().await.unwrap();
    assert_eq!(rows(&engine, "SELECT * FROM t WHERE k = 'a';").await, ["[\"a\",\"x\",11]"]);
    let select = "SELECT k, v FROM t WHERE v > 2 ORDER BY v DESC LIMIT 1;";
    assert_eq!(rows(&engine, select).await, ["[\"a\",11]"]);
    let select = "SELECT g, COUNT(*) AS n, SUM(v) AS v FROM t GROUP BY g ORDER BY g;";
    assert_eq!(rows(&engine, select).await, ["[\"x\",2,14]", "[\"y\",1,2]"]);
    assert_eq!(rows(&engine, "SELECT v FROM t WHERE k = 'z';").await, Vec::<String>::new());
    let source = "CREATE TABLE plain (k VARCHAR PRIMARY KEY, v INT) \
                  WITH (kafka_topic='T', value_format='JSON');";
    run(&engine, source).await;
    let message = refused(&engine, "SELECT * FROM plain;").await;
    assert!(message.contains("isn't queryable"), "{message}");
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_windowed_table_shows_its_windows() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let create = "CREATE STREAM s (k VARCHAR KEY, v INT) \
                  WITH (kafka_topic='s', value_format='JSON', partitions=1); \
                  CREATE TABLE w AS SELECT k, COUNT(*) AS n FROM s \
                  WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 5 SECONDS) GROUP BY k;";
    run(&engine, create).await;
    let records =
        [("a", "{}", 1_000), ("a", "{}", 12_000), ("a", "{}", 9_000), ("a", "{}", 30_000)];
    cluster.produce("s", &records).await;
    cluster.produce("s", &[("a", "{}", 2_000)]).await;
    engine.wait_caught_up().await.unwrap();
    let expected = ["[\"a\",0,10000,2]", "[\"a\",10000,20000,1]", "[\"a\",30000,40000,1]"];
    assert_eq!(sorted_rows(&engine, "SELECT * FROM w WHERE k = 'a';").await, expected);
    let select = "SELECT n FROM w WHERE k = 'a' AND WINDOWSTART >= '1970-01-01T00:00:10';";
    assert_eq!(sorted_rows(&engine, select).await, ["[1]", "[1]"]);
    let changes = "SELECT * FROM w EMIT CHANGES LIMIT 1;";
    assert_eq!(rows(&engine, changes).await, ["[\"a\",0,10000,1]"]);
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn print_guesses_formats() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    cluster.create_topic("mixed", 1).await;
    cluster.produce("mixed", &[("k", "{\"a\":1}", 0), ("k", "plain", 1)]).await;
    let Some(Outcome::Print(mut print)) =
        run(&engine, "PRINT mixed FROM BEGINNING LIMIT 2;").await.pop()
    else {
        panic!("no lines")
    };
    let mut lines = Vec::new();
    while let Some(line) = print.lines.recv().await {
        lines.push(line.unwrap());
    }
    let expected = [
        "Key format: KAFKA_STRING",
        "Value format: JSON",
        "rowtime: 1970/01/01 00:00:00.000 Z, key: k, value: {\"a\":1}, partition: 0",
        "Value format: KAFKA_STRING",
        "rowtime: 1970/01/01 00:00:00.001 Z, key: k, value: plain, partition: 0",
    ];
    assert_eq!(lines, expected);
    let message = refused(&engine, "PRINT mixde;").await;
    assert!(message.contains("Did you mean mixed?"), "{message}");
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_any_script_are_streams_tables_and_columns_but_not_topics() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let message = refused(
        &engine,
        "CREATE STREAM `한글` (`이름` VARCHAR) WITH (value_format='JSON', partitions=1);",
    )
    .await;
    assert!(message.contains("'한글' cannot be a topic: a topic's name has 1 to 249"), "{message}");
    let message = refused(&engine, "PRINT 한글토픽;").await;
    assert!(
        message.contains("KAFKA_TOPIC") && message.ends_with("\n        ^^^^^^^^"),
        "{message}"
    );
    run(
        &engine,
        "CREATE STREAM `한글` (`이름` VARCHAR, `금액` INT) \
         WITH (kafka_topic='k', value_format='JSON', partitions=1); \
         CREATE TABLE `표` WITH (kafka_topic='t') AS SELECT `이름`, SUM(`금액`) AS `합` FROM `한글` \
         GROUP BY `이름` EMIT CHANGES; \
         INSERT INTO `한글` VALUES ('여울', 3); INSERT INTO `한글` VALUES ('여울', 4);",
    )
    .await;
    engine.wait_caught_up().await.unwrap();
    assert_eq!(rows(&engine, "SELECT * FROM `한글`;").await, ["[\"여울\",3]", "[\"여울\",4]"]);
    let total = rows(&engine, "SELECT * FROM `표` EMIT CHANGES LIMIT 2;").await;
    assert_eq!(total.last().map(String::as_str), Some("[\"여울\",7]"));
    engine.shutdown().await;
    let engine = cluster.engine().await;
    let total =
        rows(&engine, "SELECT `합` FROM `표` WHERE `이름` = '여울' EMIT CHANGES LIMIT 2;").await;
    assert_eq!(total.last().map(String::as_str), Some("[7]"));
    engine.shutdown().await;
    cluster.stop().await;
}
