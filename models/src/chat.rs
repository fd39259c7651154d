//! The chat as a specification: how far it is explored, and what is remembered of it.
//!
//! **Invariants**
//! - *Ghosts are derived from what an actor saves and sends*, never from what it claims.
//! - *Ghosts add nothing in a life without crashes*: they are functions of the state then, so that
//!   they cost states only where they are needed.
//!
//! **Absent**: the properties themselves (see [`crate::properties`]).

use crate::execution::Execution;
use crate::machine::{Disk, Durability};
use crate::node::{Node, NodeState, NodeStorage, NodeTimer};
use crate::properties::{self, Agenda, Milestone, Safety};
use crate::reductions::symmetry::Renaming;
use crate::reductions::{dead, stale};
use actor_checker::spec::{Event, Local, PropertyName, Spec, Step, Verdict};
use paxos_chat::client::ClientPhase;
use paxos_chat::effects::Timer;
use paxos_chat::message::{
    Accept, Accepted, AppliedValue, Input, Message, Outcome, Output, Prepare, Promise, ToPeer,
    ToReplica,
};
use paxos_chat::quorum::Cluster;
use paxos_chat::state::Storage;
use paxos_chat::state::{Phase, State};
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{
    Ballot, Body, Command, Nonce, Operation, ReplicaId, Seq, SessionId, Slot, User, Value, Vote,
};
use std::collections::{BTreeMap, BTreeSet};

/// How far the chat is explored, and what may be said in it.
#[derive(Clone, Debug)]
pub struct ChatSpec {
    /// The replicas, which are the first actors.
    pub cluster: Cluster,
    /// The ballots that are explored.
    pub ballots: BTreeSet<Ballot>,
    /// Somebody asks for other members.
    pub changes_members: bool,
    /// The replicas that may crash.
    pub mortals: Vec<ReplicaId>,
    /// Whether each client may crash.
    pub mortal_clients: Vec<bool>,
    /// Whether each client opens its session. If it was open from the start, another one in which there
    /// is nothing to say is out of bounds.
    pub opening_clients: Vec<bool>,
    /// Everything below is decided before the run starts, so no votes for it are remembered.
    pub genesis_upto: Slot,
    /// The clients' users; clients come after the replicas.
    pub users: Vec<User>,
    /// What each user says, in order.
    pub scripts: BTreeMap<User, Vec<Body>>,
    /// By client: how many of its requests may be unacknowledged at once.
    pub windows: Vec<usize>,
    /// The parameters of the replicas.
    pub tuning: Tuning,
    /// What the disks of the replicas do.
    pub durability: Durability,
    /// The first slot that a reader reads; none, if it begins at the end of the log.
    pub reads_from: Option<Slot>,
    /// How many rounds a leader begins in a ballot: without a bound it begins one each time that a read arrives again.
    pub rounds: u64,
    /// The renamings of alike nodes under which the system looks the same.
    pub renamings: Vec<Renaming>,
    /// What is judged.
    pub agenda: Agenda,
}

impl ChatSpec {
    /// Notes whether this is reached, only if the run asks for it.
    pub(crate) fn note(
        &self,
        milestone: Milestone,
        verdict: &mut Verdict,
        is_reached: impl FnOnce() -> bool,
    ) {
        if let Some(bit) = self.agenda.bit(milestone) {
            verdict.note(bit, is_reached());
        }
    }
}

/// What is remembered of one actor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ghost {
    /// Of a replica.
    Replica(ReplicaGhost),
    /// Of a client.
    Client(ClientGhost),
    /// Of a reader.
    Reader(ReaderGhost),
}

/// What is remembered of a replica, over all its lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReplicaGhost {
    /// Every vote ever cast: saved, or revealed by an `Accepted`.
    pub votes: BTreeMap<(Slot, Ballot), Value>,
    /// Votes that the step which cast them compacted away, while what tells of them waits for a save.
    pub untold: BTreeMap<(Slot, Ballot), Value>,
    /// The highest ballot ever promised or voted in: saved, or revealed.
    pub promised: Ballot,
    /// What was delivered, by place in the log.
    pub delivered: BTreeMap<(Slot, u32), Delivery>,
    /// The step properties that this replica has broken, as bits of [`Safety`].
    pub broken: Verdict,
}

