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
//! **Absent**: trust in whoever wrote the logs. Everything is read back from disk.

use crate::chatlog::{ChatLog, parse_session};
use crate::client::tail::Replay;
use crate::record::{EXTENSION, Record, RecordError};
use paxos_chat::message::Outcome;
use paxos_chat::types::{Body, Operation, SessionId, Slot};
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

/// A replica's log file.
#[derive(Debug)]
struct LogFile {
    id: u8,
    killed: bool,
    restarts: u64,
    bytes: Vec<u8>,
    log: Result<ChatLog, String>,
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
                let bytes = std::fs::read(&path).map_err(unreadable(&path))?;
                let log = ChatLog::parse(&bytes).map_err(|error| error.to_string());
                let killed = run.killed.contains(&id);
                let restarts = run.restarts.get(&id).copied().unwrap_or_default();
                logs.push(LogFile { id, killed, restarts, bytes, log });
            } else if path.extension().is_some_and(|extension| extension == EXTENSION) {
                records.push(Record::read(&path)?);
            }
        }
        if logs.is_empty() {
            return Err(EvidenceError::NoLogs(folder.to_owned()));
        }
        logs.sort_by_key(|file| file.id);
        records.sort_by(|left, right| (&left.user, left.nonce).cmp(&(&right.user, right.nonce)));
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
    /// What is wrong.
    pub faults: Vec<String>,
}

/// Judges.
pub fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict {
        clients: evidence.records.iter().map(client_report).collect(),
        replicas: evidence.logs.iter().map(replica_report).collect(),
        ..Verdict::default()
    };
    verdict.logs_identical = compare(&evidence.logs, &mut verdict.faults);
    let (mut duplicates, mut lost) = (BTreeSet::new(), BTreeSet::new());
    for file in &evidence.logs {
        let Ok(log) = &file.log else { continue };
        let history = History::of(log);
        for fault in history.faults.iter().chain(&history.unsubmitted(&evidence.records)) {
            verdict.faults.push(format!("replica {}: {fault}", file.id));
        }
        duplicates.extend(history.duplicates.iter().copied());
        verdict.noops = verdict.noops.max(history.noops);
        if !file.killed {
            for (record, index) in evidence.records.iter().zip(0..) {
                for (seq, fault) in history.missing(record) {
                    lost.insert((index, seq));
                    verdict.faults.push(format!("replica {}: {fault}", file.id));
                }
            }
        }
    }
    verdict.duplicates = duplicates.len() as u64;
    verdict.lost = lost.len() as u64;
    verdict.ok = verdict.faults.is_empty();
    if verdict.faults.len() > FAULTS_MAX {
        let more = verdict.faults.len() - FAULTS_MAX;
        verdict.faults.truncate(FAULTS_MAX);
        verdict.faults.push(format!("and {more} more"));
    }
    verdict
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
    let (entries, log_hash) = match &file.log {
        Ok(log) => (log.lines, log.chain.to_hex()),
        Err(_) => (0, "damaged".into()),
    };
    let (id, killed, restarts) = (file.id, file.killed, file.restarts);
    ReplicaReport { id, entries, log_hash, killed, restarts }
}

/// Compares all logs with the longest survivor's; false if they are not as they must be.
fn compare(logs: &[LogFile], faults: &mut Vec<String>) -> bool {
    let before = faults.len();
    for file in logs {
        match &file.log {
            Err(error) => faults.push(format!("replica {}: its log is damaged: {error}", file.id)),
            Ok(ChatLog { torn_at: Some(line), .. }) if !file.killed => {
                faults.push(format!("replica {}: its log breaks off in line {line}", file.id));
            }
            Ok(_) => {}
        }
    }
    let survivors = || logs.iter().filter(|file| !file.killed);
    let Some(reference) = survivors().max_by_key(|file| file.bytes.len()) else {
        faults.push("no replica has survived".into());
        return false;
    };
    for file in logs.iter().filter(|file| file.id != reference.id) {
        if let Some((line, own, other)) = first_difference(file, reference) {
            faults.push(format!(
                "replicas {} and {} differ first in line {line}:\n  {own}\n  {other}",
                file.id, reference.id
            ));
        }
    }
    faults.len() == before
}

