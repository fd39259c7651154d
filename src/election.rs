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
use crate::effects::Timer;
use crate::message::{Heartbeat, HeartbeatAck, PreVote, PreVoteGranted, PreVoteRefused, Reject};
use crate::proposer;
use crate::quorum::ReplicaSet;
use crate::state::{Phase, PreVoting};
use crate::step::Step;
use crate::types::{Ballot, ReplicaId};
use crate::{acceptor, learner, reads, requests};

/// Sets the election timer to a whole time-out.
pub fn restart_timer(step: &mut Step<'_, '_>) {
    step.effects
        .set_timer(Timer::Election, step.tuning.election_delay(step.state.patience.doublings));
}

/// Follows a ballot above the one promised: promises it, and gives up any attempt of its own.
pub fn follow(step: &mut Step<'_, '_>, ballot: Ballot) {
    acceptor::promise(step, ballot);
    step_down(step);
}

/// Becomes a follower that gives others an election time-out to lead.
pub fn step_down(step: &mut Step<'_, '_>) {
    match step.state.phase {
        Phase::Follower | Phase::PreVoting(_) => {}
        Phase::Preparing(_) => step.effects.cancel_timer(Timer::Resend),
        Phase::Leading(_) => {
            step.effects.cancel_timer(Timer::Resend);
            step.effects.cancel_timer(Timer::Heartbeat);
            if !step.tuning.relay {
                // Only who leads answers.
                step.state.to_mut().askers = Askers::default();
            }
        }
    }
    step.state.to_mut().phase = Phase::Follower;
    restart_timer(step);
}

/// The leader is alive and makes progress.
pub fn on_sign_of_life(step: &mut Step<'_, '_>) {
    if step.tuning.pre_vote && !step.state.leader_alive {
        step.state.to_mut().leader_alive = true;
        requests::name_leader(step, step.promised().replica);
    }
    if step.state.pre_voting().is_some() {
        // It was suspected, and lives.
        let state = step.state.to_mut();
        state.phase = Phase::Follower;
        state.patience.grow(state.learner.applied_upto, step.tuning);
    }
    restart_timer(step);
}

/// No sign of life for an election time-out.
pub fn on_election_timeout(step: &mut Step<'_, '_>) {
    match step.state.phase {
        // A higher ballot would not find more acceptors, and the requests are sent again anyway.
        Phase::Preparing(_) if !step.tuning.pre_vote => restart_timer(step),
        // Others may lead by now, whom this ballot would depose.
        Phase::Preparing(_) => {
            lose_patience(step);
            stand(step);
        }
        Phase::Leading(_) => lose_patience(step),
        Phase::Follower | Phase::PreVoting(_) => {
            if step.state.leader_alive {
                step.state.to_mut().leader_alive = false;
            }
            stand(step);
        }
    }
}

/// What a time-out has ended may need a longer one.
fn lose_patience(step: &mut Step<'_, '_>) {
    let state = step.state.to_mut();
    state.patience.grow(state.learner.applied_upto, step.tuning);
    state.leader_alive = false;
    step_down(step);
}

/// Stands for election, or asks first whether that would be supported. Who is no member asks what it lacks.
fn stand(step: &mut Step<'_, '_>) {
    if !step.is_member() {
        step.state.to_mut().phase = Phase::Follower;
        learner::pull(step);
        restart_timer(step);
        return;
    }
    let promised = step.promised();
    let granted = ReplicaSet::of(step.me);
    if !step.tuning.pre_vote || step.is_quorum(granted) {
        proposer::start(step, promised.successor(step.me));
        return;
    }
    // Whoever heard a leader when this was asked before may hear none by now.
    let attempt = match step.state.pre_voting() {
        Some(asked) if asked.asked == promised => PreVoting { guide: None, ..asked.clone() },
        _ => PreVoting { asked: promised, granted, highest: promised, guide: None },
    };
    if step.state.pre_voting() != Some(&attempt) {
        step.state.to_mut().phase = Phase::PreVoting(attempt);
    }
    let applied_upto = step.state.learner.applied_upto;
    step.send_to_peers(PreVote { promised, applied_upto });
    restart_timer(step);
}

/// Supports an election unless a leader is alive. Who lags is helped on, and is not supported before
/// this replica, which has applied more, has asked for support itself.
pub fn on_pre_vote(
    step: &mut Step<'_, '_>,
    candidate: ReplicaId,
    PreVote { promised: asked, applied_upto }: PreVote,
) {
    let changed_at = step.state.learner.memberships.changed_at(step.cluster);
    if changed_at >= Some(applied_upto) {
        // It asks for the support of members of whom some may be none any more.
        return learner::send_entries(step, candidate, applied_upto);
    }
    let hears = step.state.leader_alive || step.state.leading().is_some();
    let guide = step.state.pre_voting().and_then(|attempt| attempt.guide);
    let is_guided = guide.is_some_and(|guide| guide != candidate);
    if step.tuning.relay {
        if hears || is_guided {
            step.send(candidate, PreVoteRefused { asked });
        }
        if applied_upto < step.state.learner.applied_upto {
            learner::send_entries(step, candidate, applied_upto);
        }
    }
    if hears {
        return;
    }
    let lead = step.state.learner.applied_upto.0.saturating_sub(applied_upto.0);
    if lead > step.tuning.window_slots as u64 && matches!(step.state.phase, Phase::Follower) {
        stand(step);
        return;
    }
    let promised = step.promised();
    step.send(candidate, PreVoteGranted { asked, promised });
}

