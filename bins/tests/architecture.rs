//! What ARCHITECTURE.md names is there: files, functions, and the test that shows each claim; and the
//! modules of each crate stand above one another.

mod modules;

use modules::{Modules, circles};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What stands between backticks, line by line; blocks apart.
fn code() -> impl Iterator<Item = &'static str> {
    let lines = ARCHITECTURE.lines().filter(|line| !line.starts_with("    "));
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn has_function(text: &str, name: &str) -> bool {
    text.match_indices(&format!("fn {name}"))
        .any(|(at, found)| text[at + found.len()..].starts_with(['(', '<']))
}

/// The text of all Rust files of this project.
fn sources() -> Vec<(PathBuf, String)> {
    let (mut folders, mut found) = (vec![root()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

#[test]
fn every_file_and_every_function_in_one_is_there() {
    let mut functions = 0;
    for named in code().filter(|named| named.contains('/') && !named.contains(' ')) {
        let (path, function) = named.split_once("::").unwrap_or((named, ""));
        // Others' files are named, too.
        let is_ours = root().join(path.split('/').next().unwrap()).is_dir();
        if !is_ours || !(path.ends_with(".rs") || path.ends_with('/')) {
            continue;
        }
        let file = root().join(path);
        assert!(file.exists(), "{path} is not there");
        if !function.is_empty() {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(has_function(&text, function), "{path} has no function {function}");
            functions += 1;
        }
    }
    assert!(functions > 50, "{functions} functions");
}

/// A row of the threat model names tests as `module::test`, or as `test` of the module before.
#[test]
fn every_claim_of_the_threat_model_names_a_test_that_is_there() {
    let (_, behind) = ARCHITECTURE.split_once("| who | can | cannot | shown by |\n").unwrap();
    let rows = behind.lines().skip(1).take_while(|line| line.starts_with('|'));
    let sources = sources();
    let mut named = BTreeSet::new();
    for row in rows {
        let shown_by = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let tests: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test shows this: {row}");
        named.extend(tests.iter().map(|test| test.rsplit("::").next().unwrap()));
    }
    assert!(named.len() > 40, "{} tests", named.len());
    for test in named {
        let is_there = sources.iter().any(|(_, text)| has_function(text, test));
        assert!(is_there, "there is no test {test}");
    }
}

/// Circles that may be: in which crate, of which files and those in the folders of their names, and why.
const CIRCLES: &[(&str, &[&str], &str)] = &[
    (
        "src",
        &["acceptor", "election", "joining", "learner", "proposer", "requests"],
        "a replica's roles call one another, as Paxos has it",
    ),
    ("src", &["message"], "each route's messages are a part of all, and hold parts of others"),
    ("src", &["session"], "a table of sessions and its shares are one structure"),
    ("models/checker/src", &["compact"], "a state, its steps and its verdicts are one model"),
    ("models/checker/src", &["engine"], "the search has the options and the report of its engine"),
    ("models/checker/src", &["progress"], "runs have the options and the outcome of their check"),
    ("models/src", &["catalog"], "an entry's constructor is the catalog's"),
    (
        "models/src",
        &["chat", "config", "properties", "reductions"],
        "the model judges by properties and reduces by symmetry, and both are of its states",
    ),
    ("models/src", &["hardships"], "a hardship's constructor is that of all"),
    ("models/src", &["links"], "a case's constructor is that of all"),
    ("models/src", &["machine", "node"], "a node runs on a machine, and a machine has nodes"),
    ("models/src", &["mutants"], "a description's constructor is that of all"),
    ("models/src", &["refinement"], "the steps of a refinement are those of its states"),
    (
        "bins/chatlog/src",
        &["lib", "escape", "form", "index", "line", "reader", "scan", "store", "writer"],
        "the crate's root holds its entry and its errors",
    ),
    ("bins/config/src", &["lib", "check", "links", "revoke"], "the crate's root holds the file"),
    ("bins/config/src", &["credentials"], "secrets and tokens have one error"),
    ("bins/replica/src", &["journal"], "a journal's parts have its place and its errors"),
    ("bins/replica/src", &["operator"], "each command has the target of all"),
    ("bins/runtime/src", &["driver"], "a driver's handle and its intake are parts of it"),
    ("bins/runtime/src", &["keys"], "a ring and a cipher have the keys of their parent"),
    ("bins/runtime/src", &["wire"], "fragments and datagrams have the format of their parent"),
];

/// The folders with the sources of a library.
fn crates() -> Vec<String> {
    let mut found = Vec::new();
    for (path, _) in sources() {
        let folder = path.parent().unwrap().strip_prefix(root()).unwrap();
        if path.ends_with("src/lib.rs") {
            found.push(folder.to_string_lossy().into_owned());
        }
    }
    assert!(found.len() > 10, "{found:?}");
    found
}

#[test]
fn no_module_uses_what_uses_it() {
    let (mut wrong, mut met) = (String::new(), BTreeSet::new());
    for folder in crates() {
        let modules = Modules::of(&root().join(&folder));
        let is_of = |file: &str, name: &str| {
            let behind = file.strip_prefix(name);
            behind.is_some_and(|behind| behind == ".rs" || behind.starts_with('/'))
        };
        for circle in circles(&modules.uses()) {
            let is_of_all = |names: &[&str]| {
                circle.iter().all(|file| names.iter().any(|name| is_of(file, name)))
            };
            let may_be =
                |(of, names, _): &&(&str, &[&str], &str)| *of == folder && is_of_all(names);
            let Some((of, names, _)) = CIRCLES.iter().find(may_be) else {
                wrong += &format!("\n{folder}: {}", circle.join(" uses "));
                continue;
            };
            let inside = |name: &&&str| circle.iter().any(|file| is_of(file, name));
            met.extend(names.iter().filter(inside).map(|name| (*of, *name)));
        }
    }
    assert!(wrong.is_empty(), "these go in circles; move what they share below them:{wrong}");
    let named = CIRCLES.iter().flat_map(|(of, names, _)| names.iter().map(|name| (*of, *name)));
    let gone: Vec<_> = named.filter(|row| !met.contains(row)).collect();
    assert!(gone.is_empty(), "these go in circles no more; CIRCLES need not allow it: {gone:?}");
}

/// A module whose documentation has this sentence lists its files from the bottom to the top.
const IN_ORDER: &str = "//! Each file uses only those above it:\n";

#[test]
fn maps_that_are_said_to_be_in_order_are_complete_and_in_order() {
    let mut maps = 0;
    for folder in crates() {
        let sources = root().join(&folder);
        let modules = Modules::of(&sources);
        let uses = modules.uses();
        for file in uses.keys() {
            let text = std::fs::read_to_string(sources.join(file)).unwrap();
            let Some((_, map)) = text.split_once(IN_ORDER) else { continue };
            maps += 1;
            let rows = map.lines().take_while(|line| line.starts_with("//!"));
            let cells = rows.filter_map(|row| row.strip_prefix("//! | ")?.split(" | ").next());
            let listed: Vec<&str> =
                cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
            let below = if *file == "lib.rs" { "" } else { file.strip_suffix(".rs").unwrap() };
            // The place in the map of a file that is in this folder, or below it.
            let place = |file: &str| {
                let file = file.strip_prefix(below)?.trim_start_matches('/');
                let name = file.trim_end_matches(".rs").split('/').next()?;
                if name == "lib" || name.is_empty() {
                    return None;
                }
                let place = listed.iter().position(|listed| *listed == name);
                Some(place.unwrap_or_else(|| panic!("{folder}: the map lacks {name}")))
            };
            for (user, used) in &uses {
                for used in used {
                    let (Some(user_place), Some(used_place)) = (place(user), place(used)) else {
                        continue;
                    };
                    assert!(used_place <= user_place, "{folder}: {used} is above {user}");
                }
            }
        }
    }
    assert!(maps >= 3, "{maps} maps");
}
