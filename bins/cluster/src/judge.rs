//! Judges chat logs on disk against what the clients recorded.
//!
//! **Invariants judged**
//! - the logs of surviving replicas are equal byte for byte; that of a killed one is a prefix, and so is that of one
//!   that is behind, where no run has waited for it;
//! - every acknowledged message is in every surviving log that is not behind, at the slot it was acknowledged for,
//!   with its text;
//! - each message takes effect once, and those of a session in the order of their numbers;
//! - nothing takes effect that nobody submitted;
//! - what each command is said to have come to is what replaying the log leads to.
//!
//! | file | what it holds |
//! |---|---|
//! | `faults` | what is wrong, as far as it is listed |
//! | `history` | one log against itself and the records |
//! | `evidence` | what is read of a cluster's folder |
//! | `compare` | the logs against one another |
//!
//! **Invariant — bounded**: logs are read as streams. What is held grows with what clients recorded
//! and with the sessions, and not with the logs; the faults that are listed are limited.
//!
//! **Absent**: trust in whoever wrote the logs. Everything is read back from disk.

mod compare;
mod evidence;
mod faults;
mod history;

pub use evidence::{Evidence, EvidenceError, RunFile};

use compare::Comparison;
use evidence::LogFile;
use faults::Faults;
use paxos_chat_client::record::Record;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What a client did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientReport {
    /// Its user.
    pub name: String,
    /// Messages submitted.
    pub sent: u64,
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// How often acknowledged messages were sent again.
    pub retries: u64,
}

/// What a replica left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplicaReport {
    /// Its id.
    pub id: u8,
    /// Lines of its log, without the header.
    pub entries: u64,
    /// The hash of its log.
    pub log_hash: String,
    /// How many entries of the longest log it lacks.
    pub behind: u64,
    /// Was it killed for good?
    pub killed: bool,
    /// How often was it killed and restarted?
    pub restarts: u64,
}

/// The judgement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Is everything as it must be?
    pub ok: bool,
    /// Are the logs of survivors equal, and those of the killed prefixes?
    pub logs_identical: bool,
    /// The clients, by name.
    pub clients: Vec<ClientReport>,
    /// The replicas, by id.
    pub replicas: Vec<ReplicaReport>,
    /// Messages that took effect more than once.
    pub duplicates: u64,
    /// Acknowledged messages that a surviving log lacks.
    pub lost: u64,
    /// Slots without a command, in the longest log.
    pub noops: u64,
    /// What a scenario is named for, as it was found to have happened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// What is wrong.
    pub faults: Vec<String>,
}

/// Judges.
pub fn judge(evidence: &Evidence) -> Verdict {
    let mut faults = Faults::default();
    let Comparison { is_identical, behind } = compare::compare(evidence, &mut faults);
    let (mut duplicates, mut lost) = (BTreeSet::new(), BTreeSet::new());
    let mut noops = 0;
    for LogFile { id, killed, account, .. } in &evidence.logs {
        if account.damage.is_some() {
            continue;
        }
        faults.add(*id, &account.faults);
        duplicates.extend(account.duplicates.iter().copied());
        noops = account.noops.max(noops);
        if !killed && !behind.contains_key(id) {
            faults.add(*id, &account.losses);
            lost.extend(account.missing.iter().copied());
        }
    }
    Verdict {
        ok: faults.count() == 0,
        logs_identical: is_identical,
        clients: evidence.records.iter().map(client_report).collect(),
        replicas: evidence.logs.iter().map(|file| replica_report(file, &behind)).collect(),
        duplicates: duplicates.len() as u64,
        lost: lost.len() as u64,
        noops,
        events: Vec::new(),
        faults: faults.into_list(),
    }
}

fn client_report(record: &Record) -> ClientReport {
    ClientReport {
        name: record.user.clone(),
        sent: record.submitted.len() as u64,
        acknowledged: record.acknowledged.len() as u64,
        retries: record.acknowledged.iter().map(|a| a.retries).sum(),
    }
}

fn replica_report(file: &LogFile, behind: &BTreeMap<u8, u64>) -> ReplicaReport {
    let LogFile { id, killed, restarts, account, .. } = file;
    let (id, killed, restarts) = (*id, *killed, *restarts);
    let (entries, log_hash) = (account.lines, account.hash.clone());
    let behind = behind.get(&id).copied().unwrap_or_default();
    ReplicaReport { id, entries, log_hash, behind, killed, restarts }
}

#[cfg(test)]
mod tests;
