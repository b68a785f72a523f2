//! The records of the `_schemas` topic, in the form that Confluent's registry reads and writes:
//! JSON keys with their members in a fixed order, JSON values or tombstones.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::schema::{Reference, SchemaType};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Schema {
        subject: String,
        version: i32,
    },
    /// No subject: the global one.
    Config(Option<String>),
    Mode(Option<String>),
    DeleteSubject(String),
    ClearSubject(String),
    Context(String),
    /// The highest id that a context has given; see [`Record::HighestId`].
    HighestId(String),
    Noop,
}

/// The value of a schema's row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SchemaRow {
    pub(crate) subject: String,
    pub(crate) version: i32,
    pub(crate) id: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) md5: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) schema_type: Option<SchemaType>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub(crate) references: Vec<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rule_set: Option<Json>,
    pub(crate) schema: String,
    #[serde(default)]
    pub(crate) deleted: bool,
}

fn null_is_empty<'de, D>(input: D) -> Result<Vec<Reference>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    Option::deserialize(input).map(Option::unwrap_or_default)
}

/// A config's members as they came; `compatibilityLevel` is one of them.
pub(crate) type Config = Map<String, Json>;

/// One record as far as the registry understands it; a value of none is a tombstone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record {
    Schema {
        subject: String,
        version: i32,
        row: Option<SchemaRow>,
    },
    Config {
        subject: Option<String>,
        config: Option<Config>,
    },
    Mode {
        subject: Option<String>,
        mode: Option<String>,
    },
    /// Soft-deletes all versions up to this one.
    DeleteSubject {
        subject: String,
        version: Option<i32>,
    },
    /// Forgets all soft-deleted versions.
    ClearSubject {
        subject: String,
        present: bool,
    },
    Context {
        context: String,
        present: bool,
    },
    /// A context has given all ids up to this one, whether or not there is still a row that says
    /// so: a row that is deleted for good leaves the topic at the next compaction, and its id with
    /// it. It is a `CONTEXT` record of a tenant that Confluent's registry never asks for (it has
    /// only `default`), with one more member, which it ignores.
    HighestId {
        context: String,
        id: Option<i32>,
    },
    Noop,
}

/// The tenant of [`Record::HighestId`].
const HIGHEST_ID_TENANT: &str = "yeoul";

/// A record that no registry wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("its key is not a JSON object with a keytype: {0}")]
    Key(String),
    #[error("its value is not what its keytype has: {0}")]
    Value(String),
}

impl Key {
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Schema { subject, version } => json!({
                "keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1
            }),
            Self::Config(subject) => json!({"keytype": "CONFIG", "subject": subject, "magic": 0}),
            Self::Mode(subject) => json!({"keytype": "MODE", "subject": subject, "magic": 0}),
            Self::DeleteSubject(subject) => {
                json!({"keytype": "DELETE_SUBJECT", "subject": subject, "magic": 0})
            }
            Self::ClearSubject(subject) => {
                json!({"keytype": "CLEAR_SUBJECT", "subject": subject, "magic": 0})
            }
            Self::Context(context) => json!({
                "keytype": "CONTEXT", "tenant": "default", "context": context, "magic": 0
            }),
            Self::HighestId(context) => json!({
                "keytype": "CONTEXT", "tenant": HIGHEST_ID_TENANT, "context": context, "magic": 0
            }),
            Self::Noop => json!({"keytype": "NOOP", "magic": 0}),
        }
    }
}

impl Record {
    pub(crate) fn key(&self) -> Key {
        match self {
            Self::Schema { subject, version, .. } => {
                Key::Schema { subject: subject.clone(), version: *version }
            }
            Self::Config { subject, .. } => Key::Config(subject.clone()),
            Self::Mode { subject, .. } => Key::Mode(subject.clone()),
            Self::DeleteSubject { subject, .. } => Key::DeleteSubject(subject.clone()),
            Self::ClearSubject { subject, .. } => Key::ClearSubject(subject.clone()),
            Self::Context { context, .. } => Key::Context(context.clone()),
            Self::HighestId { context, .. } => Key::HighestId(context.clone()),
            Self::Noop => Key::Noop,
        }
    }

    /// Key and value as bytes.
    pub(crate) fn encode(&self) -> (Bytes, Option<Bytes>) {
        let value = match self {
            Self::Schema { row, .. } => row.as_ref().map(|row| json!(row)),
            Self::Config { subject, config } => config.as_ref().map(|config| {
                let mut value = Config::new();
                if let Some(subject) = subject {
                    value.insert("subject".into(), json!(subject));
                }
                value.extend(config.clone());
                Json::Object(value)
            }),
            Self::Mode { subject, mode } => mode.as_ref().map(|mode| match subject {
                Some(subject) => json!({"subject": subject, "mode": mode}),
                None => json!({"mode": mode}),
            }),
            Self::DeleteSubject { subject, version } => {
                version.map(|version| json!({"subject": subject, "version": version}))
            }
            Self::ClearSubject { subject, present } => present.then(|| json!({"subject": subject})),
            Self::Context { context, present } => {
                present.then(|| json!({"tenant": "default", "context": context}))
            }
            Self::HighestId { context, id } => id.map(
                |id| json!({"tenant": HIGHEST_ID_TENANT, "context": context, "highestId": id}),
            ),
            Self::Noop => None,
        };
        let bytes = |json: Json| Bytes::from(json.to_string());
        (bytes(self.key().to_json()), value.map(bytes))
    }

