//! Numbers.

use formats::{Decimal as Exact, Value};

use super::super::signature::{Call, Overload, Param, Returns, ScalarFunction, function, of};
use super::{double, int};
use crate::types::SqlType;
use crate::values::compare;
use Param::{A, Bigint, Decimal, Double, Integer};

const DOUBLE: Returns = Returns::Is(&SqlType::Double);
const INT: Returns = Returns::Is(&SqlType::Integer);
const BIGINT: Returns = Returns::Is(&SqlType::Bigint);

const fn varying(call: Call) -> Overload {
    Overload { parameters: &[A], variadic: true, returns: Returns::A, takes_nulls: true, call }
}

/// A function of one DOUBLE.
macro_rules! of_double {
    ($name:literal, $description:literal, $call:expr) => {
        function(
            $name,
            $description,
            &[of(&[Double], DOUBLE, |v| {
                let f: fn(f64) -> f64 = $call;
                Ok(Value::Float64(f(double(&v[0])?)))
            })],
        )
    };
}

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function(
        "ABS",
        "The distance from zero",
        &[
            of(&[Integer], INT, abs),
            of(&[Bigint], BIGINT, abs),
            of(&[Decimal], Returns::First, abs),
            of(&[Double], DOUBLE, abs),
        ],
    ),
    function(
        "CEIL",
        "The next whole number that is not less",
        &[
            of(&[Integer], INT, same_number),
            of(&[Bigint], BIGINT, same_number),
            of(&[Decimal], Returns::First, |v| to_whole(v, Cut::Up)),
            of(&[Double], DOUBLE, |v| Ok(Value::Float64(double(&v[0])?.ceil()))),
        ],
    ),
    function(
        "FLOOR",
        "The next whole number that is not greater",
        &[
            of(&[Integer], INT, same_number),
            of(&[Bigint], BIGINT, same_number),
            of(&[Decimal], Returns::First, |v| to_whole(v, Cut::Down)),
            of(&[Double], DOUBLE, |v| Ok(Value::Float64(double(&v[0])?.floor()))),
        ],
    ),
    function(
        "ROUND",
        "Rounds half up, to a number of places behind the point",
        &[
            of(&[Integer], BIGINT, widen),
            of(&[Bigint], BIGINT, same_number),
            of(&[Decimal], Returns::Custom(without_scale), |v| places(v, Cut::HalfUp)),
            of(&[Double], BIGINT, |v| Ok(Value::Int64(rounded(double(&v[0])?)))),
            of(&[Decimal, Integer], Returns::First, |v| places(v, Cut::HalfUp)),
            of(&[Double, Integer], DOUBLE, |v| double_places(v, Cut::HalfUp)),
        ],
    ),
    function(
        "TRUNC",
        "Cuts off, at a number of places behind the point",
        &[
            of(&[Integer], BIGINT, widen),
            of(&[Bigint], BIGINT, same_number),
            of(&[Decimal], Returns::Custom(without_scale), |v| places(v, Cut::Zero)),
            of(&[Double], BIGINT, |v| Ok(Value::Int64(double(&v[0])?.trunc() as i64))),
            of(&[Decimal, Integer], Returns::First, |v| places(v, Cut::Zero)),
            of(&[Double, Integer], DOUBLE, |v| double_places(v, Cut::Zero)),
        ],
    ),
    function(
        "SIGN",
        "-1, 0 or 1",
        &[of(&[Integer], INT, sign), of(&[Bigint], INT, sign), of(&[Double], INT, sign)],
    ),
    of_double!("EXP", "e to the power", f64::exp),
    of_double!("LN", "The natural logarithm", f64::ln),
    function(
        "LOG",
        "The natural logarithm, or the one to the base of the first argument",
        &[
            of(&[Double], DOUBLE, |v| Ok(Value::Float64(double(&v[0])?.ln()))),
            of(&[Double, Double], DOUBLE, log),
        ],
    ),
    of_double!("SQRT", "The square root", f64::sqrt),
    of_double!("CBRT", "The cube root", f64::cbrt),
    of_double!("ACOS", "The inverse cosine", f64::acos),
    of_double!("ASIN", "The inverse sine", f64::asin),
    of_double!("ATAN", "The inverse tangent", f64::atan),
    of_double!("COS", "The cosine", f64::cos),
    of_double!("COSH", "The hyperbolic cosine", f64::cosh),
    of_double!("COT", "The cotangent", |x| 1.0 / x.tan()),
    of_double!("SIN", "The sine", f64::sin),
    of_double!("SINH", "The hyperbolic sine", f64::sinh),
    of_double!("TAN", "The tangent", f64::tan),
    of_double!("TANH", "The hyperbolic tangent", f64::tanh),
    of_double!("DEGREES", "Radians in degrees", f64::to_degrees),
    of_double!("RADIANS", "Degrees in radians", f64::to_radians),
    function(
        "ATAN2",
        "The angle of the point (second, first)",
        &[of(&[Double, Double], DOUBLE, |v| {
            Ok(Value::Float64(double(&v[0])?.atan2(double(&v[1])?)))
        })],
    ),
    function(
        "POWER",
        "The first argument to the power of the second",
        &[of(&[Double, Double], DOUBLE, |v| {
            Ok(Value::Float64(power(double(&v[0])?, double(&v[1])?)))
        })],
    ),
    function(
        "PI",
        "The ratio of a circle's circumference to its diameter",
        &[of(&[], DOUBLE, |_| Ok(Value::Float64(std::f64::consts::PI)))],
    ),
    function(
        "RANDOM",
        "A random number from 0 (included) to 1 (excluded)",
        &[of(&[], DOUBLE, |_| Ok(Value::Float64(random())))],
    ),
    function("GREATEST", "The greatest argument that is not null", &[varying(greatest)]),
    function("LEAST", "The least argument that is not null", &[varying(least)]),
];

