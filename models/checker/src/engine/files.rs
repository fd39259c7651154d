//! A run in files: its levels, what it has seen, and where it stands, so that another process can go on.
//!
//! **Memory**: a [cache](super::cache) of a size that is given, the fingerprints of states that are not sifted yet, up
//! to a number that is given, and some 150 bytes for each block of a level that waits, which is 0.3 a state of it. All
//! else is on the disk.
//!
//! **Invariants**
//! - *What is sifted was seen once*: what remains of a block has no fingerprint of any other state of the run.
//! - *A checkpoint is of what is sifted*: so it needs neither the cache nor what was in memory beside it.

use super::blocks::{HEADER_BYTES, Header, Places, Slot, Stored, UNSIFTED_BYTES, checksum};
use super::cache::{self, Cache};
use super::checkpoint::{CHECKPOINT, MAGIC, Manifest, RunFolder};
use super::error::{CheckpointError, damage, damaged_block, failed, unread};
use super::known::Known;
use super::standing::Standing;
use super::store::{Admit, Store};
use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Levels in files.
pub struct Files {
    folder: RunFolder,
    cache: Cache,
    known: Mutex<Known>,
    /// How many states are known.
    states: AtomicU64,
    /// How many are not sifted yet, and how many those may be.
    unsifted: AtomicU64,
    unsifted_max: u64,
    writer: Mutex<Writer>,
    /// Bytes in all files.
    bytes: AtomicU64,
    last: Mutex<Instant>,
}

/// What grows.
#[derive(Default)]
struct Writer {
    /// Of the last checkpoint.
    number: u64,
    /// Of the checkpoints before it that are still there.
    earlier: Vec<u64>,
    /// The deepest D, and `states-D`.
    deepest: u64,
    file: Option<File>,
    states_bytes: u64,
    /// How long the `states-D` before that are together.
    before_bytes: u64,
    /// How long dictionary and checkpoint are.
    other_bytes: u64,
    /// The D that was read last, and `states-D`.
    reader: Option<(u64, File)>,
}

impl Writer {
    /// What is written of the deepest level is on the disk.
    fn sync(&self, folder: &Path) -> Result<(), CheckpointError> {
        self.file.as_ref().map_or(Ok(()), |states| states.sync_data().map_err(failed(folder)))
    }

    fn bytes(&self) -> u64 {
        self.states_bytes + self.before_bytes + self.other_bytes
    }
}

impl Files {
    /// The files of a run that begins, or goes on.
    pub fn new(folder: RunFolder) -> Files {
        let half = folder.place.memory_bytes / 2;
        Files {
            cache: Cache::new(half),
            known: Mutex::new(Known::new(folder.path().to_owned())),
            states: AtomicU64::new(0),
            unsifted: AtomicU64::new(0),
            unsifted_max: half / UNSIFTED_BYTES,
            writer: Mutex::default(),
            bytes: AtomicU64::new(0),
            last: Mutex::new(Instant::now()),
            folder,
        }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn append(&self, depth: u64, states: &[u8], count: u32) -> Result<Slot, CheckpointError> {
        let writer = &mut *self.writer();
        if depth > writer.deepest {
            writer.sync(self.folder.path())?;
            writer.before_bytes += writer.states_bytes;
            (writer.deepest, writer.file, writer.states_bytes) = (depth, None, 0);
        }
        let file = match &mut writer.file {
            Some(file) => file,
            none => none.insert(self.open("states", depth, writer.states_bytes)?),
        };
        let header =
            Header { bytes: states.len() as u32, states: count, checksum: checksum(states) };
        let written = file.write_all(&header.to_bytes()).and_then(|()| file.write_all(states));
        written.map_err(failed(&self.path("states", depth)))?;
        let at = writer.states_bytes + HEADER_BYTES as u64;
        writer.states_bytes = at + states.len() as u64;
        let more = HEADER_BYTES + states.len();
        self.bytes.fetch_add(more as u64, Ordering::Relaxed);
        Ok(Slot { depth, at, header, known: Places::default(), news: Vec::new() })
    }

    /// The bytes of a block.
    fn read(&self, slot: &Slot) -> Result<Vec<u8>, CheckpointError> {
        let path = self.path("states", slot.depth);
        let mut bytes = vec![0; slot.header.bytes as usize];
        let writer = &mut *self.writer();
        if writer.reader.as_ref().is_none_or(|(depth, _)| *depth != slot.depth) {
            writer.reader = Some((slot.depth, File::open(&path).map_err(unread(&path))?));
        }
        let Some((_, file)) = &writer.reader else { unreachable!("just set") };
        file.read_exact_at(&mut bytes, slot.at).map_err(unread(&path))?;
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
            File::open(self.folder.path())?.sync_all()
        };
        write().map_err(failed(path))
    }

