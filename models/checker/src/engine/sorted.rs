//! Fingerprints in a file, in order: chunks of them, each behind its length and its checksum.
//!
//! Neighbours among many random numbers are near one another, so a chunk holds its first fingerprint, and of the others
//! how far each is from the one before, in as few bytes as the farthest needs: 13 instead of 16 at 10^9.

use super::error::{CheckpointError, damage, failed, unread};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use std::fs::File;
use std::hash::Hasher;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Fingerprints in a chunk.
const CHUNK: usize = 4096;
/// The first fingerprint, how many there are, in how many bytes each, and the checksum.
const HEADER_BYTES: usize = 28;
/// Bytes in which a fingerprint is read.
const WIDTH_MAX: usize = size_of::<u128>();

/// What a checkpoint says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SortedPart {
    /// In the file's name.
    pub(super) number: u64,
    pub(super) bytes: u64,
    pub(super) fingerprints: u64,
    /// Of all headers.
    digest: u64,
}

/// A file of sorted fingerprints.
#[derive(Debug)]
pub(super) struct Sorted {
    pub(super) part: SortedPart,
    path: PathBuf,
    file: File,
    chunks: Vec<Chunk>,
}

/// Where a chunk is, and where it begins.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    first: u128,
    at: u64,
}

/// One of many fingerprints that are asked for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    // Halves, because together they would take 32 bytes.
    upper: u64,
    lower: u64,
    pub(super) block: u32,
    pub(super) place: u16,
    pub(super) is_known: bool,
}

impl Candidate {
    pub(super) fn new(fingerprint: u128, block: u32, place: u16) -> Candidate {
        let (upper, lower) = ((fingerprint >> 64) as u64, fingerprint as u64);
        Candidate { upper, lower, block, place, is_known: false }
    }

    pub(super) fn fingerprint(&self) -> u128 {
        u128::from(self.upper) << 64 | u128::from(self.lower)
    }
}

/// What a chunk takes again and again.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    fingerprints: Vec<u128>,
}

impl Sorted {
    /// The file that a checkpoint speaks of, read once from one end to the other.
    pub(super) fn open(path: &Path, part: SortedPart) -> Result<Sorted, CheckpointError> {
        let file = File::open(path).map_err(unread(path))?;
        let mut sorted = Sorted { part, path: path.to_owned(), file, chunks: Vec::new() };
        let (mut at, mut fingerprints, mut last) = (0, 0, None);
        let (mut digest, mut buffer) = (SipHasher13::new(), Buffer::default());
        while at < part.bytes {
            let mut header = [0; HEADER_BYTES];
            sorted.file.read_exact_at(&mut header, at).map_err(unread(path))?;
            digest.write(&header);
            let [(count, _), (width, _)] = [header_word(&header, 16), header_word(&header, 20)];
            let body = (count as u64).saturating_sub(1).saturating_mul(width as u64);
            let next = at.saturating_add(HEADER_BYTES as u64 + body);
            let sound = (1..=CHUNK).contains(&count) && width <= WIDTH_MAX && next <= part.bytes;
            if !sound {
                return Err(damage(path)("a chunk has no length"));
            }
            let first = header.first_chunk().map_or(0, |first| u128::from_le_bytes(*first));
            sorted.chunks.push(Chunk { first, at });
            sorted.read(sorted.chunks.len() - 1, next, &mut buffer)?;
            for fingerprint in &buffer.fingerprints {
                if last.replace(*fingerprint).is_some_and(|last| last >= *fingerprint) {
                    return Err(damage(path)("it is not in order"));
                }
            }
            (at, fingerprints) = (next, fingerprints + buffer.fingerprints.len() as u64);
        }
        if fingerprints != part.fingerprints || digest.finish() != part.digest {
            return Err(damage(path)("it is another one"));
        }
        Ok(sorted)
    }

    /// What is written is on the disk.
    pub(super) fn sync(&self) -> Result<(), CheckpointError> {
        self.file.sync_data().map_err(failed(&self.path))
    }

    /// Removes the file. One that stays all the same is in nobody's way.
    pub(super) fn remove(self) {
        let _ = std::fs::remove_file(&self.path);
    }

    /// The bytes of memory that it takes.
    pub(super) fn memory_bytes(&self) -> u64 {
        (self.chunks.capacity() * size_of::<Chunk>()) as u64
    }

    /// Where a chunk ends.
    fn end(&self, chunk: usize) -> u64 {
        self.chunks.get(chunk + 1).map_or(self.part.bytes, |next| next.at)
    }

