//! The commands of the README, and of what it sends its readers on to, are ones that the programs understand, with these
//! flags and values.
//!
//! **Absent**: running them, which the tests of each feature do; those of docs/ancestors.md are run by
//! tests/ancestors.rs, and those of the tutorial by tests/tutorial.rs.

mod support;

use support::{arg, check_beside, run};

const README: &str = include_str!("../../README.md");
const TEXTS: [&str; 6] = [
    README,
    include_str!("../../docs/check.md"),
    include_str!("../../docs/operate.md"),
    include_str!("../../docs/chat.md"),
    include_str!("../../docs/measure.md"),
    include_str!("../../docs/measured.md"),
];
const PROGRAMS: [&str; 4] = ["check", "cluster", "replica", "client"];
/// What else stands in their blocks, by its first words.
const OTHERS: [&str; 6] = [
    "cargo test --release",
    "cargo bench -p",
    "export PATH=",
    "python3 benches/compare.py",
    "python3 benches/reads.py",
    "make 2>&1",
];

/// The commands of all blocks, the parts of a pipe apart.
fn commands() -> impl Iterator<Item = &'static str> {
    let lines = TEXTS.iter().flat_map(|text| text.lines());
    let blocks = lines.filter_map(|line| line.strip_prefix("    "));
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

/// A newcomer reads it in one go: two commands and a picture first, and each reader is sent on.
#[test]
fn the_readme_is_short_and_sends_every_reader_on_to_what_is_there() {
    assert!(README.split_whitespace().count() < 1500);
    let picture = README.find("![").unwrap();
    let first: Vec<&str> =
        README[..picture].lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert_eq!(first, ["cargo run --release --bin check", "cargo test --release"]);
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["", "docs", "docs", "docs", "docs", "docs"];
    for (text, folder) in TEXTS.iter().zip(folders) {
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.starts_with("https:")) {
            assert!(root.join(folder).join(link).exists(), "{folder}/{link}");
        }
    }
}
