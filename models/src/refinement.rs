//! The actors refine Paxos: at every slot, each of their steps is a sequence of steps of the
//! specification in [`crate::paxos`].
//!
//! The specification's state at each slot is a history variable of the model. A step of a replica
//! is translated into subactions by what it saves and sends; the state then takes them one by one,
//! and where one is not enabled the refinement is refuted.
//!
//! | in the specification | at the actors |
//! |---|---|
//! | `Phase1a(b)` | a replica sends `Prepare` of a ballot above the promise that it holds |
//! | `Phase1b(a)` | the promise of replica `a` rises, for whatever reason |
//! | `Phase2a(b, v)` | a replica sends `Accept` of `b` and `v`, and has not voted for them before |
//! | `Phase2b(a)` | replica `a` casts a vote |
//!
//! So a candidate's first step is `Phase1a` then its own `Phase1b`, a proposal is `Phase2a` then the
//! proposer's own `Phase2b`, and what is sent again is no step.
//!
//! **A promise that nobody asked for** (an `Accept`, `Heartbeat` or `Reject` of a higher ballot)
//! is a `Phase1b` too, though no `Promise` is sent. The specification needs no further action for it:
//! its 1a message exists, because only the ballot's owner begins it; the promise binds the
//! acceptor just as much; and its 1b message is one that nobody reads, which loss would explain as
//! well. A `Promise` sent later in that ballot tells the same, because no vote below the ballot was
//! cast in between.
//!
//! **Invariants**
//! - *Every step is a sequence of steps of Paxos, at each slot*, those never used included.
//! - *The specification's state is the projection of the ghosts*: `maxBal` is the highest promise
//!   ever made, `maxVBal` and `maxVal` the highest vote, the 2b messages all votes ever cast.
//! - *What is sent was sent in the specification*: each `Promise` tells what its 1b message tells,
//!   and each `Accepted` is a 2b message.
//! - *The specification keeps its own invariants* at every slot.
//! - *The constant `Quorum` is each slot's own*: the majorities of its members, which follow from what is chosen at
//!   lower slots, in the specification.
//!
//! **Absent**: the network. Only what is sent is judged, when it is sent.
//!
//! **Source**: refinement mappings with history variables, Abadi and Lamport, *The Existence of
//! Refinement Mappings* (1991).

pub(crate) mod steps;

use self::steps::{Actions, actions, untrue};
use crate::chat::{ChatSpec, Ghost, ReplicaGhost};
use crate::config::Config;
use crate::electorate::Electorate;
use crate::execution::Execution;
use crate::node::{Node, NodeState, NodeStorage, NodeTimer};
use crate::paxos::{self, Msg};
use actor_checker::compact::{CompactModel, Reductions};
use actor_checker::spec::{Event, Kind, Local, PropertyName, Spec, Step, Verdict};
use paxos_chat::message::{Message, ToPeer};
use paxos_chat::quorum::ReplicaSet;
use paxos_chat::types::{Ballot, Slot, Value};
use stateright::actor::Actor;
use std::collections::BTreeMap;

/// An actor that can stand for a [`Node`]: one, or one that does it wrong.
pub trait ChatActor:
    Actor<Msg = Message, Timer = NodeTimer, State = NodeState, Storage = NodeStorage>
{
}
impl<A> ChatActor for A where
    A: Actor<Msg = Message, Timer = NodeTimer, State = NodeState, Storage = NodeStorage>
{
}

/// A subaction of the specification.
pub type Action = paxos::Action<Ballot, Value>;
/// The specification's state at one slot.
pub type Abstract = paxos::State<Ballot, Value>;

/// The chat, explored as [`ChatSpec`] says, and judged by whether it refines Paxos.
#[derive(Clone, Debug)]
pub struct Refinement {
    chat: ChatSpec,
    ballots: Vec<Ballot>,
    /// The log before the start.
    genesis: Vec<Value>,
}

