//! One step of a replica, and a message on its way through the codec: sealed, opened, refused.

use actor_runtime::keys::{Keyring, Secret};
use actor_runtime::wire::{ClusterId, Codec, Generations, Peer, UserName};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use paxos_chat::message::{Accept, ToPeer};
use paxos_chat::quorum::Cluster;
use paxos_chat::replica::Replica;
use paxos_chat::state::State;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{
    Ballot, Body, Command, Operation, ReplicaId, Seq, SessionId, Slot, Timestamp, User, Value,
};
use paxos_chat_packets::Packet;
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;
use std::hint::black_box;

const BALLOT: Ballot = Ballot { round: 1, replica: ReplicaId(0) };

fn value() -> Value {
    let session = SessionId { slot: Slot(0), index: 0 };
    let body = Body::write("x".repeat(100));
    let operation = Operation::InSession { session, seq: Seq(1), acked_below: Seq(1), body };
    Value::batch([Command { stamp: Timestamp(0), user: User::new("ann"), operation }])
}

fn accept(slot: u64) -> Accept {
    Accept { ballot: BALLOT, slot: Slot(slot), value: value(), decided_upto: Slot(slot) }
}

/// A follower that has voted at a thousand slots.
fn follower(replica: &Replica) -> State {
    let mut state = Cow::Owned(replica.on_start(Id::from(1), &None, &mut Out::new()));
    for slot in 0..1000 {
        replica.on_msg(Id::from(1), &mut state, Id::from(0), accept(slot).into(), &mut Out::new());
    }
    state.into_owned()
}

fn step(c: &mut Criterion) {
    let replica = Replica::new(Cluster::new(3), Tuning::default());
    let state = follower(&replica);
    c.bench_function("replica/accept", |b| {
        b.iter_batched(
            || (Cow::Owned(state.clone()), accept(1000).into(), Out::new()),
            |(mut state, message, mut out)| {
                replica.on_msg(Id::from(1), &mut state, Id::from(0), message, &mut out);
                (state, out)
            },
            BatchSize::SmallInput,
        );
    });
}

fn codec(c: &mut Criterion) {
    let secret = Secret::draw().expect("the system has randomness");
    let replica = |id| Codec::replica(&secret, ClusterId::of("bench"), id, 3, Generations::new());
    let (mut zero, mut one) = (replica(0), replica(1));
    let message = Packet::ToPeer(ToPeer::Accept(accept(7)));
    let mut datagram = Vec::new();
    c.bench_function("wire/postcard alone, round trip of an Accept of 100 bytes", |b| {
        b.iter(|| {
            datagram.clear();
            let taken = std::mem::take(&mut datagram);
            datagram = postcard::to_extend(black_box(&message), taken).expect("it is encoded");
            let back: Packet = postcard::from_bytes(&datagram).expect("it was just encoded");
            back
        });
    });
    c.bench_function("wire/seal an Accept of 100 bytes", |b| {
        b.iter(|| zero.seal(Peer::Replica(1), black_box(&message), &mut datagram));
    });
    c.bench_function("wire/seal and open an Accept of 100 bytes", |b| {
        b.iter(|| {
            zero.seal(Peer::Replica(1), black_box(&message), &mut datagram).expect("it fits");
            let opened: (Peer, Packet) = one.open(&mut datagram).expect("it was just sealed");
            opened
        });
    });
    refuse(c, &secret, &message);
}

/// What a stranger's datagram costs, of a boot that was never heard, so that keys are derived: in a replica's name, in a
/// user's, and in a user's while one secret replaces another.
fn refuse(c: &mut Criterion, secret: &Secret, message: &Packet) {
    let (cluster, to) = (ClusterId::of("bench"), Peer::Replica(1));
    let replica = |id, keyring| Codec::replica(keyring, cluster, id, 3, Generations::new());
    let once = Keyring::from(secret);
    let twice = once.begin(Secret::draw().expect("the system has randomness"));
    let twice = twice.expect("no rotation is under way");
    let alice = UserName::new("alice").expect("it is a name");
    let client = || Codec::client(&secret.user(cluster, "alice", 0), cluster, alice, 3);
    for (name, mut stranger, keyring) in [
        ("replica", replica(0, once.clone()), &once),
        ("user", client(), &once),
        ("user, with two secrets", client(), &twice),
    ] {
        let (mut one, mut datagram) = (replica(1, keyring.clone()), Vec::new());
        stranger.seal(to, message, &mut datagram).expect("it fits a datagram");
        c.bench_function(&format!("wire/refuse what a stranger forged: {name}"), |b| {
            let mut boot: u64 = 0;
            b.iter(|| {
                boot += 1;
                datagram[16..24].copy_from_slice(&boot.to_le_bytes());
                one.open::<Packet>(black_box(&mut datagram)).expect_err("it is forged")
            });
        });
    }
}

criterion_group!(benches, step, codec);
criterion_main!(benches);