/// The first line in which a log differs from the reference as it must not.
fn first_difference(file: &LogFile, reference: &LogFile) -> Option<(usize, String, String)> {
    if file.bytes == reference.bytes || (file.killed && reference.bytes.starts_with(&file.bytes)) {
        return None;
    }
    let shown = |line: Option<&[u8]>| {
        line.map_or("(the end)".into(), |line| String::from_utf8_lossy(line).trim_end().to_owned())
    };
    let mut lines = file.bytes.split_inclusive(|b| *b == b'\n');
    let mut others = reference.bytes.split_inclusive(|b| *b == b'\n');
    (1..).find_map(|number| match (lines.next(), others.next()) {
        (None, None) => Some((number, shown(None), shown(None))),
        (line, other) if line != other => Some((number, shown(line), shown(other))),
        _ => None,
    })
}

/// What a log says happened.
#[derive(Default)]
struct History {
    openings: BTreeMap<SessionId, (String, u64)>,
    /// Where each message took effect, and its text.
    applied: BTreeMap<(SessionId, u64), (Slot, String)>,
    duplicates: BTreeSet<(SessionId, u64)>,
    noops: u64,
    faults: Vec<String>,
}

impl History {
    fn of(log: &ChatLog) -> History {
        let mut history = History::default();
        let mut replay = Replay::default();
        let mut last_seq: BTreeMap<SessionId, u64> = BTreeMap::new();
        for entry in &log.entries {
            if replay.outcomes(entry.slot, &entry.value) != entry.outcomes {
                let slot = entry.slot;
                history
                    .faults
                    .push(format!("slot {slot}: replaying the log leads to other outcomes"));
            }
            history.noops += u64::from(entry.value.commands().is_empty());
            for (command, outcome) in entry.value.commands().iter().zip(&entry.outcomes) {
                match (&command.operation, outcome) {
                    (Operation::OpenSession { nonce }, Outcome::Opened(session)) => {
                        history.openings.insert(*session, (command.user.to_string(), nonce.0));
                    }
                    (Operation::InSession { session, seq, body, .. }, Outcome::Applied) => {
                        let last = last_seq.entry(*session).or_default();
                        if seq.0 != *last + 1 {
                            let (slot, seq) = (entry.slot, seq.0);
                            history.faults.push(format!(
                                "slot {slot}: message {seq} of {session} follows message {last}"
                            ));
                        }
                        *last = seq.0;
                        history.take(*session, seq.0, entry.slot, body);
                    }
                    _ => {}
                }
            }
        }
        history
    }

    fn take(&mut self, session: SessionId, seq: u64, slot: Slot, body: &Body) {
        let Body::Post(text) = body else { return };
        if self.applied.insert((session, seq), (slot, text.to_string())).is_some() {
            self.duplicates.insert((session, seq));
            self.faults.push(format!("slot {slot}: message {seq} of {session} took effect before"));
        }
    }

    /// What took effect without a client that submitted it; nothing is known without records.
    fn unsubmitted(&self, records: &[Record]) -> Vec<String> {
        if records.is_empty() {
            return Vec::new();
        }
        let submitted = |session: &SessionId, seq: u64, text: &String| {
            let Some((user, nonce)) = self.openings.get(session) else { return false };
            let record = records.iter().find(|r| r.user == *user && r.nonce == *nonce);
            record.is_some_and(|record| record.text_of(seq) == Some(text))
        };
        let applied = self.applied.iter();
        applied
            .filter(|((session, seq), (_, text))| !submitted(session, *seq, text))
            .map(|((session, seq), (slot, _))| {
                format!("slot {slot}: nobody submitted this message {seq} of {session}")
            })
            .collect()
    }

    /// The acknowledged messages that are not where they were acknowledged for.
    fn missing(&self, record: &Record) -> Vec<(u64, String)> {
        let user = &record.user;
        let is_there = |seq: u64, session: &str, slot: u64| {
            let Some(session) = parse_session(session) else { return false };
            let place = self.applied.get(&(session, seq));
            place.is_some_and(|(at, text)| at.0 == slot && record.text_of(seq) == Some(text))
        };
        let acknowledged = record.acknowledged.iter();
        acknowledged
            .filter(|a| !is_there(a.seq, &a.session, a.slot))
            .map(|a| {
                let wrong = format!(
                    "message {} of {user} was acknowledged for slot {} and is not there",
                    a.seq, a.slot
                );
                (a.seq, wrong)
            })
            .collect()
    }
}
