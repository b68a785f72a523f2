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
async fn explain_tells_a_pull_query_from_a_push_query_and_how_its_rows_are_found() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let create = "CREATE STREAM s (k VARCHAR KEY, v INT) \
                  WITH (kafka_topic='s', value_format='JSON', partitions=1); \
                  CREATE TABLE w AS SELECT k, COUNT(*) AS n FROM s \
                  WINDOW TUMBLING (SIZE 10 MILLISECONDS) GROUP BY k; \
                  CREATE TABLE plain (k VARCHAR PRIMARY KEY, v INT) \
                  WITH (kafka_topic='T', value_format='JSON', partitions=1);";
    run(&engine, create).await;
    let explained = async |select: &str| {
        let plan = entity(&engine, &format!("EXPLAIN {select}")).await;
        let node = &plan["queryDescription"];
        let text = |member: &str| node[member].as_str().unwrap_or_default().to_owned();
        (text("queryType"), text("executionPlan"))
    };
    for (condition, found_by) in [
        ("", "SCAN OF THE WHOLE TABLE"),
        ("WHERE n > 1", "SCAN OF THE WHOLE TABLE"),
        ("WHERE k = 'a'", "LOOKUP OF 1 KEY"),
        ("WHERE k IN ('a', 'b') AND n > 1", "LOOKUP OF 2 KEYS"),
        ("WHERE WINDOWSTART >= 50", "SCAN OF WINDOWS FROM 50 ON"),
        (
            "WHERE k = 'a' AND WINDOWSTART > 50 AND WINDOWEND <= 90",
            "LOOKUP OF 1 KEY OF WINDOWS FROM 51 TO 80",
        ),
    ] {
        let (query_type, plan) = explained(&format!("SELECT * FROM w {condition};")).await;
        assert_eq!(query_type, "PULL", "{condition}");
        let last = plan.lines().last().unwrap().trim_start();
        let expected = format!("> [ SOURCE W: {found_by} ] | Schema: K STRING KEY, N BIGINT");
        assert_eq!(last, expected, "{condition}: {plan}");
        assert_eq!(plan.contains("[ FILTER "), !condition.is_empty(), "{plan}");
    }
    let (_, plan) = explained("SELECT n FROM w ORDER BY n LIMIT 2;").await;
    let expected = " > [ PROJECT ] | Schema: N BIGINT\n\
                    \t > [ LIMIT 2 ] | Schema: N BIGINT\n\
                    \t\t > [ SORT ] | Schema: N BIGINT\n\
                    \t\t\t > [ SOURCE W: SCAN OF THE WHOLE TABLE ] | Schema: K STRING KEY, N BIGINT\n";
    assert_eq!(plan, expected);
    assert_eq!(explained("SELECT * FROM w EMIT CHANGES;").await.0, "PUSH");
    assert_eq!(explained("SELECT * FROM s;").await.0, "PUSH");
    let message = refused(&engine, "EXPLAIN SELECT * FROM plain;").await;
    assert!(message.contains("isn't queryable"), "{message}");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_any_script_are_written_in_avro_and_come_back_from_the_registry() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    run(
        &engine,
        "CREATE STREAM k (`이름` VARCHAR KEY, `순 번` INT KEY, n INT, \
         `값` STRUCT<`한 글` INT, `한_글` INT>) \
         WITH (kafka_topic='k', key_format='JSON', value_format='JSON', partitions=1); \
         CREATE STREAM ka WITH (format='AVRO') AS SELECT * FROM k; \
         INSERT INTO k VALUES ('여울', 3, 4, STRUCT(`한 글` := 1, `한_글` := 2)); \
         INSERT INTO ka VALUES ('내', 5, 6, STRUCT(`한_글` := 7, `한 글` := 8)); \
         CREATE STREAM kr WITH (kafka_topic='KA', format='AVRO');",
    )
    .await;
    engine.wait_caught_up().await.unwrap();
    let described = entity(&engine, "DESCRIBE kr;").await;
    let fields = described["sourceDescription"]["fields"].as_array().unwrap();
    let names: Vec<_> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["이름", "순 번", "N", "값"]);
    let select = "SELECT `이름`, `순 번`, n, `값`->`한 글` AS a, `값`->`한_글` AS b FROM";
    for stream in ["ka", "kr"] {
        let found = sorted_rows(&engine, &format!("{select} {stream};")).await;
        assert_eq!(found, ["[\"내\",5,6,8,7]", "[\"여울\",3,4,1,2]"], "{stream}");
    }
    engine.shutdown().await;
    cluster.stop().await;
}

