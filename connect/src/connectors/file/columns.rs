//! The values of delimited records.

use std::collections::HashMap;
use std::sync::Arc;

use formats::delimited::Reader;
use formats::{Field, Schema, Value};

use super::guess::Guess;
use super::layout::{LayoutColumn, find};
use super::settings::Delimited;
use super::types::{type_word, value};
use crate::plugin::SchemaAndValue;

/// What all files of a connector have shown of their columns, by name.
pub(super) type Known = HashMap<String, Guess>;

/// The columns of one file, known.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    layout: Vec<LayoutColumn>,
    value_schema: Arc<Schema>,
    key: Option<Key>,
    timestamp: Option<usize>,
}

#[derive(Clone, Debug)]
struct Key {
    schema: Arc<Schema>,
    columns: Vec<usize>,
}

/// One record's values.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) key: Option<SchemaAndValue>,
    pub(super) value: SchemaAndValue,
    pub(super) timestamp_ms: Option<i64>,
    /// A column's type has changed with this record, and why.
    pub(super) widened: Option<String>,
}

impl Columns {
    pub(super) fn new(settings: &Delimited, layout: Vec<LayoutColumn>) -> Result<Self, String> {
        let position = |name: &String| {
            let names = layout.iter().map(|column| column.name.as_str());
            find(names.clone(), name).ok_or_else(|| {
                let all = names.collect::<Vec<_>>().join(", ");
                format!("there is no column {name}; the columns are {all}")
            })
        };
        let keys = settings.key_columns.iter().map(position).collect::<Result<Vec<_>, _>>()?;
        let timestamp = settings.timestamp_column.as_ref().map(position).transpose()?;
        let field = |column: &LayoutColumn| Field::new(&column.name, Schema::optional(column.ty()));
        let fields: Vec<Field> = layout.iter().map(field).collect();
        let key = match keys[..] {
            [] => None,
            [one] => Some(fields[one].schema.clone()),
            _ => {
                let members = keys.iter().map(|column| fields[*column].clone()).collect();
                let name = format!("{}_key", settings.schema_name);
                Some(Schema::required(formats::Type::Struct(members)).named(name))
            }
        };
        let key = key.map(|schema| Key { schema: Arc::new(schema), columns: keys });
        if let Some(column) = timestamp.map(|place| &layout[place]) {
            use formats::Type::{Date, Int64, Timestamp};
            // A file without records says nothing of its columns, and has no times to read.
            let unseen = column.is_guessed() && column.guess == Guess::Nothing;
            if !unseen && !matches!(column.ty(), Timestamp | Int64 | Date) {
                return Err(format!(
                    "timestamp.column {} is {}; name it TIMESTAMP, DATE or BIGINT in columns",
                    column.name,
                    type_word(&column.ty())
                ));
            }
        }
        let value = Schema::required(formats::Type::Struct(fields)).named(&settings.schema_name);
        Ok(Self { layout, value_schema: Arc::new(value), key, timestamp })
    }

    pub(super) fn layout(&self) -> &[LayoutColumn] {
        &self.layout
    }

    /// Key, value and time of one record's texts; an error names the column. A column that is not
    /// given a type takes a wider one with the first text that it needs it for.
    pub(super) fn read(
        &mut self,
        settings: &Delimited,
        texts: &Reader,
        known: &mut Known,
    ) -> Result<Row, String> {
        let texts = texts.values();
        if texts.len() != self.layout.len() {
            let (found, expected) = (texts.len(), self.layout.len());
            let plural = if found == 1 { "" } else { "s" };
            return Err(format!("{found} value{plural}, the columns are {expected}"));
        }
        let texts: Vec<Option<&str>> = texts.map(|text| settings.present(text)).collect();
        let widened = self.widen(settings, &texts, known)?;
        let mut values = Vec::with_capacity(texts.len());
        for (text, field) in texts.iter().zip(self.value_schema.fields()) {
            values.push(match text {
                None => Value::Null,
                Some(text) => value(text, &field.schema.ty).ok_or_else(|| {
                    format!(
                        "column {}: \"{text}\" is no {}",
                        field.name,
                        type_word(&field.schema.ty)
                    )
                })?,
            });
        }
        let key = self.key.as_ref().map(|key| {
            let value = match key.columns[..] {
                [one] => values[one].clone(),
                _ => Value::Struct(key.columns.iter().map(|c| values[*c].clone()).collect()),
            };
            SchemaAndValue { schema: Arc::clone(&key.schema), value }
        });
        let timestamp_ms = self.timestamp.and_then(|column| match values[column] {
            Value::Timestamp(ms) | Value::Int64(ms) => Some(ms),
            Value::Date(days) => Some(i64::from(days) * 86_400_000),
            _ => None,
        });
        let schema = Arc::clone(&self.value_schema);
        let value = SchemaAndValue { schema, value: Value::Struct(values) };
        Ok(Row { key, value, timestamp_ms, widened })
    }

    /// Takes note of texts in columns whose types are guessed. Why a type has changed, if one has.
    fn widen(
        &mut self,
        settings: &Delimited,
        texts: &[Option<&str>],
        known: &mut Known,
    ) -> Result<Option<String>, String> {
        let mut reasons = Vec::new();
        for (column, text) in self.layout.iter_mut().zip(texts) {
            let Some(text) = text.filter(|_| column.is_guessed() && column.guess != Guess::Text)
            else {
                continue;
            };
            let wider = column.guess.join(Guess::of(text));
            if wider == column.guess {
                continue;
            }
            let all = known.entry(column.name.clone()).or_default();
            let wider = wider.join(*all);
            *all = wider;
            let (from, to) = (column.guess.ty(), wider.ty());
            column.guess = wider;
            if from != to {
                let (name, from, to) = (&column.name, type_word(&from), type_word(&to));
                reasons.push(format!(
                    "column {name}: \"{text}\" cannot be kept as {from}, so that the column is \
                     {to} from here on"
                ));
            }
        }
        if reasons.is_empty() {
            return Ok(None);
        }
        let reason = reasons.join("; ");
        *self = Self::new(settings, std::mem::take(&mut self.layout))
            .map_err(|error| format!("{reason}; {error}"))?;
        Ok(Some(reason))
    }
}
