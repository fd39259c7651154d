//! Bounds that outgrow a memory: runs of hours, kept in files.

use super::{Entry, quick};
use crate::config::Config;
use crate::properties::Milestone::*;

/// All of them.
pub(super) fn entries() -> Vec<Entry> {
    vec![chunks_any_crash(), pipeline_two_crashes()]
}

fn chunks_any_crash() -> Entry {
    quick(
        "chunks-any-crash",
        "two saves are pending at once at each of two leaders, chunks of one; any replica comes back",
        two_pending_saves(1).tuned(|tuning| tuning.chunk_entries_max = 1),
        791_119_700,
    )
    .reaches(&[PendingSaveLost, TwoSlotsInFlight, RecoveredInPhase2])
    .vast()
}

fn pipeline_two_crashes() -> Entry {
    quick(
        "pipeline-two-crashes",
        "two saves are pending at once at each of two leaders; twice any replica crashes and comes back",
        two_pending_saves(2),
        0,
    )
    .reaches(&[PendingSaveLost, TwoSlotsInFlight, RecoveredInPhase2])
    .vast()
}

/// Disk and network overlap, two messages are in flight at each of two leaders, and any replica crashes and comes back,
/// so often in all.
fn two_pending_saves(crashes: u32) -> Config {
    Config::new(3)
        .client("ann", 2, 0)
        .last_client(|client| client.window = 2)
        .ballots(&[(1, 0), (1, 1)])
        .crashes(&[0, 1, 2], crashes, true)
        .tuned(|tuning| tuning.window_slots = 2)
        .overlapping()
}
