//! The proposer: phase 1 over chunked promises, and phase 2 over a window of slots.
//!
//! **Invariants**
//! - *A ballot is saved as the candidate's own promise before it is sent*, so it is never used
//!   twice, across restarts too.
//! - *The highest ballot wins*: in every slot from its base up to the end of what its quorum
//!   reported, a new leader proposes the vote of the highest ballot, or `Noop` where the whole
//!   quorum reported none. Nothing is proposed before phase 1 is complete, nor below the base.
//! - *Only votes of one's own ballot are counted*, one's own only once it is saved: it comes as a
//!   message to oneself, which is sent behind the save. One's own promise is counted at once, since
//!   nobody else promises the ballot before `Prepare` has left, behind the save of that promise.
//! - *An `Accept` may leave before the vote that goes with it is saved*: it reveals the ballot, whose
//!   promise was saved before phase 1, and a bound that counted votes alone have moved. A leader that
//!   crashes and forgets its vote never proposes in that ballot again.
//! - *One value a (ballot, slot)*: a slot is handed out once a leadership.
//! - *Nothing is proposed at a slot before its members are known* and a quorum of them has promised ([`crate::joining`]).
//!   So in the handler that saves the promise of a lone member nothing is sent ahead: nobody else is a member of what it
//!   proposes.
//!
//! **Source**: *Paxos Made Simple* (2001), sections 2.2 and 3; the pull of promises in chunks is our
//! own, and so is the base: the lowest slot that a leader may propose at.

use crate::effects::Timer;
use crate::message::{Accept, Accepted, Fetch, Prepare, Promise};
use crate::open_reads::OpenReads;
use crate::pacing::{Flight, Pacing, TICKS_MIN};
use crate::quorum::ReplicaSet;
use crate::state::{Intake, Leading, Phase, Preparing, State};
use crate::step::Step;
use crate::types::{Ballot, ReplicaId, Slot, Value, Vote};
use crate::{acceptor, election, joining, learner, requests};
use std::collections::BTreeMap;

/// Phase 1a: saves its own promise of a new ballot, then asks for those of the others.
pub fn start(step: &mut Step<'_, '_>, ballot: Ballot) {
    assert!(ballot > step.promised(), "a ballot is never used twice");
    acceptor::promise(step, ballot);
    let from = step.state.learner.applied_upto;
    let preparing = preparing(step, ballot, from);
    step.state.to_mut().phase = Phase::Preparing(preparing);
    step.send_to_peers(Prepare { ballot, from });
    step.effects.set_timer(Timer::Resend, step.tuning.resend_delay());
    election::restart_timer(step);
    lead_if_promised(step);
}

/// Phase 1 from this slot on, in which only oneself has promised.
pub fn preparing(step: &Step<'_, '_>, ballot: Ballot, from: Slot) -> Preparing {
    let own = step.state.durable.votes.range(from..);
    Preparing {
        ballot,
        from,
        expected: BTreeMap::new(),
        complete: ReplicaSet::of(step.me),
        compacted_upto: step.state.learner.applied_upto,
        reported: own.map(|(slot, vote)| (*slot, vote.clone())).collect(),
        ticks: 0,
        wait: if step.tuning.adapts() { TICKS_MIN } else { 0 },
    }
}

/// Takes a chunk of a promise, if it is the one expected; then asks for the next, leads, or proposes where it could not.
pub fn on_promise(step: &mut Step<'_, '_>, acceptor: ReplicaId, chunk: Promise) {
    let Some(preparing) = step.state.phase.promises() else { return };
    if chunk.ballot != preparing.ballot
        || preparing.complete.contains(acceptor)
        || chunk.from != preparing.expected_of(acceptor)
    {
        return;
    }
    let Some(preparing) = step.state.to_mut().phase.promises_mut() else { return };
    preparing.ticks = 0;
    preparing.compacted_upto = preparing.compacted_upto.max(chunk.compacted_upto);
    report(&mut preparing.reported, chunk.votes);
    if chunk.last {
        preparing.expected.remove(&acceptor);
        preparing.complete.insert(acceptor);
    } else {
        preparing.expected.insert(acceptor, chunk.next);
        let ballot = preparing.ballot;
        step.send(acceptor, Prepare { ballot, from: chunk.next });
    }
    if step.state.leading().is_some() {
        return joining::merge_if_promised(step);
    }
    if step.tuning.adapts() {
        // Many chunks take long, and each is progress.
        election::restart_timer(step);
    }
    lead_if_promised(step);
}

