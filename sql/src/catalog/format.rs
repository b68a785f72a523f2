//! The formats of keys and values on topics, as statements name them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::SqlError;
use crate::types::SqlType;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FormatName {
    /// No key at all.
    None,
    Delimited,
    Json,
    Avro,
    Kafka,
}

impl FormatName {
    /// Reads the value of a FORMAT property.
    pub(crate) fn parse(text: &str) -> Result<Self, SqlError> {
        Ok(match text.to_uppercase().as_str() {
            "NONE" => Self::None,
            "DELIMITED" => Self::Delimited,
            "JSON" => Self::Json,
            "AVRO" => Self::Avro,
            "KAFKA" => Self::Kafka,
            known @ ("JSON_SR" | "PROTOBUF" | "PROTOBUF_NOSR") => {
                return Err(SqlError::unsupported(format!(
                    "The format {known} is not supported; use JSON, AVRO, DELIMITED or KAFKA"
                )));
            }
            other => {
                return Err(SqlError::statement(format!(
                    "Unknown format: {other}. Known formats: JSON, AVRO, DELIMITED, KAFKA, NONE"
                )));
            }
        })
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Delimited => "DELIMITED",
            Self::Json => "JSON",
            Self::Avro => "AVRO",
            Self::Kafka => "KAFKA",
        }
    }
}

/// A format with its options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Format {
    pub(crate) name: FormatName,
    pub(crate) delimiter: Option<char>,
    /// `false`: a single column is written without a record around it.
    pub(crate) wrapped: bool,
    /// The full name of the Avro record.
    pub(crate) record_name: Option<String>,
}

/// The full name of an Avro record that a statement does not name, as ksqlDB's is.
const RECORD_NAME: &str = "io.confluent.ksql.avro_schemas.KsqlDataSourceSchema";

impl Format {
    pub(crate) fn new(name: FormatName) -> Self {
        Self { name, delimiter: None, wrapped: true, record_name: None }
    }

    pub(crate) fn record_name(&self) -> &str {
        self.record_name.as_deref().unwrap_or(RECORD_NAME)
    }

    /// Whether these columns stand on the topic without a record around them.
    pub(crate) fn wrapping(&self, columns: usize) -> formats::Wrapping {
        let bare = columns == 1 && !self.wrapped;
        if bare && self.name != FormatName::Delimited {
            formats::Wrapping::Bare
        } else {
            formats::Wrapping::Record
        }
    }

    /// The format as the crate `formats` knows it; none for NONE.
    pub(crate) fn physical(&self) -> Option<formats::Format> {
        Some(match self.name {
            FormatName::None => return None,
            FormatName::Delimited => {
                formats::Format::Delimited { delimiter: self.delimiter.unwrap_or(',') }
            }
            FormatName::Json => formats::Format::Json,
            FormatName::Avro => formats::Format::Avro,
            FormatName::Kafka => formats::Format::Kafka,
        })
    }

    /// Refuses columns that the format cannot carry.
    pub(crate) fn check(&self, what: &str, columns: &[(String, SqlType)]) -> Result<(), SqlError> {
        let Some(physical) = self.physical() else {
            return if columns.is_empty() {
                Ok(())
            } else {
                Err(SqlError::statement(format!(
                    "The 'NONE' format can only be used when no columns are defined. Got: {what} \
                     columns"
                )))
            };
        };
        let name = self.name.word();
        if self.name == FormatName::Kafka && columns.len() > 1 {
            return Err(SqlError::statement(format!(
                "The '{name}' format only supports a single field. Got: {}",
                listed(columns)
            )));
        }
        let fields: Vec<formats::Field> = columns
            .iter()
            .map(|(n, ty)| formats::Field::new(n, formats::Schema::optional(ty.typed())))
            .collect();
        if fields.is_empty() {
            return Ok(());
        }
        physical.check(&fields, self.wrapping(fields.len())).map_err(|error| {
            let culprit = columns.iter().find(|(_, ty)| !carries(self.name, ty));
            let reason = culprit.map_or_else(
                || error.to_string(),
                |(_, ty)| format!("The '{name}' format does not support type '{}'", ty.base_name()),
            );
            SqlError::statement(format!(
                "{what} format does not support schema.\nformat: {name}\nschema: {}\nreason: \
                 {reason}",
                listed(columns)
            ))
        })
    }
}

fn carries(name: FormatName, ty: &SqlType) -> bool {
    match name {
        FormatName::Kafka => matches!(
            ty,
            SqlType::Integer | SqlType::Bigint | SqlType::Double | SqlType::String | SqlType::Bytes
        ),
        FormatName::Delimited => {
            !matches!(ty, SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_))
        }
        _ => true,
    }
}

fn listed(columns: &[(String, SqlType)]) -> String {
    let columns: Vec<String> =
        columns.iter().map(|(n, ty)| format!("{} {ty}", crate::types::quoted(n))).collect();
    format!("[{}]", columns.join(", "))
}

impl fmt::Display for FormatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
