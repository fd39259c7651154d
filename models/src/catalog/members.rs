//! Changes of members: whose votes count at a slot follows from the log.

use super::{Entry, quick};
use crate::config::Config;
use crate::properties::Milestone::*;
use paxos_chat::message::Input;
use paxos_chat::types::Nonce;

/// All of them, in the order in which they run.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        replace_one(),
        replace_leader(),
        replace_rivals(),
        replace_limit(),
        replace_padded(),
        replace_leader_padded(),
        replace_window(),
        replace_lagging(),
        replace_crash(),
        replace_padded_crash(),
        replace_read(),
        replace_all(),
        rival_changes(),
        rival_changes_padded(),
        add_one(),
        add_two(),
        add_fourth(),
        remove_one(),
        replace_overlap(),
        replace_lost(),
        replace_padded_crash_rivals(),
    ]
}

/// Somebody asks the first replica for other members, where these are none yet.
fn changing(replicas: u8, newcomers: &[u8], alpha: u64, members: &[u8]) -> Config {
    Config::new(replicas).newcomers(newcomers, alpha).client("ann", 1, 0).becomes(members)
}

fn replace_one() -> Entry {
    quick(
        "replace-one",
        "one of three is replaced by another, under one leader, who goes on",
        changing(4, &[3], 1, &[0, 1, 3]).client("bob", 1, 0).ballots(&[(1, 0)]),
        29_362,
    )
    .reaches(&[MembersChanged, MembersMerged, AllDelivered])
}

fn replace_leader() -> Entry {
    quick(
        "replace-leader",
        "the leader of three is replaced, and another one takes over",
        changing(4, &[3], 1, &[1, 2, 3]).client("bob", 1, 1).ballots(&[(1, 0), (1, 1)]),
        112_763,
    )
    .reaches(&[MembersChanged, RemovedStepsDown, AllDelivered])
}

fn replace_rivals() -> Entry {
    quick(
        "replace-rivals",
        "one of three is replaced, and goes on with the others, while a rival leader knows nothing of it",
        changing(4, &[3], 1, &[0, 1, 3])
            .client("bob", 1, 0)
            .client("cy", 1, 1)
            .ballots(&[(1, 0), (1, 1)]),
        1_514_930,
    )
    .reaches(&[MembersChanged, MembersMerged, AllDelivered])
}

fn replace_limit() -> Entry {
    quick(
        "replace-limit",
        "one of three is replaced by a leader whose window goes beyond what is known of members",
        changing(4, &[3], 1, &[0, 1, 3])
            .client("bob", 1, 0)
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.window_slots = 2),
        29_362,
    )
    .reaches(&[MembersChanged, MembersMerged, AllDelivered])
}

fn replace_leader_padded() -> Entry {
    quick(
        "replace-leader-padded",
        "a leader that is being replaced proposes to those whom it is none of",
        changing(4, &[3], 2, &[1, 2, 3])
            .client("bob", 1, 0)
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.window_slots = 2),
        1_034_541,
    )
    .reaches(&[MembersChanged, MembersMerged, RemovedStepsDown])
}

fn replace_padded() -> Entry {
    quick(
        "replace-padded",
        "one of three is replaced two slots after the change is decided, which a Noop brings into force",
        changing(4, &[3], 2, &[0, 1, 3]).ballots(&[(1, 0), (1, 1)]),
        234_678,
    )
    .reaches(&[MembersChanged, MembersMerged, NoopChosen])
}

fn replace_window() -> Entry {
    quick(
        "replace-window",
        "one of three is replaced while two slots are in flight, of old and of new members",
        changing(4, &[3], 2, &[0, 1, 3])
            .client("bob", 1, 0)
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.window_slots = 2),
        6_020_423,
    )
    .reaches(&[MembersChanged, MembersMerged, TwoSlotsInFlight])
}

fn replace_lagging() -> Entry {
    quick(
        "replace-lagging",
        "one of three is replaced, and whoever missed that stands in two ballots",
        changing(4, &[3], 1, &[0, 1, 3])
            .client("bob", 1, 2)
            .ballots(&[(1, 0), (1, 2)])
            .tuned(|tuning| tuning.snapshot_slots = 1),
        5_726,
    )
    .reaches(&[MembersChanged, MembersMerged])
}

fn replace_crash() -> Entry {
    quick(
        "replace-crash",
        "one of three is replaced, and any replica crashes and comes back",
        changing(4, &[3], 1, &[0, 1, 3]).client("bob", 1, 1).ballots(&[(1, 0), (1, 1)]).crashes(
            &[0, 1, 2, 3],
            1,
            true,
        ),
        455_642,
    )
    .reaches(&[MembersChanged, MembersMerged, RecoveredInPhase2])
}

fn replace_padded_crash() -> Entry {
    quick(
        "replace-padded-crash",
        "one of three is replaced two slots after the change is decided, with a snapshot in between and a crash",
        changing(4, &[3], 2, &[0, 1, 3])
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[1], 1, true)
            .tuned(|tuning| tuning.snapshot_slots = 1),
        755_680,
    )
    .reaches(&[MembersChanged, MembersMerged, SnapshotTaken])
}

