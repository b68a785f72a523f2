//! Entities of the REST API as text.

use serde_json::Value as Json;

use super::table::{OutputMode, cell, shown};

/// An entity as text; one without a known shape as JSON.
pub(super) fn entity(node: &Json, mode: OutputMode, terminal: bool) -> String {
    if mode == OutputMode::Json {
        let text = serde_json::to_string_pretty(node).unwrap_or_default();
        return format!("{text}\n");
    }
    let list = |member: &str, headings: &[&str], row: &dyn Fn(&Json) -> Vec<String>| {
        let rows: Vec<Vec<String>> = items(&node[member]).iter().map(row).collect();
        shown(headings, &rows, mode, terminal)
    };
    match node["@type"].as_str().unwrap_or_default() {
        "currentStatus" => format!("{}\n", cell(&node["commandStatus"]["message"])),
        "warning_entity" => format!("{}\n", cell(&node["message"])),
        "streams" => list("streams", &SOURCE, &source),
        "tables" => list("tables", &TABLE, &table),
        "kafka_topics" | "kafka_topics_extended" => {
            list("topics", &["Kafka Topic", "Partitions", "Partition Replicas"], &topic)
        }
        "queries" => list("queries", &["Query ID", "Type", "State", "Sink", "Query"], &query),
        "properties" => list("properties", &["Property", "Value", "Editable"], &property),
        "function_names" => list("functions", &["Function", "Type", "Category"], &function),
        "type_list" => types(node, mode, terminal),
        "sourceDescription" => description(&node["sourceDescription"], mode, terminal),
        "source_descriptions" => items(&node["sourceDescriptions"])
            .iter()
            .map(|d| description(d, mode, terminal))
            .collect(),
        "queryDescription" => explanation(&node["queryDescription"], mode, terminal),
        "describe_function" => described_function(node),
        _ => format!("{node}\n"),
    }
}

const SOURCE: [&str; 5] = ["Stream", "Topic", "Key Format", "Value Format", "Windowed"];
const TABLE: [&str; 5] = ["Table", "Topic", "Key Format", "Value Format", "Windowed"];

fn items(node: &Json) -> &[Json] {
    node.as_array().map_or(&[], Vec::as_slice)
}

fn members(node: &Json, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| cell(&node[*name])).collect()
}

fn source(node: &Json) -> Vec<String> {
    members(node, &["name", "topic", "keyFormat", "valueFormat", "isWindowed"])
}

fn table(node: &Json) -> Vec<String> {
    source(node)
}

fn topic(node: &Json) -> Vec<String> {
    let replicas = items(&node["replicaInfo"]);
    let first = replicas.first().map_or_else(|| "0".to_owned(), cell);
    vec![cell(&node["name"]), replicas.len().to_string(), first]
}

fn query(node: &Json) -> Vec<String> {
    let sinks: Vec<String> = items(&node["sinks"]).iter().map(cell).collect();
    let text = cell(&node["queryString"]).split_whitespace().collect::<Vec<_>>().join(" ");
    let state = match node["error"].as_str() {
        Some(error) => format!("{}: {error}", cell(&node["state"])),
        None => cell(&node["state"]),
    };
    vec![cell(&node["id"]), cell(&node["queryType"]), state, sinks.join(","), text]
}

fn property(node: &Json) -> Vec<String> {
    members(node, &["name", "value", "editable"])
}

fn function(node: &Json) -> Vec<String> {
    members(node, &["name", "type", "category"])
}

fn types(node: &Json, mode: OutputMode, terminal: bool) -> String {
    let rows: Vec<Vec<String>> = node["types"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, schema)| vec![name.clone(), type_text(schema)])
        .collect();
    shown(&["Type Name", "Schema"], &rows, mode, terminal)
}

