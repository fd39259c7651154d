//! What a step reaches.

use super::Milestone;
use crate::chat::{ChatSpec, Ghost};
use crate::node::{Node, NodeState, NodeStorage};
use actor_checker::spec::{Event, Step, Verdict};
use paxos_chat::message::{Accept, Class, Message, Outcome, Output, ToClient, ToPeer, ToReplica};
use paxos_chat::state::{Phase, State};
use paxos_chat::types::{Body, Command, Operation, Slot, Value, Vote};

/// Judges what a step reaches, as far as the run asks for it.
pub(crate) fn judge(spec: &ChatSpec, step: &Step<'_, Node, Ghost>) -> Verdict {
    let mut verdict = Verdict::default();
    for milestone in reached(step) {
        spec.note(milestone, &mut verdict, || true);
    }
    verdict
}

/// What a step reaches, whether asked for or not.
pub fn reached(step: &Step<'_, Node, Ghost>) -> Vec<Milestone> {
    let mut reached = Vec::new();
    let before = step.before.and_then(|local| local.state.as_ref()).and_then(NodeState::replica);
    let after = step.state.and_then(NodeState::replica);
    if let (Some(before), Some(after)) = (before, after) {
        reached.extend(reached_by_phase(before, after, step));
        reached.extend(reached_by_log(before, after));
        if let Event::Deliver { msg, .. } = &step.event {
            reached.extend(reached_by_message(before, after, msg, step));
        }
    }
    if let (Event::Recover, Some(state)) = (&step.event, after) {
        let recalled = state.learner.applied_upto > state.durable.snapshot.upto;
        reached.extend(recalled.then_some(Milestone::LogRecalled));
        let has_votes = !state.durable.votes.is_empty();
        reached.extend(has_votes.then_some(Milestone::RecoveredInPhase2));
    }
    let machine = step.before.and_then(|local| local.state.as_ref()).and_then(NodeState::machine);
    if let (Event::Crash, Some(machine)) = (&step.event, machine)
        && !machine.pending.is_empty()
    {
        reached.push(Milestone::PendingSaveLost);
    }
    reached.extend(reached_by_client(step));
    for (_, message) in step.sends {
        reached.extend(match message {
            Message::ToClient(ToClient::Busy(_)) => Some(Milestone::BusyTold),
            Message::ToClient(ToClient::Redirect(_)) => Some(Milestone::ClientRedirected),
            Message::ToPeer(ToPeer::PreVoteGranted(_)) => Some(Milestone::PreVoteGranted),
            Message::ToPeer(ToPeer::RelayBound(_)) => Some(Milestone::ReadPassedOn),
            _ => None,
        });
    }
    if let Some(state) = before
        && step.sends.iter().any(|(_, message)| is_read_from_log(state, message))
    {
        reached.push(Milestone::AnsweredFromLog);
    }
    for report in step.reports {
        if let Message::Output(Output::Current { .. }) = report {
            reached.push(Milestone::ReadEnded);
        }
        let Message::Output(Output::Applied { value, outcomes, .. }) = report else { continue };
        let known = |state: &State| state.learner.memberships.clone();
        if value.commands().iter().any(is_change) && before.map(known) == after.map(known) {
            reached.push(Milestone::ChangeRefused);
        }
        for outcome in outcomes {
            reached.extend(match outcome {
                Outcome::Duplicate(_) => Some(Milestone::DuplicateSuppressed),
                Outcome::Opened(_) => Some(Milestone::SessionOpened),
                _ => None,
            });
        }
    }
    reached
}

/// Does this ask for other members?
fn is_change(command: &Command) -> bool {
    matches!(&command.operation, Operation::InSession { body: Body::Reconfigure(_), .. })
}

fn reached_by_client(step: &Step<'_, Node, Ghost>) -> Vec<Milestone> {
    let Some(Ghost::Client(ghost)) = step.before.map(|local| &local.ghost) else {
        return Vec::new();
    };
    let mut reached = Vec::new();
    let left = step.storage.and_then(NodeStorage::client);
    if matches!(step.event, Event::Crash)
        && left.is_some_and(|left| !left.unacknowledged.is_empty())
    {
        reached.push(Milestone::ClientCrashedPending);
    }
    for report in step.reports {
        match report {
            Message::Output(Output::Confirmed { seq, .. }) if ghost.crashed_with.contains(seq) => {
                reached.push(Milestone::PendingAcknowledged);
            }
            Message::Output(Output::OutcomeUnknown { unknown })
                if unknown.iter().any(|seq| ghost.crashed_with.contains(seq)) =>
            {
                reached.push(Milestone::ExpiredAfterCrash);
            }
            _ => {}
        }
    }
    reached
}

/// Is this an answer with something that the replica has applied and does not hold any more?
fn is_read_from_log(state: &State, message: &Message) -> bool {
    let from = match message {
        Message::ToPeer(ToPeer::Decided(entries)) => entries.from,
        Message::ToClient(ToClient::Entries(page)) => page.from,
        _ => return false,
    };
    from < state.durable.snapshot.upto && !state.learner.decided.contains_key(&from)
}

