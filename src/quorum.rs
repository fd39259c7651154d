//! Majorities, and sets of replicas to count them with.
//!
//! **Invariant — any two quorums intersect**: a quorum is more than half of the replicas, for
//! even sizes too.
//!
//! **Source**: *Paxos Made Simple* (2001), section 2.2.

use crate::types::{NodeId, ReplicaId};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug, Formatter};

/// The most replicas a cluster may have: a [`ReplicaSet`] is one machine word.
pub const REPLICAS_MAX: u8 = 64;

/// The size of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cluster {
    replicas: u8,
}

impl Cluster {
    /// A cluster of this many replicas.
    ///
    /// # Panics
    /// When there are none, or more than [`REPLICAS_MAX`].
    pub fn new(replicas: u8) -> Cluster {
        assert!((1..=REPLICAS_MAX).contains(&replicas), "1 to {REPLICAS_MAX} replicas");
        Cluster { replicas }
    }

    /// How many replicas there are.
    pub fn len(self) -> u8 {
        self.replicas
    }

    /// Always false: a cluster has replicas.
    pub fn is_empty(self) -> bool {
        false
    }

    /// How many replicas make a quorum: more than half.
    pub fn majority(self) -> u32 {
        u32::from(self.replicas) / 2 + 1
    }

    /// Is this set a quorum?
    pub fn is_quorum(self, set: ReplicaSet) -> bool {
        set.len() >= self.majority()
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

    /// All replicas but `me`, in order.
    pub fn peers(self, me: ReplicaId) -> impl Iterator<Item = ReplicaId> {
        self.replicas().filter(move |r| *r != me)
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
        (0..REPLICAS_MAX).map(ReplicaId).filter(move |r| self.contains(*r))
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
        /// Any two quorums intersect, for every cluster size and every pair of sets.
        fn quorums_intersect(size: u8, left: u64, right: u64) -> bool {
            let cluster = Cluster::new(size % REPLICAS_MAX + 1);
            let members = |bits: u64| -> ReplicaSet {
                cluster.replicas().filter(|r| bits >> r.0 & 1 == 1).collect()
            };
            let (left, right) = (members(left), members(right));
            let disjoint = !left.iter().any(|r| right.contains(r));
            !(disjoint && cluster.is_quorum(left) && cluster.is_quorum(right))
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
