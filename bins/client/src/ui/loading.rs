//! What is loaded of the log for a screen, and how much of it at once.
//!
//! **Invariant — bounded**: a room in which nothing was said for long does not have the whole log read. After [`REACH`]
//! slots nothing more is loaded until one scrolls.

use crate::backwards::Stride;
use paxos_chat::types::Slot;

/// Slots that are read until one scrolls, or messages that they hold.
pub(super) const REACH: u64 = 4096;
/// Slots of the longest stretch.
const STRIDE_MAX: u64 = 256;

/// What is loaded, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loading {
    /// A stretch was asked for.
    pub(super) is_asked: bool,
    pub(super) stride: Stride,
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
        let (reach, stride) = (REACH, Stride::up_to(STRIDE_MAX));
        Loading { is_asked: false, stride, reach, goal: None, searching: None, searches: 0 }
    }
}

impl Loading {
    /// One has gone elsewhere, where more or less may be said.
    pub(super) fn begin_again(&mut self) {
        self.stride = Stride::up_to(STRIDE_MAX);
    }
}
