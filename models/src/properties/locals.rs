//! What must hold of one actor's state by itself.

use super::bounds;
use super::{Milestone, Safety};
use crate::chat::{ChatSpec, Delivery, Ghost, ReplicaGhost};
use crate::electorate::Electorate;
use crate::execution::Execution;
use crate::machine::{Disk, Durability, Machine};
use crate::node::{Node, NodeState, NodeStorage};
use actor_checker::spec::{Local, Verdict};
use imbl::OrdMap;
use paxos_chat::membership::Memberships;
use paxos_chat::session::Sessions;
use paxos_chat::state::{Snapshot, Storage};
use paxos_chat::types::{Ballot, Body, Command, Operation, Seq, Slot, User, Value, Vote};
use std::collections::BTreeMap;

/// A replica, as it is judged.
struct Replica<'a> {
    spec: &'a ChatSpec,
    ghost: &'a ReplicaGhost,
    /// What it has saved, if anything.
    disk: Option<&'a Disk>,
    /// What it runs, if it is up.
    machine: Option<&'a Machine>,
}

/// Does it hold?
type Judge = fn(&Replica<'_>) -> bool;

/// What is judged of a replica, and how.
const JUDGES: &[(Safety, Judge)] = &[
    (Safety::Validity, |it| it.ghost.votes.values().all(|value| is_valid(it.spec, value))),
    (Safety::ExactlyOnce, |it| is_exactly_once(it.spec, &it.ghost.delivered)),
    (Safety::Compaction, |it| {
        it.disk.is_none_or(|disk| is_saved_right(it.spec, disk))
            && it.machine.is_none_or(is_compacted_right)
    }),
    (Safety::VotesKept, |it| is_every_vote_kept(it.ghost, it.disk)),
    (Safety::EqualReplicas, |it| {
        it.disk.is_none_or(|disk| is_saved_table_of_log(it.spec, disk))
            && it.machine.is_none_or(|machine| are_tables_of_log(it.spec, machine))
    }),
    (Safety::Bounded, |it| {
        let waits_within =
            |machine: &Machine| bounds::waits_within(&it.spec.tuning, &machine.replica);
        it.machine.is_none_or(waits_within)
    }),
];

/// Judges a local state by itself.
pub(crate) fn judge(spec: &ChatSpec, local: &Local<Node, Ghost>) -> Verdict {
    let ghost = match &local.ghost {
        Ghost::Replica(ghost) => ghost,
        Ghost::Client(ghost) => return ghost.broken,
        Ghost::Reader(ghost) => return ghost.broken,
    };
    let disk = local.storage.as_ref().and_then(NodeStorage::disk);
    let machine = local.state.as_ref().and_then(NodeState::machine);
    let replica = Replica { spec, ghost, disk, machine };
    let mut verdict = ghost.broken;
    for (safety, holds) in JUDGES {
        safety.judge(&mut verdict, holds(&replica));
    }
    let leading = machine.and_then(|machine| machine.replica.leading());
    spec.note(Milestone::TwoSlotsInFlight, &mut verdict, || {
        leading.is_some_and(|leading| leading.in_flight.len() > 1)
    });
    verdict
}

/// Is every command of this value one that its user says?
fn is_valid(spec: &ChatSpec, value: &Value) -> bool {
    value.commands().iter().all(|command: &Command| match &command.operation {
        Operation::OpenSession { .. } => spec.scripts.contains_key(&command.user),
        Operation::InSession { seq, body, .. } => {
            let script = spec.scripts.get(&command.user);
            let index = usize::try_from(seq.0).unwrap_or(0).wrapping_sub(1);
            script.and_then(|script| script.get(index)) == Some(body)
        }
    })
}

/// Does every user's part of the log read as the beginning of what the user says?
fn is_exactly_once(spec: &ChatSpec, delivered: &BTreeMap<(Slot, u32), Delivery>) -> bool {
    let mut said: BTreeMap<&User, Vec<(Seq, &Body)>> = BTreeMap::new();
    for delivery in delivered.values() {
        said.entry(&delivery.user).or_default().push((delivery.seq, &delivery.body));
    }
    said.iter().all(|(user, said)| {
        let script = spec.scripts.get(*user).map_or(&[][..], |script| script);
        said.len() <= script.len()
            && said.iter().copied().eq((1..).map(Seq).zip(script).take(said.len()))
    })
}

/// Are votes kept above the compacted bound only, is everything applied in the chat log, and what
/// is not compacted in memory too?
fn is_compacted_right(Machine { replica, log, .. }: &Machine) -> bool {
    let (upto, applied_upto) = (replica.durable.snapshot.upto, replica.learner.applied_upto);
    are_votes_above_bound(&replica.durable)
        && log.keys().copied().eq(Slot(0).upto(applied_upto))
        && applied_upto >= upto
        && upto.upto(applied_upto).all(|slot| replica.learner.decided.contains_key(&slot))
}

/// Is everything below the saved bound in the chat log that a crash leaves, and more only where more survives?
fn is_saved_right(spec: &ChatSpec, disk @ Disk { storage, log }: &Disk) -> bool {
    let (upto, end) = (storage.snapshot.upto, disk.log_end());
    let is_as_long = match spec.durability {
        Durability::Saves | Durability::LateSaves => end == upto,
        Durability::SavesAndLog => end >= upto,
    };
    is_as_long && log.keys().copied().eq(Slot(0).upto(end)) && are_votes_above_bound(storage)
}

/// Are votes kept above the compacted bound only?
pub(crate) fn are_votes_above_bound(storage: &Storage) -> bool {
    storage.votes.get_min().is_none_or(|(slot, _)| *slot >= storage.snapshot.upto)
}

/// Are the session tables and the members, those in memory and those to be saved, those of the log?
fn are_tables_of_log(spec: &ChatSpec, Machine { replica, log, .. }: &Machine) -> bool {
    let (learner, snapshot) = (&replica.learner, &replica.durable.snapshot);
    is_of_log(spec, log, learner.applied_upto, (&learner.sessions, &learner.memberships))
        && is_of_log(spec, log, snapshot.upto, (&snapshot.sessions, &snapshot.memberships))
}

/// Are the session table and the members that a crash leaves those of the log it leaves?
fn is_saved_table_of_log(spec: &ChatSpec, Disk { storage, log }: &Disk) -> bool {
    let Snapshot { upto, sessions, memberships } = &storage.snapshot;
    is_of_log(spec, log, *upto, (sessions, memberships))
}

/// Is this what the log up to this bound comes to?
fn is_of_log(
    spec: &ChatSpec,
    log: &OrdMap<Slot, Value>,
    upto: Slot,
    (sessions, memberships): (&Sessions, &Memberships),
) -> bool {
    if !spec.changes_members {
        let is_table = Execution::of(log, upto, spec.tuning.sessions_max).is_table(sessions);
        return is_table && *memberships == Memberships::default();
    }
    let mut execution = Execution::new(spec.tuning.sessions_max);
    let mut electorate = Electorate::new(spec.cluster);
    for slot in Slot(0).upto(upto) {
        let Some(value) = log.get(&slot) else { break };
        electorate.execute(&mut execution, slot, value);
    }
    execution.is_table(sessions) && electorate.is_known(memberships, upto)
}

/// Is every vote that was ever cast at or above the saved bound on the disk, or superseded there?
fn is_every_vote_kept(ghost: &ReplicaGhost, disk: Option<&Disk>) -> bool {
    let bound = disk.map_or(Slot(0), |disk| disk.storage.snapshot.upto);
    ghost.votes.range((bound, Ballot::ZERO)..).all(|((slot, ballot), value)| {
        is_vote_kept(disk.and_then(|disk| disk.storage.votes.get(slot)), *ballot, value)
    })
}

/// Is a vote that was cast the one that is held at its slot, or superseded there?
pub(crate) fn is_vote_kept(held: Option<&Vote>, ballot: Ballot, value: &Value) -> bool {
    held.is_some_and(|held| held.ballot > ballot || held.ballot == ballot && held.value == *value)
}
