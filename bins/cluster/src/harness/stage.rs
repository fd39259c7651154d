//! A run while it goes on: its replicas, its clients, and what is waited for.
//!
//! **Invariant — bounded**: nothing is waited for without a limit.

use super::client::ClientProcess;
use super::cluster::{Cluster, PATIENCE};
use super::error::RunError;
use super::feed::{Feed, Share};
use super::options::RunOptions;
use super::progress::Progress;
use paxos_chat::types::Ballot;
use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long survivors may take to reach the same log.
const CATCH_UP_MAX: Duration = Duration::from_secs(20);
/// Between two looks at the processes.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A primary that was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kill {
    /// The ballot in which it led.
    pub(super) ballot: Ballot,
    /// Which of those that it left had voted for anything once they had heard all that it sent; `None`
    /// if nobody has looked.
    pub(super) voters: Option<BTreeSet<u8>>,
}

impl Kill {
    /// Its id.
    pub(super) fn id(&self) -> u8 {
        self.ballot.replica.0
    }
}

/// Everything that runs.
pub(super) struct Stage<'a> {
    pub(super) options: &'a RunOptions,
    pub(super) interrupted: &'a AtomicBool,
    pub(super) progress: &'a mut dyn Progress,
    pub(super) cluster: Cluster,
    pub(super) clients: Vec<ClientProcess>,
    /// The primaries that were killed for good.
    pub(super) kills: Vec<Kill>,
}

/// What went wrong in a part of a run, if anything did.
pub(super) type Mishap = Result<Option<String>, RunError>;

impl Stage<'_> {
    /// Has each client say one thing, so that all have a session when they write at their own pace.
    pub(super) fn say_something_first(&mut self, feed: &Feed) -> Mishap {
        let first = Share::new(1, self.options.messages);
        feed.release(first);
        self.wait_for_acknowledgements(first)
    }

    /// Waits until this share of what each client says is acknowledged.
    pub(super) fn wait_for_acknowledgements(&mut self, share: Share) -> Mishap {
        let mut seen = (Instant::now(), 0);
        loop {
            let total = self.count_acknowledged()?;
            if total > seen.1 {
                seen = (Instant::now(), total);
            }
            let mut is_behind = false;
            for client in &mut self.clients {
                is_behind |= client.acknowledged()? < share.of(client.script.messages());
            }
            if !is_behind {
                return Ok(None);
            }
            if seen.0.elapsed() > PATIENCE || self.clients.iter_mut().any(|c| c.has_ended()) {
                let waited = seen.0.elapsed().as_secs();
                return Ok(Some(format!("no message was acknowledged for {waited} s")));
            }
            self.pause()?;
        }
    }

    /// The clients end once everything is acknowledged, or their patience is at its end.
    pub(super) fn wait_for_clients(&mut self) -> Mishap {
        loop {
            self.count_acknowledged()?;
            if self.clients.iter_mut().all(ClientProcess::has_ended) {
                return Ok(None);
            }
            let killed = &self.cluster.killed;
            for replica in &mut self.cluster.replicas {
                if !killed.contains(&replica.id) && replica.has_ended() {
                    let (id, folder) = (replica.id, self.options.folder.display());
                    let said = format!("{folder}/replica-{id}.stderr");
                    return Ok(Some(format!("replica {id} ended by itself: see {said}")));
                }
            }
            self.pause()?;
        }
    }

    /// Gives survivors that lag time to reach the log of the others.
    pub(super) fn wait_for_survivors(&mut self) -> Mishap {
        let deadline = Instant::now() + CATCH_UP_MAX;
        loop {
            let killed = &self.cluster.killed;
            let survivors = self.cluster.replicas.iter_mut().filter(|r| !killed.contains(&r.id));
            let bounds: io::Result<Vec<(u64, String)>> = survivors
                .map(|replica| replica.status().map(|s| (s.applied_upto, s.log_hash)))
                .collect();
            if let Ok(bounds) = &bounds
                && bounds.windows(2).all(|pair| pair[0] == pair[1])
            {
                return Ok(None);
            }
            if Instant::now() >= deadline {
                let waited = CATCH_UP_MAX.as_secs();
                return Ok(Some(format!("the survivors did not agree within {waited} s")));
            }
            self.pause()?;
        }
    }

    /// All acknowledgements.
    fn count_acknowledged(&mut self) -> Result<u64, RunError> {
        let mut total = 0;
        for client in &mut self.clients {
            total += client.acknowledged()?;
        }
        self.progress.acknowledged(total);
        Ok(total)
    }

    pub(super) fn pause(&self) -> Result<(), RunError> {
        std::thread::sleep(LOOK_INTERVAL);
        if self.interrupted.load(Ordering::Relaxed) { Err(RunError::Interrupted) } else { Ok(()) }
    }
}
