//! What a replica's leaderships come to, for metrics: how often the leader changes, and how long slots take.
//!
//! **Invariants**
//! - *Cheap*: a proposal costs an entry in a small map, and a slot of a follower a look at an empty one.
//! - *Bounded*: only slots that are in flight are remembered, and none of an office that is over.

use crate::status::Role;
use actor_runtime::durations::Durations;
use paxos_chat::types::{Ballot, Slot};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// How long slots take from a leader's first proposal until they are applied. Clones show the same.
#[derive(Clone, Debug, Default)]
pub struct CommitMeter(Arc<Mutex<Durations>>);

impl CommitMeter {
    /// What was measured so far.
    pub fn measured(&self) -> Durations {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is remembered of leaderships.
#[derive(Debug, Default)]
pub struct Office {
    commits: CommitMeter,
    /// When each slot in flight was proposed.
    proposed: BTreeMap<Slot, Instant>,
    /// The ballot in which it led last.
    led: Ballot,
    /// The ballot in which a leader was heard last, itself or another.
    heard: Ballot,
    won: u64,
    changes: u64,
}

impl Office {
    /// The meter of commits.
    pub fn commits(&self) -> CommitMeter {
        self.commits.clone()
    }

    /// Times that the replica took office.
    pub fn won(&self) -> u64 {
        self.won
    }

    /// Times that somebody new led, as far as it has heard.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// A slot is proposed, for the first time or again.
    pub fn proposed(&mut self, slot: Slot, at: Instant) {
        self.proposed.entry(slot).or_insert(at);
    }

    /// A slot is applied.
    pub fn applied(&mut self, slot: Slot, at: Instant) {
        if let Some(proposed) = self.proposed.remove(&slot) {
            let mut commits = self.commits.0.lock().unwrap_or_else(PoisonError::into_inner);
            commits.record(at.saturating_duration_since(proposed));
        }
    }

    /// A turn has ended in this role, with this ballot promised, whose leader is heard, or not.
    pub fn turn(&mut self, role: Role, promised: Ballot, is_led: bool) {
        if role != Role::Leading {
            self.proposed.clear();
        } else if self.led != promised {
            (self.led, self.won) = (promised, self.won + 1);
        }
        if is_led && self.heard != promised {
            (self.heard, self.changes) = (promised, self.changes + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxos_chat::types::ReplicaId;
    use std::time::Duration;

    fn ballot(round: u32, replica: u8) -> Ballot {
        Ballot { round, replica: ReplicaId(replica) }
    }

    #[test]
    fn leaders_are_counted_as_they_change() {
        let mut office = Office::default();
        let counts = |office: &Office| (office.won(), office.changes());
        office.turn(Role::Follower, ballot(1, 1), false);
        assert_eq!(counts(&office), (0, 0), "it only stands");
        office.turn(Role::Follower, ballot(1, 1), true);
        office.turn(Role::Preparing, ballot(2, 0), false);
        assert_eq!(counts(&office), (0, 1));
        (0..2).for_each(|_| office.turn(Role::Leading, ballot(2, 0), true));
        assert_eq!(counts(&office), (1, 2));
        office.turn(Role::Follower, ballot(3, 2), true);
        assert_eq!(counts(&office), (1, 3));
    }

    #[test]
    fn a_slot_is_measured_from_its_first_proposal_and_in_one_office_only() {
        let (mut office, start) = (Office::default(), Instant::now());
        let after = |millis| start + Duration::from_millis(millis);
        office.turn(Role::Leading, ballot(1, 0), true);
        office.proposed(Slot(4), start);
        office.proposed(Slot(4), after(30));
        office.proposed(Slot(5), after(30));
        office.applied(Slot(4), after(40));
        office.turn(Role::Follower, ballot(2, 1), false);
        office.applied(Slot(5), after(50));
        let measured = office.commits().measured();
        assert_eq!((measured.count(), measured.total()), (1, Duration::from_millis(40)));
    }
}
