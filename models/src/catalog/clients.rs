//! Clients ask, ask again, and ask elsewhere.

use super::{Entry, quick};
use crate::config::Config;
use crate::properties::Milestone::*;
use paxos_chat::message::Input;
use paxos_chat::types::Body;

/// All of them, in the order in which they run.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        retry_elsewhere(),
        redirected(),
        real_time(),
        sessions(),
        sessions_elsewhere(),
        batches(),
        adaptive(),
        shared_batch(),
        busy(),
        sync(),
        eviction(),
        eviction_again(),
        reader(),
        reader_end(),
        reader_crash(),
        reader_snapshots(),
        told_to_say(),
    ]
}

fn retry_elsewhere() -> Entry {
    quick(
        "retry-elsewhere",
        "a client asks again at another replica, over a leader change",
        Config::new(3)
            .client("ann", 1, 0)
            .last_client(|client| client.asks = vec![0, 1])
            .ballots(&[(1, 0), (1, 1), (2, 1)]),
        473_358,
    )
    .reaches(&[DuplicateSuppressed, ClientRedirected, AnsweredFromTable])
}

fn redirected() -> Entry {
    quick(
        "redirected",
        "a client says two things, and is sent from one replica to another between them",
        Config::new(3)
            .client("ann", 2, 0)
            .last_client(|client| client.asks = vec![0, 1])
            .ballots(&[(1, 0), (1, 1)]),
        2_344_733,
    )
    .reaches(&[ClientRedirected, AllDelivered])
}

fn real_time() -> Entry {
    quick(
        "real-time",
        "a client asks after another's acknowledgement",
        Config::new(3).client("ann", 1, 0).client("bob", 1, 0).ballots(&[(1, 0), (1, 1)]),
        11_436,
    )
    .reaches(&[AskedAfterAcknowledgement, AllDelivered])
}

fn sessions() -> Entry {
    quick(
        "sessions",
        "a client opens its session through the log, over a leader change",
        Config::new(3)
            .client("ann", 1, 0)
            .last_client(|client| client.opens = true)
            .ballots(&[(1, 0), (1, 1)]),
        4_354,
    )
    .reaches(&[SessionOpened, AllDelivered])
}

fn sessions_elsewhere() -> Entry {
    quick(
        "sessions-elsewhere",
        "a client talks in its session at a replica that has not applied the opening",
        Config::new(3)
            .client("ann", 1, 0)
            .last_client(|client| {
                client.opens = true;
                client.asks = vec![0, 1];
            })
            .ballots(&[(1, 0)]),
        19_342,
    )
    .reaches(&[SessionOpened, AllDelivered])
}

fn batches() -> Entry {
    quick(
        "batches",
        "a busy leader batches two openings",
        Config::new(3)
            .client("ann", 1, 0)
            .client("bob", 0, 0)
            .last_client(|client| client.opens = true)
            .client("cy", 0, 0)
            .last_client(|client| client.opens = true)
            .ballots(&[(1, 0)])
            .tuned(|tuning| {
                tuning.batch_commands_max = 2;
                tuning.queue_commands_max = 2;
            }),
        94_399,
    )
    .reaches(&[BatchChosen])
}

fn adaptive() -> Entry {
    quick(
        "adaptive",
        "a busy leader proposes full values only, and the rest when a slot is decided",
        Config::new(3)
            .client("ann", 2, 0)
            .last_client(|client| client.window = 2)
            .client("bob", 1, 0)
            .ballots(&[(1, 0), (1, 1)])
            .tuned(|tuning| {
                tuning.window_slots = 2;
                tuning.eager_slots = 1;
                tuning.batch_commands_max = 2;
            }),
        738_809,
    )
    .reaches(&[BatchChosen, TwoSlotsInFlight, AllDelivered])
}

