//! Which replicas and clients of a configuration are alike, and what a state becomes when alike
//! ones change places.
//!
//! Replicas are alike if none of them may stand for election, no client or reader asks them, and
//! they may crash alike: they differ in their number alone. Clients are alike if they ask the same
//! replicas in the same order, and have as much to say in the same way: they differ in who they are
//! and in what they say. Clients that are routed differently are never alike.
//!
//! **Invariants**
//! - *Nothing is forgotten*: every message and every field is spelled out, so that a new one does not compile
//!   before it is decided what becomes of it.
//! - *Renamings are a group*: all permutations of each class, combined in every way.
//! - *What was before the start stays as it is*: entries of the log below the genesis bound are the
//!   same in every state, and are not renamed; the sessions that they opened are.
//!
//! That the actors treat alike nodes alike is a claim: a run that relies on it checks it (see
//! [`actor_checker::reductions::symmetry`]).
//!
//! **Source**: symmetry reduction as in Ip and Dill, *Better verification through symmetry* (1996).

use crate::chat::{ClientGhost, Delivery, Ghost, ReaderGhost, RealTime, ReplicaGhost};
use crate::config::{ClientPlan, Config};
use crate::machine::{Disk, Machine, PendingSave};
use crate::node::{Node, NodeState, NodeStorage};
use actor_checker::spec::Local;
use imbl::OrdMap;
use paxos_chat::askers::{Askers, Waiter};
use paxos_chat::client::{ClientPhase, ClientState, ClientStorage, PendingRequest};
use paxos_chat::effects::Durable;
use paxos_chat::membership::{Membership, Memberships};
use paxos_chat::message::{
    Accept, Accepted, Acknowledged, AppliedValue, Asker, Busy, Entries, Fetch, Heartbeat,
    HeartbeatAck, Input, LogRead, Message, Outcome, Output, Page, PreVote, PreVoteGranted,
    PreVoteRefused, Prepare, Promise, Read, ReadBound, Redirect, Reject, Relay, RelayBound,
    RelayedRead, Round, RoundAck, SessionExpired, SessionOpened, Tail, ToClient, ToPeer, ToReplica,
};
use paxos_chat::open_reads::OpenReads;
use paxos_chat::pacing::{Flight, Pacing};
use paxos_chat::patience::Patience;
use paxos_chat::quorum::ReplicaSet;
use paxos_chat::reader::ReaderState;
use paxos_chat::session::{Session, Sessions};
use paxos_chat::state::Intake;
use paxos_chat::state::State;
use paxos_chat::state::{CatchUp, Learner};
use paxos_chat::state::{Joining, Leading, Phase, PreVoting, Preparing};
use paxos_chat::state::{Snapshot, Storage};
use paxos_chat::types::{
    Ballot, Body, Command, NodeId, Nonce, Operation, ReplicaId, Seq, SessionId, Slot, User, Value,
    Vote,
};
use std::collections::BTreeMap;

/// Alike nodes that change places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renaming {
    /// For each actor, the one whose place it takes.
    pub actors: Vec<usize>,
    users: BTreeMap<User, User>,
    nonces: BTreeMap<Nonce, Nonce>,
    bodies: BTreeMap<Body, Body>,
    /// The sessions that were open from the start.
    sessions: BTreeMap<SessionId, SessionId>,
    genesis_upto: Slot,
}

impl Config {
    /// All renamings of this configuration, apart from the one that changes nothing.
    pub fn renamings(&self) -> Vec<Renaming> {
        let mut permutations = vec![(0..self.actors()).collect::<Vec<usize>>()];
        for class in self.classes() {
            let within = arrangements(&class);
            let combine = |base: &Vec<usize>| {
                let base = base.clone();
                let class = &class;
                within.iter().map(move |arranged| {
                    let mut combined = base.clone();
                    for (from, to) in class.iter().zip(arranged) {
                        combined[*from] = *to;
                    }
                    combined
                })
            };
            permutations = permutations.iter().flat_map(combine).collect::<Vec<_>>();
        }
        permutations.into_iter().skip(1).map(|actors| self.renaming(actors)).collect()
    }

