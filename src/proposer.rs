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
//!
//! **Source**: *Paxos Made Simple* (2001), sections 2.2 and 3; the pull of promises in chunks is our
//! own, and so is the base: the lowest slot that a leader may propose at.

use crate::effects::{Effects, Timer};
use crate::message::{Accept, Accepted, Fetch, Prepare, Promise};
use crate::pacing::{Flight, Pacing, TICKS_MIN};
use crate::quorum::ReplicaSet;
use crate::state::{Context, Intake, Leading, Phase, Preparing, State};
use crate::types::{Ballot, ReplicaId, Slot, Value, Vote};
use crate::{acceptor, election, learner, requests};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Phase 1a: saves its own promise of a new ballot, then asks for those of the others.
pub fn start(at: &Context<'_>, state: &mut State, ballot: Ballot, effects: &mut Effects) {
    assert!(ballot > state.durable.promised, "a ballot is never used twice");
    acceptor::promise(&mut state.durable, ballot, effects);
    let from = state.learner.applied_upto;
    let own = state.durable.votes.range(from..);
    state.phase = Phase::Preparing(Preparing {
        ballot,
        from,
        expected: BTreeMap::new(),
        complete: ReplicaSet::of(at.me),
        compacted_upto: from,
        reported: own.map(|(slot, vote)| (*slot, vote.clone())).collect(),
        ticks: 0,
        wait: if at.tuning.adapts() { TICKS_MIN } else { 0 },
    });
    for peer in at.cluster.peers(at.me) {
        effects.send(peer, Prepare { ballot, from });
    }
    effects.set_timer(Timer::Resend, at.tuning.resend_delay());
    election::restart_timer(at, state, effects);
    lead_if_promised(at, state, effects);
}

/// Takes a chunk of a promise, if it is the one expected; then asks for the next, or leads.
pub fn on_promise(
    at: &Context<'_>,
    state: &mut Cow<'_, State>,
    acceptor: ReplicaId,
    chunk: Promise,
    effects: &mut Effects,
) {
    let Phase::Preparing(preparing) = &state.phase else { return };
    if chunk.ballot != preparing.ballot
        || preparing.complete.contains(acceptor)
        || chunk.from != preparing.expected_of(acceptor)
    {
        return;
    }
    let state = state.to_mut();
    let Phase::Preparing(preparing) = &mut state.phase else { return };
    preparing.ticks = 0;
    preparing.compacted_upto = preparing.compacted_upto.max(chunk.compacted_upto);
    for (slot, vote) in chunk.votes {
        preparing.report(slot, vote);
    }
    if chunk.last {
        preparing.expected.remove(&acceptor);
        preparing.complete.insert(acceptor);
    } else {
        preparing.expected.insert(acceptor, chunk.next);
        let ballot = preparing.ballot;
        effects.send(acceptor, Prepare { ballot, from: chunk.next });
    }
    if at.tuning.adapts() {
        // Many chunks take long, and each is progress.
        election::restart_timer(at, state, effects);
    }
    lead_if_promised(at, state, effects);
}

impl Preparing {
    /// The slot that the next chunk of this acceptor starts at.
    fn expected_of(&self, acceptor: ReplicaId) -> Slot {
        self.expected.get(&acceptor).copied().unwrap_or(self.from)
    }

    /// Keeps, for each slot, the vote of the highest ballot.
    fn report(&mut self, slot: Slot, vote: Vote) {
        let known = self.reported.get(&slot);
        if known.is_none_or(|known| known.ballot < vote.ballot) {
            self.reported.insert(slot, vote);
        }
    }
}

/// Starts phase 2 if a quorum has promised and reported everything.
fn lead_if_promised(at: &Context<'_>, state: &mut State, effects: &mut Effects) {
    let Phase::Preparing(preparing) = &state.phase else { return };
    if !at.cluster.is_quorum(preparing.complete) {
        return;
    }
    let ballot = preparing.ballot;
    let base = state.learner.applied_upto.max(preparing.compacted_upto);
    let mut reported = preparing.reported.clone();
    reported.retain(|slot, _| *slot >= base);
    let next = reported.keys().next_back().map_or(base, |highest| highest.next());
    // From here on a slot at or above the base is decided by counting votes of this ballot only.
    state.learner.decided = state.learner.decided.split(&base).0;
    state.phase = Phase::Leading(Leading {
        ballot,
        base,
        next,
        in_flight: BTreeMap::new(),
        pacing: Pacing::default(),
        heard: ReplicaSet::default(),
        outbid: Ballot::ZERO,
        intake: Intake::default(),
    });
    effects.set_timer(Timer::Heartbeat, at.tuning.heartbeat_delay());
    effects.set_timer(Timer::Resend, at.tuning.resend_delay());
    election::restart_timer(at, state, effects);
    for slot in base.upto(next) {
        let value = reported.remove(&slot).map_or(Value::Noop, |vote| vote.value);
        propose(at, state, ballot, slot, value, effects);
    }
    election::announce(at, state, effects);
    requests::name_leader(at, state, at.me, effects);
    ask_below_base(at, state, effects);
}

