//! What random changes of the protocol are hunted with, by `cargo mutants`: hardships, the quick
//! catalog, links and fair schedules, until the first kill. A kill is a violated property, an assertion of an
//! actor, or a run that does not deliver what is demanded; a changed count, an event that is not reached
//! or a void reduction is a hint, and only told.

use actor_checker::compact::Reductions;
use actor_checker::engine::{Options, Stopped};
use paxos_chat_models::catalog::entries;
use paxos_chat_models::catalog::{Entry, Grade};
use paxos_chat_models::deployed::Deployed;
use paxos_chat_models::hardships::hardships;
use paxos_chat_models::links;
use paxos_chat_models::progress;
use paxos_chat_models::run::{Engine, run};

/// Entries up to this size are explored first, and fair schedules are run from their states.
const SMALL: u64 = 50_000;
/// Of entries up to this size before anything large is explored.
const SCHEDULED_SMALL: u64 = 3_000;

/// Groups of links that are run.
const GROUPS: [&str; 2] = ["named", "3"];

/// The quick entries, the small ones first.
fn quick() -> Vec<Entry> {
    let is_quick = |entry: &Entry| entry.grade == Grade::Quick;
    let mut entries: Vec<Entry> = entries().into_iter().filter(is_quick).collect();
    entries.sort_by_key(|entry| entry.unique_states);
    entries
}

/// So many states of an entry are explored: a change that adds more says enough.
fn bounded(entry: &Entry) -> Options<'static> {
    let known = entry.unique_states.expect("quick entries have counts");
    Options { max_states: Some(2 * known + 10_000), ..Options::default() }
}

/// What takes longest comes last, and is left out where this variable is set.
const SMALL_ONLY: &str = "HUNT_SMALL";

#[test]
#[ignore = "other tests and commands run all of this; cargo mutants asks for it"]
fn nothing_is_found() {
    let mut hints = Vec::new();
    let is_small = |entry: &Entry| entry.unique_states <= Some(SMALL);
    let (small, large): (Vec<Entry>, Vec<Entry>) = quick().into_iter().partition(is_small);
    bear();
    small.iter().for_each(|entry| explore(entry, &mut hints));
    links::groups().iter().filter(|group| GROUPS.contains(&group.name)).for_each(connect);
    let are_scheduled =
        |max: u64| small.iter().filter(move |entry| entry.unique_states <= Some(max));
    are_scheduled(SCHEDULED_SMALL).for_each(|entry| schedule(entry, &mut hints));
    if std::env::var_os(SMALL_ONLY).is_none() {
        large.iter().for_each(|entry| explore(entry, &mut hints));
        are_scheduled(SMALL).for_each(|entry| schedule(entry, &mut hints));
    }
    eprintln!("SURVIVED; {} hints", hints.len());
    hints.iter().for_each(|hint| eprintln!("HINT: {hint}"));
}

fn explore(entry: &Entry, hints: &mut Vec<String>) {
    let name = entry.name;
    let (reductions, options) = (Reductions::ALL, bounded(entry));
    let outcome = run(&entry.config, entry.reaches, Engine::Compact, reductions, &options);
    if let Some(Stopped::Panic(message)) = &outcome.report.stopped {
        panic!("KILLED by an assertion in {name}: {message}");
    }
    if outcome.is_violated() {
        let violated = outcome.properties.iter().find(|property| !property.holds);
        let property = violated.map_or("", |property| property.name);
        panic!("KILLED by a property in {name}: {property}");
    }
    let unreached = outcome.properties.iter().filter(|property| !property.holds);
    hints.extend(unreached.map(|event| format!("{name}: not reached: {}", event.name)));
    hints.extend(outcome.void.map(|void| format!("{name}: void: {void}")));
    if Some(outcome.report.unique_states) != entry.unique_states {
        hints.push(format!("{name}: {} states", outcome.report.unique_states));
    }
}

fn schedule(entry: &Entry, hints: &mut Vec<String>) {
    let name = entry.name;
    let options = bounded(entry);
    let outcome = progress::check_config(&entry.config, progress::REDUCTIONS, &options);
    if let Some(Stopped::Panic(message)) = &outcome.report.stopped {
        panic!("KILLED by an assertion in schedules of {name}: {message}");
    }
    if let Some(violation) = &outcome.violation {
        panic!("KILLED by progress in {name}: {}", violation.schedule);
    }
    hints.extend(outcome.void.map(|void| format!("schedules of {name}: void: {void}")));
}

/// All hardships but the one that takes longest.
fn bear() {
    let known = hardships().into_iter().filter(|known| known.name != "leaders-of-63-die");
    for hardship in known {
        if let Err(what) = hardship.run(&Deployed::default()) {
            panic!("KILLED by {}: {what}", hardship.name);
        }
    }
}

fn connect(group: &links::Group) {
    let (cases, threads) = ((group.cases)(), Options::default().threads);
    if let Some(what) = links::first_failure(&cases, &Deployed::default(), threads) {
        panic!("KILLED by links {what}");
    }
}
