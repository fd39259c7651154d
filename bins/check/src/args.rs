//! The command line of `check`.

use super::compare::{CompareArgs, MeasureArgs};
use super::refine::RefineArgs;
use clap::{Parser, Subcommand, ValueEnum};
use paxos_chat_models::run;
use std::path::PathBuf;

/// Explores the actors that the replica and client binaries run, exhaustively within stated bounds,
/// and judges what must hold. Without a command: the quick catalog, as `check all`.
///
/// Exit status: 0 everything holds and every run is complete; 1 a property is violated, an event
/// is not reached or a count differs from the catalog's; 2 wrong usage; 3 a run is incomplete; 74
/// results could not be written; 141 nobody reads them any more, as in `check | head -1`.
#[derive(Debug, Parser)]
#[command(name = "check", version)]
pub struct Args {
    /// What to do; `all` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the quick catalog, and show what it covers.
    All(RunArgs),
    /// Run the larger entries of the catalog.
    Full(RunArgs),
    /// List the catalog.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Show which pairs of features stand together in a completed entry; fail if one does in none.
    Coverage {
        /// Only pairs of this feature, with the names of the entries.
        feature: Option<String>,
        /// One JSON object a pair.
        #[arg(long)]
        json: bool,
    },
    /// Run one entry of the catalog by its name, or bounds given by hand.
    Run(CustomArgs),
    /// Run every known bug against the catalog, schedules or virtual time: each must be killed.
    Mutants(MutantArgs),
    /// From every state of entries, run fair schedules: each must deliver all that is pending.
    Progress(super::progress::ProgressArgs),
    /// Run the deployed actors, under virtual time, over every set of links that a quorum survives.
    Links(super::links::LinksArgs),
    /// Run the deployed actors, under virtual time, on slow disks, far, narrow and lossy links, and worse.
    Hardships(super::hardships::HardshipArgs),
    /// Check that the actors refine Lamport's specification of Paxos, at every slot.
    Refine(RefineArgs),
    /// Measure our engine beside stateright's `ActorModel` on the same bounds.
    Compare(CompareArgs),
    /// One run of `compare`, in a process of its own.
    #[command(hide = true)]
    Measure(MeasureArgs),
    /// Serve stateright's Explorer for an entry of the catalog.
    Explore {
        /// The entry, as `check list` shows it.
        #[arg(default_value = "rivals")]
        name: String,
        /// Where to listen; port 0 is any free one, which is printed.
        #[arg(long, default_value = "127.0.0.1:3000")]
        address: String,
    },
}

/// How to run, and what to print.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RunArgs {
    /// What explores.
    #[arg(long, value_enum, default_value_t = EngineArg::Compact)]
    pub engine: EngineArg,
    /// Worker threads; all cores if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Stop as incomplete above so many states.
    #[arg(long)]
    pub max_states: Option<u64>,
    /// Stop as incomplete above so many mebibytes of this process's memory; nine tenths of what is
    /// available if not given.
    #[arg(long, visible_alias = "max-memory", value_name = "MIB")]
    pub max_memory_mib: Option<u64>,
    /// Stop as incomplete after so many seconds.
    #[arg(long)]
    pub max_seconds: Option<u64>,
    /// Explore every step and keep every message.
    #[arg(long)]
    pub no_reductions: bool,
    /// Remember and judge nothing, as `--engine actor-model` does: only states are counted.
    #[arg(long)]
    pub unjudged: bool,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Draw the counterexample, if there is one, as a message sequence chart; with several
    /// entries, FILE gets the entry's name added.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Draw the states by depth; with several entries, FILE gets the entry's name added.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// Which mutants, and what to print.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct MutantArgs {
    /// Only this one, with the sequence of messages that kills it.
    pub name: Option<String>,
    /// Stop each as incomplete above so many states.
    #[arg(long)]
    pub max_states: Option<u64>,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Draw the counterexample as a message sequence chart.
    #[arg(long, value_name = "FILE", requires = "name")]
    pub svg: Option<PathBuf>,
}

/// What explores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum EngineArg {
    /// Our breadth-first engine on the compact model.
    #[default]
    Compact,
    /// stateright's breadth-first engine on the compact model.
    Stateright,
    /// stateright's breadth-first engine on its own `ActorModel` of the same actors, which judges
    /// no property here, and has no crashes and no inputs: a yardstick of states and time.
    ActorModel,
}

impl EngineArg {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            EngineArg::Compact => "compact",
            EngineArg::Stateright => "stateright",
            EngineArg::ActorModel => "actor-model",
        }
    }

    /// What explores.
    pub fn engine(self) -> run::Engine {
        match self {
            EngineArg::Compact => run::Engine::Compact,
            EngineArg::Stateright => run::Engine::Stateright,
            EngineArg::ActorModel => run::Engine::ActorModel,
        }
    }
}

/// An entry by name, or bounds by hand.
#[derive(Clone, Debug, clap::Args)]
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
    /// How many crashes in all, of f replicas at once.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=9))]
    pub crashes: u32,
    /// Crashed replicas stay dead.
    #[arg(long)]
    pub no_recovery: bool,
    /// Slots in flight at once, and requests that a client may have unacknowledged.
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

impl RunArgs {
    /// What explores.
    pub fn engine(&self) -> run::Engine {
        self.engine.engine()
    }

    /// Is anything remembered and judged?
    pub fn is_judged(&self) -> bool {
        self.engine != EngineArg::ActorModel && !self.unjudged
    }

    /// Can the count be compared with the catalog's?
    pub fn is_counted(&self) -> bool {
        self.is_judged() && !self.no_reductions
    }

    /// Worker threads.
    pub fn threads(&self) -> usize {
        threads(self.threads)
    }
}

/// Worker threads: as many as asked for, or all cores.
pub(super) fn threads(asked: Option<u16>) -> usize {
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    asked.map_or_else(all, usize::from)
}