/// Phase 2a: asks for the votes of the others, votes, and saves meanwhile.
fn propose(
    at: &Context<'_>,
    state: &mut State,
    ballot: Ballot,
    slot: Slot,
    value: Value,
    effects: &mut Effects,
) {
    let vote = Vote { ballot, value: value.clone() };
    state.durable.write(effects).votes.insert(slot, vote);
    let Phase::Leading(leading) = &mut state.phase else { return };
    let flight = leading.pacing.proposed(value.size_bytes(), at.tuning);
    leading.in_flight.insert(slot, flight);
    let decided_upto = state.learner.applied_upto;
    for peer in at.cluster.peers(at.me) {
        let value = value.clone();
        effects.send_ahead(peer, Accept { ballot, slot, value, decided_upto });
    }
    effects.send(at.me, Accepted { ballot, slot });
}

/// Counts a vote of this leader's own ballot, cast by another or, once it is saved, by itself.
pub fn on_accepted(
    at: &Context<'_>,
    state: &mut Cow<'_, State>,
    acceptor: ReplicaId,
    ballot: Ballot,
    slot: Slot,
    effects: &mut Effects,
) {
    let Phase::Leading(leading) = &state.phase else { return };
    let flight = leading.in_flight.get(&slot);
    if ballot != leading.ballot || flight.is_none_or(|flight| flight.voters.contains(acceptor)) {
        return;
    }
    let state = state.to_mut();
    if let Phase::Leading(leading) = &mut state.phase
        && let Some(flight) = leading.in_flight.get_mut(&slot)
    {
        flight.voters.insert(acceptor);
        if acceptor != at.me {
            leading.pacing.voted(acceptor, flight, at.tuning);
        }
    }
    decide_if_voted(at, state, slot, effects);
    propose_queued(at, state, effects);
    // Whoever waits for the bound would otherwise wait for the next heartbeat.
    if let Phase::Leading(leading) = &state.phase
        && leading.in_flight.is_empty()
    {
        election::announce(at, state, effects);
    }
}

/// Decides a slot that a majority has voted for in this leader's ballot.
fn decide_if_voted(at: &Context<'_>, state: &mut State, slot: Slot, effects: &mut Effects) {
    let Phase::Leading(leading) = &mut state.phase else { return };
    let is_voted = |flight: &Flight| at.cluster.is_quorum(flight.voters);
    if !leading.in_flight.get(&slot).is_some_and(is_voted) {
        return;
    }
    let flight = leading.in_flight.remove(&slot).unwrap_or_default();
    leading.pacing.decided(&flight, at.tuning);
    let vote = state.durable.votes.get(&slot).expect("a leader votes for what it proposes");
    let decided = vec![(slot, vote.value.clone())];
    learner::decide(at, state, decided, effects);
}

/// Proposes what is queued, as far as the window has room; in a busy leader, full values only.
pub fn propose_queued(at: &Context<'_>, state: &mut State, effects: &mut Effects) {
    while let Phase::Leading(leading) = &mut state.phase {
        let spread = leading.next.0 - state.learner.applied_upto.max(leading.base).0;
        let window = at.tuning.window_slots;
        if leading.in_flight.len() >= window
            || spread >= window as u64 + at.tuning.stuck_slots_max
            || !leading.pacing.has_room(at.tuning)
        {
            return;
        }
        let is_busy = leading.in_flight.len() >= at.tuning.eager_slots;
        let Some(value) = leading.intake.queue.next_value(at.tuning, is_busy) else { return };
        for command in value.commands() {
            leading.intake.refill(command.session(), &state.learner.sessions, at.tuning);
        }
        while at.tuning.skip_slots.contains(&leading.next) {
            leading.next = leading.next.next();
        }
        let (ballot, slot) = (leading.ballot, leading.next);
        leading.next = slot.next();
        propose(at, state, ballot, slot, value, effects);
    }
}

/// Jumps over the next slot, if this replica leads: an injected fault.
pub fn on_skip_slot(state: &mut Cow<'_, State>) {
    if !matches!(state.phase, Phase::Leading(_)) {
        return;
    }
    if let Phase::Leading(leading) = &mut state.to_mut().phase {
        leading.next = leading.next.next();
    }
}

