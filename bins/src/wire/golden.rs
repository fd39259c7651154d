//! The bytes of messages, as they are pinned in `golden.txt`: whoever changes them is told to raise the
//! version of the format.
//!
//! **Invariant**: every class has an example, because [`examples`] is a `match` without a wildcard, and
//! between them they show every kind of operation, body and value.

use super::header::VERSION;
use paxos_chat::message::{Class, Entries, Message, Promise, Route};
use paxos_chat::types::{
    Ballot, Body, Command, Nonce, Operation, ReplicaId, Seq, SessionId, Slot, Timestamp, User,
    Value, Vote,
};
use std::collections::BTreeMap;
use std::path::Path;

const SLOT: Slot = Slot(300);
const BALLOT: Ballot = Ballot { round: 200, replica: ReplicaId(2) };
const SESSION: SessionId = SessionId { slot: Slot(129), index: 3 };

fn command(operation: Operation) -> Command {
    Command { stamp: Timestamp(1_700_000_000_000), user: User::new("ann"), operation }
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

/// Messages of a class that travels.
fn examples(class: Class) -> Vec<Message> {
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
        Class::PreVote => Message::PreVote { promised: BALLOT },
        Class::PreVoteGranted => Message::PreVoteGranted { asked: Ballot::ZERO, promised: BALLOT },
        Class::Prepare => Message::Prepare { ballot: BALLOT, from: SLOT },
        Class::Promise => Message::Promise(promise()),
        Class::Accepted => Message::Accepted { ballot: BALLOT, slot: SLOT },
        Class::Reject => Message::Reject { promised: BALLOT },
        Class::Heartbeat => Message::Heartbeat { ballot: BALLOT, decided_upto: SLOT },
        Class::HeartbeatAck => Message::HeartbeatAck { ballot: BALLOT },
        Class::Fetch => Message::Fetch { from: SLOT },
        Class::Decided => Message::Decided(entries()),
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

/// What `golden.txt` must say.
fn actual() -> String {
    let mut lines = vec![format!("version = {VERSION}")];
    for class in Class::ALL {
        for (place, message) in (1..).zip(examples(*class)) {
            assert_eq!(message.class(), *class);
            let bytes = postcard::to_stdvec(&message).expect("a message can be written");
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            lines.push(format!("{class}.{place} = {hex}"));
        }
    }
    lines.join("\n") + "\n"
}

fn pairs(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once(" = ")).collect()
}

#[test]
fn every_class_that_travels_has_an_example_and_no_other() {
    for class in Class::ALL {
        assert_eq!(examples(*class).is_empty(), class.route() == Route::Local, "{class}");
    }
}

#[test]
fn the_bytes_of_messages_change_only_with_the_version() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wire/golden.txt");
    let (actual, expected) = (actual(), std::fs::read_to_string(&file).unwrap_or_default());
    if actual == expected {
        return;
    }
    let (new, old) = (pairs(&actual), pairs(&expected));
    let names = new.keys().chain(old.keys()).filter(|name| new.get(*name) != old.get(*name));
    let changed: Vec<&str> = names.copied().collect();
    assert!(
        expected.is_empty() || new.get("version") != old.get("version"),
        "the bytes of {changed:?} have changed, so older programs would misread them: raise VERSION in \
         bins/src/wire/header.rs, which makes them refuse such datagrams; then UPDATE_EXPECT=1 rewrites {} \
         (if that was done already, and not committed, restore the committed file first)",
        file.display()
    );
    assert!(
        std::env::var_os("UPDATE_EXPECT").is_some(),
        "the version of the format is raised: UPDATE_EXPECT=1 rewrites {}, and the commit says why",
        file.display()
    );
    std::fs::write(&file, actual).expect("the file can be written");
}
