//! The entries that a command is asked for, and each after the other.

use crate::interrupt;
use crate::status::{INCOMPLETE, worse};
use anyhow::Context;
use paxos_chat_models::catalog::{self, Entry, Grade};
use paxos_chat_shell::tell;

/// The entry of this name.
pub(super) fn named(name: &str) -> anyhow::Result<Entry> {
    catalog::find(name).with_context(|| {
        format!("there is no entry {name:?} in the catalog; `check list` names them all")
    })
}

/// The entries of these names.
pub(super) fn all_named<S: AsRef<str>>(names: &[S]) -> anyhow::Result<Vec<Entry>> {
    names.iter().map(|name| named(name.as_ref())).collect()
}

/// The entries of this grade.
pub(super) fn of_grade(grade: Grade) -> Vec<Entry> {
    catalog::entries().into_iter().filter(|entry| entry.grade == grade).collect()
}

/// Runs each entry; gives the worst status.
///
/// # Errors
/// With the status to end with, when somebody asks to stop.
pub(super) fn run_each(entries: &[Entry], mut run: impl FnMut(&Entry) -> u8) -> Result<u8, u8> {
    let mut worst = 0;
    for entry in entries {
        worst = worse(worst, run(entry));
        if interrupt::is_asked() {
            tell!("check: interrupted; the entries after {:?} were not run", entry.name);
            return Err(worse(worst, INCOMPLETE));
        }
    }
    Ok(worst)
}
