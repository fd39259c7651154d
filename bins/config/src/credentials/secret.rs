//! `cluster.secret`: the secret of a cluster, and beside it another one while that replaces it.
//!
//! **Invariant**: *a secret is replaced by steps* ([`Keyring`]). With another one from one moment to the next, a
//! cluster's replicas would not hear one another.

use super::{CredentialError, checked, hex, key, read_private, with_check, write_private};
use actor_runtime::files::Existing;
use actor_runtime::keys::{Beside, Keyring, Secret};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The name of the file that holds a cluster's secret, beside its configuration.
pub const SECRET_FILE: &str = "cluster.secret";
/// What errors call the file.
const SECRET: &str = "cluster secret";
pub(super) const SECRET_KIND: &str = "paxos-chat-secret-1";
const NEXT_KIND: &str = "paxos-chat-secret-next-1";
const PREVIOUS_KIND: &str = "paxos-chat-secret-previous-1";

const SECRET_REMEDY: &str = "copy `cluster.secret` from another replica's machine, or make a cluster with \
                             `cluster config -o cluster.toml`";

/// Where the secret of the cluster with this configuration is.
pub fn secret_path(config: &Path) -> PathBuf {
    config.with_file_name(SECRET_FILE)
}

/// Makes a secret, unless there is one; tells whether it did.
///
/// # Errors
/// When it cannot be written, or what is there can't be used.
pub fn make_secret(path: &Path) -> Result<bool, CredentialError> {
    if path.exists() {
        return read_keyring(path).map(|_| false);
    }
    write_private(path, &to_text(&Keyring::from(&draw_secret()?)), Existing::Stays)?;
    Ok(true)
}

/// A new secret, which is in no file yet.
///
/// # Errors
/// When the system has no randomness.
pub fn draw_secret() -> Result<Secret, CredentialError> {
    Secret::draw().map_err(CredentialError::NoRandomness)
}

/// Reads a secret, and the one beside it, if there is one.
///
/// # Errors
/// When it is not there, others may read it, or it is damaged.
pub fn read_keyring(path: &Path) -> Result<Keyring, CredentialError> {
    parse(&read_private(path, SECRET, SECRET_REMEDY)?, path)
}

/// Replaces what is in a file of secrets.
///
/// # Errors
/// When it cannot be written; then it is as it was.
pub fn write_keyring(path: &Path, keyring: &Keyring) -> Result<(), CredentialError> {
    write_private(path, &to_text(keyring), Existing::Goes)
}

/// The text of a file of secrets: a line for each, first the one that seals.
pub(super) fn to_text(keyring: &Keyring) -> Zeroizing<String> {
    let line = |kind, secret: &Secret| with_check(&[kind, &hex(secret.as_bytes())]);
    let seals = line(SECRET_KIND, keyring.seals());
    let beside = keyring.beside().map(|beside| match beside {
        Beside::Next(secret) => line(NEXT_KIND, secret),
        Beside::Previous(secret) => line(PREVIOUS_KIND, secret),
    });
    Zeroizing::new(seals.to_string() + beside.as_ref().map_or("", |line| line.as_str()))
}

/// What is in the text of a file of this name.
pub(super) fn parse(text: &str, path: &Path) -> Result<Keyring, CredentialError> {
    let damaged = |wrong: String| {
        let (kind, path, remedy) = (SECRET, path.to_owned(), SECRET_REMEDY);
        CredentialError::Damaged { kind, path, wrong, remedy }
    };
    let read = |line, kind| Ok(Secret::of(key(checked(line, kind, 1)?[0])?));
    let (first, second) = text.split_once('\n').unwrap_or((text, ""));
    let seals = read(first, SECRET_KIND).map_err(damaged)?;
    let beside = if second.trim().is_empty() {
        None
    } else if second.starts_with(NEXT_KIND) {
        Some(Beside::Next(read(second, NEXT_KIND).map_err(damaged)?))
    } else {
        let secret = read(second, PREVIOUS_KIND);
        Some(Beside::Previous(secret.map_err(|wrong| damaged(format!("in line 2, {wrong}")))?))
    };
    Ok(Keyring::of(seals, beside))
}
