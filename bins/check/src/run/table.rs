//! What `check` prints: a row a run, the coverage, the verdict; or one JSON object a line.

use super::args::RunArgs;
use crate::bounds;
use crate::engine::EngineArg;
use crate::limits::Watch;
use crate::status::{INCOMPLETE, VIOLATED};
use actor_checker::compact::Reductions;
use actor_checker::engine::Stopped;
use actor_checker::memory::peak_resident_bytes;
use actor_checker::spec::Kind;
use paxos_chat_models::catalog::Entry;
use paxos_chat_models::coverage::Coverage;
use paxos_chat_models::run::Outcome;
use paxos_chat_shell::output::CANNOT_WRITE;
use paxos_chat_shell::say;
use serde_json::json;
use std::time::Duration;

/// Prints the head of the table.
pub(super) fn header(as_json: bool) {
    if !as_json {
        say!(
            "{:18} {:>10} {:>11} {:>5} {:>8} {:>10}  result",
            "entry",
            "unique",
            "generated",
            "depth",
            "seconds",
            "unique/s"
        );
    }
}

/// Prints what an entry is for and its bounds, and the head of the table.
pub(super) fn introduction(entry: &Entry, as_json: bool) {
    if !as_json {
        say!("{}: {}\n{}\n", entry.name, entry.purpose, bounds::all(&entry.config));
        header(false);
    }
}

/// A run, and how it was run.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) entry: &'a Entry,
    pub(super) outcome: &'a Outcome,
    pub(super) options: &'a RunArgs,
    pub(super) reductions: Reductions,
    pub(super) watch: &'a Watch,
}

/// Prints a run.
pub(super) fn row(run: &Run<'_>, status: u8, verbose: bool) {
    let Run { entry, outcome, options, .. } = *run;
    if options.format.json {
        say!("{}", as_json(run));
        return;
    }
    let report = &outcome.report;
    let seconds = report.elapsed.as_secs_f64();
    say!(
        "{:18} {:>10} {:>11} {:>5} {:>8.2} {:>10.0}  {}",
        entry.name,
        report.unique_states,
        report.generated_states,
        report.depth,
        seconds,
        report.unique_states as f64 / seconds.max(0.001),
        result(run, status)
    );
    for property in outcome.properties.iter().filter(|property| !property.holds) {
        let incomplete = if outcome.report.complete { "" } else { " so far" };
        match property.kind {
            Kind::Always => say!("    violated: {}", property.name),
            Kind::Sometimes => say!("    not reached{incomplete}: {}", property.name),
        }
    }
    if let Some(void) = &outcome.void {
        say!("    void: {void}");
    }
    if verbose {
        print_details(outcome, run.reductions, options);
    }
}

fn print_details(outcome: &Outcome, reductions: Reductions, options: &RunArgs) {
    say!("");
    for property in &outcome.properties {
        let verdict = match (property.kind, property.holds, outcome.report.complete) {
            (Kind::Always, true, true) => "holds",
            (Kind::Always, true, false) => "holds so far",
            (Kind::Always, false, _) => "VIOLATED",
            (Kind::Sometimes, true, _) => "reached",
            (Kind::Sometimes, false, _) => "NOT REACHED",
        };
        say!("  {verdict:12} {}", property.name);
    }
    if !options.is_judged() {
        say!("  nothing is remembered and no property is judged");
    }
    if options.engine != EngineArg::ActorModel {
        let checked = match (&outcome.void, outcome.is_complete()) {
            (Some(_), _) => "REFUTED",
            (None, true) => "all checked",
            (None, false) => "not conclusive, because the run is incomplete",
        };
        say!(
            "\n  reductions: {}\n  claims: {} of staleness, {} of symmetry, {} of dead variables; \
             {checked}",
            in_words(reductions),
            outcome.stale_claims,
            outcome.symmetry_claims,
            outcome.variant_claims,
        );
    }
    say!(
        "  queue and table {:.1} MiB at most; peak of the process {:.1} MiB; fingerprints of {} \
         bits, probability of a collision about {:.1e}",
        outcome.report.memory_bytes as f64 / f64::from(1 << 20),
        peak_resident_bytes().unwrap_or(0) as f64 / f64::from(1 << 20),
        outcome.report.fingerprint_bits,
        outcome.report.collision_probability()
    );
}

fn in_words(reductions: Reductions) -> String {
    let switches = [
        (reductions.eager_sends, "eager sends"),
        (reductions.stale_messages, "stale messages"),
        (reductions.dead_variables, "dead variables"),
        (reductions.symmetry, "symmetry"),
    ];
    let on: Vec<&str> = switches.into_iter().filter(|(on, _)| *on).map(|(_, name)| name).collect();
    if on.is_empty() { "none".into() } else { on.join(", ") }
}

