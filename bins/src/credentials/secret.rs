//! `cluster.secret`: the secret of a cluster.
//!
//! **Invariant**: *a secret is never replaced*: with another one, a cluster's replicas would not hear one another.

use super::{CredentialError, checked, hex, key, read_private, with_check, write_private};
use crate::files::Existing;
use crate::keys::Secret;
use std::path::{Path, PathBuf};

/// The name of the file that holds a cluster's secret, beside its configuration.
pub const SECRET_FILE: &str = "cluster.secret";
/// What errors call the file.
const SECRET: &str = "cluster secret";
pub(super) const SECRET_KIND: &str = "paxos-chat-secret-1";

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
        return read_secret(path).map(|_| false);
    }
    let secret = Secret::draw().map_err(CredentialError::NoRandomness)?;
    let text = with_check(&[SECRET_KIND, &hex(secret.as_bytes())]);
    write_private(path, &text, Existing::Stays)?;
    Ok(true)
}

/// Reads a secret.
///
/// # Errors
/// When it is not there, others may read it, or it is damaged.
pub fn read_secret(path: &Path) -> Result<Secret, CredentialError> {
    parse_secret(&read_private(path, SECRET, SECRET_REMEDY)?, path)
}

/// The secret in the text of a file of this name.
pub(super) fn parse_secret(text: &str, path: &Path) -> Result<Secret, CredentialError> {
    let damaged = |wrong: String| {
        let (kind, path, remedy) = (SECRET, path.to_owned(), SECRET_REMEDY);
        CredentialError::Damaged { kind, path, wrong, remedy }
    };
    let fields = checked(text, SECRET_KIND, 1).map_err(damaged)?;
    Ok(Secret::of(key(fields[0]).map_err(damaged)?))
}
