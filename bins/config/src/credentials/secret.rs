//! `cluster.secret`: the secret of a cluster, and beside it another one while that replaces it.
//!
//! **Invariant**: *a secret is replaced by steps* ([`Keyring`]). With another one from one moment to the next, a
//! cluster's replicas would not hear one another.

use super::{CredentialError, checked, hex, key, read_private, with_check, write_private};
use actor_runtime::files::Existing;
use actor_runtime::keys::{Beside, Fingerprint, Keyring, Secret};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The name of the file that holds a cluster's secret, beside its configuration.
pub const SECRET_FILE: &str = "cluster.secret";
/// What errors call the file.
const SECRET: &str = "cluster secret";
pub(super) const SECRET_KIND: &str = "paxos-chat-secret-1";
const NEXT_KIND: &str = "paxos-chat-secret-next-1";
const PREVIOUS_KIND: &str = "paxos-chat-secret-previous-1";
/// The first line of several says how many follow, so that none of them can be cut off.
const FIRST_KIND: &str = "paxos-chat-secret-2";
const REPLACED_KIND: &str = "paxos-chat-secrets-replaced-1";

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

/// The text of a file of secrets: a line for each, first the one that seals; then what they have replaced.
pub(super) fn to_text(keyring: &Keyring) -> Zeroizing<String> {
    let line = |kind, secret: &Secret| with_check(&[kind, &hex(secret.as_bytes())]);
    let beside = keyring.beside().map(|beside| match beside {
        Beside::Next(secret) => line(NEXT_KIND, secret),
        Beside::Previous(secret) => line(PREVIOUS_KIND, secret),
    });
    let replaced: Vec<String> = keyring.replaced().iter().map(ToString::to_string).collect();
    let replaced = (!replaced.is_empty()).then(|| {
        let fields = std::iter::once(REPLACED_KIND).chain(replaced.iter().map(String::as_str));
        with_check(&fields.collect::<Vec<_>>())
    });
    let more: Vec<_> = beside.into_iter().chain(replaced).collect();
    let seals = match more.len() {
        0 => line(SECRET_KIND, keyring.seals()),
        count => with_check(&[FIRST_KIND, &hex(keyring.seals().as_bytes()), &count.to_string()]),
    };
    let all = std::iter::once(&seals).chain(&more);
    Zeroizing::new(all.map(|line| line.as_str()).collect())
}

/// What is in the text of a file of this name.
pub(super) fn parse(text: &str, path: &Path) -> Result<Keyring, CredentialError> {
    parse_lines(text).map_err(|wrong| {
        let (kind, path, remedy) = (SECRET, path.to_owned(), SECRET_REMEDY);
        CredentialError::Damaged { kind, path, wrong, remedy }
    })
}

fn parse_lines(text: &str) -> Result<Keyring, String> {
    let read = |line, kind| Ok::<_, String>(Secret::of(key(checked(line, kind, 1)?[0])?));
    let (first, rest) = text.trim_end().split_once('\n').unwrap_or((text.trim_end(), ""));
    let rest: Vec<&str> = rest.lines().collect();
    let (seals, count) = if first.starts_with(FIRST_KIND) {
        let fields = checked(first, FIRST_KIND, 2)?;
        (Secret::of(key(fields[0])?), fields[1].to_owned())
    } else {
        (read(first, SECRET_KIND)?, "0".to_owned())
    };
    if rest.len().to_string() != count {
        return Err(format!("the first line wants {count} more, and there are {}", rest.len()));
    }
    let (mut beside, mut replaced) = (None, Vec::new());
    for (number, line) in (2..).zip(rest) {
        let in_line = |wrong: String| format!("in line {number}, {wrong}");
        if line.starts_with(REPLACED_KIND) {
            let count = line.split(' ').count().saturating_sub(2);
            let fields = checked(line, REPLACED_KIND, count).map_err(in_line)?;
            let fingerprints = fields.iter().map(|digits| Fingerprint::read(digits));
            replaced = fingerprints
                .collect::<Option<_>>()
                .ok_or_else(|| in_line("a fingerprint is not 16 digits 0-9 a-f".into()))?;
        } else if line.starts_with(NEXT_KIND) {
            beside = Some(Beside::Next(read(line, NEXT_KIND).map_err(in_line)?));
        } else {
            beside = Some(Beside::Previous(read(line, PREVIOUS_KIND).map_err(in_line)?));
        }
    }
    Ok(Keyring::of(seals, beside, replaced))
}
