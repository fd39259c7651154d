//! What clients ask of replicas.

use super::Plausible;
use crate::types::{Command, Slot};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// From a client to a replica.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ToReplica {
    /// Asks for a command to be put into the log.
    Request(Command),
    /// Asks for applied entries.
    Tail(Tail),
}

/// Asks for applied entries, and for the bound up to which there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tail {
    /// The first slot wanted; none, if the bound is all.
    pub from: Option<Slot>,
}

impl Plausible for ToReplica {
    fn is_plausible(&self) -> bool {
        match self {
            ToReplica::Request(command) => command.is_plausible(),
            ToReplica::Tail(Tail { from }) => from.is_none_or(|from| from.is_plausible()),
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
        }
    }
}