/// What is remembered of a client, over all its lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientGhost {
    /// The slot of each acknowledged number.
    pub acknowledged: BTreeMap<Seq, Slot>,
    /// The acknowledged numbers, with their session.
    pub over: BTreeSet<(SessionId, Seq)>,
    /// The numbers that were pending when it crashed.
    pub crashed_with: BTreeSet<Seq>,
    /// The step properties that this client has broken, as bits of [`Safety`].
    pub broken: Verdict,
}

/// What is remembered of a reader.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReaderGhost {
    /// Where it has found the end, if it was to begin there.
    pub begins: Option<Slot>,
    /// The values that it was given.
    pub read: BTreeMap<Slot, AppliedValue>,
    /// The highest bound that it was told: of the end, or of a current read.
    pub told: Slot,
    /// The step properties that it has broken, as bits of [`Safety`].
    pub broken: Verdict,
}

/// A message of the chat as its readers get it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delivery {
    /// Who said it.
    pub user: User,
    /// Its number in the user's session.
    pub seq: Seq,
    /// What was said.
    pub body: Body,
}

/// What is remembered of the system: enough to judge the real-time order of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RealTime {
    /// The highest slot acknowledged to anyone.
    pub acknowledged: Option<Slot>,
    /// For each request in progress, by client and number, the highest slot acknowledged to
    /// anyone before it was made.
    pub fences: BTreeMap<(usize, Seq), Slot>,
    /// A request was applied at or below a slot acknowledged before it was made.
    pub broken: bool,
    /// The highest bound that a current read has ended with. Of a real run, also that below which any replica has applied
    /// everything.
    pub shown: Slot,
    /// For each current read in progress, by reader and name, a bound below which was, when it began, all that was
    /// acknowledged or shown to anyone.
    pub reads: BTreeMap<(usize, Nonce), Slot>,
    /// A current read has ended below that.
    pub is_stale: bool,
}

/// The part of a local state that judging the whole system needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// Of a replica.
    Replica(ReplicaView),
    /// Of a client.
    Client {
        /// Whose client it is.
        user: User,
        /// The slot of each acknowledged number.
        acknowledged: BTreeMap<Seq, Slot>,
        /// The numbers that are pending, if it is down.
        pending_while_down: BTreeSet<Seq>,
        /// Nothing is left to say or to wait for.
        done: bool,
    },
    /// Of a reader.
    Reader {
        /// The values that it was given.
        read: BTreeMap<Slot, AppliedValue>,
        /// The highest bound that it was told.
        told: Slot,
    },
}

/// The part of a replica's state that judging the whole system needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReplicaView {
    /// Every vote ever cast.
    pub votes: BTreeMap<(Slot, Ballot), Value>,
    /// The highest ballot ever promised.
    pub promised: Ballot,
    /// Every value known to be decided, applied or not, in memory or in the log.
    pub decided: BTreeMap<Slot, Value>,
    /// What was delivered.
    pub delivered: BTreeMap<(Slot, u32), Delivery>,
    /// Everything below was applied in this life; if it is down, everything that it will start from.
    pub applied_upto: Slot,
    /// Its ballot and base, if it leads.
    pub leads: Option<(Ballot, Slot)>,
    /// Is it up?
    pub up: bool,
}

impl RealTime {
    /// A client's request is acknowledged.
    pub(crate) fn confirm(&mut self, client: usize, seq: Seq, slot: Slot) {
        let fence = self.fences.remove(&(client, seq));
        self.broken |= fence.is_some_and(|fence| slot <= fence);
        self.acknowledged = self.acknowledged.max(Some(slot));
    }

    /// A client makes a request.
    pub(crate) fn invoke(&mut self, client: usize, seq: Seq) {
        if let Some(acknowledged) = self.acknowledged {
            self.fences.insert((client, seq), acknowledged);
        }
    }

    /// A current read begins.
    pub(crate) fn begin_read(&mut self, reader: usize, nonce: Nonce) {
        let acknowledged = self.acknowledged.map(Slot::next).unwrap_or_default();
        self.reads.insert((reader, nonce), self.shown.max(acknowledged));
    }

