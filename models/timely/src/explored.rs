//! What all workers have come to, as it is known while they explore, and stays when one is lost.

use crate::flow::run;
use crate::shard::Shard;
use actor_checker::engine::{Report, Shared, Stopped, Store};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use timely::worker::Worker;

/// What all workers have come to.
#[derive(Clone, Debug)]
pub struct Explored {
    /// Counts, and what was found.
    pub report: Report,
    /// For each property that must hold always and does not, the fingerprints of a shortest path to where it does not,
    /// given from its end, if it could be told from the files; nothing of a run in memory.
    pub trails: Option<Vec<Option<Vec<u128>>>>,
}

/// What all workers have come to, as far as it is known: it stays when a worker is lost.
#[derive(Default)]
pub(crate) struct Known(Mutex<Option<Explored>>);

impl Known {
    fn set<S: Shared, F: Store<S>>(&self, shard: &Shard<S, F>) {
        let explored = Explored { report: shard.whole().report(), trails: shard.trails() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(explored);
    }

    pub(crate) fn get(&self) -> Explored {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.unwrap_or_else(|| {
            let nothing = Some(Stopped::Lost("no level was explored".into()));
            let report = Report::of_counts(nothing, (0, 0, 0), Instant::now(), 0);
            Explored { report, trails: Some(Vec::new()) }
        })
    }
}

/// Explores what is this worker's, until all is explored; tells after each round what all have found.
pub(crate) fn explore<S: Shared + 'static, F: Store<S> + 'static>(
    worker: &mut Worker,
    shard: Shard<S, F>,
    tell: Option<Arc<Known>>,
) {
    let tell = |shard: &Shard<S, F>| tell.iter().for_each(|tell| tell.set(shard));
    let mut age = None;
    let shard = run(worker, shard, |shard| {
        let now = shard.whole().age();
        if age.replace(now) != Some(now) {
            tell(shard);
        }
    });
    tell(&shard);
}
