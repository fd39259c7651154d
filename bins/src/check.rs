//! The `check` command: runs entries of the catalog, or bounds given by hand, and reports.
//!
//! **Invariants**
//! - *Results are honest*: the exit status is 0 only if every run was completed, every property
//!   holds and every event was reached; 1 if a property is violated or an event is not reached; 2
//!   for wrong usage; 3 if a run is incomplete.
//! - *A count that differs from the catalog's is a failure*, because it means that the protocol
//!   or the model has changed.

mod args;
mod custom;
mod explore;
mod fair;
mod mutants;
mod progress;
mod table;

pub use args::{Args, Command};

use args::RunArgs;
use paxos_chat_models::catalog::{Entry, Grade};
use paxos_chat_models::compact::Reductions;
use paxos_chat_models::coverage::Coverage;
use paxos_chat_models::engine::{Options, Stopped};
use paxos_chat_models::run::{self, Engine, Outcome};
use paxos_chat_models::spec::Kind;
use paxos_chat_models::{chart, entries, trace};
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
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed));
    let result = match args.command.unwrap_or(Command::All(RunArgs::default())) {
        Command::All(options) => run_entries(Grade::Quick, &options),
        Command::Full(options) => run_entries(Grade::Full, &options),
        Command::List { json } => {
            table::list(&entries::catalog(), json);
            Ok(0)
        }
        Command::Run(args) => custom::entry(&args).map(|entry| {
            let mut coverage = Coverage::default();
            run_one(&entry, &args.options, &mut coverage, true)
        }),
        Command::Mutants(args) => mutants::run(&args),
        Command::Progress(args) => fair::run(&args),
        Command::Explore { name, address } => explore::serve(&name, &address).map(|()| 0),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("check: {error:#}");
            ExitCode::from(USAGE)
        }
    }
}

/// Runs all entries of a grade, then shows what they have covered.
fn run_entries(grade: Grade, options: &RunArgs) -> anyhow::Result<u8> {
    let mut coverage = Coverage::default();
    let mut worst = 0;
    let started = std::time::Instant::now();
    table::header(options.json);
    for entry in entries::catalog().into_iter().filter(|entry| entry.grade == grade) {
        worst = worse(worst, run_one(&entry, options, &mut coverage, false));
        if INTERRUPTED.load(Ordering::Relaxed) {
            eprintln!("check: interrupted; the entries after {:?} were not run", entry.name);
            return Ok(worse(worst, INCOMPLETE));
        }
    }
    if options.engine() != Engine::ActorModel && grade == Grade::Quick {
        let uncovered = table::coverage(&coverage, options.json);
        worst = worse(worst, if uncovered > 0 { VIOLATED } else { 0 });
    }
    table::verdict(worst, started.elapsed(), options.json);
    Ok(worst)
}

/// A violation is worse than an incomplete run, which is worse than success.
fn worse(left: u8, right: u8) -> u8 {
    let rank = |status: u8| match status {
        VIOLATED => 2,
        INCOMPLETE => 1,
        _ => 0,
    };
    if rank(right) > rank(left) { right } else { left }
}

/// Runs one entry, prints its result, and returns the exit status.
fn run_one(entry: &Entry, options: &RunArgs, coverage: &mut Coverage, verbose: bool) -> u8 {
    let engine = options.engine();
    let reductions = if options.no_reductions {
        Reductions::default()
    } else {
        Reductions::ALL
    };
    let bar = progress::Bar::new(entry.name);
    let show = |progress: &paxos_chat_models::engine::Progress| bar.show(progress);
    let limits = Options {
        threads: options.threads(),
        max_states: options.max_states,
        max_memory_bytes: options.max_memory_mib.map(|mib| mib << 20),
        interrupted: Some(&INTERRUPTED),
        progress: Some(&show),
        ..Options::default()
    };
    let (outcome, model) = run::run(&entry.config, entry.reaches, engine, reductions, &limits);
    bar.finish();
    let status = status_of(entry, &outcome, options);
    table::row(entry, &outcome, options, reductions, status, verbose);
    if outcome.is_complete() && engine != Engine::ActorModel {
        coverage.add(&model);
        let reached = outcome.properties.iter().filter(|p| p.kind == Kind::Sometimes && p.holds);
        reached.for_each(|event| coverage.add_event(event.name));
    }
    if let Some(violated) = outcome.properties.iter().find(|p| !p.counterexample.is_empty()) {
        let steps = &violated.counterexample;
        if !options.json {
            println!("\ncounterexample to {:?}, {} steps:", violated.name, steps.len());
            println!("{}", trace::to_text(steps));
        }
        if let Some(file) = &options.svg {
            write_file(file, &chart::draw(&model, steps), "the message sequence chart");
        }
    }
    if let Some(file) = &options.plot {
        write_file(file, &table::plot(entry.name, &outcome.report.by_depth), "the plot");
    }
    status
}

fn write_file(file: &std::path::Path, content: &str, what: &str) {
    match std::fs::write(file, content) {
        Ok(()) => eprintln!("check: {what} is in {}", file.display()),
        Err(error) => eprintln!(
            "check: {what} could not be written to {}: {error}; name a file in a folder that \
             exists and may be written to",
            file.display()
        ),
    }
}

fn status_of(entry: &Entry, outcome: &Outcome, options: &RunArgs) -> u8 {
    // An assertion of an actor that fails is a violation, whatever it is called.
    let panicked = matches!(outcome.report.stopped, Some(Stopped::Panic(_)));
    if outcome.is_violated() || outcome.void.is_some() || panicked {
        return VIOLATED;
    }
    if !outcome.is_complete() {
        return INCOMPLETE;
    }
    let counted = entry.unique_states.is_none_or(|known| known == outcome.report.unique_states);
    let comparable = options.engine() != Engine::ActorModel && !options.no_reductions;
    if outcome.holds() && (counted || !comparable) { 0 } else { VIOLATED }
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
