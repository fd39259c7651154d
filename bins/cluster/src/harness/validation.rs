//! A run that was recorded, validated.
//!
//! **Invariant — bounded**: recordings that are still being written are waited for, for a while.

use super::error::RunError;
use crate::judge::Verdict;
use actor_recording::reader::ReadError;
use paxos_chat_validation::run::{self, Recorded, Report, recorded, validate};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long what has ended may take to write down the last of it.
const WRITING_MAX: Duration = Duration::from_secs(30);

/// Validates what was recorded in this folder, and adds what is found to the verdict.
pub(super) fn add(
    folder: &Path,
    verdict: &mut Verdict,
    interrupted: &AtomicBool,
) -> Result<(), RunError> {
    let failed = |error: run::RunError| std::io::Error::other(format!("--validate: {error}"));
    let recorded = wait_for(folder).map_err(failed)?;
    let go_on = |_| !interrupted.load(Ordering::Relaxed);
    let report = validate(&recorded, go_on).map_err(failed)?;
    if report.stopped {
        return Err(RunError::Interrupted);
    }
    tell(&report, verdict);
    Ok(())
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

fn tell(report: &Report, verdict: &mut Verdict) {
    if report.found == 0 {
        let (events, lives) = (report.counts.handled, report.counts.lives);
        verdict.events.push(format!(
            "valid: {events} events of {lives} lives, each as the actors do it, with every safety property and the \
             refinement of Paxos"
        ));
    }
    let findings = report.findings.iter().map(|finding| format!("not valid: {finding}"));
    verdict.faults.extend(findings);
    let more = report.found - report.findings.len() as u64;
    if more > 0 {
        verdict.faults.push(format!("not valid: and {more} more findings"));
    }
    verdict.ok &= report.is_good();
}
