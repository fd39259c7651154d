//! What `check` prints: a row a run, the coverage, the verdict; or one JSON object a line.

use super::args::RunArgs;
use super::{INCOMPLETE, VIOLATED, stopped_because};
use paxos_chat_models::catalog::{Config, Entry, Grade};
use paxos_chat_models::compact::Reductions;
use paxos_chat_models::coverage::Coverage;
use paxos_chat_models::engine::Stopped;
use paxos_chat_models::run::{Engine, Outcome};
use paxos_chat_models::spec::Kind;
use serde_json::json;
use std::fmt::Write;
use std::time::Duration;

/// Prints the catalog.
pub(super) fn list(entries: &[Entry], as_json: bool) {
    for entry in entries {
        let grade = match entry.grade {
            Grade::Quick => "quick",
            Grade::Full => "full",
        };
        if as_json {
            let line = json!({
                "name": entry.name, "grade": grade, "purpose": entry.purpose,
                "bounds": bounds(&entry.config), "reaches": entry.reaches,
                "unique_states": entry.unique_states,
            });
            println!("{line}");
        } else {
            println!("{:18} {grade:5}  {}", entry.name, entry.purpose);
            println!("{:25}{}", "", bounds(&entry.config));
        }
    }
}

/// The bounds of a configuration in words.
pub(super) fn bounds(config: &Config) -> String {
    let mut text = format!("{} replicas; ", config.replicas);
    let clients: Vec<String> = config
        .clients
        .iter()
        .map(|plan| {
            let asks: Vec<String> = plan.asks.iter().map(|id| format!("r{id}")).collect();
            let opens = if plan.opens { ", opens its session" } else { "" };
            let window =
                if plan.window > 1 { format!(", window {}", plan.window) } else { "".into() };
            let syncs = if plan.syncs { ", a Sync last" } else { "" };
            let (user, says, asks) = (plan.user, plan.messages, asks.join(" or "));
            format!("{user} says {says} at {asks}{opens}{syncs}{window}")
        })
        .collect();
    let ballots: Vec<String> =
        config.ballots.iter().map(|(round, replica)| format!("b{round}.r{replica}")).collect();
    let _ = write!(text, "{}; ballots {}", clients.join(", "), ballots.join(" "));
    if config.faults.crashes_total > 0 {
        let recovery = if config.faults.recovery { "with recovery" } else { "for good" };
        let mortals: Vec<String> = config.mortals.iter().map(|id| format!("r{id}")).collect();
        let _ = write!(
            text,
            "; crashes of {}: {} in all, {} at once, {recovery}",
            mortals.join(" "),
            config.faults.crashes_total,
            config.faults.crashes_at_once
        );
    }
    for (replica, slot) in &config.skips {
        let _ = write!(text, "; r{replica} skips slot {slot}");
    }
    for (actor, message) in &config.inputs {
        let _ = write!(text, "; actor {actor} is told to {message}");
    }
    if let Some(replica) = config.reader {
        let _ = write!(text, "; a reader at r{replica}");
    }
    let tuning = &config.tuning;
    let _ = write!(
        text,
        "; window {}, batch {}, queue {}, chunk {}, sessions {}, snapshot every {} slots{}",
        tuning.window_slots,
        tuning.batch_commands_max,
        tuning.queue_commands_max,
        tuning.chunk_entries_max,
        tuning.sessions_max,
        tuning.snapshot_slots,
        if tuning.pre_vote { ", pre-vote" } else { "" }
    );
    text
}

/// Prints the head of the table.
pub(super) fn header(as_json: bool) {
    if !as_json {
        println!(
            "{:18} {:>10} {:>11} {:>5} {:>8} {:>10}  result",
            "entry", "unique", "generated", "depth", "seconds", "unique/s"
        );
    }
}

/// Prints a run.
pub(super) fn row(
    entry: &Entry,
    outcome: &Outcome,
    options: &RunArgs,
    reductions: Reductions,
    status: u8,
    verbose: bool,
) {
    if options.json {
        println!("{}", as_json(entry, outcome, options, reductions));
        return;
    }
    let report = &outcome.report;
    if verbose {
        println!("{}: {}\n{}\n", entry.name, entry.purpose, bounds(&entry.config));
        header(false);
    }
    let seconds = report.elapsed.as_secs_f64();
    println!(
        "{:18} {:>10} {:>11} {:>5} {:>8.2} {:>10.0}  {}",
        entry.name,
        report.unique_states,
        report.generated_states,
        report.depth,
        seconds,
        report.unique_states as f64 / seconds.max(0.001),
        result(entry, outcome, status)
    );
    for property in outcome.properties.iter().filter(|property| !property.holds) {
        let incomplete = if outcome.report.complete { "" } else { " so far" };
        match property.kind {
            Kind::Always => println!("    violated: {}", property.name),
            Kind::Sometimes => println!("    not reached{incomplete}: {}", property.name),
        }
    }
    if let Some(void) = &outcome.void {
        println!("    void: {void}");
    }
    if verbose {
        print_details(outcome, reductions);
    }
}

