//! Datagrams of anybody, and bodies that peers have sealed, as functions of any bytes.

use super::examples::examples;
use super::fragment::Fragment;
use super::*;
use crate::fuzz::{Input, chunk};
use crate::keys::KEY_BYTES;
use paxos_chat::message::{Class, Entries, Message};
use paxos_chat::types::{Body, Command, Operation, Slot, Value, Vote};

/// Bytes that a message may hold in memory, for each byte that it was read from.
const EXPANSION_MAX: usize = 64;

fn cluster() -> ClusterId {
    ClusterId::of("fuzz")
}

fn secret() -> Secret {
    Secret::of([7; KEY_BYTES].into())
}

fn alice() -> UserName {
    UserName::new("alice").expect("it is a name")
}

/// A replica of three, always of the same boot.
fn replica(id: u8) -> Codec {
    let (secret, boot) = (secret(), Boot::of([id; KEY_BYTES]));
    let outbound = (0..3).map(|to| secret.replicas(cluster(), id, to)).collect();
    let inbound = (0..3).map(|from| vec![secret.replicas(cluster(), from, id)]).collect();
    let keyring = Keyring::from(&secret);
    let own = Own::Replica { id, keyring, generations: Generations::new() };
    Codec::new(cluster(), boot, own, outbound, inbound)
}

/// Alice's process, always of the same boot.
fn client() -> Codec {
    let (key, boot) = (secret().user(cluster(), "alice", 0), Boot::of([9; KEY_BYTES]));
    let outbound = (0..3).map(|to| key.to_replica(to)).collect();
    let inbound = (0..3).map(|from| vec![key.of_replica(from, boot)]).collect();
    Codec::new(cluster(), boot, Own::Client(alice()), outbound, inbound)
}

fn messages() -> Vec<Message> {
    Class::ALL.iter().copied().flat_map(examples).collect()
}

/// Datagrams from everybody to everybody, as honest processes seal them.
pub(crate) fn datagrams() -> Vec<Vec<u8>> {
    let (mut alice_s, mut zero) = (client(), replica(0));
    let process = Peer::Client(ClientId { user: alice(), boot: alice_s.boot() });
    let mut sealed = Vec::new();
    for message in messages() {
        let (from, to) = match message.route() {
            paxos_chat::message::Route::ClientToReplica => (&mut alice_s, Peer::Replica(1)),
            paxos_chat::message::Route::ReplicaToClient => (&mut zero, process),
            _ => (&mut zero, Peer::Replica(1)),
        };
        let mut datagram = Vec::new();
        from.seal(to, &message, &mut datagram).expect("a short message");
        sealed.push(datagram);
    }
    sealed
}

/// A datagram of anybody, to a replica and to a client. Nothing is taken that was not sealed by an
/// honest process for this one, and nothing is kept of anything else.
pub(crate) fn datagram(input: &[u8]) {
    for mut codec in [replica(1), client()] {
        let (mut datagram, mut taken) = (input.to_vec(), Vec::<Message>::new());
        if codec.open_all(None, &mut datagram, &mut taken).is_ok() {
            assert!(datagrams().iter().any(|sealed| sealed == input), "nobody has sealed this");
            assert_eq!(taken.len(), 1);
        } else {
            assert!(taken.is_empty());
            assert_eq!(codec.remembered(), 0, "a stranger is remembered");
            assert_eq!(codec.of_clients.bytes() + codec.of_replicas.bytes(), 0);
        }
    }
    let claimed = claimed_user(input);
    assert!(claimed.is_none_or(|name| name.len() <= input.len()));
}

/// Bodies as [`body`] reads them: whole messages, several at once, and a message in parts.
pub(crate) fn bodies() -> Vec<Vec<u8>> {
    let encoded = |message: &Message| postcard::to_stdvec(message).expect("plain data");
    let whole = |message| [&[WHOLE], &encoded(message)[..]].concat();
    let body = |sender: u8, body: &[u8]| [&[sender], &chunk(body)[..]].concat();
    let messages = messages();
    let mut seeds: Vec<Vec<u8>> =
        messages.iter().enumerate().map(|(at, m)| body(at as u8 % 2, &whole(m))).collect();
    let all = messages.iter().flat_map(encoded);
    seeds.push(body(1, &[WHOLE].into_iter().chain(all).collect::<Vec<u8>>()));
    let long = encoded(&Message::Decided(Entries {
        from: Slot(0),
        values: vec![Value::Noop; 200],
        applied_upto: Slot(200),
    }));
    let parts = Fragment::split(&long, 60).expect("it has a few parts");
    for sender in [0, 1] {
        let in_parts = parts.iter().flat_map(|part| {
            let mut bytes = Vec::new();
            part.write(&mut bytes);
            body(sender, &bytes)
        });
        seeds.push(in_parts.collect());
    }
    seeds
}

/// Bodies of datagrams that a replica or a user has sealed for a replica. What is read back is what
/// would be sent, and holds memory in proportion to what was sent.
pub(crate) fn body(input: &[u8]) {
    let (mut zero, mut alice_s, mut one) = (replica(0), client(), replica(1));
    let mut input = Input(input);
    while !input.0.is_empty() {
        let sender = if input.byte() % 2 == 0 { &mut zero } else { &mut alice_s };
        let body = input.chunk().unwrap_or_default();
        let mut datagram = Vec::new();
        let written = sender.append(Peer::Replica(1), None, &mut datagram, |to| {
            to.extend_from_slice(body);
            Ok(())
        });
        if written.is_err() {
            continue;
        }
        let mut messages: Vec<Message> = Vec::new();
        if one.open_all(None, &mut datagram, &mut messages).is_err() {
            assert!(messages.is_empty(), "all or nothing");
        }
        // A whole body, or all parts of a message.
        let carried = if body.first() == Some(&WHOLE) { body.len() } else { MESSAGE_BYTES_MAX };
        check(&messages, carried);
        let begun = one.of_clients.bytes() + one.of_replicas.bytes();
        assert!(
            begun
                <= (fragment::OF_CLIENTS.in_all + fragment::OF_REPLICAS.in_all) * MESSAGE_BYTES_MAX
        );
    }
}

/// These were read from so many bytes, or fewer.
fn check(messages: &[Message], carried: usize) {
    assert!(messages.len() <= MESSAGES_PER_DATAGRAM_MAX);
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
