//! A breadth-first engine for any [`stateright::Model`]: level by level, on all cores.
//!
//! **Invariants**
//! - *Complete or incomplete, never in between*: a report says `complete` only if every state
//!   within the bounds was expanded; a limit, an interruption or a panic in the model leaves it
//!   incomplete or fails the run.
//! - *The same report from run to run*, whatever the number of threads: levels are barriers, and
//!   of several states that violate a property at the same depth, the one with the lowest
//!   fingerprint is reported, by the path of lowest fingerprints.
//!
//! **Memory**: 8 bytes a fingerprint in a table that is at most 7/8 full, and the packed states of
//! one level and of the part of the next that is known, unless those are in files. No path is kept: [`path_to`] rebuilds one
//! by running again with parents recorded.
//!
//! **Source**: explicit-state breadth-first search with hash compaction (Wolper and Leroy, CAV
//! 1993; Stern and Dill, 1995, for the probability of an omission).

mod backwards;
mod batch;
mod blocks;
mod cache;
mod checkpoint;
mod error;
mod estimate;
mod files;
mod known;
mod path;
mod search;
mod shared;
mod sorted;
mod space;
mod standing;
mod store;

pub use backwards::predecessors;
pub(crate) use backwards::trail;
pub use batch::{BATCH, Batch};
pub use blocks::{Places, Stored};
pub use cache::Cache;
pub use checkpoint::{Checkpoints, RunFolder, Sizes, has_checkpoint, remove_run};
pub use error::CheckpointError;
pub use estimate::{SPREAD, states_in_all};
pub use files::Files;
pub(crate) use path::walk;
pub use path::{Walk, path_by, path_to};
pub use search::{search, search_in_files};
pub use shared::Shared;
pub use space::{Space, fingerprint};
pub use standing::Standing;
pub use store::{Admit, InMemory, Store};

use serde::{Deserialize, Serialize};
use space::Plain;
use stateright::{Expectation, Model};
use std::any::Any;
use std::hash::Hash;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// How a run is limited and watched.
pub struct Options<'a> {
    /// Worker threads.
    pub threads: usize,
    /// Stop as incomplete once this many unique states are known.
    pub max_states: Option<u64>,
    /// Stop as incomplete once the table and the levels take this many bytes.
    pub max_memory_bytes: Option<u64>,
    /// Stop as incomplete once this is set.
    pub interrupted: Option<&'a AtomicBool>,
    /// Stop at the end of the level in which an `Always` property was found violated.
    pub stop_at_violation: bool,
    /// Called now and then.
    pub progress: Option<&'a (dyn Fn(&Progress) + Sync)>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            max_states: None,
            max_memory_bytes: None,
            interrupted: None,
            stop_at_violation: true,
            progress: None,
        }
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Steps from the initial state.
    pub depth: u64,
    /// States known.
    pub unique_states: u64,
    /// States generated, known ones again included.
    pub generated_states: u64,
    /// States of this level.
    pub frontier: u64,
    /// States of this level that are expanded.
    pub expanded: u64,
    /// Bytes in the table and the levels.
    pub memory_bytes: u64,
    /// Time since the start.
    pub elapsed: Duration,
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Every state within the bounds was expanded.
    pub complete: bool,
    /// Why not, if not.
    pub stopped: Option<Stopped>,
    /// States known.
    pub unique_states: u64,
    /// States generated, known ones again included.
    pub generated_states: u64,
    /// Steps from the initial state to the deepest state.
    pub depth: u64,
    /// How many bits of a fingerprint served to tell states apart.
    pub fingerprint_bits: u32,
    /// Unique states by depth.
    pub by_depth: Vec<u64>,
    /// Time of the search.
    pub elapsed: Duration,
    /// The most bytes that the table and the levels took.
    pub memory_bytes: u64,
    /// For each property, in the model's order, a nearest state in which an `Always` property fails
    /// or a `Sometimes` property holds.
    pub discoveries: Vec<Option<Discovery>>,
}