impl Preparing {
    /// The slot that the next chunk of this acceptor starts at.
    fn expected_of(&self, acceptor: ReplicaId) -> Slot {
        self.expected.get(&acceptor).copied().unwrap_or(self.from)
    }
}

/// Keeps, for each slot, the vote of the highest ballot.
pub fn report(reported: &mut BTreeMap<Slot, Vote>, votes: impl IntoIterator<Item = (Slot, Vote)>) {
    for (slot, vote) in votes {
        if reported.get(&slot).is_none_or(|known| known.ballot < vote.ballot) {
            reported.insert(slot, vote);
        }
    }
}

/// Starts phase 2 if a quorum of the members has promised and reported everything.
fn lead_if_promised(step: &mut Step<'_, '_>) {
    let Some(preparing) = step.state.preparing() else { return };
    if !step.is_quorum(preparing.complete) {
        return;
    }
    let ballot = preparing.ballot;
    let applied_upto = step.state.learner.applied_upto;
    let base = applied_upto.max(preparing.compacted_upto);
    let mut reported = preparing.reported.clone();
    reported.retain(|slot, _| *slot >= base);
    let end = reported.keys().next_back().map_or(base, |highest| highest.next());
    let merged = step.membership(applied_upto).since;
    // From here on a slot at or above the base is decided by counting votes of this ballot only.
    let state = step.state.to_mut();
    state.learner.decided = state.learner.decided.split(&base).0;
    state.phase = Phase::Leading(Leading {
        ballot,
        base,
        next: base,
        reported,
        in_flight: BTreeMap::new(),
        pacing: Pacing::default(),
        heard: ReplicaSet::default(),
        outbid: Ballot::ZERO,
        intake: Intake::default(),
        end: (end > applied_upto).then_some(end),
        reads: OpenReads::default(),
        merged,
        joining: None,
    });
    step.effects.set_timer(Timer::Heartbeat, step.tuning.heartbeat_delay());
    step.effects.set_timer(Timer::Resend, step.tuning.resend_delay());
    election::restart_timer(step);
    propose_reported(step);
    election::announce(step);
    requests::name_leader(step, step.me);
    ask_below_base(step);
    joining::on_applied(step);
}

/// Proposes what was reported, in every slot up to the end of it, as far as it may: `Noop` where nothing was.
pub fn propose_reported(step: &mut Step<'_, '_>) {
    while let Some(leading) = step.state.leading()
        && Some(leading.next) < leading.end
        && may_propose(step, leading.next)
    {
        let (ballot, slot) = (leading.ballot, leading.next);
        let Some(leading) = step.state.to_mut().leading_mut() else { return };
        let value = leading.reported.remove(&slot).map_or(Value::Noop, |vote| vote.value);
        leading.next = slot.next();
        propose(step, slot, Vote { ballot, value });
    }
}

/// Are the members of this slot known, and have a quorum of them promised?
fn may_propose(step: &Step<'_, '_>, slot: Slot) -> bool {
    let merged = step.state.leading().map(|leading| leading.merged);
    step.knows_members(slot) && Some(step.membership(slot).since) <= merged
}

/// Phase 2a: asks for the votes of the other members, casts its own, and saves meanwhile.
fn propose(step: &mut Step<'_, '_>, slot: Slot, vote: Vote) {
    step.write().votes.insert(slot, vote.clone());
    let Vote { ballot, value } = vote;
    let Some(leading) = step.state.to_mut().leading_mut() else { return };
    let flight = leading.pacing.proposed(value.size_bytes(), step.tuning);
    leading.in_flight.insert(slot, flight);
    let decided_upto = step.state.learner.applied_upto;
    for member in step.membership(slot).members.without(step.me).iter() {
        let value = value.clone();
        step.effects.send_ahead(member, Accept { ballot, slot, value, decided_upto });
    }
    step.send(step.me, Accepted { ballot, slot });
}

