//! Runs of entries: `check`, `check full` and `check run`.

use super::args::RunArgs;
use super::drawings::{claim, file_of, write_file};
use super::limits::{Limits, Watch};
use super::{INCOMPLETE, INTERRUPTED, VIOLATED, bar, plot, table, worse};
use actor_checker::compact::Reductions;
use actor_checker::engine::{Options, Progress, Stopped};
use actor_checker::spec::Kind;
use actor_checker::{chart, trace};
use anyhow::ensure;
use paxos_chat_models::catalog::{Entry, Grade};
use paxos_chat_models::coverage::Coverage;
use paxos_chat_models::run::{self, Engine, Outcome};
use paxos_chat_models::{catalog, silent};
use paxos_chat_shell::{say, tell};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Runs one entry; returns the exit status.
pub(super) fn run_alone(entry: &Entry, options: &RunArgs) -> anyhow::Result<u8> {
    claim("--svg", options.svg.as_ref())?;
    claim("--plot", options.plot.as_ref())?;
    express(entry, options)?;
    table::introduction(entry, options.json);
    Ok(run_one(entry, options, &mut Coverage::default(), true))
}

/// Runs all entries of a grade, then shows what they have covered.
pub(super) fn run_all(grade: Grade, options: &RunArgs) -> anyhow::Result<u8> {
    let entries: Vec<Entry> =
        catalog::entries().into_iter().filter(|entry| entry.grade == grade).collect();
    for entry in &entries {
        let one = |file: &Option<PathBuf>| file.as_deref().map(|file| file_of(file, entry.name));
        claim("--svg", one(&options.svg).as_ref())?;
        claim("--plot", one(&options.plot).as_ref())?;
        express(entry, options)?;
    }
    let mut coverage = Coverage::default();
    let mut worst = 0;
    let started = Instant::now();
    table::header(options.json);
    for entry in &entries {
        let one = |file: &Option<PathBuf>| file.as_deref().map(|file| file_of(file, entry.name));
        let files = RunArgs { svg: one(&options.svg), plot: one(&options.plot), ..options.clone() };
        worst = worse(worst, run_one(entry, &files, &mut coverage, false));
        if INTERRUPTED.load(Ordering::Relaxed) {
            tell!("check: interrupted; the entries after {:?} were not run", entry.name);
            return Ok(worse(worst, INCOMPLETE));
        }
    }
    if options.is_judged() && grade == Grade::Quick {
        let uncovered = table::coverage(&coverage, options.json);
        // What an incomplete run has not covered, the rest of it may.
        if uncovered > 0 && worst != INCOMPLETE {
            worst = worse(worst, VIOLATED);
        }
    }
    table::verdict(worst, started.elapsed(), options);
    Ok(worst)
}

/// Refuses bounds that the engine cannot express.
fn express(entry: &Entry, options: &RunArgs) -> anyhow::Result<()> {
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
    let engine = options.engine();
    let reductions = reductions(options.no_reductions);
    let is_known = options.is_counted() && entry.config.mutant.is_none();
    let bar = bar::Bar::new(entry.name, entry.unique_states.filter(|_| is_known));
    let show = |progress: &Progress| bar.show(progress);
    let memory_bytes = options.max_memory_mib.map(|mib| mib << 20);
    let watch = Watch::new(Limits { memory_bytes, seconds: options.max_seconds });
    let limits = Options {
        threads: options.threads(),
        max_states: options.max_states,
        max_memory_bytes: memory_bytes,
        interrupted: Some(watch.flag()),
        progress: Some(&show),
        ..Options::default()
    };
    let (outcome, model) = if options.unjudged {
        let outcome = run::run_bare(&entry.config, engine, reductions, &limits);
        (outcome, entry.config.model(&[], reductions))
    } else {
        run::run(&entry.config, entry.reaches, engine, reductions, &limits)
    };
    bar.finish();
    let mut status = status_of(entry, &outcome, options);
    let ran = table::Ran { entry, outcome: &outcome, options, reductions, watch: &watch };
    table::row(&ran, status, verbose);
    if outcome.is_complete() && options.is_judged() {
        coverage.merge(&outcome.coverage);
        let reached = outcome.properties.iter().filter(|p| p.kind == Kind::Sometimes && p.holds);
        reached.for_each(|event| coverage.add_event(event.name));
    }
    if let Some(violated) = outcome.properties.iter().find(|p| !p.counterexample.is_empty()) {
        let steps = &violated.counterexample;
        if !options.json {
            say!("\ncounterexample to {:?}, {} steps:", violated.name, steps.len());
            say!("{}", trace::to_text(steps));
        }
        let draw = || chart::draw(&model, steps);
        status = worse(status, written(&options.svg, draw, "the message sequence chart"));
    }
    let draw = || plot::draw(entry.name, &outcome.report.by_depth);
    worse(status, written(&options.plot, draw, "the plot"))
}

/// The reductions to run with.
pub(super) fn reductions(none: bool) -> Reductions {
    if none { Reductions::NONE } else { Reductions::ALL }
}

fn written(file: &Option<PathBuf>, draw: impl FnOnce() -> String, what: &str) -> u8 {
    file.as_deref().map_or(0, |file: &Path| write_file(file, &draw(), what))
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
    if outcome.holds() && (counted || !options.is_counted()) { 0 } else { VIOLATED }
}
