//! A run that was recorded, validated.
//!
//! **Invariant — bounded**: recordings that are still being written are waited for, for a while.

use super::error::RunError;
use actor_recording::reader::ReadError;
use paxos_chat_validation::run::{self, Recorded, Report, recorded, validate};
use serde::Serialize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long what has ended may take to write down the last of it.
const WRITING_MAX: Duration = Duration::from_secs(30);

/// What is said of recordings that were validated.
#[derive(Clone, Debug, Serialize)]
pub struct Validated {
    /// Is nothing wrong with them?
    pub is_good: bool,
    /// How much was validated, or what is wrong, one to a line.
    pub lines: Vec<String>,
}

/// Validates what was recorded in this folder.
pub(super) fn validated(folder: &Path, interrupted: &AtomicBool) -> Result<Validated, RunError> {
    let failed = |error: run::RunError| std::io::Error::other(format!("--validate: {error}"));
    let recorded = wait_for(folder).map_err(failed)?;
    let go_on = |_| !interrupted.load(Ordering::Relaxed);
    let report = validate(&recorded, go_on).map_err(failed)?;
    if report.stopped {
        return Err(RunError::Interrupted);
    }
    Ok(Validated { is_good: report.is_good(), lines: lines(&report) })
}

fn wait_for(folder: &Path) -> Result<Vec<Recorded>, run::RunError> {
    let deadline = Instant::now() + WRITING_MAX;
    loop {
        match recorded(&[folder.to_owned()]) {
            Err(run::RunError::Read(ReadError::Busy { .. })) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            found => return found,
        }
    }
}

fn lines(report: &Report) -> Vec<String> {
    if report.found == 0 {
        let (events, lives) = (report.counts.handled, report.counts.lives);
        return vec![format!(
            "valid: {events} events of {lives} lives, each as the actors do it, with every safety property and the \
             refinement of Paxos"
        )];
    }
    let findings = report.findings.iter().map(|finding| format!("not valid: {finding}"));
    let mut lines: Vec<String> = findings.collect();
    let more = report.found - report.findings.len() as u64;
    if more > 0 {
        lines.push(format!("not valid: and {more} more findings"));
    }
    lines
}
