//! The ledger of the revocations and rotations that a replica has obeyed.
//!
//! **Invariants**
//! - *What was void stays void*: a configuration in which tokens of a user were revoked less often than in one that
//!   was obeyed is refused. So an older copy of `cluster.toml`, or one that somebody has changed, revives none. The same
//!   holds for `cluster.secret`: what another secret has replaced seals no more, and what was given up opens no more.
//! - *Remembered before it is obeyed*, in a file beside the replica's storage; in memory only, if it is volatile.
//!
//! **Absent**: what a revocation is (see [`paxos_chat_config::Config::revoked`]), and a rotation ([`Keyring`]).

use actor_runtime::disk::OWNER_S_FILE;
use actor_runtime::files::{Existing, write_whole};
use actor_runtime::keys::{Fingerprint, Keyring};
use actor_runtime::wire::{ClusterId, Generations};
use paxos_chat_config::Config;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Why a configuration or a secret is not obeyed.
#[derive(Debug, thiserror::Error)]
pub enum ObeyError {
    /// It is of another cluster.
    #[error("it is of another cluster by now")]
    Cluster,
    /// It makes void tokens valid again.
    #[error(
        "it revokes tokens of {user} {found} times, and this replica has obeyed one that did {known} times: an \
         older copy makes void tokens valid again. Take the newest copy of any replica, or set \
         revoked.{user} to {known} in it"
    )]
    Fallen {
        /// Whose tokens.
        user: String,
        /// How often they are revoked in it.
        found: u32,
        /// How often they were.
        known: u32,
    },
    /// It makes a secret valid again that was replaced.
    #[error(
        "its secret {0} was replaced by another one, which this replica has obeyed: an older copy makes it valid \
         again. Take the newest copy of any replica"
    )]
    Replaced(Fingerprint),
    /// It has nothing to do with what this replica has.
    #[error(
        "its secret {found} is not this replica's {known}, nor what has replaced it: is it another cluster's? Take the \
         file of any replica"
    )]
    Foreign {
        /// What it would seal under.
        found: Fingerprint,
        /// What this replica seals under.
        known: Fingerprint,
    },
    /// What was obeyed cannot be remembered.
    #[error("cannot write {}: {error}", path.display())]
    Unwritten {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// What was obeyed cannot be read.
    #[error(
        "{}: {wrong}. It has the revocations and rotations that this replica has obeyed: copy that of another \
         replica of the cluster in its place",
        path.display()
    )]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// Why.
        wrong: String,
    },
}

impl ObeyError {
    /// Which of the two files it is about.
    pub fn file<'a>(&self, config: &'a Path, secret: &'a Path) -> &'a Path {
        let is_of_secret = matches!(self, ObeyError::Replaced(_) | ObeyError::Foreign { .. });
        if is_of_secret { secret } else { config }
    }
}

/// What a replica has obeyed.
#[derive(Debug)]
pub struct Ledger {
    cluster: ClusterId,
    /// None, if it is volatile.
    path: Option<PathBuf>,
    memory: Memory,
}

/// What is remembered of it; secrets by their fingerprints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    cluster: String,
    /// First the one that seals.
    secrets: Vec<Fingerprint>,
    /// Those that have sealed and do not any more.
    replaced: BTreeSet<Fingerprint>,
    /// Those of them that do not open either.
    given_up: BTreeSet<Fingerprint>,
    /// How often the tokens of each user were revoked.
    revoked: Generations,
}

impl Ledger {
    /// What a replica of this cluster has obeyed in earlier lives, if it keeps anything.
    ///
    /// # Errors
    /// When what it keeps cannot be read.
    pub fn read(cluster: ClusterId, path: Option<PathBuf>) -> Result<Ledger, ObeyError> {
        let known = match &path {
            Some(path) => read(path, cluster)?,
            None => None,
        };
        let memory =
            known.unwrap_or_else(|| Memory { cluster: cluster.to_string(), ..Memory::default() });
        Ok(Ledger { cluster, path, memory })
    }

