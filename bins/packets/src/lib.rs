//! What travels between the chat's processes: the messages of its actors, and what their hosts add.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | [`Packet`], and how it is written and read |
//! | [`formats`] | the formats that it is written and read in |
//! | `examples`, `golden` | one packet of each kind, and its pinned bytes in each format |
//! | `fuzz` | datagrams and their bodies as functions of any bytes; no executable has it |
//!
//! **Invariant — local never travels**: a [`Packet`] can't hold what passes between an actor and its own driver.
//!
//! **Absent**: how packets are sealed, and how they share datagrams, which is `actor_runtime::wire`'s.

#![forbid(unsafe_code)]

#[cfg(any(test, feature = "fuzz"))]
mod examples;
pub mod formats;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
#[cfg(all(test, not(feature = "rehearsal")))]
mod golden;
#[cfg(test)]
mod tests;

use paxos_chat::message::numbers::{HOSTS_NUMBER, Numbered};
use paxos_chat::message::{Message, Plausible, ToClient, ToPeer, ToReplica};
use paxos_chat::types::Ballot;
use serde::de::{EnumAccess, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::{self, Debug, Display, Formatter};

/// What travels.
#[derive(Clone, PartialEq, Eq)]
pub enum Packet {
    /// From a client to a replica.
    ToReplica(ToReplica),
    /// From a replica to a client.
    ToClient(ToClient),
    /// Between replicas.
    ToPeer(ToPeer),
    /// What the sender knows of the leader. A replica's host tells it beside entries, for people to see; no actor
    /// sends it or takes it.
    Leadership(Leadership),
}

/// What a replica knows of the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leadership {
    /// The ballot that it has promised, which names whom it follows.
    pub promised: Ballot,
    /// It leads itself, or has heard within an election time-out that the leader makes progress.
    pub is_led: bool,
}

impl Packet {
    /// The packet in which this message leaves; none if it is local.
    pub fn of(message: Message) -> Option<Packet> {
        match message {
            Message::ToReplica(message) => Some(Packet::ToReplica(message)),
            Message::ToClient(message) => Some(Packet::ToClient(message)),
            Message::ToPeer(message) => Some(Packet::ToPeer(message)),
            Message::Input(_) | Message::Output(_) => None,
        }
    }
}

impl Debug for Packet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Packet::ToReplica(message) => Display::fmt(message, f),
            Packet::ToClient(message) => Display::fmt(message, f),
            Packet::ToPeer(message) => Display::fmt(message, f),
            Packet::Leadership(Leadership { promised, is_led }) => {
                write!(f, "Leadership({promised}, led {is_led})")
            }
        }
    }
}

impl Plausible for Packet {
    fn is_plausible(&self) -> bool {
        match self {
            Packet::ToReplica(message) => message.is_plausible(),
            Packet::ToClient(message) => message.is_plausible(),
            Packet::ToPeer(message) => message.is_plausible(),
            Packet::Leadership(leadership) => leadership.promised.is_plausible(),
        }
    }
}

impl Serialize for Packet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Packet::ToReplica(message) => message.serialize(serializer),
            Packet::ToClient(message) => message.serialize(serializer),
            Packet::ToPeer(message) => message.serialize(serializer),
            Packet::Leadership(leadership) => serializer.serialize_newtype_variant(
                "Message",
                HOSTS_NUMBER,
                "Leadership",
                leadership,
            ),
        }
    }
}

impl<'de> Deserialize<'de> for Packet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Packet, D::Error> {
        deserializer.deserialize_enum("Message", &[], PacketVisitor)
    }
}

/// Reads the number, and then what it stands for.
struct PacketVisitor;

impl<'de> Visitor<'de> for PacketVisitor {
    type Value = Packet;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a message with its number")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, packet: A) -> Result<Packet, A::Error> {
        let (number, content) = packet.variant::<u32>()?;
        match number {
            HOSTS_NUMBER => content.newtype_variant().map(Packet::Leadership),
            _ if ToReplica::NUMBERS.contains(&number) => {
                ToReplica::read(number, content).map(Packet::ToReplica)
            }
            _ if ToClient::NUMBERS.contains(&number) => {
                ToClient::read(number, content).map(Packet::ToClient)
            }
            // It refuses a number that no message has.
            _ => ToPeer::read(number, content).map(Packet::ToPeer),
        }
    }
}
