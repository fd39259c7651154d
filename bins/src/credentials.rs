//! Secret files: `cluster.secret`, which replicas and whoever runs them read, and the tokens of
//! users.
//!
//! Each is one line of text: what it is, what it is for, the key in hexadecimal digits, and a check
//! against damage.
//!
//! **Invariants**
//! - *For its owner's eyes*: files are made with mode 0600, and one that others may read is refused.
//! - *A secret is never replaced*: with another one, a cluster's replicas would not hear one another.
//! - *Nothing is printed but a token that is asked for*: errors name files, and quote nothing of them.

#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;

use crate::config::{Config, check_user};
use crate::files::{Existing, write_whole};
use crate::keys::{KEY_BYTES, Secret, UserKey};
use crate::wire::{Codec, UserName};
use std::fmt::{self, Debug, Formatter};
use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The name of the file that holds a cluster's secret, beside its configuration.
pub const SECRET_FILE: &str = "cluster.secret";
/// The extension of tokens.
const TOKEN_EXTENSION: &str = "token";
/// What errors call the files.
const SECRET: &str = "cluster secret";
const TOKEN: &str = "token";
const SECRET_KIND: &str = "paxos-chat-secret-1";
const TOKEN_KIND: &str = "paxos-chat-token-1";
/// No secret file is longer.
const FILE_BYTES_MAX: u64 = 1024;
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
        "{0} has mode {mode:04o}, so others may read it; `chmod 600 {0}`, and if others were on this \
         machine, take what it holds for known to them",
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

const SECRET_REMEDY: &str = "copy `cluster.secret` from another replica's machine, or make a cluster with \
                             `cluster config -o cluster.toml`";
const TOKEN_REMEDY: &str =
    "ask whoever runs the cluster for a new one: `cluster invite --user NAME -o FILE`";

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
fn parse_secret(text: &str, path: &Path) -> Result<Secret, CredentialError> {
    let damaged = |wrong: String| {
        let (kind, path, remedy) = (SECRET, path.to_owned(), SECRET_REMEDY);
        CredentialError::Damaged { kind, path, wrong, remedy }
    };
    let fields = checked(text, SECRET_KIND, 1).map_err(damaged)?;
    Ok(Secret::of(key(fields[0]).map_err(damaged)?))
}

/// What lets a user's client talk to the cluster.
#[derive(Clone)]
pub struct Token {
    user: UserName,
    key: UserKey,
    config: Config,
}

impl Debug for Token {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Token(of {})", self.user())
    }
}

impl Token {
    /// A token of this user, of the generation that is valid now.
    ///
    /// # Errors
    /// When there can be no such user.
    pub fn issue(secret: &Secret, config: &Config, user: &str) -> Result<Token, CredentialError> {
        let refused = |wrong| CredentialError::User { user: user.to_owned(), wrong };
        check_user(user).map_err(refused)?;
        if !config.users.is_empty() && !config.users.iter().any(|known| known == user) {
            let users = config.users.join(", ");
            return Err(refused(format!("the configuration's `users` are {users}; add this one")));
        }
        let name = UserName::new(user).ok_or_else(|| refused("no name".into()))?;
        let generation = config.revoked.get(user).copied().unwrap_or_default();
        let key = secret.user(config.cluster_id(), user, generation);
        Ok(Token { user: name, key, config: config.clone() })
    }

    /// Whose it is.
    pub fn user(&self) -> &str {
        self.user.as_str()
    }

    /// The codec of a process of this user.
    pub fn codec(&self) -> Codec {
        Codec::client(&self.key, self.config.cluster_id(), self.user, self.config.replicas.len())
            .with_packing(self.config.packing())
    }

    /// The token as text, which is a secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        let cluster = self.config.cluster_id().to_string();
        with_check(&[TOKEN_KIND, &cluster, self.user(), &hex(self.key.as_bytes())])
    }

    /// Writes it to a file for its owner's eyes.
    ///
    /// # Errors
    /// When that fails.
    pub fn write(&self, path: &Path) -> Result<(), CredentialError> {
        write_private(path, &self.to_text(), Existing::Goes)
    }

    /// Where a client looks for the token of this user.
    pub fn path(config: &Path, user: &str) -> PathBuf {
        // A name may hold what would lead elsewhere.
        let file = user.replace(['/', '\0'], "_");
        config.with_file_name(format!("{file}.{TOKEN_EXTENSION}"))
    }

    /// Reads a token for this cluster.
    ///
    /// # Errors
    /// When it is not there, others may read it, it is damaged, or it is for another cluster.
    pub fn read(path: &Path, config: &Config) -> Result<Token, CredentialError> {
        Token::parse(&read_private(path, TOKEN, TOKEN_REMEDY)?, path, config)
    }

    /// The token in the text of a file of this name.
    fn parse(text: &str, path: &Path, config: &Config) -> Result<Token, CredentialError> {
        let damaged = |wrong: String| {
            let (kind, path, remedy) = (TOKEN, path.to_owned(), TOKEN_REMEDY);
            CredentialError::Damaged { kind, path, wrong, remedy }
        };
        let fields = checked(text, TOKEN_KIND, 3).map_err(damaged)?;
        let (found, own) = (fields[0], config.cluster_id().to_string());
        if found != own {
            let wrong = format!("it is for cluster {found}, and the configuration is of {own}");
            return Err(damaged(wrong));
        }
        check_user(fields[1]).map_err(damaged)?;
        let user = UserName::new(fields[1]).ok_or_else(|| damaged("it has no name".into()))?;
        let key = UserKey::of(key(fields[2]).map_err(damaged)?);
        Ok(Token { user, key, config: config.clone() })
    }

    /// The token that a client shall use: the one given; or that of `name` beside the configuration;
    /// or, where the cluster's secret lies there, a new one, of `name` or any user.
    ///
    /// # Errors
    /// When there is none, or the one that there is can't be used.
    pub fn find(
        config: &Config,
        config_path: &Path,
        given: Option<&Path>,
        name: Option<&str>,
    ) -> Result<Token, CredentialError> {
        let any = config.users.first().map_or("guest", String::as_str);
        let user = name.unwrap_or(any);
        let beside = Token::path(config_path, user);
        let path = given.unwrap_or(&beside);
        if given.is_none() && !path.exists() {
            let secret = secret_path(config_path);
            if secret.exists() {
                return Token::issue(&read_secret(&secret)?, config, user);
            }
            return Err(CredentialError::NoToken { path: beside, user: user.to_owned() });
        }
        let token = Token::read(path, config)?;
        match name {
            Some(name) if name != token.user() => Err(CredentialError::Name {
                path: path.to_owned(),
                found: token.user().to_owned(),
                wanted: name.to_owned(),
            }),
            _ => Ok(token),
        }
    }
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
