//! What is loaded of the log for a screen, and how much of it at once.
//!
//! **Invariant — bounded**: a room in which nothing was said for long does not have the whole log read. After [`REACH`]
//! slots nothing more is loaded until one scrolls.

use paxos_chat::types::Slot;
use std::ops::Range;

/// Slots that are read until one scrolls, or messages that they hold.
pub(super) const REACH: u64 = 4096;
/// Slots of the first stretch, and of the longest.
pub(super) const STRIDE: Range<u64> = 32..256;
/// Messages for which a stretch is long enough.
pub(super) const ENOUGH: usize = 64;
/// Messages for which it is too long.
pub(super) const TOO_MANY: usize = 1024;

/// What is loaded, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loading {
    /// A stretch was asked for.
    pub(super) is_asked: bool,
    pub(super) stride: u64,
    /// Slots and messages that may still be read.
    pub(super) reach: u64,
    pub(super) goal: Option<Goal>,
    /// Where a search is that goes on beyond what is loaded.
    pub(super) searching: Option<Slot>,
    pub(super) searches: u64,
}

/// The place that one wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The first message.
    Top,
    /// What was found at this slot.
    Found(Slot),
}

impl Default for Loading {
    fn default() -> Loading {
        let (reach, stride) = (REACH, STRIDE.start);
        Loading { is_asked: false, stride, reach, goal: None, searching: None, searches: 0 }
    }
}
