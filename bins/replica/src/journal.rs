//! The journal: a replica's promises and votes on disk, so that it can be killed at any moment.
//!
//! A replica's storage is a folder `replica-N.journal` beside its chat log: a snapshot, and
//! segments with what changed since. Decided values are not in it: the chat log has them, and is
//! synced up to the snapshot's bound before the snapshot is written.
//!
//! | file | what it holds |
//! |---|---|
//! | `record` | what changed between two saves |
//! | `frame` | one synced append, and telling a torn end from damage |
//! | `segment` | files of frames |
//! | `blank` | the next segment, before it is one |
//! | `snapshot` | the whole state, after which older segments go |
//! | `recovery` | formatting, opening, and every reason to refuse |
//! | `storage` | saving |
//! | `error` | what an operator is told |
//!
//! **Invariants**
//! - *Saved means synced*: a save returns after one sync that covers all of it.
//! - *Recovery yields a prefix that includes everything saved.*
//! - *What cannot be trusted is not used*: damage that no crash explains, a missing or foreign
//!   file, and another replica's or cluster's storage are refused.
//! - *What was recovered is durable again before it is used*: opening writes a new snapshot,
//!   because what was read may never have reached the disk.
//!
//! **Absent**: decisions. A replica without storage does not start; nothing here lets it.
//!
//! **Source**: Chandra et al., *Paxos Made Live* (PODC 2007), section 5.1, for what a lost disk
//! means; Michael et al., *Recovering Shared Objects Without Stable Storage* (DISC 2017).

mod blank;
mod error;
mod frame;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
#[cfg(any(test, feature = "fuzz"))]
mod life;
mod record;
mod recovery;
mod segment;
mod snapshot;
mod storage;

pub use error::JournalError;
pub use recovery::{Opened, format, inspect, open};
pub use storage::JournalStorage;

use actor_runtime::disk::Disk;
use actor_runtime::wire::ClusterId;
use error::Damage;
use std::path::PathBuf;
use std::rc::Rc;

/// Bytes of a segment.
pub const SEGMENT_BYTES: usize = 1 << 20;
/// Bytes of records in one frame; one record may exceed it alone.
const FRAME_BYTES_MAX: usize = 1 << 18;

/// Whose storage it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The replica's id in it.
    pub replica: u8,
}

impl Identity {
    /// Headers have the replica at `at` and the cluster at 8.
    fn check(self, header: &[u8], at: usize) -> Result<(), Damage> {
        let (replica, cluster) = (header[at], &header[8..16]);
        if *cluster != self.cluster.to_bytes() {
            let found: String = cluster.iter().map(|byte| format!("{byte:02x}")).collect();
            let own = self.cluster;
            return Damage::foreign(8, format!("it is of cluster {found}, and this one is {own}"));
        }
        if replica != self.replica {
            let own = self.replica;
            return Damage::foreign(at, format!("it is of replica {replica}, not of {own}"));
        }
        Ok(())
    }
}

/// Where a replica's storage is, and whose it is.
#[derive(Clone)]
pub struct Place {
    /// The disk.
    pub disk: Rc<dyn Disk>,
    /// The folder of chat logs and journals.
    pub folder: PathBuf,
    /// Whose storage it is.
    pub identity: Identity,
    /// Sessions in the session table before one is evicted, as the protocol has it.
    pub sessions_max: usize,
    /// Bytes of a segment.
    pub segment_bytes: usize,
}

impl Place {
    /// The chat log.
    pub fn chat_log(&self) -> PathBuf {
        self.folder.join(format!("replica-{}.log", self.identity.replica))
    }

    /// The folder of the journal.
    pub fn journal(&self) -> PathBuf {
        self.folder.join(format!("replica-{}.journal", self.identity.replica))
    }

    fn disk(&self) -> &dyn Disk {
        &*self.disk
    }
}

#[cfg(test)]
mod tests;
