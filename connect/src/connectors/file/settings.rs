//! What the task of a file source works with.

use std::sync::Arc;

use super::charset::Charset;
use super::types::{Named, parse_columns};
use crate::plugin::{ConfigProblem, ConfigValues};

#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Paths or patterns.
    pub(super) files: Vec<String>,
    pub(super) topic: Arc<str>,
    pub(super) format: Format,
    pub(super) charset: Charset,
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
    /// As the user names them; without a header all of them.
    pub(super) columns: Vec<Named>,
    pub(super) nulls: Vec<String>,
    pub(super) key_columns: Vec<String>,
    pub(super) timestamp_column: Option<String>,
    pub(super) schema_name: String,
    /// How many records of each file tell the types of columns that are given none.
    pub(super) sample: usize,
}

impl Delimited {
    /// The text, unless it means null.
    pub(super) fn present<'a>(&self, text: &'a str) -> Option<&'a str> {
        (!text.is_empty() && !self.nulls.iter().any(|null| null == text)).then_some(text)
    }

    /// With a header and nothing else said.
    #[cfg(test)]
    pub(super) fn plain(topic: &str) -> Self {
        Self {
            header: true,
            delimiter: ',',
            columns: Vec::new(),
            nulls: Vec::new(),
            key_columns: Vec::new(),
            timestamp_column: None,
            schema_name: topic.to_owned(),
            sample: 100,
        }
    }
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
        charset: Charset::named(config.text("charset")).unwrap_or(Charset::UTF8),
        mode: if config.text("mode") == "batch" { Mode::Batch } else { Mode::Tail },
        batch_size: super::batch_size_of(config),
        rate: super::rate_of(config),
    })
}

fn delimited(config: &ConfigValues, topic: &str) -> Result<Delimited, Vec<ConfigProblem>> {
    let text = config.text("columns");
    let columns = parse_columns(text)
        .map_err(|reason| vec![ConfigProblem::invalid("columns", text, &reason)])?;
    let header = config.flag("header");
    if !header && columns.is_empty() {
        return Err(vec![ConfigProblem::new(
            "columns",
            "Without a header the columns have no names: name all of them in columns, with types \
             where they are not to be found out",
        )]);
    }
    let known = |name: &String| header || columns.iter().any(|column| column.name == *name);
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
    let schema_name = name.split('.').map(|part| formats::avro::safe_name(part.trim()));
    Ok(Delimited {
        header,
        delimiter: formats::delimited::delimiter(config.text("delimiter")).unwrap_or(','),
        columns,
        nulls: config.list("null.values"),
        key_columns,
        timestamp_column,
        schema_name: schema_name.collect::<Vec<_>>().join("."),
        sample: usize::try_from(config.number("sample.records")).unwrap_or(1),
    })
}
