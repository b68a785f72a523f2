//! The LZ4 frame format, as Kafka's Java client writes and reads it: blocks that do not refer
//! to each other. Frames with dependent blocks are read too.

use std::hash::Hasher;

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
    let (mut blocks, mut out) = (Blocks::new(input), Vec::new());
    while blocks.next(&mut out, limit)? {}
    Ok(out)
}

/// The content of frames, block by block.
pub(crate) struct Blocks<'a> {
    source: Source<'a>,
    frame: Option<Frame>,
}

struct Frame {
    flags: u8,
    block_size: usize,
    /// Of the content so far, where the frame ends with the checksum of all of it.
    checksum: Option<XxHash32>,
    /// Where the frame's content begins in the output.
    first: usize,
}

impl<'a> Blocks<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { source: Source { rest: input }, frame: None }
    }

    /// Appends the content of the next block, with which `out` becomes no longer than `limit`;
    /// `false`: there is none.
    pub(crate) fn next(&mut self, out: &mut Vec<u8>, limit: usize) -> Result<bool, Failure> {
        loop {
            let Some(frame) = &mut self.frame else {
                if self.source.rest.is_empty() {
                    return Ok(false);
                }
                self.frame = Frame::begin(&mut self.source, out.len())?;
                continue;
            };
            if frame.next(&mut self.source, out, limit)? {
                return Ok(true);
            }
            self.frame = None;
        }
    }

    /// Takes from `out` all that no later block refers to.
    pub(crate) fn forget(&mut self, out: &mut Vec<u8>) {
        let wanted = match &self.frame {
            Some(frame) if frame.flags & INDEPENDENT == 0 => WINDOW,
            _ => 0,
        };
        let gone = out.len().saturating_sub(wanted);
        out.drain(..gone);
        if let Some(frame) = &mut self.frame {
            frame.first = frame.first.saturating_sub(gone);
        }
    }
}

impl Frame {
    /// Reads the header; `None`: it is of a frame to be passed over, and all of that was.
    fn begin(source: &mut Source, first: usize) -> Result<Option<Self>, Failure> {
        match source.u32()? {
            MAGIC => {}
            magic if magic & !0xf == SKIPPABLE => {
                let length = source.u32()? as usize;
                source.take(length)?;
                return Ok(None);
            }
            magic => return Err(Failure::Data(format!("no frame starts with {magic:08x}"))),
        }
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
        let checksum = (flags & CONTENT_CHECKSUM != 0).then(|| XxHash32::with_seed(0));
        Ok(Some(Self { flags, block_size, checksum, first }))
    }

    /// Appends the content of the next block; `false`: the frame ended.
    fn next(
        &mut self,
        source: &mut Source,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<bool, Failure> {
        let prefix = source.u32()?;
        if prefix == 0 {
            return match &self.checksum {
                Some(checksum) if source.u32()? != checksum.finish_32() => {
                    Err(Failure::data("the checksum of the content is wrong"))
                }
                _ => Ok(false),
            };
        }
        let content = source.take((prefix & !STORED) as usize)?;
        if self.flags & BLOCK_CHECKSUM != 0 && source.u32()? != XxHash32::oneshot(0, content) {
            return Err(Failure::data("the checksum of a block is wrong"));
        }
        let (at, block_size) = (out.len(), self.block_size);
        let room = block_size.min(limit - at);
        if prefix & STORED != 0 {
            if content.len() > room {
                return Err(too_large(content.len(), block_size));
            }
            out.extend_from_slice(content);
        } else {
            let window = if self.flags & INDEPENDENT != 0 { at } else { self.first };
            block(content, window, room, block_size, out)?;
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.write(&out[at..]);
        }
        Ok(true)
    }
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
