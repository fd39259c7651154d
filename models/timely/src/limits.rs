//! When workers stop early, and who is told where they stand.

use actor_checker::engine::{Progress, Stopped};
use std::fmt;
use std::sync::Arc;

/// Is told where a run stands.
pub type Tell = Arc<dyn Fn(&Progress) + Send + Sync>;

/// When workers stop before all is explored, and who is told where they stand.
#[derive(Clone)]
pub struct Limits {
    /// Stop once this many unique states are known.
    pub max_states: Option<u64>,
    /// Asked now and then: stop for this reason.
    pub stops: Arc<dyn Fn() -> Option<Stopped> + Send + Sync>,
    /// Stop at the end of the level in which an `Always` property was found violated.
    pub stop_at_violation: bool,
    /// Called now and then, by the first worker of all.
    pub progress: Option<Tell>,
}

impl Default for Limits {
    fn default() -> Limits {
        let stops = Arc::new(|| None);
        Limits { max_states: None, stops, stop_at_violation: true, progress: None }
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { max_states, stop_at_violation, .. } = self;
        write!(f, "at most {max_states:?} states, stop at a violation: {stop_at_violation}")
    }
}
