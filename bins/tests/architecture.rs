//! What ARCHITECTURE.md names is there: files, functions, and the test that shows each claim.

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
