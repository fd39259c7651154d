//! The catalog: named configurations, each with its bounds, its purpose and its exact count of unique states.
//! The checker and the tests read the same one.
//!
//! | file | its entries |
//! |---|---|
//! | `leadership` | leaders change, and adopt what their predecessors left |
//! | `clients` | clients ask, ask again, and ask elsewhere |
//! | `faults` | replicas crash, recover, and compact |
//! | `pairs` | features that meet nowhere else |
//! | `reads` | current reads, over leader changes |
//! | `members` | replicas are added, removed and replaced |
//! | `relays` | whoever does not lead passes requests on |
//! | `combined` | what real runs combine and no other entry does |
//! | `batches`, `overlaps` | with batches; with saves that are pending while others go on |
//! | `full`, `full_pairs` | larger bounds, run by name |
//! | `vast` | bounds that outgrow a memory |
//!
//! **Invariant**: *everything an entry must reach is named*, so that no entry holds vacuously.

mod batches;
mod clients;
mod combined;
mod faults;
mod full;
mod full_pairs;
mod leadership;
mod members;
mod overlaps;
mod pairs;
mod reads;
mod relays;
mod vast;

use crate::config::Config;
use crate::properties::Milestone;

/// How long a run of an entry takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// Part of every check.
    Quick,
    /// Run by name, or all together by `check full`.
    Full,
    /// Run by name, and kept in files: it takes hours.
    Vast,
}

/// A named configuration.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    /// Why it is in the catalog.
    pub purpose: &'static str,
    /// How long it takes.
    pub grade: Grade,
    /// Its bounds.
    pub config: Config,
    /// What a run must reach.
    pub reaches: &'static [Milestone],
    /// How many unique states there are, if a completed run has counted them.
    pub unique_states: Option<u64>,
}

/// All entries, the quick ones first.
pub fn entries() -> Vec<Entry> {
    let files = [
        leadership::entries(),
        clients::entries(),
        faults::entries(),
        pairs::entries(),
        relays::entries(),
        reads::entries(),
        members::entries(),
        combined::entries(),
        batches::entries(),
        overlaps::entries(),
        full::entries(),
        full_pairs::entries(),
        vast::entries(),
    ];
    files.into_iter().flatten().collect()
}

/// The entry of this name.
pub fn find(name: &str) -> Option<Entry> {
    entries().into_iter().find(|entry| entry.name == name)
}

fn quick(name: &'static str, purpose: &'static str, config: Config, states: u64) -> Entry {
    let unique_states = (states > 0).then_some(states);
    Entry { name, purpose, grade: Grade::Quick, config, reaches: &[], unique_states }
}

impl Entry {
    fn reaches(mut self, milestones: &'static [Milestone]) -> Entry {
        self.reaches = milestones;
        self
    }

    fn full(mut self) -> Entry {
        self.grade = Grade::Full;
        self
    }

    fn vast(mut self) -> Entry {
        self.grade = Grade::Vast;
        self
    }
}

/// Two commands of two clients that ask different replicas: rivals for the same slot.
fn with_rivals(replicas: u8) -> Config {
    Config::new(replicas).client("ann", 1, 0).client("bob", 1, 1)
}

/// With pre-votes, and a snapshot after every slot.
fn as_deployed(config: Config) -> Config {
    config.tuned(|tuning| {
        tuning.pre_vote = true;
        tuning.snapshot_slots = 1;
    })
}

/// One session at a time: the opening of a rival, who asks these, evicts that of a client that talks.
fn evicting(asks: &[u8]) -> Config {
    Config::new(3)
        .client("ann", 1, 0)
        .client("bob", 0, 1)
        .last_client(|client| {
            client.asks = asks.to_vec();
            client.opens = true;
        })
        .tuned(|tuning| tuning.sessions_max = 1)
}

/// A client that asks for more than fits the queue.
fn overfull(config: Config) -> Config {
    config
        .client("ann", 3, 0)
        .last_client(|client| client.window = 3)
        .tuned(|tuning| tuning.queue_commands_max = 1)
}

/// A client that talks, and one that opens its session, at a leader whose queue has room for one.
fn crowded() -> Config {
    Config::new(3)
        .client("ann", 2, 0)
        .last_client(|client| client.window = 2)
        .client("bob", 0, 0)
        .last_client(|client| client.opens = true)
        .tuned(|tuning| {
            tuning.queue_commands_max = 1;
            tuning.snapshot_slots = 1;
        })
}

impl Config {
    /// With crashes of this client.
    fn client_crashes(mut self, client: usize) -> Config {
        self.clients[client].crashes = true;
        self
    }

    /// With this client asking replica 0, then replica 1.
    fn elsewhere(mut self, client: usize) -> Config {
        self.clients[client].asks = vec![0, 1];
        self
    }
}
