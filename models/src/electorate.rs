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
use paxos_chat::quorum::{Cluster, REPLICAS_MAX, ReplicaSet};
use paxos_chat::types::{Body, Operation, Reconfigure, ReplicaId, Slot, Value};

/// Every membership that the log has brought so far.
#[derive(Clone, Debug)]
pub struct Electorate {
    cluster: Cluster,
    /// The oldest first.
    history: Vec<Term>,
}

/// A membership, from its first slot to the next one's.
#[derive(Clone, Debug)]
struct Term {
    /// The slot at which it was decided; none for the founders.
    decided: Option<Slot>,
    since: Slot,
    members: ReplicaSet,
}

impl Electorate {
    /// At the start of a log.
    pub fn new(cluster: Cluster) -> Electorate {
        let founders = Term { decided: None, since: Slot(0), members: cluster.founders() };
        Electorate { cluster, history: vec![founders] }
    }

    /// The members of a slot, if everything that decides about them has been executed.
    pub fn members(&self, slot: Slot) -> ReplicaSet {
        let in_force = self.history.iter().rev().find(|term| term.since <= slot);
        in_force.map(|term| term.members).unwrap_or_default()
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
        let Some(last) = self.history.last() else { return };
        let is_in_force = last.since == *replaces && last.since <= slot;
        let is_known = |id: &ReplicaId| last.members.contains(*id);
        let was_ever = |old: ReplicaId| self.history.iter().any(|term| term.members.contains(old));
        let is_new = |id: &ReplicaId| {
            (0..REPLICAS_MAX).map(ReplicaId).filter(|old| was_ever(*old)).all(|old| old < *id)
        };
        let have_addresses = members.iter().all(|id| id.0 < self.cluster.len());
        let may_vote = members.iter().all(|id| is_known(id) || is_new(id));
        if is_in_force && have_addresses && may_vote && !members.is_empty() {
            let since = Slot(slot.0.saturating_add(self.cluster.alpha()));
            let members = members.iter().copied().collect();
            self.history.push(Term { decided: Some(slot), since, members });
        }
    }

    /// Is this what a replica has to know that has applied everything below this bound, which is executed here?
    pub fn is_known(&self, memberships: &Memberships, upto: Slot) -> bool {
        let told = self.history.iter().filter(|term| term.decided.is_none_or(|at| at < upto));
        let (past, to_come): (Vec<&Term>, Vec<&Term>) = told.partition(|term| term.since <= upto);
        let is_it = |known: Membership, term: Option<&&Term>| {
            term.is_some_and(|term| (known.since, known.members) == (term.since, term.members))
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
