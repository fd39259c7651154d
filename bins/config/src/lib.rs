//! `cluster.toml`: who the replicas are, and what is injected into them.
//!
//! | file | what it holds |
//! |---|---|
//! | `check` | what a cluster can run with, and what it cannot |
//! | `links` | loss by direction |
//! | `place` | the line of a key |
//! | `write` | the file's text, with comments |
//! | `revoke` | a change of one line |
//! | [`credentials`] | `cluster.secret`, and users' tokens |
//!
//! **Invariant**: a [`Config`] is valid: `2f+1` replicas with ids `0..n` in order and distinct
//! addresses. A file that is not is refused with an error that names the file, the line, the key and
//! the remedy; unknown keys are errors too, because a misspelt one would be silently without effect.
//!
//! **Absent**: secrets ([`crate::credentials`]). Clients read this file.

#![forbid(unsafe_code)]

mod check;
pub mod credentials;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod links;
mod place;
mod revoke;
mod write;

use actor_runtime::addresses::{Addresses, Endpoint};
use actor_runtime::loss::Loss;
use actor_runtime::network::canonical;
use actor_runtime::wire::{ClusterId, DATAGRAM_BYTES_INTERNET, DATAGRAM_BYTES_LOOPBACK, Packing};
use paxos_chat::client::ClientTuning;
use paxos_chat::quorum::{Cluster, REPLICAS_MAX};
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{NodeId, Slot};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use check::{Problem, check_f, check_user};
pub use links::{End, LinkConfig};
pub use revoke::revoke;

/// The most replicas that may fail at once: `2f+1` replicas are at most [`REPLICAS_MAX`].
pub const F_MAX: u8 = (REPLICAS_MAX - 1) / 2;
/// With the default proportion of 1 to 5, a client that hears nothing asks about once an election
/// time-out, and so finds a new primary soon after it is elected.
const BACKOFF_DOUBLINGS_MAX: u8 = 2;

/// A valid `cluster.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The cluster's name. Datagrams of a cluster of another name are dropped.
    pub cluster: String,
    /// How many replicas may fail.
    pub f: u8,
    /// Probability that a datagram is dropped, on sending and again on receiving.
    #[serde(default)]
    pub loss: f64,
    /// The longest datagram that is sent, in bytes; longer messages travel in several. What every
    /// path carries, if it is not given; more is faster where the network carries it.
    #[serde(default = "internet")]
    pub max_datagram: usize,
    /// Names that clients may use; any name if there are none.
    #[serde(default)]
    pub users: Vec<String>,
    /// How often tokens of a user were revoked: those made before are void. See [`revoke`].
    #[serde(default)]
    pub revoked: BTreeMap<String, u32>,
    /// Time-outs.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Settings of single users' clients.
    #[serde(default)]
    pub clients: BTreeMap<String, ClientConfig>,
    /// The replicas, by id.
    pub replicas: Vec<ReplicaConfig>,
    /// Loss in one direction.
    #[serde(default)]
    pub links: Vec<LinkConfig>,
}

/// Settings of one user's clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// Their own loss, in place of the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
}

/// Time-outs, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
        Timeouts { election_ms, retry_ms: (election_ms / 5).max(*check::RETRY_MS.start()) }
    }
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaConfig {
    /// Its id, from 0 on.
    pub id: u8,
    /// Where it listens.
    #[serde(deserialize_with = "endpoint")]
    pub address: Endpoint,
    /// Its own loss, in place of the cluster's.
    #[serde(default)]
    pub loss: Option<f64>,
    /// Slots that it jumps over when it leads: an injected fault.
    #[serde(default)]
    pub skip_slots: BTreeSet<u64>,
}

fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Endpoint, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// The users of `cluster.toml` in this folder, for completions; none, if there is no such file, or anybody may speak.
pub fn users_here() -> Vec<String> {
    Config::read(Path::new("cluster.toml")).map(|config| config.users).unwrap_or_default()
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
    #[error(
        "{}, line {line}: {wrong}; correct this line, or compare it with what `cluster config` prints",
        path.display()
    )]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// What is wrong there.
        wrong: String,
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
    #[error("{}, line {line}: {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line of the key, or of what should hold it, from 1 on.
        line: usize,
        /// The key and why.
        problem: Problem,
    },
}

fn internet() -> usize {
    DATAGRAM_BYTES_INTERNET
}

impl Config {
    /// The keys that another configuration of the same cluster gives other values and that a replica reads only when
    /// it starts.
    pub fn needs_restart(&self, other: &Config) -> Vec<&'static str> {
        // All of them, so that whoever adds a key has to say which it is.
        #[rustfmt::skip]
        let Config {
            cluster: _, users: _, revoked: _, clients: _,
            f, loss, max_datagram, timeouts, replicas, links,
        } = other;
        let keys = [
            ("f", self.f != *f),
            ("loss", self.loss != *loss),
            ("max_datagram", self.max_datagram != *max_datagram),
            ("timeouts", self.timeouts != *timeouts),
            ("replicas", self.replicas != *replicas),
            ("links", self.links != *links),
        ];
        keys.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }

    /// A cluster of `2f+1` replicas at these addresses. If they are all on this machine, datagrams
    /// may be as long as its loopback interface allows.
    ///
    /// # Errors
    /// When there is no such cluster.
    pub fn new(cluster: String, f: u8, addresses: Vec<Endpoint>) -> Result<Config, Problem> {
        let is_local = addresses.iter().all(Endpoint::is_loopback);
        let max_datagram = if is_local { DATAGRAM_BYTES_LOOPBACK } else { internet() };
        let replica =
            |(id, address)| ReplicaConfig { id, address, loss: None, skip_slots: BTreeSet::new() };
        let replicas = (0..).zip(addresses).map(replica).collect();
        let timeouts = Timeouts::default();
        let config = Config {
            cluster,
            f,
            loss: 0.0,
            max_datagram,
            users: Vec::new(),
            revoked: BTreeMap::new(),
            timeouts,
            clients: BTreeMap::new(),
            replicas,
            links: Vec::new(),
        };
        config.check()?;
        Ok(config)
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not a valid configuration.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: path.to_path_buf(), error })?;
        Config::parse(&text, path)
    }

    /// Checks the text of a file of this name.
    fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
        let at = || path.to_path_buf();
        let config: Config = toml::from_str(text).map_err(|error| {
            let line = place::line_at(text, error.span().map_or(0, |span| span.start));
            ConfigError::Syntax { path: at(), line, wrong: error.message().to_owned() }
        })?;
        config.check().map_err(|problem| {
            let line = place::line_of(text, problem.key());
            ConfigError::Value { path: at(), line, problem }
        })?;
        Ok(config)
    }

    /// The size of the cluster.
    pub fn size(&self) -> Cluster {
        Cluster::new(self.replicas.len().try_into().unwrap_or(REPLICAS_MAX))
    }

    /// Where the replicas are, by id; names are looked up from now on.
    ///
    /// # Errors
    /// When there is no thread for that.
    pub fn addresses(&self) -> io::Result<Addresses> {
        let endpoint = |replica: &ReplicaConfig| match replica.address.literal() {
            Some(address) => canonical(address).into(),
            None => replica.address.clone(),
        };
        Addresses::of(self.replicas.iter().map(endpoint).collect())
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

    /// The loss of all, or of this replica, whatever the direction.
    pub fn loss_of(&self, replica: Option<&ReplicaConfig>) -> Loss {
        let own = replica.and_then(|replica| replica.loss);
        Loss::new(own.unwrap_or(self.loss)).unwrap_or(Loss::NONE)
    }

    /// How datagrams are packed.
    pub fn packing(&self) -> Packing {
        Packing { datagram_bytes_max: self.max_datagram, ..Packing::default() }
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

#[cfg(test)]
mod tests;
