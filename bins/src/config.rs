//! `cluster.toml`: who the replicas are, and what is injected into them.
//!
//! **Invariant**: a [`Config`] is valid: `2f+1` replicas with ids `0..n` in order and distinct
//! addresses. A file that is not is refused with an error that names the file, the key and the
//! remedy; unknown keys are errors too, because a misspelt one would be silently without effect.
//!
//! **Absent**: secrets ([`crate::credentials`]). Clients read this file.

mod revoke;

use crate::loss::Loss;
use crate::wire::ClusterId;
use paxos_chat::client::ClientTuning;
use paxos_chat::quorum::{Cluster, REPLICAS_MAX};
use paxos_chat::tuning::{Tuning, USER_BYTES_MAX};
use paxos_chat::types::{NodeId, Slot};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use revoke::revoke;

/// The most replicas that may fail at once: `2f+1` replicas are at most [`REPLICAS_MAX`].
pub const F_MAX: u8 = (REPLICAS_MAX - 1) / 2;
/// With the default proportion of 1 to 5, a client that hears nothing asks about once an election
/// time-out, and so finds a new primary soon after it is elected.
const BACKOFF_DOUBLINGS_MAX: u8 = 2;
/// Time-outs that a network and a person can live with, in milliseconds.
const ELECTION_MS: std::ops::RangeInclusive<u64> = 20..=600_000;
const RETRY_MS: std::ops::RangeInclusive<u64> = 5..=600_000;

/// A valid `cluster.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The cluster's name. Datagrams of a cluster of another name are dropped.
    pub cluster: String,
    /// How many replicas may fail.
    pub f: u8,
    /// Probability that a datagram is dropped, on sending and again on receiving.
    #[serde(default)]
    pub loss: f64,
    /// Names that clients may use; any name if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// How often tokens of a user were revoked: those made before are void. See [`revoke`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub revoked: BTreeMap<String, u32>,
    /// Time-outs.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// The replicas, by id.
    pub replicas: Vec<ReplicaConfig>,
}

/// Time-outs, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// The shortest time without a sign of life before a replica suspects the leader.
    pub election_ms: u64,
    /// The shortest time before a client asks again.
    pub retry_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts::with_election_ms(500)
    }
}

impl Timeouts {
    /// Time-outs in proportion to this election time-out.
    pub fn with_election_ms(election_ms: u64) -> Timeouts {
        Timeouts { election_ms, retry_ms: (election_ms / 5).max(*RETRY_MS.start()) }
    }
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaConfig {
    /// Its id, from 0 on.
    pub id: u8,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its own loss, in place of the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Slots that it jumps over when it leads: an injected fault.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub skip_slots: BTreeSet<u64>,
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read the configuration {0}: {error}; `cluster config -f 1 -o {0}` writes one",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not TOML of the right keys and types.
    #[error("{}: {error}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: Box<toml::de::Error>,
    },
    /// The file cannot be written.
    #[error("cannot write the configuration {}: {error}", path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A value is wrong.
    #[error("{}: {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key and why.
        problem: Problem,
    },
}

/// A wrong value: its key, what is wrong, and what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {wrong}; {remedy}")]
pub struct Problem {
    key: String,
    wrong: String,
    remedy: String,
}

fn problem<T>(
    key: impl Into<String>,
    wrong: impl Into<String>,
    remedy: impl Into<String>,
) -> Result<T, Problem> {
    Err(Problem { key: key.into(), wrong: wrong.into(), remedy: remedy.into() })
}