type Outcome = Result<Value, String>;

fn same_number(v: &[Value]) -> Outcome {
    Ok(v[0].clone())
}

fn widen(v: &[Value]) -> Outcome {
    Ok(Value::Int64(i64::from(int(&v[0])?)))
}

fn abs(v: &[Value]) -> Outcome {
    Ok(match &v[0] {
        Value::Int32(n) => Value::Int32(n.wrapping_abs()),
        Value::Int64(n) => Value::Int64(n.wrapping_abs()),
        Value::Decimal(d) => Value::Decimal(Exact { unscaled: d.unscaled.abs(), ..*d }),
        other => Value::Float64(double(other)?.abs()),
    })
}

fn sign(v: &[Value]) -> Outcome {
    Ok(Value::Int32(match &v[0] {
        Value::Int32(n) => n.signum(),
        Value::Int64(n) => n.signum() as i32,
        other => match double(other)? {
            n if n > 0.0 => 1,
            n if n < 0.0 => -1,
            _ => 0,
        },
    }))
}

fn log(v: &[Value]) -> Outcome {
    let (base, value) = (double(&v[0])?, double(&v[1])?);
    if base <= 0.0 || base == 1.0 {
        return Ok(Value::Float64(f64::NAN));
    }
    Ok(Value::Float64(value.ln() / base.ln()))
}

#[derive(Clone, Copy)]
enum Cut {
    Up,
    Down,
    Zero,
    HalfUp,
}

/// `number` divided by ten to the `digits`, as a whole number.
fn cut(number: i128, digits: u32, how: Cut) -> Option<i128> {
    let divisor = 10i128.checked_pow(digits)?;
    let (whole, rest) = (number.div_euclid(divisor), number.rem_euclid(divisor));
    Some(match how {
        Cut::Down => whole,
        Cut::Up => whole + i128::from(rest > 0),
        Cut::Zero => number / divisor,
        Cut::HalfUp => whole + i128::from(rest >= divisor - divisor / 2 && divisor > 1),
    })
}

fn exact(value: &Value) -> Result<Exact, String> {
    match value {
        Value::Decimal(d) => Ok(*d),
        other => Err(format!("expected a DECIMAL, found {}", other.kind())),
    }
}

fn to_whole(v: &[Value], how: Cut) -> Outcome {
    let number = exact(&v[0])?;
    at_places(number, 0, how, number.scale)
}

fn without_scale(types: &[SqlType]) -> SqlType {
    match types.first() {
        Some(SqlType::Decimal { precision, scale }) => {
            SqlType::decimal(precision.saturating_sub(*scale).max(1), 0)
        }
        _ => SqlType::Bigint,
    }
}

fn places(v: &[Value], how: Cut) -> Outcome {
    let number = exact(&v[0])?;
    match v.get(1) {
        Some(digits) => at_places(number, int(digits)?, how, number.scale),
        None => at_places(number, 0, how, 0),
    }
}

/// Cuts behind `digits` places, and gives the result `scale` places.
fn at_places(number: Exact, digits: i32, how: Cut, scale: u8) -> Outcome {
    let overflow = || "Numeric field overflow".to_owned();
    let cut_digits = i32::from(number.scale) - digits;
    let unscaled = match u32::try_from(cut_digits) {
        Ok(n) if n > 0 => {
            let kept = cut(number.unscaled, n, how).ok_or_else(overflow)?;
            let factor = 10i128.checked_pow(n).ok_or_else(overflow)?;
            kept.checked_mul(factor).ok_or_else(overflow)?
        }
        _ => number.unscaled,
    };
    let rounded = Exact { unscaled, scale: number.scale };
    rounded.fit(38, scale).map(Value::Decimal).ok_or_else(overflow)
}

