//! Connectivity: the deployed actors, under virtual time, over every set of links with which some
//! replica still talks both ways with a quorum.
//!
//! **What is claimed.** Once the links have changed, and [`SETTLE`] election time-outs have passed:
//! every request of every client is acknowledged within [`SILENCE_MAX`] time-outs, leaders change at most
//! [`CHANGES_MAX`] times while the links stay as they are, and at the end all replicas that are
//! connected with the quorum, and every reader, have the same log.
//!
//! **Who is demanded what.** A replica is *quorum-connected* if it has links in both directions with
//! enough others to make a quorum with them. A replica is *connected* if a chain of links in both
//! directions leads to a quorum-connected one: nobody can send anything to whoever is connected in one
//! direction only and hear whether it arrived. One client and one reader reach all replicas; the others
//! all but `f` of them each.
//!
//! **The runs.** All begin with every link up and replica 0 leading. Then the links change, once or
//! more often. Sets of links that differ only in the names of the replicas that do not lead at first
//! are run once. A run is a function of its links and its seed; the claim is about these runs, one
//! for each set of links, and about no others.
//!
//! **Source**: Ng, Mohan and Haridi, *Omni-Paxos: Breaking the Barriers of Partial Connectivity*
//! (EuroSys 2023), for quorum-connected servers, and the three partial partitions that have names;
//! Howard and Abraham, *Raft does not Guarantee Liveness in the face of Network Faults* (2020).

mod graph;
mod watch;

pub use graph::{Graph, directed, partial_partitions, undirected};

use crate::deployed::Deployed;
use crate::node::{Node, NodeStorage, NodeTimer};
use actor_checker::simulation::{Simulation, Wire};
use actor_checker::trace::TraceStep;
use paxos_chat::effects::Timer;
use paxos_chat::message::{
    Accept, AppliedValue, Message, Promise, Relay, ToClient, ToPeer, ToReplica,
};
use paxos_chat::quorum::Cluster;
use paxos_chat::types::{NodeId, ReplicaId, Value};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use watch::Watch;

/// Election time-outs from a change of links until anything is demanded.
pub const SETTLE: u32 = 12;
/// Election time-outs, after that, within which every request is acknowledged.
pub const SILENCE_MAX: u32 = 4;
/// Leaders after links have settled, for as long as they stay as they are.
pub const CHANGES_MAX: usize = 2;
/// Election time-outs for which links stay as they are once they have settled.
const STAY: u32 = 12;

/// Links that change, from all links up on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What it is called.
    pub name: String,
    /// How many replicas there are.
    pub replicas: u8,
    /// What happens to the links, one change after the other.
    pub changes: Vec<Change>,
}

/// What happens to the links between replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// They become these.
    Become(Graph),
    /// Whoever leads loses all of its links, if that leaves a quorum-connected replica.
    CutLeader,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was demanded and not met, in words; nothing if all was.
    pub failure: Option<String>,
    /// How many requests were acknowledged.
    pub acknowledged: u64,
    /// The longest that a request waited, in settled phases.
    pub longest_wait: Duration,
    /// The most leaders in a phase, after it had settled.
    pub changes: usize,
    /// The virtual time.
    pub took: Duration,
}

/// The last steps of a run that failed.
#[derive(Clone, Debug)]
pub struct Story {
    /// The actors' names.
    pub names: Vec<String>,
    /// Their last steps.
    pub steps: Vec<TraceStep>,
}

impl Case {
    /// The links change once, to these.
    pub fn of(graph: Graph) -> Case {
        let (name, replicas) = (graph.to_string(), graph.replicas());
        Case { name, replicas, changes: vec![Change::Become(graph)] }
    }

    /// After that, this happens.
    #[must_use]
    pub fn then(mut self, what: &str, change: Change) -> Case {
        self.name = format!("{}; {what}", self.name);
        self.changes.push(change);
        self
    }

    /// Runs it with these actors.
    pub fn run(&self, deployed: &Deployed, seed: u64) -> Outcome {
        self.run_with(deployed, seed, false).0
    }

    /// Runs it again, and tells its end.
    pub fn tell(&self, deployed: &Deployed, seed: u64) -> Story {
        let (_, simulation) = self.run_with(deployed, seed, true);
        Story { names: names(self.replicas), steps: simulation.story() }
    }

    fn run_with(
        &self,
        deployed: &Deployed,
        seed: u64,
        record: bool,
    ) -> (Outcome, Simulation<Node>) {
        let mut simulation = Simulation::new(actors(self.replicas, deployed), WIRE, seed);
        if record {
            simulation.record(names(self.replicas));
        }
        simulation.expire(0, &NodeTimer::Actor(Timer::Election));
        let mut watch = Watch::new(simulation, self.replicas, deployed.tuning.election_timeout);
        let mut failure = watch.begin();
        for change in &self.changes {
            failure = failure.or_else(|| watch.change(change));
        }
        watch.end(failure)
    }
}

/// Cases that belong together.
pub struct Group {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What its cases are.
    pub what: &'static str,
    /// Makes them.
    pub cases: fn() -> Vec<Case>,
}

