//! Routes, plausibility and the readable form of every message class.

use super::*;
use crate::testing::*;
use crate::types::{ReplicaId, Timestamp, User};

/// One message of each class, in the order of their declaration, with its route and how it reads.
fn one_of_each() -> Vec<(Message, Route, &'static str)> {
    use Route::*;
    let (ann, b1, b2) = (session(3, 1), ballot(1, 0), ballot(2, 1));
    let list = votes([(4, vote(b1, Value::Noop))]);
    let chunk =
        Promise { from: Slot(2), compacted_upto: Slot(3), last: false, ..whole_promise(b2, list) };
    vec![
        (Message::Request(post("ann", ann, 2, "hi")), ClientToReplica, "Request(\"hi\"#ann.2)"),
        (Message::Tail { from: Slot(5) }, ClientToReplica, "Tail(from 5)"),
        (
            Message::SessionOpened { nonce: Nonce(255), session: ann },
            ReplicaToClient,
            "SessionOpened(nonce ff, s3.1)",
        ),
        (acknowledged(ann, 2, 9), ReplicaToClient, "Acknowledged(s3.1, #2, slot 9)"),
        (Message::Busy { queued: 1 }, ReplicaToClient, "Busy(1 queued)"),
        (Message::Redirect { leader: ReplicaId(2) }, ReplicaToClient, "Redirect(r2)"),
        (Message::SessionExpired { session: ann }, ReplicaToClient, "SessionExpired(s3.1)"),
        (
            Message::Entries(run(7, vec![Value::Noop, one(open("ann", 1))], 9)),
            ReplicaToClient,
            "Entries(applied<9, 7=Noop, 8=Open(ann, nonce 1))",
        ),
        (Message::Promised { ballot: b2 }, ReplicaToClient, "Promised(b2.r1)"),
        (
            Message::PreVote { promised: b1, applied_upto: Slot(3) },
            Replicas,
            "PreVote(b1.r0, applied<3)",
        ),
        (
            Message::PreVoteGranted { asked: b1, promised: b2 },
            Replicas,
            "PreVoteGranted(b1.r0, b2.r1)",
        ),
        (Message::PreVoteRefused { asked: b1 }, Replicas, "PreVoteRefused(b1.r0)"),
        (prepare(b2, 3), Replicas, "Prepare(b2.r1, from 3)"),
        (
            Message::Promise(chunk),
            Replicas,
            "Promise(b2.r1, [2, 5), compacted<3, more, 4=b1.r0:Noop)",
        ),
        (accept(b1, 4, Value::Noop, 2), Replicas, "Accept(b1.r0, slot 4, Noop, decided<2)"),
        (Message::Accepted { ballot: b1, slot: Slot(4) }, Replicas, "Accepted(b1.r0, slot 4)"),
        (Message::Reject { promised: b2 }, Replicas, "Reject(b2.r1)"),
        (heartbeat(b1, 2), Replicas, "Heartbeat(b1.r0, decided<2)"),
        (Message::HeartbeatAck { ballot: b1 }, Replicas, "HeartbeatAck(b1.r0)"),
        (fetch(2), Replicas, "Fetch(from 2)"),
        (Message::Decided(run(0, vec![], 1)), Replicas, "Decided(applied<1)"),
        (
            Message::Relay(Relay {
                passed: ReplicaSet::of(ReplicaId(2)),
                command: post("ann", ann, 2, "hi"),
            }),
            Replicas,
            "Relay(\"hi\"#ann.2, passed {r2})",
        ),
        (Message::Submit(Body::Sync), Local, "Submit(Sync)"),
        (Message::SkipSlot, Local, "SkipSlot"),
        (applied(4, Value::Noop, vec![]), Local, "Applied(slot 4, Noop)"),
        (
            Message::ReadLog(LogRead {
                asker: Asker::Replica(ReplicaId(1)),
                from: Slot(2),
                upto: Slot(5),
            }),
            Local,
            "ReadLog(for n1, [2, 5))",
        ),
        (Message::Opened { session: ann }, Local, "Opened(s3.1)"),
        (Message::Confirmed { seq: Seq(2), slot: Slot(9) }, Local, "Confirmed(#2, slot 9)"),
        (
            Message::OutcomeUnknown { unknown: vec![Seq(2), Seq(4)] },
            Local,
            "OutcomeUnknown([2, 4])",
        ),
    ]
}

