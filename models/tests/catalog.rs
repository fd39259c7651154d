//! The catalog's small entries, with their exact counts; the mutants that die early.

use actor_checker::compact::Reductions;
use actor_checker::engine::{Options, Stopped};
use paxos_chat_models::catalog::Grade;
use paxos_chat_models::catalog::{entries, find};
use paxos_chat_models::mutants;
use paxos_chat_models::run::{Engine, run};
use std::collections::BTreeSet;

const BOTH: Reductions = Reductions::ALL;

/// Entries above this are left to the `check` command.
const SMALL: u64 = 130_000;

#[test]
fn small_entries_hold_and_have_the_catalog_s_counts() {
    let mut ran = 0;
    for entry in entries() {
        let Some(states) = entry.unique_states.filter(|states| *states <= SMALL) else { continue };
        let outcome = run(&entry.config, entry.reaches, Engine::Compact, BOTH, &Options::default());
        let failed: Vec<&str> =
            outcome.properties.iter().filter(|p| !p.holds).map(|p| p.name).collect();
        assert!(outcome.holds(), "{}: {failed:?} {:?}", entry.name, outcome.void);
        assert_eq!(outcome.report.unique_states, states, "{}", entry.name);
        ran += 1;
    }
    assert!(ran >= 8, "only {ran} entries are small");
}

#[test]
fn stateright_s_engine_counts_small_entries_alike() {
    for name in [
        "skipped-slot",
        "real-time",
        "sessions",
        "eviction",
        "client-evicted",
        "reader",
        "told-to-say",
    ] {
        let entry = find(name).expect("an entry of the catalog");
        let outcome =
            run(&entry.config, entry.reaches, Engine::Stateright, BOTH, &Options::default());
        assert!(outcome.holds(), "{name}");
        assert_eq!(Some(outcome.report.unique_states), entry.unique_states, "{name}");
    }
}

#[test]
fn names_are_unique_and_quick_entries_have_counts() {
    let entries = entries();
    let names: BTreeSet<&str> = entries.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), entries.len());
    for entry in entries.iter().filter(|entry| entry.grade == Grade::Quick) {
        assert!(entry.unique_states.is_some(), "{} has no count", entry.name);
    }
}

#[test]
fn mutants_name_entries_of_the_catalog_and_die_there() {
    // Those that take millions of states are left to `check mutants`.
    let limit = 120_000;
    let mut killed = 0;
    for mutant in mutants::SAFETY {
        for name in mutant.entries {
            let mut entry = find(name).unwrap_or_else(|| panic!("no entry {name}"));
            entry.config.mutant = Some(mutant.mutant);
            let options = Options { max_states: Some(limit), ..Options::default() };
            let reductions = Reductions { eager_sends: true, ..Reductions::NONE };
            let outcome = run(&entry.config, &[], Engine::Compact, reductions, &options);
            if outcome.is_violated() {
                assert!(mutant.equivalent.is_none(), "{:?} is killed", mutant.mutant);
                killed += 1;
                break;
            }
        }
    }
    assert!(killed >= 45, "only {killed} mutants die within {limit} states");
}

#[test]
fn a_run_that_stops_early_never_holds() {
    let entry = find("rivals").expect("an entry of the catalog");
    let run = |options: &Options<'_>| run(&entry.config, &[], Engine::Compact, BOTH, options);
    let limited = run(&Options { max_states: Some(1000), ..Options::default() });
    assert_eq!(limited.report.stopped, Some(Stopped::States));
    assert!(!limited.holds());
    let starved = run(&Options { max_memory_bytes: Some(200_000), ..Options::default() });
    assert_eq!(starved.report.stopped, Some(Stopped::Memory));
    assert!(!starved.holds());
    let flag = std::sync::atomic::AtomicBool::new(true);
    let interrupted = run(&Options { interrupted: Some(&flag), ..Options::default() });
    assert_eq!(interrupted.report.stopped, Some(Stopped::Interrupted));
    assert!(!interrupted.holds());
}

/// A model that panics in its third state.
struct Panics;

impl stateright::Model for Panics {
    type State = u8;
    type Action = ();
    fn init_states(&self) -> Vec<u8> {
        vec![0]
    }
    fn actions(&self, _: &u8, actions: &mut Vec<()>) {
        actions.push(());
    }
    fn next_state(&self, state: &u8, (): ()) -> Option<u8> {
        assert!(*state < 2, "state {state} is too much");
        Some(state + 1)
    }
}

#[test]
fn a_panic_in_a_model_ends_the_run_with_its_message() {
    let report = actor_checker::engine::bfs(&Panics, &Options::default());
    assert!(!report.complete);
    assert_eq!(report.stopped, Some(Stopped::Panic("state 2 is too much".into())));
}
