//! What several runs say together.

/// The middle of some values; of an even number, the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// How far the values are apart, as a share of their median: 0 if all are the same.
pub(crate) fn spread(values: &[f64]) -> Option<f64> {
    let median = median(values)?;
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (median != 0.0).then(|| (most - least) / median.abs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_middle_of_odd_and_even_numbers_of_values() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(spread(&[9.0, 10.0, 12.0]), Some(0.3));
        assert_eq!((spread(&[]), spread(&[0.0])), (None, None));
    }

    proptest! {
        #[test]
        fn half_of_the_values_are_on_each_side_of_the_median(
            values in proptest::collection::vec(-1e6..1e6_f64, 1..40),
        ) {
            let middle = median(&values).expect("there are values");
            let below = values.iter().filter(|value| **value < middle).count();
            let above = values.iter().filter(|value| **value > middle).count();
            prop_assert!(below * 2 <= values.len() && above * 2 <= values.len());
            let mut turned = values;
            turned.reverse();
            prop_assert_eq!(median(&turned), Some(middle));
        }

        #[test]
        fn the_spread_does_not_depend_on_the_unit(
            values in proptest::collection::vec(1.0..1e6_f64, 1..20),
        ) {
            let spread_of = spread(&values).expect("there are values");
            let thousandths: Vec<f64> = values.iter().map(|value| value * 1000.0).collect();
            let other = spread(&thousandths).expect("there are values");
            prop_assert!(spread_of >= 0.0 && (spread_of - other).abs() < 1e-9);
        }
    }
}