#[test]
fn every_message_has_its_route() {
    for (message, route, _) in one_of_each() {
        assert_eq!(message.route(), route, "{message}");
    }
}

#[test]
fn every_message_reads_as_a_person_would_write_it() {
    for (message, _, text) in one_of_each() {
        assert_eq!((message.to_string().as_str(), format!("{message:?}").as_str()), (text, text));
    }
}

#[test]
fn the_table_of_classes_is_in_the_order_of_the_messages() {
    let classes: Vec<Class> = one_of_each().iter().map(|(message, ..)| message.class()).collect();
    assert_eq!(classes, Class::ALL);
    assert!(classes.is_sorted());
}

#[test]
fn drivers_take_what_actors_tell_them_and_what_a_host_adds() {
    for class in Class::ALL {
        let from_driver = matches!(class, Class::Submit | Class::SkipSlot);
        let told = class.route() == Route::Local && !from_driver;
        assert_eq!(class.taker() == Taker::Driver, told || *class == Class::Promised, "{class}");
    }
}

#[test]
fn what_the_protocol_sends_is_plausible() {
    for (message, ..) in one_of_each() {
        assert!(message.is_plausible(), "{message}");
    }
}

#[test]
fn a_number_that_could_overflow_is_not_plausible_wherever_it_stands() {
    let far = 1 << 60;
    let (high, low) = (ballot(1 << 30, 0), ballot(1, 0));
    let (slot, fine, at) = (Slot(far), Slot(0), session(far, 0));
    let numbered = |session, seq, acked_below| {
        let (seq, acked_below, body) = (Seq(seq), Seq(acked_below), Body::Sync);
        let operation = Operation::InSession { session, seq, acked_below, body };
        Message::Request(Command { stamp: Timestamp(0), user: User::new("ann"), operation })
    };
    let chunk = whole_promise(low, votes([(0, vote(low, Value::Noop))]));
    let ours = session(0, 0);
    let implausible = [
        numbered(at, 1, 1),
        numbered(ours, far, 1),
        numbered(ours, 1, far),
        Message::Tail { from: slot },
        Message::SessionOpened { nonce: Nonce(0), session: at },
        acknowledged(at, 1, 1),
        acknowledged(ours, far, 1),
        acknowledged(ours, 1, far),
        Message::SessionExpired { session: at },
        Message::Entries(run(far, vec![], 0)),
        Message::Entries(run(0, vec![], far)),
        Message::PreVote { promised: high, applied_upto: Slot(0) },
        Message::PreVoteGranted { asked: high, promised: low },
        Message::PreVoteGranted { asked: low, promised: high },
        prepare(high, 0),
        prepare(low, far),
        Message::Promise(Promise { ballot: high, ..chunk.clone() }),
        Message::Promise(Promise { from: slot, ..chunk.clone() }),
        Message::Promise(Promise { next: slot, ..chunk.clone() }),
        Message::Promise(Promise { compacted_upto: slot, ..chunk.clone() }),
        Message::Promise(Promise { votes: vec![(slot, vote(low, Value::Noop))], ..chunk.clone() }),
        Message::Promise(Promise { votes: vec![(fine, vote(high, Value::Noop))], ..chunk }),
        accept(high, 0, Value::Noop, 0),
        accept(low, far, Value::Noop, 0),
        accept(low, 0, Value::Noop, far),
        Message::Accepted { ballot: high, slot: fine },
        Message::Accepted { ballot: low, slot },
        Message::Reject { promised: high },
        heartbeat(high, 0),
        heartbeat(low, far),
        Message::HeartbeatAck { ballot: high },
        fetch(far),
        Message::Decided(run(far, vec![], 0)),
        Message::Opened { session: at },
    ];
    for message in implausible {
        assert!(!message.is_plausible(), "{message}");
    }
}