    /// A current read ends: its reader has everything below this bound.
    pub(crate) fn end_read(&mut self, reader: usize, nonce: Nonce, upto: Slot) {
        let fence = self.reads.remove(&(reader, nonce));
        self.is_stale |= fence.is_some_and(|fence| upto < fence);
        self.show(upto);
    }

    /// Everything below is shown to somebody.
    pub(crate) fn show(&mut self, upto: Slot) {
        self.shown = self.shown.max(upto);
    }
}

impl ReplicaGhost {
    /// What is remembered after a step of this replica.
    fn remember(&self, spec: &ChatSpec, step: &Step<'_, Node, Ghost>) -> ReplicaGhost {
        let mut ghost = self.clone();
        let state = step.state.and_then(NodeState::replica);
        if let Some(state) = state {
            for (slot, vote) in &state.durable.votes {
                let revealed = Message::ToPeer(ToPeer::Accepted(Accepted {
                    ballot: vote.ballot,
                    slot: *slot,
                }));
                if step.sends.iter().any(|(_, sent)| *sent == revealed) {
                    ghost.cast(*slot, vote);
                }
            }
            // A vote may be cast and compacted away in one step: what it was for is in the request.
            if let Event::Deliver {
                msg: Message::ToPeer(ToPeer::Accept(Accept { ballot, slot, value, .. })),
                ..
            } = &step.event
                && tells_of_unsaved(step, *ballot, *slot)
            {
                ghost.untold.insert((*slot, *ballot), value.clone());
            }
            for (_, sent) in step.sends {
                if let Message::ToPeer(ToPeer::Accepted(Accepted { ballot, slot })) = sent
                    && let Some(value) = ghost.untold.remove(&(*slot, *ballot))
                {
                    ghost.cast(*slot, &Vote { ballot: *ballot, value });
                }
            }
        }
        if matches!(step.event, Event::Crash) {
            ghost.untold.clear();
        }
        if let Some(disk) = step.storage.and_then(NodeStorage::disk) {
            ghost.promised = ghost.promised.max(disk.storage.promised);
            disk.storage.votes.iter().for_each(|(slot, vote)| ghost.cast(*slot, vote));
        }
        // What is revealed is promised, saved or not; unless it is a lie.
        let known = state.map_or(Ballot::ZERO, |state| state.durable.promised);
        for (_, message) in step.sends {
            if let Message::ToPeer(
                ToPeer::Promise(Promise { ballot, .. }) | ToPeer::Prepare(Prepare { ballot, .. }),
            ) = message
                && *ballot <= known
            {
                ghost.promised = ghost.promised.max(*ballot);
            }
        }
        for report in step.reports {
            if let Message::Output(Output::Applied { slot, value, outcomes }) = report {
                ghost.deliver(*slot, value, outcomes);
            }
        }
        properties::steps::judge_replica(spec, self, step, &mut ghost.broken);
        ghost
    }

    /// A vote promises its own ballot.
    fn cast(&mut self, slot: Slot, vote: &Vote) {
        self.votes.insert((slot, vote.ballot), vote.value.clone());
        self.promised = self.promised.max(vote.ballot);
    }

    fn deliver(&mut self, slot: Slot, value: &Value, outcomes: &[Outcome]) {
        for (index, (command, outcome)) in (0..).zip(value.commands().iter().zip(outcomes)) {
            if *outcome == Outcome::Applied
                && let Some(delivery) = Delivery::of(command)
            {
                let known = self.delivered.insert((slot, index), delivery.clone());
                let same = known.is_none_or(|known| known == delivery);
                Safety::Reapplied.judge(&mut self.broken, same);
            }
        }
    }
}

/// Does this step, or the save that it waits for, tell of a vote that no save holds?
fn tells_of_unsaved(step: &Step<'_, Node, Ghost>, ballot: Ballot, slot: Slot) -> bool {
    let tells = |message: &Message| {
        *message == Message::ToPeer(ToPeer::Accepted(Accepted { ballot, slot }))
    };
    let is_told = step.sends.iter().any(|(_, sent)| tells(sent));
    let Some(machine) = step.state.and_then(NodeState::machine) else { return is_told };
    let is_saved =
        |storage: &Storage| storage.votes.get(&slot).is_some_and(|vote| vote.ballot == ballot);
    let waits = machine.pending.iter().any(|save| save.sends.iter().any(|(_, sent)| tells(sent)));
    is_told || waits && !machine.pending.iter().any(|save| is_saved(&save.storage))
}

