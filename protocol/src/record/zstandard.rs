use std::io::{Read, Write};

use crate::record::codec::{Failure, read_limited};

/// Negative levels exist, faster than fast; Kafka lets through all that the library has.
pub(crate) fn levels() -> (i32, i32) {
    let levels = zstd::compression_level_range();
    (*levels.start(), *levels.end())
}

/// A frame of the shape that Kafka's Java client writes: a stream without its length, flushed
/// before it ends, so that an empty block closes it. Batches are then of the size that tools and
/// limits on the other side reckon with. The length is told to the library all the same, which
/// chooses small tables for small batches.
pub(crate) fn compress(input: &[u8], level: Option<i32>, out: &mut Vec<u8>) {
    let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
    let mut encoder = zstd::Encoder::new(out, level).expect("the level was checked");
    encoder
        .set_pledged_src_size(Some(input.len() as u64))
        .and_then(|()| encoder.include_contentsize(false))
        .and_then(|()| encoder.write_all(input))
        .and_then(|()| encoder.flush())
        .and_then(|()| encoder.finish().map(|_| ()))
        .expect("a Vec takes all bytes");
}

/// The content as it is read.
pub(crate) fn reader(input: &[u8]) -> Result<impl Read + '_, Failure> {
    zstd::Decoder::with_buffer(input).map_err(Failure::data)
}

pub(crate) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    read_limited(reader(input)?, input.len(), limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_a_window_but_no_length_and_ends_with_an_empty_block() {
        let (input, mut frame) = (b"the same words, the same words, the same words", Vec::new());
        compress(input, None, &mut frame);
        assert_eq!(frame[..4], 0xfd2f_b528_u32.to_le_bytes(), "the magic number");
        assert_eq!(frame[4], 0, "neither a length, nor a single segment, nor a checksum");
        assert_eq!(frame[frame.len() - 3..], [1, 0, 0], "the last block is raw and empty");
        assert!(matches!(decompress(&frame, 100), Ok(output) if output == input));
    }
}
