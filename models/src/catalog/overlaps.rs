//! Entries in which disk and network overlap, beside sessions, skipped slots and five replicas.

use super::{Entry, quick};
use crate::config::Config;
use crate::properties::Milestone::*;
use paxos_chat::types::Slot;

/// All of them, in the order in which they run.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        overlap_skip(),
        overlap_eviction(),
        overlap_any_crash(),
        overlap_chunks(),
        overlap_opening(),
        overlap_five(),
    ]
}

fn overlap_skip() -> Entry {
    quick(
        "overlap-skip",
        "disk and network overlap, and a slot is skipped",
        overlapping(Config { skips: vec![(0, Slot(1))], ..Config::new(3) }.client("ann", 1, 0)),
        299,
    )
    .reaches(&[SlotSkipped])
}

fn overlap_eviction() -> Entry {
    quick(
        "overlap-eviction",
        "disk and network overlap: an opening evicts another session, and a leader comes back",
        overlapping(Config::new(3).client("ann", 0, 0).client("bob", 0, 0))
            .last_client(|client| client.opens = true)
            .tuned(|tuning| tuning.sessions_max = 1)
            .crashes(&[0], 1, true),
        18_201,
    )
    .reaches(&[SessionEvicted, PendingSaveLost])
}

fn overlap_any_crash() -> Entry {
    quick(
        "overlap-any-crash",
        "disk and network overlap over a leader change, with snapshots: any replica comes back",
        overlapping(Config::new(3).client("ann", 1, 0)).ballots(&[(1, 0), (1, 1)]).crashes(
            &[0, 1, 2],
            1,
            true,
        ),
        885_158,
    )
    .reaches(&[PendingSaveLost, SnapshotTaken])
}

fn overlap_chunks() -> Entry {
    quick(
        "overlap-chunks",
        "disk and network overlap, two messages, chunks of one",
        overlapping(Config::new(3).client("ann", 2, 0))
            .tuned(|tuning| tuning.chunk_entries_max = 1),
        2_134_239,
    )
    .reaches(&[SnapshotTaken])
    .full()
}

fn overlap_opening() -> Entry {
    quick(
        "overlap-opening",
        "disk and network overlap, a session is opened through the log, and a leader comes back",
        overlapping(Config::new(3).client("ann", 1, 0))
            .last_client(|client| client.opens = true)
            .crashes(&[0], 1, true),
        3_915_385,
    )
    .reaches(&[SessionOpened, PendingSaveLost])
    .full()
}

fn overlap_five() -> Entry {
    quick(
        "overlap-five",
        "disk and network overlap, 5 replicas, and a leader that comes back",
        overlapping(Config::new(5).client("ann", 1, 0)).crashes(&[0], 1, true),
        3_731_499,
    )
    .reaches(&[PendingSaveLost, SnapshotTaken])
    .full()
}

/// One leader, whose saves are pending for a while, and snapshots after every slot.
fn overlapping(config: Config) -> Config {
    config.ballots(&[(1, 0)]).tuned(|tuning| tuning.snapshot_slots = 1).overlapping()
}