impl ClientGhost {
    /// What is remembered after a step of this client.
    fn remember(&self, spec: &ChatSpec, step: &Step<'_, Node, Ghost>) -> ClientGhost {
        let mut ghost = self.clone();
        properties::steps::judge_client(spec, self, step, &mut ghost.broken);
        let client = step.state.and_then(NodeState::client);
        let phase = client.map(|client| &client.durable.phase);
        for report in step.reports {
            if let Message::Output(Output::Confirmed { seq, slot }) = report {
                ghost.acknowledged.insert(*seq, *slot);
                if let Some(ClientPhase::Open(session)) = phase {
                    ghost.over.insert((*session, *seq));
                }
            }
        }
        if let Event::Crash = step.event {
            let left = step.storage.and_then(NodeStorage::client);
            ghost.crashed_with.extend(left.into_iter().flat_map(|it| it.unacknowledged.keys()));
        }
        ghost
    }
}

impl ReaderGhost {
    /// What is remembered after a step of this reader.
    fn remember(mut self, spec: &ChatSpec, step: &Step<'_, Node, Ghost>) -> ReaderGhost {
        properties::steps::judge_reader(spec, step, &mut self.broken);
        for report in step.reports {
            match report {
                Message::Output(Output::EndFound { end }) => {
                    let is_wanted = spec.reads_from.is_none() && self.begins.is_none();
                    Safety::EverySlotRead.judge(&mut self.broken, is_wanted);
                    self.begins = Some(*end);
                    self.told = self.told.max(*end);
                }
                Message::Output(Output::Applied { slot, value, outcomes }) => {
                    let first = spec.reads_from.or(self.begins);
                    let next = self.read.keys().next_back().map(|last| last.next()).or(first);
                    Safety::EverySlotRead.judge(&mut self.broken, next == Some(*slot));
                    let (value, outcomes) = (value.clone(), outcomes.clone());
                    self.read.insert(*slot, AppliedValue { value, outcomes });
                }
                Message::Output(Output::Current { upto, .. }) => {
                    let first = spec.reads_from.or(self.begins);
                    let next = self.read.keys().next_back().map(|last| last.next()).or(first);
                    Safety::CurrentRead.judge(&mut self.broken, next >= Some(*upto));
                    self.told = self.told.max(*upto);
                }
                _ => {}
            }
        }
        self
    }
}

impl Delivery {
    /// What this command delivers if it is applied.
    pub fn of(command: &Command) -> Option<Delivery> {
        match &command.operation {
            Operation::OpenSession { .. } => None,
            Operation::InSession { seq, body, .. } => {
                Some(Delivery { user: command.user.clone(), seq: *seq, body: body.clone() })
            }
        }
    }
}

/// What the chat log on a disk delivers.
fn delivered_by_log(disk: &Disk, sessions_max: usize) -> BTreeMap<(Slot, u32), Delivery> {
    let mut ghost = ReplicaGhost::default();
    let mut execution = Execution::new(sessions_max);
    for (slot, value) in &disk.log {
        let outcomes = execution.execute(*slot, value);
        ghost.deliver(*slot, value, &outcomes);
    }
    ghost.delivered
}

impl Spec<Node> for ChatSpec {
    type Ghost = Ghost;
    type History = RealTime;
    type View = View;

    fn ghost(&self, actor: usize) -> Ghost {
        match self.users.len() {
            _ if actor < usize::from(self.cluster.len()) => Ghost::Replica(ReplicaGhost::default()),
            clients if actor < usize::from(self.cluster.len()) + clients => {
                Ghost::Client(ClientGhost::default())
            }
            _ => Ghost::Reader(ReaderGhost::default()),
        }
    }

    fn history(&self) -> RealTime {
        RealTime::default()
    }

