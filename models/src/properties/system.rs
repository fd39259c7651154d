//! What must hold of the system as a whole, and what is reached in a state of it.
//!
//! **Invariant**: *"chosen" is computed from votes ever cast*, before any replica decides; a later vote does not
//! hide an earlier one.

use super::slot::VotesAt;
use super::{Milestone, Safety};
use crate::chat::{ChatSpec, Delivery, RealTime, ReplicaView, View};
use crate::electorate::Electorate;
use crate::execution::Execution;
use actor_checker::spec::Verdict;
use paxos_chat::message::{AppliedValue, Outcome};
use paxos_chat::types::{Ballot, Command, Seq, Slot, User, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A state of the system, as it is judged.
struct System<'a> {
    spec: &'a ChatSpec,
    views: &'a [&'a View],
    replicas: Vec<&'a ReplicaView>,
    history: &'a RealTime,
    /// What was voted for at each slot.
    votes: BTreeMap<Slot, VotesAt<&'a Value>>,
    /// Whose votes count.
    electorate: Electorate,
    /// What was chosen at each slot: usually one value.
    chosen: BTreeMap<Slot, BTreeSet<&'a Value>>,
}

/// Does it hold?
type Judge = fn(&System<'_>) -> bool;

/// What is judged of the system, and how.
const JUDGES: &[(Safety, Judge)] = &[
    (Safety::Agreement, |system| system.chosen.values().all(|values| values.len() == 1)),
    (Safety::OneValue, |system| system.votes.values().all(VotesAt::has_one_value)),
    (Safety::DecidedIsChosen, is_decided_chosen),
    (Safety::OwnBallot, do_leaders_count_their_own_ballot),
    (Safety::Prefixes, are_prefixes),
    (Safety::EqualReplicas, are_deliveries_equal),
    (Safety::Inductive, is_inductive),
    (Safety::RealTime, |system| !system.history.broken),
    (Safety::CurrentRead, |system| !system.history.is_stale && is_what_is_told_chosen(system)),
    (Safety::AcknowledgedIsChosen, is_acknowledged_chosen),
    (Safety::EverySlotRead, is_what_is_read_known),
];

/// Is it reached?
type Reached = fn(&System<'_>) -> bool;

/// What is reached in a state of the system, whatever step led to it.
const MILESTONES: &[(Milestone, Reached)] = &[
    (Milestone::TwoBallotsGetVotes, |system| {
        let ballots = system.votes.values().flat_map(VotesAt::ballots);
        ballots.collect::<BTreeSet<Ballot>>().len() > 1
    }),
    (Milestone::NoopChosen, |system| system.has_chosen(|value| *value == Value::Noop)),
    (Milestone::BatchChosen, |system| system.has_chosen(|value| value.commands().len() > 1)),
    (Milestone::AllDelivered, |system| system.is_all_delivered()),
    (Milestone::AllRead, |system| system.is_all_delivered() && is_all_read(system)),
    (Milestone::AllDeliveredWithFDown, |system| {
        let down = system.replicas.iter().filter(|replica| !replica.up).count();
        system.is_all_delivered() && down >= usize::from(system.spec.cluster.len() - 1) / 2
    }),
    (Milestone::PendingAppliedWhileDown, is_pending_applied_while_down),
    (Milestone::ReadAfterAcknowledgement, |system| !system.history.reads.is_empty()),
    (Milestone::AskedAfterAcknowledgement, |system| {
        let is_first = |client: usize| match system.views[client] {
            View::Client { acknowledged, .. } => acknowledged.is_empty(),
            _ => false,
        };
        system.history.fences.keys().any(|(client, _)| is_first(*client))
    }),
];

/// Judges the system as a whole.
pub(crate) fn judge(spec: &ChatSpec, views: &[&View], history: &RealTime) -> Verdict {
    let system = System::of(spec, views, history);
    let mut verdict = Verdict::default();
    for (safety, holds) in JUDGES {
        safety.judge(&mut verdict, holds(&system));
    }
    for (milestone, is_reached) in MILESTONES {
        spec.note(*milestone, &mut verdict, || is_reached(&system));
    }
    verdict
}

impl<'a> System<'a> {
    fn of(spec: &'a ChatSpec, views: &'a [&'a View], history: &'a RealTime) -> System<'a> {
        let replica = |view: &&'a View| match view {
            View::Replica(replica) => Some(replica),
            View::Client { .. } | View::Reader { .. } => None,
        };
        let replicas: Vec<&ReplicaView> = views.iter().filter_map(replica).collect();
        let mut votes: BTreeMap<Slot, VotesAt<&Value>> = BTreeMap::new();
        for (acceptor, replica) in replicas.iter().enumerate() {
            for ((slot, ballot), value) in &replica.votes {
                votes.entry(*slot).or_default().cast(acceptor, *ballot, value);
            }
        }
        let electorate = Electorate::new(spec.cluster);
        let chosen = BTreeMap::new();
        let mut system = System { spec, views, replicas, history, votes, electorate, chosen };
        system.choose();
        system
    }

    /// Finds what is chosen at each slot. Where members change, whose votes count at a slot follows from what is chosen
    /// before.
    fn choose(&mut self) {
        let mut execution = Execution::new(self.spec.tuning.sessions_max);
        let mut executed_upto = (!self.spec.changes_members).then_some(Slot(u64::MAX));
        let mut next = Slot(0);
        for (slot, votes) in &self.votes {
            while executed_upto.is_none() && next < *slot {
                match self.logged(next) {
                    Some(value) => drop(self.electorate.execute(&mut execution, next, value)),
                    None => executed_upto = Some(next),
                }
                next = next.next();
            }
            let values = votes.chosen(self.electorate.members(*slot));
            if !values.is_empty() {
                self.chosen.insert(*slot, values);
            }
        }
    }

    /// The value of the log at a slot, as far as it is chosen.
    fn logged(&self, slot: Slot) -> Option<&'a Value> {
        match self.chosen.get(&slot).and_then(BTreeSet::first) {
            Some(value) => Some(*value),
            // Who decided it may have forgotten it.
            None if slot < self.spec.genesis_upto => {
                self.replicas.iter().find_map(|replica| replica.decided.get(&slot))
            }
            None => None,
        }
    }

    /// What the commands of the log come to, as far as it is chosen.
    fn outcomes(&self) -> BTreeMap<Slot, Vec<Outcome>> {
        let mut execution = Execution::new(self.spec.tuning.sessions_max);
        let log = (0..).map(Slot).map_while(|slot| Some((slot, self.logged(slot)?)));
        log.map(|(slot, value)| (slot, execution.execute(slot, value))).collect()
    }

    fn is_chosen(&self, slot: &Slot, value: &Value) -> bool {
        self.chosen.get(slot).is_some_and(|values| values.contains(value))
    }

    fn has_chosen(&self, is_it: impl Fn(&Value) -> bool) -> bool {
        self.chosen.values().flatten().any(|value| is_it(value))
    }

    /// Have all clients said all, and got an acknowledgement?
    fn is_all_delivered(&self) -> bool {
        self.views.iter().all(|view| match view {
            View::Client { acknowledged, done, .. } => *done && !acknowledged.is_empty(),
            View::Replica(_) | View::Reader { .. } => true,
        })
    }
}

