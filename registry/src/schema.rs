//! A schema as a client sends it, and as the registry knows it once it is understood.

use std::sync::Arc;

use formats::avro::{self, Validation};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// The kinds of schema that have a name in the protocol; [`SchemaType::SERVED`] are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum SchemaType {
    Avro,
    Json,
    Protobuf,
}

impl SchemaType {
    pub(crate) const SERVED: [Self; 1] = [Self::Avro];

    /// Absent or empty means Avro.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "" | "AVRO" => Some(Self::Avro),
            "JSON" => Some(Self::Json),
            "PROTOBUF" => Some(Self::Protobuf),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Avro => "AVRO",
            Self::Json => "JSON",
            Self::Protobuf => "PROTOBUF",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Reference {
    pub(crate) name: String,
    pub(crate) subject: String,
    pub(crate) version: i32,
}

/// What makes a schema itself: equal contents have one id in a context.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    pub(crate) schema_type: SchemaType,
    pub(crate) text: Arc<str>,
    pub(crate) references: Vec<Reference>,
    pub(crate) metadata: Option<Json>,
    pub(crate) rule_set: Option<Json>,
}

impl Content {
    /// The fingerprint over the text and all that goes with it: not for secrecy, but what
    /// Confluent's registry and its records know a schema by.
    pub(crate) fn md5(&self) -> [u8; 16] {
        let mut md5 = Md5::new();
        md5.update(self.text.as_bytes());
        for reference in &self.references {
            md5.update(reference.name.as_bytes());
            md5.update(reference.subject.as_bytes());
            md5.update(reference.version.to_be_bytes());
        }
        for part in [&self.metadata, &self.rule_set].into_iter().flatten() {
            md5.update([1]);
            md5.update(part.to_string().as_bytes());
        }
        md5.finalize().into()
    }

    /// A value of `metadata.properties`.
    pub(crate) fn property(&self, key: &str) -> Option<&str> {
        self.metadata.as_ref()?.get("properties")?.get(key)?.as_str()
    }
}

/// The fingerprint printed as a UUID, which names a schema across registries.
pub(crate) fn guid(md5: [u8; 16]) -> String {
    uuid::Uuid::from_bytes(md5).to_string()
}

/// A schema that its format's own parser has understood.
#[derive(Debug)]
pub(crate) enum Parsed {
    Avro(avro::Schema),
}

impl Parsed {
    /// Parses with the texts of all referenced schemas, referenced ones before their referrers.
    pub(crate) fn new(
        schema_type: SchemaType,
        text: &str,
        references: &[&str],
        validation: Validation,
    ) -> Result<Self, String> {
        match schema_type {
            SchemaType::Avro => avro::Schema::parse_with(text, references, validation)
                .map(Self::Avro)
                .map_err(|error| error.to_string()),
            SchemaType::Json | SchemaType::Protobuf => {
                Err(format!("{} schemas are not served by this registry", schema_type.name()))
            }
        }
    }

    /// The text under which the registry keeps it.
    pub(crate) fn canonical(&self, normalize: bool) -> String {
        match self {
            Self::Avro(schema) if normalize => schema.to_normalized_text(),
            Self::Avro(schema) => schema.to_text(),
        }
    }

    /// The names of the top-level fields, also nested ones as paths, for reserved names.
    pub(crate) fn has_field(&self, name: &str) -> bool {
        let Self::Avro(schema) = self;
        match schema.kind(schema.root()) {
            avro::Kind::Record(record) => record.fields.iter().any(|field| field.name == name),
            _ => false,
        }
    }
}

/// Lays `over` on `under`: objects member by member, arrays as sets, anything else replaced.
pub(crate) fn merged(under: Option<&Json>, over: Option<&Json>) -> Option<Json> {
    match (under, over) {
        (Some(Json::Object(under)), Some(Json::Object(over))) => {
            Some(Json::Object(merged_objects(under, over)))
        }
        (Some(Json::Array(under)), Some(Json::Array(over))) => {
            let mut all = under.clone();
            all.extend(over.iter().filter(|item| !under.contains(item)).cloned());
            Some(Json::Array(all))
        }
        (under, over) => over.or(under).cloned(),
    }
}

fn merged_objects(under: &Map<String, Json>, over: &Map<String, Json>) -> Map<String, Json> {
    let mut out = under.clone();
    for (key, value) in over {
        if let Some(value) = merged(under.get(key), Some(value)) {
            out.insert(key.clone(), value);
        }
    }
    out
}