    fn actors(&self) -> usize {
        usize::from(self.replicas) + self.clients.len() + usize::from(self.reader.is_some())
    }

    /// The classes of alike nodes that have more than one member, each in order.
    fn classes(&self) -> Vec<Vec<usize>> {
        let told = |actor: usize| self.inputs.iter().any(|(to, _)| usize::from(*to) == actor);
        let mut classes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for replica in 0..self.replicas {
            let stands = self.ballots.iter().any(|(_, candidate)| *candidate == replica);
            let asked = self.clients.iter().any(|plan| plan.asks.contains(&replica));
            let skips = self.skips.iter().any(|(skipping, _)| *skipping == replica);
            let actor = usize::from(replica);
            // A change names replicas.
            let named = self.changes_members();
            if !(stands || asked || skips || named || self.reader == Some(replica) || told(actor)) {
                let kind = format!("replica, mortal: {}", self.mortals.contains(&replica));
                classes.entry(kind).or_default().push(actor);
            }
        }
        for (index, plan) in self.clients.iter().enumerate() {
            let ClientPlan { user: _, messages, window, asks, syncs, becomes, opens, crashes } =
                plan;
            let actor = usize::from(self.replicas) + index;
            if !told(actor) && becomes.is_none() {
                let kind = format!("client {messages} {window} {asks:?} {syncs} {opens} {crashes}");
                classes.entry(kind).or_default().push(actor);
            }
        }
        classes.into_values().filter(|class| class.len() > 1).collect()
    }

    fn renaming(&self, actors: Vec<usize>) -> Renaming {
        let genesis = self.genesis().storage.snapshot;
        let opened = |plan: &ClientPlan| {
            let user = User::new(plan.user);
            genesis.sessions.iter().find(|(_, session)| session.user == user).map(|(id, _)| id)
        };
        let mut renaming = Renaming { genesis_upto: genesis.upto, ..Renaming::default() };
        for (index, plan) in self.clients.iter().enumerate() {
            let place = actors[usize::from(self.replicas) + index];
            let other = &self.clients[place - usize::from(self.replicas)];
            if other.user != plan.user {
                renaming.users.insert(User::new(plan.user), User::new(other.user));
                renaming.nonces.insert(Self::nonce(plan), Self::nonce(other));
                renaming.bodies.extend(self.scripted(plan).into_iter().zip(self.scripted(other)));
                renaming.sessions.extend(opened(plan).zip(opened(other)));
            }
        }
        renaming.actors = actors;
        renaming
    }
}

/// All ways to arrange these in their own places, the one that changes nothing first.
pub(crate) fn arrangements(members: &[usize]) -> Vec<Vec<usize>> {
    match members {
        [] => vec![Vec::new()],
        members => {
            let with_first = |place: usize| {
                let mut rest = members.to_vec();
                let first = rest.remove(place);
                arrangements(&rest).into_iter().map(move |rest| [vec![first], rest].concat())
            };
            (0..members.len()).flat_map(with_first).collect()
        }
    }
}

/// The image of a thing under a map that leaves out what stays.
fn image<T: Ord + Clone>(map: &BTreeMap<T, T>, thing: &T) -> T {
    map.get(thing).unwrap_or(thing).clone()
}

impl Renaming {
    /// Replicas that change places; everyone else stays who they are.
    pub fn of_replicas(actors: Vec<usize>) -> Renaming {
        Renaming { actors, ..Renaming::default() }
    }

    fn node(&self, node: NodeId) -> NodeId {
        self.actors.get(node.0 as usize).map_or(node, |place| NodeId(*place as u64))
    }

    fn replica(&self, replica: ReplicaId) -> ReplicaId {
        let place = self.actors[usize::from(replica.0)];
        ReplicaId(u8::try_from(place).expect("a replica's place is a replica's"))
    }

    fn replicas(&self, set: ReplicaSet) -> ReplicaSet {
        set.iter().map(|replica| self.replica(replica)).collect()
    }

