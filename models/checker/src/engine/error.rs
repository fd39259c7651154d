//! What is wrong with the files of a run.

use std::path::PathBuf;

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
