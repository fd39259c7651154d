//! A space that several processes explore together, each with numbers of its own.

use super::blocks::Stored;

/// A space whose states can be sent to other processes while they are explored.
///
/// Blocks speak in numbers that only their process knows. So whoever sends one tells first what its receiver has not
/// been told yet, and the receiver renames what it gets.
pub trait Shared: Stored {
    /// How much a receiver has been told.
    type Told: Default;
    /// What the numbers of a sender stand for here.
    type Peer: Default;

    /// Appends a state of another block of this process.
    fn append(block: &Self::Block, place: usize, into: &mut Self::Block);

    /// A number that states share in which the same things are so: they are one worker's. The more seldom a step changes
    /// it, the fewer states are sent. It is the same for all states that have the same fingerprint, in every process.
    fn share(&self, block: &Self::Block, place: usize) -> u64;

    /// The places of all states, those next to one another that have the most in common: in that order they are expanded
    /// faster.
    fn order(block: &Self::Block) -> Vec<usize>;

    /// What a receiver has not been told yet.
    fn news(&self, told: &mut Self::Told) -> Vec<u8>;

    /// Takes over what a sender tells.
    ///
    /// # Errors
    /// Says why it is of another space.
    fn learn(&self, peer: &mut Self::Peer, news: &[u8]) -> Result<(), String>;

    /// A sender's block with the numbers that its states have here; nothing if it speaks of what was not told.
    fn translate(&self, peer: &Self::Peer, block: Self::Block) -> Option<Self::Block>;

    /// What was asked of the actors, for whoever checks afterwards what the run has relied on.
    fn asked(&self) -> Vec<u8>;

    /// Asks what a sender has asked, all of whose news were learnt.
    ///
    /// # Errors
    /// Says why it is of another space.
    fn ask_too(&self, peer: &Self::Peer, asked: &[u8]) -> Result<(), String>;
}
