//! The `check progress` command: fair schedules from every state of an entry.

use crate::drawings::{claim, one_for_stdout, write_chart};
use crate::exploration::Exploration;
use crate::flags::{Format, Search};
use crate::limits::Limits;
use crate::selection::{all_named, of_grade, run_each};
use crate::status::{INCOMPLETE, VIOLATED, worse};
use actor_checker::engine::Stopped;
use actor_checker::progress::{Outcome, PROPERTY, ROUNDS_MAX, Violation};
use actor_checker::{chart, trace};
use paxos_chat_models::catalog::{Entry, Grade};
use paxos_chat_models::progress as chat;
use paxos_chat_shell::say;
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;

/// Which entries, and what to print.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ProgressArgs {
    /// Entries of the catalog; all quick ones if none is named.
    pub names: Vec<String>,
    /// How states are searched.
    #[command(flatten)]
    pub search: Search,
    /// Turn pre-votes on, as in deployed replicas, from states that were explored without them.
    #[arg(long)]
    pub pre_vote: bool,
    /// How results are printed.
    #[command(flatten)]
    pub format: Format,
    /// Draw a violation, if there is one, as a message sequence chart; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Runs the entries that were asked for, and prints a row each.
pub(super) fn run(args: &ProgressArgs) -> anyhow::Result<u8> {
    claim("--svg", args.svg.as_ref())?;
    let entries = match args.names.as_slice() {
        [] => of_grade(Grade::Quick),
        names => all_named(names)?,
    };
    one_for_stdout("--svg", args.svg.as_ref(), entries.len())?;
    if !args.format.json {
        say!(
            "{:18} {:>10} {:>10} {:>10} {:>9} {:>10} {:>8}  result",
            "entry",
            "unique",
            "starts",
            "runs",
            "moments",
            "longest ms",
            "seconds"
        );
    }
    let worst = match run_each(&entries, |entry| run_one(entry, args)) {
        Ok(worst) => worst,
        Err(interrupted) => return Ok(interrupted),
    };
    if !args.format.json && worst == 0 {
        say!(
            "\nFrom every state of these entries, each schedule delivers every pending request: \
             each replica in turn\nfirst to time out, all in lockstep, and the newest message \
             first; with everything in flight dropped, and\npresent. Nothing is claimed of other \
             schedules."
        );
    }
    Ok(worst)
}

fn run_one(entry: &Entry, args: &ProgressArgs) -> u8 {
    let finding = check(entry, &args.search, args.pre_vote);
    let Finding { outcome, text, svg, stopped } = &finding;
    let status = status(outcome);
    if args.format.json {
        say!("{}", as_json(entry, outcome, args.pre_vote, status));
    } else {
        say!("{}", row(entry, outcome, stopped.as_deref()));
        if !text.is_empty() {
            say!("{}", text.trim_end());
        }
    }
    let drawn = args.svg.as_ref().filter(|_| outcome.violation.is_some());
    worse(status, write_chart(drawn, || svg.clone()))
}

/// What a check of progress found, and the violation as text and as a picture.
pub(super) struct Finding {
    pub(super) outcome: Outcome,
    pub(super) text: String,
    pub(super) svg: String,
    /// Why it stopped early, in words.
    pub(super) stopped: Option<String>,
}

/// Checks the progress of an entry, which may have a mutant.
pub(super) fn check(entry: &Entry, search: &Search, pre_vote: bool) -> Finding {
    let exploration = Exploration {
        name: entry.name,
        known: None,
        threads: search.threads.count(),
        max_states: search.max_states,
        limits: Limits::default(),
    };
    let reductions = search.reductions(chat::REDUCTIONS);
    let check = if pre_vote { chat::check_with_pre_votes } else { chat::check_config };
    let (outcome, watch) = exploration.run(|options| check(&entry.config, reductions, options));
    let (text, svg) = match &outcome.violation {
        Some(violation) => (told(violation), chart::draw(entry.config.names(), &violation.steps)),
        None => Default::default(),
    };
    let stopped = outcome.report.stopped.as_ref().map(|stopped| watch.because(stopped));
    Finding { outcome, text, svg, stopped }
}

/// The violation as numbered lines.
fn told(violation: &Violation) -> String {
    let (path, rest) = violation.steps.split_at(violation.begins);
    let mut text = format!("\nno progress, although faults have stopped: {}\n", violation.schedule);
    let _ = writeln!(text, "  {} steps lead to the state:", path.len());
    text.push_str(&trace::to_text(path));
    let _ = writeln!(text, "  then the schedule, without the steps that do nothing:");
    text.push_str(&trace::to_text(rest));
    let _ = writeln!(text, "  {}", violation.why.words());
    text
}

fn status(outcome: &Outcome) -> u8 {
    let panicked = matches!(outcome.report.stopped, Some(Stopped::Panic(_)));
    if outcome.violation.is_some() || outcome.void.is_some() || panicked {
        VIOLATED
    } else if !outcome.report.complete {
        INCOMPLETE
    } else {
        0
    }
}

fn row(entry: &Entry, outcome: &Outcome, stopped: Option<&str>) -> String {
    let result = match (&outcome.violation, &outcome.void, stopped) {
        (Some(_), ..) => format!("NO PROGRESS at depth {}", outcome.report.depth),
        (_, Some(void), _) => format!("void: {void}"),
        (_, _, Some(stopped)) => format!("incomplete: {stopped}"),
        _ if outcome.skipped > 0 => {
            format!("makes progress; {} states without a majority skipped", outcome.skipped)
        }
        _ => "makes progress".into(),
    };
    format!(
        "{:18} {:>10} {:>10} {:>10} {:>9} {:>10} {:>8.2}  {result}",
        entry.name,
        outcome.report.unique_states,
        outcome.starts,
        outcome.runs,
        outcome.moments,
        outcome.longest.as_millis(),
        outcome.report.elapsed.as_secs_f64(),
    )
}

fn as_json(entry: &Entry, outcome: &Outcome, pre_vote: bool, status: u8) -> serde_json::Value {
    let violation = outcome.violation.as_ref();
    json!({
        "name": entry.name,
        "property": PROPERTY,
        "pre_vote_in_runs": pre_vote || entry.config.tuning.pre_vote,
        "claim": "under these schedules: each replica in turn first to time out, lockstep, newest \
                  message first; in flight dropped and present",
        "holds": status == 0,
        "complete": outcome.report.complete,
        "unique_states": outcome.report.unique_states,
        "depth": outcome.report.depth,
        "seconds": outcome.report.elapsed.as_secs_f64(),
        "schedules": outcome.schedules,
        "rounds_max": ROUNDS_MAX,
        "starts": outcome.starts,
        "runs": outcome.runs,
        "moments": outcome.moments,
        "skipped_states": outcome.skipped,
        "longest_ms": outcome.longest.as_millis() as u64,
        "stale_claims": outcome.stale_claims,
        "schedule": violation.map(|violation| &violation.schedule),
        "path": violation.map(|violation| {
            violation.steps.iter().map(|step| &step.text).collect::<Vec<_>>()
        }),
    })
}
