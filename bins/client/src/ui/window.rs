//! The part of the log that a screen holds of a room: one stretch of it, in parts that come and go as a whole.
//!
//! **Invariant — bounded**: whoever adds a part shortens the other end until it is not too much.

use paxos_chat::types::Slot;
use std::collections::VecDeque;
use std::ops::Range;

/// Messages that are held.
const LINES_MAX: usize = 8_000;
/// Bytes of what they say.
const BYTES_MAX: usize = 4 << 20;
/// Messages of a part, or somewhat more, because a slot is in one part.
const PART_LINES: usize = 256;

/// How much is held of a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Messages.
    pub lines: usize,
    /// Bytes of what they say.
    pub bytes: usize,
}

/// A stretch of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    at: Slot,
    parts: VecDeque<(Range<Slot>, Amount)>,
    amount: Amount,
}

impl Window {
    /// An empty one, at this place.
    pub fn at(slot: Slot) -> Window {
        Window { at: slot, parts: VecDeque::new(), amount: Amount::default() }
    }

    /// The slots that are held.
    pub fn stretch(&self) -> Range<Slot> {
        match (self.parts.front(), self.parts.back()) {
            (Some((first, _)), Some((last, _))) => first.start..last.end,
            _ => self.at..self.at,
        }
    }

    /// May so much be held in addition?
    pub fn has_room_for(&self, Amount { lines, bytes }: Amount) -> bool {
        self.amount.lines + lines <= LINES_MAX && self.amount.bytes + bytes <= BYTES_MAX
    }

    /// Is it more than may be held?
    fn is_too_much(&self) -> bool {
        self.parts.len() > 1 && !self.has_room_for(Amount::default())
    }

    /// Takes a part that ends where the window begins.
    pub fn push_front(&mut self, slots: Range<Slot>, amount: Amount) {
        assert_eq!(slots.end, self.stretch().start, "without a gap");
        self.amount.add(amount);
        self.parts.push_front((slots, amount));
    }

    /// Takes a part that begins where the window ends.
    pub fn push_back(&mut self, slots: Range<Slot>, amount: Amount) {
        assert_eq!(slots.start, self.stretch().end, "without a gap");
        self.amount.add(amount);
        match self.parts.back_mut() {
            Some((last, held)) if held.lines + amount.lines <= PART_LINES => {
                last.end = slots.end;
                held.add(amount);
            }
            _ => self.parts.push_back((slots, amount)),
        }
    }

    /// Lets the first part go, if it is too much.
    pub fn shorten_front(&mut self) -> Option<Range<Slot>> {
        let (slots, amount) = self.is_too_much().then(|| self.parts.pop_front())??;
        self.at = slots.end;
        self.amount.remove(amount);
        Some(slots)
    }

    /// Lets the last part go, if it is too much.
    pub fn shorten_back(&mut self) -> Option<Range<Slot>> {
        let (slots, amount) = self.is_too_much().then(|| self.parts.pop_back())??;
        self.at = slots.start;
        self.amount.remove(amount);
        Some(slots)
    }
}

/// Parts of a stretch, given how much is in each of its slots that have anything, in order: so small that one that goes is
/// far from what is seen.
pub fn parts_of(
    slots: Range<Slot>,
    amounts: impl IntoIterator<Item = (Slot, Amount)>,
) -> Vec<(Range<Slot>, Amount)> {
    let (mut parts, mut begin, mut held) = (Vec::new(), slots.start, Amount::default());
    let mut last = begin;
    for (slot, amount) in amounts {
        if held.lines >= PART_LINES && slot > last {
            parts.push((begin..slot, held));
            (begin, held) = (slot, Amount::default());
        }
        held.add(amount);
        last = slot;
    }
    parts.push((begin..slots.end, held));
    parts
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Amount>>(amounts: I) -> Amount {
        amounts.fold(Amount::default(), |mut sum, amount| {
            sum.add(amount);
            sum
        })
    }
}

impl Amount {
    /// One message that says this.
    pub fn of(text: &str) -> Amount {
        Amount { lines: 1, bytes: text.len() }
    }

    fn add(&mut self, more: Amount) {
        self.lines += more.lines;
        self.bytes += more.bytes;
    }

    fn remove(&mut self, less: Amount) {
        self.lines -= less.lines;
        self.bytes -= less.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_cut_where_a_part_is_full_and_never_within_a_slot() {
        let line = Amount { lines: 1, bytes: 3 };
        let amounts = (0..4).flat_map(|slot| vec![(Slot(10 + slot), line); 200]);
        let parts = parts_of(Slot(8)..Slot(20), amounts);
        let held = |lines| Amount { lines, bytes: 3 * lines };
        assert_eq!(parts, [(Slot(8)..Slot(12), held(400)), (Slot(12)..Slot(20), held(400))]);
        assert_eq!(parts_of(Slot(0)..Slot(5), []), [(Slot(0)..Slot(5), held(0))]);
    }

    #[test]
    fn parts_come_and_go_at_both_ends() {
        let mut window = Window::at(Slot(100));
        let amount = |lines| Amount { lines, bytes: 10 };
        assert_eq!(window.stretch(), Slot(100)..Slot(100));
        window.push_back(Slot(100)..Slot(101), amount(1));
        window.push_back(Slot(101)..Slot(164), amount(PART_LINES - 1));
        window.push_back(Slot(164)..Slot(165), amount(1));
        assert_eq!((window.shorten_front(), window.shorten_back()), (None, None));
        window.push_front(Slot(60)..Slot(100), amount(LINES_MAX - PART_LINES));
        assert!(window.is_too_much() && !window.has_room_for(amount(0)));
        assert_eq!(window.stretch(), Slot(60)..Slot(165));
        assert_eq!(window.shorten_back(), Some(Slot(164)..Slot(165)), "what grew is a part");
        assert_eq!(window.shorten_back(), None);
        window.push_front(Slot(50)..Slot(60), amount(1));
        assert_eq!(window.shorten_front(), Some(Slot(50)..Slot(60)));
        assert_eq!(window.stretch(), Slot(60)..Slot(164));
    }
}
