//! Runs of decided values, cut into chunks, and who wants them.

use super::{Message, Plausible, ToClient, ToPeer};
use crate::chunk::Chunk;
use crate::tuning::Tuning;
use crate::types::{NodeId, ReplicaId, Slot, Value};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug, Formatter};

/// A run of decided values.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entries {
    /// The slot of the first value.
    pub from: Slot,
    /// The values of `from` and the slots after it.
    pub values: Vec<Value>,
    /// The sender has applied everything below this bound.
    pub applied_upto: Slot,
}

impl Entries {
    /// The first of these values, as many as a chunk takes: the sender has applied everything
    /// below `upto`, and the values are those of `from` and the slots after it.
    pub fn chunk(
        from: Slot,
        upto: Slot,
        values: impl IntoIterator<Item = Value>,
        tuning: &Tuning,
    ) -> Entries {
        let mut chunk = Chunk::of(tuning);
        let fitting = values.into_iter().take_while(|value| chunk.takes(value.size_bytes()));
        Entries { from, values: fitting.collect(), applied_upto: upto }
    }
}

/// Who wants entries of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asker {
    /// A replica that lags.
    Replica(ReplicaId),
    /// A client that reads.
    Client(NodeId),
}

impl Asker {
    /// Where the answer goes.
    pub fn node(self) -> NodeId {
        match self {
            Asker::Replica(replica) => replica.into(),
            Asker::Client(client) => client,
        }
    }

    /// The answer.
    pub fn answer(self, entries: Entries) -> Message {
        match self {
            Asker::Replica(_) => ToPeer::Decided(entries).into(),
            Asker::Client(_) => ToClient::Entries(entries).into(),
        }
    }
}

impl Plausible for Entries {
    fn is_plausible(&self) -> bool {
        self.from.is_plausible() && self.applied_upto.is_plausible()
    }
}

impl Debug for Entries {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "applied<{}", self.applied_upto)?;
        for (slot, value) in (self.from.0..).zip(&self.values) {
            write!(f, ", {slot}={value}")?;
        }
        Ok(())
    }
}
