//! Records on topics to rows and back, by the formats of a source.

mod decoder;
mod encoder;
mod event_time;
mod schemas;

use formats::{Field, Schema};

use crate::catalog::source::Column;

pub(crate) use decoder::SourceDecoder;
pub(crate) use encoder::{KeyEncoder, SinkEncoder, register_declared};
pub(crate) use event_time::EventTime;
pub(crate) use schemas::{HttpSchemas, MemorySchemas, NoSchemas, Schemas, TriedSchemas};

/// Columns as the crate `formats` wants them.
pub(crate) fn fields(columns: &[Column]) -> Vec<Field> {
    columns.iter().map(|c| Field::new(&c.name, Schema::optional(c.ty.typed()))).collect()
}

/// The length of a window's start or end behind a windowed key.
const BOUND_BYTES: usize = 8;
