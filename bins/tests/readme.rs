//! The commands of the README are ones that the programs understand, with these flags and values.
//!
//! **Absent**: running them, which the tests of each feature do; those of the table are run by
//! tests/ancestors.rs, and those of the tutorial by tests/tutorial.rs.

mod support;

use support::{arg, check_beside, run};

const README: &str = include_str!("../../README.md");
const PROGRAMS: [&str; 4] = ["check", "cluster", "replica", "client"];
/// What else stands in the README's blocks, by its first words.
const OTHERS: [&str; 5] = [
    "cargo test --release",
    "cargo bench -p",
    "export PATH=",
    "python3 benches/compare.py",
    "make 2>&1",
];

/// The commands of all blocks, the parts of a pipe apart.
fn commands() -> impl Iterator<Item = &'static str> {
    let blocks = README.lines().filter_map(|line| line.strip_prefix("    "));
    blocks.flat_map(|line| line.split(" | ")).filter(|command| !command.starts_with("head -n "))
}

/// The same without cargo, which only finds the program.
fn without_cargo(command: &str) -> String {
    match command.strip_prefix("cargo run --release --bin ") {
        Some(command) => command.replacen(" -- ", " ", 1),
        None => command.to_owned(),
    }
}

#[test]
fn every_command_is_understood() {
    let check = check_beside(env!("CARGO_BIN_EXE_replica"));
    let programs = check.parent().unwrap();
    let mut understood = 0;
    for command in commands() {
        let command = without_cargo(command);
        let program = command.split(' ').next().unwrap();
        if !PROGRAMS.contains(&program) {
            assert!(OTHERS.iter().any(|other| command.starts_with(other)), "{command}");
            continue;
        }
        // Whatever comes before `--help` is read and judged first.
        let ended = run("sh", &["-c", &format!("exec '{}'/{command} --help", arg(programs))]);
        assert_eq!(ended.code, 0, "{command}: {ended:?}");
        assert!(ended.stdout.contains("Usage: "), "{command}: {ended:?}");
        understood += 1;
    }
    assert!(understood > 30, "{understood} commands");
    let unknown = run("sh", &["-c", &format!("'{}'/check --nonsense --help", arg(programs))]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
}
