//! Where a run is kept, so that it can be taken up again.

use crate::engine::EngineArg;
use actor_checker::compact::Reductions;
use actor_checker::engine::{CheckpointError, Checkpoints, RunFolder};
use anyhow::{Context, anyhow, ensure};
use clap::Args;
use paxos_chat_models::catalog::Entry;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

/// Whether a run is kept, and where.
#[derive(Clone, Debug, Args)]
pub struct KeepArgs {
    /// Keep the run in this folder, so that --resume goes on with it, whatever has ended it. What is to be explored is
    /// there and not in memory
    #[arg(long, value_name = "DIR")]
    pub checkpoint: Option<PathBuf>,
    /// Go on with the run in the folder of --checkpoint
    #[arg(long, requires = "checkpoint")]
    pub resume: bool,
    /// Write a checkpoint every so many minutes, beside those at the end of each level
    #[arg(long, value_name = "MINUTES", default_value_t = 10, requires = "checkpoint")]
    pub checkpoint_minutes: u64,
    /// Keep so few kibibytes of what was seen in memory: tests ask for it
    #[arg(long, value_name = "KIB", requires = "checkpoint", hide = true)]
    pub seen_kib: Option<u64>,
    /// Stop once the folder has so many mebibytes, and report the run as incomplete
    #[arg(long, value_name = "MIB", requires = "checkpoint")]
    pub max_disk_mib: Option<u64>,
}

impl KeepArgs {
    /// Where this run is kept, if it is.
    pub(super) fn folder(
        &self,
        entry: &Entry,
        (engine, is_judged): (EngineArg, bool),
        reductions: Reductions,
        memory_bytes: u64,
    ) -> anyhow::Result<Option<RunFolder>> {
        let Some(folder) = self.checkpoint.clone() else { return Ok(None) };
        ensure!(
            engine == EngineArg::Compact && is_judged,
            "--checkpoint: only --engine compact keeps its runs, and only those that are judged"
        );
        let place = Checkpoints {
            folder,
            identity: identity(entry, reductions)?,
            resume: self.resume,
            every: Duration::from_secs(60 * self.checkpoint_minutes),
            max_disk_bytes: self.max_disk_mib.map(|mib| mib << 20),
            memory_bytes: self.seen_kib.map_or(memory_bytes / 2, |kib| kib << 10),
        };
        Ok(Some(place.open().map_err(refused)?))
    }
}

/// What is explored by what.
pub(super) fn identity(entry: &Entry, reductions: Reductions) -> anyhow::Result<String> {
    let bounds = actor_checker::intern::content_hash(&format!("{:?}", entry.config));
    let searched = if reductions == Reductions::NONE { "no reductions" } else { "all reductions" };
    let build = build().context("this program cannot be read")?;
    Ok(format!("{} (bounds {bounds:016x}, {searched}, build {build:016x})", entry.name))
}

/// A hash of this program: another one may have other actors.
fn build() -> std::io::Result<u64> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut File::open(std::env::current_exe()?)?, &mut bytes)?;
    Ok(actor_checker::intern::content_hash(&bytes))
}

/// Why, and what to do about it.
pub(super) fn refused(error: CheckpointError) -> anyhow::Error {
    anyhow!("--checkpoint: {error}; {}", remedy(&error))
}

fn remedy(error: &CheckpointError) -> &'static str {
    match error {
        CheckpointError::Exists(_) => "--resume goes on with it; or give another folder",
        CheckpointError::Missing(_) => "leave --resume out to begin, or give the folder of a run",
        CheckpointError::Busy(_) => "wait for it, or give another folder",
        CheckpointError::Damaged { .. } => "begin again in another folder",
        CheckpointError::Other { .. } => {
            "ask for the same entry, with the program that has begun it, or give another folder"
        }
        CheckpointError::Disk { .. } => "see to that, or give another folder",
    }
}
