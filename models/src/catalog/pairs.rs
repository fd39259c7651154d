//! Features that meet nowhere else: see [`crate::features`]. Most have pre-votes and snapshots, as replicas
//! are deployed.

use super::{Entry, as_deployed, crowded, evicting, overfull, quick, with_rivals};
use crate::config::Config;
use crate::properties::Milestone::*;
use paxos_chat::message::Input;
use paxos_chat::types::Slot;

/// All of them, in the order in which they run.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        long_messages(),
        two_crashes(),
        rivals_chunks_crashes(),
        rivals_two_crashes(),
        rivals_chunks(),
        eviction_elections(),
        skip_and_die(),
        five_recovery(),
        five_three_ballots(),
        overlap_compaction(),
        evicted_two_crashes(),
        reader_and_skip(),
        reader_and_die(),
        sessions_chunks(),
        reader_chunks(),
        reader_client_crash(),
        two_crashes_three_ballots(),
        five_skip(),
        busy_client_crash(),
        busy_skip(),
        both_die(),
        opening_three_ballots(),
        busy_chunks(),
        busy_opening(),
        busy_eviction(),
        five_chunks(),
        five_client_crash(),
        five_eviction(),
        busy_crashes(),
    ]
}

fn long_messages() -> Entry {
    quick(
        "long-messages",
        "a leader turns away what its queue has no bytes for",
        Config::new(3)
            .client("ann", 3, 0)
            .last_client(|client| client.window = 3)
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.queue_bytes_max = 1),
        28_961,
    )
    .reaches(&[BusyTold])
}

fn two_crashes() -> Entry {
    quick(
        "two-crashes",
        "pre-votes and snapshots, and a leader that crashes twice",
        as_deployed(Config::new(3)).client("ann", 1, 0).ballots(&[(1, 0), (1, 1)]).crashes(
            &[0],
            2,
            true,
        ),
        385_890,
    )
    .reaches(&[PreVoteGranted, SnapshotTaken, RecoveredInPhase2])
}

fn rivals_chunks_crashes() -> Entry {
    quick(
        "rivals-chunks-crashes",
        "rivals, two slots in flight, chunks of one, snapshots, and a leader that crashes twice",
        with_rivals(3).ballots(&[(1, 0), (1, 1)]).crashes(&[0], 2, true).tuned(|tuning| {
            tuning.window_slots = 2;
            tuning.chunk_entries_max = 1;
            tuning.snapshot_slots = 1;
        }),
        235_466,
    )
    .reaches(&[TwoSlotsInFlight, SnapshotTaken, RecoveredInPhase2])
}

fn rivals_two_crashes() -> Entry {
    quick(
        "rivals-two-crashes",
        "rival commands with snapshots, and any two crashes",
        with_rivals(3)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0, 1, 2], 2, true)
            .tuned(|tuning| tuning.snapshot_slots = 1),
        213_687,
    )
    .reaches(&[SnapshotTaken, RecoveredInPhase2])
}

fn rivals_chunks() -> Entry {
    quick(
        "rivals-chunks",
        "rivals, two slots in flight and chunks of one, with pre-votes and snapshots",
        as_deployed(with_rivals(3)).ballots(&[(1, 0), (1, 1)]).tuned(|tuning| {
            tuning.window_slots = 2;
            tuning.chunk_entries_max = 1;
        }),
        2_546_896,
    )
    .reaches(&[PreVoteGranted, TwoSlotsInFlight, SnapshotTaken])
}

fn eviction_elections() -> Entry {
    quick(
        "eviction-elections",
        "a session is evicted over a leader change, with pre-votes and snapshots",
        as_deployed(evicting(&[1])).ballots(&[(1, 0), (1, 1)]),
        1_202_219,
    )
    .reaches(&[SessionEvicted, PreVoteGranted, SnapshotTaken])
}

fn skip_and_die() -> Entry {
    quick(
        "skip-and-die",
        "a leader is told to jump over a slot, and dies",
        Config { inputs: vec![(0, Input::SkipSlot)], ..as_deployed(Config::new(3)) }
            .client("ann", 1, 0)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0], 1, false),
        831_562,
    )
    .reaches(&[GapClosed, NoopChosen])
}

fn five_recovery() -> Entry {
    quick(
        "five-recovery",
        "5 replicas with snapshots, one of which crashes and comes back",
        Config::new(5)
            .client("ann", 1, 0)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0], 1, true)
            .tuned(|tuning| tuning.snapshot_slots = 1),
        358_190,
    )
    .reaches(&[SnapshotTaken, RecoveredInPhase2])
}

