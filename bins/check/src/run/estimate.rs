//! What a whole run of an entry would take, from its first levels: `check run NAME --estimate`.

use super::args::RunArgs;
use super::keep::refused;
use super::verdict::status_of;
use crate::plot::thousands;
use actor_checker::compact::Reductions;
use actor_checker::engine::{Checkpoints, Report, SPREAD, Sizes, Stopped, states_in_all};
use anyhow::Context;
use paxos_chat_models::catalog::Entry;
use paxos_chat_models::run;
use paxos_chat_shell::say;
use serde_json::json;
use std::time::Duration;

/// Where to stop if nothing else is said.
const STATES: u64 = 3_000_000;
/// The files of fingerprints at most, while they are merged, beside what they are in the end: those that a checkpoint
/// counts on, what is being merged, and what it is merged into.
const WHILE_MERGED: f64 = 2.5;

/// What was measured, and what follows from it for any number of states.
#[derive(Debug)]
struct Estimate {
    report: Report,
    threads: usize,
    states: f64,
    row_bytes: f64,
    fingerprint_bytes: f64,
    states_per_second: f64,
}

impl Estimate {
    fn of(report: Report, sizes: Sizes, threads: usize) -> Estimate {
        let known = report.unique_states.max(1) as f64;
        let is_whole = report.complete;
        Estimate {
            states: if is_whole { known } else { states_in_all(&report.by_depth) },
            row_bytes: sizes.rows as f64 / known,
            fingerprint_bytes: sizes.fingerprints as f64 / known,
            states_per_second: known / report.elapsed.as_secs_f64().max(1e-3),
            report,
            threads,
        }
    }

    fn disk_bytes(&self, states: f64) -> f64 {
        states * (self.row_bytes + WHILE_MERGED * self.fingerprint_bytes)
    }

    fn seconds(&self, states: f64) -> f64 {
        states / self.states_per_second
    }

    /// The numbers of states to tell of: the estimate, and how far it may be off; or the one that is known.
    fn states(&self) -> Vec<(&'static str, f64)> {
        if self.report.complete {
            return vec![("all of them", self.states)];
        }
        let known = self.report.unique_states as f64;
        vec![
            ("a tenth", (self.states / SPREAD).max(known)),
            ("estimate", self.states),
            ("ten times", self.states * SPREAD),
        ]
    }
}

/// Explores the first levels, and tells what all would take; returns the exit status.
pub(super) fn tell(entry: &Entry, options: &RunArgs) -> anyhow::Result<u8> {
    let mut options = options.clone();
    options.search.max_states.get_or_insert(STATES);
    let folder = tempfile::tempdir().context("--estimate: no folder for the first levels")?;
    let place = Checkpoints {
        folder: folder.path().to_owned(),
        identity: entry.name.to_owned(),
        together: false,
        resume: false,
        every: Duration::MAX,
        max_disk_bytes: None,
        memory_bytes: 1 << 30,
    };
    let run_folder = place.open().map_err(refused)?;
    let reductions = options.search.reductions(Reductions::ALL);
    let config = &entry.config;
    let (outcome, watch) = options
        .exploration(entry)
        .run(|limits| run::run_in_files(config, entry.reaches, reductions, limits, &run_folder));
    let outcome = outcome.map_err(refused)?;
    let why_not = match (&outcome.void, &outcome.report.stopped) {
        (Some(why), _) => Some(why.clone()),
        _ if outcome.is_violated() => Some("a property is violated within the first levels".into()),
        (None, None | Some(Stopped::States)) => None,
        (None, Some(stopped)) => Some(watch.because(stopped)),
    };
    if let Some(why_not) = why_not {
        drop((run_folder, folder));
        say!("{}: no estimate: {why_not}", entry.name);
        return Ok(status_of(entry, &outcome, &options));
    }
    let sizes = run_folder.sizes().context("--estimate: the files cannot be measured")?;
    // Nobody may read what follows, which would end the process here.
    drop((run_folder, folder));
    let estimate = Estimate::of(outcome.report, sizes, options.search.threads.count());
    if options.format.json {
        say!("{}", as_json(entry, &estimate))
    } else {
        show(entry, &estimate)
    }
    Ok(0)
}

