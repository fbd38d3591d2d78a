//! What people are shown of how builds went over time.

use super::BUILDS_MAX;
use crate::access::{self, Caller};
use crate::error::Error;
use crate::farm::Farm;
use crate::port::{BuildFilter, MeasuredBuild};
use ropewalk_model::grant::Mode;
use ropewalk_model::nix::Metric;
use ropewalk_model::time::Time;
use std::time::Duration;

/// Hours or days of one count, whatever was asked for.
pub const PERIODS_MAX: u32 = 100;

impl Farm {
    /// Values of a metric of a job, oldest first.
    pub async fn metric_history(
        &self,
        by: &Caller,
        filter: &BuildFilter,
        metric: &str,
    ) -> Result<Vec<(i64, Time, Metric)>, Error> {
        access::projects(by, Mode::Ro)?;
        Ok(self.store.metric_history(filter, metric, BUILDS_MAX).await?)
    }

    /// The newest builds and what they took, oldest first.
    pub async fn measured_nix_builds(
        &self,
        by: &Caller,
        filter: &BuildFilter,
    ) -> Result<Vec<MeasuredBuild>, Error> {
        access::projects(by, Mode::Ro)?;
        Ok(self.store.measured_builds(filter, BUILDS_MAX).await?)
    }

    /// How many builds were made in each of the last periods, at most [`PERIODS_MAX`], oldest first. Periods begin at
    /// whole multiples of their length since 1970; the last one is not over.
    pub async fn count_nix_builds(
        &self,
        by: &Caller,
        filter: &BuildFilter,
        period: Duration,
        number: u32,
    ) -> Result<Vec<u64>, Error> {
        access::projects(by, Mode::Ro)?;
        let number = number.min(PERIODS_MAX);
        let Some(earlier) = number.checked_sub(1) else { return Ok(vec![]) };
        let from = begin(self.clock.now(), period).minus(period.saturating_mul(earlier));
        let counts = self.store.count_builds(filter, from, period).await?;
        let of = |period: u32| counts.get(&i64::from(period)).copied().unwrap_or(0);
        Ok((0..number).map(of).collect())
    }
}

/// When the period began in which a time lies.
fn begin(now: Time, period: Duration) -> Time {
    let width = i64::try_from(period.as_micros()).unwrap_or(i64::MAX).max(1);
    Time(now.0 - now.0.rem_euclid(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_begins_at_a_multiple_of_its_length() {
        let hour = Duration::from_secs(3600);
        for (now, begun) in [(0, 0), (3_599_999_999, 0), (3_600_000_000, 3_600_000_000)] {
            assert_eq!(begin(Time(now), hour), Time(begun), "{now}");
        }
        assert_eq!(begin(Time(5), Duration::ZERO), Time(5));
    }
}
