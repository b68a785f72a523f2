use bytes::Bytes;
use uuid::Uuid;

use crate::limits::{FIRST_ARRAY_BYTES, MEMORY_FLOOR, MEMORY_PER_FRAME_BYTE, STRING};
use crate::record::Records;
use crate::{DecodeError, ErrorCode};

/// Reads the protocol's types from a frame, front to back. Byte fields and records are slices of
/// the frame; a length or count is checked against the bytes left before anything is allocated.
///
/// `flexible` arguments tell which of the two encodings of lengths the message's version has.
#[derive(Debug)]
pub struct Reader {
    frame: Bytes,
    at: usize,
    end: usize,
    /// What arrays may still take in memory.
    memory: usize,
}

impl Reader {
    pub fn new(frame: Bytes) -> Self {
        let end = frame.len();
        let memory = end.saturating_mul(MEMORY_PER_FRAME_BYTE).saturating_add(MEMORY_FLOOR);
        Self { frame, at: 0, end, memory }
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.at
    }

    pub fn remaining(&self) -> usize {
        self.end - self.at
    }

    /// Checks that nothing is left to read.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing { left }),
        }
    }

    fn check(&self, wanted: usize) -> Result<(), DecodeError> {
        match self.remaining() {
            left if wanted > left => Err(DecodeError::TooShort { at: self.at, wanted, left }),
            _ => Ok(()),
        }
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.check(N)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.frame[self.at..self.at + N]);
        self.at += N;
        Ok(bytes)
    }

    /// The next bytes, as a slice of the frame.
    pub fn take(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        self.check(length)?;
        let bytes = self.frame.slice(self.at..self.at + length);
        self.at += length;
        Ok(bytes)
    }

    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.fixed()?))
    }

    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.fixed()?))
    }

    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.fixed()?))
    }

    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.fixed()?))
    }

    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.fixed()?))
    }

    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.fixed()?))
    }

    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_be_bytes(self.fixed()?))
    }

    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        Ok(Uuid::from_bytes(self.fixed()?))
    }

    pub fn error_code(&mut self) -> Result<ErrorCode, DecodeError> {
        Ok(ErrorCode::from(self.i16()?))
    }

    /// An unsigned number in seven-bit groups, the lowest first.
    pub fn varint(&mut self) -> Result<u32, DecodeError> {
        let start = self.at;
        let mut value = 0;
        for group in 0..5 {
            let [byte] = self.fixed()?;
            value |= u32::from(byte & 0x7f) << (7 * group);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Varint { at: start, bytes: 5 })
    }

    /// A compact length, which is one more than the value and zero for null.
    fn compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        Ok((self.varint()? as usize).checked_sub(1))
    }

    fn short_length(&mut self, flexible: bool) -> Result<Option<usize>, DecodeError> {
        if flexible { self.compact_length() } else { Ok(usize::try_from(self.i16()?).ok()) }
    }

    fn long_length(&mut self, flexible: bool) -> Result<Option<usize>, DecodeError> {
        if flexible { self.compact_length() } else { Ok(usize::try_from(self.i32()?).ok()) }
    }

    pub fn nullable_string(&mut self, flexible: bool) -> Result<Option<String>, DecodeError> {
        let Some(length) = self.short_length(flexible)? else { return Ok(None) };
        if length > STRING {
            return Err(DecodeError::StringLength { at: self.at, length });
        }
        self.check(length)?;
        let bytes = &self.frame[self.at..self.at + length];
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8 { at: self.at })?;
        let text = text.to_owned();
        self.at += length;
        Ok(Some(text))
    }

    pub fn string(&mut self, flexible: bool) -> Result<String, DecodeError> {
        self.nullable_string(flexible)?.ok_or_else(|| self.null("a string"))
    }

    pub fn nullable_bytes(&mut self, flexible: bool) -> Result<Option<Bytes>, DecodeError> {
        match self.long_length(flexible)? {
            Some(length) => Ok(Some(self.take(length)?)),
            None => Ok(None),
        }
    }

    pub fn bytes(&mut self, flexible: bool) -> Result<Bytes, DecodeError> {
        self.nullable_bytes(flexible)?.ok_or_else(|| self.null("a byte field"))
    }

    pub fn records(&mut self, flexible: bool) -> Result<Option<Records>, DecodeError> {
        Ok(self.nullable_bytes(flexible)?.map(Records::Bytes))
    }

    /// The byte that precedes a struct which may be null.
    pub fn is_present(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? >= 0)
    }

    /// Like [`is_present`](Self::is_present) in a tagged field, where Kafka has another encoding.
    pub fn is_present_in_tag(&mut self) -> Result<bool, DecodeError> {
        Ok(self.varint()? > 0)
    }

    /// An array whose elements take `least` bytes each or more.
    pub fn nullable_array<T>(
        &mut self,
        flexible: bool,
        least: usize,
        read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        match self.long_length(flexible)? {
            Some(count) => Ok(Some(self.elements(count, least, read)?)),
            None => Ok(None),
        }
    }

    pub fn array<T>(
        &mut self,
        flexible: bool,
        least: usize,
        read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        match self.long_length(flexible)? {
            Some(count) => self.elements(count, least, read),
            None => Err(self.null("an array")),
        }
    }

    fn elements<T>(
        &mut self,
        count: usize,
        least: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let left = self.remaining();
        if count > left / least {
            return Err(DecodeError::Count { at: self.at, count, least, left });
        }
        let mut elements = Vec::new();
        self.grow(&mut elements, count.min((FIRST_ARRAY_BYTES / size_of::<T>().max(1)).max(1)))?;
        for index in 0..count {
            if index == elements.capacity() {
                self.grow(&mut elements, index.min(count - index))?;
            }
            elements.push(read(self)?);
        }
        Ok(elements)
    }

    fn grow<T>(&mut self, elements: &mut Vec<T>, more: usize) -> Result<(), DecodeError> {
        let bytes = more * size_of::<T>();
        self.memory = self.memory.checked_sub(bytes).ok_or_else(|| self.memory_error())?;
        elements.reserve_exact(more);
        Ok(())
    }

    fn memory_error(&self) -> DecodeError {
        let limit = self.frame.len() * MEMORY_PER_FRAME_BYTE + MEMORY_FLOOR;
        DecodeError::Memory { at: self.at, limit }
    }

    /// Reads tagged fields. `read` is given a reader that ends with the field; it returns false
    /// for a tag that it does not know, which is skipped then.
    pub fn tagged_fields(
        &mut self,
        mut read: impl FnMut(&mut Self, u32) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let count = self.varint()?;
        for _ in 0..count {
            let tag = self.varint()?;
            let declared = self.varint()? as usize;
            self.check(declared)?;
            let (start, outer) = (self.at, self.end);
            self.end = start + declared;
            let known = read(self, tag);
            let end = std::mem::replace(&mut self.end, outer);
            if !known? {
                self.at = end;
            } else if self.at != end {
                let used = self.at - start;
                return Err(DecodeError::TagLength { at: start, tag, declared, used });
            }
        }
        Ok(())
    }

    pub fn skip_tagged_fields(&mut self) -> Result<(), DecodeError> {
        self.tagged_fields(|_, _| Ok(false))
    }

    pub(crate) fn null(&self, field: &'static str) -> DecodeError {
        DecodeError::Null { at: self.at, field }
    }
}