    /// Remembers what this configuration revokes, and under which secrets this replica seals and opens: both are to
    /// be obeyed from now on.
    ///
    /// # Errors
    /// When they must not be, or can't be remembered; then neither is.
    pub fn obey(&mut self, config: &Config, keyring: &Keyring) -> Result<(), ObeyError> {
        if config.cluster_id() != self.cluster {
            return Err(ObeyError::Cluster);
        }
        let memory = self.memory.clone().with_revocations(config)?.with_secrets(keyring)?;
        if memory == self.memory {
            return Ok(());
        }
        if let Some(path) = &self.path {
            let text = toml::to_string(&memory).expect("plain data with text keys");
            let mode = Permissions::from_mode(OWNER_S_FILE);
            write_whole(path, &text, mode, Existing::Goes)
                .map_err(|error| ObeyError::Unwritten { path: path.clone(), error })?;
        }
        self.memory = memory;
        Ok(())
    }
}

impl Memory {
    fn with_revocations(mut self, config: &Config) -> Result<Memory, ObeyError> {
        let found = |user: &String| config.revoked.get(user).copied().unwrap_or_default();
        let fallen = self.revoked.iter().find(|(user, known)| found(user) < **known);
        if let Some((user, known)) = fallen {
            let (user, found, known) = (user.clone(), found(user), *known);
            return Err(ObeyError::Fallen { user, found, known });
        }
        self.revoked.clone_from(&config.revoked);
        Ok(self)
    }

    fn with_secrets(mut self, keyring: &Keyring) -> Result<Memory, ObeyError> {
        let secrets = keyring.fingerprints();
        let (seals, opens) = (&secrets[0], &secrets[1..]);
        let revived = self.replaced.get(seals);
        let revived =
            revived.or_else(|| opens.iter().find(|secret| self.given_up.contains(secret)));
        if let Some(secret) = revived {
            return Err(ObeyError::Replaced(secret.clone()));
        }
        if let Some(known) = self.secrets.first() {
            let is_shared = self.secrets.iter().any(|known| secrets.contains(known));
            if !is_shared && !keyring.replaced().contains(known) {
                return Err(ObeyError::Foreign { found: seals.clone(), known: known.clone() });
            }
        }
        // A next one that is not there any more may come again: its rotation had not got as far everywhere.
        self.replaced.extend(self.secrets.first().filter(|sealed| *sealed != seals).cloned());
        self.replaced.extend(keyring.replaced().iter().cloned());
        let gone = self.replaced.iter().filter(|secret| !secrets.contains(secret)).cloned();
        self.given_up = gone.collect();
        self.secrets = secrets;
        Ok(self)
    }
}

