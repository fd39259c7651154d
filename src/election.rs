//! Election: who suspects the leader, who may try to replace it, and how a leader keeps or gives
//! up its place.
//!
//! **Invariants** (of liveness; safety does not depend on anything here)
//! - *A healthy leader is not deposed*: a ballot is used only after a majority said that it hears
//!   no leader either, and given up after a time-out; and a leader that is rejected goes on while a
//!   majority hears it.
//! - *A sign of life needs progress*: an announced bound is one only if it is above what was
//!   applied here, or no vote is held at or above it. So a leader that jumped over a slot is
//!   found, and a hole in one's own log is no ground for suspicion.
//! - *A leader unheard by a majority for a time-out steps down*, and so does one that is heard but
//!   makes no progress with what is pending, or with what it has to fetch.
//!
//! **Absent**: clocks. Time is the `Election` timer, which a model fires at any moment.
//!
//! **Source**: Ongaro's thesis (2014), sections 4.2.3 and 9.6 for pre-votes, 6.2 for a leader that
//! steps down; Howard and Abraham, *Raft does not Guarantee Liveness in the face of Network
//! Faults* (2020), for why both are needed.

use crate::askers::Askers;
use crate::effects::{Effects, Timer};
use crate::message::{
    Asker, Heartbeat, HeartbeatAck, PreVote, PreVoteGranted, PreVoteRefused, Reject,
};
use crate::proposer;
use crate::quorum::ReplicaSet;
use crate::state::{Context, State};
use crate::state::{Phase, PreVoting};
use crate::types::{Ballot, ReplicaId, Slot};
use crate::{acceptor, learner, requests};
use std::borrow::Cow;

/// Sets the election timer to a whole time-out.
pub fn restart_timer(at: &Context<'_>, state: &State, effects: &mut Effects) {
    effects.set_timer(Timer::Election, at.tuning.election_delay(state.patience.doublings));
}

/// Follows a ballot above the one promised: promises it, and gives up any attempt of its own.
pub fn follow(at: &Context<'_>, state: &mut Cow<'_, State>, ballot: Ballot, effects: &mut Effects) {
    let state = state.to_mut();
    acceptor::promise(&mut state.durable, ballot, effects);
    step_down(at, state, effects);
}

/// Becomes a follower that gives others an election time-out to lead.
pub fn step_down(at: &Context<'_>, state: &mut State, effects: &mut Effects) {
    match state.phase {
        Phase::Follower | Phase::PreVoting(_) => {}
        Phase::Preparing(_) => effects.cancel_timer(Timer::Resend),
        Phase::Leading(_) => {
            effects.cancel_timer(Timer::Resend);
            effects.cancel_timer(Timer::Heartbeat);
            if !at.tuning.relay {
                // Only who leads answers.
                state.askers = Askers::default();
            }
        }
    }
    state.phase = Phase::Follower;
    restart_timer(at, state, effects);
}

/// The leader is alive and makes progress.
pub fn on_sign_of_life(at: &Context<'_>, state: &mut Cow<'_, State>, effects: &mut Effects) {
    if at.tuning.pre_vote && !state.leader_alive {
        state.to_mut().leader_alive = true;
        requests::name_leader(at, state, state.durable.promised.replica, effects);
    }
    if let Phase::PreVoting(_) = &state.phase {
        // It was suspected, and lives.
        let state = state.to_mut();
        state.phase = Phase::Follower;
        state.patience.grow(state.learner.applied_upto, at.tuning);
    }
    restart_timer(at, state, effects);
}

/// No sign of life for an election time-out.
pub fn on_election_timeout(at: &Context<'_>, state: &mut Cow<'_, State>, effects: &mut Effects) {
    match state.phase {
        // A higher ballot would not find more acceptors, and the requests are sent again anyway.
        Phase::Preparing(_) if !at.tuning.pre_vote => restart_timer(at, state, effects),
        // Others may lead by now, whom this ballot would depose.
        Phase::Preparing(_) => {
            lose_patience(at, state.to_mut(), effects);
            stand(at, state, effects);
        }
        Phase::Leading(_) => lose_patience(at, state.to_mut(), effects),
        Phase::Follower | Phase::PreVoting(_) => {
            if state.leader_alive {
                state.to_mut().leader_alive = false;
            }
            stand(at, state, effects);
        }
    }
}

