//! The arguments of `check all`, `check full` and `check run`.

use super::hosts::ProcessesArgs;
use super::keep::{self, KeepArgs, PartOf};
use crate::engine::EngineArg;
use crate::exploration::Exploration;
use crate::flags::{Format, Search};
use crate::limits::Limits;
use actor_checker::compact::Reductions;
use actor_checker::engine::RunFolder;
use anyhow::ensure;
use clap::{Args, ValueEnum};
use paxos_chat_models::catalog::Entry;
use paxos_chat_models::run::Engine;
use std::path::PathBuf;

/// How to run, and what to print.
#[derive(Clone, Debug, Default, Args)]
pub struct RunArgs {
    /// What explores.
    #[arg(long, value_enum, default_value_t = EngineArg::Compact)]
    pub engine: EngineArg,
    /// How states are searched.
    #[command(flatten)]
    pub search: Search,
    /// Stop above this many mebibytes of memory, and report the run as incomplete: of the process's memory, or of all that
    /// `--processes` starts. If it is not given, nine tenths of what is available.
    #[arg(long, visible_alias = "max-memory", value_name = "MIB")]
    pub max_memory_mib: Option<u64>,
    /// Stop after this many seconds, and report the run as incomplete.
    #[arg(long)]
    pub max_seconds: Option<u64>,
    /// Remember and judge nothing, as `--engine actor-model` does: only states are counted.
    #[arg(long)]
    pub unjudged: bool,
    /// How results are printed.
    #[command(flatten)]
    pub format: Format,
    /// Draw the counterexample, if there is one, as a message sequence chart; with several
    /// entries, FILE gets the entry's name added, and - is standard output for one.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Draw the states by depth; with several entries, FILE gets the entry's name added, and - is standard output for
    /// one.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// Write what has happened to replicas in the completed entries, a situation a line.
    #[arg(long, value_name = "FILE")]
    pub situations: Option<PathBuf>,
}

impl RunArgs {
    /// What explores.
    pub fn engine(&self) -> Engine {
        self.engine.engine()
    }

    /// Is anything remembered and judged?
    pub fn is_judged(&self) -> bool {
        self.engine != EngineArg::ActorModel && !self.unjudged
    }

    /// Can the count be compared with the catalog's?
    pub fn is_counted(&self) -> bool {
        self.is_judged() && !self.search.no_reductions
    }

    /// What a run may take, in each of so many processes on this machine.
    pub(super) fn limits(&self, processes: u64) -> Limits {
        Limits {
            memory_bytes: self.max_memory_mib.map(|mib| (mib << 20) / processes),
            seconds: self.max_seconds,
            others: processes - 1,
        }
    }

    /// How an entry is explored.
    pub(super) fn exploration<'a>(&self, entry: &'a Entry) -> Exploration<'a> {
        let is_known = self.is_counted() && entry.config.mutant.is_none();
        Exploration {
            name: entry.name,
            known: entry.unique_states.filter(|_| is_known),
            threads: self.search.threads.count(),
            max_states: self.search.max_states,
            limits: self.limits(1),
        }
    }
}

/// An entry by name, or bounds by hand.
#[derive(Clone, Debug, Args)]
pub struct CustomArgs {
    /// An entry of the catalog; without it, the bounds below.
    #[arg(conflicts_with_all = ["replicas", "clients", "messages", "max_round", "crashes"])]
    pub name: Option<String>,
    /// How many replicas.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub replicas: u8,
    /// How many clients; client i asks replica i, so that they are rivals.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub clients: u8,
    /// How many messages each client says.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=9))]
    pub messages: u32,
    /// The highest round of a ballot.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub max_round: u32,
    /// How many replicas, from 0 on, may stand for election; all but the last if not given.
    #[arg(long)]
    pub candidates: Option<u8>,
    /// How many crashes there are in all. At most f replicas are down at once.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=9))]
    pub crashes: u32,
    /// Crashed replicas stay dead.
    #[arg(long)]
    pub no_recovery: bool,
    /// The window: how many slots may be in flight, and how many requests of a client may be unacknowledged.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub window: u8,
    /// Votes or entries in one chunk.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=99))]
    pub chunk: u8,
    /// Take a snapshot every so many slots; 0 is never.
    #[arg(long, default_value_t = 0)]
    pub snapshot_slots: u64,
    /// Slots that replica 0 jumps over when it leads.
    #[arg(long, value_delimiter = ',', value_name = "SLOT")]
    pub skip_slots: Vec<u64>,
    /// Ask for support before a ballot is used.
    #[arg(long)]
    pub pre_vote: bool,
    /// Clients open their sessions through the log.
    #[arg(long)]
    pub open_sessions: bool,
    /// Plant a failing assertion, to see how a run ends: tests of the checker itself ask for it.
    #[arg(long, value_enum, hide = true)]
    pub plant: Option<PlantArg>,
    /// Explore the first levels alone, up to --max-states (3 million if that is not given), and tell how many states
    /// there may be in all, and what disk and time they would take
    #[arg(long, conflicts_with_all = ["checkpoint", "processes", "hosts", "engine", "unjudged", "svg", "plot", "max_seconds"])]
    pub estimate: bool,
    /// In which processes it is.
    #[command(flatten)]
    pub processes: ProcessesArgs,
    /// Whether the run is kept.
    #[command(flatten)]
    pub keep: KeepArgs,
    /// How to run, and what to print.
    #[command(flatten)]
    pub options: RunArgs,
}

/// Where an assertion is planted that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlantArg {
    /// In a handler of an actor.
    Handler,
    /// In a handler, but only when claims of staleness are checked after the search.
    Claims,
}

impl CustomArgs {
    /// Where the run of an entry is kept, or this process' part of it, if it is.
    pub(super) fn folder(
        &self,
        entry: &Entry,
        part: Option<PartOf>,
    ) -> anyhow::Result<Option<RunFolder>> {
        let options = &self.options;
        if self.keep.checkpoint.is_none() {
            return Ok(None);
        }
        ensure!(
            options.engine == EngineArg::Compact && !options.unjudged,
            "--checkpoint: only --engine compact keeps its runs, and only those that are judged"
        );
        let identity = keep::identity(entry, options.search.reductions(Reductions::ALL))?;
        let limits = options.limits(part.map_or(1, |part| part.here));
        self.keep.folder(identity, limits, part)
    }
}
