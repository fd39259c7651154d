//! Evidence that exploration is sound: true counts where stateright's own model miscounts, equality
//! with an enumeration that keeps whole states, and the same local states under every reduction.

mod naive;

use actor_checker::compact::{CompactModel, Reductions, SystemState};
use actor_checker::engine::{Options, bfs};
use actor_checker::intern::content_hash;
use actor_checker::spec::{Kind, Local, PropertyName, Spec, Step};
use naive::{Naive, Steps};
use paxos_chat::message::{Input, Message};
use paxos_chat::types::{Ballot, ReplicaId};
use paxos_chat_models::chat::Ghost;
use paxos_chat_models::config::{ChatModel, Config};
use paxos_chat_models::node::{Node, NodeState, NodeTimer};
use paxos_chat_models::properties::Milestone;
use paxos_chat_models::reductions::symmetry::Renaming;
use stateright::actor::{Actor, Id, Out};
use stateright::{Checker, Model};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// stateright's engine stops at once where nothing is asked.
const NOTHING: [PropertyName; 1] = [PropertyName { name: "nothing is asked", kind: Kind::Always }];

/// A specification that remembers and judges nothing.
struct Bare {
    ballots: BTreeSet<Ballot>,
    config: Config,
}

impl Bare {
    fn of(config: &Config) -> Bare {
        let ballot = |(round, id): &(u32, u8)| Ballot { round: *round, replica: ReplicaId(*id) };
        let ballots = config.ballots.iter().map(ballot).collect();
        Bare { ballots, config: config.clone() }
    }
}

