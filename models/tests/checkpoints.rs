//! Runs in files: stopped anywhere and taken up by another process, they come to what they come to in one.

use actor_checker::compact::Reductions;
use actor_checker::engine::{CheckpointError, Checkpoints, Options, Stopped, Walk};
use paxos_chat_models::catalog::{Entry, Grade, entries, find};
use paxos_chat_models::config::ChatModel;
use paxos_chat_models::mutants::Mutant;
use paxos_chat_models::run::{Engine, Outcome, run, run_in_files};
use stateright::Model;
use std::fs::DirEntry;
use std::path::Path;
use std::time::Duration;

fn place(folder: &Path, resume: bool) -> Checkpoints {
    Checkpoints {
        folder: folder.to_owned(),
        identity: "a test".into(),
        resume,
        together: false,
        every: Duration::from_secs(3600),
        max_disk_bytes: None,
        memory_bytes: 1 << 16,
    }
}

fn in_files(
    entry: &Entry,
    reductions: Reductions,
    options: &Options<'_>,
    place: &Checkpoints,
) -> Result<Outcome, CheckpointError> {
    let folder = place.clone().open()?;
    run_in_files(&entry.config, entry.reaches, reductions, options, &folder)
}

/// All of an outcome but times and memory. Which of several alike states is explored depends on who comes first, and
/// with it what else was met on the way.
fn content(outcome: &Outcome, reductions: Reductions) -> String {
    let Outcome { report, properties, void, coverage, .. } = outcome;
    let claims = (outcome.symmetry_claims, outcome.stale_claims, outcome.variant_claims);
    let counts = (report.unique_states, report.generated_states, report.depth, &report.by_depth);
    let ends = (&report.stopped, &report.discoveries);
    let met = (!reductions.symmetry).then_some((claims, coverage));
    format!("{counts:?} {ends:?} {properties:?} {void:?} {met:?}")
}

/// Runs an entry again and again, each time for some more states, and each time as another process would.
fn in_steps(entry: &Entry, reductions: Reductions, threads: usize, step: u64) -> (Outcome, u32) {
    let folder = tempfile::tempdir().unwrap();
    let (mut limit, mut runs) = (1, 0);
    loop {
        let options = Options { threads, max_states: Some(limit), ..Options::default() };
        // At every block.
        let place = Checkpoints { every: Duration::ZERO, ..place(folder.path(), runs > 0) };
        let outcome = in_files(entry, reductions, &options, &place).unwrap();
        runs += 1;
        if outcome.report.stopped != Some(Stopped::States) {
            return (outcome, runs);
        }
        limit = limit.max(outcome.report.unique_states) + step;
    }
}

/// Without what makes one state of several.
const EXACT: Reductions = Reductions { symmetry: false, ..Reductions::ALL };

#[test]
fn a_run_that_is_stopped_and_taken_up_again_and_again_comes_to_the_same() {
    let (mut all, mut taken_up) = (0, 0);
    for entry in entries().iter().filter(|entry| entry.grade == Grade::Quick) {
        let states = entry.unique_states.expect("a quick entry has a count");
        if states > 12_000 {
            continue;
        }
        for (reductions, threads) in
            [(Reductions::ALL, 1), (Reductions::ALL, 3), (EXACT, 1), (EXACT, 3)]
        {
            let options = Options { threads, ..Options::default() };
            let whole = run(&entry.config, entry.reaches, Engine::Compact, reductions, &options);
            let (outcome, runs) =
                in_steps(entry, reductions, threads, 1 + whole.report.unique_states / 4);
            assert_eq!(
                content(&outcome, reductions),
                content(&whole, reductions),
                "{}, {threads} threads, {reductions:?}",
                entry.name
            );
            (all, taken_up) = (all + 1, taken_up + runs - 1);
        }
    }
    assert!(all >= 40 && taken_up > 3 * all, "{taken_up} of {all}");
}

