//! What must hold of each step of an actor, against what is remembered of it.

use super::Safety;
use super::bounds;
use crate::chat::{ChatSpec, ClientGhost, Ghost, ReplicaGhost};
use crate::execution::Execution;
use crate::machine::{Disk, Machine};
use crate::node::{Node, NodeState, NodeStorage};
use actor_checker::spec::{Step, Verdict};
use paxos_chat::client::{ClientPhase, ClientStorage};
use paxos_chat::message::{
    Accept, Accepted, Message, Output, Plausible, Prepare, SessionExpired, Taker, ToClient, ToPeer,
    ToReplica,
};
use paxos_chat::state::State;
use paxos_chat::types::{Ballot, Command, Operation, Slot, Vote};

/// A step of a replica, as it is judged.
struct ReplicaStep<'a> {
    spec: &'a ChatSpec,
    /// What was remembered before it.
    ghost: &'a ReplicaGhost,
    step: &'a Step<'a, Node, Ghost>,
    /// What it has led to.
    machine: &'a Machine,
}

/// Does it hold?
type Judge = fn(&ReplicaStep<'_>) -> bool;

/// What is judged of a replica's steps, and how.
const JUDGES: &[(Safety, Judge)] = &[
    (Safety::PromisedMonotone, |it| it.state().durable.promised >= it.ghost.promised),
    (Safety::AppliedMonotone, is_applied_monotone),
    (Safety::NoAcceptedBelowPromise, |it| {
        let sent = it.step.sends.iter().map(|(_, message)| message);
        is_nothing_accepted_below(it.ghost.promised, sent)
    }),
    (Safety::SavedFirst, |it| is_everything_saved_first(it.state(), it.step)),
    (Safety::EqualReplicas, |it| are_outcomes_of_log(it.spec, it.machine, it.step.reports)),
    (Safety::EvictedIsExpired, |it| have_expired(it.spec, it.machine, it.step.sends)),
    (Safety::Bounded, |it| bounds::does_within(&it.spec.tuning, it.step)),
    (Safety::Taken, |it| are_taken(it.spec, it.step)),
];

/// Judges a step of a replica against what is remembered of it.
pub(crate) fn judge_replica(
    spec: &ChatSpec,
    ghost: &ReplicaGhost,
    step: &Step<'_, Node, Ghost>,
    broken: &mut Verdict,
) {
    let Some(machine) = step.state.and_then(NodeState::machine) else { return };
    let it = ReplicaStep { spec, ghost, step, machine };
    for (safety, holds) in JUDGES {
        safety.judge(broken, holds(&it));
    }
}

impl ReplicaStep<'_> {
    fn state(&self) -> &State {
        &self.machine.replica
    }
}

fn is_applied_monotone(it: &ReplicaStep<'_>) -> bool {
    let saved = it.step.storage.and_then(NodeStorage::disk);
    let logged = saved.map_or(Slot(0), Disk::log_end);
    let before = it.step.before.and_then(|local| local.state.as_ref());
    let before = before.and_then(NodeState::replica);
    let floor = before.map_or(logged, |before| before.learner.applied_upto);
    it.state().learner.applied_upto >= floor
}

/// Is nothing accepted below this promise, or one that is sent before it?
pub(crate) fn is_nothing_accepted_below<'a>(
    mut promised: Ballot,
    mut sent: impl Iterator<Item = &'a Message>,
) -> bool {
    sent.all(|message| match message {
        Message::ToPeer(ToPeer::Promise(chunk)) => {
            promised = promised.max(chunk.ballot);
            true
        }
        Message::ToPeer(ToPeer::Accepted(Accepted { ballot, .. })) => *ballot >= promised,
        _ => true,
    })
}

/// Does the driver of whoever gets it take everything that is sent?
fn are_taken(spec: &ChatSpec, step: &Step<'_, Node, Ghost>) -> bool {
    let (replicas, clients) = (usize::from(spec.cluster.len()), spec.users.len());
    let taker = |actor: usize| match actor {
        _ if actor < replicas => Taker::Replica,
        _ if actor < replicas + clients => Taker::Client,
        _ => Taker::Reader,
    };
    step.sends.iter().all(|(dst, message)| is_taken(taker(step.actor), taker(*dst), message))
}

/// Does the receiver's driver take this message of such a sender?
pub(crate) fn is_taken(from: Taker, to: Taker, message: &Message) -> bool {
    let is_of_replica = from == Taker::Replica;
    let is_whole = match message {
        Message::ToPeer(message) => is_of_replica && message.is_plausible(),
        Message::ToClient(message) => is_of_replica && message.is_plausible(),
        Message::ToReplica(message) => !is_of_replica && message.is_plausible(),
        Message::Input(_) | Message::Output(_) => false,
    };
    is_whole && message.class().taker() == to
}

/// Does every command come to what it comes to in this log?
fn are_outcomes_of_log(spec: &ChatSpec, machine: &Machine, reports: &[Message]) -> bool {
    reports.iter().all(|report| match report {
        Message::Output(Output::Applied { slot, value, outcomes }) => {
            let mut execution = Execution::of(&machine.log, *slot, spec.tuning.sessions_max);
            execution.execute(*slot, value) == *outcomes
        }
        _ => true,
    })
}

