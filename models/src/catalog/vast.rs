//! Bounds that outgrow a memory: runs of hours, kept in files.

use super::{Entry, quick};
use crate::config::Config;
use crate::properties::Milestone::*;
use paxos_chat::message::Input;
use paxos_chat::types::Body;

/// All of them.
pub(super) fn entries() -> Vec<Entry> {
    vec![any_actor_crashes()]
}

fn any_actor_crashes() -> Entry {
    quick(
        "any-actor-crashes",
        "two saves are pending at once at each of two leaders, chunks of one; a person types; any replica or the client crashes",
        Config { inputs: vec![(3, Input::Submit(Body::write("typed")))], ..Config::new(3) }
            .client("ann", 1, 0)
            .last_client(|client| {
                client.window = 2;
                client.crashes = true;
            })
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0, 1, 2], 1, true)
            .tuned(|tuning| {
                tuning.window_slots = 2;
                tuning.chunk_entries_max = 1;
            })
            .overlapping(),
        1_123_322_183,
    )
    .reaches(&[
        PendingSaveLost,
        TwoSlotsInFlight,
        RecoveredInPhase2,
        ClientCrashedPending,
        PendingAppliedWhileDown,
        PendingAcknowledged,
    ])
    .vast()
}
