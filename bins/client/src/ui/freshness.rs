//! Is everything seen that anybody was told is committed?
//!
//! A replica that is cut off from the others shows an old prefix of the log for as long as that lasts. So whenever
//! replicas answer that hear a leader, and did not before, a current read begins. What it ends with is seen.
//!
//! **Invariant — one read at a time**: what asks for another one meanwhile has it begin when that has ended. So the end
//! of a read is that of the one which was begun last.

use crate::meter::{FRESH, Measured};

/// How fresh it is what is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// The end of the log was found.
    is_begun: bool,
    /// Replicas answer that hear a leader.
    is_connected: bool,
    /// A read has begun and not ended.
    is_asked: bool,
    /// Another one is to begin after it.
    asks_again: bool,
    /// A read has ended since it was connected.
    is_current: bool,
}

impl Freshness {
    /// The end of the log was found. True, if a read is to begin.
    pub(super) fn begin(&mut self) -> bool {
        self.is_begun = true;
        self.is_connected && self.ask()
    }

    /// This was measured. True, if a read is to begin.
    pub(super) fn look(&mut self, measured: &Measured) -> bool {
        let is_heard = measured.silence.is_some_and(|silence| silence < FRESH);
        let is_connected = is_heard && measured.led.is_some_and(|(_, ago)| ago < FRESH);
        let was_connected = std::mem::replace(&mut self.is_connected, is_connected);
        self.is_current &= is_connected;
        is_connected && !was_connected && self.ask()
    }

    /// The read has ended. True, if another one is to begin.
    pub(super) fn end(&mut self) -> bool {
        self.is_asked = false;
        if std::mem::take(&mut self.asks_again) {
            return self.ask();
        }
        self.is_current = self.is_connected;
        // Whoever is cut off again since asks when that is over.
        false
    }

    /// Messages may be lacking that somebody was told are committed.
    pub(super) fn may_lack(&self) -> bool {
        self.is_begun && !self.is_current
    }

    fn ask(&mut self) -> bool {
        if !self.is_begun {
            return false;
        }
        if self.is_asked {
            self.asks_again = true;
            return false;
        }
        self.is_asked = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxos_chat::types::{Ballot, ReplicaId};
    use std::time::Duration;

    fn heard(led_ago: u64) -> Measured {
        let ballot = Ballot { round: 1, replica: ReplicaId(0) };
        let led = Some((ballot, Duration::from_secs(led_ago)));
        Measured { silence: Some(Duration::ZERO), led, ..Measured::default() }
    }

    #[test]
    fn a_read_begins_when_there_is_a_leader_and_again_when_there_is_one_again() {
        let mut fresh = Freshness::default();
        assert!(!fresh.look(&heard(0)), "where to begin is not known");
        assert!(fresh.begin() && fresh.may_lack());
        assert!(!fresh.look(&heard(1)) && !fresh.end() && !fresh.may_lack());
        assert!(!fresh.look(&heard(5)) && fresh.may_lack(), "no leader is heard");
        assert!(fresh.look(&heard(0)) && fresh.may_lack());
        assert!(!fresh.end() && !fresh.may_lack());
        assert!(!fresh.look(&Measured::default()) && fresh.may_lack(), "nobody is heard");
    }

    #[test]
    fn a_read_that_began_before_the_connection_was_lost_proves_nothing_of_what_came_since() {
        let mut fresh = Freshness::default();
        fresh.begin();
        assert!(fresh.look(&heard(0)));
        fresh.look(&heard(9));
        assert!(!fresh.look(&heard(0)), "the first one is open");
        assert!(fresh.end() && fresh.may_lack(), "another one begins");
        assert!(!fresh.end() && !fresh.may_lack());
    }
}