/// Is everything chosen that is below a bound which a reader was told?
fn is_what_is_told_chosen(system: &System<'_>) -> bool {
    let is_known =
        |slot: Slot| slot < system.spec.genesis_upto || system.chosen.contains_key(&slot);
    system.views.iter().all(|view| match view {
        View::Reader { told, .. } => system.spec.genesis_upto.upto(*told).all(is_known),
        View::Replica(_) | View::Client { .. } => true,
    })
}

fn is_decided_chosen(system: &System<'_>) -> bool {
    let is_known = |(slot, value): (&Slot, &Value)| {
        *slot < system.spec.genesis_upto || system.is_chosen(slot, value)
    };
    system.replicas.iter().all(|replica| replica.decided.iter().all(is_known))
}

/// Did a quorum vote in a leader's ballot for whatever it has decided from its base on?
fn do_leaders_count_their_own_ballot(system: &System<'_>) -> bool {
    system.replicas.iter().all(|leader| {
        let Some((ballot, base)) = leader.leads else { return true };
        leader.decided.range(base..).all(|(slot, value)| {
            let votes = system.votes.get(slot);
            let members = system.electorate.members(*slot);
            votes.is_some_and(|votes| votes.is_chosen_in(ballot, value, members))
        })
    })
}

/// Do no two replicas have decided different values at a slot?
fn are_prefixes(System { replicas, .. }: &System<'_>) -> bool {
    replicas.iter().enumerate().all(|(i, left)| {
        replicas[i + 1..].iter().all(|right| {
            let same = |(slot, value)| right.decided.get(slot).is_none_or(|other| other == value);
            left.decided.iter().all(same)
        })
    })
}

