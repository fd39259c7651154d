//! Where a run is kept, so that it can be taken up again.

use crate::limits::{Limits, memory_bytes_max};
use actor_checker::compact::Reductions;
use actor_checker::engine::{CheckpointError, Checkpoints, RunFolder, has_checkpoint, remove_run};
use anyhow::{Context, anyhow, ensure};
use clap::Args;
use paxos_chat_models::catalog::Entry;
use paxos_chat_shell::output::CANNOT_WRITE;
use paxos_chat_shell::tell;
use std::fmt;
use std::fs::{DirEntry, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the folders of processes begin with.
const PART: &str = "process-";

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
    /// Go on with the run in the folder of --checkpoint, or begin it if there is none: for whoever starts it unattended
    #[arg(long, requires = "checkpoint", conflicts_with = "resume")]
    pub resume_or_begin: bool,
    /// Write a checkpoint every so many minutes, beside those at the end of each level
    #[arg(long, value_name = "MINUTES", default_value_t = 10, requires = "checkpoint")]
    pub checkpoint_minutes: u64,
    /// Keep so few kibibytes of what was seen in memory: tests ask for it
    #[arg(long, value_name = "KIB", requires = "checkpoint", hide = true)]
    pub seen_kib: Option<u64>,
    /// Stop once the folder has so many mebibytes, and report the run as incomplete; of processes that --processes starts,
    /// each stops at its part of them
    #[arg(long, value_name = "MIB", requires = "checkpoint")]
    pub max_disk_mib: Option<u64>,
}

impl KeepArgs {
    /// Where this run is kept, or this process' part of it, if it is.
    pub(super) fn folder(
        &self,
        identity: String,
        limits: Limits,
        part: Option<PartOf>,
    ) -> anyhow::Result<Option<RunFolder>> {
        let Some(root) = &self.checkpoint else { return Ok(None) };
        let folder = part.map_or(root.clone(), |part| part.folder(root));
        // Another process may have one, and this one none: then all begin anew.
        let is_there = has_checkpoint(&folder);
        let others = part.map(|part| part.folders(root)).unwrap_or_default();
        let is_elsewhere = others.iter().any(|folder| has_checkpoint(folder));
        ensure!(
            part.is_some() || is_there || !has_parts(root),
            "--checkpoint: {} has parts of a run in several processes; give as many, or another folder",
            root.display()
        );
        ensure!(
            part.is_none() || is_there || !has_checkpoint(root),
            "--checkpoint: {} has a run that is not in several processes; ask for it without --processes and --hosts, or give \
             another folder",
            root.display()
        );
        let here = part.map_or(1, |part| part.here);
        let memory_bytes = memory_bytes_max(limits);
        let kept = Checkpoints {
            folder,
            identity: part.map_or(identity.clone(), |part| format!("{identity}, {part}")),
            resume: (self.resume_or_begin && is_there)
                || (self.resume && (is_there || !is_elsewhere)),
            together: part.is_some(),
            every: Duration::from_secs(60 * self.checkpoint_minutes),
            max_disk_bytes: self.max_disk_mib.map(|mib| (mib << 20) / here),
            memory_bytes: self.seen_kib.map_or(memory_bytes / 2, |kib| kib << 10),
        };
        Ok(Some(kept.open().map_err(refused)?))
    }

    /// What all processes of a run must say alike: whether it begins, and where it is kept.
    pub(super) fn agreement(&self) -> &'static str {
        match (&self.checkpoint, self.resume, self.resume_or_begin) {
            (None, ..) => "in memory",
            (_, true, _) => "in files, goes on",
            (_, _, true) => "in files, goes on or begins",
            _ => "in files, begins",
        }
    }
}

/// Which process of a run this is.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartOf {
    pub(super) me: usize,
    pub(super) all: usize,
    /// How many of them are on this machine, and share its memory.
    pub(super) here: u64,
}

impl PartOf {
    /// Where it keeps what is its own.
    pub(super) fn folder(self, root: &Path) -> PathBuf {
        root.join(format!("{PART}{}", self.me))
    }

    /// The folders of all, of which those of other machines may not be here.
    fn folders(self, root: &Path) -> Vec<PathBuf> {
        (0..self.all).map(|me| PartOf { me, ..self }.folder(root)).collect()
    }

    /// Those that are to be removed here once the run is over: its own, and those of the processes that it has started.
    pub(super) fn own_folders(self, root: &Path) -> Vec<PathBuf> {
        if self.here > 1 { self.folders(root) } else { vec![self.folder(root)] }
    }
}

impl fmt::Display for PartOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} of {}", self.me, self.all)
    }
}

/// Tells how far the run in a folder had come, if it goes on with one.
pub(super) fn tell_standing(folder: &RunFolder, is_part: bool) -> anyhow::Result<()> {
    let Some((depth, states)) = folder.standing().map_err(refused)? else { return Ok(()) };
    if is_part {
        tell!("check: goes on {depth} steps from the start");
    } else {
        tell!("check: goes on {depth} steps from the start, with {states} states known");
    }
    Ok(())
}

/// Removes what a run has left in these folders, once it is over; tells the worst status.
pub(super) fn remove(folders: &[PathBuf], root: &Path) -> u8 {
    let mut status = 0;
    for folder in folders.iter().filter(|folder| folder.exists()) {
        if let Err(error) = remove_run(folder) {
            tell!("check: --checkpoint: {error}; what is left of the run can be removed");
            status = CANNOT_WRITE;
        }
    }
    // It may hold what is not ours.
    let _ = std::fs::remove_dir(root);
    status
}

/// Is there any part of a run in several processes?
fn has_parts(root: &Path) -> bool {
    let inside = root.read_dir().into_iter().flatten().flatten();
    let is_part = |entry: &DirEntry| entry.file_name().to_string_lossy().starts_with(PART);
    inside.filter(is_part).any(|entry| has_checkpoint(&entry.path()))
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
    let program = File::open(std::env::current_exe()?)?;
    let (mut hash, mut part) = (0, Vec::new());
    while (&program).take(1 << 16).read_to_end(&mut part)? > 0 {
        hash = actor_checker::intern::content_hash(&(hash, &part));
        part.clear();
    }
    Ok(hash)
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
