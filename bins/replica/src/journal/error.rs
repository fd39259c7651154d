//! Why a journal cannot be used, where, and what an operator can do.
//!
//! **Invariant**: every refusal names a path, an offset where there is one, and a way out that
//! cannot make two values be chosen.

use std::io;
use std::path::{Path, PathBuf};

/// What an operator can do about a damaged journal.
const REMEDY_DAMAGED: &str = "the promises and votes of this replica cannot be trusted, and \
    without them it could help to choose a second value. Bring the file back exactly as it was, or \
    leave this replica down for good: the cluster goes on while a majority is up. Never restore an \
    older copy, and never format this id again";
/// What an operator can do about files of somebody else.
const REMEDY_FOREIGN: &str = "point --log-dir, --id and --config at the folder, the replica and \
    the cluster that belong together";
/// What an operator can do where the disk fails.
const REMEDY_DISK: &str = "see to the disk (space, permissions, health), and start again";

/// Why storage cannot be opened or formatted.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is none.
    #[error(
        "{} is missing, so replica {replica} has no storage here. If it never ran, format its \
         storage once with --init. If it ran before, it must not come back under its id: its \
         promises and votes are forgotten while messages that count on them are still under way, \
         and two values could be chosen for one slot (Michael et al., DISC 2017). Bring the folder \
         back exactly as it was, or leave this replica down for good",
        path.display()
    )]
    Missing {
        /// The folder.
        path: PathBuf,
        /// The replica.
        replica: u8,
    },
    /// There is one, and it was to be formatted.
    #[error(
        "{} exists, so this replica has storage, and --init would make it forget what it promised: \
         start it without --init",
        .0.display()
    )]
    Exists(PathBuf),
    /// Another process uses it.
    #[error(
        "{} is in use by another process: is this replica running already? Stop that process first",
        .0.display()
    )]
    Locked(PathBuf),
    /// Its contents are not what was written.
    #[error("{}{}: {wrong}: {remedy}", path.display(), at(*offset))]
    Refused {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: Option<u64>,
        /// What is wrong.
        wrong: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The disk fails.
    #[error("cannot {action} {}: {error}: {REMEDY_DISK}", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

fn at(offset: Option<u64>) -> String {
    offset.map(|offset| format!(", offset {offset}")).unwrap_or_default()
}

impl JournalError {
    pub(super) fn damaged(path: &Path, wrong: impl Into<String>) -> JournalError {
        JournalError::refused(path, None, wrong, REMEDY_DAMAGED)
    }

    pub(super) fn damaged_at(path: &Path, at: usize, wrong: impl Into<String>) -> JournalError {
        JournalError::refused(path, Some(at as u64), wrong, REMEDY_DAMAGED)
    }

    pub(super) fn foreign(path: &Path, wrong: impl Into<String>) -> JournalError {
        JournalError::refused(path, None, wrong, REMEDY_FOREIGN)
    }

    pub(super) fn chat_log(
        path: &Path,
        offset: Option<u64>,
        wrong: impl Into<String>,
    ) -> JournalError {
        JournalError::refused(path, offset, wrong, paxos_chat_log::REMEDY)
    }

    pub(super) fn refused(
        path: &Path,
        offset: Option<u64>,
        wrong: impl Into<String>,
        remedy: &'static str,
    ) -> JournalError {
        JournalError::Refused { path: path.to_owned(), offset, wrong: wrong.into(), remedy }
    }

    pub(super) fn disk(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> JournalError + use<> {
        let path = path.to_owned();
        move |error| JournalError::Disk { action, path, error }
    }
}

/// What is wrong in a file, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) offset: u64,
    pub(super) wrong: String,
    pub(super) remedy: &'static str,
}

impl Damage {
    pub(super) fn at<T>(offset: usize, wrong: impl Into<String>) -> Result<T, Damage> {
        Err(Damage { offset: offset as u64, wrong: wrong.into(), remedy: REMEDY_DAMAGED })
    }

    pub(super) fn foreign<T>(offset: usize, wrong: impl Into<String>) -> Result<T, Damage> {
        Err(Damage { offset: offset as u64, wrong: wrong.into(), remedy: REMEDY_FOREIGN })
    }

    pub(super) fn version<T>(offset: usize, version: u8) -> Result<T, Damage> {
        let wrong = format!("format version {version} is not known to this program");
        let remedy = "start the version of this program that wrote it";
        Err(Damage { offset: offset as u64, wrong, remedy })
    }

    pub(super) fn of(self, path: &Path) -> JournalError {
        JournalError::refused(path, Some(self.offset), self.wrong, self.remedy)
    }
}
