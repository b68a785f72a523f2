//! Values: from text to the type of their key and back, with Kafka's words for what is wrong.

use thiserror::Error;

use super::key::{Check, Key, Kind};

/// A value of its key's type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Boolean(bool),
    /// Int, short and long.
    Number(i64),
    Double(f64),
    /// String, class and password.
    Text(String),
    List(Vec<String>),
}

/// Why a text is no value of a key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ValueError {
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    Invalid { name: &'static str, value: String, reason: String },
    #[error("Configuration '{name}' values must not be duplicated.")]
    Duplicate { name: &'static str },
}

impl Value {
    /// The text as Kafka shows it: numbers without signs and zeros of style, lists without blanks.
    pub fn to_text(&self) -> String {
        match self {
            Value::Boolean(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Double(number) => java_double(*number),
            Value::Text(text) => text.clone(),
            Value::List(items) => items.join(","),
        }
    }
}

impl Key {
    /// Reads a value and holds it against the key's check.
    pub fn parse(&self, text: &str) -> Result<Value, ValueError> {
        let value = self.read(text)?;
        self.check(&value, text)?;
        Ok(value)
    }

    /// The default, read. A null default has no value.
    pub fn default_value(&self) -> Option<Value> {
        self.default.and_then(|text| self.read(text).ok())
    }

    /// The text in the form that Kafka shows; a text that is no value stays as it is.
    pub fn normalise(&self, text: &str) -> String {
        self.read(text).map_or_else(|_| text.to_owned(), |value| value.to_text())
    }

    fn invalid(&self, text: &str, reason: impl Into<String>) -> ValueError {
        let value = if self.is_sensitive() { "[hidden]" } else { text };
        ValueError::Invalid { name: self.name, value: value.to_owned(), reason: reason.into() }
    }

    fn read(&self, text: &str) -> Result<Value, ValueError> {
        let trimmed = text.trim();
        match self.kind {
            Kind::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
            Kind::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
            Kind::Boolean => Err(self.invalid(text, "Expected value to be either true or false")),
            Kind::Int => self.number(text, i64::from(i32::MIN), i64::from(i32::MAX)),
            Kind::Short => self.number(text, i64::from(i16::MIN), i64::from(i16::MAX)),
            Kind::Long => self.number(text, i64::MIN, i64::MAX),
            Kind::Double => match trimmed.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Value::Double(number)),
                _ => Err(self.not_a_number(text)),
            },
            Kind::List => Ok(Value::List(items(trimmed))),
            Kind::String | Kind::Class | Kind::Password => Ok(Value::Text(trimmed.to_owned())),
        }
    }

    fn number(&self, text: &str, least: i64, most: i64) -> Result<Value, ValueError> {
        match text.trim().parse::<i64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(Value::Number(number)),
            _ => Err(self.not_a_number(text)),
        }
    }

    fn not_a_number(&self, text: &str) -> ValueError {
        self.invalid(text, format!("Not a number of type {}", self.kind.name()))
    }

    fn check(&self, value: &Value, text: &str) -> Result<(), ValueError> {
        let refuse = |reason: String| Err(self.invalid(text.trim(), reason));
        match self.check {
            Check::Any => Ok(()),
            Check::AtLeast(least) if below(value, least) => {
                refuse(format!("Value must be at least {least}"))
            }
            Check::Between(least, _) if below(value, least) => {
                refuse(format!("Value must be at least {least}"))
            }
            Check::Between(_, most) if above(value, most) => {
                refuse(format!("Value must be no more than {most}"))
            }
            Check::BetweenOr(least, most, other)
                if (below(value, least) || above(value, most))
                    && *value != Value::Number(other) =>
            {
                refuse(format!("Value must be between {least} and {most}, or {other}"))
            }
            Check::AtLeast(_) | Check::Between(..) | Check::BetweenOr(..) => Ok(()),
            Check::OneOf(allowed) => match value {
                Value::Text(text) if !allowed.contains(&text.as_str()) => {
                    refuse(format!("String must be one of: {}", allowed.join(", ")))
                }
                _ => Ok(()),
            },
            Check::OneOfAnyCase(allowed) => match value {
                Value::Text(text) if !allowed.iter().any(|one| one.eq_ignore_ascii_case(text)) => {
                    refuse(format!(
                        "String must be one of (case insensitive): {}",
                        allowed.join(", ")
                    ))
                }
                _ => Ok(()),
            },
            Check::EachOf(allowed) => self.each_of(value, allowed),
            Check::NonEmpty if value.to_text().is_empty() => {
                refuse("String must be non-empty".to_owned())
            }
            Check::NonEmpty => Ok(()),
            Check::ThrottledReplicas if !is_throttle(value) => refuse(
                "Must be the literal '*' or a list of replicas in the following format: \
                 [partitionId]:[brokerId],[partitionId]:[brokerId],..."
                    .to_owned(),
            ),
            Check::ThrottledReplicas => Ok(()),
            Check::OffsetReset if !is_offset_reset(&value.to_text()) => refuse(
                "Must be one of latest, earliest or by_duration:PnDTnHnMn.nS without a sign"
                    .to_owned(),
            ),
            Check::OffsetReset => Ok(()),
        }
    }

    fn each_of(&self, value: &Value, allowed: &[&str]) -> Result<(), ValueError> {
        let Value::List(items) = value else { return Ok(()) };
        for (place, item) in items.iter().enumerate() {
            if !allowed.contains(&item.as_str()) {
                let reason = format!("String must be one of: {}", allowed.join(", "));
                return Err(self.invalid(item, reason));
            }
            if items[..place].contains(item) {
                return Err(ValueError::Duplicate { name: self.name });
            }
        }
        Ok(())
    }
}

