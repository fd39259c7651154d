//! Where a run stands, between two blocks of states.

use super::Discovery;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where a run stands: in the middle of a level, or at its beginning.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Standing<T> {
    /// States of the levels up to this one.
    pub by_depth: Vec<u64>,
    /// What of this level is to be expanded.
    pub rest: Vec<T>,
    /// What is known of the next one.
    pub next: Vec<T>,
    /// States generated, known ones again included.
    pub generated: u64,
    /// The most bytes that there were.
    pub memory_bytes: u64,
    /// Time of all processes that came to here, one after the other.
    pub elapsed: Duration,
    /// For each property, what of it was found by now.
    pub found: Vec<Option<Discovery>>,
}

impl<T> Default for Standing<T> {
    fn default() -> Standing<T> {
        Standing {
            by_depth: Vec::new(),
            rest: Vec::new(),
            next: Vec::new(),
            generated: 0,
            memory_bytes: 0,
            elapsed: Duration::ZERO,
            found: Vec::new(),
        }
    }
}

impl<T> Standing<T> {
    /// Steps from the initial state to this level.
    pub(super) fn depth(&self) -> u64 {
        self.by_depth.len().saturating_sub(1) as u64
    }

    /// Goes to the next level, if this one is expanded and there is one; did it?
    pub(super) fn advance(&mut self, len: impl Fn(&T) -> usize) -> bool {
        let is_next = self.rest.is_empty() && !self.next.is_empty();
        if is_next {
            self.rest = std::mem::take(&mut self.next);
            self.by_depth.push(self.rest.iter().map(|slot| len(slot) as u64).sum());
        }
        is_next
    }

    /// Where everything is that is to be expanded.
    pub(super) fn slots(&self) -> impl Iterator<Item = &T> {
        self.rest.iter().chain(&self.next)
    }
}
