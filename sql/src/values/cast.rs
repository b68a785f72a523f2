//! CAST, and the coercions that need no CAST, value by value.

use formats::{Decimal, Value};

use super::text::{parse_date, parse_time, parse_timestamp, shown};
use crate::types::SqlType;

/// Whether CAST knows the way from one type to the other.
pub(crate) fn can_cast(from: &SqlType, to: &SqlType) -> bool {
    use SqlType::{Array, Boolean, Bytes, Date, Map, String, Struct, Time, Timestamp};
    match (from, to) {
        _ if from == to => true,
        (_, String) => *from != Bytes,
        (String, Boolean | Bytes | Timestamp | Date | Time) => true,
        (String, to) => to.is_numeric(),
        (Timestamp, Date | Time) | (Date, Timestamp) => true,
        (Array(a), Array(b)) => can_cast(a, b),
        (Map(k, v), Map(l, w)) => can_cast(k, l) && can_cast(v, w),
        (Struct(a), Struct(b)) => b.iter().all(|(name, ty)| {
            a.iter().find(|(n, _)| n == name).is_none_or(|(_, from)| can_cast(from, ty))
        }),
        _ => from.is_numeric() && to.is_numeric(),
    }
}

/// The value in another type, or why it has none. Null stays null.
pub(crate) fn cast(value: &Value, from: &SqlType, to: &SqlType) -> Result<Value, String> {
    if value.is_null() || from == to {
        return Ok(value.clone());
    }
    let missing = || format!("Cast of {from} to {to} is not supported");
    match (value, to) {
        (_, SqlType::String) => Ok(Value::String(shown(value, from))),
        (Value::String(text), _) => from_text(text, to).unwrap_or_else(|| Err(missing())),
        (Value::Timestamp(ms), SqlType::Date) => {
            let days = i32::try_from(ms.div_euclid(86_400_000));
            days.map(Value::Date).map_err(|_| "the timestamp is too far away".to_owned())
        }
        (Value::Timestamp(ms), SqlType::Time) => {
            let time = i32::try_from(ms.rem_euclid(86_400_000));
            time.map(Value::Time).map_err(|_| missing())
        }
        (Value::Date(days), SqlType::Timestamp) => {
            Ok(Value::Timestamp(i64::from(*days) * 86_400_000))
        }
        (Value::Array(items), SqlType::Array(item)) => {
            let SqlType::Array(from) = from else { return Err(missing()) };
            let items = items.iter().map(|v| cast(v, from, item)).collect::<Result<_, _>>()?;
            Ok(Value::Array(items))
        }
        (Value::Map(entries), SqlType::Map(key, item)) => {
            let SqlType::Map(from_key, from) = from else { return Err(missing()) };
            let pair =
                |(k, v): &(Value, Value)| Ok((cast(k, from_key, key)?, cast(v, from, item)?));
            Ok(Value::Map(entries.iter().map(pair).collect::<Result<_, String>>()?))
        }
        (Value::Struct(members), SqlType::Struct(fields)) => {
            let SqlType::Struct(from) = from else { return Err(missing()) };
            cast_struct(members, from, fields)
        }
        _ => number(value, to).unwrap_or_else(|| Err(missing())),
    }
}

fn cast_struct(
    members: &[Value],
    from: &[(String, SqlType)],
    to: &[(String, SqlType)],
) -> Result<Value, String> {
    let member =
        |(name, ty): &(String, SqlType)| match from.iter().position(|(known, _)| known == name) {
            Some(at) => cast(members.get(at).unwrap_or(&Value::Null), &from[at].1, ty),
            None => Ok(Value::Null),
        };
    Ok(Value::Struct(to.iter().map(member).collect::<Result<_, _>>()?))
}

fn number(value: &Value, to: &SqlType) -> Option<Result<Value, String>> {
    let out_of_range = || format!("{} is out of the range of {to}", shown(value, to));
    let whole = |n: i128| -> Result<Value, String> {
        match to {
            SqlType::Integer => Ok(Value::Int32(n as i32)),
            _ => Ok(Value::Int64(n as i64)),
        }
    };
    Some(match (value, to) {
        (Value::Int32(n), SqlType::Integer | SqlType::Bigint) => whole(i128::from(*n)),
        (Value::Int64(n), SqlType::Integer | SqlType::Bigint) => whole(i128::from(*n)),
        (Value::Float64(n), SqlType::Integer) => Ok(Value::Int32(*n as i32)),
        (Value::Float64(n), SqlType::Bigint) => Ok(Value::Int64(*n as i64)),
        (Value::Decimal(d), SqlType::Integer | SqlType::Bigint) => {
            let divisor = 10i128.checked_pow(u32::from(d.scale)).unwrap_or(i128::MAX);
            whole(d.unscaled / divisor)
        }
        (Value::Int32(n), SqlType::Double) => Ok(Value::Float64(f64::from(*n))),
        (Value::Int64(n), SqlType::Double) => Ok(Value::Float64(*n as f64)),
        (Value::Decimal(d), SqlType::Double) => {
            d.to_string().parse().map(Value::Float64).map_err(|_| out_of_range())
        }
        (Value::Int32(n), SqlType::Decimal { .. }) => {
            fitted(Decimal { unscaled: i128::from(*n), scale: 0 }, to)
        }
        (Value::Int64(n), SqlType::Decimal { .. }) => {
            fitted(Decimal { unscaled: i128::from(*n), scale: 0 }, to)
        }
        (Value::Decimal(d), SqlType::Decimal { .. }) => fitted(*d, to),
        (Value::Float64(n), SqlType::Decimal { .. }) => {
            Decimal::parse(&format!("{n:e}")).map_or_else(|| Err(out_of_range()), |d| fitted(d, to))
        }
        _ => return None,
    })
}

