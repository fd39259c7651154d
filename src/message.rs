//! Every message of the protocol, split by who sends it to whom.
//!
//! | file | what it holds |
//! |---|---|
//! | [`to_replica`], [`to_client`] | what clients ask, and what replicas answer |
//! | [`to_peer`] | what replicas tell each other |
//! | [`local`] | what passes between an actor and its own driver, and never travels |
//! | [`entries`] | runs of decided values, and who wants them |
//! | [`class`] | the names of all messages, in one table |
//! | [`numbers`] | their numbers in datagrams |
//! | [`plausible`] | which numbers can occur in them |
//!
//! **Invariants**
//! - *Local never travels*: what passes between an actor and its driver has no number, and cannot be
//!   written into a datagram or read from one. Only recordings hold it.
//! - *Every message survives loss, duplication and reordering*: a request is sent again by a timer
//!   or pulled again, and each handler is idempotent. The table says how.
//!
//! | message | sent again by |
//! |---|---|
//! | `Request` | the client's `Retry` timer |
//! | `Tail` | the reader's `Retry` timer |
//! | `PreVote` | the next `Election` time-out |
//! | `Prepare`, `Accept` | the `Resend` timer |
//! | `Heartbeat` | the `Heartbeat` timer |
//! | `Fetch` | the next heartbeats, or the leader's `Resend` timer |
//! | `Relay` | the client's `Retry` timer |
//! | `Read`, `RelayRead` | the reader's `Retry` timer |
//! | `Round` | the `Heartbeat` timer |
//! | `ReadLog` | nobody: the question that it came from is asked again |
//! | all replies | a repeated request |
//!
//! **Source**: *Paxos Made Simple* (2001) for phases 1 and 2; Ongaro's thesis (2014), sections
//! 6.3 and 9.6, for sessions and pre-votes. Promises are pulled in chunks, which is our own.

pub mod class;
pub mod entries;
pub mod local;
pub mod numbers;
pub mod plausible;
pub mod to_client;
pub mod to_peer;
pub mod to_replica;

use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug, Display, Formatter};

pub use class::{Class, Taker};
pub use entries::{AppliedValue, Asker, Entries, Page};
pub use local::{Input, LogRead, Outcome, Output};
pub use plausible::Plausible;
pub use to_client::{
    Acknowledged, Busy, ReadBound, Redirect, SessionExpired, SessionOpened, ToClient,
};
pub use to_peer::{
    Accept, Accepted, Fetch, Heartbeat, HeartbeatAck, PreVote, PreVoteGranted, PreVoteRefused,
    Prepare, Promise, Reject, Relay, RelayBound, RelayedRead, Round, RoundAck, ToPeer,
};
pub use to_replica::{Read, Tail, ToReplica};

/// A message between actors, or between an actor and its own driver. In this form it is recorded; what travels has
/// another one (see [`numbers`]).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Message {
    /// From a client to a replica.
    ToReplica(ToReplica),
    /// From a replica to a client.
    ToClient(ToClient),
    /// Between replicas.
    ToPeer(ToPeer),
    /// From a driver to its own actor.
    Input(Input),
    /// From an actor to its own driver.
    Output(Output),
}

macro_rules! splits {
    ($($part:ident $(: $($payload:ident),*)?;)*) => {
        $(
            impl From<$part> for Message {
                fn from(part: $part) -> Message {
                    Message::$part(part)
                }
            }
            $($(
                impl From<$payload> for Message {
                    fn from(payload: $payload) -> Message {
                        Message::$part($part::$payload(payload))
                    }
                }
            )*)?
        )*

        impl Display for Message {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                match self {
                    $(Message::$part(part) => Display::fmt(part, f),)*
                }
            }
        }
    };
}

splits! {
    ToReplica: Tail, Read;
    ToClient: SessionOpened, Acknowledged, Busy, Redirect, SessionExpired, ReadBound;
    ToPeer: PreVote, PreVoteGranted, PreVoteRefused, Prepare, Promise, Accept, Accepted, Reject, Heartbeat,
        HeartbeatAck, Fetch, Relay, RelayBound, Round, RoundAck;
    Input;
    Output;
}

impl From<RelayedRead> for Message {
    fn from(read: RelayedRead) -> Message {
        Message::ToPeer(ToPeer::RelayRead(read))
    }
}

impl From<Page> for Message {
    fn from(page: Page) -> Message {
        Message::ToClient(ToClient::Entries(page))
    }
}

impl Debug for Message {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