impl Spec<Node> for Bare {
    type Ghost = ();
    type History = ();
    type View = ();
    fn ghost(&self, _: usize) {}
    fn history(&self) {}
    fn remember(&self, _: &Step<'_, Node, ()>) {}
    fn properties(&self) -> &[PropertyName] {
        &NOTHING
    }
    fn view(&self, _: usize, _: &Local<Node, ()>) {}
    fn within(&self, _: usize, state: &NodeState) -> bool {
        naive::is_within(&self.ballots, state)
    }
    fn may_time_out(&self, actor: usize, _: &NodeState, timer: &NodeTimer) -> bool {
        naive::may_time_out(&self.ballots, actor, *timer)
    }
    fn may_crash(&self, actor: usize) -> bool {
        self.config.may_crash(actor)
    }
}

fn compact(config: &Config) -> CompactModel<Node, Bare> {
    CompactModel::new(config.nodes(config.genesis()), Bare::of(config)).with_crashes(config.crashes)
}

/// One leader, one message.
fn smallest() -> Config {
    Config::new(3).client("ann", 1, 0).ballots(&[(1, 0)])
}

/// Configurations that an enumeration of whole states can finish.
fn small_configs() -> Vec<(&'static str, Config)> {
    vec![
        ("one leader", smallest()),
        ("crash and recovery", smallest().crashes(&[0, 1, 2], 1, true)),
        (
            "a client's crash",
            smallest().last_client(|client| client.crashes = true).clients_crash(1),
        ),
        ("snapshots", smallest().tuned(|tuning| tuning.snapshot_slots = 1)),
        ("crash for good", smallest().crashes(&[0, 1, 2], 1, false)),
    ]
}

#[test]
fn counts_are_those_of_an_enumeration_that_keeps_whole_states() {
    for (name, config) in small_configs() {
        let report = bfs(&compact(&config), &Options::default());
        assert!(report.complete, "{name}");
        let naive = Naive::explore(&config, Steps::Growing);
        assert_eq!(report.unique_states, naive.unique_states, "{name}");
    }
}

#[test]
fn explicit_loss_reaches_the_same_local_states() {
    // An election without clients: every subset of what was sent is a state of its own here.
    let config = Config::new(3).ballots(&[(1, 0)]);
    let growing = Naive::explore(&config, Steps::Growing);
    let losing = Naive::explore(&config, Steps::Losing);
    assert!(losing.unique_states > growing.unique_states);
    assert_eq!(losing.locals, growing.locals);
}

/// The local states that a model has met, as text.
fn locals_of(model: &CompactModel<Node, Bare>) -> BTreeSet<(usize, String)> {
    model.all_locals().map(|(actor, local)| (actor, format!("{local:?}"))).collect()
}

#[test]
fn eager_sends_keep_the_reachable_local_states() {
    let rivals = Config::new(3).client("ann", 1, 0).ballots(&[(1, 0), (1, 1)]);
    for (name, config) in small_configs().into_iter().chain([("two leaders", rivals)]) {
        let full = compact(&config);
        let all = bfs(&full, &Options::default());
        let eager = Reductions { eager_sends: true, ..Reductions::NONE };
        let reduced = compact(&config).with_reductions(eager);
        let fewer = bfs(&reduced, &Options::default());
        assert!(all.complete && fewer.complete, "{name}");
        assert!(fewer.unique_states < all.unique_states, "{name}");
        assert_eq!(locals_of(&reduced), locals_of(&full), "{name}");
    }
}

#[test]
fn reductions_keep_verdicts_and_reachable_local_states() {
    let events = &[Milestone::LeaderElected, Milestone::AllDelivered, Milestone::NoopChosen];
    let one = || Config::new(3).client("ann", 1, 0);
    let more = [
        ("two leaders", one().ballots(&[(1, 0), (1, 1)])),
        ("pre-votes", one().ballots(&[(1, 0)]).tuned(|tuning| tuning.pre_vote = true)),
        (
            "a slot skipped on request",
            Config { inputs: vec![(0, Input::SkipSlot)], ..one() }.ballots(&[(1, 0)]),
        ),
    ];
    for (name, config) in small_configs().into_iter().chain(more) {
        let run = |reductions| {
            let model = config.model(events, reductions);
            let report = bfs(&model, &Options::default());
            assert!(report.complete, "{name}");
            let hits: Vec<bool> = report.discoveries.iter().map(Option::is_some).collect();
            // Takes the renamed steps too.
            assert!(model.check_symmetry().is_ok(), "{name}");
            let locals: BTreeSet<(usize, String)> =
                model.all_locals().map(|(actor, local)| (actor, format!("{local:?}"))).collect();
            assert!(model.check_stale().is_ok(), "{name}");
            (report.unique_states, hits, locals)
        };
        let (all, hits, locals) = run(Reductions::NONE);
        let stale_messages = Reductions { symmetry: false, ..Reductions::ALL };
        let symmetry = Reductions { symmetry: true, ..Reductions::NONE };
        for reductions in [stale_messages, symmetry, Reductions::ALL] {
            let (fewer, same_hits, same_locals) = run(reductions);
            let is_reduced = reductions.stale_messages || !config.renamings().is_empty();
            assert_eq!(fewer < all, is_reduced, "{name} {reductions:?}");
            assert_eq!(same_hits, hits, "{name} {reductions:?}");
            assert_eq!(same_locals, locals, "{name} {reductions:?}");
        }
    }
}

#[test]
fn states_that_are_renamings_of_one_another_are_counted_once() {
    let alike_replicas = Config::new(3).client("ann", 1, 0).ballots(&[(1, 0)]);
    let alike_clients = Config::new(1).client("ann", 1, 0).client("bob", 1, 0).ballots(&[(1, 0)]);
    for config in [alike_replicas, alike_clients] {
        assert_eq!(config.renamings().len(), 1);
        assert_counts_orbits(&config);
    }
}

/// Compares with all states of the full run, each with the least of its renamings in its place.
fn assert_counts_orbits(config: &Config) {
    let full = config.model(&[], Reductions::NONE);
    let symmetric = config.model(&[], Reductions { symmetry: true, ..Reductions::NONE });
    let orbits: BTreeSet<u64> = all_states(&full)
        .iter()
        .map(|state| {
            let renamed = |renaming: &Renaming| {
                let mut locals: Vec<(usize, String)> = (0..full.actors().len())
                    .map(|actor| (actor, renaming.local(full.local(state, actor))))
                    .map(|(actor, local)| (renaming.actors[actor], format!("{local:?}")))
                    .collect();
                locals.sort();
                let mut envelopes: Vec<String> = full
                    .envelopes(state)
                    .into_iter()
                    .map(|(src, dst, msg)| {
                        let (src, dst) = (renaming.actors[src], renaming.actors[dst]);
                        format!("{src} {dst} {:?}", renaming.message(msg))
                    })
                    .collect();
                envelopes.sort();
                let history = renaming.history(full.history(state));
                content_hash(&(locals, envelopes, history))
            };
            let renamings = config.renamings();
            let identity = Renaming::of_replicas((0..full.actors().len()).collect());
            renamings.iter().chain([&identity]).map(renamed).min().expect("at least one")
        })
        .collect();
    let report = symmetric.bfs(&Options::default());
    assert_eq!(report.unique_states, orbits.len() as u64);
    assert!(symmetric.check_symmetry().is_ok());
}

/// Every state of a model, kept whole.
fn all_states(model: &ChatModel) -> Vec<SystemState> {
    let mut states = model.init_states();
    let mut seen: BTreeSet<u128> = states.iter().map(SystemState::fingerprint).collect();
    let mut next = 0;
    while next < states.len() {
        let successors = model.next_states(&states[next]);
        states.extend(successors.into_iter().filter(|state| seen.insert(state.fingerprint())));
        next += 1;
    }
    states
}

#[test]
fn a_state_stands_for_its_variants() {
    // Only among five replicas can a leader have heard somebody and no majority.
    let config = Config::new(5).ballots(&[(1, 0)]);
    let run = |reductions| {
        let model = config.model(&[], reductions);
        let report = model.bfs(&Options::default());
        assert!(report.complete);
        assert!(model.check_dead_variables().is_ok());
        let canonical = |(actor, local): (usize, &Local<Node, Ghost>)| {
            let state = local.state.clone().map(|state| model.spec().canonical(actor, state));
            (actor, format!("{:?}", Local { state, ..local.clone() }))
        };
        let locals: BTreeSet<(usize, String)> = model.all_locals().map(canonical).collect();
        (report.unique_states, locals)
    };
    let eager_sends = Reductions { eager_sends: true, ..Reductions::NONE };
    let (all, locals) = run(eager_sends);
    let (fewer, same_locals) = run(Reductions { dead_variables: true, ..eager_sends });
    assert!(fewer < all, "{fewer} of {all}");
    assert_eq!(same_locals, locals);
}

#[test]
fn a_false_claim_of_dead_variables_makes_the_run_void() {
    /// Claims that it does not matter whether a leader is alive.
    struct Deaf(Bare);
    impl Spec<Node> for Deaf {
        type Ghost = ();
        type History = ();
        type View = ();
        fn ghost(&self, _: usize) {}
        fn history(&self) {}
        fn remember(&self, _: &Step<'_, Node, ()>) {}
        fn properties(&self) -> &[PropertyName] {
            &NOTHING
        }
        fn view(&self, _: usize, _: &Local<Node, ()>) {}
        fn within(&self, actor: usize, state: &NodeState) -> bool {
            self.0.within(actor, state)
        }
        fn may_time_out(&self, actor: usize, state: &NodeState, timer: &NodeTimer) -> bool {
            self.0.may_time_out(actor, state, timer)
        }
        fn canonical(&self, _: usize, mut state: NodeState) -> NodeState {
            if let NodeState::Replica(machine) = &mut state {
                machine.replica.leader_alive = false;
            }
            state
        }
        fn variants(&self, _: usize, state: &NodeState) -> Vec<NodeState> {
            let mut variant = state.clone();
            if let NodeState::Replica(machine) = &mut variant {
                machine.replica.leader_alive = true;
            }
            if variant == *state { Vec::new() } else { vec![variant] }
        }
    }
    let refuted = {
        let config = Config::new(3).ballots(&[(1, 0), (1, 1)]);
        let config = config.tuned(|tuning| tuning.pre_vote = true);
        let reductions = Reductions { dead_variables: true, ..Reductions::NONE };
        let model = CompactModel::new(config.nodes(config.genesis()), Deaf(Bare::of(&config)))
            .with_reductions(reductions);
        model.bfs(&Options { max_states: Some(100_000), ..Options::default() });
        model.check_dead_variables().expect_err("a pre-vote is not granted while a leader lives")
    };
    assert!(!refuted.event.is_empty() && !refuted.variant.is_empty(), "{refuted:?}");
}

#[test]
fn a_false_claim_of_symmetry_makes_the_run_void() {
    // One of the two replicas that take each other's places stands for election.
    let config = Config::new(3).client("ann", 1, 0).ballots(&[(1, 0)]);
    let mut renaming = Renaming::of_replicas(vec![0, 2, 1, 3]);
    let claimed = |renaming: &Renaming| {
        let mut spec = config.model(&[], Reductions::NONE).spec().clone();
        spec.renamings = vec![renaming.clone()];
        let model = CompactModel::new(config.nodes(config.genesis()), spec);
        let model = model.with_reductions(Reductions { symmetry: true, ..Reductions::NONE });
        model.bfs(&Options::default());
        model.check_symmetry()
    };
    assert!(claimed(&renaming).is_ok());
    renaming.actors = vec![1, 0, 2, 3];
    let refuted = claimed(&renaming).expect_err("replica 1 does not stand");
    assert!(!refuted.difference.is_empty() && !refuted.event.is_empty(), "{refuted:?}");
}

#[test]
fn a_false_claim_of_staleness_makes_the_run_void() {
    /// Claims that nothing a replica ignores will ever matter.
    struct Rash(Bare);
    impl Spec<Node> for Rash {
        type Ghost = ();
        type History = ();
        type View = ();
        fn ghost(&self, _: usize) {}
        fn history(&self) {}
        fn remember(&self, _: &Step<'_, Node, ()>) {}
        fn properties(&self) -> &[PropertyName] {
            &NOTHING
        }
        fn view(&self, _: usize, _: &Local<Node, ()>) {}
        fn within(&self, actor: usize, state: &NodeState) -> bool {
            self.0.within(actor, state)
        }
        fn may_time_out(&self, actor: usize, state: &NodeState, timer: &NodeTimer) -> bool {
            self.0.may_time_out(actor, state, timer)
        }
        fn is_stale(&self, _: usize, _: &NodeState, _: usize, _: &Message) -> bool {
            true
        }
    }
    let config = smallest();
    let reductions = Reductions::ALL;
    let model = CompactModel::new(config.nodes(config.genesis()), Rash(Bare::of(&config)))
        .with_reductions(reductions);
    bfs(&model, &Options::default());
    let refuted = model.check_stale().expect_err("a request that a follower ignores matters later");
    assert!(refuted.message.contains("receives"), "{}", refuted.message);
}

#[test]
fn both_engines_count_alike() {
    for (name, config) in small_configs() {
        let ours = bfs(&compact(&config), &Options::default());
        let theirs = compact(&config).checker().threads(2).spawn_bfs().join();
        assert_eq!(ours.unique_states, theirs.unique_state_count() as u64, "{name}");
        assert_eq!(ours.generated_states, theirs.state_count() as u64, "{name}");
    }
}

#[test]
fn counts_and_fingerprints_do_not_depend_on_threads() {
    let config = smallest().crashes(&[0, 1, 2], 1, true);
    let run = |threads| {
        let model = compact(&config);
        let report = bfs(&model, &Options { threads, ..Options::default() });
        (report.unique_states, report.generated_states, report.by_depth)
    };
    let one = run(1);
    for threads in [2, 3, 8] {
        assert_eq!(run(threads), one, "{threads} threads");
    }
}

/// An actor with one timer, which fires once.
struct OneTimer;

impl Actor for OneTimer {
    type Msg = ();
    type Timer = ();
    type State = ();
    type Storage = ();
    type Random = ();
    fn on_start(&self, _: Id, _: &Option<()>, out: &mut Out<Self>) {
        out.set_timer((), std::time::Duration::ZERO..std::time::Duration::ZERO);
    }
}

/// An actor that sends six messages to itself at its start, and collects what arrives.
struct Collector;

impl Actor for Collector {
    type Msg = u8;
    type Timer = ();
    type State = BTreeSet<u8>;
    type Storage = ();
    type Random = ();
    fn on_start(&self, id: Id, _: &Option<()>, out: &mut Out<Self>) -> BTreeSet<u8> {
        (0..6).for_each(|message| out.send(id, message));
        BTreeSet::new()
    }
    fn on_msg(&self, _: Id, state: &mut Cow<'_, BTreeSet<u8>>, _: Id, msg: u8, _: &mut Out<Self>) {
        if !state.contains(&msg) {
            state.to_mut().insert(msg);
        }
    }
}

/// As [`Bare`], for actors that are not ours.
struct Anything;

impl<A: Actor> Spec<A> for Anything {
    type Ghost = ();
    type History = ();
    type View = ();
    fn ghost(&self, _: usize) {}
    fn history(&self) {}
    fn remember(&self, _: &Step<'_, A, ()>) {}
    fn properties(&self) -> &[PropertyName] {
        &NOTHING
    }
    fn view(&self, _: usize, _: &Local<A, ()>) {}
}

#[test]
fn actors_with_one_timer_each_have_all_their_states() {
    for (actors, states) in [(2, 4), (4, 16)] {
        let model = CompactModel::new((0..actors).map(|_| (OneTimer, None)).collect(), Anything);
        assert_eq!(bfs(&model, &Options::default()).unique_states, states);
        let theirs = model.checker().spawn_bfs().join();
        assert_eq!(theirs.unique_state_count() as u64, states);
    }
}

#[test]
fn a_network_that_duplicates_adds_no_states() {
    let model = CompactModel::new(vec![(Collector, None)], Anything);
    assert_eq!(bfs(&model, &Options::default()).unique_states, 64);
    assert_eq!(model.checker().spawn_bfs().join().unique_state_count(), 64);
}

#[test]
fn cutting_a_handler_adds_nothing_to_crashing_after_it() {
    // A crash within a handler leaves either the storage of before, or that of after and some of its
    // messages. The second is a crash after the handler with messages undelivered. The first is a crash
    // before it, unless something was sent ahead of the save: that adds nothing in bounds this small,
    // and is what the entries with pending saves explore.
    let config = smallest().crashes(&[0, 1, 2], 1, true);
    let whole = Naive::explore(&config, Steps::Growing);
    let cut = Naive::explore(&config, Steps::Cut);
    assert_eq!(cut.locals, whole.locals);
    assert!(cut.unique_states > whole.unique_states);
}
