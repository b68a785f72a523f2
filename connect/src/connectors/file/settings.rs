//! What the task of a file source works with.

use std::sync::Arc;

use formats::Type;

use super::columns::parse_types;
use crate::plugin::{ConfigProblem, ConfigValues};

#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Paths or patterns.
    pub(super) files: Vec<String>,
    pub(super) topic: Arc<str>,
    pub(super) format: Format,
    pub(super) mode: Mode,
    pub(super) batch_size: usize,
    /// The most records of a second; `None`: as fast as they are written.
    pub(super) rate: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Batch,
    Tail,
}

#[derive(Clone, Debug)]
pub(super) enum Format {
    Line,
    Delimited(Delimited),
}

#[derive(Clone, Debug)]
pub(super) struct Delimited {
    pub(super) header: bool,
    pub(super) delimiter: char,
    pub(super) types: Vec<(String, Type)>,
    pub(super) nulls: Vec<String>,
    pub(super) key_columns: Vec<String>,
    pub(super) timestamp_column: Option<String>,
    pub(super) schema_name: String,
}

pub(super) fn read(config: &ConfigValues) -> Result<Settings, Vec<ConfigProblem>> {
    let topic = config.text("topic").trim();
    let format = if config.text("format") == "line" {
        Format::Line
    } else {
        Format::Delimited(delimited(config, topic)?)
    };
    let files = config.list("files");
    if files.is_empty() {
        return Err(vec![ConfigProblem::new("files", "files must name at least one file")]);
    }
    Ok(Settings {
        files,
        topic: topic.into(),
        format,
        mode: if config.text("mode") == "batch" { Mode::Batch } else { Mode::Tail },
        batch_size: super::batch_size_of(config),
        rate: super::rate_of(config),
    })
}

fn delimited(config: &ConfigValues, topic: &str) -> Result<Delimited, Vec<ConfigProblem>> {
    let columns = config.text("columns");
    let types = parse_types(columns)
        .map_err(|reason| vec![ConfigProblem::invalid("columns", columns, &reason)])?;
    let header = config.flag("header");
    if !header && types.is_empty() {
        return Err(vec![ConfigProblem::new(
            "columns",
            "Without a header the columns have no names: name all of them, with their types, in \
             columns",
        )]);
    }
    let known = |name: &String| header || types.iter().any(|(column, _)| column == name);
    let key_columns = config.list("key.columns");
    let timestamp_column = config.given("timestamp.column").map(str::to_owned);
    let mut problems = Vec::new();
    for (key, name) in key_columns
        .iter()
        .map(|name| ("key.columns", name))
        .chain(timestamp_column.iter().map(|name| ("timestamp.column", name)))
    {
        if !known(name) {
            problems.push(ConfigProblem::invalid(key, name, "columns has no such column"));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let name = config.given("schema.name").unwrap_or(topic);
    Ok(Delimited {
        header,
        delimiter: formats::delimited::delimiter(config.text("delimiter")).unwrap_or(','),
        types,
        nulls: config.list("null.values"),
        key_columns,
        timestamp_column,
        schema_name: super::columns::schema_name(name),
    })
}