fn five_three_ballots() -> Entry {
    quick(
        "five-three-ballots",
        "5 replicas with snapshots, 3 ballots",
        Config::new(5)
            .client("ann", 1, 0)
            .ballots(&[(1, 0), (1, 1), (2, 1)])
            .tuned(|tuning| tuning.snapshot_slots = 1),
        2_071_167,
    )
    .reaches(&[OldValueAdopted, SnapshotTaken])
    .full()
}

fn overlap_compaction() -> Entry {
    quick(
        "overlap-compaction",
        "disk and network overlap, with snapshots: a crash loses what was not yet synced",
        Config::new(3)
            .client("ann", 1, 0)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0], 1, true)
            .tuned(|tuning| tuning.snapshot_slots = 1)
            .overlapping(),
        175_929,
    )
    .reaches(&[PendingSaveLost, SnapshotTaken])
}

fn evicted_two_crashes() -> Entry {
    quick(
            "evicted-two-crashes",
            "a client that crashes is evicted by one who asks elsewhere; a follower crashes too, or twice",
            evicting(&[1, 0])
                .client_crashes(0)
                .ballots(&[(1, 0)])
                .crashes(&[1], 2, true)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            328_870,
        )
        .reaches(&[
            SessionEvicted,
            ExpiredAfterCrash,
            RecoveredInPhase2,
        ])
}

fn reader_and_skip() -> Entry {
    quick(
            "reader-and-skip",
            "a reader reads of a log with a skipped slot, while a client is evicted, and it or a replica crashes",
            Config { reader: Some(1), skips: vec![(0, Slot(2))], ..evicting(&[1, 0]) }
                .client_crashes(0)
                .ballots(&[(1, 0)])
                .crashes(&[1], 1, true)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            744_089,
        )
        .reaches(&[SlotSkipped, SessionEvicted, SnapshotTaken])
}

fn reader_and_die() -> Entry {
    quick(
        "reader-and-die",
        "the replica that a reader asks dies, while a client is evicted and a slot is skipped",
        Config { reader: Some(1), skips: vec![(0, Slot(2))], ..evicting(&[1, 0]) }
            .ballots(&[(1, 0)])
            .crashes(&[1], 1, false)
            .tuned(|tuning| tuning.snapshot_slots = 1),
        290_632,
    )
    .reaches(&[SlotSkipped, SessionEvicted, SnapshotTaken])
}

fn sessions_chunks() -> Entry {
    quick(
        "sessions-chunks",
        "a client that crashes is evicted, with two slots in flight, chunks of one, and a recovery",
        as_deployed(evicting(&[1, 0]))
            .client_crashes(0)
            .ballots(&[(1, 0)])
            .crashes(&[1], 1, true)
            .tuned(|tuning| {
                tuning.window_slots = 2;
                tuning.chunk_entries_max = 1;
            }),
        1_870_114,
    )
    .reaches(&[PreVoteGranted, TwoSlotsInFlight, SessionEvicted, ExpiredAfterCrash])
}

fn reader_chunks() -> Entry {
    quick(
        "reader-chunks",
        "a reader, two slots in flight in chunks of one, a skipped slot, and an eviction",
        Config { reader: Some(1), skips: vec![(0, Slot(2))], ..as_deployed(Config::new(3)) }
            .client("ann", 2, 0)
            .last_client(|client| client.window = 2)
            .client("bob", 0, 0)
            .last_client(|client| client.opens = true)
            .ballots(&[(1, 0)])
            .tuned(|tuning| {
                tuning.sessions_max = 1;
                tuning.window_slots = 2;
                tuning.chunk_entries_max = 1;
            }),
        1_878_940,
    )
    .reaches(&[SlotSkipped, TwoSlotsInFlight])
    .full()
}

fn reader_client_crash() -> Entry {
    quick(
        "reader-client-crash",
        "a reader and a client that crashes, over 3 ballots with snapshots",
        Config { reader: Some(1), ..Config::new(3) }
            .client("ann", 1, 0)
            .client_crashes(0)
            .ballots(&[(1, 0), (1, 1), (2, 1)])
            .clients_crash(1)
            .tuned(|tuning| tuning.snapshot_slots = 1),
        429_915,
    )
    .reaches(&[PendingAcknowledged, SnapshotTaken])
}

fn two_crashes_three_ballots() -> Entry {
    quick(
        "two-crashes-three-ballots",
        "a leader that crashes twice, 3 ballots, with snapshots",
        Config::new(3)
            .client("ann", 1, 0)
            .ballots(&[(1, 0), (1, 1), (2, 1)])
            .crashes(&[0], 2, true)
            .tuned(|tuning| tuning.snapshot_slots = 1),
        66_527,
    )
    .reaches(&[SnapshotTaken, RecoveredInPhase2])
}

fn five_skip() -> Entry {
    quick(
        "five-skip",
        "5 replicas: a leader jumps over a slot, and a follower crashes twice",
        Config { skips: vec![(0, Slot(1))], ..as_deployed(Config::new(5)) }
            .client("ann", 1, 0)
            .ballots(&[(1, 0)])
            .crashes(&[1], 2, true),
        91_096,
    )
    .reaches(&[SlotSkipped, PreVoteGranted])
}

