//! Explores a space in several workers, each with the states that are its own, over [timely dataflow](timely).
//!
//! | module | what it holds |
//! |---|---|
//! | `flow` | the dataflow: timestamps are rounds, frontiers the barrier between them and the end |
//! | `shard` | one worker: the states that it owns |
//! | `explored` | what all have come to, while they explore and when one is lost |
//! | `peers` | what it has told the others and learnt from them |
//! | `whole` | what all workers have found, as each of them knows it |
//! | `back` | shortest paths to it |
//! | `limits` | when they stop early |
//! | `message` | what they tell one another |
//! | `transport` | connections between processes |
//!
//! A level takes one round; or several, if checkpoints are written within it.
//!
//! **Invariants**
//! - *A state belongs to one worker*, which alone decides whether it is new.
//! - *The same report as from one worker*: counts, depths, verdicts, and of several states that violate a property at
//!   the same depth the one of lowest fingerprint.
//! - *Nothing process-local is believed*: a state that was sent has the same fingerprint where it arrives, worked out
//!   from what its numbers stand for there, or the run ends as incomplete.
//!
//! **Source**: PReach (Bingham et al., FMCAD 2010): states owned by their hashes, sent unless they were sent lately; on
//! timely dataflow (Murray et al., *Naiad*, SOSP 2013).

#![forbid(unsafe_code)]

mod back;
mod explored;
mod flow;
mod limits;
mod message;
mod peers;
mod shard;
mod transport;
mod whole;

#[cfg(test)]
mod replay;

pub use explored::Explored;
pub use limits::{Limits, Tell};
pub use transport::{Connected, Processes, connect};

use actor_checker::engine::{CheckpointError, Files, InMemory, RunFolder, Shared, Stopped, Store};
use explored::Known;
use shard::Shard;
use std::any::Any;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};

/// What one worker explores: a space of its own, which it alone speaks of, and the folder in which it keeps its states, if
/// that is not in memory.
#[derive(Debug)]
pub struct Part<S> {
    /// The space.
    pub space: Arc<S>,
    /// The folder, of a run in several processes.
    pub folder: Option<RunFolder>,
}

/// Explores a space with workers in this process: what they do is what processes do that share no memory.
///
/// The first space learns, at the end, all that was asked of the others.
///
/// # Errors
/// When the folders have no checkpoint in common to go on from.
pub fn search<S>(mut parts: Vec<Part<S>>, limits: &Limits) -> Result<Explored, CheckpointError>
where
    S: Shared + Send + Sync + 'static,
{
    let last = parts.iter().filter_map(|part| part.folder.as_ref()?.number()).min();
    if let Some(last) = last {
        let mut folders = parts.iter_mut().filter_map(|part| part.folder.as_mut());
        folders.try_for_each(|folder| folder.go_back_to(last))?;
    }
    let config = timely::CommunicationConfig::ProcessBinary(parts.len());
    Ok(work(config.try_build(), parts, 0, limits))
}

/// Explores a space together with other processes, over these connections to them.
///
/// The space of the first process learns, at the end, all that was asked of the others. A folder goes on from
/// [`Connected::checkpoint`].
pub fn search_with_others<S>(
    part: Part<S>,
    streams: Vec<Option<TcpStream>>,
    limits: &Limits,
) -> Explored
where
    S: Shared + Send + Sync + 'static,
{
    let me = streams.iter().position(Option::is_none).unwrap_or(0);
    work(network(streams, me), vec![part], me, limits)
}

type Built = Result<(Vec<AllocatorBuilder>, Box<dyn Any + Send>), String>;

/// What a process with one worker speaks through.
fn network(streams: Vec<Option<TcpStream>>, me: usize) -> Built {
    let hooks = timely::communication::Hooks::default;
    let own = ProcessBuilder::new_bytes_vector(1, hooks().refill, hooks().spill);
    let built = initialize_networking_from_sockets(own, streams, me, 1, hooks());
    let built = built.map(|(builders, guard)| {
        let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
        (builders, Box::new(guard) as Box<dyn Any + Send>)
    });
    built.map_err(|error| error.to_string())
}

/// Has the workers of this process work, of which the first one has this number among all.
fn work<S>(built: Built, parts: Vec<Part<S>>, first: usize, limits: &Limits) -> Explored
where
    S: Shared + Send + Sync + 'static,
{
    if parts.iter().all(|part| part.folder.is_none()) {
        return work_in(built, parts, |_| InMemory::default(), first, limits);
    }
    let files = |folder: &Option<RunFolder>| Files::new(folder.clone().expect("all have one"));
    work_in(built, parts, files, first, limits)
}

fn work_in<S, F>(
    built: Built,
    parts: Vec<Part<S>>,
    store: impl Fn(&Option<RunFolder>) -> F + Send + Sync + 'static,
    first: usize,
    limits: &Limits,
) -> Explored
where
    S: Shared + Send + Sync + 'static,
    F: Store<S> + 'static,
{
    let known = Arc::new(Known::default());
    let (limits, tell) = (limits.clone(), Arc::clone(&known));
    let parts: Vec<_> = parts.into_iter().map(|part| Mutex::new(Some(part))).collect();
    let all = move || -> Result<(), String> {
        let (builders, others) = built?;
        let config = timely::WorkerConfig::default();
        let workers = timely::execute::execute_from(builders, others, config, move |worker| {
            let place = worker.index() - first;
            let part = parts[place].lock().unwrap_or_else(PoisonError::into_inner).take();
            let Part { space, folder } = part.expect("each part has one worker");
            let kept = (store(&folder), folder);
            let shard = Shard::new(space, kept, (worker.index(), worker.peers()), limits.clone());
            explored::explore(worker, shard, (place == 0).then(|| Arc::clone(&tell)));
        })?;
        workers.join().into_iter().collect()
    };
    let ended = catch_unwind(AssertUnwindSafe(all));
    let mut explored = known.get();
    let lost = match ended {
        Ok(Ok(())) => return explored,
        Ok(Err(why)) => why,
        Err(_) => "a connection broke".to_owned(),
    };
    explored.report.complete = false;
    if matches!(explored.report.stopped, None | Some(Stopped::Lost(_))) {
        explored.report.stopped = Some(Stopped::Lost(lost));
    }
    explored
}
