//! The bytes of a line to text.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// How a file's bytes are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    /// UTF-8, as Java's readers take it: what is none becomes U+FFFD.
    JavaUtf8,
    /// Nothing is replaced.
    Strict(&'static Encoding),
}

/// Names that Java, Python and Excel's users know besides those of the WHATWG standard.
const ALIASES: [(&str, &str); 7] = [
    ("cp949", "euc-kr"),
    ("ms949", "euc-kr"),
    ("x-windows-949", "euc-kr"),
    ("cp932", "shift_jis"),
    ("cp936", "gbk"),
    ("cp950", "big5"),
    ("latin-1", "latin1"),
];

impl Charset {
    pub(super) const UTF8: Self = Self::Strict(UTF_8);

    /// The charset of a name. None for names that nobody knows, and for those in which a line end's
    /// byte may be a part of another character.
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
        let encoding = Encoding::for_label(alias.map_or(&*name, |(_, label)| label).as_bytes())?;
        let wide = encoding == UTF_16LE || encoding == UTF_16BE;
        (encoding.is_ascii_compatible() || wide).then_some(Self::Strict(encoding))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::JavaUtf8 => "UTF-8",
            Self::Strict(encoding) => encoding.name(),
        }
    }

    /// Bytes of one line end's character.
    pub(super) fn unit(self) -> Unit {
        match self {
            Self::Strict(encoding) if encoding == UTF_16LE => Unit::LittleEndian,
            Self::Strict(encoding) if encoding == UTF_16BE => Unit::BigEndian,
            _ => Unit::Byte,
        }
    }

    /// The byte order mark that a file may begin with, which is no part of its text. Java's reader
    /// leaves it in the first line.
    pub(super) fn byte_order_mark(self) -> &'static [u8] {
        match self {
            Self::Strict(encoding) if encoding == UTF_8 => b"\xef\xbb\xbf",
            Self::Strict(encoding) if encoding == UTF_16LE => b"\xff\xfe",
            Self::Strict(encoding) if encoding == UTF_16BE => b"\xfe\xff",
            _ => b"",
        }
    }

    /// The same charset with the byte order that the file's own mark tells.
    pub(super) fn ordered_by(self, first: [u8; 2]) -> Self {
        match (self.unit(), first) {
            (Unit::LittleEndian, [0xfe, 0xff]) => Self::Strict(UTF_16BE),
            (Unit::BigEndian, [0xff, 0xfe]) => Self::Strict(UTF_16LE),
            _ => self,
        }
    }

    /// A line's text, or the place in it of the first byte that is none.
    pub(super) fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, usize> {
        match self {
            Self::JavaUtf8 => Ok(java_utf8(bytes)),
            Self::Strict(encoding) if encoding == UTF_8 => {
                std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| error.valid_up_to())
            }
            Self::Strict(encoding) => encoding
                .decode_without_bom_handling_and_without_replacement(bytes)
                .ok_or_else(|| malformed_at(encoding, bytes)),
        }
    }
}

/// The width and order of code units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Byte,
    LittleEndian,
    BigEndian,
}

impl Unit {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::LittleEndian | Self::BigEndian => 2,
        }
    }

    /// Whether this character stands at a place that is a whole number of units from the start.
    pub(super) fn is_at(self, bytes: &[u8], at: usize, ascii: u8) -> bool {
        match self {
            Self::Byte => bytes.get(at) == Some(&ascii),
            Self::LittleEndian => bytes.get(at..at + 2) == Some(&[ascii, 0]),
            Self::BigEndian => bytes.get(at..at + 2) == Some(&[0, ascii]),
        }
    }

    /// The first LF or CR at or after a place that is a whole number of units from the start.
    pub(super) fn line_end(self, bytes: &[u8], from: usize) -> Option<usize> {
        if self == Self::Byte {
            return memchr::memchr2(b'\n', b'\r', &bytes[from..]).map(|at| from + at);
        }
        let mut places = (from..bytes.len().saturating_sub(1)).step_by(2);
        places.find(|at| self.is_at(bytes, *at, b'\n') || self.is_at(bytes, *at, b'\r'))
    }
}

