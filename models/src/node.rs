//! One actor type for replicas, clients and readers, so that one model can hold them all.
//!
//! **Absent**: behaviour. Every call goes to the actor inside, built by the constructor that the
//! binaries use.

use crate::machine::{Behaviour, Disk, Driving, Durability, Machine};
use crate::mutants::MutantReplica;
use crate::mutants::clients::MutantClient;
use crate::mutants::readers::MutantReader;
use paxos_chat::client::{Client, ClientState, ClientStorage};
use paxos_chat::effects::Timer;
use paxos_chat::message::Message;
use paxos_chat::reader::{Reader, ReaderState};
use paxos_chat::replica::Replica;
use paxos_chat::state::State;
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::fmt::{self, Debug, Formatter};

/// A replica, a client or a reader.
#[derive(Clone, Debug)]
pub enum Node {
    /// One of the `2f+1` replicas.
    Replica {
        /// What it does.
        replica: Replica,
        /// What its disk does.
        durability: Durability,
    },
    /// A replica with a bug.
    MutantReplica {
        /// What it does.
        replica: MutantReplica,
        /// What its disk does.
        durability: Durability,
    },
    /// Says something.
    Client(Client),
    /// A client with a bug.
    MutantClient(MutantClient),
    /// Follows the log.
    Reader(Reader),
    /// A reader with a bug.
    MutantReader(MutantReader),
}

/// What is left of a [`Node`] after a crash.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeStorage {
    /// Of a replica.
    Replica(Disk),
    /// Of a durable client.
    Client(ClientStorage),
}

impl NodeStorage {
    /// A replica's disk, if it is one.
    pub fn disk(&self) -> Option<&Disk> {
        match self {
            NodeStorage::Replica(disk) => Some(disk),
            NodeStorage::Client(_) => None,
        }
    }

    /// What a client has saved, if it is one.
    pub fn client(&self) -> Option<&ClientStorage> {
        match self {
            NodeStorage::Client(storage) => Some(storage),
            NodeStorage::Replica(_) => None,
        }
    }
}

impl Debug for NodeStorage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            NodeStorage::Replica(disk) => Debug::fmt(disk, f),
            NodeStorage::Client(storage) => Debug::fmt(storage, f),
        }
    }
}

/// What a [`Node`] waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeTimer {
    /// A timer of the actor.
    Actor(Timer),
    /// The disk: the oldest pending save becomes durable.
    Synced,
}

impl From<Timer> for NodeTimer {
    fn from(timer: Timer) -> NodeTimer {
        NodeTimer::Actor(timer)
    }
}

impl Debug for NodeTimer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            NodeTimer::Actor(timer) => Debug::fmt(timer, f),
            NodeTimer::Synced => f.write_str("Synced"),
        }
    }
}

