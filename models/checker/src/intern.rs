//! Interning: equal values get one small id, and keep one stable content hash.
//!
//! **Invariants**
//! - *One id a value*: concurrent interning of equal values yields the same id.
//! - *Hashes are of content*: they depend on the value alone, not on ids or the order in which
//!   threads arrive, so that they can make up fingerprints that every run agrees on.
//! - *Reading is lock-free*: an id's value never moves.

use hashbrown::HashTable;
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxBuildHasher;
use siphasher::sip::SipHasher13;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A hash of a value's content: the same in every run, on every thread.
pub fn content_hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = SipHasher13::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Spreads a hash so that sums of spread hashes can serve as the hash of a set.
///
/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014); `salt` keeps places apart.
pub fn spread(hash: u64, salt: u64) -> u64 {
    let mut z = hash ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x243f_6a88_85a3_08d3);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A set of values that are known by small ids, handed out from 0 on.
pub struct Interner<T> {
    values: boxcar::Vec<(u64, T)>,
    shards: Box<[Mutex<Shard>]>,
}

/// Ids, by the hashes of their values.
type Shard = HashTable<u32>;

const SHARDS: usize = 64;

/// The shard of a hash: by bits that the tables within a shard do not use.
fn shard_of(hash: u64) -> usize {
    (hash >> 32) as usize % SHARDS
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Interner { values: boxcar::Vec::new(), shards }
    }
}

impl<T> Interner<T> {
    /// The id of this value.
    ///
    /// # Panics
    /// When there are more than 2^32 values.
    pub fn intern(&self, value: T) -> u32
    where
        T: Hash + PartialEq,
    {
        self.intern_with(value, |value| value)
    }

    /// The id of the value of this key, made from it if it is new.
    ///
    /// # Panics
    /// When two values differ and have one content hash: where hashes make up fingerprints, states that hold them would be
    /// taken for one.
    pub fn intern_with<K>(&self, key: K, make: impl FnOnce(K) -> T) -> u32
    where
        K: Hash,
        T: PartialEq<K>,
    {
        self.find_or_make(content_hash(&key), key, make, || {
            panic!("two values that differ have one content hash; does their Hash leave out what Eq compares?")
        })
    }

    /// As [`Interner::intern_with`], for a key with a hash that tells nothing of states: several values may share it.
    pub fn intern_hashed<K>(&self, hash: u64, key: K, make: impl FnOnce(K) -> T) -> u32
    where
        T: PartialEq<K>,
    {
        self.find_or_make(hash, key, make, || ())
    }

    fn find_or_make<K>(
        &self,
        hash: u64,
        key: K,
        make: impl FnOnce(K) -> T,
        collide: impl Fn(),
    ) -> u32
    where
        T: PartialEq<K>,
    {
        let mut shard = self.shards[shard_of(hash)].lock();
        let is_equal = |id: &u32| {
            let (known, value) = &self.values[*id as usize];
            let is_equal = *known == hash && *value == key;
            if *known == hash && !is_equal {
                collide();
            }
            is_equal
        };
        if let Some(id) = shard.find(hash, is_equal) {
            return *id;
        }
        let id =
            u32::try_from(self.values.push((hash, make(key)))).expect("fewer than 2^32 values");
        shard.insert_unique(hash, id, |id| self.values[*id as usize].0);
        id
    }

    /// The id of a value with this hash, if there is one.
    pub fn id_of(&self, hash: u64) -> Option<u32> {
        let shard = self.shards[shard_of(hash)].lock();
        shard.find(hash, |id| self.values[*id as usize].0 == hash).copied()
    }

    /// The value of an id that this interner handed out.
    pub fn get(&self, id: u32) -> &T {
        &self.values[id as usize].1
    }

    /// The hash of the value of an id.
    pub fn hash_of(&self, id: u32) -> u64 {
        self.values[id as usize].0
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.count()
    }

    /// Are there no values?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All ids and values.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.values.iter().map(|(id, (_, value))| (id as u32, value))
    }
}

/// Remembers the answers to questions: numbers, or short vectors of them.
pub struct Memo<K, V> {
    shards: Box<[RwLock<HashMap<K, V, FxBuildHasher>>]>,
}

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Memo { shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }
}