fn replace_padded_crash_rivals() -> Entry {
    quick(
        "replace-padded-crash-rivals",
        "one of three is replaced two slots after the change is decided, with a snapshot in between and a crash, and goes on",
        changing(4, &[3], 2, &[0, 1, 3])
            .client("bob", 1, 1)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[1], 1, true)
            .tuned(|tuning| tuning.snapshot_slots = 1),
        71_401_747,
    )
    .reaches(&[MembersChanged, MembersMerged, SnapshotTaken])
    .full()
}

fn replace_lost() -> Entry {
    quick(
        "replace-lost",
        "a change that was voted for is lost, while saves are pending and its leader crashes",
        changing(3, &[], 1, &[0, 1])
            .client("bob", 1, 2)
            .ballots(&[(1, 0), (1, 2), (2, 1)])
            .crashes(&[0], 1, true)
            .overlapping(),
        33_571_980,
    )
    .reaches(&[PendingSaveLost])
    .full()
}

fn replace_read() -> Entry {
    let inputs = vec![(6, Input::ReadCurrent(Nonce(1)))];
    let config = Config {
        reader: Some(1),
        reads_from: None,
        follows: false,
        inputs,
        ..changing(4, &[3], 1, &[0, 1, 3])
    };
    quick(
        "replace-read",
        "a current read at a new leader that has yet to ask members of whom its predecessor knew",
        config.client("bob", 1, 0).ballots(&[(1, 0), (1, 1)]),
        7_461_725,
    )
    .reaches(&[MembersChanged, MembersMerged, ReadAfterAcknowledgement, ReadEnded])
}

fn replace_all() -> Entry {
    quick(
        "replace-all",
        "two members give way to two others at once",
        changing(4, &[2, 3], 1, &[2, 3]).client("bob", 1, 2).ballots(&[(1, 0), (1, 2)]),
        2_024,
    )
    .reaches(&[MembersChanged, RemovedStepsDown, AllDelivered])
}

fn rival_changes() -> Entry {
    quick(
        "rival-changes",
        "two ask for different members at once, each a leader of its own, and a third one goes on",
        changing(4, &[3], 1, &[0, 1, 3])
            .client("bob", 1, 1)
            .becomes(&[1, 2])
            .client("cy", 1, 1)
            .ballots(&[(1, 0), (1, 1)]),
        4_546_170,
    )
    .reaches(&[MembersChanged, MembersMerged, ChangeRefused])
}

fn rival_changes_padded() -> Entry {
    quick(
        "rival-changes-padded",
        "two ask the same leader for different members, the second while the first change is to come",
        changing(4, &[3], 2, &[0, 1, 3])
            .client("bob", 1, 0)
            .becomes(&[0, 1])
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.window_slots = 2),
        2_463_127,
    )
    .reaches(&[MembersChanged, MembersMerged, ChangeRefused])
}

fn add_one() -> Entry {
    quick(
        "add-one",
        "a lone member takes in a second one, who takes over, while saves are pending",
        changing(2, &[1], 1, &[0, 1]).client("bob", 1, 1).ballots(&[(1, 0), (1, 1)]).overlapping(),
        1_362,
    )
    .reaches(&[MembersChanged, MembersMerged, AllDelivered])
}

fn add_two() -> Entry {
    quick(
        "add-two",
        "a lone member takes in two others at once, while saves are pending and it crashes",
        changing(3, &[1, 2], 1, &[0, 1, 2])
            .ballots(&[(1, 0), (2, 0)])
            .crashes(&[0], 1, true)
            .overlapping(),
        1_891_521,
    )
    .reaches(&[MembersChanged, MembersMerged, PendingSaveLost])
}

fn add_fourth() -> Entry {
    quick(
        "add-fourth",
        "three take in a fourth, so that a quorum is one more",
        changing(4, &[3], 1, &[0, 1, 2, 3]).client("bob", 1, 1).ballots(&[(1, 0), (1, 1)]),
        257_509,
    )
    .reaches(&[MembersChanged, MembersMerged])
}

fn remove_one() -> Entry {
    quick(
        "remove-one",
        "one of three is removed, and leads without knowing that",
        changing(3, &[], 1, &[0, 1]).client("bob", 1, 2).ballots(&[(1, 0), (1, 2)]),
        2_466,
    )
    .reaches(&[MembersChanged, MembersMerged])
}

fn replace_overlap() -> Entry {
    quick(
        "replace-overlap",
        "one of three is replaced, while saves are pending and the leader or its successor crashes and comes back",
        changing(4, &[3], 1, &[0, 1, 3])
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[0, 1], 1, true)
            .overlapping(),
        4_988_175,
    )
    .reaches(&[MembersChanged, MembersMerged, PendingSaveLost])
}