impl Config {
    /// A cluster of `2f+1` replicas at these addresses.
    ///
    /// # Errors
    /// When there is no such cluster.
    pub fn new(cluster: String, f: u8, addresses: Vec<SocketAddr>) -> Result<Config, Problem> {
        let replica =
            |(id, address)| ReplicaConfig { id, address, loss: None, skip_slots: BTreeSet::new() };
        let replicas = (0..).zip(addresses).map(replica).collect();
        let timeouts = Timeouts::default();
        let (users, revoked) = (Vec::new(), BTreeMap::new());
        let config = Config { cluster, f, loss: 0.0, users, revoked, timeouts, replicas };
        config.check()?;
        Ok(config)
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not a valid configuration.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let at = || path.to_path_buf();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: at(), error })?;
        let config: Config = toml::from_str(&text)
            .map_err(|error| ConfigError::Syntax { path: at(), error: Box::new(error) })?;
        config.check().map_err(|problem| ConfigError::Value { path: at(), problem })?;
        Ok(config)
    }

    /// The text of the file.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration is plain data with text keys")
    }

    /// Is it a configuration that a cluster can run with?
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), Problem> {
        if self.cluster.is_empty() {
            return problem("cluster", "is empty", "give the cluster a name of its own");
        }
        check_f(self.f)?;
        check_loss("loss", self.loss)?;
        check_range("timeouts.election_ms", self.timeouts.election_ms, ELECTION_MS)?;
        check_range("timeouts.retry_ms", self.timeouts.retry_ms, RETRY_MS)?;
        for (index, user) in self.users.iter().enumerate() {
            if let Err(wrong) = check_user(user) {
                return problem(format!("users[{index}]"), wrong, "choose another name");
            }
        }
        for user in self.revoked.keys() {
            if let Err(wrong) = check_user(user) {
                return problem("revoked", wrong, "name a user");
            }
        }
        self.check_replicas()
    }

    fn check_replicas(&self) -> Result<(), Problem> {
        let (count, wanted) = (self.replicas.len(), 2 * usize::from(self.f) + 1);
        if count > usize::from(REPLICAS_MAX) {
            let wrong = format!("{count} replicas are too many");
            return problem("replicas", wrong, format!("list at most {REPLICAS_MAX}"));
        }
        if count.is_multiple_of(2) {
            let wrong = format!("{count} replicas are an even number");
            let remedy = format!("list 2f+1 of them, which is {wanted} for f = {}", self.f);
            return problem("replicas", wrong, remedy);
        }
        if count != wanted {
            let wrong = format!("{count} replicas are not 2f+1 for f = {}", self.f);
            let remedy = format!("list {wanted}, or set f = {}", (count - 1) / 2);
            return problem("replicas", wrong, remedy);
        }
        let (mut ids, mut addresses) = (BTreeMap::new(), BTreeMap::new());
        for (index, replica) in self.replicas.iter().enumerate() {
            let key = format!("replicas[{index}]");
            if let Some(other) = ids.insert(replica.id, index) {
                let wrong = format!("{} is the id of replicas[{other}] too", replica.id);
                return problem(key + ".id", wrong, "give every replica an id of its own");
            }
            if usize::from(replica.id) != index {
                let wrong = format!("is {} where {index} is expected", replica.id);
                let remedy = format!("number the replicas 0 to {} in order", count - 1);
                return problem(key + ".id", wrong, remedy);
            }
            if let Some(other) = addresses.insert(replica.address, index) {
                let wrong = format!("{} is the address of replicas[{other}] too", replica.address);
                return problem(key + ".address", wrong, "give every replica one of its own");
            }
            if replica.address.port() == 0 || replica.address.ip().is_unspecified() {
                let wrong = format!("{} is no address that others can send to", replica.address);
                let remedy = "give an IP address and a port, such as 127.0.0.1:7100";
                return problem(key + ".address", wrong, remedy);
            }
            if let Some(loss) = replica.loss {
                check_loss(&(key + ".loss"), loss)?;
            }
        }
        Ok(())
    }

    /// The size of the cluster.
    pub fn size(&self) -> Cluster {
        Cluster::new(self.replicas.len().try_into().unwrap_or(REPLICAS_MAX))
    }

    /// The addresses of the replicas, by id.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.replicas.iter().map(|replica| crate::network::canonical(replica.address)).collect()
    }

    /// The ids of the replicas as actors know them.
    pub fn nodes(&self) -> Vec<NodeId> {
        self.size().replicas().map(NodeId::from).collect()
    }

    /// What tells this cluster's datagrams from others': its name and its members.
    pub fn cluster_id(&self) -> ClusterId {
        let mut description = self.cluster.clone();
        for replica in &self.replicas {
            description += &format!("\n{} {}", replica.id, replica.address);
        }
        ClusterId::of(&description)
    }

    /// The loss of all, or of this replica.
    pub fn loss_of(&self, replica: Option<&ReplicaConfig>) -> Loss {
        let own = replica.and_then(|replica| replica.loss);
        Loss::new(own.unwrap_or(self.loss)).unwrap_or(Loss::NONE)
    }

    /// The protocol's parameters at this replica.
    pub fn tuning_of(&self, replica: &ReplicaConfig) -> Tuning {
        let skip_slots = replica.skip_slots.iter().copied().map(Slot).collect();
        let timeout = Duration::from_millis(self.timeouts.election_ms);
        Tuning { skip_slots, ..Tuning::default() }.with_election_timeout(timeout)
    }

    /// The protocol's parameters at a client.
    pub fn client_tuning(&self) -> ClientTuning {
        let retry_interval = Duration::from_millis(self.timeouts.retry_ms);
        ClientTuning {
            retry_interval,
            backoff_doublings_max: BACKOFF_DOUBLINGS_MAX,
            ..ClientTuning::default()
        }
    }
}

/// Is this a number of failures that a cluster can tolerate?
///
/// # Errors
/// When it is not.
pub fn check_f(f: u8) -> Result<(), Problem> {
    if f == 0 {
        let wrong = "f = 0 tolerates no failure, so replication would be without use";
        return problem("f", wrong, "give at least 1, which makes 3 replicas");
    }
    if f > F_MAX {
        let wrong = format!("f = {f} needs {} replicas", 2 * u16::from(f) + 1);
        return problem("f", wrong, format!("give at most {F_MAX}: {REPLICAS_MAX} replicas"));
    }
    Ok(())
}

fn check_loss(key: &str, loss: f64) -> Result<(), Problem> {
    if Loss::new(loss).is_some() {
        return Ok(());
    }
    let remedy = "give a number from 0 (nothing is lost) to 1 (everything is lost)";
    problem(key, format!("{loss} is not a probability"), remedy)
}

fn check_range(key: &str, value: u64, range: std::ops::RangeInclusive<u64>) -> Result<(), Problem> {
    if range.contains(&value) {
        return Ok(());
    }
    let remedy = format!("give {} to {} milliseconds", range.start(), range.end());
    problem(key, format!("{value} is out of range"), remedy)
}

/// Is this a name that a user may have?
///
/// # Errors
/// Says why not.
pub fn check_user(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the name of a user is empty".into());
    }
    if name.len() > USER_BYTES_MAX {
        let length = name.len();
        return Err(format!("the name has {length} bytes; at most {USER_BYTES_MAX} are allowed"));
    }
    if name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!("the name {name:?} has white space or control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
