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
//! - *Bounded*: applied values leave memory some way behind the compacted bound. Each was reported
//!   to the driver when it was applied, and whoever asks for it is answered from the driver's log.
//!
//! **Source**: *Paxos Made Simple* (2001), sections 2.3 and 3. The announced bound is Raft's commit
//! index (Ongaro's thesis, section 3.6.2), with ballots in place of terms.

use crate::effects::Effects;
use crate::message::{Asker, Entries, Fetch, LogRead, Output};
use crate::state::{Context, Lacking, Learner, Phase, State};
use crate::tuning::Tuning;
use crate::types::{Ballot, NodeId, ReplicaId, Slot, Value};
use crate::{election, proposer, requests};
use std::borrow::Cow;

/// A follower that lacks something below its leader's bound asks the leader for it; and others in turn,
/// less and less often, for as long as nothing comes.
pub fn fetch_below(
    at: &Context<'_>,
    state: &mut Cow<'_, State>,
    leader: ReplicaId,
    upto: Slot,
    effects: &mut Effects,
) {
    let from = state.learner.applied_upto;
    if !at.tuning.adapts() {
        if from < upto {
            effects.send(leader, Fetch { from });
        }
        return;
    }
    if from >= upto {
        if state.lacking.as_ref().is_some_and(|lacking| lacking.from.is_some())
            && let Some(lacking) = &mut state.to_mut().lacking
        {
            lacking.come();
        }
        return;
    }
    let first = Lacking { from: None, asked: leader, waited: 0, doublings: 0 };
    let mut lacking = state.lacking.clone().unwrap_or(first);
    match lacking.from {
        None => lacking = Lacking { from: Some(from), asked: leader, ..lacking },
        // What was asked for is coming, and whoever gets it asks for more.
        Some(before) if before < from => {
            lacking.come();
            lacking.from = Some(from);
            state.to_mut().lacking = Some(lacking);
            return;
        }
        Some(_) => {
            lacking.waited += 1;
            if !lacking.waited.is_multiple_of(1 << lacking.doublings) {
                state.to_mut().lacking = Some(lacking);
                return;
            }
            lacking.doublings = (lacking.doublings + 1).min(at.tuning.doublings_max);
            lacking.asked = next_peer(at, lacking.asked);
        }
    }
    let asked = lacking.asked;
    if state.lacking.as_ref() != Some(&lacking) {
        state.to_mut().lacking = Some(lacking);
    }
    effects.send(asked, Fetch { from });
}

impl Lacking {
    /// Something has come. If it took much less than it would have been waited for, the next need not be waited
    /// for so long.
    fn come(&mut self) {
        self.from = None;
        if 4 * self.waited < 1 << self.doublings {
            self.doublings = self.doublings.saturating_sub(1);
        }
        self.waited = 0;
    }
}

/// The peer after this one, in a circle.
fn next_peer(at: &Context<'_>, after: ReplicaId) -> ReplicaId {
    let peers = || at.cluster.peers(at.me);
    peers().find(|peer| *peer > after).or_else(|| peers().next()).unwrap_or(after)
}

/// Sends decided values from a slot on, as many as a chunk takes; or has the driver send them, if
/// they are in its log only.
pub fn send_entries(
    at: &Context<'_>,
    state: &State,
    asker: Asker,
    from: Slot,
    effects: &mut Effects,
) {
    let Learner { applied_upto: upto, decided, .. } = &state.learner;
    if from < *upto && !decided.contains_key(&from) {
        effects.report(Output::ReadLog(LogRead::new(asker, from, *upto)));
        return;
    }
    let values = from.upto(*upto).map_while(|slot| decided.get(&slot).cloned());
    effects.send(asker.node(), asker.answer(Entries::chunk(from, *upto, values, at.tuning)));
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
        effects.send(sender, Fetch { from });
    }
    proposer::propose_queued(at, state.to_mut(), effects);
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
        send_entries(at, state, Asker::Replica(asker), from, effects);
    }
}

/// A client asks for applied entries.
pub fn on_tail(at: &Context<'_>, state: &State, reader: NodeId, from: Slot, effects: &mut Effects) {
    send_entries(at, state, Asker::Client(reader), from, effects);
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
            election::restart_timer(at, state, effects);
        } else {
            state.patience.shrink(state.learner.applied_upto, at.tuning);
        }
        let applied = state.learner.applied_upto.0 - before.0;
        compact(at.tuning, state, effects);
        forget(at.tuning, state, 2 * applied);
    }
}

/// Applies the value of the next slot, answers the clients, and reports to the driver.
fn apply(at: &Context<'_>, state: &mut State, value: Value, effects: &mut Effects) {
    let slot = state.learner.applied_upto;
    let outcomes = state.learner.sessions.apply(slot, &value, at.tuning.sessions_max);
    state.learner.applied_upto = slot.next();
    requests::answer(at, state, slot, &value, &outcomes, effects);
    effects.report(Output::Applied { slot, value, outcomes });
}

/// Drops the votes of applied slots, if a snapshot is due.
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
        assert!(state.learner.decided.contains_key(&slot), "an applied slot is decided");
        storage.votes.remove(&slot);
    }
}

/// Forgets values below the compacted bound that are not recent, at most so many: to free those of
/// hundreds of slots at once would take many milliseconds.
fn forget(tuning: &Tuning, state: &mut State, slots_max: u64) {
    let Learner { applied_upto, decided, .. } = &mut state.learner;
    let recent = Slot(applied_upto.0.saturating_sub(tuning.recent_slots));
    let kept = recent.min(state.durable.snapshot.upto);
    for _ in 0..slots_max {
        match decided.get_min() {
            Some(&(oldest, _)) if oldest < kept => drop(decided.remove(&oldest)),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests;
