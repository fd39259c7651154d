//! Which messages of the log are shown.
//!
//! **Invariant — bounded**: of a log of any length, only the last N messages are held, and only
//! when they are what is asked for.

use super::envelope::Room;
use super::tail::Post;
use paxos_chat::types::Slot;
use std::collections::VecDeque;
use std::str::FromStr;

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At the first message.
    Beginning,
    /// After the last message that is there already.
    End,
    /// With so many of the last messages that are there already.
    Last(usize),
    /// At this slot.
    At(Slot),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<From, String> {
        let wrong = || format!("{text:?} is not a place: use beginning, end, -N or a slot");
        match text {
            "beginning" => Ok(From::Beginning),
            "end" => Ok(From::End),
            text => match text.strip_prefix('-') {
                Some(count) => count.parse().map(From::Last).map_err(|_| wrong()),
                None => text.parse().map(|slot| From::At(Slot(slot))).map_err(|_| wrong()),
            },
        }
    }
}

/// Chooses from the messages as they come.
#[derive(Debug)]
pub struct Selection {
    from: From,
    room: Option<Room>,
    /// How many more may be shown.
    left: Option<u64>,
    /// The last messages before the end, while it is not reached.
    held: VecDeque<Post>,
}

impl Selection {
    /// Chooses at most `count` messages of a room, from a place on.
    pub fn new(from: From, room: Option<Room>, count: Option<u64>) -> Selection {
        Selection { from, room, left: count, held: VecDeque::new() }
    }

    /// Has everything that was asked for been chosen?
    pub fn is_complete(&self) -> bool {
        self.left == Some(0)
    }

    /// Takes the next message; gives it back if it is to be shown now. `end` is the bound that was
    /// applied when the reading began.
    pub fn take(&mut self, post: Post, end: Slot) -> Option<Post> {
        if self.room.as_ref().is_some_and(|room| *room != post.said.room) {
            return None;
        }
        let slot = Slot(post.slot);
        match self.from {
            From::End if slot < end => return None,
            From::At(from) if slot < from => return None,
            From::Last(count) if slot < end => {
                self.held.push_back(post);
                if self.held.len() > count {
                    self.held.pop_front();
                }
                return None;
            }
            _ => {}
        }
        self.count(post)
    }

    /// The messages that were held back until the end was reached.
    pub fn release(&mut self) -> Vec<Post> {
        std::mem::take(&mut self.held).into_iter().filter_map(|post| self.count(post)).collect()
    }

    fn count(&mut self, post: Post) -> Option<Post> {
        match &mut self.left {
            Some(0) => None,
            Some(left) => {
                *left -= 1;
                Some(post)
            }
            None => Some(post),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Said;

    fn post(slot: u64) -> Post {
        let room = if slot.is_multiple_of(2) { "even" } else { "odd" };
        let said = Said::new(&room.parse().unwrap(), slot.to_string());
        let (user, session) = ("ann".into(), "s0.0".into());
        Post { slot, index: 0, time_ms: 0, user, session, seq: slot, said }
    }

    /// The slots shown of 0 to 9, when 6 were there at first.
    fn shown(mut selection: Selection) -> Vec<u64> {
        let end = Slot(6);
        let mut shown = Vec::new();
        for slot in 0..10 {
            if Slot(slot) == end {
                shown.extend(selection.release());
            }
            shown.extend(selection.take(post(slot), end));
        }
        shown.into_iter().map(|post| post.slot).collect()
    }

    #[test]
    fn a_selection_begins_where_it_is_told_to() {
        let select = |from: &str| shown(Selection::new(from.parse().unwrap(), None, None));
        assert_eq!(select("beginning"), Vec::from_iter(0..10));
        assert_eq!(select("end"), Vec::from_iter(6..10));
        assert_eq!(select("-2"), Vec::from_iter(4..10));
        assert_eq!(select("-0"), Vec::from_iter(6..10));
        assert_eq!(select("3"), Vec::from_iter(3..10));
        for wrong in ["", "-", "--1", "start", "1.5"] {
            assert!(wrong.parse::<From>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn rooms_and_counts_limit_what_is_shown() {
        let odd = || Some("odd".parse().unwrap());
        assert_eq!(shown(Selection::new(From::Last(2), odd(), None)), [3, 5, 7, 9]);
        assert_eq!(shown(Selection::new(From::Last(2), odd(), Some(3))), [3, 5, 7]);
        assert_eq!(shown(Selection::new(From::Beginning, None, Some(1))), [0]);
        assert!(Selection::new(From::End, None, Some(0)).is_complete());
    }
}
