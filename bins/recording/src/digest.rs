//! Digests: numbers that tell whether two states or messages are the same.
//!
//! **Invariant**: a single word that differs is always noticed, because each word enters by a function that can be
//! undone; of several, one in 2^64 or 2^32 is not. Nobody is meant to be kept from finding two of one digest.
//!
//! **Absent**: stability between builds. A recording names the build that has made it.

use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

/// A digest of a state.
pub type StateDigest = [u8; 8];
/// A digest of a message, or of what else a step has put out.
pub type OutputDigest = [u8; 4];

/// Makes a digest of what it is fed, and counts how much that is.
#[derive(Default)]
pub struct Digester {
    hasher: FxHasher,
    words: u64,
}

impl Digester {
    /// The digest of what `feed` feeds it.
    pub fn of(feed: impl FnOnce(&mut Digester)) -> Digester {
        let mut digester = Digester::default();
        feed(&mut digester);
        digester
    }

    /// How many words it was fed: what it has cost.
    pub fn words(&self) -> u64 {
        self.words
    }

    /// The digest, as one of a state.
    pub fn state(&self) -> StateDigest {
        self.finish().to_le_bytes()
    }

    /// The digest, as one of an output.
    pub fn output(&self) -> OutputDigest {
        let [.., a, b, c, d] = self.finish().to_le_bytes();
        [a, b, c, d]
    }
}

/// The digest of an output.
pub fn output(of: &(impl Hash + ?Sized)) -> OutputDigest {
    Digester::of(|digester| of.hash(digester)).output()
}

impl Hasher for Digester {
    /// Spread, so that each part of it depends on all words (the finaliser of MurmurHash3).
    fn finish(&self) -> u64 {
        let mut spread = self.hasher.finish();
        spread = (spread ^ spread >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        spread = (spread ^ spread >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        spread ^ spread >> 33
    }

    fn write(&mut self, bytes: &[u8]) {
        self.words += 1 + bytes.len() as u64 / 8;
        self.hasher.write(bytes);
    }

    fn write_u8(&mut self, word: u8) {
        self.words += 1;
        self.hasher.write_u8(word);
    }

    fn write_u32(&mut self, word: u32) {
        self.words += 1;
        self.hasher.write_u32(word);
    }

    fn write_u64(&mut self, word: u64) {
        self.words += 1;
        self.hasher.write_u64(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.words += 1;
        self.hasher.write_usize(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn a_word_that_differs_is_noticed(words: Vec<u64>, at: usize, other: u64) -> bool {
            let mut changed = words.clone();
            let Some(place) = at.checked_rem(words.len()) else { return true };
            changed[place] = other;
            let state = |words: &Vec<u64>| Digester::of(|d| words.hash(d)).state();
            (words == changed) == (state(&words) == state(&changed))
        }

        fn equal_things_have_equal_digests_and_cost(text: String, more: Vec<u8>) -> bool {
            let digester = || Digester::of(|digester| (&text, &more).hash(digester));
            let (one, other) = (digester(), digester());
            one.state() == other.state() && one.words() == other.words() && one.words() > 0
        }
    }
}
