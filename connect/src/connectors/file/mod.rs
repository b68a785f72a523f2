//! Files as sources: plain lines, and delimited text with columns.
//!
//! ```text
//! cursor    one open file: whole lines from a place on, a partial one at its end left alone
//! charset   the bytes of a line to text
//! identity  whether the file is still the one that was read
//! records   lines to records
//! layout    names and types of columns: header, settings, what is remembered
//! guess     the types of columns that are given none
//! columns   records to typed values
//! source    one path with its file
//! task      files in order, positions, end of batch or waiting for more
//! ```

mod charset;
mod columns;
mod cursor;
mod guess;
mod identity;
mod layout;
mod pace;
mod paths;
mod records;
mod settings;
mod source;
mod task;
mod types;

use std::sync::Arc;

use crate::plugin::{
    ConfigDef, ConfigKey, ConfigProblem, ConfigType, ConfigValues, Importance, SourceConnector,
    SourceTask,
};
use crate::status::Progress;
use charset::Charset;
use settings::{Format, Mode, Settings};
use task::FileTask;

/// Kafka's own example connector: each line of a file is a record, and more lines are waited for.
pub(crate) struct FileStreamSource;

impl SourceConnector for FileStreamSource {
    fn names(&self) -> &'static [&'static str] {
        &[
            "org.apache.kafka.connect.file.FileStreamSourceConnector",
            "FileStreamSourceConnector",
            "FileStreamSource",
            "FileStream",
        ]
    }

    fn config(&self) -> ConfigDef {
        let key = ConfigKey::new;
        ConfigDef::new()
            .with(key("file", ConfigType::String, "The file to read."))
            .with(key("topic", ConfigType::List, "The topic for its lines.").check(one_topic))
            .with(batch_size())
            .with(rate())
    }

    fn topics(&self, config: &ConfigValues) -> Vec<String> {
        vec![config.text("topic").trim().to_owned()]
    }

    fn gives_text(&self, _config: &ConfigValues) -> bool {
        true
    }

    fn task(
        &self,
        _name: &str,
        config: &ConfigValues,
        progress: Arc<Progress>,
    ) -> Result<Box<dyn SourceTask>, Vec<ConfigProblem>> {
        let settings = Settings {
            files: vec![config.text("file").to_owned()],
            topic: config.text("topic").trim().into(),
            format: Format::Line,
            charset: Charset::JavaUtf8,
            mode: Mode::Tail,
            batch_size: batch_size_of(config),
            rate: rate_of(config),
        };
        Ok(Box::new(FileTask::new(settings, progress)))
    }
}

/// Files of lines or of delimited records, read once or followed.
pub(crate) struct DelimitedFileSource;

impl SourceConnector for DelimitedFileSource {
    fn names(&self) -> &'static [&'static str] {
        &[
            "yeoul.connect.DelimitedFileSource",
            "DelimitedFileSourceConnector",
            "DelimitedFileSource",
        ]
    }

    fn config(&self) -> ConfigDef {
        let key = ConfigKey::new;
        let medium = |key: ConfigKey| key.importance(Importance::Medium);
        ConfigDef::new()
            .with(key(
                "files",
                ConfigType::List,
                "Paths of files; * and ? in a file's name match any of them.",
            ))
            .with(key("topic", ConfigType::List, "The topic for the records.").check(one_topic))
            .with(
                key("format", ConfigType::String, "line: each line is a string. delimited: columns.")
                    .default("delimited")
                    .one_of(&["line", "delimited"]),
            )
            .with(
                key(
                    "mode",
                    ConfigType::String,
                    "batch: the connector is done at the end of the files. tail: it waits for more.",
                )
                .default("tail")
                .one_of(&["batch", "tail"]),
            )
            .with(medium(batch_size()))
            .with(medium(rate()))
            .with(medium(
                key("header", ConfigType::Boolean, "Whether the first line names the columns.")
                    .default("true"),
            ))
            .with(medium(
                key("delimiter", ConfigType::String, "One character, or TAB or SPACE.")
                    .default(",")
                    .check(|value| match formats::delimited::delimiter(value) {
                        Some(_) => Ok(()),
                        None => Err("it must be one character, or TAB or SPACE".into()),
                    }),
            ))
            .with(medium(
                key(
                    "columns",
                    ConfigType::String,
                    "Columns as name TYPE, name TYPE. With a header, columns that are not named \
                     here get a type from the first records, and as many names as the header has \
                     may be other ones; without one, all are named here. A name alone leaves its \
                     type to the first records.",
                )
                .default("")
                .check(|value| types::parse_columns(value).map(|_| ())),
            ))
            .with(medium(charset()))
            .with(medium(
                key(
                    "sample.records",
                    ConfigType::Int,
                    "How many records of each file tell the types of its columns.",
                )
                .default("20480")
                .at_least(1),
            ))
            .with(medium(
                key("null.values", ConfigType::List, "Texts that mean null, besides the empty one.")
                    .default(""),
            ))
            .with(medium(
                key("key.columns", ConfigType::List, "Columns whose value is the record's key.")
                    .default(""),
            ))
            .with(medium(
                key("timestamp.column", ConfigType::String, "The column with the record's time.")
                    .default(""),
            ))
            .with(medium(
                key("schema.name", ConfigType::String, "Name of the value's schema; the topic's.")
                    .default(""),
            ))
    }

    fn topics(&self, config: &ConfigValues) -> Vec<String> {
        vec![config.text("topic").trim().to_owned()]
    }

    fn gives_text(&self, config: &ConfigValues) -> bool {
        config.text("format") == "line"
    }

    fn task(
        &self,
        _name: &str,
        config: &ConfigValues,
        progress: Arc<Progress>,
    ) -> Result<Box<dyn SourceTask>, Vec<ConfigProblem>> {
        let settings = settings::read(config)?;
        Ok(Box::new(FileTask::new(settings, progress)))
    }
}

fn batch_size() -> ConfigKey {
    ConfigKey::new("batch.size", ConfigType::Int, "The most records of one poll.")
        .default("2000")
        .importance(Importance::Low)
        .at_least(1)
}

fn charset() -> ConfigKey {
    let meaning = "How the files' bytes are text, such as UTF-8, UTF-16, windows-1252, EUC-KR.";
    ConfigKey::new("charset", ConfigType::String, meaning).default("UTF-8").check(|value| {
        match Charset::named(value) {
            Some(_) => Ok(()),
            None => Err("it must be a charset such as UTF-8, UTF-16, windows-1252, EUC-KR, \
                         Shift_JIS or GB18030"
                .into()),
        }
    })
}

fn rate() -> ConfigKey {
    let meaning = "The most records of a second; 0: as fast as they are written.";
    ConfigKey::new("records.per.second", ConfigType::Int, meaning)
        .default("0")
        .importance(Importance::Low)
        .at_least(0)
}

fn rate_of(config: &ConfigValues) -> Option<u32> {
    u32::try_from(config.number("records.per.second")).ok().filter(|rate| *rate > 0)
}

fn batch_size_of(config: &ConfigValues) -> usize {
    usize::try_from(config.number("batch.size")).unwrap_or(1).max(1)
}

fn one_topic(value: &str) -> Result<(), String> {
    match value.split(',').filter(|topic| !topic.trim().is_empty()).count() {
        1 => Ok(()),
        _ => Err("it must be a single topic".into()),
    }
}

#[cfg(test)]
mod changes;
#[cfg(test)]
mod tests;
