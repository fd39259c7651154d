//! `check` with outputs that nobody reads, that are full, or closed.

#[path = "../../tests/dead/mod.rs"]
mod dead;
#[path = "../../tests/support/mod.rs"]
mod support;

use dead::{are_all, ends_as_documented};

const CHECK: &str = env!("CARGO_BIN_EXE_check");

#[test]
fn every_command_ends_with_a_documented_status_whatever_has_become_of_its_outputs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let man = folder.path().to_str().expect("UTF-8");
    let commands = [
        vec!["completions", "bash"],
        vec!["man", man],
        vec!["mutants", "M06", "--svg", "-"],
        vec!["all", "--max-states", "1"],
        vec!["full", "--max-states", "1"],
        vec!["list"],
        vec!["coverage"],
        vec!["run", "sessions"],
        vec!["run", "nonsense"],
        vec!["mutants", "M06"],
        vec!["progress", "sessions"],
        vec!["links", "named"],
        vec!["hardships", "nonsense"],
        vec!["refine", "sessions", "--json"],
        vec!["compare", "sessions", "--max-states", "10"],
        vec!["explore", "nonsense"],
        vec!["validate", man],
        vec!["--help"],
        vec!["--nonsense"],
    ];
    let commands = commands.map(|args| (CHECK, args));
    are_all(CHECK, &commands);
    for (program, args) in commands {
        ends_as_documented(program, &args);
    }
}
