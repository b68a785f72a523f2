//! What goes back to a client: bytes from memory and ranges of files.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use broker_log::FileSlice;
use bytes::Bytes;

use super::stream::Stream;
use crate::limits::{SEND_STEP, WRITE_PIECES};

#[derive(Clone, Debug)]
pub(crate) enum Chunk {
    Bytes(Bytes),
    File(FileSlice),
}

/// One whole response frame, its length included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) chunks: Vec<Chunk>,
}

impl Answer {
    /// Bytes on the wire.
    pub(crate) fn length(&self) -> usize {
        let lengths = self.chunks.iter().map(|chunk| match chunk {
            Chunk::Bytes(bytes) => bytes.len(),
            Chunk::File(range) => range.length,
        });
        lengths.sum()
    }
}

/// Writes answers one after the other, neighbouring bytes of all of them together.
pub(crate) async fn write_answers(stream: &mut Stream, answers: Vec<Answer>) -> io::Result<()> {
    let mut chunks: VecDeque<Chunk> =
        answers.into_iter().flat_map(|answer| answer.chunks).collect();
    while let Some(chunk) = chunks.pop_front() {
        match chunk {
            Chunk::Bytes(first) => {
                let mut run = vec![first];
                while run.len() < WRITE_PIECES
                    && let Some(Chunk::Bytes(bytes)) = chunks.front_mut()
                {
                    run.push(std::mem::take(bytes));
                    chunks.pop_front();
                }
                let more = !chunks.is_empty();
                let mut pieces: Vec<IoSlice<'_>> = Vec::with_capacity(run.len());
                for bytes in &run {
                    pieces.push(IoSlice::new(bytes));
                }
                stream.write(&mut pieces, more).await?;
            }
            Chunk::File(range) => write_range(stream, &range).await?,
        }
    }
    Ok(())
}

/// Sends a range of a file: without copying it, where there are a socket and a file.
async fn write_range(stream: &mut Stream, range: &FileSlice) -> io::Result<()> {
    let end = range.position + range.length as u64;
    let mut position = range.position;
    while position < end {
        let length = usize::try_from(end - position).unwrap_or(SEND_STEP).min(SEND_STEP);
        let part = FileSlice { file: range.file.clone(), position, length };
        load(&part).await;
        match (&*stream, part.as_raw_fd()) {
            (Stream::Tcp(socket), Some(file)) => {
                Stream::send_file(socket, file, position, length).await?;
            }
            _ => write_copy(stream, &part).await?,
        }
        position += length as u64;
    }
    Ok(())
}

/// Has bytes that are not in memory read on a thread that may wait for the disk, so that no other
/// connection does. Whatever goes wrong shows when they are sent.
async fn load(part: &FileSlice) {
    if part.file.is_cached(part.position, part.length) {
        return;
    }
    let FileSlice { file, position, length } = part.clone();
    let _ = tokio::task::spawn_blocking(move || file.load(position, length)).await;
}

async fn write_copy(stream: &mut Stream, part: &FileSlice) -> io::Result<()> {
    let buffer = part.read()?;
    if buffer.len() < part.length {
        let problem = "a segment ended before the bytes that a fetch answered from it";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem));
    }
    stream.write(&mut [IoSlice::new(&buffer)], false).await
}
