//! Latencies of many records in little memory: counts by size class, exact to about one percent.

/// A histogram of whole microseconds: 128 classes for each power of two.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    counts: Vec<u64>,
    count: u64,
    total_us: u128,
    most_us: u64,
}

const PRECISION_BITS: u32 = 7;

impl Latencies {
    pub(crate) fn new() -> Self {
        let classes = usize::try_from(64 - PRECISION_BITS).expect("a small number") + 1;
        Self { counts: vec![0; classes << PRECISION_BITS], count: 0, total_us: 0, most_us: 0 }
    }

    pub(crate) fn add(&mut self, us: u64) {
        self.counts[class(us)] += 1;
        self.count += 1;
        self.total_us += u128::from(us);
        self.most_us = self.most_us.max(us);
    }

    /// Adds what another histogram has counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.total_us += other.total_us;
        self.most_us = self.most_us.max(other.most_us);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn mean_ms(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.total_us as f64 / self.count as f64 / 1000.0 }
    }

    pub(crate) fn most_ms(&self) -> f64 {
        self.most_us as f64 / 1000.0
    }

    /// The latency in milliseconds that a share of the records, 0 to 1, did not exceed.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let rank = (share * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_bound(class).min(self.most_us) as f64 / 1000.0;
            }
        }
        self.most_ms()
    }
}

fn class(us: u64) -> usize {
    let magnitude = (64 - us.leading_zeros()).saturating_sub(PRECISION_BITS);
    let within = us >> magnitude;
    ((magnitude as usize) << PRECISION_BITS) + within as usize
}

/// The largest number of a class.
fn upper_bound(class: usize) -> u64 {
    let magnitude = class >> PRECISION_BITS;
    let within = (class & ((1 << PRECISION_BITS) - 1)) as u64;
    ((within + 1) << magnitude) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quantile_is_that_of_the_sorted_values_to_a_percent(
            mut values in proptest::collection::vec(0_u64..100_000_000, 1..300),
            share in 0.0..=1.0_f64,
            cut in 0_usize..300,
        ) {
            // Counted in two histograms that are merged, as by two threads.
            let (mut latencies, mut other) = (Latencies::new(), Latencies::new());
            for (index, us) in values.iter().enumerate() {
                if index < cut { latencies.add(*us) } else { other.add(*us) }
            }
            latencies.merge(&other);
            prop_assert_eq!(latencies.count(), values.len() as u64);
            values.sort_unstable();
            let rank = ((share * values.len() as f64).ceil() as usize).max(1);
            let exact = values[rank - 1] as f64 / 1000.0;
            let found = latencies.quantile_ms(share);
            prop_assert!(found >= exact && found <= exact * 1.02 + 0.001, "{} {}", found, exact);
        }
    }

    #[test]
    fn quantiles_are_exact_to_a_percent() {
        let mut latencies = Latencies::new();
        (1..=100_000).for_each(|us| latencies.add(us));
        for (share, expected) in [(0.5, 50.0), (0.95, 95.0), (0.999, 99.9)] {
            let found = latencies.quantile_ms(share);
            assert!((found - expected).abs() <= expected * 0.02, "{share}: {found}");
        }
        assert_eq!(latencies.most_ms(), 100.0);
        assert_eq!(latencies.count(), 100_000);
        assert!((latencies.mean_ms() - 50.0005).abs() < 1e-9);
    }

    #[test]
    fn a_number_lies_within_its_class() {
        for us in [0, 1, 127, 128, 129, 255, 256, 1_000_003, u64::MAX / 2] {
            let class = class(us);
            assert!(us <= upper_bound(class), "{us}");
            assert!(class == 0 || upper_bound(class - 1) < us || us < 128, "{us}");
        }
    }
}
