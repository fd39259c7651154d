//! The same actors as stateright's own [`ActorModel`], for comparison.
//!
//! Timers are a function of an actor's state here, so that `ActorModel` is sound: its fingerprint
//! conflates states that differ in which actor has which timer set. What an actor tells its own
//! driver is left out, because it would stay on `ActorModel`'s network for ever.
//!
//! `ActorModel`'s duplicating network remembers which message was delivered last, though nothing
//! depends on it, so the same system state is counted once for each. [`Forgetful`] takes that
//! memory away, which spares `ActorModel` work and makes its count that of the system's states.

use crate::config::Config;
use crate::node::{Node, NodeState, NodeStorage, NodeTimer};
use paxos_chat::effects::Timer;
use paxos_chat::message::Message;
use paxos_chat::types::{Ballot, NodeId, ReplicaId};
use stateright::actor::{
    Actor, ActorModel, ActorModelAction, ActorModelState, Command, Id, Network, Out,
};
use stateright::{Model, Property};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// An actor that starts from a storage, keeps its results to itself, and has only the timers that
/// may fire.
#[derive(Clone, Debug)]
pub struct Silent {
    node: Node,
    genesis: Option<NodeStorage>,
    may_stand: bool,
}

impl Silent {
    fn pass_on(&self, commands: Out<Node>, out: &mut Out<Self>) {
        for command in commands {
            match command {
                Command::Send(to, _) if to == Id::from(NodeId::LOCAL) => {}
                Command::Send(to, message) => out.send(to, message),
                Command::SetTimer(NodeTimer::Actor(Timer::Election), _) if !self.may_stand => {}
                Command::SetTimer(timer, delay) => out.set_timer(timer, delay),
                Command::CancelTimer(timer) => out.cancel_timer(timer),
                Command::Save(storage) => out.save(storage),
                Command::ChooseRandom(..) => unreachable!("no actor chooses at random"),
            }
        }
    }
}

impl Actor for Silent {
    type Msg = Message;
    type Timer = NodeTimer;
    type State = NodeState;
    type Storage = NodeStorage;
    type Random = ();

    fn on_start(&self, id: Id, storage: &Option<NodeStorage>, out: &mut Out<Self>) -> NodeState {
        let storage = storage.clone().or_else(|| self.genesis.clone());
        let mut commands = Out::new();
        let state = self.node.on_start(id, &storage, &mut commands);
        self.pass_on(commands, out);
        state
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState>,
        src: Id,
        msg: Message,
        out: &mut Out<Self>,
    ) {
        let mut commands = Out::new();
        self.node.on_msg(id, state, src, msg, &mut commands);
        self.pass_on(commands, out);
    }

    fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState>,
        timer: &NodeTimer,
        out: &mut Out<Self>,
    ) {
        let mut commands = Out::new();
        self.node.on_timeout(id, state, timer, &mut commands);
        self.pass_on(commands, out);
    }

    fn name(&self) -> String {
        self.node.name()
    }
}

/// Can `ActorModel` explore these bounds?
///
/// # Errors
/// What it cannot express, and why.
pub fn expresses(config: &Config) -> Result<(), &'static str> {
    if config.crashes.total > 0 {
        return Err("crashes: it bounds how many actors are down at once, but neither how many \
                    crashes there are in all nor whether there is recovery");
    }
    if !config.inputs.is_empty() {
        return Err("what a person asks of an actor's driver, at any moment and at most once");
    }
    Ok(())
}

/// stateright's model, with its network's memory of the last delivery taken away.
pub struct Forgetful(pub ActorModel<Silent, BTreeSet<Ballot>>);

impl Model for Forgetful {
    type State = ActorModelState<Silent, ()>;
    type Action = ActorModelAction<Message, NodeTimer, ()>;

    fn init_states(&self) -> Vec<Self::State> {
        self.0.init_states()
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        self.0.actions(state, actions);
    }

    fn next_state(&self, state: &Self::State, action: Self::Action) -> Option<Self::State> {
        let mut next = self.0.next_state(state, action)?;
        if let Network::UnorderedDuplicating(_, last) = &mut next.network {
            *last = None;
        }
        Some(next)
    }

    fn within_boundary(&self, state: &Self::State) -> bool {
        Model::within_boundary(&self.0, state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        Vec::new()
    }
}

/// stateright's model of a configuration that it [`expresses`], on a network that duplicates and
/// reorders.
pub fn actor_model(config: &Config) -> ActorModel<Silent, BTreeSet<Ballot>> {
    let ballot =
        |(round, replica): &(u32, u8)| Ballot { round: *round, replica: ReplicaId(*replica) };
    let ballots: BTreeSet<Ballot> = config.ballots.iter().map(ballot).collect();
    let may_stand = |index: usize| ballots.iter().any(|b| usize::from(b.replica.0) == index);
    let nodes = config.nodes(config.genesis()).into_iter().enumerate();
    let actors: Vec<Silent> = nodes
        .map(|(index, (node, genesis))| Silent { node, genesis, may_stand: may_stand(index) })
        .collect();
    ActorModel::new(ballots, ())
        .actors(actors)
        .init_network(Network::new_unordered_duplicating([]))
        .within_boundary(within)
}

fn within(ballots: &BTreeSet<Ballot>, state: &ActorModelState<Silent, ()>) -> bool {
    state.actor_states.iter().filter_map(|state| state.replica()).all(|replica| {
        let promised = replica.durable.promised;
        promised == Ballot::ZERO || ballots.contains(&promised)
    })
}
