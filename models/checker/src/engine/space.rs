//! What the engine explores: states that are packed into blocks, each known by a fingerprint.

use crate::intern::content_hash;
use stateright::{Expectation, Model, Property};
use std::hash::Hash;

/// A space of states.
///
/// Every [`Model`] is one; a model of its own may keep its states packed. Successors are appended many at a time, and
/// looked up many at a time: so the memory answers several look-ups at once, which are most of the time of a large run.
pub trait Space: Sync {
    /// States of one level, packed.
    type Block: Default + Send;
    /// What may be used again from state to state.
    type Scratch: Default;

    /// How many properties there are, at most 64.
    fn properties(&self) -> usize;

    /// The properties that must hold always, as bits.
    fn always(&self) -> u64;

    /// Appends the initial states, and their fingerprints.
    fn start(&self, into: &mut Self::Block, fingerprints: &mut Vec<u128>);

    /// Appends the successors of a state, and their fingerprints.
    fn expand(
        &self,
        block: &Self::Block,
        place: usize,
        scratch: &mut Self::Scratch,
        into: &mut Self::Block,
        fingerprints: &mut Vec<u128>,
    );

    /// Takes away the last states, one for each of these answers, but for those that are to be kept.
    fn keep_of_last(block: &mut Self::Block, kept: &[bool]);

    /// The `Always` properties that a state violates and the `Sometimes` ones that it reaches.
    fn judge(&self, block: &Self::Block, place: usize) -> u64;

    /// The fingerprint of a state. In memory its upper half alone counts.
    fn fingerprint(&self, block: &Self::Block, place: usize) -> u128;

    /// How many states a block has.
    fn len(block: &Self::Block) -> usize;

    /// The bytes that a block takes.
    fn size_bytes(block: &Self::Block) -> u64;

    /// The bytes that the space itself takes by now.
    fn memory_bytes(&self) -> u64 {
        0
    }
}

/// The fingerprint of a state of any model: a hash of its content, of 64 bits, in the upper half.
pub fn fingerprint<T: Hash>(state: &T) -> u128 {
    u128::from(content_hash(state)) << 64
}

/// Any model, its states as they are.
pub(super) struct Plain<'a, M: Model> {
    pub(super) model: &'a M,
    pub(super) properties: Vec<Property<M>>,
}

impl<M> Space for Plain<'_, M>
where
    M: Model + Sync,
    M::State: Hash + Send + Sync,
{
    type Block = Vec<M::State>;
    type Scratch = ();

    fn properties(&self) -> usize {
        self.properties.len()
    }

    fn always(&self) -> u64 {
        let bits = self.properties.iter().enumerate();
        bits.filter(|(_, p)| p.expectation == Expectation::Always).map(|(bit, _)| 1 << bit).sum()
    }

    fn start(&self, into: &mut Vec<M::State>, fingerprints: &mut Vec<u128>) {
        let within = |state: &M::State| self.model.within_boundary(state);
        let initial = self.model.init_states().into_iter().filter(within);
        into.extend(initial.inspect(|state| fingerprints.push(fingerprint(state))));
    }

    fn expand(
        &self,
        block: &Vec<M::State>,
        place: usize,
        (): &mut (),
        into: &mut Vec<M::State>,
        fingerprints: &mut Vec<u128>,
    ) {
        let within = |state: &M::State| self.model.within_boundary(state);
        let successors = self.model.next_states(&block[place]).into_iter().filter(within);
        into.extend(successors.inspect(|state| fingerprints.push(fingerprint(state))));
    }

    fn keep_of_last(block: &mut Vec<M::State>, kept: &[bool]) {
        let last = block.split_off(block.len() - kept.len());
        let is_kept = |(state, kept): (M::State, &bool)| kept.then_some(state);
        block.extend(last.into_iter().zip(kept).filter_map(is_kept));
    }

    fn judge(&self, block: &Vec<M::State>, place: usize) -> u64 {
        let state = &block[place];
        let hit = |(bit, property): (usize, &Property<M>)| {
            let holds = (property.condition)(self.model, state);
            u64::from(holds == (property.expectation == Expectation::Sometimes)) << bit
        };
        self.properties.iter().enumerate().map(hit).fold(0, std::ops::BitOr::bitor)
    }

    fn fingerprint(&self, block: &Vec<M::State>, place: usize) -> u128 {
        fingerprint(&block[place])
    }

    fn len(block: &Vec<M::State>) -> usize {
        block.len()
    }

    fn size_bytes(block: &Vec<M::State>) -> u64 {
        (block.capacity() * size_of::<M::State>()) as u64
    }
}