fn busy_client_crash() -> Entry {
    quick(
        "busy-client-crash",
        "a client that is turned away crashes",
        Config::new(3)
            .client("ann", 3, 0)
            .last_client(|client| client.window = 3)
            .client_crashes(0)
            .ballots(&[(1, 0)])
            .clients_crash(1)
            .tuned(|tuning| {
                tuning.queue_commands_max = 1;
                tuning.snapshot_slots = 1;
            }),
        139_310,
    )
    .reaches(&[BusyTold, SnapshotTaken])
}

fn busy_skip() -> Entry {
    quick(
        "busy-skip",
        "a busy leader jumps over a slot, and a reader reads",
        Config { reader: Some(1), skips: vec![(0, Slot(2))], ..overfull(Config::new(3)) }
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.snapshot_slots = 1),
        22_820,
    )
    .reaches(&[BusyTold, SlotSkipped])
}

fn both_die() -> Entry {
    quick(
        "both-die",
        "a client or a follower dies",
        Config::new(3)
            .client("ann", 1, 0)
            .client_crashes(0)
            .ballots(&[(1, 0)])
            .crashes(&[1], 1, false)
            .tuned(|tuning| tuning.snapshot_slots = 1),
        421,
    )
    .reaches(&[ClientCrashedPending])
}

fn opening_three_ballots() -> Entry {
    quick(
        "opening-three-ballots",
        "a session is opened over 3 ballots, with snapshots",
        Config::new(3)
            .client("bob", 0, 0)
            .client("ann", 1, 0)
            .last_client(|client| client.opens = true)
            .ballots(&[(1, 0), (1, 1), (2, 1)])
            .tuned(|tuning| tuning.snapshot_slots = 1),
        77_690,
    )
    .reaches(&[SessionOpened, OldValueAdopted])
}

fn busy_chunks() -> Entry {
    quick(
        "busy-chunks",
        "a busy leader is succeeded, with chunks of one and snapshots",
        overfull(Config::new(3)).ballots(&[(1, 0), (1, 1)]).tuned(|tuning| {
            tuning.chunk_entries_max = 1;
            tuning.snapshot_slots = 1;
        }),
        65_998,
    )
    .reaches(&[BusyTold, SnapshotTaken])
}

fn busy_opening() -> Entry {
    quick(
        "busy-opening",
        "a session is opened at a busy leader that is succeeded, with snapshots",
        crowded().ballots(&[(1, 0), (1, 1)]),
        158_034,
    )
    .reaches(&[BusyTold, SessionOpened])
}

fn busy_eviction() -> Entry {
    quick(
        "busy-eviction",
        "an opening at a busy leader, which another succeeds, evicts who talks",
        crowded().ballots(&[(1, 0), (1, 1)]).tuned(|tuning| tuning.sessions_max = 1),
        162_628,
    )
    .reaches(&[BusyTold, SessionEvicted])
}

fn five_chunks() -> Entry {
    quick(
        "five-chunks",
        "5 replicas, two slots in flight, chunks of one and snapshots",
        Config::new(5)
            .client("ann", 2, 0)
            .last_client(|client| client.window = 2)
            .ballots(&[(1, 0)])
            .tuned(|tuning| {
                tuning.window_slots = 2;
                tuning.chunk_entries_max = 1;
                tuning.snapshot_slots = 1;
            }),
        284_803,
    )
    .reaches(&[TwoSlotsInFlight, SnapshotTaken])
}

fn five_client_crash() -> Entry {
    quick(
        "five-client-crash",
        "5 replicas over a leader change, with snapshots: a client crashes",
        Config::new(5)
            .client("ann", 1, 0)
            .client_crashes(0)
            .ballots(&[(1, 0), (1, 1)])
            .clients_crash(1)
            .tuned(|tuning| tuning.snapshot_slots = 1),
        156_303,
    )
    .reaches(&[PendingAcknowledged, SnapshotTaken])
}

fn five_eviction() -> Entry {
    quick(
        "five-eviction",
        "5 replicas with snapshots: an opening evicts a client that talks",
        Config { replicas: 5, ..evicting(&[0]) }
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.snapshot_slots = 1),
        583_582,
    )
    .reaches(&[SessionEvicted, SnapshotTaken])
}

fn busy_crashes() -> Entry {
    quick(
        "busy-crashes",
        "a leader that turns away what it cannot queue crashes twice",
        overfull(Config::new(3))
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0], 2, true)
            .tuned(|tuning| tuning.snapshot_slots = 1),
        1_027_842,
    )
    .reaches(&[BusyTold, SnapshotTaken])
}
