//! A run of the nodes of a configuration, actor by actor, and what a recorder would tell a monitor of it.
//!
//! **Absent**: which step comes next, which the tests choose.

use paxos_chat::client::{Client, ClientState, ClientStorage};
use paxos_chat::effects::Timer;
use paxos_chat::message::{AppliedValue, Entries, Input, Message, Output, ToPeer, ToReplica};
use paxos_chat::reader::{Reader, ReaderState};
use paxos_chat::replica::Replica;
use paxos_chat::state::{State, Storage};
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{NodeId, Nonce, ReplicaId, Slot, Timestamp, User, Value};
use paxos_chat_models::config::Config;
use paxos_chat_models::machine::Durability;
use paxos_chat_models::monitor::{Cause, Handled, Monitor, Party};
use paxos_chat_models::node::{Node, NodeTimer};
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// When what a replica saves is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    /// At once.
    AtOnce,
    /// Each save later, in order, while others go on: as the catalog has it.
    Late,
    /// Once for several handlers, and nothing leaves before but what is ahead: as a driver does it.
    Bursts,
}

/// How much of a save a crash leaves, and whether it was told before that the save is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// All of it, which was not told.
    Unheard,
    /// All but its snapshot, as a driver writes that later.
    SnapshotOwed,
    /// Its promise and its first vote, which was not told.
    Torn,
}

/// What a recorder tells.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    ReplicaStarts(ReplicaId, Option<Storage>, Box<State>),
    ReplicaHandles(ReplicaId, Box<Call<State, Storage>>),
    ClientStarts(usize, Option<ClientStorage>, Box<ClientState>, Option<ClientStorage>),
    ClientHandles(usize, Box<Call<ClientState, ClientStorage>>),
    ReaderStarts(usize, ReaderState),
    ReaderHandles(usize, Box<Call<ReaderState, ()>>),
    Synced(Party),
    OldestSynced(Party),
    Leaves(Party, Party, Message),
    Crashes(Party),
}

/// A handler that has run.
#[derive(Clone, Debug)]
pub(crate) struct Call<S, T> {
    /// What it was called for, unless by a timer.
    pub(crate) cause: Option<Message>,
    after: S,
    pub(crate) save: Option<T>,
    sends: Vec<(Party, Message)>,
    pub(crate) reports: Vec<Message>,
}

impl<S, T> Call<S, T> {
    fn step(&self) -> Handled<'_, S, T> {
        Handled {
            cause: self.cause.as_ref().map_or(Cause::Timeout, Cause::Message),
            after: &self.after,
            save: self.save.as_ref(),
            sends: &self.sends,
            reports: &self.reports,
        }
    }
}

/// What happens next.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Deliver(usize, usize, Message),
    Timeout(usize, NodeTimer),
    Input(usize, Message),
    Crash(usize),
    Recover(usize),
}

/// A replica that is up.
#[derive(Debug, Default)]
struct Machine {
    state: Option<State>,
    log: BTreeMap<Slot, AppliedValue>,
    /// Saves that are not durable, with what waits for them.
    pending: VecDeque<(Storage, Vec<(NodeId, Message)>)>,
    ahead: Vec<(NodeId, Message)>,
    behind: Vec<(NodeId, Message)>,
    itself: Vec<Message>,
}

enum Life {
    Down,
    Replica(Box<Machine>),
    Client(ClientState),
    Reader(ReaderState),
}

