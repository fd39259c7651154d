//! What stands for a state: 128 bits, as two sums of hashes that are spread in different ways.
//!
//! The upper 64 bits alone serve where a run stays below [`STATES_MAX_OF_64_BITS`].

use crate::intern::spread;
use std::ops::{Add, Sub};

/// How many states 64 bits may tell apart: at this many, two have the same with a probability of 2.7 %, by n^2 / 2^65.
pub const STATES_MAX_OF_64_BITS: u64 = 1_000_000_000;

/// What a part of a state adds to its fingerprint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Term([u64; 2]);

/// Salts of the second sum begin here; those of the first are small.
const SECOND: u64 = 1 << 32;

impl Term {
    /// That of a part with this hash; `salt`, below 2^32, keeps places apart.
    pub fn of(hash: u64, salt: u64) -> Term {
        Term([spread(hash, salt), spread(hash, salt + SECOND)])
    }

    /// The term of a sum of terms as a whole.
    #[must_use]
    pub fn spread(self) -> Term {
        let Term([one, other]) = self;
        Term([spread(one, 0), spread(other, SECOND)])
    }

    /// Both sums, side by side.
    pub fn fingerprint(self) -> u128 {
        let Term([one, other]) = self;
        u128::from(one) << 64 | u128::from(other)
    }
}

impl Add for Term {
    type Output = Term;

    fn add(self, Term([one, other]): Term) -> Term {
        Term([self.0[0].wrapping_add(one), self.0[1].wrapping_add(other)])
    }
}

impl Sub for Term {
    type Output = Term;

    fn sub(self, Term([one, other]): Term) -> Term {
        Term([self.0[0].wrapping_sub(one), self.0[1].wrapping_sub(other)])
    }
}

/// The bits that serve in memory.
pub fn upper(fingerprint: u128) -> u64 {
    (fingerprint >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn a_sum_does_not_depend_on_the_order_and_can_be_taken_back(hashes: Vec<u64>) -> bool {
            let term = |(salt, hash): (u64, &u64)| Term::of(*hash, salt);
            let terms: Vec<Term> = (0..).zip(&hashes).map(term).collect();
            let sum = terms.iter().fold(Term::default(), |sum, term| sum + *term);
            let reversed = terms.iter().rev().fold(Term::default(), |sum, term| sum + *term);
            let nothing = terms.iter().fold(sum, |sum, term| sum - *term);
            sum == reversed && nothing == Term::default()
        }
    }

    #[test]
    fn a_half_of_a_sum_says_nothing_of_the_other() {
        // Of two terms: of one alone each half is a function of the hash, and so of the other half.
        let halves = |hash: u64, other: u64| {
            let sum = (Term::of(hash, 1) + Term::of(other, 2)).fingerprint();
            (upper(sum), sum as u64)
        };
        // However the halves are turned against each other, half of their bits differ.
        for turn in 0..64 {
            let differing: u32 = (0..1000)
                .map(|hash| {
                    let (one, other) = halves(hash, 7 * hash + 1);
                    (one ^ other.rotate_left(turn)).count_ones()
                })
                .sum();
            assert!((31_000..33_000).contains(&differing), "{differing} bits of 64,000 differ");
        }
    }
}
