//! All fingerprints of a run, on the disk: a few sorted files, each at least twice as long as the next.
//!
//! States are told from known ones many at a time: their fingerprints are sorted, and compared with every file from
//! one end to the other. So a fingerprint on the disk costs memory only as one of the 4,096 of a chunk, which takes 32
//! bytes, and no place on the disk is looked for by itself.
//!
//! **Source**: delayed duplicate detection (Stern and Dill, *Using Magnetic Disk instead of Main Memory in the Murφ
//! Verifier*, CAV 1998; Korf, AAAI 2004), with files that are merged as in a log-structured merge tree (O'Neil et al.,
//! 1996), so that each fingerprint is written a number of times that grows with the logarithm of how many there are.

use super::blocks::Slot;
use super::error::CheckpointError;
use super::sorted::{Candidate, Sorted, SortedPart, SortedWriter};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// All fingerprints of a run.
#[derive(Debug)]
pub(super) struct Known {
    folder: PathBuf,
    /// The longest first.
    files: Vec<Sorted>,
    /// The numbers of those that each checkpoint counts on, the last one's last.
    kept: VecDeque<Vec<u64>>,
    /// The number of the next file.
    next: u64,
    /// What a checkpoint counts on, and the next one will not.
    merged: Vec<Sorted>,
}

/// Candidates that are sorted at once.
const PART: usize = 1 << 19;

/// What became of candidates whose fingerprints begin alike.
#[derive(Default)]
struct Sifted {
    /// In order.
    new: Vec<u128>,
    /// Blocks and places.
    known: Vec<(u32, u16)>,
}

impl Known {
    /// None.
    pub(super) fn new(folder: PathBuf) -> Known {
        Known { folder, files: Vec::new(), kept: VecDeque::new(), next: 0, merged: Vec::new() }
    }

    /// Those that a checkpoint speaks of.
    pub(super) fn open(
        folder: PathBuf,
        next: u64,
        parts: &[SortedPart],
    ) -> Result<Known, CheckpointError> {
        let mut known = Known { next, ..Known::new(folder) };
        for part in parts {
            known.files.push(Sorted::open(&known.path(part.number), *part)?);
        }
        known.kept.push_back(parts.iter().map(|part| part.number).collect());
        Ok(known)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("seen-{number}"))
    }

    /// What a checkpoint is to say, once it is on the disk: the number of the next file, and what there is.
    pub(super) fn sync(&mut self) -> Result<(u64, Vec<SortedPart>), CheckpointError> {
        for file in &self.files {
            if !self.is_kept(file) {
                file.sync()?;
            }
        }
        let parts: Vec<SortedPart> = self.files.iter().map(|file| file.part).collect();
        self.kept.push_back(parts.iter().map(|part| part.number).collect());
        Ok((self.next, parts))
    }

    /// Does a checkpoint count on this file?
    fn is_kept(&self, file: &Sorted) -> bool {
        self.kept.iter().any(|kept| kept.contains(&file.part.number))
    }

    /// Removes what the last checkpoint does not count on, nor the next one.
    pub(super) fn forget_earlier(&mut self) {
        self.kept.drain(..self.kept.len().saturating_sub(1));
        let (kept, left) =
            std::mem::take(&mut self.merged).into_iter().partition(|file| self.is_kept(file));
        self.merged = kept;
        left.into_iter().for_each(Sorted::remove);
    }

    /// How many there are.
    pub(super) fn states(&self) -> u64 {
        self.files.iter().map(|file| file.part.fingerprints).sum()
    }

    /// The bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().chain(&self.merged).map(|file| file.part.bytes).sum()
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        self.files.iter().chain(&self.merged).map(Sorted::memory_bytes).sum()
    }

    /// Tells which states of these blocks are known already, and adds the others. Files are merged if there is the time
    /// and the room for so many bytes more: it is no matter but of speed.
    pub(super) fn sift(
        &mut self,
        blocks: &mut [Slot],
        threads: usize,
        may_merge: impl Fn(u64) -> bool,
    ) -> Result<(), CheckpointError> {
        let news: usize = blocks.iter().map(|block| block.news.len()).sum();
        if news == 0 {
            return Ok(());
        }
        let number = self.next;
        self.next += 1;
        let mut writer = SortedWriter::create(&self.path(number), number)?;
        for sifted in self.sift_all(blocks, news, threads)? {
            for fingerprint in sifted.new {
                writer.push(fingerprint)?;
            }
            for (block, place) in sifted.known {
                blocks[block as usize].mark_known(place.into());
            }
        }
        let sorted = writer.finish()?;
        if sorted.part.fingerprints == 0 {
            sorted.remove();
            return Ok(());
        }
        self.files.push(sorted);
        self.merge(may_merge)
    }

    /// In the order of their fingerprints.
    fn sift_all(
        &self,
        blocks: &mut [Slot],
        news: usize,
        threads: usize,
    ) -> Result<Vec<Sifted>, CheckpointError> {
        let threads = threads.max(1);
        let count = (news / PART + 1).next_multiple_of(if news > PART { threads } else { 1 });
        let mut parts: Vec<Vec<Candidate>> = Vec::new();
        parts.resize_with(count, || Vec::with_capacity(news / count + news / count / 16));
        for (number, block) in (0..).zip(blocks) {
            for (place, fingerprint) in (0..).zip(std::mem::take(&mut block.news)) {
                let upper = u128::from(crate::fingerprint::upper(fingerprint));
                let part = ((upper * count as u128) >> 64) as usize;
                parts[part].push(Candidate::new(fingerprint, number, place));
            }
        }
        let sifted = Mutex::new(Vec::new());
        let parts = Mutex::new(parts.into_iter().enumerate());
        let work = || {
            loop {
                let next = parts.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((place, part)) = next else { return };
                let done = (place, self.sift_part(part));
                sifted.lock().unwrap_or_else(PoisonError::into_inner).push(done);
            }
        };
        std::thread::scope(|scope| {
            // The last one works here.
            (1..threads.min(count)).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        let mut sifted = sifted.into_inner().unwrap_or_else(PoisonError::into_inner);
        sifted.sort_unstable_by_key(|(place, _)| *place);
        sifted.into_iter().map(|(_, part)| part).collect()
    }

    fn sift_part(&self, mut part: Vec<Candidate>) -> Result<Sifted, CheckpointError> {
        part.sort_unstable();
        for file in &self.files {
            file.mark(&mut part)?;
        }
        let mut sifted = Sifted::default();
        for candidate in &part {
            let fingerprint = candidate.fingerprint();
            // The same state may be there several times, if it was forgotten in between.
            if candidate.is_known || sifted.new.last() == Some(&fingerprint) {
                sifted.known.push((candidate.block, candidate.place));
            } else {
                sifted.new.push(fingerprint);
            }
        }
        Ok(sifted)
    }

    /// Merges the last files until each is at least twice as long as the next.
    fn merge(&mut self, may_merge: impl Fn(u64) -> bool) -> Result<(), CheckpointError> {
        while let [.., one, other] = &self.files[..]
            && one.part.fingerprints < 2 * other.part.fingerprints
            && may_merge(self.bytes() + one.part.bytes + other.part.bytes)
        {
            let into = SortedWriter::create(&self.path(self.next), self.next)?;
            let merged = Sorted::merge(one, other, into)?;
            self.next += 1;
            for file in self.files.split_off(self.files.len() - 2) {
                if self.is_kept(&file) {
                    self.merged.push(file);
                } else {
                    file.remove();
                }
            }
            self.files.push(merged);
        }
        Ok(())
    }
}