/// As Java's `Math.round`: half up, and the nearest BIGINT of what is too large.
fn rounded(number: f64) -> i64 {
    let down = number.floor();
    // The distance is exact, where adding one half would round.
    let up = if number - down >= 0.5 { 1.0 } else { 0.0 };
    (down + up) as i64
}

/// As Java's `Math.pow`, which has no number where C has 1.
fn power(base: f64, exponent: f64) -> f64 {
    if exponent.is_nan() || (base.abs() == 1.0 && exponent.is_infinite()) {
        return f64::NAN;
    }
    base.powf(exponent)
}

/// Cuts the shortest digits of a DOUBLE behind `digits` places.
fn double_places(v: &[Value], how: Cut) -> Outcome {
    let (number, digits) = (double(&v[0])?, i64::from(int(&v[1])?));
    if !number.is_finite() {
        return Err(format!("{} has no decimal places", formats::java_double(number)));
    }
    let shortest = format!("{number:e}");
    let unreadable = || format!("{shortest} is not a number");
    let (mantissa, exponent) = shortest.split_once('e').ok_or_else(unreadable)?;
    let exact = Exact::parse(mantissa).ok_or_else(unreadable)?;
    let exponent: i64 = exponent.parse().map_err(|_| unreadable())?;
    // How many of the digits stand behind the wanted places.
    let behind = i64::from(exact.scale) - exponent - digits;
    let Some(behind) = u32::try_from(behind).ok().filter(|behind| *behind > 0) else {
        return Ok(Value::Float64(number));
    };
    // More places than digits, by far: nothing is left, nor rounded up.
    let kept = cut(exact.unscaled, behind.min(30), how).unwrap_or(0);
    let text = format!("{kept}e{}", -digits);
    text.parse().map(Value::Float64).map_err(|_| unreadable())
}

fn random() -> f64 {
    (uuid::Uuid::new_v4().as_u128() >> 75) as f64 / (1u64 << 53) as f64
}

fn greatest(v: &[Value]) -> Outcome {
    Ok(extreme(v, std::cmp::Ordering::Greater))
}

fn least(v: &[Value]) -> Outcome {
    Ok(extreme(v, std::cmp::Ordering::Less))
}

fn extreme(v: &[Value], wanted: std::cmp::Ordering) -> Value {
    let mut best = &Value::Null;
    for value in v.iter().filter(|v| !v.is_null()) {
        if best.is_null() || compare(value, best) == Some(wanted) {
            best = value;
        }
    }
    best.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_rounded_half_up_and_no_further() {
        for (number, expected) in [
            (0.5, 1),
            (-0.5, 0),
            (-1.5, -1),
            (-1.7, -2),
            (0.499_999_999_999_999_94, 0),
            (4_503_599_627_370_497.0, 4_503_599_627_370_497),
            (1e300, i64::MAX),
            (f64::NEG_INFINITY, i64::MIN),
            (f64::NAN, 0),
        ] {
            assert_eq!(rounded(number), expected, "{number}");
        }
    }

    #[test]
    fn places_are_those_of_the_shortest_digits() {
        let places = |number: f64, digits, how| {
            double_places(&[Value::Float64(number), Value::Int32(digits)], how)
        };
        for (number, digits, half_up, cut) in [
            (1.005, 2, 1.01, 1.0),
            (-12_345.678, -2, -12_300.0, -12_300.0),
            (-1.25, 1, -1.2, -1.2),
            (1e300, 2, 1e300, 1e300),
            (1e-300, 2, 0.0, 0.0),
            (9.99, 1, 10.0, 9.9),
            (55.0, -2, 100.0, 0.0),
            (1.5, 400, 1.5, 1.5),
            (1.5, i32::MIN, 0.0, 0.0),
        ] {
            let found = [places(number, digits, Cut::HalfUp), places(number, digits, Cut::Zero)];
            let expected = [Ok(Value::Float64(half_up)), Ok(Value::Float64(cut))];
            assert_eq!(found, expected, "{number} at {digits}");
        }
        assert_eq!(places(f64::NAN, 1, Cut::Zero), Err("NaN has no decimal places".to_owned()));
    }

    #[test]
    fn powers_without_a_number_are_none() {
        assert!(power(1.0, f64::INFINITY).is_nan() && power(-1.0, f64::NEG_INFINITY).is_nan());
        assert!(power(1.0, f64::NAN).is_nan());
        assert_eq!((power(f64::NAN, 0.0), power(2.0, -1.0), power(0.0, -1.0)), {
            (1.0, 0.5, f64::INFINITY)
        });
    }
}
