//! The script that writes docs/performance.md runs, on clusters of our own.
//!
//! It needs Python 3, and the tests need nothing but Rust. A test that did nothing without it would be shown as
//! passed; these are shown as ignored, and `.ci/run` runs them where Python is.

mod support;

use std::path::Path;
use std::time::Duration;
use support::{Ended, run_within};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/compare.py");

/// What the script prints and how it ends.
fn compare(args: &[&str]) -> Ended {
    let version = std::process::Command::new("python3").arg("--version").output();
    let is_there = version.is_ok_and(|version| version.status.success());
    assert!(is_there, "python3 does not run here: install Python 3, or leave out --ignored");
    // With a slow disk it takes minutes; that its parts make progress, it sees to itself.
    run_within(Duration::from_secs(900), "python3", &[&[SCRIPT], args].concat(), "")
}

#[test]
#[ignore = "needs Python 3"]
fn a_quick_round_measures_everything() {
    let programs = Path::new(env!("CARGO_BIN_EXE_replica")).parent().unwrap().to_str().unwrap();
    let builds = ["--programs", programs, "--before", programs];
    let ended = compare(&[&["--quick", "--output", "-"], &builds[..]].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    let rows = |first: &str| {
        let starts = move |line: &&str| line.starts_with(first);
        ended.stdout.lines().filter(starts).collect::<Vec<_>>()
    };
    // Durable and volatile, with 1, 64 and 1024 messages outstanding; beside others, packed too.
    for (first, throughputs) in [("| this project |", 5), ("| 2 |", 4), ("| 4,096 |", 4)] {
        let [row] = rows(first)[..] else { panic!("{first}: {ended:?}") };
        assert_eq!(row.matches(" us |").count(), 2, "{row}");
        assert_eq!(row.matches("/s |").count(), throughputs, "{row}");
        assert!(!row.contains(" 0 us"), "{row}");
    }
    let [before] = rows("| this project before |")[..] else { panic!("{ended:?}") };
    assert_eq!(before.matches(") |").count(), 7, "each with a ratio: {before}");
    let [sentence] = rows("The primary of three durable replicas was killed")[..] else {
        panic!("{ended:?}")
    };
    let median = sentence.split("median ").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    // A replica suspects its leader after one time-out at the earliest, less what had passed of it.
    assert!((0.5..20.0).contains(&median.parse::<f64>().unwrap()), "{sentence}");
}

#[test]
#[ignore = "needs Python 3"]
fn missing_executables_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let ended = compare(&["--quick", "--programs", folder.path().to_str().unwrap()]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("cargo build --release --bins"), "{ended:?}");
}