fn print_details(outcome: &Outcome, reductions: Reductions) {
    println!();
    for property in &outcome.properties {
        let verdict = match (property.kind, property.holds, outcome.report.complete) {
            (Kind::Always, true, true) => "holds",
            (Kind::Always, true, false) => "holds so far",
            (Kind::Always, false, _) => "VIOLATED",
            (Kind::Sometimes, true, _) => "reached",
            (Kind::Sometimes, false, _) => "NOT REACHED",
        };
        println!("  {verdict:12} {}", property.name);
    }
    println!(
        "\n  reductions: {}; {} claims of staleness, {}",
        if reductions.eager_sends { "eager sends, stale messages" } else { "none" },
        outcome.stale_claims,
        if outcome.void.is_none() { "all checked" } else { "REFUTED" }
    );
    println!(
        "  queue and table {:.1} MiB at most; peak of the process {:.1} MiB; probability of a \
         fingerprint collision about {:.1e}",
        outcome.report.memory_bytes as f64 / f64::from(1 << 20),
        peak_rss_bytes() as f64 / f64::from(1 << 20),
        outcome.report.collision_probability()
    );
}

fn result(entry: &Entry, outcome: &Outcome, status: u8) -> String {
    let known = entry.unique_states;
    match (status, &outcome.report.stopped) {
        (_, _) if outcome.void.is_some() => "VOID".into(),
        (VIOLATED, _) if outcome.is_violated() => "VIOLATED".into(),
        (_, Some(stopped @ Stopped::Panic(_))) => stopped_because(stopped),
        (INCOMPLETE, Some(stopped)) => format!("incomplete: {}", stopped_because(stopped)),
        (VIOLATED, _) if known.is_some_and(|known| known != outcome.report.unique_states) => {
            format!("the catalog counts {} unique states", known.unwrap_or(0))
        }
        (VIOLATED, _) => "NOT REACHED".into(),
        (_, _) if outcome.properties.is_empty() => "complete; no property is judged".into(),
        _ => "holds".into(),
    }
}

fn as_json(
    entry: &Entry,
    outcome: &Outcome,
    options: &RunArgs,
    reductions: Reductions,
) -> serde_json::Value {
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
    let engine = match options.engine() {
        Engine::Compact => "compact",
        Engine::Stateright => "stateright",
        Engine::ActorModel => "actor-model",
    };
    json!({
        "name": entry.name,
        "bounds": bounds(&entry.config),
        "engine": engine,
        "threads": options.threads(),
        "reductions": {
            "eager_sends": reductions.eager_sends, "stale_messages": reductions.stale_messages,
        },
        "complete": outcome.is_complete(),
        "stopped": report.stopped.as_ref().map(stopped_because),
        "void": outcome.void,
        "unique_states": report.unique_states,
        "expected_unique_states": entry.unique_states,
        "generated_states": report.generated_states,
        "depth": report.depth,
        "seconds": report.elapsed.as_secs_f64(),
        "peak_rss_bytes": peak_rss_bytes(),
        "collision_probability": report.collision_probability(),
        "stale_claims": outcome.stale_claims,
        "properties": properties,
    })
}

/// The most memory that this process has had, in bytes; 0 where the system does not say.
fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// Prints which parts of the protocol the runs have reached; returns how many were not.
pub(super) fn coverage(coverage: &Coverage, as_json: bool) -> usize {
    let rows = coverage.rows();
    if as_json {
        for (row, count) in &rows {
            println!("{}", json!({"covered": row, "local_steps": count}));
        }
    } else {
        println!("\ncoverage by the completed entries (distinct local steps):");
        for pair in rows.chunks(2) {
            let cells: Vec<String> = pair
                .iter()
                .map(|(row, count)| match count {
                    0 => format!("{:>7} {row:62}", "NONE"),
                    count => format!("{count:>7} {row:62}"),
                })
                .collect();
            println!("{}", cells.join(" ").trim_end());
        }
    }
    rows.iter().filter(|(_, count)| *count == 0).count()
}

/// Prints the verdict on all runs.
pub(super) fn verdict(status: u8, elapsed: Duration, as_json: bool) {
    if as_json {
        return;
    }
    let verdict = match status {
        VIOLATED => "NOT ALL HOLDS: see above",
        INCOMPLETE => "INCOMPLETE: nothing was found, but not everything was explored",
        _ => "every property holds, every event is reached, every run is complete",
    };
    println!("\n{verdict} ({:.1} s)", elapsed.as_secs_f64());
}

/// Draws unique states by depth as SVG bars.
pub(super) fn plot(name: &str, by_depth: &[u64]) -> String {
    let (bar, height, left, top) = (16, 260, 60, 40);
    let width = left + by_depth.len() * bar + 30;
    let most = by_depth.iter().copied().max().unwrap_or(1).max(1);
    let mut svg = format!(
        "<svg version='1.1' width='{width}' height='{}' xmlns='http://www.w3.org/2000/svg' \
         font-family='sans-serif' font-size='11'>\n\
         <rect width='100%' height='100%' fill='#fff'/>\n\
         <text x='{left}' y='20' font-size='14'>{name}: unique states by depth</text>\n\
         <text x='{left}' y='{}'>{most} at most</text>\n",
        top + height + 40,
        top - 4
    );
    for (depth, count) in by_depth.iter().enumerate() {
        let tall = (*count as f64 / most as f64 * f64::from(height)).max(1.0);
        let (x, y) = (left + depth * bar, top as f64 + f64::from(height) - tall);
        let _ = writeln!(
            svg,
            "<rect x='{x}' y='{y:.1}' width='{}' height='{tall:.1}' fill='#2f6fb5'>\
             <title>depth {depth}: {count}</title></rect>",
            bar - 2
        );
        if depth % 5 == 0 {
            let _ = writeln!(svg, "<text x='{x}' y='{}'>{depth}</text>", top + height + 16);
        }
    }
    svg.push_str("</svg>\n");
    svg
}
