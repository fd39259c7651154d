//! Runs of entries: `check`, `check full` and `check run`.

mod args;
mod by_hand;
mod estimate;
mod hosts;
mod keep;
mod processes;
mod table;
mod verdict;

pub(super) use args::{CustomArgs, RunArgs};

use crate::drawings::{claim, file_of, one_for_stdout, write_chart, write_plot, write_situations};
use crate::limits::Watch;
use crate::plot;
use crate::selection::{of_grade, run_each};
use crate::status::{INCOMPLETE, VIOLATED, worse};
use actor_checker::compact::Reductions;
use actor_checker::engine::{Stopped, has_checkpoint};
use actor_checker::spec::Kind;
use actor_checker::{chart, trace};
use anyhow::{Error, ensure};
use keep::refused;
use paxos_chat_models::catalog::{Entry, Grade};
use paxos_chat_models::coverage::Coverage;
use paxos_chat_models::run::{self, Engine, Outcome};
use paxos_chat_models::silent;
use paxos_chat_shell::output::CANNOT_WRITE;
use paxos_chat_shell::{places, say, tell};
use std::path::PathBuf;
use std::time::Instant;
use verdict::status_of;

/// Runs the entry that is asked for; returns the exit status.
pub(super) fn run_alone(args: &CustomArgs) -> anyhow::Result<u8> {
    let entry = &by_hand::entry(args)?;
    let options = &args.options;
    prepare(entry, options)?;
    if args.estimate {
        return estimate::tell(entry, options);
    }
    if args.processes.are_asked() {
        let is_told = args.processes.process.is_none_or(|process| process == 0);
        if is_told {
            table::introduction(entry, options.format.json);
        }
        let ran = processes::explore(entry, args)?;
        return Ok(ran.map_or(0, |(ran, folders)| conclude(entry, args, &ran, &folders)));
    }
    let reductions = options.search.reductions(Reductions::ALL);
    let Some(folder) = args.folder(entry, None)? else {
        table::introduction(entry, options.format.json);
        let mut coverage = Coverage::default();
        let status = run_one(entry, options, &mut coverage, true);
        return Ok(worse(status, write_situations(options.situations.as_ref(), &coverage)));
    };
    keep::tell_standing(&folder, false)?;
    table::introduction(entry, options.format.json);
    let (outcome, watch) = options
        .exploration(entry)
        .run(|limits| run::run_in_files(&entry.config, entry.reaches, reductions, limits, &folder));
    let folders = [folder.path().to_owned()];
    drop(folder);
    Ok(conclude(entry, args, &(outcome.map_err(refused)?, watch), &folders))
}

/// Prints the result of a run that may be kept in these folders, and removes them if it is over.
fn conclude(entry: &Entry, args: &CustomArgs, ran: &(Outcome, Watch), folders: &[PathBuf]) -> u8 {
    let (outcome, options) = (&ran.0, &args.options);
    let mut coverage = Coverage::default();
    let status = show(entry, options, &mut coverage, true, ran);
    let status = worse(status, write_situations(options.situations.as_ref(), &coverage));
    let Some(root) = &args.keep.checkpoint else { return status };
    let stopped = &outcome.report.stopped;
    let is_lost = matches!(stopped, Some(Stopped::Lost(_)));
    let is_told = outcome.is_violated() && outcome.has_paths() && !is_lost;
    if (outcome.report.complete || is_told) && status != CANNOT_WRITE {
        return worse(status, keep::remove(folders, root));
    }
    let is_broken = matches!(stopped, Some(Stopped::Panic(_) | Stopped::Damaged(_)));
    let cannot_go_on = is_broken || outcome.pathless.is_some();
    if let Some(why) = &outcome.pathless {
        tell!("check: the files in {} tell no path to what is violated: {why}", root.display());
    }
    let is_kept = folders.iter().any(|folder| has_checkpoint(folder));
    if !cannot_go_on && !options.format.json && is_kept {
        say!("\n  kept in {}: --resume goes on", root.display());
    }
    status
}

