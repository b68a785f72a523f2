use bytes::Bytes;
use uuid::Uuid;

use crate::EncodeError;
use crate::limits::STRING;
use crate::record::Records;

/// Appends the protocol's types to a buffer.
///
/// Record bytes that the buffer does not hold are noted as [gaps](Writer::gaps), so that they can
/// be sent from where they are. Lengths inside the message count them.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    buffer: Vec<u8>,
    gaps: Vec<Gap>,
    gap_bytes: usize,
    detach_from: Option<usize>,
}

/// A place in the buffer where `length` bytes belong that are elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// How many bytes of the buffer precede the gap.
    pub position: usize,
    pub length: usize,
    /// The bytes, where they are in memory; otherwise who encoded the message knows them.
    pub bytes: Option<Bytes>,
}

/// Where the number of tagged fields is counted up.
#[derive(Clone, Copy, Debug)]
pub struct TagCount(usize);

/// Where the content of a tagged field starts.
#[derive(Clone, Copy, Debug)]
pub struct TagStart(usize);

impl Writer {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_capacity(bytes: usize) -> Self {
        Self { buffer: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Leaves records of `bytes` or more out of the buffer and keeps them with their gap, so that
    /// a vectored write sends them without a copy.
    pub fn detach_records_from(mut self, bytes: usize) -> Self {
        self.detach_from = Some(bytes);
        self
    }

    /// What is in the buffer, without the gaps.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// In order of their positions.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// The length of what was written, gaps included.
    pub fn total_length(&self) -> usize {
        self.buffer.len() + self.gap_bytes
    }

    /// The buffer and its gaps.
    pub fn into_parts(self) -> (Bytes, Vec<Gap>) {
        (Bytes::from(self.buffer), self.gaps)
    }

    /// All bytes in one piece.
    ///
    /// # Panics
    /// If records are elsewhere: who wrote [`Records::Elsewhere`] sends the parts.
    pub fn into_bytes(self) -> Bytes {
        if self.gaps.is_empty() {
            return Bytes::from(self.buffer);
        }
        let mut whole = Vec::with_capacity(self.total_length());
        let mut from = 0;
        for gap in &self.gaps {
            whole.extend_from_slice(&self.buffer[from..gap.position]);
            from = gap.position;
            whole.extend_from_slice(gap.bytes.as_ref().expect("records are not elsewhere"));
        }
        whole.extend_from_slice(&self.buffer[from..]);
        Bytes::from(whole)
    }

    /// Writes `value` over the four bytes at `position`.
    ///
    /// # Panics
    /// If nothing was written there.
    pub fn overwrite_i32(&mut self, position: usize, value: i32) {
        self.buffer[position..position + 4].copy_from_slice(&value.to_be_bytes());
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub fn bool(&mut self, value: bool) {
        self.buffer.push(u8::from(value));
    }

    pub fn i8(&mut self, value: i8) {
        self.raw(&value.to_be_bytes());
    }

    pub fn i16(&mut self, value: i16) {
        self.raw(&value.to_be_bytes());
    }

    pub fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    pub fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    pub fn i64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    pub fn f64(&mut self, value: f64) {
        self.raw(&value.to_be_bytes());
    }

    pub fn uuid(&mut self, value: &Uuid) {
        self.raw(value.as_bytes());
    }

    /// An unsigned number in seven-bit groups, the lowest first.
    pub fn varint(&mut self, value: u32) {
        let (bytes, length) = varint_bytes(value);
        self.raw(&bytes[..length]);
    }

    fn compact_length(&mut self, length: usize) -> Result<(), EncodeError> {
        let value = i32::try_from(length).map_err(|_| EncodeError::TooLong { length })?;
        self.varint(value as u32 + 1);
        Ok(())
    }

    fn long_length(&mut self, length: Option<usize>, flexible: bool) -> Result<(), EncodeError> {
        match (length, flexible) {
            (None, true) => self.varint(0),
            (None, false) => self.i32(-1),
            (Some(length), true) => self.compact_length(length)?,
            (Some(length), false) => {
                self.i32(i32::try_from(length).map_err(|_| EncodeError::TooLong { length })?);
            }
        }
        Ok(())
    }

    pub fn nullable_string(
        &mut self,
        value: Option<&str>,
        flexible: bool,
    ) -> Result<(), EncodeError> {
        let Some(text) = value else {
            if flexible {
                self.varint(0)
            } else {
                self.i16(-1)
            }
            return Ok(());
        };
        let length = text.len();
        if length > STRING {
            return Err(EncodeError::StringLength { length });
        }
        if flexible {
            self.compact_length(length)?
        } else {
            self.i16(length as i16)
        }
        self.raw(text.as_bytes());
        Ok(())
    }

    pub fn string(&mut self, value: &str, flexible: bool) -> Result<(), EncodeError> {
        self.nullable_string(Some(value), flexible)
    }

    pub fn nullable_bytes(
        &mut self,
        value: Option<&[u8]>,
        flexible: bool,
    ) -> Result<(), EncodeError> {
        self.long_length(value.map(<[u8]>::len), flexible)?;
        self.raw(value.unwrap_or_default());
        Ok(())
    }

    pub fn bytes(&mut self, value: &[u8], flexible: bool) -> Result<(), EncodeError> {
        self.nullable_bytes(Some(value), flexible)
    }

    pub fn records(&mut self, value: Option<&Records>, flexible: bool) -> Result<(), EncodeError> {
        self.long_length(value.map(Records::len), flexible)?;
        match value {
            None => {}
            Some(Records::Elsewhere { length }) => self.gap(*length, None),
            Some(Records::Bytes(bytes)) if self.detach_from.is_some_and(|n| bytes.len() >= n) => {
                self.gap(bytes.len(), Some(bytes.clone()));
            }
            Some(Records::Bytes(bytes)) => self.raw(bytes),
        }
        Ok(())
    }

    fn gap(&mut self, length: usize, bytes: Option<Bytes>) {
        self.gap_bytes += length;
        self.gaps.push(Gap { position: self.buffer.len(), length, bytes });
    }

    /// The byte that precedes a struct which may be null.
    pub fn presence(&mut self, present: bool) {
        self.i8(if present { 1 } else { -1 });
    }

    /// Like [`presence`](Self::presence) in a tagged field, where Kafka has another encoding.
    pub fn presence_in_tag(&mut self, present: bool) {
        self.varint(u32::from(present));
    }

    pub fn nullable_array<T>(
        &mut self,
        values: Option<&[T]>,
        flexible: bool,
        mut write: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.long_length(values.map(<[T]>::len), flexible)?;
        values.unwrap_or_default().iter().try_for_each(|value| write(self, value))
    }

    pub fn array<T>(
        &mut self,
        values: &[T],
        flexible: bool,
        write: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.nullable_array(Some(values), flexible, write)
    }

    pub fn no_tagged_fields(&mut self) {
        self.varint(0);
    }

    /// Opens the section of tagged fields; [`begin_tag`](Self::begin_tag) counts them.
    pub fn begin_tagged_fields(&mut self) -> TagCount {
        self.buffer.push(0);
        TagCount(self.buffer.len() - 1)
    }

    /// Opens a tagged field. Tags must come in ascending order, at most 127 in a section.
    pub fn begin_tag(&mut self, count: TagCount, tag: u32) -> TagStart {
        self.buffer[count.0] += 1;
        debug_assert!(self.buffer[count.0] < 0x80, "more tagged fields than one byte counts");
        self.varint(tag);
        TagStart(self.buffer.len())
    }

    /// Closes a tagged field: puts its size before what was written since it was opened.
    pub fn end_tag(&mut self, start: TagStart) {
        let size = self.buffer.len() - start.0;
        let (bytes, length) = varint_bytes(size as u32);
        self.buffer.extend_from_slice(&bytes[..length]);
        self.buffer[start.0..].rotate_right(length);
    }
}

fn varint_bytes(mut value: u32) -> ([u8; 5], usize) {
    let mut bytes = [0; 5];
    let mut length = 0;
    while value >= 0x80 {
        bytes[length] = value as u8 | 0x80;
        value >>= 7;
        length += 1;
    }
    bytes[length] = value as u8;
    (bytes, length + 1)
}
