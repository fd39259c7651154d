//! The engine on models that stateright publishes, which are ported here: it finds the counts that
//! stateright's own tests state, and so does stateright on the same port.
//!
//! **Source**: stateright 0.31, `examples/2pc.rs` (288 states for 3 resource managers, 8,832 for 5)
//! and `examples/paxos.rs` (16,668 states for 3 servers and 2 clients, with the network that
//! neither orders nor duplicates); the former after Gray and Lamport, *Consensus on Transaction
//! Commit* (2004).

use actor_checker::engine::{Options, bfs};
use stateright::actor::register::{RegisterActor, RegisterMsg};
use stateright::actor::{Actor, ActorModel, Id, Network, Out, majority, model_peers};
use stateright::semantics::LinearizabilityTester;
use stateright::semantics::register::Register;
use stateright::{Checker, Expectation, Model, Property};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

/// Explores a model with both engines, and asserts that they agree: in what they count, that
/// nothing is violated, and that what should be reached is. Returns the unique states.
fn count<M>(model: M) -> u64
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Send + Sync,
    M::Action: Clone + PartialEq + std::fmt::Debug,
    M::State: std::fmt::Debug,
{
    let ours = bfs(&model, &Options::default());
    assert!(ours.complete, "{:?}", ours.stopped);
    for (property, found) in model.properties().iter().zip(&ours.discoveries) {
        let should = property.expectation == Expectation::Sometimes;
        assert_eq!(found.is_some(), should, "{}", property.name);
    }
    let theirs = model.checker().threads(2).spawn_bfs().join();
    theirs.assert_properties();
    assert_eq!(ours.unique_states, theirs.unique_state_count() as u64);
    assert_eq!(ours.generated_states, theirs.state_count() as u64);
    ours.unique_states
}

// --- Two-phase commit.

