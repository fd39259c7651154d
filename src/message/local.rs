//! What passes between an actor and its own driver.
//!
//! **Invariant — local never travels**: these have no number, so no datagram can hold one.

use super::{Asker, Entries};
use crate::types::{Body, Nonce, Seq, SessionId, Slot, Value};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// From a driver to its own actor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Input {
    /// The user wants this to be asked. To a client.
    Submit(Body),
    /// Jump over the next slot: an injected fault. To a replica.
    SkipSlot,
    /// These are in the replica's own log, which outlives a crash: they were applied in an earlier life, and so are
    /// decided. To a replica.
    Recall(Entries),
    /// Read everything that anybody was told of before now, and tell when that is read; under this name, which no other
    /// read has. To a reader.
    ReadCurrent(Nonce),
}

/// From an actor to its own driver.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Output {
    /// A slot was applied. From a replica or a reader, once a slot and life, in slot order.
    Applied {
        /// The slot.
        slot: Slot,
        /// The value chosen there.
        value: Value,
        /// What each command of the value came to.
        outcomes: Vec<Outcome>,
    },
    /// Answer this from the log on disk. From a replica.
    ReadLog(LogRead),
    /// The log ends here, as far as a replica knows, and is read from here on. From a reader that was to begin at the
    /// end.
    EndFound {
        /// The first slot that is going to be read.
        end: Slot,
    },
    /// The session is open. From a client.
    Opened {
        /// The session.
        session: SessionId,
    },
    /// The request with this number was acknowledged. From a client.
    Confirmed {
        /// The request's number.
        seq: Seq,
        /// The slot at which it was applied.
        slot: Slot,
    },
    /// The session has expired: whether these were applied is unknown, and they are not sent
    /// again. From a client.
    OutcomeUnknown {
        /// Their numbers, in order; some between them may be acknowledged.
        unknown: Vec<Seq>,
    },
    /// Everything was read that anybody had been told of when this read began. From a reader.
    Current {
        /// The read's name.
        nonce: Nonce,
        /// Where that ends: everything below was read, or is before what this reader was to read.
        upto: Slot,
    },
}

/// A question about entries that a replica has applied and does not keep in memory. Its driver
/// answers the asker from the chat log ([`LogRead::answer`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogRead {
    /// Who asks.
    pub asker: Asker,
    /// The first slot wanted; it is below `upto`.
    pub from: Slot,
    /// Everything below is applied, and was reported to the driver in this life or an earlier one.
    pub upto: Slot,
}

impl LogRead {
    /// # Panics
    /// If that is no slot at all: whoever asks a disk for nothing waits for it in vain.
    pub(crate) fn new(asker: Asker, from: Slot, upto: Slot) -> LogRead {
        assert!(from < upto, "a read of the log is of at least one slot");
        LogRead { asker, from, upto }
    }
}

/// What a command of an applied batch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// It opened this session.
    Opened(SessionId),
    /// Its nonce had opened this session before.
    OpenedBefore(SessionId),
    /// It was applied, here and nowhere else.
    Applied,
    /// It was applied before, at this slot if the session still knows; suppressed here.
    Duplicate(Option<Slot>),
    /// An earlier number of its session is missing: skipped, to be sent again.
    Gap,
    /// Its session is not, or no longer, in the session table.
    NoSession,
    /// The session belongs to another user.
    WrongUser,
}

impl Display for Input {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.class().name())?;
        match self {
            Input::Submit(body) => write!(f, "({body})"),
            Input::SkipSlot => Ok(()),
            Input::Recall(entries) => write!(f, "({entries:?})"),
            Input::ReadCurrent(nonce) => write!(f, "({nonce})"),
        }
    }
}

impl Display for Output {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.class().name())?;
        match self {
            Output::Applied { slot, value, .. } => write!(f, "(slot {slot}, {value})"),
            Output::ReadLog(LogRead { asker, from, upto }) => {
                write!(f, "(for {}, [{from}, {upto}))", asker.node())
            }
            Output::EndFound { end } => write!(f, "(slot {end})"),
            Output::Opened { session } => write!(f, "({session})"),
            Output::Confirmed { seq, slot } => write!(f, "(#{seq}, slot {slot})"),
            Output::OutcomeUnknown { unknown } => write!(f, "({unknown:?})"),
            Output::Current { nonce, upto } => write!(f, "({nonce}, below {upto})"),
        }
    }
}
