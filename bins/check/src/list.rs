//! The `check list` command: the catalog, with its bounds in words.

use crate::bounds::{all, parameters, system};
use crate::plot::thousands;
use paxos_chat_models::catalog::{Entry, Grade};
use paxos_chat_models::config::Config;
use paxos_chat_shell::say;
use serde_json::json;

/// Bounds are folded at so many columns.
const WIDTH: usize = 72;
/// How far the purpose and the bounds are indented.
const INDENT: usize = 38;

/// Prints the catalog.
pub(super) fn list(entries: &[Entry], as_json: bool) {
    let usual = parameters(&Config::new(3));
    if !as_json {
        say!("{:18} {:5} {:>11}  purpose, and bounds", "entry", "grade", "states");
    }
    for entry in entries {
        if as_json {
            say!("{}", as_object(entry));
            continue;
        }
        let states = entry.unique_states.map_or("unknown".into(), thousands);
        say!("{:18} {:5} {states:>11}  {}", entry.name, grade(entry), entry.purpose);
        let parameters = parameters(&entry.config);
        let bounds = match parameters == usual {
            true => system(&entry.config),
            false => format!("{}; {parameters}", system(&entry.config)),
        };
        for line in fold(&bounds, WIDTH) {
            say!("{:INDENT$}{line}", "");
        }
    }
    if !as_json {
        say!("\nParameters, where nothing else is said: {usual}.");
        say!(
            "Clients ask one replica at a time, and their times do not double: `check hardships` and \
             `check links` run\nthem, and replicas, as they are deployed."
        );
        say!("States are unique ones, with every reduction, as a completed run has counted them.");
    }
}

fn grade(entry: &Entry) -> &'static str {
    match entry.grade {
        Grade::Quick => "quick",
        Grade::Full => "full",
        Grade::Vast => "vast",
    }
}

fn as_object(entry: &Entry) -> serde_json::Value {
    let reaches: Vec<_> = entry.reaches.iter().map(|milestone| milestone.text()).collect();
    json!({
        "name": entry.name, "grade": grade(entry), "purpose": entry.purpose,
        "bounds": all(&entry.config), "reaches": reaches,
        "unique_states": entry.unique_states,
    })
}

/// Breaks a text at spaces into lines of at most this many characters.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("one at least");
        if last.is_empty() {
            last.push_str(word);
        } else if last.len() + 1 + word.len() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_string());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_folded_at_spaces() {
        assert_eq!(fold("one two three", 8), ["one two", "three"]);
        assert_eq!(fold("overlong", 3), ["overlong"]);
    }
}
