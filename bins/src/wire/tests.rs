use super::*;
use paxos_chat::message::{Entries, Message, Promise};
use paxos_chat::types::{
    Ballot, Body, Command, Nonce, Operation, ReplicaId, Seq, SessionId, Slot, Timestamp, User,
    Value, Vote,
};
use quickcheck::{Arbitrary, Gen, quickcheck};

fn codec() -> Codec {
    Codec::new(ClusterId::of("test"))
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
fn message(class: &str, g: &mut Gen) -> Message {
    match class {
        "Request" => Message::Request(command(g)),
        "Tail" => Message::Tail { from: slot(g) },
        "SessionOpened" => {
            Message::SessionOpened { nonce: Nonce(u64::arbitrary(g)), session: session(g) }
        }
        "Acknowledged" => Message::Acknowledged {
            session: session(g),
            seq: Seq(u64::arbitrary(g)),
            slot: slot(g),
        },
        "Busy" => Message::Busy,
        "Redirect" => Message::Redirect { leader: ReplicaId(u8::arbitrary(g)) },
        "SessionExpired" => Message::SessionExpired { session: session(g) },
        "Entries" => Message::Entries(entries(g)),
        "PreVote" => Message::PreVote { promised: ballot(g) },
        "PreVoteGranted" => Message::PreVoteGranted { asked: ballot(g), promised: ballot(g) },
        "Prepare" => Message::Prepare { ballot: ballot(g), from: slot(g) },
        "Promise" => Message::Promise(promise(g)),
        "Accept" => Message::Accept {
            ballot: ballot(g),
            slot: slot(g),
            value: value(g),
            decided_upto: slot(g),
        },
        "Accepted" => Message::Accepted { ballot: ballot(g), slot: slot(g) },
        "Reject" => Message::Reject { promised: ballot(g) },
        "Heartbeat" => Message::Heartbeat { ballot: ballot(g), decided_upto: slot(g) },
        "HeartbeatAck" => Message::HeartbeatAck { ballot: ballot(g) },
        "Fetch" => Message::Fetch { from: slot(g) },
        "Decided" => Message::Decided(entries(g)),
        other => panic!("{other} has no generator"),
    }
}

#[derive(Clone, Debug)]
struct AnyMessage(Message);

impl Arbitrary for AnyMessage {
    fn arbitrary(g: &mut Gen) -> Self {
        let class = *g.choose(&Message::NETWORK_CLASSES).unwrap();
        AnyMessage(message(class, g))
    }
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut datagram = Vec::new();
    codec().encode(message, &mut datagram).unwrap();
    datagram
}

#[test]
fn every_class_reads_back() {
    let mut g = Gen::new(20);
    for class in Message::NETWORK_CLASSES {
        for _ in 0..50 {
            let message = message(class, &mut g);
            assert_eq!(message.class(), class);
            assert_eq!(codec().decode(&encoded(&message)), Ok(message));
        }
    }
}

quickcheck! {
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) -> bool {
        codec().decode::<Message>(&bytes).is_err()
    }

    /// Behind a good header too, where the body is looked at.
    fn any_body_is_read_or_refused(body: Vec<u8>) -> bool {
        let mut datagram = encoded(&Message::Busy);
        datagram.truncate(BODY_AT);
        datagram.extend(&body);
        let sum = checksum(&datagram).to_le_bytes();
        datagram[CHECKSUM_AT..BODY_AT].copy_from_slice(&sum);
        match codec().decode::<Message>(&datagram) {
            Ok(message) => encoded(&message).len() <= datagram.len(),
            Err(error) => matches!(error, WireError::Body(_) | WireError::Trailing(_)),
        }
    }

    fn a_truncated_datagram_is_refused(message: AnyMessage, cut: usize) -> bool {
        let datagram = encoded(&message.0);
        codec().decode::<Message>(&datagram[..cut % datagram.len()]).is_err()
    }

    fn a_flipped_bit_is_refused(message: AnyMessage, at: usize) -> bool {
        let mut datagram = encoded(&message.0);
        let bit = at % (datagram.len() * 8);
        datagram[bit / 8] ^= 1 << (bit % 8);
        codec().decode::<Message>(&datagram).is_err()
    }

    fn what_follows_a_message_is_refused(message: AnyMessage, tail: u8) -> bool {
        let mut datagram = encoded(&message.0);
        datagram.push(tail);
        codec().decode::<Message>(&datagram).is_err()
    }
}

#[test]
fn other_clusters_and_versions_are_told_apart() {
    let mut datagram = encoded(&Message::Busy);
    let other = Codec::new(ClusterId::of("other"));
    assert_eq!(other.decode::<Message>(&datagram), Err(WireError::Cluster));
    datagram[VERSION_AT] = 9;
    assert_eq!(codec().decode::<Message>(&datagram), Err(WireError::Version(9)));
    datagram[0] = 0;
    assert_eq!(codec().decode::<Message>(&datagram), Err(WireError::Foreign));
}

#[test]
fn oversized_messages_are_refused_on_both_sides() {
    let text = "x".repeat(DATAGRAM_BYTES_MAX);
    let operation = Operation::InSession {
        session: SessionId { slot: Slot(0), index: 0 },
        seq: Seq(1),
        acked_below: Seq(1),
        body: Body::post(&text),
    };
    let command = Command { stamp: Timestamp(0), user: User::new("ann"), operation };
    let mut datagram = Vec::new();
    let result = codec().encode(&Message::Request(command), &mut datagram);
    assert!(matches!(result, Err(WireError::TooLong(_))));
    assert!(matches!(codec().decode::<Message>(&datagram), Err(WireError::TooLong(_))));
    // The buffer can be used again.
    assert_eq!(codec().encode(&Message::Busy, &mut datagram), Ok(()));
    assert_eq!(codec().decode(&datagram), Ok(Message::Busy));
}

#[test]
fn a_length_that_lies_reserves_no_memory() {
    // `Decided` with 2^60 values announced and none there.
    let mut datagram = encoded(&Message::Decided(Entries {
        from: Slot(0),
        values: Vec::new(),
        applied_upto: Slot(0),
    }));
    datagram.truncate(BODY_AT + 2);
    datagram.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    let sum = checksum(&datagram).to_le_bytes();
    datagram[CHECKSUM_AT..BODY_AT].copy_from_slice(&sum);
    assert!(matches!(codec().decode::<Message>(&datagram), Err(WireError::Body(_))));
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
    assert!(codec().encode(&accept, &mut Vec::new()).is_ok());
}
