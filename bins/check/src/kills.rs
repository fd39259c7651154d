//! The second table of `check mutants`: what each property is worth.
//!
//! **Invariant**: a property that no mutant needs says why it is kept, or the command fails.

use paxos_chat_models::mutants::Mutant;
use paxos_chat_models::properties::Safety;
use paxos_chat_shell::say;
use serde_json::json;
use std::collections::BTreeMap;

/// A property that a mutant violates in the entry that kills it, and how many steps that takes.
#[derive(Clone, Copy)]
pub(super) struct Violation {
    pub(super) property: &'static str,
    pub(super) depth: u64,
}

/// The properties that each mutant violates in the entry that kills it.
#[derive(Default)]
pub(super) struct Kills(BTreeMap<Mutant, Vec<Violation>>);

/// What a property is worth: the mutants that it kills.
struct Worth {
    /// All of them.
    all: Vec<Mutant>,
    /// Those that no property kills in fewer steps.
    first: Vec<Mutant>,
    /// Those that no other property kills.
    alone: Vec<Mutant>,
}

impl Kills {
    /// Adds what a mutant violates.
    pub(super) fn add(&mut self, mutant: Mutant, violated: Vec<Violation>) {
        self.0.insert(mutant, violated);
    }

    fn of(&self, property: &str) -> Worth {
        let mut worth = Worth { all: Vec::new(), first: Vec::new(), alone: Vec::new() };
        for (mutant, violated) in &self.0 {
            let Some(own) = violated.iter().find(|other| other.property == property) else {
                continue;
            };
            worth.all.push(*mutant);
            if violated.iter().all(|other| other.depth >= own.depth) {
                worth.first.push(*mutant);
            }
            if violated.len() == 1 {
                worth.alone.push(*mutant);
            }
        }
        worth
    }

    /// Prints a row a property; is each needed by a mutant, or kept for a reason?
    pub(super) fn print(&self, as_json: bool) -> bool {
        if !as_json {
            say!("\nkills  first  alone  property, and the bugs that it would miss");
        }
        let mut all_needed = true;
        for safety in Safety::ALL {
            let Worth { all, first, alone } = self.of(safety.name());
            let is_needed = !alone.is_empty();
            all_needed &= is_needed || safety.kept().is_some();
            if as_json {
                let names =
                    |all: &[Mutant]| -> Vec<_> { all.iter().map(|mutant| mutant.code()).collect() };
                let line = json!({
                    "property": safety.name(), "misses": safety.misses(), "kept": safety.kept(),
                    "kills": names(&all), "first": names(&first), "alone": names(&alone),
                });
                say!("{line}");
                continue;
            }
            say!("{:5}  {:5}  {:5}  {}", all.len(), first.len(), alone.len(), safety.name());
            say!("                     misses {}", safety.misses());
            match (is_needed, safety.kept()) {
                (true, _) => {
                    let codes: Vec<_> = alone.iter().map(|mutant| mutant.code()).collect();
                    say!("                     alone kills {}", codes.join(", "));
                }
                (false, Some(why)) => say!("                     KILLS NONE ALONE; kept: {why}"),
                (false, None) => {
                    say!("                     KILLS NONE ALONE, and has no reason to be kept")
                }
            }
        }
        all_needed
    }
}
