//! What was found: who has broken which property, and how.
//!
//! **Invariant — bounded**: the first few say enough, and each party breaks each property once.

use crate::properties::Safety;
use crate::refinement;
use paxos_chat::message::Taker;
use paxos_chat::types::ReplicaId;

/// A process that takes part. Clients and readers have numbers that the caller gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// A replica.
    Replica(ReplicaId),
    /// A client.
    Client(usize),
    /// A reader.
    Reader(usize),
}

impl Party {
    /// What takes messages there.
    pub(super) fn taker(self) -> Taker {
        match self {
            Party::Replica(_) => Taker::Replica,
            Party::Client(_) => Taker::Client,
            Party::Reader(_) => Taker::Reader,
        }
    }
}

/// A property that does not hold of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What is claimed: the name of one of [`Safety`], or of [`refinement::PROPERTIES`].
    pub property: &'static str,
    /// Whose step broke it.
    pub party: Party,
    /// What was seen.
    pub detail: String,
}

/// So many violations are kept.
pub const VIOLATIONS_MAX: usize = 16;

/// The violations so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    violations: Vec<Violation>,
}

impl Report {
    pub(super) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Notes a violation unless it holds.
    pub(super) fn judge(
        &mut self,
        safety: Safety,
        party: Party,
        holds: bool,
        detail: impl FnOnce() -> String,
    ) {
        if !holds {
            self.note(safety.name(), party, detail);
        }
    }

    /// Notes that this property of the refinement does not hold.
    pub(super) fn refute(
        &mut self,
        property: usize,
        party: Party,
        detail: impl FnOnce() -> String,
    ) {
        self.note(refinement::PROPERTIES[property].name, party, detail);
    }

    #[cold]
    fn note(&mut self, property: &'static str, party: Party, detail: impl FnOnce() -> String) {
        let is_it = |known: &Violation| known.property == property && known.party == party;
        if self.violations.len() < VIOLATIONS_MAX && !self.violations.iter().any(is_it) {
            self.violations.push(Violation { property, party, detail: detail() });
        }
    }
}
