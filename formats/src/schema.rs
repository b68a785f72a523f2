//! The typed schema that connect and sql share: what a column or a value can be, whatever the
//! bytes on the topic look like.

use std::fmt;

use crate::Value;

/// What kind of value, without the question whether it may be null.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    /// `precision` digits in all, `scale` of them behind the point.
    Decimal {
        precision: u8,
        scale: u8,
    },
    String,
    Bytes,
    /// Days since 1970-01-01.
    Date,
    /// Milliseconds since midnight.
    Time,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp,
    Array(Box<Schema>),
    Map {
        key: Box<Schema>,
        value: Box<Schema>,
    },
    Struct(Vec<Field>),
}

/// A type with optionality, default, name and documentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    pub ty: Type,
    pub optional: bool,
    pub default: Option<Value>,
    /// The full name of a record, enum or logical type, where the format has names.
    pub name: Option<String>,
    pub doc: Option<String>,
}

/// One member of a struct.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub schema: Schema,
}

impl Schema {
    /// A schema whose values are never null.
    pub fn required(ty: Type) -> Self {
        Self { ty, optional: false, default: None, name: None, doc: None }
    }

    /// A schema whose values may be null.
    pub fn optional(ty: Type) -> Self {
        Self { optional: true, ..Self::required(ty) }
    }

    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    pub fn with_default(mut self, default: Value) -> Self {
        self.default = Some(default);
        self
    }

    /// The fields of a struct; none for anything else.
    pub fn fields(&self) -> &[Field] {
        match &self.ty {
            Type::Struct(fields) => fields,
            _ => &[],
        }
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields().iter().find(|field| field.name == name)
    }
}

impl Field {
    pub fn new(name: impl Into<String>, schema: Schema) -> Self {
        Self { name: name.into(), schema }
    }
}

impl Type {
    pub fn array(items: Schema) -> Self {
        Self::Array(Box::new(items))
    }

    pub fn map(key: Schema, value: Schema) -> Self {
        Self::Map { key: Box::new(key), value: Box::new(value) }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::Int8 => f.write_str("INT8"),
            Self::Int16 => f.write_str("INT16"),
            Self::Int32 => f.write_str("INT32"),
            Self::Int64 => f.write_str("INT64"),
            Self::Float32 => f.write_str("FLOAT32"),
            Self::Float64 => f.write_str("FLOAT64"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            Self::String => f.write_str("STRING"),
            Self::Bytes => f.write_str("BYTES"),
            Self::Date => f.write_str("DATE"),
            Self::Time => f.write_str("TIME"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::Array(items) => write!(f, "ARRAY<{}>", items.ty),
            Self::Map { key, value } => write!(f, "MAP<{}, {}>", key.ty, value.ty),
            Self::Struct(fields) => {
                f.write_str("STRUCT<")?;
                for (index, field) in fields.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{} {}", field.name, field.schema.ty)?;
                }
                f.write_str(">")
            }
        }
    }
}
