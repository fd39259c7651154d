//! What clients ask of replicas.

use super::Plausible;
use crate::types::{Command, Nonce, Slot, User};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// From a client to a replica.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ToReplica {
    /// Asks for a command to be put into the log.
    Request(Command),
    /// Asks for applied entries.
    Tail(Tail),
    /// Asks how far one has to read.
    Read(Read),
}

/// Asks for applied entries, and for the bound up to which there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tail {
    /// The first slot wanted; none, if the bound is all.
    pub from: Option<Slot>,
}

/// Asks for a bound below which is all that anybody was told of before this was first asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Read {
    /// Whose read it is: users share the places that a leader has for open reads.
    pub user: User,
    /// The name of the read. No other read of this reader has it, in whatever life.
    pub nonce: Nonce,
}

impl Plausible for ToReplica {
    fn is_plausible(&self) -> bool {
        match self {
            ToReplica::Request(command) => command.is_plausible(),
            ToReplica::Tail(Tail { from }) => from.is_none_or(|from| from.is_plausible()),
            ToReplica::Read(Read { user: _, nonce: _ }) => true,
        }
    }
}

impl Display for ToReplica {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.class().name())?;
        match self {
            ToReplica::Request(command) => write!(f, "({command})"),
            ToReplica::Tail(Tail { from: Some(from) }) => write!(f, "(from {from})"),
            ToReplica::Tail(Tail { from: None }) => f.write_str("(end)"),
            ToReplica::Read(Read { user, nonce }) => write!(f, "({nonce} of {user})"),
        }
    }
}
