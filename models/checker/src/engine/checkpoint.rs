//! A run in files: its levels, what it has seen, and where it stands, so that another process can go on.
//!
//! | file | what it holds |
//! |---|---|
//! | `seen-D` | the fingerprints of the states that are D steps from the start, 8 bytes each |
//! | `states-D` | the same states, in blocks, each behind its length, its number of states and its checksum |
//! | `dictionary-N` | what the numbers in states stand for, at checkpoint N |
//! | `checkpoint` | where the run stands: how much of these files counts, and which blocks are left |
//!
//! **Invariants**
//! - *A checkpoint is whole or not there*: `checkpoint` is replaced by renaming, once all that it counts on is
//!   synced. Files only grow, so what was written after it takes nothing from it, and is cut off by whoever goes on.
//! - *Each state is in the files once*: it is written when it is first seen, its fingerprint with it.
//! - *Damage is refused*: everything that is read has a checksum.
//! - *Of one run*: who goes on is the same program, with the same bounds, or is refused.
//!
//! **Source**: explicit-state search with its open states on disk (Stern and Dill, *Using Magnetic Disk instead of
//! Main Memory in the Murφ Verifier*, CAV 1998); here fingerprints stay in memory as well.

use super::blocks::{HEADER_BYTES, Header, Slot, Stored, checksum};
use super::error::CheckpointError;
use super::frontier::Frontier;
use super::standing::Standing;
use crate::fingerprint::upper;
use crate::visited::VisitedSet;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use std::fs::{File, OpenOptions};
use std::hash::Hasher;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    place: Checkpoints,
    lock: File,
}

impl RunFolder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.place.folder
    }

    fn file(&self, name: &str, number: u64) -> PathBuf {
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
        let bytes: u64 = seen.iter().map(|part| part.bytes).sum();
        Ok(Some((standing.depth(), bytes / size_of::<u64>() as u64)))
    }

    /// What `checkpoint` says, if it is of this run.
    fn manifest(&self) -> Result<Manifest, CheckpointError> {
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
            let (there, here) = (manifest.identity, identity.clone());
            return Err(CheckpointError::Other { folder: folder.clone(), there, here });
        }
        Ok(manifest)
    }

    /// Shows all blocks of a level that is expanded.
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
        let folder = &self.place.folder;
        // First of all, because it counts on everything else.
        if self.has_checkpoint() {
            std::fs::remove_file(folder.join(CHECKPOINT))?;
            self.lock.sync_all()?;
        }
        for entry in std::fs::read_dir(folder)? {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
            let name = name.to_string_lossy();
            let name = name.strip_suffix(".tmp").unwrap_or(&name);
            let is_ours = |stem: &str| {
                name.strip_prefix(stem).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
            };
            if name == CHECKPOINT || ["seen-", "states-", "dictionary-"].into_iter().any(is_ours) {
                std::fs::remove_file(path)?;
            }
        }
        // It may hold what is not ours.
        let _ = std::fs::remove_dir(folder);
        Ok(())
    }
}

/// The part of `seen-D` that counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    bytes: u64,
    checksum: u64,
}

/// What `checkpoint` says.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    identity: String,
    number: u64,
    dictionary: u64,
    /// By depth.
    seen: Vec<Seen>,
    /// How long `states-D` is, for the deepest D.
    states_bytes: u64,
    standing: Standing<Slot>,
}

const MAGIC: [u8; 8] = *b"checker\x01";
const CHECKPOINT: &str = "checkpoint";

/// Levels in files.
pub(super) struct Files<'a> {
    folder: &'a RunFolder,
    place: &'a Checkpoints,
    writer: Mutex<Writer>,
    /// Bytes in all files.
    bytes: AtomicU64,
    last: Mutex<Instant>,
}

/// What grows.
#[derive(Default)]
struct Writer {
    number: u64,
    /// `seen-D` and `states-D` of the deepest D, which is the last of `seen`.
    files: Option<(File, File)>,
    states_bytes: u64,
    /// How long the `states-D` before that are together.
    before_bytes: u64,
    /// How long dictionary and checkpoint are.
    other_bytes: u64,
    seen: Vec<(Seen, SipHasher13)>,
    reader: Option<(u64, File)>,
}

impl Writer {
    /// What is written of the deepest level is on the disk.
    fn sync(&self, folder: &Path) -> Result<(), CheckpointError> {
        let Some((seen, states)) = &self.files else { return Ok(()) };
        seen.sync_data().and_then(|()| states.sync_data()).map_err(failed(folder))
    }

