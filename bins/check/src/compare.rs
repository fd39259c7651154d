//! The `check compare` command: our engine beside stateright's `ActorModel`, on the same bounds.
//!
//! Each run is a process of its own, so that its time and its memory are its own. `ActorModel` judges
//! nothing, so neither do we unless asked to; what our engine does besides, checking every claim of
//! staleness after the search, is in its time.
//!
//! **Invariants**
//! - *Equal counts*: without reductions our engine must find as many unique states as `ActorModel`,
//!   or the command fails.
//! - *What was not finished is a bound*, never a ratio.

mod args;
mod child;
mod comparison;
mod ratios;
mod small;

pub(super) use args::CompareArgs;
pub(super) use child::{MeasureArgs, measure};

use crate::bar::Bar;
use crate::interrupt;
use crate::plot::thousands;
use crate::status::{INCOMPLETE, VIOLATED, worse};
use anyhow::ensure;
use child::{Contender, Measurement};
use comparison::Comparison;
use paxos_chat_models::catalog::{Entry, Grade};
use paxos_chat_models::{catalog, silent};
use paxos_chat_shell::{say, tell};
use ratios::Minima;
use serde_json::json;

/// Runs what was asked for, and prints a block an entry, then the smallest ratios.
pub(super) fn run(args: &CompareArgs) -> anyhow::Result<u8> {
    let entries = asked(args)?;
    let fixed = fixed_costs(args)?;
    if !args.format.json {
        print_head(args, &fixed);
    }
    let (mut minima, mut status) = (Minima::default(), 0);
    for entry in &entries {
        let Some(compared) = compare(entry, args)? else {
            tell!("check: interrupted; the entries from {:?} on were not compared", entry.name);
            return Ok(worse(status, INCOMPLETE));
        };
        let void = [&compared.unreduced, &compared.reduced].iter().any(|run| run.failed());
        if compared.counts_differ(args.runs.judged) || void {
            status = VIOLATED;
        } else if !compared.is_too_small() {
            minima.add(&compared);
        }
        print(&compared, args);
    }
    minima.print(args.format);
    if status == VIOLATED {
        tell!("check: a run failed, or two counts differ that must be equal: see above");
    }
    Ok(status)
}

fn asked(args: &CompareArgs) -> anyhow::Result<Vec<Entry>> {
    if args.names.is_empty() {
        let entries = small::all().into_iter().chain(catalog::entries());
        let comparable =
            |e: &Entry| e.grade == Grade::Quick && silent::expresses(&e.config).is_ok();
        return Ok(entries.filter(comparable).collect());
    }
    let mut entries = Vec::new();
    for name in &args.names {
        let entry = small::find(name)?;
        if let Err(what) = silent::expresses(&entry.config) {
            anyhow::bail!(
                "{name}: stateright's ActorModel cannot express {what}; name entries without them, \
                 or none for all that can be compared"
            );
        }
        entries.push(entry);
    }
    ensure!(!entries.is_empty(), "no entry can be compared");
    Ok(entries)
}

/// What each kind of run costs on a system of one state: the memory that is there anyway.
fn fixed_costs(args: &CompareArgs) -> anyhow::Result<[Measurement; 2]> {
    let bar = Bar::new("one state", None);
    let both = [Contender::Theirs, Contender::Reduced]
        .map(|run| child::spawn(child::ONE_STATE, run, &args.runs, &bar));
    bar.finish();
    let [theirs, ours] = both;
    Ok([theirs?, ours?])
}

/// The three runs of an entry; `None` if somebody asked to stop.
fn compare(entry: &Entry, args: &CompareArgs) -> anyhow::Result<Option<Comparison>> {
    let mut runs = Vec::new();
    for run in [Contender::Reduced, Contender::Unreduced, Contender::Theirs] {
        let bar = Bar::new(&format!("{}, {}", entry.name, run.name()), None);
        let measured = child::spawn(entry.name, run, &args.runs, &bar);
        bar.finish();
        runs.push(measured?);
        if interrupt::is_asked() {
            return Ok(None);
        }
    }
    let [reduced, unreduced, theirs] =
        runs.try_into().unwrap_or_else(|_| unreachable!("three runs"));
    let (name, purpose) = (entry.name, entry.purpose);
    Ok(Some(Comparison { name, purpose, theirs, unreduced, reduced }))
}

fn print_head(args: &CompareArgs, [theirs, ours]: &[Measurement; 2]) {
    let threads = args.runs.threads();
    say!(
        "Each run is a process of its own with {threads} threads, ended after {} s or {} MiB.",
        args.runs.max_seconds,
        args.runs.max_memory_mib
    );
    say!(
        "ActorModel: stateright's breadth-first search on its own model of the same actors; one \
         trivial property;\n  its network's memory of the last delivery is taken away, which \
         spares it states.\ncompact: our engine; {}; its time includes the check of every claim \
         that a reduction relies on.",
        match args.runs.judged {
            true => "with all ghosts and all safety properties judged in every state",
            false => "nothing is remembered or judged, as with ActorModel",
        }
    );
    say!(
        "Memory is the most that was resident above what the process had before the run; in \
         brackets, all of it.\nA system of one state takes {:.1} MiB under ActorModel and {:.1} \
         MiB under compact, above {:.1} MiB.\n",
        mib(theirs.above_bytes()),
        mib(ours.above_bytes()),
        mib(ours.baseline_bytes)
    );
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn print(compared: &Comparison, args: &CompareArgs) {
    if args.format.json {
        say!("{}", as_object(compared, args));
        return;
    }
    let Comparison { name, theirs, unreduced, reduced, .. } = compared;
    let small = if compared.is_too_small() { ": too small to count" } else { "" };
    let what = compared.purpose;
    say!("{name}{small} ({what})");
    line("ActorModel", theirs, "");
    let rate = ratios::rate(compared);
    let differ = if compared.counts_differ(args.runs.judged) { "  COUNTS DIFFER" } else { "" };
    line("compact, no reductions", unreduced, &format!("{rate:.1}x the states/s{differ}"));
    line("compact, reductions", reduced, &ratios::in_words(compared));
}

fn line(what: &str, run: &Measurement, ratios: &str) {
    let unfinished = match (&run.void, &run.stopped) {
        (Some(void), _) => format!("  VOID: {void}"),
        (None, Some(stopped)) => format!("  not finished: {stopped}"),
        (None, None) => String::new(),
    };
    say!(
        "  {what:23} {:>11} states {:>8.2} s {:>8.1} MiB ({:>6.1}) {:>9.0} states/s  \
         {ratios}{unfinished}",
        thousands(run.unique_states),
        run.seconds,
        mib(run.above_bytes()),
        mib(run.peak_bytes),
        run.rate(),
    );
}

fn as_object(compared: &Comparison, args: &CompareArgs) -> serde_json::Value {
    let ratios = ratios::Ratios::of(compared);
    json!({
        "name": compared.name,
        "judged": args.runs.judged,
        "actor_model": compared.theirs,
        "compact_no_reductions": compared.unreduced,
        "compact": compared.reduced,
        "counts_differ": compared.counts_differ(args.runs.judged),
        "too_small": compared.is_too_small(),
        "at_least": !compared.theirs.complete,
        "ratios": ratios,
    })
}
