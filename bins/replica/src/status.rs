//! How a replica is, as it tells operators.
//!
//! **Invariant**: a key may join and none changes its meaning; one that is missing has its default, so
//! that a replica of another version can be asked.

use actor_runtime::disk::meter::SyncTimes;
use actor_runtime::driver::Counters;
use actor_runtime::keys::Fingerprint;
use paxos_chat::state::Phase;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// What a replica does about leadership.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Follows whoever leads.
    #[default]
    Follower,
    /// Asks whether an election would be supported.
    PreVoting,
    /// In phase 1 of its own ballot.
    Preparing,
    /// In phase 2 of its own ballot.
    Leading,
}

impl Role {
    /// The role in this phase.
    pub fn of(phase: &Phase) -> Role {
        match phase {
            Phase::Follower => Role::Follower,
            Phase::PreVoting(_) => Role::PreVoting,
            Phase::Preparing(_) => Role::Preparing,
            Phase::Leading(_) => Role::Leading,
        }
    }
}

impl Display for Role {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::Follower => "follower",
            Role::PreVoting => "pre-voting",
            Role::Preparing => "preparing",
            Role::Leading => "leading",
        })
    }
}

/// How a replica is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Its id.
    pub replica: u8,
    /// The version of its program.
    pub version: String,
    /// What it does about leadership.
    pub role: Role,
    /// The highest ballot that it has promised.
    pub ballot: String,
    /// The round of that ballot: a higher one is a later leadership.
    pub round: u32,
    /// Whose ballot it is.
    pub leader: Option<u8>,
    /// Everything below is known to be decided.
    pub decided_upto: u64,
    /// Everything below is applied. What is contiguous is applied when it is decided, so both are one.
    pub applied_upto: u64,
    /// One above the highest slot known to be decided; there may be gaps below.
    pub decided_end: u64,
    /// Proposed and not decided; 0 unless it leads.
    pub in_flight: u64,
    /// Commands that wait for a slot; 0 unless it leads.
    pub queued: u64,
    /// Lines of the chat log.
    pub log_lines: u64,
    /// Hash of the chat log.
    pub log_hash: String,
    /// Chunks of the chat log that were read for others.
    pub log_reads: u64,
    /// Chunks that could not be: the log is damaged.
    pub read_errors: u64,
    /// Entries that were missing here and that others have sent.
    pub fetched: u64,
    /// Datagrams and messages.
    pub counters: Counters,
    /// The highest probability of loss that is injected now, of any direction or link.
    pub injected_loss: f64,
    /// It warms up: nothing is promised or decided with it before it has heard the others.
    pub waits: bool,
    /// May faults be injected over the network?
    pub faults_enabled: bool,
    /// Syncs of the disk.
    pub syncs: SyncTimes,
    /// Milliseconds since the process has started.
    pub uptime_ms: u64,
    /// Milliseconds since the end of its last turn: long, if it hangs.
    pub turn_age_ms: u64,
    /// Its resident set, in bytes.
    pub rss_bytes: Option<u64>,
    /// Datagrams in the name of operators that were dropped.
    pub operator_dropped: u64,
    /// Fingerprints of the secrets that it opens under; it seals under the first.
    pub secrets: Vec<Fingerprint>,
}

impl Status {
    /// Is it in phase 2 of its ballot?
    pub fn leads(&self) -> bool {
        self.role == Role::Leading
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_another_version_is_read() {
        let text = r#"{"replica": 2, "role": "leading", "applied_upto": 9, "to_come": [1]}"#;
        let status: Status = serde_json::from_str(text).unwrap();
        assert_eq!((status.replica, status.applied_upto, status.leads()), (2, 9, true));
        let whole = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<Status>(&whole).unwrap(), status);
    }
}