    /// Removes what the last checkpoint does not count on, nor the next one. What stays all the same is in nobody's way.
    fn forget_earlier(&self, writer: &mut Writer, known: &mut Known) {
        for number in writer.earlier.drain(..) {
            for name in [CHECKPOINT, "dictionary"] {
                let _ = std::fs::remove_file(self.path(name, number));
            }
        }
        known.forget_earlier();
    }

    /// Looks again at how much there is.
    fn count(&self, writer: &Writer, known: &Known) {
        self.states.store(known.states(), Ordering::Relaxed);
        self.bytes.store(writer.bytes() + known.bytes(), Ordering::Relaxed);
    }
}

impl Admit<Vec<u128>> for cache::View<'_> {
    fn admit(&mut self, fingerprints: &[u128], news: &mut Vec<u128>, kept: &mut Vec<bool>) {
        self.touch(fingerprints.iter().copied());
        for fingerprint in fingerprints {
            let is_new = self.put(*fingerprint);
            if is_new {
                news.push(*fingerprint);
            }
            kept.push(is_new);
        }
    }
}

impl<S: Stored> Store<S> for Files {
    type Slot = Slot;
    type News = Vec<u128>;
    type View<'a>
        = cache::View<'a>
    where
        Self: 'a;

    fn view(&self) -> cache::View<'_> {
        self.cache.view()
    }

    fn put(
        &self,
        _: &S,
        depth: u64,
        block: S::Block,
        news: Vec<u128>,
    ) -> Result<Slot, CheckpointError> {
        let states = S::len(&block);
        assert!(
            states <= 1 << 16,
            "a state has so many successors that a block has {states} states"
        );
        let mut bytes = Vec::new();
        S::write_block(&block, &mut bytes);
        let packed = lz4_flex::compress_prepend_size(&bytes);
        let slot = self.append(depth, &packed, states as u32)?;
        self.unsifted.fetch_add(news.len() as u64, Ordering::Relaxed);
        Ok(Slot { news, ..slot })
    }

    fn take(&self, slot: Slot) -> Result<(S::Block, Places), CheckpointError> {
        let block = slot.header.block::<S>(&self.read(&slot)?);
        let path = self.path("states", slot.depth);
        let block = block.map_err(|wrong| damaged_block(&path, slot.at, wrong))?;
        Ok((block, slot.known))
    }

    fn sift(
        &self,
        blocks: &mut Vec<Slot>,
        threads: usize,
        stops: &dyn Fn() -> bool,
    ) -> Result<(), CheckpointError> {
        let mut known = self.known();
        let others = self.writer().bytes();
        let max = self.folder.place.max_disk_bytes.unwrap_or(u64::MAX);
        known.sift(blocks, threads, |bytes| !stops() && others + bytes <= max)?;
        blocks.retain(|block| block.len() > 0);
        self.unsifted.store(0, Ordering::Relaxed);
        self.cache.grow();
        self.count(&self.writer(), &known);
        Ok(())
    }

    fn len(slot: &Slot) -> usize {
        slot.len()
    }

    fn size_bytes(slot: &Slot) -> u64 {
        slot.size_bytes()
    }

    fn states(&self) -> (u64, u64) {
        (self.states.load(Ordering::Relaxed), self.unsifted.load(Ordering::Relaxed))
    }

    fn states_max(&self) -> (u64, u32) {
        (u64::MAX, u128::BITS)
    }

    fn memory_bytes(&self) -> u64 {
        // What is being sifted now takes less than what waited for it.
        let known = self.known.try_lock().map_or(0, |known| known.memory_bytes());
        self.cache.memory_bytes() + known
    }

    fn is_crowded(&self) -> bool {
        self.unsifted.load(Ordering::Relaxed) > self.unsifted_max || self.cache.is_crowded()
    }

    fn is_due(&self) -> bool {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
            >= self.folder.place.every
    }

    fn is_full(&self) -> bool {
        self.folder.place.max_disk_bytes.is_some_and(|max| self.bytes.load(Ordering::Relaxed) > max)
    }

    fn checkpoint(&self, space: &S, standing: &Standing<Slot>) -> Result<(), CheckpointError> {
        let (mut writer, mut known) = (self.writer(), self.known());
        if self.folder.place.together {
            // Whoever is asked for a checkpoint knows that all have the last one.
            self.forget_earlier(&mut writer, &mut known);
        }
        writer.sync(self.folder.path())?;
        let (seen_next, seen) = known.sync()?;
        let number = writer.number + 1;
        let dictionary = lz4_flex::compress_prepend_size(&space.dictionary());
        self.write(&self.path("dictionary", number), &dictionary)?;
        let manifest = Manifest {
            identity: Cow::Borrowed(&*self.folder.place.identity),
            number,
            dictionary: checksum(&dictionary),
            seen,
            seen_next,
            states_bytes: writer.states_bytes,
            standing: Cow::Borrowed(standing),
        };
        let path = self.path(CHECKPOINT, number);
        let body = postcard::to_stdvec(&manifest)
            .map_err(|error| failed(&path)(std::io::Error::other(error)))?;
        let bytes = [&MAGIC[..], &checksum(&body).to_le_bytes(), &body].concat();
        self.write(&path, &bytes)?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let before = std::mem::replace(&mut writer.number, number);
        if before > 0 {
            writer.earlier.push(before);
        }
        if !self.folder.place.together {
            self.forget_earlier(&mut writer, &mut known);
        }
        writer.other_bytes = (dictionary.len() + bytes.len()) as u64;
        self.count(&writer, &known);
        Ok(())
    }

    fn resume(&self, space: &S) -> Result<Option<Standing<Slot>>, CheckpointError> {
        let Some(manifest) = self.folder.manifest()? else { return Ok(None) };
        let Manifest { number, dictionary, seen, seen_next, states_bytes, standing, .. } = manifest;
        let path = self.path("dictionary", number);
        let damaged = damage(&path);
        let bytes = std::fs::read(&path).map_err(unread(&path))?;
        if checksum(&bytes) != dictionary {
            return Err(damaged("it has another checksum"));
        }
        let other_bytes = bytes.len() as u64;
        let bytes = lz4_flex::decompress_size_prepended(&bytes).ok();
        let bytes = bytes.ok_or_else(|| damaged("it cannot be read"))?;
        space.restore(&bytes).map_err(|wrong| damaged(&wrong))?;
        let deepest = standing.slots().map(|slot| slot.depth).max().unwrap_or(standing.depth());
        self.folder.remove_others(number, &seen, deepest)?;
        let known = Known::open(self.folder.path().to_owned(), seen_next, &seen)?;
        let mut writer = Writer { number, deepest, states_bytes, other_bytes, ..Writer::default() };
        for depth in 0..deepest {
            let before = std::fs::metadata(self.path("states", depth));
            writer.before_bytes += before.map_or(0, |file| file.len());
        }
        self.count(&writer, &known);
        (*self.writer(), *self.known()) = (writer, known);
        for slot in standing.slots() {
            let _: (S::Block, _) = Store::<S>::take(self, slot.clone())?;
        }
        Ok(Some(standing.into_owned()))
    }
}
