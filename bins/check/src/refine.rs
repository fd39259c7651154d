//! The `check refine` command: at every slot, each step of the real actors is a sequence of steps of
//! Lamport's specification of Paxos.

use crate::drawings::{claim, one_for_stdout, write_chart};
use crate::exploration::Exploration;
use crate::flags::{Format, Search};
use crate::limits::{Limits, Watch};
use crate::selection::{all_named, run_each};
use crate::status::{INCOMPLETE, VIOLATED, worse};
use actor_checker::compact::Reductions;
use actor_checker::spec::Kind;
use actor_checker::{chart, trace};
use paxos_chat_models::catalog::Entry;
use paxos_chat_models::run::{self, PropertyOutcome, Refined};
use paxos_chat_shell::say;
use serde_json::json;
use std::path::PathBuf;

/// The entries that are run if none is named: leaders change in each, and between them they have
/// crashes, compaction, skipped slots and promises in chunks.
const ENTRIES: [&str; 6] =
    ["rivals", "crash-recovery", "compaction", "compaction-crash", "skipped-slot", "chunks"];

/// Which entries, and what to print.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RefineArgs {
    /// Entries of the catalog; those with a leader change that cover crashes, compaction, skipped
    /// slots and chunks if not given.
    pub names: Vec<String>,
    /// How states are searched.
    #[command(flatten)]
    pub search: Search,
    /// Stop after this many seconds, and report the run as incomplete.
    #[arg(long)]
    pub max_seconds: Option<u64>,
    /// How results are printed.
    #[command(flatten)]
    pub format: Format,
    /// Draw the path to a step that is none of the specification's; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Runs the entries, and prints a row each.
pub(super) fn run(args: &RefineArgs) -> anyhow::Result<u8> {
    claim("--svg", args.svg.as_ref())?;
    let entries = match args.names.as_slice() {
        [] => all_named(&ENTRIES)?,
        names => all_named(names)?,
    };
    one_for_stdout("--svg", args.svg.as_ref(), entries.len())?;
    if !args.format.json {
        say!(
            "{:18} {:>10} {:>11} {:>5} {:>8}  do the actors refine Paxos?",
            "entry",
            "unique",
            "transitions",
            "depth",
            "seconds"
        );
    }
    let worst = match run_each(&entries, |entry| run_one(entry, args)) {
        Ok(worst) => worst,
        Err(interrupted) => return Ok(interrupted),
    };
    if !args.format.json {
        say!(
            "\n{}",
            match worst {
                0 => "at every slot, each step of the actors is a sequence of steps of Paxos",
                VIOLATED => "REFUTED, OR NOT REACHED: see above",
                _ => "INCOMPLETE: nothing was refuted, but not everything was explored",
            }
        );
    }
    Ok(worst)
}

fn run_one(entry: &Entry, args: &RefineArgs) -> u8 {
    let exploration = Exploration {
        name: entry.name,
        known: None,
        threads: args.search.threads.count(),
        max_states: args.search.max_states,
        limits: Limits { seconds: args.max_seconds, ..Limits::default() },
    };
    let reductions = args.search.reductions(Reductions::ALL);
    let (refined, watch) =
        exploration.run(|options| run::refine(&entry.config, reductions, options));
    let status = match &refined.outcome {
        outcome if outcome.is_violated() || outcome.void.is_some() => VIOLATED,
        outcome if !outcome.is_complete() => INCOMPLETE,
        // Whether an event is reached depends on the entry: what must be is that Paxos chooses.
        outcome if outcome.properties.iter().any(|p| p.name == run::CHOSEN && !p.holds) => VIOLATED,
        _ => 0,
    };
    print(entry, &refined, status, args, &watch);
    let Some(property) = violated(&refined) else { return status };
    let draw = || chart::draw(entry.config.names(), &property.counterexample);
    worse(status, write_chart(args.svg.as_ref(), draw))
}

fn violated(refined: &Refined) -> Option<&PropertyOutcome> {
    let mut properties = refined.outcome.properties.iter();
    properties.find(|property| property.kind == Kind::Always && !property.holds)
}

fn print(entry: &Entry, refined: &Refined, status: u8, args: &RefineArgs, watch: &Watch) {
    let outcome = &refined.outcome;
    let stopped = outcome.report.stopped.as_ref().map(|stopped| watch.because(stopped));
    if args.format.json {
        say!("{}", as_json(entry, refined, status, stopped));
        return;
    }
    say!("{}", row(entry, refined, status, stopped));
    if args.names.len() == 1 {
        for property in &outcome.properties {
            let verdict = match (property.kind, property.holds) {
                (Kind::Always, true) => "holds",
                (Kind::Always, false) => "VIOLATED",
                (Kind::Sometimes, true) => "reached",
                (Kind::Sometimes, false) => "not here",
            };
            say!("    {verdict:9} {}", property.name);
        }
    }
    if let Some(void) = &outcome.void {
        say!("    void: {void}");
    }
    if let Some(property) = violated(refined) {
        say!("\nviolated: {}", property.name);
        say!("{}", trace::to_text(&property.counterexample));
        if let Some(refuted) = &refined.refuted {
            say!("the last step is none of the specification's: {refuted}");
        }
    }
}

/// The transitions that were checked: the initial state is generated, too, and by none.
fn transitions(refined: &Refined) -> u64 {
    refined.outcome.report.generated_states.saturating_sub(1)
}

fn row(entry: &Entry, refined: &Refined, status: u8, stopped: Option<String>) -> String {
    let report = &refined.outcome.report;
    let verdict = match (status, stopped) {
        (_, _) if refined.outcome.void.is_some() => "VOID".into(),
        (_, Some(stopped)) if violated(refined).is_none() => format!("incomplete: {stopped}"),
        (0, _) => "they do".into(),
        (_, _) if violated(refined).is_some() => "REFUTED".into(),
        _ => "NOTHING IS CHOSEN".into(),
    };
    format!(
        "{:18} {:>10} {:>11} {:>5} {:>8.2}  {verdict}",
        entry.name,
        report.unique_states,
        transitions(refined),
        report.depth,
        report.elapsed.as_secs_f64(),
    )
}

fn as_json(
    entry: &Entry,
    refined: &Refined,
    status: u8,
    stopped: Option<String>,
) -> serde_json::Value {
    let outcome = &refined.outcome;
    let report = &outcome.report;
    let properties = outcome.properties.iter().map(|property| {
        let always = property.kind == Kind::Always;
        json!({
            "name": property.name, "holds": property.holds,
            "expectation": if always { "always" } else { "sometimes" },
        })
    });
    let properties: Vec<serde_json::Value> = properties.collect();
    json!({
        "name": entry.name, "refines": status == 0, "complete": outcome.is_complete(),
        "stopped": stopped, "void": outcome.void, "unique_states": report.unique_states,
        "transitions": transitions(refined), "depth": report.depth,
        "seconds": report.elapsed.as_secs_f64(), "properties": properties,
        "refuted": refined.refuted,
    })
}
