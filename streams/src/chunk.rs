//! [`Chunk`]: what moves through a topology, a run of rows of one task in record order.
//!
//! ```text
//!              rows: key columns | value columns          timestamps   origin.offsets
//!   row 0      UA                | 3, 12.5                 1_000        17
//!   row 1      AA                | 1, -4.0                 1_020        18
//! ```
//!
//! What a row *means* is the chunk's [`Changes`]: a fact of a stream, a change (key, old, new)
//! of a table, or a delta (add or retract) on its way to an aggregate. A chunk is never empty of
//! meaning by its size: operators give the same changes, in the same order, whether records
//! come one by one or a thousand at a time.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch, UInt32Array};
use arrow::buffer::{BooleanBuffer, ScalarBuffer};
use arrow::compute::{filter_record_batch, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use thiserror::Error;

use crate::record::Header;

/// Where a chunk's rows came from: the record each row descends from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// Which input of the task (its position among the task's sources). The engine sets it.
    pub input: u16,
    /// Partition that the records were read from (pseudo column ROWPARTITION).
    pub partition: i32,
    /// Offset of each row's record (pseudo column ROWOFFSET); rises, may repeat.
    pub offsets: ScalarBuffer<i64>,
    /// Headers of each row's record; `None` where no record has any.
    headers: Option<Arc<[RowHeaders]>>,
}

/// The headers of one record, shared by all rows that descend from it.
pub type RowHeaders = Arc<[Header]>;

impl Origin {
    pub fn new(partition: i32, offsets: Vec<i64>) -> Self {
        Self { input: 0, partition, offsets: offsets.into(), headers: None }
    }

    /// With the headers of each row's record.
    pub fn with_headers(self, headers: Vec<RowHeaders>) -> Self {
        let any = headers.iter().any(|headers| !headers.is_empty());
        Self { headers: any.then(|| headers.into()), ..self }
    }

    /// The headers of a row's record: those that the records made of the row carry.
    pub fn headers(&self, row: usize) -> &[Header] {
        let headers = self.headers.as_ref().and_then(|headers| headers.get(row));
        headers.map_or(&[], |headers| headers)
    }

    /// Rows at other offsets, whose headers are not known.
    pub(crate) fn at_offsets(&self, offsets: ScalarBuffer<i64>) -> Self {
        Self { offsets, headers: None, ..self.clone() }
    }
}

/// The rows that a table held before a change.
#[derive(Clone, Debug, PartialEq)]
pub struct OldRows {
    /// Same schema and number of rows as the chunk's rows; all null where nothing was there.
    pub rows: RecordBatch,
    /// True where the table held a row for the key.
    pub present: BooleanBuffer,
}

/// What the rows of a chunk mean. The buffers are as long as the chunk.
#[derive(Clone, Debug, PartialEq)]
pub enum Changes {
    /// A stream: each row is a fact.
    Appends,
    /// A table: each row is the new row of its key, or removes it.
    Table {
        /// True where the row removes its key; its value columns mean nothing then.
        deleted: BooleanBuffer,
        /// The rows before the change. `None` before the table is materialised.
        old: Option<OldRows>,
    },
    /// Table changes taken apart for an aggregate: old rows to subtract, new rows to add.
    Deltas {
        /// True where the row is to be subtracted from its group.
        retract: BooleanBuffer,
    },
}

/// A chunk whose parts do not fit each other.
#[derive(Debug, Error)]
pub enum ChunkError {
    #[error("a chunk of {rows} rows was given {found} {part}")]
    Length { part: &'static str, rows: usize, found: usize },
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

/// A run of rows of one task, in record order. See the module's head.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    rows: RecordBatch,
    timestamps: ScalarBuffer<i64>,
    origin: Origin,
    changes: Changes,
}

impl Chunk {
    /// Puts a chunk together, checking that all its parts have as many entries as `rows`.
    pub fn new(
        rows: RecordBatch,
        timestamps: impl Into<ScalarBuffer<i64>>,
        origin: Origin,
        changes: Changes,
    ) -> Result<Self, ChunkError> {
        let timestamps = timestamps.into();
        let count = rows.num_rows();
        check("timestamps", count, timestamps.len())?;
        check("offsets", count, origin.offsets.len())?;
        check("headers", count, origin.headers.as_ref().map_or(count, |headers| headers.len()))?;
        changes.check(count)?;
        Ok(Self { rows, timestamps, origin, changes })
    }

    /// A chunk of a stream.
    pub fn appends(
        rows: RecordBatch,
        timestamps: impl Into<ScalarBuffer<i64>>,
        origin: Origin,
    ) -> Result<Self, ChunkError> {
        Self::new(rows, timestamps, origin, Changes::Appends)
    }

