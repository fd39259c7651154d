//! The numbers of messages in datagrams.
//!
//! A message is written as one variant of one enum: its number, and what it says. The number tells which part of
//! [`super::Message`] it is.
//!
//! **Invariant — numbers stay**: a number is never given to another message, or programs of two versions
//! would misread each other.
//!
//! **Absent**: [`super::Input`] and [`super::Output`], which have no numbers.

use super::{
    Accept, Accepted, Acknowledged, Busy, Entries, Fetch, Heartbeat, HeartbeatAck, Page, PreVote,
    PreVoteGranted, PreVoteRefused, Prepare, Promise, Read, ReadBound, Redirect, Reject, Relay,
    RelayBound, RelayedRead, Round, RoundAck, SessionExpired, SessionOpened, Tail, ToClient,
    ToPeer, ToReplica,
};
use crate::types::Command;
use serde::de::{EnumAccess, Error, Unexpected, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::{self, Formatter};
use std::marker::PhantomData;

/// The number of what hosts tell each other beside messages.
pub const HOSTS_NUMBER: u32 = 8;

/// A part of the messages, each with a number that no other part has.
pub trait Numbered: Serialize + Sized {
    /// Its numbers, in order.
    const NUMBERS: &'static [u32];

    /// The message with this number, of which the content is read.
    ///
    /// # Errors
    /// When the number is of another part, or the content is none.
    fn read<'de, A: VariantAccess<'de>>(number: u32, content: A) -> Result<Self, A::Error>;
}

/// Reads a number, and then what it stands for.
struct PartVisitor<P>(PhantomData<P>);

impl<'de, P: Numbered> Visitor<'de> for PartVisitor<P> {
    type Value = P;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a message with its number")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, message: A) -> Result<P, A::Error> {
        let (number, content) = message.variant::<u32>()?;
        P::read(number, content)
    }
}

macro_rules! numbered {
    ($part:ident { $($number:literal: $class:ident($payload:ty),)* }) => {
        impl Numbered for $part {
            const NUMBERS: &'static [u32] = &[$($number),*];

            fn read<'de, A: VariantAccess<'de>>(number: u32, content: A) -> Result<Self, A::Error> {
                match number {
                    $($number => content.newtype_variant::<$payload>().map($part::$class),)*
                    other => {
                        let other = Unexpected::Unsigned(other.into());
                        Err(A::Error::invalid_value(other, &"the number of a message"))
                    }
                }
            }
        }

        impl<'de> Deserialize<'de> for $part {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$part, D::Error> {
                deserializer.deserialize_enum("Message", &[], PartVisitor(PhantomData))
            }
        }

        impl Serialize for $part {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $($part::$class(content) => serializer.serialize_newtype_variant(
                        "Message", $number, stringify!($class), content,
                    ),)*
                }
            }
        }
    };
}

numbered! {
    ToReplica {
        0: Request(Command),
        1: Tail(Tail),
        22: Read(Read),
    }
}

numbered! {
    ToClient {
        2: SessionOpened(SessionOpened),
        3: Acknowledged(Acknowledged),
        4: Busy(Busy),
        5: Redirect(Redirect),
        6: SessionExpired(SessionExpired),
        7: Entries(Page),
        23: ReadBound(ReadBound),
    }
}

numbered! {
    ToPeer {
        9: PreVote(PreVote),
        10: PreVoteGranted(PreVoteGranted),
        11: PreVoteRefused(PreVoteRefused),
        12: Prepare(Prepare),
        13: Promise(Promise),
        14: Accept(Accept),
        15: Accepted(Accepted),
        16: Reject(Reject),
        17: Heartbeat(Heartbeat),
        18: HeartbeatAck(HeartbeatAck),
        19: Fetch(Fetch),
        20: Decided(Entries),
        21: Relay(Relay),
        24: RelayRead(RelayedRead),
        25: RelayBound(RelayBound),
        26: Round(Round),
        27: RoundAck(RoundAck),
    }
}
