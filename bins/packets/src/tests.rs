use super::*;
use crate::examples::examples;
use actor_runtime::keys::Secret;
use actor_runtime::wire::{ClusterId, Codec, Generations, Peer};
use paxos_chat::message::{
    Accept, Accepted, Acknowledged, AppliedValue, Busy, Entries, Fetch, Heartbeat, HeartbeatAck,
    Outcome, Page, PreVote, PreVoteGranted, PreVoteRefused, Prepare, Promise, Read, ReadBound,
    Redirect, Reject, Relay, RelayBound, RelayedRead, Round, RoundAck, SessionExpired,
    SessionOpened, Tail,
};
use paxos_chat::types::{
    Body, Command, NodeId, Nonce, Operation, ReplicaId, Seq, SessionId, Slot, Timestamp, User,
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

fn user(g: &mut Gen) -> User {
    User::new(&String::arbitrary(g))
}

fn command(g: &mut Gen) -> Command {
    let operation = match u8::arbitrary(g) % 3 {
        0 => Operation::OpenSession { nonce: Nonce(u64::arbitrary(g)) },
        kind => Operation::InSession {
            session: session(g),
            seq: Seq(u64::arbitrary(g)),
            acked_below: Seq(u64::arbitrary(g)),
            body: if kind == 1 { Body::Sync } else { Body::write(Vec::<u8>::arbitrary(g)) },
        },
    };
    Command { stamp: Timestamp(u64::arbitrary(g)), user: user(g), operation }
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

fn outcome(g: &mut Gen) -> Outcome {
    match u8::arbitrary(g) % 8 {
        0 => Outcome::Opened(session(g)),
        1 => Outcome::OpenedBefore(session(g)),
        2 => Outcome::Duplicate(None),
        3 => Outcome::Duplicate(Some(slot(g))),
        4 => Outcome::Gap,
        5 => Outcome::NoSession,
        6 => Outcome::WrongUser,
        _ => Outcome::Applied,
    }
}

fn page(g: &mut Gen) -> Page {
    let Entries { from, values, applied_upto } = entries(g);
    let mut applied = |value: Value| {
        let outcomes = value.commands().iter().map(|_| outcome(g)).collect();
        AppliedValue { value, outcomes }
    };
    Page { from, values: values.into_iter().map(&mut applied).collect(), applied_upto }
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

fn to_replica(number: u32, g: &mut Gen) -> ToReplica {
    match number {
        0 => ToReplica::Request(command(g)),
        1 => ToReplica::Tail(Tail { from: bool::arbitrary(g).then(|| slot(g)) }),
        _ => ToReplica::Read(Read { user: user(g), nonce: Nonce(u64::arbitrary(g)) }),
    }
}

fn to_client(number: u32, g: &mut Gen) -> ToClient {
    match number {
        2 => ToClient::SessionOpened(SessionOpened {
            nonce: Nonce(u64::arbitrary(g)),
            session: session(g),
        }),
        3 => ToClient::Acknowledged(Acknowledged {
            session: session(g),
            seq: Seq(u64::arbitrary(g)),
            slot: slot(g),
        }),
        4 => ToClient::Busy(Busy { queued: u32::arbitrary(g) }),
        5 => ToClient::Redirect(Redirect { leader: ReplicaId(u8::arbitrary(g)) }),
        6 => ToClient::SessionExpired(SessionExpired { session: session(g) }),
        7 => ToClient::Entries(page(g)),
        _ => ToClient::ReadBound(ReadBound { nonce: Nonce(u64::arbitrary(g)), upto: slot(g) }),
    }
}

fn to_peer(number: u32, g: &mut Gen) -> ToPeer {
    let (ballot, other, slot, value) = (ballot(g), ballot(g), slot(g), value(g));
    match number {
        9 => ToPeer::PreVote(PreVote { promised: ballot, applied_upto: slot }),
        10 => ToPeer::PreVoteGranted(PreVoteGranted { asked: ballot, promised: other }),
        11 => ToPeer::PreVoteRefused(PreVoteRefused { asked: ballot }),
        12 => ToPeer::Prepare(Prepare { ballot, from: slot }),
        13 => ToPeer::Promise(promise(g)),
        14 => ToPeer::Accept(Accept { ballot, slot, value, decided_upto: slot.next() }),
        15 => ToPeer::Accepted(Accepted { ballot, slot }),
        16 => ToPeer::Reject(Reject { promised: ballot }),
        17 => ToPeer::Heartbeat(Heartbeat { ballot, decided_upto: slot }),
        18 => ToPeer::HeartbeatAck(HeartbeatAck { ballot }),
        19 => ToPeer::Fetch(Fetch { from: slot }),
        20 => ToPeer::Decided(entries(g)),
        21 => ToPeer::Relay(Relay {
            passed: [ReplicaId(u8::arbitrary(g) % 64)].into_iter().collect(),
            command: command(g),
        }),
        24 => ToPeer::RelayRead(relayed_read(g)),
        25 => ToPeer::RelayBound(RelayBound { read: relayed_read(g), upto: slot }),
        26 => ToPeer::Round(Round { ballot, round: u64::arbitrary(g) }),
        _ => ToPeer::RoundAck(RoundAck { ballot, round: u64::arbitrary(g) }),
    }
}

fn relayed_read(g: &mut Gen) -> RelayedRead {
    RelayedRead {
        passed: (0..u8::arbitrary(g) % 4).map(|_| ReplicaId(u8::arbitrary(g))).collect(),
        reader: NodeId(u64::arbitrary(g)),
        user: user(g),
        nonce: Nonce(u64::arbitrary(g)),
    }
}

/// Something with this number.
fn packet(number: u32, g: &mut Gen) -> Packet {
    match number {
        HOSTS_NUMBER => {
            let (promised, is_led) = (ballot(g), bool::arbitrary(g));
            Packet::Leadership(Leadership { promised, is_led })
        }
        _ if ToReplica::NUMBERS.contains(&number) => Packet::ToReplica(to_replica(number, g)),
        _ if ToClient::NUMBERS.contains(&number) => Packet::ToClient(to_client(number, g)),
        _ => Packet::ToPeer(to_peer(number, g)),
    }
}

#[test]
fn everything_that_travels_reads_back_under_its_number() {
    let (mut g, [mut zero, mut one]) = (Gen::new(20), replicas());
    let last = ToPeer::NUMBERS.last().copied().expect("it has numbers");
    let any: Vec<_> =
        (0..=last).flat_map(|n| [n; 50]).map(|n| (Some(n), packet(n, &mut g))).collect();
    let examples = examples().into_iter().map(|example| (None, example));
    for (number, packet) in any.into_iter().chain(examples) {
        let encoded = postcard::to_stdvec(&packet).unwrap();
        assert!(number.is_none_or(|number| number == u32::from(encoded[0])), "{packet:?}");
        let mut datagram = Vec::new();
        zero.seal(Peer::Replica(1), &packet, &mut datagram).unwrap();
        assert_eq!(one.open(&mut datagram), Ok((Peer::Replica(0), packet)));
    }
    let mut nobody_s = postcard::to_stdvec(&(last + 1, 0_u64)).unwrap();
    nobody_s.push(0);
    assert!(postcard::from_bytes::<Packet>(&nobody_s).is_err());
}

#[test]
fn the_largest_value_fits_a_datagram() {
    use paxos_chat::tuning::{BODY_BYTES_MAX, Tuning, USER_BYTES_MAX};
    let operation = Operation::InSession {
        session: SessionId { slot: Slot(u64::MAX), index: u32::MAX },
        seq: Seq(u64::MAX),
        acked_below: Seq(u64::MAX),
        body: Body::write("x".repeat(BODY_BYTES_MAX)),
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
    let accept = Packet::ToPeer(ToPeer::Accept(Accept {
        ballot,
        slot: Slot(u64::MAX),
        value,
        decided_upto: Slot(u64::MAX),
    }));
    let [mut zero, _] = replicas();
    assert!(zero.seal(Peer::Replica(1), &accept, &mut Vec::new()).is_ok());
}
