use std::sync::atomic::Ordering;

use serde_json::{Value as Json, json};

use super::Server;

fn record(fields: &str) -> Json {
    json!({"schema": format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)})
}

const A: &str = r#"{"name":"a","type":"string"}"#;
const AB: &str = r#"{"name":"a","type":"string"},{"name":"b","type":"int"}"#;
const ABD: &str = r#"{"name":"a","type":"string"},{"name":"b","type":"int","default":0}"#;

#[tokio::test]
async fn a_schema_gets_an_id_and_a_version_and_is_found_again() {
    let server = Server::start().await;
    let versions = "/subjects/s-value/versions";
    let (status, first) = server.call("POST", versions, Some(record(A))).await;
    assert_eq!((status, &first["id"], &first["version"]), (200, &json!(1), &json!(1)));
    let (_, again) = server.call("POST", versions, Some(record(A))).await;
    assert_eq!(again, first);
    let (_, other) = server.call("POST", "/subjects/o%2Fther/versions", Some(record(A))).await;
    assert_eq!(other["id"], 1, "one schema has one id");
    let (_, second) = server.call("POST", versions, Some(record(ABD))).await;
    assert_eq!((&second["id"], &second["version"]), (&json!(2), &json!(2)));

    let (_, subjects) = server.get("/subjects/").await;
    assert_eq!(subjects, json!(["o/ther", "s-value"]));
    let (_, found) = server.get("/subjects/s-value/versions/latest").await;
    assert_eq!((&found["id"], &found["subject"]), (&json!(2), &json!("s-value")));
    assert_eq!(server.get(versions).await, (200, json!([1, 2])));
    let (_, by_id) = server.get("/schemas/ids/1").await;
    let text = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;
    assert_eq!(by_id["schema"], text);
    let (_, raw) = server.get("/schemas/ids/1/schema").await;
    assert_eq!(raw.to_string(), text);
    let (_, uses) = server.get("/schemas/ids/1/versions").await;
    assert_eq!(
        uses,
        json!([{"subject": "o/ther", "version": 1}, {"subject": "s-value", "version": 1}])
    );
    let (status, looked_up) = server.call("POST", "/subjects/s-value", Some(record(A))).await;
    assert_eq!((status, &looked_up["version"]), (200, &json!(1)));
    server.stop().await;
}

#[tokio::test]
async fn what_old_readers_could_not_read_is_refused_with_all_reasons() {
    let server = Server::start().await;
    let versions = "/subjects/s/versions";
    server.call("POST", versions, Some(record(A))).await;
    let (status, refused) = server.call("POST", versions, Some(record(AB))).await;
    assert_eq!((status, &refused["error_code"]), (409, &json!(409)));
    let message = refused["message"].as_str().expect("a message");
    assert!(message.starts_with(
        "Schema being registered is incompatible with an earlier schema for subject \"s\", \
         details: [{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'b' at \
         path '/fields/1' in the new schema has no default value and is missing in the old schema'"
    ));
    assert!(message.ends_with("{validateFields: 'false', compatibility: 'BACKWARD'}]"));

    let check = "/compatibility/subjects/s/versions/latest?verbose=true";
    let (_, checked) = server.call("POST", check, Some(record(AB))).await;
    assert_eq!(checked["is_compatible"], false);
    assert_eq!(checked["messages"].as_array().map(Vec::len), Some(4));
    let (_, level) = server.call("PUT", "/config/s", Some(json!({"compatibility": "none"}))).await;
    assert_eq!(level, json!({"compatibility": "NONE"}));
    let (status, _) = server.call("POST", versions, Some(record(AB))).await;
    assert_eq!(status, 200);
    server.stop().await;
}

#[tokio::test]
async fn deletion_is_soft_first_and_ids_are_not_given_again() {
    let server = Server::start().await;
    let versions = "/subjects/s/versions";
    server.call("POST", versions, Some(record(A))).await;
    let (_, early) = server.call("DELETE", "/subjects/s?permanent=true", None).await;
    assert_eq!(early["error_code"], 40405);
    assert_eq!(server.call("DELETE", "/subjects/s", None).await, (200, json!([1])));
    assert_eq!(server.get(versions).await.1["error_code"], 40401);
    assert_eq!(server.get("/schemas/ids/1").await.0, 200);
    assert_eq!(server.get("/subjects?deleted=true").await.1, json!(["s"]));
    let (_, again) = server.call("POST", versions, Some(record(A))).await;
    assert_eq!((&again["id"], &again["version"]), (&json!(1), &json!(2)));
    server.call("DELETE", "/subjects/s", None).await;
    let (_, gone) = server.call("DELETE", "/subjects/s?permanent=true", None).await;
    assert_eq!(gone, json!([2]));
    assert_eq!(server.get("/schemas/ids/1").await.1["error_code"], 40403);
    let (_, anew) = server.call("POST", versions, Some(record(ABD))).await;
    assert_eq!((&anew["id"], &anew["version"]), (&json!(2), &json!(1)));
    server.stop().await;
}

