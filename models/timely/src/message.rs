//! What workers tell one another.

use actor_checker::engine::{Discovery, Stopped};
use serde::{Deserialize, Serialize};

/// A message, with its sender and its receiver.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) content: Content,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Content {
    /// States of the next level that are the receiver's.
    States(States),
    /// Where the sender stands, for whoever shows it.
    Counts(Counts),
    /// This round is to end early: to write a checkpoint, or because the run stops.
    Pause(Option<Stopped>),
    /// What the sender has made of its states in a round.
    Done(Done),
    /// For each property, the lowest fingerprint of a state of the sender's that leads to the one asked for.
    Back(Vec<Option<u128>>),
    /// All that the sender has, when the run is over.
    End(End),
}

/// A block, and what it speaks of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct States {
    /// Steps from the start.
    pub(crate) depth: u64,
    #[serde(with = "serde_bytes")]
    pub(crate) news: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub(crate) block: Vec<u8>,
    /// 16 bytes each.
    #[serde(with = "serde_bytes")]
    pub(crate) fingerprints: Vec<u8>,
}

/// Where a worker stands.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) unique_states: u64,
    /// How many more there may be.
    pub(crate) unsifted: u64,
    /// In this round.
    pub(crate) generated: u64,
    /// States of this level, and how many of them are expanded.
    pub(crate) frontier: u64,
    pub(crate) expanded: u64,
    pub(crate) memory_bytes: u64,
}

/// What became of a worker's states in one round.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Done {
    /// How many were expanded, and what that has generated.
    pub(crate) states: u64,
    pub(crate) generated: u64,
    /// Some of this level are left.
    pub(crate) rest: bool,
    /// Some of the next one may be new.
    pub(crate) goes_on: bool,
    /// For each property, the state of lowest fingerprint.
    pub(crate) found: Vec<Option<Discovery>>,
    pub(crate) memory_bytes: u64,
    pub(crate) stopped: Option<Stopped>,
    /// Not all that was seen is expanded or kept: no checkpoint may be written of it.
    pub(crate) is_torn: bool,
}

/// What a worker has when the run is over.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) unique_states: u64,
    /// Why this is not all.
    pub(crate) stopped: Option<Stopped>,
    #[serde(with = "serde_bytes")]
    pub(crate) news: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub(crate) asked: Vec<u8>,
}
