//! Every named scenario over real processes: its event happens, and what cannot happen fails.

mod support;

use std::collections::BTreeSet;
use support::{Ended, run};

const CLUSTER: &str = env!("CARGO_BIN_EXE_cluster");

/// Each scenario, the time that it may take being that of [`run`], and what its events must say.
const EXPECTED: [(&str, &str); 11] = [
    ("one-client-one-message", "1 messages of 1 clients took effect"),
    ("one-client-many-messages", "20 messages of 1 clients took effect"),
    ("many-clients-one-message", "5 messages of 5 clients took effect"),
    ("many-clients-many-messages", "they spoke at the same time"),
    ("primary-fails-before-proposing", "died when nobody had a vote: it proposed nothing"),
    ("two-primaries-fail-before-proposing", "died when nobody had a vote: it proposed nothing"),
    ("primary-fails-after-proposing", "died before it was decided; its successor had it chosen"),
    ("primaries-fail-one-after-another", "died having applied"),
    ("skipped-slot", "slot 4 was jumped over and holds a Noop"),
    ("message-loss", "messages were lost"),
    ("stress", "1000 messages of 10 clients took effect"),
];

fn scenario(name: &str, args: &[&str]) -> Ended {
    // The cluster starts the executables beside it.
    let _ = (env!("CARGO_BIN_EXE_replica"), env!("CARGO_BIN_EXE_client"));
    let first = ["run", "--json", "--validate", "--scenario", name];
    run(CLUSTER, &first.iter().chain(args).copied().collect::<Vec<_>>())
}

fn happens(name: &str, event: &str) {
    let ended = scenario(name, &["--seed", "31"]);
    assert_eq!(ended.code, 0, "{name}: {ended:?}");
    let verdict = ended.json();
    assert_eq!((&verdict["ok"], &verdict["logs_identical"]), (&true.into(), &true.into()));
    let events = verdict["events"].as_array().unwrap();
    let found = events.iter().filter(|found| found.as_str().unwrap().contains(event)).count();
    let killed = verdict["replicas"].as_array().unwrap().iter().filter(|r| r["killed"] == true);
    // One event for each primary that died.
    assert_eq!(found, killed.count().max(1), "{name}: {verdict}");
}

#[test]
fn quiet_and_busy_scenarios_happen() {
    EXPECTED[..4].iter().for_each(|(name, event)| happens(name, event));
    EXPECTED[9..].iter().for_each(|(name, event)| happens(name, event));
}

#[test]
fn scenarios_with_dead_primaries_and_a_skipped_slot_happen() {
    EXPECTED[4..9].iter().for_each(|(name, event)| happens(name, event));
}

#[test]
fn all_scenarios_are_listed_and_all_are_run_here() {
    let listed = run(CLUSTER, &["scenarios", "--names"]).stdout;
    let listed: BTreeSet<&str> = listed.lines().collect();
    assert_eq!(listed, EXPECTED.iter().map(|(name, _)| *name).collect());
    let described = run(CLUSTER, &["scenarios"]).stdout;
    assert!(described.lines().all(|line| line.split_whitespace().count() > 3), "{described}");
}

#[test]
fn a_scenario_that_does_not_happen_has_failed() {
    let ended = scenario("skipped-slot", &["--clients", "1", "--messages", "1", "--seed", "32"]);
    assert_eq!(ended.code, 1, "slot 4 is never reached: {ended:?}");
    let verdict = ended.json();
    assert_eq!((&verdict["ok"], &verdict["logs_identical"]), (&false.into(), &true.into()));
    assert!(verdict["faults"][0].as_str().unwrap().contains("slot 4"), "{verdict}");
}

#[test]
fn wrong_names_and_contradictions_are_refused() {
    let ended = run(CLUSTER, &["run", "--scenario", "primary"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("primary-fails-after-proposing"), "{ended:?}");
    let ended = scenario("primary-fails-after-proposing", &["--messages", "3"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("at least 4"), "{ended:?}");
    let ended = run(CLUSTER, &["run", "--scenario", "stress", "--kill", "1"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("--kill"), "{ended:?}");
}
