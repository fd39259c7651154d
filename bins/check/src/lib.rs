//! The `check` command: runs entries of the catalog, or bounds given by hand, and reports.
//!
//! **Invariants**
//! - *Results are honest*: the exit status is 0 only if every run was completed, every property
//!   holds and every event was reached; 1 if a property is violated or an event is not reached; 2
//!   for wrong usage; 3 if a run is incomplete; 74 if results could not be written; 141 if nobody
//!   reads them.
//! - *A count that differs from the catalog's is a failure*, because it means that the protocol
//!   or the model has changed.
//!
//! Each file uses only those above it:
//!
//! | file | what it holds |
//! |---|---|
//! | `status` | exit statuses |
//! | `interrupt` | somebody asks to stop |
//! | `limits` | when a run must stop early |
//! | `bar` | the line that says where a run stands |
//! | `exploration` | a run under its limits, with its line |
//! | `flags`, `engine` | flags that several commands have |
//! | `drawings`, `plot` | the files that were asked for; states by depth |
//! | `bounds` | bounds in words |
//! | `selection` | the entries that were asked for |
//! | `list` | `check list` |
//! | `run` | `check all`, `check full`, `check run` |
//! | `progress` | `check progress` |
//! | `kills`, `mutants` | `check mutants` |
//! | `refine` | `check refine` |
//! | `validate` | `check validate` |
//! | `links`, `hardships` | `check links`, `check hardships` |
//! | `coverage` | `check coverage` |
//! | `compare` | `check compare` |
//! | `explore` | `check explore` |
//! | `offers` | what completions offer |
//! | `args` | the command line |

mod args;
mod bar;
mod bounds;
mod compare;
mod coverage;
mod drawings;
mod engine;
mod exploration;
mod explore;
mod flags;
mod hardships;
mod interrupt;
mod kills;
mod limits;
mod links;
mod list;
mod mutants;
mod offers;
mod plot;
mod progress;
mod refine;
mod run;
mod selection;
mod status;
mod validate;

pub use args::{Args, Command};
pub use offers::offers;

use paxos_chat_models::catalog::{self, Grade};
use paxos_chat_shell::tell;
use run::RunArgs;
use std::process::ExitCode;

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    interrupt::listen();
    let result = match args.command.unwrap_or(Command::All(RunArgs::default())) {
        Command::Manual(manual) => manual
            .run(vec![(<Args as clap::CommandFactory>::command(), offers())])
            .map(|()| 0)
            .map_err(Into::into),
        Command::All(options) => run::run_all(Grade::Quick, &options),
        Command::Full(options) => run::run_all(Grade::Full, &options),
        Command::List(format) => {
            list::list(&catalog::entries(), format.json);
            Ok(0)
        }
        Command::Coverage { feature, json } => coverage::run(feature.as_deref(), json),
        Command::Run(args) => run::run_alone(&args),
        Command::Mutants(args) => mutants::run(&args),
        Command::Progress(args) => progress::run(&args),
        Command::Links(args) => links::run(&args),
        Command::Hardships(args) => hardships::run(&args),
        Command::Refine(args) => refine::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Measure(args) => compare::measure(&args),
        Command::Explore { name, address } => explore::serve(&name, &address).map(|()| 0),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            tell!("check: {error:#}");
            ExitCode::from(status::USAGE)
        }
    }
}
