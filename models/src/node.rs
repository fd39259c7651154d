//! One actor type for replicas, clients and readers, so that one model can hold them all.
//!
//! **Absent**: behaviour. Every call goes to the actor inside, built by the constructor that the
//! binaries use.

use crate::machine::{Disk, Machine, drive};
use crate::mutants::Mutated;
use imbl::OrdMap;
use paxos_chat::client::{Client, ClientState};
use paxos_chat::effects::Timer;
use paxos_chat::message::Message;
use paxos_chat::reader::{Reader, ReaderState};
use paxos_chat::replica::{Replica, State};
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Slot, Value};
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
    /// Of a replica, with the chat log on its disk.
    Replica(Machine),
    /// Of a client.
    Client(ClientState),
    /// Of a reader.
    Reader(ReaderState),
}

impl NodeState {
    /// The state of a replica, if it is one.
    pub fn replica(&self) -> Option<&State> {
        match self {
            NodeState::Replica(machine) => Some(&machine.replica),
            _ => None,
        }
    }

    /// A replica's machine, if it is one.
    pub fn machine(&self) -> Option<&Machine> {
        match self {
            NodeState::Replica(machine) => Some(machine),
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
            NodeState::Replica(machine) => {
                Debug::fmt(&machine.replica, f)?;
                write!(f, " log {:?}", machine.log)
            }
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
    type Storage = Disk;
    type Random = ();

    fn on_start(&self, id: Id, disk: &Option<Disk>, out: &mut Out<Self>) -> NodeState {
        let storage = disk.as_ref().map(|disk| disk.storage.clone());
        let mut log = disk.as_ref().map_or_else(OrdMap::new, |disk| disk.log.clone());
        match self {
            Node::Replica(actor) => {
                let mut commands = Out::new();
                let replica = actor.on_start(id, &storage, &mut commands);
                drive(commands, &mut log, actor.tuning(), out);
                NodeState::Replica(Machine { replica, log })
            }
            Node::Mutated(actor) => {
                let mut commands = Out::new();
                let replica = actor.on_start(id, &storage, &mut commands);
                drive(commands, &mut log, actor.replica.tuning(), out);
                NodeState::Replica(Machine { replica, log })
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
                let machine = running(state);
                let mut replica = Cow::Borrowed(&machine.replica);
                let mut commands = Out::new();
                actor.on_msg(id, &mut replica, src, msg, &mut commands);
                let replica = match replica {
                    Cow::Borrowed(_) => None,
                    Cow::Owned(replica) => Some(replica),
                };
                go_on(state, replica, commands, actor.tuning(), out);
            }
            Node::Mutated(actor) => {
                let mut commands = Out::new();
                let after = actor.on_msg(id, &running(state).replica, src, msg, &mut commands);
                go_on(state, Some(after), commands, actor.replica.tuning(), out);
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
                let machine = running(state);
                let mut replica = Cow::Borrowed(&machine.replica);
                let mut commands = Out::new();
                actor.on_timeout(id, &mut replica, timer, &mut commands);
                let replica = match replica {
                    Cow::Borrowed(_) => None,
                    Cow::Owned(replica) => Some(replica),
                };
                go_on(state, replica, commands, actor.tuning(), out);
            }
            Node::Mutated(actor) => {
                let mut commands = Out::new();
                let after = actor.on_timeout(id, &running(state).replica, timer, &mut commands);
                go_on(state, Some(after), commands, actor.replica.tuning(), out);
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

fn running(state: &NodeState) -> &Machine {
    state.machine().expect("a node keeps its kind")
}

/// A machine after a handler that left its replica in this state; `None` is as it was.
fn go_on(
    state: &mut Cow<'_, NodeState>,
    replica: Option<State>,
    commands: Out<Replica>,
    tuning: &Tuning,
    out: &mut Out<Node>,
) {
    let before = running(state);
    let mut log: OrdMap<Slot, Value> = before.log.clone();
    drive(commands, &mut log, tuning, out);
    let replica = replica.or_else(|| (log != before.log).then(|| before.replica.clone()));
    if let Some(replica) = replica {
        *state = Cow::Owned(NodeState::Replica(Machine { replica, log }));
    }
}

/// Takes over what a client or a reader puts out.
fn take_over<A>(commands: Out<A>, out: &mut Out<Node>)
where
    A: Actor<Msg = Message, Timer = Timer, Storage = ()>,
{
    for command in commands {
        match command {
            Command::Send(to, message) => out.send(to, message),
            Command::SetTimer(timer, delay) => out.set_timer(timer, delay),
            Command::CancelTimer(timer) => out.cancel_timer(timer),
            Command::Save(()) => {}
            Command::ChooseRandom(..) => unreachable!("no actor of the protocol chooses at random"),
        }
    }
}