/// Counts a vote of this leader's own ballot, cast by another or, once it is saved, by itself.
pub fn on_accepted(
    step: &mut Step<'_, '_>,
    acceptor: ReplicaId,
    Accepted { ballot, slot }: Accepted,
) {
    let Some(leading) = step.state.leading() else { return };
    let flight = leading.in_flight.get(&slot);
    if ballot != leading.ballot || flight.is_none_or(|flight| flight.voters.contains(acceptor)) {
        return;
    }
    if let Some(leading) = step.state.to_mut().leading_mut()
        && let Some(flight) = leading.in_flight.get_mut(&slot)
    {
        flight.voters.insert(acceptor);
        if acceptor != step.me {
            leading.pacing.voted(acceptor, flight, step.tuning);
        }
    }
    decide_if_voted(step, slot);
    propose_queued(step);
    // Whoever waits for the bound would otherwise wait for the next heartbeat.
    if step.state.leading().is_some_and(|leading| leading.in_flight.is_empty()) {
        election::announce(step);
    }
}

/// Decides a slot that a majority of its members has voted for in this leader's ballot.
fn decide_if_voted(step: &mut Step<'_, '_>, slot: Slot) {
    let members = step.membership(slot).members;
    let Some(leading) = step.state.to_mut().leading_mut() else { return };
    let is_voted = |flight: &Flight| flight.voters.is_quorum_of(members);
    if !leading.in_flight.get(&slot).is_some_and(is_voted) {
        return;
    }
    let flight = leading.in_flight.remove(&slot).unwrap_or_default();
    leading.pacing.decided(&flight, step.tuning);
    let vote = step.state.durable.votes.get(&slot).expect("a leader votes for what it proposes");
    let decided = vec![(slot, vote.value.clone())];
    learner::decide(step, decided);
}

/// Proposes what is queued, as far as the window has room; in a busy leader, full values only. Where a change of members is
/// to come and nothing is queued, it is brought into force by `Noop`s.
pub fn propose_queued(step: &mut Step<'_, '_>) {
    propose_reported(step);
    loop {
        let State { phase: Phase::Leading(leading), learner, .. } = step.state.to_mut() else {
            return;
        };
        let spread = leading.next.0 - learner.applied_upto.max(leading.base).0;
        let window = step.tuning.window_slots;
        if leading.in_flight.len() >= window
            || spread >= window as u64 + step.tuning.stuck_slots_max
            || !leading.pacing.has_room(step.tuning)
        {
            return;
        }
        let next = leading.next;
        let is_skipped = |slot: &Slot| step.tuning.skip_slots.contains(slot);
        let Some(slot) = (next.0..).map(Slot).find(|slot| !is_skipped(slot)) else { return };
        if Some(next) < leading.end || !may_propose(step, slot) {
            return;
        }
        let State { phase: Phase::Leading(leading), learner, .. } = step.state.to_mut() else {
            return;
        };
        let is_busy = leading.in_flight.len() >= step.tuning.eager_slots;
        let is_padded = learner.memberships.next.is_some_and(|change| next < change.since);
        let queued = leading.intake.queue.next_value(step.tuning, is_busy);
        let Some(value) = queued.or_else(|| is_padded.then_some(Value::Noop)) else { return };
        for command in value.commands() {
            leading.intake.refill(command.session(), &learner.sessions, step.tuning);
        }
        let ballot = leading.ballot;
        leading.next = slot.next();
        propose(step, slot, Vote { ballot, value });
    }
}

/// Jumps over the next slot, if this replica leads: an injected fault.
pub fn on_skip_slot(step: &mut Step<'_, '_>) {
    if step.state.leading().is_some()
        && let Some(leading) = step.state.to_mut().leading_mut()
    {
        leading.next = leading.next.next();
    }
}

/// Sends again what was not answered.
pub fn on_resend_timeout(step: &mut Step<'_, '_>) {
    match &step.state.phase {
        Phase::Follower | Phase::PreVoting(_) => return,
        Phase::Preparing(_) => prepare_again(step),
        Phase::Leading(_) => {
            propose_again(step);
            fetch_below_base(step);
            prepare_again(step);
        }
    }
    step.effects.set_timer(Timer::Resend, step.tuning.resend_delay());
}

