//! Bounds that outgrow a memory: runs of hours, kept in files.

use super::{Entry, quick};
use crate::config::Config;
use crate::properties::Milestone::*;

/// All of them.
pub(super) fn entries() -> Vec<Entry> {
    vec![chunks_any_crash()]
}

fn chunks_any_crash() -> Entry {
    quick(
        "chunks-any-crash",
        "two saves are pending at once at each of two leaders, chunks of one; any replica comes back",
        Config::new(3)
            .client("ann", 2, 0)
            .last_client(|client| client.window = 2)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0, 1, 2], 1, true)
            .tuned(|tuning| {
                tuning.window_slots = 2;
                tuning.chunk_entries_max = 1;
            })
            .overlapping(),
        791_119_700,
    )
    .reaches(&[PendingSaveLost, TwoSlotsInFlight, RecoveredInPhase2])
    .vast()
}
