//! The bounds of a model, and the model that they make.
//!
//! **Invariant**: *actors are built by the constructors that the binaries use*; parameters that differ from
//! the deployed ones are smaller numbers of the same [`Tuning`], and are printed.

use crate::chat::ChatSpec;
use crate::machine::{Disk, Durability};
use crate::mutants::clients::MutantClient;
use crate::mutants::readers::MutantReader;
use crate::mutants::{Mutant, MutantReplica};
use crate::node::{Node, NodeStorage};
use crate::properties::{Agenda, Milestone};
use actor_checker::compact::{self, CompactModel, Crashes, Reductions};
use paxos_chat::client::{Client, ClientTuning};
use paxos_chat::message::Input;
use paxos_chat::quorum::Cluster;
use paxos_chat::reader::Reader;
use paxos_chat::replica::Replica;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{
    Ballot, Body, Command, NodeId, Nonce, Operation, Reconfigure, ReplicaId, SessionId, Slot,
    Timestamp, User, Value,
};
use std::collections::BTreeMap;

/// The model of the chat.
pub type ChatModel = CompactModel<Node, ChatSpec>;

/// The bounds of a model.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many replicas there are, those that are no members yet included.
    pub replicas: u8,
    /// The replicas that are no members at first, and begin with an empty disk.
    pub newcomers: Vec<u8>,
    /// So many slots after the one that decides it a change of members is in force.
    pub alpha: u64,
    /// The clients, after the replicas.
    pub clients: Vec<ClientPlan>,
    /// A reader follows the log at this replica, after the clients.
    pub reader: Option<u8>,
    /// The first slot that it reads; none, to begin at the end of the log.
    pub reads_from: Option<Slot>,
    /// The reader follows the log; otherwise it makes current reads only.
    pub follows: bool,
    /// How many rounds a leader begins in a ballot, for current reads.
    pub rounds: u64,
    /// The ballots that may be used: round and replica.
    pub ballots: Vec<(u32, u8)>,
    /// The replicas that may crash.
    pub mortals: Vec<u8>,
    /// How many crashes, and whether there is recovery.
    pub crashes: Crashes,
    /// The parameters of the replicas.
    pub tuning: Tuning,
    /// Slots that this replica jumps over when it leads.
    pub skips: Vec<(u8, Slot)>,
    /// What the disks of the replicas do.
    pub durability: Durability,
    /// What a person asks of a replica's or client's driver, each at most once.
    pub inputs: Vec<(u8, Input)>,
    /// A bug that every replica has, or every client, or the reader.
    pub mutant: Option<Mutant>,
}

/// What one client does.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    /// The user's name, which is also what its messages start with.
    pub user: &'static str,
    /// How many messages it says.
    pub messages: u32,
    /// How many may be unacknowledged at once.
    pub window: usize,
    /// The replicas it asks, in this order.
    pub asks: Vec<u8>,
    /// The last thing it says is a `Sync`, which reads rather than writes.
    pub syncs: bool,
    /// The last thing it says is that these are to be the members, in place of the founders.
    pub becomes: Option<Vec<u8>>,
    /// It opens its session through the log; otherwise the session is open from the start.
    pub opens: bool,
    /// It may crash, and is durable; otherwise it saves nothing.
    pub crashes: bool,
}

impl Config {
    /// Replicas that may each use one ballot, of round 1, and no faults.
    pub fn new(replicas: u8) -> Config {
        Config {
            replicas,
            newcomers: Vec::new(),
            alpha: u64::MAX,
            clients: Vec::new(),
            reader: None,
            reads_from: Some(Slot(0)),
            follows: true,
            rounds: 2,
            ballots: (0..replicas).map(|replica| (1, replica)).collect(),
            mortals: (0..replicas).collect(),
            crashes: Crashes::default(),
            tuning: Tuning {
                window_slots: 1,
                eager_slots: usize::MAX,
                queue_commands_max: 4,
                batch_commands_max: 1,
                chunk_entries_max: 4,
                sessions_max: 4,
                snapshot_slots: 0,
                recent_slots: 0,
                pre_vote: false,
                held_commands_max: 0,
                relay: false,
                doublings_max: 0,
                ..Tuning::default()
            },
            skips: Vec::new(),
            durability: Durability::Saves,
            inputs: Vec::new(),
            mutant: None,
        }
    }

    /// With a client that says this many messages and asks only this replica.
    #[must_use]
    pub fn client(mut self, user: &'static str, messages: u32, asks: u8) -> Config {
        let (syncs, becomes, opens, crashes) = (false, None, false, false);
        let asks = vec![asks];
        let plan = ClientPlan { user, messages, window: 1, asks, syncs, becomes, opens, crashes };
        self.clients.push(plan);
        self
    }

