use serde_json::{Value as Json, json};
use sql::Server;

use crate::support::*;

async fn post(url: &str, body: Json) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = client.post(url).body(body.to_string()).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rest_api_speaks_as_ksqldb_does() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let server = Server::start(engine.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}", server.address());
    let create = "CREATE STREAM s (k INT KEY, v VARCHAR) \
                  WITH (kafka_topic='s', value_format='JSON', partitions=1);";
    let (status, body) = post(&format!("{url}/ksql"), json!({"ksql": create})).await;
    let answer: Json = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &answer[0]["@type"]), (200, &json!("currentStatus")));
    assert_eq!(answer[0]["commandStatus"]["message"], "Stream created");

    let (status, body) = post(&format!("{url}/ksql"), json!({"ksql": "SHOW STREEMS;"})).await;
    let answer: Json = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &answer["error_code"]), (400, &json!(40001)));
    assert!(answer["message"].as_str().unwrap().contains("^^^^^^^"), "{body}");
    let select = json!({"ksql": "SELECT * FROM s EMIT CHANGES LIMIT 1;",
                        "streamsProperties": {"auto.offset.reset": "earliest"}});
    let (status, body) = post(&format!("{url}/ksql"), select.clone()).await;
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("\"error_code\":40002"), "{body}");

    run(&engine, "INSERT INTO s VALUES (1, 'x');").await;
    let (status, body) = post(&format!("{url}/query"), select).await;
    let answer: Json = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(answer[0]["header"]["schema"], "`K` INTEGER, `V` STRING");
    assert_eq!(answer[1], json!({"row": {"columns": [1, "x"]}}));
    assert_eq!(answer[2], json!({"finalMessage": "Limit Reached"}));

    let lines = json!({"sql": "SELECT v FROM s EMIT CHANGES LIMIT 1;",
                       "properties": {"auto.offset.reset": "earliest"}});
    let (_, body) = post(&format!("{url}/query-stream"), lines).await;
    let lines: Vec<&str> = body.lines().collect();
    let header: Json = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(header["columnTypes"], json!(["STRING"]));
    assert_eq!(lines[1..], ["[\"x\"]"]);

    let create = "CREATE STREAM r (v INT) \
                  WITH (kafka_topic='r', value_format='JSON', partitions=1);";
    for wrong in [create.to_owned(), format!("{create} SELECT * FROM s EMIT CHANGES LIMIT 1;")] {
        let (status, body) = post(&format!("{url}/query"), json!({"ksql": wrong})).await;
        assert!(status == 400 && body.contains("\"error_code\":40002"), "{body}");
        assert!(refused(&engine, "DESCRIBE r;").await.contains('R'), "nothing was done");
    }
    engine.shutdown().await;
    server.shutdown().await;
    cluster.stop().await;
}

/// The last object of an array of rows.
fn last(body: &str) -> Json {
    let rows: Json = serde_json::from_str(body).unwrap();
    rows.as_array().and_then(|rows| rows.last()).cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_the_server_ends_says_why_and_one_that_is_terminated_says_that() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let server = Server::start(engine.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}", server.address());
    run(
        &engine,
        "CREATE STREAM s (v VARCHAR) WITH (kafka_topic='s', value_format='JSON', \
                  partitions=1); INSERT INTO s VALUES ('x');",
    )
    .await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let start = async |path: &str, statement: &str| {
        let body = json!({"ksql": statement}).to_string();
        client.post(format!("{url}/{path}")).body(body).send().await.unwrap()
    };
    let push = "SELECT * FROM s EMIT CHANGES;";
    let mut terminated = start("query", push).await;
    let header = terminated.chunk().await.unwrap().unwrap();
    let header = String::from_utf8_lossy(&header).trim_end_matches(",\n").to_owned();
    let header: Json = serde_json::from_str(&format!("{header}]")).unwrap();
    assert!(engine.close_query(header[0]["header"]["queryId"].as_str().unwrap()));
    let rest = terminated.text().await.unwrap();
    assert!(rest.ends_with("{\"finalMessage\":\"Query terminated\"}]\n"), "{rest}");

    let (pushed, printed) = (start("query", push).await, start("query", "PRINT s;").await);
    let lines = start("query-stream", push).await;
    engine.shutdown().await;
    let error = last(&pushed.text().await.unwrap())["errorMessage"].clone();
    assert!(error["message"].as_str().unwrap().starts_with("The server is shutting down"));
    let printed = printed.text().await.unwrap();
    assert!(printed.ends_with("Run it again when the server is back.\n"), "{printed}");
    let lines = lines.text().await.unwrap();
    assert!(lines.lines().last().unwrap().contains("The server is shutting down"), "{lines}");
    server.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_have_times_in_iso_8601_and_records_have_them_as_numbers() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    run(
        &engine,
        "CREATE STREAM s (t TIMESTAMP, d DATE, c TIME, a ARRAY<TIMESTAMP>) \
         WITH (kafka_topic='s', value_format='JSON', partitions=1); \
         INSERT INTO s VALUES ('2024-01-31T12:00:00', '2024-01-31', '12:30:15', \
         ARRAY[FROM_UNIXTIME(0)]);",
    )
    .await;
    let rows = rows(&engine, "SELECT * FROM s;").await;
    let expected =
        json!(["2024-01-31T12:00:00.000", "2024-01-31", "12:30:15", ["1970-01-01T00:00:00.000"]]);
    assert_eq!(rows, [expected.to_string()]);
    engine.shutdown().await;
    cluster.stop().await;
}
