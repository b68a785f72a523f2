use std::io::{Read, Write};

use flate2::write::GzEncoder;

use crate::record::codec::{Failure, read_limited};

pub(crate) const FIRST_LEVEL: i32 = 1;
pub(crate) const LAST_LEVEL: i32 = 9;

pub(crate) fn compress(input: &[u8], level: Option<i32>, out: &mut Vec<u8>) {
    let level = level
        .map_or_else(flate2::Compression::default, |level| flate2::Compression::new(level as u32));
    let mut encoder = GzEncoder::new(out, level);
    encoder.write_all(input).and_then(|()| encoder.try_finish()).expect("a Vec takes all bytes");
}

/// The content as it is read.
pub(crate) fn reader(input: &[u8]) -> impl Read + '_ {
    flate2::bufread::MultiGzDecoder::new(input)
}

pub(crate) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    read_limited(reader(input), input.len(), limit)
}
