//! How long something takes, counted.
//!
//! **Invariant — bounded**: a histogram of fixed size, whatever is recorded.

use hdrhistogram::Histogram;
use std::time::Duration;

/// The longest time that is told from longer ones, in microseconds: an hour.
const MICROS_MAX: u64 = 3_600_000_000;

/// Times that were recorded.
#[derive(Clone, Debug)]
pub struct Durations {
    micros: Histogram<u64>,
    total: Duration,
}

impl Default for Durations {
    fn default() -> Self {
        let micros = Histogram::new_with_bounds(1, MICROS_MAX, 2);
        let micros = micros.expect("the bounds and digits are valid");
        Durations { micros, total: Duration::ZERO }
    }
}

impl Durations {
    /// Records a time.
    pub fn record(&mut self, duration: Duration) {
        self.micros.saturating_record(micros(duration));
        self.total += duration;
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.micros.len()
    }

    /// The sum of all.
    pub fn total(&self) -> Duration {
        self.total
    }

    /// The time that this share of all does not exceed, in microseconds.
    pub fn quantile_us(&self, share: f64) -> u64 {
        self.micros.value_at_quantile(share)
    }

    /// How many were at most so long.
    pub fn at_most(&self, bound: Duration) -> u64 {
        self.micros.count_between(0, micros(bound))
    }
}

/// A time in microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
