//! Measured values, and what is said of them.

use std::time::Duration;

/// Values of one kind, in the order in which they were measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// In milliseconds.
    pub(crate) fn push_time(&mut self, time: Duration) {
        self.push(time.as_secs_f64() * 1e3);
    }

    pub(crate) fn extend(&mut self, other: Samples) {
        self.0.extend(other.0);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The middle one, or the mean of the two in the middle; NaN of none.
    pub(crate) fn median(&self) -> f64 {
        let (low, high) = (self.at((self.count().max(1) - 1) / 2), self.at(self.count() / 2));
        f64::midpoint(low, high)
    }

    /// The smallest that is not below so many percent of all; NaN of none.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.count() * percent).div_ceil(100);
        self.at(rank.max(1) - 1)
    }

    fn at(&self, index: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        Samples(values.to_vec())
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(samples(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(samples(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert!(samples(&[]).median().is_nan());
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(samples(&hundred).percentile(99), 99.0);
        assert_eq!(samples(&[7.0]).percentile(99), 7.0);
        assert!(samples(&[]).percentile(99).is_nan());
    }
}
