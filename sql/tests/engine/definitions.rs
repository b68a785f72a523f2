use serde_json::json;

use crate::support::*;

const ORDERS: &str = "CREATE STREAM orders (id INT KEY, item VARCHAR, amount DOUBLE) \
                      WITH (kafka_topic='orders', value_format='JSON', partitions=2);";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_have_the_same_ids_and_results_after_a_restart() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    run(&engine, ORDERS).await;
    let created = entity(
        &engine,
        "CREATE TABLE totals AS SELECT item, COUNT(*) AS n, SUM(amount) AS total FROM orders \
         GROUP BY item EMIT CHANGES;",
    )
    .await;
    assert_eq!(created["commandStatus"]["queryId"], "CTAS_TOTALS_1");
    let insert = "INSERT INTO orders VALUES (1, 'pen', 1.5); INSERT INTO orders VALUES \
                  (2, 'ink', 4); INSERT INTO orders (id, item, amount) VALUES (3, 'pen', 2.5);";
    run(&engine, insert).await;
    engine.wait_caught_up().await.unwrap();
    let select = "SELECT * FROM totals;";
    let expected = ["[\"ink\",1,4.0]", "[\"pen\",2,4.0]"];
    assert_eq!(sorted_rows(&engine, select).await, expected);
    engine.shutdown().await;

    let engine = cluster.engine().await;
    let queries = entity(&engine, "SHOW QUERIES;").await;
    assert_eq!(queries["queries"][0]["id"], "CTAS_TOTALS_1");
    assert_eq!(queries["queries"][0]["state"], "RUNNING");
    assert_eq!(sorted_rows(&engine, select).await, expected);
    run(&engine, "INSERT INTO orders VALUES (4, 'pen', 1);").await;
    engine.wait_caught_up().await.unwrap();
    let expected = ["[\"ink\",1,4.0]", "[\"pen\",3,5.0]"];
    assert_eq!(sorted_rows(&engine, select).await, expected);
    let next = "CREATE STREAM pens AS SELECT * FROM orders WHERE item = 'pen';";
    let created = entity(&engine, next).await;
    assert_eq!(created["commandStatus"]["queryId"], "CSAS_PENS_2");
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_is_what_there_is() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    run(&engine, ORDERS).await;
    run(&engine, "CREATE STREAM big AS SELECT id, amount FROM orders WHERE amount > 10;").await;
    let streams = entity(&engine, "SHOW STREAMS;").await;
    let expected = json!([
        {"type": "STREAM", "name": "BIG", "topic": "BIG", "keyFormat": "KAFKA",
         "valueFormat": "JSON", "isWindowed": false},
        {"type": "STREAM", "name": "ORDERS", "topic": "orders", "keyFormat": "KAFKA",
         "valueFormat": "JSON", "isWindowed": false},
    ]);
    assert_eq!(streams["streams"], expected);
    let topics = entity(&engine, "SHOW TOPICS;").await;
    let expected = json!([
        {"name": "BIG", "replicaInfo": [1, 1]}, {"name": "orders", "replicaInfo": [1, 1]},
    ]);
    assert_eq!(topics["topics"], expected);
    let described = entity(&engine, "DESCRIBE orders EXTENDED;").await;
    let description = &described["sourceDescription"];
    assert_eq!(description["partitions"], 2);
    assert_eq!(description["readQueries"][0]["id"], "CSAS_BIG_1");
    let names: Vec<_> =
        description["fields"].as_array().unwrap().iter().map(|f| f["name"].clone()).collect();
    assert_eq!(names, ["ID", "ITEM", "AMOUNT"]);
    let plan = entity(&engine, "EXPLAIN CSAS_BIG_1;").await;
    let topology = plan["queryDescription"]["topology"].as_str().unwrap();
    assert!(topology.contains("Sink: sink (topic: BIG)"), "{topology}");
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_in_use_is_kept_and_a_dropped_one_leaves_nothing() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    run(&engine, ORDERS).await;
    let query = "CREATE TABLE counts AS SELECT item, COUNT(*) AS n FROM orders GROUP BY item;";
    run(&engine, query).await;
    let message = refused(&engine, "DROP STREAM orders;").await;
    assert!(message.contains("read from this source: [CTAS_COUNTS_1]"), "{message}");
    let internal = |names: Vec<String>| names.into_iter().any(|n| n.contains("query_CTAS"));
    assert!(internal(cluster.topic_names().await));
    run(&engine, "DROP TABLE counts DELETE TOPIC; DROP STREAM IF EXISTS orders;").await;
    assert!(!internal(cluster.topic_names().await));
    assert!(!cluster.topic_names().await.contains(&"COUNTS".to_owned()));
    assert!(cluster.topic_names().await.contains(&"orders".to_owned()));
    let queries = entity(&engine, "SHOW QUERIES;").await;
    assert_eq!(queries["queries"], json!([]));
    engine.shutdown().await;
    let engine = cluster.engine().await;
    let message = refused(&engine, "DESCRIBE counts;").await;
    assert!(message.starts_with("line 1:10: COUNTS does not exist."), "{message}");
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminated_query_stays_so_and_its_sink_can_be_written_on() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    run(&engine, ORDERS).await;
    run(&engine, "CREATE STREAM all_orders AS SELECT * FROM orders;").await;
    run(&engine, "TERMINATE CSAS_ALL_ORDERS_1;").await;
    engine.shutdown().await;
    let engine = cluster.engine().await;
    assert_eq!(entity(&engine, "SHOW QUERIES;").await["queries"], json!([]));
    let inserted = "INSERT INTO all_orders SELECT * FROM orders;";
    let created = entity(&engine, inserted).await;
    assert_eq!(created["commandStatus"]["queryId"], "INSERTQUERY_3");
    run(&engine, "INSERT INTO orders VALUES (7, 'cup', 3);").await;
    engine.wait_caught_up().await.unwrap();
    assert_eq!(rows(&engine, "SELECT * FROM all_orders;").await, ["[7,\"cup\",3.0]"]);
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_shown_with_their_place() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    run(&engine, ORDERS).await;
    let message = refused(&engine, "SELECT id,\n  itm FROM orders EMIT CHANGES;").await;
    let expected = "line 2:3: Column 'ITM' cannot be resolved. Did you mean ITEM?\n  \
                    \x20 itm FROM orders EMIT CHANGES;\n    ^^^";
    assert_eq!(message, expected);
    let message =
        refused(&engine, "CREATE STREAM s (a INT) WITH (kafka_topic='none', value_format='JSON');")
            .await;
    assert!(message.starts_with("Kafka topic does not exist: none."), "{message}");
    let message = refused(&engine, "SELECT * FROM nothing;").await;
    assert!(message.starts_with("line 1:15: NOTHING does not exist."), "{message}");
    let message = refused(&engine, "SET 'no.such.thing'='x';").await;
    assert!(message.starts_with("Unknown property: 'no.such.thing'."), "{message}");
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_is_used_again_names_a_running_query_after_a_restart() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    run(&engine, ORDERS).await;
    let create = "CREATE STREAM copy (id INT KEY, item VARCHAR, amount DOUBLE) \
                  WITH (kafka_topic='copy', value_format='JSON', partitions=2);";
    run(&engine, create).await;
    let insert = "INSERT INTO copy WITH (QUERY_ID='feed') SELECT * FROM orders;";
    run(&engine, &format!("{insert} TERMINATE FEED; {insert}")).await;
    engine.shutdown().await;

    let engine = cluster.engine().await;
    let queries = entity(&engine, "SHOW QUERIES;").await;
    assert_eq!(queries["queries"][0]["id"], "FEED");
    assert_eq!(queries["queries"][0]["state"], "RUNNING");
    run(&engine, "INSERT INTO orders VALUES (1, 'pen', 1.5);").await;
    let select = "SELECT item FROM copy EMIT CHANGES LIMIT 1;";
    assert_eq!(rows(&engine, select).await, ["[\"pen\"]"]);
    run(&engine, "TERMINATE FEED;").await;
    engine.shutdown().await;

    let engine = cluster.engine().await;
    assert_eq!(entity(&engine, "SHOW QUERIES;").await["queries"], json!([]));
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_not_as_a_statement_says_is_refused() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    cluster.create_topic("there", 2).await;
    let create = |with: &str| {
        format!("CREATE STREAM s (v INT) WITH (kafka_topic='there', value_format='JSON'{with});")
    };
    let message = refused(&engine, &create(", partitions=3")).await;
    assert!(message.contains("expects 3 partitions (topic has 2)"), "{message}");
    let message = refused(&engine, &create(", partitions=2, replicas=3")).await;
    assert!(message.contains("3 replication factor (topic has 1)"), "{message}");
    let message = refused(&engine, &create(", partitions=3000000000")).await;
    assert!(message.contains("PARTITIONS: 3000000000 is too large"), "{message}");
    run(&engine, &create(", partitions=2, replicas=1")).await;
    let sink = "CREATE STREAM o WITH (kafka_topic='there', partitions=1) AS SELECT v FROM s;";
    let message = refused(&engine, sink).await;
    assert!(message.contains("expects 1 partitions (topic has 2)"), "{message}");
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_done_if_one_statement_of_a_request_is_wrong() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let create = "CREATE STREAM s (k INT KEY, v INT) \
                  WITH (kafka_topic='s', value_format='AVRO', partitions=1);";
    let copy = "CREATE STREAM c AS SELECT * FROM s;";
    for (wrong, expected) in [
        ("CREATE STREAM d AS SELECT x FROM c;", "Column 'X' cannot be resolved"),
        ("INSERT INTO c VALUES (1);", "c"),
        ("INSERT INTO nowhere VALUES (1, 2);", "NOWHERE does not exist"),
        ("CREATE STREAM t (v INT) WITH (kafka_topic='none', value_format='JSON');", "none"),
        ("DROP STREAM nothing;", "NOTHING"),
        ("TERMINATE nothing;", "NOTHING"),
        ("DESCRIBE nothing;", "NOTHING"),
        ("SET 'no.such.property'='1';", "Unknown property"),
        ("PRINT nowhere;", "nowhere"),
        ("PAUSE ALL;", "PAUSE"),
        ("SELECT * FROM c WHERE v = 'x' EMIT CHANGES;", "Cannot compare"),
        ("CREATE STREAM s (v INT) WITH (kafka_topic='s', value_format='JSON');", "already exists"),
    ] {
        let message = refused(&engine, &format!("{create} {copy} {wrong}")).await;
        assert!(message.contains(expected), "{wrong}: {message}");
        assert!(refused(&engine, "DESCRIBE s;").await.contains("S does not exist"), "{wrong}");
        let topics = cluster.topic_names().await;
        assert!(!topics.iter().any(|t| t == "s" || t == "C"), "{wrong}: {topics:?}");
    }
    // What a statement makes, those behind it may use.
    let right = "DROP STREAM c; CREATE STREAM c AS SELECT v, k FROM s; TERMINATE CSAS_C_4; \
                 CREATE STREAM e WITH (kafka_topic='s', value_format='AVRO'); \
                 INSERT INTO s VALUES (1, 2); DROP STREAM e; DESCRIBE c;";
    run(&engine, &format!("{create} {copy} {right}")).await;
    engine.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_queries_carry_headers_and_declared_columns_are_registered() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let create = "CREATE STREAM s (k VARCHAR KEY, g VARCHAR) \
                  WITH (kafka_topic='s', value_format='JSON', partitions=1); \
                  CREATE STREAM o WITH (kafka_topic='o') AS SELECT * FROM s; \
                  CREATE TABLE t WITH (kafka_topic='t') AS SELECT g, COUNT(*) AS n FROM s \
                  GROUP BY g; \
                  CREATE STREAM declared (k INT KEY, v INT) \
                  WITH (kafka_topic='declared', format='AVRO', partitions=1);";
    run(&engine, create).await;
    cluster.produce_with_header("s", ("a", "{\"G\":\"x\"}"), ("trace", "7")).await;
    engine.wait_caught_up().await.unwrap();
    for topic in ["o", "t"] {
        let headers = cluster.headers_of_first(topic).await;
        assert_eq!(headers, [("trace".to_owned(), "7".to_owned())], "{topic}");
    }
    let subjects = cluster.subjects().await;
    assert_eq!(subjects, ["declared-key", "declared-value"]);
    engine.shutdown().await;
    cluster.stop().await;
}
