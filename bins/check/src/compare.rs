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

mod child;
mod ratios;
mod small;

pub(super) use child::{MeasureArgs, measure};

use super::bar::Bar;
use super::plot::thousands;
use super::{INCOMPLETE, INTERRUPTED, VIOLATED};
use anyhow::ensure;
use child::{Measured, Run};
use paxos_chat_models::catalog::{Entry, Grade};
use paxos_chat_models::{catalog, silent};
use paxos_chat_shell::{say, tell};
use ratios::Smallest;
use serde_json::json;
use std::sync::atomic::Ordering;

/// `ActorModel` needs so many seconds at least for a ratio to count.
const COUNTS_FROM_SECONDS: f64 = 2.0;

/// Which entries, within which limits, and what to print.
#[derive(Clone, Debug, clap::Args)]
pub struct CompareArgs {
    /// Entries of the catalog without crashes and inputs, or small bounds of this command's own; all
    /// small ones and all quick entries if not given.
    pub names: Vec<String>,
    /// End each run after so many seconds.
    #[arg(long, default_value_t = 60)]
    pub max_seconds: u64,
    /// End each run when its process has so many mebibytes resident.
    #[arg(long, default_value_t = 4096)]
    pub max_memory_mib: u64,
    /// End each run above so many unique states.
    #[arg(long)]
    pub max_states: Option<u64>,
    /// Worker threads of each run; all cores if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Let our engine keep all ghosts and judge all properties, as `check` does. Ghosts tell states
    /// apart that `ActorModel` does not, so counts are not compared then.
    #[arg(long)]
    pub judged: bool,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// The three runs of an entry.
struct Compared {
    name: &'static str,
    purpose: &'static str,
    theirs: Measured,
    unreduced: Measured,
    reduced: Measured,
}

impl Compared {
    fn counts_differ(&self, args: &CompareArgs) -> bool {
        let finished = self.theirs.complete && self.unreduced.complete;
        finished && !args.judged && self.theirs.unique_states != self.unreduced.unique_states
    }

    fn is_too_small(&self) -> bool {
        self.theirs.complete && self.theirs.seconds < COUNTS_FROM_SECONDS
    }
}

/// Runs what was asked for, and prints a block an entry, then the smallest ratios.
pub(super) fn run(args: &CompareArgs) -> anyhow::Result<u8> {
    let entries = asked(args)?;
    let fixed = fixed_costs(args)?;
    if !args.json {
        print_head(args, &fixed);
    }
    let (mut smallest, mut status) = (Smallest::default(), 0);
    for entry in &entries {
        let Some(compared) = compare(entry, args)? else {
            tell!("check: interrupted; the entries from {:?} on were not compared", entry.name);
            return Ok(super::worse(status, INCOMPLETE));
        };
        let void = [&compared.unreduced, &compared.reduced].iter().any(|run| run.failed());
        if compared.counts_differ(args) || void {
            status = VIOLATED;
        } else if !compared.is_too_small() {
            smallest.add(&compared);
        }
        print(&compared, args);
    }
    smallest.print(args);
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
fn fixed_costs(args: &CompareArgs) -> anyhow::Result<[Measured; 2]> {
    let bar = Bar::new("one state", None);
    let both =
        [Run::Theirs, Run::Reduced].map(|run| child::spawn(child::ONE_STATE, run, args, &bar));
    bar.finish();
    let [theirs, ours] = both;
    Ok([theirs?, ours?])
}

/// The three runs of an entry; `None` if somebody asked to stop.
fn compare(entry: &Entry, args: &CompareArgs) -> anyhow::Result<Option<Compared>> {
    let mut runs = Vec::new();
    for run in [Run::Reduced, Run::Unreduced, Run::Theirs] {
        let bar = Bar::new(&format!("{}, {}", entry.name, run.name()), None);
        let measured = child::spawn(entry.name, run, args, &bar);
        bar.finish();
        runs.push(measured?);
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Ok(None);
        }
    }
    let [reduced, unreduced, theirs] =
        runs.try_into().unwrap_or_else(|_| unreachable!("three runs"));
    let (name, purpose) = (entry.name, entry.purpose);
    Ok(Some(Compared { name, purpose, theirs, unreduced, reduced }))
}

fn print_head(args: &CompareArgs, [theirs, ours]: &[Measured; 2]) {
    let threads = super::args::threads(args.threads);
    say!(
        "Each run is a process of its own with {threads} threads, ended after {} s or {} MiB.",
        args.max_seconds,
        args.max_memory_mib
    );
    say!(
        "ActorModel: stateright's breadth-first search on its own model of the same actors; one \
         trivial property;\n  its network's memory of the last delivery is taken away, which \
         spares it states.\ncompact: our engine; {}; its time includes the check of every claim \
         that a reduction relies on.",
        match args.judged {
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

fn print(compared: &Compared, args: &CompareArgs) {
    if args.json {
        say!("{}", as_object(compared, args));
        return;
    }
    let Compared { name, theirs, unreduced, reduced, .. } = compared;
    let small = if compared.is_too_small() { ": too small to count" } else { "" };
    let what = compared.purpose;
    say!("{name}{small} ({what})");
    line("ActorModel", theirs, "");
    let rate = ratios::rate(compared);
    let differ = if compared.counts_differ(args) { "  COUNTS DIFFER" } else { "" };
    line("compact, no reductions", unreduced, &format!("{rate:.1}x the states/s{differ}"));
    line("compact, reductions", reduced, &ratios::in_words(compared));
}

fn line(what: &str, run: &Measured, ratios: &str) {
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

fn as_object(compared: &Compared, args: &CompareArgs) -> serde_json::Value {
    let ratios = ratios::Ratios::of(compared);
    json!({
        "name": compared.name,
        "judged": args.judged,
        "actor_model": compared.theirs,
        "compact_no_reductions": compared.unreduced,
        "compact": compared.reduced,
        "counts_differ": compared.counts_differ(args),
        "too_small": compared.is_too_small(),
        "at_least": !compared.theirs.complete,
        "ratios": ratios,
    })
}