    fn bytes(&self) -> u64 {
        let seen: u64 = self.seen.iter().map(|(seen, _)| seen.bytes).sum();
        seen + self.states_bytes + self.before_bytes + self.other_bytes
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> CheckpointError {
    move |error| CheckpointError::Disk { path: path.to_owned(), error: error.to_string() }
}

/// This is wrong with a file.
fn damage(path: &Path) -> impl Fn(&str) -> CheckpointError {
    move |wrong| CheckpointError::Damaged { path: path.to_owned(), wrong: wrong.to_owned() }
}

fn damaged_block(path: &Path, at: u64, wrong: &str) -> CheckpointError {
    damage(path)(&format!("the block at byte {at} {wrong}"))
}

/// A file that a checkpoint counts on is to be read.
fn unread(path: &Path) -> impl Fn(io::Error) -> CheckpointError {
    move |error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => {
            damage(path)("it is not there, or too short")
        }
        _ => failed(path)(error),
    }
}

impl<'a> Files<'a> {
    /// The files of a run that begins, or goes on.
    pub(super) fn new(folder: &'a RunFolder) -> Files<'a> {
        let (writer, last) = (Mutex::default(), Mutex::new(Instant::now()));
        Files { folder, place: &folder.place, writer, bytes: AtomicU64::new(0), last }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, name: &str, number: u64) -> PathBuf {
        self.folder.file(name, number)
    }

    /// Opens a file to append to, with so many bytes in it.
    fn open(&self, name: &str, number: u64, bytes: u64) -> Result<File, CheckpointError> {
        let path = self.path(name, number);
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = file.map_err(failed(&path))?;
        file.set_len(bytes).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed(&path))?;
        Ok(file)
    }

    /// Appends a block of the deepest level, or of the one behind it.
    fn append(
        &self,
        depth: u64,
        states: &[u8],
        count: u32,
        fingerprints: &[u8],
    ) -> Result<Slot, CheckpointError> {
        let writer = &mut *self.writer();
        if depth as usize == writer.seen.len() {
            writer.sync(&self.place.folder)?;
            writer.seen.push((Seen { bytes: 0, checksum: 0 }, SipHasher13::new()));
            writer.before_bytes += writer.states_bytes;
            (writer.files, writer.states_bytes) = (None, 0);
        }
        if writer.files.is_none() {
            let seen = writer.seen[depth as usize].0.bytes;
            let seen = self.open("seen", depth, seen)?;
            writer.files = Some((seen, self.open("states", depth, writer.states_bytes)?));
        }
        let Some((seen_file, states_file)) = &mut writer.files else { unreachable!("just set") };
        seen_file.write_all(fingerprints).map_err(failed(&self.path("seen", depth)))?;
        let header =
            Header { bytes: states.len() as u32, states: count, checksum: checksum(states) };
        let written =
            states_file.write_all(&header.to_bytes()).and_then(|()| states_file.write_all(states));
        written.map_err(failed(&self.path("states", depth)))?;
        let (seen, hasher) = &mut writer.seen[depth as usize];
        hasher.write(fingerprints);
        seen.bytes += fingerprints.len() as u64;
        let at = writer.states_bytes + HEADER_BYTES as u64;
        writer.states_bytes = at + states.len() as u64;
        let more = HEADER_BYTES + states.len() + fingerprints.len();
        self.bytes.fetch_add(more as u64, Ordering::Relaxed);
        Ok(Slot { depth, at, header })
    }

    /// The bytes of a block.
    fn read(&self, slot: Slot) -> Result<Vec<u8>, CheckpointError> {
        let path = self.path("states", slot.depth);
        let mut bytes = vec![0; slot.header.bytes as usize];
        let writer = &mut *self.writer();
        if writer.reader.as_ref().is_none_or(|(depth, _)| *depth != slot.depth) {
            writer.reader = Some((slot.depth, File::open(&path).map_err(unread(&path))?));
        }
        let Some((_, file)) = &mut writer.reader else { unreachable!("just set") };
        let read = file.seek(SeekFrom::Start(slot.at)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(unread(&path))?;
        Ok(bytes)
    }

    /// Writes a file whole, or not at all.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
        let tmp = path.with_extension("tmp");
        let write = || {
            let mut file = File::create(&tmp)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&tmp, path)?;
            File::open(&self.place.folder)?.sync_all()
        };
        write().map_err(failed(path))
    }

    /// Adds the fingerprints of a level; gives what hashes those to come.
    fn read_seen(
        &self,
        depth: u64,
        part: Seen,
        seen: &VisitedSet,
    ) -> Result<SipHasher13, CheckpointError> {
        let path = self.path("seen", depth);
        let damaged =
            |wrong: &str| CheckpointError::Damaged { path: path.clone(), wrong: wrong.into() };
        let file = File::open(&path).map_err(unread(&path))?;
        let mut file = io::BufReader::with_capacity(1 << 20, file).take(part.bytes);
        let (mut hasher, mut view) = (SipHasher13::new(), seen.view());
        let mut read = 0;
        let mut bytes = [0; 8];
        while read < part.bytes {
            file.read_exact(&mut bytes).map_err(unread(&path))?;
            hasher.write(&bytes);
            read += bytes.len() as u64;
            let fingerprint = u64::from_le_bytes(bytes);
            if fingerprint == 0 || !view.insert(fingerprint) {
                return Err(damaged("a state is there twice"));
            }
        }
        if hasher.finish() != part.checksum {
            return Err(damaged("it has another checksum"));
        }
        Ok(hasher)
    }
}

