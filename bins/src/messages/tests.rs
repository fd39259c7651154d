use super::examples::examples;
use actor_runtime::keys::Secret;
use actor_runtime::wire::{ClusterId, Codec, Generations, Peer};
use paxos_chat::message::{Class, Entries, Message, Promise, Relay};
use paxos_chat::types::{
    Ballot, Body, Command, Nonce, Operation, ReplicaId, Seq, SessionId, Slot, Timestamp, User,
    Value, Vote,
};
use quickcheck::{Arbitrary, Gen};

/// Replicas 0 and 1.
fn replicas() -> [Codec; 2] {
    let secret = Secret::draw().unwrap();
    [0, 1].map(|id| Codec::replica(&secret, ClusterId::of("test"), id, 3, Generations::new()))
}

fn ballot(g: &mut Gen) -> Ballot {
    Ballot { round: u32::arbitrary(g), replica: ReplicaId(u8::arbitrary(g)) }
}

fn slot(g: &mut Gen) -> Slot {
    Slot(u64::arbitrary(g))
}

fn session(g: &mut Gen) -> SessionId {
    SessionId { slot: slot(g), index: u32::arbitrary(g) }
}

fn command(g: &mut Gen) -> Command {
    let operation = match u8::arbitrary(g) % 3 {
        0 => Operation::OpenSession { nonce: Nonce(u64::arbitrary(g)) },
        kind => Operation::InSession {
            session: session(g),
            seq: Seq(u64::arbitrary(g)),
            acked_below: Seq(u64::arbitrary(g)),
            body: if kind == 1 { Body::Sync } else { Body::post(&String::arbitrary(g)) },
        },
    };
    let user = User::new(&String::arbitrary(g));
    Command { stamp: Timestamp(u64::arbitrary(g)), user, operation }
}

fn value(g: &mut Gen) -> Value {
    match u8::arbitrary(g) % 4 {
        0 => Value::Noop,
        count => Value::batch((1..count).map(|_| command(g)).collect::<Vec<_>>()),
    }
}

fn entries(g: &mut Gen) -> Entries {
    let values = (0..u8::arbitrary(g) % 4).map(|_| value(g)).collect();
    Entries { from: slot(g), values, applied_upto: slot(g) }
}

fn promise(g: &mut Gen) -> Promise {
    Promise {
        ballot: ballot(g),
        from: slot(g),
        next: slot(g),
        compacted_upto: slot(g),
        last: bool::arbitrary(g),
        votes: (0..u8::arbitrary(g) % 4)
            .map(|_| (slot(g), Vote { ballot: ballot(g), value: value(g) }))
            .collect(),
    }
}

/// One of every class that travels over a network.
fn message(class: Class, g: &mut Gen) -> Message {
    match class {
        Class::Request => Message::Request(command(g)),
        Class::Tail => Message::Tail { from: slot(g) },
        Class::SessionOpened => {
            Message::SessionOpened { nonce: Nonce(u64::arbitrary(g)), session: session(g) }
        }
        Class::Acknowledged => Message::Acknowledged {
            session: session(g),
            seq: Seq(u64::arbitrary(g)),
            slot: slot(g),
        },
        Class::Busy => Message::Busy { queued: u32::arbitrary(g) },
        Class::Promised => Message::Promised { ballot: ballot(g) },
        Class::Redirect => Message::Redirect { leader: ReplicaId(u8::arbitrary(g)) },
        Class::SessionExpired => Message::SessionExpired { session: session(g) },
        Class::Entries => Message::Entries(entries(g)),
        Class::PreVote => Message::PreVote { promised: ballot(g), applied_upto: slot(g) },
        Class::PreVoteRefused => Message::PreVoteRefused { asked: ballot(g) },
        Class::PreVoteGranted => Message::PreVoteGranted { asked: ballot(g), promised: ballot(g) },
        Class::Prepare => Message::Prepare { ballot: ballot(g), from: slot(g) },
        Class::Promise => Message::Promise(promise(g)),
        Class::Accept => Message::Accept {
            ballot: ballot(g),
            slot: slot(g),
            value: value(g),
            decided_upto: slot(g),
        },
        Class::Accepted => Message::Accepted { ballot: ballot(g), slot: slot(g) },
        Class::Reject => Message::Reject { promised: ballot(g) },
        Class::Heartbeat => Message::Heartbeat { ballot: ballot(g), decided_upto: slot(g) },
        Class::HeartbeatAck => Message::HeartbeatAck { ballot: ballot(g) },
        Class::Fetch => Message::Fetch { from: slot(g) },
        Class::Decided => Message::Decided(entries(g)),
        Class::Relay => Message::Relay(Relay {
            passed: [ReplicaId(u8::arbitrary(g) % 64)].into_iter().collect(),
            command: command(g),
        }),
        Class::Submit
        | Class::SkipSlot
        | Class::Applied
        | Class::ReadLog
        | Class::Opened
        | Class::Confirmed
        | Class::OutcomeUnknown => panic!("{class} never travels"),
    }
}

#[test]
fn every_class_reads_back() {
    let (mut g, [mut zero, mut one]) = (Gen::new(20), replicas());
    for class in Class::on_network() {
        let any = (0..50).map(|_| message(class, &mut g)).collect::<Vec<_>>();
        for message in examples(class).into_iter().chain(any) {
            assert_eq!(message.class(), class);
            let mut datagram = Vec::new();
            zero.seal(Peer::Replica(1), &message, &mut datagram).unwrap();
            assert_eq!(one.open(&mut datagram), Ok((Peer::Replica(0), message)));
        }
    }
}

#[test]
fn the_largest_value_fits_a_datagram() {
    use paxos_chat::tuning::{TEXT_BYTES_MAX, Tuning, USER_BYTES_MAX};
    let operation = Operation::InSession {
        session: SessionId { slot: Slot(u64::MAX), index: u32::MAX },
        seq: Seq(u64::MAX),
        acked_below: Seq(u64::MAX),
        body: Body::post(&"x".repeat(TEXT_BYTES_MAX)),
    };
    let user = User::new(&"x".repeat(USER_BYTES_MAX));
    let command = Command { stamp: Timestamp(u64::MAX), user, operation };
    let tuning = Tuning::default();
    let mut commands = vec![command.clone()];
    while Value::batch(commands.clone()).size_bytes() < tuning.batch_bytes_max {
        commands.push(command.clone());
    }
    let value = Value::batch(commands);
    let ballot = Ballot { round: u32::MAX, replica: ReplicaId(u8::MAX) };
    let accept =
        Message::Accept { ballot, slot: Slot(u64::MAX), value, decided_upto: Slot(u64::MAX) };
    let [mut zero, _] = replicas();
    assert!(zero.seal(Peer::Replica(1), &accept, &mut Vec::new()).is_ok());
}