    fn session(&self, id: SessionId) -> SessionId {
        image(&self.sessions, &id)
    }

    fn command(&self, command: &Command) -> Command {
        let Command { stamp, user, operation } = command;
        let operation = match operation {
            Operation::OpenSession { nonce } => {
                Operation::OpenSession { nonce: image(&self.nonces, nonce) }
            }
            Operation::InSession { session, seq, acked_below, body } => Operation::InSession {
                session: self.session(*session),
                seq: *seq,
                acked_below: *acked_below,
                body: image(&self.bodies, body),
            },
        };
        Command { stamp: *stamp, user: image(&self.users, user), operation }
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::Noop => Value::Noop,
            Value::Batch(commands) => {
                Value::batch(commands.iter().map(|command| self.command(command)))
            }
        }
    }

    fn vote(&self, vote: &Vote) -> Vote {
        let Vote { ballot, value } = vote;
        Vote { ballot: *ballot, value: self.value(value) }
    }

    /// Values by slot; those from before the start stay.
    fn log(&self, log: &OrdMap<Slot, Value>) -> OrdMap<Slot, Value> {
        let renamed = |(slot, value): (&Slot, &Value)| (*slot, self.entry(*slot, value));
        log.iter().map(renamed).collect()
    }

    fn entry(&self, slot: Slot, value: &Value) -> Value {
        if slot < self.genesis_upto { value.clone() } else { self.value(value) }
    }

    fn entries(&self, entries: &Entries) -> Entries {
        let Entries { from, values, applied_upto } = entries;
        let slots = (from.0..).map(Slot);
        let values = slots.zip(values).map(|(slot, value)| self.entry(slot, value));
        Entries { from: *from, values: values.collect(), applied_upto: *applied_upto }
    }

    fn applied(&self, slot: Slot, applied: &AppliedValue) -> AppliedValue {
        let AppliedValue { value, outcomes } = applied;
        let outcomes = outcomes.iter().map(|outcome| self.outcome(*outcome)).collect();
        AppliedValue { value: self.entry(slot, value), outcomes }
    }

    fn sessions(&self, sessions: &Sessions, upto: Slot) -> Sessions {
        let renamed = |(id, session): (SessionId, &Session)| {
            let Session { user, nonce, last_seq, slots, used } = session;
            let session = Session {
                user: image(&self.users, user),
                nonce: image(&self.nonces, nonce),
                last_seq: *last_seq,
                slots: slots.clone(),
                used: *used,
            };
            (self.session(id), session)
        };
        let table: BTreeMap<SessionId, Session> = sessions.iter().map(renamed).collect();
        Sessions::restored(table, upto).expect("as sound as the original")
    }

    /// What a message becomes.
    pub fn message(&self, message: &Message) -> Message {
        match message {
            Message::ToReplica(message) => self.to_replica(message).into(),
            Message::ToClient(message) => self.to_client(message).into(),
            Message::ToPeer(message) => self.to_peer(message).into(),
            Message::Input(input) => self.input(input).into(),
            Message::Output(output) => self.output(output).into(),
        }
    }

    fn to_replica(&self, message: &ToReplica) -> ToReplica {
        match message {
            ToReplica::Request(command) => ToReplica::Request(self.command(command)),
            // It names nobody.
            ToReplica::Tail(Tail { from: _ }) | ToReplica::Read(Read { user: _, nonce: _ }) => {
                message.clone()
            }
        }
    }

    fn to_client(&self, message: &ToClient) -> ToClient {
        match message {
            ToClient::SessionOpened(SessionOpened { nonce, session }) => {
                let (nonce, session) = (image(&self.nonces, nonce), self.session(*session));
                ToClient::SessionOpened(SessionOpened { nonce, session })
            }
            ToClient::Acknowledged(Acknowledged { session, seq, slot }) => {
                let (session, seq, slot) = (self.session(*session), *seq, *slot);
                ToClient::Acknowledged(Acknowledged { session, seq, slot })
            }
            ToClient::Redirect(Redirect { leader }) => {
                ToClient::Redirect(Redirect { leader: self.replica(*leader) })
            }
            ToClient::SessionExpired(SessionExpired { session }) => {
                ToClient::SessionExpired(SessionExpired { session: self.session(*session) })
            }
            ToClient::Entries(Page { from, values, applied_upto }) => {
                let slots = (from.0..).map(Slot);
                let values = slots.zip(values).map(|(slot, applied)| self.applied(slot, applied));
                let (values, from, applied_upto) = (values.collect(), *from, *applied_upto);
                ToClient::Entries(Page { from, values, applied_upto })
            }
            // These name nobody.
            ToClient::Busy(Busy { queued: _ })
            | ToClient::ReadBound(ReadBound { nonce: _, upto: _ }) => message.clone(),
        }
    }

    fn to_peer(&self, message: &ToPeer) -> ToPeer {
        match message {
            ToPeer::Promise(promise) => ToPeer::Promise(self.promise(promise)),
            ToPeer::Accept(Accept { ballot, slot, value, decided_upto }) => {
                ToPeer::Accept(Accept {
                    ballot: *ballot,
                    slot: *slot,
                    value: self.value(value),
                    decided_upto: *decided_upto,
                })
            }
            ToPeer::Decided(entries) => ToPeer::Decided(self.entries(entries)),
            ToPeer::Relay(Relay { passed, command }) => ToPeer::Relay(Relay {
                passed: self.replicas(*passed),
                command: self.command(command),
            }),
            ToPeer::RelayRead(read) => ToPeer::RelayRead(self.read(read)),
            ToPeer::RelayBound(RelayBound { read, upto }) => {
                ToPeer::RelayBound(RelayBound { read: self.read(read), upto: *upto })
            }
            // These name nobody who could change places: who stands for election does not.
            ToPeer::PreVote(PreVote { promised: _, applied_upto: _ })
            | ToPeer::PreVoteGranted(PreVoteGranted { asked: _, promised: _ })
            | ToPeer::PreVoteRefused(PreVoteRefused { asked: _ })
            | ToPeer::Prepare(Prepare { ballot: _, from: _ })
            | ToPeer::Accepted(Accepted { ballot: _, slot: _ })
            | ToPeer::Reject(Reject { promised: _ })
            | ToPeer::Heartbeat(Heartbeat { ballot: _, decided_upto: _ })
            | ToPeer::HeartbeatAck(HeartbeatAck { ballot: _ })
            | ToPeer::Round(Round { ballot: _, round: _ })
            | ToPeer::RoundAck(RoundAck { ballot: _, round: _ })
            | ToPeer::Fetch(Fetch { from: _ }) => message.clone(),
        }
    }

    fn input(&self, input: &Input) -> Input {
        match input {
            Input::Submit(body) => Input::Submit(image(&self.bodies, body)),
            Input::SkipSlot => Input::SkipSlot,
            Input::Recall(entries) => Input::Recall(self.entries(entries)),
            Input::ReadCurrent(nonce) => Input::ReadCurrent(*nonce),
        }
    }

    fn output(&self, output: &Output) -> Output {
        match output {
            Output::Applied { slot, value, outcomes } => Output::Applied {
                slot: *slot,
                value: self.entry(*slot, value),
                outcomes: outcomes.iter().map(|outcome| self.outcome(*outcome)).collect(),
            },
            Output::ReadLog(LogRead { asker, from, upto }) => {
                let (asker, from, upto) = (self.asker(*asker), *from, *upto);
                Output::ReadLog(LogRead { asker, from, upto })
            }
            Output::EndFound { end } => Output::EndFound { end: *end },
            Output::Opened { session } => Output::Opened { session: self.session(*session) },
            // These name nobody.
            Output::Confirmed { seq: _, slot: _ }
            | Output::OutcomeUnknown { unknown: _ }
            | Output::Current { nonce: _, upto: _ } => output.clone(),
        }
    }

    fn promise(&self, promise: &Promise) -> Promise {
        let Promise { ballot, from, next, compacted_upto, last, votes } = promise;
        Promise {
            ballot: *ballot,
            from: *from,
            next: *next,
            compacted_upto: *compacted_upto,
            last: *last,
            votes: votes.iter().map(|(slot, vote)| (*slot, self.vote(vote))).collect(),
        }
    }

    fn outcome(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Opened(session) => Outcome::Opened(self.session(session)),
            Outcome::OpenedBefore(session) => Outcome::OpenedBefore(self.session(session)),
            Outcome::Applied
            | Outcome::Duplicate(_)
            | Outcome::Gap
            | Outcome::NoSession
            | Outcome::WrongUser => outcome,
        }
    }

    fn asker(&self, asker: Asker) -> Asker {
        match asker {
            Asker::Replica(replica) => Asker::Replica(self.replica(replica)),
            Asker::Client(client) => Asker::Client(self.node(client)),
        }
    }

    /// What a local state becomes, with what is remembered of its actor.
    pub fn local(&self, local: &Local<Node, Ghost>) -> Local<Node, Ghost> {
        self.local_with(local, self.ghost(&local.ghost))
    }

    /// What a local state becomes, with this remembered of its actor.
    pub fn local_with<G>(&self, local: &Local<Node, G>, ghost: G) -> Local<Node, G> {
        let Local { state, timers, storage, ghost: _ } = local;
        Local {
            state: state.as_ref().map(|state| self.state(state)),
            timers: timers.clone(),
            storage: storage.as_ref().map(|stored| self.stored(stored)),
            ghost,
        }
    }

    fn stored(&self, stored: &NodeStorage) -> NodeStorage {
        match stored {
            NodeStorage::Replica(Disk { storage, log }) => {
                NodeStorage::Replica(Disk { storage: self.storage(storage), log: self.log(log) })
            }
            NodeStorage::Client(storage) => NodeStorage::Client(self.client_storage(storage)),
        }
    }

    fn state(&self, state: &NodeState) -> NodeState {
        match state {
            NodeState::Replica(Machine { replica, log, pending, saved }) => {
                NodeState::Replica(Machine {
                    replica: self.replica_state(replica),
                    log: self.log(log),
                    pending: pending.iter().map(|pending| self.pending(pending)).collect(),
                    saved: saved.as_ref().map(|saved| self.storage(saved)),
                })
            }
            NodeState::Client(state) => NodeState::Client(self.client_state(state)),
            // A reader's target is a place in its own list.
            NodeState::Reader(ReaderState { next, target, answered, moved, beside, reads }) => {
                NodeState::Reader(ReaderState {
                    next: *next,
                    target: *target,
                    answered: *answered,
                    moved: *moved,
                    beside: *beside,
                    reads: reads.clone(),
                })
            }
        }
    }

    fn pending(&self, PendingSave { storage, sends }: &PendingSave) -> PendingSave {
        let renamed = |(to, message): &(NodeId, Message)| {
            let to = match usize::try_from(to.0).ok().and_then(|to| self.actors.get(to)) {
                Some(to) => NodeId(*to as u64),
                None => *to,
            };
            (to, self.message(message))
        };
        PendingSave { storage: self.storage(storage), sends: sends.iter().map(renamed).collect() }
    }

    fn storage(&self, storage: &Storage) -> Storage {
        let Storage { promised, votes, snapshot } = storage;
        let Snapshot { upto, sessions, memberships } = snapshot;
        Storage {
            promised: *promised,
            votes: votes.iter().map(|(slot, vote)| (*slot, self.vote(vote))).collect(),
            snapshot: Snapshot {
                upto: *upto,
                sessions: self.sessions(sessions, *upto),
                memberships: self.memberships(memberships),
            },
        }
    }

    fn replica_state(&self, state: &State) -> State {
        let State { durable, learner, phase, leader_alive, patience, askers, catch_up } = state;
        let Learner { applied_upto, decided, sessions, memberships } = learner;
        State {
            durable: Durable::restored(self.storage(durable)),
            learner: Learner {
                applied_upto: *applied_upto,
                decided: self.log(decided),
                sessions: self.sessions(sessions, *applied_upto),
                memberships: self.memberships(memberships),
            },
            phase: self.phase(phase),
            leader_alive: *leader_alive,
            patience: Patience { doublings: patience.doublings, since: patience.since },
            askers: self.askers(askers),
            catch_up: catch_up.as_ref().map(|catch_up| self.catch_up(catch_up)),
        }
    }

    /// Ids are spent whoever had them: where members change, nobody changes places.
    fn memberships(&self, memberships: &Memberships) -> Memberships {
        let Memberships { current, next, spent } = memberships;
        let renamed = |Membership { since, members }: Membership| Membership {
            since,
            members: self.replicas(members),
        };
        Memberships { current: current.map(renamed), next: next.map(renamed), spent: *spent }
    }

    fn catch_up(&self, catch_up: &CatchUp) -> CatchUp {
        let CatchUp { from, asks, waited, doublings, gap, more } = catch_up;
        let asks = self.replica(*asks);
        let (waited, doublings) = (*waited, *doublings);
        CatchUp { from: *from, asks, waited, doublings, gap: *gap, more: *more }
    }

    fn phase(&self, phase: &Phase) -> Phase {
        match phase {
            Phase::Follower => Phase::Follower,
            Phase::PreVoting(PreVoting { asked, granted, highest, guide }) => {
                Phase::PreVoting(PreVoting {
                    asked: *asked,
                    granted: self.replicas(*granted),
                    highest: *highest,
                    guide: guide.map(|guide| self.replica(guide)),
                })
            }
            Phase::Preparing(preparing) => Phase::Preparing(self.preparing(preparing)),
            Phase::Leading(leading) => Phase::Leading(self.leading(leading)),
        }
    }

    fn preparing(&self, preparing: &Preparing) -> Preparing {
        let Preparing { ballot, from, expected, complete, compacted_upto, reported, ticks, wait } =
            preparing;
        Preparing {
            ticks: *ticks,
            wait: *wait,
            ballot: *ballot,
            from: *from,
            expected: expected.iter().map(|(id, slot)| (self.replica(*id), *slot)).collect(),
            complete: self.replicas(*complete),
            compacted_upto: *compacted_upto,
            reported: reported.iter().map(|(slot, vote)| (*slot, self.vote(vote))).collect(),
        }
    }

    fn leading(&self, leading: &Leading) -> Leading {
        let Leading { ballot, base, next, in_flight, pacing, heard, outbid, intake, .. } = leading;
        let Leading { end, reads, reported, merged, joining, .. } = leading;
        let OpenReads { round, asked, acknowledged, waiting, confirmed, users } = reads;
        let open = |reads: &BTreeMap<RelayedRead, Slot>| {
            reads.iter().map(|(read, upto)| (self.read(read), *upto)).collect()
        };
        let in_flight = in_flight.iter().map(|(slot, flight)| (*slot, self.flight(flight)));
        Leading {
            ballot: *ballot,
            base: *base,
            next: *next,
            reported: reported.iter().map(|(slot, vote)| (*slot, self.vote(vote))).collect(),
            in_flight: in_flight.collect(),
            pacing: self.pacing(pacing),
            heard: self.replicas(*heard),
            outbid: *outbid,
            intake: self.intake(intake),
            end: *end,
            reads: OpenReads {
                round: *round,
                asked: open(asked),
                acknowledged: self.replicas(*acknowledged),
                waiting: open(waiting),
                confirmed: open(confirmed),
                users: users.clone(),
            },
            merged: *merged,
            joining: joining.as_ref().map(|Joining { since, promises }| Joining {
                since: *since,
                promises: self.preparing(promises),
            }),
        }
    }

    /// Who reads changes places with nobody.
    fn read(&self, RelayedRead { passed, reader, user, nonce }: &RelayedRead) -> RelayedRead {
        let passed = passed.iter().map(|replica| self.replica(*replica)).collect();
        RelayedRead { passed, reader: *reader, user: user.clone(), nonce: *nonce }
    }

    fn pacing(&self, pacing: &Pacing) -> Pacing {
        let Pacing { ticks, bytes, cut, cut_at, fetch, links } = pacing;
        Pacing {
            ticks: *ticks,
            bytes: *bytes,
            cut: *cut,
            cut_at: *cut_at,
            fetch: *fetch,
            links: links.iter().map(|(peer, link)| (self.replica(*peer), *link)).collect(),
        }
    }

    fn flight(&self, flight: &Flight) -> Flight {
        let Flight { voters, sent, again, bytes } = flight;
        Flight {
            voters: self.replicas(*voters),
            sent: *sent,
            again: again.iter().map(|(peer, again)| (self.replica(*peer), *again)).collect(),
            bytes: *bytes,
        }
    }

    fn opening(&self, (user, nonce): &(User, Nonce)) -> (User, Nonce) {
        (image(&self.users, user), image(&self.nonces, nonce))
    }

    fn intake(&self, intake: &Intake) -> Intake {
        let Intake { queue, proposed, openings, held, held_bytes: _ } = intake;
        let held: BTreeMap<(SessionId, Seq), Command> = held
            .iter()
            .map(|((id, seq), command)| ((self.session(*id), *seq), self.command(command)))
            .collect();
        Intake {
            held_bytes: held.values().map(Command::size_bytes).sum(),
            held,
            queue: queue.iter().map(|command| self.command(command)).collect(),
            proposed: proposed.iter().map(|(id, seq)| (self.session(*id), *seq)).collect(),
            openings: openings.iter().map(|opening| self.opening(opening)).collect(),
        }
    }

    fn askers(&self, askers: &Askers) -> Askers {
        let Askers { sessions, openings } = askers;
        let session = |(id, Waiter { asker, upto }): (&SessionId, &Waiter)| {
            (self.session(*id), Waiter { asker: self.node(*asker), upto: *upto })
        };
        let opening = |(opening, asker): (&(User, Nonce), &NodeId)| {
            (self.opening(opening), self.node(*asker))
        };
        Askers {
            sessions: sessions.iter().map(session).collect(),
            openings: openings.iter().map(opening).collect(),
        }
    }

    fn client_state(&self, state: &ClientState) -> ClientState {
        let ClientState {
            durable,
            target,
            turn,
            shunned,
            hopeful,
            busy,
            backoff,
            repeated_below,
            sent_again_below,
            calm,
            answered,
            given_up,
            all_silent,
        } = state;
        // Clients that change places ask the same replicas in the same order, so places in it stay.
        ClientState {
            turn: *turn,
            shunned: *shunned,
            repeated_below: *repeated_below,
            sent_again_below: *sent_again_below,
            calm: *calm,
            answered: *answered,
            given_up: *given_up,
            all_silent: *all_silent,
            durable: Durable::restored(self.client_storage(durable)),
            target: *target,
            hopeful: *hopeful,
            busy: *busy,
            backoff: *backoff,
        }
    }

    fn client_storage(&self, storage: &ClientStorage) -> ClientStorage {
        let body = |body: &Body| image(&self.bodies, body);
        let pending = |of: &PendingRequest| {
            let PendingRequest { acked_below, body: asked } = of;
            PendingRequest { acked_below: *acked_below, body: body(asked) }
        };
        let ClientStorage { nonce, phase, waiting, next_seq, unacknowledged } = storage;
        ClientStorage {
            nonce: image(&self.nonces, nonce),
            phase: match phase {
                ClientPhase::Opening => ClientPhase::Opening,
                ClientPhase::Open(session) => ClientPhase::Open(self.session(*session)),
                ClientPhase::Expired => ClientPhase::Expired,
            },
            waiting: waiting.iter().map(body).collect(),
            next_seq: *next_seq,
            unacknowledged: unacknowledged.iter().map(|(s, of)| (*s, pending(of))).collect(),
        }
    }

    fn ghost(&self, ghost: &Ghost) -> Ghost {
        match ghost {
            Ghost::Replica(ReplicaGhost { votes, untold, promised, delivered, broken }) => {
                let values = |votes: &BTreeMap<(Slot, Ballot), Value>| {
                    votes.iter().map(|(at, value)| (*at, self.value(value))).collect()
                };
                let delivery = |Delivery { user, seq, body }: &Delivery| Delivery {
                    user: image(&self.users, user),
                    seq: *seq,
                    body: image(&self.bodies, body),
                };
                Ghost::Replica(ReplicaGhost {
                    votes: values(votes),
                    untold: values(untold),
                    promised: *promised,
                    delivered: delivered.iter().map(|(at, of)| (*at, delivery(of))).collect(),
                    broken: *broken,
                })
            }
            Ghost::Client(ClientGhost { acknowledged, over, crashed_with, broken }) => {
                Ghost::Client(ClientGhost {
                    acknowledged: acknowledged.clone(),
                    over: over.iter().map(|(id, seq)| (self.session(*id), *seq)).collect(),
                    crashed_with: crashed_with.clone(),
                    broken: *broken,
                })
            }
            Ghost::Reader(ReaderGhost { begins, read, told, broken }) => {
                let read =
                    read.iter().map(|(s, applied)| (*s, self.applied(*s, applied))).collect();
                Ghost::Reader(ReaderGhost { begins: *begins, read, told: *told, broken: *broken })
            }
        }
    }

    /// What is remembered of the system becomes this.
    pub fn history(&self, history: &RealTime) -> RealTime {
        let RealTime { acknowledged, fences, broken, shown, reads, is_stale } = history;
        let renamed =
            |((client, seq), at): (&(usize, Seq), &Slot)| ((self.actors[*client], *seq), *at);
        RealTime {
            acknowledged: *acknowledged,
            fences: fences.iter().map(renamed).collect(),
            broken: *broken,
            shown: *shown,
            reads: reads.clone(),
            is_stale: *is_stale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renamings_are_the_permutations_of_alike_nodes() {
        let actors = |config: &Config| -> Vec<Vec<usize>> {
            config.renamings().into_iter().map(|renaming| renaming.actors).collect()
        };
        let rivals = Config::new(5).client("ann", 1, 0).client("bob", 1, 1);
        let two_stand = rivals.clone().ballots(&[(1, 0), (1, 1)]);
        assert_eq!(actors(&two_stand).len(), 3 * 2 - 1);
        assert!(actors(&two_stand).iter().all(|actors| actors[..2] == [0, 1]));
        assert!(actors(&two_stand).iter().all(|actors| actors[5..] == [5, 6]));
        assert!(actors(&rivals).is_empty(), "everyone stands");
        let one_dies = two_stand.crashes(&[4], 1, false);
        assert_eq!(actors(&one_dies), [vec![0, 1, 3, 2, 4, 5, 6]]);
        let friends = Config::new(3).client("ann", 1, 0).client("bob", 1, 0);
        assert_eq!(actors(&friends), [vec![0, 1, 2, 4, 3]]);
    }

    #[test]
    fn a_renaming_of_two_clients_swaps_who_they_are_and_what_they_say() {
        let config = Config::new(3).client("ann", 1, 0).client("bob", 1, 0);
        let renaming = &config.renamings()[0];
        let (ann, bob) =
            (SessionId { slot: Slot(0), index: 0 }, SessionId { slot: Slot(0), index: 1 });
        assert_eq!((renaming.session(ann), renaming.session(bob)), (bob, ann));
        assert_eq!(image(&renaming.bodies, &Body::write("ann1")), Body::write("bob1"));
        assert_eq!(image(&renaming.users, &User::new("bob")), User::new("ann"));
        let genesis = config.genesis();
        assert_eq!(renaming.log(&genesis.log), genesis.log);
        assert_eq!(renaming.storage(&genesis.storage), genesis.storage);
    }
}
