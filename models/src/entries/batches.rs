//! Entries with batches, beside everything else.

use super::{as_deployed, quick};
use crate::catalog::{Config, Entry};
use crate::properties::Milestone::*;
use paxos_chat::types::Slot;

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

pub(super) fn entries() -> Vec<Entry> {
    vec![
        quick(
            "batch-recovery",
            "a batch over a leader change, with pre-votes and snapshots: a leader crashes, and comes back",
            as_deployed(by_two(Config::new(3))).crashes(&[0], 1, true),
            371_028,
        )
        .reaches(&[BatchChosen, PreVoteGranted]),
        quick(
            "batch-and-die",
            "a batch, with pre-votes and snapshots: a leader dies",
            as_deployed(by_two(Config::new(3))).crashes(&[0], 1, false),
            92_179,
        )
        .reaches(&[BatchChosen, PreVoteGranted]),
        quick(
            "batch-chunks",
            "a batch, two slots in flight, chunks of one, with pre-votes and snapshots",
            as_deployed(by_two(Config::new(3))).tuned(|tuning| {
                tuning.window_slots = 2;
                tuning.chunk_entries_max = 1;
            }),
            63_707,
        )
        .reaches(&[BatchChosen, PreVoteGranted]),
        quick(
            "batch-overlap",
            "a batch, disk and network overlap: a leader crashes, and comes back",
            by_two(Config::new(3)).crashes(&[0], 1, true).overlapping(),
            321_907,
        )
        .reaches(&[BatchChosen, PendingSaveLost]),
        quick(
            "batch-two-crashes",
            "a batch of a leader that crashes twice",
            by_two(Config::new(3)).crashes(&[0], 2, true),
            8_613,
        )
        .reaches(&[BatchChosen, SnapshotTaken]),
        quick(
            "batch-three-ballots",
            "a batch, and 3 ballots",
            by_two(Config::new(3)).ballots(&[(1, 0), (1, 1), (2, 1)]),
            11_616,
        )
        .reaches(&[BatchChosen, OldValueAdopted]),
        quick("batch-five", "a batch, and 5 replicas", by_two(Config::new(5)), 62_868)
            .reaches(&[BatchChosen, OldValueAdopted]),
        quick(
            "batch-rivals",
            "rival batches that reach the same slot",
            by_two(Config::new(3)).client("bob", 2, 1).last_client(|client| client.window = 2),
            36_688,
        )
        .reaches(&[BatchChosen, OldValueAdopted]),
        quick(
            "batch-client-crash",
            "a batch of a client that crashes, and a reader",
            by_two(Config { reader: Some(1), ..Config::new(3) })
                .client_crashes(0)
                .clients_crash(1),
            64_495,
        )
        .reaches(&[BatchChosen, SnapshotTaken]),
        quick(
            "batch-skip",
            "a batch above a slot that is skipped, and a reader",
            by_two(Config { reader: Some(1), skips: vec![(0, Slot(1))], ..Config::new(3) }),
            372_481,
        )
        .reaches(&[BatchChosen, SlotSkipped, NoopChosen]),
        quick(
            "batch-elsewhere",
            "the commands of a batch are asked for elsewhere, too",
            by_two(Config::new(3)).elsewhere(0),
            47_178,
        )
        .reaches(&[BatchChosen]),
        quick(
            "batch-relay",
            "the commands of a batch are passed on to the leader",
            by_two(Config::new(3))
                .last_client(|client| client.asks = vec![1])
                .ballots(&[(1, 0)])
                .tuned(|tuning| tuning.relay = true),
            190,
        )
        .reaches(&[BatchChosen, RequestPassedOn]),
        quick(
            "batch-busy",
            "batches of a leader that turns away what its queue has no room for",
            by_two(Config::new(3))
                .last_client(|client| (client.messages, client.window) = (6, 6))
                .tuned(|tuning| tuning.queue_commands_max = 2),
            366_679,
        )
        .reaches(&[BatchChosen, BusyTold]),
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
        .reaches(&[BatchChosen, SessionEvicted]),
    ]
}
