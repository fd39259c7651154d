//! `cluster run`: runs a cluster with faults.
//!
//! **Invariant**: the exit status is 0 only if the verdict is good; 1 if it is not, 2 for a run that
//! cannot be made, 130 for one that was interrupted.

use crate::bar::Bar;
use crate::harness::fault::{Fault, KillLoop};
use crate::harness::input::{self, Source};
use crate::harness::options::{KILL_ROUNDS, RunOptions};
use crate::harness::run::run;
use crate::harness::scenario::{self, Scenario};
use crate::{interrupt, verdict};
use actor_runtime::loss::Loss;
use anyhow::Result;
use clap::Args;
use paxos_chat_config::Config;
use paxos_chat_shell::tell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Clients, where nobody says how many.
const CLIENTS: u32 = 3;
/// Messages of each, where nobody says how many.
const MESSAGES: u64 = 100;

/// What to run.
#[derive(Args)]
pub struct RunArgs {
    /// How many replicas may fail; 2f+1 run on free ports of this machine.
    #[arg(short, long, default_value_t = 1, conflicts_with = "config")]
    f: u8,
    /// A configuration to run as it is.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A named scenario, as `cluster scenarios` lists them; its verdict fails unless its event has
    /// happened.
    #[arg(long, value_name = "NAME", value_parser = scenario::find, conflicts_with_all = [
        "f", "config", "input", "kill", "kill_loop", "skip_slots", "volatile"
    ])]
    scenario: Option<&'static Scenario>,
    /// Clients: 3, or as many as have input or as the scenario has.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    clients: Option<u32>,
    /// Messages of each client without input: 100, or as many as the scenario has.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    messages: Option<u64>,
    /// A file with what the client NAME says, a message a line; or a folder with a file NAME.txt for
    /// each client. Can be repeated.
    #[arg(long, value_name = "NAME=FILE|DIR")]
    input: Vec<Source>,
    /// How many primaries to kill, one after another, while clients write.
    #[arg(long, default_value_t = 0)]
    kill: u8,
    /// Kill this replica with SIGKILL and restart it, again and again while clients write; `all`
    /// for a random one, the primary or all at once.
    #[arg(long, value_name = "ID|all", conflicts_with_all = ["kill", "volatile"])]
    kill_loop: Option<KillLoop>,
    /// How often the kill loop kills.
    #[arg(long, value_name = "N", requires = "kill_loop", default_value_t = KILL_ROUNDS,
        value_parser = clap::value_parser!(u64).range(1..=100_000))]
    kill_rounds: u64,
    /// Keep what replicas promise in memory only.
    #[arg(long)]
    volatile: bool,
    /// Slots that every primary jumps over.
    #[arg(long, value_name = "SLOT,...", value_delimiter = ',')]
    skip_slots: Vec<u64>,
    /// Probability that a datagram is dropped, on sending and again on receiving; that of the configuration,
    /// or 0, if not given.
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    loss: Option<Loss>,
    /// Seed of everything random; random if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// The folder of logs and records; a temporary one, kept if something is wrong, if not given.
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,
    /// The election time-out in milliseconds; the others are in proportion. If not given: that of the
    /// configuration, or 500.
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// Record all that replicas and clients are told and do, in recordings/ beside the logs, and have it judged step by
    /// step, as `check validate` does.
    #[arg(long)]
    validate: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl RunArgs {
    fn options(&self, folder: PathBuf) -> Result<RunOptions> {
        let mut options = RunOptions::new(folder, self.seed.unwrap_or_else(rand::random));
        options.config = self.config.as_deref().map(Config::read).transpose()?;
        options.f = self.f;
        options.inputs = input::read(&self.input)?;
        let with_input = options.inputs.len() as u32;
        let clients = if with_input > 0 { with_input } else { CLIENTS };
        options.clients = self.clients.unwrap_or(self.scenario.map_or(clients, |s| s.clients));
        options.messages = self.messages.unwrap_or(self.scenario.map_or(MESSAGES, |s| s.messages));
        options.kill_rounds = self.kill_rounds;
        options.volatile = self.volatile;
        options.records = self.validate;
        options.skip_slots = self.skip_slots.iter().copied().collect();
        options.loss = self.loss.map(Loss::probability);
        options.timeout_ms = self.timeout_ms;
        options.fault = match (self.kill_loop, self.kill) {
            (Some(whom), _) => Fault::KillLoop(whom),
            (None, 0) => Fault::None,
            (None, count) => Fault::OneAfterAnother(count),
        };
        if let Some(scenario) = self.scenario {
            options.play(scenario);
        }
        Ok(options)
    }
}

/// Runs a cluster, and prints the verdict.
///
/// # Errors
/// When the run cannot be made.
pub fn run_cluster(args: &RunArgs) -> Result<ExitCode> {
    let started = Instant::now();
    let temporary = match &args.log_dir {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("paxos-chat-run-").tempdir()?),
    };
    let folder = match (&args.log_dir, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => unreachable!("one of both is there"),
    };
    let options = args.options(folder)?;
    let interrupted = interrupt::listen()?;
    let mut progress = Bar::new(options.messages_in_all());
    let result = run(&options, &interrupted, &mut progress);
    progress.clear();
    let verdict = result?;
    let status = verdict::print(&verdict, args.json, started)?;
    if let Some(temporary) = temporary
        && !verdict.ok
    {
        tell!("cluster: logs and records are kept in {}", temporary.keep().display());
        tell!("cluster: the seed was {}", options.seed);
    }
    Ok(status)
}
