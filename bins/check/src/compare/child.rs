//! One run in a process of its own, and what it says of itself.
//!
//! The child prints one JSON object and ends. It ends too when its standard input does, so that
//! none is left behind, however its parent ends.

use super::args::RunLimits;
use super::small;
use crate::bar::Bar;
use crate::engine::EngineArg;
use crate::interrupt;
use crate::limits::{Limits, Watch};
use crate::status::INCOMPLETE;
use actor_checker::compact::Reductions;
use actor_checker::engine::Options;
use actor_checker::memory::{peak_resident_bytes, peak_resident_bytes_of};
use anyhow::Context;
use paxos_chat_models::config::Config;
use paxos_chat_models::run;
use paxos_chat_shell::say;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The name of a system of one state, to measure what a run costs anyway.
pub(super) const ONE_STATE: &str = "one-state";

/// A child that is past its limit by so much is ended.
const GRACE: Duration = Duration::from_secs(20);

/// Which run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    /// stateright's `ActorModel`.
    Theirs,
    /// Our engine without reductions.
    Unreduced,
    /// Our engine with all of them.
    Reduced,
}

impl Contender {
    pub(super) fn name(self) -> &'static str {
        match self {
            Contender::Theirs => "ActorModel",
            Contender::Unreduced => "compact without reductions",
            Contender::Reduced => "compact with reductions",
        }
    }
}

/// The command line of a child.
#[derive(Clone, Debug, clap::Args)]
pub struct MeasureArgs {
    name: String,
    #[arg(long, value_enum)]
    engine: EngineArg,
    #[arg(long)]
    no_reductions: bool,
    #[command(flatten)]
    limits: RunLimits,
}

/// What a run took.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Measurement {
    pub(super) complete: bool,
    pub(super) stopped: Option<String>,
    pub(super) void: Option<String>,
    pub(super) unique_states: u64,
    pub(super) generated_states: u64,
    pub(super) depth: u64,
    pub(super) seconds: f64,
    /// Resident before the run.
    pub(super) baseline_bytes: u64,
    /// The most that was resident.
    pub(super) peak_bytes: u64,
    pub(super) stale_claims: usize,
}

impl Measurement {
    pub(super) fn above_bytes(&self) -> u64 {
        self.peak_bytes.saturating_sub(self.baseline_bytes)
    }

    /// Unique states a second.
    pub(super) fn rate(&self) -> f64 {
        self.unique_states as f64 / self.seconds.max(1e-6)
    }

    /// Did the run end in a way that no limit explains?
    pub(super) fn failed(&self) -> bool {
        let panicked = |stopped: &String| stopped.contains("panicked");
        self.void.is_some() || self.stopped.as_ref().is_some_and(panicked)
    }
}

/// In the child: one run, one line.
pub(crate) fn measure(args: &MeasureArgs) -> anyhow::Result<u8> {
    end_with_parent();
    let limits = &args.limits;
    let config = match args.name.as_str() {
        ONE_STATE => Config::new(1).ballots(&[]),
        name => small::find(name)?.config,
    };
    let memory_bytes = Some(limits.max_memory_mib << 20);
    let watch = Watch::new(Limits { memory_bytes, seconds: Some(limits.max_seconds), others: 0 });
    let options = Options {
        threads: limits.threads(),
        max_states: limits.max_states,
        interrupted: Some(watch.flag()),
        ..Options::default()
    };
    let reductions = if args.no_reductions { Reductions::NONE } else { Reductions::ALL };
    let baseline_bytes = peak_resident_bytes().unwrap_or(0);
    let started = Instant::now();
    let outcome = if limits.judged && args.engine != EngineArg::ActorModel {
        let mut outcome = run::run(&config, &[], args.engine.engine(), reductions, &options);
        outcome.report.elapsed = started.elapsed();
        outcome
    } else {
        run::run_bare(&config, args.engine.engine(), reductions, &options)
    };
    let report = &outcome.report;
    let measured = Measurement {
        complete: outcome.is_complete(),
        stopped: report.stopped.as_ref().map(|stopped| watch.because(stopped)),
        void: outcome.void.clone(),
        unique_states: report.unique_states,
        generated_states: report.generated_states,
        depth: report.depth,
        seconds: report.elapsed.as_secs_f64(),
        baseline_bytes,
        peak_bytes: peak_resident_bytes().unwrap_or(0),
        stale_claims: outcome.stale_claims,
    };
    say!("{}", serde_json::to_string(&measured)?);
    Ok(0)
}

/// Ends this process when its standard input ends, as it does when the parent is gone.
fn end_with_parent() {
    std::thread::spawn(|| {
        let mut rest = [0; 16];
        while std::io::stdin().read(&mut rest).is_ok_and(|read| read > 0) {}
        std::process::exit(INCOMPLETE.into());
    });
}

/// A child that is ended when it is dropped.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In the parent: starts a child, shows how it is doing, and reads what it says.
pub(super) fn spawn(
    name: &str,
    run: Contender,
    limits: &RunLimits,
    bar: &Bar,
) -> anyhow::Result<Measurement> {
    let mut child = Guard(command(name, run, limits)?.spawn().context("a run cannot be started")?);
    let started = Instant::now();
    let mut seen = Measurement::default();
    loop {
        if let Some(status) = child.0.try_wait().context("a run cannot be waited for")? {
            let mut said = String::new();
            if let Some(mut out) = child.0.stdout.take() {
                let _ = out.read_to_string(&mut said);
            }
            return Ok(serde_json::from_str(&said).unwrap_or_else(|_| {
                seen.stopped = Some(format!("its process ended with {status}"));
                seen
            }));
        }
        seen.seconds = started.elapsed().as_secs_f64();
        if let Some(bytes) = peak_resident_bytes_of(child.0.id()) {
            seen.peak_bytes = bytes;
        }
        let late = started.elapsed() > Duration::from_secs(limits.max_seconds) + GRACE;
        if interrupt::is_asked() || late {
            seen.stopped = Some("ended from outside".into());
            return Ok(seen);
        }
        bar.say(format!("{:.0} s, {} MiB", seen.seconds, seen.peak_bytes >> 20));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn command(name: &str, run: Contender, limits: &RunLimits) -> anyhow::Result<Command> {
    let program = std::env::current_exe().context("where this program is cannot be found out")?;
    let mut command = Command::new(program);
    let engine = if run == Contender::Theirs { EngineArg::ActorModel } else { EngineArg::Compact };
    command.args(["measure", name, "--engine", engine.name()]);
    command.args(limits.to_args());
    if run == Contender::Unreduced {
        command.arg("--no-reductions");
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok(command)
}
