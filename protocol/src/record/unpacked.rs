//! The content of compressed records piece by piece: who only looks through it needs no more memory
//! than a piece takes, however much there is.

use std::io::{ErrorKind, Read};

use crate::record::codec::Failure;
use crate::record::walk::Source;
use crate::record::{BatchError, Compression, gzip, lz4, snappy, zstandard};

/// What is read at once of a format without blocks.
const PIECE: usize = 32 * 1024;

/// Compressed content that is being read.
pub(crate) struct Unpacked<'a> {
    codec: Compression,
    content: Content<'a>,
    /// The piece that was read last, in which what is before `at` was used up.
    piece: Vec<u8>,
    at: usize,
    /// The bytes of all pieces before it.
    before: usize,
    limit: usize,
}

enum Content<'a> {
    Stream(Box<dyn Read + 'a>),
    Lz4(lz4::Blocks<'a>),
    Snappy(snappy::Blocks<'a>),
}

impl<'a> Unpacked<'a> {
    /// Of content that is compressed, and longer than `limit` bytes it may not be.
    pub(crate) fn new(
        codec: Compression,
        input: &'a [u8],
        limit: usize,
    ) -> Result<Self, BatchError> {
        let content = match codec {
            Compression::None => Content::Stream(Box::new(input)),
            Compression::Gzip => Content::Stream(Box::new(gzip::reader(input))),
            Compression::Zstd => {
                let reader = zstandard::reader(input);
                Content::Stream(Box::new(reader.map_err(|failure| failure.of(codec, limit))?))
            }
            Compression::Lz4 => Content::Lz4(lz4::Blocks::new(input)),
            Compression::Snappy => Content::Snappy(snappy::Blocks::new(input)),
        };
        Ok(Self { codec, content, piece: Vec::new(), at: 0, before: 0, limit })
    }

    /// Reads the next piece that has any bytes; at the end there is none.
    fn fill(&mut self) -> Result<(), Failure> {
        while self.at == self.piece.len() {
            self.before += self.at;
            let room = self.limit - self.before;
            let has_more = match &mut self.content {
                Content::Stream(stream) => {
                    self.at = 0;
                    read_piece(&mut **stream, &mut self.piece)?
                }
                Content::Lz4(blocks) => {
                    blocks.forget(&mut self.piece);
                    self.at = self.piece.len();
                    self.before -= self.at;
                    blocks.next(&mut self.piece, self.at + room)?
                }
                Content::Snappy(blocks) => {
                    self.piece.clear();
                    self.at = 0;
                    blocks.next(&mut self.piece, room)?
                }
            };
            if self.piece.len() - self.at > room {
                return Err(Failure::TooLarge);
            }
            if !has_more {
                break;
            }
        }
        Ok(())
    }
}

/// Puts what comes next in the place of the former piece; `false`: there is nothing.
fn read_piece(stream: &mut dyn Read, piece: &mut Vec<u8>) -> Result<bool, Failure> {
    piece.resize(PIECE, 0);
    let read = loop {
        match stream.read(piece) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => break read.map_err(Failure::data)?,
        }
    };
    piece.truncate(read);
    Ok(read > 0)
}

impl Source for Unpacked<'_> {
    fn at_hand(&mut self) -> Result<&[u8], BatchError> {
        if self.at == self.piece.len() {
            let (codec, limit) = (self.codec, self.limit);
            self.fill().map_err(|failure| failure.of(codec, limit))?;
        }
        Ok(&self.piece[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }

    fn position(&self) -> usize {
        self.before + self.at
    }

    fn left(&self) -> Option<usize> {
        None
    }
}