/// Was every session evicted below the applied bound, of which this is told?
fn have_expired(spec: &ChatSpec, machine: &Machine, sends: &[(usize, Message)]) -> bool {
    let is_told = |(_, sent): &(usize, Message)| match sent {
        Message::ToClient(ToClient::SessionExpired(SessionExpired { session })) => Some(*session),
        _ => None,
    };
    let mut told = sends.iter().filter_map(is_told).peekable();
    if told.peek().is_none() {
        return true;
    }
    let upto = machine.replica.learner.applied_upto;
    let execution = Execution::of(&machine.log, upto, spec.tuning.sessions_max);
    told.all(|session| execution.has_evicted(session))
}

/// Does the storage hold every promise, vote and ballot that the step sends?
fn is_everything_saved_first(state: &State, step: &Step<'_, Node, Ghost>) -> bool {
    let disk = step.storage.and_then(NodeStorage::disk);
    let promised = disk.map_or(Ballot::ZERO, |saved| saved.storage.promised);
    let vote = |slot: Slot| disk.and_then(|saved| saved.storage.votes.get(&slot));
    let compacted = state.durable.snapshot.upto;
    !step.sends.iter().any(|(_, message)| reveals_unsaved(promised, compacted, vote, message))
}

/// Does this message tell of a promise, vote or ballot that a storage does not hold? The storage has this
/// promise and these votes, and needs none below this bound.
pub(crate) fn reveals_unsaved<'a>(
    promised: Ballot,
    compacted: Slot,
    vote: impl Fn(Slot) -> Option<&'a Vote>,
    message: &Message,
) -> bool {
    match message {
        Message::ToPeer(message) => match message {
            ToPeer::Promise(chunk) => promised < chunk.ballot,
            ToPeer::Prepare(Prepare { ballot, .. }) => promised < *ballot,
            ToPeer::Accepted(Accepted { ballot, slot }) => {
                *slot >= compacted && vote(*slot).is_none_or(|vote| vote.ballot < *ballot)
            }
            // The vote that goes with a proposal may be saved later; the ballot may not.
            ToPeer::Accept(Accept { ballot, .. }) => promised < *ballot,
            // What decides nothing by itself: who is heard, and what is decided already.
            ToPeer::Heartbeat(_)
            | ToPeer::HeartbeatAck(_)
            | ToPeer::Reject(_)
            | ToPeer::PreVote(_)
            | ToPeer::PreVoteGranted(_)
            | ToPeer::PreVoteRefused(_)
            | ToPeer::Fetch(_)
            | ToPeer::Decided(_)
            | ToPeer::Relay(_)
            | ToPeer::RelayRead(_)
            | ToPeer::RelayBound(_)
            | ToPeer::Round(_) => false,
            // That nothing higher is promised.
            ToPeer::RoundAck(_) => false,
        },
        // What clients ask and are answered, and what drivers are told.
        Message::ToReplica(_) | Message::ToClient(_) | Message::Input(_) | Message::Output(_) => {
            false
        }
    }
}

/// Judges a step of a client against what is remembered of it.
pub(crate) fn judge_client(
    spec: &ChatSpec,
    ghost: &ClientGhost,
    step: &Step<'_, Node, Ghost>,
    broken: &mut Verdict,
) {
    let client = step.state.and_then(NodeState::client);
    let window = spec.windows[step.actor - usize::from(spec.cluster.len())];
    Safety::Bounded.judge(broken, client.is_none_or(|client| bounds::asks_within(window, client)));
    Safety::Taken.judge(broken, are_taken(spec, step));
    // A client that is not durable has nothing saved.
    let saved = step.storage.and_then(NodeStorage::client);
    for (_, message) in step.sends {
        let Message::ToReplica(ToReplica::Request(command)) = message else { continue };
        if let Operation::InSession { session, seq, .. } = &command.operation {
            Safety::AcknowledgedIsOver.judge(broken, !ghost.over.contains(&(*session, *seq)));
        }
        let is_saved = saved.is_none_or(|saved| is_request_saved(saved, command));
        Safety::SavedFirst.judge(broken, is_saved);
    }
}

/// Is what a client asks among what it has saved?
pub(crate) fn is_request_saved(saved: &ClientStorage, command: &Command) -> bool {
    match &command.operation {
        Operation::OpenSession { nonce } => saved.nonce == *nonce,
        Operation::InSession { session, seq, body, .. } => {
            let pending = saved.unacknowledged.get(seq);
            saved.phase == ClientPhase::Open(*session)
                && pending.is_some_and(|pending| pending.body == *body)
        }
    }
}

/// Judges what a reader sends.
pub(crate) fn judge_reader(spec: &ChatSpec, step: &Step<'_, Node, Ghost>, broken: &mut Verdict) {
    Safety::Taken.judge(broken, are_taken(spec, step));
}
