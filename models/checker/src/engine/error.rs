//! What is wrong with the files of a run.

use super::Stopped;
use std::io;
use std::path::{Path, PathBuf};

/// Why a run can't go on, or can't be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The disk fails.
    #[error("{}: {error}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// How.
        error: String,
    },
    /// There is a checkpoint, and nobody has said that the run is to go on.
    #[error("{} has a checkpoint of an earlier run", .0.display())]
    Exists(PathBuf),
    /// Another process runs there.
    #[error("{} is in use by another process", .0.display())]
    Busy(PathBuf),
    /// There is none.
    #[error("{} has no checkpoint", .0.display())]
    Missing(PathBuf),
    /// It is not what was written.
    #[error("{} is damaged: {wrong}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        wrong: String,
    },
    /// It is of another run.
    #[error("the checkpoint in {} is of another run: it is of {there}, and this is {here}", folder.display())]
    Other {
        /// Where it is.
        folder: PathBuf,
        /// What it is of.
        there: String,
        /// What this is.
        here: String,
    },
}

impl From<CheckpointError> for Stopped {
    fn from(error: CheckpointError) -> Stopped {
        match error {
            CheckpointError::Damaged { .. } => Stopped::Damaged(error.to_string()),
            _ => Stopped::Disk(error.to_string()),
        }
    }
}

/// The disk fails there.
pub(super) fn failed(path: &Path) -> impl Fn(io::Error) -> CheckpointError {
    move |error| CheckpointError::Disk { path: path.to_owned(), error: error.to_string() }
}

/// This is wrong with a file.
pub(super) fn damage(path: &Path) -> impl Fn(&str) -> CheckpointError {
    move |wrong| CheckpointError::Damaged { path: path.to_owned(), wrong: wrong.to_owned() }
}

/// This is wrong with a block.
pub(super) fn damaged_block(path: &Path, at: u64, wrong: &str) -> CheckpointError {
    damage(path)(&format!("the block at byte {at} {wrong}"))
}

/// A file that a checkpoint counts on is to be read.
pub(super) fn unread(path: &Path) -> impl Fn(io::Error) -> CheckpointError {
    move |error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => {
            damage(path)("it is not there, or too short")
        }
        _ => failed(path)(error),
    }
}
