//! Explores a space in several workers, each with the states that are its own, over [timely dataflow](timely).
//!
//! | module | what it holds |
//! |---|---|
//! | `flow` | the dataflow: timestamps are levels, frontiers the barrier between them and the end |
//! | `shard` | one worker: the states that it owns, what it has told and heard |
//! | `whole` | what all workers have found, as each of them knows it |
//! | `limits` | when they stop early |
//! | `message` | what they tell one another |
//! | `transport` | connections between processes |
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
mod limits;
mod message;
mod shard;
mod transport;
mod whole;

pub use limits::Limits;
pub use transport::{Processes, connect};

use actor_checker::engine::{Report, Shared, Stopped};
use std::any::Any;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};

/// Explores a space with workers in this process, each with a space of its own, which it alone speaks of: what they do is
/// what processes do that share no memory.
///
/// The first space learns, at the end, all that was asked of the others.
pub fn search<S>(spaces: Vec<Arc<S>>, limits: &Limits) -> Report
where
    S: Shared + Send + Sync + 'static,
{
    let config = timely::CommunicationConfig::ProcessBinary(spaces.len());
    work(config.try_build(), spaces, 0, limits)
}

/// Explores a space together with other processes, over these connections to them.
///
/// The space of the first process learns, at the end, all that was asked of the others.
pub fn search_with_others<S>(
    space: Arc<S>,
    connections: Vec<Option<TcpStream>>,
    limits: &Limits,
) -> Report
where
    S: Shared + Send + Sync + 'static,
{
    let me = connections.iter().position(Option::is_none).unwrap_or(0);
    let hooks = timely::communication::Hooks::default;
    let own = ProcessBuilder::new_bytes_vector(1, hooks().refill, hooks().spill);
    let built = initialize_networking_from_sockets(own, connections, me, 1, hooks());
    let built = built.map(|(builders, guard)| {
        let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
        (builders, Box::new(guard) as Box<dyn Any + Send>)
    });
    work(built.map_err(|error| error.to_string()), vec![space], me, limits)
}

type Built = Result<(Vec<AllocatorBuilder>, Box<dyn Any + Send>), String>;

/// Has the workers of this process work, of which the first one has this number among all.
fn work<S>(built: Built, spaces: Vec<Arc<S>>, first: usize, limits: &Limits) -> Report
where
    S: Shared + Send + Sync + 'static,
{
    let last = Arc::new(Mutex::new(Report::of_counts(
        Some(Stopped::Lost("no level was explored".into())),
        (0, 0, 0),
        std::time::Instant::now(),
        0,
    )));
    let (limits, known) = (limits.clone(), Arc::clone(&last));
    let all = move || -> Result<(), String> {
        let (builders, others) = built?;
        let config = timely::WorkerConfig::default();
        let workers = timely::execute::execute_from(builders, others, config, move |worker| {
            let place = worker.index() - first;
            let tell = (place == 0).then(|| Arc::clone(&known));
            flow::explore(worker, Arc::clone(&spaces[place]), limits.clone(), tell);
        })?;
        workers.join().into_iter().collect()
    };
    let ended = catch_unwind(AssertUnwindSafe(all));
    let mut report = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let lost = match ended {
        Ok(Ok(())) => return report,
        Ok(Err(why)) => why,
        Err(_) => "a connection broke".to_owned(),
    };
    report.complete = false;
    if matches!(report.stopped, None | Some(Stopped::Lost(_))) {
        report.stopped = Some(Stopped::Lost(lost));
    }
    report
}
