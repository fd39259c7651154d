//! Current reads: whoever asks is told of everything that was acknowledged before, by a leader that is one.

use super::{Entry, quick};
use crate::config::Config;
use crate::properties::Milestone::*;
use paxos_chat::message::Input;
use paxos_chat::types::{Nonce, Slot};

/// All of them, in the order in which they run.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        current_read(),
        current_read_new_leader(),
        current_read_relayed(),
        current_read_crash(),
        current_read_overlap(),
        current_reads(),
        current_reads_shared(),
        current_reads_two_rounds(),
        current_reads_five(),
    ]
}

/// Somebody talks, and a reader at a replica asks so many times how far the log goes, and no more.
fn reading(replicas: u8, talks_to: u8, reads_at: u8, reads: u64) -> Config {
    let inputs = (1..=reads).map(|nonce| (replicas + 1, Input::ReadCurrent(Nonce(nonce))));
    let (reader, reads_from, follows) = (Some(reads_at), None, false);
    Config { reader, reads_from, follows, inputs: inputs.collect(), ..Config::new(replicas) }
        .client("ann", 1, talks_to)
}

fn current_read() -> Entry {
    quick(
        "current-read",
        "a current read at a leader that another one deposes, who acknowledges something",
        reading(3, 1, 0, 1).ballots(&[(1, 0), (1, 1)]),
        36_424,
    )
    .reaches(&[ReadAfterAcknowledgement, ReadEnded, ReadRefused])
}

fn current_read_new_leader() -> Entry {
    quick(
        "current-read-new-leader",
        "a current read at a new leader, which has yet to decide what its predecessor acknowledged",
        reading(3, 0, 1, 1).ballots(&[(1, 0), (1, 1)]),
        15_853,
    )
    .reaches(&[ReadAfterAcknowledgement, ReadEnded, OldValueAdopted])
}

fn current_read_relayed() -> Entry {
    quick(
        "current-read-relayed",
        "a current read at a replica that does not lead, and may lag",
        Config { reads_from: Some(Slot(0)), ..reading(3, 0, 2, 1) }.ballots(&[(1, 0), (1, 1)]),
        649_918,
    )
    .reaches(&[ReadAfterAcknowledgement, ReadEnded, ReadPassedOn, CaughtUp])
}

fn current_read_crash() -> Entry {
    quick(
        "current-read-crash",
        "a current read over a leader change, while any replica crashes and comes back",
        reading(3, 0, 1, 1).ballots(&[(1, 0), (1, 1)]).crashes(&[0, 1, 2], 1, true),
        160_145,
    )
    .reaches(&[ReadAfterAcknowledgement, ReadEnded, RecoveredInPhase2])
}

fn current_read_overlap() -> Entry {
    quick(
        "current-read-overlap",
        "a current read over a leader change, while saves are pending and any replica crashes",
        reading(3, 1, 0, 1).ballots(&[(1, 0), (1, 1)]).crashes(&[0, 1, 2], 1, true).overlapping(),
        7_858_871,
    )
    .reaches(&[ReadAfterAcknowledgement, ReadEnded, ReadRefused, PendingSaveLost])
}

fn current_reads() -> Entry {
    quick(
        "current-reads",
        "two current reads at a leader that another one deposes: each in a round of its own, or both in one",
        reading(3, 1, 0, 2).ballots(&[(1, 0), (1, 1)]),
        727_467,
    )
    .reaches(&[ReadAfterAcknowledgement, ReadEnded])
}

fn current_reads_shared() -> Entry {
    quick(
        "current-reads-shared",
        "three current reads at the only leader, of which two share a round",
        reading(3, 0, 0, 3).ballots(&[(1, 0)]),
        660_839,
    )
    .reaches(&[ReadEnded, ReadsShareRound])
}

fn current_reads_two_rounds() -> Entry {
    quick(
        "current-reads-two-rounds",
        "two current reads at a replica that leads in one ballot, and again in another",
        reading(3, 1, 0, 2).ballots(&[(1, 0), (2, 0), (3, 1)]),
        43_495_336,
    )
    .reaches(&[ReadAfterAcknowledgement, ReadEnded, ReadRefused])
    .full()
}

fn current_reads_five() -> Entry {
    quick(
        "current-reads-five",
        "three current reads at the only leader of five, of which two share a round",
        reading(5, 0, 0, 3).ballots(&[(1, 0)]),
        9_399_297,
    )
    .reaches(&[ReadEnded, ReadsShareRound])
    .full()
}
