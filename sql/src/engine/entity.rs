//! The entities of ksqlDB's REST API that statements answer with.

use serde_json::{Value as Json, json};

use crate::query::rows::ResultColumn;
use crate::types::SqlType;

/// A definition that was carried out.
pub(crate) fn status(statement: &str, command: &str, message: &str, sequence: u64) -> Json {
    json!({
        "@type": "currentStatus",
        "statementText": statement,
        "commandId": command,
        "commandStatus": {"status": "SUCCESS", "message": message, "queryId": null},
        "commandSequenceNumber": sequence,
        "warnings": [],
    })
}

/// As [`status`], with the id of the query that was started.
pub(crate) fn query_status(statement: &str, command: &str, query: &str, sequence: u64) -> Json {
    let mut entity =
        status(statement, command, &format!("Created query with ID {query}"), sequence);
    entity["commandStatus"]["queryId"] = json!(query);
    entity
}

/// A definition that needed nothing done.
pub(crate) fn nothing(statement: &str, message: &str) -> Json {
    json!({
        "@type": "warning_entity",
        "statementText": statement,
        "message": message,
        "warnings": [],
    })
}

/// A type as the API nests it.
pub(crate) fn schema(ty: &SqlType) -> Json {
    let mut node = json!({"type": ty.base_name(), "fields": null, "memberSchema": null});
    match ty {
        SqlType::Array(item) => node["memberSchema"] = schema(item),
        SqlType::Map(_, value) => node["memberSchema"] = schema(value),
        SqlType::Struct(fields) => {
            node["fields"] = fields
                .iter()
                .map(|(name, ty)| json!({"name": name, "schema": schema(ty)}))
                .collect();
        }
        SqlType::Decimal { precision, scale } => {
            node["parameters"] = json!({"precision": precision, "scale": scale});
        }
        _ => {}
    }
    node
}

/// A column of DESCRIBE.
pub(crate) fn field(name: &str, ty: &SqlType, key: bool) -> Json {
    let mut node = json!({"name": name, "schema": schema(ty)});
    if key {
        node["type"] = json!("KEY");
    }
    node
}

/// `` `A` INTEGER KEY, `B` STRING`` of a result's header.
pub(crate) fn header_schema(columns: &[ResultColumn]) -> String {
    let column = |c: &ResultColumn| {
        let key = if c.is_key { " KEY" } else { "" };
        format!("{} {}{key}", crate::types::quoted(&c.name), c.ty)
    };
    columns.iter().map(column).collect::<Vec<_>>().join(", ")
}
