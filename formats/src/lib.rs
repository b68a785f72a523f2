//! Schemas and values of the data formats on topics: Avro, JSON, delimited text, Kafka's
//! primitives; as typed values, as Arrow columns, in the schema registry's framing.
//!
//! No I/O and no broker: bytes in, values out. A schema that has to be fetched, the caller fetches.
//!
//! ```text
//! schema, value   the typed schema and value that connect and sql share
//! avro            Avro's own schema model, text, binary encoding, resolution, typed <-> Avro
//! json            scanning and writing JSON text
//! delimited       the one reader of delimiter-separated text
//! framing         magic byte and schema id
//! temporal        dates and times in text: those of `javatext`
//! columns         records -> Arrow ([`RowDecoder`]), Arrow -> records ([`RowEncoder`])
//! ```
//!
//! # Records to Arrow
//! [`RowDecoder::append`] takes one record's key or value and either adds one row or fails and
//! leaves the columns as they were, so one bad record costs nobody else anything;
//! [`RowDecoder::finish`] gives the arrays. For AVRO the decoder asks for writer schemas: when
//! `missing_writer(bytes)` names an id (or `append` fails with `UnknownWriter`), fetch it and call
//! `add_writer`. Types map as [`data_type`] says: BOOLEAN, Int8..Int64, Float32/64, Decimal128,
//! Utf8, Binary, Date32, Time32(ms), Timestamp(ms), List, Map, Struct; all nullable.
//!
//! The rules are ksqlDB's. A member or field belongs to the column of exactly its name or of its
//! name in upper case; what is missing is null, what is not asked for is skipped. In JSON numbers
//! may stand in strings, any value may be read as VARCHAR, dates are days, times and timestamps
//! milliseconds (as a number or as its digits in a string), bytes base64. In DELIMITED an empty
//! value is null and the count of values must be right.
//!
//! # Arrow to records
//! [`RowEncoder::encode`] appends one row's bytes. JSON has all columns, null ones too. For AVRO
//! make the schema with [`avro::from_typed`] of [`avro::with_safe_names`], register it, and hand id
//! and schema to the encoder. Columns and the fields of an Avro record find each other by name, by
//! the name that a column has in Avro, and by the field's name in upper case.

pub mod avro;
mod columns;
pub mod delimited;
pub mod framing;
pub mod json;
mod schema;
mod value;

/// Dates and times in text.
pub use javatext::iso as temporal;

pub use columns::{
    Appended, Column, DecodeError, EncodeError, EncoderError, Format, FormatError, PlanError,
    PushError, RowDecoder, RowEncoder, UnsupportedType, Wrapping, arrow_fields, arrow_schema,
    data_type, typed, typed_fields, write_json_cell,
};
pub use schema::{Field, Schema, Type};
pub use value::{Decimal, MAX_DECIMAL_PRECISION, Value, java_double, java_float, parse_double};
