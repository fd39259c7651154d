//! Runs stateright's own breadth-first checker, within limits, watched, and ended when asked to.
//!
//! stateright's checker can neither be interrupted nor limited in memory. The model that it is given
//! here stops offering actions once it is told to, so that the checker runs out of work.
//!
//! **Invariant**: a run that was told to stop, or in which a thread panicked, is never complete.
//!
//! **Absent**: properties. stateright counts and finds; what holds is judged elsewhere.

use crate::engine::{Options, Progress, Report, Stopped};
use crate::memory;
use stateright::{Checker, Model, Property};
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How often its memory is, and its progress is shown.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// A model that can be told to come to an end.
struct Halting<M> {
    model: M,
    halt: Arc<AtomicBool>,
}

impl<M: Model> Model for Halting<M> {
    type State = M::State;
    type Action = M::Action;

    fn init_states(&self) -> Vec<M::State> {
        self.model.init_states()
    }

    fn actions(&self, state: &M::State, actions: &mut Vec<M::Action>) {
        if !self.halt.load(Ordering::Relaxed) {
            self.model.actions(state, actions);
        }
    }

    fn next_state(&self, state: &M::State, action: M::Action) -> Option<M::State> {
        self.model.next_state(state, action)
    }

    fn within_boundary(&self, state: &M::State) -> bool {
        self.model.within_boundary(state)
    }

    /// One that always holds: without any, stateright would stop at once.
    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("nothing is asked here", |_, _| true)]
    }
}

/// Explores all states of a model with stateright's checker. The limit of memory is on what is
/// resident in this process.
pub fn bfs<M>(model: M, options: &Options<'_>) -> Report
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Clone + PartialEq + Send + Sync,
    M::Action: Clone + PartialEq,
{
    let started = Instant::now();
    let searched = catch_unwind(AssertUnwindSafe(|| search(model, options, started)));
    searched.unwrap_or_else(|cause| {
        let stopped = Some(Stopped::panicked(&*cause));
        Report::of_counts(stopped, (0, 0, 0), started, 0)
    })
}

fn search<M>(model: M, options: &Options<'_>, started: Instant) -> Report
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Clone + PartialEq + Send + Sync,
    M::Action: Clone + PartialEq,
{
    let halt = Arc::new(AtomicBool::new(false));
    let halting = Halting { model, halt: Arc::clone(&halt) };
    let mut checker = halting.checker().threads(options.threads.max(1)).spawn_bfs();
    let threads = checker.handles();
    let (mut stopped, mut memory_max, mut reported) = (None, 0, started);
    while !threads.iter().all(|thread| thread.is_finished()) {
        std::thread::sleep(LOOK_EVERY);
        let unique_states = checker.unique_state_count() as u64;
        let asked = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        if options.interrupted.is_some_and(asked) {
            stopped.get_or_insert(Stopped::Interrupted);
        } else if options.max_states.is_some_and(|max| unique_states > max) {
            stopped.get_or_insert(Stopped::States);
        }
        if reported.elapsed() > REPORT_EVERY {
            reported = Instant::now();
            let memory_bytes = memory::resident_bytes().unwrap_or(0);
            memory_max = memory_bytes.max(memory_max);
            if options.max_memory_bytes.is_some_and(|max| memory_bytes > max) {
                stopped.get_or_insert(Stopped::Memory);
            }
            if let Some(progress) = options.progress {
                progress(&Progress {
                    depth: (checker.max_depth() as u64).saturating_sub(1),
                    unique_states,
                    generated_states: checker.state_count() as u64,
                    // stateright does not tell.
                    frontier: 0,
                    expanded: 0,
                    memory_bytes,
                    elapsed: started.elapsed(),
                });
            }
        }
        halt.store(stopped.is_some(), Ordering::Relaxed);
    }
    for thread in threads {
        if let Err(cause) = thread.join() {
            stopped = Some(Stopped::panicked(&*cause));
        }
    }
    // stateright counts states on the path, not steps.
    let depth = (checker.max_depth() as u64).saturating_sub(1);
    let counts = (checker.unique_state_count() as u64, checker.state_count() as u64, depth);
    Report::of_counts(stopped, counts, started, memory_max)
}
