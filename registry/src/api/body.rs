//! Request bodies. Members that nobody knows are ignored, so that newer clients are served.

use serde_json::{Map, Value as Json};

use super::query::Query;
use crate::error::RegistryError;
use crate::schema::Reference;
use crate::service::SchemaRequest;

pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Json>, RegistryError> {
    match serde_json::from_slice(bytes) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(other) => {
            Err(RegistryError::BadRequest(format!("The body must be a JSON object, not {other}")))
        }
        Err(error) => {
            Err(RegistryError::BadRequest(format!("The body is not valid JSON: {error}")))
        }
    }
}

pub(super) fn schema(bytes: &[u8], query: &Query) -> Result<SchemaRequest, RegistryError> {
    let object = object(bytes)?;
    let text = |key: &str| match object.get(key) {
        None | Some(Json::Null) => Ok(String::new()),
        Some(Json::String(text)) => Ok(text.clone()),
        Some(other) => {
            Err(RegistryError::BadRequest(format!("{key} must be a string, not {other}")))
        }
    };
    let number = |key: &str| {
        let number = object.get(key).and_then(Json::as_i64);
        number.and_then(|number| i32::try_from(number).ok())
    };
    let part = |key: &str| object.get(key).filter(|value| value.is_object()).cloned();
    let references = match object.get("references") {
        None | Some(Json::Null) => Vec::new(),
        Some(list) => serde_json::from_value::<Vec<Reference>>(list.clone()).map_err(|error| {
            RegistryError::BadRequest(format!("references are not valid: {error}"))
        })?,
    };
    Ok(SchemaRequest {
        schema: text("schema")?,
        schema_type: text("schemaType")?,
        references,
        version: number("version").filter(|version| *version != 0),
        id: number("id").filter(|id| *id >= 0),
        metadata: part("metadata"),
        rule_set: part("ruleSet"),
        normalize: query.flag("normalize"),
    })
}
