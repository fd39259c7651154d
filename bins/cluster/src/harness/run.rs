//! One run of a cluster: start it, feed its clients, inject a fault, wait, and judge.
//!
//! **Invariants**
//! - *Bounded*: whatever happens, a run ends.
//! - *Faults fall among writes*: messages are released in shares, the next one right before a fault.
//!
//! **Absent**: judgement, which [`crate::judge`] takes from the files alone.

use super::cluster::Cluster;
use super::error::RunError;
use super::fault::Fault;
use super::feed::{Feed, Share};
use super::options::{RECORDINGS, RunOptions};
use super::process::Programs;
use super::progress::Progress;
use super::stage::Stage;
use super::validation;
use crate::judge::{Evidence, RunFile, Verdict, judge};
use std::sync::atomic::AtomicBool;

/// Runs a cluster and judges what it left. `interrupted` ends it early.
///
/// # Errors
/// When the run could not be made; a run that went wrong is a verdict.
pub fn run(
    options: &RunOptions,
    interrupted: &AtomicBool,
    progress: &mut dyn Progress,
) -> Result<Verdict, RunError> {
    let programs = Programs::find()?;
    let cluster = Cluster::start(&programs, options)?;
    let (clients, kills) = (Vec::new(), Vec::new());
    let mut stage = Stage { options, interrupted, progress, cluster, clients, kills };
    let mut faults = Vec::new();
    if let Fault::BeforeProposing(count) = options.fault {
        faults.extend(stage.kill_before_proposing(count)?);
    }
    stage.clients = stage.cluster.start_clients(&programs, options)?;
    let feed = Feed::start(&mut stage.clients, options.pace.as_ref(), options.seed);
    if options.pace.is_some() {
        faults.extend(stage.say_something_first(&feed)?);
    }
    faults.extend(match options.fault {
        Fault::None | Fault::BeforeProposing(_) => None,
        Fault::AfterProposing => stage.kill_after_proposing(&feed)?,
        Fault::OneAfterAnother(count) => stage.kill_one_after_another(count, &feed)?,
        Fault::KillLoop(whom) => stage.kill_and_restart(whom, &feed)?,
    });
    feed.release(Share::ALL);
    faults.extend(stage.wait_for_clients()?);
    faults.extend(stage.wait_for_survivors()?);
    for replica in &mut stage.cluster.replicas {
        replica.stop();
    }
    let (killed, restarts) = (stage.cluster.killed.clone(), stage.cluster.restarts.clone());
    RunFile { killed, restarts }.write(&options.folder)?;
    let mut verdict = judge(&Evidence::read(&options.folder)?);
    faults.extend(unacknowledged(&verdict));
    if let Some(scenario) = options.scenario {
        match stage.what_happened(scenario, &verdict)? {
            Ok(events) => verdict.events = events,
            Err(missing) => faults.push(missing),
        }
    }
    verdict.ok &= faults.is_empty();
    verdict.faults.splice(0..0, faults);
    if options.records {
        // What still runs would be recorded.
        drop(stage);
        let validated = validation::validated(&options.folder.join(RECORDINGS), interrupted)?;
        let told = if validated.is_good { &mut verdict.events } else { &mut verdict.faults };
        told.extend(validated.lines);
        verdict.ok &= validated.is_good;
    }
    Ok(verdict)
}

/// A run wants every message acknowledged, which a log alone cannot tell.
fn unacknowledged(verdict: &Verdict) -> Vec<String> {
    let behind = verdict.clients.iter().filter(|client| client.acknowledged < client.sent);
    behind
        .map(|client| {
            let missing = client.sent - client.acknowledged;
            format!(
                "{missing} of {} messages of {} were not acknowledged",
                client.sent, client.name
            )
        })
        .collect()
}
