//! What of a state is looked at after each step, where it is recorded: everything that is small, and of the rest how
//! much there is.
//!
//! Whoever replays a recording compares such outlines at each step, and whole states now and then. A handler is a function
//! of the state and the event, so a difference that no outline shows shows in what is sent, or in the next whole state.
//!
//! **Absent**: whole states, which can be hashed as they are.

use crate::client::{ClientState, ClientStorage};
use crate::open_reads::OpenReads;
use crate::reader::ReaderState;
use crate::state::{Leading, Phase, State, Storage};
use std::hash::{Hash, Hasher};
use std::mem::discriminant;

/// Something with an outline.
pub trait Outline {
    /// Hashes what is small of it, and the size of the rest, in a time that does not grow with that size.
    fn outline(&self, hasher: &mut impl Hasher);
}

impl Outline for Storage {
    fn outline(&self, hasher: &mut impl Hasher) {
        let Storage { promised, votes, snapshot } = self;
        let last = votes.get_max().map(|(slot, vote)| (*slot, vote.ballot));
        (promised, votes.len(), last, snapshot.upto, snapshot.sessions.len()).hash(hasher);
    }
}

impl Outline for State {
    fn outline(&self, hasher: &mut impl Hasher) {
        let State { durable, learner, phase, leader_alive, patience, askers, catch_up } = self;
        durable.outline(hasher);
        let last = learner.decided.get_max().map(|(slot, _)| *slot);
        (learner.applied_upto, learner.decided.len(), last, learner.sessions.len()).hash(hasher);
        match phase {
            Phase::Leading(leading) => leading.outline(hasher),
            Phase::Preparing(preparing) => {
                discriminant(phase).hash(hasher);
                let (votes, first) = (preparing.reported.len(), preparing.reported.keys().next());
                (preparing.ballot, preparing.from, &preparing.expected).hash(hasher);
                (preparing.complete, preparing.compacted_upto, votes, first).hash(hasher);
                (preparing.ticks, preparing.wait).hash(hasher);
            }
            Phase::Follower | Phase::PreVoting(_) => phase.hash(hasher),
        }
        (leader_alive, patience, catch_up).hash(hasher);
        (askers.sessions.len(), askers.openings.len()).hash(hasher);
    }
}

impl Outline for Leading {
    fn outline(&self, hasher: &mut impl Hasher) {
        let Leading { ballot, base, next, in_flight, pacing, heard, outbid, .. } = self;
        let Leading { intake, end, reads, reported, merged, joining, .. } = self;
        (ballot, base, next, pacing, heard, outbid).hash(hasher);
        (reported.len(), reported.keys().next(), merged, joining).hash(hasher);
        (in_flight.len(), in_flight.iter().next()).hash(hasher);
        (intake.queue.len(), intake.proposed.len(), intake.openings.len()).hash(hasher);
        (intake.held.len(), intake.held_bytes).hash(hasher);
        let OpenReads { round, asked, acknowledged, waiting, confirmed, users } = reads;
        (end, round, acknowledged, users.len()).hash(hasher);
        for reads in [asked, waiting, confirmed] {
            (reads.len(), reads.iter().next()).hash(hasher);
        }
    }
}

impl Outline for ClientStorage {
    fn outline(&self, hasher: &mut impl Hasher) {
        let ClientStorage { nonce, phase, waiting, next_seq, unacknowledged } = self;
        (nonce, phase, waiting.len(), next_seq).hash(hasher);
        (unacknowledged.len(), unacknowledged.keys().next()).hash(hasher);
    }
}

impl Outline for ClientState {
    fn outline(&self, hasher: &mut impl Hasher) {
        self.durable.outline(hasher);
        (self.target, self.turn, self.shunned, self.hopeful, self.busy).hash(hasher);
        (self.backoff, self.repeated_below, self.sent_again_below, self.calm).hash(hasher);
        (self.answered, self.given_up, self.all_silent).hash(hasher);
    }
}

impl Outline for ReaderState {
    fn outline(&self, hasher: &mut impl Hasher) {
        self.hash(hasher);
    }
}

/// Whoever saves nothing.
impl Outline for () {
    fn outline(&self, _hasher: &mut impl Hasher) {}
}