/// The state of an actor that is up.
enum View<'a> {
    Down,
    Replica(&'a State),
    Client(&'a ClientState),
    Reader(&'a ReaderState),
}

impl Life {
    fn view(&self) -> View<'_> {
        match self {
            Life::Down => View::Down,
            Life::Replica(machine) => machine.state.as_ref().map_or(View::Down, View::Replica),
            Life::Client(state) => View::Client(state),
            Life::Reader(state) => View::Reader(state),
        }
    }
}

/// What a crash leaves.
#[derive(Clone, Debug, Default)]
struct Kept {
    storage: Option<Storage>,
    log: BTreeMap<Slot, AppliedValue>,
    client: Option<ClientStorage>,
}

pub(crate) struct Run {
    pub(crate) config: Config,
    disk: Disk,
    nodes: Vec<Node>,
    lives: Vec<Life>,
    kept: Vec<Kept>,
    timers: Vec<BTreeSet<Timer>>,
    /// What has left, and may arrive.
    pub(crate) network: Vec<(usize, usize, Message)>,
    pub(crate) told: Vec<Told>,
    /// Clients that come back after their session has expired get another nonce.
    nonces: Option<u64>,
    genesis: Vec<Value>,
}

impl Run {
    /// Everybody starts.
    pub(crate) fn new(config: Config, disk: Disk) -> Run {
        let genesis = config.genesis();
        let values: Vec<Value> = genesis.log.values().cloned().collect();
        let mut sessions = paxos_chat::session::Sessions::default();
        let log: BTreeMap<Slot, AppliedValue> = genesis
            .log
            .iter()
            .map(|(slot, value)| {
                let outcomes = sessions.apply(*slot, value, config.tuning.sessions_max);
                (*slot, AppliedValue { value: value.clone(), outcomes })
            })
            .collect();
        let nodes: Vec<Node> =
            config.nodes(genesis.clone()).into_iter().map(|(node, _)| node).collect();
        let replicas = usize::from(config.replicas);
        let kept = (0..nodes.len()).map(|actor| match actor < replicas {
            true => {
                Kept { storage: Some(genesis.storage.clone()), log: log.clone(), ..Kept::default() }
            }
            false => Kept::default(),
        });
        let mut run = Run {
            disk,
            lives: nodes.iter().map(|_| Life::Down).collect(),
            kept: kept.collect(),
            timers: nodes.iter().map(|_| BTreeSet::new()).collect(),
            nodes,
            network: Vec::new(),
            told: Vec::new(),
            nonces: None,
            genesis: values,
            config,
        };
        (0..run.nodes.len()).for_each(|actor| run.start(actor));
        run
    }

    /// With a new nonce for each client that comes back.
    pub(crate) fn with_new_nonces(mut self) -> Run {
        self.nonces = Some(1 << 40);
        self
    }

    pub(crate) fn monitor(&self) -> Monitor {
        let cluster = self.config.cluster();
        Monitor::resuming(cluster, self.config.tuning.sessions_max, &self.genesis).unwrap()
    }

    pub(crate) fn actors(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn is_up(&self, actor: usize) -> bool {
        !matches!(self.lives[actor], Life::Down)
    }

    pub(crate) fn replica(&self, actor: usize) -> Option<&State> {
        match &self.lives[actor] {
            Life::Replica(machine) => machine.state.as_ref(),
            _ => None,
        }
    }

    /// The timers that are set; of a replica with something to save, that of its disk too.
    pub(crate) fn timers(&self, actor: usize) -> Vec<NodeTimer> {
        let set = self.timers[actor].iter().copied().map(NodeTimer::Actor);
        let waits = match &self.lives[actor] {
            Life::Replica(it) => {
                !(it.pending.is_empty() && it.behind.is_empty() && it.itself.is_empty())
            }
            _ => false,
        };
        set.chain(waits.then_some(NodeTimer::Synced)).collect()
    }

    pub(crate) fn party(&self, actor: usize) -> Party {
        match actor.checked_sub(usize::from(self.config.replicas)) {
            None => Party::Replica(ReplicaId(actor as u8)),
            Some(client) if client < self.config.clients.len() => Party::Client(client),
            Some(reader) => Party::Reader(reader),
        }
    }

    fn parties(&self, sends: &[(NodeId, Message)]) -> Vec<(Party, Message)> {
        sends.iter().map(|(to, message)| (self.party(to.0 as usize), message.clone())).collect()
    }

    fn tuning(&self) -> &Tuning {
        &self.config.tuning
    }

    pub(crate) fn take(&mut self, event: Event) {
        match event {
            Event::Deliver(src, dst, message) => self.deliver(dst, NodeId(src as u64), message),
            Event::Input(dst, message) => self.deliver(dst, NodeId::LOCAL, message),
            Event::Timeout(actor, timer) => self.timeout(actor, timer),
            Event::Crash(actor) => self.crash(actor),
            Event::Recover(actor) => self.start(actor),
        }
    }

    fn start(&mut self, actor: usize) {
        let (id, party, kept) = (Id::from(actor), self.party(actor), self.kept[actor].clone());
        if let (Some(nonces), Node::Client(client)) = (&mut self.nonces, &self.nodes[actor]) {
            // Its script was said in its first life, which left something.
            if kept.client.is_some() {
                *nonces += 1;
                let Client { user, replicas, is_durable, tuning, .. } = client.clone();
                let mut client = Client::new(user, Nonce(*nonces), replicas, tuning);
                client.is_durable = is_durable;
                self.nodes[actor] = Node::Client(client);
            }
        }
        match &self.nodes[actor] {
            Node::Replica { replica, .. } => {
                let mut out = Out::new();
                let state = replica.on_start(id, &kept.storage, &mut out);
                self.replica_started(actor, state, out);
            }
            Node::MutantReplica { replica, .. } => {
                let mut out = Out::new();
                let state = replica.on_start(id, &kept.storage, &mut out);
                self.replica_started(actor, state, out);
            }
            Node::Client(client) => {
                let mut out = Out::new();
                let state = client.on_start(id, &kept.client, &mut out);
                self.client_started(actor, state, out);
            }
            Node::MutantClient(client) => {
                let mut out = Out::new();
                let state = client.on_start(id, &kept.client, &mut out);
                self.client_started(actor, state, out);
            }
            Node::Reader(_) | Node::MutantReader(_) => {
                let mut out = Out::new();
                let state = match &self.nodes[actor] {
                    Node::Reader(reader) => reader.on_start(id, &None, &mut out),
                    Node::MutantReader(reader) => reader.on_start(id, &None, &mut out),
                    _ => unreachable!("a node keeps its kind"),
                };
                let Party::Reader(reader) = party else { unreachable!("a reader is one") };
                self.told.push(Told::ReaderStarts(reader, state.clone()));
                self.lives[actor] = Life::Reader(state);
                self.set_timers(actor, &out);
            }
        }
    }

    fn replica_started(&mut self, actor: usize, state: State, out: Out<Replica>) {
        let Kept { storage, log, .. } = self.kept[actor].clone();
        let who = ReplicaId(actor as u8);
        self.told.push(Told::ReplicaStarts(who, storage, Box::new(state.clone())));
        let end = log.keys().next_back().map_or(Slot(0), |last| last.next());
        self.lives[actor] = Life::Replica(Box::new(Machine {
            state: Some(state.clone()),
            log,
            ..Machine::default()
        }));
        self.carry_out(actor, None, state, out, true);
        loop {
            let Some(state) = self.replica(actor) else { return };
            let from = state.learner.applied_upto;
            let Life::Replica(machine) = &self.lives[actor] else { return };
            let values =
                from.upto(end).map_while(|slot| machine.log.get(&slot).map(|it| it.value.clone()));
            let entries = Entries::chunk(from, end, values, self.tuning());
            if entries.values.is_empty() {
                return;
            }
            self.deliver(actor, NodeId::LOCAL, Message::Input(Input::Recall(entries)));
            self.flush(actor);
        }
    }

    fn client_started(&mut self, actor: usize, state: ClientState, out: Out<Client>) {
        let Party::Client(client) = self.party(actor) else { unreachable!("a client is one") };
        self.set_timers(actor, &out);
        let (save, sends, _) = client_commands(out);
        let stored = self.kept[actor].client.clone();
        self.told.push(Told::ClientStarts(client, stored, Box::new(state.clone()), save.clone()));
        self.lives[actor] = Life::Client(state);
        self.client_saved(actor, save);
        self.leave_all(actor, sends);
    }

    fn set_timers<A>(&mut self, actor: usize, out: &Out<A>)
    where
        A: Actor<Msg = Message, Timer = Timer>,
    {
        for command in out.iter() {
            match command {
                Command::SetTimer(timer, _) => drop(self.timers[actor].insert(*timer)),
                Command::CancelTimer(timer) => drop(self.timers[actor].remove(timer)),
                _ => {}
            }
        }
    }

    fn crash(&mut self, actor: usize) {
        self.timers[actor].clear();
        if let Life::Replica(machine) = &mut self.lives[actor] {
            // The log is synced up to the bound of what is saved; what is above is lost, or survives.
            let mut log = std::mem::take(&mut machine.log);
            let saved = self.kept[actor].storage.as_ref();
            let bound = saved.map_or(Slot(0), |storage| storage.snapshot.upto);
            if self.config.durability != Durability::SavesAndLog {
                log.split_off(&bound);
            }
            self.kept[actor].log = log;
        }
        self.lives[actor] = Life::Down;
        self.told.push(Told::Crashes(self.party(actor)));
    }

    fn timeout(&mut self, actor: usize, timer: NodeTimer) {
        let NodeTimer::Actor(timer) = timer else { return self.sync(actor) };
        self.timers[actor].remove(&timer);
        let id = Id::from(actor);
        match (&self.nodes[actor], self.lives[actor].view()) {
            (Node::Replica { replica, .. }, View::Replica(state)) => {
                let (mut state, mut out) = (Cow::Borrowed(state), Out::new());
                replica.on_timeout(id, &mut state, &timer, &mut out);
                let state = state.into_owned();
                self.carry_out(actor, None, state, out, false);
            }
            (Node::MutantReplica { replica, .. }, View::Replica(state)) => {
                let mut out = Out::new();
                let state = replica.on_timeout(id, state, &timer, &mut out);
                self.carry_out(actor, None, state, out, false);
            }
            (Node::Client(client), View::Client(state)) => {
                let (mut state, mut out) = (Cow::Owned(state.clone()), Out::new());
                client.on_timeout(id, &mut state, &timer, &mut out);
                self.client_handled(actor, None, state.into_owned(), out);
            }
            (Node::MutantClient(client), View::Client(state)) => {
                let (mut state, mut out) = (Cow::Owned(state.clone()), Out::new());
                client.on_timeout(id, &mut state, &timer, &mut out);
                self.client_handled(actor, None, state.into_owned(), out);
            }
            (Node::Reader(reader), View::Reader(state)) => {
                let (mut state, mut out) = (Cow::Owned(state.clone()), Out::new());
                reader.on_timeout(id, &mut state, &timer, &mut out);
                self.reader_handled(actor, None, state.into_owned(), out);
            }
            (Node::MutantReader(reader), View::Reader(state)) => {
                let (mut state, mut out) = (Cow::Owned(state.clone()), Out::new());
                reader.on_timeout(id, &mut state, &timer, &mut out);
                self.reader_handled(actor, None, state.into_owned(), out);
            }
            _ => {}
        }
    }

    fn deliver(&mut self, actor: usize, src: NodeId, mut message: Message) {
        let id = Id::from(actor);
        if let (Message::ToReplica(ToReplica::Request(command)), Life::Replica(_)) =
            (&mut message, &self.lives[actor])
        {
            command.stamp = Timestamp(1 + actor as u64);
        }
        let cause = Some(message.clone());
        match (&self.nodes[actor], self.lives[actor].view()) {
            (Node::Replica { replica, .. }, View::Replica(state)) => {
                let (mut state, mut out) = (Cow::Borrowed(state), Out::new());
                replica.on_msg(id, &mut state, src.into(), message, &mut out);
                let state = state.into_owned();
                self.carry_out(actor, cause, state, out, false);
            }
            (Node::MutantReplica { replica, .. }, View::Replica(state)) => {
                let mut out = Out::new();
                let state = replica.on_msg(id, state, src.into(), message, &mut out);
                self.carry_out(actor, cause, state, out, false);
            }
            (Node::Client(client), View::Client(state)) => {
                let (mut state, mut out) = (Cow::Owned(state.clone()), Out::new());
                client.on_msg(id, &mut state, src.into(), message, &mut out);
                self.client_handled(actor, cause, state.into_owned(), out);
            }
            (Node::MutantClient(client), View::Client(state)) => {
                let (mut state, mut out) = (Cow::Owned(state.clone()), Out::new());
                client.on_msg(id, &mut state, src.into(), message, &mut out);
                self.client_handled(actor, cause, state.into_owned(), out);
            }
            (Node::Reader(reader), View::Reader(state)) => {
                let (mut state, mut out) = (Cow::Owned(state.clone()), Out::new());
                reader.on_msg(id, &mut state, src.into(), message, &mut out);
                self.reader_handled(actor, cause, state.into_owned(), out);
            }
            (Node::MutantReader(reader), View::Reader(state)) => {
                let (mut state, mut out) = (Cow::Owned(state.clone()), Out::new());
                reader.on_msg(id, &mut state, src.into(), message, &mut out);
                self.reader_handled(actor, cause, state.into_owned(), out);
            }
            _ => {}
        }
    }

    // --- What a replica's driver does.

    /// Takes over what a handler puts out, or a start.
    fn carry_out(
        &mut self,
        actor: usize,
        cause: Option<Message>,
        after: State,
        out: Out<Replica>,
        starts: bool,
    ) {
        self.set_timers(actor, &out);
        let (mut ahead, mut save, mut behind) = (Vec::new(), None, Vec::new());
        for command in out {
            match command {
                Command::Save(storage) => {
                    ahead.append(&mut behind);
                    save = Some(storage);
                }
                Command::Send(to, message) => behind.push((NodeId::from(to), message)),
                _ => {}
            }
        }
        let all: Vec<_> = ahead.iter().chain(&behind).cloned().collect();
        let (reports, sends): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(to, _)| *to == NodeId::LOCAL);
        if !starts {
            let call = Call {
                cause,
                after: after.clone(),
                save: save.clone(),
                sends: self.parties(&sends),
                reports: reports.into_iter().map(|(_, report)| report).collect(),
            };
            self.told.push(Told::ReplicaHandles(ReplicaId(actor as u8), Box::new(call)));
        }
        let Life::Replica(machine) = &mut self.lives[actor] else { return };
        machine.state = Some(after);
        match self.disk {
            Disk::AtOnce => {
                self.release(actor, ahead);
                if let Some(storage) = save {
                    self.keep_reports(actor, &behind);
                    self.saved(actor, storage);
                }
                self.release(actor, behind);
            }
            Disk::Late => {
                self.release(actor, ahead);
                let Life::Replica(machine) = &mut self.lives[actor] else { return };
                if let Some(storage) = save {
                    machine.pending.push_back((storage, Vec::new()));
                }
                if let Some((_, waiting)) = machine.pending.back_mut() {
                    let (waits, free): (Vec<_>, Vec<_>) =
                        behind.into_iter().partition(|(_, message)| reveals_save(message));
                    waiting.extend(waits);
                    behind = free;
                }
                self.release(actor, behind);
            }
            Disk::Bursts => {
                if let Some(storage) = save {
                    // A later save includes the earlier ones.
                    machine.pending.clear();
                    machine.pending.push_back((storage, Vec::new()));
                }
                machine.ahead.extend(ahead);
                let me = NodeId(actor as u64);
                let (itself, behind): (Vec<_>, Vec<_>) =
                    behind.into_iter().partition(|(to, _)| *to == me);
                machine.itself.extend(itself.into_iter().map(|(_, message)| message));
                machine.behind.extend(behind);
            }
        }
    }

    /// The oldest save is durable; of a burst, the last.
    fn sync(&mut self, actor: usize) {
        if self.disk == Disk::Bursts {
            return self.flush(actor);
        }
        let Life::Replica(machine) = &mut self.lives[actor] else { return };
        let Some((storage, sends)) = machine.pending.pop_front() else { return };
        self.saved(actor, storage);
        self.release(actor, sends);
    }

    fn flush(&mut self, actor: usize) {
        if self.disk != Disk::Bursts {
            return;
        }
        loop {
            let Life::Replica(machine) = &mut self.lives[actor] else { return };
            let (ahead, save) = (std::mem::take(&mut machine.ahead), machine.pending.pop_back());
            let itself = std::mem::take(&mut machine.itself);
            self.release(actor, ahead);
            if let Some((storage, _)) = save {
                let Life::Replica(machine) = &self.lives[actor] else { return };
                self.keep_reports(actor, &machine.behind.clone());
                self.saved(actor, storage);
            }
            if itself.is_empty() {
                break;
            }
            for message in itself {
                self.deliver(actor, NodeId(actor as u64), message);
            }
        }
        let Life::Replica(machine) = &mut self.lives[actor] else { return };
        let behind = std::mem::take(&mut machine.behind);
        self.release(actor, behind);
    }

    /// A save is durable.
    fn saved(&mut self, actor: usize, storage: Storage) {
        self.kept[actor].storage = Some(storage);
        let party = self.party(actor);
        // Where several saves are pending, only the oldest is durable.
        self.told.push(match self.disk {
            Disk::Late => Told::OldestSynced(party),
            Disk::AtOnce | Disk::Bursts => Told::Synced(party),
        });
    }

    /// A crash right after a save.
    pub(crate) fn crash_saving(&mut self, actor: usize, how: Cut) {
        let Life::Replica(machine) = &mut self.lives[actor] else { return self.crash(actor) };
        let ahead = std::mem::take(&mut machine.ahead);
        let save = match self.disk {
            Disk::Bursts => machine.pending.pop_back(),
            Disk::AtOnce | Disk::Late => machine.pending.pop_front(),
        };
        self.release(actor, ahead);
        if let Some((storage, _)) = save {
            let Life::Replica(machine) = &self.lives[actor] else { return };
            self.keep_reports(actor, &machine.behind.clone());
            let before = self.kept[actor].storage.clone().unwrap_or_default();
            self.saved(actor, storage.clone());
            if how != Cut::SnapshotOwed {
                self.told.pop();
            }
            if how != Cut::Unheard {
                self.kept[actor].storage = Some(without_snapshot(before, storage, how));
            }
        }
        self.crash(actor);
    }

    fn keep_reports(&mut self, actor: usize, sends: &[(NodeId, Message)]) {
        let Life::Replica(machine) = &mut self.lives[actor] else { return };
        for (_, message) in sends {
            if let Message::Output(Output::Applied { slot, value, outcomes }) = message {
                let applied = AppliedValue { value: value.clone(), outcomes: outcomes.clone() };
                machine.log.insert(*slot, applied);
            }
        }
    }

    /// Lets these go: to others, to the driver, and to itself.
    fn release(&mut self, actor: usize, sends: Vec<(NodeId, Message)>) {
        self.keep_reports(actor, &sends);
        for (to, message) in sends {
            match message {
                Message::Output(Output::ReadLog(read)) => {
                    let Life::Replica(machine) = &self.lives[actor] else { return };
                    let wanted =
                        read.from.upto(read.upto).map_while(|slot| machine.log.get(&slot).cloned());
                    let answer = read.answer(wanted, self.tuning());
                    self.leave(actor, read.asker.node().0 as usize, answer);
                }
                Message::Output(_) => {}
                message if to == NodeId(actor as u64) => {
                    self.told.push(Told::Leaves(
                        self.party(actor),
                        self.party(actor),
                        message.clone(),
                    ));
                    self.deliver(actor, to, message);
                }
                message => self.leave(actor, to.0 as usize, message),
            }
        }
    }

    fn leave(&mut self, src: usize, dst: usize, message: Message) {
        self.told.push(Told::Leaves(self.party(src), self.party(dst), message.clone()));
        self.network.push((src, dst, message));
    }

    fn leave_all(&mut self, src: usize, sends: Vec<(NodeId, Message)>) {
        for (to, message) in sends {
            self.leave(src, to.0 as usize, message);
        }
    }

    // --- Clients and readers.

    fn client_handled(
        &mut self,
        actor: usize,
        cause: Option<Message>,
        after: ClientState,
        out: Out<Client>,
    ) {
        let Party::Client(client) = self.party(actor) else { unreachable!("a client is one") };
        self.set_timers(actor, &out);
        let (save, sends, reports) = client_commands(out);
        let call = Call {
            cause,
            after: after.clone(),
            save: save.clone(),
            sends: self.parties(&sends),
            reports,
        };
        self.told.push(Told::ClientHandles(client, Box::new(call)));
        self.lives[actor] = Life::Client(after);
        self.client_saved(actor, save);
        self.leave_all(actor, sends);
    }

    fn client_saved(&mut self, actor: usize, save: Option<ClientStorage>) {
        if let Some(save) = save {
            self.kept[actor].client = Some(save);
            self.told.push(Told::Synced(self.party(actor)));
        }
    }

    fn reader_handled(
        &mut self,
        actor: usize,
        cause: Option<Message>,
        after: ReaderState,
        out: Out<Reader>,
    ) {
        let Party::Reader(reader) = self.party(actor) else { unreachable!("a reader is one") };
        self.set_timers(actor, &out);
        let (mut sends, mut reports) = (Vec::new(), Vec::new());
        for command in out {
            match command {
                Command::Send(to, message) if NodeId::from(to) == NodeId::LOCAL => {
                    reports.push(message);
                }
                Command::Send(to, message) => sends.push((NodeId::from(to), message)),
                _ => {}
            }
        }
        let call =
            Call { cause, after: after.clone(), save: None, sends: self.parties(&sends), reports };
        self.told.push(Told::ReaderHandles(reader, Box::new(call)));
        self.lives[actor] = Life::Reader(after);
        self.leave_all(actor, sends);
    }

    /// Tells a monitor everything that has happened since this was asked last.
    pub(crate) fn tell(&mut self, monitor: &mut Monitor) {
        for told in std::mem::take(&mut self.told) {
            self.tell_one(&told, monitor);
        }
    }

    pub(crate) fn tell_one(&self, told: &Told, monitor: &mut Monitor) {
        match told {
            Told::ReplicaStarts(who, stored, state) => {
                monitor.replica_starts(*who, self.tuning(), stored.as_ref(), state);
            }
            Told::ReplicaHandles(who, call) => monitor.replica_handles(*who, &call.step()),
            Told::ClientStarts(client, stored, state, save) => {
                let plan = &self.config.clients[*client];
                let of = (&User::new(plan.user), plan.window);
                monitor.client_starts(*client, of, stored.as_ref(), state, save.as_ref());
            }
            Told::ClientHandles(client, call) => monitor.client_handles(*client, &call.step()),
            Told::ReaderStarts(reader, state) => monitor.reader_starts(*reader, state),
            Told::ReaderHandles(reader, call) => monitor.reader_handles(*reader, &call.step()),
            Told::Synced(who) => monitor.synced(*who),
            Told::OldestSynced(who) => monitor.oldest_synced(*who),
            Told::Leaves(from, to, message) => monitor.leaves(*from, *to, message),
            Told::Crashes(who) => monitor.crashes(*who),
        }
    }

    /// Looks closely at every replica that is up.
    pub(crate) fn look_closely(&self, monitor: &mut Monitor) {
        for actor in 0..usize::from(self.config.replicas) {
            if let Some(state) = self.replica(actor) {
                monitor.look_closely(ReplicaId(actor as u8), state);
            }
        }
    }
}

/// What a journal holds of a save if the snapshot that goes with it is not written.
fn without_snapshot(before: Storage, save: Storage, how: Cut) -> Storage {
    let new = save.votes.iter().filter(|(slot, vote)| before.votes.get(*slot) != Some(*vote));
    let count = if how == Cut::Torn { 1 } else { usize::MAX };
    let mut votes = before.votes.clone();
    votes.extend(new.take(count).map(|(slot, vote)| (*slot, vote.clone())));
    Storage { promised: save.promised, votes, snapshot: before.snapshot }
}

/// Does this message tell of what its sender may have yet to save?
fn reveals_save(message: &Message) -> bool {
    matches!(
        message,
        Message::ToPeer(ToPeer::Prepare(_) | ToPeer::Promise(_) | ToPeer::Accepted(_))
    )
}

type Sends = Vec<(NodeId, Message)>;

/// What a client saves, sends and reports.
fn client_commands(out: Out<Client>) -> (Option<ClientStorage>, Sends, Vec<Message>) {
    let (mut save, mut sends, mut reports) = (None, Vec::new(), Vec::new());
    for command in out {
        match command {
            Command::Save(storage) => save = Some(storage),
            Command::Send(to, message) if NodeId::from(to) == NodeId::LOCAL => {
                reports.push(message);
            }
            Command::Send(to, message) => sends.push((NodeId::from(to), message)),
            _ => {}
        }
    }
    (save, sends, reports)
}
