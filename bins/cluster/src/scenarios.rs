//! `cluster scenarios`: what `cluster run --scenario` knows.

use crate::harness::scenario::{SCENARIOS, Scenario};
use paxos_chat_shell::say;

/// Their names.
pub fn names() -> impl Iterator<Item = &'static str> {
    SCENARIOS.iter().map(|scenario| scenario.name)
}

/// Prints the scenarios.
pub fn list(names_only: bool) {
    for Scenario { name, about, .. } in &SCENARIOS {
        if names_only {
            say!("{name}");
        } else {
            say!("{name:<36}{about}");
        }
    }
}
