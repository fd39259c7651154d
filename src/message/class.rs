//! The classes of messages: one table says of each who may send it to whom, and who takes it.
//!
//! **Invariant — none can be forgotten**: [`Message::class`] is a `match` made of this table, so a message
//! that is not listed here does not compile. Whatever treats every class (coverage, generators, examples of
//! the wire format) goes through [`Class::ALL`], or is a `match` without a wildcard.

use super::Message;
use std::fmt::{self, Display, Formatter};

/// Who may send a message to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// From a client to a replica.
    ClientToReplica,
    /// From a replica to a client.
    ReplicaToClient,
    /// Between replicas.
    Replicas,
    /// Between an actor and its driver: never accepted from a network.
    Local,
}

/// Who takes a message, and does something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Taker {
    /// A replica.
    Replica,
    /// A client.
    Client,
    /// A reader.
    Reader,
    /// The driver of an actor, and no actor.
    Driver,
}

macro_rules! classes {
    ($($class:ident: $route:ident, $taker:ident;)*) => {
        /// The class of a message: its name, and not what it says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Class {
            $(
                #[doc = concat!("[`Message::", stringify!($class), "`].")]
                $class,
            )*
        }

        impl Class {
            /// All classes, in the order of the table.
            pub const ALL: &[Class] = &[$(Class::$class),*];

            /// The name of the class, which is the message's.
            pub fn name(self) -> &'static str {
                match self {
                    $(Class::$class => stringify!($class),)*
                }
            }

            /// Who may send a message of this class to whom.
            pub fn route(self) -> Route {
                match self {
                    $(Class::$class => Route::$route,)*
                }
            }

            /// Who takes a message of this class.
            pub fn taker(self) -> Taker {
                match self {
                    $(Class::$class => Taker::$taker,)*
                }
            }
        }

        impl Message {
            /// The class of this message.
            pub fn class(&self) -> Class {
                match self {
                    $(Message::$class { .. } => Class::$class,)*
                }
            }
        }
    };
}

classes! {
    Request: ClientToReplica, Replica;
    Tail: ClientToReplica, Replica;

    SessionOpened: ReplicaToClient, Client;
    Acknowledged: ReplicaToClient, Client;
    Busy: ReplicaToClient, Client;
    Redirect: ReplicaToClient, Client;
    SessionExpired: ReplicaToClient, Client;
    Entries: ReplicaToClient, Reader;
    Promised: ReplicaToClient, Driver;

    PreVote: Replicas, Replica;
    PreVoteGranted: Replicas, Replica;
    PreVoteRefused: Replicas, Replica;
    Prepare: Replicas, Replica;
    Promise: Replicas, Replica;
    Accept: Replicas, Replica;
    Accepted: Replicas, Replica;
    Reject: Replicas, Replica;
    Heartbeat: Replicas, Replica;
    HeartbeatAck: Replicas, Replica;
    Fetch: Replicas, Replica;
    Decided: Replicas, Replica;
    Relay: Replicas, Replica;

    Submit: Local, Client;
    SkipSlot: Local, Replica;
    Applied: Local, Driver;
    ReadLog: Local, Driver;
    Opened: Local, Driver;
    Confirmed: Local, Driver;
    OutcomeUnknown: Local, Driver;
}

impl Class {
    /// The classes that travel over a network.
    pub fn on_network() -> impl Iterator<Item = Class> {
        Class::ALL.iter().copied().filter(|class| class.route() != Route::Local)
    }
}

impl Display for Class {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Message {
    /// Who may send this message to whom.
    pub fn route(&self) -> Route {
        self.class().route()
    }
}