/// What a time-out has ended may need a longer one.
fn lose_patience(at: &Context<'_>, state: &mut State, effects: &mut Effects) {
    state.patience.grow(state.learner.applied_upto, at.tuning);
    state.leader_alive = false;
    step_down(at, state, effects);
}

/// Stands for election, or asks first whether that would be supported.
fn stand(at: &Context<'_>, state: &mut Cow<'_, State>, effects: &mut Effects) {
    let promised = state.durable.promised;
    let granted = ReplicaSet::of(at.me);
    if !at.tuning.pre_vote || at.cluster.is_quorum(granted) {
        proposer::start(at, state.to_mut(), promised.successor(at.me), effects);
        return;
    }
    let asks_already =
        matches!(&state.phase, Phase::PreVoting(attempt) if attempt.asked == promised);
    if asks_already {
        // Whoever heard a leader then may hear none by now.
        if let Phase::PreVoting(PreVoting { guide: Some(_), .. }) = &state.phase
            && let Phase::PreVoting(attempt) = &mut state.to_mut().phase
        {
            attempt.guide = None;
        }
    } else {
        let attempt = PreVoting { asked: promised, granted, highest: promised, guide: None };
        state.to_mut().phase = Phase::PreVoting(attempt);
    }
    let applied_upto = state.learner.applied_upto;
    for peer in at.cluster.peers(at.me) {
        effects.send(peer, PreVote { promised, applied_upto });
    }
    restart_timer(at, state, effects);
}

/// Supports an election unless a leader is alive. Who lags is helped on, and is not supported before
/// this replica, which has applied more, has asked for support itself.
pub fn on_pre_vote(
    at: &Context<'_>,
    state: &mut Cow<'_, State>,
    candidate: ReplicaId,
    promised: Ballot,
    applied_upto: Slot,
    effects: &mut Effects,
) {
    let asked = promised;
    let hears = state.leader_alive || matches!(state.phase, Phase::Leading(_));
    let is_guided = matches!(&state.phase, Phase::PreVoting(attempt)
        if attempt.guide.is_some_and(|guide| guide != candidate));
    if at.tuning.relay {
        if hears || is_guided {
            effects.send(candidate, PreVoteRefused { asked });
        }
        if applied_upto < state.learner.applied_upto {
            let asker = Asker::Replica(candidate);
            learner::send_entries(at, state, asker, applied_upto, effects);
        }
    }
    if hears {
        return;
    }
    let lead = state.learner.applied_upto.0.saturating_sub(applied_upto.0);
    if lead > at.tuning.window_slots as u64 && matches!(state.phase, Phase::Follower) {
        stand(at, state, effects);
        return;
    }
    let promised = state.durable.promised;
    effects.send(candidate, PreVoteGranted { asked, promised });
}

/// A peer hears a leader that this replica does not hear: it may pass on what clients ask.
pub fn on_pre_vote_refused(state: &mut Cow<'_, State>, peer: ReplicaId, asked: Ballot) {
    let Phase::PreVoting(attempt) = &state.phase else { return };
    if attempt.asked != asked || attempt.guide == Some(peer) {
        return;
    }
    if let Phase::PreVoting(attempt) = &mut state.to_mut().phase {
        attempt.guide = Some(peer);
    }
}

/// A peer hears no leader either; with a majority of them, stands for election.
pub fn on_pre_vote_granted(
    at: &Context<'_>,
    state: &mut Cow<'_, State>,
    supporter: ReplicaId,
    asked: Ballot,
    promised: Ballot,
    effects: &mut Effects,
) {
    let Phase::PreVoting(attempt) = &state.phase else { return };
    if attempt.asked != asked || attempt.granted.contains(supporter) {
        return;
    }
    let state = state.to_mut();
    let Phase::PreVoting(attempt) = &mut state.phase else { return };
    attempt.granted.insert(supporter);
    attempt.highest = attempt.highest.max(promised);
    if at.cluster.is_quorum(attempt.granted) {
        let highest = attempt.highest.max(state.durable.promised);
        proposer::start(at, state, highest.successor(at.me), effects);
    }
}

