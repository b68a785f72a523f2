//! A walk over a batch's records that looks at what a leader has to know of each, and allocates
//! nothing: keys, values and headers are passed over.

use std::ops::ControlFlow;

use crate::record::batch::RecordBatch;
use crate::record::header::{BATCH_OVERHEAD, TimestampType};
use crate::record::item::BELOW_NONE;
use crate::record::unpacked::Unpacked;
use crate::record::{BatchError, Compression, varint};

/// The smallest record: an int8 and six numbers of variable length.
pub(crate) const LEAST_RECORD: usize = 7;

/// What a walk tells of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordFacts {
    /// Its place in the batch.
    pub index: usize,
    pub offset: i64,
    /// From the batch's base offset.
    pub offset_delta: i32,
    pub timestamp: i64,
    pub has_key: bool,
}

/// What a walk to the last record found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walked {
    /// Bytes of the records, uncompressed.
    pub(crate) bytes: usize,
    /// Bytes that follow them, as far as they are at hand.
    pub(crate) unread: usize,
}

/// Bytes that come piece by piece.
pub(crate) trait Source {
    /// The next bytes, at least one unless there are none.
    fn at_hand(&mut self) -> Result<&[u8], BatchError>;

    /// Passes over bytes that are at hand.
    fn consume(&mut self, count: usize);

    /// How many were passed over.
    fn position(&self) -> usize;

    /// How many there are still, where that is known.
    fn left(&self) -> Option<usize>;
}

/// Bytes that are all there.
struct Plain<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Source for Plain<'_> {
    #[inline]
    fn at_hand(&mut self) -> Result<&[u8], BatchError> {
        Ok(&self.bytes[self.at..])
    }

    #[inline]
    fn consume(&mut self, count: usize) {
        self.at += count;
    }

    #[inline]
    fn position(&self) -> usize {
        self.at
    }

    #[inline]
    fn left(&self) -> Option<usize> {
        Some(self.bytes.len() - self.at)
    }
}

/// Tells `visit` of one record after the other, until it breaks off; each is checked to be whole.
/// Records are decompressed piece by piece, to at most `limit` bytes.
pub fn visit_records(
    batch: &RecordBatch,
    limit: usize,
    visit: impl FnMut(&RecordFacts) -> ControlFlow<()>,
) -> Result<(), BatchError> {
    walk(batch, limit, visit).map(|_| ())
}

/// As [`visit_records`]; `None` where `visit` broke off.
pub(crate) fn walk(
    batch: &RecordBatch,
    limit: usize,
    visit: impl FnMut(&RecordFacts) -> ControlFlow<()>,
) -> Result<Option<Walked>, BatchError> {
    let bytes = &batch.bytes()[BATCH_OVERHEAD..];
    match batch.compression()? {
        Compression::None => {
            let count = usize::try_from(batch.count).ok();
            if count.is_none_or(|count| count > bytes.len() / LEAST_RECORD) {
                return Err(BatchError::Count { count: batch.count, bytes: bytes.len() });
            }
            walk_source(batch, Plain { bytes, at: 0 }, visit)
        }
        codec => walk_source(batch, Unpacked::new(codec, bytes, limit)?, visit),
    }
}

fn walk_source(
    batch: &RecordBatch,
    source: impl Source,
    mut visit: impl FnMut(&RecordFacts) -> ControlFlow<()>,
) -> Result<Option<Walked>, BatchError> {
    let header = batch.header();
    let append_time = match header.timestamp_type() {
        TimestampType::CreateTime => None,
        TimestampType::LogAppendTime => Some(header.max_timestamp),
    };
    let mut fields = Fields { source };
    for index in 0..usize::try_from(header.count).unwrap_or(0) {
        let found = fields.record().map_err(|fault| match fault {
            Fault::Problem(at, problem) => BatchError::Record { index, at, problem },
            Fault::Source(problem) => problem,
        })?;
        let created = header.base_timestamp.wrapping_add(found.timestamp_delta);
        let facts = RecordFacts {
            index,
            offset: header.base_offset.wrapping_add(i64::from(found.offset_delta)),
            offset_delta: found.offset_delta,
            timestamp: append_time.unwrap_or(created),
            has_key: found.has_key,
        };
        if visit(&facts).is_break() {
            return Ok(None);
        }
    }
    let bytes = fields.source.position();
    Ok(Some(Walked { bytes, unread: fields.source.at_hand()?.len() }))
}

/// What stands in a record.
struct Found {
    timestamp_delta: i64,
    offset_delta: i32,
    has_key: bool,
}