    /// Without these as members at first, and with changes of members in force so many slots after they are decided.
    #[must_use]
    pub fn newcomers(mut self, newcomers: &[u8], alpha: u64) -> Config {
        (self.newcomers, self.alpha) = (newcomers.to_vec(), alpha);
        self
    }

    /// The client added last says at last that these are to be the members.
    #[must_use]
    pub fn becomes(self, members: &[u8]) -> Config {
        self.last_client(|plan| plan.becomes = Some(members.to_vec()))
    }

    /// Does anybody ask for other members?
    pub fn changes_members(&self) -> bool {
        self.clients.iter().any(|plan| plan.becomes.is_some())
    }

    /// What is fixed of the cluster.
    pub fn cluster(&self) -> Cluster {
        let founders = (0..self.replicas).filter(|id| !self.newcomers.contains(id));
        let founders = founders.map(ReplicaId).collect();
        Cluster::new(self.replicas).founded_by(founders).with_alpha(self.alpha)
    }

    /// With only these ballots: round and replica.
    #[must_use]
    pub fn ballots(mut self, ballots: &[(u32, u8)]) -> Config {
        self.ballots = ballots.to_vec();
        self
    }

    /// With crashes of these replicas, one at a time.
    #[must_use]
    pub fn crashes(mut self, mortals: &[u8], total: u32, recovery: bool) -> Config {
        self.mortals = mortals.to_vec();
        self.crashes = Crashes { at_once: 1, total, recovery };
        self
    }

    /// With crashes of the clients that crash, and come back, this often in all; no replica does.
    #[must_use]
    pub fn clients_crash(self, total: u32) -> Config {
        self.crashes(&[], total, true)
    }

    /// With saves that are pending for a while.
    #[must_use]
    pub fn overlapping(mut self) -> Config {
        self.durability = Durability::LateSaves;
        self
    }

    /// With crashes that leave the whole chat log.
    #[must_use]
    pub fn logs_survive(mut self) -> Config {
        self.durability = Durability::SavesAndLog;
        self
    }

    /// With this many replicas down at once, at most.
    #[must_use]
    pub fn crashes_at_once(mut self, crashes_at_once: u32) -> Config {
        self.crashes.at_once = crashes_at_once;
        self
    }

    /// With other parameters of the replicas.
    #[must_use]
    pub fn tuned(mut self, tune: impl FnOnce(&mut Tuning)) -> Config {
        tune(&mut self.tuning);
        self
    }

    /// With a change to the client added last.
    #[must_use]
    pub fn last_client(mut self, change: impl FnOnce(&mut ClientPlan)) -> Config {
        change(self.clients.last_mut().expect("a client was added"));
        self
    }

    /// May this actor crash?
    pub fn may_crash(&self, actor: usize) -> bool {
        let client = actor.checked_sub(usize::from(self.replicas));
        self.mortals.iter().any(|mortal| usize::from(*mortal) == actor)
            || client.and_then(|index| self.clients.get(index)).is_some_and(|plan| plan.crashes)
    }

    /// The names of the actors, as lanes and messages show them.
    pub fn names(&self) -> Vec<String> {
        let nodes: Vec<_> = self.nodes(self.genesis()).into_iter().map(|(node, _)| node).collect();
        compact::names(&nodes)
    }

    /// The system that these bounds describe.
    pub fn model(&self, asked: &[Milestone], reductions: Reductions) -> ChatModel {
        let genesis = self.genesis();
        let genesis_upto = genesis.storage.snapshot.upto;
        let spec = ChatSpec {
            cluster: self.cluster(),
            changes_members: self.changes_members(),
            ballots: self
                .ballots
                .iter()
                .map(|(round, replica)| Ballot { round: *round, replica: ReplicaId(*replica) })
                .collect(),
            mortals: self.mortals.iter().copied().map(ReplicaId).collect(),
            mortal_clients: self.clients.iter().map(|plan| plan.crashes).collect(),
            opening_clients: self.clients.iter().map(|plan| plan.opens).collect(),
            genesis_upto,
            users: self.clients.iter().map(|plan| User::new(plan.user)).collect(),
            scripts: self.clients.iter().map(|c| (User::new(c.user), self.script(c))).collect(),
            windows: self.clients.iter().map(|plan| plan.window).collect(),
            tuning: self.tuning.clone(),
            durability: self.durability,
            reads_from: self.reads_from,
            rounds: self.rounds,
            renamings: self.renamings(),
            agenda: Agenda::of(asked),
        };
        let inputs =
            self.inputs.iter().map(|(actor, input)| (usize::from(*actor), input.clone().into()));
        CompactModel::new(self.nodes(genesis), spec)
            .with_crashes(self.crashes)
            .with_inputs(inputs.collect())
            .with_reductions(reductions)
    }

