//! Current reads at clusters of real processes: what is told is what was acknowledged before, and without a majority
//! nothing is.

mod recordings;
mod replicas;
mod support;

use replicas::{CLUSTER, Replica, TestCluster};
use support::{arg, run};

/// The bound that `client read` prints.
fn read(cluster: &TestCluster) -> u64 {
    let ended = cluster.client(&["read"], "");
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.stdout.trim().parse().unwrap()
}

#[test]
fn a_read_goes_as_far_as_what_was_acknowledged_and_the_tail_shows_that() {
    let cluster = TestCluster::new(&[]);
    let mut replicas: Vec<Replica> =
        (0..3).map(|id| Replica::start(&cluster, id, "--init")).collect();
    for text in ["one", "two", "three"] {
        let before = read(&cluster);
        assert_eq!(cluster.client(&["send", text], "").code, 0);
        let upto = read(&cluster);
        assert!(upto > before, "{upto} is not above {before}");
        let last = cluster.client(&["tail", "--current", "--from", "-1"], "");
        assert_eq!(last.code, 0, "{last:?}");
        assert!(last.stdout.trim_end().ends_with(text), "{last:?}");
        let all = cluster.client(&["tail", "--current", "--json"], "");
        assert!(all.stdout.lines().last().unwrap().contains(text), "{all:?}");
    }
    let json = cluster.client(&["read", "--json"], "").json();
    assert!(json["upto"].as_u64() >= Some(4) && json["us"].is_u64(), "{json}");

    // One of three serves nobody, though it answers.
    replicas.truncate(1);
    let short = ["--patience", "1"];
    let ended = cluster.client(&[&["read"][..], &short].concat(), "");
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.is_empty() && ended.stderr.contains("a majority hears"), "{ended:?}");
    let ended = cluster.client(&[&["tail", "--current"][..], &short].concat(), "");
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:?}");
    let old = cluster.client(&["tail", "--from", "-1"], "");
    assert!(old.stdout.trim_end().ends_with("three"), "a prefix is shown all the same: {old:?}");
}

#[test]
fn an_operator_is_told_how_far_the_log_goes_now_or_that_nobody_confirms_it() {
    let cluster = TestCluster::unrecorded("an operator's reader records nothing", &[]);
    let mut replicas = cluster.start();
    let upto = read(&cluster);
    let status = |patience: &str, more: &[&str]| {
        let args =
            ["status", "--current", "--patience", patience, "--config", arg(&cluster.config)];
        run(CLUSTER, &[&args, more].concat())
    };
    let json = status("20000", &["--json"]).json();
    assert_eq!(json["current"]["upto"], upto, "{json}");
    let text = status("20000", &[]);
    assert!(text.stdout.contains(&format!("committed is below slot {upto}; it took")), "{text:?}");
    replicas.truncate(1);
    let ended = status("500", &[]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stdout.contains("no majority has confirmed within 500 ms"), "{ended:?}");
    assert!(status("500", &["--json"]).json()["current"].is_null());
}

#[test]
fn load_of_reads_is_measured_and_takes_no_slot_of_the_log() {
    let cluster = TestCluster::new(&[]);
    let _replicas = cluster.start();
    let before = read(&cluster);
    let load = ["load", "--reads", "--clients", "2", "--outstanding", "8", "--messages", "500"];
    let ended = cluster.client(&[&load[..], &["--json"]].concat(), "");
    assert_eq!(ended.code, 0, "{ended:?}");
    let report = ended.json();
    assert_eq!((&report["acknowledged"], &report["errors"]), (&1000.into(), &0.into()));
    assert_eq!(read(&cluster), before);
    let text = cluster.client(&["load", "--reads", "--messages", "5"], "");
    assert!(text.stdout.starts_with("5 current reads in "), "{text:?}");
}
