//! Datagrams and their bodies, as functions of any bytes, with the chat's messages in them.

use crate::Packet;
use crate::examples::examples;
use actor_runtime::fuzz::{Input, chunk};
use actor_runtime::wire::Peer;
use actor_runtime::wire::fuzz::{self, client, parts, process, replica, sealed, whole};
use paxos_chat::message::{
    Accept, AppliedValue, Entries, Outcome, Page, Plausible, Relay, ToClient, ToPeer, ToReplica,
};
use paxos_chat::types::{Body, Command, Operation, Slot, Value, Vote};

/// Bytes that a message may hold in memory, for each byte that it was read from.
const EXPANSION_MAX: usize = 64;

/// Datagrams from everybody to everybody, as honest processes seal them.
pub fn datagrams() -> Vec<Vec<u8>> {
    let (mut alice_s, mut zero) = (client(), replica(0));
    let seal = |packet: Packet| match packet {
        Packet::ToReplica(_) => sealed(&mut alice_s, Peer::Replica(1), &packet),
        Packet::ToClient(_) | Packet::Leadership(_) => sealed(&mut zero, process(), &packet),
        Packet::ToPeer(_) => sealed(&mut zero, Peer::Replica(1), &packet),
    };
    examples().into_iter().map(seal).collect()
}

/// A datagram of anybody.
pub fn datagram(input: &[u8]) {
    fuzz::datagram::<Packet>(input, &datagrams());
}

/// Bodies as [`body`] reads them: whole messages, several at once, and a message in parts.
pub fn bodies() -> Vec<Vec<u8>> {
    let encoded = |packet: &Packet| postcard::to_stdvec(packet).expect("plain data");
    let body = |sender: u8, body: &[u8]| [&[sender], &chunk(body)[..]].concat();
    let packets = examples();
    let one = |(at, packet)| body(at as u8 % 2, &whole(&encoded(packet)));
    let mut seeds: Vec<Vec<u8>> = packets.iter().enumerate().map(one).collect();
    let all: Vec<u8> = packets.iter().flat_map(encoded).collect();
    seeds.push(body(1, &whole(&all)));
    let long = encoded(&Packet::ToPeer(ToPeer::Decided(Entries {
        from: Slot(0),
        values: vec![Value::Noop; 200],
        applied_upto: Slot(200),
    })));
    for sender in [0, 1] {
        seeds.push(parts(&long, 60).iter().flat_map(|part| body(sender, part)).collect());
    }
    seeds
}

/// Bodies of datagrams that a replica or a user has sealed for a replica. What is read back is what
/// would be sent, and holds memory in proportion to what was sent.
pub fn body(input: &[u8]) {
    let mut input = Input(input);
    let bodies = std::iter::from_fn(|| {
        let is_of_user = (!input.0.is_empty()).then(|| !input.byte().is_multiple_of(2))?;
        Some((is_of_user, input.chunk().unwrap_or_default()))
    });
    fuzz::bodies(bodies, check);
}

/// These were read from so many bytes, or fewer.
fn check(packets: &[Packet], carried: usize) {
    let mut encoded = 0;
    for packet in packets {
        let bytes = postcard::to_stdvec(packet).expect("what was read can be written");
        assert_eq!(postcard::from_bytes::<Packet>(&bytes).as_ref(), Ok(packet));
        assert!(held_bytes(packet) <= EXPANSION_MAX * bytes.len(), "{packet:?}");
        // These are total, too.
        let _ = (packet.is_plausible(), format!("{packet:?}"));
        encoded += bytes.len();
    }
    assert!(encoded <= carried, "the shortest encoding is no longer than any other");
}

/// Memory that a packet holds, itself not counted.
fn held_bytes(packet: &Packet) -> usize {
    match packet {
        Packet::ToReplica(ToReplica::Request(command)) => held_by_command(command),
        Packet::ToPeer(ToPeer::Promise(promise)) => {
            let votes = promise.votes.iter().map(|(_, vote)| held_by_value(&vote.value));
            promise.votes.capacity() * size_of::<(Slot, Vote)>() + votes.sum::<usize>()
        }
        Packet::ToPeer(ToPeer::Accept(Accept { value, .. })) => held_by_value(value),
        Packet::ToPeer(ToPeer::Relay(Relay { command, .. })) => held_by_command(command),
        Packet::ToPeer(ToPeer::Decided(Entries { values, .. })) => {
            let held = values.iter().map(held_by_value).sum::<usize>();
            values.capacity() * size_of::<Value>() + held
        }
        Packet::ToClient(ToClient::Entries(Page { values, .. })) => {
            let held = values.iter().map(|AppliedValue { value, outcomes }| {
                held_by_value(value) + outcomes.capacity() * size_of::<Outcome>()
            });
            values.capacity() * size_of::<AppliedValue>() + held.sum::<usize>()
        }
        _ => 0,
    }
}

fn held_by_value(value: &Value) -> usize {
    let command = |command| size_of::<Command>() + held_by_command(command);
    value.commands().iter().map(command).sum()
}

fn held_by_command(command: &Command) -> usize {
    let text = match &command.operation {
        Operation::InSession { body: Body::Write(bytes), .. } => bytes.len(),
        _ => 0,
    };
    command.user.0.len() + text
}
