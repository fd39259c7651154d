//! Majorities, and sets of replicas to count them with.
//!
//! **Invariant — any two quorums intersect**: a quorum is more than half of the replicas, for
//! even sizes too.
//!
//! **Source**: *Paxos Made Simple* (2001), section 2.2.

use crate::types::{NodeId, ReplicaId};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug, Formatter};

/// The most ids of replicas that a cluster may have: a [`ReplicaSet`] is one machine word.
pub const REPLICAS_MAX: u8 = 64;

/// α, unless something else is said: far above what a leader has in flight, so that it bounds nothing else.
const ALPHA: u64 = 1024;

/// What is fixed of a cluster, and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cluster {
    replicas: u8,
    founders: ReplicaSet,
    alpha: u64,
}

impl Cluster {
    /// A cluster with ids for this many replicas, all of which are founders.
    ///
    /// # Panics
    /// When there are none, or more than [`REPLICAS_MAX`].
    pub fn new(replicas: u8) -> Cluster {
        assert!((1..=REPLICAS_MAX).contains(&replicas), "1 to {REPLICAS_MAX} replicas");
        Cluster { replicas, founders: (0..replicas).map(ReplicaId).collect(), alpha: ALPHA }
    }

    /// With these founders: the members of all slots until the first change.
    ///
    /// # Panics
    /// When there are none, or some have no id.
    #[must_use]
    pub fn founded_by(self, founders: ReplicaSet) -> Cluster {
        let range = 1..=self.replicas;
        assert!(range.contains(&founders.end()), "founders have ids below {}", self.replicas);
        Cluster { founders, ..self }
    }

    /// With another α.
    ///
    /// # Panics
    /// When it is 0: no slot's members depend on what is decided at that very slot.
    #[must_use]
    pub fn with_alpha(self, alpha: u64) -> Cluster {
        assert!(alpha > 0, "the members of a slot are known before it is decided");
        Cluster { alpha, ..self }
    }

    /// How many replicas have ids: those that are members, were, or will be.
    pub fn len(self) -> u8 {
        self.replicas
    }

    /// Always false: a cluster has replicas.
    pub fn is_empty(self) -> bool {
        false
    }

    /// The members until the first change.
    pub fn founders(self) -> ReplicaSet {
        self.founders
    }

    /// So many slots after the one that decides it a change of members is in force.
    pub fn alpha(self) -> u64 {
        self.alpha
    }

    /// How many founders make a quorum: more than half.
    pub fn majority(self) -> u32 {
        self.founders.majority()
    }

    /// All replicas, in order.
    pub fn replicas(self) -> impl Iterator<Item = ReplicaId> {
        (0..self.replicas).map(ReplicaId)
    }

    /// The replica at this node, if it is one.
    pub fn replica(self, node: NodeId) -> Option<ReplicaId> {
        let index = u8::try_from(node.0).ok()?;
        (index < self.replicas).then_some(ReplicaId(index))
    }
}

/// A set of replicas.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplicaSet(u64);

impl ReplicaSet {
    /// The set of one replica.
    pub fn of(replica: ReplicaId) -> ReplicaSet {
        ReplicaSet(1 << replica.0)
    }

    /// Adds a replica; false if it was there.
    pub fn insert(&mut self, replica: ReplicaId) -> bool {
        let before = self.0;
        self.0 |= 1 << replica.0;
        self.0 != before
    }

    /// Is this replica in the set?
    pub fn contains(self, replica: ReplicaId) -> bool {
        self.0 & (1 << replica.0) != 0
    }

    /// Removes a replica, if it is there.
    #[must_use]
    pub fn without(self, replica: ReplicaId) -> ReplicaSet {
        ReplicaSet(self.0 & !(1 << replica.0))
    }

    /// The replicas of both.
    #[must_use]
    pub fn union(self, other: ReplicaSet) -> ReplicaSet {
        ReplicaSet(self.0 | other.0)
    }

    /// How many of these make a quorum: more than half.
    pub fn majority(self) -> u32 {
        self.len() / 2 + 1
    }

    /// Are more than half of these members in the set? Whoever else is in it counts for nothing.
    pub fn is_quorum_of(self, members: ReplicaSet) -> bool {
        ReplicaSet(self.0 & members.0).len() >= members.majority()
    }

    /// The id after the highest one.
    pub fn end(self) -> u8 {
        (u64::BITS - self.0.leading_zeros()) as u8
    }

    /// How many replicas are in the set.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Is the set empty?
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, in order.
    pub fn iter(self) -> impl Iterator<Item = ReplicaId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let id = u8::try_from(rest.trailing_zeros()).ok().filter(|id| *id < REPLICAS_MAX)?;
            rest &= rest - 1;
            Some(ReplicaId(id))
        })
    }
}

impl Debug for ReplicaSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<ReplicaId> for ReplicaSet {
    fn from_iter<I: IntoIterator<Item = ReplicaId>>(iter: I) -> Self {
        let mut set = ReplicaSet::default();
        for replica in iter {
            set.insert(replica);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        /// Any two quorums of the same members have one of them in common, whoever else is in them.
        fn quorums_intersect(members: u64, left: u64, right: u64) -> bool {
            let [members, left, right] = [members | 1, left, right].map(ReplicaSet);
            let common = members.iter().any(|r| left.contains(r) && right.contains(r));
            common || !left.is_quorum_of(members) || !right.is_quorum_of(members)
        }

        /// A set holds what was put in, and counts it once.
        fn set_is_a_set(members: Vec<u8>) -> bool {
            let members: Vec<ReplicaId> =
                members.into_iter().map(|m| ReplicaId(m % REPLICAS_MAX)).collect();
            let set: ReplicaSet = members.iter().copied().collect();
            let expected: std::collections::BTreeSet<ReplicaId> = members.into_iter().collect();
            set.iter().eq(expected.iter().copied()) && set.len() as usize == expected.len()
        }
    }

    #[test]
    fn majority_of_an_even_cluster_is_more_than_half() {
        let majorities: Vec<u32> = (1..=5).map(|n| Cluster::new(n).majority()).collect();
        assert_eq!(majorities, [1, 2, 2, 3, 3]);
    }
}
