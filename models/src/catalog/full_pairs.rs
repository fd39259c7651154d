//! The same, larger.

use super::{Entry, as_deployed, evicting, overfull, quick};
use crate::config::Config;
use crate::properties::Milestone::*;
use paxos_chat::types::Slot;

/// All of them, in the order in which they run.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        overlap_client_crash(),
        five_reader(),
        opening_elsewhere_crash(),
        chunks_three_ballots(),
        eviction_three_ballots(),
        busy_five(),
        busy_elections(),
        busy_three_ballots(),
        busy_and_die(),
        busy_elsewhere(),
        overlap_pre_vote(),
        overlap_and_die(),
        chunks_and_die(),
        skip_and_recover(),
    ]
}

fn overlap_client_crash() -> Entry {
    quick(
            "overlap-client-crash",
            "disk and network overlap, with snapshots and a reader: a client and a leader crash, or one twice",
            Config { reader: Some(1), ..Config::new(3) }
                .client("ann", 1, 0)
                .client_crashes(0)
                .ballots(&[(1, 0)])
                .crashes(&[0], 2, true)
                .tuned(|tuning| tuning.snapshot_slots = 1)
                .overlapping(),
            2_253_440,
        )
        .reaches(&[
            PendingSaveLost,
            PendingAcknowledged,
            SnapshotTaken,
        ])
        .full()
}

fn five_reader() -> Entry {
    quick(
        "five-reader",
        "5 replicas with pre-votes and snapshots, and a reader",
        Config { reader: Some(1), ..as_deployed(Config::new(5)) }
            .client("ann", 1, 0)
            .ballots(&[(1, 0)]),
        879_295,
    )
    .reaches(&[PreVoteGranted, SnapshotTaken])
    .full()
}

fn opening_elsewhere_crash() -> Entry {
    quick(
        "opening-elsewhere-crash",
        "a session is opened at one of two replicas, the first of which crashes and comes back",
        Config::new(3)
            .client("bob", 0, 0)
            .client("ann", 1, 0)
            .last_client(|client| (client.opens, client.asks) = (true, vec![0, 1]))
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0], 1, true)
            .tuned(|tuning| tuning.snapshot_slots = 1),
        4_127_576,
    )
    .reaches(&[SessionOpened, SnapshotTaken])
    .full()
}

fn chunks_three_ballots() -> Entry {
    quick(
        "chunks-three-ballots",
        "two slots in flight, chunks of one, 3 ballots, with snapshots",
        Config::new(3)
            .client("ann", 2, 0)
            .last_client(|client| client.window = 2)
            .ballots(&[(1, 0), (1, 1), (2, 1)])
            .tuned(|tuning| {
                tuning.window_slots = 2;
                tuning.chunk_entries_max = 1;
                tuning.snapshot_slots = 1;
            }),
        2_345_685,
    )
    .reaches(&[TwoSlotsInFlight, SnapshotTaken])
    .full()
}

fn eviction_three_ballots() -> Entry {
    quick(
        "eviction-three-ballots",
        "a session is evicted over 3 ballots, with snapshots",
        evicting(&[0]).ballots(&[(1, 0), (1, 1), (2, 0)]).tuned(|tuning| tuning.snapshot_slots = 1),
        6_627_628,
    )
    .reaches(&[SessionEvicted, SnapshotTaken])
    .full()
}

fn busy_five() -> Entry {
    quick(
        "busy-five",
        "a busy leader of 5 replicas, with snapshots",
        overfull(Config::new(5)).ballots(&[(1, 0)]).tuned(|tuning| tuning.snapshot_slots = 1),
        8_549_424,
    )
    .reaches(&[BusyTold, SnapshotTaken])
    .full()
}

fn busy_elections() -> Entry {
    quick(
        "busy-elections",
        "a busy leader, with pre-votes and snapshots",
        overfull(as_deployed(Config::new(3))).ballots(&[(1, 0), (1, 1)]),
        7_111_878,
    )
    .reaches(&[BusyTold, PreVoteGranted])
    .full()
}

fn busy_three_ballots() -> Entry {
    quick(
        "busy-three-ballots",
        "a busy leader, 3 ballots, with snapshots",
        overfull(Config::new(3))
            .ballots(&[(1, 0), (1, 1), (2, 1)])
            .tuned(|tuning| tuning.snapshot_slots = 1),
        3_707_557,
    )
    .reaches(&[BusyTold, SnapshotTaken])
    .full()
}

fn busy_and_die() -> Entry {
    quick(
        "busy-and-die",
        "a busy leader dies, and a rival asks elsewhere",
        overfull(Config::new(3))
            .client("bob", 1, 1)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0], 1, false)
            .tuned(|tuning| tuning.snapshot_slots = 1),
        1_655_878,
    )
    .reaches(&[BusyTold, SnapshotTaken])
    .full()
}

fn busy_elsewhere() -> Entry {
    quick(
        "busy-elsewhere",
        "who is turned away asks elsewhere, beside a rival, with pre-votes and snapshots",
        as_deployed(Config::new(3))
            .client("ann", 3, 0)
            .last_client(|client| client.window = 3)
            .elsewhere(0)
            .client("bob", 1, 1)
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.queue_commands_max = 1),
        5_931_565,
    )
    .reaches(&[BusyTold, SnapshotTaken])
    .full()
}

fn overlap_pre_vote() -> Entry {
    quick(
        "overlap-pre-vote",
        "disk and network overlap, with pre-votes, a crash and a recovery",
        Config::new(3)
            .client("ann", 1, 0)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0], 1, true)
            .tuned(|tuning| tuning.pre_vote = true)
            .overlapping(),
        6_077_816,
    )
    .reaches(&[PendingSaveLost, PreVoteGranted])
    .full()
}

fn overlap_and_die() -> Entry {
    quick(
        "overlap-and-die",
        "disk and network overlap, with snapshots: a leader dies with what was not yet synced",
        Config::new(3)
            .client("ann", 1, 0)
            .elsewhere(0)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0], 1, false)
            .tuned(|tuning| tuning.snapshot_slots = 1)
            .overlapping(),
        10_876_672,
    )
    .reaches(&[PendingSaveLost, SnapshotTaken])
    .full()
}

fn chunks_and_die() -> Entry {
    quick(
        "chunks-and-die",
        "two slots in flight, chunks of one, pre-votes and snapshots: a leader dies",
        as_deployed(Config::new(3))
            .client("ann", 2, 0)
            .last_client(|client| client.window = 2)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0], 1, false)
            .tuned(|tuning| {
                tuning.window_slots = 2;
                tuning.chunk_entries_max = 1;
            }),
        7_708_360,
    )
    .reaches(&[TwoSlotsInFlight, PreVoteGranted, SnapshotTaken])
    .full()
}

fn skip_and_recover() -> Entry {
    quick(
        "skip-and-recover",
        "a skipped slot, a crash and a recovery, with pre-votes and snapshots",
        Config { skips: vec![(0, Slot(1))], ..as_deployed(Config::new(3)) }
            .client("ann", 1, 0)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0], 1, true),
        3_064_996,
    )
    .reaches(&[SlotSkipped, NoopChosen, SnapshotTaken])
    .full()
}
