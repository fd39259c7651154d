//! How long syncs take.
//!
//! **Invariants**
//! - *A sync that has not ended is seen*: whoever looks is told for how long it has been running.
//! - *Bounded*: a histogram of fixed size, whatever is recorded.

use super::hook::SyncHook;
use hdrhistogram::Histogram;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest sync that is told from longer ones, in microseconds: an hour.
const SYNC_US_MAX: u64 = 3_600_000_000;
/// A sync that takes longer is worth a warning: a disk that is well takes a tenth of it.
pub const SLOW: Duration = Duration::from_millis(100);

/// Measures syncs. Clones measure together.
#[derive(Clone, Debug)]
pub struct SyncMeter(Arc<Mutex<Measurement>>);

#[derive(Debug)]
struct Measurement {
    micros: Histogram<u64>,
    total: Duration,
    last: Option<Duration>,
    running_since: Option<Instant>,
}

/// What a [`SyncMeter`] has measured since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct SyncTimes {
    /// Syncs that have ended.
    pub count: u64,
    /// The median, in microseconds.
    pub p50_us: u64,
    /// What 1% exceed, in microseconds.
    pub p99_us: u64,
    /// The last one, in microseconds.
    pub last_us: Option<u64>,
    /// How long the one that has not ended has been running, in microseconds.
    pub running_us: Option<u64>,
}

impl Default for SyncMeter {
    fn default() -> Self {
        let micros = Histogram::new_with_bounds(1, SYNC_US_MAX, 2);
        SyncMeter(Arc::new(Mutex::new(Measurement {
            micros: micros.expect("the bounds and digits are valid"),
            total: Duration::ZERO,
            last: None,
            running_since: None,
        })))
    }
}

impl SyncMeter {
    fn measured(&self) -> MutexGuard<'_, Measurement> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was measured.
    pub fn times(&self) -> SyncTimes {
        let measured = self.measured();
        SyncTimes {
            count: measured.micros.len(),
            p50_us: measured.micros.value_at_quantile(0.5),
            p99_us: measured.micros.value_at_quantile(0.99),
            last_us: measured.last.map(micros),
            running_us: measured.running_since.map(|since| micros(since.elapsed())),
        }
    }

    /// How many syncs took at most each of these times, how many there were, and how long all took.
    pub fn at_most(&self, bounds: &[Duration]) -> (Vec<u64>, u64, Duration) {
        let measured = self.measured();
        let count = |bound: &Duration| measured.micros.count_between(0, micros(*bound));
        (bounds.iter().map(count).collect(), measured.micros.len(), measured.total)
    }
}

impl SyncHook for SyncMeter {
    fn around(&self, sync: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        let started = Instant::now();
        self.measured().running_since = Some(started);
        let result = sync();
        let elapsed = started.elapsed();
        let mut measured = self.measured();
        measured.running_since = None;
        measured.micros.saturating_record(micros(elapsed));
        measured.total += elapsed;
        measured.last = Some(elapsed);
        drop(measured);
        if elapsed >= SLOW {
            tracing::warn!(millis = elapsed.as_millis() as u64, "a sync of the disk was slow");
        }
        result
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncs_are_counted_and_one_that_runs_is_seen() {
        let meter = SyncMeter::default();
        assert_eq!(meter.times(), SyncTimes::default());
        let pause = Duration::from_millis(5);
        for _ in 0..3 {
            meter
                .around(&mut || {
                    std::thread::sleep(pause);
                    assert!(meter.times().running_us >= Some(5000));
                    Ok(())
                })
                .unwrap();
        }
        let times = meter.times();
        assert_eq!((times.count, times.running_us), (3, None));
        assert!(
            times.p50_us >= 5000 && times.p99_us >= times.p50_us && times.last_us >= Some(5000)
        );
        let (counts, count, total) = meter.at_most(&[Duration::from_millis(1), Duration::MAX]);
        assert_eq!((counts, count), (vec![0, 3], 3));
        assert!(total >= 3 * pause);
    }

    #[test]
    fn a_failed_sync_stays_failed_and_is_measured() {
        let meter = SyncMeter::default();
        assert!(meter.around(&mut || Err(io::ErrorKind::StorageFull.into())).is_err());
        assert_eq!((meter.times().count, meter.times().running_us), (1, None));
    }
}
