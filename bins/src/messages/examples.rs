//! Examples of every message that travels, for whatever must see them all: the pinned bytes, and the
//! fuzzer's first datagrams.
//!
//! **Invariant**: every class has an example, because [`examples`] is a `match` without a wildcard; between them
//! they show every kind of operation, body and value.

use paxos_chat::message::{Class, Entries, Message, Promise, Relay};
use paxos_chat::types::{
    Ballot, Body, Command, Nonce, Operation, ReplicaId, Seq, SessionId, Slot, Timestamp, User,
    Value, Vote,
};

const SLOT: Slot = Slot(300);
const BALLOT: Ballot = Ballot { round: 200, replica: ReplicaId(2) };
const SESSION: SessionId = SessionId { slot: Slot(129), index: 3 };

fn command(operation: Operation) -> Command {
    Command { stamp: Timestamp(1_700_000_000_000), user: User::new("alice"), operation }
}

fn opening() -> Command {
    command(Operation::OpenSession { nonce: Nonce(0x0123_4567_89ab_cdef) })
}

fn saying(body: Body) -> Command {
    let (seq, acked_below) = (Seq(130), Seq(128));
    command(Operation::InSession { session: SESSION, seq, acked_below, body })
}

fn values() -> Vec<Value> {
    let batch = [opening(), saying(Body::post("hé")), saying(Body::Sync)];
    vec![Value::Noop, Value::batch(batch)]
}

fn entries() -> Entries {
    Entries { from: SLOT, values: values(), applied_upto: Slot(70_000) }
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

/// Messages of this class; none if it never travels.
pub(super) fn examples(class: Class) -> Vec<Message> {
    let one = match class {
        Class::Request => {
            let said = [Body::post("hé"), Body::Sync].map(saying);
            return [opening()].into_iter().chain(said).map(Message::Request).collect();
        }
        Class::Accept => {
            let accept = |value| Message::Accept {
                ballot: BALLOT,
                slot: SLOT,
                value,
                decided_upto: Slot(299),
            };
            return values().into_iter().map(accept).collect();
        }
        Class::Tail => Message::Tail { from: SLOT },
        Class::SessionOpened => Message::SessionOpened { nonce: Nonce(7), session: SESSION },
        Class::Acknowledged => {
            Message::Acknowledged { session: SESSION, seq: Seq(130), slot: SLOT }
        }
        Class::Busy => Message::Busy { queued: 500 },
        Class::Redirect => Message::Redirect { leader: ReplicaId(2) },
        Class::SessionExpired => Message::SessionExpired { session: SESSION },
        Class::Entries => Message::Entries(entries()),
        Class::Promised => Message::Promised { ballot: BALLOT },
        Class::PreVote => Message::PreVote { promised: BALLOT, applied_upto: SLOT },
        Class::PreVoteRefused => Message::PreVoteRefused { asked: BALLOT },
        Class::PreVoteGranted => Message::PreVoteGranted { asked: Ballot::ZERO, promised: BALLOT },
        Class::Prepare => Message::Prepare { ballot: BALLOT, from: SLOT },
        Class::Promise => Message::Promise(promise()),
        Class::Accepted => Message::Accepted { ballot: BALLOT, slot: SLOT },
        Class::Reject => Message::Reject { promised: BALLOT },
        Class::Heartbeat => Message::Heartbeat { ballot: BALLOT, decided_upto: SLOT },
        Class::HeartbeatAck => Message::HeartbeatAck { ballot: BALLOT },
        Class::Fetch => Message::Fetch { from: SLOT },
        Class::Decided => Message::Decided(entries()),
        Class::Relay => Message::Relay(Relay {
            passed: [ReplicaId(0), ReplicaId(2)].into_iter().collect(),
            command: saying(Body::post("hé")),
        }),
        Class::Submit
        | Class::SkipSlot
        | Class::Applied
        | Class::ReadLog
        | Class::Opened
        | Class::Confirmed
        | Class::OutcomeUnknown => return Vec::new(),
    };
    vec![one]
}