fn reached_by_phase(before: &State, after: &State, step: &Step<'_, Node, Ghost>) -> Vec<Milestone> {
    let mut reached = Vec::new();
    match (&before.phase, &after.phase) {
        (Phase::Preparing(_) | Phase::Follower | Phase::PreVoting(_), Phase::Leading(_)) => {
            reached.push(Milestone::LeaderElected);
            for (_, message) in step.sends {
                match message {
                    Message::ToPeer(ToPeer::Accept(Accept { value: Value::Noop, .. })) => {
                        reached.push(Milestone::GapClosed);
                    }
                    Message::ToPeer(ToPeer::Accept(_)) => reached.push(Milestone::OldValueAdopted),
                    Message::ToPeer(ToPeer::Fetch(_)) => reached.push(Milestone::LeaderFetches),
                    _ => {}
                }
            }
        }
        (Phase::Leading(_), Phase::Follower) => match &step.event {
            Event::Timeout(_) => reached.push(Milestone::UnheardStepsDown),
            Event::Deliver { msg: Message::ToPeer(ToPeer::Decided(_)), .. } => {
                reached.push(Milestone::SupersededStepsDown);
            }
            _ => {}
        },
        (Phase::Leading(was), Phase::Leading(is)) => {
            let fresh = |slot: &&Slot| **slot >= was.next;
            let proposed = is.in_flight.keys().filter(fresh).count() as u64;
            if is.next.0 - was.next.0 > proposed && after.learner.applied_upto <= was.next {
                reached.push(Milestone::SlotSkipped);
            }
        }
        _ => {}
    }
    reached
}

fn reached_by_log(before: &State, after: &State) -> Vec<Milestone> {
    let mut reached = Vec::new();
    if after.leader_alive && !before.leader_alive {
        reached.push(Milestone::LeaderHeard);
    }
    let in_force = |state: &State| state.learner.memberships.current;
    if in_force(before) != in_force(after) {
        reached.push(Milestone::MembersChanged);
        if before.leading().is_some() && after.leading().is_none() {
            reached.push(Milestone::RemovedStepsDown);
        }
    }
    if let (Some(was), Some(is)) = (before.leading(), after.leading())
        && was.merged < is.merged
    {
        reached.push(Milestone::MembersMerged);
    }
    if after.durable.snapshot.upto > before.durable.snapshot.upto {
        reached.push(Milestone::SnapshotTaken);
    }
    let gone = |(id, _)| after.learner.sessions.get(id).is_none();
    if before.learner.sessions.iter().any(gone) {
        reached.push(Milestone::SessionEvicted);
    }
    reached
}

fn reached_by_message(
    before: &State,
    after: &State,
    msg: &Message,
    step: &Step<'_, Node, Ghost>,
) -> Vec<Milestone> {
    let mut reached = Vec::new();
    let sends = |class: Class| step.sends.iter().any(|(_, sent)| sent.class() == class);
    match msg {
        Message::ToPeer(ToPeer::Promise(chunk)) => {
            if let Phase::Preparing(preparing) = &before.phase {
                let rival = |(slot, vote): &(Slot, Vote)| {
                    preparing.reported.get(slot).is_some_and(|known| known.value != vote.value)
                };
                if chunk.votes.iter().any(rival) {
                    reached.push(Milestone::TwoValuesReported);
                }
                if !chunk.last && sends(Class::Prepare) {
                    reached.push(Milestone::PromiseInChunks);
                }
            }
        }
        Message::ToPeer(ToPeer::Decided(_))
            if after.learner.applied_upto > before.learner.applied_upto =>
        {
            reached.push(Milestone::CaughtUp);
        }
        Message::ToPeer(ToPeer::Round(_)) if sends(Class::Reject) => {
            reached.push(Milestone::ReadRefused);
        }
        Message::ToPeer(ToPeer::RoundAck(_))
            if after.leading().is_some_and(|leading| leading.reads.asked.len() > 1) =>
        {
            reached.push(Milestone::ReadsShareRound);
        }
        Message::ToPeer(ToPeer::Accept(_)) if sends(Class::Decided) => {
            reached.push(Milestone::AcceptBelowBound);
        }
        Message::ToPeer(ToPeer::Accept(Accept { ballot, .. }))
            if *ballot >= before.durable.promised && !sends(Class::Accepted) =>
        {
            reached.push(Milestone::AcceptTooFarAhead);
        }
        Message::ToReplica(ToReplica::Request(_)) if sends(Class::Relay) => {
            reached.push(Milestone::RequestPassedOn)
        }
        Message::ToReplica(ToReplica::Request(_)) | Message::ToPeer(ToPeer::Relay(_))
            if holds(after) > holds(before) =>
        {
            reached.push(Milestone::RequestHeld);
        }
        Message::ToReplica(ToReplica::Request(_)) if sends(Class::Acknowledged) => {
            let in_progress = before.learner.applied_upto < after.learner.applied_upto;
            if !in_progress {
                reached.push(Milestone::AnsweredFromTable);
            }
        }
        _ => {}
    }
    reached
}

/// How many requests wait at a leader for an earlier one.
fn holds(state: &State) -> usize {
    match &state.phase {
        Phase::Leading(leading) => leading.intake.held.len(),
        _ => 0,
    }
}
