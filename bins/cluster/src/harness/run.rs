//! One run of a cluster: start it, feed its clients, inject a fault, wait, and judge.
//!
//! **Invariants**
//! - *Bounded*: whatever happens, a run ends; nothing is waited for without a limit.
//! - *Faults fall among writes*: messages are released in shares, the next one right before a fault.
//!
//! **Absent**: judgement, which [`crate::judge`] takes from the files alone.

use super::cluster::Cluster;
use super::feed::{Feed, Share};
use super::input::Input;
use super::kill_loop::KillLoop;
use super::primaries::Killed;
use super::process::{ClientProcess, Programs, StartError};
use super::scenario::Scenario;
use crate::judge::{Evidence, EvidenceError, RunFile, Verdict, judge};
use paxos_chat_config::credentials::CredentialError;
use paxos_chat_config::{Config, Problem};
use paxos_chat_replica::journal::JournalError;
use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long nothing may be acknowledged.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// How long survivors may take to reach the same log.
const CATCH_UP_MAX: Duration = Duration::from_secs(20);
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
    /// What clients of these names say, in place of generated messages.
    pub inputs: Vec<Input>,
    /// The random time between the messages of a client; none if there is none.
    pub pace: Option<Range<Duration>>,
    /// What is done to the replicas.
    pub fault: Fault,
    /// The scenario that this is, whose event must have happened.
    pub scenario: Option<&'static Scenario>,
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

/// What is done to replicas while clients write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// So many primaries are killed for good before there is anything to propose.
    BeforeProposing(u8),
    /// A primary is killed for good when it has proposed and nobody can have voted yet.
    AfterProposing,
    /// So many primaries are killed for good, one after another.
    OneAfterAnother(u8),
    /// Replicas are killed and restarted, again and again.
    KillLoop(KillLoop),
}

impl Fault {
    /// How many replicas do not come back.
    pub fn killed_for_good(self) -> u8 {
        match self {
            Fault::None | Fault::KillLoop(_) => 0,
            Fault::AfterProposing => 1,
            Fault::BeforeProposing(count) | Fault::OneAfterAnother(count) => count,
        }
    }
}

impl RunOptions {
    /// A quiet run of three replicas, without clients.
    pub fn new(folder: PathBuf, seed: u64) -> RunOptions {
        RunOptions {
            config: None,
            f: 1,
            clients: 0,
            messages: 0,
            inputs: Vec::new(),
            pace: None,
            fault: Fault::None,
            scenario: None,
            volatile: false,
            skip_slots: BTreeSet::new(),
            loss: None,
            seed,
            folder,
            timeout_ms: None,
        }
    }

    /// How many messages are said in all.
    pub fn messages_in_all(&self) -> u64 {
        let given: u64 = self.inputs.iter().map(|input| input.lines.len() as u64).sum();
        let generating = u64::from(self.clients).saturating_sub(self.inputs.len() as u64);
        given + generating * self.messages
    }
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
    /// What a replica has saved cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
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
    let cluster = Cluster::start(&programs, options)?;
    let (clients, kills) = (Vec::new(), Vec::new());
    let mut stage = Stage { options, interrupted, progress, cluster, clients, kills };
    let mut faults = Vec::new();
    if let Fault::BeforeProposing(count) = options.fault {
        faults.extend(stage.kill_before_proposing(count)?);
    }
    stage.clients = stage.cluster.start_clients(&programs, options)?;
    let feed = Feed::start(&mut stage.clients, options.pace.as_ref(), options.seed);
    if options.pace.is_some() {
        faults.extend(stage.say_something_first(&feed)?);
    }
    faults.extend(match options.fault {
        Fault::None | Fault::BeforeProposing(_) => None,
        Fault::AfterProposing => stage.kill_after_proposing(&feed)?,
        Fault::OneAfterAnother(count) => stage.kill_one_after_another(count, &feed)?,
        Fault::KillLoop(whom) => stage.kill_and_restart(whom, &feed)?,
    });
    feed.release(Share::ALL);
    faults.extend(stage.wait_for_clients()?);
    faults.extend(stage.wait_for_survivors()?);
    for replica in &mut stage.cluster.replicas {
        replica.stop();
    }
    let (killed, restarts) = (stage.cluster.killed.clone(), stage.cluster.restarts.clone());
    RunFile { killed, restarts }.write(&options.folder)?;
    let mut verdict = judge(&Evidence::read(&options.folder)?);
    faults.extend(unacknowledged(&verdict));
    if let Some(scenario) = options.scenario {
        match stage.what_happened(scenario, &verdict)? {
            Ok(events) => verdict.events = events,
            Err(missing) => faults.push(missing),
        }
    }
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
        name.ends_with(".log")
            || name.ends_with(paxos_chat_client::record::EXTENSION)
            || name == "run.json"
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
    /// The primaries that were killed for good.
    pub(super) kills: Vec<Killed>,
}

pub(super) type Faults = Result<Option<String>, RunError>;

impl Stage<'_> {
    /// Has each client say one thing, so that all have a session when they write at their own pace.
    fn say_something_first(&mut self, feed: &Feed) -> Faults {
        let first = Share::new(1, self.options.messages);
        feed.release(first);
        self.wait_for_acknowledgements(first)
    }

    /// Waits until this share of what each client says is acknowledged.
    pub(super) fn wait_for_acknowledgements(&mut self, share: Share) -> Faults {
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
    fn wait_for_clients(&mut self) -> Faults {
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
