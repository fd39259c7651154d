//! Time as a driver sees it: one clock that only runs forward, and the time of day.
//!
//! **Absent**: sleeping. A driver waits in its network, so that time and datagrams are one queue.

use paxos_chat::types::Timestamp;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The clocks of one driver.
pub trait Clock {
    /// Time since an arbitrary moment; never goes back.
    fn now(&self) -> Duration;
    /// The time of day, for people to read.
    fn timestamp(&self) -> Timestamp;
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

    fn timestamp(&self) -> Timestamp {
        // A machine whose clock is before 1970 stamps 0: the stamp is for people only.
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }
}
