//! The three runs of an entry, beside one another.

use super::child::Measurement;

/// `ActorModel` needs so many seconds at least for a ratio to count.
const COUNTS_FROM_SECONDS: f64 = 2.0;

/// The three runs of an entry.
pub(super) struct Comparison {
    pub(super) name: &'static str,
    pub(super) purpose: &'static str,
    pub(super) theirs: Measurement,
    pub(super) unreduced: Measurement,
    pub(super) reduced: Measurement,
}

impl Comparison {
    pub(super) fn counts_differ(&self, judged: bool) -> bool {
        let finished = self.theirs.complete && self.unreduced.complete;
        finished && !judged && self.theirs.unique_states != self.unreduced.unique_states
    }

    pub(super) fn is_too_small(&self) -> bool {
        self.theirs.complete && self.theirs.seconds < COUNTS_FROM_SECONDS
    }
}
