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
/// Slots of a part that grows at the end of the log.
const PART_SLOTS: u64 = 64;

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

    /// Is it more than may be held?
    pub fn is_too_much(&self) -> bool {
        let Amount { lines, bytes } = self.amount;
        self.parts.len() > 1 && (lines > LINES_MAX || bytes > BYTES_MAX)
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
            Some((last, held)) if last.end.0 - last.start.0 < PART_SLOTS => {
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

impl Amount {
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
    fn parts_come_and_go_at_both_ends() {
        let mut window = Window::at(Slot(100));
        let amount = |lines| Amount { lines, bytes: 10 };
        assert_eq!(window.stretch(), Slot(100)..Slot(100));
        window.push_back(Slot(100)..Slot(101), amount(1));
        window.push_back(Slot(101)..Slot(164), amount(1));
        window.push_back(Slot(164)..Slot(165), amount(1));
        assert_eq!((window.shorten_front(), window.shorten_back()), (None, None));
        window.push_front(Slot(60)..Slot(100), amount(LINES_MAX - 2));
        assert!(window.is_too_much());
        assert_eq!(window.stretch(), Slot(60)..Slot(165));
        assert_eq!(window.shorten_back(), Some(Slot(164)..Slot(165)), "what grew is a part");
        assert_eq!(window.shorten_back(), None);
        window.push_front(Slot(50)..Slot(60), amount(1));
        assert_eq!(window.shorten_front(), Some(Slot(50)..Slot(60)));
        assert_eq!(window.stretch(), Slot(60)..Slot(164));
    }
}
