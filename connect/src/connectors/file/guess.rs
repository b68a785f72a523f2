//! What a column's texts are, so that none of them loses a character.
//!
//! A text belongs to the narrowest kind that prints it back. A column is of the kind that takes all
//! of its texts:
//!
//! ```text
//! nothing seen --> BOOLEAN ------------.
//!              --> BIGINT --> DOUBLE ---+--> STRING
//!              --> TIMESTAMP -----------'
//! ```
//!
//! `02134`, `+49`, `12E5` and `1.50` are words: as numbers they would be other texts. A BIGINT
//! beyond 2^53 is no DOUBLE.

use formats::{Type, java_double, temporal};

/// What is known of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Guess {
    #[default]
    Nothing,
    Boolean,
    /// `exact`: all of them are DOUBLEs as well.
    Whole {
        exact: bool,
    },
    Double,
    /// Whether whole seconds have `.000` behind them; none: there are no whole seconds yet.
    Moment(Option<bool>),
    Text,
}

/// Whole numbers up to here are exact as DOUBLE.
const EXACT: u64 = 1 << 53;

impl Guess {
    /// The narrowest kind of a text that is not null.
    pub(super) fn of(text: &str) -> Self {
        match text.as_bytes() {
            b"true" | b"false" => Self::Boolean,
            [b'0'..=b'9', ..] if text.len() >= 20 && text.as_bytes()[4] == b'-' => moment(text),
            [b'0'..=b'9' | b'-', ..] => number(text),
            _ => Self::Text,
        }
    }

    /// The narrowest kind that takes both.
    pub(super) fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, some) | (some, Self::Nothing) => some,
            (Self::Whole { exact: a }, Self::Whole { exact: b }) => Self::Whole { exact: a && b },
            (Self::Double, Self::Whole { exact: true } | Self::Double)
            | (Self::Whole { exact: true }, Self::Double) => Self::Double,
            (Self::Moment(a), Self::Moment(b)) if a.is_none() || b.is_none() || a == b => {
                Self::Moment(a.or(b))
            }
            (a, b) if a == b => a,
            _ => Self::Text,
        }
    }

    /// What stays of it once records are given: a column without a text is one of texts.
    pub(super) fn settled(self) -> Self {
        if self == Self::Nothing { Self::Text } else { self }
    }

    /// STRING where nothing was seen.
    pub(super) fn ty(self) -> Type {
        match self {
            Self::Boolean => Type::Boolean,
            Self::Whole { .. } => Type::Int64,
            Self::Double => Type::Float64,
            Self::Moment(_) => Type::Timestamp,
            Self::Nothing | Self::Text => Type::String,
        }
    }

    /// What is known of a column whose type was remembered.
    pub(super) fn from_type(ty: &Type, exact: bool) -> Self {
        match ty {
            Type::Boolean => Self::Boolean,
            Type::Int64 => Self::Whole { exact },
            Type::Float64 => Self::Double,
            Type::Timestamp => Self::Moment(None),
            _ => Self::Text,
        }
    }
}

fn number(text: &str) -> Guess {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || whole.starts_with('0') && whole.len() > 1 {
        return scientific(text);
    }
    match fraction {
        None if digits == "0" && text != "0" => Guess::Text,
        None => match text.parse::<i64>() {
            Ok(number) => Guess::Whole { exact: number.unsigned_abs() <= EXACT },
            Err(_) => Guess::Text,
        },
        Some(fraction) if !plain(fraction) => scientific(text),
        Some(fraction) if fraction.ends_with('0') && fraction != "0" => Guess::Text,
        Some(fraction) => {
            // Any fifteen digits come back from a DOUBLE.
            let few = whole.len() + fraction.len() <= 15;
            let same = || text.parse::<f64>().is_ok_and(|number| prints(number, text));
            if few || same() { Guess::Double } else { Guess::Text }
        }
    }
}

/// Whether a number's shortest digits are those of a text with a point and no exponent.
fn prints(number: f64, text: &str) -> bool {
    let shortest = number.to_string();
    shortest == text || text.strip_suffix(".0") == Some(&shortest)
}

/// `1.0E10`, as a DOUBLE is written, and nothing else with an exponent.
fn scientific(text: &str) -> Guess {
    let written = text.contains('E')
        && text
            .parse::<f64>()
            .is_ok_and(|number| number.is_finite() && java_double(number) == text);
    if written { Guess::Double } else { Guess::Text }
}

