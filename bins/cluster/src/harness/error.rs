//! Why a run could not be made.

use super::process::StartError;
use crate::judge::EvidenceError;
use paxos_chat_config::Problem;
use paxos_chat_config::credentials::CredentialError;
use paxos_chat_replica::journal::JournalError;
use std::io;

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not a run that can be made.
    #[error(transparent)]
    Config(#[from] Problem),
    /// Not a run that can be made.
    #[error("{0}")]
    Usage(String),
    /// A replica did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A process or file failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A secret or token cannot be made.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// What a replica has saved cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The files cannot be judged.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// Somebody wants it to end.
    #[error("interrupted; all processes of this run were stopped")]
    Interrupted,
}
