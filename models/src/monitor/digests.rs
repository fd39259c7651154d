//! What is kept of a log without end: a few bytes a slot, in a temporary file.
//!
//! **Invariants**
//! - *In memory is one block to be written, and one that was read last*, however long the log is.
//! - *A hole reads as nothing*: of sessions only those are marked that were evicted.

use paxos_chat::types::{SessionId, Slot};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom, Write};

/// Records of this many bytes.
const RECORD: usize = size_of::<u64>() * 2;
/// So many records are written or read at once.
const BLOCK: u64 = 1024;

/// Two numbers a slot, from slot 0 on.
#[derive(Debug)]
pub(super) struct Digests {
    file: File,
    /// The records that are not written yet.
    tail: Vec<u8>,
    /// How many are written: whole blocks.
    written: u64,
    /// The block that was read last.
    block: Option<(u64, Vec<u8>)>,
}

impl Digests {
    pub(super) fn new() -> Result<Digests> {
        let file = tempfile::tempfile()?;
        Ok(Digests { file, tail: Vec::new(), written: 0, block: None })
    }

    /// Adds the record of the next slot.
    pub(super) fn push(&mut self, record: [u64; 2]) -> Result<()> {
        self.tail.extend(record.iter().flat_map(|number| number.to_le_bytes()));
        if self.tail.len() as u64 == BLOCK * RECORD as u64 {
            self.file.seek(SeekFrom::Start(self.written * RECORD as u64))?;
            self.file.write_all(&self.tail)?;
            self.written += BLOCK;
            self.tail.clear();
        }
        Ok(())
    }

    /// The record of a slot, if it has one.
    pub(super) fn get(&mut self, slot: Slot) -> Result<Option<[u64; 2]>> {
        if slot.0 >= self.written {
            let place = usize::try_from(slot.0 - self.written).unwrap_or(usize::MAX);
            return Ok(record(&self.tail, place));
        }
        let number = slot.0 / BLOCK;
        if self.block.as_ref().is_none_or(|(known, _)| *known != number) {
            let mut bytes = vec![0; BLOCK as usize * RECORD];
            self.file.seek(SeekFrom::Start(number * BLOCK * RECORD as u64))?;
            self.file.read_exact(&mut bytes)?;
            self.block = Some((number, bytes));
        }
        let place = (slot.0 % BLOCK) as usize;
        Ok(self.block.as_ref().and_then(|(_, bytes)| record(bytes, place)))
    }
}

fn record(bytes: &[u8], place: usize) -> Option<[u64; 2]> {
    let at = place.checked_mul(RECORD)?;
    let (left, right) = bytes.get(at..at.checked_add(RECORD)?)?.split_at(RECORD / 2);
    Some([left, right].map(|half| u64::from_le_bytes(half.try_into().expect("eight bytes"))))
}

/// So many sessions of a slot are marked in the file.
const MARKED: u32 = 256;

/// A set of sessions, as bits by their slots.
#[derive(Debug)]
pub(super) struct Marks {
    file: File,
    /// The highest slot of one that is marked: whoever asks may name any.
    last: Slot,
    /// Those that have no place there.
    others: BTreeSet<SessionId>,
}

impl Marks {
    pub(super) fn new() -> Result<Marks> {
        Ok(Marks { file: tempfile::tempfile()?, last: Slot(0), others: BTreeSet::new() })
    }

    pub(super) fn insert(&mut self, session: SessionId) -> Result<()> {
        if session.index >= MARKED {
            self.others.insert(session);
            return Ok(());
        }
        let bits = self.byte(session)? | 1 << (session.index % 8);
        self.last = self.last.max(session.slot);
        self.file.seek(SeekFrom::Start(place(session)))?;
        self.file.write_all(&[bits])
    }

    pub(super) fn contains(&mut self, session: SessionId) -> Result<bool> {
        if session.index >= MARKED {
            return Ok(self.others.contains(&session));
        }
        if session.slot > self.last {
            return Ok(false);
        }
        Ok(self.byte(session)? >> (session.index % 8) & 1 == 1)
    }

    fn byte(&mut self, session: SessionId) -> Result<u8> {
        let mut byte = [0];
        self.file.seek(SeekFrom::Start(place(session)))?;
        // Behind its end a file holds nothing.
        let _ = self.file.read(&mut byte)?;
        Ok(byte[0])
    }
}

fn place(session: SessionId) -> u64 {
    session.slot.0 * u64::from(MARKED / 8) + u64::from(session.index / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_is_read_back_from_memory_and_file() {
        let mut digests = Digests::new().unwrap();
        let of = |slot: u64| [slot * 3, !slot];
        for slot in 0..3 * BLOCK + 5 {
            assert_eq!(digests.get(Slot(slot)).unwrap(), None);
            digests.push(of(slot)).unwrap();
            assert_eq!(digests.get(Slot(slot)).unwrap(), Some(of(slot)));
        }
        for slot in [0, BLOCK, 1, 3 * BLOCK - 1, 3 * BLOCK, 3 * BLOCK + 4, 2 * BLOCK] {
            assert_eq!(digests.get(Slot(slot)).unwrap(), Some(of(slot)));
        }
        assert_eq!(digests.get(Slot(u64::MAX)).unwrap(), None);
    }

    #[test]
    fn marks_are_where_they_were_put_and_nowhere_else() {
        let mut marks = Marks::new().unwrap();
        let id = |slot, index| SessionId { slot: Slot(slot), index };
        let marked = [id(0, 0), id(7, 9), id(7, 255), id(7, 256), id(1_000_000, 3)];
        for session in marked {
            assert!(!marks.contains(session).unwrap());
            marks.insert(session).unwrap();
        }
        assert!(marked.iter().all(|session| marks.contains(*session).unwrap()));
        for other in [id(0, 1), id(7, 8), id(8, 0), id(7, 257), id(u64::MAX, 0)] {
            assert!(!marks.contains(other).unwrap());
        }
    }
}
