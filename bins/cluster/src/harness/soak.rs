//! A long run under load: what replicas hold in memory as the log ages, how fast one that was away
//! catches up, and how long a start takes on a long log.
//!
//! **Invariants**
//! - *Memory is the system's figure*: the resident set of each process, sampled while it serves.
//! - *The load outlasts what is measured under it*, however fast the machine is: it ends once enough
//!   was said and whoever was away has caught up.
//! - *Bounded*: every wait has a limit, and no process outlives the run.
//!
//! **Absent**: judgement of the logs' contents; the replicas' own bounds and hashes are compared,
//! `cluster verify` judges the folder, and validation what was recorded.

use super::cluster::Cluster;
use super::error::RunError;
use super::load::{LoadArgs, LoadProcess, LoadResult};
use super::options::{RECORDINGS, RunOptions};
use super::process::Programs;
use super::progress::Progress;
use super::validation::{self, Validated};
use paxos_chat_replica::status::Status;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);
/// How long nothing may be applied.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest that a replica may take to reach the others once enough was said.
const CATCH_UP_MAX: Duration = Duration::from_secs(600);

/// What to run.
#[derive(Clone, Debug)]
pub struct SoakOptions {
    /// Messages of all clients together, at least.
    pub messages: u64,
    /// Clients.
    pub clients: u32,
    /// Messages of each client that are unacknowledged at once.
    pub outstanding: u16,
    /// Bytes of each message.
    pub size: usize,
    /// Keep the last replica away while the others apply so many messages.
    pub away: u64,
    /// Seed of everything random.
    pub seed: u64,
    /// Where logs go.
    pub folder: PathBuf,
    /// Record all that replicas and clients are told and do, in [`RECORDINGS`], and have it judged.
    pub validate: bool,
}

/// A look at all replicas.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Since the load began.
    pub seconds: f64,
    /// Lines of the longest log, which are about the messages applied.
    pub messages: u64,
    /// The resident set of each replica, in bytes; nothing of one that is down.
    pub rss_bytes: Vec<Option<u64>>,
    /// Lines of each replica's log.
    pub log_lines: Vec<Option<u64>>,
}

/// How a replica that was away came back.
#[derive(Clone, Debug, Serialize)]
pub struct CatchUp {
    /// Log lines of the others that it lacked when it came back.
    pub behind: u64,
    /// From its start until it had what the others had.
    pub seconds: f64,
    /// Log lines that it wrote in that time.
    pub messages: u64,
    /// Log lines that the others wrote in that time.
    pub served_meanwhile: u64,
    /// Chunks that its peers read from their disks.
    pub chunks_read: u64,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct SoakReport {
    /// Is everything acknowledged, do the replicas agree, and is what was recorded valid?
    pub ok: bool,
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// Messages acknowledged in a second.
    pub ops_per_s: f64,
    /// From the beginning of the load to its end.
    pub seconds: f64,
    /// The slots of the log.
    pub slots: u64,
    /// The looks.
    pub samples: Vec<Sample>,
    /// How the replica that was away came back.
    pub catch_up: Option<CatchUp>,
    /// For each replica, killed at the end: from its start until it listens.
    pub restart_seconds: Vec<f64>,
    /// What is said of the recordings, if there are any.
    pub validated: Option<Validated>,
}

impl SoakReport {
    /// For each replica, its resident set at this many messages: that of the first sample there.
    pub fn rss_at(&self, messages: u64) -> Vec<Option<u64>> {
        let replicas = self.samples.first().map_or(0, |sample| sample.rss_bytes.len());
        let reached = |sample: &&Sample| sample.messages >= messages;
        (0..replicas)
            .map(|id| self.samples.iter().filter(reached).find_map(|sample| sample.rss_bytes[id]))
            .collect()
    }