    /// The actors, each with what its disk holds at the start.
    pub fn nodes(&self, genesis: Disk) -> Vec<(Node, Option<NodeStorage>)> {
        let (cluster, durability) = (self.cluster(), self.durability);
        let replicas = cluster.replicas().map(|id| {
            let mut tuning = self.tuning.clone();
            let skips = self.skips.iter().filter(|(replica, _)| *replica == id.0);
            tuning.skip_slots.extend(skips.map(|(_, slot)| *slot));
            let replica = Replica::new(cluster, tuning);
            let node = match self.mutant.filter(|mutant| mutant.is_of_replicas()) {
                None => Node::Replica { replica, durability },
                Some(mutant) => {
                    let genesis = genesis.storage.clone();
                    let replica = MutantReplica { replica, genesis, mutant };
                    Node::MutantReplica { replica, durability }
                }
            };
            let is_new = self.newcomers.contains(&id.0);
            let disk = if is_new { Disk::default() } else { genesis.clone() };
            (node, Some(NodeStorage::Replica(disk)))
        });
        let sessions: BTreeMap<User, SessionId> = {
            let sessions = genesis.storage.snapshot.sessions.iter();
            sessions.map(|(id, session)| (session.user.clone(), id)).collect()
        };
        let clients = self.clients.iter().map(|plan| {
            let user = User::new(plan.user);
            let session = sessions.get(&user).copied();
            let asks = plan.asks.iter().map(|id| NodeId::from(ReplicaId(*id))).collect();
            let tuning = self.client_tuning(plan.window);
            let mut client = Client::new(user, Self::nonce(plan), asks, tuning);
            client.is_durable = plan.crashes;
            client = client.saying(self.scripted(plan));
            if let Some(session) = session {
                client = client.in_session(session);
            }
            let node = match self.mutant.filter(|mutant| mutant.is_of_clients()) {
                None => Node::Client(client),
                Some(mutant) => Node::MutantClient(MutantClient { client, mutant }),
            };
            (node, None)
        });
        let reader = self.reader.map(|replica| {
            let reader = Reader {
                replicas: vec![NodeId::from(ReplicaId(replica))],
                user: User::new("reader"),
                from: self.reads_from,
                follows: self.follows,
                tuning: self.client_tuning(1),
            };
            let node = match self.mutant.filter(|mutant| mutant.is_of_readers()) {
                None => Node::Reader(reader),
                Some(mutant) => Node::MutantReader(MutantReader { reader, mutant }),
            };
            (node, None)
        });
        replicas.chain(clients).chain(reader).collect()
    }

    fn client_tuning(&self, window: usize) -> ClientTuning {
        ClientTuning { window, backoff_doublings_max: 0, ask_at_once: 1, ..ClientTuning::default() }
    }

    /// The disk that every replica starts from: the sessions that are open already were opened
    /// by the log's first entry, as any session is.
    pub fn genesis(&self) -> Disk {
        let opening = |plan: &ClientPlan| Command {
            stamp: Timestamp(0),
            user: User::new(plan.user),
            operation: Operation::OpenSession { nonce: Self::nonce(plan) },
        };
        let opened: Vec<Command> =
            self.clients.iter().filter(|plan| !plan.opens).map(opening).collect();
        let values = (!opened.is_empty()).then(|| Value::batch(opened));
        Disk::after(values, self.tuning.sessions_max)
    }

    pub(crate) fn nonce(plan: &ClientPlan) -> Nonce {
        Nonce(plan.user.bytes().fold(0, |nonce, byte| nonce << 8 | u64::from(byte)))
    }

    /// Everything that this client's user says: its script, then what a person submits.
    fn script(&self, plan: &ClientPlan) -> Vec<Body> {
        let index = self.clients.iter().position(|other| other.user == plan.user);
        let actor = usize::from(self.replicas) + index.expect("one of the clients");
        let submitted = self.inputs.iter().filter_map(|(to, message)| match message {
            Input::Submit(body) if usize::from(*to) == actor => Some(body.clone()),
            _ => None,
        });
        self.scripted(plan).into_iter().chain(submitted).collect()
    }

    pub(crate) fn scripted(&self, plan: &ClientPlan) -> Vec<Body> {
        let post = |i| Body::write(format!("{}{i}", plan.user));
        let change = |members: &Vec<u8>| {
            let members = members.iter().copied().map(ReplicaId).collect();
            Body::Reconfigure(Reconfigure { replaces: Slot(0), members })
        };
        let last = match &plan.becomes {
            Some(members) => Some(change(members)),
            None => plan.syncs.then_some(Body::Sync),
        };
        let is_last = |i| i == plan.messages;
        let body = |i| last.clone().filter(|_| is_last(i)).unwrap_or_else(|| post(i));
        (1..=plan.messages).map(body).collect()
    }
}
