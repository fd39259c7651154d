//! The current reads that wait for a leader's rounds, fair between users.
//!
//! **Invariants**
//! - *A round is for what had come when it began*: what comes later waits for the next.
//! - *Fair*: a user's share of the places is what remains when everybody who has some has as many, and whoever has none
//!   gets one. *Bounded*: by twice the limit and one of each user, since shares shrink only as users come.
//!
//! **Absent**: when a round begins, and who has acknowledged it ([`crate::reads`]).

use crate::message::RelayedRead;
use crate::quorum::ReplicaSet;
use crate::tuning::Tuning;
use crate::types::{Slot, User};
use std::collections::BTreeMap;

/// Open reads, each with its bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpenReads {
    /// The number of the last round that was begun.
    pub round: u64,
    /// The reads that it is for: all that had come when it began. None, if it is over.
    pub asked: BTreeMap<RelayedRead, Slot>,
    /// The peers that have acknowledged it.
    pub acknowledged: ReplicaSet,
    /// The reads that have come since, for which another round is needed.
    pub waiting: BTreeMap<RelayedRead, Slot>,
    /// The reads of rounds that are over, whose bounds are not applied yet.
    pub confirmed: BTreeMap<RelayedRead, Slot>,
    /// How many each user has; whoever has none is not in it.
    pub users: BTreeMap<User, usize>,
}

impl OpenReads {
    /// Is a round on?
    pub fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Has this read come, and is it not answered?
    pub fn is_open(&self, read: &RelayedRead) -> bool {
        [&self.asked, &self.waiting, &self.confirmed].iter().any(|reads| reads.contains_key(read))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.asked.len() + self.waiting.len() + self.confirmed.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Has this user no place left?
    pub fn is_full_for(&self, user: &User, tuning: &Tuning) -> bool {
        let own = self.users.get(user).copied().unwrap_or_default();
        let users = self.users.len() + usize::from(own == 0);
        let share = (tuning.reads_max / users).max(1);
        own >= share || (own > 0 && self.len() >= 2 * tuning.reads_max)
    }

    /// A read comes that is not open.
    pub fn open(&mut self, read: RelayedRead, upto: Slot) {
        *self.users.entry(read.user.clone()).or_default() += 1;
        self.waiting.insert(read, upto);
    }

    /// Begins the next round, for everything that waits.
    pub fn begin(&mut self) {
        self.round += 1;
        self.asked = std::mem::take(&mut self.waiting);
        self.acknowledged = ReplicaSet::default();
    }

    /// Ends the round: nobody had a higher ballot when it began.
    pub fn confirm(&mut self) {
        self.confirmed.append(&mut self.asked);
    }

    /// More was reported: no bound is below this one.
    pub fn raise(&mut self, end: Slot) {
        let OpenReads { asked, waiting, confirmed, .. } = self;
        for upto in [asked, waiting, confirmed].into_iter().flat_map(BTreeMap::values_mut) {
            *upto = (*upto).max(end);
        }
    }

    /// Takes the reads of rounds that are over and whose bounds are applied.
    pub fn take_applied(&mut self, applied_upto: Slot) -> Vec<(RelayedRead, Slot)> {
        let is_applied = |(_, upto): &(RelayedRead, Slot)| *upto <= applied_upto;
        let confirmed = std::mem::take(&mut self.confirmed).into_iter();
        let (applied, rest): (Vec<_>, Vec<_>) = confirmed.partition(is_applied);
        self.confirmed = rest.into_iter().collect();
        for (read, _) in &applied {
            if let Some(own) = self.users.get_mut(&read.user) {
                *own -= 1;
            }
        }
        if !applied.is_empty() {
            self.users.retain(|_, own| *own > 0);
        }
        applied
    }
}
