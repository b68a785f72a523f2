//! The schema as the tests read it, and whether the crate says the same.

use std::sync::LazyLock;

use protocol::ApiKey;

use crate::codecs::CODECS;
use crate::schema::{Kind, Schema};

pub(crate) static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = Schema::default();
    for entry in std::fs::read_dir("schema").expect("the schema folder is there") {
        let path = entry.expect("it can be listed").path();
        if path.extension().is_some_and(|e| e == "schema") {
            schema
                .add(&std::fs::read_to_string(&path).expect("it can be read"))
                .expect("it parses");
        }
    }
    schema
});

#[test]
fn every_message_of_the_schema_has_a_codec() {
    assert_eq!(SCHEMA.messages.len(), CODECS.len());
    for message in &SCHEMA.messages {
        let codec = CODECS.get(message.name.as_str()).expect("each message has one");
        assert_eq!(codec.versions, message.versions, "{}", message.name);
        assert_eq!(codec.flexible_from, message.flexible, "{}", message.name);
    }
}

#[test]
fn every_api_has_the_versions_and_headers_of_its_messages() {
    assert_eq!(SCHEMA.apis.len(), 93);
    for api in &SCHEMA.apis {
        let key = ApiKey::from_code(api.key).expect("the key is known");
        assert_eq!(key.name(), api.name);
        assert_eq!(key.versions(), api.versions, "{}", api.name);
        assert_eq!(key.is_for_brokers(), api.listeners.iter().any(|l| l == "broker"));
        let (Some(versions), Some(stable)) = (&api.versions, key.stable_versions()) else {
            continue;
        };
        assert_eq!(*stable.end(), versions.end() - i16::from(api.unstable), "{}", api.name);
        for version in versions.clone() {
            let flexible = api.flexible.is_some_and(|from| version >= from);
            assert_eq!(key.request_header_version(version), if flexible { 2 } else { 1 });
            let response = i16::from(flexible && key != ApiKey::ApiVersions);
            assert_eq!(key.response_header_version(version), response);
        }
        for kind in [Kind::Request, Kind::Response] {
            let mut both = SCHEMA.messages.iter().filter(|m| m.kind == kind);
            let message = both.find(|m| m.key == Some(api.key)).expect("there are two to an API");
            assert_eq!(message.versions, *versions, "{}", message.name);
            assert_eq!(message.flexible, api.flexible, "{}", message.name);
        }
    }
}

/// The rows of the table in `docs/protocol.md`: key, name, versions.
#[test]
fn the_documented_versions_are_those_of_the_schema() {
    let page = std::fs::read_to_string("../docs/protocol.md").expect("the page is there");
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.split(" | ").collect();
        Some((cells[0].parse::<i16>().ok()?, cells[1].to_string(), cells[2].to_string()))
    });
    let expected = SCHEMA.apis.iter().map(|api| {
        let versions = match (&api.versions, api.unstable) {
            (None, _) => "none: retired".to_string(),
            (Some(v), _) if v.start() == v.end() => v.start().to_string(),
            (Some(v), false) => format!("{}-{}", v.start(), v.end()),
            (Some(v), true) => {
                format!("{}-{} ({} in development)", v.start(), v.end() - 1, v.end())
            }
        };
        (api.key, api.name.clone(), versions)
    });
    let mut expected: Vec<_> = expected.collect();
    expected.sort();
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}
