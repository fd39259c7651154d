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

use crate::message::{Asker, Entries, Fetch, LogRead, Outcome, Output, Page, Tail, ToPeer};
use crate::state::{CatchUp, Learner, State};
use crate::step::Step;
use crate::types::{Ballot, Body, NodeId, Operation, Reconfigure, ReplicaId, Slot, Value};
use crate::{election, joining, proposer, reads, requests};

/// A follower that lacks something below its leader's bound asks the leader for it, then whoever sends some; and
/// others in turn, less and less often, for as long as nothing comes.
pub fn fetch_below(step: &mut Step<'_, '_>, leader: ReplicaId, upto: Slot) {
    let from = step.state.learner.applied_upto;
    if !step.tuning.adapts() {
        if from < upto {
            step.send(leader, Fetch { from });
        }
        return;
    }
    if from >= upto {
        if step.state.catch_up.as_ref().is_some_and(|catch_up| catch_up.from.is_some())
            && let Some(catch_up) = &mut step.state.to_mut().catch_up
        {
            catch_up.come();
        }
        return;
    }
    let mut catch_up = step.state.catch_up.clone().unwrap_or(CatchUp::asking(leader));
    match catch_up.from {
        // It has told of its bound, so it is there, and ahead.
        None => (catch_up.from, catch_up.asks) = (Some(from), leader),
        // What was asked for is coming, and whoever gets it asks for more.
        Some(before) if before < from => {
            catch_up.come();
            catch_up.from = Some(from);
            step.state.to_mut().catch_up = Some(catch_up);
            return;
        }
        Some(_) => {
            catch_up.waited += 1;
            if !catch_up.waited.is_multiple_of(1 << catch_up.doublings) {
                step.state.to_mut().catch_up = Some(catch_up);
                return;
            }
            catch_up.doublings = (catch_up.doublings + 1).min(step.tuning.doublings_max);
        }
    }
    let asked = catch_up.asks;
    catch_up.asks = next_peer(step, asked);
    step.state.to_mut().catch_up = Some(catch_up);
    step.send(asked, Fetch { from });
}

