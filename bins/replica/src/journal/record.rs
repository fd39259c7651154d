//! Records: what changed between two saves of an acceptor's durable state.
//!
//! **Invariants**
//! - *Cost of a change, not of the state*: maps share what is equal, and only the rest is visited.
//! - *Votes leave by a snapshot only*: no record removes one, because below the snapshot's bound
//!   they are not needed, and elsewhere they must never go.
//!
//! **Absent**: decided values. Below the bound they are in the chat log.

use imbl::ordmap::DiffItem;
use paxos_chat::state::Storage;
use paxos_chat::types::{Ballot, Slot, Vote};
use serde::{Deserialize, Serialize};
use std::io;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Record {
    /// The promise was raised.
    Promised(Ballot),
    /// A vote was cast, or replaced by one of a higher ballot.
    Voted(Slot, Vote),
    /// The journal goes on in the next segment.
    Sealed,
}

/// What changed, the promise first. Compaction is no change here.
///
/// # Errors
/// When a vote is gone that no snapshot covers: that must not be made durable.
pub(super) fn changes(before: &Storage, after: &Storage) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    if after.promised != before.promised {
        records.push(Record::Promised(after.promised));
    }
    for change in before.votes.diff(&after.votes) {
        match change {
            DiffItem::Add(slot, vote) | DiffItem::Update { new: (slot, vote), .. } => {
                records.push(Record::Voted(*slot, vote.clone()));
            }
            DiffItem::Remove(slot, _) if *slot < after.snapshot.upto => {}
            DiffItem::Remove(slot, _) => {
                let wrong = format!("the vote at slot {slot} vanished above the snapshot's bound");
                return Err(io::Error::new(io::ErrorKind::InvalidData, wrong));
            }
        }
    }
    Ok(records)
}

/// Applies the records of a frame.
///
/// # Errors
/// Says what is wrong with them.
pub(super) fn replay(mut payload: &[u8], state: &mut Storage) -> Result<Replayed, String> {
    while !payload.is_empty() {
        let (record, rest) = postcard::take_from_bytes(payload)
            .map_err(|error| format!("a record cannot be read: {error}"))?;
        payload = rest;
        match record {
            Record::Promised(ballot) if ballot < state.promised => {
                let held = state.promised;
                return Err(format!("the promise of {ballot} follows that of {held}"));
            }
            Record::Promised(ballot) => state.promised = ballot,
            // Written before a snapshot that was taken in the same moment.
            Record::Voted(slot, _) if slot < state.snapshot.upto => {}
            Record::Voted(slot, vote) => drop(state.votes.insert(slot, vote)),
            Record::Sealed if payload.is_empty() => return Ok(Replayed::Sealed),
            Record::Sealed => return Err("records follow the seal of their segment".into()),
        }
    }
    Ok(Replayed::Open)
}

/// May more frames follow in this segment?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replayed {
    /// Yes.
    Open,
    /// No, in the next.
    Sealed,
}
