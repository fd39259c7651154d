//! What real runs combine and no other entry does: see [`crate::situations`].

use super::{Entry, as_deployed, quick};
use crate::config::{ClientPlan, Config};
use crate::properties::Milestone::*;
use paxos_chat::tuning::Tuning;

/// All of them, in the order in which they run.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        alone(),
        two_askers(),
        two_asked(),
        opening_asked(),
        openings(),
        openings_asked(),
        openings_succeed(),
        opening_supported(),
        expiring(),
        expiring_asked(),
        support_compacted(),
        late_leader(),
        late_candidate(),
    ]
}

fn alone() -> Entry {
    quick(
        "alone",
        "one replica decides by itself, crashes, and comes back",
        Config::new(1)
            .client("ann", 2, 0)
            .last_client(|client| client.window = 2)
            .client("bob", 1, 0)
            .last_client(opens)
            .ballots(&[(1, 0), (2, 0)])
            .crashes(&[0], 1, true)
            .overlapping()
            .tuned(relays_with_support)
            .tuned(|tuning| tuning.snapshot_slots = 2),
        164_784,
    )
    .reaches(&[SessionOpened, SnapshotTaken, PendingSaveLost, AllDelivered])
}

fn two_askers() -> Entry {
    quick(
        "two-askers",
        "two clients ask a replica that does not lead, one of them before it knows who does",
        Config::new(3)
            .client("ann", 1, 1)
            .client("bob", 1, 1)
            .ballots(&[(1, 0)])
            .tuned(relays_with_support),
        86_012,
    )
    .reaches(&[RequestPassedOn, ClientRedirected, PreVoteGranted])
}

fn two_asked() -> Entry {
    quick(
        "two-asked",
        "two clients ask two replicas, neither of which leads",
        as_deployed(Config::new(3))
            .client("ann", 1, 2)
            .client("bob", 1, 1)
            .ballots(&[(1, 0)])
            .tuned(relays_with_support)
            .tuned(|tuning| tuning.window_slots = 2),
        121_692,
    )
    .reaches(&[RequestPassedOn, SnapshotTaken])
}

fn opening_asked() -> Entry {
    quick(
        "opening-asked",
        "a client opens its session and talks by way of a replica that asks for support now and then",
        Config::new(3)
            .client("ann", 2, 1)
            .last_client(opens)
            .ballots(&[(1, 0)])
            .tuned(relays_with_support),
        1_188_249,
    )
    .reaches(&[RequestPassedOn, SessionOpened, PreVoteGranted, AllDelivered])
}

fn openings() -> Entry {
    quick(
        "openings",
        "two sessions are opened, one of them by way of a replica that does not lead",
        Config::new(3)
            .client("ann", 0, 0)
            .last_client(opens)
            .client("bob", 1, 2)
            .last_client(opens)
            .ballots(&[(1, 0)])
            .tuned(|tuning| {
                tuning.relay = true;
                tuning.snapshot_slots = 1;
            }),
        83_831,
    )
    .reaches(&[RequestPassedOn, SessionOpened, SnapshotTaken])
}

fn openings_asked() -> Entry {
    quick(
        "openings-asked",
        "two sessions are opened by way of one replica that does not lead",
        Config::new(3)
            .client("ann", 0, 2)
            .last_client(opens)
            .client("bob", 0, 2)
            .last_client(opens)
            .ballots(&[(1, 0)])
            .tuned(relays_with_support),
        68_941,
    )
    .reaches(&[RequestPassedOn, SessionOpened])
}

fn openings_succeed() -> Entry {
    quick(
        "openings-succeed",
        "the replica that has passed an opening on leads next",
        Config::new(3)
            .client("ann", 0, 1)
            .last_client(opens)
            .ballots(&[(1, 0), (2, 1)])
            .tuned(|tuning| tuning.relay = true),
        14_546,
    )
    .reaches(&[RequestPassedOn, SessionOpened, TwoBallotsGetVotes])
}

fn opening_supported() -> Entry {
    quick(
        "opening-supported",
        "a client opens its session and talks where support for an election is asked for",
        Config::new(3)
            .client("ann", 1, 1)
            .last_client(opens)
            .ballots(&[(1, 0), (1, 1)])
            .tuned(|tuning| tuning.pre_vote = true),
        360_614,
    )
    .reaches(&[SessionOpened, PreVoteGranted, AllDelivered])
}

fn expiring() -> Entry {
    quick(
        "expiring",
        "a batch opens one session and finds another one expired",
        Config::new(3)
            .client("ann", 2, 0)
            .last_client(|client| client.window = 2)
            .client("bob", 0, 0)
            .last_client(opens)
            .ballots(&[(1, 0)])
            .tuned(|tuning| {
                tuning.sessions_max = 1;
                tuning.batch_commands_max = 2;
            }),
        95_512,
    )
    .reaches(&[SessionOpened, SessionEvicted, BatchChosen])
}

fn expiring_asked() -> Entry {
    quick(
        "expiring-asked",
        "an opening by way of another replica evicts the session of a client that talks",
        Config::new(3)
            .client("ann", 2, 0)
            .client("bob", 0, 1)
            .last_client(opens)
            .ballots(&[(1, 0)])
            .tuned(|tuning| {
                tuning.relay = true;
                tuning.sessions_max = 1;
            }),
        152_972,
    )
    .reaches(&[RequestPassedOn, SessionOpened, SessionEvicted])
}

fn support_compacted() -> Entry {
    quick(
        "support-compacted",
        "a question for support comes late, below what others have compacted",
        Config::new(3)
            .client("ann", 1, 2)
            .ballots(&[(1, 0), (2, 0)])
            .tuned(relays_with_support)
            .tuned(|tuning| {
                tuning.snapshot_slots = 2;
                tuning.chunk_entries_max = 1;
            }),
        158_550,
    )
    .reaches(&[RequestPassedOn, PreVoteGranted, SnapshotTaken])
}

fn late_leader() -> Entry {
    quick(
        "late-leader",
        "a leader catches up slot by slot with what another one has decided",
        Config::new(3).client("ann", 2, 0).ballots(&[(1, 0), (1, 1)]).tuned(|tuning| {
            tuning.snapshot_slots = 2;
            tuning.chunk_entries_max = 1;
            tuning.recent_slots = 4;
        }),
        5_133,
    )
    .reaches(&[LeaderFetches, SnapshotTaken])
}

fn late_candidate() -> Entry {
    quick(
        "late-candidate",
        "a replica that lags is asked, asks for support, is helped on, and leads",
        Config::new(3).client("ann", 1, 1).ballots(&[(1, 0), (1, 1)]).tuned(relays_with_support),
        8_634_413,
    )
    .reaches(&[RequestPassedOn, PreVoteGranted, CaughtUp, TwoBallotsGetVotes])
    .full()
}

/// It opens its session through the log.
fn opens(client: &mut ClientPlan) {
    client.opens = true;
}

/// Replicas pass requests on, and ask for support before an election.
fn relays_with_support(tuning: &mut Tuning) {
    tuning.relay = true;
    tuning.pre_vote = true;
}
