//! Avro: a schema model that keeps everything written in a schema, the printer whose text gives a
//! schema its identity in a registry, values in binary, resolution between two schemas.

mod binary;
mod datum;
mod default;
mod model;
mod names;
mod parse;
mod print;
mod resolve;
mod typed;
mod value;

pub use binary::{BinaryError, Reader, write_bytes, write_long};
pub use datum::{Datum, EncodeError};
pub use model::{
    Enum, Field, Fixed, Kind, Logical, Name, Node, NodeId, Order, Props, Record, Schema,
};
pub use names::{original_name, safe_name, safe_names, with_safe_names};
pub use parse::{SchemaError, Validation};
pub use resolve::{ResolveError, Resolver};
pub use typed::{TypedError, from_typed};

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