    /// A chunk of a table whose old rows are not known yet.
    pub fn upserts(
        rows: RecordBatch,
        deleted: BooleanBuffer,
        timestamps: impl Into<ScalarBuffer<i64>>,
        origin: Origin,
    ) -> Result<Self, ChunkError> {
        Self::new(rows, timestamps, origin, Changes::Table { deleted, old: None })
    }

    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    pub fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Event time of each row in milliseconds (pseudo column ROWTIME).
    pub fn timestamps(&self) -> &ScalarBuffer<i64> {
        &self.timestamps
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// True where the row removes its key; always false for streams and deltas.
    pub fn is_deleted(&self, row: usize) -> bool {
        matches!(&self.changes, Changes::Table { deleted, .. } if deleted.value(row))
    }

    /// True where the row is to be subtracted from its group.
    pub fn is_retraction(&self, row: usize) -> bool {
        matches!(&self.changes, Changes::Deltas { retract } if retract.value(row))
    }

    /// The rows before the change, where the table is materialised.
    pub fn old_rows(&self) -> Option<&OldRows> {
        match &self.changes {
            Changes::Table { old, .. } => old.as_ref(),
            Changes::Appends | Changes::Deltas { .. } => None,
        }
    }

    /// The same rows with another meaning.
    pub fn with_changes(self, changes: Changes) -> Result<Self, ChunkError> {
        changes.check(self.len())?;
        Ok(Self { changes, ..self })
    }

    /// The same rows at other times (a TIMESTAMP column of the sink, for one).
    pub fn with_timestamps(
        self,
        timestamps: impl Into<ScalarBuffer<i64>>,
    ) -> Result<Self, ChunkError> {
        let timestamps = timestamps.into();
        check("timestamps", self.len(), timestamps.len())?;
        Ok(Self { timestamps, ..self })
    }

    pub(crate) fn with_input(mut self, input: u16) -> Self {
        self.origin.input = input;
        self
    }

    /// Replaces the rows, and the old rows of a table, by what `project` makes of them, one row
    /// for one row. Rows that remove a key are projected too; what comes out is not looked at.
    pub fn project<E: From<ChunkError>>(
        self,
        mut project: impl FnMut(&RecordBatch) -> Result<RecordBatch, E>,
    ) -> Result<Self, E> {
        let rows = project(&self.rows)?;
        let changes = match self.changes {
            Changes::Table { deleted, old: Some(old) } => {
                let rows = project(&old.rows)?;
                Changes::Table { deleted, old: Some(OldRows { rows, present: old.present }) }
            }
            other => other,
        };
        Ok(Self::new(rows, self.timestamps, self.origin, changes)?)
    }

    /// The rows for which `keep` is true; null counts as false.
    pub fn filter(&self, keep: &BooleanArray) -> Result<Self, ChunkError> {
        check("filter values", self.len(), keep.len())?;
        if keep.true_count() == self.len() {
            return Ok(self.clone());
        }
        let kept = |row: &usize| keep.is_valid(*row) && keep.value(*row);
        let indices: Vec<usize> = (0..self.len()).filter(kept).collect();
        let changes =
            self.changes.map(|bits| pick(bits, &indices), |r| filter_record_batch(r, keep))?;
        Ok(Self {
            rows: filter_record_batch(&self.rows, keep)?,
            timestamps: indices.iter().map(|&i| self.timestamps[i]).collect(),
            origin: self.origin.pick(&indices),
            changes,
        })
    }

    /// The rows at `indices`, in that order; an index may repeat.
    ///
    /// # Panics
    /// Where an index is not a row of this chunk.
    pub fn take(&self, indices: &[usize]) -> Result<Self, ChunkError> {
        let wanted: UInt32Array = indices.iter().map(|&i| i as u32).collect();
        let take = |rows: &RecordBatch| take_record_batch(rows, &wanted);
        Ok(Self {
            rows: take(&self.rows)?,
            timestamps: indices.iter().map(|&i| self.timestamps[i]).collect(),
            origin: self.origin.pick(indices),
            changes: self.changes.map(|bits| pick(bits, indices), take)?,
        })
    }

    /// The rows of `range`, without copying them.
    ///
    /// # Panics
    /// Where the range ends behind the last row.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let (start, count) = (range.start, range.len());
        let cut = |bits: &BooleanBuffer| bits.slice(start, count);
        let changes = match &self.changes {
            Changes::Appends => Changes::Appends,
            Changes::Deltas { retract } => Changes::Deltas { retract: cut(retract) },
            Changes::Table { deleted, old } => Changes::Table {
                deleted: cut(deleted),
                old: old.as_ref().map(|old| OldRows {
                    rows: old.rows.slice(start, count),
                    present: cut(&old.present),
                }),
            },
        };
        Self {
            rows: self.rows.slice(start, count),
            timestamps: self.timestamps.slice(start, count),
            origin: Origin {
                offsets: self.origin.offsets.slice(start, count),
                headers: self.origin.headers.as_ref().map(|headers| headers[range].into()),
                ..self.origin.clone()
            },
            changes,
        }
    }
}

impl Origin {
    /// The origin of the rows at `indices`.
    pub fn pick(&self, indices: &[usize]) -> Self {
        let offsets = indices.iter().map(|&i| self.offsets[i]).collect();
        let pick =
            |headers: &Arc<[RowHeaders]>| indices.iter().map(|&i| headers[i].clone()).collect();
        Self { offsets, headers: self.headers.as_ref().map(pick), ..self.clone() }
    }
}

impl Changes {
    fn check(&self, rows: usize) -> Result<(), ChunkError> {
        match self {
            Self::Appends => Ok(()),
            Self::Deltas { retract } => check("retraction flags", rows, retract.len()),
            Self::Table { deleted, old } => {
                check("deletion flags", rows, deleted.len())?;
                let Some(old) = old else { return Ok(()) };
                check("old rows", rows, old.rows.num_rows())?;
                check("old row flags", rows, old.present.len())
            }
        }
    }