#[test]
fn a_memory_for_three_in_a_hundred_of_the_states_changes_nothing_but_the_time() {
    let entry = find("rivals").expect("an entry of the catalog");
    let options = Options { threads: 2, ..Options::default() };
    let whole = run(&entry.config, entry.reaches, Engine::Compact, EXACT, &options);
    let folder = tempfile::tempdir().unwrap();
    let place = Checkpoints { memory_bytes: 1 << 19, ..place(folder.path(), false) };
    let outcome = in_files(&entry, EXACT, &options, &place).unwrap();
    assert_eq!(content(&outcome, EXACT), content(&whole, EXACT));
    assert_eq!((whole.report.fingerprint_bits, outcome.report.fingerprint_bits), (64, 128));
    // What was seen once was written once, but for what was merged.
    let seen = std::fs::read_dir(folder.path()).unwrap().filter_map(|file| {
        let file = file.unwrap();
        let is_seen = file.file_name().to_string_lossy().starts_with("seen-");
        is_seen.then(|| file.metadata().unwrap().len())
    });
    let (count, bytes) = seen.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes));
    let states = whole.report.unique_states;
    println!("{count} files, {:.1} bytes a state", bytes as f64 / states as f64);
    assert!(count < 12 && bytes < 16 * states, "{count} files, {bytes} bytes");
}

/// A run that was stopped in the middle of a level.
fn stopped(entry: &Entry, folder: &Path) -> Outcome {
    let options = Options { max_states: Some(20_000), ..Options::default() };
    let outcome = in_files(entry, Reductions::ALL, &options, &place(folder, false)).unwrap();
    assert_eq!(outcome.report.stopped, Some(Stopped::States));
    outcome
}

/// What becomes of it.
fn taken_up(entry: &Entry, place: &Checkpoints) -> Result<Outcome, CheckpointError> {
    in_files(entry, Reductions::ALL, &Options::default(), place)
}

#[test]
fn whatever_is_changed_in_the_files_is_refused_or_does_not_count() {
    let entry = find("rivals").expect("an entry of the catalog");
    let folder = tempfile::tempdir().unwrap();
    stopped(&entry, folder.path());
    let files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(files.len() > 10, "{files:?}");
    let mut refused = 0;
    // Rows that are expanded serve to tell a path, and no checkpoint counts on them.
    let of_level = |name: &str| name.strip_prefix("states-")?.parse::<u64>().ok();
    let level = |file: &DirEntry| of_level(&file.file_name().to_string_lossy());
    let deepest = files.iter().filter_map(level).max().expect("there are levels");
    for file in files.iter().filter(|file| level(file).is_none_or(|level| level + 1 >= deepest)) {
        let good = std::fs::read(file.path()).unwrap();
        let mut changes =
            vec![Vec::new(), good[..good.len() / 2].to_vec(), good[..good.len() - 1].to_vec()];
        for place in [0, good.len() / 3, good.len() / 2, good.len() - 1] {
            let mut flipped = good.clone();
            flipped[place] ^= 0x10;
            changes.push(flipped);
        }
        for changed in changes {
            let copy = tempfile::tempdir().unwrap();
            for other in &files {
                std::fs::copy(other.path(), copy.path().join(other.file_name())).unwrap();
            }
            std::fs::write(copy.path().join(file.file_name()), changed).unwrap();
            match taken_up(&entry, &place(copy.path(), true)) {
                Ok(outcome) => {
                    assert!(outcome.holds(), "{file:?}: {:?}", outcome.report.stopped);
                    assert_eq!(Some(outcome.report.unique_states), entry.unique_states);
                    // Such rows are expanded, or all of their states were known.
                    assert!(level(file).is_some(), "{file:?} was changed, and nobody noticed");
                }
                Err(CheckpointError::Damaged { .. } | CheckpointError::Disk { .. }) => refused += 1,
                Err(error) => panic!("{file:?}: {error}"),
            }
        }
    }
    // Each change of the checkpoint, the dictionary and two files of fingerprints at least.
    assert!(refused >= 4 * 7, "{refused} refused");
}

