//! Where a run keeps what it has seen, and the states of a level until they are expanded.

use super::blocks::Places;
use super::error::CheckpointError;
use super::space::Space;
use super::standing::Standing;
use crate::fingerprint::{STATES_MAX_OF_64_BITS, upper};
use crate::visited::{self, VisitedSet};

/// Keeps blocks of states, and the fingerprints of all of them.
///
/// A state that is admitted may be known all the same, until blocks are [sifted](Store::sift).
pub trait Store<S: Space>: Sync {
    /// Where a block is.
    type Slot: Send;
    /// What is to be kept beside a block that is not full yet.
    type News: Default;
    /// Access for one thread.
    type View<'a>: Admit<Self::News>
    where
        Self: 'a;

    /// Access for a thread. There must be none when the store sifts.
    fn view(&self) -> Self::View<'_>;

    /// Keeps a block of states that are so many steps from the start.
    ///
    /// # Errors
    /// When the disk fails.
    fn put(
        &self,
        space: &S,
        depth: u64,
        block: S::Block,
        news: Self::News,
    ) -> Result<Self::Slot, CheckpointError>;

    /// Gives a block back, with the places of states that are none.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written.
    fn take(&self, slot: Self::Slot) -> Result<(S::Block, Places), CheckpointError>;

    /// Takes out of blocks what was known before. Nobody explores meanwhile; if somebody wants to stop, no more is done
    /// than must be.
    ///
    /// # Errors
    /// When the disk fails.
    fn sift(
        &self,
        blocks: &mut Vec<Self::Slot>,
        threads: usize,
        stops: &dyn Fn() -> bool,
    ) -> Result<(), CheckpointError>;

    /// How many states a block has.
    fn len(slot: &Self::Slot) -> usize;

    /// The bytes of memory that a block takes.
    fn size_bytes(slot: &Self::Slot) -> u64;

    /// How many states are known to be there, and how many more there may be.
    fn states(&self) -> (u64, u64);

    /// How many its fingerprints can tell apart, and the bits of each.
    fn states_max(&self) -> (u64, u32);

    /// The bytes of memory that what is seen takes.
    fn memory_bytes(&self) -> u64;

    /// Is it time to sift?
    fn is_crowded(&self) -> bool;

    /// Is it time to write a checkpoint?
    fn is_due(&self) -> bool;

    /// Is there more on disk than there may be?
    fn is_full(&self) -> bool;

    /// Keeps where the run stands, so that another process can go on. Nobody explores meanwhile, and all is sifted.
    ///
    /// # Errors
    /// When the disk fails.
    fn checkpoint(&self, space: &S, standing: &Standing<Self::Slot>)
    -> Result<(), CheckpointError>;

    /// Where an earlier process stood, if there was one; what it has seen is added.
    ///
    /// # Errors
    /// When its files cannot be read, or are not what was written.
    fn resume(&self, space: &S) -> Result<Option<Standing<Self::Slot>>, CheckpointError>;
}

/// Decides about states by their fingerprints.
pub trait Admit<N> {
    /// Tells of each whether it is to be kept. If so, it is noted.
    fn admit(&mut self, fingerprints: &[u128], news: &mut N, kept: &mut Vec<bool>);
}

/// In memory, as they are; of fingerprints the upper half.
#[derive(Default)]
pub struct InMemory {
    seen: VisitedSet,
}

impl Admit<()> for visited::View<'_> {
    fn admit(&mut self, fingerprints: &[u128], (): &mut (), kept: &mut Vec<bool>) {
        let halves = fingerprints.iter().map(|fingerprint| upper(*fingerprint).max(1));
        self.touch(halves.clone());
        kept.extend(halves.map(|half| self.insert(half)));
    }
}

impl<S: Space> Store<S> for InMemory {
    type Slot = S::Block;
    type News = ();
    type View<'a> = visited::View<'a>;

    fn view(&self) -> visited::View<'_> {
        self.seen.view()
    }

    fn put(&self, _: &S, _: u64, block: S::Block, (): ()) -> Result<S::Block, CheckpointError> {
        Ok(block)
    }

    fn take(&self, slot: S::Block) -> Result<(S::Block, Places), CheckpointError> {
        Ok((slot, Places::default()))
    }

    fn sift(
        &self,
        _: &mut Vec<S::Block>,
        _: usize,
        _: &dyn Fn() -> bool,
    ) -> Result<(), CheckpointError> {
        Ok(())
    }

    fn len(slot: &S::Block) -> usize {
        S::len(slot)
    }

    fn size_bytes(slot: &S::Block) -> u64 {
        S::size_bytes(slot)
    }

    fn states(&self) -> (u64, u64) {
        (self.seen.len(), 0)
    }

    fn states_max(&self) -> (u64, u32) {
        (STATES_MAX_OF_64_BITS, u64::BITS)
    }

    fn memory_bytes(&self) -> u64 {
        self.seen.memory_bytes()
    }

    fn is_crowded(&self) -> bool {
        false
    }

    fn is_due(&self) -> bool {
        false
    }

    fn is_full(&self) -> bool {
        false
    }

    fn checkpoint(&self, _: &S, _: &Standing<S::Block>) -> Result<(), CheckpointError> {
        Ok(())
    }

    fn resume(&self, _: &S) -> Result<Option<Standing<S::Block>>, CheckpointError> {
        Ok(None)
    }
}