/// Another replica has promised a higher ballot: promises it too, so that the next attempt is
/// above it. A leader goes on, since whoever has promised more may be alone with it: once a majority
/// has heard it again, it takes the lead in a still higher ballot; if none does, it steps down anyway.
pub fn on_reject(
    at: &Context<'_>,
    state: &mut Cow<'_, State>,
    promised: Ballot,
    effects: &mut Effects,
) {
    if promised <= state.durable.promised {
        return;
    }
    match &state.phase {
        Phase::Leading(leading) if leading.outbid >= promised => {}
        Phase::Leading(_) => {
            if let Phase::Leading(leading) = &mut state.to_mut().phase {
                leading.outbid = promised;
                // Only who is heard from now on has not promised more meanwhile.
                leading.heard = ReplicaSet::default();
            }
        }
        _ => follow(at, state, promised, effects),
    }
}

/// A leader lives: follows it, learns from its bound, and asks for what is missing below it.
pub fn on_heartbeat(
    at: &Context<'_>,
    state: &mut Cow<'_, State>,
    leader: ReplicaId,
    ballot: Ballot,
    decided_upto: Slot,
    effects: &mut Effects,
) {
    if ballot < state.durable.promised {
        let promised = state.durable.promised;
        effects.send(leader, Reject { promised });
        return;
    }
    if ballot > state.durable.promised {
        follow(at, state, ballot, effects);
    }
    learner::on_announcement(at, state, ballot, decided_upto, effects);
    effects.send(leader, HeartbeatAck { ballot });
    learner::fetch_below(at, state, leader, decided_upto, effects);
}

/// Sends heartbeats.
pub fn on_heartbeat_timeout(at: &Context<'_>, state: &State, effects: &mut Effects) {
    if matches!(state.phase, Phase::Leading(_)) {
        announce(at, state, effects);
        effects.set_timer(Timer::Heartbeat, at.tuning.heartbeat_delay());
    }
}

/// Tells everyone that this leader lives, and its bound.
pub fn announce(at: &Context<'_>, state: &State, effects: &mut Effects) {
    let Some(ballot) = state.phase.own_ballot() else { return };
    let decided_upto = state.learner.applied_upto;
    for peer in at.cluster.peers(at.me) {
        effects.send(peer, Heartbeat { ballot, decided_upto });
    }
}

/// A follower heard this leader. With a majority of them, and nothing pending or missing below the
/// base, that is the leader's own sign of life; otherwise only progress is.
pub fn on_heartbeat_ack(
    at: &Context<'_>,
    state: &mut Cow<'_, State>,
    follower: ReplicaId,
    ballot: Ballot,
    effects: &mut Effects,
) {
    let Phase::Leading(leading) = &state.phase else { return };
    if leading.ballot != ballot || leading.heard.contains(follower) {
        return;
    }
    let mut heard = leading.heard;
    heard.insert(follower);
    let mut with_me = heard;
    with_me.insert(at.me);
    if at.cluster.is_quorum(with_me) {
        if leading.outbid > ballot {
            // Nobody else leads, so whoever has promised more gets a ballot that it can follow.
            let ballot = leading.outbid.successor(at.me);
            return proposer::start(at, state.to_mut(), ballot, effects);
        }
        heard = ReplicaSet::default();
        let applied_upto = state.learner.applied_upto;
        // The only one that knew what is missing below the base may be dead. The votes for it are
        // with a majority, so an election without the dead finds it.
        let lacks = applied_upto < leading.base;
        let pending = state.durable.highest_vote() >= Some(applied_upto);
        if !lacks && !pending {
            restart_timer(at, state, effects);
        }
    }
    if heard != leading.heard
        && let Phase::Leading(leading) = &mut state.to_mut().phase
    {
        leading.heard = heard;
    }
}

#[cfg(test)]
mod tests;
