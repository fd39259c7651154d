//! Plausibility and the readable form of every message class.

use super::numbers::{HOSTS_NUMBER, Numbered};
use super::*;
use crate::quorum::ReplicaSet;
use crate::testing::*;
use crate::types::{
    Body, Command, NodeId, Nonce, Operation, ReplicaId, Seq, Slot, Timestamp, User, Value,
};

/// One message of each class, in the order of their declaration, and how it reads.
fn one_of_each() -> Vec<(Message, &'static str)> {
    let (ann, b1, b2) = (session(3, 1), ballot(1, 0), ballot(2, 1));
    let list = votes([(4, vote(b1, Value::Noop))]);
    let chunk =
        Promise { from: Slot(2), compacted_upto: Slot(3), last: false, ..whole_promise(b2, list) };
    let noop = AppliedValue { value: Value::Noop, outcomes: vec![] };
    let outcomes = vec![Outcome::Opened(session(8, 0))];
    let opening = AppliedValue { value: one(open("ann", 1)), outcomes };
    let (passed, user) = (vec![ReplicaId(2)], User::new("ann"));
    let read = RelayedRead { passed, reader: NodeId(9), user: user.clone(), nonce: Nonce(255) };
    vec![
        (
            Message::ToReplica(ToReplica::Request(post("ann", ann, 2, "hi"))),
            "Request(\"hi\"#ann.2)",
        ),
        (Tail { from: Some(Slot(5)) }.into(), "Tail(from 5)"),
        (Read { user, nonce: Nonce(255) }.into(), "Read(nonce ff of ann)"),
        (SessionOpened { nonce: Nonce(255), session: ann }.into(), "SessionOpened(nonce ff, s3.1)"),
        (acknowledged(ann, 2, 9).into(), "Acknowledged(s3.1, #2, slot 9)"),
        (Busy { queued: 1 }.into(), "Busy(1 queued)"),
        (Redirect { leader: ReplicaId(2) }.into(), "Redirect(r2)"),
        (SessionExpired { session: ann }.into(), "SessionExpired(s3.1)"),
        (
            Page { values: vec![noop, opening], ..page(7, vec![], 9) }.into(),
            "Entries(applied<9, 7=Noop, 8=Open(ann, nonce 1) [Opened(s8.0)])",
        ),
        (ReadBound { nonce: Nonce(255), upto: Slot(5) }.into(), "ReadBound(nonce ff, below 5)"),
        (PreVote { promised: b1, applied_upto: Slot(3) }.into(), "PreVote(b1.r0, applied<3)"),
        (PreVoteGranted { asked: b1, promised: b2 }.into(), "PreVoteGranted(b1.r0, b2.r1)"),
        (PreVoteRefused { asked: b1 }.into(), "PreVoteRefused(b1.r0)"),
        (prepare(b2, 3).into(), "Prepare(b2.r1, from 3)"),
        (
            Message::ToPeer(ToPeer::Promise(chunk)),
            "Promise(b2.r1, [2, 5), compacted<3, more, 4=b1.r0:Noop)",
        ),
        (accept(b1, 4, Value::Noop, 2).into(), "Accept(b1.r0, slot 4, Noop, decided<2)"),
        (Accepted { ballot: b1, slot: Slot(4) }.into(), "Accepted(b1.r0, slot 4)"),
        (Reject { promised: b2 }.into(), "Reject(b2.r1)"),
        (heartbeat(b1, 2).into(), "Heartbeat(b1.r0, decided<2)"),
        (HeartbeatAck { ballot: b1 }.into(), "HeartbeatAck(b1.r0)"),
        (fetch(2).into(), "Fetch(from 2)"),
        (Message::ToPeer(ToPeer::Decided(run(0, vec![], 1))), "Decided(applied<1)"),
        (
            Relay { passed: ReplicaSet::of(ReplicaId(2)), command: post("ann", ann, 2, "hi") }
                .into(),
            "Relay(\"hi\"#ann.2, passed {r2})",
        ),
        (read.clone().into(), "RelayRead(nonce ff of ann at n9, passed [r2])"),
        (RelayBound { read, upto: Slot(5) }.into(), "RelayBound(nonce ff of ann at n9, below 5)"),
        (Round { ballot: b1, round: 3 }.into(), "Round(b1.r0, 3)"),
        (RoundAck { ballot: b1, round: 3 }.into(), "RoundAck(b1.r0, 3)"),
        (Message::Input(Input::Submit(Body::Sync)), "Submit(Sync)"),
        (Message::Input(Input::SkipSlot), "SkipSlot"),
        (Message::Input(Input::Recall(run(0, vec![], 1))), "Recall(applied<1)"),
        (Message::Input(Input::ReadCurrent(Nonce(255))), "ReadCurrent(nonce ff)"),
        (applied(4, Value::Noop, vec![]).into(), "Applied(slot 4, Noop)"),
        (
            Message::Output(Output::ReadLog(LogRead {
                asker: Asker::Replica(ReplicaId(1)),
                from: Slot(2),
                upto: Slot(5),
            })),
            "ReadLog(for n1, [2, 5))",
        ),
        (Message::Output(Output::EndFound { end: Slot(5) }), "EndFound(slot 5)"),
        (Message::Output(Output::Opened { session: ann }), "Opened(s3.1)"),
        (
            Message::Output(Output::Confirmed { seq: Seq(2), slot: Slot(9) }),
            "Confirmed(#2, slot 9)",
        ),
        (
            Message::Output(Output::OutcomeUnknown { unknown: vec![Seq(2), Seq(4)] }),
            "OutcomeUnknown([2, 4])",
        ),
        (
            Message::Output(Output::Current { nonce: Nonce(255), upto: Slot(5) }),
            "Current(nonce ff, below 5)",
        ),
    ]
}