/// `2013-01-31T13:45:10Z` or with three digits behind the seconds: any other form has an offset, a
/// separator or digits that a TIMESTAMP does not keep.
fn moment(text: &str) -> Guess {
    const FORM: &[u8; 19] = b"0000-00-00T00:00:00";
    let bytes = text.as_bytes();
    let formed = FORM.iter().zip(bytes).all(|(form, byte)| match form {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    });
    let zeros = match &bytes[19..] {
        b"Z" => Some(false),
        b".000Z" => Some(true),
        [b'.', a, b, c, b'Z'] if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) => None,
        _ => return Guess::Text,
    };
    if formed && temporal::parse_timestamp(text).is_some() {
        Guess::Moment(zeros)
    } else {
        Guess::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Guess = Guess::Whole { exact: true };

    #[test]
    fn a_text_is_what_prints_it_back() {
        for (texts, expected) in [
            (&["true", "false"][..], Guess::Boolean),
            (&["0", "7", "-12", "9007199254740992"], WHOLE),
            (&["9007199254740993", "-9223372036854775808"], Guess::Whole { exact: false }),
            (&["0.5", "-0.25", "21.0", "12345678.9", "0.1", "1.0E10", "-0.0"], Guess::Double),
            (&["2013-01-01T10:00:00Z"], Guess::Moment(Some(false))),
            (&["2013-01-01T10:00:00.000Z"], Guess::Moment(Some(true))),
            (&["2013-01-01T10:00:00.123Z"], Guess::Moment(None)),
            (
                &[
                    "02134",
                    "+493012345",
                    "21602730330000060100",
                    "12E5",
                    "1e5",
                    "1.50",
                    "-0",
                    "00.5",
                    ".5",
                    "5.",
                    "1.5.2",
                    "-",
                    "0x10",
                    "1_000",
                    " 1",
                    "1 ",
                    "inf",
                    "nan",
                    "NaN",
                    "Infinity",
                    "TRUE",
                    "True",
                    "0.12345678901234567890",
                    "1.0E1",
                    "1.E10",
                    "9223372036854775808",
                    "2013-01-01",
                    "2013-01-01 10:00:00",
                    "2013-01-01T10:00:00+02:00",
                    "2013-01-01T10:00:00.123456Z",
                    "2013-02-30T10:00:00Z",
                    "12345-01-01T10:00:00Z",
                    "٣",
                    "éééééééééé",
                    "1é",
                ],
                Guess::Text,
            ),
        ] {
            for text in texts {
                assert_eq!(Guess::of(text), expected, "{text}");
            }
        }
    }

    #[test]
    fn a_column_takes_all_its_texts() {
        let column = |texts: &[&str]| {
            texts.iter().fold(Guess::Nothing, |guess, text| guess.join(Guess::of(text))).ty()
        };
        assert_eq!(column(&[]), Type::String);
        assert_eq!(column(&["1", "2.5", "-3"]), Type::Float64);
        assert_eq!(column(&["9007199254740993", "2.5"]), Type::String);
        assert_eq!(column(&["2.5", "9007199254740993"]), Type::String);
        assert_eq!(column(&["1", "true"]), Type::String);
        assert_eq!(column(&["1.5", "1.50"]), Type::String);
        let (bare, millis) = ("2013-01-01T10:00:00Z", "2013-01-01T10:00:00.500Z");
        assert_eq!(column(&[bare, millis, bare]), Type::Timestamp);
        assert_eq!(column(&[bare, millis, "2013-01-01T10:00:00.000Z"]), Type::String);
    }

    proptest::proptest! {
        /// The text of what is read, in the way that connectors print it or in plain digits.
        #[test]
        fn no_number_loses_a_character(text in "[-+]?[0-9]{1,20}(\\.[0-9]{0,18})?([eE][0-9]{1,2})?") {
            match Guess::of(&text) {
                Guess::Whole { .. } => {
                    proptest::prop_assert_eq!(text.parse::<i64>().expect("whole").to_string(), text);
                }
                Guess::Double => {
                    let number: f64 = text.parse().expect("a number");
                    proptest::prop_assert!(
                        prints(number, &text) || java_double(number) == text,
                        "{text} became {number}"
                    );
                }
                other => proptest::prop_assert_eq!(other, Guess::Text),
            }
        }
    }
}
