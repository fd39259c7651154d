//! The folder of a run in files, and what a checkpoint says.
//!
//! | file | what it holds |
//! |---|---|
//! | `seen-N` | fingerprints of states that were seen, in order, 128 bits each; all of them together are all |
//! | `states-D` | the states that are D steps from the start, in blocks, each behind its length, its number of states and its checksum; also such that are nearer, if they were forgotten |
//! | `dictionary-N` | what the numbers in states stand for, at checkpoint N |
//! | `checkpoint-N` | where the run stood at checkpoint N: how much of these files counts, and which blocks are left |
//!
//! **Invariants**
//! - *A checkpoint is whole or not there*: `checkpoint-N` gets its name once it and all that it counts on are synced.
//!   What was written after it takes nothing from it, and is cut off by whoever goes on.
//! - *There is one, from the first on*: the last one is removed after the next is there. Of a run in several processes it
//!   stays until all of them have the next.
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
use std::sync::Arc;
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
    /// Keeps the checkpoint before the last one as well: the other processes of the run may not have got any further.
    pub together: bool,
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
        if self.resume && !folder.is_dir() {
            return Err(CheckpointError::Missing(folder.clone()));
        }
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        let lock = lock(folder)?;
        let probe = folder.join(format!("{CHECKPOINT}-0.tmp"));
        File::create(&probe).and_then(|_| std::fs::remove_file(&probe)).map_err(failed(&probe))?;
        let mut opened = RunFolder { place: self, lock: Arc::new(lock), number: None };
        match (opened.last().map_err(failed(opened.path()))?, opened.place.resume) {
            (Some(_), false) => Err(CheckpointError::Exists(opened.place.folder)),
            (None, true) => Err(CheckpointError::Missing(opened.place.folder)),
            (Some(last), true) => opened.go_back_to(last).map(|()| opened),
            // A run that was killed early may have left something.
            (None, false) => opened.begin_anew().map(|()| opened),
        }
    }
}

/// The folder of a run, which this process alone has.
#[derive(Clone, Debug)]
pub struct RunFolder {
    pub(super) place: Checkpoints,
    lock: Arc<File>,
    /// The checkpoint to go on from.
    number: Option<u64>,
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
        self.last().is_ok_and(|last| last.is_some())
    }

    /// The number of the last checkpoint, if there is one.
    fn last(&self) -> io::Result<Option<u64>> {
        last_of(self.path())
    }

    /// The number of the checkpoint to go on from, if the run does not begin here.
    pub fn number(&self) -> Option<u64> {
        self.number
    }

    /// Goes on from this checkpoint, if it is of this run, in place of the last one.
    ///
    /// # Errors
    /// When it is not there, or damaged, or of another run.
    pub fn go_back_to(&mut self, number: u64) -> Result<(), CheckpointError> {
        let there = RunFolder { number: Some(number), ..self.clone() };
        there.manifest()?;
        *self = there;
        Ok(())
    }

    /// How many steps from the start the run was that is gone on with, and how many states it knew; nothing of one that
    /// begins.
    ///
    /// # Errors
    /// When its checkpoint is damaged.
    pub fn standing(&self) -> Result<Option<(u64, u64)>, CheckpointError> {
        let Some(Manifest { seen, standing, .. }) = self.manifest()? else { return Ok(None) };
        Ok(Some((standing.depth(), seen.iter().map(|part| part.fingerprints).sum())))
    }

    /// What the checkpoint says to go on from, if it is of this run; nothing if the run begins.
    pub(super) fn manifest(&self) -> Result<Option<Manifest<'static>>, CheckpointError> {
        let Checkpoints { folder, identity, .. } = &self.place;
        let Some(number) = self.number else { return Ok(None) };
        let path = self.file(CHECKPOINT, number);
        let bytes = std::fs::read(&path).map_err(unread(&path))?;
        let damaged = damage(&path);
        let rest = bytes.strip_prefix(&MAGIC[..]).ok_or_else(|| damaged("it is no checkpoint"))?;
        let (sum, body) = rest.split_first_chunk().ok_or_else(|| damaged("it is cut off"))?;
        if u64::from_le_bytes(*sum) != checksum(body) {
            return Err(damaged("it has another checksum"));
        }
        let manifest: Manifest =
            postcard::from_bytes(body).map_err(|_| damaged("it cannot be read"))?;
        if manifest.number != number {
            return Err(damaged("it is another one"));
        }
        if manifest.identity != *identity {
            let (there, here) = (manifest.identity.into_owned(), identity.clone());
            return Err(CheckpointError::Other { folder: folder.clone(), there, here });
        }
        Ok(Some(manifest))
    }

    /// Shows all blocks of a level that is expanded. What is nearer to the start than they are is shown, too.
    pub(super) fn for_each_block<S: Stored>(
        &self,
        depth: u64,
        mut look: impl FnMut(&S::Block),
    ) -> Result<(), CheckpointError> {
        let path = self.file("states", depth);
        let file = match File::open(&path) {
            // None of them is here.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file.map_err(unread(&path))?,
        };
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
        self.empty()?;
        // It may hold what is not ours.
        let _ = std::fs::remove_dir(self.path());
        Ok(())
    }

    /// Begins anew, whatever there is: another process of the run may have no checkpoint.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn begin_anew(&mut self) -> Result<(), CheckpointError> {
        self.number = None;
        self.empty().map_err(failed(self.path()))
    }

    /// Removes all files of the run.
    fn empty(&self) -> io::Result<()> {
        // First of all, because they count on everything else.
        self.remove_all(CHECKPOINT, |_| true)?;
        self.lock.sync_all()?;
        for stem in ["seen", "states", "dictionary"] {
            self.remove_all(stem, |_| true)?;
        }
        Ok(())
    }

    /// What the files take by now.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sizes(&self) -> io::Result<Sizes> {
        let mut sizes = Sizes::default();
        for file in files(self.path())? {
            let bytes = file.path.metadata()?.len();
            match () {
                () if file.number("states").is_some() => sizes.rows += bytes,
                () if file.number("seen").is_some() => sizes.fingerprints += bytes,
                () => sizes.others += bytes,
            }
        }
        Ok(sizes)
    }

    /// Removes what the checkpoint with this number does not count on.
    pub(super) fn remove_others(
        &self,
        number: u64,
        seen: &[SortedPart],
        deepest: u64,
    ) -> Result<(), CheckpointError> {
        let remove = || {
            // Later ones first, because they count on what is removed next.
            self.remove_all(CHECKPOINT, |other| other != number)?;
            self.lock.sync_all()?;
            self.remove_all("dictionary", |other| other != number)?;
            self.remove_all("seen", |other| seen.iter().all(|part| part.number != other))?;
            self.remove_all("states", |depth| depth > deepest)
        };
        remove().map_err(failed(self.path()))
    }

    /// Removes the files of this kind whose numbers are such.
    fn remove_all(&self, stem: &str, is_left: impl Fn(u64) -> bool) -> io::Result<()> {
        let files = files(self.path())?.into_iter();
        let mut left = files.filter(|file| file.number(stem).is_some_and(&is_left));
        left.try_for_each(|file| std::fs::remove_file(file.path))
    }
}

