//! Where a run is kept, so that it can be taken up again.

use super::args::RunArgs;
use crate::engine::EngineArg;
use crate::limits;
use actor_checker::compact::Reductions;
use actor_checker::engine::{CheckpointError, Checkpoints, RunFolder};
use anyhow::{Context, anyhow, ensure};
use clap::Args;
use paxos_chat_models::catalog::Entry;
use paxos_chat_shell::output::CANNOT_WRITE;
use paxos_chat_shell::tell;
use std::fs::File;
use std::path::{Path, PathBuf};
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
        options: &RunArgs,
        place: Place,
    ) -> anyhow::Result<Option<RunFolder>> {
        let Some(folder) = self.checkpoint.clone() else { return Ok(None) };
        ensure!(
            options.engine == EngineArg::Compact && !options.unjudged,
            "--checkpoint: only --engine compact keeps its runs, and only those that are judged"
        );
        let memory_bytes = limits::memory_bytes_max(options.limits(place.here));
        let identity = identity(entry, options.search.reductions(Reductions::ALL))?;
        let (folder, identity) = match place.all {
            1 => (folder, identity),
            all => (place.folder(&folder), format!("{identity}, process {} of {all}", place.me)),
        };
        let kept = Checkpoints {
            folder,
            identity,
            resume: self.resume,
            together: place.all > 1,
            every: Duration::from_secs(60 * self.checkpoint_minutes),
            max_disk_bytes: self.max_disk_mib.map(|mib| (mib << 20) / place.here),
            memory_bytes: self.seen_kib.map_or(memory_bytes / 2, |kib| kib << 10),
        };
        Ok(Some(kept.open().map_err(refused)?))
    }

    /// The folder in which another process has kept its part of a run that is over.
    pub(super) fn left_by(
        &self,
        entry: &Entry,
        options: &RunArgs,
        place: Place,
    ) -> anyhow::Result<Option<RunFolder>> {
        let of = |resume| KeepArgs { resume, ..self.clone() }.folder(entry, options, place);
        // It may have ended before its first checkpoint.
        of(true).or_else(|_| of(false))
    }
}

/// Which process of a run this is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) me: usize,
    pub(super) all: usize,
    /// How many of them are on this machine, and share its memory.
    pub(super) here: u64,
}

impl Place {
    /// The only one.
    pub(super) const WHOLE: Place = Place { me: 0, all: 1, here: 1 };

    /// Where it keeps its place.
    pub(super) fn folder(self, folder: &Path) -> PathBuf {
        folder.join(format!("process-{}", self.me))
    }
}

/// Tells how far the run in a folder had come, if it goes on with one.
pub(super) fn tell_standing(folder: &RunFolder, place: Place) -> anyhow::Result<()> {
    let Some((depth, states)) = folder.standing().map_err(refused)? else { return Ok(()) };
    match place.all {
        1 => tell!("check: goes on {depth} steps from the start, with {states} states known"),
        _ => tell!("check: goes on {depth} steps from the start"),
    }
    Ok(())
}

/// Removes what a run has left, once it is over; tells the worst status.
pub(super) fn remove(folders: Vec<RunFolder>, root: &Path) -> u8 {
    let mut status = 0;
    for folder in folders {
        let path = folder.path().to_owned();
        if let Err(error) = folder.remove() {
            tell!(
                "check: --checkpoint: {}: {error}; what is left of the run can be removed",
                path.display()
            );
            status = CANNOT_WRITE;
        }
    }
    // It may hold what is not ours.
    let _ = std::fs::remove_dir(root);
    status
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