/// The properties; a property's place is its bit.
pub const PROPERTIES: [PropertyName; 8] = [
    always("every step is a sequence of steps of Paxos, at each slot"),
    always("the specification's state is the projection of the ghosts"),
    always("promises and votes sent are those of the specification"),
    always("the specification keeps its invariants"),
    sometimes(CHOSEN_EVENT),
    sometimes("two ballots propose at a slot"),
    sometimes("a proposal takes over a vote that was told"),
    sometimes("a promise rises that nobody asked for"),
];
/// Without this event, the refinement would hold because nothing happens.
pub const CHOSEN_EVENT: &str = "a value is chosen in the specification";
pub(crate) const STEPS: usize = 0;
pub(crate) const PROJECTION: usize = 1;
pub(crate) const SENT: usize = 2;
pub(crate) const INVARIANTS: usize = 3;
const CHOSEN: usize = 4;
const TWO_BALLOTS: usize = 5;
const TAKES_OVER: usize = 6;
const UNASKED: usize = 7;

const fn always(name: &'static str) -> PropertyName {
    PropertyName { name, kind: Kind::Always }
}

const fn sometimes(name: &'static str) -> PropertyName {
    PropertyName { name, kind: Kind::Sometimes }
}

/// The specification's state at every slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct History {
    /// At the slots that were ever proposed or voted at.
    pub slots: BTreeMap<Slot, Abstract>,
    /// At every other slot.
    pub unused: Abstract,
    /// The first step that is none of the specification's.
    pub refuted: Option<Refuted>,
}

/// Why a step is not one of the specification's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Refuted {
    /// This action is not enabled at this slot; `None` stands for all slots not used so far.
    Action(Option<Slot>, Action),
    /// This message was sent, but not in the specification.
    Message(Message),
}

/// The part of a replica's ghost that is projected: the highest promise, and all votes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    promised: Ballot,
    votes: BTreeMap<(Slot, Ballot), Value>,
}

/// These bounds, judged by whether the actors refine Paxos.
pub fn model(config: &Config, reductions: Reductions) -> CompactModel<Node, Refinement> {
    model_of(config, reductions, |_, node| node)
}

/// As [`model`], of other actors in place of the nodes: index and node.
pub fn model_of<A: ChatActor>(
    config: &Config,
    reductions: Reductions,
    replace: impl Fn(usize, Node) -> A,
) -> CompactModel<A, Refinement> {
    let chat = config.model(&[], Reductions::default()).spec().clone();
    let ballots = chat.ballots.iter().copied().collect();
    let nodes = config.nodes(config.genesis()).into_iter().enumerate();
    let actors = nodes.map(|(index, (node, storage))| (replace(index, node), storage));
    let inputs =
        config.inputs.iter().map(|(actor, input)| (usize::from(*actor), input.clone().into()));
    let genesis = config.genesis().log.values().cloned().collect();
    CompactModel::new(actors.collect(), Refinement { chat, ballots, genesis })
        .with_crashes(config.crashes)
        .with_inputs(inputs.collect())
        .with_reductions(reductions)
}

impl History {
    /// The state at a slot.
    pub fn at(&self, slot: Slot) -> &Abstract {
        self.slots.get(&slot).unwrap_or(&self.unused)
    }

    /// The state at every slot that was ever used, and at one that was not.
    pub fn states(&self) -> impl Iterator<Item = &Abstract> {
        self.slots.values().chain([&self.unused])
    }

    /// Is this a proposal that was made before? To send it again is no step.
    fn repeats(&self, slot: Slot, action: &Action) -> bool {
        let Action::Phase2a(bal, val) = action else { return false };
        self.at(slot).proposals().any(|proposal| proposal == (bal, val))
    }

    /// Takes a step, until one of its actions is not enabled. Of a slot that is used for the first time the members are
    /// asked.
    fn take(
        &mut self,
        actions: Actions,
        members: impl Fn(&History, Slot) -> ReplicaSet,
    ) -> Result<(), Refuted> {
        for action in actions.everywhere {
            for (slot, state) in &mut self.slots {
                *state = state
                    .after(&action)
                    .ok_or_else(|| Refuted::Action(Some(*slot), action.clone()))?;
            }
            let next = self.unused.after(&action);
            self.unused = next.ok_or(Refuted::Action(None, action))?;
        }
        for (slot, action) in actions.at {
            if self.repeats(slot, &action) {
                continue;
            }
            let mut state = self.at(slot).clone();
            if !self.slots.contains_key(&slot) {
                let members = members(self, slot);
                state.members = members.iter().map(|id| usize::from(id.0)).collect();
            }
            let next = state.after(&action);
            self.slots.insert(slot, next.ok_or(Refuted::Action(Some(slot), action))?);
        }
        Ok(())
    }