/// Asks those again who have not promised or not reported everything, less and less often.
fn prepare_again(step: &mut Step<'_, '_>) {
    if step.tuning.adapts()
        && let Some(preparing) = step.state.to_mut().phase.promises_mut()
    {
        preparing.ticks += 1;
        if preparing.ticks < preparing.wait {
            return;
        }
        preparing.ticks = 0;
        preparing.wait = (2 * preparing.wait).min(step.tuning.resend_ticks_max);
    }
    let Some(preparing) = step.state.phase.promises() else { return };
    let ballot = preparing.ballot;
    for peer in step.peers().filter(|p| !preparing.complete.contains(*p)) {
        let from = preparing.expected_of(peer);
        step.effects.send(peer, Prepare { ballot, from });
    }
}

/// Asks those again who have not voted, each when an answer is overdue, and as much as may be under way.
fn propose_again(step: &mut Step<'_, '_>) {
    if step.tuning.adapts()
        && let Some(leading) = step.state.to_mut().leading_mut()
    {
        leading.pacing.tick(step.tuning);
    }
    let Some(leading) = step.state.leading() else { return };
    let (ballot, decided_upto) = (leading.ballot, step.state.learner.applied_upto);
    let again = overdue(step, leading);
    for (slot, peer) in &again {
        let vote = step.state.durable.votes.get(slot).expect("a leader votes for what it proposes");
        let (slot, value) = (*slot, vote.value.clone());
        step.effects.send(*peer, Accept { ballot, slot, value, decided_upto });
    }
    if !step.tuning.adapts() || again.is_empty() {
        return;
    }
    let lowest = leading.in_flight.first_key_value();
    if lowest.is_some_and(|(slot, flight)| flight.again.is_empty() && again[0].0 == *slot) {
        // What all others wait for was lost, and has as much time again.
        election::restart_timer(step);
    }
    if let Some(leading) = step.state.to_mut().leading_mut() {
        for (slot, peer) in again {
            let flight = leading.in_flight.get_mut(&slot).expect("it is in flight");
            leading.pacing.sent_again(flight, peer, step.tuning);
        }
    }
}

/// What is sent again, and to whom: the lowest slots, as much as may be under way to a peer.
fn overdue(step: &Step<'_, '_>, leading: &Leading) -> Vec<(Slot, ReplicaId)> {
    let Leading { in_flight, pacing, .. } = leading;
    let allowance = pacing.allowance(step.tuning);
    let mut bytes: BTreeMap<ReplicaId, usize> = BTreeMap::new();
    let mut again = Vec::new();
    for (slot, flight) in in_flight {
        let members = step.membership(*slot).members.without(step.me);
        let silent = members.iter().filter(|peer| !flight.voters.contains(*peer));
        for peer in silent.filter(|peer| pacing.is_due(*peer, flight, step.tuning)) {
            let bytes = bytes.entry(peer).or_default();
            if *bytes == 0 || *bytes + flight.bytes <= allowance {
                *bytes += flight.bytes;
                again.push((*slot, peer));
            }
        }
    }
    again
}

/// A leader that lacks decided slots below its base asks for them again when it is time.
fn fetch_below_base(step: &mut Step<'_, '_>) {
    let Some(leading) = step.state.leading() else { return };
    if step.state.learner.applied_upto >= leading.base {
        return;
    }
    if step.tuning.adapts() {
        let applied_upto = step.state.learner.applied_upto;
        let Some(leading) = step.state.to_mut().leading_mut() else { return };
        if !leading.pacing.fetches(applied_upto, step.tuning) {
            return;
        }
    }
    ask_below_base(step);
}

/// A leader that lacks decided slots below its base asks everyone for them.
pub fn ask_below_base(step: &mut Step<'_, '_>) {
    let Some(leading) = step.state.leading() else { return };
    let from = step.state.learner.applied_upto;
    if from < leading.base {
        step.send_to_peers(Fetch { from });
    }
}

#[cfg(test)]
mod tests;
