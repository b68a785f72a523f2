//! Avro's binary encoding of the basic types.

/// Bytes that are not what the writer's schema says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not valid Avro at byte {at}: {reason}")]
pub struct BinaryError {
    pub at: usize,
    pub reason: &'static str,
}

/// Reads from a slice; every length is held against what is left.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// How many more items of arrays and maps are believed: one a byte, as items of no bytes
    /// would cost a reader more than they cost the writer.
    items: usize,
}

type Read<T> = Result<T, BinaryError>;

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, items: bytes.len() + EMPTY_ITEMS }
    }

    pub fn fail<T>(&self, reason: &'static str) -> Read<T> {
        Err(BinaryError { at: self.at, reason })
    }

    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        if len > self.left() {
            return self.fail("the record ends too early");
        }
        let taken = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(taken)
    }

    pub fn boolean(&mut self) -> Read<bool> {
        match self.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => self.fail("a boolean is neither 0 nor 1"),
        }
    }

    pub fn long(&mut self) -> Read<i64> {
        let mut value: u64 = 0;
        for shift in (0..64).step_by(7) {
            let byte = match self.bytes.get(self.at) {
                Some(byte) => *byte,
                None => return self.fail("the record ends inside a number"),
            };
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        self.fail("a number has more than ten bytes")
    }

    pub fn int(&mut self) -> Read<i32> {
        let value = self.long()?;
        match i32::try_from(value) {
            Ok(value) => Ok(value),
            Err(_) => self.fail("an int has more than 32 bits"),
        }
    }

    pub fn float(&mut self) -> Read<f32> {
        let bytes = self.take(4)?;
        Ok(f32::from_le_bytes(bytes.try_into().expect("four were taken")))
    }

    pub fn double(&mut self) -> Read<f64> {
        let bytes = self.take(8)?;
        Ok(f64::from_le_bytes(bytes.try_into().expect("eight were taken")))
    }

    pub fn bytes(&mut self) -> Read<&'a [u8]> {
        match usize::try_from(self.long()?) {
            Ok(len) => self.take(len),
            Err(_) => self.fail("a length is negative"),
        }
    }

    pub fn string(&mut self) -> Read<&'a str> {
        match std::str::from_utf8(self.bytes()?) {
            Ok(text) => Ok(text),
            Err(_) => self.fail("a string is not valid UTF-8"),
        }
    }

    /// The number of items in the next block of an array or map; 0 ends it.
    pub fn block(&mut self) -> Read<usize> {
        let mut count = self.long()?;
        if count < 0 {
            count = count.checked_neg().unwrap_or(i64::MAX);
            self.long()?;
        }
        match usize::try_from(count) {
            Ok(count) if count <= self.items => {
                self.items -= count;
                Ok(count)
            }
            _ => self.fail("a block has more items than the record has bytes"),
        }
    }

    /// An index below `limit`: a union's branch or an enum's symbol.
    pub fn index(&mut self, limit: usize) -> Read<usize> {
        match usize::try_from(self.long()?) {
            Ok(index) if index < limit => Ok(index),
            _ => self.fail("a branch or symbol index is out of range"),
        }
    }

    /// Nothing may be left.
    pub fn end(&self) -> Read<()> {
        if self.left() > 0 { self.fail("bytes are left over after the value") } else { Ok(()) }
    }
}

/// An array of nulls has no bytes per item; this many are believed.
const EMPTY_ITEMS: usize = 1024;

pub fn write_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_hostile_lengths_are_refused() {
        for value in [0, -1, 1, 63, 64, -65, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            write_long(&mut out, value);
            assert_eq!(Reader::new(&out).long(), Ok(value));
        }
        assert!(Reader::new(&[0xff; 11]).long().is_err());
        let mut out = Vec::new();
        write_long(&mut out, i64::MAX);
        assert!(Reader::new(&out).bytes().is_err());
        assert!(Reader::new(&out).block().is_err());
        assert!(Reader::new(&[]).boolean().is_err());
    }
}