fn malformed_at(encoding: &'static Encoding, bytes: &[u8]) -> usize {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let (mut out, mut place) = ([0; 1024], 0);
    loop {
        let (result, read, _) =
            decoder.decode_to_utf8_without_replacement(&bytes[place..], &mut out, true);
        place += read;
        match result {
            DecoderResult::OutputFull => {}
            DecoderResult::InputEmpty => return bytes.len(),
            DecoderResult::Malformed(length, after) => {
                return place.saturating_sub(usize::from(length) + usize::from(after));
            }
        }
    }
}

/// As `String::from_utf8_lossy`, but for the bytes of a surrogate (ED A0..BF 80..BF), which are one
/// malformed sequence for Java and several for others.
fn java_utf8(bytes: &[u8]) -> Cow<'_, str> {
    let Err(error) = std::str::from_utf8(bytes) else { return String::from_utf8_lossy(bytes) };
    let mut out = String::with_capacity(bytes.len() + 8);
    let (mut rest, mut found) = (bytes, Some(error));
    while let Some(error) = found {
        let (valid, after) = rest.split_at(error.valid_up_to());
        out.push_str(std::str::from_utf8(valid).unwrap_or_default());
        out.push(char::REPLACEMENT_CHARACTER);
        let length = match after {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => 3,
            [0xed, 0xa0..=0xbf, ..] => 2,
            _ => error.error_len().unwrap_or(after.len()),
        };
        rest = &after[length..];
        found = std::str::from_utf8(rest).err();
    }
    out.push_str(std::str::from_utf8(rest).unwrap_or_default());
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_users_know() {
        for (name, expected) in [
            ("UTF-8", "UTF-8"),
            (" utf8 ", "UTF-8"),
            ("ISO-8859-1", "windows-1252"),
            ("Latin-1", "windows-1252"),
            ("CP949", "EUC-KR"),
            ("MS949", "EUC-KR"),
            ("Shift_JIS", "Shift_JIS"),
            ("GB18030", "gb18030"),
            ("UTF-16LE", "UTF-16LE"),
        ] {
            assert_eq!(Charset::named(name).map(Charset::name), Some(expected), "{name}");
        }
        for name in ["", "utf-9", "ISO-2022-JP", "replacement"] {
            assert_eq!(Charset::named(name), None, "{name}");
        }
    }

    #[test]
    fn the_first_wrong_byte_is_told() {
        let cp949 = Charset::named("cp949").expect("known");
        assert_eq!(cp949.decode(b"\xc0\xcc\xb8\xa7").as_deref(), Ok("이름"));
        assert_eq!(cp949.decode(b"ab\xff\xff"), Err(2));
        assert_eq!(Charset::UTF8.decode(b"caf\xe9 opens"), Err(3));
        let wide = Charset::named("utf-16le").expect("known");
        assert_eq!(wide.decode(b"a\0\x74\xc7").as_deref(), Ok("a이"));
        assert_eq!(wide.decode(b"a\0\x00\xdc"), Err(2));
    }

    /// What `new String(bytes, UTF_8)` and an `InputStreamReader` of Java 17 give.
    #[test]
    fn what_is_no_utf8_is_replaced_as_java_replaces_it() {
        for (bytes, expected) in [
            (&b"caf\xe9 opens"[..], "caf\u{fffd} opens"),
            (b"\xe2\x82A", "\u{fffd}A"),
            (b"\xc0\x80", "\u{fffd}\u{fffd}"),
            (b"\xe0\x80\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xed\xa0\x80x", "\u{fffd}x"),
            (b"\xed\xa0x", "\u{fffd}x"),
            (b"\xed\xa0", "\u{fffd}"),
            (b"\xf8\x88x", "\u{fffd}\u{fffd}x"),
            (b"\xf4\x90\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xf0\x9f\x98x", "\u{fffd}x"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            ("whole 이름".as_bytes(), "whole 이름"),
        ] {
            assert_eq!(java_utf8(bytes), expected, "{bytes:x?}");
        }
    }
}
