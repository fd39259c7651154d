//! Entries with batches, beside everything else.

use super::{Entry, as_deployed, quick};
use crate::config::Config;
use crate::properties::Milestone::*;
use paxos_chat::types::Slot;

/// All of them, in the order in which they run.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        batch_recovery(),
        batch_and_die(),
        batch_chunks(),
        batch_overlap(),
        batch_two_crashes(),
        batch_three_ballots(),
        batch_five(),
        batch_rivals(),
        batch_client_crash(),
        batch_skip(),
        batch_elsewhere(),
        batch_relay(),
        batch_busy(),
        batch_eviction(),
    ]
}

fn batch_recovery() -> Entry {
    quick(
            "batch-recovery",
            "a batch over a leader change, with pre-votes and snapshots: a leader crashes, and comes back",
            as_deployed(by_two(Config::new(3))).crashes(&[0], 1, true),
            371_028,
        )
        .reaches(&[BatchChosen, PreVoteGranted])
}

fn batch_and_die() -> Entry {
    quick(
        "batch-and-die",
        "a batch, with pre-votes and snapshots: a leader dies",
        as_deployed(by_two(Config::new(3))).crashes(&[0], 1, false),
        92_179,
    )
    .reaches(&[BatchChosen, PreVoteGranted])
}

fn batch_chunks() -> Entry {
    quick(
        "batch-chunks",
        "a batch, two slots in flight, chunks of one, with pre-votes and snapshots",
        as_deployed(by_two(Config::new(3))).tuned(|tuning| {
            tuning.window_slots = 2;
            tuning.chunk_entries_max = 1;
        }),
        63_707,
    )
    .reaches(&[BatchChosen, PreVoteGranted])
}

fn batch_overlap() -> Entry {
    quick(
        "batch-overlap",
        "a batch, disk and network overlap: a leader crashes, and comes back",
        by_two(Config::new(3)).crashes(&[0], 1, true).overlapping(),
        321_907,
    )
    .reaches(&[BatchChosen, PendingSaveLost])
}

fn batch_two_crashes() -> Entry {
    quick(
        "batch-two-crashes",
        "a batch of a leader that crashes twice",
        by_two(Config::new(3)).crashes(&[0], 2, true),
        8_613,
    )
    .reaches(&[BatchChosen, SnapshotTaken])
}

fn batch_three_ballots() -> Entry {
    quick(
        "batch-three-ballots",
        "a batch, and 3 ballots",
        by_two(Config::new(3)).ballots(&[(1, 0), (1, 1), (2, 1)]),
        11_616,
    )
    .reaches(&[BatchChosen, OldValueAdopted])
}

fn batch_five() -> Entry {
    quick("batch-five", "a batch, and 5 replicas", by_two(Config::new(5)), 62_868)
        .reaches(&[BatchChosen, OldValueAdopted])
}

fn batch_rivals() -> Entry {
    quick(
        "batch-rivals",
        "rival batches that reach the same slot",
        by_two(Config::new(3)).client("bob", 2, 1).last_client(|client| client.window = 2),
        36_688,
    )
    .reaches(&[BatchChosen, OldValueAdopted])
}

fn batch_client_crash() -> Entry {
    quick(
        "batch-client-crash",
        "a batch of a client that crashes, and a reader",
        by_two(Config { reader: Some(1), ..Config::new(3) }).client_crashes(0).clients_crash(1),
        64_495,
    )
    .reaches(&[BatchChosen, SnapshotTaken])
}

fn batch_skip() -> Entry {
    quick(
        "batch-skip",
        "a batch above a slot that is skipped, and a reader",
        by_two(Config { reader: Some(1), skips: vec![(0, Slot(1))], ..Config::new(3) }),
        372_481,
    )
    .reaches(&[BatchChosen, SlotSkipped, NoopChosen])
}

fn batch_elsewhere() -> Entry {
    quick(
        "batch-elsewhere",
        "the commands of a batch are asked for elsewhere, too",
        by_two(Config::new(3)).elsewhere(0),
        47_178,
    )
    .reaches(&[BatchChosen])
}

fn batch_relay() -> Entry {
    quick(
        "batch-relay",
        "the commands of a batch are passed on to the leader",
        by_two(Config::new(3))
            .last_client(|client| client.asks = vec![1])
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.relay = true),
        190,
    )
    .reaches(&[BatchChosen, RequestPassedOn])
}

fn batch_busy() -> Entry {
    quick(
        "batch-busy",
        "batches of a leader that turns away what its queue has no room for",
        by_two(Config::new(3))
            .last_client(|client| (client.messages, client.window) = (6, 6))
            .tuned(|tuning| tuning.queue_commands_max = 2),
        366_679,
    )
    .reaches(&[BatchChosen, BusyTold])
}

fn batch_eviction() -> Entry {
    quick(
        "batch-eviction",
        "two openings in one batch, which evict a client that talks",
        by_two(Config::new(3))
            .client("bob", 0, 1)
            .last_client(|client| client.opens = true)
            .client("cy", 0, 1)
            .last_client(|client| client.opens = true)
            .tuned(|tuning| tuning.sessions_max = 2),
        32_461,
    )
    .reaches(&[BatchChosen, SessionEvicted])
}

/// Two commands of one client fill a value, and less than that is not proposed: batches over a leader
/// change, at the least price in states. No deployed leader waits so (`eager_slots` is at least 1 there), and
/// an odd number of messages would leave the last one unsaid.
fn by_two(config: Config) -> Config {
    config
        .client("ann", 2, 0)
        .last_client(|client| client.window = 2)
        .ballots(&[(1, 0), (1, 1)])
        .tuned(|tuning| {
            tuning.batch_commands_max = 2;
            tuning.eager_slots = 0;
            tuning.snapshot_slots = 1;
        })
}
