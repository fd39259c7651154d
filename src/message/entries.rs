//! Runs of decided values, cut into chunks, and who wants them.

use super::{LogRead, Message, Outcome, Plausible, ToPeer};
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

    /// The slot after that of the last value.
    pub fn end(&self) -> Slot {
        Slot(self.from.0 + self.values.len() as u64)
    }
}

/// A value that was applied, and what each of its commands came to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AppliedValue {
    /// The value.
    pub value: Value,
    /// What its commands came to, in their order.
    pub outcomes: Vec<Outcome>,
}

/// Upper bound of the encoded size of an outcome, in bytes: a tag and two varints.
const OUTCOME_BYTES_MAX: usize = 16;

impl AppliedValue {
    /// An upper bound of the encoded size, in bytes.
    pub fn size_bytes(&self) -> usize {
        AppliedValue::size_bytes_of(&self.value)
    }

    /// The same of this value, whatever its commands came to.
    pub fn size_bytes_of(value: &Value) -> usize {
        value.size_bytes() + OUTCOME_BYTES_MAX * value.commands().len()
    }
}

/// A run of applied values, as a reader gets it. What took effect is told with them, so nothing from before is needed
/// to read it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Page {
    /// The slot of the first value: the one that was asked for.
    pub from: Slot,
    /// The values of `from` and the slots after it.
    pub values: Vec<AppliedValue>,
    /// The sender has applied everything below this bound.
    pub applied_upto: Slot,
}

impl LogRead {
    /// The answer: what the log holds from the first slot wanted on, as much as a chunk takes.
    pub fn answer(
        &self,
        values: impl IntoIterator<Item = AppliedValue>,
        tuning: &Tuning,
    ) -> Message {
        let LogRead { asker, from, upto } = *self;
        match asker {
            Asker::Replica(_) => {
                let values = values.into_iter().map(|applied| applied.value);
                ToPeer::Decided(Entries::chunk(from, upto, values, tuning)).into()
            }
            Asker::Client(_) => {
                let mut chunk = Chunk::of(tuning);
                let fitting =
                    values.into_iter().take_while(|applied| chunk.takes(applied.size_bytes()));
                Page { from, values: fitting.collect(), applied_upto: upto }.into()
            }
        }
    }
}

/// Who wants entries of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
}

impl Plausible for Entries {
    fn is_plausible(&self) -> bool {
        self.from.is_plausible() && self.applied_upto.is_plausible()
    }
}

impl Plausible for Page {
    fn is_plausible(&self) -> bool {
        let is_whole = |applied: &AppliedValue| {
            let AppliedValue { value, outcomes } = applied;
            value.commands().len() == outcomes.len() && outcomes.iter().all(Plausible::is_plausible)
        };
        self.from.is_plausible()
            && self.applied_upto.is_plausible()
            && self.values.iter().all(is_whole)
    }
}

impl Debug for Page {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "applied<{}", self.applied_upto)?;
        for (slot, AppliedValue { value, outcomes }) in (self.from.0..).zip(&self.values) {
            write!(f, ", {slot}={value}")?;
            if outcomes.iter().any(|outcome| *outcome != Outcome::Applied) {
                write!(f, " {outcomes:?}")?;
            }
        }
        Ok(())
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
