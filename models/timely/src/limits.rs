//! When workers stop early.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// When workers stop before all is explored.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Once this many unique states are known, at the end of a level.
    pub max_states: Option<u64>,
    /// Once this is set.
    pub interrupted: Arc<AtomicBool>,
    /// At the end of the level in which an `Always` property was found violated.
    pub stop_at_violation: bool,
}
