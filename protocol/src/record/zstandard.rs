use std::io::Write;

use crate::record::codec::{Failure, read_limited};

/// Negative levels exist, faster than fast; Kafka lets through all that the library has.
pub(crate) fn levels() -> (i32, i32) {
    let levels = zstd::compression_level_range();
    (*levels.start(), *levels.end())
}

pub(crate) fn compress(input: &[u8], level: Option<i32>, out: &mut Vec<u8>) {
    let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
    let mut encoder = zstd::Encoder::new(out, level).expect("the level was checked");
    encoder
        .set_pledged_src_size(Some(input.len() as u64))
        .and_then(|()| encoder.include_contentsize(true))
        .and_then(|()| encoder.write_all(input))
        .and_then(|()| encoder.finish().map(|_| ()))
        .expect("a Vec takes all bytes");
}

pub(crate) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let decoder = zstd::Decoder::with_buffer(input).map_err(Failure::data)?;
    read_limited(decoder, input.len(), limit)
}
