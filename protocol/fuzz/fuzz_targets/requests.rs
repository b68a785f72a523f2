//! A frame as it comes from a connection, without its length: whatever decodes must encode, and
//! must be the same after one more round.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use protocol::frame::decode_request_header;
use protocol::messages::*;
use protocol::{ApiKey, Message, Reader, Request, Writer};

fuzz_target!(|frame: &[u8]| {
    let mut reader = Reader::new(Bytes::copy_from_slice(frame));
    let Ok((key, header)) = decode_request_header(&mut reader) else { return };
    decode_body(key, header.request_api_version, reader);
});

fn decode_body(key: ApiKey, version: i16, reader: Reader) {
    macro_rules! dispatch {
        ($($request:ident),* $(,)?) => {
            match key {
                $(<$request as Request>::KEY => round_trip::<$request>(reader, version),)*
                _ => {}
            }
        };
    }
    protocol::each_request!(dispatch);
}

fn round_trip<M: Message>(mut reader: Reader, version: i16) {
    let Ok(message) = M::decode(&mut reader, version) else { return };
    let mut writer = Writer::new();
    message.encode(&mut writer, version).expect("what was decoded can be encoded");
    let bytes = writer.into_bytes();
    let mut reader = Reader::new(bytes.clone());
    let again = M::decode(&mut reader, version).expect("our own bytes are read");
    let mut writer = Writer::new();
    again.encode(&mut writer, version).expect("what was decoded can be encoded");
    // Bytes, and not values: a float may be NaN.
    assert_eq!(writer.into_bytes(), bytes);
}
