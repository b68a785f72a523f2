//! The LZ4 frame format, as Kafka's Java client writes and reads it: blocks that do not refer
//! to each other. Frames with dependent blocks are read too.

use twox_hash::XxHash32;

use crate::record::codec::Failure;
use crate::record::lz4_high::HighCompressor;

/// As in Kafka, the level in the middle stands for the fast compressor, and all others search
/// longer.
pub(crate) const FIRST_LEVEL: i32 = 1;
pub(crate) const LAST_LEVEL: i32 = 17;
const FAST_LEVEL: i32 = 9;

const MAGIC: u32 = 0x184d_2204;
const SKIPPABLE: u32 = 0x184d_2a50;

const VERSION: u8 = 0x40;
const VERSION_MASK: u8 = 0xc0;
const INDEPENDENT: u8 = 0x20;
const BLOCK_CHECKSUM: u8 = 0x10;
const CONTENT_SIZE: u8 = 0x08;
const CONTENT_CHECKSUM: u8 = 0x04;
const DICTIONARY: u8 = 0x01;

/// In the second byte of the descriptor: blocks of 64 KiB.
const BLOCK_64K: u8 = 4 << 4;
const BLOCK: usize = 64 * 1024;
const STORED: u32 = 1 << 31;

/// How far back a block may refer.
const WINDOW: usize = 64 * 1024;

/// A byte of a length adds at most this to the content.
const MOST_GROWTH: usize = 255;

pub(crate) fn compress(input: &[u8], level: Option<i32>, out: &mut Vec<u8>) {
    let descriptor = [VERSION | INDEPENDENT, BLOCK_64K];
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&descriptor);
    out.push(descriptor_checksum(&descriptor));
    let mut high = level.filter(|level| *level != FAST_LEVEL).map(HighCompressor::new);
    for block in input.chunks(BLOCK) {
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        match &mut high {
            Some(high) => high.compress(block, out),
            None => compress_fast(block, out),
        }
        let length = out.len() - at - 4;
        let stored = length >= block.len();
        if stored {
            out.truncate(at + 4);
            out.extend_from_slice(block);
        }
        let prefix = if stored { block.len() as u32 | STORED } else { length as u32 };
        out[at..at + 4].copy_from_slice(&prefix.to_le_bytes());
    }
    out.extend_from_slice(&0_u32.to_le_bytes());
}

fn compress_fast(block: &[u8], out: &mut Vec<u8>) {
    let at = out.len();
    out.resize(at + lz4_flex::block::get_maximum_output_size(block.len()), 0);
    let length = lz4_flex::block::compress_into(block, &mut out[at..])
        .expect("the room suffices for the worst case");
    out.truncate(at + length);
}

pub(crate) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let mut source = Source { rest: input };
    let mut out = Vec::new();
    while !source.rest.is_empty() {
        match source.u32()? {
            MAGIC => frame(&mut source, limit, &mut out)?,
            magic if magic & !0xf == SKIPPABLE => {
                let length = source.u32()? as usize;
                source.take(length)?;
            }
            magic => return Err(Failure::Data(format!("no frame starts with {magic:08x}"))),
        }
    }
    Ok(out)
}

fn frame(source: &mut Source, limit: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
    let start = source.rest;
    let flags = source.take(2)?[0];
    let block_size = match start[1] {
        id @ (0x40 | 0x50 | 0x60 | 0x70) => 1_usize << (8 + 2 * (id >> 4)),
        id => return Err(Failure::Data(format!("block size {id:02x} is not known"))),
    };
    if flags & VERSION_MASK != VERSION || flags & 0x02 != 0 {
        return Err(Failure::Data(format!("flags {flags:02x} are not of version 1")));
    }
    if flags & DICTIONARY != 0 {
        return Err(Failure::data("a dictionary is wanted, and Kafka has none"));
    }
    if flags & CONTENT_SIZE != 0 {
        source.take(8)?;
    }
    let descriptor = &start[..start.len() - source.rest.len()];
    if source.take(1)?[0] != descriptor_checksum(descriptor) {
        return Err(Failure::data("the checksum of the frame's header is wrong"));
    }
    let first = out.len();
    loop {
        let prefix = source.u32()?;
        if prefix == 0 {
            break;
        }
        let content = source.take((prefix & !STORED) as usize)?;
        if flags & BLOCK_CHECKSUM != 0 && source.u32()? != XxHash32::oneshot(0, content) {
            return Err(Failure::data("the checksum of a block is wrong"));
        }
        let room = block_size.min(limit - out.len());
        if prefix & STORED != 0 {
            if content.len() > room {
                return Err(too_large(content.len(), block_size));
            }
            out.extend_from_slice(content);
        } else {
            let window = if flags & INDEPENDENT != 0 { out.len() } else { first };
            block(content, window, room, block_size, out)?;
        }
    }
    if flags & CONTENT_CHECKSUM != 0 && source.u32()? != XxHash32::oneshot(0, &out[first..]) {
        return Err(Failure::data("the checksum of the content is wrong"));
    }
    Ok(())
}

/// Appends the content of a compressed block, which may refer to `out` from `first` on.
fn block(
    content: &[u8],
    first: usize,
    room: usize,
    block_size: usize,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let at = out.len();
    let most = room.min(content.len().saturating_mul(MOST_GROWTH));
    out.resize(at + most, 0);
    let (before, after) = out.split_at_mut(at);
    let dictionary = &before[first.max(at.saturating_sub(WINDOW))..];
    let length = if dictionary.is_empty() {
        lz4_flex::block::decompress_into(content, after)
    } else {
        lz4_flex::block::decompress_into_with_dict(content, after, dictionary)
    };
    match length {
        Ok(length) => {
            out.truncate(at + length);
            Ok(())
        }
        Err(lz4_flex::block::DecompressError::OutputTooSmall { .. }) if most < block_size => {
            Err(Failure::TooLarge)
        }
        Err(e) => Err(Failure::data(e)),
    }
}

fn too_large(length: usize, block_size: usize) -> Failure {
    if length > block_size {
        Failure::data("a block is longer than the frame's blocks are")
    } else {
        Failure::TooLarge
    }
}

/// The second byte of the hash: what the format has for a checksum of its descriptor.
fn descriptor_checksum(descriptor: &[u8]) -> u8 {
    (XxHash32::oneshot(0, descriptor) >> 8) as u8
}

struct Source<'a> {
    rest: &'a [u8],
}

impl<'a> Source<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Failure> {
        let (part, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| Failure::data("the frame is cut off"))?;
        self.rest = rest;
        Ok(part)
    }

    fn u32(&mut self) -> Result<u32, Failure> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(u32::from_le_bytes(bytes))
    }
}