/// All groups, those that take longest last.
pub fn groups() -> Vec<Group> {
    let group = |name, what, cases| Group { name, what, cases };
    vec![
        group("named", "the partial partitions of the Omni-Paxos paper", partial_partitions),
        group(
            "3",
            "every directed graph of 3 replicas, then the leader cut off, then every link up",
            || directed(3).into_iter().map(worse_then_healed).collect(),
        ),
        group("3-changes", "every change from a directed graph of 3 replicas to another", || {
            let pairs = |before: Graph| {
                let after = directed(3).into_iter();
                after.map(move |after| {
                    let what = format!("then {after}");
                    Case::of(before.clone()).then(&what, Change::Become(after))
                })
            };
            directed(3).into_iter().flat_map(pairs).collect()
        }),
        group(
            "4",
            "every directed graph of 4 replicas, then the leader cut off, then every link up",
            || directed(4).into_iter().map(worse_then_healed).collect(),
        ),
        group(
            "5",
            "every undirected graph of 5 replicas, then the leader cut off, then every link up",
            || undirected(5).into_iter().map(worse_then_healed).collect(),
        ),
    ]
}

/// These links, then the leader cut off, then every link up again.
fn worse_then_healed(graph: Graph) -> Case {
    let full = Change::Become(Graph::full(graph.replicas()));
    Case::of(graph).then("leader cut off", Change::CutLeader).then("healed", full)
}

/// Runs these cases on so many threads, each with its own seed, and hands over what each came to, as
/// they end. Ends early when `go_on` says so.
pub fn run_all(
    cases: &[Case],
    deployed: &Deployed,
    threads: usize,
    go_on: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn(usize, Outcome) + Sync),
) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while go_on() {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { return };
                    done(index, case.run(deployed, SEED));
                }
            });
        }
    });
}

/// The first failure that is found among these cases, if there is one: the case, and what was demanded
/// and not met.
///
/// # Panics
/// If an actor does.
pub fn first_failure(cases: &[Case], deployed: &Deployed, threads: usize) -> Option<String> {
    let first = Mutex::new(None);
    let found = || first.lock().expect("nobody panics with it");
    let go_on = || found().is_none();
    run_all(cases, deployed, threads, &go_on, &|index, outcome| {
        if let Some(what) = outcome.failure {
            found().get_or_insert_with(|| format!("{}: {what}", cases[index].name));
        }
    });
    first.into_inner().expect("nobody panics with it")
}

/// What all runs of [`run_all`] draw from.
pub const SEED: u64 = 1;

/// How many clients there are: one that reaches all replicas, and those that do not reach `f`.
fn clients(replicas: u8) -> usize {
    usize::from(replicas) + 1
}

/// Readers: one that reaches all replicas, and one that does not reach the first `f`.
const READERS: usize = 2;

fn names(replicas: u8) -> Vec<String> {
    let all = (0..replicas).map(|id| format!("replica {id}"));
    let clients = (0..clients(replicas)).map(|client| format!("client {client}"));
    all.chain(clients).chain((0..READERS).map(|reader| format!("reader {reader}"))).collect()
}

/// The replicas that the client of this number asks, in its order.
fn reach(replicas: u8, client: usize) -> Vec<NodeId> {
    let (n, f) = (usize::from(replicas), usize::from(replicas - 1) / 2);
    let (first, count) = if client == 0 { (0, n) } else { (client - 1 + f, n - f) };
    let id = |index: usize| NodeId::from(ReplicaId(((first + index) % n) as u8));
    (0..count).map(id).collect()
}

fn actors(replicas: u8, deployed: &Deployed) -> Vec<(Node, Option<NodeStorage>)> {
    let cluster = Cluster::new(replicas);
    let all = (0..replicas).map(|_| deployed.replica(cluster));
    let clients =
        (0..clients(replicas)).map(|client| deployed.client(client, reach(replicas, client)));
    let readers = (0..READERS).map(|reader| deployed.reader(reach(replicas, reader)));
    all.chain(clients).chain(readers).collect()
}

/// What is known of the messages of actors here.
pub const WIRE: Wire<Message> = Wire { size_bytes, class: |message| message.class().name() };

/// An upper bound of a message's bytes on the wire, with the header of a datagram of its own.
fn size_bytes(message: &Message) -> usize {
    const HEADER: usize = 100;
    let values = |values: &[Value]| values.iter().map(Value::size_bytes).sum::<usize>();
    HEADER
        + match message {
            Message::ToReplica(ToReplica::Request(command))
            | Message::ToPeer(ToPeer::Relay(Relay { command, .. })) => command.size_bytes(),
            Message::ToPeer(ToPeer::Accept(Accept { value, .. })) => value.size_bytes(),
            Message::ToPeer(ToPeer::Promise(Promise { votes, .. })) => {
                votes.iter().map(|(_, vote)| vote.value.size_bytes()).sum()
            }
            Message::ToPeer(ToPeer::Decided(entries)) => values(&entries.values),
            Message::ToClient(ToClient::Entries(page)) => {
                page.values.iter().map(AppliedValue::size_bytes).sum()
            }
            _ => 0,
        }
}