/// Sends again what was not answered.
pub fn on_resend_timeout(at: &Context<'_>, state: &mut Cow<'_, State>, effects: &mut Effects) {
    match &state.phase {
        Phase::Follower | Phase::PreVoting(_) => return,
        Phase::Preparing(_) => prepare_again(at, state, effects),
        Phase::Leading(_) => {
            propose_again(at, state, effects);
            fetch_below_base(at, state, effects);
        }
    }
    effects.set_timer(Timer::Resend, at.tuning.resend_delay());
}

/// Asks those again who have not promised or not reported everything, less and less often.
fn prepare_again(at: &Context<'_>, state: &mut Cow<'_, State>, effects: &mut Effects) {
    if at.tuning.adapts()
        && let Phase::Preparing(preparing) = &mut state.to_mut().phase
    {
        preparing.ticks += 1;
        if preparing.ticks < preparing.wait {
            return;
        }
        preparing.ticks = 0;
        preparing.wait = (2 * preparing.wait).min(at.tuning.resend_ticks_max);
    }
    let Phase::Preparing(preparing) = &state.phase else { return };
    let ballot = preparing.ballot;
    for peer in at.cluster.peers(at.me).filter(|p| !preparing.complete.contains(*p)) {
        let from = preparing.expected_of(peer);
        effects.send(peer, Prepare { ballot, from });
    }
}

/// Asks those again who have not voted, each when an answer is overdue, and as much as may be under way.
fn propose_again(at: &Context<'_>, state: &mut Cow<'_, State>, effects: &mut Effects) {
    if at.tuning.adapts()
        && let Phase::Leading(leading) = &mut state.to_mut().phase
    {
        leading.pacing.tick(at.tuning);
    }
    let Phase::Leading(leading) = &state.phase else { return };
    let (ballot, decided_upto) = (leading.ballot, state.learner.applied_upto);
    let again = overdue(at, leading);
    for (slot, peer) in &again {
        let vote = state.durable.votes.get(slot).expect("a leader votes for what it proposes");
        let (slot, value) = (*slot, vote.value.clone());
        effects.send(*peer, Accept { ballot, slot, value, decided_upto });
    }
    if !at.tuning.adapts() || again.is_empty() {
        return;
    }
    let lowest = leading.in_flight.first_key_value();
    if lowest.is_some_and(|(slot, flight)| flight.again.is_empty() && again[0].0 == *slot) {
        // What all others wait for was lost, and has as much time again.
        election::restart_timer(at, state, effects);
    }
    if let Phase::Leading(leading) = &mut state.to_mut().phase {
        for (slot, peer) in again {
            let flight = leading.in_flight.get_mut(&slot).expect("it is in flight");
            leading.pacing.sent_again(flight, peer, at.tuning);
        }
    }
}

/// What is sent again, and to whom: the lowest slots, as much as may be under way to a peer.
fn overdue(at: &Context<'_>, leading: &Leading) -> Vec<(Slot, ReplicaId)> {
    let Leading { in_flight, pacing, .. } = leading;
    let allowance = pacing.allowance(at.tuning);
    let mut bytes: BTreeMap<ReplicaId, usize> = BTreeMap::new();
    let mut again = Vec::new();
    for (slot, flight) in in_flight {
        let silent = at.cluster.peers(at.me).filter(|peer| !flight.voters.contains(*peer));
        for peer in silent.filter(|peer| pacing.is_due(*peer, flight, at.tuning)) {
            let bytes = bytes.entry(peer).or_default();
            if *bytes == 0 || *bytes + flight.bytes <= allowance {
                *bytes += flight.bytes;
                again.push((*slot, peer));
            }
        }
    }
    again
}

/// A leader that lacks decided slots below its base asks everyone for them.
fn fetch_below_base(at: &Context<'_>, state: &mut Cow<'_, State>, effects: &mut Effects) {
    let Phase::Leading(leading) = &state.phase else { return };
    if state.learner.applied_upto >= leading.base {
        return;
    }
    if at.tuning.adapts() {
        let applied_upto = state.learner.applied_upto;
        let Phase::Leading(leading) = &mut state.to_mut().phase else { return };
        if !leading.pacing.fetches(applied_upto, at.tuning) {
            return;
        }
    }
    ask_below_base(at, state, effects);
}

fn ask_below_base(at: &Context<'_>, state: &State, effects: &mut Effects) {
    let Phase::Leading(leading) = &state.phase else { return };
    let from = state.learner.applied_upto;
    if from < leading.base {
        for peer in at.cluster.peers(at.me) {
            effects.send(peer, Fetch { from });
        }
    }
}

#[cfg(test)]
mod tests;
