//! One run of a cluster: start it, feed its clients, kill primaries, wait, and judge.
//!
//! **Invariants**
//! - *Bounded*: whatever happens, a run ends; nothing is waited for without a limit.
//! - *Primaries die among writes*: the messages of the next phase are released right before each
//!   kill.
//!
//! **Absent**: judgement, which [`crate::judge`] takes from the files alone.

use super::cluster::Cluster;
use super::feed::Feed;
use super::kill_loop::KillLoop;
use super::process::{ClientProcess, Programs, StartError};
use crate::config::{Config, Problem};
use crate::credentials::CredentialError;
use crate::judge::{Evidence, EvidenceError, RunFile, Verdict, judge};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long nothing may be acknowledged.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// How long survivors may take to reach the same log.
const CATCH_UP_MAX: Duration = Duration::from_secs(20);
/// How long a cluster may take to have a primary.
const PRIMARY_MAX: Duration = Duration::from_secs(20);
/// Between two looks at the processes.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// What to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The cluster; its ports are used as they are.
    pub config: Option<Config>,
    /// How many replicas may fail, where no configuration is given.
    pub f: u8,
    /// Clients.
    pub clients: u32,
    /// Messages of each.
    pub messages: u64,
    /// How many primaries to kill.
    pub kill: u8,
    /// Which replicas to kill and restart, again and again.
    pub kill_loop: Option<KillLoop>,
    /// Keep what replicas promise in memory only.
    pub volatile: bool,
    /// Slots that every primary jumps over.
    pub skip_slots: BTreeSet<u64>,
    /// Loss at all replicas and clients.
    pub loss: Option<f64>,
    /// Seed of everything random.
    pub seed: u64,
    /// Where logs and records go.
    pub folder: PathBuf,
    /// The election time-out.
    pub timeout_ms: Option<u64>,
}

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not a run that can be made.
    #[error(transparent)]
    Config(#[from] Problem),
    /// Not a run that can be made.
    #[error("{0}")]
    Usage(String),
    /// A replica did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A process or file failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A secret or token cannot be made.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The files cannot be judged.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// Somebody wants it to end.
    #[error("interrupted; all processes of this run were stopped")]
    Interrupted,
}

/// What is told of a run while it goes on.
pub trait Progress {
    /// So many of all messages are acknowledged.
    fn acknowledged(&mut self, count: u64);
    /// Something happened.
    fn note(&mut self, what: &str);
}

/// Runs a cluster and judges what it left. `interrupted` ends it early.
///
/// # Errors
/// When the run could not be made; a run that went wrong is a verdict.
pub fn run(
    options: &RunOptions,
    interrupted: &AtomicBool,
    progress: &mut dyn Progress,
) -> Result<Verdict, RunError> {
    let programs = Programs::find()?;
    prepare_folder(&options.folder)?;
    let mut cluster = Cluster::start(&programs, options)?;
    let clients = cluster.start_clients(&programs, options)?;
    let mut stage = Stage { options, interrupted, progress, cluster, clients };
    let feed = Feed::start(&mut stage.clients, options.messages, options.seed);
    let mut faults = Vec::new();
    match options.kill_loop {
        Some(whom) => faults.extend(stage.kill_and_restart(whom, &feed)?),
        None => faults.extend(stage.kill_primaries(&feed)?),
    }
    feed.release(options.messages);
    faults.extend(stage.wait_for_clients()?);
    faults.extend(stage.wait_for_survivors()?);
    for replica in &mut stage.cluster.replicas {
        replica.stop();
    }
    let (killed, restarts) = (stage.cluster.killed.clone(), stage.cluster.restarts.clone());
    RunFile { killed, restarts }.write(&options.folder)?;
    let mut verdict = judge(&Evidence::read(&options.folder)?);
    faults.extend(unacknowledged(&verdict));
    verdict.ok &= faults.is_empty();
    verdict.faults.splice(0..0, faults);
    Ok(verdict)
}

/// A run wants every message acknowledged, which a log alone cannot tell.
fn unacknowledged(verdict: &Verdict) -> Vec<String> {
    let behind = verdict.clients.iter().filter(|client| client.acknowledged < client.sent);
    behind
        .map(|client| {
            let missing = client.sent - client.acknowledged;
            format!(
                "{missing} of {} messages of {} were not acknowledged",
                client.sent, client.name
            )
        })
        .collect()
}