impl<K: Hash + Eq, V: Copy> Memo<K, V> {
    /// The answer, worked out if it is not known. It must be a function of the key.
    pub fn get_or_insert<Q>(&self, key: &Q, work_out: impl FnOnce() -> V) -> V
    where
        Q: Hash + Eq + ToOwned + ?Sized,
        Q::Owned: Into<K>,
        K: Borrow<Q>,
    {
        let shard = &self.shards[shard_of(FxBuildHasher.hash_one(key))];
        if let Some(known) = shard.read().get(key) {
            return *known;
        }
        let value = work_out();
        *shard.write().entry(key.to_owned().into()).or_insert(value)
    }

    /// All answers known by now.
    pub fn entries(&self) -> Vec<(K, V)>
    where
        K: Clone,
    {
        let copy = |shard: &RwLock<HashMap<K, V, FxBuildHasher>>| {
            shard.read().iter().map(|(key, value)| (key.clone(), *value)).collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(copy).collect()
    }
}

/// A growing array of numbers, 0 until set; read and set without a lock.
#[derive(Default)]
pub struct AtomicTable {
    buckets: [OnceLock<Box<[AtomicU32]>>; BUCKETS],
}

/// The first bucket's length; each further bucket doubles the whole.
const FIRST_BUCKET: usize = 16;
const BUCKETS: usize = 20;

impl AtomicTable {
    /// The bucket of an index, the index within it, and the bucket's length.
    fn place(index: usize) -> (usize, usize, usize) {
        if index < FIRST_BUCKET {
            return (0, index, FIRST_BUCKET);
        }
        let log = (index / FIRST_BUCKET).ilog2() as usize;
        let start = FIRST_BUCKET << log;
        (log + 1, index - start, start)
    }

    /// The number at an index; 0 if none was set.
    pub fn get(&self, index: u32) -> u32 {
        let (bucket, offset, _) = Self::place(index as usize);
        match self.buckets[bucket].get() {
            Some(bucket) => bucket[offset].load(Ordering::Acquire),
            None => 0,
        }
    }

    /// Sets the number at an index.
    pub fn set(&self, index: u32, value: u32) {
        let (bucket, offset, len) = Self::place(index as usize);
        let bucket =
            self.buckets[bucket].get_or_init(|| (0..len).map(|_| AtomicU32::new(0)).collect());
        bucket[offset].store(value, Ordering::Release);
    }

    /// The indices at which a number was set, with the numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        let starts = (0..BUCKETS).map(|b| if b == 0 { 0 } else { FIRST_BUCKET << (b - 1) });
        starts.zip(&self.buckets).flat_map(|(start, bucket)| {
            let cells = bucket.get().map_or(&[][..], |bucket| bucket);
            let number = move |(i, cell): (usize, &AtomicU32)| {
                let value = cell.load(Ordering::Acquire);
                (value != 0).then_some(((start + i) as u32, value))
            };
            cells.iter().enumerate().filter_map(number)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn concurrent_interning_of_equal_values_yields_one_id() {
        let interner = Interner::<String>::default();
        let barrier = Barrier::new(8);
        let ids: Vec<Vec<u32>> = std::thread::scope(|scope| {
            let work = || {
                barrier.wait();
                (0..2000).map(|i| interner.intern(format!("value {}", i % 500))).collect()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(interner.len(), 500);
        assert!(ids.iter().all(|other| other == &ids[0]));
    }

    #[test]
    #[should_panic(expected = "two values that differ have one content hash")]
    fn values_that_their_hash_does_not_tell_apart_are_refused() {
        #[derive(PartialEq)]
        struct Halved(u32);
        impl Hash for Halved {
            fn hash<H: Hasher>(&self, state: &mut H) {
                (self.0 / 2).hash(state);
            }
        }
        let interner = Interner::default();
        for value in 0..4 {
            interner.intern(Halved(value));
        }
    }

    #[test]
    fn a_table_holds_what_was_set() {
        let table = AtomicTable::default();
        let indices = [0, 1, 15, 16, 17, 31, 32, 1000, 65_535, 100_000];
        for index in indices {
            assert_eq!(table.get(index), 0);
            table.set(index, index + 1);
        }
        assert!(table.iter().eq(indices.map(|index| (index, index + 1))));
        assert_eq!(table.get(2), 0);
    }
}
