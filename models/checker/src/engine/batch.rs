//! A block of states in the making.

use super::error::CheckpointError;
use super::space::Space;
use super::store::{Admit, Store};

/// States in a block, which is also what a worker takes from a level at once.
pub(super) const BLOCK: usize = 512;

/// States that are looked up at once.
pub const BATCH: usize = 64;

/// A block that is being filled.
pub struct Batch<S: Space, F: Store<S>> {
    /// The states that are kept, and behind them those that are not looked up yet.
    pub states: S::Block,
    /// Of those that are not looked up yet.
    pub fingerprints: Vec<u128>,
    pub(super) news: F::News,
    kept: Vec<bool>,
}

impl<S: Space, F: Store<S>> Default for Batch<S, F> {
    fn default() -> Self {
        Batch {
            states: S::Block::default(),
            fingerprints: Vec::new(),
            news: F::News::default(),
            kept: Vec::new(),
        }
    }
}

impl<S: Space, F: Store<S>> Batch<S, F> {
    /// Looks the last states up, and keeps the new ones; tells how many were looked up.
    pub fn admit(&mut self, view: &mut F::View<'_>) -> u64 {
        let generated = self.fingerprints.len();
        view.admit(&self.fingerprints, &mut self.news, &mut self.kept);
        S::keep_of_last(&mut self.states, &self.kept);
        self.fingerprints.clear();
        self.kept.clear();
        generated as u64
    }

    /// Has the store keep it, as states that are so many steps from the start; nothing if it is empty.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn put(self, store: &F, space: &S, depth: u64) -> Result<Option<F::Slot>, CheckpointError> {
        if S::len(&self.states) == 0 {
            return Ok(None);
        }
        store.put(space, depth, self.states, self.news).map(Some)
    }
}
