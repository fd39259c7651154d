//! Tokens: with one, a client speaks as a user.

use super::secret::{read_keyring, secret_path};
use super::{CredentialError, checked, hex, key, read_private, with_check, write_private};
use crate::{Config, check_user};
use actor_runtime::files::Existing;
use actor_runtime::keys::{Secret, UserKey};
use actor_runtime::wire::{Codec, UserName};
use std::fmt::{self, Debug, Formatter};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The extension of tokens.
const TOKEN_EXTENSION: &str = "token";
/// What errors call the file.
const TOKEN: &str = "token";
pub(super) const TOKEN_KIND: &str = "paxos-chat-token-1";

const TOKEN_REMEDY: &str =
    "ask whoever runs the cluster for a new one: `cluster invite --user NAME -o FILE`";

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
    pub(super) fn parse(
        text: &str,
        path: &Path,
        config: &Config,
    ) -> Result<Token, CredentialError> {
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
                return Token::issue(read_keyring(&secret)?.seals(), config, user);
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
