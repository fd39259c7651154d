//! The actors refine Paxos at every slot, on bounds with leader changes, crashes, compaction and
//! skipped slots; and actors that do it wrong are refuted.

use actor_checker::compact::{CompactModel, Reductions};
use actor_checker::engine::Options;
use actor_checker::spec::Kind;
use paxos_chat::effects::Effects;
use paxos_chat::message::{Accept, Message, ToPeer};
use paxos_chat::types::{Ballot, ReplicaId, Slot};
use paxos_chat_models::config::Config;
use paxos_chat_models::node::{Node, NodeState, NodeStorage, NodeTimer};
use paxos_chat_models::paxos::Action;
use paxos_chat_models::refinement::{self, PROPERTIES, Refinement, Refuted};
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;

const NONE: Reductions = Reductions::NONE;
const EAGER: Reductions = Reductions { eager_sends: true, ..Reductions::NONE };
const ALL: Reductions = Reductions::ALL;

/// Two commands of two clients that ask different replicas: rivals for the same slot.
fn rivals(ballots: &[(u32, u8)]) -> Config {
    Config::new(3).client("ann", 1, 0).client("bob", 1, 1).ballots(ballots)
}

/// Explores all states, and asserts that the actors refine Paxos there, with every event reached.
fn assert_refines(config: &Config, reductions: Reductions) {
    let model = refinement::model(config, reductions);
    let report = model.bfs(&Options::default());
    for (bit, property) in PROPERTIES.iter().enumerate() {
        let hit = report.discoveries[bit].is_some() || model.reached().has(bit);
        assert_eq!(hit, property.kind == Kind::Sometimes, "{}", property.name);
    }
    assert!(report.complete, "{:?}", report.stopped);
    assert!(model.check_stale().is_ok(), "a message was dropped that matters later");
}

#[test]
fn leaders_that_change_refine_paxos() {
    assert_refines(&rivals(&[(1, 0), (1, 1), (2, 2)]), ALL);
}

#[test]
fn they_do_without_any_reduction() {
    let one_client = Config::new(3).client("ann", 1, 0).ballots(&[(1, 0), (1, 1)]);
    assert_refines(&one_client, NONE);
    assert_refines(&rivals(&[(1, 0), (1, 1)]), EAGER);
}

#[test]
fn a_crash_and_a_recovery_refine_paxos() {
    let config = rivals(&[(1, 0), (1, 1)]).crashes(&[0, 1, 2], 1, true);
    assert_refines(&config, ALL);
}

#[test]
fn compaction_refines_paxos() {
    let config = Config::new(3)
        .client("ann", 2, 0)
        .ballots(&[(1, 0), (1, 1), (2, 1)])
        .tuned(|tuning| tuning.snapshot_slots = 1);
    assert_refines(&config, ALL);
}

#[test]
fn a_skipped_slot_refines_paxos() {
    let config = Config { skips: vec![(0, Slot(1))], ..Config::new(3) }
        .client("ann", 1, 0)
        .ballots(&[(1, 0), (1, 1), (2, 1)]);
    assert_refines(&config, ALL);
}

#[test]
fn promises_in_chunks_refine_paxos() {
    let config = Config::new(3)
        .client("ann", 2, 0)
        .last_client(|client| client.window = 2)
        .ballots(&[(1, 0), (2, 1)])
        .tuned(|tuning| {
            tuning.window_slots = 2;
            tuning.chunk_entries_max = 1;
        });
    assert_refines(&config, ALL);
}

// --- Actors that do it wrong.

/// What a replica does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Leads with the told vote of the lowest ballot, not the highest.
    LowestBallotWins,
    /// Leads as if no vote was told.
    IgnoresVotes,
    /// Answers `Prepare` with a promise that it neither makes nor saves.
    EmptyPromise,
    /// Saves its votes, but not its promises.
    SavesNoPromise,
    /// Votes in a ballot below its promise.
    VotesBelowPromise,
}

/// A node with a fault; the rest of it is the real one.
struct Faulty {
    node: Node,
    fault: Fault,
}

