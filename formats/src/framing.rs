//! The registry's wire format: a zero byte, the schema's id in four bytes, the payload.

/// The first byte of a framed payload.
pub const MAGIC: u8 = 0;
/// Bytes before the payload.
pub const HEADER_LEN: usize = 5;

/// Why bytes are not in the registry's wire format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error(
        "{length} bytes are too few for the schema registry's framing (a zero byte and a 4-byte \
         schema id); was the record written without a schema registry?"
    )]
    Short { length: usize },
    #[error(
        "the first byte is {found}, the schema registry's framing starts with 0; was the record \
         written without a schema registry?"
    )]
    Magic { found: u8 },
}

/// Splits framed bytes into schema id and payload.
pub fn split(bytes: &[u8]) -> Result<(u32, &[u8]), FrameError> {
    match bytes {
        [MAGIC, a, b, c, d, payload @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), payload)),
        [first, ..] if *first != MAGIC => Err(FrameError::Magic { found: *first }),
        _ => Err(FrameError::Short { length: bytes.len() }),
    }
}

/// Writes the framing; the payload follows it.
pub fn start(out: &mut Vec<u8>, schema_id: u32) {
    out.push(MAGIC);
    out.extend_from_slice(&schema_id.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_framed_payload_comes_back_with_its_id() {
        let mut framed = Vec::new();
        start(&mut framed, 258);
        framed.extend_from_slice(b"xy");
        assert_eq!(framed, [0, 0, 0, 1, 2, b'x', b'y']);
        assert_eq!(split(&framed), Ok((258, &b"xy"[..])));
    }

    #[test]
    fn foreign_bytes_are_refused() {
        assert_eq!(split(b"{\"a\":1}"), Err(FrameError::Magic { found: b'{' }));
        assert_eq!(split(&[0, 0, 0]), Err(FrameError::Short { length: 3 }));
        assert_eq!(split(&[]), Err(FrameError::Short { length: 0 }));
    }
}
