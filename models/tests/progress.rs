//! Progress: the actors make it, mutants of liveness do not, and the checker can tell.

use actor_checker::compact::{CompactModel, Reductions};
use actor_checker::engine::{Options, Stopped};
use actor_checker::progress::{self, Goal, Outcome, Why};
use actor_checker::spec::{Local, PropertyName, Spec, Step};
use paxos_chat::types::Slot;
use paxos_chat_models::catalog::find;
use paxos_chat_models::config::Config;
use paxos_chat_models::mutants::{LIVENESS, Mutant};
use paxos_chat_models::progress::{REDUCTIONS, check_config, check_with_pre_votes};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

fn check(config: &Config, reductions: Reductions) -> Outcome {
    check_config(config, reductions, &Options::default())
}

fn assert_progress(name: &str, outcome: &Outcome) {
    let violation = outcome.violation.as_ref().map(|violation| &violation.schedule);
    assert!(outcome.holds(), "{name}: {violation:?} {:?} {:?}", outcome.void, outcome.report);
}

#[test]
fn small_entries_make_progress() {
    // A leader change with a client that retries, sessions, a reader; a slot that is skipped; a
    // crash with recovery; compaction with a lagging leader; two that need each other's support.
    let names = [
        "real-time",
        "sessions",
        "reader",
        "eviction",
        "skipped-slot",
        "crash-recovery",
        "compaction",
        "compaction-crash",
        "pre-vote-crash",
        "lost-compactor",
    ];
    for name in names {
        let entry = find(name).expect("an entry of the catalog");
        let outcome = check(&entry.config, REDUCTIONS);
        assert_progress(name, &outcome);
        // The catalog counts states up to renaming, which the schedules cannot.
        assert!(Some(outcome.report.unique_states) >= entry.unique_states, "{name}");
        assert_eq!(outcome.schedules, 5, "{name}");
        assert_eq!(outcome.skipped, 0, "{name}: a majority is always up");
        assert!(outcome.runs > outcome.report.unique_states, "{name}");
    }
}

#[test]
fn replicas_that_ask_for_support_make_progress_from_states_of_those_that_do_not() {
    for name in ["skipped-slot", "crash-recovery", "compaction", "compaction-crash"] {
        let entry = find(name).expect("an entry of the catalog");
        let outcome = check_with_pre_votes(&entry.config, REDUCTIONS, &Options::default());
        assert_progress(name, &outcome);
    }
}

#[test]
fn a_pipelining_client_makes_progress() {
    let config = Config::new(3)
        .client("ann", 2, 0)
        .last_client(|client| client.window = 2)
        .ballots(&[(1, 0), (1, 1)])
        .tuned(|tuning| tuning.window_slots = 2);
    assert_progress("pipelining", &check(&config, REDUCTIONS));
}

#[test]
fn a_cluster_of_one_makes_progress() {
    let config = Config::new(1).client("ann", 2, 0).ballots(&[(1, 0), (2, 0)]);
    assert_progress("one replica", &check(&config, REDUCTIONS));
}

/// Configurations small enough for every step and every message to be explored.
fn small_configs() -> Vec<(&'static str, Config)> {
    let one = || Config::new(3).client("ann", 1, 0);
    vec![
        ("a leader", one().ballots(&[(1, 0)])),
        ("pre-votes", one().ballots(&[(1, 0)]).tuned(|tuning| tuning.pre_vote = true)),
        ("a slot skipped", Config { skips: vec![(0, Slot(1))], ..one() }.ballots(&[(1, 0)])),
        ("a crash", one().ballots(&[(1, 0)]).crashes(&[1], 1, true)),
        ("two leaders", one().ballots(&[(1, 0), (1, 1)])),
    ]
}

#[test]
fn reductions_keep_the_verdict() {
    for (name, config) in small_configs() {
        let all = check(&config, Reductions::NONE);
        let fewer = check(&config, REDUCTIONS);
        assert_progress(name, &all);
        assert_progress(name, &fewer);
        assert!(fewer.report.unique_states < all.report.unique_states, "{name}");
        let mutated = Config { mutant: Some(Mutant::ClientNeverAsksAgain), ..config };
        for reductions in [Reductions::NONE, REDUCTIONS] {
            let outcome = check(&mutated, reductions);
            assert!(outcome.violation.is_some(), "{name}");
        }
    }
}

#[test]
fn mutants_of_liveness_are_killed_but_for_those_argued_to_be_equivalent() {
    for row in LIVENESS {
        // Equivalent ones have to survive whole entries: `check mutants` runs them.
        if row.equivalent.is_some() {
            continue;
        }
        let killed = row.entries.iter().any(|name| {
            let entry = find(name).expect("an entry of the catalog");
            let config = Config { mutant: Some(row.mutant), ..entry.config };
            check(&config, REDUCTIONS).violation.is_some()
        });
        assert!(killed, "{:?}: {}", row.mutant, row.bug);
    }
}

