//! The `check mutants` command: every known bug is run against the catalog until an entry kills it; then
//! that entry is run on, to see which properties the bug violates and which it does not.

use crate::bar::Bar;
use crate::drawings::{claim, write_chart};
use crate::exploration::Exploration;
use crate::flags::{Format, Search, Threads};
use crate::interrupt;
use crate::kills::{Kills, Violation};
use crate::limits::{Limits, Watch};
use crate::progress;
use crate::status::{INCOMPLETE, VIOLATED, worse};
use actor_checker::compact::Reductions;
use actor_checker::engine::{Discovery, Options, Stopped};
use actor_checker::progress::PROPERTY;
use actor_checker::{chart, trace};
use anyhow::{Context, ensure};
use paxos_chat_models::catalog::{self, Entry};
use paxos_chat_models::mutants::{self, Description, Mutant};
use paxos_chat_models::properties::Safety;
use paxos_chat_models::run::{self, Engine};
use paxos_chat_shell::{say, tell};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// So many states of the entry that kills a mutant are judged to see what else it violates.
const JUDGED_MAX: u64 = 300_000;

/// What a mutant is killed by whose actors stop at an assertion.
const ASSERTION: &str = "an assertion of an actor";

/// What a mutant is killed by whose actors serve too late, or not at all, under virtual time.
const VIRTUAL_TIME: &str = "virtual time: what was demanded is not met";

/// Which mutants, and what to print.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct MutantArgs {
    /// Only this one, by its code or its name, such as M15 or BallotsComparedByRound, with the messages that kill it.
    pub name: Option<String>,
    /// Stop each after this many states, and report it as incomplete.
    #[arg(long)]
    pub max_states: Option<u64>,
    /// How results are printed.
    #[command(flatten)]
    pub format: Format,
    /// Draw the counterexample as a message sequence chart; - is standard output.
    #[arg(long, value_name = "FILE", requires = "name")]
    pub svg: Option<PathBuf>,
}

/// What became of a mutant.
#[derive(Default)]
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
    let known = [mutants::SAFETY, mutants::LIVENESS, mutants::AVAILABILITY].concat();
    let mutants: Vec<Description> = known.into_iter().filter(asked).collect();
    ensure!(
        !mutants.is_empty(),
        "there is no mutant {:?}; `check mutants` without a name runs and names them all",
        args.name.as_deref().unwrap_or("")
    );
    claim("--svg", args.svg.as_ref())?;
    if !args.format.json {
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
    let started = Instant::now();
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
        if interrupt::is_asked() {
            return Ok(if worst == 0 { INCOMPLETE } else { worst });
        }
    }
    if args.name.is_none() && !kills.print(args.format.json) {
        worst = VIOLATED;
    }
    if !args.format.json {
        say!("\n{}", verdict(worst, &mutants, started.elapsed().as_secs_f64()));
    }
    Ok(worst)
}

/// What the mutants that were asked for came to, in words.
fn verdict(worst: u8, mutants: &[Description], seconds: f64) -> String {
    let equivalent = mutants.iter().filter(|mutant| mutant.equivalent.is_some()).count();
    let killed = mutants.len() - equivalent;
    match (worst, mutants) {
        (0, [mutant]) if mutant.equivalent.is_some() => {
            format!("{} survives, as it should: it is equivalent. {seconds:.1} s", mutant.mutant)
        }
        (0, [mutant]) => format!("{} is killed, as it should be. {seconds:.1} s", mutant.mutant),
        (0, _) => format!(
            "{killed} of {} are killed, and the {equivalent} that are argued to be equivalent survive; each \
             property is needed, or kept for a reason. {seconds:.0} s",
            mutants.len()
        ),
        _ => format!("NOT AS IT SHOULD BE: see above. {seconds:.0} s"),
    }
}

impl Fate {
    /// Adds runs under virtual time; true if one of them has killed the mutant.
    fn add_virtual_time(&mut self, name: &'static str, mutant: Mutant) -> bool {
        let begun = Instant::now();
        let bar = Bar::new(&format!("{mutant} on {name}"), None);
        let killed = mutants::availability::kill(name, mutant, Threads::default().count());
        bar.finish();
        self.seconds += begun.elapsed().as_secs_f64();
        self.killed_by = killed.is_some().then_some((name, VIRTUAL_TIME));
        self.path = killed.unwrap_or_default();
        self.killed_by.is_some()
    }

    /// Adds a check of progress; true if that has killed the mutant.
    fn add_progress(&mut self, entry: &Entry, max_states: Option<u64>) -> bool {
        let search = Search { max_states, ..Search::default() };
        let found = progress::check(entry, &search, false);
        let report = &found.outcome.report;
        self.unique_states += report.unique_states;
        self.seconds += report.elapsed.as_secs_f64();
        self.depth = report.depth;
        self.path = found.text;
        self.svg = found.svg;
        let killed = found.outcome.violation.is_some();
        self.killed_by = killed.then_some((entry.name, PROPERTY));
        let stopped = found.stopped.clone();
        self.stopped = stopped.filter(|_| !killed).or(found.outcome.void.filter(|_| !killed));
        killed
    }

