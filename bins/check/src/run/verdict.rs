//! The exit status of a run.

use super::args::RunArgs;
use crate::status::{INCOMPLETE, VIOLATED};
use actor_checker::engine::Stopped;
use paxos_chat_models::catalog::Entry;
use paxos_chat_models::run::Outcome;

/// What a run says by its exit status.
pub(super) fn status_of(entry: &Entry, outcome: &Outcome, options: &RunArgs) -> u8 {
    // An assertion of an actor that fails is a violation, whatever it is called.
    let panicked = matches!(outcome.report.stopped, Some(Stopped::Panic(_)));
    if outcome.is_violated() || outcome.void.is_some() || panicked {
        return VIOLATED;
    }
    if !outcome.is_complete() {
        return INCOMPLETE;
    }
    let counted = entry.unique_states.is_none_or(|known| known == outcome.report.unique_states);
    if outcome.holds() && (counted || !options.is_counted()) { 0 } else { VIOLATED }
}
