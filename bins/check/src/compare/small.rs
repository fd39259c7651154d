//! Bounds that `ActorModel` can explore to the end within a minute: almost all entries of the catalog
//! are too large for it, and would give lower bounds only.

use crate::selection::named;
use paxos_chat_models::catalog::{Entry, Grade};
use paxos_chat_models::config::Config;

/// The small bounds. They are not in the catalog: it covers what they reach.
pub(super) fn all() -> Vec<Entry> {
    let one_leader = || Config::new(3).client("ann", 1, 0).ballots(&[(1, 0)]);
    let four = Config::new(4).client("ann", 1, 0).ballots(&[(1, 0)]);
    vec![
        small("small-four", "4 replicas, one leader, one message", four),
        small(
            "small-messages",
            "one leader, two messages of one client",
            Config::new(3).client("ann", 2, 0).ballots(&[(1, 0)]),
        ),
        small(
            "small-opening",
            "one leader, a client that opens its session",
            one_leader().last_client(|client| client.opens = true),
        ),
        small(
            "small-pre-vote",
            "one leader with pre-votes, one message",
            one_leader().tuned(|tuning| tuning.pre_vote = true),
        ),
    ]
}

/// Small bounds, or an entry of the catalog.
pub(super) fn find(name: &str) -> anyhow::Result<Entry> {
    all().into_iter().find(|entry| entry.name == name).map_or_else(|| named(name), Ok)
}

fn small(name: &'static str, purpose: &'static str, config: Config) -> Entry {
    let (grade, reaches, unique_states) = (Grade::Quick, &[][..], None);
    Entry { name, purpose, grade, config, reaches, unique_states }
}
