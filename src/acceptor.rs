//! The acceptor: promises, votes, and the durable state that both live in.
//!
//! **Invariants**
//! - *Promised never goes back*, across restarts too.
//! - *No Accepted(b) after Promise(b') with b' > b.*
//! - *Votes are dropped only below the compacted bound*: below it every slot is decided, its value
//!   is in the log, and an `Accept` is answered with `Decided`, never voted on.
//!
//! **Absent**: counting. An acceptor does not know what is chosen.
//!
//! **Source**: *Paxos Made Simple* (2001), sections 2.2 and 3; chunked promises are our own.

use crate::effects::{Durable, Effects};
use crate::message::{Message, Promise};
use crate::replica::{Context, State};
use crate::session::Sessions;
use crate::tuning::Tuning;
use crate::types::{Ballot, NodeId, ReplicaId, Slot, Value, Vote};
use crate::{election, learner};
use imbl::OrdMap;
use std::borrow::Cow;

/// What must survive a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Storage {
    /// The highest ballot promised.
    pub promised: Ballot,
    /// The votes at and above the snapshot's bound.
    pub votes: OrdMap<Slot, Vote>,
    /// The state that applying `log` leads to.
    pub snapshot: Snapshot,
    /// The decided values below the snapshot's bound.
    pub log: OrdMap<Slot, Value>,
}

/// The replicated state after every slot below a bound was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Snapshot {
    /// The compacted bound: below it, every slot is applied and no vote is kept.
    pub upto: Slot,
    /// The session table at that bound.
    pub sessions: Sessions,
}

impl Storage {
    /// The storage of a replica that has applied these values from slot 0 on, and taken a
    /// snapshot after them.
    pub fn with_log(values: impl IntoIterator<Item = Value>, sessions_max: usize) -> Storage {
        let mut storage = Storage::default();
        for value in values {
            let slot = storage.snapshot.upto;
            storage.snapshot.sessions.apply(slot, &value, sessions_max);
            storage.log.insert(slot, value);
            storage.snapshot.upto = slot.next();
        }
        storage
    }

    /// The highest slot with a vote.
    pub fn highest_vote(&self) -> Option<Slot> {
        self.votes.get_max().map(|(slot, _)| *slot)
    }

    /// The chunk of a promise that answers `Prepare { ballot, from }`.
    pub fn promise_chunk(&self, ballot: Ballot, from: Slot, tuning: &Tuning) -> Promise {
        let compacted_upto = self.snapshot.upto;
        let mut votes: Vec<(Slot, Vote)> = Vec::new();
        let mut next = from.max(compacted_upto);
        let mut bytes = 0;
        let mut last = true;
        for (slot, vote) in self.votes.range(next..) {
            bytes += vote.value.size_bytes();
            let full = bytes > tuning.chunk_bytes_max || votes.len() >= tuning.chunk_entries_max;
            if full && !votes.is_empty() {
                last = false;
                break;
            }
            votes.push((*slot, vote.clone()));
            next = slot.next();
        }
        Promise { ballot, from, next, compacted_upto, last, votes }
    }
}

/// Raises the promise. The caller has made sure that `ballot` is not below it.
pub fn promise(durable: &mut Durable<Storage>, ballot: Ballot, effects: &mut Effects) {
    assert!(ballot >= durable.promised, "promised never goes back");
    if ballot > durable.promised {
        durable.write(effects).promised = ballot;
    }
}

/// Phase 1b: promises, and reports the votes from the asked slot on.
pub fn on_prepare(
    at: &Context<'_>,
    state: &mut Cow<'_, State>,
    candidate: ReplicaId,
    ballot: Ballot,
    from: Slot,
    effects: &mut Effects,
) {
    if ballot < state.durable.promised {
        let promised = state.durable.promised;
        effects.send(candidate, Message::Reject { promised });
        return;
    }
    if ballot > state.durable.promised {
        election::follow(at, state, ballot, effects);
    }
    let chunk = state.durable.promise_chunk(ballot, from, at.tuning);
    effects.send(candidate, Message::Promise(chunk));
}

/// Phase 2b: votes, and learns from the bound that the proposal carries.
pub fn on_accept(
    at: &Context<'_>,
    state: &mut Cow<'_, State>,
    leader: ReplicaId,
    proposal: Proposal,
    effects: &mut Effects,
) {
    let Proposal { ballot, slot, value, decided_upto } = proposal;
    if slot < state.durable.snapshot.upto {
        let entries = learner::entries(state, slot, at.tuning);
        effects.send(NodeId::from(leader), Message::Decided(entries));
        return;
    }
    if ballot < state.durable.promised {
        let promised = state.durable.promised;
        effects.send(leader, Message::Reject { promised });
        return;
    }
    if ballot > state.durable.promised {
        election::follow(at, state, ballot, effects);
    }
    if state.durable.votes.get(&slot).is_none_or(|held| held.ballot < ballot) {
        let vote = Vote { ballot, value };
        state.to_mut().durable.write(effects).votes.insert(slot, vote);
    }
    effects.send(leader, Message::Accepted { ballot, slot });
    learner::on_announcement(at, state, ballot, decided_upto, effects);
}

/// The fields of an `Accept`.
pub struct Proposal {
    /// The ballot of the proposal.
    pub ballot: Ballot,
    /// The slot of the proposal.
    pub slot: Slot,
    /// The proposed value.
    pub value: Value,
    /// The leader's announced bound.
    pub decided_upto: Slot,
}