    fn remember(&self, step: &Step<'_, Node, Ghost>) -> Ghost {
        let before =
            step.before.map_or_else(|| self.ghost(step.actor), |local| local.ghost.clone());
        match before {
            Ghost::Replica(mut ghost) => {
                if matches!(step.event, Event::Start)
                    && let Some(disk) = step.storage.and_then(NodeStorage::disk)
                {
                    ghost.delivered = delivered_by_log(disk, self.tuning.sessions_max);
                }
                Ghost::Replica(ghost.remember(self, step))
            }
            Ghost::Client(ghost) => Ghost::Client(ghost.remember(self, step)),
            Ghost::Reader(ghost) => Ghost::Reader(ghost.remember(self, step)),
        }
    }

    fn is_recorded(&self, step: &Step<'_, Node, Ghost>) -> bool {
        let is_told = |report: &Message| {
            matches!(report, Message::Output(Output::Confirmed { .. } | Output::Current { .. }))
        };
        step.reports.iter().any(is_told) || !invoked(step).is_empty() || begun(step).is_some()
    }

    fn record(&self, history: &RealTime, step: &Step<'_, Node, Ghost>) -> RealTime {
        let mut history = history.clone();
        for report in step.reports {
            match report {
                Message::Output(Output::Confirmed { seq, slot }) => {
                    history.confirm(step.actor, *seq, *slot);
                }
                Message::Output(Output::Current { nonce, upto }) => {
                    history.end_read(step.actor, *nonce, *upto);
                }
                _ => {}
            }
        }
        if let Some(nonce) = begun(step) {
            history.begin_read(step.actor, nonce);
        }
        for seq in invoked(step) {
            history.invoke(step.actor, seq);
        }
        history
    }

    fn within(&self, actor: usize, state: &NodeState) -> bool {
        if let NodeState::Client(state) = state {
            let client = actor - usize::from(self.cluster.len());
            let is_new = state.durable.phase == ClientPhase::Opening && state.is_idle();
            return self.opening_clients[client] || !is_new;
        }
        let rounds = state.replica().and_then(State::leading).map_or(0, |it| it.reads.round);
        if rounds > self.rounds {
            return false;
        }
        let promised = state.replica().map_or(Ballot::ZERO, |state| state.durable.promised);
        promised == Ballot::ZERO || self.ballots.contains(&promised)
    }

    fn may_time_out(&self, actor: usize, _state: &NodeState, timer: &NodeTimer) -> bool {
        *timer != NodeTimer::Actor(Timer::Election)
            || self.ballots.iter().any(|ballot| usize::from(ballot.replica.0) == actor)
    }

    fn may_crash(&self, actor: usize) -> bool {
        let client = actor.checked_sub(usize::from(self.cluster.len()));
        self.mortals.iter().any(|mortal| usize::from(mortal.0) == actor)
            || client.is_some_and(|client| self.mortal_clients.get(client) == Some(&true))
    }

    fn is_stale(&self, actor: usize, state: &NodeState, src: usize, msg: &Message) -> bool {
        match state {
            NodeState::Replica(machine) => {
                let mortal = self.mortals.iter().any(|mortal| usize::from(mortal.0) == actor);
                let highest = self.ballots.last().copied().unwrap_or_default();
                // What is not yet durable may be forgotten.
                let forgets = mortal && !machine.pending.is_empty();
                // A client that comes back asks again late, when the answer may be another one: the
                // slot is forgotten, or the session is.
                let is_late = matches!(msg, Message::ToReplica(ToReplica::Request(_)))
                    && self.mortal_clients.contains(&true);
                let changes_members = self.changes_members;
                let future = stale::Future { mortal, highest, changes_members };
                !forgets && !is_late && stale::at_replica(&machine.replica, src, msg, future)
            }
            NodeState::Client(state) => stale::at_client(state, msg),
            NodeState::Reader(_) => false,
        }
    }

    fn canonical(&self, _actor: usize, state: NodeState) -> NodeState {
        dead::without_heard(state)
    }

    fn variants(&self, actor: usize, state: &NodeState) -> Vec<NodeState> {
        dead::with_anyone_heard(self.cluster, actor, state)
    }