    /// For each replica, its resident set in the last sample.
    pub fn rss_at_end(&self) -> Vec<Option<u64>> {
        self.samples.last().map_or_else(Vec::new, |sample| sample.rss_bytes.clone())
    }
}

/// Runs a cluster under load and measures it. `interrupted` ends it early.
///
/// # Errors
/// When the run can't be made, or the cluster stops serving.
pub fn soak(
    options: &SoakOptions,
    interrupted: &AtomicBool,
    progress: &mut dyn Progress,
) -> Result<SoakReport, RunError> {
    if options.away > options.messages / 10 * 8 {
        let (away, messages) = (options.away, options.messages);
        return Err(RunError::Usage(format!(
            "--away {away}: a tenth of the {messages} messages comes before, and some must come \
             after; give at most eight tenths of them"
        )));
    }
    let programs = Programs::find()?;
    let run = RunOptions::new(options.folder.clone(), options.seed);
    let run = RunOptions { records: options.validate, ..run };
    let cluster = Cluster::start(&programs, &run)?;
    let token = cluster.invite("load")?;
    let load = LoadArgs {
        config: cluster.config_path(),
        token: &token,
        clients: options.clients,
        outstanding: options.outstanding,
        size: options.size,
        recording: run.recording_of("load"),
    };
    let load = LoadProcess::start(&programs, &load)?;
    let away =
        (options.away > 0).then_some(Absence { at: options.messages / 10, phase: Phase::Up });
    let mut soak = Soak {
        options,
        run: &run,
        programs: &programs,
        interrupted,
        progress,
        cluster,
        load,
        started: Instant::now(),
        samples: Vec::new(),
        away,
    };
    let load = soak.measure()?;
    let (agrees, slots) = soak.agree()?;
    let catch_up = soak.caught_up();
    let restart_seconds = soak.restart_all()?;
    let Soak { samples, cluster, .. } = soak;
    // What still runs would be recorded.
    drop(cluster);
    let recordings = options.validate.then(|| options.folder.join(RECORDINGS));
    let validated =
        recordings.map(|folder| validation::validated(&folder, interrupted)).transpose()?;
    let is_valid = validated.as_ref().is_none_or(|validated| validated.is_good);
    Ok(SoakReport {
        ok: agrees && load.errors == 0 && is_valid,
        acknowledged: load.acknowledged,
        ops_per_s: load.ops_per_s,
        seconds: load.seconds,
        slots,
        samples,
        catch_up,
        restart_seconds,
        validated,
    })
}

/// The last replica's absence.
struct Absence {
    /// It goes once so many messages are applied.
    at: u64,
    phase: Phase,
}

enum Phase {
    Up,
    /// Gone since the others had so many lines.
    Gone {
        since: u64,
    },
    /// Back, and behind.
    Back {
        at: Instant,
        lines: u64,
        behind: u64,
        reads: u64,
    },
    CaughtUp(CatchUp),
}

struct Soak<'a> {
    options: &'a SoakOptions,
    run: &'a RunOptions,
    programs: &'a Programs,
    interrupted: &'a AtomicBool,
    progress: &'a mut dyn Progress,
    cluster: Cluster,
    load: LoadProcess,
    started: Instant,
    samples: Vec<Sample>,
    away: Option<Absence>,
}

