//! What a cluster leaves in its folder: logs, clients' records, and what was done to it.

use super::history::{Account, Records};
use paxos_chat_client::record::{EXTENSION, Record, RecordError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// The name of the file that says what was done to a cluster.
const RUN_FILE: &str = "run.json";

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

/// A replica's log file, and what it tells.
#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) id: u8,
    pub(super) killed: bool,
    pub(super) restarts: u64,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) account: Account,
}

impl LogFile {
    /// Does it end with a whole slot, and is nothing wrong before?
    pub(super) fn is_whole(&self) -> bool {
        self.account.damage.is_none() && self.account.torn_at.is_none()
    }

    /// Are both logs whole, as long as each other, and of one hash?
    pub(super) fn is_same_as(&self, other: &LogFile) -> bool {
        self.is_whole()
            && other.is_whole()
            && (self.bytes, &self.account.hash) == (other.bytes, &other.account.hash)
    }
}

/// The logs, records and faults of one cluster.
#[derive(Debug)]
pub struct Evidence {
    pub(super) logs: Vec<LogFile>,
    /// A run has left it, which waits until the survivors have all: their logs must be equal.
    pub(super) is_of_run: bool,
    pub(super) records: Vec<Record>,
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
        let run: Option<RunFile> = match std::fs::read(&run_path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| EvidenceError::RunFile { path: run_path, error })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(&run_path)(error)),
        };
        let is_of_run = run.is_some();
        let run = run.unwrap_or_default();
        let (mut logs, mut records) = (Vec::new(), Vec::new());
        for file in std::fs::read_dir(folder).map_err(unreadable(folder))? {
            let path = file.map_err(unreadable(folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let id = name.strip_prefix("replica-").and_then(|name| name.strip_suffix(".log"));
            if let Some(id) = id.and_then(|id| id.parse().ok()) {
                let bytes = std::fs::metadata(&path).map_err(unreadable(&path))?.len();
                let killed = run.killed.contains(&id);
                let restarts = run.restarts.get(&id).copied().unwrap_or_default();
                logs.push(LogFile {
                    id,
                    killed,
                    restarts,
                    path,
                    bytes,
                    account: Account::default(),
                });
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
            file.account = Account::of(&file.path, &known);
        }
        Ok(Evidence { logs, is_of_run, records })
    }
}
