//! Leaders change, and adopt what their predecessors left.

use super::{Entry, quick, with_rivals};
use crate::config::Config;
use crate::properties::Milestone::*;
use paxos_chat::message::Input;
use paxos_chat::types::Slot;

/// All of them, in the order in which they run.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        rivals(),
        rivals_two_rounds(),
        two_writers(),
        five(),
        four(),
        pre_vote(),
        pipeline(),
        chunks(),
        votes_ahead(),
        skipped_slot(),
        gap_rivals(),
        told_to_skip(),
    ]
}

fn rivals() -> Entry {
    quick(
        "rivals",
        "3 ballots, and rival commands that reach the same slot",
        with_rivals(3).ballots(&[(1, 0), (1, 1), (2, 2)]),
        548_264,
    )
    .reaches(&[
        LeaderElected,
        TwoBallotsGetVotes,
        OldValueAdopted,
        TwoValuesReported,
        UnheardStepsDown,
    ])
}

fn rivals_two_rounds() -> Entry {
    quick(
        "rivals-two-rounds",
        "a leader that comes back in a higher round, after another has led",
        with_rivals(3).ballots(&[(1, 0), (1, 1), (2, 0)]),
        2_204_665,
    )
    .reaches(&[TwoBallotsGetVotes, OldValueAdopted])
}

fn two_writers() -> Entry {
    quick(
        "two-writers",
        "3 messages of 2 clients that ask different replicas, over a leader change",
        Config::new(3).client("ann", 2, 0).client("bob", 1, 1).ballots(&[(1, 0), (1, 1)]),
        108_156,
    )
    .reaches(&[TwoBallotsGetVotes, OldValueAdopted, AllDelivered])
}

fn five() -> Entry {
    quick(
        "five",
        "5 replicas (f = 2), 2 ballots",
        Config::new(5).client("ann", 1, 0).ballots(&[(1, 0), (1, 1)]),
        41_612,
    )
    .reaches(&[TwoBallotsGetVotes, OldValueAdopted])
}

fn four() -> Entry {
    quick(
        "four",
        "4 replicas: half of them are no quorum",
        with_rivals(4).ballots(&[(1, 0), (1, 1)]),
        36_569,
    )
    .reaches(&[TwoBallotsGetVotes])
}

fn pre_vote() -> Entry {
    quick(
        "pre-vote",
        "a ballot is used only with the support of a majority",
        Config::new(3)
            .client("ann", 1, 0)
            .ballots(&[(1, 0), (1, 1), (2, 1)])
            .tuned(|tuning| tuning.pre_vote = true),
        1_017_902,
    )
    .reaches(&[PreVoteGranted, LeaderHeard, LeaderElected])
}

fn pipeline() -> Entry {
    quick(
        "pipeline",
        "two slots in flight, filled by one client, over a leader change",
        Config::new(3)
            .client("ann", 2, 0)
            .last_client(|client| client.window = 2)
            .ballots(&[(1, 0), (1, 1), (2, 1)])
            .tuned(|tuning| tuning.window_slots = 2),
        1_382_276,
    )
    .reaches(&[TwoSlotsInFlight, OldValueAdopted])
}

fn chunks() -> Entry {
    quick(
        "chunks",
        "promises of two votes come in chunks of one",
        Config::new(3)
            .client("ann", 2, 0)
            .last_client(|client| client.window = 2)
            .ballots(&[(1, 0), (2, 1)])
            .tuned(|tuning| {
                tuning.window_slots = 2;
                tuning.chunk_entries_max = 1;
            }),
        1_163_522,
    )
    .reaches(&[PromiseInChunks, CaughtUp])
}

fn votes_ahead() -> Entry {
    quick(
        "votes-ahead",
        "two slots in flight, and replicas that vote at the next slot only",
        Config::new(3)
            .client("ann", 2, 0)
            .last_client(|client| client.window = 2)
            .ballots(&[(1, 0), (1, 1), (2, 1)])
            .tuned(|tuning| {
                tuning.window_slots = 2;
                tuning.votes_ahead_max = 1;
            }),
        433_032,
    )
    .reaches(&[AcceptTooFarAhead, TwoSlotsInFlight, AllDelivered])
}

fn skipped_slot() -> Entry {
    quick(
        "skipped-slot",
        "a leader jumps over a slot; its successor closes the gap",
        Config { skips: vec![(0, Slot(1))], ..Config::new(3) }.client("ann", 1, 0).ballots(&[
            (1, 0),
            (1, 1),
            (2, 1),
        ]),
        113_329,
    )
    .reaches(&[SlotSkipped, GapClosed, NoopChosen])
}

fn gap_rivals() -> Entry {
    quick(
        "gap-rivals",
        "a leader jumps over a slot; its successor closes the gap, and has a command of its own",
        Config { skips: vec![(0, Slot(1))], ..with_rivals(3) }.ballots(&[(1, 0), (1, 1)]),
        104_198,
    )
    .reaches(&[SlotSkipped, OldValueAdopted, GapClosed, NoopChosen])
}

fn told_to_skip() -> Entry {
    quick(
        "told-to-skip",
        "a person tells a leader to jump over a slot, at any moment",
        Config { inputs: vec![(0, Input::SkipSlot)], ..Config::new(3) }
            .client("ann", 1, 0)
            .ballots(&[(1, 0), (1, 1), (2, 1)]),
        125_465,
    )
    .reaches(&[GapClosed, NoopChosen])
}
