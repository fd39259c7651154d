//! Which messages of the protocol are stale: they change nothing, and their receiver will never
//! answer them with anything but what it has answered already.
//!
//! These are claims. A run that relies on them checks each (see [`actor_checker::reductions::stale`]).

use paxos_chat::client::{ClientPhase, ClientState};
use paxos_chat::message::{
    Accept, Accepted, Acknowledged, Heartbeat, HeartbeatAck, Message, PreVoteGranted, Prepare,
    Reject, Round, RoundAck, ToClient, ToPeer, ToReplica,
};
use paxos_chat::state::Phase;
use paxos_chat::state::State;
use paxos_chat::types::{Ballot, Operation, Slot};

/// What is known of a replica's future.
#[derive(Clone, Copy, Debug)]
pub struct Future {
    /// It may crash and forget what it has applied.
    pub mortal: bool,
    /// No ballot is above this one.
    pub highest: Ballot,
    /// Members may change, so that a leader asks for promises again.
    pub changes_members: bool,
}

/// Is the message stale at this replica?
pub fn at_replica(state: &State, src: usize, msg: &Message, future: Future) -> bool {
    let mortal = future.mortal;
    match msg {
        Message::ToPeer(message) => is_from_past(state, src, message, future),
        Message::ToReplica(ToReplica::Request(command)) => match &command.operation {
            Operation::InSession { session, seq, .. } if !mortal => {
                let session = state.learner.sessions.get(*session);
                session.is_some_and(|session| *seq <= session.last_seq)
            }
            _ => false,
        },
        _ => false,
    }
}

fn is_from_past(state: &State, src: usize, msg: &ToPeer, future: Future) -> bool {
    let Future { mortal, highest, changes_members } = future;
    let promised = state.durable.promised;
    // What is known to be decided for ever: after a crash, only what is below the snapshot.
    let known = if mortal { state.durable.snapshot.upto } else { state.learner.applied_upto };
    let last_ballot = promised >= highest;
    match msg {
        ToPeer::Promise(chunk) => match &state.phase {
            Phase::Preparing(preparing) if preparing.ballot == chunk.ballot => {
                preparing.complete.iter().any(|acceptor| usize::from(acceptor.0) == src)
            }
            Phase::Leading(leading) if leading.ballot == chunk.ballot => !changes_members,
            _ => promised >= chunk.ballot,
        },
        ToPeer::Accepted(Accepted { ballot, slot }) => match &state.phase {
            Phase::Preparing(preparing) if preparing.ballot == *ballot => false,
            Phase::Leading(leading) if leading.ballot == *ballot => {
                *slot < leading.next && !leading.in_flight.contains_key(slot)
            }
            _ => promised >= *ballot,
        },
        ToPeer::HeartbeatAck(HeartbeatAck { ballot }) => match &state.phase {
            Phase::Preparing(preparing) if preparing.ballot == *ballot => false,
            Phase::Leading(leading) if leading.ballot == *ballot => false,
            _ => promised >= *ballot,
        },
        ToPeer::Reject(Reject { promised: other }) => *other <= promised,
        ToPeer::PreVoteGranted(PreVoteGranted { asked, .. }) => *asked < promised,
        ToPeer::Accept(Accept { ballot, slot, .. }) => {
            *slot >= known
                && *ballot < promised
                && last_ballot
                && !changes_members
                && state.durable.snapshot.upto == Slot(0)
        }
        ToPeer::Prepare(Prepare { ballot, .. })
        | ToPeer::Heartbeat(Heartbeat { ballot, .. })
        | ToPeer::Round(Round { ballot, .. }) => *ballot < promised && last_ballot,
        ToPeer::RoundAck(RoundAck { ballot, round }) => match &state.phase {
            Phase::Leading(leading) if leading.ballot == *ballot => {
                let is_over = leading.reads.asked.is_empty();
                *round < leading.reads.round || is_over && *round == leading.reads.round
            }
            // The mutants that count it are to be found.
            _ => false,
        },
        ToPeer::Decided(entries) => entries.end() <= known,
        ToPeer::PreVote(_)
        | ToPeer::PreVoteRefused(_)
        | ToPeer::Fetch(_)
        | ToPeer::Relay(_)
        | ToPeer::RelayRead(_)
        | ToPeer::RelayBound(_) => false,
    }
}

/// Is the message stale at this client? What makes it so is saved, if the client may crash.
pub fn at_client(state: &ClientState, msg: &Message) -> bool {
    let Message::ToClient(message) = msg else { return false };
    let known = &state.durable;
    let has_expired = known.phase == ClientPhase::Expired;
    match message {
        ToClient::Acknowledged(Acknowledged { seq, .. }) => {
            *seq < known.next_seq && (has_expired || !known.unacknowledged.contains_key(seq))
        }
        ToClient::SessionOpened(_) => known.phase != ClientPhase::Opening,
        ToClient::Busy(_) => true,
        ToClient::Redirect(_)
        | ToClient::SessionExpired(_)
        | ToClient::Entries(_)
        | ToClient::ReadBound(_) => false,
    }
}
