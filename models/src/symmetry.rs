//! Which replicas and clients of a configuration are alike, and what a state becomes when alike
//! ones change places.
//!
//! Replicas are alike if none of them may stand for election, no client or reader asks them, and
//! they may crash alike: they differ in their number alone. Clients are alike if they ask the same
//! replicas in the same order, and have as much to say in the same way: they differ in who they are
//! and in what they say. Clients that are routed differently are never alike.
//!
//! **Invariants**
//! - *Renamings are a group*: all permutations of each class, combined in every way.
//! - *What was before the start stays as it is*: entries of the log below the genesis bound are the
//!   same in every state, and are not renamed; the sessions that they opened are.
//!
//! That the actors treat alike nodes alike is a claim: a run that relies on it checks it (see
//! [`crate::equivariance`]).
//!
//! **Source**: symmetry reduction as in Ip and Dill, *Better verification through symmetry* (1996).

use crate::catalog::{ClientPlan, Config};
use crate::chat::{ClientGhost, Delivery, Ghost, ReaderGhost, RealTime, ReplicaGhost};
use crate::machine::{Disk, Machine, PendingSave};
use crate::node::{Node, NodeState, Stored};
use crate::spec::Local;
use imbl::OrdMap;
use paxos_chat::acceptor::{Snapshot, Storage};
use paxos_chat::askers::Askers;
use paxos_chat::client::{ClientPhase, ClientState, ClientStorage, Pending};
use paxos_chat::effects::Durable;
use paxos_chat::learner::{Lacking, Learner};
use paxos_chat::message::{Entries, Message, Promise, Relay};
use paxos_chat::pacing::Flight;
use paxos_chat::proposer::{Leading, Phase, PreVoting, Preparing};
use paxos_chat::quorum::ReplicaSet;
use paxos_chat::replica::State;
use paxos_chat::requests::Intake;
use paxos_chat::session::{Session, Sessions};
use paxos_chat::types::{
    Body, Command, NodeId, Nonce, Operation, ReplicaId, Seq, SessionId, Slot, User, Value, Vote,
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
            if !(stands || asked || skips || self.reader == Some(replica) || told(actor)) {
                let kind = format!("replica, mortal: {}", self.mortals.contains(&replica));
                classes.entry(kind).or_default().push(actor);
            }
        }
        for (index, plan) in self.clients.iter().enumerate() {
            let ClientPlan { user: _, messages, window, asks, syncs, opens, crashes } = plan;
            let actor = usize::from(self.replicas) + index;
            if !told(actor) {
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
        let operation = match &command.operation {
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
        Command { stamp: command.stamp, user: image(&self.users, &command.user), operation }
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
        Vote { ballot: vote.ballot, value: self.value(&vote.value) }
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
        let slots = (entries.from.0..).map(Slot);
        let values = slots.zip(&entries.values).map(|(slot, value)| self.entry(slot, value));
        Entries { values: values.collect(), ..entries.clone() }
    }

    fn sessions(&self, sessions: &Sessions, upto: Slot) -> Sessions {
        let renamed = |(id, session): (SessionId, &Session)| {
            let user = image(&self.users, &session.user);
            let nonce = image(&self.nonces, &session.nonce);
            (self.session(id), Session { user, nonce, ..session.clone() })
        };
        let table: BTreeMap<SessionId, Session> = sessions.iter().map(renamed).collect();
        Sessions::restored(table, upto).expect("as sound as the original")
    }

    /// What a message becomes.
    pub fn message(&self, message: &Message) -> Message {
        match message {
            Message::Request(command) => Message::Request(self.command(command)),
            Message::SessionOpened { nonce, session } => Message::SessionOpened {
                nonce: image(&self.nonces, nonce),
                session: self.session(*session),
            },
            Message::Acknowledged { session, seq, slot } => {
                Message::Acknowledged { session: self.session(*session), seq: *seq, slot: *slot }
            }
            Message::Redirect { leader } => Message::Redirect { leader: self.replica(*leader) },
            Message::SessionExpired { session } => {
                Message::SessionExpired { session: self.session(*session) }
            }
            Message::Entries(entries) => Message::Entries(self.entries(entries)),
            Message::Promise(promise) => {
                let votes = promise.votes.iter().map(|(slot, vote)| (*slot, self.vote(vote)));
                Message::Promise(Promise { votes: votes.collect(), ..promise.clone() })
            }
            Message::Accept { ballot, slot, value, decided_upto } => Message::Accept {
                ballot: *ballot,
                slot: *slot,
                value: self.value(value),
                decided_upto: *decided_upto,
            },
            Message::Decided(entries) => Message::Decided(self.entries(entries)),
            Message::Relay(Relay { passed, command }) => Message::Relay(Relay {
                passed: self.replicas(*passed),
                command: self.command(command),
            }),
            other => other.clone(),
        }
    }

    /// What a local state becomes, with what is remembered of its actor.
    pub fn local(&self, local: &Local<Node, Ghost>) -> Local<Node, Ghost> {
        self.local_with(local, self.ghost(&local.ghost))
    }

    /// What a local state becomes, with this remembered of its actor.
    pub fn local_with<G>(&self, local: &Local<Node, G>, ghost: G) -> Local<Node, G> {
        Local {
            state: local.state.as_ref().map(|state| self.state(state)),
            timers: local.timers.clone(),
            storage: local.storage.as_ref().map(|stored| self.stored(stored)),
            ghost,
        }
    }

    fn stored(&self, stored: &Stored) -> Stored {
        match stored {
            Stored::Replica(disk) => Stored::Replica(Disk {
                storage: self.storage(&disk.storage),
                log: self.log(&disk.log),
            }),
            Stored::Client(storage) => Stored::Client(self.client_storage(storage)),
        }
    }

    fn state(&self, state: &NodeState) -> NodeState {
        match state {
            NodeState::Replica(machine) => NodeState::Replica(Machine {
                replica: self.replica_state(&machine.replica),
                log: self.log(&machine.log),
                pending: machine.pending.iter().map(|pending| self.pending(pending)).collect(),
            }),
            NodeState::Client(state) => NodeState::Client(self.client_state(state)),
            NodeState::Reader(state) => NodeState::Reader(state.clone()),
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
        let Storage { promised, votes, snapshot: Snapshot { upto, sessions } } = storage;
        Storage {
            promised: *promised,
            votes: votes.iter().map(|(slot, vote)| (*slot, self.vote(vote))).collect(),
            snapshot: Snapshot { upto: *upto, sessions: self.sessions(sessions, *upto) },
        }
    }

    fn replica_state(&self, state: &State) -> State {
        let State { durable, learner, phase, leader_alive, patience, askers, lacking } = state;
        let Learner { applied_upto, decided, sessions } = learner;
        State {
            durable: Durable::restored(self.storage(durable)),
            learner: Learner {
                applied_upto: *applied_upto,
                decided: self.log(decided),
                sessions: self.sessions(sessions, *applied_upto),
            },
            phase: self.phase(phase),
            leader_alive: *leader_alive,
            patience: patience.clone(),
            askers: self.askers(askers),
            lacking: lacking
                .as_ref()
                .map(|lacking| Lacking { asked: self.replica(lacking.asked), ..lacking.clone() }),
        }
    }

    fn phase(&self, phase: &Phase) -> Phase {
        match phase {
            Phase::Follower => Phase::Follower,
            Phase::PreVoting(pre) => Phase::PreVoting(PreVoting {
                granted: self.replicas(pre.granted),
                guide: pre.guide.map(|guide| self.replica(guide)),
                ..pre.clone()
            }),
            Phase::Preparing(Preparing { expected, complete, reported, .. }) => {
                let Phase::Preparing(preparing) = phase else { unreachable!("just matched") };
                let expected = expected.iter().map(|(id, slot)| (self.replica(*id), *slot));
                let reported = reported.iter().map(|(slot, vote)| (*slot, self.vote(vote)));
                Phase::Preparing(Preparing {
                    expected: expected.collect(),
                    complete: self.replicas(*complete),
                    reported: reported.collect(),
                    ..preparing.clone()
                })
            }
            Phase::Leading(leading) => {
                let in_flight = leading.in_flight.iter();
                Phase::Leading(Leading {
                    in_flight: in_flight.map(|(slot, of)| (*slot, self.flight(of))).collect(),
                    heard: self.replicas(leading.heard),
                    intake: self.intake(&leading.intake),
                    ..leading.clone()
                })
            }
        }
    }

    fn flight(&self, flight: &Flight) -> Flight {
        Flight {
            voters: self.replicas(flight.voters),
            resent_to: self.replicas(flight.resent_to),
            ..*flight
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
        let session = |(id, asker): (&SessionId, &NodeId)| (self.session(*id), self.node(*asker));
        let opening = |(opening, asker): (&(User, Nonce), &NodeId)| {
            (self.opening(opening), self.node(*asker))
        };
        Askers {
            sessions: sessions.iter().map(session).collect(),
            openings: openings.iter().map(opening).collect(),
        }
    }

    fn client_state(&self, state: &ClientState) -> ClientState {
        let durable = Durable::restored(self.client_storage(&state.durable));
        ClientState { durable, ..state.clone() }
    }

    fn client_storage(&self, storage: &ClientStorage) -> ClientStorage {
        let body = |body: &Body| image(&self.bodies, body);
        let pending = |of: &Pending| Pending { body: body(&of.body), ..of.clone() };
        let unacknowledged = storage.unacknowledged.iter();
        ClientStorage {
            nonce: image(&self.nonces, &storage.nonce),
            phase: match &storage.phase {
                ClientPhase::Open(session) => ClientPhase::Open(self.session(*session)),
                other => other.clone(),
            },
            waiting: storage.waiting.iter().map(body).collect(),
            next_seq: storage.next_seq,
            unacknowledged: unacknowledged.map(|(s, p)| (*s, pending(p))).collect(),
        }
    }

    fn ghost(&self, ghost: &Ghost) -> Ghost {
        match ghost {
            Ghost::Replica(ReplicaGhost { votes, promised, delivered, broken }) => {
                let delivery = |of: &Delivery| Delivery {
                    user: image(&self.users, &of.user),
                    seq: of.seq,
                    body: image(&self.bodies, &of.body),
                };
                Ghost::Replica(ReplicaGhost {
                    votes: votes.iter().map(|(at, value)| (*at, self.value(value))).collect(),
                    promised: *promised,
                    delivered: delivered.iter().map(|(at, of)| (*at, delivery(of))).collect(),
                    broken: *broken,
                })
            }
            Ghost::Client(of) => {
                let over = of.over.iter().map(|(id, seq)| (self.session(*id), *seq));
                Ghost::Client(ClientGhost { over: over.collect(), ..of.clone() })
            }
            Ghost::Reader(ReaderGhost { read, broken }) => {
                let read = read.iter().map(|(s, value)| (*s, self.entry(*s, value))).collect();
                Ghost::Reader(ReaderGhost { read, broken: *broken })
            }
        }
    }

    /// What is remembered of the system becomes this.
    pub fn history(&self, history: &RealTime) -> RealTime {
        let fences = history.fences.iter();
        RealTime {
            fences: fences.map(|((client, seq), at)| ((self.actors[*client], *seq), *at)).collect(),
            ..history.clone()
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
        assert_eq!(image(&renaming.bodies, &Body::post("ann1")), Body::post("bob1"));
        assert_eq!(image(&renaming.users, &User::new("bob")), User::new("ann"));
        let genesis = config.genesis();
        assert_eq!(renaming.log(&genesis.log), genesis.log);
        assert_eq!(renaming.storage(&genesis.storage), genesis.storage);
    }
}