/// The items of a list value: commas between, blanks around them not counted.
pub fn items(text: &str) -> Vec<String> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Vec::new();
    }
    trimmed.split(',').map(|item| item.trim().to_owned()).collect()
}

fn below(value: &Value, least: i64) -> bool {
    match value {
        Value::Number(number) => *number < least,
        Value::Double(number) => *number < least as f64,
        _ => false,
    }
}

fn above(value: &Value, most: i64) -> bool {
    match value {
        Value::Number(number) => *number > most,
        Value::Double(number) => *number > most as f64,
        _ => false,
    }
}

fn is_throttle(value: &Value) -> bool {
    let Value::List(items) = value else { return true };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    items.iter().map(String::as_str).eq(["*"])
        || items.iter().all(|item| {
            item.split_once(':').is_some_and(|(left, right)| digits(left) && digits(right))
        })
}

fn is_offset_reset(text: &str) -> bool {
    let Some(duration) = text.strip_prefix("by_duration:") else {
        return matches!(text, "latest" | "earliest");
    };
    let Some(rest) = duration.strip_prefix('P') else { return false };
    let (days, time) = rest.split_once('T').map_or((rest, None), |(d, t)| (d, Some(t)));
    let days_hold = days.is_empty() || units(days, "D");
    let time_holds = time.is_none_or(|time| !time.is_empty() && units(time, "HMS"));
    days_hold && time_holds && !(days.is_empty() && time.is_none())
}

/// Whether the text is numbers each followed by one of the units, in their order; a fraction only
/// before `S`.
fn units(text: &str, names: &str) -> bool {
    let mut left = names;
    let mut rest = text;
    while !rest.is_empty() {
        let Some(end) = rest.find(|c: char| !c.is_ascii_digit() && c != '.') else { return false };
        let (number, unit) = (&rest[..end], &rest[end..end + 1]);
        let Some(place) = left.find(unit) else { return false };
        if number.parse::<f64>().is_err() || (number.contains('.') && unit != "S") {
            return false;
        }
        left = &left[place + 1..];
        rest = &rest[end + 1..];
    }
    true
}

/// A double as Java prints it: plain between 0.001 and 10 million, else with an exponent.
fn java_double(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => text,
    }
}