/// Runs all entries of a grade, then shows what they have covered.
pub(super) fn run_all(grade: Grade, options: &RunArgs) -> anyhow::Result<u8> {
    let entries = of_grade(grade);
    for (option, file) in [("--svg", &options.svg), ("--plot", &options.plot)] {
        one_for_stdout(option, file.as_ref(), entries.len())?;
    }
    let options_of = |entry: &Entry| {
        let one = |file: &Option<PathBuf>| file.as_deref().map(|file| file_of(file, entry.name));
        RunArgs { svg: one(&options.svg), plot: one(&options.plot), ..options.clone() }
    };
    for entry in &entries {
        prepare(entry, &options_of(entry))?;
    }
    let mut coverage = Coverage::default();
    let started = Instant::now();
    table::header(options.format.json);
    let runs = run_each(&entries, |entry| run_one(entry, &options_of(entry), &mut coverage, false));
    let mut worst = match runs {
        Ok(worst) => worst,
        Err(interrupted) => return Ok(interrupted),
    };
    if options.is_judged() && grade == Grade::Quick {
        let uncovered = table::coverage(&coverage, options.format.json);
        // What an incomplete run has not covered, the rest of it may.
        if uncovered > 0 && worst != INCOMPLETE {
            worst = worse(worst, VIOLATED);
        }
    }
    worst = worse(worst, write_situations(options.situations.as_ref(), &coverage));
    table::verdict(worst, started.elapsed(), options);
    Ok(worst)
}

/// Refuses files that cannot be written, and bounds that the engine cannot express.
fn prepare(entry: &Entry, options: &RunArgs) -> anyhow::Result<()> {
    claim("--svg", options.svg.as_ref())?;
    claim("--plot", options.plot.as_ref())?;
    claim("--situations", options.situations.as_ref())?;
    places::apart(&[
        ("--svg", options.svg.as_deref()),
        ("--plot", options.plot.as_deref()),
        ("--situations", options.situations.as_deref()),
    ])
    .map_err(Error::msg)?;
    if options.engine() == Engine::ActorModel {
        let expressed = silent::expresses(&entry.config);
        ensure!(
            expressed.is_ok(),
            "--engine actor-model: stateright's ActorModel cannot express what the bounds of {:?} \
             ask for: {}. Use --engine compact, or --engine stateright, which runs stateright's \
             own search on the compact model; `check compare` runs all entries that ActorModel \
             can express",
            entry.name,
            expressed.err().unwrap_or_default()
        );
    }
    Ok(())
}

/// Runs one entry, prints its result, and returns the exit status.
fn run_one(entry: &Entry, options: &RunArgs, coverage: &mut Coverage, verbose: bool) -> u8 {
    let (engine, reductions) = (options.engine(), options.search.reductions(Reductions::ALL));
    let ran = options.exploration(entry).run(|limits| {
        if options.unjudged {
            return run::run_bare(&entry.config, engine, reductions, limits);
        }
        run::run(&entry.config, entry.reaches, engine, reductions, limits)
    });
    show(entry, options, coverage, verbose, &ran)
}

/// Prints the result of a run, and returns the exit status.
fn show(
    entry: &Entry,
    options: &RunArgs,
    coverage: &mut Coverage,
    verbose: bool,
    (outcome, watch): &(Outcome, Watch),
) -> u8 {
    let reductions = options.search.reductions(Reductions::ALL);
    let mut status = status_of(entry, outcome, options);
    let run = table::Run { entry, outcome, options, reductions, watch };
    table::row(&run, status, verbose);
    if outcome.is_complete() && options.is_judged() {
        coverage.merge(&outcome.coverage);
        let reached = outcome.properties.iter().filter(|p| p.kind == Kind::Sometimes && p.holds);
        reached.for_each(|event| coverage.add_event(event.name));
    }
    if let Some(violated) = outcome.properties.iter().find(|p| !p.counterexample.is_empty()) {
        let steps = &violated.counterexample;
        if !options.format.json {
            say!("\ncounterexample to {:?}, {} steps:", violated.name, steps.len());
            say!("{}", trace::to_text(steps));
        }
        let chart = write_chart(options.svg.as_ref(), || chart::draw(entry.config.names(), steps));
        status = worse(status, chart);
    }
    let draw = || plot::draw(entry.name, &outcome.report.by_depth);
    worse(status, write_plot(options.plot.as_ref(), draw))
}
