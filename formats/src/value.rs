//! One value of a typed schema, and the text forms that numbers have in Java's tools.

use bytes::Bytes;

/// A value; which variants may stand where is the schema's business.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Int8(i8),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    Float32(f32),
    Float64(f64),
    Decimal(Decimal),
    String(String),
    Bytes(Bytes),
    Date(i32),
    Time(i32),
    Timestamp(i64),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    /// In the order of the schema's fields.
    Struct(Vec<Value>),
}

impl Value {
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The variant's name, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "BOOLEAN",
            Self::Int8(_) => "INT8",
            Self::Int16(_) => "INT16",
            Self::Int32(_) => "INT32",
            Self::Int64(_) => "INT64",
            Self::Float32(_) => "FLOAT32",
            Self::Float64(_) => "FLOAT64",
            Self::Decimal(_) => "DECIMAL",
            Self::String(_) => "STRING",
            Self::Bytes(_) => "BYTES",
            Self::Date(_) => "DATE",
            Self::Time(_) => "TIME",
            Self::Timestamp(_) => "TIMESTAMP",
            Self::Array(_) => "ARRAY",
            Self::Map(_) => "MAP",
            Self::Struct(_) => "STRUCT",
        }
    }
}

/// `unscaled` times ten to the minus `scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    pub unscaled: i128,
    pub scale: u8,
}

/// The most digits that a decimal may have.
pub const MAX_DECIMAL_PRECISION: u8 = 38;

impl Decimal {
    /// Reads `12`, `-0.50`, `1.2e3`; none if it is no number or has more than 38 digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.as_bytes().first()? {
            b'-' => (true, &mantissa[1..]),
            b'+' => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut unscaled: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            let digit = i128::from((digit as char).to_digit(10)?);
            unscaled = unscaled.checked_mul(10)?.checked_add(digit)?;
        }
        let mut scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
        if unscaled == 0 && scale < 0 {
            scale = 0;
        }
        while scale < 0 {
            unscaled = unscaled.checked_mul(10)?;
            scale += 1;
        }
        let unscaled = if negative { -unscaled } else { unscaled };
        Some(Self { unscaled, scale: u8::try_from(scale).ok()? })
    }

    /// The same number with `scale` digits behind the point; digits cut off are rounded half up.
    /// None if it then has more than `precision` digits.
    pub fn fit(self, precision: u8, scale: u8) -> Option<Self> {
        let mut unscaled = self.unscaled;
        if scale >= self.scale {
            for _ in self.scale..scale {
                unscaled = unscaled.checked_mul(10)?;
            }
        } else {
            let divisor = 10i128.checked_pow(u32::from(self.scale - scale));
            unscaled = match divisor {
                Some(divisor) => {
                    let rest = (unscaled % divisor).unsigned_abs();
                    let up = i128::from(rest >= divisor.unsigned_abs().div_ceil(2));
                    unscaled / divisor + up * self.unscaled.signum()
                }
                None => 0,
            };
        }
        let limit = 10i128.checked_pow(u32::from(precision.min(MAX_DECIMAL_PRECISION)))?;
        (unscaled.unsigned_abs() < limit.unsigned_abs()).then_some(Self { unscaled, scale })
    }

    /// The number in as few bytes as two's complement allows, big endian, as Java's `BigInteger`.
    pub fn to_be_bytes(self) -> Vec<u8> {
        minimal_be_bytes(self.unscaled)
    }

    /// The reverse of [`Decimal::to_be_bytes`]; none for no byte or more than 16 bytes of value.
    pub fn from_be_bytes(bytes: &[u8], scale: u8) -> Option<Self> {
        let first = *bytes.first()?;
        let fill = if first & 0x80 == 0 { 0u8 } else { 0xff };
        let cut = bytes.len().saturating_sub(16);
        if bytes[..cut].iter().any(|byte| *byte != fill) {
            return None;
        }
        let mut wide = [fill; 16];
        let tail = &bytes[cut..];
        wide[16 - tail.len()..].copy_from_slice(tail);
        let unscaled = i128::from_be_bytes(wide);
        ((unscaled < 0) == (fill == 0xff)).then_some(Self { unscaled, scale })
    }
}

