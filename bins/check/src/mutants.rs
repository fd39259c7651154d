//! The `check mutants` command: every known bug is run against the catalog until an entry kills it; then
//! that entry is run on, to see which properties the bug violates and which it does not.

use super::args::{self, MutantArgs};
use super::bar::Bar;
use super::drawings::{claim, write_file};
use super::kills::{Kills, Violation};
use super::limits::{Limits, Watch};
use super::progress;
use super::{INCOMPLETE, INTERRUPTED, VIOLATED, worse};
use actor_checker::compact::Reductions;
use actor_checker::engine::{Discovery, Options, Progress, Stopped};
use actor_checker::progress::PROPERTY;
use actor_checker::{chart, trace};
use anyhow::{Context, ensure};
use paxos_chat_models::catalog;
use paxos_chat_models::catalog::Entry;
use paxos_chat_models::mutants::{self, Description, Mutant};
use paxos_chat_models::progress as chat;
use paxos_chat_models::properties::Safety;
use paxos_chat_models::run::{self, Engine};
use paxos_chat_shell::{say, tell};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// So many states of the entry that kills a mutant are judged to see what else it violates.
const JUDGED_MAX: u64 = 300_000;

/// What a mutant is killed by whose actors stop at an assertion.
const ASSERTION: &str = "an assertion of an actor";

/// What a mutant is killed by whose actors serve too late, or not at all, under virtual time.
const VIRTUAL_TIME: &str = "virtual time: what was demanded is not met";

/// What became of a mutant.
struct Fate {
    /// The entry and the property that killed it.
    killed_by: Option<(&'static str, &'static str)>,
    /// Every property that it violates there, within [`JUDGED_MAX`] states.
    violated: Vec<Violation>,
    depth: u64,
    unique_states: u64,
    seconds: f64,
    /// The run that killed it, as a person can follow it.
    path: String,
    svg: String,
    stopped: Option<String>,
}

/// Runs the mutants that were asked for, and prints a row each.
pub(super) fn run(args: &MutantArgs) -> anyhow::Result<u8> {
    let asked = |mutant: &Description| {
        args.name.as_ref().is_none_or(|name| name.parse() == Ok(mutant.mutant))
    };
    let known = mutants::all().into_iter().chain(mutants::liveness::all());
    let known = known.chain(mutants::availability::all());
    let mutants: Vec<Description> = known.filter(asked).collect();
    ensure!(
        !mutants.is_empty(),
        "there is no mutant {:?}; `check mutants` without a name runs and names them all",
        args.name.as_deref().unwrap_or("")
    );
    claim("--svg", args.svg.as_ref())?;
    if !args.json {
        say!(
            "{:6} {:46} {:18} {:>5} {:>9} {:>7}  property",
            "mutant",
            "bug",
            "killed by",
            "depth",
            "unique",
            "seconds"
        );
    }
    let mut worst = 0;
    let mut kills = Kills::default();
    for mutant in &mutants {
        let fate = run_one(mutant, args)?;
        kills.add(mutant.mutant, fate.violated.clone());
        let unwritten = print(mutant, &fate, args);
        worst = match (&fate.killed_by, &fate.stopped) {
            (Some(_), _) if mutant.equivalent.is_some() => VIOLATED,
            (None, None) if mutant.equivalent.is_some() => worst,
            (Some(_), _) => worst,
            (None, Some(_)) if worst == 0 => INCOMPLETE,
            (None, Some(_)) => worst,
            (None, None) => VIOLATED,
        };
        worst = worse(worst, unwritten);
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Ok(if worst == 0 { INCOMPLETE } else { worst });
        }
    }
    if args.name.is_none() && !kills.print(args.json) {
        worst = VIOLATED;
    }
    if !args.json {
        let verdict = match worst {
            0 if args.name.is_some() => "as it should be",
            0 => {
                "all are killed, but for those argued to be equivalent, which survive; each property \
                 is needed, or kept for a reason"
            }
            _ => "NOT AS IT SHOULD BE: see above",
        };
        say!("\n{verdict}");
    }
    Ok(worst)
}

impl Fate {
    /// Adds runs under virtual time; true if one of them has killed the mutant.
    fn add_virtual_time(&mut self, name: &'static str, mutant: Mutant) -> bool {
        let begun = Instant::now();
        let bar = Bar::new(&format!("{mutant} on {name}"), None);
        let killed = mutants::availability::kill(name, mutant, args::threads(None));
        bar.finish();
        self.seconds += begun.elapsed().as_secs_f64();
        self.killed_by = killed.is_some().then_some((name, VIRTUAL_TIME));
        self.path = killed.unwrap_or_default();
        self.killed_by.is_some()
    }

    /// Adds a check of progress; true if that has killed the mutant.
    fn add_progress(&mut self, entry: &'static str, found: progress::Found) -> bool {
        let report = &found.outcome.report;
        self.unique_states += report.unique_states;
        self.seconds += report.elapsed.as_secs_f64();
        self.depth = report.depth;
        self.path = found.text;
        self.svg = found.svg;
        let killed = found.outcome.violation.is_some();
        self.killed_by = killed.then_some((entry, PROPERTY));
        let stopped = found.stopped.clone();
        self.stopped = stopped.filter(|_| !killed).or(found.outcome.void.filter(|_| !killed));
        killed
    }
}

