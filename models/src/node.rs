//! One actor type for replicas, clients and readers, so that one model can hold them all.
//!
//! **Absent**: behaviour. Every call goes to the actor inside, built by the constructor that the
//! binaries use.

use crate::mutants::Mutated;
use paxos_chat::acceptor::Storage;
use paxos_chat::client::{Client, ClientState};
use paxos_chat::effects::Timer;
use paxos_chat::message::Message;
use paxos_chat::reader::{Reader, ReaderState};
use paxos_chat::replica::{Replica, State};
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::fmt::{self, Debug, Formatter};

/// A replica, a client or a reader.
#[derive(Clone, Debug)]
pub enum Node {
    /// One of the `2f+1` replicas.
    Replica(Replica),
    /// A replica with a bug.
    Mutated(Mutated),
    /// Says something.
    Client(Client),
    /// Follows the log.
    Reader(Reader),
}

/// The state of a [`Node`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeState {
    /// Of a replica.
    Replica(State),
    /// Of a client.
    Client(ClientState),
    /// Of a reader.
    Reader(ReaderState),
}

impl NodeState {
    /// The state of a replica, if it is one.
    pub fn replica(&self) -> Option<&State> {
        match self {
            NodeState::Replica(state) => Some(state),
            _ => None,
        }
    }

    /// The state of a client, if it is one.
    pub fn client(&self) -> Option<&ClientState> {
        match self {
            NodeState::Client(state) => Some(state),
            _ => None,
        }
    }
}

impl Debug for NodeState {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            NodeState::Replica(state) => Debug::fmt(state, f),
            NodeState::Client(state) => Debug::fmt(state, f),
            NodeState::Reader(state) => Debug::fmt(state, f),
        }
    }
}

/// Runs a handler of an inner actor on its part of the state, and takes over what it put out.
macro_rules! delegate {
    ($actor:expr, $kind:ident, $state:expr, $out:expr, $call:expr) => {{
        let NodeState::$kind(inner) = &**$state else { unreachable!("a node keeps its kind") };
        let mut inner = Cow::Borrowed(inner);
        let mut commands = Out::new();
        $call($actor, &mut inner, &mut commands);
        if let Cow::Owned(inner) = inner {
            *$state = Cow::Owned(NodeState::$kind(inner));
        }
        take_over(commands, $out);
    }};
}

impl Actor for Node {
    type Msg = Message;
    type Timer = Timer;
    type State = NodeState;
    type Storage = Storage;
    type Random = ();

    fn on_start(&self, id: Id, storage: &Option<Storage>, out: &mut Out<Self>) -> NodeState {
        match self {
            Node::Replica(actor) => {
                let mut commands = Out::new();
                let state = actor.on_start(id, storage, &mut commands);
                take_over(commands, out);
                NodeState::Replica(state)
            }
            Node::Mutated(actor) => {
                let mut commands = Out::new();
                let state = actor.on_start(id, storage, &mut commands);
                take_over(commands, out);
                NodeState::Replica(state)
            }
            Node::Client(actor) => {
                let mut commands = Out::new();
                let state = actor.on_start(id, &None, &mut commands);
                take_over(commands, out);
                NodeState::Client(state)
            }
            Node::Reader(actor) => {
                let mut commands = Out::new();
                let state = actor.on_start(id, &None, &mut commands);
                take_over(commands, out);
                NodeState::Reader(state)
            }
        }
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState>,
        src: Id,
        msg: Message,
        out: &mut Out<Self>,
    ) {
        match self {
            Node::Replica(actor) => {
                delegate!(actor, Replica, state, out, |a: &Replica, s: &mut _, o: &mut _| a
                    .on_msg(id, s, src, msg, o));
            }
            Node::Mutated(actor) => {
                let NodeState::Replica(before) = &**state else { unreachable!("a replica") };
                let mut commands = Out::new();
                let after = actor.on_msg(id, before, src, msg, &mut commands);
                *state = Cow::Owned(NodeState::Replica(after));
                take_over(commands, out);
            }
            Node::Client(actor) => {
                delegate!(actor, Client, state, out, |a: &Client, s: &mut _, o: &mut _| a
                    .on_msg(id, s, src, msg, o));
            }
            Node::Reader(actor) => {
                delegate!(actor, Reader, state, out, |a: &Reader, s: &mut _, o: &mut _| a
                    .on_msg(id, s, src, msg, o));
            }
        }
    }

    fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState>,
        timer: &Timer,
        out: &mut Out<Self>,
    ) {
        match self {
            Node::Replica(actor) => {
                delegate!(actor, Replica, state, out, |a: &Replica, s: &mut _, o: &mut _| a
                    .on_timeout(id, s, timer, o));
            }
            Node::Mutated(actor) => {
                let NodeState::Replica(before) = &**state else { unreachable!("a replica") };
                let mut commands = Out::new();
                let after = actor.on_timeout(id, before, timer, &mut commands);
                *state = Cow::Owned(NodeState::Replica(after));
                take_over(commands, out);
            }
            Node::Client(actor) => {
                delegate!(actor, Client, state, out, |a: &Client, s: &mut _, o: &mut _| a
                    .on_timeout(id, s, timer, o));
            }
            Node::Reader(actor) => {
                delegate!(actor, Reader, state, out, |a: &Reader, s: &mut _, o: &mut _| a
                    .on_timeout(id, s, timer, o));
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Node::Replica(actor) => actor.name(),
            Node::Mutated(actor) => actor.replica.name(),
            Node::Client(actor) => actor.name(),
            Node::Reader(actor) => actor.name(),
        }
    }
}

/// How an inner actor's storage is kept as a node's.
trait IntoStorage {
    fn into_storage(self) -> Option<Storage>;
}

impl IntoStorage for Storage {
    fn into_storage(self) -> Option<Storage> {
        Some(self)
    }
}

impl IntoStorage for () {
    fn into_storage(self) -> Option<Storage> {
        None
    }
}

fn take_over<A>(commands: Out<A>, out: &mut Out<Node>)
where
    A: Actor<Msg = Message, Timer = Timer, Storage: IntoStorage>,
{
    for command in commands {
        match command {
            Command::Send(to, message) => out.send(to, message),
            Command::SetTimer(timer, delay) => out.set_timer(timer, delay),
            Command::CancelTimer(timer) => out.cancel_timer(timer),
            Command::Save(storage) => {
                if let Some(storage) = storage.into_storage() {
                    out.save(storage);
                }
            }
            Command::ChooseRandom(..) => unreachable!("no actor of the protocol chooses at random"),
        }
    }
}