    /// Is this state what the ghosts of all replicas project to?
    fn is_projection(&self, replicas: &[&View]) -> bool {
        let voted = replicas.iter().flat_map(|view| view.votes.keys().map(|(slot, _)| *slot));
        voted.chain(self.slots.keys().copied()).all(|slot| {
            let state = self.at(slot);
            replicas.iter().enumerate().all(|(acc, view)| {
                let at_slot = (slot, Ballot::ZERO)..(slot.next(), Ballot::ZERO);
                let votes = || view.votes.range(at_slot.clone());
                let highest = votes().next_back();
                let ballot_of = |((_, ballot), _): (&(Slot, Ballot), &Value)| *ballot;
                let cast = state.votes().filter(|(a, ..)| *a == acc);
                state.max_vbal[acc] == highest.map(ballot_of)
                    && state.max_val[acc].as_ref() == highest.map(|(_, value)| value)
                    && cast.map(|(_, bal, val)| (bal, val)).eq(votes().map(|(p, val)| (&p.1, val)))
            })
        }) && self.states().all(|state| {
            let promised = |view: &&View| Some(view.promised).filter(|b| *b != Ballot::ZERO);
            replicas.iter().map(promised).eq(state.max_bal.iter().copied())
        })
    }
}

// --- The specification of the exploration.

