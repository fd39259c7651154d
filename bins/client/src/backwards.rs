//! A log cut into stretches, from its end to its beginning, for whoever wants the last messages of it.
//!
//! **Invariant**: stretches follow one another without a gap, and their lengths adapt to how much is found, so that a
//! log of any length costs little at its end, and a part in which nothing is found is passed in few steps.

use paxos_chat::types::Slot;
use std::ops::Range;

/// Slots of the first stretch.
pub const FIRST: u64 = 32;
/// Messages for which a stretch is long enough.
const ENOUGH: usize = 64;
/// Messages for which it is too long.
const TOO_MANY: usize = 1024;

/// How long the next stretch is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stride {
    slots: u64,
    slots_max: u64,
}

/// What is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backwards {
    upto: Slot,
    stride: Stride,
}

impl Stride {
    /// Of at most so many slots.
    pub fn up_to(slots_max: u64) -> Stride {
        Stride { slots: FIRST.min(slots_max), slots_max }
    }

    /// So many slots.
    pub fn slots(&self) -> u64 {
        self.slots
    }

    /// A stretch of this length had so many messages.
    pub fn pass(&mut self, found: usize) {
        if found < ENOUGH {
            self.slots = (2 * self.slots).min(self.slots_max);
        } else if found > TOO_MANY {
            self.slots = (self.slots / 2).max(1);
        }
    }
}

impl Backwards {
    /// The log below this bound, in stretches of at most so many slots.
    pub fn from(upto: Slot, slots_max: u64) -> Backwards {
        Backwards { upto, stride: Stride::up_to(slots_max) }
    }

    /// The next stretch; none at the beginning of the log.
    pub fn stretch(&self) -> Option<Range<Slot>> {
        let from = Slot(self.upto.0.saturating_sub(self.stride.slots()));
        (from < self.upto).then_some(from..self.upto)
    }

    /// The next stretch was read, and had so many messages.
    pub fn pass(&mut self, found: usize) {
        self.upto = self.stretch().map_or(self.upto, |stretch| stretch.start);
        self.stride.pass(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_follow_one_another_and_grow_where_little_is_found() {
        let mut backwards = Backwards::from(Slot(300), 128);
        let mut stretches = Vec::new();
        while let Some(stretch) = backwards.stretch() {
            stretches.push((stretch.start.0, stretch.end.0));
            backwards.pass(if stretches.len() == 1 { ENOUGH } else { 0 });
        }
        assert_eq!(stretches, [(268, 300), (236, 268), (172, 236), (44, 172), (0, 44)]);
        assert_eq!(Backwards::from(Slot(0), 128).stretch(), None);
        let mut stride = Stride::up_to(128);
        (0..9).for_each(|_| stride.pass(TOO_MANY + 1));
        assert_eq!(stride.slots(), 1);
    }
}
