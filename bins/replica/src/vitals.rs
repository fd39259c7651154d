//! What a replica shows of itself while it runs: its driver's thread writes it at the end of each
//! turn, and whoever wants to know reads it from another thread.
//!
//! **Invariant — looking costs the driver nothing**: it never waits for who looks, but for the
//! copying of one small value; and one that hangs in its disk can be looked at.

use crate::status::Role;
use actor_runtime::driver::Counters;
use paxos_chat::state::Phase;
use paxos_chat::state::State;
use paxos_chat::types::{Ballot, ReplicaId, Slot};
use paxos_chat_log::Chain;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A replica at the end of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// What it does about leadership.
    pub role: Role,
    /// The highest ballot that it has promised.
    pub ballot: Ballot,
    /// A leader has lately given a sign of life.
    pub leader_alive: bool,
    /// Everything below is decided and applied.
    pub applied_upto: Slot,
    /// One above the highest slot that it knows to be decided; there may be gaps below.
    pub decided_end: Slot,
    /// Proposed and not decided; 0 unless it leads.
    pub in_flight: u64,
    /// Commands that wait for a slot; 0 unless it leads.
    pub queued: u64,
    /// Lines of the chat log.
    pub log_lines: u64,
    /// Hash of the chat log.
    pub log_hash: Chain,
    /// Chunks of the chat log that were read for replicas and clients that lag.
    pub log_reads: u64,
    /// Chunks of the chat log that could not be read for others.
    pub read_errors: u64,
    /// Entries that other replicas have sent because they were missing here.
    pub fetched: u64,
    /// What the driver has seen.
    pub counters: Counters,
    /// When the turn ended.
    pub at: Instant,
}

impl Observed {
    /// Whose ballot it has promised, if anyone's.
    pub fn leader(&self) -> Option<ReplicaId> {
        (self.ballot.round > 0).then_some(self.ballot.replica)
    }

    /// What a state shows; the rest is to be filled in.
    pub fn of(state: &State, counters: &Counters, log_hash: Chain) -> Observed {
        let learner = &state.learner;
        let highest = learner.decided.get_max().map(|(slot, _)| slot.next());
        let (in_flight, queued) = match &state.phase {
            Phase::Leading(leading) => (leading.in_flight.len(), leading.intake.queue.len()),
            _ => (0, 0),
        };
        Observed {
            role: Role::of(&state.phase),
            ballot: state.durable.promised,
            leader_alive: state.leader_alive,
            applied_upto: learner.applied_upto,
            decided_end: highest.unwrap_or_default().max(learner.applied_upto),
            in_flight: in_flight as u64,
            queued: queued as u64,
            log_lines: 0,
            log_hash,
            log_reads: 0,
            read_errors: 0,
            fetched: 0,
            counters: *counters,
            at: Instant::now(),
        }
    }
}

/// A replica as it was last seen. Clones show the same.
#[derive(Clone, Debug)]
pub struct Vitals {
    last: Arc<Mutex<Option<Observed>>>,
    started: Instant,
}

impl Default for Vitals {
    fn default() -> Self {
        Vitals { last: Arc::default(), started: Instant::now() }
    }
}

impl Vitals {
    /// Shows this from now on.
    pub fn publish(&self, observed: Observed) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(observed);
    }

    /// How the replica was at the end of its last turn; `None` before the first one.
    pub fn last(&self) -> Option<Observed> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Time since the start of the process.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxos_chat::state::Storage;

    #[test]
    fn the_last_one_is_shown_to_everybody() {
        let (vitals, chain) = (Vitals::default(), Chain::from_bytes([7; 32]));
        let looks = vitals.clone();
        assert_eq!(looks.last(), None);
        let state = State::restored(Storage::default());
        let observed = Observed::of(&state, &Counters::default(), chain);
        vitals.publish(observed.clone());
        assert_eq!(looks.last(), Some(observed.clone()));
        assert_eq!((observed.leader(), observed.role), (None, Role::Follower));
    }
}
