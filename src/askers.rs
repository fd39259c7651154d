//! Who waits at this replica for what became of a command.
//!
//! **Invariants**
//! - *The client that asked last is answered*, and a replica that passed a question on only if no client
//!   has asked here itself.
//! - *Nobody is told what it has not asked here*: whoever asked once, while its own replica was silent, is
//!   not answered from here for ever.
//! - *Bounded*: one asker is remembered of each of so many openings as the table has room for sessions; if more
//!   come, all are forgotten, and ask again. Of sessions twice as many have room, because one may be evicted, or
//!   not known here; if more come, those that are not open are forgotten.
//!
//! **Absent**: any guarantee. What is remembered here is lost in a crash, and clients ask again.

use crate::session::Sessions;
use crate::types::{Command, NodeId, Nonce, Operation, Seq, SessionId, User};
use std::collections::BTreeMap;

/// The askers, clients or replicas that pass on what clients asked them, by what they ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Askers {
    /// Who asked last in this session, and for what.
    pub sessions: BTreeMap<SessionId, Waiter>,
    /// Who wants this session opened.
    pub openings: BTreeMap<(User, Nonce), NodeId>,
}

/// Who waits in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Waiter {
    /// The one that asked.
    pub asker: NodeId,
    /// The highest number that was asked here.
    pub upto: Seq,
}

impl Askers {
    /// Who waits for the answer to this command.
    pub fn of(&self, command: &Command) -> Option<NodeId> {
        match &command.operation {
            Operation::OpenSession { nonce } => {
                self.openings.get(&(command.user.clone(), *nonce)).copied()
            }
            Operation::InSession { session, .. } => Some(self.sessions.get(session)?.asker),
        }
    }

    /// Is it known that this one waits for the answer?
    pub fn is_noted(&self, asker: NodeId, command: &Command) -> bool {
        self.of(command) == Some(asker)
            && match &command.operation {
                Operation::OpenSession { .. } => true,
                Operation::InSession { session, seq, .. } => {
                    self.sessions.get(session).is_some_and(|waiting| *seq <= waiting.upto)
                }
            }
    }

    /// Who is told that this number has been applied. Once nothing is waited for, nobody is remembered.
    pub fn take(&mut self, session: SessionId, seq: Seq) -> Option<NodeId> {
        let Waiter { asker, upto } = *self.sessions.get(&session)?;
        if seq >= upto {
            self.sessions.remove(&session);
        }
        (seq <= upto).then_some(asker)
    }

    /// Remembers where the answer to a command goes.
    pub fn note(&mut self, asker: NodeId, command: &Command, open: &Sessions, sessions_max: usize) {
        match &command.operation {
            Operation::OpenSession { nonce } => {
                if self.openings.len() >= sessions_max {
                    self.openings.clear();
                }
                self.openings.insert((command.user.clone(), *nonce), asker);
            }
            Operation::InSession { session, seq, .. } => {
                let known = self.sessions.get(session).map(|waiting| waiting.upto);
                if known.is_none() && self.sessions.len() >= 2 * sessions_max {
                    self.sessions.retain(|session, _| open.get(*session).is_some());
                }
                let upto = known.map_or(*seq, |known| known.max(*seq));
                self.sessions.insert(*session, Waiter { asker, upto });
            }
        }
    }
}
