//! The classes of messages: one table says of each which part of the messages it belongs to, and who takes it.
//!
//! **Invariant — none can be forgotten**: [`Message::class`] is a `match` made of this table, so a message
//! that is not listed here does not compile. Whatever treats every class (coverage, generators, examples of
//! the wire format) goes through [`Class::ALL`], or is a `match` without a wildcard.

use super::{Input, Message, Output, ToClient, ToPeer, ToReplica};
use std::fmt::{self, Display, Formatter};

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
    ($($part:ident { $($class:ident: $taker:ident,)* })*) => {
        /// The class of a message: its name, and not what it says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Class {
            $($(
                #[doc = concat!("[`", stringify!($part), "::", stringify!($class), "`](super::", stringify!($part), ").")]
                $class,
            )*)*
        }

        impl Class {
            /// All classes, in the order of the table.
            pub const ALL: &[Class] = &[$($(Class::$class),*),*];

            /// The name of the class, which is the message's.
            pub fn name(self) -> &'static str {
                match self {
                    $($(Class::$class => stringify!($class),)*)*
                }
            }

            /// Who takes a message of this class.
            pub fn taker(self) -> Taker {
                match self {
                    $($(Class::$class => Taker::$taker,)*)*
                }
            }
        }

        $(
            impl $part {
                /// The class of this message.
                pub fn class(&self) -> Class {
                    match self {
                        $($part::$class { .. } => Class::$class,)*
                    }
                }
            }
        )*

        impl Message {
            /// The class of this message.
            pub fn class(&self) -> Class {
                match self {
                    $(Message::$part(part) => part.class(),)*
                }
            }
        }
    };
}

classes! {
    ToReplica {
        Request: Replica,
        Tail: Replica,
        Read: Replica,
    }
    ToClient {
        SessionOpened: Client,
        Acknowledged: Client,
        Busy: Client,
        Redirect: Client,
        SessionExpired: Client,
        Entries: Reader,
        ReadBound: Reader,
    }
    ToPeer {
        PreVote: Replica,
        PreVoteGranted: Replica,
        PreVoteRefused: Replica,
        Prepare: Replica,
        Promise: Replica,
        Accept: Replica,
        Accepted: Replica,
        Reject: Replica,
        Heartbeat: Replica,
        HeartbeatAck: Replica,
        Fetch: Replica,
        Decided: Replica,
        Relay: Replica,
        RelayRead: Replica,
        RelayBound: Replica,
        Round: Replica,
        RoundAck: Replica,
    }
    Input {
        Submit: Client,
        SkipSlot: Replica,
        Recall: Replica,
        ReadCurrent: Reader,
    }
    Output {
        Applied: Driver,
        ReadLog: Driver,
        EndFound: Driver,
        Opened: Driver,
        Confirmed: Driver,
        OutcomeUnknown: Driver,
        Current: Driver,
    }
}

impl Display for Class {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