    fn read(&self, chunk: usize, end: u64, buffer: &mut Buffer) -> Result<(), CheckpointError> {
        let Chunk { first, at } = self.chunks[chunk];
        let length = (end - at) as usize;
        // So that the last one can be read as if it were of 16 bytes, too.
        buffer.bytes.resize(length + WIDTH_MAX, 0);
        let bytes = &mut buffer.bytes[..length];
        self.file.read_exact_at(bytes, at).map_err(unread(&self.path))?;
        let damaged =
            || damage(&self.path)(&format!("the chunk at byte {at} has another checksum"));
        let (header, body) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or_else(damaged)?;
        let (count, width) = (header_word(header, 16).0, header_word(header, 20).0);
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&header[..24]), body);
        let is_sound = header_word(header, 24).1 == checksum
            && header.starts_with(&first.to_le_bytes())
            && body.len() == count.saturating_sub(1) * width
            && width <= WIDTH_MAX;
        if !is_sound {
            return Err(damaged());
        }
        let mask = if width == WIDTH_MAX { u128::MAX } else { (1 << (8 * width)) - 1 };
        buffer.fingerprints.clear();
        buffer.fingerprints.push(first);
        let mut fingerprint = first;
        for place in 0..count - 1 {
            let from = HEADER_BYTES + place * width;
            let wide = buffer.bytes[from..].first_chunk().ok_or_else(damaged)?;
            fingerprint = fingerprint.wrapping_add(u128::from_le_bytes(*wide) & mask);
            buffer.fingerprints.push(fingerprint);
        }
        Ok(())
    }

    /// Marks those of some fingerprints that are in the file. They must be in order.
    pub(super) fn mark(&self, candidates: &mut [Candidate]) -> Result<(), CheckpointError> {
        let (mut chunk, mut buffer, mut rest) = (0, Buffer::default(), candidates);
        while let Some(candidate) = rest.first() {
            let asked = candidate.fingerprint();
            let further = self.chunks[chunk..].partition_point(|chunk| chunk.first <= asked);
            let Some(last) = (chunk + further).checked_sub(1) else {
                rest = &mut rest[1..];
                continue;
            };
            chunk = last;
            self.read(chunk, self.end(chunk), &mut buffer)?;
            let next = self.chunks.get(chunk + 1).map_or(u128::MAX, |next| next.first);
            let here = rest.partition_point(|candidate| candidate.fingerprint() < next);
            // Of the last chunk are all that are left, also the highest that there can be.
            let here = if chunk + 1 == self.chunks.len() { rest.len() } else { here };
            let (asked, others) = std::mem::take(&mut rest).split_at_mut(here);
            let mut known = buffer.fingerprints.iter().copied().peekable();
            for candidate in asked {
                let fingerprint = candidate.fingerprint();
                while known.next_if(|known| *known < fingerprint).is_some() {}
                candidate.is_known |= known.peek() == Some(&fingerprint);
            }
            rest = others;
        }
        Ok(())
    }

    /// All fingerprints, in order.
    fn iter(&self) -> Iter<'_> {
        Iter { sorted: self, chunk: 0, place: 0, buffer: Buffer::default() }
    }

    /// Writes the fingerprints of two files, which have none in common, into one.
    pub(super) fn merge(
        one: &Sorted,
        other: &Sorted,
        mut into: SortedWriter,
    ) -> Result<Sorted, CheckpointError> {
        let (mut one, mut other) = (one.iter(), other.iter());
        loop {
            let next = match (one.peek()?, other.peek()?) {
                (Some(a), b) if b.is_none_or(|b| a < b) => {
                    one.place += 1;
                    a
                }
                (_, Some(b)) => {
                    other.place += 1;
                    b
                }
                _ => return into.finish(),
            };
            into.push(next)?;
        }
    }
}

/// A number in a header, as a length and as it is.
fn header_word(header: &[u8; HEADER_BYTES], at: usize) -> (usize, u32) {
    let word = header[at..].first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
    (word as usize, word)
}

struct Iter<'a> {
    sorted: &'a Sorted,
    /// The next one to be read.
    chunk: usize,
    place: usize,
    buffer: Buffer,
}

impl Iter<'_> {
    fn peek(&mut self) -> Result<Option<u128>, CheckpointError> {
        if self.place == self.buffer.fingerprints.len() {
            if self.chunk == self.sorted.chunks.len() {
                return Ok(None);
            }
            let end = self.sorted.end(self.chunk);
            self.sorted.read(self.chunk, end, &mut self.buffer)?;
            (self.chunk, self.place) = (self.chunk + 1, 0);
        }
        Ok(Some(self.buffer.fingerprints[self.place]))
    }
}

/// A file in the making.
pub(super) struct SortedWriter {
    sorted: Sorted,
    file: BufWriter<File>,
    digest: SipHasher13,
    /// Of the chunk that is not written yet.
    open: Vec<u128>,
}

