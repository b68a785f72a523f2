//! Snappy in the frame of the Java library "snappy-java": a header, then blocks that are each
//! preceded by their length. Bare blocks are read too, since some clients send one.

use crate::record::codec::Failure;

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];

/// Magic, version of the writer, oldest version that can read it.
const HEADER: usize = 16;
const VERSION: i32 = 1;
const BLOCK: usize = 32 * 1024;

/// The longest copy, 64 bytes, takes three: no block grows by more than this.
const MOST_GROWTH: usize = 22;

pub(crate) fn compress(input: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for block in input.chunks(BLOCK) {
        let at = out.len();
        out.resize(at + 4 + snap::raw::max_compress_len(block.len()), 0);
        let length = encoder.compress(block, &mut out[at + 4..]).expect("the room suffices");
        out[at..at + 4].copy_from_slice(&(length as i32).to_be_bytes());
        out.truncate(at + 4 + length);
    }
}

pub(crate) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let (mut blocks, mut out) = (Blocks::new(input), Vec::new());
    while blocks.next(&mut out, limit)? {}
    Ok(out)
}

/// The content, block by block.
pub(crate) struct Blocks<'a> {
    rest: &'a [u8],
    has_frame: bool,
}

impl<'a> Blocks<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { rest: input, has_frame: input.starts_with(&MAGIC) }
    }

    /// Appends the content of the next block, with which `out` becomes no longer than `limit`;
    /// `false`: there is none.
    pub(crate) fn next(&mut self, out: &mut Vec<u8>, limit: usize) -> Result<bool, Failure> {
        if !self.has_frame {
            // One block, of which an empty one has a byte too.
            self.has_frame = true;
            block(std::mem::take(&mut self.rest), limit, out)?;
            return Ok(true);
        }
        while self.rest.starts_with(&MAGIC) {
            self.rest =
                self.rest.get(HEADER..).ok_or_else(|| Failure::data("the header is cut off"))?;
        }
        if self.rest.is_empty() {
            return Ok(false);
        }
        let cut_off = || Failure::data("a block length is cut off");
        let (length, after) = self.rest.split_first_chunk().ok_or_else(cut_off)?;
        let length = usize::try_from(i32::from_be_bytes(*length))
            .map_err(|_| Failure::data("a block length is negative"))?;
        let content = after.get(..length).ok_or_else(|| Failure::data("a block is cut off"))?;
        block(content, limit, out)?;
        self.rest = &after[length..];
        Ok(true)
    }
}

fn block(input: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
    let length = snap::raw::decompress_len(input).map_err(Failure::data)?;
    if length > input.len() * MOST_GROWTH {
        return Err(Failure::data("a block claims more content than it can have"));
    }
    let at = out.len();
    if length > limit - at {
        return Err(Failure::TooLarge);
    }
    out.resize(at + length, 0);
    snap::raw::Decoder::new().decompress(input, &mut out[at..]).map_err(Failure::data)?;
    Ok(())
}
