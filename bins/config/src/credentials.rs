//! Secret files: `cluster.secret`, which replicas and whoever runs them read, and the tokens of
//! users.
//!
//! Each line has one key: what it is, what it is for, the key in hexadecimal digits, and a check against damage. A
//! token is one line, a secret one or two.
//!
//! **Invariants**
//! - *For its owner's eyes*: files are made with mode 0600, and one that others may read is refused.
//! - *Nothing is printed but a token that is asked for*: errors name files, and quote nothing of them.

#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod secret;
mod token;

use actor_runtime::files::{Existing, write_whole};
use actor_runtime::keys::KEY_BYTES;
use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

pub use secret::{SECRET_FILE, draw_secret, make_secret, read_keyring, secret_path, write_keyring};
pub use token::Token;

/// No secret file is longer.
const FILE_BYTES_MAX: u64 = 4096;
/// Mode bits that let others than the owner at a file.
const OTHERS: u32 = 0o077;

/// Why there is no secret or token.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// It cannot be read.
    #[error("cannot read the {kind} {}: {error}; {remedy}", path.display())]
    Unreadable {
        /// What was to be read.
        kind: &'static str,
        /// From where.
        path: PathBuf,
        /// Why not.
        error: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// Others may read it.
    #[error(
        "{0} has mode {mode:04o}, so others may read it; `chmod 600 {0}`, and if others use this machine, \
         assume that they know the secret",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is not what it should be.
    #[error("{} is no {kind}: {wrong}; {remedy}", path.display())]
    Damaged {
        /// What was to be read.
        kind: &'static str,
        /// From where.
        path: PathBuf,
        /// What is wrong.
        wrong: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The token is not of this user.
    #[error("{} is the token of {found}, not of {wanted}: give --name {found}, or the token of {wanted}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// Whose token it is.
        found: String,
        /// Whose was wanted.
        wanted: String,
    },
    /// The user can't have a token.
    #[error("--user {user}: {wrong}")]
    User {
        /// The user.
        user: String,
        /// Why not.
        wrong: String,
    },
    /// A client has neither a token nor a secret.
    #[error(
        "there is no token {}: ask whoever runs the cluster for one (`cluster invite --user {user} -o \
         FILE`), and save it there or give --token FILE", path.display()
    )]
    NoToken {
        /// Where it was expected.
        path: PathBuf,
        /// Whose.
        user: String,
    },
    /// It cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Unwritten {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No key can be drawn.
    #[error("the system gives no random bytes: {0}")]
    NoRandomness(getrandom::Error),
}

fn hex(bytes: &[u8; KEY_BYTES]) -> Zeroizing<String> {
    Zeroizing::new(blake3::Hash::from_bytes(*bytes).to_hex().to_string())
}

fn key(hex: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, String> {
    let parsed = blake3::Hash::from_hex(hex);
    let bytes = parsed.map_err(|_| format!("its key is not {} digits 0-9 a-f", 2 * KEY_BYTES))?;
    Ok(Zeroizing::new(*bytes.as_bytes()))
}

/// These fields and a check against damage, in a line.
fn with_check(fields: &[&str]) -> Zeroizing<String> {
    let text = Zeroizing::new(fields.join(" "));
    Zeroizing::new(format!("{} {}\n", *text, check(&text)))
}

fn check(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..8].to_owned()
}

/// The fields of a line, without its kind and its check.
fn checked<'a>(text: &'a str, kind: &str, count: usize) -> Result<Vec<&'a str>, String> {
    let text = text.trim_end();
    if text.is_empty() {
        return Err("it is empty".into());
    }
    let mut fields: Vec<&str> = text.split(' ').collect();
    if fields[0] != kind {
        return Err(format!("it does not begin with `{kind}`"));
    }
    if fields.len() != count + 2 {
        return Err(format!("it has {} fields instead of {}", fields.len(), count + 2));
    }
    let end = text.rfind(' ').unwrap_or_default();
    if fields.pop() != Some(&check(&text[..end])) {
        return Err("its check does not fit, so it is cut or damaged".into());
    }
    Ok(fields.split_off(1))
}

fn read_private(
    path: &Path,
    kind: &'static str,
    remedy: &'static str,
) -> Result<Zeroizing<String>, CredentialError> {
    let unreadable =
        |error| CredentialError::Unreadable { kind, path: path.to_owned(), error, remedy };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.mode() & 0o7777;
    // A pipe has no others.
    if metadata.is_file() && mode & OTHERS != 0 {
        return Err(CredentialError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX as usize + 1));
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| CredentialError::Damaged {
        kind,
        path: path.to_owned(),
        wrong: "it is not text".into(),
        remedy,
    })?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Writes a whole file of mode 0600, or none.
fn write_private(path: &Path, text: &str, existing: Existing) -> Result<(), CredentialError> {
    write_whole(path, text, Permissions::from_mode(0o600), existing)
        .map_err(|error| CredentialError::Unwritten { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests;
