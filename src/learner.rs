//! The learner: what this replica knows to be decided, and the log applied in slot order.
//!
//! **Invariants**
//! - *Applied strictly in slot order, never over a gap.* Everything contiguous is applied in the
//!   step that decides it, so the decided and the applied bound are one: `applied_upto`.
//! - *The same-ballot rule*: a bound that a leader announces in ballot b decides a slot here only
//!   if this replica's own vote there is of b. Everything else below the bound is fetched.
//! - *A leader announces only what its ballot stands for*: slots below its base, and slots it
//!   decided by counting votes of its ballot. A leader that learns another slot in any other way
//!   has been superseded, and steps down first.
//!
//! **Source**: *Paxos Made Simple* (2001), sections 2.3 and 3. The announced bound is Raft's commit
//! index (Ongaro's thesis, section 3.6.2), with ballots in place of terms.

use crate::effects::{Effects, Timer};
use crate::message::{Entries, Message};
use crate::proposer::Phase;
use crate::replica::{Context, State};
use crate::session::Sessions;
use crate::tuning::Tuning;
use crate::types::{Ballot, NodeId, ReplicaId, Slot, Value};
use crate::{election, requests};
use imbl::OrdMap;
use std::borrow::Cow;

/// What a replica knows to be decided; rebuilt from the snapshot after a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Learner {
    /// Everything below is decided and applied.
    pub applied_upto: Slot,
    /// Decided values at and above the compacted bound; above `applied_upto` there may be gaps.
    pub decided: OrdMap<Slot, Value>,
    /// The session table at `applied_upto`.
    pub sessions: Sessions,
}

/// The decided values from a slot on, as many as a chunk takes.
pub fn entries(state: &State, from: Slot, tuning: &Tuning) -> Entries {
    let (log, decided) = (&state.durable.log, &state.learner.decided);
    let applied_upto = state.learner.applied_upto;
    let mut values: Vec<Value> = Vec::new();
    let mut bytes = 0;
    for slot in from.upto(applied_upto).take(tuning.chunk_entries_max) {
        let Some(value) = log.get(&slot).or_else(|| decided.get(&slot)) else { break };
        bytes += value.size_bytes();
        if bytes > tuning.chunk_bytes_max && !values.is_empty() {
            break;
        }
        values.push(value.clone());
    }
    Entries { from, values, applied_upto }
}

/// A leader announced that it has decided everything below `upto` in its `ballot`, which is the
/// ballot promised here.
pub fn on_announcement(
    at: &Context<'_>,
    state: &mut Cow<'_, State>,
    ballot: Ballot,
    upto: Slot,
    effects: &mut Effects,
) {
    let applied_upto = state.learner.applied_upto;
    let moved = upto > applied_upto;
    let pending = state.durable.highest_vote().is_some_and(|slot| slot >= upto);
    if moved {
        let votes = state.durable.votes.range(applied_upto..upto);
        let known = votes
            .filter(|(slot, vote)| {
                vote.ballot == ballot && !state.learner.decided.contains_key(*slot)
            })
            .map(|(slot, vote)| (*slot, vote.value.clone()))
            .collect::<Vec<_>>();
        if !known.is_empty() {
            decide(at, state.to_mut(), known, effects);
        }
    }
    if moved || !pending {
        election::on_sign_of_life(at, state, effects);
    }
}

/// Another replica sends decided values.
pub fn on_decided(
    at: &Context<'_>,
    state: &mut Cow<'_, State>,
    sender: ReplicaId,
    received: Entries,
    effects: &mut Effects,
) {
    let news: Vec<(Slot, Value)> = (received.from.0..)
        .map(Slot)
        .zip(received.values)
        .filter(|(slot, _)| *slot >= state.learner.applied_upto)
        .filter(|(slot, _)| !state.learner.decided.contains_key(slot))
        .collect();
    if news.is_empty() {
        return;
    }
    if let Phase::Leading(leading) = &state.phase
        && news.iter().any(|(slot, _)| *slot >= leading.base)
    {
        election::step_down(at, state.to_mut(), effects);
    }
    decide(at, state.to_mut(), news, effects);
    if state.learner.applied_upto < received.applied_upto {
        let from = state.learner.applied_upto;
        effects.send(sender, Message::Fetch { from });
    }
}

/// Another replica asks for decided values.
pub fn on_fetch(
    at: &Context<'_>,
    state: &State,
    asker: ReplicaId,
    from: Slot,
    effects: &mut Effects,
) {
    if from < state.learner.applied_upto {
        effects.send(asker, Message::Decided(entries(state, from, at.tuning)));
    }
}

/// A client asks for applied entries.
pub fn on_tail(at: &Context<'_>, state: &State, reader: NodeId, from: Slot, effects: &mut Effects) {
    effects.send(reader, Message::Entries(entries(state, from, at.tuning)));
}

/// These slots are decided. Applies what is contiguous, and compacts when it is time.
pub fn decide(
    at: &Context<'_>,
    state: &mut State,
    values: Vec<(Slot, Value)>,
    effects: &mut Effects,
) {
    state.learner.decided.extend(values);
    let before = state.learner.applied_upto;
    while let Some(value) = state.learner.decided.get(&state.learner.applied_upto).cloned() {
        apply(at, state, value, effects);
    }
    if state.learner.applied_upto > before {
        if matches!(state.phase, Phase::Leading(_)) {
            effects.set_timer(Timer::Election, at.tuning.election_delay());
        }
        compact(at.tuning, state, effects);
    }
}

/// Applies the value of the next slot, answers the clients, and reports to the driver.
fn apply(at: &Context<'_>, state: &mut State, value: Value, effects: &mut Effects) {
    let slot = state.learner.applied_upto;
    let outcomes = state.learner.sessions.apply(slot, &value, at.tuning.sessions_max);
    state.learner.applied_upto = slot.next();
    requests::answer(state, slot, &value, &outcomes, effects);
    effects.report(Message::Applied { slot, value, outcomes });
}

/// Moves applied values into the durable log and drops their votes, if a snapshot is due.
fn compact(tuning: &Tuning, state: &mut State, effects: &mut Effects) {
    let upto = state.learner.applied_upto;
    let from = state.durable.snapshot.upto;
    if tuning.snapshot_slots == 0 || upto.0 - from.0 < tuning.snapshot_slots {
        return;
    }
    let storage = state.durable.write(effects);
    storage.snapshot.upto = upto;
    storage.snapshot.sessions = state.learner.sessions.clone();
    for slot in from.upto(upto) {
        storage.votes.remove(&slot);
        let value = state.learner.decided.remove(&slot);
        storage.log.insert(slot, value.expect("an applied slot is decided"));
    }
}

#[cfg(test)]
mod tests;