/// A peer hears a leader that this replica does not hear: it may pass on what clients ask.
pub fn on_pre_vote_refused(
    step: &mut Step<'_, '_>,
    peer: ReplicaId,
    PreVoteRefused { asked }: PreVoteRefused,
) {
    let waits = |attempt: &PreVoting| attempt.asked == asked && attempt.guide != Some(peer);
    if step.state.pre_voting().is_some_and(waits)
        && let Some(attempt) = step.state.to_mut().pre_voting_mut()
    {
        attempt.guide = Some(peer);
    }
}

/// A peer hears no leader either; with a majority of them, stands for election.
pub fn on_pre_vote_granted(
    step: &mut Step<'_, '_>,
    supporter: ReplicaId,
    PreVoteGranted { asked, promised }: PreVoteGranted,
) {
    let counts =
        |attempt: &PreVoting| attempt.asked == asked && !attempt.granted.contains(supporter);
    if !step.state.pre_voting().is_some_and(counts) {
        return;
    }
    let Some(attempt) = step.state.to_mut().pre_voting_mut() else { return };
    attempt.granted.insert(supporter);
    attempt.highest = attempt.highest.max(promised);
    let (granted, highest) = (attempt.granted, attempt.highest);
    if step.is_quorum(granted) {
        let highest = highest.max(step.promised());
        proposer::start(step, highest.successor(step.me));
    }
}

/// Another replica has promised a higher ballot: promises it too, so that the next attempt is
/// above it. A leader goes on, since whoever has promised more may be alone with it: once a majority
/// has heard it again, it takes the lead in a still higher ballot; if none does, it steps down anyway.
pub fn on_reject(step: &mut Step<'_, '_>, Reject { promised }: Reject) {
    if promised <= step.promised() {
        return;
    }
    let Some(leading) = step.state.leading() else { return follow(step, promised) };
    if leading.outbid < promised
        && let Some(leading) = step.state.to_mut().leading_mut()
    {
        leading.outbid = promised;
        // Only who is heard from now on has not promised more meanwhile.
        leading.heard = ReplicaSet::default();
    }
}

/// A leader lives: follows it, learns from its bound, and asks for what is missing below it.
pub fn on_heartbeat(
    step: &mut Step<'_, '_>,
    leader: ReplicaId,
    Heartbeat { ballot, decided_upto }: Heartbeat,
) {
    if ballot < step.promised() {
        let promised = step.promised();
        step.send(leader, Reject { promised });
        return;
    }
    if ballot > step.promised() {
        follow(step, ballot);
    }
    learner::on_announcement(step, ballot, decided_upto);
    step.send(leader, HeartbeatAck { ballot });
    learner::fetch_below(step, leader, decided_upto);
}

/// Sends heartbeats.
pub fn on_heartbeat_timeout(step: &mut Step<'_, '_>) {
    if step.state.leading().is_some() {
        announce(step);
        reads::ask_again(step);
        step.effects.set_timer(Timer::Heartbeat, step.tuning.heartbeat_delay());
    }
}

/// Tells everyone that this leader lives, and its bound.
pub fn announce(step: &mut Step<'_, '_>) {
    let Some(ballot) = step.state.phase.own_ballot() else { return };
    let decided_upto = step.state.learner.applied_upto;
    step.send_to_peers(Heartbeat { ballot, decided_upto });
}

/// A follower heard this leader. With a majority of them, and nothing pending or missing below the
/// base, that is the leader's own sign of life; otherwise only progress is.
pub fn on_heartbeat_ack(
    step: &mut Step<'_, '_>,
    follower: ReplicaId,
    HeartbeatAck { ballot }: HeartbeatAck,
) {
    let Some(leading) = step.state.leading() else { return };
    if leading.ballot != ballot || leading.heard.contains(follower) {
        return;
    }
    let (outbid, base) = (leading.outbid, leading.base);
    let before = leading.heard;
    let mut heard = before;
    heard.insert(follower);
    let mut with_me = heard;
    with_me.insert(step.me);
    let last = leading.in_flight.keys().next_back().copied().unwrap_or_default();
    if step.is_quorum_upto(last, with_me) {
        if outbid > ballot {
            // Nobody else leads, so whoever has promised more gets a ballot that it can follow.
            let ballot = outbid.successor(step.me);
            return proposer::start(step, ballot);
        }
        heard = ReplicaSet::default();
        let applied_upto = step.state.learner.applied_upto;
        // The only one that knew what is missing below the base may be dead. The votes for it are
        // with a majority, so an election without the dead finds it.
        let lacks = applied_upto < base;
        let pending = step.state.durable.highest_vote() >= Some(applied_upto);
        if !lacks && !pending {
            restart_timer(step);
        }
    }
    if heard != before
        && let Some(leading) = step.state.to_mut().leading_mut()
    {
        leading.heard = heard;
    }
}

#[cfg(test)]
mod tests;
