//! A map that remembers what was used lately.
//!
//! **Invariants**
//! - *Bounded*: never more than the limit it was made with.
//! - *What was used lately stays*: whatever is among the last half of the limit used is there.
//!
//! Values stay where they are as long as they are remembered, so that keys among them leave no copies
//! behind. Two generations: what is used moves to the young one, and when that is full it becomes the old one.

use std::collections::HashMap;
use std::hash::Hash;

/// A map that forgets what was not used for long.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    half: usize,
    young: HashMap<K, Box<V>>,
    old: HashMap<K, Box<V>>,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// Remembers at most `limit`, which is at least 2.
    pub(super) fn new(limit: usize) -> Recent<K, V> {
        Recent { half: (limit / 2).max(1), young: HashMap::new(), old: HashMap::new() }
    }

    /// What is remembered of `key`, which is used.
    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.put(key, value);
        }
        self.young.get_mut(key).map(|value| &mut **value)
    }

    /// Remembers what is not remembered yet.
    pub(super) fn insert(&mut self, key: K, value: V) {
        self.put(key, Box::new(value));
    }

    fn put(&mut self, key: K, value: Box<V>) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    #[cfg(test)]
    fn has(&self, key: &K) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }

    /// How much is remembered.
    #[cfg(any(test, feature = "fuzz"))]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn it_is_bounded_and_keeps_what_was_used_lately(uses: Vec<u8>) -> bool {
            let mut recent = Recent::new(8);
            uses.iter().enumerate().all(|(at, key)| {
                if recent.get(key).is_none() {
                    recent.insert(*key, *key);
                }
                let mut last: Vec<u8> = uses[..=at].to_vec();
                last.reverse();
                let mut lately = Vec::new();
                for key in last {
                    if !lately.contains(&key) {
                        lately.push(key);
                    }
                }
                recent.len() <= 8 && lately.iter().take(4).all(|key| recent.has(key))
            })
        }
    }
}
