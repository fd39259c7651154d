//! The `check` command: runs entries of the catalog, or bounds given by hand, and reports.
//!
//! **Invariants**
//! - *Results are honest*: the exit status is 0 only if every run was completed, every property
//!   holds and every event was reached; 1 if a property is violated or an event is not reached; 2
//!   for wrong usage; 3 if a run is incomplete; 74 if results could not be written; 141 if nobody
//!   reads them.
//! - *A count that differs from the catalog's is a failure*, because it means that the protocol
//!   or the model has changed.

mod args;
mod bar;
mod compare;
mod coverage;
mod custom;
mod drawings;
mod entry;
mod explore;
mod hardships;
mod kills;
mod limits;
mod links;
mod list;
mod mutants;
mod plot;
mod progress;
mod refine;
mod table;

pub use args::{Args, Command};

use actor_checker::engine::Stopped;
use args::RunArgs;
use paxos_chat_models::catalog;
use paxos_chat_models::catalog::Grade;
use paxos_chat_shell::output::CANNOT_WRITE;
use paxos_chat_shell::tell;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set when somebody asks to stop.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

const VIOLATED: u8 = 1;
const USAGE: u8 = 2;
const INCOMPLETE: u8 = 3;

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    // A second handler is an error only if one was set before, and then that one serves.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            tell!("check: interrupted again: ended at once, with nothing decided");
            std::process::exit(INCOMPLETE.into());
        }
    });
    let result = match args.command.unwrap_or(Command::All(RunArgs::default())) {
        Command::All(options) => entry::run_all(Grade::Quick, &options),
        Command::Full(options) => entry::run_all(Grade::Full, &options),
        Command::List { json } => {
            list::list(&catalog::entries(), json);
            Ok(0)
        }
        Command::Coverage { feature, json } => coverage::run(feature.as_deref(), json),
        Command::Run(args) => {
            custom::entry(&args).and_then(|entry| entry::run_alone(&entry, &args.options))
        }
        Command::Mutants(args) => mutants::run(&args),
        Command::Progress(args) => progress::run(&args),
        Command::Links(args) => links::run(&args),
        Command::Hardships(args) => hardships::run(&args),
        Command::Refine(args) => refine::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Measure(args) => compare::measure(&args),
        Command::Explore { name, address } => explore::serve(&name, &address).map(|()| 0),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            tell!("check: {error:#}");
            ExitCode::from(USAGE)
        }
    }
}

/// A violation is worse than a result that could not be written, which is worse than an incomplete
/// run, which is worse than success.
fn worse(left: u8, right: u8) -> u8 {
    let rank = |status: u8| match status {
        VIOLATED => 3,
        CANNOT_WRITE => 2,
        INCOMPLETE => 1,
        _ => 0,
    };
    if rank(right) > rank(left) { right } else { left }
}

/// Why a run stopped early, in words.
fn stopped_because(stopped: &Stopped) -> String {
    match stopped {
        Stopped::Violation => "a property is violated".into(),
        Stopped::States => "the limit of --max-states was reached".into(),
        Stopped::Memory => "the limit of --max-memory-mib was reached".into(),
        Stopped::Interrupted => "interrupted".into(),
        Stopped::Panic(message) => format!("an actor or a property panicked: {message}"),
    }
}