fn minimal_be_bytes(value: i128) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let fill = if value < 0 { 0xff } else { 0 };
    let mut start = 0;
    while start < 15 && bytes[start] == fill && (bytes[start + 1] & 0x80) == (fill & 0x80) {
        start += 1;
    }
    bytes[start..].to_vec()
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = self.unscaled.unsigned_abs().to_string();
        let scale = usize::from(self.scale);
        if self.unscaled < 0 {
            f.write_str("-")?;
        }
        if scale == 0 {
            return f.write_str(&digits);
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{whole}.{fraction}")
    }
}

/// A double as Java reads it: white space around it does not count, `NaN` and `Infinity` are words
/// of exactly this form, and a `d` or `f` may stand behind the digits.
pub fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let value = match unsigned {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        digits => {
            let digits = digits.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(digits);
            let is_number = digits.bytes().next().is_some_and(|b| b.is_ascii_digit() || b == b'.');
            is_number.then(|| digits.parse().ok()).flatten()?
        }
    };
    Some(if negative { -value } else { value })
}

/// A double as Java prints it: `1.0`, `1.0E10`, `NaN`, `Infinity`.
pub fn java_double(value: f64) -> String {
    java_float_text(value.is_nan(), f64::is_infinite(value), value < 0.0, &format!("{value:e}"))
}

/// A float as Java prints it; the digits are those that tell it from other floats.
pub fn java_float(value: f32) -> String {
    java_float_text(value.is_nan(), f32::is_infinite(value), value < 0.0, &format!("{value:e}"))
}

/// `scientific` is Rust's shortest form, for instance `-1.25e-7`.
fn java_float_text(nan: bool, infinite: bool, negative: bool, scientific: &str) -> String {
    if nan {
        return "NaN".into();
    }
    if infinite {
        return if negative { "-Infinity" } else { "Infinity" }.into();
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if digits == "0" {
        return format!("{sign}0.0");
    }
    if !(-3..7).contains(&exponent) {
        let fraction = if digits.len() > 1 { &digits[1..] } else { "0" };
        return format!("{sign}{}.{fraction}E{exponent}", &digits[..1]);
    }
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    let point = exponent as usize + 1;
    if digits.len() <= point {
        return format!("{sign}{digits:0<point$}.0");
    }
    format!("{sign}{}.{}", &digits[..point], &digits[point..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_in_java() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (1234567.5, "1234567.5"),
            (1e7, "1.0E7"),
            (1.25e10, "1.25E10"),
            (0.001, "0.001"),
            (0.00012, "1.2E-4"),
            (-3.5, "-3.5"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(java_double(value), text);
        }
        assert_eq!(java_float(0.1), "0.1");
    }

    #[test]
    fn doubles_are_read_as_in_java() {
        for (text, value) in [
            ("1", Some(1.0)),
            (" -1.5e3\n", Some(-1500.0)),
            ("+.5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1.5f", Some(1.5)),
            ("1e400", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("inf", None),
            ("infinity", None),
            ("nan", None),
            ("--1", None),
            ("+-1", None),
            (".", None),
            ("d", None),
            ("", None),
            ("1 2", None),
        ] {
            assert_eq!(parse_double(text), value, "{text:?}");
        }
        assert!(parse_double("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn decimals_keep_their_scale_and_round_half_up() {
        let read = |text: &str| Decimal::parse(text).map(|decimal| decimal.to_string());
        assert_eq!(read("-0.50").as_deref(), Some("-0.50"));
        assert_eq!(read("1.2e3").as_deref(), Some("1200"));
        assert_eq!(read("12x"), None);
        let fit = |text: &str| Decimal::parse(text).and_then(|d| d.fit(4, 2));
        assert_eq!(fit("1.005").map(|d| d.unscaled), Some(101));
        assert_eq!(fit("-1.005").map(|d| d.unscaled), Some(-101));
        assert_eq!(fit("7").map(|d| d.unscaled), Some(700));
        assert_eq!(fit("100"), None);
    }

    #[test]
    fn decimal_bytes_are_minimal_twos_complement() {
        for (value, bytes) in [
            (0i128, vec![0u8]),
            (127, vec![0x7f]),
            (128, vec![0, 0x80]),
            (-128, vec![0x80]),
            (-129, vec![0xff, 0x7f]),
        ] {
            let decimal = Decimal { unscaled: value, scale: 2 };
            assert_eq!(decimal.to_be_bytes(), bytes);
            assert_eq!(Decimal::from_be_bytes(&bytes, 2), Some(decimal));
        }
        assert_eq!(Decimal::from_be_bytes(&[], 0), None);
        assert_eq!(Decimal::from_be_bytes(&[1; 17], 0), None);
    }
}