fn result(run: &Run<'_>, status: u8) -> String {
    let Run { entry, outcome, options, watch, .. } = *run;
    let known = entry.unique_states.filter(|_| options.is_counted());
    let is_counted = known.is_none_or(|known| known == outcome.report.unique_states);
    let is_reached = outcome.properties.iter().all(|p| p.kind == Kind::Always || p.holds);
    match (status, &outcome.report.stopped) {
        (_, _) if outcome.void.is_some() => "VOID".into(),
        (VIOLATED, _) if outcome.is_violated() => "VIOLATED".into(),
        (_, Some(stopped @ Stopped::Panic(_))) => watch.because(stopped),
        (INCOMPLETE, Some(stopped)) => format!("incomplete: {}", watch.because(stopped)),
        (VIOLATED, _) => {
            let count = format!("the catalog counts {} unique states", known.unwrap_or(0));
            match (is_reached, is_counted) {
                (false, false) => format!("NOT REACHED; {count}"),
                (false, true) => "NOT REACHED".into(),
                (true, _) => count,
            }
        }
        (_, _) if outcome.properties.is_empty() => "complete; no property is judged".into(),
        _ => "holds".into(),
    }
}

fn as_json(run: &Run<'_>) -> serde_json::Value {
    let Run { entry, outcome, options, reductions, watch } = *run;
    let report = &outcome.report;
    let properties: Vec<serde_json::Value> = outcome
        .properties
        .iter()
        .map(|property| {
            let expectation = match property.kind {
                Kind::Always => "always",
                Kind::Sometimes => "sometimes",
            };
            let steps: Vec<&str> =
                property.counterexample.iter().map(|step| step.text.as_str()).collect();
            json!({
                "name": property.name, "expectation": expectation, "holds": property.holds,
                "counterexample": steps,
            })
        })
        .collect();
    json!({
        "name": entry.name,
        "bounds": bounds::all(&entry.config),
        "engine": options.engine.name(),
        "judged": options.is_judged(),
        "threads": options.search.threads.count(),
        "reductions": {
            "eager_sends": reductions.eager_sends, "stale_messages": reductions.stale_messages,
            "symmetry": reductions.symmetry,
        },
        "complete": outcome.is_complete(),
        "stopped": report.stopped.as_ref().map(|stopped| watch.because(stopped)),
        "void": outcome.void,
        "unique_states": report.unique_states,
        "expected_unique_states": entry.unique_states,
        "generated_states": report.generated_states,
        "depth": report.depth,
        "by_depth": report.by_depth,
        "fingerprint_bits": report.fingerprint_bits,
        "seconds": report.elapsed.as_secs_f64(),
        "peak_rss_bytes": peak_resident_bytes().unwrap_or(0),
        "collision_probability": report.collision_probability(),
        "stale_claims": outcome.stale_claims,
        "symmetry_claims": outcome.symmetry_claims,
        "variant_claims": outcome.variant_claims,
        "properties": properties,
    })
}

/// Prints which parts of the protocol the runs have reached; returns how many were not.
pub(super) fn coverage(coverage: &Coverage, as_json: bool) -> usize {
    let rows = coverage.rows();
    if as_json {
        for (row, count) in &rows {
            say!("{}", json!({"covered": row, "local_steps": count}));
        }
    } else {
        say!("\ncoverage by the completed entries (distinct local steps):");
        for pair in rows.chunks(2) {
            let cells: Vec<String> = pair
                .iter()
                .map(|(row, count)| match count {
                    0 => format!("{:>7} {row:62}", "NONE"),
                    count => format!("{count:>7} {row:62}"),
                })
                .collect();
            say!("{}", cells.join(" ").trim_end());
        }
    }
    rows.iter().filter(|(_, count)| *count == 0).count()
}

/// Prints the verdict on all runs.
pub(super) fn verdict(status: u8, elapsed: Duration, options: &RunArgs) {
    if options.format.json {
        return;
    }
    let verdict = match status {
        VIOLATED => "NOT ALL HOLDS: see above",
        INCOMPLETE => "INCOMPLETE: nothing was found, but not everything was explored",
        CANNOT_WRITE => "every property holds, but not all results could be written",
        _ if !options.is_judged() => "every run is complete; no property was judged",
        _ => "every property holds, every event is reached, every run is complete",
    };
    say!("\n{verdict} ({:.1} s)", elapsed.as_secs_f64());
    if options.engine == EngineArg::Stateright && status == 0 {
        say!("stateright's engine and ours count the same unique states in every entry");
    }
}
