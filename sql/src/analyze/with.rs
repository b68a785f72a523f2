//! The WITH clause: names, types and relations of its properties.

use javatext::pattern::Pattern;

use crate::catalog::format::{Format, FormatName};
use crate::catalog::source::{KeyWindow, TimestampColumn};
use crate::error::{Span, SqlError, did_you_mean, near_names};
use crate::parser::ast::{Literal, Property};
use crate::parser::{duration_text, parse_name};

type Result<T> = std::result::Result<T, SqlError>;

const KNOWN: [&str; 18] = [
    "KAFKA_TOPIC",
    "PARTITIONS",
    "REPLICAS",
    "RETENTION_MS",
    "FORMAT",
    "KEY_FORMAT",
    "VALUE_FORMAT",
    "KEY_DELIMITER",
    "VALUE_DELIMITER",
    "TIMESTAMP",
    "TIMESTAMP_FORMAT",
    "WRAP_SINGLE_VALUE",
    "WINDOW_TYPE",
    "WINDOW_SIZE",
    "KEY_SCHEMA_FULL_NAME",
    "VALUE_SCHEMA_FULL_NAME",
    "VALUE_AVRO_SCHEMA_FULL_NAME",
    "QUERY_ID",
];

const UNSUPPORTED: [&str; 5] = [
    "KEY_SCHEMA_ID",
    "VALUE_SCHEMA_ID",
    "KEY_PROTOBUF_NULLABLE_REPRESENTATION",
    "VALUE_PROTOBUF_NULLABLE_REPRESENTATION",
    "SOURCED_BY_CONNECTOR",
];

/// A WITH clause whose names are known and come once.
pub(crate) struct With<'a> {
    properties: &'a [Property],
}

/// Formats that apply where a statement names none.
#[derive(Clone, Debug, Default)]
pub(crate) struct DefaultFormats {
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
}

impl<'a> With<'a> {
    pub(crate) fn new(properties: &'a [Property]) -> Result<Self> {
        for (i, property) in properties.iter().enumerate() {
            let name = property.name.as_str();
            let refuse = |message: String| Err(SqlError::statement(message).at(property.span));
            if UNSUPPORTED.contains(&name) {
                let message = format!("The property {name} is not supported");
                return Err(SqlError::unsupported(message).at(property.span));
            }
            if !KNOWN.contains(&name) {
                let hint = did_you_mean(&near_names(name, KNOWN.into_iter()));
                return refuse(format!(
                    "Invalid config variable(s) in the WITH clause: {name}.{hint}"
                ));
            }
            if properties[..i].iter().any(|other| other.name == *name) {
                return refuse(format!("Duplicate property in the WITH clause: {name}"));
            }
        }
        let with = Self { properties };
        if with.find("FORMAT").is_some() {
            for other in ["KEY_FORMAT", "VALUE_FORMAT"] {
                if let Some(property) = with.find(other) {
                    let message = format!(
                        "Cannot supply both '{other}' and 'FORMAT' properties, as 'FORMAT' sets \
                         both key and value formats."
                    );
                    return Err(SqlError::statement(message).at(property.span));
                }
            }
        }
        Ok(with)
    }

