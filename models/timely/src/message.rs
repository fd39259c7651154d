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
    /// What the sender has made of its states of a level.
    Level(Level),
    /// The sender explores no further.
    Stop(Stopped),
    /// All that the sender has, when the run is over.
    End(End),
}

/// A block, and what it speaks of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct States {
    #[serde(with = "serde_bytes")]
    pub(crate) news: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub(crate) block: Vec<u8>,
    /// 16 bytes each.
    #[serde(with = "serde_bytes")]
    pub(crate) fingerprints: Vec<u8>,
}

/// What became of the states of one level in one worker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Level {
    pub(crate) states: u64,
    pub(crate) generated: u64,
    /// Some successor may be new.
    pub(crate) goes_on: bool,
    /// For each property, the state of lowest fingerprint.
    pub(crate) found: Vec<Option<Discovery>>,
    pub(crate) memory_bytes: u64,
    pub(crate) stopped: Option<Stopped>,
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
