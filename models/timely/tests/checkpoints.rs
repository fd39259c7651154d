//! Workers that keep their parts in files, and go on from the last checkpoint that all have.

use actor_checker::compact::{Reductions, shared};
use actor_checker::engine::{Checkpoints, Options, RunFolder, Stopped};
use actor_checker_timely::{Limits, Part, search};
use paxos_chat_models::catalog::{Entry, entries, find};
use paxos_chat_models::mutants::Mutant;
use paxos_chat_models::run::{Engine, Outcome, run, run_in_workers};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Without what makes one state of several: which of them is explored depends on who comes first.
const EXACT: Reductions = Reductions { symmetry: false, ..Reductions::ALL };

/// The folders of so many workers; a checkpoint is written so often, and at each level.
fn folders(root: &Path, workers: usize, resume: bool, every: Duration) -> Vec<RunFolder> {
    folders_by(root, workers, resume, every, |place| place)
}

fn folders_by(
    root: &Path,
    workers: usize,
    resume: bool,
    every: Duration,
    change: impl Fn(Checkpoints) -> Checkpoints,
) -> Vec<RunFolder> {
    let folder = |worker: usize| {
        let place = Checkpoints {
            folder: root.join(worker.to_string()),
            identity: format!("worker {worker} of {workers}"),
            resume,
            together: true,
            every,
            max_disk_bytes: None,
            memory_bytes: 1 << 16,
        };
        change(place).open().expect("a folder")
    };
    (0..workers).map(folder).collect()
}

fn in_folders(
    entry: &Entry,
    reductions: Reductions,
    folders: Vec<RunFolder>,
    limits: &Limits,
) -> Outcome {
    run_in_workers(&entry.config, entry.reaches, reductions, folders.len(), |models| {
        let part = |(model, folder): (&Arc<_>, RunFolder)| Part {
            space: Arc::new(shared(Arc::clone(model))),
            folder: Some(folder),
        };
        let parts = models.iter().zip(folders).map(part).collect();
        let explored = search(parts, limits).expect("a checkpoint that all have");
        (explored.report, explored.trails)
    })
}

/// All of an outcome but times, memory, and the numbers of envelopes, which are each worker's own.
fn content(outcome: &Outcome, reductions: Reductions) -> String {
    let Outcome { report, properties, void, coverage, .. } = outcome;
    let claims = (outcome.symmetry_claims, outcome.stale_claims, outcome.variant_claims);
    let counts = (report.unique_states, report.generated_states, report.depth, &report.by_depth);
    let ends = (&report.stopped, &report.discoveries);
    let path = |p: &paxos_chat_models::run::PropertyOutcome| {
        (p.holds, p.counterexample.iter().map(|step| step.text.clone()).collect::<Vec<_>>())
    };
    let properties: Vec<_> = properties.iter().map(path).collect();
    let met = (!reductions.symmetry).then_some((claims, coverage));
    format!("{counts:?} {ends:?} {properties:?} {void:?} {met:?}")
}

/// Runs an entry again and again, each time for some more states, and each time as other processes would.
fn in_steps(entry: &Entry, reductions: Reductions, workers: usize, step: u64) -> (Outcome, u32) {
    let root = tempfile::tempdir().unwrap();
    let (mut limit, mut runs) = (1, 0);
    loop {
        let folders = folders(root.path(), workers, runs > 0, Duration::ZERO);
        let limits = Limits { max_states: Some(limit), ..Limits::default() };
        let outcome = in_folders(entry, reductions, folders, &limits);
        runs += 1;
        if outcome.report.stopped != Some(Stopped::States) {
            return (outcome, runs);
        }
        limit = limit.max(outcome.report.unique_states) + step;
    }
}

#[test]
fn workers_that_are_stopped_and_taken_up_again_and_again_come_to_the_same() {
    let (mut all, mut taken_up) = (0, 0);
    let is_small = |states: u64| (1_000..6_000).contains(&states);
    let small = entries().into_iter().filter(|entry| entry.unique_states.is_some_and(is_small));
    for (place, entry) in small.enumerate() {
        let states = entry.unique_states.expect("it has a count");
        let workers = 1 + place % 3;
        for reductions in [EXACT, Reductions::ALL] {
            let options = Options { threads: 1, ..Options::default() };
            let whole = run(&entry.config, entry.reaches, Engine::Compact, reductions, &options);
            let (outcome, runs) = in_steps(&entry, reductions, workers, 1 + states / 3);
            assert_eq!(
                content(&outcome, reductions),
                content(&whole, reductions),
                "{}, {workers} workers, {reductions:?}, {runs} runs",
                entry.name
            );
            (all, taken_up) = (all + 1, taken_up + runs - 1);
        }
    }
    assert!(all >= 8 && taken_up > all, "{taken_up} of {all}");
}