#[tokio::test]
async fn references_are_resolved_and_protected() {
    let server = Server::start().await;
    let inner = json!({"schema": r#"{"type":"record","name":"n.Inner","fields":[]}"#});
    server.call("POST", "/subjects/inner/versions", Some(inner)).await;
    let mut outer = record(r#"{"name":"i","type":"n.Inner"}"#);
    let (status, missing) =
        server.call("POST", "/subjects/outer/versions", Some(outer.clone())).await;
    assert_eq!((status, &missing["error_code"]), (422, &json!(42201)));
    outer["references"] = json!([{"name": "n.Inner", "subject": "inner", "version": 1}]);
    let (status, registered) = server.call("POST", "/subjects/outer/versions", Some(outer)).await;
    assert_eq!((status, &registered["id"]), (200, &json!(2)));
    let (_, referrers) = server.get("/subjects/inner/versions/1/referencedby").await;
    assert_eq!(referrers, json!([2]));
    let (status, refused) = server.call("DELETE", "/subjects/inner/versions/1", None).await;
    assert_eq!((status, &refused["error_code"]), (422, &json!(42206)));
    server.stop().await;
}

#[tokio::test]
async fn modes_decide_what_is_taken() {
    let server = Server::start().await;
    let mode = |mode: &str| Some(json!({ "mode": mode }));
    assert_eq!(server.get("/mode/").await.1, json!({"mode": "READWRITE"}));
    assert_eq!(server.get("/mode/s").await.1["error_code"], 40409);
    server.call("PUT", "/mode/s", mode("READONLY")).await;
    let (_, refused) = server.call("POST", "/subjects/s/versions", Some(record(A))).await;
    assert_eq!(
        refused,
        json!({"error_code": 42205, "message": "Subject s in context . is in read-only mode"})
    );
    assert_eq!(server.call("PUT", "/mode/s", mode("odd")).await.1["error_code"], 42204);
    server.call("PUT", "/mode/s", mode("IMPORT")).await;
    let mut import = record(A);
    import["id"] = json!(70);
    import["version"] = json!(5);
    let (_, imported) = server.call("POST", "/subjects/s/versions", Some(import)).await;
    assert_eq!((&imported["id"], &imported["version"]), (&json!(70), &json!(5)));
    server.call("DELETE", "/mode/s", None).await;
    let (_, next) = server.call("POST", "/subjects/t/versions", Some(record(ABD))).await;
    assert_eq!(next["id"], 71);
    server.stop().await;
}

#[tokio::test]
async fn wrong_requests_have_confluents_codes() {
    let server = Server::start().await;
    let versions = "/subjects/s/versions";
    server.call("POST", versions, Some(record(A))).await;
    for (method, path, body, code) in [
        ("GET", "/nowhere", None, 404),
        ("PATCH", "/subjects", None, 405),
        ("GET", "/subjects/none/versions", None, 40401),
        ("GET", "/subjects/s/versions/7", None, 40402),
        ("GET", "/subjects/s/versions/zero", None, 42202),
        ("GET", "/subjects/s/versions/0", None, 42202),
        ("GET", "/schemas/ids/9", None, 40403),
        ("GET", "/config/s", None, 40408),
        ("PUT", "/config", Some(json!({"compatibility": "MOSTLY"})), 42203),
        ("POST", versions, Some(json!({"schema": "{"})), 42201),
        ("POST", versions, Some(json!({"schema": "\"int\"", "schemaType": "JSON"})), 42201),
        ("POST", "/subjects/s", Some(record(ABD)), 40403),
        ("POST", "/subjects/new/versions", Some(json!({"schema": ""})), 42201),
        ("POST", versions, Some(json!([])), 400),
        ("DELETE", "/subjects/s/versions/1?permanent=true", None, 40407),
    ] {
        let (status, answer) = server.call(method, path, body).await;
        assert_eq!(answer["error_code"], code, "{method} {path}: {answer}");
        let expected = if code < 1000 { code } else { code / 100 };
        assert_eq!(i64::from(status), i64::from(expected), "{method} {path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_id_is_not_given_again_though_the_answer_to_its_record_was_lost() {
    let server = Server::start().await;
    server.loses_answer.store(true, Ordering::Relaxed);
    let (status, _) = server.call("POST", "/subjects/a/versions", Some(record(A))).await;
    assert_eq!(status, 500);
    let (_, other) = server.call("POST", "/subjects/b/versions", Some(record(AB))).await;
    assert_eq!(other["id"], 2, "the first record was written after all");
    let (_, again) = server.call("POST", "/subjects/a/versions", Some(record(A))).await;
    assert_eq!((&again["id"], &again["version"]), (&json!(1), &json!(1)));
    server.stop().await;
}

#[tokio::test]
async fn references_are_followed_once_each_and_not_without_end() {
    let server = Server::start().await;
    let named = |n: usize| format!(r#"{{"type":"record","name":"R{n}","fields":[]}}"#);
    let mut registered = 0;
    for n in 0..80 {
        // Two names for the same version: each level would double the way.
        let reference =
            |name: &str| json!({"name": name, "subject": format!("s{}", n - 1), "version": 1});
        let references = if n == 0 { json!([]) } else { json!([reference("x"), reference("y")]) };
        let body = json!({"schema": named(n), "references": references});
        let path = format!("/subjects/s{n}/versions");
        let (status, answer) = server.call("POST", &path, Some(body)).await;
        if status == 422 {
            let message = answer["message"].as_str().expect("a message");
            assert!(message.contains("more than 64 references lead"), "{message}");
            break;
        }
        assert_eq!(status, 200, "{answer}");
        registered += 1;
    }
    assert_eq!(registered, 65);
    server.stop().await;
}
