//! Which datagrams of a sender's boot have been taken.
//!
//! **Invariants**
//! - *None is taken twice*: one whose number is below the window is refused, taken or not.
//! - *Bounded*: 128 bytes, whatever arrives.
//!
//! **Source**: RFC 6479, the anti-replay window of IPsec.

/// How far behind the newest number an older one is still taken. A sender counts for all its
/// receivers together, so this is some milliseconds of a busy leader.
pub(super) const WINDOW: u64 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;

/// A sliding window over numbers that count up.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// One above the highest number taken.
    end: u64,
    /// Bit `n % WINDOW` tells whether `n` was taken, for each `n` in the window.
    taken: [u64; WORDS],
}

impl Window {
    /// Was this one not taken, and is it not too old to know?
    pub(super) fn is_new(&self, number: u64) -> bool {
        let is_old = number.saturating_add(WINDOW) < self.end;
        !is_old && (number >= self.end || !self.is_taken(number))
    }

    /// Notes one that is new.
    pub(super) fn take(&mut self, number: u64) {
        if number >= self.end {
            if number - self.end >= WINDOW {
                self.taken = [0; WORDS];
            } else {
                for skipped in self.end..number {
                    self.set(skipped, false);
                }
            }
            self.end = number.saturating_add(1);
        }
        self.set(number, true);
    }

    fn is_taken(&self, number: u64) -> bool {
        let bit = number % WINDOW;
        self.taken[(bit / 64) as usize] >> (bit % 64) & 1 == 1
    }

    fn set(&mut self, number: u64, taken: bool) {
        let bit = number % WINDOW;
        let (word, mask) = (&mut self.taken[(bit / 64) as usize], 1 << (bit % 64));
        if taken { *word |= mask } else { *word &= !mask }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;
    use std::collections::BTreeSet;

    quickcheck! {
        /// Against a set that remembers everything.
        fn none_is_taken_twice_and_all_within_the_window_once(steps: Vec<u16>) -> bool {
            let (mut window, mut seen, mut highest) = (Window::default(), BTreeSet::new(), 0);
            steps.into_iter().all(|step| {
                let number = u64::from(step) % 4096;
                let expected = !seen.contains(&number) && number + WINDOW > highest;
                let is_new = window.is_new(number);
                if is_new {
                    window.take(number);
                    seen.insert(number);
                    highest = highest.max(number);
                }
                is_new == expected
            })
        }
    }

    #[test]
    fn the_highest_numbers_do_not_overflow() {
        let mut window = Window::default();
        window.take(u64::MAX - 1);
        assert!(!window.is_new(u64::MAX - 1) && window.is_new(u64::MAX - 2) && !window.is_new(0));
    }
}