/// Have replicas delivered the same, as far as both have got?
fn are_deliveries_equal(System { replicas, .. }: &System<'_>) -> bool {
    replicas.iter().enumerate().all(|(i, left)| {
        replicas[i + 1..].iter().all(|right| {
            let both = ..(left.applied_upto.min(right.applied_upto), 0);
            left.delivered.range(both).eq(right.delivered.range(both))
        })
    })
}

fn is_inductive(system: &System<'_>) -> bool {
    let promised: Vec<Ballot> = system.replicas.iter().map(|replica| replica.promised).collect();
    let members = |slot: &Slot| system.electorate.members(*slot);
    system.votes.iter().all(|(slot, votes)| votes.is_inductive(&promised, members(slot)))
}

fn is_acknowledged_chosen(system: &System<'_>) -> bool {
    system.views.iter().all(|view| match view {
        View::Client { user, acknowledged, .. } => {
            acknowledged.iter().all(|(seq, slot)| is_delivered(system, user, *seq, *slot))
        }
        View::Replica(_) | View::Reader { .. } => true,
    })
}

/// Is an acknowledged request at its slot: chosen there, and delivered there by whoever got so far?
fn is_delivered(system: &System<'_>, user: &User, seq: Seq, slot: Slot) -> bool {
    let ours = |command: &Command| {
        Delivery::of(command).is_some_and(|delivery| delivery.user == *user && delivery.seq == seq)
    };
    let is_chosen = system
        .chosen
        .get(&slot)
        .is_some_and(|values| values.iter().all(|value| value.commands().iter().any(ours)));
    let of_request = |delivery: &Delivery| delivery.user == *user && delivery.seq == seq;
    let delivered_elsewhere = system.replicas.iter().any(|replica| {
        replica.delivered.iter().any(|((at, _), delivery)| of_request(delivery) && *at != slot)
    });
    is_chosen && !delivered_elsewhere
}

/// Is what readers are given chosen, or what the log began with? And is told of each command what it comes to there?
fn is_what_is_read_known(system: &System<'_>) -> bool {
    let is_first = |slot: &Slot, value: &Value| {
        *slot < system.spec.genesis_upto
            && system.replicas.iter().any(|replica| replica.decided.get(slot) == Some(value))
    };
    system.views.iter().all(|view| match view {
        View::Reader { read, .. } if !read.is_empty() => {
            let came_to = system.outcomes();
            read.iter().all(|(slot, AppliedValue { value, outcomes })| {
                let is_known = system.is_chosen(slot, value) || is_first(slot, value);
                is_known && came_to.get(slot) == Some(outcomes)
            })
        }
        View::Reader { .. } | View::Replica(_) | View::Client { .. } => true,
    })
}

/// Have readers been given all there is?
fn is_all_read(system: &System<'_>) -> bool {
    let applied = system.replicas.iter().map(|replica| replica.applied_upto);
    let bound = applied.max().unwrap_or_default();
    let to_the_end = |view: &&View| match view {
        View::Reader { read, .. } => {
            read.keys().next_back().is_some_and(|last| last.next() == bound)
        }
        View::Replica(_) | View::Client { .. } => true,
    };
    bound > system.spec.genesis_upto && system.views.iter().all(to_the_end)
}

fn is_pending_applied_while_down(system: &System<'_>) -> bool {
    let is_applied = |by: &User, seq: &Seq| {
        let is_it = |delivery: &Delivery| delivery.user == *by && delivery.seq == *seq;
        system.replicas.iter().any(|replica| replica.delivered.values().any(is_it))
    };
    system.views.iter().any(|view| match view {
        View::Client { user, pending_while_down, .. } => {
            pending_while_down.iter().any(|seq| is_applied(user, seq))
        }
        View::Replica(_) | View::Reader { .. } => false,
    })
}