/// The folder must not hold the files of another run.
pub(super) fn prepare_folder(folder: &Path) -> Result<(), RunError> {
    std::fs::create_dir_all(folder)?;
    let mut files = std::fs::read_dir(folder)?.filter_map(Result::ok);
    if let Some(file) = files.find(|file| {
        let name = file.file_name();
        let name = name.to_string_lossy();
        name.ends_with(".log") || name.ends_with(crate::record::EXTENSION) || name == "run.json"
    }) {
        return Err(RunError::Usage(format!(
            "{} is of an earlier run: give --log-dir another folder, or remove that file and the \
             others of that run",
            file.path().display()
        )));
    }
    Ok(())
}

/// Everything that runs.
pub(super) struct Stage<'a> {
    pub(super) options: &'a RunOptions,
    pub(super) interrupted: &'a AtomicBool,
    pub(super) progress: &'a mut dyn Progress,
    pub(super) cluster: Cluster,
    pub(super) clients: Vec<ClientProcess>,
}

pub(super) type Faults = Result<Option<String>, RunError>;

impl Stage<'_> {
    /// Kills the primary of the moment, again and again, spread over the messages.
    fn kill_primaries(&mut self, feed: &Feed) -> Faults {
        let (messages, phases) = (self.options.messages, u64::from(self.options.kill) + 1);
        for phase in 1..phases {
            let share = messages * phase / phases;
            feed.release(share);
            if let Some(fault) = self.wait_for_acknowledgements(share)? {
                return Ok(Some(fault));
            }
            let Some(primary) = self.wait_for_primary()? else {
                return Ok(Some(format!("no primary within {} s", PRIMARY_MAX.as_secs())));
            };
            feed.release(messages * (phase + 1) / phases);
            let replica = &mut self.cluster.replicas[primary];
            replica.kill()?;
            let id = replica.id;
            self.cluster.killed.insert(id);
            self.progress.note(&format!("killed the primary, replica {id}"));
        }
        Ok(None)
    }

    fn wait_for_primary(&mut self) -> Result<Option<usize>, RunError> {
        let deadline = Instant::now() + PRIMARY_MAX;
        while Instant::now() < deadline {
            self.pause()?;
            if let Some(primary) = self.cluster.primary() {
                return Ok(Some(primary));
            }
        }
        Ok(None)
    }

    /// Waits until each client has so many acknowledgements.
    pub(super) fn wait_for_acknowledgements(&mut self, count: u64) -> Faults {
        let mut seen = (Instant::now(), 0);
        loop {
            let (total, lowest) = self.count_acknowledged()?;
            if lowest >= count {
                return Ok(None);
            }
            if total > seen.1 {
                seen = (Instant::now(), total);
            }
            if seen.0.elapsed() > PATIENCE || self.clients.iter_mut().any(|c| c.has_ended()) {
                let waited = seen.0.elapsed().as_secs();
                return Ok(Some(format!("no message was acknowledged for {waited} s")));
            }
            self.pause()?;
        }
    }

    /// The clients end once everything is acknowledged, or their patience is at its end.
    fn wait_for_clients(&mut self) -> Faults {
        loop {
            let (total, _) = self.count_acknowledged()?;
            self.progress.acknowledged(total);
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
    fn wait_for_survivors(&mut self) -> Faults {
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

    /// All acknowledgements, and those of the client that has the fewest.
    fn count_acknowledged(&mut self) -> Result<(u64, u64), RunError> {
        let mut counts = Vec::new();
        for client in &mut self.clients {
            counts.push(client.acknowledged()?);
        }
        let total = counts.iter().sum();
        self.progress.acknowledged(total);
        Ok((total, counts.into_iter().min().unwrap_or(u64::MAX)))
    }

    pub(super) fn pause(&self) -> Result<(), RunError> {
        std::thread::sleep(LOOK_INTERVAL);
        if self.interrupted.load(Ordering::Relaxed) { Err(RunError::Interrupted) } else { Ok(()) }
    }
}
