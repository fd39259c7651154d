//! `cluster simulate`, as whoever runs it sees it.

mod replicas;
mod support;

use replicas::CLUSTER;
use support::{Ended, arg, run};

fn simulate(args: &[&str]) -> Ended {
    run(CLUSTER, &[&["simulate"], args].concat())
}

#[test]
fn a_seed_is_told_as_text_as_a_story_and_as_json() {
    let seed = ["--seed", "7", "--profile", "links", "--faulty", "3", "--clients", "2"];
    let with = |more: &[&str]| simulate(&[&seed[..], more].concat());
    let text = with(&["--story"]);
    assert_eq!(text.code, 0, "{text:?}");
    for wanted in ["seed 7, profile links:", "all is well again", "1 seeds from 7 on: links 1"] {
        assert!(text.stdout.contains(wanted), "{wanted}: {}", text.stdout);
    }
    let (first, second) = (with(&["--json"]).json(), with(&["--json"]).json());
    assert_eq!((&first["ok"], &first["seeds"]), (&true.into(), &1.into()));
    for same in ["events", "datagrams", "said", "acknowledged", "virtual_s"] {
        assert_eq!(first[same], second[same], "{same}");
    }
    assert!(first["events"].as_u64().unwrap() > 100, "{first}");
}

#[test]
fn the_last_events_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let chart = folder.path().join("chart.svg");
    let told = simulate(&["--seed", "1", "--faulty", "1", "--svg", arg(&chart)]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(std::fs::read_to_string(&chart).unwrap().starts_with("<svg"));
}

#[test]
fn what_cannot_be_simulated_is_refused_with_its_reason() {
    for (args, wanted) in [
        (&["--profile", "nonsense"][..], "there are calm, links, kills"),
        (&["--replicas", "10"], "10 is not in 1..=9"),
        (&["--troubles", "3,x"], "give numbers, such as 3,7, or none"),
        (&["--for", "-1"], "give seconds"),
        (&["--faulty", "1e99"], "give seconds"),
        (&["--seeds", "3", "--for", "5"], "cannot be used with"),
        (&["--svg", "/nowhere/at/all.svg"], "there is no folder"),
    ] {
        let told = simulate(args);
        assert_eq!(told.code, 2, "{args:?}: {told:?}");
        assert!(told.stderr.contains(wanted), "{args:?}: {}", told.stderr);
    }
}
