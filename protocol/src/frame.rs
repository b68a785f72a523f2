//! Requests and responses as they are on a connection: an int32 with the length of what follows,
//! a header, the message.

use bytes::Bytes;

use crate::messages::{RequestHeader, ResponseHeader};
use crate::{ApiKey, DecodeError, EncodeError, Message, Reader, Request, Writer};

/// The bytes before the header.
pub const LENGTH_PREFIX: usize = 4;

/// A request with length and header.
pub fn encode_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
) -> Result<Writer, EncodeError> {
    encode_request_into(Writer::with_capacity(256), request, version, correlation_id, client_id)
}

/// Like [`encode_request`], behind what is in `writer` already.
pub fn encode_request_into<R: Request>(
    mut writer: Writer,
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
) -> Result<Writer, EncodeError> {
    let start = Start::of(&mut writer);
    writer.i16(R::KEY.code());
    writer.i16(version);
    writer.i32(correlation_id);
    writer.nullable_string(client_id, false)?;
    if R::KEY.request_header_version(version) >= 2 {
        writer.no_tagged_fields();
    }
    request.encode(&mut writer, version)?;
    start.end(&mut writer)?;
    Ok(writer)
}

/// A response with length and header.
pub fn encode_response<R: Request>(
    response: &R::Response,
    version: i16,
    correlation_id: i32,
) -> Result<Writer, EncodeError> {
    encode_response_into::<R>(Writer::with_capacity(256), response, version, correlation_id)
}

/// Like [`encode_response`], behind what is in `writer` already.
pub fn encode_response_into<R: Request>(
    mut writer: Writer,
    response: &R::Response,
    version: i16,
    correlation_id: i32,
) -> Result<Writer, EncodeError> {
    let start = Start::of(&mut writer);
    let header = ResponseHeader { correlation_id };
    header.encode(&mut writer, R::KEY.response_header_version(version))?;
    response.encode(&mut writer, version)?;
    start.end(&mut writer)?;
    Ok(writer)
}

/// Where a frame starts in a writer.
struct Start {
    position: usize,
    total: usize,
}

impl Start {
    /// Leaves room for the length.
    fn of(writer: &mut Writer) -> Self {
        let start = Self { position: writer.buffered().len(), total: writer.total_length() };
        writer.i32(0);
        start
    }

    /// Writes the length of what was written since.
    fn end(self, writer: &mut Writer) -> Result<(), EncodeError> {
        let length = writer.total_length() - self.total - LENGTH_PREFIX;
        let value = i32::try_from(length).map_err(|_| EncodeError::TooLong { length })?;
        writer.overwrite_i32(self.position, value);
        Ok(())
    }
}

/// Reads the header of a request, the length being read already. The version in it may be one
/// that the API does not have; only the API must be known, for the header's own form.
pub fn decode_request_header(reader: &mut Reader) -> Result<(ApiKey, RequestHeader), DecodeError> {
    let mut header = RequestHeader {
        request_api_key: reader.i16()?,
        request_api_version: reader.i16()?,
        correlation_id: reader.i32()?,
        client_id: None,
    };
    let key = header.request_api_key;
    let key = ApiKey::from_code(key).ok_or(DecodeError::UnknownApi { key })?;
    header.client_id = reader.nullable_string(false)?;
    if key.request_header_version(header.request_api_version) >= 2 {
        reader.skip_tagged_fields()?;
    }
    Ok((key, header))
}

/// Reads a response, the length being read already, and its correlation id.
pub fn decode_response<R: Request>(
    frame: Bytes,
    version: i16,
) -> Result<(i32, R::Response), DecodeError> {
    let mut reader = Reader::new(frame);
    let header = ResponseHeader::decode(&mut reader, R::KEY.response_header_version(version))?;
    let response = R::Response::decode(&mut reader, version)?;
    reader.finish()?;
    Ok((header.correlation_id, response))
}