/// The state of a [`Node`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::large_enum_variant, reason = "nearly all states are those of replicas")]
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
                write!(f, " log {:?}", machine.log)?;
                if machine.pending.is_empty() {
                    return Ok(());
                }
                write!(f, " pending {:?}", machine.pending)
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
    type Timer = NodeTimer;
    type State = NodeState;
    type Storage = NodeStorage;
    type Random = ();

    fn on_start(&self, id: Id, stored: &Option<NodeStorage>, out: &mut Out<Self>) -> NodeState {
        let disk = stored.as_ref().and_then(NodeStorage::disk);
        let saved = stored.as_ref().and_then(NodeStorage::client).cloned();
        let storage = disk.map(|disk| disk.storage.clone());
        match self {
            Node::Replica { replica: actor, durability } => {
                let mut commands = Out::new();
                let machine = Machine::new(
                    actor.on_start(id, &storage, &mut commands),
                    disk.cloned(),
                    *durability,
                );
                started(Driving::of(id, actor, *durability, &machine), commands, &machine, out)
            }
            Node::MutantReplica { replica: actor, durability } => {
                let mut commands = Out::new();
                let machine = Machine::new(
                    actor.on_start(id, &storage, &mut commands),
                    disk.cloned(),
                    *durability,
                );
                started(Driving::of(id, actor, *durability, &machine), commands, &machine, out)
            }
            Node::Client(actor) => {
                let mut commands = Out::new();
                let state = actor.on_start(id, &saved, &mut commands);
                take_over(commands, out);
                NodeState::Client(state)
            }
            Node::MutantClient(actor) => {
                let mut commands = Out::new();
                let state = actor.on_start(id, &saved, &mut commands);
                take_over(commands, out);
                NodeState::Client(state)
            }
            Node::Reader(actor) => {
                let mut commands = Out::new();
                let state = actor.on_start(id, &None, &mut commands);
                take_over(commands, out);
                NodeState::Reader(state)
            }
            Node::MutantReader(actor) => {
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
            Node::Replica { replica, durability } => {
                drive(id, replica, *durability, state, out, |machine, out| {
                    machine.message(src, msg, out);
                });
            }
            Node::MutantReplica { replica, durability } => {
                drive(id, replica, *durability, state, out, |machine, out| {
                    machine.message(src, msg, out);
                });
            }
            Node::Client(actor) => {
                delegate!(actor, Client, state, out, |a: &Client, s: &mut _, o: &mut _| a
                    .on_msg(id, s, src, msg, o));
            }
            Node::MutantClient(actor) => {
                delegate!(actor, Client, state, out, |a: &MutantClient, s: &mut _, o: &mut _| a
                    .on_msg(id, s, src, msg, o));
            }
            Node::Reader(actor) => {
                delegate!(actor, Reader, state, out, |a: &Reader, s: &mut _, o: &mut _| a
                    .on_msg(id, s, src, msg, o));
            }
            Node::MutantReader(actor) => {
                delegate!(actor, Reader, state, out, |a: &MutantReader, s: &mut _, o: &mut _| a
                    .on_msg(id, s, src, msg, o));
            }
        }
    }

    fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState>,
        timer: &NodeTimer,
        out: &mut Out<Self>,
    ) {
        match self {
            Node::Replica { replica, durability } => {
                drive(id, replica, *durability, state, out, |machine, out| {
                    machine.timeout(*timer, out);
                });
            }
            Node::MutantReplica { replica, durability } => {
                drive(id, replica, *durability, state, out, |machine, out| {
                    machine.timeout(*timer, out);
                });
            }
            Node::Client(actor) => {
                delegate!(actor, Client, state, out, |a: &Client, s: &mut _, o: &mut _| a
                    .on_timeout(id, s, own(timer), o));
            }
            Node::MutantClient(actor) => {
                delegate!(actor, Client, state, out, |a: &MutantClient, s: &mut _, o: &mut _| a
                    .on_timeout(id, s, own(timer), o));
            }
            Node::Reader(actor) => {
                delegate!(actor, Reader, state, out, |a: &Reader, s: &mut _, o: &mut _| a
                    .on_timeout(id, s, own(timer), o));
            }
            Node::MutantReader(actor) => {
                delegate!(actor, Reader, state, out, |a: &MutantReader, s: &mut _, o: &mut _| a
                    .on_timeout(id, s, own(timer), o));
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Node::Replica { replica, .. } => replica.name(),
            Node::MutantReplica { replica, .. } => replica.replica.name(),
            Node::Client(actor) => actor.name(),
            Node::MutantClient(actor) => actor.client.name(),
            Node::Reader(actor) => actor.name(),
            Node::MutantReader(actor) => actor.reader.name(),
        }
    }
}

/// The machine of a replica that has started.
fn started<B: Behaviour>(
    mut driving: Driving<'_, B>,
    commands: Out<Replica>,
    before: &Machine,
    out: &mut Out<Node>,
) -> NodeState {
    driving.carry_out(commands, out);
    driving.recall(out);
    NodeState::Replica(driving.done(before, out).unwrap_or_else(|| before.clone()))
}

/// Runs a step of a replica's machine.
fn drive<B: Behaviour>(
    id: Id,
    replica: &B,
    durability: Durability,
    state: &mut Cow<'_, NodeState>,
    out: &mut Out<Node>,
    step: impl FnOnce(&mut Driving<'_, B>, &mut Out<Node>),
) {
    let machine = state.machine().expect("a node keeps its kind");
    let mut driving = Driving::of(id, replica, durability, machine);
    step(&mut driving, out);
    if let Some(machine) = driving.done(machine, out) {
        *state = Cow::Owned(NodeState::Replica(machine));
    }
}

/// The timer of a client or a reader, which waits for no disk.
fn own(timer: &NodeTimer) -> &Timer {
    match timer {
        NodeTimer::Actor(timer) => timer,
        NodeTimer::Synced => unreachable!("only a replica saves"),
    }
}

/// What a client or a reader saves.
trait Saved {
    /// Keeps it, at once.
    fn save(self, out: &mut Out<Node>);
}

impl Saved for ClientStorage {
    fn save(self, out: &mut Out<Node>) {
        out.save(NodeStorage::Client(self));
    }
}

impl Saved for () {
    /// A reader saves nothing.
    fn save(self, _out: &mut Out<Node>) {}
}

/// Takes over what a client or a reader puts out.
fn take_over<A>(commands: Out<A>, out: &mut Out<Node>)
where
    A: Actor<Msg = Message, Timer = Timer>,
    A::Storage: Saved,
{
    for command in commands {
        match command {
            Command::Send(to, message) => out.send(to, message),
            Command::SetTimer(timer, delay) => out.set_timer(timer.into(), delay),
            Command::CancelTimer(timer) => out.cancel_timer(timer.into()),
            Command::Save(storage) => storage.save(out),
            Command::ChooseRandom(..) => unreachable!("no actor of the protocol chooses at random"),
        }
    }
}
