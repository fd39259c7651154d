//! Membership: the replicas whose votes count at a slot.
//!
//! A change of members is a command of the log. The one that is decided at slot s is in force from slot s + α on, and
//! α is the cluster's ([`Cluster::alpha`]).
//!
//! **Invariants**
//! - *The membership of slot i follows from what is decided up to and including slot i − α.* So whoever has applied
//!   everything below A knows the members of every slot below A + α, and proposes at none above.
//! - *One change at a time*: a change names the membership that it replaces, by its first slot, which no other one has.
//!   If another one is in force, or one is to come, it does nothing. So of two operators who know of the same members one
//!   has its way, and a request that comes late undoes nothing.
//! - *No id returns*: who was a member once and is none any more never becomes one again, since what it had promised
//!   may be lost. New members have ids above those of all before.
//!
//! **Absent**: who asks for a change, and when a replica that was removed may go.
//!
//! **Source**: Lamport, *Paxos Made Simple* (2001), section 3, for α; Lamport, Malkhi and Zhou, *Reconfiguring a state
//! machine* (2010), section 3, for what it costs.

use crate::quorum::{Cluster, ReplicaSet};
use crate::types::{Reconfigure, Slot};
use serde::{Deserialize, Serialize};

/// The members of all slots from one on, up to the next change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Membership {
    /// The first slot at which their votes count. It names the membership.
    pub since: Slot,
    /// The members.
    pub members: ReplicaSet,
}

/// What a replica that has applied everything below a bound knows of the members at and above it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Memberships {
    /// The one in force at the bound; none while it is the founding one.
    pub current: Option<Membership>,
    /// The one that is decided and to come.
    pub next: Option<Membership>,
    /// The ids below this one are spent by changes; those of founders are spent anyway.
    pub spent: u8,
}

impl Memberships {
    /// The membership in force at the bound.
    pub fn current(&self, cluster: Cluster) -> Membership {
        self.current.unwrap_or(Membership { since: Slot(0), members: cluster.founders() })
    }

    /// The membership of a slot between the bound and α slots above it.
    pub fn at(&self, cluster: Cluster, slot: Slot) -> Membership {
        let next = self.next.filter(|next| next.since <= slot);
        next.unwrap_or_else(|| self.current(cluster))
    }

    /// Do these replicas hold a quorum of the members of each of these slots, the last one included?
    pub fn is_quorum(&self, cluster: Cluster, set: ReplicaSet, from: Slot, last: Slot) -> bool {
        let members = |slot| self.at(cluster, slot).members;
        set.is_quorum_of(members(from)) && set.is_quorum_of(members(last))
    }

    /// The members now and those to come.
    pub fn everyone(&self, cluster: Cluster) -> ReplicaSet {
        let next = self.next.map(|next| next.members);
        self.current(cluster).members.union(next.unwrap_or_default())
    }

    /// A change is decided at this slot, which is the last one below the bound. Does it do anything?
    pub fn decide(&mut self, cluster: Cluster, slot: Slot, change: &Reconfigure) -> bool {
        let current = self.current(cluster);
        let replaces = change.replaces == current.since && self.next.is_none();
        if !replaces || change.members.iter().any(|id| id.0 >= cluster.len()) {
            return false;
        }
        let members: ReplicaSet = change.members.iter().copied().collect();
        let spent = self.spent.max(cluster.founders().end());
        let returns = members.iter().any(|id| id.0 < spent && !current.members.contains(id));
        if returns || members.is_empty() {
            return false;
        }
        self.next =
            Some(Membership { since: Slot(slot.0.saturating_add(cluster.alpha())), members });
        self.spent = spent.max(members.end());
        true
    }

    /// The bound has risen. Has a change come into force?
    pub fn advance(&mut self, applied_upto: Slot) -> bool {
        let arrived = self.next.take_if(|next| next.since <= applied_upto);
        if arrived.is_some() {
            self.current = arrived;
        }
        arrived.is_some()
    }

    /// The slot at which the last change was decided, if one was.
    pub fn changed_at(&self, cluster: Cluster) -> Option<Slot> {
        let last = self.next.or(self.current)?;
        Some(Slot(last.since.0.saturating_sub(cluster.alpha())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ReplicaId;

    fn change(replaces: u64, members: &[u8]) -> Reconfigure {
        let members = members.iter().copied().map(ReplicaId).collect();
        Reconfigure { replaces: Slot(replaces), members }
    }

    fn set(members: &[u8]) -> ReplicaSet {
        members.iter().copied().map(ReplicaId).collect()
    }

    fn cluster() -> Cluster {
        Cluster::new(9).founded_by(set(&[0, 1, 2])).with_alpha(4)
    }

    #[test]
    fn a_change_is_in_force_alpha_slots_after_the_one_that_decided_it() {
        let mut memberships = Memberships::default();
        assert!(memberships.decide(cluster(), Slot(5), &change(0, &[1, 2, 3])));
        let members =
            |memberships: &Memberships, slot| memberships.at(cluster(), Slot(slot)).members;
        assert_eq!(
            [8, 9].map(|slot| members(&memberships, slot)),
            [set(&[0, 1, 2]), set(&[1, 2, 3])]
        );
        assert!(!memberships.advance(Slot(8)));
        assert!(memberships.advance(Slot(9)));
        assert_eq!(memberships.current(cluster()).since, Slot(9));
        assert_eq!(memberships.changed_at(cluster()), Some(Slot(5)));
    }

    #[test]
    fn while_a_change_is_to_come_quorums_are_of_both() {
        let mut memberships = Memberships::default();
        memberships.decide(cluster(), Slot(5), &change(0, &[2, 3, 4]));
        let is_quorum =
            |set, from, last| memberships.is_quorum(cluster(), set, Slot(from), Slot(last));
        assert!(is_quorum(set(&[0, 1]), 6, 8) && !is_quorum(set(&[0, 1]), 6, 9));
        assert!(!is_quorum(set(&[3, 4]), 6, 9) && is_quorum(set(&[3, 4]), 9, 9));
        assert!(is_quorum(set(&[1, 2, 3]), 6, 9));
        assert_eq!(memberships.everyone(cluster()), set(&[0, 1, 2, 3, 4]));
    }

    #[test]
    fn what_replaces_another_membership_does_nothing() {
        let mut memberships = Memberships::default();
        assert!(!memberships.decide(cluster(), Slot(1), &change(3, &[1, 2])), "it never was");
        assert!(memberships.decide(cluster(), Slot(1), &change(0, &[1, 2])));
        assert!(!memberships.decide(cluster(), Slot(2), &change(0, &[0, 1])), "one is to come");
        memberships.advance(Slot(5));
        assert!(!memberships.decide(cluster(), Slot(5), &change(0, &[1])), "it was replaced");
        assert!(memberships.decide(cluster(), Slot(6), &change(5, &[1])));
    }

    #[test]
    fn no_id_returns() {
        let mut memberships = Memberships::default();
        let mut decide = |slot, replaces, members: &[u8]| {
            let done = memberships.decide(cluster(), Slot(slot), &change(replaces, members));
            memberships.advance(Slot(slot + 4));
            done
        };
        assert!(decide(0, 0, &[1, 2, 5]));
        for gone in [0, 3, 4] {
            assert!(!decide(10, 4, &[1, 2, gone]), "{gone}");
        }
        assert!(decide(10, 4, &[1, 6]));
        assert!(!decide(20, 14, &[1, 2]) && !decide(20, 14, &[]) && !decide(20, 14, &[6, 200]));
        assert!(decide(20, 14, &[6]));
    }
}