fn fitted(decimal: Decimal, to: &SqlType) -> Result<Value, String> {
    let SqlType::Decimal { precision, scale } = to else {
        return Err(format!("{to} is not a DECIMAL"));
    };
    decimal
        .fit(*precision, *scale)
        .map(Value::Decimal)
        .ok_or_else(|| format!("Numeric field overflow: {decimal} does not fit {to}"))
}

fn from_text(text: &str, to: &SqlType) -> Option<Result<Value, String>> {
    let bad = || format!("Cannot cast '{text}' to {to}.");
    let trimmed = text.trim();
    Some(match to {
        SqlType::Boolean => Ok(Value::Boolean(exact_boolean(trimmed) == Some(true))),
        SqlType::Integer => trimmed.parse().map(Value::Int32).map_err(|_| bad()),
        SqlType::Bigint => trimmed.parse().map(Value::Int64).map_err(|_| bad()),
        SqlType::Double => formats::parse_double(trimmed)
            .filter(|n| n.is_finite())
            .map(Value::Float64)
            .ok_or_else(bad),
        SqlType::Bytes => {
            use base64::Engine as _;
            let decoded = base64::engine::general_purpose::STANDARD.decode(trimmed);
            decoded.map(|bytes| Value::Bytes(bytes.into())).map_err(|_| bad())
        }
        SqlType::Decimal { .. } => {
            text_number(trimmed).map_or_else(|| Err(bad()), |d| fitted(d, to))
        }
        SqlType::Timestamp => parse_timestamp(trimmed).map(Value::Timestamp),
        SqlType::Date => parse_date(trimmed).map(Value::Date),
        SqlType::Time => parse_time(trimmed).map(Value::Time),
        _ => return None,
    })
}

fn text_number(text: &str) -> Option<Decimal> {
    Decimal::parse(text)
}

/// The BOOLEAN that a text names: `true`, `yes`, `false`, `no`, or the beginning of one of them, in
/// any case. Digits name none.
pub(crate) fn exact_boolean(text: &str) -> Option<bool> {
    let lower = text.to_lowercase();
    let begins = |words: [&str; 2]| words.iter().any(|word| word.starts_with(&lower));
    if lower.is_empty() {
        None
    } else if begins(["true", "yes"]) {
        Some(true)
    } else if begins(["false", "no"]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: Value, from: SqlType, to: SqlType, expected: Result<&str, &str>) {
        let found = cast(&value, &from, &to).map(|v| shown(&v, &to));
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{value:?} -> {to}");
    }

    #[test]
    fn numbers_are_cut_and_decimals_rounded() {
        let decimal = SqlType::decimal(2, 1);
        check(Value::Float64(-1.9), SqlType::Double, SqlType::Integer, Ok("-1"));
        check(Value::Float64(0.99), SqlType::Double, decimal.clone(), Ok("1.0"));
        let overflow = "Numeric field overflow: 10 does not fit DECIMAL(2, 1)";
        check(Value::Int32(10), SqlType::Integer, decimal, Err(overflow));
    }

    #[test]
    fn texts_become_numbers_booleans_and_times() {
        let text = |s: &str| Value::String(s.into());
        check(text(" 12 "), SqlType::String, SqlType::Bigint, Ok("12"));
        check(text("x"), SqlType::String, SqlType::Integer, Err("Cannot cast 'x' to INTEGER."));
        check(text("tR"), SqlType::String, SqlType::Boolean, Ok("true"));
        for no in ["no", "f", "", "1", "on", "truee"] {
            check(text(no), SqlType::String, SqlType::Boolean, Ok("false"));
        }
        assert_eq!(["Y", "n", "FALSE", "1", "0", "on", ""].map(exact_boolean), {
            [Some(true), Some(false), Some(false), None, None, None, None]
        });
        check(text("+7"), SqlType::String, SqlType::Integer, Ok("7"));
        let bad = "Cannot cast '1.5' to INTEGER.";
        check(text("1.5"), SqlType::String, SqlType::Integer, Err(bad));
        let bad = "Cannot cast '2147483648' to INTEGER.";
        check(text("2147483648"), SqlType::String, SqlType::Integer, Err(bad));
        for none in ["NaN", "Infinity", "inf", "1e999", "0x", ""] {
            assert!(cast(&text(none), &SqlType::String, &SqlType::Double).is_err(), "{none}");
        }
        check(text(" 1.5d "), SqlType::String, SqlType::Double, Ok("1.5"));
        check(text("AP8="), SqlType::String, SqlType::Bytes, Ok("AP8="));
        let stamp = "2022-04-28T21:44:47.943";
        check(text(stamp), SqlType::String, SqlType::Timestamp, Ok(stamp));
        let east = "2022-04-28T21:44:47+01:00";
        check(text(east), SqlType::String, SqlType::Timestamp, Ok("2022-04-28T20:44:47.000"));
        for zone in ["+0199999999999999999", "+99:00", "+01:75", "-"] {
            let odd = format!("2022-04-28T21:44:47{zone}");
            assert!(cast(&text(&odd), &SqlType::String, &SqlType::Timestamp).is_err(), "{odd}");
        }
        check(text("12:30"), SqlType::String, SqlType::Time, Ok("12:30"));
        check(text("1970-01-03"), SqlType::String, SqlType::Date, Ok("1970-01-03"));
    }

    #[test]
    fn nested_values_are_cast_inside() {
        let from = SqlType::Array(Box::new(SqlType::Bigint));
        let to = SqlType::Array(Box::new(SqlType::String));
        assert!(can_cast(&from, &to));
        check(Value::Array(vec![Value::Int64(1)]), from, to, Ok("[1]"));
        assert!(!can_cast(&SqlType::String, &SqlType::Array(Box::new(SqlType::Integer))));
    }
}
