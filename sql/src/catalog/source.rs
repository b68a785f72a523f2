//! A stream or a table: columns over a topic.

use serde::{Deserialize, Serialize};

use super::format::Format;
use crate::parser::ast::SourceKind;
use crate::types::{SqlType, quoted};

/// Names that columns of a source cannot have.
pub(crate) const PSEUDO: [&str; 5] =
    ["ROWTIME", "ROWPARTITION", "ROWOFFSET", "WINDOWSTART", "WINDOWEND"];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) ty: SqlType,
}

impl Column {
    pub(crate) fn new(name: impl Into<String>, ty: SqlType) -> Self {
        Self { name: name.into(), ty }
    }
}

/// Where event time comes from, if not from the record's timestamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TimestampColumn {
    pub(crate) column: String,
    /// A pattern for texts; none for BIGINT and TIMESTAMP columns.
    pub(crate) format: Option<String>,
}

/// The windows of a windowed key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyWindow {
    Tumbling { size_ms: i64 },
    Hopping { size_ms: i64 },
    Session,
}

impl KeyWindow {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Tumbling { .. } => "TUMBLING",
            Self::Hopping { .. } => "HOPPING",
            Self::Session => "SESSION",
        }
    }

    /// How long each window is; sessions differ.
    pub(crate) fn size_ms(&self) -> Option<i64> {
        match self {
            Self::Tumbling { size_ms } | Self::Hopping { size_ms } => Some(*size_ms),
            Self::Session => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) kind: SourceKind,
    pub(crate) topic: String,
    pub(crate) key: Vec<Column>,
    pub(crate) value: Vec<Column>,
    pub(crate) key_format: Format,
    pub(crate) value_format: Format,
    pub(crate) window: Option<KeyWindow>,
    pub(crate) timestamp: Option<TimestampColumn>,
    /// CREATE SOURCE ..: cannot be written.
    pub(crate) read_only: bool,
    /// The query that writes it, for CREATE .. AS; the one that keeps its rows, for CREATE SOURCE
    /// TABLE. No id is ever used again, so that no query finds the state of another one.
    pub(crate) created_by: Option<String>,
    pub(crate) statement: String,
}

impl Source {
    /// `` `ID` BIGINT KEY, `V` STRING``, as DESCRIBE and test cases have it.
    pub(crate) fn schema_text(&self) -> String {
        let role = match self.kind {
            SourceKind::Stream => " KEY",
            SourceKind::Table => " PRIMARY KEY",
        };
        let key = self.key.iter().map(|c| format!("{} {}{role}", quoted(&c.name), c.ty));
        let value = self.value.iter().map(|c| format!("{} {}", quoted(&c.name), c.ty));
        key.chain(value).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.key.iter().chain(&self.value).find(|c| c.name == name)
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.kind == SourceKind::Stream
    }
}