/// A transaction manager and this many resource managers.
struct TwoPhaseCommit {
    managers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Manager {
    Working,
    Prepared,
    Committed,
    Aborted,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Transaction {
    /// The state of each resource manager.
    managers: Vec<Manager>,
    /// The decision: undecided, or commit or not.
    decision: Option<bool>,
    /// The managers whose preparation is known to the transaction manager.
    known: Vec<bool>,
    /// The managers that have sent word of their preparation.
    sent: BTreeSet<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Decide(bool),
    HearPrepared(usize),
    Prepare(usize),
    GiveUp(usize),
    HearDecision(usize),
}

impl Model for TwoPhaseCommit {
    type State = Transaction;
    type Action = Step;

    fn init_states(&self) -> Vec<Transaction> {
        let n = self.managers;
        vec![Transaction {
            managers: vec![Manager::Working; n],
            decision: None,
            known: vec![false; n],
            sent: BTreeSet::new(),
        }]
    }

    fn actions(&self, state: &Transaction, steps: &mut Vec<Step>) {
        let undecided = state.decision.is_none();
        if undecided && state.known.iter().all(|known| *known) {
            steps.push(Step::Decide(true));
        }
        if undecided {
            steps.push(Step::Decide(false));
        }
        for manager in 0..self.managers {
            if undecided && state.sent.contains(&manager) {
                steps.push(Step::HearPrepared(manager));
            }
            if state.managers[manager] == Manager::Working {
                steps.extend([Step::Prepare(manager), Step::GiveUp(manager)]);
            }
            if !undecided {
                steps.push(Step::HearDecision(manager));
            }
        }
    }

    fn next_state(&self, state: &Transaction, step: Step) -> Option<Transaction> {
        let mut next = state.clone();
        match step {
            Step::Decide(commit) => next.decision = Some(commit),
            Step::HearPrepared(manager) => next.known[manager] = true,
            Step::Prepare(manager) => {
                next.managers[manager] = Manager::Prepared;
                next.sent.insert(manager);
            }
            Step::GiveUp(manager) => next.managers[manager] = Manager::Aborted,
            Step::HearDecision(manager) => {
                let commit = state.decision == Some(true);
                next.managers[manager] = if commit { Manager::Committed } else { Manager::Aborted };
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn any(state: &Transaction, wanted: Manager) -> bool {
            state.managers.contains(&wanted)
        }
        fn all(state: &Transaction, wanted: Manager) -> bool {
            state.managers.iter().all(|manager| *manager == wanted)
        }
        vec![
            Property::sometimes("all abort", |_, state| all(state, Manager::Aborted)),
            Property::sometimes("all commit", |_, state| all(state, Manager::Committed)),
            Property::always("no two decide differently", |_, state| {
                !(any(state, Manager::Aborted) && any(state, Manager::Committed))
            }),
        ]
    }
}

#[test]
fn two_phase_commit_has_the_published_counts() {
    assert_eq!(count(TwoPhaseCommit { managers: 3 }), 288);
    assert_eq!(count(TwoPhaseCommit { managers: 5 }), 8_832);
}

// --- Single-decree Paxos as an actor, in stateright's own model of actors.

type Ballot = (u32, Id);
/// The number of a request, its client, and what the client wants to write.
type Proposal = (u64, Id, char);
type Vote = Option<(Ballot, Proposal)>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum PaxosMsg {
    Prepare(Ballot),
    Promise(Ballot, Vote),
    Accept(Ballot, Proposal),
    Accepted(Ballot),
    Decided(Ballot, Proposal),
}
use PaxosMsg::{Accept, Accepted, Decided, Prepare, Promise};
use RegisterMsg::{Get, GetOk, Internal, Put, PutOk};

/// One server of a register that can be written once.
#[derive(Clone)]
struct Server {
    peers: Vec<Id>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ServerState {
    ballot: Ballot,
    wanted: Option<Proposal>,
    promises: BTreeMap<Id, Vote>,
    voters: BTreeSet<Id>,
    vote: Vote,
    decided: bool,
}

impl Server {
    fn is_majority(&self, count: usize) -> bool {
        count == majority(self.peers.len() + 1)
    }

    fn prepare(&self, id: Id, state: &mut ServerState, wanted: Proposal, out: &mut Out<Self>) {
        state.wanted = Some(wanted);
        state.ballot = (state.ballot.0 + 1, id);
        state.promises = BTreeMap::from([(id, state.vote)]);
        state.voters = BTreeSet::new();
        out.broadcast(&self.peers, &Internal(Prepare(state.ballot)));
    }

    /// The vote of the highest ballot wins over what this server's client wants.
    fn propose(&self, id: Id, state: &mut ServerState, out: &mut Out<Self>) {
        let told = state.promises.values().flatten().max();
        let proposal = told.map_or(state.wanted.expect("a client asked"), |vote| vote.1);
        state.wanted = Some(proposal);
        state.vote = Some((state.ballot, proposal));
        state.voters.insert(id);
        out.broadcast(&self.peers, &Internal(Accept(state.ballot, proposal)));
    }

    fn decide(&self, state: &mut ServerState, out: &mut Out<Self>) {
        state.decided = true;
        let proposal = state.wanted.expect("a client asked");
        out.broadcast(&self.peers, &Internal(Decided(state.ballot, proposal)));
        out.send(proposal.1, PutOk(proposal.0));
    }
}

impl Actor for Server {
    type Msg = RegisterMsg<u64, char, PaxosMsg>;
    type State = ServerState;
    type Timer = ();
    type Random = ();
    type Storage = ();

    fn on_start(&self, _: Id, _: &Option<()>, _: &mut Out<Self>) -> ServerState {
        ServerState {
            ballot: (0, Id::from(0)),
            wanted: None,
            promises: BTreeMap::new(),
            voters: BTreeSet::new(),
            vote: None,
            decided: false,
        }
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, ServerState>,
        src: Id,
        msg: Self::Msg,
        out: &mut Out<Self>,
    ) {
        match msg {
            Get(request) if state.decided => {
                let (_, (_, _, value)) = state.vote.expect("the decision is a vote");
                out.send(src, GetOk(request, value));
            }
            _ if state.decided => {}
            Put(request, value) if state.wanted.is_none() => {
                self.prepare(id, state.to_mut(), (request, src, value), out);
            }
            Internal(Prepare(ballot)) if ballot > state.ballot => {
                state.to_mut().ballot = ballot;
                out.send(src, Internal(Promise(ballot, state.vote)));
            }
            Internal(Promise(ballot, vote)) if ballot == state.ballot => {
                let state = state.to_mut();
                state.promises.insert(src, vote);
                if self.is_majority(state.promises.len()) {
                    self.propose(id, state, out);
                }
            }
            Internal(Accept(ballot, proposal)) if ballot >= state.ballot => {
                let state = state.to_mut();
                state.ballot = ballot;
                state.vote = Some((ballot, proposal));
                out.send(src, Internal(Accepted(ballot)));
            }
            Internal(Accepted(ballot)) if ballot == state.ballot => {
                let state = state.to_mut();
                state.voters.insert(src);
                if self.is_majority(state.voters.len()) {
                    self.decide(state, out);
                }
            }
            Internal(Decided(ballot, proposal)) => {
                let state = state.to_mut();
                state.ballot = ballot;
                state.vote = Some((ballot, proposal));
                state.decided = true;
            }
            _ => {}
        }
    }
}

type History = LinearizabilityTester<Id, Register<char>>;

fn register(servers: usize, clients: usize) -> ActorModel<RegisterActor<Server>, (), History> {
    let server = |id| RegisterActor::Server(Server { peers: model_peers(id, servers) });
    let client = |_| RegisterActor::Client { put_count: 1, server_count: servers };
    ActorModel::new((), LinearizabilityTester::new(Register(char::default())))
        .actors((0..servers).map(server))
        .actors((0..clients).map(client))
        .init_network(Network::new_unordered_nonduplicating([]))
        .property(Expectation::Always, "linearizable", |_, state| {
            state.history.serialized_history().is_some()
        })
        .property(Expectation::Sometimes, "what was chosen is read", |_, state| {
            let is_read = |msg: &_| matches!(msg, GetOk(_, value) if *value != char::default());
            state.network.iter_deliverable().any(|envelope| is_read(envelope.msg))
        })
        .record_msg_in(RegisterMsg::record_returns)
        .record_msg_out(RegisterMsg::record_invocations)
}

#[test]
fn single_decree_paxos_has_the_published_count() {
    assert_eq!(count(register(3, 2)), 16_668);
}