/// A table with many wide rows, and an engine that keeps it.
async fn wide_table(cluster: &Cluster, rows: usize) -> sql::Engine {
    let engine = cluster.engine().await;
    let create = "CREATE STREAM s (k BIGINT KEY, v VARCHAR) WITH (kafka_topic='s', \
                  key_format='KAFKA', value_format='JSON', partitions=1); \
                  CREATE TABLE t AS SELECT k, LATEST_BY_OFFSET(v) AS v, COUNT(*) AS n FROM s \
                  GROUP BY k;";
    run(&engine, create).await;
    let value = format!("{{\"V\":\"{}\"}}", "x".repeat(10_000));
    let keys: Vec<[u8; 8]> = (0..rows as i64).map(i64::to_be_bytes).collect();
    cluster.produce_bytes("s", keys.iter().map(|key| (&key[..], value.as_bytes()))).await;
    engine.wait_caught_up().await.unwrap();
    engine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_query_reads_on_only_as_its_rows_are_taken() {
    let cluster = Cluster::start().await;
    let engine = wide_table(&cluster, 5_000).await;
    let mut all = stream(&engine, "SELECT * FROM t;").await;
    let first = all.rows.recv().await.unwrap();
    assert!(matches!(&first, RowEvent::Row(row) if row[0] == 0), "{first:?}");
    assert!(all.rows.len() <= 64, "rows wait for their reader, at most {}", all.rows.len());
    let mut seen = 1;
    while let Some(event) = all.rows.recv().await {
        match event {
            RowEvent::Row(_) => seen += 1,
            RowEvent::Final(message) => assert_eq!(message, "Query Completed"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, 5_000);
    let few = rows(&engine, "SELECT k FROM t LIMIT 3;").await;
    assert_eq!(few, ["[0]", "[1]", "[2]"]);
    let last = rows(&engine, "SELECT k FROM t WHERE v LIKE 'x%' ORDER BY k DESC LIMIT 2;").await;
    assert_eq!(last, ["[4999]", "[4998]"]);
    let dropped = stream(&engine, "SELECT * FROM t;").await;
    drop(dropped);
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_looked_up_by_equality_lists_and_windows() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let create = "CREATE STREAM s (id BIGINT KEY, v INT) WITH (kafka_topic='s', \
                  value_format='JSON', partitions=2); \
                  CREATE TABLE t AS SELECT id, SUM(v) AS v FROM s GROUP BY id; \
                  CREATE TABLE w AS SELECT id, COUNT(*) AS n FROM s \
                  WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY id;";
    run(&engine, create).await;
    for (id, v, time) in [(1, 10, 1_000), (2, 20, 12_000), (3, 30, 23_000), (1, 5, 24_000)] {
        let insert = format!("INSERT INTO s (rowtime, id, v) VALUES ({time}, {id}, {v});");
        run(&engine, &insert).await;
    }
    engine.wait_caught_up().await.unwrap();
    for (condition, expected) in [
        ("id = 5", &[][..]),
        ("id = 1", &["[1,15]"]),
        ("id = 1.0", &["[1,15]"]),
        ("id = 1.5", &[]),
        ("id IN (3, 1, 3, 7)", &["[1,15]", "[3,30]"]),
        ("id = 1 OR id = 2 AND v > 20", &["[1,15]"]),
        ("id > 1", &["[2,20]", "[3,30]"]),
        ("id NOT IN (1, 2)", &["[3,30]"]),
    ] {
        let found = sorted_rows(&engine, &format!("SELECT * FROM t WHERE {condition};")).await;
        assert_eq!(found, expected, "{condition}");
    }
    for (condition, expected) in [
        ("id = 1", &["[1,0]", "[1,20000]"][..]),
        ("id = 1 AND WINDOWSTART > 0", &["[1,20000]"]),
        ("id IN (1, 2) AND WINDOWEND <= 20000", &["[1,0]", "[2,10000]"]),
        ("WINDOWSTART = '1970-01-01T00:00:20'", &["[1,20000]", "[3,20000]"]),
        ("WINDOWSTART > 20000 AND WINDOWSTART < 10000", &[]),
    ] {
        let select = format!("SELECT id, WINDOWSTART FROM w WHERE {condition};");
        assert_eq!(sorted_rows(&engine, &select).await, expected, "{condition}");
    }
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_of_a_stream_are_shown_once_when_all_of_it_was_read() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let create = "CREATE STREAM clicks (k VARCHAR KEY, page VARCHAR, ms INT) \
                  WITH (kafka_topic='clicks', value_format='JSON', partitions=3);";
    run(&engine, create).await;
    for (k, page, ms) in [("a", "x", 5), ("b", "y", 7), ("c", "x", 1), ("a", "x", 2), ("d", "z", 9)]
    {
        run(&engine, &format!("INSERT INTO clicks VALUES ('{k}', '{page}', {ms});")).await;
    }
    let select = "SELECT page, COUNT(*) FROM clicks GROUP BY page;";
    let counted = stream(&engine, select).await;
    let names: Vec<&str> = counted.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["PAGE", "KSQL_COL_0"]);
    drop(counted);
    assert_eq!(sorted_rows(&engine, select).await, ["[\"x\",3]", "[\"y\",1]", "[\"z\",1]"]);
    let select = "SELECT SUM(ms) + 1 AS m, UCASE(page) FROM clicks WHERE k <> 'd' GROUP BY page \
                  HAVING COUNT(*) > 1;";
    assert_eq!(rows(&engine, select).await, ["[9,\"X\"]"]);
    let select = "SELECT page, COUNT(*) FROM clicks GROUP BY page LIMIT 2;";
    assert_eq!(rows(&engine, select).await.len(), 2);
    let select = "SELECT COUNT(*) AS n, WINDOWEND - WINDOWSTART AS size FROM clicks \
                  WINDOW TUMBLING (SIZE 100 DAYS) GROUP BY k;";
    assert_eq!(sorted_rows(&engine, select).await.len(), 4);
    assert_eq!(rows(&engine, "SELECT page FROM clicks;").await.len(), 5, "a row a record");
    engine.shutdown().await;
    cluster.stop().await;
}
