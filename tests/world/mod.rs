//! A few actors on a network in which nothing happens by itself: a scenario says which timer runs
//! out, which message arrives and which is lost, and a transcript tells what came of it.
//!
//! **Invariants**: a timer runs out only if it is set; a message arrives only if it is under way; a
//! restarted replica has what it saved and nothing else; what a replica applies at a slot is what
//! every other applied there, in every life.
//!
//! **Absent**: time and chance. Two runs of a scenario write the same transcript.

use paxos_chat::client::{Client, ClientState, ClientTuning};
use paxos_chat::effects::Timer;
use paxos_chat::message::{AppliedValue, Input, LogRead, Message, Output};
use paxos_chat::quorum::Cluster;
use paxos_chat::reader::{Reader, ReaderState};
use paxos_chat::replica::Replica;
use paxos_chat::state::Phase;
use paxos_chat::state::State;
use paxos_chat::state::Storage;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{
    Body, Command, NodeId, Nonce, Operation, SessionId, Slot, Timestamp, User, Value,
};
use stateright::actor::{Actor, Command as Wanted, Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::Path;

/// The actors, the messages under way, and what has happened so far.
pub(crate) struct World {
    replicas: usize,
    nodes: Vec<Node>,
    network: VecDeque<Envelope>,
    cut_off: BTreeSet<usize>,
    chosen: BTreeMap<Slot, Value>,
    events: usize,
    transcript: String,
}

struct Node {
    name: String,
    actor: Role,
    timers: BTreeSet<Timer>,
    /// What it has reported as applied in this life, from its snapshot on.
    log: BTreeMap<Slot, Value>,
    /// What it has reported as applied in any life: its driver's log.
    disk: BTreeMap<Slot, AppliedValue>,
}

enum Role {
    /// A replica, its storage, and its state while it is up.
    Replica(Box<(Replica, Storage, Option<State>)>),
    Client(Box<(Client, ClientState)>),
    Reader(Reader, ReaderState),
}

#[derive(Clone, PartialEq)]
struct Envelope {
    from: usize,
    to: usize,
    message: Message,
}

/// What a handler of any actor wants done.
#[derive(Default)]
struct Wants {
    /// What leaves before the save.
    ahead: Vec<(NodeId, Message)>,
    saves: Option<Storage>,
    sends: Vec<(NodeId, Message)>,
    sets: Vec<Timer>,
    cancels: Vec<Timer>,
}

/// The storage of a replica at whose slot 0 this user's session was opened.
pub(crate) fn storage_with_session_of(user: &str) -> Storage {
    let operation = Operation::OpenSession { nonce: Nonce(1) };
    let opening = Command { stamp: Timestamp(0), user: User::new(user), operation };
    Storage::after([Value::batch([opening])], 9)
}

/// The session that slot 0 opened.
pub(crate) const FIRST_SESSION: SessionId = SessionId { slot: Slot(0), index: 0 };

impl World {
    /// Replicas `r0`, `r1`, ... that start with this storage.
    pub(crate) fn new(replicas: u8, tuning: &Tuning, storage: &Storage) -> World {
        let mut world = World {
            replicas: usize::from(replicas),
            nodes: Vec::new(),
            network: VecDeque::new(),
            cut_off: BTreeSet::new(),
            chosen: BTreeMap::new(),
            events: 0,
            transcript: String::new(),
        };
        for index in 0..replicas {
            let replica = Replica::new(Cluster::new(replicas), tuning.clone());
            let actor = Role::Replica(Box::new((replica, storage.clone(), None)));
            world.add(&format!("r{index}"), actor);
            world.start(usize::from(index));
        }
        world
    }

    /// Adds a client, who may have a session already.
    pub(crate) fn client(&mut self, user: &str, session: Option<SessionId>) {
        // Whoever opens a session asks replica 1 first, the others replica 0.
        let first = usize::from(session.is_none());
        let in_turn = |id| NodeId(((id + first) % self.replicas) as u64);
        let replicas = (0..self.replicas).map(in_turn).collect();
        let tuning = ClientTuning { ask_at_once: 1, ..ClientTuning::default() };
        let client = Client::new(User::new(user), Nonce(1), replicas, tuning);
        let client = match session {
            Some(session) => client.in_session(session),
            None => client,
        };
        let mut out = Out::new();
        let state = client.on_start(Id::from(self.nodes.len()), &None, &mut out);
        let node = self.add(user, Role::Client(Box::new((client, state))));
        self.carry_out(node, Wants::of(out, |_| unreachable!("a client saves nothing")));
    }

    /// Adds a reader of the log.
    pub(crate) fn reader(&mut self, name: &str) {
        let replicas = (0..self.replicas as u64).map(NodeId).collect();
        let reader = Reader {
            replicas,
            user: User::new(name),
            from: Some(Slot(0)),
            follows: true,
            tuning: ClientTuning::default(),
        };
        let mut out = Out::new();
        let state = reader.on_start(Id::from(self.nodes.len()), &None, &mut out);
        let node = self.add(name, Role::Reader(reader, state));
        self.carry_out(node, Wants::of(out, |()| unreachable!("a reader saves nothing")));
    }

    fn add(&mut self, name: &str, actor: Role) -> usize {
        let (name, timers) = (name.to_owned(), BTreeSet::new());
        let (log, disk) = (BTreeMap::new(), BTreeMap::new());
        self.nodes.push(Node { name, actor, timers, log, disk });
        self.nodes.len() - 1
    }

    // --- What happens.

    /// Begins a new part of the story.
    pub(crate) fn then(&mut self, what: &str) {
        let gap = if self.transcript.is_empty() { "" } else { "\n" };
        let _ = writeln!(self.transcript, "{gap}== {what}");
    }

    /// A timer runs out.
    pub(crate) fn times_out(&mut self, name: &str, timer: Timer) {
        let node = self.index(name);
        assert!(self.nodes[node].timers.remove(&timer), "{name} has set {timer:?}");
        self.event(&format!("{name}: {timer:?} timer runs out"));
        self.handle(node, |actor, me| actor.on_timeout(me, timer));
    }

    /// A client's user says something.
    pub(crate) fn says(&mut self, name: &str, text: &str) {
        self.tells(name, Message::Input(Input::Submit(Body::write(text))));
    }

    /// An actor's own driver tells it something.
    pub(crate) fn tells(&mut self, name: &str, message: Message) {
        let node = self.index(name);
        self.event(&format!("{name} is told: {message}"));
        self.handle(node, |actor, me| actor.on_msg(me, NodeId::LOCAL, message));
    }

    /// The oldest message of this class under way between these two arrives.
    pub(crate) fn delivers(&mut self, from: &str, to: &str, class: &str) {
        let envelope = self.take(from, to, class);
        self.deliver(envelope);
    }

    /// Everything under way arrives, in the order in which it was sent, and so does everything
    /// sent because of it. What a replica that is down or cut off sends or should get is lost.
    pub(crate) fn delivers_all(&mut self) {
        while let Some(envelope) = self.network.pop_front() {
            self.deliver(envelope);
        }
    }

    /// The oldest message of this class under way between these two is lost.
    pub(crate) fn loses(&mut self, from: &str, to: &str, class: &str) {
        let envelope = self.take(from, to, class);
        self.lose(&envelope, "");
    }

    /// Everything under way is lost.
    pub(crate) fn loses_all(&mut self) {
        for envelope in std::mem::take(&mut self.network) {
            self.lose(&envelope, "");
        }
    }

    /// From now on everything from and to this actor is lost.
    pub(crate) fn cuts_off(&mut self, name: &str) {
        self.event(&format!("{name} is cut off"));
        let node = self.index(name);
        self.cut_off.insert(node);
    }

    /// This actor is connected again.
    pub(crate) fn reconnects(&mut self, name: &str) {
        self.event(&format!("{name} is connected again"));
        let node = self.index(name);
        self.cut_off.remove(&node);
    }

    /// A replica loses everything but its storage.
    pub(crate) fn crashes(&mut self, name: &str) {
        self.event(&format!("{name} crashes"));
        let node = self.index(name);
        let Role::Replica(replica) = &mut self.nodes[node].actor else { panic!("a replica") };
        assert!(replica.2.take().is_some(), "{name} was up");
        self.nodes[node].timers.clear();
    }

    /// A replica that crashed starts again from its storage.
    pub(crate) fn restarts(&mut self, name: &str) {
        self.event(&format!("{name} starts again"));
        let node = self.index(name);
        self.start(node);
        let storage = self.nodes[node].actor.storage().cloned().expect("a replica");
        for line in replica_saves(&Storage::default(), &storage) {
            self.tell(&format!("remembers {line}"));
        }
    }

    // --- What came of it.

    /// What this actor has applied or read in this life, slot by slot.
    pub(crate) fn log(&self, name: &str) -> Vec<String> {
        let log = &self.nodes[self.index(name)].log;
        log.iter().map(|(slot, value)| format!("{slot}: {value}")).collect()
    }

    /// Compares the transcript with the file of this name; `UPDATE_EXPECT=1` writes it instead.
    pub(crate) fn matches(&self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
        let path = folder.join(name).with_extension("txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, &self.transcript).expect("the transcript can be written");
            return;
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        let differ = (1..)
            .zip(expected.lines().map(Some).chain(std::iter::repeat(None)))
            .zip(self.transcript.lines().map(Some).chain([None]))
            .find(|((_, expected), actual)| expected != actual);
        let Some(((line, expected), actual)) = differ else {
            assert_eq!(expected, self.transcript, "{name}: only line ends or the end differ");
            return;
        };
        panic!(
            "{}:{line} differs; UPDATE_EXPECT=1 rewrites it\nexpected: {}\n  actual: {}",
            path.display(),
            expected.unwrap_or("(the end)"),
            actual.unwrap_or("(the end)"),
        );
    }

    // --- How.

    fn index(&self, name: &str) -> usize {
        let found = self.nodes.iter().position(|node| node.name == name);
        found.unwrap_or_else(|| panic!("there is nobody called {name}"))
    }

    fn start(&mut self, node: usize) {
        let Role::Replica(replica) = &mut self.nodes[node].actor else { panic!("a replica") };
        let (actor, storage, state) = &mut **replica;
        assert!(state.is_none(), "it was down");
        let mut out = Out::new();
        *state = Some(actor.on_start(Id::from(node), &Some(storage.clone()), &mut out));
        self.nodes[node].log.clear();
        self.carry_out(node, Wants::of(out, Some));
    }

    fn take(&mut self, from: &str, to: &str, class: &str) -> Envelope {
        let (from, to) = (self.index(from), self.index(to));
        let wanted =
            |e: &Envelope| (e.from, e.to) == (from, to) && e.message.class().name() == class;
        let place = self.network.iter().position(wanted);
        let envelope = place.and_then(|place| self.network.remove(place));
        envelope.unwrap_or_else(|| {
            panic!("no {class} from {} to {}", self.nodes[from].name, self.nodes[to].name)
        })
    }

    fn deliver(&mut self, envelope: Envelope) {
        let down =
            |node: &Node| matches!(&node.actor, Role::Replica(replica) if replica.2.is_none());
        let Envelope { from, to, .. } = envelope;
        if self.cut_off.contains(&from) || self.cut_off.contains(&to) {
            return self.lose(&envelope, ", cut off");
        }
        if down(&self.nodes[to]) {
            return self.lose(&envelope, ", down");
        }
        let (sender, receiver) = (&self.nodes[from].name, &self.nodes[to].name);
        self.event(&format!("{receiver} <- {sender}: {}", envelope.message));
        let src = NodeId(from as u64);
        self.handle(to, |actor, me| actor.on_msg(me, src, envelope.message));
    }

    fn lose(&mut self, envelope: &Envelope, why: &str) {
        let (from, to) = (&self.nodes[envelope.from].name, &self.nodes[envelope.to].name);
        self.event(&format!("{to} <- {from}: {} (lost{why})", envelope.message));
    }

    fn handle(&mut self, node: usize, handler: impl FnOnce(&mut Role, Id) -> Wants) {
        let before = self.nodes[node].actor.manner();
        let storage = self.nodes[node].actor.storage().cloned();
        let mut wants = handler(&mut self.nodes[node].actor, Id::from(node));
        self.send(node, std::mem::take(&mut wants.ahead));
        let after = self.nodes[node].actor.manner();
        if let (Some(before), Some(after)) = (storage, &wants.saves) {
            let lines = replica_saves(&before, after);
            assert!(!lines.is_empty(), "a save changes something");
            for line in lines {
                self.tell(&format!("saves {line}"));
            }
        }
        if before != after {
            self.tell(&after);
        }
        self.carry_out(node, wants);
    }

    /// Saves first, then sends, as the runtime does.
    fn carry_out(&mut self, node: usize, wants: Wants) {
        if let (Some(saved), Role::Replica(replica)) = (wants.saves, &mut self.nodes[node].actor) {
            replica.1 = saved;
        }
        self.nodes[node].timers.extend(wants.sets);
        for timer in wants.cancels {
            self.nodes[node].timers.remove(&timer);
        }
        self.send(node, wants.sends);
    }

    fn send(&mut self, node: usize, sends: Vec<(NodeId, Message)>) {
        let mut told: Option<(Vec<String>, Message)> = None;
        let mut to_itself = Vec::new();
        for (to, message) in sends {
            if to == NodeId::LOCAL {
                self.tell_sends(told.take());
                self.reported(node, message);
                continue;
            }
            let to = to.0 as usize;
            if to == node {
                self.tell_sends(told.take());
                to_itself.push(message);
                continue;
            }
            let name = self.nodes[to].name.clone();
            match &mut told {
                Some((names, same)) if *same == message => names.push(name),
                other => {
                    let last = other.replace((vec![name], message.clone()));
                    self.tell_sends(last);
                }
            }
            self.network.push_back(Envelope { from: node, to, message });
        }
        self.tell_sends(told);
        for message in to_itself {
            self.tell(&format!("-> itself: {message}"));
            let src = NodeId(node as u64);
            self.handle(node, |actor, me| actor.on_msg(me, src, message));
        }
    }

    fn tell_sends(&mut self, told: Option<(Vec<String>, Message)>) {
        if let Some((names, message)) = told {
            self.tell(&format!("-> {}: {message}", names.join(", ")));
        }
    }

    fn reported(&mut self, node: usize, message: Message) {
        let mut line = format!("reports {message}");
        if let Message::Output(Output::ReadLog(read)) = message {
            self.tell(&line);
            return self.answer(node, read);
        }
        if let Message::Output(Output::Applied { slot, value, outcomes }) = message {
            if !outcomes.is_empty() {
                let _ = write!(line, " as {outcomes:?}");
            }
            let chosen = self.chosen.entry(slot).or_insert_with(|| value.clone());
            assert_eq!(*chosen, value, "slot {slot} has one value, for ever");
            let applied = AppliedValue { value: value.clone(), outcomes };
            self.nodes[node].disk.insert(slot, applied);
            let before = self.nodes[node].log.insert(slot, value);
            assert!(before.is_none(), "slot {slot} is applied once in a life");
        }
        self.tell(&line);
    }

    /// Answers from the log on disk, as a driver does.
    fn answer(&mut self, node: usize, read: LogRead) {
        let Role::Replica(replica) = &self.nodes[node].actor else { panic!("a replica") };
        let kept = self.nodes[node].disk.range(read.from..read.upto);
        let message = read.answer(kept.map(|(_, applied)| applied.clone()), replica.0.tuning());
        let to = read.asker.node().0 as usize;
        self.tell(&format!("driver -> {}: {message}", self.nodes[to].name));
        self.network.push_back(Envelope { from: node, to, message });
    }

    fn event(&mut self, what: &str) {
        self.events += 1;
        let _ = writeln!(self.transcript, "{:3}. {what}", self.events);
    }

    fn tell(&mut self, what: &str) {
        let _ = writeln!(self.transcript, "        {what}");
    }
}

impl Wants {
    fn of<A>(out: Out<A>, storage: impl Fn(A::Storage) -> Option<Storage>) -> Wants
    where
        A: Actor<Msg = Message, Timer = Timer, Random = ()>,
    {
        let mut wants = Wants::default();
        for wanted in out {
            match wanted {
                Wanted::Save(saved) => {
                    wants.ahead = std::mem::take(&mut wants.sends);
                    wants.saves = storage(saved);
                }
                Wanted::Send(to, message) => {
                    wants.sends.push((NodeId(usize::from(to) as u64), message));
                }
                Wanted::SetTimer(timer, _) => wants.sets.push(timer),
                Wanted::CancelTimer(timer) => wants.cancels.push(timer),
                Wanted::ChooseRandom(..) => unreachable!("nothing is left to chance"),
            }
        }
        wants
    }
}

impl Role {
    fn on_msg(&mut self, me: Id, src: NodeId, message: Message) -> Wants {
        let src = Id::from(src.0 as usize);
        self.run(
            |actor, state, out| actor.on_msg(me, state, src, message.clone(), out),
            |actor, state, out| actor.on_msg(me, state, src, message.clone(), out),
            |actor, state, out| actor.on_msg(me, state, src, message.clone(), out),
        )
    }

    fn on_timeout(&mut self, me: Id, timer: Timer) -> Wants {
        self.run(
            |actor, state, out| actor.on_timeout(me, state, &timer, out),
            |actor, state, out| actor.on_timeout(me, state, &timer, out),
            |actor, state, out| actor.on_timeout(me, state, &timer, out),
        )
    }

    fn run(
        &mut self,
        replica: impl FnOnce(&Replica, &mut Cow<'_, State>, &mut Out<Replica>),
        client: impl FnOnce(&Client, &mut Cow<'_, ClientState>, &mut Out<Client>),
        reader: impl FnOnce(&Reader, &mut Cow<'_, ReaderState>, &mut Out<Reader>),
    ) -> Wants {
        match self {
            Role::Replica(it) => {
                let (actor, _, state) = &mut **it;
                let state = state.as_mut().expect("it is up");
                let wants = step(actor, state, replica);
                Wants::of(wants, Some)
            }
            Role::Client(it) => Wants::of(step(&it.0, &mut it.1, client), |_| None),
            Role::Reader(actor, state) => Wants::of(step(actor, state, reader), |()| None),
        }
    }

    fn storage(&self) -> Option<&Storage> {
        let Role::Replica(it) = self else { return None };
        Some(&it.1)
    }

    /// What this actor is doing, as far as a reader of the story wants to know.
    fn manner(&self) -> String {
        match self {
            Role::Replica(it) => it.2.as_ref().map_or("is down".into(), replica_manner),
            Role::Client(it) => format!("is {:?}, asks r{}", it.1.durable.phase, it.1.target),
            Role::Reader(_, state) => format!("asks r{}", state.target),
        }
    }
}

fn step<A: Actor>(
    actor: &A,
    state: &mut A::State,
    handler: impl FnOnce(&A, &mut Cow<'_, A::State>, &mut Out<A>),
) -> Out<A> {
    let mut out = Out::new();
    let mut cow = Cow::Borrowed(&*state);
    handler(actor, &mut cow, &mut out);
    if let Cow::Owned(after) = cow {
        *state = after;
    }
    out
}

fn replica_manner(state: &State) -> String {
    match &state.phase {
        Phase::Follower => "follows".into(),
        Phase::PreVoting(_) => "asks for support".into(),
        Phase::Preparing(preparing) => format!("prepares {}", preparing.ballot),
        Phase::Leading(leading) => {
            format!("leads in {}, base {}, next {}", leading.ballot, leading.base, leading.next)
        }
    }
}

/// What a save changes, a line each.
fn replica_saves(before: &Storage, after: &Storage) -> Vec<String> {
    let mut lines = Vec::new();
    if before.promised != after.promised {
        lines.push(format!("promise {}", after.promised));
    }
    for (slot, vote) in &after.votes {
        if before.votes.get(slot) != Some(vote) {
            lines.push(format!("vote {slot}={vote}"));
        }
    }
    if before.snapshot.upto != after.snapshot.upto {
        lines.push(format!("snapshot applied<{}", after.snapshot.upto));
    }
    lines
}
