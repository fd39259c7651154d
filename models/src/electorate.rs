//! Whose votes count at which slot: the rules of membership once more, as the properties have them.
//!
//! **Invariants**
//! - *A function of the chosen log*: whoever knows how much of it, and when, does not matter.
//! - *Nothing here calls the protocol's memberships*, nor is written like them: here the whole history is kept, and read
//!   anew for each slot.
//!
//! **Source**: Lamport, *Paxos Made Simple* (2001), section 3.

use crate::execution::Execution;
use paxos_chat::membership::{Membership, Memberships};
use paxos_chat::message::Outcome;
use paxos_chat::quorum::{Cluster, ReplicaSet};
use paxos_chat::types::{Body, Operation, Reconfigure, ReplicaId, Slot, Value};
use std::collections::BTreeSet;

/// Every membership that the log has brought so far, each with its first slot.
#[derive(Clone, Debug)]
pub struct Electorate {
    cluster: Cluster,
    history: Vec<(Slot, BTreeSet<ReplicaId>)>,
}

impl Electorate {
    /// At the start of a log.
    pub fn new(cluster: Cluster) -> Electorate {
        let founders = cluster.founders().iter().collect();
        Electorate { cluster, history: vec![(Slot(0), founders)] }
    }

    /// The members of a slot, if everything that decides about them has been executed.
    pub fn members(&self, slot: Slot) -> ReplicaSet {
        let in_force = self.history.iter().rev().find(|(since, _)| *since <= slot);
        in_force.into_iter().flat_map(|(_, members)| members).copied().collect()
    }

    /// Takes the next value of the log.
    pub fn execute(
        &mut self,
        execution: &mut Execution,
        slot: Slot,
        value: &Value,
    ) -> Vec<Outcome> {
        let outcomes = execution.execute(slot, value);
        for (command, outcome) in value.commands().iter().zip(&outcomes) {
            if let (
                Operation::InSession { body: Body::Reconfigure(change), .. },
                Outcome::Applied,
            ) = (&command.operation, outcome)
            {
                self.change(slot, change);
            }
        }
        outcomes
    }

    fn change(&mut self, slot: Slot, Reconfigure { replaces, members }: &Reconfigure) {
        let Some((since, known)) = self.history.last() else { return };
        let is_in_force = since == replaces && *since <= slot;
        let ever: BTreeSet<ReplicaId> =
            self.history.iter().flat_map(|(_, members)| members).copied().collect();
        let is_known = |id: &ReplicaId| known.contains(id);
        let is_new = |id: &ReplicaId| ever.iter().all(|old| old < id);
        let have_addresses = members.iter().all(|id| id.0 < self.cluster.len());
        let may_vote = members.iter().all(|id| is_known(id) || is_new(id));
        if is_in_force && have_addresses && may_vote && !members.is_empty() {
            let since = Slot(slot.0.saturating_add(self.cluster.alpha()));
            self.history.push((since, members.iter().copied().collect()));
        }
    }

    /// Is this what a replica has to know that has executed as much, which is everything below this bound?
    pub fn is_known(&self, memberships: &Memberships, upto: Slot) -> bool {
        let (past, to_come): (Vec<_>, Vec<_>) =
            self.history.iter().partition(|(since, _)| *since <= upto);
        let is_it = |known: Membership, of: Option<&&(Slot, BTreeSet<ReplicaId>)>| {
            of.is_some_and(|(since, members)| {
                known.since == *since && known.members.iter().eq(members.iter().copied())
            })
        };
        is_it(memberships.current(self.cluster), past.last())
            && memberships.next.map_or(to_come.is_empty(), |next| is_it(next, to_come.first()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        /// Two ways to the same members, the protocol's and this one.
        fn the_protocol_s_members_are_these(alpha: u8, changes: Vec<(u8, u8, u8)>) -> bool {
            let cluster = Cluster::new(8)
                .founded_by([0, 1, 2].map(ReplicaId).into_iter().collect())
                .with_alpha(u64::from(alpha % 4) + 1);
            let mut electorate = Electorate::new(cluster);
            let mut memberships = Memberships::default();
            let mut slot = Slot(0);
            changes.into_iter().all(|(gap, replaces, bits)| {
                for _ in 0..gap % 3 {
                    slot = slot.next();
                    memberships.advance(slot);
                }
                let members = (0..8).filter(|id| bits >> id & 1 == 1).map(ReplicaId).collect();
                // Mostly the one in force, since nothing comes of the others.
                let replaces = match replaces % 4 {
                    0 => Slot(u64::from(replaces / 4)),
                    _ => memberships.current(cluster).since,
                };
                let change = Reconfigure { replaces, members };
                electorate.change(slot, &change);
                memberships.decide(cluster, slot, &change);
                slot = slot.next();
                memberships.advance(slot);
                let mut known = slot.upto(Slot(slot.0 + cluster.alpha()));
                known.all(|at| electorate.members(at) == memberships.at(cluster, at).members)
                    && electorate.is_known(&memberships, slot)
            })
        }
    }
}
