//! The index of a chat log: a second file with some of the log's positions, so that a slot is found
//! without reading everything before it.
//!
//! After a header of 64 bytes come records of 64 bytes, one at least every 64 KiB of log:
//!
//! | bytes | of the header | of a record |
//! |---|---|---|
//! | 0..8 | magic `PXCI`, version of the format | slot that begins there |
//! | 8..16 | the cluster | lines before it |
//! | 16..24 | zero | offset in the log |
//! | 24..56 | zero | the running hash before it |
//! | 56..60 | zero | zero |
//! | 60..64 | CRC-32C of the bytes before | CRC-32C of the bytes before |
//!
//! **Invariants**
//! - *Never trusted alone*: what is read from a recorded position on must follow from the recorded
//!   hash, and at start-up it must lead to the hash that the snapshot has.
//! - *Never needed*: it can be made again from the log, so it is not synced, and whatever is wrong
//!   with it is cut off and made again.
//! - *Searched on disk*: nothing of it is kept in memory.

use super::{Chain, Position};
use actor_runtime::disk::{Disk, DiskFile, write_all_at};
use actor_runtime::wire::ClusterId;
use std::io;
use std::path::Path;

pub(super) const RECORD: usize = 64;
const CRC_AT: usize = RECORD - 4;
const MAGIC: [u8; 4] = *b"PXCI";
const VERSION: u8 = 1;

/// An index that is open.
pub(super) struct Index {
    file: Box<dyn DiskFile>,
    records: u64,
}

impl Index {
    /// Opens the index of this name, and cuts off whatever is wrong in it; makes a new one where
    /// there is none. Says what was wrong, if anything was.
    pub(super) fn open(
        disk: &dyn Disk,
        path: &Path,
        cluster: ClusterId,
    ) -> io::Result<(Index, Option<&'static str>)> {
        if !disk.exists(path)? {
            return Ok((Index::create(disk, path, cluster)?, Some("it is missing")));
        }
        let bytes = disk.read(path)?;
        if bytes.get(..RECORD) != Some(&header(cluster)[..]) {
            return Ok((Index::create(disk, path, cluster)?, Some("its header is damaged")));
        }
        let mut last = None;
        let mut records = 0;
        for record in bytes[RECORD..].chunks(RECORD) {
            let Some(position) = decode(record) else { break };
            let follows =
                |last: Position| last.slots < position.slots && last.bytes < position.bytes;
            if !last.is_none_or(follows) {
                break;
            }
            last = Some(position);
            records += 1;
        }
        let mut index = Index { file: disk.open(path)?, records };
        let is_whole = bytes.len() == RECORD * (records as usize + 1);
        index.truncate(records)?;
        Ok((index, (!is_whole).then_some("a record is damaged")))
    }

    /// Makes an empty one, whatever was there.
    pub(super) fn create(disk: &dyn Disk, path: &Path, cluster: ClusterId) -> io::Result<Index> {
        let mut file = disk.create(path)?;
        write_all_at(&mut *file, 0, &header(cluster))?;
        Ok(Index { file, records: 0 })
    }

    /// The last recorded position at or before this slot, and how many are recorded up to it.
    pub(super) fn find(&self, slot: u64) -> io::Result<Option<(Position, u64)>> {
        let (mut low, mut high) = (0, self.records);
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let position = self.read(middle)?;
            if position.slots <= slot {
                found = Some((position, middle + 1));
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(found)
    }

    /// Keeps only so many records.
    pub(super) fn truncate(&mut self, records: u64) -> io::Result<()> {
        let length = (records + 1) * RECORD as u64;
        if self.file.length()? != length {
            self.file.set_length(length)?;
        }
        self.records = records;
        Ok(())
    }

    /// Records positions.
    pub(super) fn append(&mut self, positions: &[Position]) -> io::Result<()> {
        let bytes: Vec<u8> = positions.iter().flat_map(encode).collect();
        if !bytes.is_empty() {
            write_all_at(&mut *self.file, (self.records + 1) * RECORD as u64, &bytes)?;
            self.records += positions.len() as u64;
        }
        Ok(())
    }

    fn read(&self, record: u64) -> io::Result<Position> {
        let mut bytes = [0; RECORD];
        let at = (record + 1) * RECORD as u64;
        let mut read = 0;
        while read < RECORD {
            match self.file.read_at(at + read as u64, &mut bytes[read..])? {
                0 => break,
                more => read += more,
            }
        }
        decode(&bytes).ok_or_else(|| {
            let wrong = format!("record {record}, offset {at}: the checksum does not fit");
            io::Error::new(io::ErrorKind::InvalidData, wrong)
        })
    }
}

pub(super) fn sealed(mut bytes: [u8; RECORD]) -> [u8; RECORD] {
    let crc = crc32c::crc32c(&bytes[..CRC_AT]).to_le_bytes();
    bytes[CRC_AT..].copy_from_slice(&crc);
    bytes
}

fn header(cluster: ClusterId) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    bytes[0..4].copy_from_slice(&MAGIC);
    bytes[4] = VERSION;
    bytes[8..16].copy_from_slice(&cluster.to_bytes());
    sealed(bytes)
}

fn encode(position: &Position) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    bytes[0..8].copy_from_slice(&position.slots.to_le_bytes());
    bytes[8..16].copy_from_slice(&position.lines.to_le_bytes());
    bytes[16..24].copy_from_slice(&position.bytes.to_le_bytes());
    bytes[24..56].copy_from_slice(&position.chain.to_bytes());
    sealed(bytes)
}

fn decode(bytes: &[u8]) -> Option<Position> {
    let bytes: [u8; RECORD] = bytes.try_into().ok()?;
    if sealed(bytes) != bytes {
        return None;
    }
    let word =
        |at: usize| bytes[at..at + 8].iter().rev().fold(0, |word, b| word << 8 | u64::from(*b));
    let chain = Chain::from_bytes(bytes[24..56].try_into().ok()?);
    Some(Position { slots: word(0), lines: word(8), bytes: word(16), chain })
}
