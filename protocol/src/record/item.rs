//! One record of a batch.

use std::borrow::Cow;

use crate::record::header::{BatchHeader, TimestampType};
use crate::record::{BatchError, varint};

/// What is wrong with a length that is neither one nor -1, which says that there are no bytes.
pub(super) const BELOW_NONE: &str = "a length is below -1";

/// A record as a view of its batch's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub offset: i64,
    /// From the batch's base offset.
    pub offset_delta: i32,
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
    /// The record's own bytes in the batch, its length included.
    pub size: usize,
}

/// A name and value beside a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// UTF-8 by convention; nobody checks.
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    pub fn new(key: &'a str, value: Option<&'a [u8]>) -> Self {
        Self { key: key.as_bytes(), value }
    }

    pub fn name(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.key)
    }
}

/// The headers of a record, in order; names may repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    /// Checked when the record was read.
    bytes: &'a [u8],
    count: usize,
}

impl Headers<'_> {
    /// The headers as they are in the record, without their number.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.count = self.count.checked_sub(1)?;
        let mut cursor = Cursor { bytes: self.bytes, at: 0 };
        let header = cursor.header().ok()?;
        self.bytes = &self.bytes[cursor.at..];
        Some(header)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// The records of a batch; ends after the first error.
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    bytes: &'a [u8],
    at: usize,
    index: usize,
    count: usize,
    base_offset: i64,
    base_timestamp: i64,
    /// What all records have for a timestamp, where the log set it.
    append_time: Option<i64>,
}

impl<'a> RecordIter<'a> {
    pub(crate) fn new(header: &BatchHeader, bytes: &'a [u8]) -> Self {
        let append_time = match header.timestamp_type() {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => Some(header.max_timestamp),
        };
        Self {
            bytes,
            at: 0,
            index: 0,
            count: usize::try_from(header.count).unwrap_or(0),
            base_offset: header.base_offset,
            base_timestamp: header.base_timestamp,
            append_time,
        }
    }

    /// The bytes after the records that were read.
    pub fn unread(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn record(&mut self) -> Result<Record<'a>, Problem> {
        let start = self.at;
        let mut outer = Cursor { bytes: self.bytes, at: start };
        let length = outer.length()?.ok_or(Problem(start, "the length is negative"))?;
        let body = outer.take(length)?;
        let shift = |Problem(at, text)| Problem(outer.at - length + at, text);

        let mut cursor = Cursor { bytes: body, at: 0 };
        cursor.take(1).map_err(shift)?; // attributes, of which none is in use
        let timestamp_delta = cursor.varlong().map_err(shift)?;
        let offset_delta = cursor.varint().map_err(shift)?;
        let key = cursor.nullable_bytes().map_err(shift)?;
        let value = cursor.nullable_bytes().map_err(shift)?;
        let headers = cursor.headers().map_err(shift)?;
        if cursor.at != body.len() {
            return Err(shift(Problem(cursor.at, "the record is shorter than its length")));
        }
        self.at = outer.at;
        let created = self.base_timestamp.wrapping_add(timestamp_delta);
        Ok(Record {
            offset: self.base_offset.wrapping_add(i64::from(offset_delta)),
            offset_delta,
            timestamp: self.append_time.unwrap_or(created),
            key,
            value,
            headers,
            size: self.at - start,
        })
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index == self.count {
            return None;
        }
        let index = self.index;
        let record = self.record();
        self.index = if record.is_ok() { index + 1 } else { self.count };
        Some(record.map_err(|Problem(at, problem)| BatchError::Record { index, at, problem }))
    }
}

/// What is wrong, and at which byte.
struct Problem(usize, &'static str);

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Problem> {
        let rest = &self.bytes[self.at..];
        let part = rest.get(..length).ok_or(Problem(self.at, "the bytes end too early"))?;
        self.at += length;
        Ok(part)
    }

    fn varint(&mut self) -> Result<i32, Problem> {
        varint::read_i32(self.bytes, &mut self.at).ok_or(Problem(self.at, "not a number"))
    }

    fn varlong(&mut self) -> Result<i64, Problem> {
        varint::read_i64(self.bytes, &mut self.at).ok_or(Problem(self.at, "not a number"))
    }

    /// A length; `None` where it is negative.
    fn length(&mut self) -> Result<Option<usize>, Problem> {
        Ok(usize::try_from(self.varint()?).ok())
    }

    /// Bytes with their length; none where it is -1. Below that clients disagree: some read none,
    /// some stand still before the record for ever.
    fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, Problem> {
        let at = self.at;
        match self.varint()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| Problem(at, BELOW_NONE))?;
                Ok(Some(self.take(length)?))
            }
        }
    }

    fn header(&mut self) -> Result<Header<'a>, Problem> {
        let at = self.at;
        let key = self.nullable_bytes()?.ok_or(Problem(at, "a header without a name"))?;
        Ok(Header { key, value: self.nullable_bytes()? })
    }

    /// Walks over all headers once, so that reading them later cannot fail.
    fn headers(&mut self) -> Result<Headers<'a>, Problem> {
        let at = self.at;
        let count = self.length()?.ok_or(Problem(at, "a negative number of headers"))?;
        let start = self.at;
        if count > self.bytes.len() - start {
            return Err(Problem(at, "more headers than bytes"));
        }
        for _ in 0..count {
            self.header()?;
        }
        Ok(Headers { bytes: &self.bytes[start..self.at], count })
    }
}
