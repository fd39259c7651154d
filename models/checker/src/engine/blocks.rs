//! Blocks of states as bytes: packed, and behind a header that says what they are to be.

use super::space::Space;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// A space whose states can be kept in files, and read by another process.
pub trait Stored: Space {
    /// Appends a block.
    fn write_block(block: &Self::Block, bytes: &mut Vec<u8>);

    /// The block of these bytes.
    fn read_block(bytes: &[u8]) -> Option<Self::Block>;

    /// What blocks need to be understood by another process.
    fn dictionary(&self) -> Vec<u8>;

    /// Takes over a dictionary, before anything is explored.
    ///
    /// # Errors
    /// Says why it is of another space.
    fn restore(&self, dictionary: &[u8]) -> Result<(), String>;
}

/// Where a block is in `states-D`, and which of its states are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    pub(super) depth: u64,
    pub(super) at: u64,
    pub(super) header: Header,
    /// Those of states that were known before.
    pub(super) known: Places,
    /// The fingerprints of states that may be known; of all, or none if that is told.
    #[serde(skip)]
    pub(super) news: Vec<u128>,
}

/// What a state takes that is not sifted: its fingerprint, and what it takes to sift it.
pub(super) const UNSIFTED_BYTES: u64 = 64;

impl Slot {
    /// How many states are to be expanded.
    pub(super) fn len(&self) -> usize {
        self.header.states.saturating_sub(self.known.count()) as usize
    }

    /// Takes a state out.
    pub(super) fn mark_known(&mut self, place: usize) {
        self.known.put(place, self.header.states);
    }

    /// Bytes of memory, what it takes to sift the block included.
    pub(super) fn size_bytes(&self) -> u64 {
        let bytes = size_of::<Slot>() + size_of_val(&*self.known.0);
        bytes as u64 + self.news.len() as u64 * UNSIFTED_BYTES
    }
}

/// Some places of a block, as bits; without any, if there are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Places(Box<[u64]>);

impl Places {
    /// Is this one of them?
    pub fn has(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|bits| bits >> (place % 64) & 1 == 1)
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|bits| bits.count_ones()).sum()
    }

    /// Adds one, of a block of so many states.
    fn put(&mut self, place: usize, states: u32) {
        if self.0.is_empty() {
            self.0 = vec![0; (states as usize).div_ceil(64)].into();
        }
        self.0[place / 64] |= 1 << (place % 64);
    }
}

/// What is in front of a block.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) bytes: u32,
    pub(super) states: u32,
    pub(super) checksum: u64,
}

pub(super) const HEADER_BYTES: usize = 16;

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.states.to_le_bytes());
        bytes[8..].copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    pub(super) fn of(bytes: [u8; HEADER_BYTES]) -> Header {
        let [a, b, c, d, e, f, g, h, sum @ ..] = bytes;
        Header {
            bytes: u32::from_le_bytes([a, b, c, d]),
            states: u32::from_le_bytes([e, f, g, h]),
            checksum: u64::from_le_bytes(sum),
        }
    }

    /// The block of these bytes, if they are what was written.
    pub(super) fn block<S: Stored>(self, packed: &[u8]) -> Result<S::Block, &'static str> {
        if checksum(packed) != self.checksum {
            return Err("has another checksum");
        }
        let unpacked = lz4_flex::decompress_size_prepended(packed).ok();
        let block = unpacked.and_then(|bytes| S::read_block(&bytes));
        block.filter(|block| S::len(block) == self.states as usize).ok_or("cannot be read")
    }
}

/// Of what is in a file.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish()
}
