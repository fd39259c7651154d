//! A place in the log, as one names it.

use paxos_chat::types::Slot;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_by_a_word_a_number_from_the_end_or_a_slot() {
        let place = |name: &str| name.parse::<From>();
        assert_eq!(place("beginning"), Ok(From::Beginning));
        assert_eq!(place("end"), Ok(From::End));
        assert_eq!(place("-2"), Ok(From::Last(2)));
        assert_eq!(place("-0"), Ok(From::Last(0)));
        assert_eq!(place("3"), Ok(From::At(Slot(3))));
        for wrong in ["", "-", "--1", "start", "1.5"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