/// Runs `f` on a step of any actor as a step of a [`Node`].
fn as_node<A: ChatActor, R>(
    step: &Step<'_, A, Ghost>,
    f: impl FnOnce(&Step<'_, Node, Ghost>) -> R,
) -> R {
    let before = step.before.map(|local| Local::<Node, Ghost> {
        state: local.state.clone(),
        timers: local.timers.clone(),
        storage: local.storage.clone(),
        ghost: local.ghost.clone(),
    });
    let event = match step.event {
        Event::Start => Event::Start,
        Event::Deliver { src, msg } => Event::Deliver { src, msg },
        Event::Timeout(timer) => Event::Timeout(timer),
        Event::Input(msg) => Event::Input(msg),
        Event::Crash => Event::Crash,
        Event::Recover => Event::Recover,
    };
    f(&Step {
        actor: step.actor,
        before: before.as_ref(),
        event,
        state: step.state,
        storage: step.storage,
        sends: step.sends,
        reports: step.reports,
    })
}

impl Refinement {
    /// Whose votes count at a slot, as far as it follows from what is chosen.
    fn members(&self, history: &History, slot: Slot) -> ReplicaSet {
        let mut electorate = Electorate::new(self.chat.cluster);
        if self.chat.changes_members {
            let mut execution = Execution::new(self.chat.tuning.sessions_max);
            let chosen = |at: Slot| history.at(at).chosen().first().copied();
            let value = |at: Slot| self.genesis.get(at.0 as usize).or_else(|| chosen(at));
            let log = (0..slot.0).map(Slot).map_while(|at| Some((at, value(at)?)));
            for (at, value) in log {
                electorate.execute(&mut execution, at, value);
            }
        }
        electorate.members(slot)
    }

    /// Runs `f` on the ghosts of a replica before and after a step; `None` if it is no replica's.
    fn ghosts<A: ChatActor, R>(
        &self,
        step: &Step<'_, A, Ghost>,
        f: impl FnOnce(&ReplicaGhost, &ReplicaGhost) -> R,
    ) -> Option<R> {
        match (&step.before?.ghost, <Self as Spec<A>>::remember(self, step)) {
            (Ghost::Replica(before), Ghost::Replica(after)) => Some(f(before, &after)),
            _ => None,
        }
    }
}

impl<A: ChatActor> Spec<A> for Refinement {
    type Ghost = Ghost;
    type History = History;
    type View = Option<View>;

    fn ghost(&self, actor: usize) -> Ghost {
        Spec::<Node>::ghost(&self.chat, actor)
    }

    fn history(&self) -> History {
        let unused = Abstract::init(usize::from(self.chat.cluster.len()));
        History { slots: BTreeMap::new(), unused, refuted: None }
    }

    fn remember(&self, step: &Step<'_, A, Ghost>) -> Ghost {
        as_node(step, |step| self.chat.remember(step))
    }

    fn is_recorded(&self, step: &Step<'_, A, Ghost>) -> bool {
        let is_news = |before: &ReplicaGhost, after: &ReplicaGhost| {
            !actions(step, before, after).is_empty() || untrue(after, step.sends).is_some()
        };
        self.ghosts(step, is_news).unwrap_or(false)
    }

    fn record(&self, history: &History, step: &Step<'_, A, Ghost>) -> History {
        let mut history = history.clone();
        if history.refuted.is_none() {
            let refuted = self.ghosts(step, |before, after| {
                let members = |history: &History, slot| self.members(history, slot);
                let taken = history.take(actions(step, before, after), members);
                let untrue = untrue(after, step.sends).cloned().map(Refuted::Message);
                taken.err().or(untrue)
            });
            history.refuted = refuted.flatten();
        }
        history
    }

    fn within(&self, actor: usize, state: &NodeState) -> bool {
        Spec::<Node>::within(&self.chat, actor, state)
    }

    fn may_time_out(&self, actor: usize, state: &NodeState, timer: &NodeTimer) -> bool {
        Spec::<Node>::may_time_out(&self.chat, actor, state, timer)
    }

    fn may_crash(&self, actor: usize) -> bool {
        Spec::<Node>::may_crash(&self.chat, actor)
    }

    fn is_stale(&self, actor: usize, state: &NodeState, src: usize, msg: &Message) -> bool {
        Spec::<Node>::is_stale(&self.chat, actor, state, src, msg)
    }

    fn properties(&self) -> &[PropertyName] {
        &PROPERTIES
    }

    fn view(&self, _actor: usize, local: &Local<A, Ghost>) -> Option<View> {
        match &local.ghost {
            Ghost::Replica(ghost) => {
                Some(View { promised: ghost.promised, votes: ghost.votes.clone() })
            }
            _ => None,
        }
    }

    fn judge_step(&self, step: &Step<'_, A, Ghost>) -> Verdict {
        let asked =
            matches!(step.event, Event::Deliver { msg: Message::ToPeer(ToPeer::Prepare(_)), .. });
        let by_message = matches!(step.event, Event::Deliver { .. }) && !asked;
        let rises = self.ghosts(step, |before, after| {
            let begins = |sent: &Message| matches!(sent, Message::ToPeer(ToPeer::Prepare(_)));
            after.promised > before.promised && !step.sends.iter().any(|(_, sent)| begins(sent))
        });
        let mut verdict = Verdict::default();
        verdict.note(UNASKED, by_message && rises == Some(true));
        verdict
    }

    fn judge(&self, views: &[&Option<View>], history: &History) -> Verdict {
        let replicas: Vec<&View> = views.iter().filter_map(|view| view.as_ref()).collect();
        let mut verdict = Verdict::default();
        let is_message = matches!(history.refuted, Some(Refuted::Message(_)));
        verdict.note(STEPS, matches!(history.refuted, Some(Refuted::Action(..))));
        verdict.note(SENT, is_message);
        if history.refuted.is_some() {
            return verdict;
        }
        verdict.note(PROJECTION, !history.is_projection(&replicas));
        let keeps = |state: &Abstract| {
            state.chosen().len() <= 1
                && state.acceptors_are_consistent()
                && state.messages_are_consistent(&self.ballots)
        };
        verdict.note(INVARIANTS, !history.states().all(keeps));
        verdict.note(CHOSEN, history.slots.values().any(|state| !state.chosen().is_empty()));
        let two = |state: &Abstract| state.proposals().count() > 1;
        verdict.note(TWO_BALLOTS, history.slots.values().any(two));
        verdict.note(TAKES_OVER, history.slots.values().any(takes_over));
        verdict
    }
}

/// Is there a proposal whose value another acceptor than its proposer told of?
fn takes_over(state: &Abstract) -> bool {
    state.proposals().any(|(ballot, value)| {
        state.msgs.iter().any(|msg| match msg {
            Msg::OneB { acc, bal, mval, .. } => {
                bal == ballot
                    && mval.as_ref() == Some(value)
                    && *acc != usize::from(ballot.replica.0)
            }
            _ => false,
        })
    })
}