    fn renamings(&self) -> usize {
        self.renamings.len()
    }

    fn rename_actor(&self, renaming: usize, actor: usize) -> usize {
        self.renamings[renaming].actors[actor]
    }

    fn rename_local(
        &self,
        renaming: usize,
        _actor: usize,
        local: &Local<Node, Ghost>,
    ) -> Local<Node, Ghost> {
        self.renamings[renaming].local(local)
    }

    fn rename_message(&self, renaming: usize, message: &Message) -> Message {
        self.renamings[renaming].message(message)
    }

    fn rename_history(&self, renaming: usize, history: &RealTime) -> RealTime {
        self.renamings[renaming].history(history)
    }

    fn properties(&self) -> &[PropertyName] {
        self.agenda.properties()
    }

    fn view(&self, actor: usize, local: &Local<Node, Ghost>) -> View {
        match &local.ghost {
            Ghost::Replica(ghost) => {
                let mut decided: BTreeMap<Slot, Value> = BTreeMap::new();
                let (mut leads, mut applied_upto) = (None, Slot(0));
                if let Some(saved) = local.storage.as_ref().and_then(NodeStorage::disk) {
                    applied_upto = saved.log_end();
                    decided.extend(saved.log.iter().map(|(slot, value)| (*slot, value.clone())));
                }
                if let Some(machine) = local.state.as_ref().and_then(NodeState::machine) {
                    let state = &machine.replica;
                    applied_upto = state.learner.applied_upto;
                    let log = machine.log.iter().chain(&state.learner.decided);
                    decided.extend(log.map(|(slot, value)| (*slot, value.clone())));
                    if let Phase::Leading(leading) = &state.phase {
                        leads = Some((leading.ballot, leading.base));
                    }
                }
                View::Replica(ReplicaView {
                    votes: ghost.votes.clone(),
                    promised: ghost.promised,
                    decided,
                    delivered: ghost.delivered.clone(),
                    applied_upto,
                    leads,
                    up: local.state.is_some(),
                })
            }
            Ghost::Client(ghost) => View::Client {
                user: self.user_of(actor),
                acknowledged: ghost.acknowledged.clone(),
                pending_while_down: pending_while_down(local),
                done: local
                    .state
                    .as_ref()
                    .and_then(NodeState::client)
                    .is_some_and(paxos_chat::client::ClientState::is_idle),
            },
            Ghost::Reader(ghost) => View::Reader { read: ghost.read.clone(), told: ghost.told },
        }
    }

    fn judge_local(&self, _actor: usize, local: &Local<Node, Ghost>) -> Verdict {
        properties::locals::judge(self, local)
    }

    fn judge_step(&self, step: &Step<'_, Node, Ghost>) -> Verdict {
        properties::reached::judge(self, step)
    }

    fn judge(&self, views: &[&View], history: &RealTime) -> Verdict {
        properties::system::judge(self, views, history)
    }
}

impl ChatSpec {
    fn user_of(&self, actor: usize) -> User {
        self.users[actor - usize::from(self.cluster.len())].clone()
    }
}

/// The numbers that a client which is down will send again when it comes back.
fn pending_while_down(local: &Local<Node, Ghost>) -> BTreeSet<Seq> {
    match (&local.state, local.storage.as_ref().and_then(NodeStorage::client)) {
        (None, Some(left)) => left.unacknowledged.keys().copied().collect(),
        _ => BTreeSet::new(),
    }
}

/// The current read that begins with this step, if one does.
fn begun(step: &Step<'_, Node, Ghost>) -> Option<Nonce> {
    match step.event {
        Event::Input(Message::Input(Input::ReadCurrent(nonce))) => Some(*nonce),
        _ => None,
    }
}

/// The numbers of the requests that a client makes for the first time in this step.
fn invoked(step: &Step<'_, Node, Ghost>) -> Vec<Seq> {
    let client = |state: &NodeState| state.client().map(|client| client.durable.next_seq);
    let before = step.before.and_then(|local| local.state.as_ref()).and_then(client);
    let after = step.state.and_then(client);
    match (before, after) {
        (Some(before), Some(after)) => (before.0..after.0).map(Seq).collect(),
        _ => Vec::new(),
    }
}
