//! The folder of a run in files, and what its last checkpoint says.
//!
//! | file | what it holds |
//! |---|---|
//! | `seen-N` | fingerprints of states that were seen, in order, 128 bits each; all of them together are all |
//! | `states-D` | the states that are D steps from the start, in blocks, each behind its length, its number of states and its checksum; also such that are nearer, if they were forgotten |
//! | `dictionary-N` | what the numbers in states stand for, at checkpoint N |
//! | `checkpoint` | where the run stands: how much of these files counts, and which blocks are left |
//!
//! **Invariants**
//! - *A checkpoint is whole or not there*: `checkpoint` is replaced by renaming, once all that it counts on is
//!   synced. What was written after it takes nothing from it, and is cut off by whoever goes on.
//! - *Damage is refused*: everything that is read has a checksum.
//! - *Of one run*: who goes on is the same program, with the same bounds, or is refused.

use super::blocks::{HEADER_BYTES, Header, Slot, Stored, checksum};
use super::error::{CheckpointError, damage, damaged_block, failed, unread};
use super::sorted::SortedPart;
use super::standing::Standing;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a run keeps its checkpoints, and when it writes them.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    /// A folder of its own.
    pub folder: PathBuf,
    /// What is explored by what: whoever goes on must say the same.
    pub identity: String,
    /// Goes on from the last checkpoint; if not, the folder must have none.
    pub resume: bool,
    /// How often one is written within a level; one is written at the end of each.
    pub every: Duration,
    /// Stop as incomplete once the files take this many bytes.
    pub max_disk_bytes: Option<u64>,
    /// What is seen may take this many bytes of memory.
    pub memory_bytes: u64,
}

impl Checkpoints {
    /// Takes the folder for this process alone, if there is what it is to have: the checkpoint of such a run to go on
    /// with, or none.
    ///
    /// # Errors
    /// When that is not so, somebody else has it, or it cannot be written.
    pub fn open(self) -> Result<RunFolder, CheckpointError> {
        let folder = &self.folder;
        if self.resume && !folder.join(CHECKPOINT).exists() {
            return Err(CheckpointError::Missing(folder.clone()));
        }
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        let lock = File::open(folder).map_err(failed(folder))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(CheckpointError::Busy(folder.clone())),
            Err(error) => return Err(failed(folder)(error.into())),
        }
        let probe = folder.join(CHECKPOINT).with_extension("tmp");
        File::create(&probe).and_then(|_| std::fs::remove_file(&probe)).map_err(failed(&probe))?;
        let opened = RunFolder { place: self, lock };
        match (opened.has_checkpoint(), opened.place.resume) {
            (true, false) => Err(CheckpointError::Exists(opened.place.folder)),
            (true, true) => opened.manifest().map(|_| opened),
            _ => Ok(opened),
        }
    }
}

/// The folder of a run, which this process alone has.
#[derive(Debug)]
pub struct RunFolder {
    pub(super) place: Checkpoints,
    lock: File,
}