    /// None for a kind of record that this registry does not know, which is skipped.
    pub(crate) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self>, RecordError> {
        let key: Json =
            serde_json::from_slice(key).map_err(|error| RecordError::Key(error.to_string()))?;
        let text = |name: &str| key.get(name).and_then(Json::as_str).map(str::to_owned);
        let required = |name: &str| text(name).ok_or_else(|| RecordError::Key(key.to_string()));
        let value: Option<Json> = match value {
            Some(bytes) => serde_json::from_slice(bytes)
                .map_err(|error| RecordError::Value(error.to_string()))?,
            None => None,
        };
        let present = value.is_some();
        Ok(Some(match required("keytype")?.as_str() {
            "SCHEMA" => {
                let version = key.get("version").and_then(Json::as_i64);
                let version = version.and_then(|version| i32::try_from(version).ok());
                let version = version.ok_or_else(|| RecordError::Key(key.to_string()))?;
                let row = value.map(serde_json::from_value).transpose();
                let row = row.map_err(|error| RecordError::Value(error.to_string()))?;
                Self::Schema { subject: required("subject")?, version, row }
            }
            "CONFIG" => {
                let config = match value {
                    Some(Json::Object(mut config)) => {
                        config.shift_remove("subject");
                        Some(config)
                    }
                    Some(other) => return Err(RecordError::Value(other.to_string())),
                    None => None,
                };
                Self::Config { subject: text("subject"), config }
            }
            "MODE" => {
                let mode = value.as_ref().and_then(|value| value.get("mode"));
                let mode = mode.and_then(Json::as_str).map(str::to_owned);
                Self::Mode { subject: text("subject"), mode }
            }
            "DELETE_SUBJECT" => {
                let version = value.as_ref().and_then(|value| value.get("version"));
                let version = version.and_then(Json::as_i64);
                let version = version.and_then(|version| i32::try_from(version).ok());
                Self::DeleteSubject { subject: required("subject")?, version }
            }
            "CLEAR_SUBJECT" => Self::ClearSubject { subject: required("subject")?, present },
            "CONTEXT" if text("tenant").as_deref() == Some(HIGHEST_ID_TENANT) => {
                let id = value.as_ref().and_then(|value| value.get("highestId"));
                let id = id.and_then(Json::as_i64).and_then(|id| i32::try_from(id).ok());
                Self::HighestId { context: required("context")?, id }
            }
            "CONTEXT" => Self::Context { context: required("context")?, present },
            "NOOP" => Self::Noop,
            _ => return Ok(None),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> SchemaRow {
        SchemaRow {
            subject: "s".into(),
            version: 2,
            id: 7,
            md5: Some("AA==".into()),
            schema_type: None,
            references: vec![Reference { name: "n".into(), subject: "r".into(), version: 1 }],
            metadata: None,
            rule_set: None,
            schema: "\"int\"".into(),
            deleted: false,
        }
    }

    #[test]
    fn records_have_confluents_text() {
        let record = Record::Schema { subject: "s".into(), version: 2, row: Some(row()) };
        let (key, value) = record.encode();
        assert_eq!(key, r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#);
        let expected = concat!(
            r#"{"subject":"s","version":2,"id":7,"md5":"AA==","references":[{"name":"n","#,
            r#""subject":"r","version":1}],"schema":"\"int\"","deleted":false}"#
        );
        assert_eq!(value.unwrap(), expected);
        let (key, value) = Record::Config { subject: None, config: None }.encode();
        assert_eq!(key, r#"{"keytype":"CONFIG","subject":null,"magic":0}"#);
        assert_eq!(value, None);
        assert_eq!(Record::Noop.encode().0, r#"{"keytype":"NOOP","magic":0}"#);
        let (key, value) = Record::HighestId { context: ".".into(), id: Some(7) }.encode();
        assert_eq!(key, r#"{"keytype":"CONTEXT","tenant":"yeoul","context":".","magic":0}"#);
        assert_eq!(value.unwrap(), r#"{"tenant":"yeoul","context":".","highestId":7}"#);
    }

    #[test]
    fn every_record_comes_back() {
        let mut config = Config::new();
        config.insert("compatibilityLevel".into(), json!("FULL"));
        let subject = || "s".to_owned();
        for record in [
            Record::Schema { subject: subject(), version: 2, row: Some(row()) },
            Record::Schema { subject: subject(), version: 2, row: None },
            Record::Config { subject: Some(subject()), config: Some(config) },
            Record::Mode { subject: None, mode: Some("IMPORT".into()) },
            Record::DeleteSubject { subject: subject(), version: Some(3) },
            Record::ClearSubject { subject: subject(), present: true },
            Record::Context { context: ".c".into(), present: true },
            Record::HighestId { context: ".c".into(), id: Some(7) },
            Record::Noop,
        ] {
            let (key, value) = record.encode();
            assert_eq!(Record::decode(&key, value.as_deref()), Ok(Some(record)));
        }
    }

    #[test]
    fn unknown_kinds_are_skipped_and_broken_ones_named() {
        let unknown = br#"{"keytype":"ASSOC","magic":0}"#;
        assert_eq!(Record::decode(unknown, Some(b"{}")), Ok(None));
        assert!(matches!(Record::decode(b"x", None), Err(RecordError::Key(_))));
        let key = br#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#;
        assert!(matches!(Record::decode(key, Some(b"{}")), Err(RecordError::Value(_))));
        let more = br#"{"subject":"s","version":1,"id":1,"schema":"","references":null,"x":1}"#;
        assert!(matches!(Record::decode(key, Some(more)), Ok(Some(_))));
    }
}