#[test]
fn every_message_reads_as_a_person_would_write_it() {
    for (message, text) in one_of_each() {
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
fn every_part_is_taken_by_whom_it_is_for() {
    for (message, _) in one_of_each() {
        let is_for = match (&message, message.class().taker()) {
            (Message::ToReplica(_) | Message::ToPeer(_), taker) => taker == Taker::Replica,
            (Message::ToClient(_), taker) => matches!(taker, Taker::Client | Taker::Reader),
            (Message::Input(_), taker) => taker != Taker::Driver,
            (Message::Output(_), taker) => taker == Taker::Driver,
        };
        assert!(is_for, "{message}");
    }
}

#[test]
fn numbers_are_given_once_and_without_a_gap() {
    let parts = [ToReplica::NUMBERS, ToClient::NUMBERS, &[HOSTS_NUMBER], ToPeer::NUMBERS];
    assert!(parts.iter().all(|numbers| numbers.is_sorted()));
    let mut numbers = parts.concat();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..28).collect::<Vec<_>>());
}

fn is_plausible(message: &Message) -> bool {
    match message {
        Message::ToReplica(message) => message.is_plausible(),
        Message::ToClient(message) => message.is_plausible(),
        Message::ToPeer(message) => message.is_plausible(),
        // Its own driver's.
        Message::Input(_) | Message::Output(_) => true,
    }
}

#[test]
fn what_the_protocol_sends_is_plausible() {
    for (message, _) in one_of_each() {
        assert!(is_plausible(&message), "{message}");
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
        Message::ToReplica(ToReplica::Request(Command {
            stamp: Timestamp(0),
            user: User::new("ann"),
            operation,
        }))
    };
    let chunk = whole_promise(low, votes([(0, vote(low, Value::Noop))]));
    let ours = session(0, 0);
    let opened =
        || AppliedValue { value: one(open("ann", 1)), outcomes: vec![Outcome::Opened(ours)] };
    let read_as = |outcome| {
        let applied = AppliedValue { outcomes: vec![outcome], ..opened() };
        Page { values: vec![applied], ..page(0, vec![], 1) }.into()
    };
    let implausible = [
        numbered(at, 1, 1),
        numbered(ours, far, 1),
        numbered(ours, 1, far),
        Tail { from: Some(slot) }.into(),
        SessionOpened { nonce: Nonce(0), session: at }.into(),
        acknowledged(at, 1, 1).into(),
        acknowledged(ours, far, 1).into(),
        acknowledged(ours, 1, far).into(),
        SessionExpired { session: at }.into(),
        page(far, vec![], 0).into(),
        page(0, vec![], far).into(),
        read_as(Outcome::Opened(at)),
        read_as(Outcome::OpenedBefore(at)),
        read_as(Outcome::Duplicate(Some(slot))),
        Page { values: vec![AppliedValue { outcomes: vec![], ..opened() }], ..page(0, vec![], 1) }
            .into(),
        PreVote { promised: high, applied_upto: Slot(0) }.into(),
        PreVoteGranted { asked: high, promised: low }.into(),
        PreVoteGranted { asked: low, promised: high }.into(),
        prepare(high, 0).into(),
        prepare(low, far).into(),
        Promise { ballot: high, ..chunk.clone() }.into(),
        Promise { from: slot, ..chunk.clone() }.into(),
        Promise { next: slot, ..chunk.clone() }.into(),
        Promise { compacted_upto: slot, ..chunk.clone() }.into(),
        Promise { votes: vec![(slot, vote(low, Value::Noop))], ..chunk.clone() }.into(),
        Promise { votes: vec![(fine, vote(high, Value::Noop))], ..chunk }.into(),
        accept(high, 0, Value::Noop, 0).into(),
        accept(low, far, Value::Noop, 0).into(),
        accept(low, 0, Value::Noop, far).into(),
        Accepted { ballot: high, slot: fine }.into(),
        Accepted { ballot: low, slot }.into(),
        Reject { promised: high }.into(),
        heartbeat(high, 0).into(),
        heartbeat(low, far).into(),
        HeartbeatAck { ballot: high }.into(),
        fetch(far).into(),
        Message::ToPeer(ToPeer::Decided(run(far, vec![], 0))),
    ];
    for message in implausible {
        assert!(!is_plausible(&message), "{message}");
    }
}
