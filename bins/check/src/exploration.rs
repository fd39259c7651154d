//! One exploration: under its limits, with a line on the terminal that says where it stands.

use crate::bar::Bar;
use crate::limits::{Limits, Watch};
use actor_checker::engine::{Options, Progress};
use std::sync::Arc;

/// What is explored, and when that stops.
pub(super) struct Exploration<'a> {
    /// What the line calls it.
    pub(super) name: &'a str,
    /// How many unique states there are, if that is known.
    pub(super) known: Option<u64>,
    /// Worker threads.
    pub(super) threads: usize,
    /// Unique states.
    pub(super) max_states: Option<u64>,
    pub(super) limits: Limits,
}

impl Exploration<'_> {
    /// Explores together with other processes; gives what came of it, and whoever knows why it stopped.
    pub(super) fn run_with_others<T>(
        &self,
        explore: impl FnOnce(&actor_checker_timely::Limits) -> T,
    ) -> (T, Watch) {
        let bar = Arc::new(Bar::new(self.name, self.known));
        let (watch, shown) = (Watch::new(self.limits), Arc::clone(&bar));
        let outcome = explore(&actor_checker_timely::Limits {
            max_states: self.max_states,
            stops: watch.stops(),
            stop_at_violation: true,
            progress: Some(Arc::new(move |progress| shown.show(progress))),
        });
        bar.finish();
        (outcome, watch)
    }

    /// Explores; gives what came of it, and whoever knows why it stopped.
    pub(super) fn run<T>(&self, explore: impl FnOnce(&Options<'_>) -> T) -> (T, Watch) {
        let bar = Bar::new(self.name, self.known);
        let show = |progress: &Progress| bar.show(progress);
        let watch = Watch::new(self.limits);
        let outcome = explore(&Options {
            threads: self.threads,
            max_states: self.max_states,
            max_memory_bytes: self.limits.memory_bytes,
            interrupted: Some(watch.flag()),
            progress: Some(&show),
            ..Options::default()
        });
        bar.finish();
        (outcome, watch)
    }
}