#[test]
fn a_worker_that_has_not_got_as_far_takes_the_others_back() {
    let entry = find("rivals").expect("an entry of the catalog");
    let root = tempfile::tempdir().unwrap();
    let limits = Limits { max_states: Some(50_000), ..Limits::default() };
    let stopped =
        in_folders(&entry, EXACT, folders(root.path(), 3, false, Duration::ZERO), &limits);
    assert_eq!(stopped.report.stopped, Some(Stopped::States));
    let last = folders(root.path(), 3, true, HOUR)[1].number().expect("it has one");
    std::fs::remove_file(root.path().join(format!("1/checkpoint-{last}"))).unwrap();
    // What a kill between two checkpoints leaves.
    std::fs::write(root.path().join("1/seen-999"), "a rest").unwrap();
    let numbers = folders(root.path(), 3, true, HOUR).into_iter().map(|folder| folder.number());
    assert_eq!(numbers.collect::<Vec<_>>(), [Some(last), Some(last - 1), Some(last)]);
    let outcome =
        in_folders(&entry, EXACT, folders(root.path(), 3, true, HOUR), &Limits::default());
    assert!(outcome.holds(), "{:?}", outcome.report.stopped);
    assert_eq!(Some(outcome.report.unique_states), entry.unique_states);
}

#[test]
fn a_mutant_dies_by_the_same_counterexample_which_is_told_from_the_files() {
    let mut entry = find("rivals").expect("an entry of the catalog");
    entry.config.mutant = Some(Mutant::VoteBelowPromise);
    let whole = run(&entry.config, entry.reaches, Engine::Compact, EXACT, &Options::default());
    assert!(whole.is_violated());
    for workers in [1, 3] {
        let root = tempfile::tempdir().unwrap();
        let outcome = in_folders(
            &entry,
            EXACT,
            folders(root.path(), workers, false, HOUR),
            &Limits::default(),
        );
        assert_eq!(content(&outcome, EXACT), content(&whole, EXACT), "{workers} workers");
    }
}

/// Runs an entry, stopped when its limits were looked at so often; tells how often they were.
fn stopped_after(entry: &Entry, looks: u32) -> (Outcome, u32) {
    let root = tempfile::tempdir().unwrap();
    // So small that a level has many blocks.
    let small = |place: Checkpoints| Checkpoints { memory_bytes: 1 << 11, ..place };
    let looked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&looked);
    let stops = move || {
        let is_enough = count.fetch_add(1, Ordering::Relaxed) >= looks;
        is_enough.then_some(Stopped::Interrupted)
    };
    let limits = Limits { stops: Arc::new(stops), ..Limits::default() };
    let folders = folders_by(root.path(), 2, false, HOUR, small);
    let outcome = in_folders(entry, EXACT, folders, &limits);
    (outcome, looked.load(Ordering::Relaxed))
}

#[test]
fn what_is_violated_in_a_level_that_was_not_finished_has_a_path_from_the_files() {
    let mut entry = find("rivals").expect("an entry of the catalog");
    entry.config.mutant = Some(Mutant::VoteBelowPromise);
    let (whole, all) = stopped_after(&entry, u32::MAX);
    assert!(whole.is_violated() && whole.has_paths());
    let mut unfinished = 0;
    for percent in 40..100 {
        let (outcome, _) = stopped_after(&entry, all * percent / 100);
        assert!(outcome.has_paths(), "{percent}: {:?}", outcome.report.discoveries);
        let is_unfinished = outcome.report.stopped == Some(Stopped::Interrupted);
        unfinished += u32::from(outcome.is_violated() && is_unfinished);
    }
    assert!(unfinished > 0, "no run was stopped after it had found something");
}

#[test]
fn a_panic_leaves_the_checkpoint_before_it() {
    let mut entry = find("rivals").expect("an entry of the catalog");
    entry.config.mutant = Some(Mutant::PanicsAtVote);
    let root = tempfile::tempdir().unwrap();
    let outcome =
        in_folders(&entry, EXACT, folders(root.path(), 2, false, HOUR), &Limits::default());
    assert!(matches!(outcome.report.stopped, Some(Stopped::Panic(_))), "{outcome:?}");
    assert!(folders(root.path(), 2, true, HOUR).iter().all(|folder| folder.number().is_some()));
}