#[test]
fn a_checkpoint_is_of_one_run_and_one_process_and_has_to_be_asked_for() {
    let entry = find("rivals").expect("an entry of the catalog");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let of = |resume| place(&path, resume);
    let refused = |place: &Checkpoints| taken_up(&entry, place).unwrap_err();
    assert_eq!(refused(&of(true)), CheckpointError::Missing(path.clone()));
    stopped(&entry, &path);
    assert_eq!(refused(&of(false)), CheckpointError::Exists(path.clone()));
    let other = Checkpoints { identity: "another test".into(), ..of(true) };
    assert!(matches!(refused(&other), CheckpointError::Other { .. }));
    // The same name, and other bounds.
    let wider = find("rivals-crash").expect("an entry of the catalog");
    let wrong = taken_up(&wider, &of(true)).unwrap_err();
    assert!(
        matches!(&wrong, CheckpointError::Damaged { wrong, .. } if wrong.contains("of other actors")),
        "{wrong}"
    );
    let held = std::fs::File::open(&path).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert_eq!(refused(&of(true)), CheckpointError::Busy(path.clone()));
    drop(held);
    // What it had is still there.
    let outcome = taken_up(&entry, &of(true)).unwrap();
    assert_eq!((outcome.holds(), Some(outcome.report.unique_states)), (true, entry.unique_states));
    std::fs::write(path.join("checkpoint-9.tmp"), "left by a kill").unwrap();
    of(true).open().unwrap().remove().unwrap();
    assert!(!path.exists(), "nothing is left of it");
    std::fs::create_dir(&path).unwrap();
}

#[test]
fn a_mutant_is_killed_by_the_same_counterexample() {
    let mut entry = find("rivals").expect("an entry of the catalog");
    entry.config.mutant = Some(Mutant::VoteBelowPromise);
    let whole = run(&entry.config, entry.reaches, Engine::Compact, EXACT, &Options::default());
    assert!(whole.is_violated());
    let (outcome, runs) = in_steps(&entry, EXACT, 2, 1000);
    assert_eq!(content(&outcome, EXACT), content(&whole, EXACT));
    assert!(runs > 1);
    // The path is told from the files, and not by a run in memory.
    let folder = tempfile::tempdir().unwrap();
    let (place, model) = (place(folder.path(), false), entry.config.model(entry.reaches, EXACT));
    let opened = place.open().unwrap();
    let report = model.bfs_in_files(&Options::default(), &opened).unwrap();
    for found in report.discoveries.iter().flatten() {
        let shown = |(_, steps): Walk<ChatModel>| {
            steps.iter().map(|(action, _)| model.format_action(action)).collect::<Vec<_>>()
        };
        let told = model.path_in_files(&opened, found.fingerprint, found.depth).unwrap();
        let expected = model.path_to(found.fingerprint, found.depth);
        assert_eq!(told.map(shown), expected.map(shown));
    }
    std::fs::remove_file(folder.path().join("states-3")).unwrap();
    let deep = report.discoveries.iter().flatten().find(|found| found.depth > 4).unwrap();
    assert!(model.path_in_files(&opened, deep.fingerprint, deep.depth).is_err());
}

#[test]
fn what_is_violated_is_told_without_a_path_if_the_files_tell_none_and_why() {
    let mut entry = find("rivals").expect("an entry of the catalog");
    entry.config.mutant = Some(Mutant::VoteBelowPromise);
    let folder = tempfile::tempdir().unwrap();
    let options = Options { threads: 1, max_states: Some(200), ..Options::default() };
    let begun = in_files(&entry, Reductions::ALL, &options, &place(folder.path(), false)).unwrap();
    assert!(begun.report.stopped == Some(Stopped::States) && !begun.is_violated());
    // Of a level that is expanded, and so is read on the way back alone.
    std::fs::write(folder.path().join("states-2"), b"no block").unwrap();
    let outcome = taken_up(&entry, &place(folder.path(), true)).unwrap();
    assert!(outcome.is_violated() && !outcome.has_paths(), "{:?}", outcome.report.stopped);
    let why = outcome.pathless.expect("it says why");
    assert!(why.contains("states-2"), "{why}");
}

#[test]
fn the_limit_of_the_files_is_one_of_what_is_there_and_leaves_a_checkpoint() {
    let entry = find("rivals").expect("an entry of the catalog");
    let folder = tempfile::tempdir().unwrap();
    let states = entry.unique_states.expect("it has a count");
    let limited = |max: u64, resume| {
        let place = place(folder.path(), resume);
        taken_up(&entry, &Checkpoints { max_disk_bytes: Some(max), ..place }).unwrap()
    };
    let small = limited(1 << 20, false);
    assert_eq!(small.report.stopped, Some(Stopped::Files));
    let files = std::fs::read_dir(folder.path()).unwrap();
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!((1 << 19..3 << 20).contains(&bytes), "{bytes}");
    let enough = limited(48 * states, true);
    assert!(enough.holds());
    assert_eq!(enough.report.unique_states, states);
}
