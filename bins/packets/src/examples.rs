//! Examples of everything that travels, for whatever must see them all: the pinned bytes, and the
//! fuzzer's first datagrams.
//!
//! **Invariant**: every number has an example, which a test holds; between them they show every kind of operation,
//! body and value.

use crate::{Leadership, Packet};
use paxos_chat::message::{
    Accept, Accepted, Acknowledged, AppliedValue, Busy, Entries, Fetch, Heartbeat, HeartbeatAck,
    Outcome, Page, PreVote, PreVoteGranted, PreVoteRefused, Prepare, Promise, Read, ReadBound,
    Redirect, Reject, Relay, RelayBound, RelayedRead, Round, RoundAck, SessionExpired,
    SessionOpened, Tail, ToClient, ToPeer, ToReplica,
};
use paxos_chat::types::{
    Ballot, Body, Command, NodeId, Nonce, Operation, Reconfigure, ReplicaId, Seq, SessionId, Slot,
    Timestamp, User, Value, Vote,
};

const SLOT: Slot = Slot(300);
const BALLOT: Ballot = Ballot { round: 200, replica: ReplicaId(2) };
const NONCE: Nonce = Nonce(0x0123_4567_89ab_cdef);
const SESSION: SessionId = SessionId { slot: Slot(129), index: 3 };

fn command(operation: Operation) -> Command {
    Command { stamp: Timestamp(1_700_000_000_000), user: User::new("alice"), operation }
}

fn opening() -> Command {
    command(Operation::OpenSession { nonce: NONCE })
}

fn saying(body: Body) -> Command {
    let (seq, acked_below) = (Seq(130), Seq(128));
    command(Operation::InSession { session: SESSION, seq, acked_below, body })
}

fn values() -> Vec<Value> {
    let members = [0, 1, 3].map(ReplicaId).into();
    let change = Body::Reconfigure(Reconfigure { replaces: SLOT, members });
    let batch = [opening(), saying(Body::write("hé")), saying(Body::Sync), saying(change)];
    vec![Value::Noop, Value::batch(batch)]
}

fn entries() -> Entries {
    Entries { from: SLOT, values: values(), applied_upto: Slot(70_000) }
}

fn page() -> Page {
    let outcomes = [
        Outcome::Opened(SESSION),
        Outcome::OpenedBefore(SESSION),
        Outcome::Applied,
        Outcome::Duplicate(Some(SLOT)),
        Outcome::Duplicate(None),
        Outcome::Gap,
        Outcome::NoSession,
        Outcome::WrongUser,
    ];
    let command = |outcome: &Outcome| match outcome {
        Outcome::Opened(_) | Outcome::OpenedBefore(_) => opening(),
        _ => saying(Body::Sync),
    };
    let value = Value::batch(outcomes.iter().map(command));
    let values = vec![AppliedValue { value, outcomes: outcomes.to_vec() }];
    Page { from: SLOT, values, applied_upto: Slot(70_000) }
}

fn promise() -> Promise {
    let vote = |value| Vote { ballot: BALLOT, value };
    Promise {
        ballot: BALLOT,
        from: Slot(1),
        next: Slot(302),
        compacted_upto: Slot(2),
        last: true,
        votes: (300..).map(Slot).zip(values().into_iter().map(vote)).collect(),
    }
}

fn to_replica() -> Vec<ToReplica> {
    let said = [Body::write("hé"), Body::Sync].map(saying);
    let requests = [opening()].into_iter().chain(said).map(ToReplica::Request);
    let tails = [Some(SLOT), None].map(|from| ToReplica::Tail(Tail { from }));
    let read = ToReplica::Read(Read { user: User::new("ann"), nonce: NONCE });
    requests.chain(tails).chain([read]).collect()
}

fn to_client() -> Vec<ToClient> {
    let (session, seq, slot) = (SESSION, Seq(130), SLOT);
    vec![
        ToClient::SessionOpened(SessionOpened { nonce: Nonce(7), session }),
        ToClient::Acknowledged(Acknowledged { session, seq, slot }),
        ToClient::Busy(Busy { queued: 500 }),
        ToClient::Redirect(Redirect { leader: ReplicaId(2) }),
        ToClient::SessionExpired(SessionExpired { session }),
        ToClient::Entries(page()),
        ToClient::ReadBound(ReadBound { nonce: NONCE, upto: SLOT }),
    ]
}

fn to_peer() -> Vec<ToPeer> {
    let (ballot, slot) = (BALLOT, SLOT);
    let accept = |value| Accept { ballot, slot, value, decided_upto: Slot(299) };
    let accepts = values().into_iter().map(accept).map(ToPeer::Accept);
    let passed = [ReplicaId(0), ReplicaId(2)].into_iter().collect();
    let (by, user) = (vec![ReplicaId(2)], User::new("ann"));
    let read = RelayedRead { passed: by, reader: NodeId(70_000), user, nonce: NONCE };
    let others = [
        ToPeer::PreVote(PreVote { promised: ballot, applied_upto: slot }),
        ToPeer::PreVoteGranted(PreVoteGranted { asked: Ballot::ZERO, promised: ballot }),
        ToPeer::PreVoteRefused(PreVoteRefused { asked: ballot }),
        ToPeer::Prepare(Prepare { ballot, from: slot }),
        ToPeer::Promise(promise()),
        ToPeer::Accepted(Accepted { ballot, slot }),
        ToPeer::Reject(Reject { promised: ballot }),
        ToPeer::Heartbeat(Heartbeat { ballot, decided_upto: slot }),
        ToPeer::HeartbeatAck(HeartbeatAck { ballot }),
        ToPeer::Fetch(Fetch { from: slot }),
        ToPeer::Decided(entries()),
        ToPeer::Relay(Relay { passed, command: saying(Body::write("hé")) }),
        ToPeer::RelayRead(read.clone()),
        ToPeer::RelayBound(RelayBound { read, upto: slot }),
        ToPeer::Round(Round { ballot, round: 300 }),
        ToPeer::RoundAck(RoundAck { ballot, round: 300 }),
    ];
    accepts.chain(others).collect()
}

/// One of everything that travels, or more where it may look different.
pub(super) fn examples() -> Vec<Packet> {
    let to_replica = to_replica().into_iter().map(Packet::ToReplica);
    let to_client = to_client().into_iter().map(Packet::ToClient);
    let to_peer = to_peer().into_iter().map(Packet::ToPeer);
    let leadership = Packet::Leadership(Leadership { promised: BALLOT, is_led: true });
    to_replica.chain(to_client).chain([leadership]).chain(to_peer).collect()
}
