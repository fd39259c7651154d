//! Judges chat logs on disk against what the clients recorded.
//!
//! **Invariants judged**
//! - the logs of surviving replicas are equal byte for byte; that of a killed one is a prefix;
//! - every acknowledged message is in every surviving log, at the slot it was acknowledged for,
//!   with its text;
//! - each message takes effect once, and those of a session in the order of their numbers;
//! - nothing takes effect that nobody submitted;
//! - what each command is said to have come to is what replaying the log leads to.
//!
//! | file | what it holds |
//! |---|---|
//! | `compare` | the logs against one another |
//! | `history` | one log against itself and the records |
//!
//! **Invariant — bounded**: logs are read as streams. What is held grows with what clients recorded
//! and with the sessions, and not with the logs; the faults that are listed are limited.
//!
//! **Absent**: trust in whoever wrote the logs. Everything is read back from disk.

mod compare;
mod history;

use history::{Records, Told};
use paxos_chat_client::record::{EXTENSION, Record, RecordError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// The name of the file that says what was done to a cluster.
const RUN_FILE: &str = "run.json";
/// Faults that are listed; the rest is counted.
const FAULTS_MAX: usize = 20;

/// What was done to a cluster, beside its logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFile {
    /// The replicas that were killed for good.
    pub killed: BTreeSet<u8>,
    /// How often a replica was killed and restarted.
    #[serde(default)]
    pub restarts: BTreeMap<u8, u64>,
}

impl RunFile {
    /// Writes it beside the logs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        std::fs::write(folder.join(RUN_FILE), serde_json::to_string(self)? + "\n")
    }
}

/// What is wrong: the first few, and how many there are.
#[derive(Debug, Default)]
struct Faults {
    listed: Vec<String>,
    more: usize,
}

impl Faults {
    fn push(&mut self, fault: String) {
        if self.listed.len() < FAULTS_MAX { self.listed.push(fault) } else { self.more += 1 }
    }

    /// Adds those of a replica.
    fn add(&mut self, id: u8, other: &Faults) {
        other.listed.iter().for_each(|fault| self.push(format!("replica {id}: {fault}")));
        self.more += other.more;
    }

    fn count(&self) -> usize {
        self.listed.len() + self.more
    }

    fn into_list(mut self) -> Vec<String> {
        if self.more > 0 {
            self.listed.push(format!("and {} more", self.more));
        }
        self.listed
    }
}

/// A replica's log file, and what it tells.
#[derive(Debug)]
struct LogFile {
    id: u8,
    killed: bool,
    restarts: u64,
    path: PathBuf,
    bytes: u64,
    told: Told,
}

impl LogFile {
    /// Are both logs whole, as long as each other, and of one hash?
    fn is_same_as(&self, other: &LogFile) -> bool {
        let is_whole = |file: &LogFile| file.told.damage.is_none() && file.told.torn_at.is_none();
        is_whole(self)
            && is_whole(other)
            && (self.bytes, &self.told.hash) == (other.bytes, &other.told.hash)
    }
}

/// The logs, records and faults of one cluster.
#[derive(Debug)]
pub struct Evidence {
    logs: Vec<LogFile>,
    records: Vec<Record>,
}

/// Why there is nothing to judge.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The folder or a file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There are no logs.
    #[error("{} holds no logs: give a folder with files such as replica-0.log", .0.display())]
    NoLogs(PathBuf),
    /// A record is damaged.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The file that says what was done is damaged.
    #[error("{}: {error}; remove it if no replica was killed", path.display())]
    RunFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: serde_json::Error,
    },
}

impl Evidence {
    /// Reads the folder of a cluster's logs.
    ///
    /// # Errors
    /// When there is nothing to judge. A damaged log is no error but a fault.
    pub fn read(folder: &Path) -> Result<Evidence, EvidenceError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |error| EvidenceError::Unreadable { path, error }
        };
        let run_path = folder.join(RUN_FILE);
        let run: RunFile = match std::fs::read(&run_path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| EvidenceError::RunFile { path: run_path, error })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => RunFile::default(),
            Err(error) => return Err(unreadable(&run_path)(error)),
        };
        let (mut logs, mut records) = (Vec::new(), Vec::new());
        for file in std::fs::read_dir(folder).map_err(unreadable(folder))? {
            let path = file.map_err(unreadable(folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let id = name.strip_prefix("replica-").and_then(|name| name.strip_suffix(".log"));
            if let Some(id) = id.and_then(|id| id.parse().ok()) {
                let bytes = std::fs::metadata(&path).map_err(unreadable(&path))?.len();
                let killed = run.killed.contains(&id);
                let restarts = run.restarts.get(&id).copied().unwrap_or_default();
                logs.push(LogFile { id, killed, restarts, path, bytes, told: Told::default() });
            } else if path.extension().is_some_and(|extension| extension == EXTENSION) {
                records.push(Record::read(&path)?);
            }
        }
        if logs.is_empty() {
            return Err(EvidenceError::NoLogs(folder.to_owned()));
        }
        logs.sort_by_key(|file| file.id);
        records.sort_by(|left, right| (&left.user, left.nonce).cmp(&(&right.user, right.nonce)));
        let known = Records::new(&records);
        for file in &mut logs {
            file.told = Told::of(&file.path, &known);
        }
        Ok(Evidence { logs, records })
    }
}

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
    let logs_identical = compare::compare(&evidence.logs, &mut faults);
    let (mut duplicates, mut lost) = (BTreeSet::new(), BTreeSet::new());
    let mut noops = 0;
    for LogFile { id, killed, told, .. } in &evidence.logs {
        if told.damage.is_some() {
            continue;
        }
        faults.add(*id, &told.faults);
        duplicates.extend(told.duplicates.iter().copied());
        noops = told.noops.max(noops);
        if !killed {
            faults.add(*id, &told.losses);
            lost.extend(told.missing.iter().copied());
        }
    }
    Verdict {
        ok: faults.count() == 0,
        logs_identical,
        clients: evidence.records.iter().map(client_report).collect(),
        replicas: evidence.logs.iter().map(replica_report).collect(),
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

fn replica_report(file: &LogFile) -> ReplicaReport {
    let LogFile { id, killed, restarts, told, .. } = file;
    let (id, killed, restarts) = (*id, *killed, *restarts);
    ReplicaReport { id, entries: told.lines, log_hash: told.hash.clone(), killed, restarts }
}

#[cfg(test)]
mod tests;
