//! The set of fingerprints already seen: open addressing in shards, 8 bytes a place.
//!
//! **Invariant — a fingerprint is new exactly once**, whichever threads insert it.
//!
//! **Absent**: removal. A place holds 0 or the fingerprint that was put there first.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// A set of non-zero fingerprints.
pub struct Seen {
    shards: Box<[Mutex<Shard>]>,
    len: AtomicU64,
    places: AtomicU64,
}

#[derive(Default)]
struct Shard {
    places: Vec<u64>,
    len: usize,
}

/// The fingerprint's highest bits choose the shard, its lowest the place.
const SHARD_BITS: u32 = 8;
const FIRST_PLACES: usize = 64;

impl Default for Seen {
    fn default() -> Self {
        let shards = (0..1 << SHARD_BITS).map(|_| Mutex::default()).collect();
        Seen { shards, len: AtomicU64::new(0), places: AtomicU64::new(0) }
    }
}

impl Seen {
    /// Adds a fingerprint; true if it is new.
    ///
    /// # Panics
    /// When it is 0.
    pub fn insert(&self, fingerprint: u64) -> bool {
        assert_ne!(fingerprint, 0, "0 marks an empty place");
        let mut shard = self.shards[(fingerprint >> (64 - SHARD_BITS)) as usize].lock();
        if shard.len * 8 >= shard.places.len() * 7 {
            let grown = shard.grow();
            self.places.fetch_add(grown as u64, Ordering::Relaxed);
        }
        let new = shard.insert(fingerprint);
        if new {
            self.len.fetch_add(1, Ordering::Relaxed);
        }
        new
    }

    /// How many fingerprints there are.
    pub fn len(&self) -> u64 {
        self.len.load(Ordering::Relaxed)
    }

    /// Is the set empty?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that the set takes.
    pub fn memory_bytes(&self) -> u64 {
        self.places.load(Ordering::Relaxed) * size_of::<u64>() as u64
    }
}

impl Shard {
    fn insert(&mut self, fingerprint: u64) -> bool {
        let mask = self.places.len() - 1;
        let mut place = fingerprint as usize & mask;
        loop {
            match self.places[place] {
                0 => {
                    self.places[place] = fingerprint;
                    self.len += 1;
                    return true;
                }
                known if known == fingerprint => return false,
                _ => place = (place + 1) & mask,
            }
        }
    }

    /// Doubles the places; returns by how many they grew.
    fn grow(&mut self) -> usize {
        let places = (self.places.len() * 2).max(FIRST_PLACES);
        let old = std::mem::replace(&mut self.places, vec![0; places]);
        self.len = 0;
        let before = old.len();
        for fingerprint in old.into_iter().filter(|fingerprint| *fingerprint != 0) {
            self.insert(fingerprint);
        }
        places - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn a_fingerprint_is_new_exactly_once(fingerprints: Vec<u64>) -> bool {
            let seen = Seen::default();
            let mut expected = std::collections::BTreeSet::new();
            fingerprints.into_iter().map(|f| f.max(1)).all(|f| seen.insert(f) == expected.insert(f))
                && seen.len() == expected.len() as u64
        }
    }

    #[test]
    fn concurrent_insertions_count_once() {
        let seen = Seen::default();
        let insert =
            || (1..100_000u64).filter(|f| seen.insert(crate::intern::spread(*f, 0) | 1)).count();
        let new: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(insert)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(new as u64, seen.len());
    }
}
