//! Bounds that outgrow a memory: runs of hours, kept in files.

use super::{Entry, quick, with_rivals};
use crate::config::Config;
use crate::properties::Milestone::*;

/// All of them.
pub(super) fn entries() -> Vec<Entry> {
    vec![overlap_two_rounds(), pipeline_any_crash()]
}

fn overlap_two_rounds() -> Entry {
    quick(
        "overlap-two-rounds",
        "disk and network overlap, rival commands, and a leader that comes back; a candidate crashes",
        with_rivals(3).ballots(&[(1, 0), (1, 1), (2, 0)]).crashes(&[0, 1], 1, true).overlapping(),
        0,
    )
    .reaches(&[PendingSaveLost, RecoveredInPhase2])
    .vast()
}

fn pipeline_any_crash() -> Entry {
    quick(
        "pipeline-any-crash",
        "two saves are pending at once at each of two leaders, and any replica crashes and comes back",
        Config::new(3)
            .client("ann", 2, 0)
            .last_client(|client| client.window = 2)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0, 1, 2], 1, true)
            .tuned(|tuning| tuning.window_slots = 2)
            .overlapping(),
        0,
    )
    .reaches(&[PendingSaveLost, TwoSlotsInFlight, RecoveredInPhase2])
    .vast()
}
