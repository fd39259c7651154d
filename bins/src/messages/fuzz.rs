//! Datagrams and their bodies, as functions of any bytes, with the chat's messages in them.

use super::examples::examples;
use actor_runtime::fuzz::{Input, chunk};
use actor_runtime::wire::Peer;
use actor_runtime::wire::fuzz::{self, client, parts, process, replica, sealed, whole};
use paxos_chat::message::{Class, Entries, Message, Route};
use paxos_chat::types::{Body, Command, Operation, Slot, Value, Vote};

/// Bytes that a message may hold in memory, for each byte that it was read from.
const EXPANSION_MAX: usize = 64;

fn messages() -> Vec<Message> {
    Class::ALL.iter().copied().flat_map(examples).collect()
}

/// Datagrams from everybody to everybody, as honest processes seal them.
pub(crate) fn datagrams() -> Vec<Vec<u8>> {
    let (mut alice_s, mut zero) = (client(), replica(0));
    let seal = |message: Message| match message.route() {
        Route::ClientToReplica => sealed(&mut alice_s, Peer::Replica(1), &message),
        Route::ReplicaToClient => sealed(&mut zero, process(), &message),
        _ => sealed(&mut zero, Peer::Replica(1), &message),
    };
    messages().into_iter().map(seal).collect()
}

/// A datagram of anybody.
pub(crate) fn datagram(input: &[u8]) {
    fuzz::datagram::<Message>(input, &datagrams());
}

/// Bodies as [`body`] reads them: whole messages, several at once, and a message in parts.
pub(crate) fn bodies() -> Vec<Vec<u8>> {
    let encoded = |message: &Message| postcard::to_stdvec(message).expect("plain data");
    let body = |sender: u8, body: &[u8]| [&[sender], &chunk(body)[..]].concat();
    let messages = messages();
    let one = |(at, message)| body(at as u8 % 2, &whole(&encoded(message)));
    let mut seeds: Vec<Vec<u8>> = messages.iter().enumerate().map(one).collect();
    let all: Vec<u8> = messages.iter().flat_map(encoded).collect();
    seeds.push(body(1, &whole(&all)));
    let long = encoded(&Message::Decided(Entries {
        from: Slot(0),
        values: vec![Value::Noop; 200],
        applied_upto: Slot(200),
    }));
    for sender in [0, 1] {
        seeds.push(parts(&long, 60).iter().flat_map(|part| body(sender, part)).collect());
    }
    seeds
}

/// Bodies of datagrams that a replica or a user has sealed for a replica. What is read back is what
/// would be sent, and holds memory in proportion to what was sent.
pub(crate) fn body(input: &[u8]) {
    let mut input = Input(input);
    let bodies = std::iter::from_fn(|| {
        let is_of_user = (!input.0.is_empty()).then(|| !input.byte().is_multiple_of(2))?;
        Some((is_of_user, input.chunk().unwrap_or_default()))
    });
    fuzz::bodies(bodies, check);
}

/// These were read from so many bytes, or fewer.
fn check(messages: &[Message], carried: usize) {
    let mut encoded = 0;
    for message in messages {
        let bytes = postcard::to_stdvec(message).expect("what was read can be written");
        assert_eq!(postcard::from_bytes::<Message>(&bytes).as_ref(), Ok(message));
        assert!(held_bytes(message) <= EXPANSION_MAX * bytes.len(), "{message}");
        // All of these are total, too.
        let _ = (message.is_plausible(), message.to_string(), message.route());
        encoded += bytes.len();
    }
    assert!(encoded <= carried, "the shortest encoding is no longer than any other");
}

/// Memory that a message holds, itself not counted.
fn held_bytes(message: &Message) -> usize {
    let values = |values: &Vec<Value>| {
        values.capacity() * size_of::<Value>() + values.iter().map(held_by_value).sum::<usize>()
    };
    match message {
        Message::Request(command) => held_by_command(command),
        Message::Promise(promise) => {
            let votes = promise.votes.iter().map(|(_, vote)| held_by_value(&vote.value));
            promise.votes.capacity() * size_of::<(Slot, Vote)>() + votes.sum::<usize>()
        }
        Message::Accept { value, .. } => held_by_value(value),
        Message::Entries(entries) | Message::Decided(entries) => values(&entries.values),
        Message::Applied { value, outcomes, .. } => {
            let outcome = size_of::<paxos_chat::message::Outcome>();
            held_by_value(value) + outcomes.capacity() * outcome
        }
        Message::Submit(Body::Post(text)) => text.len(),
        _ => 0,
    }
}

fn held_by_value(value: &Value) -> usize {
    let command = |command| size_of::<Command>() + held_by_command(command);
    value.commands().iter().map(command).sum()
}

fn held_by_command(command: &Command) -> usize {
    let text = match &command.operation {
        Operation::InSession { body: Body::Post(text), .. } => text.len(),
        _ => 0,
    };
    command.user.0.len() + text
}
