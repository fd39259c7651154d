//! Whoever does not lead passes requests on, and what a deployed leader does besides.

use super::{Entry, as_deployed, quick};
use crate::config::Config;
use crate::properties::Milestone::*;
use paxos_chat::types::Slot;

/// All of them, in the order in which they run.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        relay(),
        relay_crash(),
        relay_elsewhere(),
        relay_window(),
        relay_skip(),
        stuck_queue(),
        held(),
        relay_opening(),
        relay_overlap(),
        relay_busy(),
        relay_rivals(),
        relay_five(),
    ]
}

fn relay() -> Entry {
    quick(
        "relay",
        "a request is passed on to a leader that another one succeeds",
        relaying(Config::new(3)).client("ann", 1, 2).ballots(&[(1, 0), (1, 1), (2, 0)]),
        1_158_473,
    )
    .reaches(&[RequestPassedOn, TwoBallotsGetVotes])
}

fn relay_crash() -> Entry {
    quick(
        "relay-crash",
        "the leader or the replica that was asked crashes, and comes back",
        one_ballot(relaying(Config::new(3))).crashes(&[0, 1], 2, true),
        2_287,
    )
    .reaches(&[RequestPassedOn, AllDelivered])
}

fn relay_elsewhere() -> Entry {
    quick(
        "relay-elsewhere",
        "a client asks again at another replica what was passed on before",
        deployed(Config::new(3))
            .client("ann", 1, 1)
            .last_client(|client| client.asks = vec![1, 2])
            .ballots(&[(1, 0)])
            .crashes(&[1, 2], 1, false),
        59_613,
    )
    .reaches(&[RequestPassedOn, AllDeliveredWithFDown])
}

fn relay_window() -> Entry {
    quick(
        "relay-window",
        "two requests are passed on at once, and one may overtake the other",
        deployed(Config::new(3))
            .client("ann", 2, 1)
            .last_client(|client| client.window = 2)
            .ballots(&[(1, 0)])
            .tuned(|tuning| {
                tuning.window_slots = 2;
                tuning.chunk_entries_max = 1;
                tuning.held_commands_max = 4;
            }),
        81_995,
    )
    .reaches(&[RequestPassedOn, RequestHeld])
}

fn relay_skip() -> Entry {
    quick(
        "relay-skip",
        "a request is passed on to a leader that skips a slot, and a client's crash",
        Config { skips: vec![(0, Slot(1))], ..one_ballot(relaying(Config::new(3))) }
            .last_client(|client| client.crashes = true)
            .clients_crash(1),
        225,
    )
    .reaches(&[RequestPassedOn, SlotSkipped])
}

fn stuck_queue() -> Entry {
    quick(
        "stuck-queue",
        "a leader that lags behind its own base proposes what waits once it has caught up",
        Config::new(3).client("ann", 2, 0).client("bob", 1, 1).ballots(&[(1, 0), (1, 1)]).tuned(
            |tuning| {
                tuning.snapshot_slots = 1;
                tuning.stuck_slots_max = 0;
            },
        ),
        54_033,
    )
    .reaches(&[LeaderFetches, SnapshotTaken])
}

fn held() -> Entry {
    quick(
        "held",
        "a leader keeps what comes before an earlier request",
        Config::new(3)
            .client("ann", 3, 0)
            .last_client(|client| client.window = 3)
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.held_commands_max = 4),
        29_003,
    )
    .reaches(&[RequestHeld])
}

fn relay_opening() -> Entry {
    quick(
        "relay-opening",
        "an opening is passed on, evicts a session, and a reader follows",
        Config { reader: Some(1), ..deployed(Config::new(3)) }
            .client("ann", 1, 0)
            .client("bob", 0, 1)
            .last_client(|client| client.opens = true)
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.sessions_max = 1),
        8_196_980,
    )
    .reaches(&[RequestPassedOn, SessionEvicted])
    .full()
}

fn relay_overlap() -> Entry {
    quick(
        "relay-overlap",
        "a request is passed on while disk and network overlap",
        one_ballot(deployed(Config::new(3))).crashes(&[0], 1, true).overlapping(),
        1_213_312,
    )
    .reaches(&[RequestPassedOn, PendingSaveLost])
    .full()
}

fn relay_busy() -> Entry {
    quick(
        "relay-busy",
        "a leader is asked for more than it queues, by way of another",
        deployed(Config::new(3))
            .client("ann", 3, 1)
            .last_client(|client| client.window = 3)
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.queue_commands_max = 1),
        3_159_484,
    )
    .reaches(&[RequestPassedOn])
    .full()
}

fn relay_rivals() -> Entry {
    quick(
        "relay-rivals",
        "requests of two clients, one of which is passed on",
        relaying(Config::new(3)).client("ann", 1, 0).client("bob", 1, 1).ballots(&[(1, 0), (1, 1)]),
        523_655,
    )
    .reaches(&[RequestPassedOn, AllDelivered])
    .full()
}

fn relay_five() -> Entry {
    quick(
        "relay-five",
        "a request is passed on among five replicas",
        one_ballot(relaying(Config::new(5))),
        683,
    )
    .reaches(&[RequestPassedOn, AllDelivered])
}

/// With replicas that pass requests on.
fn relaying(config: Config) -> Config {
    config.tuned(|tuning| tuning.relay = true)
}

/// With all that deployed replicas do.
fn deployed(config: Config) -> Config {
    relaying(as_deployed(config))
}

/// A client that asks a replica which does not lead.
fn one_ballot(config: Config) -> Config {
    config.client("ann", 1, 1).ballots(&[(1, 0)])
}