fn read(path: &Path, cluster: ClusterId) -> Result<Option<Memory>, ObeyError> {
    let unreadable = |wrong: String| ObeyError::Unreadable { path: path.to_owned(), wrong };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    // Before there were rotations, it held revocations alone.
    if let Ok(revoked) = toml::from_str(&text) {
        let cluster = cluster.to_string();
        return Ok(Some(Memory { cluster, revoked, ..Memory::default() }));
    }
    let memory: Memory =
        toml::from_str(&text).map_err(|error| unreadable(error.message().to_owned()))?;
    if memory.cluster != cluster.to_string() {
        return Err(unreadable(format!("it is of cluster {}", memory.cluster)));
    }
    Ok(Some(memory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actor_runtime::keys::Secret;

    fn config(revoked: &[(&str, u32)]) -> Config {
        let addresses = (1..=3).map(|port| ([127, 0, 0, 1], port).into()).collect();
        let mut config = Config::new("test".into(), 1, addresses).unwrap();
        config.revoked = revoked.iter().map(|(user, times)| ((*user).into(), *times)).collect();
        config
    }

    fn keyring() -> Keyring {
        Keyring::from(&Secret::draw().unwrap())
    }

    #[test]
    fn what_was_void_stays_void_across_lives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replica-0.revoked");
        let (cluster, keys) = (config(&[]).cluster_id(), keyring());
        let read = || Ledger::read(cluster, Some(path.clone()));
        let mut ledger = read().unwrap();
        ledger.obey(&config(&[("bob", 1)]), &keys).unwrap();
        ledger.obey(&config(&[("bob", 2), ("größer", 1)]), &keys).unwrap();
        for mut ledger in [ledger, read().unwrap()] {
            for older in [config(&[]), config(&[("bob", 1), ("größer", 1)]), config(&[("bob", 2)])]
            {
                let refused = ledger.obey(&older, &keys);
                assert!(matches!(refused, Err(ObeyError::Fallen { .. })), "{older:?}");
            }
            ledger.obey(&config(&[("bob", 2), ("größer", 1)]), &keys).unwrap();
        }
        let mut other = config(&[("bob", 9), ("größer", 9)]);
        other.cluster = "another".into();
        assert!(matches!(read().unwrap().obey(&other, &keys), Err(ObeyError::Cluster)));
        let error = Ledger::read(other.cluster_id(), Some(path.clone())).unwrap_err().to_string();
        assert!(error.contains("it is of cluster") && error.contains("copy that"), "{error}");
        std::fs::write(&path, "bob = 3\n").unwrap();
        let refused = read().unwrap().obey(&config(&[("bob", 2)]), &keys);
        assert!(matches!(refused, Err(ObeyError::Fallen { .. })), "a file of revocations alone");
        std::fs::write(&path, "bob = many").unwrap();
        let error = read().unwrap_err().to_string();
        assert!(error.contains("replica-0.revoked") && error.contains("copy that"), "{error}");
    }

    #[test]
    fn what_another_secret_has_replaced_seals_no_more_and_what_was_given_up_opens_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replica-0.revoked");
        let config = config(&[]);
        let before = keyring();
        let begun = before.begin(Secret::draw().unwrap()).unwrap();
        let switched = begun.switch().unwrap();
        let ended = switched.end().unwrap();
        let obey = |keyring: &Keyring| {
            let mut ledger = Ledger::read(config.cluster_id(), Some(path.clone())).unwrap();
            ledger.obey(&config, keyring)
        };
        let refused = |keyring: &Keyring| {
            let error = obey(keyring).unwrap_err();
            assert!(matches!(error, ObeyError::Replaced(_)), "{error}");
            assert_eq!(error.file(Path::new("a"), Path::new("b")), Path::new("b"));
        };
        // Who has begun may be given an older copy, and begin again.
        for keyring in [&before, &begun, &before, &begun, &switched] {
            obey(keyring).unwrap();
        }
        [&before, &begun].into_iter().for_each(refused);
        for keyring in [&switched, &ended] {
            obey(keyring).unwrap();
        }
        [&before, &begun, &switched].into_iter().for_each(refused);
        obey(&ended).unwrap();
        // Whoever missed all steps takes them at once, and nothing of another cluster.
        let next = ended.begin(Secret::draw().unwrap()).unwrap().switch().unwrap().end().unwrap();
        let foreign = obey(&keyring()).unwrap_err();
        assert!(matches!(foreign, ObeyError::Foreign { .. }), "{foreign}");
        obey(&next).unwrap();
        refused(&ended);
    }

    /// It never sealed under the old secret, and yet it knows it.
    #[test]
    fn whoever_begins_behind_a_switch_refuses_what_was_replaced_as_well() {
        let config = config(&[]);
        let before = keyring();
        let begun = before.begin(Secret::draw().unwrap()).unwrap();
        let switched = begun.switch().unwrap();
        let ended = switched.end().unwrap();
        for first in [&switched, &ended] {
            let mut ledger = Ledger::read(config.cluster_id(), None).unwrap();
            ledger.obey(&config, first).unwrap();
            ledger.obey(&config, &ended).unwrap();
            for older in [&before, &begun, &switched] {
                let error = ledger.obey(&config, older).unwrap_err();
                assert!(matches!(error, ObeyError::Replaced(_)), "{error}");
            }
            ledger.obey(&config, &ended).unwrap();
        }
    }
}
