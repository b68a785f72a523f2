//! ksqlDB's types, their names, their ranks, and the Arrow types that hold them.

use std::fmt;

use arrow::datatypes::DataType;
use formats::{Field, Schema, Type};
use serde::{Deserialize, Serialize};

/// The widest DECIMAL that an Arrow `Decimal128` holds.
pub(crate) const MAX_PRECISION: u8 = 38;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SqlType {
    Boolean,
    Integer,
    Bigint,
    Double,
    Decimal { precision: u8, scale: u8 },
    String,
    Bytes,
    Date,
    Time,
    Timestamp,
    Array(Box<SqlType>),
    Map(Box<SqlType>, Box<SqlType>),
    Struct(Vec<(String, SqlType)>),
}

impl SqlType {
    pub(crate) fn decimal(precision: u8, scale: u8) -> Self {
        Self::Decimal { precision: precision.min(MAX_PRECISION), scale }
    }

    pub(crate) fn is_numeric(&self) -> bool {
        self.numeric_rank().is_some()
    }

    pub(crate) fn is_time(&self) -> bool {
        matches!(self, Self::Date | Self::Time | Self::Timestamp)
    }

    /// INT < BIGINT < DECIMAL < DOUBLE.
    pub(crate) fn numeric_rank(&self) -> Option<u8> {
        match self {
            Self::Integer => Some(0),
            Self::Bigint => Some(1),
            Self::Decimal { .. } => Some(2),
            Self::Double => Some(3),
            _ => None,
        }
    }

    /// The DECIMAL that holds every value of an integer type; a DECIMAL is its own.
    pub(crate) fn as_decimal(&self) -> Option<(u8, u8)> {
        match self {
            Self::Integer => Some((10, 0)),
            Self::Bigint => Some((19, 0)),
            Self::Decimal { precision, scale } => Some((*precision, *scale)),
            _ => None,
        }
    }

    /// The type that both widen to, if there is one.
    pub(crate) fn common(&self, other: &Self) -> Option<Self> {
        if self == other {
            return Some(self.clone());
        }
        match (self, other) {
            (Self::Array(a), Self::Array(b)) => return Some(Self::Array(Box::new(a.common(b)?))),
            (Self::Map(k, v), Self::Map(l, w)) => {
                return Some(Self::Map(Box::new(k.common(l)?), Box::new(v.common(w)?)));
            }
            (Self::Struct(a), Self::Struct(b)) => return common_struct(a, b).map(Self::Struct),
            _ => {}
        }
        let (left, right) = (self.numeric_rank()?, other.numeric_rank()?);
        match left.max(right) {
            0 => Some(Self::Integer),
            1 => Some(Self::Bigint),
            2 => {
                let ((p, s), (q, t)) = (self.as_decimal()?, other.as_decimal()?);
                let scale = s.max(t);
                Some(Self::decimal((p - s).max(q - t) + scale, scale))
            }
            _ => Some(Self::Double),
        }
    }

    /// Whether a value of this type may stand where `target` is wanted, without a CAST.
    pub(crate) fn widens_to(&self, target: &Self) -> bool {
        if self == target {
            return true;
        }
        match (self, target) {
            (
                Self::Decimal { precision: p, scale: s },
                Self::Decimal { precision: q, scale: t },
            ) => s <= t && p - s <= q - t,
            (Self::Integer | Self::Bigint, Self::Decimal { precision, scale }) => {
                self.as_decimal().is_some_and(|(p, _)| p <= precision - scale)
            }
            (Self::Array(a), Self::Array(b)) => a.widens_to(b),
            (Self::Map(k, v), Self::Map(l, w)) => k.widens_to(l) && v.widens_to(w),
            (Self::Struct(a), Self::Struct(b)) => a.iter().all(|(name, ty)| {
                b.iter().any(|(other, target)| other == name && ty.widens_to(target))
            }),
            _ => match (self.numeric_rank(), target.numeric_rank()) {
                (Some(a), Some(b)) => a < b,
                _ => false,
            },
        }
    }

    /// The Arrow type of a column: the one that the formats give.
    pub fn arrow(&self) -> DataType {
        formats::data_type(&self.typed())
    }

    /// The type as the crate `formats` knows it.
    pub(crate) fn typed(&self) -> Type {
        let optional = |ty: &Self| Schema::optional(ty.typed());
        match self {
            Self::Boolean => Type::Boolean,
            Self::Integer => Type::Int32,
            Self::Bigint => Type::Int64,
            Self::Double => Type::Float64,
            Self::Decimal { precision, scale } => {
                Type::Decimal { precision: *precision, scale: *scale }
            }
            Self::String => Type::String,
            Self::Bytes => Type::Bytes,
            Self::Date => Type::Date,
            Self::Time => Type::Time,
            Self::Timestamp => Type::Timestamp,
            Self::Array(item) => Type::array(optional(item)),
            Self::Map(key, value) => Type::map(optional(key), optional(value)),
            Self::Struct(fields) => Type::Struct(
                fields.iter().map(|(name, ty)| Field::new(name, optional(ty))).collect(),
            ),
        }
    }