impl RunFolder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.place.folder
    }

    pub(super) fn file(&self, name: &str, number: u64) -> PathBuf {
        self.place.folder.join(format!("{name}-{number}"))
    }

    /// Is there a run to go on with?
    pub fn has_checkpoint(&self) -> bool {
        self.place.folder.join(CHECKPOINT).exists()
    }

    /// How many steps from the start the run was that is gone on with, and how many states it knew; nothing of one that
    /// begins.
    ///
    /// # Errors
    /// When its checkpoint is damaged.
    pub fn standing(&self) -> Result<Option<(u64, u64)>, CheckpointError> {
        if !self.place.resume {
            return Ok(None);
        }
        let Manifest { seen, standing, .. } = self.manifest()?;
        Ok(Some((standing.depth(), seen.iter().map(|part| part.fingerprints).sum())))
    }

    /// What `checkpoint` says, if it is of this run.
    pub(super) fn manifest(&self) -> Result<Manifest<'static>, CheckpointError> {
        let Checkpoints { folder, identity, .. } = &self.place;
        let path = folder.join(CHECKPOINT);
        let bytes = std::fs::read(&path).map_err(failed(&path))?;
        let damaged = damage(&path);
        let rest = bytes.strip_prefix(&MAGIC[..]).ok_or_else(|| damaged("it is no checkpoint"))?;
        let (sum, body) = rest.split_first_chunk().ok_or_else(|| damaged("it is cut off"))?;
        if u64::from_le_bytes(*sum) != checksum(body) {
            return Err(damaged("it has another checksum"));
        }
        let manifest: Manifest =
            postcard::from_bytes(body).map_err(|_| damaged("it cannot be read"))?;
        if manifest.identity != *identity {
            let (there, here) = (manifest.identity.into_owned(), identity.clone());
            return Err(CheckpointError::Other { folder: folder.clone(), there, here });
        }
        Ok(manifest)
    }

    /// Shows all blocks of a level that is expanded. What is nearer to the start than they are is shown, too.
    pub(super) fn for_each_block<S: Stored>(
        &self,
        depth: u64,
        mut look: impl FnMut(&S::Block),
    ) -> Result<(), CheckpointError> {
        let path = self.file("states", depth);
        let file = File::open(&path).map_err(unread(&path))?;
        let mut left = file.metadata().map_err(unread(&path))?.len();
        let (mut file, mut at) = (io::BufReader::with_capacity(1 << 20, file), 0);
        while left > 0 {
            let mut header = [0; HEADER_BYTES];
            file.read_exact(&mut header).map_err(unread(&path))?;
            at += HEADER_BYTES as u64;
            let header = Header::of(header);
            let mut packed = Vec::new();
            let read = (&mut file).take(header.bytes.into()).read_to_end(&mut packed);
            read.map_err(unread(&path))?;
            look(&header.block::<S>(&packed).map_err(|wrong| damaged_block(&path, at, wrong))?);
            at += u64::from(header.bytes);
            left = left.saturating_sub(HEADER_BYTES as u64 + u64::from(header.bytes));
        }
        Ok(())
    }

    /// No state of this level leads to a state that was found.
    pub(super) fn no_way_to(&self, depth: u64) -> CheckpointError {
        damage(&self.file("states", depth))("a state is not there")
    }

    /// Removes what the run has left, once it is over; the folder, too, if there is nothing else in it.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn remove(self) -> io::Result<()> {
        // First of all, because it counts on everything else.
        if self.has_checkpoint() {
            std::fs::remove_file(self.path().join(CHECKPOINT))?;
            self.lock.sync_all()?;
        }
        for (name, path) in self.files()? {
            let stems = ["seen", "states", "dictionary"];
            if name == CHECKPOINT || stems.into_iter().any(|stem| number(stem, &name).is_some()) {
                std::fs::remove_file(path)?;
            }
        }
        // It may hold what is not ours.
        let _ = std::fs::remove_dir(self.path());
        Ok(())
    }

    /// What the files take by now.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sizes(&self) -> io::Result<Sizes> {
        let mut sizes = Sizes::default();
        for (name, path) in self.files()? {
            let bytes = path.metadata()?.len();
            match () {
                () if number("states", &name).is_some() => sizes.rows += bytes,
                () if number("seen", &name).is_some() => sizes.fingerprints += bytes,
                () => sizes.others += bytes,
            }
        }
        Ok(sizes)
    }

    /// Removes files of fingerprints that the checkpoint does not speak of.
    pub(super) fn remove_unseen(&self, seen: &[SortedPart]) -> Result<(), CheckpointError> {
        for (name, path) in self.files().map_err(failed(self.path()))? {
            let is_left = |number| seen.iter().all(|part| part.number != number);
            if number("seen", &name).is_some_and(is_left) {
                std::fs::remove_file(&path).map_err(failed(&path))?;
            }
        }
        Ok(())
    }

    /// The names of all files, without the mark of those that are being written.
    fn files(&self) -> io::Result<Vec<(String, PathBuf)>> {
        let files = std::fs::read_dir(self.path())?.map(|entry| {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let name = name.strip_suffix(".tmp").map(str::to_owned).unwrap_or(name);
            Ok((name, entry.path()))
        });
        files.collect()
    }
}

/// What the files of a run take, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The states themselves.
    pub rows: u64,
    /// What they are told apart by.
    pub fingerprints: u64,
    /// What the rows mean, and where the run stands.
    pub others: u64,
}

/// The number in a file's name, if it is one of those.
fn number(stem: &str, name: &str) -> Option<u64> {
    name.strip_prefix(stem)?.strip_prefix('-')?.parse().ok()
}

/// What `checkpoint` says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest<'a> {
    pub(super) identity: Cow<'a, str>,
    pub(super) number: u64,
    /// The checksum of `dictionary-N`.
    pub(super) dictionary: u64,
    pub(super) seen: Vec<SortedPart>,
    /// The number of the next `seen-N`.
    pub(super) seen_next: u64,
    /// How long `states-D` is, for the deepest D.
    pub(super) states_bytes: u64,
    pub(super) standing: Cow<'a, Standing<Slot>>,
}

pub(super) const MAGIC: [u8; 8] = *b"checker\x02";
pub(super) const CHECKPOINT: &str = "checkpoint";
