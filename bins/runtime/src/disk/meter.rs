//! How long syncs take.
//!
//! **Invariants**
//! - *A sync that has not ended is seen*: whoever looks is told for how long it has been running.

use super::hook::SyncHook;
use crate::durations::{Durations, micros};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A sync that takes longer is worth a warning: a disk that is well takes a tenth of it.
pub const SLOW: Duration = Duration::from_millis(100);

/// Measures syncs. Clones measure together.
#[derive(Clone, Debug, Default)]
pub struct SyncMeter(Arc<Mutex<Measurement>>);

#[derive(Debug, Default)]
struct Measurement {
    ended: Durations,
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

impl SyncMeter {
    fn measured(&self) -> MutexGuard<'_, Measurement> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was measured.
    pub fn times(&self) -> SyncTimes {
        let measured = self.measured();
        SyncTimes {
            count: measured.ended.count(),
            p50_us: measured.ended.quantile_us(0.5),
            p99_us: measured.ended.quantile_us(0.99),
            last_us: measured.last.map(micros),
            running_us: measured.running_since.map(|since| micros(since.elapsed())),
        }
    }

    /// How long those took that have ended.
    pub fn ended(&self) -> Durations {
        self.measured().ended.clone()
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
        measured.ended.record(elapsed);
        measured.last = Some(elapsed);
        drop(measured);
        if elapsed >= SLOW {
            tracing::warn!(millis = elapsed.as_millis() as u64, "a sync of the disk was slow");
        }
        result
    }
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
        let ended = meter.ended();
        let at_most = [Duration::from_millis(1), Duration::MAX].map(|bound| ended.at_most(bound));
        assert_eq!((at_most, ended.count()), ([0, 3], 3));
        assert!(ended.total() >= 3 * pause);
    }

    #[test]
    fn a_failed_sync_stays_failed_and_is_measured() {
        let meter = SyncMeter::default();
        assert!(meter.around(&mut || Err(io::ErrorKind::StorageFull.into())).is_err());
        assert_eq!((meter.times().count, meter.times().running_us), (1, None));
    }
}