/// A state at which a property was found violated or reached, of those nearest to the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discovery {
    /// Steps from the initial state.
    pub depth: u64,
    /// The fingerprint of the state: see [`path_to`].
    pub fingerprint: u128,
}

/// Why a run is incomplete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stopped {
    /// An `Always` property fails.
    Violation,
    /// The limit of states was reached.
    States,
    /// The limit of memory was reached.
    Memory,
    /// There are more states than fingerprints of 64 bits may tell apart.
    Fingerprints,
    /// The limit of the files was reached.
    Files,
    /// The disk failed: this is what, where and why.
    Disk(String),
    /// A file of the run is not what was written.
    Damaged(String),
    /// Somebody asked to stop.
    Interrupted,
    /// Another process of the run is lost: this is what was seen of it.
    Lost(String),
    /// The model panicked.
    Panic(String),
}

impl Stopped {
    /// By a panic, of which this was caught.
    pub fn panicked(cause: &(dyn Any + Send)) -> Stopped {
        let text = cause.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| cause.downcast_ref::<&str>().copied());
        Stopped::Panic(text.unwrap_or("no message").to_owned())
    }
}

impl Report {
    /// A report of counts alone: of unique and generated states, and the depth.
    pub fn of_counts(
        stopped: Option<Stopped>,
        (unique_states, generated_states, depth): (u64, u64, u64),
        started: Instant,
        memory_bytes: u64,
    ) -> Report {
        Report {
            complete: stopped.is_none(),
            stopped,
            unique_states,
            generated_states,
            depth,
            fingerprint_bits: u64::BITS,
            by_depth: Vec::new(),
            elapsed: started.elapsed(),
            memory_bytes,
            discoveries: Vec::new(),
        }
    }

    /// The probability that a state was taken for another with the same fingerprint, estimated as
    /// n^2 / 2^(b+1) for n unique states and fingerprints of b bits.
    pub fn collision_probability(&self) -> f64 {
        let n = self.unique_states as f64;
        n * n / 2f64.powi(self.fingerprint_bits as i32 + 1)
    }
}

/// Explores all states of a model within its bounds, and judges its properties in each.
///
/// `Eventually` properties are not supported: see the progress checker.
///
/// # Example
///
/// A clock that counts to three, which is an actor of nobody's but this example's:
///
/// ```
/// use actor_checker::engine::{Options, bfs};
/// use stateright::{Model, Property};
///
/// struct Clock;
/// impl Model for Clock {
///     type State = u8;
///     type Action = ();
///     fn init_states(&self) -> Vec<u8> {
///         vec![0]
///     }
///     fn actions(&self, state: &u8, actions: &mut Vec<()>) {
///         if *state < 3 {
///             actions.push(());
///         }
///     }
///     fn next_state(&self, state: &u8, (): ()) -> Option<u8> {
///         Some(state + 1)
///     }
///     fn properties(&self) -> Vec<Property<Self>> {
///         vec![Property::always("below three", |_, state| *state < 3)]
///     }
/// }
///
/// let report = bfs(&Clock, &Options::default());
/// assert_eq!(report.unique_states, 4);
/// assert_eq!(report.discoveries[0].as_ref().unwrap().depth, 3);
/// ```
///
/// # Panics
/// When the model declares an `Eventually` property.
pub fn bfs<M>(model: &M, options: &Options<'_>) -> Report
where
    M: Model + Sync,
    M::State: Hash + Send + Sync,
{
    let properties = model.properties();
    let is_eventual = |expectation: &Expectation| *expectation == Expectation::Eventually;
    let mut expectations = properties.iter().map(|property| property.expectation.clone());
    assert!(!expectations.any(|e| is_eventual(&e)), "`eventually` is not supported");
    search(&Plain { model, properties }, options)
}
