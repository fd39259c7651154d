//! Fingerprints that were seen lately: what stands in front of those on the disk.
//!
//! **Invariant — it may forget, and never invents**: what it takes for known was asked for before. A place is two
//! words, and two threads that write it at once may leave a half of each; that stands for a state only if the state
//! shares both halves with others, as unlikely as that two states share a fingerprint.
//!
//! **Source**: a set-associative cache of closed states, as in explicit-state search with delayed duplicate detection
//! (Stern and Dill, CAV 1998).

use parking_lot::{RwLock, RwLockReadGuard};
use std::hint::black_box;
use std::ops::BitXor;
use std::sync::atomic::{AtomicU64, Ordering};

/// Fingerprints that were seen lately.
pub struct Cache {
    sets: RwLock<Box<[Set]>>,
    sets_max: usize,
    /// How often one was put in.
    put: AtomicU64,
}

/// The fingerprints that begin alike, the latest first; 0 is none.
#[derive(Default)]
#[repr(align(64))]
struct Set([[AtomicU64; 2]; WAYS]);

const WAYS: usize = 4;
const FIRST_SETS: usize = 1 << 6;

impl Cache {
    /// One that may take so many bytes.
    pub fn new(bytes_max: u64) -> Cache {
        let sets_max = (bytes_max / size_of::<Set>() as u64).max(FIRST_SETS as u64).ilog2();
        let sets = RwLock::new(sets(FIRST_SETS));
        Cache { sets, sets_max: 1 << sets_max, put: AtomicU64::new(0) }
    }

    /// A view to look through. The cache does not grow while there are any.
    pub fn view(&self) -> View<'_> {
        View { cache: self, sets: self.sets.read(), put: 0 }
    }

    /// The bytes that it takes.
    pub fn memory_bytes(&self) -> u64 {
        size_of_val(&**self.sets.read()) as u64
    }

    /// Would it forget less if it grew, and may it?
    pub fn is_crowded(&self) -> bool {
        let sets = self.sets.read().len();
        sets < self.sets_max && self.put.load(Ordering::Relaxed) > (sets * WAYS / 2) as u64
    }

    /// Doubles as often as there is a need to.
    pub fn grow(&self) {
        while self.is_crowded() {
            let mut known = self.sets.write();
            let grown = sets(2 * known.len());
            for [upper, lower] in known.iter().flat_map(|set| set.0.iter().rev()) {
                let halves = [upper, lower].map(|half| half.load(Ordering::Relaxed));
                if halves != [0; 2] {
                    grown[place(halves[0], grown.len())].put(halves);
                }
            }
            *known = grown;
        }
    }
}

fn sets(count: usize) -> Box<[Set]> {
    (0..count).map(|_| Set::default()).collect()
}

fn place(upper: u64, sets: usize) -> usize {
    ((u128::from(upper) * sets as u128) >> 64) as usize
}

impl Set {
    fn has(&self, [upper, lower]: [u64; 2]) -> bool {
        let is = |[one, other]: &[AtomicU64; 2]| {
            one.load(Ordering::Relaxed) == upper && other.load(Ordering::Relaxed) == lower
        };
        self.0.iter().any(is)
    }

    /// Puts one in the first place; the others move on, and the last is forgotten.
    fn put(&self, halves: [u64; 2]) {
        let copy = |from: &AtomicU64, to: &AtomicU64| {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        for way in (1..WAYS).rev() {
            let (from, to) = (&self.0[way - 1], &self.0[way]);
            copy(&from[0], &to[0]);
            copy(&from[1], &to[1]);
        }
        self.0[0][0].store(halves[0], Ordering::Relaxed);
        self.0[0][1].store(halves[1], Ordering::Relaxed);
    }
}

/// Access for one thread.
pub struct View<'a> {
    cache: &'a Cache,
    sets: RwLockReadGuard<'a, Box<[Set]>>,
    put: u64,
}

impl View<'_> {
    /// Looks at where these would be, and does nothing: so the memory is asked for all of them at once.
    pub fn touch(&self, fingerprints: impl Iterator<Item = u128>) {
        let first = |fingerprint: u128| {
            self.set((fingerprint >> 64) as u64).0[0][0].load(Ordering::Relaxed)
        };
        black_box(fingerprints.map(first).fold(0, BitXor::bitxor));
    }

    fn set(&self, upper: u64) -> &Set {
        &self.sets[place(upper, self.sets.len())]
    }

    /// Puts a fingerprint in; false if it was seen before, and is not forgotten.
    pub fn put(&mut self, fingerprint: u128) -> bool {
        // 0 would always be known.
        let fingerprint = fingerprint.max(1);
        let halves = [(fingerprint >> 64) as u64, fingerprint as u64];
        let set = self.set(halves[0]);
        let is_new = !set.has(halves);
        if is_new {
            set.put(halves);
            self.put += 1;
        }
        is_new
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        self.cache.put.fetch_add(self.put, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Term;
    use std::collections::HashSet;

    fn fingerprint(i: u64) -> u128 {
        Term::of(i, 0).fingerprint()
    }

    #[test]
    fn what_is_known_was_put_in_and_a_large_cache_forgets_little() {
        let cache = Cache::new(1 << 24);
        let (mut seen, mut forgotten) = (HashSet::new(), 0);
        for round in 0..100 {
            let mut view = cache.view();
            for i in round * 1000..round * 1500 {
                let (is_new, is_first) = (view.put(fingerprint(i)), seen.insert(i));
                assert!(is_new || !is_first, "{i} was never put in");
                forgotten += u64::from(is_new && !is_first);
            }
            drop(view);
            cache.grow();
        }
        assert!(forgotten < seen.len() as u64 / 20, "{forgotten} of {}", seen.len());
        assert!(cache.memory_bytes() > 1 << 21);
    }

    #[test]
    fn a_small_cache_keeps_its_size_and_what_came_last() {
        let cache = Cache::new(0);
        let bytes = cache.memory_bytes();
        let mut view = cache.view();
        assert!((0..200_000).all(|i| view.put(fingerprint(i))));
        let last = (199_950..200_000).filter(|i| !view.put(fingerprint(*i))).count();
        drop(view);
        cache.grow();
        assert!(last > 45, "{last} of 50");
        assert_eq!(cache.memory_bytes(), bytes);
    }
}
