//! The set of fingerprints already seen: open addressing in shards, 8 bytes a place.
//!
//! **Invariant — a fingerprint is new exactly once**, whichever threads insert it: a place goes from
//! empty to a fingerprint once, and no shard is replaced while anyone looks at it.
//!
//! **Absent**: removal. A place holds 0 or the fingerprint that was put there first.

use parking_lot::{RwLock, RwLockReadGuard};
use std::hint::black_box;
use std::ops::BitXor;
use std::sync::atomic::{AtomicU64, Ordering};

/// A set of non-zero fingerprints.
pub struct VisitedSet {
    shards: RwLock<Box<[Shard]>>,
    len: AtomicU64,
    places: AtomicU64,
}

struct Shard {
    places: Box<[AtomicU64]>,
    len: AtomicU64,
}

/// The fingerprint's highest bits choose the shard, those below them the place.
const SHARD_BITS: u32 = 4;
/// So many that threads which see room at the same moment do not fill a shard.
const FIRST_PLACES: usize = 1024;

impl Default for VisitedSet {
    fn default() -> Self {
        let shards: Box<[Shard]> =
            (0..1 << SHARD_BITS).map(|_| Shard::with_places(FIRST_PLACES)).collect();
        let places = AtomicU64::new((shards.len() * FIRST_PLACES) as u64);
        VisitedSet { shards: RwLock::new(shards), len: AtomicU64::new(0), places }
    }
}

impl VisitedSet {
    /// A view to insert through. The set does not grow while there are others.
    pub fn view(&self) -> View<'_> {
        View { seen: self, shards: Some(self.shards.read()), new: 0 }
    }

    /// How many fingerprints there are; those of open views may be missing.
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

    fn grow(&self, shard: usize) {
        let mut shards = self.shards.write();
        if shards[shard].is_crowded() {
            let before = shards[shard].places.len();
            shards[shard] = shards[shard].grown();
            let grown = shards[shard].places.len() - before;
            self.places.fetch_add(grown as u64, Ordering::Relaxed);
        }
    }
}

/// Access to the set for one thread.
pub struct View<'a> {
    seen: &'a VisitedSet,
    /// Given up for a moment when a shard must grow.
    shards: Option<RwLockReadGuard<'a, Box<[Shard]>>>,
    new: u64,
}

impl View<'_> {
    /// Looks at where these would be, and does nothing: so the memory is asked for all of them at once.
    pub fn touch(&mut self, fingerprints: impl Iterator<Item = u64>) {
        let shards = self.shards.get_or_insert_with(|| self.seen.shards.read());
        let first = |fingerprint: u64| {
            let shard = &shards[(fingerprint >> (64 - SHARD_BITS)) as usize];
            shard.places[shard.place(fingerprint)].load(Ordering::Relaxed)
        };
        black_box(fingerprints.map(first).fold(0, BitXor::bitxor));
    }

    /// Adds a fingerprint; true if it is new.
    ///
    /// # Panics
    /// When it is 0.
    pub fn insert(&mut self, fingerprint: u64) -> bool {
        assert_ne!(fingerprint, 0, "0 marks an empty place");
        let shard = (fingerprint >> (64 - SHARD_BITS)) as usize;
        loop {
            let shards = self.shards.get_or_insert_with(|| self.seen.shards.read());
            if !shards[shard].is_crowded() {
                let new = shards[shard].insert(fingerprint);
                self.new += u64::from(new);
                return new;
            }
            self.shards = None;
            self.seen.grow(shard);
        }
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        self.seen.len.fetch_add(self.new, Ordering::Relaxed);
    }
}

impl Shard {
    fn with_places(places: usize) -> Shard {
        let places = (0..places).map(|_| AtomicU64::new(0)).collect();
        Shard { places, len: AtomicU64::new(0) }
    }

    fn is_crowded(&self) -> bool {
        self.len.load(Ordering::Relaxed) as usize * 8 >= self.places.len() * 7
    }

    /// Where a fingerprint would be: the bits below the shard's tell, in order.
    fn place(&self, fingerprint: u64) -> usize {
        let spread = u128::from(fingerprint << SHARD_BITS) * self.places.len() as u128;
        (spread >> 64) as usize
    }

    fn insert(&self, fingerprint: u64) -> bool {
        let mut place = self.place(fingerprint);
        loop {
            let cell = &self.places[place];
            let known = match cell.load(Ordering::Relaxed) {
                0 => {
                    let put =
                        cell.compare_exchange(0, fingerprint, Ordering::Relaxed, Ordering::Relaxed);
                    match put {
                        Ok(_) => {
                            self.len.fetch_add(1, Ordering::Relaxed);
                            return true;
                        }
                        Err(known) => known,
                    }
                }
                known => known,
            };
            if known == fingerprint {
                return false;
            }
            place = if place + 1 == self.places.len() { 0 } else { place + 1 };
        }
    }

    /// The same fingerprints among half as many places more.
    fn grown(&self) -> Shard {
        let shard = Shard::with_places(self.places.len() + self.places.len() / 2);
        let known = self.places.iter().map(|place| place.load(Ordering::Relaxed));
        for fingerprint in known.filter(|fingerprint| *fingerprint != 0) {
            shard.insert(fingerprint);
        }
        shard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn a_fingerprint_is_new_exactly_once(fingerprints: Vec<u64>) -> bool {
            let seen = VisitedSet::default();
            let mut view = seen.view();
            let mut expected = std::collections::BTreeSet::new();
            let as_expected = fingerprints
                .into_iter()
                .map(|f| f.max(1))
                .all(|f| view.insert(f) == expected.insert(f));
            drop(view);
            as_expected && seen.len() == expected.len() as u64
        }
    }

    #[test]
    fn fingerprints_of_one_place_are_told_apart_while_the_set_grows() {
        let seen = VisitedSet::default();
        let mut view = seen.view();
        let crowded = |i: u64| u64::MAX - i;
        assert!((0..10_000).all(|i| view.insert(crowded(i))));
        assert!(!(0..10_000).any(|i| view.insert(crowded(i))));
        drop(view);
        assert_eq!(seen.len(), 10_000);
    }

    #[test]
    fn concurrent_insertions_count_once() {
        let seen = VisitedSet::default();
        let insert = || {
            let mut view = seen.view();
            (1..100_000u64).filter(|f| view.insert(crate::intern::spread(*f, 0) | 1)).count()
        };
        let new: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(insert)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(new as u64, seen.len());
    }
}