fn shared_batch() -> Entry {
    quick(
        "shared-batch",
        "a client talks in a session that was opened in one batch with another's",
        Config::new(3)
            .client("ann", 1, 0)
            .client("bob", 1, 0)
            .last_client(|client| client.opens = true)
            .client("cy", 0, 0)
            .last_client(|client| client.opens = true)
            .ballots(&[(1, 0)])
            .tuned(|tuning| {
                tuning.batch_commands_max = 2;
                tuning.queue_commands_max = 2;
            }),
        6_546_450,
    )
    .reaches(&[BatchChosen])
    .full()
}

fn busy() -> Entry {
    quick(
        "busy",
        "a leader turns away what it cannot queue",
        Config::new(3)
            .client("ann", 3, 0)
            .last_client(|client| client.window = 3)
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.queue_commands_max = 1),
        28_961,
    )
    .reaches(&[BusyTold])
}

fn sync() -> Entry {
    quick(
        "sync",
        "a client that reads after another's acknowledgement, over a leader change",
        Config::new(3)
            .client("ann", 1, 1)
            .client("bob", 1, 0)
            .last_client(|client| client.syncs = true)
            .ballots(&[(1, 0), (1, 1), (2, 1)]),
        820_646,
    )
    .reaches(&[AskedAfterAcknowledgement])
}

fn eviction() -> Entry {
    quick(
        "eviction",
        "a session table of one: a client that was evicted is told so",
        Config::new(3)
            .client("ann", 1, 0)
            .client("bob", 0, 0)
            .last_client(|client| client.opens = true)
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.sessions_max = 1),
        3_660,
    )
    .reaches(&[SessionEvicted])
}

fn eviction_again() -> Entry {
    quick(
        "eviction-again",
        "a session table of one: a client that was evicted has more to say",
        Config::new(3)
            .client("ann", 2, 0)
            .client("bob", 0, 0)
            .last_client(|client| client.opens = true)
            .ballots(&[(1, 0)])
            .tuned(|tuning| tuning.sessions_max = 1),
        45_812,
    )
    .reaches(&[SessionEvicted])
}

fn reader() -> Entry {
    quick(
        "reader",
        "a reader follows the log at a replica that may lag",
        Config { reader: Some(1), ..Config::new(3) }.client("ann", 1, 0).ballots(&[(1, 0)]),
        1_330,
    )
    .reaches(&[CaughtUp, AllRead])
}

fn reader_end() -> Entry {
    quick(
        "reader-end",
        "a reader begins at the end of the log of a replica that may lag",
        Config { reader: Some(1), reads_from: None, ..Config::new(3) }
            .client("ann", 2, 0)
            .ballots(&[(1, 0)]),
        25_568,
    )
    .reaches(&[CaughtUp, AllRead])
}

fn reader_crash() -> Entry {
    quick(
        "reader-crash",
        "a reader follows the log at a replica that leads, alone knows what is decided, and crashes",
        Config { reader: Some(1), ..Config::new(3) }
            .client("ann", 1, 0)
            .ballots(&[(1, 0), (1, 1)])
            .crashes(&[1], 1, true),
        53_226,
    )
    .reaches(&[AnsweredFromLog, RecoveredInPhase2, AllRead])
}

fn reader_snapshots() -> Entry {
    quick(
        "reader-snapshots",
        "a reader follows the log at a replica that takes a snapshot after every slot",
        Config { reader: Some(1), ..Config::new(3) }.client("ann", 2, 0).ballots(&[(1, 0)]).tuned(
            |tuning| {
                tuning.snapshot_slots = 1;
                tuning.chunk_entries_max = 1;
            },
        ),
        35_932,
    )
    .reaches(&[AnsweredFromLog, AllRead])
}

fn told_to_say() -> Entry {
    quick(
        "told-to-say",
        "a person types while the client opens its session and talks",
        Config { inputs: vec![(3, Input::Submit(Body::write("typed")))], ..Config::new(3) }
            .client("ann", 1, 0)
            .last_client(|client| client.opens = true)
            .ballots(&[(1, 0)]),
        8_192,
    )
    .reaches(&[AllDelivered])
}