impl Faulty {
    /// What the replica makes of a message, given that it does this wrong.
    fn on_faulty_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState>,
        src: Id,
        msg: Message,
        out: &mut Out<Node>,
    ) {
        let promised = state.replica().map(|replica| replica.durable.promised);
        match (self.fault, msg, promised) {
            (Fault::IgnoresVotes, Message::ToPeer(ToPeer::Promise(mut chunk)), _) => {
                chunk.votes.clear();
                self.node.on_msg(id, state, src, Message::ToPeer(ToPeer::Promise(chunk)), out);
            }
            (Fault::LowestBallotWins, Message::ToPeer(ToPeer::Promise(mut chunk)), _) => {
                for (_, vote) in &mut chunk.votes {
                    let Ballot { round, replica } = vote.ballot;
                    let replica = ReplicaId(u8::MAX - replica.0);
                    vote.ballot = Ballot { round: u32::MAX - round, replica };
                }
                self.node.on_msg(id, state, src, Message::ToPeer(ToPeer::Promise(chunk)), out);
            }
            (Fault::EmptyPromise, msg @ Message::ToPeer(ToPeer::Prepare(_)), _) => {
                let mut forgotten = state.clone();
                let mut commands = Out::new();
                self.node.on_msg(id, &mut forgotten, src, msg, &mut commands);
                for command in commands {
                    if let Command::Send(to, message) = command {
                        out.send(to, message);
                    }
                }
            }
            (
                Fault::VotesBelowPromise,
                Message::ToPeer(ToPeer::Accept(Accept { ballot, slot, value, decided_upto })),
                p,
            ) if p > Some(ballot) => {
                set_promised(state, ballot);
                let msg =
                    Message::ToPeer(ToPeer::Accept(Accept { ballot, slot, value, decided_upto }));
                self.node.on_msg(id, state, src, msg, out);
                set_promised(state, p.unwrap_or_default());
            }
            (_, msg, _) => self.node.on_msg(id, state, src, msg, out),
        }
    }

    /// Hands on what was put out, but for what the fault keeps back.
    fn put_out(&self, commands: Out<Node>, out: &mut Out<Self>) {
        let spoil = |command: Command<Message, NodeTimer, (), NodeStorage>| match command {
            Command::Save(NodeStorage::Replica(mut disk))
                if self.fault == Fault::SavesNoPromise =>
            {
                disk.storage.promised = Ballot::ZERO;
                Command::Save(NodeStorage::Replica(disk))
            }
            command => command,
        };
        out.append::<Node>(&mut commands.into_iter().map(spoil).collect());
    }
}

fn set_promised(state: &mut Cow<'_, NodeState>, promised: Ballot) {
    if let NodeState::Replica(machine) = state.to_mut() {
        machine.replica.durable.write(&mut Effects::default()).promised = promised;
    }
}

impl Actor for Faulty {
    type Msg = Message;
    type Timer = NodeTimer;
    type State = NodeState;
    type Storage = NodeStorage;
    type Random = ();

    fn on_start(&self, id: Id, storage: &Option<NodeStorage>, out: &mut Out<Self>) -> NodeState {
        let mut commands = Out::new();
        let state = self.node.on_start(id, storage, &mut commands);
        self.put_out(commands, out);
        state
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState>,
        src: Id,
        msg: Message,
        out: &mut Out<Self>,
    ) {
        let mut commands = Out::new();
        self.on_faulty_msg(id, state, src, msg, &mut commands);
        self.put_out(commands, out);
    }

    fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState>,
        timer: &NodeTimer,
        out: &mut Out<Self>,
    ) {
        let mut commands = Out::new();
        self.node.on_timeout(id, state, timer, &mut commands);
        self.put_out(commands, out);
    }

    fn name(&self) -> String {
        self.node.name()
    }
}

/// Refutes a fault: why the last step of a shortest path is none of the specification's.
fn refute(config: &Config, fault: Fault) -> Refuted {
    let model: CompactModel<Faulty, Refinement> =
        refinement::model_of(config, EAGER, |_, node| Faulty { node, fault });
    let report = model.bfs(&Options::default());
    let always = PROPERTIES.iter().zip(&report.discoveries).filter(|(p, _)| p.kind == Kind::Always);
    let violated = always.filter_map(|(_, found)| *found).next().expect("the fault is refuted");
    let (_, steps) = model.path_to(violated.fingerprint, violated.depth).expect("a path");
    let (_, last) = steps.last().expect("a step");
    let refuted = model.history(last).refuted.clone();
    refuted.expect("the step is refuted")
}

#[test]
fn a_leader_that_takes_the_vote_of_the_lowest_ballot_is_refuted() {
    let bounds = rivals(&[(1, 0), (1, 1), (2, 2)]);
    let refuted = refute(&bounds, Fault::LowestBallotWins);
    assert!(matches!(refuted, Refuted::Action(Some(_), Action::Phase2a(..))), "{refuted:?}");
}

#[test]
fn a_leader_that_ignores_votes_is_refuted() {
    let refuted = refute(&rivals(&[(1, 0), (1, 1)]), Fault::IgnoresVotes);
    assert!(matches!(refuted, Refuted::Action(Some(_), Action::Phase2a(..))), "{refuted:?}");
}

#[test]
fn a_promise_that_is_not_made_is_refuted() {
    let refuted = refute(&rivals(&[(1, 0), (1, 1)]), Fault::EmptyPromise);
    assert!(
        matches!(refuted, Refuted::Message(Message::ToPeer(ToPeer::Promise(_)))),
        "{refuted:?}"
    );
}

#[test]
fn a_promise_that_a_crash_takes_back_is_refuted() {
    let bounds = rivals(&[(1, 0), (1, 1)]).crashes(&[0, 1, 2], 1, true);
    let refuted = refute(&bounds, Fault::SavesNoPromise);
    assert!(matches!(refuted, Refuted::Action(Some(_), Action::Phase2a(..))), "{refuted:?}");
}

#[test]
fn a_vote_below_a_promise_is_refuted() {
    let refuted = refute(&rivals(&[(1, 0), (1, 1)]), Fault::VotesBelowPromise);
    assert!(matches!(refuted, Refuted::Action(Some(_), Action::Phase2b(..))), "{refuted:?}");
}
