//! Bytes as texts and back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use formats::Value;

use super::super::signature::{Param, Returns, ScalarFunction, function, of};
use super::text;
use crate::types::SqlType;
use Param::{Bytes as Blob, String as Text};

const STRING: Returns = Returns::Is(&SqlType::String);
const BYTES: Returns = Returns::Is(&SqlType::Bytes);

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function(
        "TO_BYTES",
        "The bytes that a text stands for: hex, utf8, ascii or base64",
        &[of(&[Text, Text], BYTES, |v| {
            encoding(text(&v[1])?)?.decode(text(&v[0])?).map(|bytes| Value::Bytes(bytes.into()))
        })],
    ),
    function(
        "FROM_BYTES",
        "Bytes as a text: hex, utf8, ascii or base64",
        &[of(&[Blob, Text], STRING, |v| {
            let Value::Bytes(bytes) = &v[0] else { return Ok(Value::Null) };
            Ok(Value::String(encoding(text(&v[1])?)?.encode(bytes)))
        })],
    ),
    function(
        "ENCODE",
        "A text in another encoding: hex, utf8, ascii or base64",
        &[of(&[Text, Text, Text], STRING, encode)],
    ),
];

#[derive(Clone, Copy, PartialEq)]
enum Encoding {
    Hex,
    Utf8,
    Ascii,
    Base64,
}

fn encoding(name: &str) -> Result<Encoding, String> {
    Ok(match name.to_lowercase().as_str() {
        "hex" => Encoding::Hex,
        "utf8" => Encoding::Utf8,
        "ascii" => Encoding::Ascii,
        "base64" => Encoding::Base64,
        _ => {
            return Err(format!(
                "Unknown encoding type '{name}'. Supported formats are 'hex', 'utf8', 'ascii', and \
                 'base64'."
            ));
        }
    })
}

impl Encoding {
    fn decode(self, text: &str) -> Result<Vec<u8>, String> {
        match self {
            Self::Hex => unhex(text),
            Self::Utf8 => Ok(text.as_bytes().to_vec()),
            Self::Ascii => {
                Ok(text.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' }).collect())
            }
            Self::Base64 => {
                STANDARD.decode(text).map_err(|e| format!("'{text}' is not base64: {e}"))
            }
        }
    }

    fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => bytes.iter().map(|byte| format!("{byte:02X}")).collect(),
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Ascii => bytes
                .iter()
                .map(|byte| if byte.is_ascii() { char::from(*byte) } else { '\u{fffd}' })
                .collect(),
            Self::Base64 => STANDARD.encode(bytes),
        }
    }
}

fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let bad = || format!("'{text}' is not hexadecimal");
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return Err(bad());
    }
    let byte = |at: usize| {
        let digits = &text[at..at + 2];
        let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        u8::from_str_radix(digits, 16).ok().filter(|_| is_hex).ok_or_else(bad)
    };
    (0..text.len()).step_by(2).map(byte).collect()
}

fn encode(v: &[Value]) -> Result<Value, String> {
    let (from, to) = (encoding(text(&v[1])?)?, encoding(text(&v[2])?)?);
    if from == to {
        return Err("Supported input and output encodings are: hex, utf8, ascii and base64".into());
    }
    let input = text(&v[0])?;
    let bytes = if from == Encoding::Hex { unhex(&bare_hex(input))? } else { from.decode(input)? };
    let encoded = to.encode(&bytes);
    Ok(Value::String(if to == Encoding::Hex { encoded.to_lowercase() } else { encoded }))
}

/// `0x1F` and `X'1F'` without their signs; of the former a digit may be left out.
fn bare_hex(text: &str) -> String {
    if let Some(digits) = text.strip_prefix("0x") {
        return if digits.len().is_multiple_of(2) {
            digits.to_owned()
        } else {
            format!("0{digits}")
        };
    }
    let quoted = text.strip_prefix(['x', 'X']).and_then(|rest| rest.strip_prefix('\''));
    quoted.and_then(|rest| rest.strip_suffix('\'')).unwrap_or(text).to_owned()
}
