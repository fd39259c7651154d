//! Replicas crash, recover, and compact.

use super::{Entry, quick, with_rivals};
use crate::config::Config;
use crate::properties::Milestone::*;

/// All of them, in the order in which they run.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        crash_recovery(),
        crash_recall(),
        compaction_recall(),
        overlap(),
        client_crash(),
        client_evicted(),
        crash_for_good(),
        pre_vote_crash(),
        lost_compactor(),
        compaction(),
        compaction_crash(),
    ]
}

fn crash_recovery() -> Entry {
    quick(
        "crash-recovery",
        "a replica crashes at any moment, and comes back with what it saved",
        with_rivals(3).ballots(&[(1, 0), (1, 1)]).crashes(&[0, 1, 2], 1, true),
        125_718,
    )
    .reaches(&[RecoveredInPhase2, AllDelivered])
}

fn crash_recall() -> Entry {
    quick(
        "crash-recall",
        "as crash-recovery, but the chat log outlives the crash: what it holds is applied at once",
        with_rivals(3).ballots(&[(1, 0), (1, 1)]).crashes(&[0, 1, 2], 1, true).logs_survive(),
        98_322,
    )
    .reaches(&[RecoveredInPhase2, LogRecalled, AllDelivered])
}

fn overlap() -> Entry {
    quick(
        "overlap",
        "disk and network overlap: a crash loses what was not yet synced",
        Config::new(3)
            .client("ann", 1, 0)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0, 1, 2], 1, true)
            .overlapping(),
        174_460,
    )
    .reaches(&[PendingSaveLost, RecoveredInPhase2])
}

fn client_crash() -> Entry {
    quick(
        "client-crash",
        "a client crashes at any moment, and goes on in its session with what it saved",
        Config::new(3)
            .client("ann", 2, 0)
            .last_client(|client| {
                client.opens = true;
                client.crashes = true;
            })
            .ballots(&[(1, 0), (1, 1)])
            .clients_crash(1),
        221_856,
    )
    .reaches(&[
        AnsweredFromTable,
        ClientCrashedPending,
        PendingAppliedWhileDown,
        PendingAcknowledged,
        AllDelivered,
    ])
}

fn client_evicted() -> Entry {
    quick(
        "client-evicted",
        "a client's session is evicted before, while or after the client is down",
        Config::new(3)
            .client("ann", 1, 0)
            .last_client(|client| client.crashes = true)
            .client("bob", 0, 0)
            .last_client(|client| client.opens = true)
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.sessions_max = 1)
            .clients_crash(1),
        13_349,
    )
    .reaches(&[SessionEvicted, PendingAcknowledged, ExpiredAfterCrash])
}

fn crash_for_good() -> Entry {
    quick(
        "crash-for-good",
        "a replica dies at any moment; the others deliver everything",
        Config::new(3)
            .client("ann", 1, 0)
            .last_client(|client| client.asks = vec![0, 1])
            .ballots(&[(1, 0), (1, 1), (2, 1)])
            .crashes(&[0, 1, 2], 1, false),
        1_465_263,
    )
    .reaches(&[AllDeliveredWithFDown, ClientRedirected])
}

fn pre_vote_crash() -> Entry {
    quick(
        "pre-vote-crash",
        "a replica dies at any moment; the others need each other's support for a ballot",
        Config::new(3)
            .client("ann", 1, 0)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0, 1, 2], 1, false)
            .tuned(|tuning| tuning.pre_vote = true),
        104_309,
    )
    .reaches(&[PreVoteGranted, AllDeliveredWithFDown])
}

fn lost_compactor() -> Entry {
    quick(
        "lost-compactor",
        "the only replica that knows a slot to be decided, and has dropped its vote, dies",
        Config::new(3)
            .client("ann", 1, 0)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0], 1, false)
            .tuned(|tuning| {
                tuning.pre_vote = true;
                tuning.snapshot_slots = 1;
            }),
        53_242,
    )
    .reaches(&[SnapshotTaken, LeaderFetches])
}

fn compaction() -> Entry {
    quick(
        "compaction",
        "snapshots after every slot, and a lagging replica that leads",
        Config::new(3)
            .client("ann", 2, 0)
            .ballots(&[(1, 0), (1, 1), (2, 1)])
            .tuned(|tuning| tuning.snapshot_slots = 1),
        77_893,
    )
    .reaches(&[SnapshotTaken, LeaderFetches, AcceptBelowBound, AnsweredFromLog])
}

fn compaction_recall() -> Entry {
    quick(
        "compaction-recall",
        "a snapshot every second slot, and crashes that leave the log between two of them",
        Config::new(3)
            .client("ann", 2, 0)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0, 1, 2], 1, true)
            .logs_survive()
            .tuned(|tuning| tuning.snapshot_slots = 2),
        42_532,
    )
    .reaches(&[SnapshotTaken, LogRecalled, AllDelivered])
}

fn compaction_crash() -> Entry {
    quick(
        "compaction-crash",
        "snapshots, a crash and a recovery from them; the last applied value stays in memory",
        Config::new(3)
            .client("ann", 1, 0)
            .ballots(&[(1, 0), (1, 1), (2, 1)])
            .crashes(&[0, 1, 2], 1, true)
            .tuned(|tuning| {
                tuning.snapshot_slots = 1;
                tuning.recent_slots = 1;
            }),
        87_679,
    )
    .reaches(&[SnapshotTaken, AllDelivered])
}
