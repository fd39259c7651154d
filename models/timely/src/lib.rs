//! Explores a space in several workers, each with the states that are its own, over [timely dataflow](timely).
//!
//! | module | what it holds |
//! |---|---|
//! | `flow` | the dataflow: timestamps are levels, frontiers the barrier between them and the end |
//! | `shard` | one worker: the states that it owns, what it has told and heard |
//! | `whole` | what all workers have found, as each of them knows it |
//! | `message` | what they tell one another |
//!
//! **Invariants**
//! - *A state belongs to one worker*, by its fingerprint, which alone decides whether it is new.
//! - *The same report as from one worker*: counts, depths, verdicts, and of several states that violate a property at
//!   the same depth the one of lowest fingerprint.
//! - *Nothing process-local is believed*: a state that was sent has the same fingerprint where it arrives, worked out
//!   from what its numbers stand for there, or the run ends as incomplete.
//!
//! **Source**: PReach (Bingham et al., FMCAD 2010): states owned by their hashes, sent unless they were sent lately; on
//! timely dataflow (Murray et al., *Naiad*, SOSP 2013).

#![forbid(unsafe_code)]

mod flow;
mod message;
mod shard;
mod whole;

pub use shard::Limits;

use actor_checker::engine::{Report, Shared};
use std::sync::Arc;

/// Explores a space with workers in this process, each with a space of its own, which it alone speaks of: what they do is
/// what processes do that share no memory.
///
/// The first space learns, at the end, all that was asked of the others.
///
/// # Errors
/// When a worker is lost.
pub fn search<S>(spaces: Vec<Arc<S>>, limits: &Limits) -> Result<Report, String>
where
    S: Shared + Send + Sync + 'static,
{
    let config = timely::CommunicationConfig::ProcessBinary(spaces.len());
    let (builders, others) = config.try_build()?;
    let worker_config = timely::WorkerConfig::default();
    let limits = limits.clone();
    let workers = timely::execute::execute_from(builders, others, worker_config, move |worker| {
        let space = Arc::clone(&spaces[worker.index()]);
        flow::explore(worker, space, limits.clone())
    })?;
    let mut reports = workers.join().into_iter().collect::<Result<Vec<_>, _>>()?.into_iter();
    reports.next().ok_or_else(|| "there are no workers".into())
}
