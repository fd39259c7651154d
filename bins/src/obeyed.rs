//! The revocations that a replica has obeyed.
//!
//! **Invariants**
//! - *What was void stays void*: a configuration in which tokens of a user were revoked less often than in one that
//!   was obeyed is refused. So an older copy of `cluster.toml`, or one that somebody has changed, revives none.
//! - *Remembered before it is obeyed*, in a file beside the replica's storage; in memory only, if it is volatile.
//!
//! **Absent**: what a revocation is (see [`crate::config::Config::revoked`]).

use crate::config::Config;
use crate::disk::OWNER_S_FILE;
use crate::files::{Existing, write_whole};
use crate::wire::{ClusterId, Generations};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Why a configuration is not obeyed.
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
        "{}: {wrong}. It has the revocations that this replica has obeyed: copy that of another replica of the \
         cluster in its place",
        path.display()
    )]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// Why.
        wrong: String,
    },
}

/// What a replica has obeyed.
#[derive(Debug)]
pub struct Obeyed {
    cluster: ClusterId,
    /// None, if it is volatile.
    path: Option<PathBuf>,
    generations: Generations,
}

impl Obeyed {
    /// What a replica of this cluster has obeyed in earlier lives, if it keeps anything.
    ///
    /// # Errors
    /// When what it keeps cannot be read.
    pub fn read(cluster: ClusterId, path: Option<PathBuf>) -> Result<Obeyed, ObeyError> {
        let generations = match &path {
            Some(path) => read(path)?,
            None => Generations::new(),
        };
        Ok(Obeyed { cluster, path, generations })
    }

    /// Remembers what this configuration revokes, which is to be obeyed from now on.
    ///
    /// # Errors
    /// When it must not be, or can't be remembered.
    pub fn obey(&mut self, config: &Config) -> Result<(), ObeyError> {
        if config.cluster_id() != self.cluster {
            return Err(ObeyError::Cluster);
        }
        let found = |user: &String| config.revoked.get(user).copied().unwrap_or_default();
        let fallen = self.generations.iter().find(|(user, known)| found(user) < **known);
        if let Some((user, known)) = fallen {
            let (user, found, known) = (user.clone(), found(user), *known);
            return Err(ObeyError::Fallen { user, found, known });
        }
        if config.revoked == self.generations {
            return Ok(());
        }
        if let Some(path) = &self.path {
            let text = toml::to_string(&config.revoked).expect("plain data with text keys");
            let mode = Permissions::from_mode(OWNER_S_FILE);
            write_whole(path, &text, mode, Existing::Goes)
                .map_err(|error| ObeyError::Unwritten { path: path.clone(), error })?;
        }
        self.generations.clone_from(&config.revoked);
        Ok(())
    }
}

fn read(path: &Path) -> Result<Generations, ObeyError> {
    let unreadable = |wrong: String| ObeyError::Unreadable { path: path.to_owned(), wrong };
    match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map_err(|error| unreadable(error.message().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Generations::new()),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(revoked: &[(&str, u32)]) -> Config {
        let addresses = (1..=3).map(|port| ([127, 0, 0, 1], port).into()).collect();
        let mut config = Config::new("test".into(), 1, addresses).unwrap();
        config.revoked = revoked.iter().map(|(user, times)| ((*user).into(), *times)).collect();
        config
    }

    #[test]
    fn what_was_void_stays_void_across_lives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replica-0.revoked");
        let cluster = config(&[]).cluster_id();
        let read = || Obeyed::read(cluster, Some(path.clone()));
        read().unwrap().obey(&config(&[])).unwrap();
        assert!(!path.exists(), "nothing was revoked");
        let mut obeyed = read().unwrap();
        obeyed.obey(&config(&[("bob", 1)])).unwrap();
        obeyed.obey(&config(&[("bob", 2), ("größer", 1)])).unwrap();
        for mut obeyed in [obeyed, read().unwrap()] {
            for older in [config(&[]), config(&[("bob", 1), ("größer", 1)]), config(&[("bob", 2)])]
            {
                assert!(matches!(obeyed.obey(&older), Err(ObeyError::Fallen { .. })), "{older:?}");
            }
            obeyed.obey(&config(&[("bob", 2), ("größer", 1)])).unwrap();
        }
        let mut other = config(&[("bob", 9), ("größer", 9)]);
        other.cluster = "another".into();
        assert!(matches!(read().unwrap().obey(&other), Err(ObeyError::Cluster)));
        std::fs::write(&path, "bob = many").unwrap();
        let error = read().unwrap_err().to_string();
        assert!(error.contains("replica-0.revoked") && error.contains("copy that"), "{error}");
    }
}