    fn map(
        &self,
        bits: impl Fn(&BooleanBuffer) -> BooleanBuffer,
        rows: impl Fn(&RecordBatch) -> Result<RecordBatch, ArrowError>,
    ) -> Result<Self, ArrowError> {
        Ok(match self {
            Self::Appends => Self::Appends,
            Self::Deltas { retract } => Self::Deltas { retract: bits(retract) },
            Self::Table { deleted, old } => {
                let old = match old {
                    None => None,
                    Some(old) => {
                        Some(OldRows { rows: rows(&old.rows)?, present: bits(&old.present) })
                    }
                };
                Self::Table { deleted: bits(deleted), old }
            }
        })
    }
}

fn pick(bits: &BooleanBuffer, indices: &[usize]) -> BooleanBuffer {
    indices.iter().map(|&i| bits.value(i)).collect()
}

fn check(part: &'static str, rows: usize, found: usize) -> Result<(), ChunkError> {
    if rows == found { Ok(()) } else { Err(ChunkError::Length { part, rows, found }) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn batch(values: &[i64]) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        RecordBatch::try_from_iter_with_nullable([("v", column, true)]).unwrap()
    }

    fn named(key: &str) -> RowHeaders {
        [Header { key: key.to_owned(), value: None }].into()
    }

    fn table() -> Chunk {
        let old = OldRows { rows: batch(&[1, 2, 3]), present: vec![true, false, true].into() };
        let deleted = vec![false, false, true].into();
        Chunk::new(
            batch(&[10, 20, 30]),
            vec![5, 6, 7],
            Origin::new(2, vec![100, 101, 102]).with_headers(vec![
                named("a"),
                named("b"),
                named("c"),
            ]),
            Changes::Table { deleted, old: Some(old) },
        )
        .unwrap()
    }

    #[test]
    fn filter_take_and_slice_keep_all_parts_together() {
        let chunk = table();
        let keep = BooleanArray::from(vec![Some(true), None, Some(true)]);
        let filtered = chunk.filter(&keep).unwrap();
        assert_eq!(filtered, chunk.take(&[0, 2]).unwrap());
        assert_eq!(filtered.timestamps().as_ref(), [5, 7]);
        assert_eq!(filtered.origin().offsets.as_ref(), [100, 102]);
        assert_eq!(filtered.origin().headers(1), named("c").as_ref());
        assert_eq!(chunk.slice(1..2).origin().headers(0), named("b").as_ref());
        assert!(filtered.is_deleted(1) && !filtered.is_deleted(0));
        assert_eq!(filtered.old_rows().unwrap().rows, batch(&[1, 3]));
        assert_eq!(chunk.slice(1..3), chunk.take(&[1, 2]).unwrap());
    }

    #[test]
    fn parts_of_different_length_are_refused() {
        let short = Chunk::appends(batch(&[1, 2]), vec![1], Origin::new(0, vec![0, 1]));
        let message = short.unwrap_err().to_string();
        assert_eq!(message, "a chunk of 2 rows was given 1 timestamps");
    }

    #[test]
    fn a_projection_is_applied_to_old_rows_too() {
        let projected = table().project(|rows| Ok::<_, ChunkError>(rows.clone())).unwrap();
        assert_eq!(projected, table());
    }
}