    /// The SQL type of a column whose schema comes from elsewhere (the registry).
    pub(crate) fn from_typed(ty: &Type) -> Self {
        match ty {
            Type::Boolean => Self::Boolean,
            Type::Int8 | Type::Int16 | Type::Int32 => Self::Integer,
            Type::Int64 => Self::Bigint,
            Type::Float32 | Type::Float64 => Self::Double,
            Type::Decimal { precision, scale } => Self::decimal(*precision, *scale),
            Type::String => Self::String,
            Type::Bytes => Self::Bytes,
            Type::Date => Self::Date,
            Type::Time => Self::Time,
            Type::Timestamp => Self::Timestamp,
            Type::Array(item) => Self::Array(Box::new(Self::from_typed(&item.ty))),
            Type::Map { key, value } => {
                let (key, value) = (Self::from_typed(&key.ty), Self::from_typed(&value.ty));
                Self::Map(Box::new(key), Box::new(value))
            }
            Type::Struct(fields) => {
                let member = |f: &Field| (column_name(f), Self::from_typed(&f.schema.ty));
                Self::Struct(fields.iter().map(member).collect())
            }
        }
    }

    /// The name without parameters, as the REST API's `schema.type` has it.
    pub fn base_name(&self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::Integer => "INTEGER",
            Self::Bigint => "BIGINT",
            Self::Double => "DOUBLE",
            Self::Decimal { .. } => "DECIMAL",
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Date => "DATE",
            Self::Time => "TIME",
            Self::Timestamp => "TIMESTAMP",
            Self::Array(_) => "ARRAY",
            Self::Map(..) => "MAP",
            Self::Struct(_) => "STRUCT",
        }
    }

    /// The type named by one word, without parameters.
    pub(crate) fn primitive(name: &str) -> Option<Self> {
        Some(match name {
            "BOOLEAN" => Self::Boolean,
            "INT" | "INTEGER" => Self::Integer,
            "BIGINT" => Self::Bigint,
            "DOUBLE" => Self::Double,
            "STRING" | "VARCHAR" => Self::String,
            "BYTES" => Self::Bytes,
            "DATE" => Self::Date,
            "TIME" => Self::Time,
            "TIMESTAMP" => Self::Timestamp,
            _ => return None,
        })
    }
}

/// What a field of a registered schema is called as a column: its name in upper case, or that which
/// it had before it got one that Avro takes.
pub(crate) fn column_name(field: &Field) -> String {
    let original = formats::avro::original_name(&field.name, field.schema.doc.as_deref());
    original.unwrap_or(&field.name).to_uppercase()
}

fn common_struct(
    a: &[(String, SqlType)],
    b: &[(String, SqlType)],
) -> Option<Vec<(String, SqlType)>> {
    let mut fields = a.to_vec();
    for (name, ty) in b {
        match fields.iter_mut().find(|(n, _)| n == name) {
            Some(field) => field.1 = field.1.common(ty)?,
            None => fields.push((name.clone(), ty.clone())),
        }
    }
    Some(fields)
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            Self::Array(item) => write!(f, "ARRAY<{item}>"),
            Self::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            Self::Struct(fields) => {
                f.write_str("STRUCT<")?;
                for (i, (name, ty)) in fields.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{} {ty}", quoted(name))?;
                }
                f.write_str(">")
            }
            other => f.write_str(other.base_name()),
        }
    }
}

/// A name as ksqlDB shows it: in back ticks.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_widen_from_int_to_double() {
        let decimal = SqlType::decimal(4, 2);
        assert_eq!(SqlType::Integer.common(&SqlType::Bigint), Some(SqlType::Bigint));
        assert_eq!(SqlType::Integer.common(&decimal), Some(SqlType::decimal(12, 2)));
        assert_eq!(decimal.common(&SqlType::Double), Some(SqlType::Double));
        assert_eq!(SqlType::String.common(&SqlType::Double), None);
        assert!(SqlType::Integer.widens_to(&SqlType::Double));
        assert!(!SqlType::Bigint.widens_to(&SqlType::Integer));
        assert!(!SqlType::Bigint.widens_to(&decimal));
    }

    #[test]
    fn a_type_survives_the_way_through_the_formats() {
        let ty = SqlType::Struct(vec![
            ("A".into(), SqlType::Array(Box::new(SqlType::decimal(9, 3)))),
            ("M".into(), SqlType::Map(Box::new(SqlType::String), Box::new(SqlType::Timestamp))),
        ]);
        assert_eq!(SqlType::from_typed(&ty.typed()), ty);
        assert_eq!(ty.to_string(), "STRUCT<`A` ARRAY<DECIMAL(9, 3)>, `M` MAP<STRING, TIMESTAMP>>");
    }
}
