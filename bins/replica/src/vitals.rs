//! Where a replica's driver leaves its [`Status`] at the end of each turn, and whoever wants to know finds it from
//! another thread.
//!
//! **Invariant — looking costs the driver nothing**: it never waits for who looks, but for the
//! copying of one small value, with two short texts in it; and one that hangs in its disk can be looked at.

use crate::status::Status;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A replica as it was last seen. Clones show the same.
#[derive(Clone, Debug)]
pub struct Vitals {
    last: Arc<Mutex<Option<(Status, Instant)>>>,
    started: Instant,
}

impl Default for Vitals {
    fn default() -> Self {
        Vitals { last: Arc::default(), started: Instant::now() }
    }
}

impl Vitals {
    /// Shows this from now on.
    pub fn publish(&self, status: Status) {
        let turn = Some((status, Instant::now()));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = turn;
    }

    /// How the replica was at the end of its last turn, and how long ago that was; the default before the first one.
    pub fn last(&self) -> Status {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        last.map_or_else(Status::default, |(status, at)| Status {
            turn_age: at.elapsed(),
            ..status
        })
    }

    /// Time since the start of the process.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Role;
    use paxos_chat::state::{State, Storage};

    #[test]
    fn the_last_one_is_shown_to_everybody() {
        let vitals = Vitals::default();
        let looks = vitals.clone();
        assert_eq!(looks.last(), Status::default());
        let status = Status::of(&State::restored(Storage::default()));
        vitals.publish(status.clone());
        let seen = looks.last();
        assert_eq!((seen.leader, seen.role), (None, Role::Follower));
        assert_eq!(Status { turn_age: Duration::ZERO, ..seen }, status);
        assert!(looks.uptime() >= Duration::ZERO);
    }
}
