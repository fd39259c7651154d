//! The command line of `check`.

use crate::compare::{CompareArgs, MeasureArgs};
use crate::flags::Format;
use crate::hardships::HardshipArgs;
use crate::links::LinksArgs;
use crate::mutants::MutantArgs;
use crate::progress::ProgressArgs;
use crate::refine::RefineArgs;
use crate::run::{CustomArgs, RunArgs};
use crate::validate::ValidateArgs;
use clap::{Parser, Subcommand};
use paxos_chat_shell::manual::ManualCommand;

/// Explores the actors that the replica and client binaries run, exhaustively within stated bounds,
/// and judges what must hold. Without a command: the quick catalog, as `check all`.
///
/// Exit status: 0 everything holds and every run is complete; 1 a property is violated, an event
/// is not reached or a count differs from the catalog's; 2 wrong usage; 3 a run is incomplete; 74
/// results could not be written; 141 the reader closed the pipe, as in `check | head -1`.
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
    /// What is told of the command line itself.
    #[command(flatten)]
    Manual(ManualCommand),
    /// Run the quick catalog, and show what it covers.
    All(RunArgs),
    /// Run the larger entries of the catalog.
    Full(RunArgs),
    /// List the catalog.
    List(Format),
    /// Show which pairs of features stand together in a completed entry; fail if one does in none.
    Coverage {
        /// Only pairs of this feature, with the names of the entries.
        feature: Option<String>,
        /// One JSON object a pair.
        #[arg(long)]
        json: bool,
    },
    /// Run one entry of the catalog by its name, or bounds given by hand.
    Run(Box<CustomArgs>),
    /// Run every known bug against the catalog, schedules or virtual time: each must be killed.
    Mutants(MutantArgs),
    /// From every state of entries, run fair schedules: each must deliver all that is pending.
    Progress(ProgressArgs),
    /// Run the deployed actors, under virtual time, over every set of links that a quorum survives.
    Links(LinksArgs),
    /// Run the deployed actors, under virtual time, on slow disks, far, narrow and lossy links, and worse.
    Hardships(HardshipArgs),
    /// Check that the actors refine Lamport's specification of Paxos, at every slot.
    Refine(RefineArgs),
    /// Replay what real processes have recorded through the actors, and judge every step of that run.
    Validate(ValidateArgs),
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
