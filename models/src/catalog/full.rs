//! Larger bounds.

use super::{Entry, quick, with_rivals};
use crate::config::Config;
use crate::properties::Milestone::*;
use paxos_chat::types::Slot;

/// All of them, in the order in which they run.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        overlap_pipeline(),
        overlap_rivals(),
        rivals_crash(),
        retry_compact_crash(),
        five_rivals(),
        five_deposed(),
        five_two_crashes(),
        three_writes(),
        skip_and_compact(),
    ]
}

fn overlap_pipeline() -> Entry {
    quick(
        "overlap-pipeline",
        "two saves of a leader are pending at once, and a crash loses one or both",
        Config::new(3)
            .client("ann", 2, 0)
            .last_client(|client| client.window = 2)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0], 1, true)
            .tuned(|tuning| tuning.window_slots = 2)
            .overlapping(),
        38_701_646,
    )
    .reaches(&[PendingSaveLost, TwoSlotsInFlight])
    .full()
}

fn overlap_rivals() -> Entry {
    quick(
        "overlap-rivals",
        "disk and network overlap, rival commands, 2 ballots, a crash and a recovery",
        with_rivals(3).ballots(&[(1, 0), (1, 1)]).crashes(&[0, 1, 2], 1, true).overlapping(),
        14_422_388,
    )
    .reaches(&[PendingSaveLost, RecoveredInPhase2])
    .full()
}

fn rivals_crash() -> Entry {
    quick(
        "rivals-crash",
        "3 ballots and rival commands, with a crash and a recovery",
        with_rivals(3).ballots(&[(1, 0), (1, 1), (2, 2)]).crashes(&[0, 1, 2], 1, true),
        12_245_131,
    )
    .reaches(&[TwoValuesReported, RecoveredInPhase2])
    .full()
}

fn retry_compact_crash() -> Entry {
    quick(
        "retry-compact-crash",
        "a client asks again elsewhere, with snapshots, a crash and a recovery",
        Config::new(3)
            .client("ann", 1, 0)
            .last_client(|client| client.asks = vec![0, 1])
            .ballots(&[(1, 0), (1, 1), (2, 1)])
            .crashes(&[0, 1, 2], 1, true)
            .tuned(|tuning| tuning.snapshot_slots = 1),
        8_742_074,
    )
    .reaches(&[DuplicateSuppressed, SnapshotTaken])
    .full()
}

fn five_rivals() -> Entry {
    quick(
        "five-rivals",
        "5 replicas, 2 ballots, rival commands for one slot",
        with_rivals(5).ballots(&[(1, 0), (1, 1)]),
        3_778_896,
    )
    .reaches(&[TwoBallotsGetVotes, OldValueAdopted])
    .full()
}

fn five_deposed() -> Entry {
    quick(
        "five-deposed",
        "5 replicas with snapshots: a deposed leader is told what was decided",
        with_rivals(5).ballots(&[(1, 0), (1, 1)]).tuned(|tuning| tuning.snapshot_slots = 1),
        4_269_859,
    )
    .reaches(&[SupersededStepsDown])
    .full()
}

fn five_two_crashes() -> Entry {
    quick(
        "five-two-crashes",
        "5 replicas, two of which die: any but the second candidate",
        Config::new(5)
            .client("ann", 1, 0)
            .last_client(|client| client.asks = vec![0, 1])
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0, 2, 3, 4], 2, false)
            .crashes_at_once(2),
        30_994_678,
    )
    .reaches(&[AllDeliveredWithFDown])
    .full()
}

fn three_writes() -> Entry {
    quick(
        "three-writes",
        "3 messages of 2 clients that ask different replicas, 2 ballots, a crash and a recovery",
        Config::new(3).client("ann", 2, 0).client("bob", 1, 1).ballots(&[(1, 0), (1, 1)]).crashes(
            &[0, 1, 2],
            1,
            true,
        ),
        2_565_897,
    )
    .reaches(&[RecoveredInPhase2, AskedAfterAcknowledgement])
    .full()
}

fn skip_and_compact() -> Entry {
    quick(
        "skip-and-compact",
        "a skipped slot, snapshots after every slot, and a lagging replica that leads",
        Config { skips: vec![(0, Slot(1))], ..Config::new(3) }
            .client("ann", 2, 0)
            .ballots(&[(1, 0), (1, 1), (2, 1)])
            .tuned(|tuning| tuning.snapshot_slots = 1),
        148_267,
    )
    .reaches(&[NoopChosen, SnapshotTaken])
    .full()
}
