//! A verdict as a table for people, as JSON for programs, and as an exit status.

use crate::judge::{ReplicaReport, Verdict};
use anyhow::Result;
use paxos_chat_shell::output;
use serde::Serialize;
use std::fmt::Write;
use std::process::ExitCode;
use std::time::Instant;

/// Prints a verdict; gives the exit status.
///
/// # Errors
/// When it cannot be told as JSON.
pub fn print(verdict: &Verdict, as_json: bool, started: Instant) -> Result<ExitCode> {
    let seconds = started.elapsed().as_secs_f64();
    let text = if as_json {
        json(verdict, seconds)? + "\n"
    } else {
        format!("{}{seconds:.1} s\n", table(verdict))
    };
    output::print(&text);
    Ok(if verdict.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The table.
fn table(verdict: &Verdict) -> String {
    let mut out = String::new();
    if !verdict.clients.is_empty() {
        row(&mut out, ["client", "sent", "acknowledged", "retries"]);
        for client in &verdict.clients {
            let counts = [client.sent, client.acknowledged, client.retries].map(|n| n.to_string());
            row(&mut out, [&client.name, &counts[0], &counts[1], &counts[2]]);
        }
        out.push('\n');
    }
    row(&mut out, ["replica", "entries", "log hash", "fate"]);
    for replica in &verdict.replicas {
        let (id, entries) = (replica.id.to_string(), replica.entries.to_string());
        let hash = replica.log_hash.get(..12).unwrap_or(&replica.log_hash);
        let fate = match (replica.killed, replica.restarts, replica.behind) {
            (true, ..) => "killed".to_owned(),
            (false, 0, 0) => String::new(),
            (false, 0, behind) => format!("{behind} behind"),
            (false, restarts, _) => format!("restarted {restarts}x"),
        };
        row(&mut out, [&id, &entries, hash, &fate]);
    }
    out.push('\n');
    for event in &verdict.events {
        // A string takes what is written.
        let _ = writeln!(out, "- {event}");
    }
    for fault in &verdict.faults {
        // A string takes what is written.
        let _ = writeln!(out, "! {fault}");
    }
    let Verdict { ok, duplicates, lost, noops, .. } = verdict;
    let are = |is: fn(&ReplicaReport) -> bool| verdict.replicas.iter().any(is);
    let judged = if !ok {
        "NOT OK"
    } else if are(|replica| replica.behind > 0) {
        "ok: the logs agree, and the shorter ones are the beginning of the longest"
    } else if are(|replica| replica.killed) {
        "ok: the logs of the survivors are identical, and those of the killed are their beginning"
    } else {
        "ok: the logs are identical"
    };
    let identical = if verdict.logs_identical || *ok { "" } else { ", the logs differ" };
    let _ = writeln!(
        out,
        "{judged}{identical}; {lost} acknowledged messages lost, {duplicates} delivered twice, \
         slots filled by a Noop: {noops}"
    );
    out
}

fn row(out: &mut String, cells: [&str; 4]) {
    let [first, second, third, fourth] = cells;
    let line = format!("{first:<12} {second:>8}  {third:<12} {fourth:>8}");
    // A string takes what is written.
    let _ = writeln!(out, "{}", line.trim_end());
}

/// The verdict as one line of JSON.
fn json(verdict: &Verdict, seconds: f64) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct TimedVerdict<'a> {
        #[serde(flatten)]
        verdict: &'a Verdict,
        seconds: f64,
    }
    serde_json::to_string(&TimedVerdict { verdict, seconds })
}