enum Fault {
    /// What is wrong, and at which byte.
    Problem(usize, &'static str),
    Source(BatchError),
}

impl From<BatchError> for Fault {
    fn from(problem: BatchError) -> Self {
        Self::Source(problem)
    }
}

struct Fields<S> {
    source: S,
}

impl<S: Source> Fields<S> {
    #[inline]
    fn record(&mut self) -> Result<Found, Fault> {
        let start = self.source.position();
        let Ok(length) = usize::try_from(self.varint()?) else {
            return Err(Fault::Problem(start, "the length is negative"));
        };
        if self.source.left().is_some_and(|left| left < length) {
            return Err(self.too_early());
        }
        let end = self.source.position() + length;
        self.skip(1, end)?; // attributes, of which none is in use
        let timestamp_delta = self.varlong()?;
        let offset_delta = self.varint()?;
        let has_key = self.skip_nullable(end)?;
        self.skip_nullable(end)?;
        self.skip_headers(end)?;
        match self.source.position() {
            at if at < end => Err(Fault::Problem(at, "the record is shorter than its length")),
            at if at > end => Err(Fault::Problem(end, "the bytes end too early")),
            _ => Ok(Found { timestamp_delta, offset_delta, has_key }),
        }
    }

    fn too_early(&self) -> Fault {
        Fault::Problem(self.source.position(), "the bytes end too early")
    }

    #[inline]
    fn varint(&mut self) -> Result<i32, Fault> {
        let hand = self.source.at_hand()?;
        if let [byte @ 0..0x80, ..] = *hand {
            self.source.consume(1);
            return Ok(i32::from(byte >> 1) ^ -i32::from(byte & 1));
        }
        let mut length = 0;
        match varint::read_i32(hand, &mut length) {
            Some(value) => {
                self.source.consume(length);
                Ok(value)
            }
            None => self.number(5).and_then(|(bytes, length)| {
                varint::read_i32(&bytes[..length], &mut 0).ok_or_else(|| self.no_number())
            }),
        }
    }

    #[inline]
    fn varlong(&mut self) -> Result<i64, Fault> {
        let hand = self.source.at_hand()?;
        if let [byte @ 0..0x80, ..] = *hand {
            self.source.consume(1);
            return Ok(i64::from(byte >> 1) ^ -i64::from(byte & 1));
        }
        let mut length = 0;
        match varint::read_i64(hand, &mut length) {
            Some(value) => {
                self.source.consume(length);
                Ok(value)
            }
            None => self.number(10).and_then(|(bytes, length)| {
                varint::read_i64(&bytes[..length], &mut 0).ok_or_else(|| self.no_number())
            }),
        }
    }

    /// The bytes of a number that lies in two pieces, or does not end.
    #[cold]
    fn number(&mut self, most: usize) -> Result<([u8; 10], usize), Fault> {
        let mut bytes = [0; 10];
        for length in 0..most {
            let Some(byte) = self.source.at_hand()?.first().copied() else {
                return Err(self.no_number());
            };
            self.source.consume(1);
            bytes[length] = byte;
            if byte & 0x80 == 0 {
                return Ok((bytes, length + 1));
            }
        }
        Err(self.no_number())
    }

    fn no_number(&self) -> Fault {
        Fault::Problem(self.source.position(), "not a number")
    }

    /// Passes over bytes of a record that ends at `end`.
    #[inline]
    fn skip(&mut self, count: usize, end: usize) -> Result<(), Fault> {
        if end.checked_sub(self.source.position()).is_none_or(|left| left < count) {
            return Err(self.too_early());
        }
        let mut left = count;
        while left > 0 {
            let piece = self.source.at_hand()?.len().min(left);
            if piece == 0 {
                return Err(self.too_early());
            }
            self.source.consume(piece);
            left -= piece;
        }
        Ok(())
    }

    /// Passes over bytes with their length; `false` where that says that there are none, not even
    /// an empty row of them.
    #[inline]
    fn skip_nullable(&mut self, end: usize) -> Result<bool, Fault> {
        let at = self.source.position();
        match self.varint()? {
            -1 => Ok(false),
            length => {
                let length = usize::try_from(length).map_err(|_| Fault::Problem(at, BELOW_NONE))?;
                self.skip(length, end).map(|()| true)
            }
        }
    }

    #[inline]
    fn skip_headers(&mut self, end: usize) -> Result<(), Fault> {
        let at = self.source.position();
        let Ok(count) = usize::try_from(self.varint()?) else {
            return Err(Fault::Problem(at, "a negative number of headers"));
        };
        if count > end.saturating_sub(self.source.position()) {
            return Err(Fault::Problem(at, "more headers than bytes"));
        }
        for _ in 0..count {
            let at = self.source.position();
            if !self.skip_nullable(end)? {
                return Err(Fault::Problem(at, "a header without a name"));
            }
            self.skip_nullable(end)?;
        }
        Ok(())
    }
}
