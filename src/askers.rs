//! Who waits at this replica for what became of a command.
//!
//! **Invariants**
//! - *The client that asked last is answered*, and a replica that passed a question on only if no client
//!   has asked here itself.
//! - *Bounded*: of each session in the table one asker is remembered, and of openings no more than the
//!   table has room for; if more come, all are forgotten, and ask again.
//!
//! **Absent**: any guarantee. What is remembered here is lost in a crash, and clients ask again.

use crate::types::{Command, NodeId, Nonce, Operation, SessionId, User};
use std::collections::BTreeMap;

/// The askers, clients or replicas that pass on what clients asked them, by what they ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Askers {
    /// Who asked last in this session.
    pub sessions: BTreeMap<SessionId, NodeId>,
    /// Who wants this session opened.
    pub openings: BTreeMap<(User, Nonce), NodeId>,
}

impl Askers {
    /// Who waits for the answer to this command.
    pub fn of(&self, command: &Command) -> Option<NodeId> {
        match &command.operation {
            Operation::OpenSession { nonce } => {
                self.openings.get(&(command.user.clone(), *nonce)).copied()
            }
            Operation::InSession { session, .. } => self.sessions.get(session).copied(),
        }
    }

    /// Remembers where the answer to a command goes.
    pub fn note(&mut self, asker: NodeId, command: &Command, openings_max: usize) {
        match &command.operation {
            Operation::OpenSession { nonce } => {
                if self.openings.len() >= openings_max {
                    self.openings.clear();
                }
                self.openings.insert((command.user.clone(), *nonce), asker);
            }
            Operation::InSession { session, .. } => {
                self.sessions.insert(*session, asker);
            }
        }
    }
}