    /// Adds a search for a violation; true if that has killed the mutant.
    fn add_search(&mut self, entry: &Entry, mutant: Mutant, max_states: Option<u64>) -> bool {
        let exploration = Exploration {
            name: &format!("{mutant} on {}", entry.name),
            known: None,
            threads: Threads::default().count(),
            max_states,
            limits: Limits::default(),
        };
        // The claims of staleness are about the protocol as it is. One that a mutant refutes can
        // hide states, but not invent any; where it would hide the bug, nothing is claimed.
        let stale_messages = mutant != Mutant::OtherBallotsVoteCounted;
        let reductions = Reductions { stale_messages, ..Reductions::ALL };
        let explore = |options: &Options<'_>| {
            run::run(&entry.config, &[], Engine::Compact, reductions, options)
        };
        let (outcome, watch) = exploration.run(explore);
        let report = &outcome.report;
        self.unique_states += report.unique_states;
        self.seconds += report.elapsed.as_secs_f64();
        self.depth = report.depth;
        self.stopped = report.stopped.as_ref().map(|stopped| watch.because(stopped));
        let properties = outcome.properties.iter().zip(&report.discoveries);
        let mut violated = properties.filter(|(property, _)| !property.holds);
        if let Some((property, found)) = violated.next() {
            self.killed_by = Some((entry.name, property.name));
            self.depth = found.map_or(0, |found| found.depth);
            self.path = trace::to_text(&property.counterexample);
            self.svg = chart::draw(entry.config.names(), &property.counterexample);
            self.violated = violated_by(entry, reductions);
        } else if let Some(Stopped::Panic(message)) = &report.stopped {
            self.killed_by = Some((entry.name, ASSERTION));
            self.path = message.clone();
            self.violated = vec![Violation { property: ASSERTION, depth: self.depth }];
        } else if outcome.void.is_some() {
            // A survivor counts only if no claim has hidden anything.
            self.stopped = Some("a claim of staleness is refuted by the mutant".into());
        }
        if self.killed_by.is_some() {
            self.stopped = None;
        }
        self.killed_by.is_some()
    }
}

/// Runs a mutant on its entries, until one kills it.
fn run_one(mutant: &Description, args: &MutantArgs) -> anyhow::Result<Fate> {
    let Description { mutant, entries, .. } = *mutant;
    let mut fate = Fate::default();
    for name in entries {
        let is_killed = if mutant.is_of_availability() {
            fate.add_virtual_time(name, mutant)
        } else {
            let mut entry = catalog::find(name)
                .with_context(|| format!("mutant {mutant} names entry {name:?}"))?;
            entry.config.mutant = Some(mutant);
            match mutant.is_of_liveness() {
                true => fate.add_progress(&entry, args.max_states),
                false => fate.add_search(&entry, mutant, args.max_states),
            }
        };
        if is_killed {
            break;
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
    let report = run::search(&entry.config, reductions, &options);
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
    if args.format.json {
        say!("{}", as_json(mutant, fate));
    } else {
        say!("{}", row(mutant, fate));
        if args.name.is_some() {
            print_details(mutant, fate);
        }
    }
    match &args.svg {
        Some(_) if fate.killed_by.is_some() && fate.svg.is_empty() => {
            tell!(
                "check: {} is killed by what cannot be drawn as one path, so --svg writes nothing",
                mutant.mutant
            );
            0
        }
        svg => {
            let asked = svg.as_ref().filter(|_| fate.killed_by.is_some());
            write_chart(asked, || fate.svg.clone())
        }
    }
}

fn as_json(mutant: &Description, fate: &Fate) -> serde_json::Value {
    let (config, property) = fate.killed_by.unwrap_or_default();
    let name_and_depth = |of: &Violation| json!({"property": of.property, "depth": of.depth});
    let violated: Vec<_> = fate.violated.iter().map(name_and_depth).collect();
    json!({
        "mutant": mutant.mutant.code(), "name": mutant.mutant.name(),
        "bug": mutant.bug, "seen": mutant.seen,
        "killed": fate.killed_by.is_some(), "config": config, "property": property,
        "violated": violated,
        "steps": fate.path.trim().lines().collect::<Vec<_>>(),
        "depth": fate.depth, "unique_states": fate.unique_states, "seconds": fate.seconds,
    })
}

fn row(mutant: &Description, fate: &Fate) -> String {
    let (config, property) = fate.killed_by.unwrap_or_default();
    let verdict = match (&fate.killed_by, &fate.stopped) {
        (Some(_), _) => property.to_string(),
        (None, Some(stopped)) => format!("incomplete: {stopped}"),
        (None, None) if mutant.equivalent.is_some() => "survives, as it is equivalent".into(),
        (None, None) => "SURVIVES".into(),
    };
    format!(
        "{:6} {:46} {config:18} {:>5} {:>9} {:>7.2}  {verdict}",
        mutant.mutant.code(),
        mutant.bug,
        counted(fate.depth),
        counted(fate.unique_states),
        fate.seconds
    )
}

/// Prints why a mutant survives, or what else it violates, and the run that kills it.
fn print_details(mutant: &Description, fate: &Fate) {
    if let Some(why) = mutant.equivalent {
        say!("\nequivalent: {why}");
    }
    let (_, property) = fate.killed_by.unwrap_or_default();
    for other in fate.violated.iter().filter(|other| other.property != property) {
        say!("{:>95}  also: {}", other.depth, other.property);
    }
    say!("\n{}", fate.path);
}
