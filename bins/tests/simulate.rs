//! `cluster simulate`, as whoever runs it sees it.

mod recordings;
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

/// And nothing beside it.
#[test]
fn standard_output_takes_the_picture_and_the_results_are_told_beside_it() {
    let told = simulate(&["--seed", "1", "--faulty", "1", "--svg", "-"]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.stdout.starts_with("<svg") && told.stdout.trim_end().ends_with("</svg>"));
    assert!(told.stderr.contains("all is well"), "{}", told.stderr);
}

#[test]
#[cfg(target_os = "linux")]
fn a_picture_that_cannot_be_written_is_told_after_what_the_run_came_to() {
    let told = simulate(&["--seed", "1", "--faulty", "1", "--svg", "/dev/full"]);
    assert_eq!(told.code, 74, "{told:?}");
    assert!(told.stdout.contains("all is well"), "{}", told.stdout);
    assert!(told.stderr.contains("could not be written to /dev/full"), "{}", told.stderr);
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
        (&["--svg", "/nowhere/at/all.svg"], "cannot be written; name a file"),
        (&["--situations", "/nowhere/at/all"], "cannot be written; name a file"),
        (&["--svg", "-", "--situations", "-"], "standard output takes one of them"),
    ] {
        let told = simulate(args);
        assert_eq!(told.code, 2, "{args:?}: {told:?}");
        assert!(told.stderr.contains(wanted), "{args:?}: {}", told.stderr);
    }
}