impl SortedWriter {
    pub(super) fn create(path: &Path, number: u64) -> Result<SortedWriter, CheckpointError> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(path);
        let file = file.map_err(failed(path))?;
        let other = file.try_clone().map_err(failed(path))?;
        let part = SortedPart { number, bytes: 0, fingerprints: 0, digest: 0 };
        Ok(SortedWriter {
            sorted: Sorted { part, path: path.to_owned(), file, chunks: Vec::new() },
            file: BufWriter::with_capacity(1 << 20, other),
            digest: SipHasher13::new(),
            open: Vec::with_capacity(CHUNK),
        })
    }

    /// Adds a fingerprint, which must be higher than those before.
    pub(super) fn push(&mut self, fingerprint: u128) -> Result<(), CheckpointError> {
        self.open.push(fingerprint);
        if self.open.len() == CHUNK { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), CheckpointError> {
        let Some(first) = self.open.first() else { return Ok(()) };
        let farthest = self.open.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        let width = (128 - farthest.leading_zeros()).div_ceil(8) as usize;
        let mut header = [0; HEADER_BYTES];
        header[..16].copy_from_slice(&first.to_le_bytes());
        header[16..20].copy_from_slice(&(self.open.len() as u32).to_le_bytes());
        header[20..24].copy_from_slice(&(width as u32).to_le_bytes());
        let mut body = Vec::with_capacity(self.open.len() * width);
        for pair in self.open.windows(2) {
            body.extend_from_slice(&(pair[1] - pair[0]).to_le_bytes()[..width]);
        }
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&header[..24]), &body);
        header[24..].copy_from_slice(&checksum.to_le_bytes());
        self.digest.write(&header);
        let Sorted { part, path, chunks, .. } = &mut self.sorted;
        let written = self.file.write_all(&header).and_then(|()| self.file.write_all(&body));
        written.map_err(failed(path))?;
        chunks.push(Chunk { first: *first, at: part.bytes });
        part.bytes += (header.len() + body.len()) as u64;
        part.fingerprints += self.open.len() as u64;
        self.open.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Sorted, CheckpointError> {
        self.write()?;
        self.file.flush().map_err(failed(&self.sorted.path))?;
        self.sorted.part.digest = self.digest.finish();
        Ok(self.sorted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;
    use std::collections::BTreeSet;

    fn written(path: &Path, fingerprints: &BTreeSet<u128>) -> Sorted {
        let mut writer = SortedWriter::create(path, 0).unwrap();
        fingerprints.iter().for_each(|fingerprint| writer.push(*fingerprint).unwrap());
        writer.finish().unwrap()
    }

    fn all(sorted: &Sorted) -> Vec<u128> {
        let mut iter = sorted.iter();
        std::iter::from_fn(|| {
            let next = iter.peek().unwrap();
            iter.place += 1;
            next
        })
        .collect()
    }

    /// Many, of every size: near one another, far from one another, and the highest.
    fn numbers(seed: u64, count: usize) -> BTreeSet<u128> {
        let number = |i: u64| {
            let term = crate::fingerprint::Term::of(seed, i).fingerprint();
            term >> (i % 120)
        };
        (0..count as u64).map(number).chain([u128::MAX]).collect()
    }

    quickcheck! {
        fn what_is_in_a_file_is_known_and_nothing_else(seed: u64, count: usize) -> bool {
            let folder = tempfile::tempdir().unwrap();
            let known = numbers(seed, count % 20_000);
            let asked: BTreeSet<u128> =
                known.iter().copied().step_by(3).chain(numbers(!seed, 1000)).collect();
            let path = folder.path().join("a");
            let sorted = written(&path, &known);
            let again = Sorted::open(&path, sorted.part).unwrap();
            let mut candidates: Vec<_> =
                asked.iter().map(|asked| Candidate::new(*asked, 0, 0)).collect();
            again.mark(&mut candidates).unwrap();
            let right = |c: &Candidate| c.is_known == known.contains(&c.fingerprint());
            candidates.iter().all(right) && all(&again).into_iter().eq(known)
        }

        fn two_files_are_merged_in_order(seed: u64, one: usize, other: usize) -> bool {
            let folder = tempfile::tempdir().unwrap();
            let one = numbers(seed, one % 10_000);
            let other: BTreeSet<u128> = numbers(!seed, other % 10_000).difference(&one).copied().collect();
            let path = |name: &str| folder.path().join(name);
            let (a, b) = (written(&path("a"), &one), written(&path("b"), &other));
            let into = SortedWriter::create(&path("c"), 3).unwrap();
            all(&Sorted::merge(&a, &b, into).unwrap()).into_iter().eq(&one | &other)
        }
    }

    #[test]
    fn whatever_is_changed_in_a_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let sorted = written(&path, &numbers(7, 9000));
        let good = std::fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            matches!(Sorted::open(&path, sorted.part), Err(CheckpointError::Damaged { .. }))
        };
        for at in (0..HEADER_BYTES).chain((HEADER_BYTES..good.len()).step_by(997)) {
            let mut bad = good.clone();
            bad[at] ^= 4;
            assert!(refused(&bad), "byte {at}");
        }
        assert!(refused(&good[..good.len() - 1]) && refused(&[]));
        assert!(!refused(&good));
    }
}
