//! All messages behind one signature.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use bytes::Bytes;
use protocol::messages::*;
use protocol::{DecodeError, EncodeError, Message, Reader, Writer};

pub(crate) struct Codec {
    pub(crate) name: &'static str,
    pub(crate) versions: RangeInclusive<i16>,
    pub(crate) flexible_from: Option<i16>,
    /// Decodes in the first version and encodes in the second.
    pub(crate) recode: fn(Bytes, i16, i16) -> Result<Bytes, Failure>,
    /// Decodes, and drops the value.
    pub(crate) decode: fn(Bytes, i16) -> Result<(), DecodeError>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Failure {
    Decode(DecodeError),
    Encode(EncodeError),
}

pub(crate) static CODECS: LazyLock<HashMap<&str, Codec>> = LazyLock::new(|| {
    macro_rules! table {
        ($($message:ident),* $(,)?) => {
            [$((<$message as Message>::NAME, codec::<$message>())),*].into_iter().collect()
        };
    }
    protocol::each_message!(table)
});

fn codec<M: Message>() -> Codec {
    Codec {
        name: M::NAME,
        versions: M::VERSIONS,
        flexible_from: M::FLEXIBLE_FROM,
        recode: recode::<M>,
        decode: |bytes, version| M::decode(&mut Reader::new(bytes), version).map(|_| ()),
    }
}

/// Also checks that encoding and decoding once more in the first version changes nothing.
fn recode<M: Message>(bytes: Bytes, from: i16, to: i16) -> Result<Bytes, Failure> {
    let mut reader = Reader::new(bytes);
    let message = M::decode(&mut reader, from).map_err(Failure::Decode)?;
    reader.finish().map_err(Failure::Decode)?;

    let mut again = Writer::new();
    message.encode(&mut again, from).map_err(Failure::Encode)?;
    let again = M::decode(&mut Reader::new(again.into_bytes()), from).map_err(Failure::Decode)?;
    assert_eq!(again, message);

    let mut writer = Writer::new();
    message.encode(&mut writer, to).map_err(Failure::Encode)?;
    assert_eq!(writer.total_length(), writer.buffered().len());
    Ok(writer.into_bytes())
}