impl Soak<'_> {
    /// Samples until the load has ended, which it does when nothing is left to measure under it.
    fn measure(&mut self) -> Result<LoadResult, RunError> {
        let mut moved = (Instant::now(), 0);
        let mut enough: Option<Instant> = None;
        let mut is_told = false;
        loop {
            std::thread::sleep(SAMPLE_INTERVAL);
            if self.interrupted.load(Ordering::Relaxed) {
                return Err(RunError::Interrupted);
            }
            let statuses = self.look()?;
            let lines = self.samples.last().map_or(0, |sample| sample.messages);
            self.progress.acknowledged(lines.min(self.options.messages));
            self.move_away(&statuses)?;
            if lines >= self.options.messages && !is_told {
                let waited = enough.get_or_insert_with(Instant::now).elapsed();
                if !self.is_away() || waited >= CATCH_UP_MAX {
                    self.load.end()?;
                    is_told = true;
                }
            }
            if let Some(result) = self.load.result()? {
                return Ok(result);
            }
            if lines > moved.1 {
                moved = (Instant::now(), lines);
            }
            if moved.0.elapsed() > PATIENCE {
                let waited = PATIENCE.as_secs();
                return Err(RunError::Usage(format!("nothing was applied for {waited} s")));
            }
        }
    }

    /// Takes a sample; `None` for a replica that is down.
    fn look(&mut self) -> Result<Vec<Option<Status>>, RunError> {
        let killed = &self.cluster.killed;
        let mut statuses = Vec::new();
        let mut rss_bytes = Vec::new();
        for replica in &mut self.cluster.replicas {
            let is_up = !killed.contains(&replica.id);
            statuses.push(if is_up { Some(replica.status()?) } else { None });
            rss_bytes.push(if is_up { Some(replica.rss_bytes()?) } else { None });
        }
        let log_lines: Vec<Option<u64>> =
            statuses.iter().map(|s| s.as_ref().map(|status| status.log_lines)).collect();
        let messages = log_lines.iter().flatten().max().copied().unwrap_or(0);
        let seconds = self.started.elapsed().as_secs_f64();
        self.samples.push(Sample { seconds, messages, rss_bytes, log_lines });
        Ok(statuses)
    }

    /// Kills the last replica, brings it back, and notes when it has caught up.
    fn move_away(&mut self, statuses: &[Option<Status>]) -> Result<(), RunError> {
        let Some(away) = &mut self.away else { return Ok(()) };
        let last = statuses.len() - 1;
        let lines_of = |status: &Option<Status>| status.as_ref().map_or(0, |s| s.log_lines);
        let reads: u64 = statuses[..last].iter().flatten().map(|s| s.log_reads).sum();
        let lines = statuses[..last].iter().map(lines_of).max().unwrap_or(0);
        let own = lines_of(&statuses[last]);
        match away.phase {
            Phase::Up if lines >= away.at => {
                self.cluster.replicas[last].kill()?;
                self.cluster.killed.insert(last as u8);
                self.progress.note(&format!("replica {last} goes away at {lines} messages"));
                away.phase = Phase::Gone { since: lines };
            }
            Phase::Gone { since } if lines - since >= self.options.away => {
                let at = Instant::now();
                self.cluster.restart(self.programs, self.run, last)?;
                self.cluster.killed.remove(&(last as u8));
                let behind = lines - since;
                self.progress.note(&format!("replica {last} is back, {behind} messages behind"));
                away.phase = Phase::Back { at, lines, behind, reads };
            }
            // As far behind as a look at one after the other makes it.
            Phase::Back { at, lines: before, behind, reads: read } if own + own / 100 >= lines => {
                let seconds = at.elapsed().as_secs_f64();
                let served_meanwhile = lines - before;
                let messages = own + behind - before;
                let chunks_read = reads - read;
                self.progress.note(&format!("replica {last} has caught up in {seconds:.1} s"));
                away.phase = Phase::CaughtUp(CatchUp {
                    behind,
                    seconds,
                    messages,
                    served_meanwhile,
                    chunks_read,
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// Waits until all replicas have the same log; false if they do not get there.
    fn agree(&mut self) -> Result<(bool, u64), RunError> {
        let deadline = Instant::now() + CATCH_UP_MAX;
        loop {
            let statuses = self.look()?;
            self.move_away(&statuses)?;
            let ends: Vec<(u64, &str)> =
                statuses.iter().flatten().map(|s| (s.applied_upto, s.log_hash.as_str())).collect();
            let agrees = ends.len() == statuses.len() && ends.iter().all(|end| *end == ends[0]);
            let slots = ends.iter().map(|(slots, _)| *slots).max().unwrap_or(0);
            if agrees || Instant::now() >= deadline {
                return Ok((agrees, slots));
            }
            std::thread::sleep(SAMPLE_INTERVAL);
        }
    }

    /// Is the last replica away or behind?
    fn is_away(&self) -> bool {
        self.away.as_ref().is_some_and(|away| !matches!(away.phase, Phase::CaughtUp(_)))
    }

    fn caught_up(&self) -> Option<CatchUp> {
        match &self.away {
            Some(Absence { phase: Phase::CaughtUp(catch_up), .. }) => Some(catch_up.clone()),
            _ => None,
        }
    }

    /// Kills and restarts each replica.
    fn restart_all(&mut self) -> Result<Vec<f64>, RunError> {
        let mut seconds = Vec::new();
        for index in 0..self.cluster.replicas.len() {
            self.cluster.replicas[index].kill()?;
            let started = Instant::now();
            self.cluster.restart(self.programs, self.run, index)?;
            seconds.push(started.elapsed().as_secs_f64());
        }
        for replica in &mut self.cluster.replicas {
            replica.stop();
        }
        Ok(seconds)
    }
}
