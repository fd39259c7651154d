//! One step of a replica, and a round trip through the codec.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use paxos_chat::message::Message;
use paxos_chat::quorum::Cluster;
use paxos_chat::replica::{Replica, State};
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{
    Ballot, Body, Command, Operation, ReplicaId, Seq, SessionId, Slot, Timestamp, User, Value,
};
use paxos_chat_runtime::wire::{ClusterId, Codec};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;
use std::hint::black_box;

const BALLOT: Ballot = Ballot { round: 1, replica: ReplicaId(0) };

fn value() -> Value {
    let session = SessionId { slot: Slot(0), index: 0 };
    let body = Body::post(&"x".repeat(100));
    let operation = Operation::InSession { session, seq: Seq(1), acked_below: Seq(1), body };
    Value::batch([Command { stamp: Timestamp(0), user: User::new("ann"), operation }])
}

fn accept(slot: u64) -> Message {
    Message::Accept { ballot: BALLOT, slot: Slot(slot), value: value(), decided_upto: Slot(slot) }
}

/// A follower that has voted at a thousand slots.
fn follower(replica: &Replica) -> State {
    let mut state = Cow::Owned(replica.on_start(Id::from(1), &None, &mut Out::new()));
    for slot in 0..1000 {
        replica.on_msg(Id::from(1), &mut state, Id::from(0), accept(slot), &mut Out::new());
    }
    state.into_owned()
}

fn step(c: &mut Criterion) {
    let replica = Replica::new(Cluster::new(3), Tuning::default());
    let state = follower(&replica);
    c.bench_function("replica/accept", |b| {
        b.iter_batched(
            || (Cow::Owned(state.clone()), accept(1000), Out::new()),
            |(mut state, message, mut out)| {
                replica.on_msg(Id::from(1), &mut state, Id::from(0), message, &mut out);
                (state, out)
            },
            BatchSize::SmallInput,
        );
    });
}

fn codec(c: &mut Criterion) {
    let codec = Codec::new(ClusterId::of("bench"));
    let message = accept(7);
    c.bench_function("wire/round trip of an Accept of 100 bytes", |b| {
        let mut datagram = Vec::new();
        b.iter(|| {
            datagram.clear();
            codec.encode(black_box(&message), &mut datagram).expect("it fits a datagram");
            let back: Message = codec.decode(&datagram).expect("it was just encoded");
            back
        });
    });
}

criterion_group!(benches, step, codec);
criterion_main!(benches);