fn show(entry: &Entry, estimate: &Estimate) {
    let Estimate { report, threads, .. } = estimate;
    say!(
        "{}: the first {} steps have {} states; {:.1} s on {threads} threads",
        entry.name,
        report.depth,
        thousands(report.unique_states),
        report.elapsed.as_secs_f64()
    );
    say!(
        "\na state, measured:  {:.1} bytes of disk for its row, {:.1} for its fingerprint; {:.1} successors; {} states a \
         second",
        estimate.row_bytes,
        estimate.fingerprint_bytes,
        report.generated_states as f64 / report.unique_states.max(1) as f64,
        thousands(estimate.states_per_second as u64)
    );
    say!("\n{:14} {:>20} {:>12} {:>12}", "", "states", "disk", "time here");
    for (name, states) in estimate.states() {
        say!(
            "{name:14} {:>20} {:>12} {:>12}",
            thousands(rounded(states)),
            bytes(estimate.disk_bytes(states)),
            time(estimate.seconds(states))
        );
    }
    if !report.complete {
        say!(
            "\nLevels are taken to grow less and less, as in most entries of the catalog. From the levels with half a \
             percent of\nall states, 7 of 10 entries were within a tenth and ten times of the estimate; from fewer, \
             most had more. So explore\nmore levels (--max-states) before you trust it. Time and disk are of a run \
             with --checkpoint,\nand up to twice as much once a level outgrows its cache: see docs/scale.md."
        );
    }
}

fn as_json(entry: &Entry, estimate: &Estimate) -> serde_json::Value {
    let of = |(name, states): (&str, f64)| {
        json!({
            "name": name, "states": rounded(states), "disk_bytes": estimate.disk_bytes(states) as u64,
            "seconds": estimate.seconds(states),
        })
    };
    json!({
        "name": entry.name,
        "complete": estimate.report.complete,
        "known_states": estimate.report.unique_states,
        "depth": estimate.report.depth,
        "threads": estimate.threads,
        "row_bytes": estimate.row_bytes,
        "fingerprint_bytes": estimate.fingerprint_bytes,
        "states_per_second": estimate.states_per_second,
        "estimates": estimate.states().into_iter().map(of).collect::<Vec<_>>(),
    })
}

/// To two digits, as no more of them mean anything; small numbers as they are.
fn rounded(number: f64) -> u64 {
    let step = 10f64.powi((number.max(1.0).log10() as i32 - 1).max(0));
    if number < 1e6 { number as u64 } else { ((number / step).round() * step) as u64 }
}

fn bytes(bytes: f64) -> String {
    match bytes / f64::from(1 << 20) {
        mib if mib < 1024.0 => format!("{mib:.0} MiB"),
        mib if mib < 1024.0 * 1024.0 => format!("{:.1} GiB", mib / 1024.0),
        mib => format!("{:.1} TiB", mib / 1024.0 / 1024.0),
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 100.0 => format!("{seconds:.0} s"),
        seconds if seconds < 6000.0 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds < 100.0 * 3600.0 => format!("{:.0} h", seconds / 3600.0),
        seconds => format!("{:.0} days", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_in_units_of_their_size() {
        assert_eq!((rounded(1_234_567.0), rounded(5_678.0)), (1_200_000, 5_678));
        assert_eq!([bytes(1e6), bytes(5e10), bytes(3e12)], ["1 MiB", "46.6 GiB", "2.7 TiB"]);
        assert_eq!(
            [time(9.0), time(600.0), time(7200.0), time(1e6)],
            ["9 s", "10 min", "2 h", "12 days"]
        );
    }
}
