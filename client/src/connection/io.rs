//! The two halves of a connection's task: frames out, frames in.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use protocol::messages::ResponseHeader;
use protocol::{Message as _, Reader};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, BufWriter,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::waiting::WaitingRequests;
use super::{Outgoing, Unanswered};
use crate::error::ConnectionError;
use crate::limits;
use crate::transport::BoxedStream;

/// What ends a connection, and what is said of it.
pub(super) struct End {
    pub(super) address: Arc<str>,
    /// A peer that takes nothing for so long is as good as gone.
    pub(super) patience: Duration,
    pub(super) cancel: CancellationToken,
}

/// Runs a connection until it fails or is cancelled, and leaves `waiting` poisoned.
pub(super) async fn run(
    stream: BoxedStream,
    mut queue: mpsc::UnboundedReceiver<Outgoing>,
    waiting: Arc<WaitingRequests>,
    end: End,
) {
    let (reader, writer) = tokio::io::split(stream);
    let address = &end.address;
    // Who waits until these are written learns the cause, so that goes first.
    let mut unanswered = Vec::new();
    let cause = tokio::select! {
        () = end.cancel.cancelled() => ConnectionError::Closed { address: address.clone() },
        cause = read_frames(reader, &waiting, address) => cause,
        cause = write_frames(writer, &mut queue, &mut unanswered, &end) => cause,
    };
    waiting.poison(cause);
}

async fn write_frames(
    stream: impl AsyncWrite + Unpin,
    queue: &mut mpsc::UnboundedReceiver<Outgoing>,
    unanswered: &mut Vec<Unanswered>,
    end: &End,
) -> ConnectionError {
    let mut stream = BufWriter::with_capacity(64 << 10, stream);
    while let Some(mut outgoing) = queue.recv().await {
        loop {
            for segment in &outgoing.segments {
                if let Err(cause) = write_all(&mut stream, segment, end).await {
                    return cause;
                }
            }
            unanswered.extend(outgoing.unanswered);
            match queue.try_recv() {
                Ok(next) => outgoing = next,
                Err(_) => break,
            }
        }
        match timeout(end.patience, stream.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(source)) => return failed(source, &end.address),
            Err(_) => return stalled(end),
        }
        for (sender, _permit) in unanswered.drain(..) {
            // Nobody has to wait for it.
            let _ = sender.send(());
        }
    }
    ConnectionError::Closed { address: end.address.clone() }
}

/// Writes all of it, however long that takes, as long as the peer takes some now and then.
async fn write_all(
    stream: &mut (impl AsyncWrite + Unpin),
    mut bytes: &[u8],
    end: &End,
) -> Result<(), ConnectionError> {
    while !bytes.is_empty() {
        let taken = timeout(end.patience, stream.write(bytes)).await.map_err(|_| stalled(end))?;
        let taken = match taken {
            Ok(0) => {
                let text = "the connection takes nothing of the request";
                Err(io::Error::new(io::ErrorKind::WriteZero, text))
            }
            taken => taken,
        };
        bytes = &bytes[taken.map_err(|source| failed(source, &end.address))?..];
    }
    Ok(())
}

fn stalled(end: &End) -> ConnectionError {
    ConnectionError::Stalled { address: end.address.clone(), after: end.patience }
}

async fn read_frames(
    stream: impl AsyncRead + Unpin,
    waiting: &WaitingRequests,
    address: &Arc<str>,
) -> ConnectionError {
    let mut stream = BufReader::with_capacity(16 << 10, stream);
    loop {
        let frame = match read_frame(&mut stream, address).await {
            Ok(frame) => frame,
            Err(error) => return error,
        };
        if let Err(error) = deliver(frame, waiting, address) {
            return error;
        }
    }
}

/// One frame without its size. What is reserved before the bytes arrive is bounded.
async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    address: &Arc<str>,
) -> Result<Bytes, ConnectionError> {
    let size = stream.read_i32().await.map_err(|source| failed(source, address))?;
    let size = match usize::try_from(size) {
        Ok(bytes) if (4..=limits::RESPONSE_BYTES_MAX).contains(&bytes) => bytes,
        _ => {
            return Err(ConnectionError::FrameSize {
                address: address.clone(),
                size: i64::from(size),
                limit: limits::RESPONSE_BYTES_MAX,
            });
        }
    };
    let mut frame = BytesMut::with_capacity(size.min(limits::RESPONSE_RESERVE_BYTES));
    while frame.len() < size {
        let missing = size - frame.len();
        if frame.capacity() == frame.len() {
            frame.reserve(missing.min(frame.len()));
        }
        let mut limited = (&mut *stream).take(missing as u64);
        let read = limited.read_buf(&mut frame).await.map_err(|source| failed(source, address))?;
        if read == 0 {
            return Err(ConnectionError::Closed { address: address.clone() });
        }
    }
    Ok(frame.freeze())
}

/// Hands a frame to the request that it answers.
fn deliver(
    mut frame: Bytes,
    waiting: &WaitingRequests,
    address: &Arc<str>,
) -> Result<(), ConnectionError> {
    let correlation_id = (&frame[..4]).get_i32();
    let Some(request) = waiting.take(correlation_id) else {
        let address = address.clone();
        return Err(ConnectionError::UnexpectedResponse { address, correlation_id });
    };
    let mut reader = Reader::new(frame.clone());
    match ResponseHeader::decode(&mut reader, request.header_version) {
        Ok(_) => {
            frame.advance(frame.len() - reader.remaining());
            // A caller that has gone away does not mind.
            let _ = request.reply.send(Ok(frame));
            Ok(())
        }
        Err(error) => {
            let error = ConnectionError::Decode {
                address: address.clone(),
                api: "ResponseHeader",
                version: request.header_version,
                reason: error.to_string(),
            };
            let _ = request.reply.send(Err(error.clone()));
            Err(error)
        }
    }
}

fn failed(source: io::Error, address: &Arc<str>) -> ConnectionError {
    match source.kind() {
        io::ErrorKind::UnexpectedEof => ConnectionError::Closed { address: address.clone() },
        _ => ConnectionError::Io { address: address.clone(), source: Arc::new(source) },
    }
}
