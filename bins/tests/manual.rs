//! Completions and man pages of all programs, as they are installed.

mod support;

use std::collections::BTreeSet;
use support::{arg, check_beside, run, run_with_input};

const CLUSTER: &str = env!("CARGO_BIN_EXE_cluster");
const CLIENT: &str = env!("CARGO_BIN_EXE_client");

#[test]
fn every_program_and_command_has_a_man_page() {
    let folder = tempfile::tempdir().unwrap();
    for program in [CLUSTER, CLIENT] {
        let ended = run(program, &["man", arg(folder.path())]);
        assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
    }
    let names: BTreeSet<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in ["cluster", "replica", "client", "check", "cluster-move-leader", "client-tail"] {
        assert!(names.contains(&format!("{name}.1")), "{name}: {names:?}");
    }
    let page = std::fs::read_to_string(folder.path().join("replica.1")).unwrap();
    for flag in ["enable\\-faults", "metrics", "init\\-only"] {
        assert!(page.contains(flag), "{flag}");
    }
}

#[test]
fn completions_are_what_a_shell_takes() {
    for (program, args) in [
        (CLUSTER, vec!["completions", "bash"]),
        (CLUSTER, vec!["completions", "bash", "--program", "replica"]),
        (CLIENT, vec!["completions", "bash"]),
        (arg(&check_beside(CLIENT)), vec!["completions", "bash"]),
    ] {
        let ended = run(program, &args);
        assert_eq!(ended.code, 0, "{ended:?}");
        let checked = run_with_input("bash", &["-n"], &ended.stdout);
        assert_eq!(checked.code, 0, "{checked:?}");
        assert!(ended.stdout.contains("complete -F"), "{program}");
    }
    let knows = |program: &str, args: &[&str], words: &[&str]| {
        let told = run(program, args).stdout;
        words.iter().for_each(|word| assert!(told.contains(word), "{program}: {word}"));
    };
    let names = ["crash-recall", "M06", "far-and-near", "3-changes"];
    knows(arg(&check_beside(CLIENT)), &["completions", "bash"], &names);
    knows(CLUSTER, &["completions", "zsh", "--program", "check"], &names);
    let scenario = run(CLUSTER, &["scenarios", "--names"]).stdout;
    knows(CLUSTER, &["completions", "bash"], &[scenario.lines().next().unwrap()]);
    // Users are those of the configuration in the folder where completions are made.
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cluster.toml");
    let ended = run(CLUSTER, &["config", "--user", "theodora", "-o", arg(&config)]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for program in [CLUSTER, CLIENT] {
        let line = format!("cd {} && {program} completions bash", arg(folder.path()));
        let told = run("sh", &["-c", &line]).stdout;
        assert!(told.contains("theodora"), "{program}");
    }
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert_eq!(run(CLUSTER, &["completions", shell]).code, 0, "{shell}");
    }
    let ended = run(CLUSTER, &["completions", "bash", "--program", "cat"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("cluster, replica, check"), "{ended:?}");
}
