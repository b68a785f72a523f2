//! The two halves of a connection's task: frames out, frames in.

use std::io;
use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};
use protocol::messages::ResponseHeader;
use protocol::{Message as _, Reader};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, BufWriter,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Outgoing;
use super::waiting::WaitingRequests;
use crate::error::ConnectionError;
use crate::limits;
use crate::transport::BoxedStream;

/// Runs a connection until it fails or is cancelled, and leaves `waiting` poisoned.
pub(super) async fn run(
    stream: BoxedStream,
    queue: mpsc::UnboundedReceiver<Outgoing>,
    waiting: Arc<WaitingRequests>,
    address: Arc<str>,
    cancel: CancellationToken,
) {
    let (reader, writer) = tokio::io::split(stream);
    let cause = tokio::select! {
        () = cancel.cancelled() => ConnectionError::Closed { address: address.clone() },
        cause = read_frames(reader, &waiting, &address) => cause,
        cause = write_frames(writer, queue, &address) => cause,
    };
    waiting.poison(cause);
}

async fn write_frames(
    stream: impl AsyncWrite + Unpin,
    mut queue: mpsc::UnboundedReceiver<Outgoing>,
    address: &Arc<str>,
) -> ConnectionError {
    let mut stream = BufWriter::with_capacity(64 << 10, stream);
    let result: io::Result<()> = async {
        let mut written = Vec::new();
        while let Some(mut outgoing) = queue.recv().await {
            loop {
                for segment in &outgoing.segments {
                    stream.write_all(segment).await?;
                }
                written.extend(outgoing.unanswered);
                match queue.try_recv() {
                    Ok(next) => outgoing = next,
                    Err(_) => break,
                }
            }
            stream.flush().await?;
            for (sender, _permit) in written.drain(..) {
                // Nobody has to wait for it.
                let _ = sender.send(());
            }
        }
        Ok(())
    }
    .await;
    match result {
        Ok(()) => ConnectionError::Closed { address: address.clone() },
        Err(source) => failed(source, address),
    }
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
