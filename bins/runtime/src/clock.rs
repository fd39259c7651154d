//! Time as a driver sees it: one clock that only runs forward, and the time of day.
//!
//! **Absent**: sleeping. A driver waits in its network, so that time and datagrams are one queue.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The clocks of one driver.
pub trait Clock {
    /// Time since an arbitrary moment; never goes back.
    fn now(&self) -> Duration;
    /// The time of day, since the beginning of 1970; for people to read.
    fn time_of_day(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Clone, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Clocks that count from now on.
    pub fn start() -> SystemClock {
        SystemClock { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn time_of_day(&self) -> Duration {
        // A machine whose clock is before 1970 says 0.
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}
