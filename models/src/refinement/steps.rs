//! What a step of a replica stands for in the specification: the actions that it takes, and whether
//! what it tells is so.
//!
//! **Invariant**: a message that is sent again is no action.
//!
//! **Absent**: whether the actions are enabled, which needs the whole system (see [`super`]).

use super::{Action, ChatActor};
use crate::chat::{Ghost, ReplicaGhost};
use crate::node::NodeState;
use actor_checker::spec::Step;
use paxos_chat::message::{Accept, Accepted, Message, Prepare, Promise, ToPeer};
use paxos_chat::types::{Ballot, Slot, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The actions of a step: those at every slot, then those at one.
#[derive(Default)]
pub(super) struct Actions {
    pub(super) everywhere: Vec<Action>,
    pub(super) at: Vec<(Slot, Action)>,
}

impl Actions {
    pub(super) fn is_empty(&self) -> bool {
        self.everywhere.is_empty() && self.at.is_empty()
    }
}

/// The actions that a replica's step stands for, by its ghosts before and after.
pub(super) fn actions<A: ChatActor>(
    step: &Step<'_, A, Ghost>,
    before: &ReplicaGhost,
    after: &ReplicaGhost,
) -> Actions {
    let state = step.before.and_then(|local| local.state.as_ref()).and_then(NodeState::replica);
    let held = state.map_or(Ballot::ZERO, |state| state.durable.promised);
    let mut actions = Actions::default();
    let mut begun = BTreeSet::new();
    let mut proposed = BTreeSet::new();
    for (_, message) in step.sends {
        match message {
            Message::ToPeer(ToPeer::Prepare(Prepare { ballot, .. })) if *ballot > held => {
                begun.insert(*ballot);
            }
            Message::ToPeer(ToPeer::Accept(Accept { ballot, slot, value, .. })) => {
                let again = before.votes.get(&(*slot, *ballot)) == Some(value);
                if !again {
                    proposed.insert((*slot, *ballot, value.clone()));
                }
            }
            _ => {}
        }
    }
    actions.everywhere.extend(begun.into_iter().map(Action::Phase1a));
    if after.promised > before.promised {
        actions.everywhere.push(Action::Phase1b(step.actor, after.promised));
    }
    let proposed = proposed.into_iter();
    actions.at.extend(proposed.map(|(slot, bal, val)| (slot, Action::Phase2a(bal, val))));
    let cast = after.votes.iter().filter(|(place, value)| before.votes.get(place) != Some(value));
    actions.at.extend(
        cast.map(|((slot, bal), val)| (*slot, Action::Phase2b(step.actor, *bal, val.clone()))),
    );
    actions
}

/// The first promise or vote sent that is not so, of a replica with this ghost. A `Prepare` or
/// `Accept` needs no such judgement: sent for the first time it is an action, and a vote that it is
/// sent again for was cast on that action's message.
pub(super) fn untrue<'a>(
    ghost: &ReplicaGhost,
    sends: &'a [(usize, Message)],
) -> Option<&'a Message> {
    sends.iter().map(|(_, message)| message).find(|message| match message {
        Message::ToPeer(ToPeer::Promise(chunk)) => !is_true(ghost, chunk),
        Message::ToPeer(ToPeer::Accepted(Accepted { ballot, slot })) => {
            !ghost.votes.contains_key(&(*slot, *ballot))
        }
        _ => false,
    })
}

/// Does a chunk tell, of each slot in its range, the highest vote cast below its ballot? That is
/// the 1b message of the ballot. A vote of the very ballot may be told instead: then its leader has
/// completed phase 1, and reads no more.
fn is_true(ghost: &ReplicaGhost, chunk: &Promise) -> bool {
    let told = told(chunk);
    let covered = covered(chunk);
    let voted = ghost.votes.keys().map(|(slot, _)| *slot).filter(|slot| covered.contains(slot));
    let slots: BTreeSet<Slot> = voted.chain(told.keys().copied()).collect();
    let is_told = |slot: Slot| {
        let below = ghost.votes.range((slot, Ballot::ZERO)..(slot, chunk.ballot)).next_back();
        let highest = below.map(|((_, ballot), value)| (*ballot, value));
        let own = ghost.votes.get(&(slot, chunk.ballot)).map(|value| (chunk.ballot, value));
        tells(told.get(&slot).copied(), highest, own)
    };
    ghost.promised >= chunk.ballot && slots.into_iter().all(is_told)
}

/// The votes that a chunk tells of.
pub(crate) fn told(chunk: &Promise) -> BTreeMap<Slot, (Ballot, &Value)> {
    chunk.votes.iter().map(|(slot, vote)| (*slot, (vote.ballot, &vote.value))).collect()
}

/// The slots of which a chunk tells everything.
pub(crate) fn covered(chunk: &Promise) -> Range<Slot> {
    let end = if chunk.last { Slot(u64::MAX) } else { chunk.next };
    chunk.from.max(chunk.compacted_upto)..end
}

/// Is this what has to be told of a slot with this highest vote below a ballot, and this vote in it?
pub(crate) fn tells(
    told: Option<(Ballot, &Value)>,
    highest: Option<(Ballot, &Value)>,
    own: Option<(Ballot, &Value)>,
) -> bool {
    told == highest || own.is_some() && told == own
}