#[test]
fn a_violation_is_a_path_to_a_state_and_then_a_schedule() {
    let entry = find("rivals").expect("an entry of the catalog");
    let config = Config { mutant: Some(Mutant::PrepareOnce), ..entry.config };
    let violation = check(&config, REDUCTIONS).violation.expect("a lost Prepare is not sent again");
    let (path, rest) = violation.steps.split_at(violation.begins);
    let said = |steps: &[_], what: &str| {
        let says = |step: &actor_checker::trace::TraceStep| step.text.contains(what);
        steps.iter().any(says)
    };
    assert!(said(path, "Election time-out"), "{path:?}");
    assert!(said(rest, "Resend time-out"), "{rest:?}");
    assert!(violation.schedule.contains("everything in flight dropped"));
    assert_ne!(violation.why, Why::Silent);
}

#[test]
fn duelling_leaders_are_endless_and_no_moment_of_theirs_repeats() {
    let entry = find("rivals").expect("an entry of the catalog");
    let config = Config { mutant: Some(Mutant::StandsAgainAtOnce), ..entry.config };
    let violation = check(&config, REDUCTIONS).violation.expect("ballots rise for ever");
    assert_eq!(violation.why, Why::Endless);
}

#[test]
fn reports_do_not_depend_on_threads() {
    let config = Config::new(3).client("ann", 1, 0).ballots(&[(1, 0), (1, 1)]);
    let run = |threads| {
        let options = Options { threads, ..Options::default() };
        let outcome = check_config(&config, REDUCTIONS, &options);
        (outcome.starts, outcome.runs, outcome.moments, outcome.longest)
    };
    let one = run(1);
    for threads in [2, 8] {
        assert_eq!(run(threads), one, "{threads} threads");
    }
}

#[test]
fn a_run_that_stops_early_does_not_hold() {
    let entry = find("rivals").expect("an entry of the catalog");
    let options = Options { max_states: Some(1000), ..Options::default() };
    let outcome = check_config(&entry.config, REDUCTIONS, &options);
    assert_eq!(outcome.report.stopped, Some(Stopped::States));
    assert!(outcome.violation.is_none() && !outcome.holds());
}

/// Two actors that say something until they are answered. How they ask again is what differs.
#[derive(Clone, Copy)]
enum Asker {
    /// Never.
    Once,
    /// After a while.
    Again,
    /// After a while, but an answer that comes late makes it start over.
    Fickle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Said {
    Question,
    Answer,
}

impl Actor for Asker {
    type Msg = Said;
    type Timer = ();
    type State = bool;
    type Storage = ();
    type Random = ();

    fn on_start(&self, id: Id, _: &Option<()>, out: &mut Out<Self>) -> bool {
        if id == Id::from(0) {
            out.send(Id::from(1), Said::Question);
            if !matches!(self, Asker::Once) {
                out.set_timer((), SECOND..SECOND);
            }
        }
        false
    }

    fn on_msg(&self, _: Id, done: &mut Cow<'_, bool>, src: Id, msg: Said, out: &mut Out<Self>) {
        match msg {
            Said::Question => out.send(src, Said::Answer),
            Said::Answer if matches!(self, Asker::Fickle) => {}
            Said::Answer => *done.to_mut() = true,
        }
    }

    fn on_timeout(&self, _: Id, done: &mut Cow<'_, bool>, (): &(), out: &mut Out<Self>) {
        if !**done {
            out.send(Id::from(1), Said::Question);
            out.set_timer((), SECOND..SECOND);
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

struct Anything;

impl Spec<Asker> for Anything {
    type Ghost = ();
    type History = ();
    type View = ();
    fn ghost(&self, _: usize) {}
    fn history(&self) {}
    fn remember(&self, _: &Step<'_, Asker, ()>) {}
    fn properties(&self) -> &[PropertyName] {
        &[]
    }
    fn view(&self, _: usize, _: &Local<Asker, ()>) {}
}

/// The first actor is answered.
struct Answered;

impl Goal<Asker> for Answered {
    type View = bool;
    fn view(&self, actor: usize, state: Option<&bool>, _: Option<&()>) -> bool {
        actor == 1 || state == Some(&true)
    }
    fn is_met(&self, views: &[&bool]) -> bool {
        views.iter().all(|done| **done)
    }
    fn is_possible(&self, _: &[bool]) -> bool {
        true
    }
    fn timers(&self) -> Vec<()> {
        vec![()]
    }
    fn delay(&self, (): &()) -> Range<Duration> {
        SECOND..SECOND
    }
    fn hop(&self) -> Duration {
        Duration::from_millis(5)
    }
    fn rivals(&self) -> usize {
        1
    }
}

#[test]
fn the_checker_can_fail() {
    let check = |asker: Asker| {
        let model = CompactModel::new(vec![(asker, None), (asker, None)], Anything);
        progress::check(&model, vec![asker, asker], Answered, false, &Options::default())
    };
    let again = check(Asker::Again);
    assert!(again.holds());
    // One second until it asks again, and a hop each for the question and the answer.
    assert_eq!(again.longest, SECOND + Duration::from_millis(10));
    let why = |asker| check(asker).violation.expect("no progress").why;
    assert_eq!(why(Asker::Once), Why::Silent);
    assert_eq!(why(Asker::Fickle), Why::Repeats);
}
