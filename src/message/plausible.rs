//! Which numbers can occur in a message.
//!
//! **Invariant**: what is plausible can be counted on from: no run of the protocol comes near the numbers at
//! which arithmetic would overflow. A host drops every message that is not.

use super::Outcome;
use crate::quorum::REPLICAS_MAX;
use crate::types::{Ballot, Body, Command, Operation, Reconfigure, Seq, SessionId, Slot};

/// No slot and no number within a session gets here in the life of a cluster.
const NUMBER_MAX: u64 = 1 << 60;
/// No election round gets here in the life of a cluster.
const ROUND_MAX: u32 = 1 << 30;

/// What holds numbers that somebody else has chosen.
pub trait Plausible {
    /// Are they all far below those at which arithmetic would overflow?
    fn is_plausible(&self) -> bool;
}

impl Plausible for Slot {
    fn is_plausible(&self) -> bool {
        self.0 < NUMBER_MAX
    }
}

impl Plausible for Seq {
    fn is_plausible(&self) -> bool {
        self.0 < NUMBER_MAX
    }
}

impl Plausible for SessionId {
    fn is_plausible(&self) -> bool {
        self.slot.is_plausible()
    }
}

impl Plausible for Outcome {
    fn is_plausible(&self) -> bool {
        match self {
            Outcome::Opened(session) | Outcome::OpenedBefore(session) => session.is_plausible(),
            Outcome::Duplicate(slot) => slot.is_none_or(|slot| slot.is_plausible()),
            Outcome::Applied | Outcome::Gap | Outcome::NoSession | Outcome::WrongUser => true,
        }
    }
}

impl Plausible for Ballot {
    fn is_plausible(&self) -> bool {
        self.round < ROUND_MAX
    }
}

impl Plausible for Command {
    fn is_plausible(&self) -> bool {
        match &self.operation {
            Operation::OpenSession { .. } => true,
            Operation::InSession { session, seq, acked_below, body } => {
                session.is_plausible()
                    && seq.is_plausible()
                    && acked_below.is_plausible()
                    && body.is_plausible()
            }
        }
    }
}

impl Plausible for Body {
    fn is_plausible(&self) -> bool {
        match self {
            Body::Write(_) | Body::Sync => true,
            Body::Reconfigure(Reconfigure { replaces, members }) => {
                replaces.is_plausible()
                    && members.len() <= usize::from(REPLICAS_MAX)
                    && members.iter().all(|id| id.0 < REPLICAS_MAX)
            }
        }
    }
}