/// A type of the API in SQL's words.
fn type_text(schema: &Json) -> String {
    let base = cell(&schema["type"]);
    match base.as_str() {
        "ARRAY" => format!("ARRAY<{}>", type_text(&schema["memberSchema"])),
        "MAP" => format!("MAP<STRING, {}>", type_text(&schema["memberSchema"])),
        "STRUCT" => {
            let field = |f: &Json| format!("{} {}", cell(&f["name"]), type_text(&f["schema"]));
            let fields: Vec<String> = items(&schema["fields"]).iter().map(field).collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        "DECIMAL" => {
            let parameters = &schema["parameters"];
            format!("DECIMAL({}, {})", cell(&parameters["precision"]), cell(&parameters["scale"]))
        }
        "STRING" => "VARCHAR(STRING)".to_owned(),
        _ => base,
    }
}

fn fields(node: &Json, mode: OutputMode, terminal: bool) -> String {
    let table = node["type"].as_str() == Some("TABLE");
    let rows: Vec<Vec<String>> = items(&node["fields"])
        .iter()
        .map(|field| {
            let mut ty = type_text(&field["schema"]);
            if field["type"].as_str() == Some("KEY") {
                ty.push_str(if table { " (primary key)" } else { " (key)" });
                if let Some(window) = node["windowType"].as_str() {
                    ty.push_str(&format!(" (Window type: {window})"));
                }
            }
            vec![cell(&field["name"]), ty]
        })
        .collect();
    shown(&["Field", "Type"], &rows, mode, terminal)
}

fn description(node: &Json, mode: OutputMode, terminal: bool) -> String {
    let mut text = format!("\nName: {}\n", cell(&node["name"]));
    let extended = node["extended"].as_bool() == Some(true);
    if extended {
        for (label, member) in [
            ("Type", "type"),
            ("Timestamp field", "timestamp"),
            ("Key format", "keyFormat"),
            ("Value format", "valueFormat"),
            ("Kafka topic", "topic"),
            ("Partitions", "partitions"),
            ("Replication", "replication"),
            ("Statement", "statement"),
        ] {
            text.push_str(&format!("{label:<15}: {}\n", cell(&node[member])));
        }
        text.push('\n');
    }
    text.push_str(&fields(node, mode, terminal));
    for (label, member) in [("read from", "readQueries"), ("write to", "writeQueries")] {
        let queries = items(&node[member]);
        if extended && !queries.is_empty() {
            text.push_str(&format!("\nQueries that {label} this {}\n", cell(&node["type"])));
            for query in queries {
                let id = cell(&query["id"]);
                text.push_str(&format!("{id} (PERSISTENT): {}\n", cell(&query["queryString"])));
            }
        }
    }
    let statistics = cell(&node["statistics"]);
    if extended && !statistics.is_empty() {
        text.push_str(&format!("\nRuntime statistics\n{statistics}\n"));
    }
    text
}

fn explanation(node: &Json, mode: OutputMode, terminal: bool) -> String {
    let mut text = format!(
        "\nID     : {}\nSQL    : {}\nType   : {}\n",
        cell(&node["id"]),
        cell(&node["statementText"]),
        cell(&node["queryType"])
    );
    if let Some(state) = node["state"].as_str() {
        text.push_str(&format!("State  : {state}\n"));
    }
    for error in items(&node["queryErrors"]) {
        text.push_str(&format!("Error  : {}\n", cell(error)));
    }
    text.push('\n');
    text.push_str(&fields(node, mode, terminal));
    for (label, member) in [("Execution plan", "executionPlan"), ("Topology", "topology")] {
        let part = cell(&node[member]);
        if !part.is_empty() {
            text.push_str(&format!("\n{label}\n{}\n{part}\n", "-".repeat(label.len())));
        }
    }
    text
}

fn described_function(node: &Json) -> String {
    let mut text = format!(
        "Name        : {}\nType        : {}\nOverview    : {}\n",
        cell(&node["name"]),
        cell(&node["type"]),
        cell(&node["description"])
    );
    for function in items(&node["functions"]) {
        text.push_str(&format!("Variation   : {}\n", cell(&function["signature"])));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_listing_is_a_table() {
        let node = json!({"@type": "streams", "streams": [{
            "type": "STREAM", "name": "S", "topic": "t", "keyFormat": "KAFKA",
            "valueFormat": "JSON", "isWindowed": false,
        }]});
        let text = entity(&node, OutputMode::Tabular, false);
        let heading = "Stream\tTopic\tKey Format\tValue Format\tWindowed\n";
        assert_eq!(text, format!("{heading}S\tt\tKAFKA\tJSON\tfalse\n"));
    }

    #[test]
    fn a_description_shows_keys_and_nested_types() {
        let node = json!({"@type": "sourceDescription", "sourceDescription": {
            "name": "T", "type": "TABLE", "windowType": "TUMBLING", "extended": false,
            "fields": [
                {"name": "K", "schema": {"type": "INTEGER"}, "type": "KEY"},
                {"name": "A", "schema": {"type": "ARRAY", "memberSchema": {"type": "DOUBLE"}}},
            ],
        }});
        let text = entity(&node, OutputMode::Tabular, false);
        let key = "K\tINTEGER (primary key) (Window type: TUMBLING)\n";
        assert_eq!(text, format!("\nName: T\nField\tType\n{key}A\tARRAY<DOUBLE>\n"));
    }
}