impl CatchUp {
    /// Nothing is known to be lacking; this peer is the first to be asked.
    fn asking(asks: ReplicaId) -> CatchUp {
        CatchUp { from: None, asks, waited: 0, doublings: 0, gap: None, more: None }
    }

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
fn next_peer(step: &Step<'_, '_>, after: ReplicaId) -> ReplicaId {
    let peers = || step.peers();
    peers().find(|peer| *peer > after).or_else(|| peers().next()).unwrap_or(after)
}

/// Asks all members for what this replica may lack: it is none of them, so nobody need tell it.
pub fn pull(step: &mut Step<'_, '_>) {
    let from = step.state.learner.applied_upto;
    step.send_to_peers(Fetch { from });
}

/// Sends a replica decided values from a slot on, as many as a chunk takes; or has the driver send them, if
/// they are in its log only.
pub fn send_entries(step: &mut Step<'_, '_>, to: ReplicaId, from: Slot) {
    let Learner { applied_upto: upto, decided, .. } = &step.state.learner;
    let upto = *upto;
    if from < upto && !decided.contains_key(&from) {
        let read = LogRead::new(Asker::Replica(to), from, upto);
        step.effects.report(Output::ReadLog(read));
        return;
    }
    let values = from.upto(upto).map_while(|slot| decided.get(&slot).cloned());
    step.send(to, ToPeer::Decided(Entries::chunk(from, upto, values, step.tuning)));
}

/// A leader announced that it has decided everything below `upto` in its `ballot`, which is the
/// ballot promised here.
pub fn on_announcement(step: &mut Step<'_, '_>, ballot: Ballot, upto: Slot) {
    let applied_upto = step.state.learner.applied_upto;
    let moved = upto > applied_upto;
    let pending = step.state.durable.highest_vote().is_some_and(|slot| slot >= upto);
    if moved {
        let votes = step.state.durable.votes.range(applied_upto..upto);
        let known = votes
            .filter(|(slot, vote)| {
                vote.ballot == ballot && !step.state.learner.decided.contains_key(*slot)
            })
            .map(|(slot, vote)| (*slot, vote.value.clone()))
            .collect::<Vec<_>>();
        if !known.is_empty() {
            decide(step, known);
        }
    }
    if moved || !pending {
        election::on_sign_of_life(step);
    }
}

/// The replica's own log holds these: they were applied in an earlier life.
pub fn on_recall(step: &mut Step<'_, '_>, Entries { from, values, .. }: Entries) {
    learn(step, from, values);
}

/// Another replica sends decided values.
pub fn on_decided(step: &mut Step<'_, '_>, sender: ReplicaId, received: Entries) {
    let (end, upto) = (received.end(), received.applied_upto);
    if !learn(step, received.from, received.values) {
        return;
    }
    if asks_on(step, sender, end, upto) {
        let from = step.state.learner.applied_upto;
        step.send(sender, Fetch { from });
    }
    proposer::propose_queued(step);
}

/// Is this peer asked at once for what is still missing? It sent values that end at `end`, and has applied
/// everything below `upto`. An answer comes in several chunks and in any order, so it is asked once for what
/// stands before a gap, and once for what comes behind the answer: when all of that has come.
fn asks_on(step: &mut Step<'_, '_>, sender: ReplicaId, end: Slot, upto: Slot) -> bool {
    let from = step.state.learner.applied_upto;
    if !step.tuning.adapts() {
        return from < upto;
    }
    let mut catch_up = step.state.catch_up.clone().unwrap_or(CatchUp::asking(sender));
    catch_up.asks = sender;
    let tells_of_more = end < upto;
    let asks = if from < end {
        if tells_of_more {
            catch_up.more = Some(end);
        }
        catch_up.gap.replace(from) != Some(from)
    } else {
        let told_of_more = catch_up.more.take_if(|more| *more <= from).is_some();
        told_of_more || (tells_of_more && from < upto)
    };
    step.state.to_mut().catch_up = Some(catch_up);
    asks
}

/// These values are decided from this slot on, as others have found out. Was that new?
fn learn(step: &mut Step<'_, '_>, from: Slot, values: Vec<Value>) -> bool {
    let news: Vec<(Slot, Value)> = (from.0..)
        .map(Slot)
        .zip(values)
        .filter(|(slot, _)| *slot >= step.state.learner.applied_upto)
        .filter(|(slot, _)| !step.state.learner.decided.contains_key(slot))
        .collect();
    if news.is_empty() {
        return false;
    }
    if let Some(leading) = step.state.leading()
        && news.iter().any(|(slot, _)| *slot >= leading.base)
    {
        election::step_down(step);
    }
    decide(step, news);
    true
}

/// Another replica asks for decided values.
pub fn on_fetch(step: &mut Step<'_, '_>, asker: ReplicaId, Fetch { from }: Fetch) {
    if from < step.state.learner.applied_upto {
        send_entries(step, asker, from);
    }
}

/// A client asks for applied entries. The driver answers, for its log has what their commands came to as well.
pub fn on_tail(step: &mut Step<'_, '_>, reader: NodeId, Tail { from }: Tail) {
    let upto = step.state.learner.applied_upto;
    match from {
        Some(from) if from < upto => {
            let read = LogRead::new(Asker::Client(reader), from, upto);
            step.effects.report(Output::ReadLog(read));
        }
        _ => {
            let (from, values) = (from.unwrap_or(upto), Vec::new());
            step.effects.send(reader, Page { from, values, applied_upto: upto });
        }
    }
}

/// These slots are decided. Applies what is contiguous, and compacts when it is time.
pub fn decide(step: &mut Step<'_, '_>, values: Vec<(Slot, Value)>) {
    let before = step.state.learner.applied_upto;
    step.state.to_mut().learner.decided.extend(values);
    while let Some(value) = step.state.learner.next_value().cloned() {
        apply(step, value);
    }
    let applied_upto = step.state.learner.applied_upto;
    if applied_upto > before {
        if let Some(leading) = step.state.to_mut().leading_mut() {
            leading.end.take_if(|end| *end <= applied_upto);
            election::restart_timer(step);
            reads::on_applied(step);
        } else {
            step.state.to_mut().patience.shrink(applied_upto, step.tuning);
        }
        compact(step);
        forget(step, 2 * (applied_upto.0 - before.0));
        joining::on_applied(step);
    }
}

impl Learner {
    /// The value of the next slot to be applied, if it is decided.
    fn next_value(&self) -> Option<&Value> {
        self.decided.get(&self.applied_upto)
    }
}

/// Applies the value of the next slot, answers the clients, and reports to the driver.
fn apply(step: &mut Step<'_, '_>, value: Value) {
    let learner = &mut step.state.to_mut().learner;
    let slot = learner.applied_upto;
    let outcomes = learner.sessions.apply(slot, &value, step.tuning.sessions_max);
    for change in changes(&value, &outcomes) {
        learner.memberships.decide(step.cluster, slot, change);
    }
    learner.applied_upto = slot.next();
    learner.memberships.advance(learner.applied_upto);
    requests::answer(step, slot, &value, &outcomes);
    step.effects.report(Output::Applied { slot, value, outcomes });
}

/// The changes of members that a value brings: each once, as its session has it.
fn changes<'a>(value: &'a Value, outcomes: &[Outcome]) -> impl Iterator<Item = &'a Reconfigure> {
    let commands = value.commands().iter().zip(outcomes);
    commands.filter(|(_, outcome)| **outcome == Outcome::Applied).filter_map(|(command, _)| {
        match &command.operation {
            Operation::InSession { body: Body::Reconfigure(change), .. } => Some(change),
            _ => None,
        }
    })
}

/// Drops the votes of applied slots, if a snapshot is due: after so many slots, and when a change of members has come into
/// force, since whoever was removed may go once the others have that.
fn compact(step: &mut Step<'_, '_>) {
    let upto = step.state.learner.applied_upto;
    let from = step.state.durable.snapshot.upto;
    let slots = step.tuning.snapshot_slots;
    let are_many = slots > 0 && upto.0 - from.0 >= slots;
    if !are_many && from >= step.membership(upto).since {
        return;
    }
    let State { durable, learner, .. } = step.state.to_mut();
    let storage = durable.write(step.effects);
    storage.snapshot.upto = upto;
    storage.snapshot.sessions = learner.sessions.clone();
    storage.snapshot.memberships = learner.memberships.clone();
    for slot in from.upto(upto) {
        assert!(learner.decided.contains_key(&slot), "an applied slot is decided");
        storage.votes.remove(&slot);
    }
}

/// Forgets values below the compacted bound that are not recent, at most so many: to free those of
/// hundreds of slots at once would take many milliseconds.
fn forget(step: &mut Step<'_, '_>, slots_max: u64) {
    let State { durable, learner, .. } = step.state.to_mut();
    let Learner { applied_upto, decided, .. } = learner;
    let recent = Slot(applied_upto.0.saturating_sub(step.tuning.recent_slots));
    let kept = recent.min(durable.snapshot.upto);
    for _ in 0..slots_max {
        match decided.get_min() {
            Some(&(oldest, _)) if oldest < kept => drop(decided.remove(&oldest)),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests;