    fn find(&self, name: &str) -> Option<&'a Property> {
        self.properties.iter().find(|p| p.name == name)
    }

    pub(crate) fn span(&self, name: &str) -> Option<Span> {
        self.find(name).map(|p| p.span)
    }

    /// Refuses properties that have no meaning for this kind of statement.
    pub(crate) fn refuse(&self, names: &[&str], why: &str) -> Result<()> {
        match names.iter().find_map(|name| self.find(name)) {
            Some(p) => Err(SqlError::statement(format!("{} {why}", p.name)).at(p.span)),
            None => Ok(()),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<String>> {
        let Some(property) = self.find(name) else { return Ok(None) };
        match &property.value {
            Literal::Text(text) => Ok(Some(text.clone())),
            _ => Err(Self::bad(property, "a text in quotes")),
        }
    }

    pub(crate) fn whole(&self, name: &str) -> Result<Option<i64>> {
        let Some(property) = self.find(name) else { return Ok(None) };
        match &property.value {
            Literal::Integer(n) => Ok(Some(i64::from(*n))),
            Literal::Bigint(n) => Ok(Some(*n)),
            Literal::Text(text) => {
                text.parse().map(Some).map_err(|_| Self::bad(property, "a whole number"))
            }
            _ => Err(Self::bad(property, "a whole number")),
        }
    }

    fn boolean(&self, name: &str) -> Result<Option<bool>> {
        let Some(property) = self.find(name) else { return Ok(None) };
        match &property.value {
            Literal::Boolean(flag) => Ok(Some(*flag)),
            Literal::Text(text) => match text.to_lowercase().as_str() {
                "true" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                _ => Err(Self::bad(property, "true or false")),
            },
            _ => Err(Self::bad(property, "true or false")),
        }
    }

    fn bad(property: &Property, wanted: &str) -> SqlError {
        let message = format!("Invalid value for property {}: expected {wanted}", property.name);
        SqlError::statement(message).at(property.span)
    }

    /// The format of the key, if the clause says one.
    pub(crate) fn key_format(&self) -> Result<Option<Format>> {
        self.format("KEY_FORMAT")?.map(|name| self.key_options(name)).transpose()
    }

    /// The format of the value, if the clause says one.
    pub(crate) fn value_format(&self) -> Result<Option<Format>> {
        let name = self.format("VALUE_FORMAT")?;
        if name == Some(FormatName::None) {
            let message = "The 'NONE' format can not be used for values";
            let span =
                self.span("VALUE_FORMAT").or_else(|| self.span("FORMAT")).unwrap_or_default();
            return Err(SqlError::statement(message).at(span));
        }
        name.map(|name| self.value_options(name)).transpose()
    }

    fn format(&self, name: &str) -> Result<Option<FormatName>> {
        for name in [name, "FORMAT"] {
            if let Some(text) = self.text(name)? {
                let span = self.span(name).unwrap_or_default();
                return FormatName::parse(&text).map(Some).map_err(|e| e.at(span));
            }
        }
        Ok(None)
    }

    /// A key format with the options that the clause states: a single column stands bare.
    pub(crate) fn key_options(&self, name: FormatName) -> Result<Format> {
        let record_name = self.text("KEY_SCHEMA_FULL_NAME")?;
        let delimiter = self.delimiter("KEY_DELIMITER", name)?;
        Ok(Format { name, delimiter, wrapped: false, record_name })
    }

    /// A value format with the options that the clause states.
    pub(crate) fn value_options(&self, name: FormatName) -> Result<Format> {
        let full_name = self.text("VALUE_SCHEMA_FULL_NAME")?;
        let record_name = match full_name {
            Some(name) => Some(name),
            None => self.text("VALUE_AVRO_SCHEMA_FULL_NAME")?,
        };
        if record_name.is_some() && name != FormatName::Avro {
            let message = format!("{} does not support a schema's full name", name.word());
            return Err(SqlError::statement(message));
        }
        let wrapped = self.boolean("WRAP_SINGLE_VALUE")?;
        let wraps = matches!(name, FormatName::Json | FormatName::Avro);
        let may_be_bare = matches!(name, FormatName::Delimited | FormatName::Kafka);
        if wrapped.is_some() && !wraps && !(may_be_bare && wrapped == Some(false)) {
            let message = format!("Format '{}' does not support 'WRAP_SINGLE_VALUE'.", name.word());
            let span = self.span("WRAP_SINGLE_VALUE").unwrap_or_default();
            return Err(SqlError::statement(message).at(span));
        }
        let delimiter = self.delimiter("VALUE_DELIMITER", name)?;
        Ok(Format { name, delimiter, wrapped: wrapped.unwrap_or(wraps), record_name })
    }

    fn delimiter(&self, property: &str, name: FormatName) -> Result<Option<char>> {
        let Some(text) = self.text(property)? else { return Ok(None) };
        let span = self.span(property).unwrap_or_default();
        if name != FormatName::Delimited {
            let message = format!("{property} is for the DELIMITED format only");
            return Err(SqlError::statement(message).at(span));
        }
        let mut characters = text.chars();
        match (text.to_uppercase().as_str(), characters.next(), characters.next()) {
            ("SPACE", ..) => Ok(Some(' ')),
            ("TAB", ..) => Ok(Some('\t')),
            (_, Some(one), None) => Ok(Some(one)),
            _ => {
                let message = format!(
                    "Invalid delimiter value: '{text}'. Specify a single character, SPACE or TAB."
                );
                Err(SqlError::statement(message).at(span))
            }
        }
    }

    pub(crate) fn timestamp(&self) -> Result<Option<TimestampColumn>> {
        let format = self.text("TIMESTAMP_FORMAT")?;
        let Some(column) = self.text("TIMESTAMP")? else {
            return match self.span("TIMESTAMP_FORMAT") {
                Some(span) => {
                    let message = "TIMESTAMP_FORMAT needs TIMESTAMP, which names a column";
                    Err(SqlError::statement(message).at(span))
                }
                None => Ok(None),
            };
        };
        let span = self.span("TIMESTAMP").unwrap_or_default();
        let column = parse_name(&column).map_err(|_| {
            SqlError::statement(format!("TIMESTAMP names no column: '{column}'")).at(span)
        })?;
        if let Some(pattern) = &format {
            Pattern::new(pattern).map_err(|e| {
                let message = format!("Invalid datetime format for TIMESTAMP_FORMAT: {e}");
                SqlError::statement(message).at(self.span("TIMESTAMP_FORMAT").unwrap_or(span))
            })?;
        }
        Ok(Some(TimestampColumn { column: column.name, format }))
    }

    pub(crate) fn window(&self) -> Result<Option<KeyWindow>> {
        let kind = self.text("WINDOW_TYPE")?;
        let size = self.text("WINDOW_SIZE")?;
        let span =
            self.span("WINDOW_TYPE").or_else(|| self.span("WINDOW_SIZE")).unwrap_or_default();
        let refuse = |message: String| Err(SqlError::statement(message).at(span));
        let size_ms = size.as_deref().map(duration_text).transpose().map_err(|e| {
            SqlError::statement(format!("Invalid WINDOW_SIZE: {}", e.message)).at(span)
        })?;
        match (kind.map(|k| k.to_uppercase()).as_deref(), size_ms) {
            (None, None) => Ok(None),
            (None, Some(_)) => refuse("WINDOW_SIZE needs WINDOW_TYPE".to_owned()),
            (Some("SESSION"), None) => Ok(Some(KeyWindow::Session)),
            (Some("SESSION"), Some(_)) => {
                refuse("'WINDOW_SIZE' should not be set for SESSION windows.".to_owned())
            }
            (Some("TUMBLING"), Some(size_ms)) => Ok(Some(KeyWindow::Tumbling { size_ms })),
            (Some("HOPPING"), Some(size_ms)) => Ok(Some(KeyWindow::Hopping { size_ms })),
            (Some(kind @ ("TUMBLING" | "HOPPING")), None) => refuse(format!(
                "{kind} windows require 'WINDOW_SIZE' to be provided in the WITH clause. For \
                 example: 'WINDOW_SIZE'='10 SECONDS'"
            )),
            (Some(other), _) => {
                refuse(format!("Unknown WINDOW_TYPE: {other}. Use TUMBLING, HOPPING or SESSION"))
            }
        }
    }

    /// What the clause says about the topic.
    pub(crate) fn topic(&self) -> Result<TopicWish> {
        Ok(TopicWish {
            name: self.text("KAFKA_TOPIC")?,
            partitions: self.count("PARTITIONS", |n| n >= 1)?,
            replicas: self.count("REPLICAS", |n| n >= 1 || n == -1)?,
            retention_ms: self.whole("RETENTION_MS")?,
        })
    }

    /// A number that `fits` takes, and its type can hold.
    fn count<N: TryFrom<i64>>(&self, name: &str, fits: fn(i64) -> bool) -> Result<Option<N>> {
        let Some(value) = self.whole(name)? else { return Ok(None) };
        let count = Some(value).filter(|n| fits(*n)).and_then(|n| N::try_from(n).ok());
        let invalid = || {
            let reason = if value < 1 { "must be 1 or more" } else { "is too large" };
            let message = format!("Invalid value for property {name}: {value} {reason}");
            SqlError::statement(message).at(self.span(name).unwrap_or_default())
        };
        count.map(Some).ok_or_else(invalid)
    }
}

/// The topic that a statement wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TopicWish {
    pub(crate) name: Option<String>,
    pub(crate) partitions: Option<i32>,
    pub(crate) replicas: Option<i16>,
    pub(crate) retention_ms: Option<i64>,
}