impl<S: Stored> Frontier<S> for Files<'_> {
    type Slot = Slot;

    fn put(&self, space: &S, depth: u64, block: S::Block) -> Result<Slot, CheckpointError> {
        let count = S::len(&block);
        let mut bytes = Vec::new();
        S::write_block(&block, &mut bytes);
        let packed = lz4_flex::compress_prepend_size(&bytes);
        let fingerprints =
            (0..count).map(|place| upper(space.fingerprint(&block, place)).max(1).to_le_bytes());
        let fingerprints: Vec<u8> = fingerprints.flatten().collect();
        self.append(depth, &packed, count as u32, &fingerprints)
    }

    fn take(&self, slot: Slot) -> Result<S::Block, CheckpointError> {
        let block = slot.header.block::<S>(&self.read(slot)?);
        block.map_err(|wrong| damaged_block(&self.path("states", slot.depth), slot.at, wrong))
    }

    fn len(slot: &Slot) -> usize {
        slot.header.states as usize
    }

    fn size_bytes(_: &Slot) -> u64 {
        size_of::<Slot>() as u64
    }

    fn is_due(&self) -> bool {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= self.place.every
    }

    fn is_full(&self) -> bool {
        self.place.max_disk_bytes.is_some_and(|max| self.bytes.load(Ordering::Relaxed) > max)
    }

    fn checkpoint(&self, space: &S, standing: &Standing<Slot>) -> Result<(), CheckpointError> {
        let mut writer = self.writer();
        writer.sync(&self.place.folder)?;
        writer.number += 1;
        let number = writer.number;
        let dictionary = lz4_flex::compress_prepend_size(&space.dictionary());
        self.write(&self.path("dictionary", number), &dictionary)?;
        let seen =
            writer.seen.iter().map(|(seen, hasher)| Seen { checksum: hasher.finish(), ..*seen });
        let manifest = Manifest {
            identity: self.place.identity.clone(),
            number,
            dictionary: checksum(&dictionary),
            seen: seen.collect(),
            states_bytes: writer.states_bytes,
            standing: standing.clone(),
        };
        let body = postcard::to_stdvec(&manifest).map_err(|error| CheckpointError::Disk {
            path: self.place.folder.join(CHECKPOINT),
            error: error.to_string(),
        })?;
        let bytes = [&MAGIC[..], &checksum(&body).to_le_bytes(), &body].concat();
        self.write(&self.place.folder.join(CHECKPOINT), &bytes)?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        // No checkpoint needs it any more; one that stays is in nobody's way.
        let _ = std::fs::remove_file(self.path("dictionary", number - 1));
        writer.other_bytes = (dictionary.len() + bytes.len()) as u64;
        self.bytes.store(writer.bytes(), Ordering::Relaxed);
        Ok(())
    }

    fn resume(
        &self,
        space: &S,
        seen: &VisitedSet,
    ) -> Result<Option<Standing<Slot>>, CheckpointError> {
        if !self.place.resume {
            return Ok(None);
        }
        let Manifest { number, dictionary, seen: parts, states_bytes, standing, .. } =
            self.folder.manifest()?;
        let path = self.path("dictionary", number);
        let damaged = damage(&path);
        let bytes = std::fs::read(&path).map_err(unread(&path))?;
        if checksum(&bytes) != dictionary {
            return Err(damaged("it has another checksum"));
        }
        let bytes = lz4_flex::decompress_size_prepended(&bytes).ok();
        let bytes = bytes.ok_or_else(|| damaged("it cannot be read"))?;
        space.restore(&bytes).map_err(|wrong| damaged(&wrong))?;
        let other_bytes = bytes.len() as u64;
        let mut writer = Writer { number, states_bytes, other_bytes, ..Writer::default() };
        for (depth, part) in (0..).zip(&parts) {
            writer.seen.push((*part, self.read_seen(depth, *part, seen)?));
        }
        for depth in 0..parts.len().saturating_sub(1) as u64 {
            let before = std::fs::metadata(self.path("states", depth));
            writer.before_bytes += before.map_or(0, |file| file.len());
        }
        self.bytes.store(writer.bytes(), Ordering::Relaxed);
        *self.writer() = writer;
        for slot in standing.slots() {
            let _: S::Block = Frontier::<S>::take(self, *slot)?;
        }
        Ok(Some(standing))
    }
}
