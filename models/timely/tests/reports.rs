//! Workers that share nothing come to what one comes to.

use actor_checker::compact::{Reductions, shared};
use actor_checker::engine::{Options, Shared, Stopped};
use actor_checker::trace::TraceStep;
use actor_checker_timely::{Limits, Part, search};
use paxos_chat_models::catalog::{Entry, Grade, entries, find};
use paxos_chat_models::mutants::Mutant;
use paxos_chat_models::run::{Engine, Outcome, PropertyOutcome, run, run_in_workers};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Without what makes one state of several: which of them is explored depends on who comes first.
const EXACT: Reductions = Reductions { symmetry: false, ..Reductions::ALL };

fn in_workers(entry: &Entry, reductions: Reductions, workers: usize, limits: &Limits) -> Outcome {
    run_in_workers(&entry.config, entry.reaches, reductions, workers, |models| {
        let part = |model| Part { space: Arc::new(shared(Arc::clone(model))), folder: None };
        let explored = search(models.iter().map(part).collect(), limits).expect("no folders");
        (explored.report, explored.trails)
    })
}

/// All of an outcome but times and memory.
fn content(outcome: &Outcome, reductions: Reductions) -> String {
    let Outcome { report, properties, void, coverage, .. } = outcome;
    let claims = (outcome.symmetry_claims, outcome.stale_claims, outcome.variant_claims);
    let counts = (report.unique_states, report.generated_states, report.depth, &report.by_depth);
    let met = (!reductions.symmetry).then_some((claims, coverage));
    format!("{counts:?} {:?} {properties:?} {void:?} {met:?}", report.stopped)
}

