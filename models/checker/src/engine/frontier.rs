//! Where the states of a level are until they are expanded.

use super::error::CheckpointError;
use super::space::Space;
use super::standing::Standing;
use crate::visited::VisitedSet;

/// Keeps blocks of states.
pub(super) trait Frontier<S: Space>: Sync {
    /// Where a block is.
    type Slot: Send;

    /// Keeps a block of states that are so many steps from the start.
    fn put(&self, space: &S, depth: u64, block: S::Block) -> Result<Self::Slot, CheckpointError>;

    /// Gives a block back.
    fn take(&self, slot: Self::Slot) -> Result<S::Block, CheckpointError>;

    /// How many states a block has.
    fn len(slot: &Self::Slot) -> usize;

    /// The bytes of memory that a block takes.
    fn size_bytes(slot: &Self::Slot) -> u64;

    /// Is it time to write a checkpoint?
    fn is_due(&self) -> bool;

    /// Is there more on disk than there may be?
    fn is_full(&self) -> bool;

    /// Keeps where the run stands, so that another process can go on. Nobody explores meanwhile.
    fn checkpoint(&self, space: &S, standing: &Standing<Self::Slot>)
    -> Result<(), CheckpointError>;

    /// Where an earlier process stood, if there was one; what it has seen is added.
    fn resume(
        &self,
        space: &S,
        seen: &VisitedSet,
    ) -> Result<Option<Standing<Self::Slot>>, CheckpointError>;
}

/// In memory, as they are.
pub(super) struct InMemory;

impl<S: Space> Frontier<S> for InMemory {
    type Slot = S::Block;

    fn put(&self, _: &S, _: u64, block: S::Block) -> Result<S::Block, CheckpointError> {
        Ok(block)
    }

    fn take(&self, slot: S::Block) -> Result<S::Block, CheckpointError> {
        Ok(slot)
    }

    fn len(slot: &S::Block) -> usize {
        S::len(slot)
    }

    fn size_bytes(slot: &S::Block) -> u64 {
        S::size_bytes(slot)
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

    fn resume(&self, _: &S, _: &VisitedSet) -> Result<Option<Standing<S::Block>>, CheckpointError> {
        Ok(None)
    }
}
