//! Writes what goes back to a client.

use std::io::{self, IoSlice};

use broker_cluster::partition::RecordRange;

use super::stream::Stream;
use crate::answer::{Answer, Chunk};
use crate::limits::{SEND_STEP, WRITE_PIECES};

/// Writes answers one after the other, neighbouring bytes of all of them together.
pub(crate) async fn write_answers(stream: &mut Stream, answers: Vec<Answer>) -> io::Result<()> {
    let chunks: Vec<Chunk> = answers.into_iter().flat_map(|answer| answer.chunks).collect();
    let mut pieces: Vec<IoSlice<'_>> = Vec::with_capacity(chunks.len().min(WRITE_PIECES));
    for (number, chunk) in chunks.iter().enumerate() {
        let next = chunks.get(number + 1);
        match chunk {
            Chunk::Bytes(bytes) => {
                pieces.push(IoSlice::new(bytes));
                let goes_on = matches!(next, Some(Chunk::Bytes(_)));
                if !goes_on || pieces.len() == WRITE_PIECES {
                    stream.write(&mut pieces, next.is_some()).await?;
                    pieces.clear();
                }
            }
            Chunk::File(range) => write_range(stream, range).await?,
        }
    }
    Ok(())
}

/// Sends a range of a file: without copying it, where there are a socket and a file. The range's
/// log dir is told when it is the file that fails.
async fn write_range(stream: &mut Stream, range: &RecordRange) -> io::Result<()> {
    let mut done = 0;
    while done < range.length() {
        let length = SEND_STEP.min(range.length() - done);
        let part = range.part(done, length);
        part.load_if_cold().await.map_err(io::Error::other)?;
        match (&*stream, part.file()) {
            (Stream::Tcp(socket), Some((file, position))) => {
                let sent = Stream::send_file(socket, file, position, length).await;
                if let Err(problem) = sent {
                    return Err(blame(&part, problem).await);
                }
            }
            _ => write_copy(stream, &part).await?,
        }
        done += length;
    }
    Ok(())
}

/// Finds out whether it was the file that could not be read: then its log dir is told.
async fn blame(part: &RecordRange, problem: io::Error) -> io::Error {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};

    match problem.kind() {
        // The client is gone, or the log was truncated.
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected => problem,
        io::ErrorKind::UnexpectedEof => problem,
        _ => part.load().await.err().map_or(problem, io::Error::other),
    }
}

async fn write_copy(stream: &mut Stream, part: &RecordRange) -> io::Result<()> {
    let buffer = part.read().map_err(io::Error::other)?;
    if buffer.len() < part.length() {
        let problem = "a segment ended before the bytes that a fetch answered from it";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem));
    }
    stream.write(&mut [IoSlice::new(&buffer)], false).await
}

#[cfg(test)]
mod tests;