#[test]
fn one_two_and_four_workers_report_what_the_engine_does() {
    let mut compared = 0;
    for entry in entries() {
        if entry.unique_states.is_none_or(|states| states > 40_000) {
            continue;
        }
        for reductions in [EXACT, Reductions::ALL] {
            let options = Options { threads: 1, ..Options::default() };
            let whole = run(&entry.config, entry.reaches, Engine::Compact, reductions, &options);
            for workers in [1, 2, 4] {
                let outcome = in_workers(&entry, reductions, workers, &Limits::default());
                assert_eq!(
                    content(&outcome, reductions),
                    content(&whole, reductions),
                    "{}, {workers} workers, {reductions:?}",
                    entry.name
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

/// Explores some states, and looks at each successor: its fingerprint, and by what it is shared.
fn successors_of<S: Shared>(space: &S, levels: usize, mut look: impl FnMut(u128, u64)) {
    let (mut level, mut fingerprints) = (S::Block::default(), Vec::new());
    space.start(&mut level, &mut fingerprints);
    let (mut seen, mut scratch) = (HashSet::new(), S::Scratch::default());
    for _ in 0..levels {
        let (mut next, mut known) = (S::Block::default(), Vec::new());
        for place in 0..S::len(&level) {
            space.expand(&level, place, &mut scratch, &mut next, &mut known);
        }
        (0..known.len()).for_each(|place| look(known[place], space.share(&next, place)));
        let kept: Vec<bool> = known.iter().map(|known| seen.insert(*known)).collect();
        S::keep_of_last(&mut next, &kept);
        level = next;
    }
}

#[test]
fn states_that_are_explored_as_one_are_of_one_worker() {
    let (mut again, mut symmetric) = (0, 0);
    for entry in entries().iter().filter(|entry| entry.grade == Grade::Quick) {
        let model = Arc::new(entry.config.model(entry.reaches, Reductions::ALL));
        symmetric += usize::from(model.renamings() > 0);
        let mut shares = HashMap::new();
        successors_of(&shared(model), 12, |fingerprint, share| {
            let known = *shares.entry(fingerprint).or_insert_with(|| {
                again -= 1;
                share
            });
            again += 1;
            assert_eq!(known, share, "{}: {fingerprint:x}", entry.name);
        });
    }
    assert!(again > 10_000 && symmetric > 5, "{again} again, {symmetric} entries are symmetric");
}

#[test]
#[ignore = "it measures: cargo test --release -p actor-checker-timely --test reports how_evenly -- --ignored --nocapture"]
fn how_evenly_sixteen_workers_share_states() {
    for name in ["rivals-two-rounds", "overlap-five", "pipeline"] {
        let entry = find(name).expect("an entry of the catalog");
        let model = Arc::new(entry.config.model(entry.reaches, Reductions::ALL));
        let (mut states, mut known) = ([0_u64; 16], HashSet::new());
        successors_of(&shared(model), 100, |fingerprint, share| {
            let is_new = known.insert(fingerprint);
            states[(share >> 60) as usize] += u64::from(is_new);
        });
        let (largest, all) = (states.iter().max().unwrap(), states.iter().sum::<u64>());
        assert!(Some(all) >= entry.unique_states.map(|states| states - 1), "{name}: {all}");
        println!(
            "{name}: of {all} states one has {:.1} times its share",
            16.0 * *largest as f64 / all as f64
        );
    }
}

#[test]
#[ignore = "minutes: cargo test --release -p actor-checker-timely --test reports -- --ignored --nocapture"]
fn every_quick_entry_and_two_of_the_full_grade_come_to_the_same_from_threads_and_workers() {
    let full = ["overlap-chunks", "overlap-five"];
    let is_meant = |entry: &Entry| entry.grade == Grade::Quick || full.contains(&entry.name);
    let meant: Vec<Entry> = entries().into_iter().filter(is_meant).collect();
    for entry in &meant {
        let in_threads = |threads| {
            let options = Options { threads, ..Options::default() };
            let reductions = Reductions::ALL;
            run(&entry.config, entry.reaches, Engine::Compact, reductions, &options)
        };
        let one = content(&in_threads(1), Reductions::ALL);
        for count in [2, 4] {
            let threads = content(&in_threads(count), Reductions::ALL);
            assert_eq!(threads, one, "{}, {count} threads", entry.name);
        }
        for count in [1, 2, 4] {
            let workers = in_workers(entry, Reductions::ALL, count, &Limits::default());
            let workers = content(&workers, Reductions::ALL);
            assert_eq!(workers, one, "{}, {count} workers", entry.name);
        }
    }
    println!("{} entries", meant.len());
}

#[test]
fn a_mutant_dies_by_the_same_counterexample_and_a_panic_or_a_limit_leaves_the_run_incomplete() {
    let mut entry = find("rivals").expect("an entry of the catalog");
    entry.config.mutant = Some(Mutant::VoteBelowPromise);
    let options = Options::default();
    let whole = run(&entry.config, entry.reaches, Engine::Compact, EXACT, &options);
    assert!(whole.is_violated());
    for workers in [1, 2, 4] {
        let outcome = in_workers(&entry, EXACT, workers, &Limits::default());
        // Numbers of envelopes are each worker's own.
        let shown = |outcome: &Outcome| -> Vec<(bool, Vec<String>)> {
            let text = |step: &TraceStep| step.text.clone();
            let steps = |p: &PropertyOutcome| p.counterexample.iter().map(text).collect();
            outcome.properties.iter().map(|p| (p.holds, steps(p))).collect()
        };
        assert_eq!(shown(&outcome), shown(&whole), "{workers} workers");
        assert_eq!(outcome.report.stopped, Some(Stopped::Violation));
        assert_eq!(outcome.report.unique_states, whole.report.unique_states);
    }
    entry.config.mutant = Some(Mutant::PanicsAtVote);
    let panicked = in_workers(&entry, EXACT, 2, &Limits::default()).report.stopped;
    assert!(matches!(panicked, Some(Stopped::Panic(_))), "{panicked:?}");
    entry.config.mutant = None;
    let limited = Limits { max_states: Some(1000), ..Limits::default() };
    let outcome = in_workers(&entry, EXACT, 3, &limited);
    assert_eq!(outcome.report.stopped, Some(Stopped::States));
    assert!((1000..10_000).contains(&outcome.report.unique_states));
    for why in [Stopped::Interrupted, Stopped::Memory] {
        let told = why.clone();
        let stops = Limits { stops: Arc::new(move || Some(told.clone())), ..Limits::default() };
        let outcome = in_workers(&entry, EXACT, 3, &stops);
        assert_eq!(outcome.report.stopped, Some(why));
    }
}