/// Removes what a run has left in this folder, once it is over; the folder, too, if there is nothing else in it.
///
/// # Errors
/// When somebody else has it, or the disk fails.
pub fn remove_run(folder: &Path) -> Result<(), CheckpointError> {
    let place = Checkpoints {
        folder: folder.to_owned(),
        identity: String::new(),
        resume: false,
        together: false,
        every: Duration::MAX,
        max_disk_bytes: None,
        memory_bytes: 0,
    };
    let lock = Arc::new(lock(folder)?);
    RunFolder { place, lock, number: None }.remove().map_err(failed(folder))
}

/// Takes a folder for this process alone.
fn lock(folder: &Path) -> Result<File, CheckpointError> {
    let lock = File::open(folder).map_err(failed(folder))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(Errno::WOULDBLOCK) => Err(CheckpointError::Busy(folder.to_owned())),
        Err(error) => Err(failed(folder)(error.into())),
    }
}

/// Is there a run in this folder to go on with?
pub fn has_checkpoint(folder: &Path) -> bool {
    last_of(folder).is_ok_and(|last| last.is_some())
}

/// The number of the last checkpoint in a folder.
fn last_of(folder: &Path) -> io::Result<Option<u64>> {
    let files = files(folder)?.into_iter().filter(|file| file.is_whole);
    Ok(files.filter_map(|file| file.number(CHECKPOINT)).max())
}

/// All files of a folder, also such as are being written.
fn files(folder: &Path) -> io::Result<Vec<RunFile>> {
    let files = std::fs::read_dir(folder)?.map(|entry| {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let whole = name.strip_suffix(".tmp").map(str::to_owned);
        let is_whole = whole.is_none();
        Ok(RunFile { name: whole.unwrap_or(name), path: entry.path(), is_whole })
    });
    files.collect()
}

/// A file in the folder.
struct RunFile {
    /// Without the mark of those that are being written.
    name: String,
    path: PathBuf,
    is_whole: bool,
}

impl RunFile {
    /// The number in its name, if it is one of those.
    fn number(&self, stem: &str) -> Option<u64> {
        self.name.strip_prefix(stem)?.strip_prefix('-')?.parse().ok()
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

/// What `checkpoint-N` says.
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