fn run_one(mutant: &Description, args: &MutantArgs) -> anyhow::Result<Fate> {
    let mut fate = Fate {
        killed_by: None,
        violated: Vec::new(),
        depth: 0,
        unique_states: 0,
        seconds: 0.0,
        path: String::new(),
        svg: String::new(),
        stopped: None,
    };
    for name in mutant.entries {
        if mutant.mutant.is_of_availability() {
            if fate.add_virtual_time(name, mutant.mutant) {
                return Ok(fate);
            }
            continue;
        }
        let mut entry = catalog::find(name)
            .with_context(|| format!("mutant {} names entry {name:?}", mutant.mutant))?;
        entry.config.mutant = Some(mutant.mutant);
        if mutant.mutant.is_of_liveness() {
            let limits =
                progress::ProgressArgs { max_states: args.max_states, ..Default::default() };
            let found = progress::check(&entry, chat::REDUCTIONS, &limits);
            if fate.add_progress(entry.name, found) {
                return Ok(fate);
            }
            continue;
        }
        let watch = Watch::new(Limits::default());
        let bar = Bar::new(&format!("{} on {name}", mutant.mutant), None);
        let show = |progress: &Progress| bar.show(progress);
        let options = Options {
            interrupted: Some(watch.flag()),
            max_states: args.max_states,
            progress: Some(&show),
            ..Options::default()
        };
        // The claims of staleness are about the protocol as it is. One that a mutant refutes can
        // hide states, but not invent any; where it would hide the bug, nothing is claimed.
        let stale_messages = mutant.mutant != Mutant::OtherBallotsVoteCounted;
        let reductions = Reductions { stale_messages, ..Reductions::ALL };
        let (outcome, model) = run::run(&entry.config, &[], Engine::Compact, reductions, &options);
        bar.finish();
        fate.unique_states += outcome.report.unique_states;
        fate.seconds += outcome.report.elapsed.as_secs_f64();
        let violated = outcome.properties.iter().zip(&outcome.report.discoveries);
        let mut violated = violated.filter(|(property, _)| !property.holds);
        if let Some((property, found)) = violated.next() {
            fate.killed_by = Some((entry.name, property.name));
            fate.depth = found.map_or(0, |found| found.depth);
            fate.path = trace::to_text(&property.counterexample);
            fate.svg = chart::draw(&model, &property.counterexample);
            fate.stopped = None;
            fate.violated = violated_by(&entry, reductions);
            return Ok(fate);
        }
        if let Some(Stopped::Panic(message)) = &outcome.report.stopped {
            fate.killed_by = Some((entry.name, ASSERTION));
            fate.depth = outcome.report.depth;
            fate.path = message.clone();
            fate.stopped = None;
            fate.violated = vec![Violation { property: ASSERTION, depth: fate.depth }];
            return Ok(fate);
        }
        fate.depth = outcome.report.depth;
        fate.stopped = outcome.report.stopped.as_ref().map(|stopped| watch.because(stopped));
        // A survivor counts only if no claim has hidden anything.
        if outcome.void.is_some() {
            fate.stopped = Some("a claim of staleness is refuted by the mutant".into());
        }
    }
    Ok(fate)
}

/// The properties that a mutant violates in the entry that kills it.
fn violated_by(entry: &Entry, reductions: Reductions) -> Vec<Violation> {
    let watch = Watch::new(Limits::default());
    let options = Options {
        interrupted: Some(watch.flag()),
        stop_at_violation: false,
        max_states: Some(JUDGED_MAX),
        ..Options::default()
    };
    let report = entry.config.model(&[], reductions).bfs(&options);
    let found = Safety::ALL.iter().zip(report.discoveries);
    let violation = |(safety, found): (&Safety, Option<Discovery>)| {
        found.map(|found| Violation { property: safety.name(), depth: found.depth })
    };
    found.filter_map(violation).collect()
}

/// A run under virtual time has neither depth nor states.
fn counted(count: u64) -> String {
    if count == 0 { "-".into() } else { count.to_string() }
}

/// Prints what became of a mutant; returns the exit status of the printing.
fn print(mutant: &Description, fate: &Fate, args: &MutantArgs) -> u8 {
    let (config, property) = fate.killed_by.unwrap_or(("", ""));
    if args.json {
        let name_and_depth = |of: &Violation| json!({"property": of.property, "depth": of.depth});
        let violated: Vec<_> = fate.violated.iter().map(name_and_depth).collect();
        let line = json!({
            "mutant": mutant.mutant.code(), "name": mutant.mutant.name(), "bug": mutant.bug, "seen": mutant.seen,
            "killed": fate.killed_by.is_some(), "config": config, "property": property,
            "violated": violated,
            "depth": fate.depth, "unique_states": fate.unique_states, "seconds": fate.seconds,
        });
        say!("{line}");
    } else {
        let verdict = match (&fate.killed_by, &fate.stopped) {
            (Some(_), _) => property.to_string(),
            (None, Some(stopped)) => format!("incomplete: {stopped}"),
            (None, None) if mutant.equivalent.is_some() => "survives, as it is equivalent".into(),
            (None, None) => "SURVIVES".into(),
        };
        say!(
            "{:6} {:46} {config:18} {:>5} {:>9} {:>7.2}  {verdict}",
            mutant.mutant.code(),
            mutant.bug,
            counted(fate.depth),
            counted(fate.unique_states),
            fate.seconds
        );
    }
    if let (Some(why), true) = (mutant.equivalent, args.name.is_some() && !args.json) {
        say!("\nequivalent: {why}");
    }
    if args.name.is_some() && !args.json {
        for other in fate.violated.iter().filter(|other| other.property != property) {
            say!("{:>95}  also: {}", other.depth, other.property);
        }
        say!("\n{}", fate.path);
    }
    match &args.svg {
        Some(_) if fate.killed_by.is_some() && fate.svg.is_empty() => {
            tell!(
                "check: {} is killed by what cannot be drawn as one path, so --svg writes nothing",
                mutant.mutant
            );
            0
        }
        Some(file) if fate.killed_by.is_some() => {
            write_file(file, &fate.svg, "the message sequence chart")
        }
        _ => 0,
    }
}
