//! The entries of the catalog.

use crate::catalog::{Config, Entry, Grade};
use paxos_chat::message::Message;
use paxos_chat::types::{Body, Slot};

/// All entries, the quick ones first.
pub fn catalog() -> Vec<Entry> {
    let quick = |name, purpose, config, reaches, unique_states| Entry {
        name,
        purpose,
        grade: Grade::Quick,
        config,
        reaches,
        unique_states,
    };
    vec![
        quick(
            "rivals",
            "3 ballots, and rival commands that reach the same slot",
            Config::new(3).client("ann", 1, 0).client("bob", 1, 1),
            &[
                "a leader is elected",
                "two leaders' ballots get votes",
                "a new leader adopts an old value",
                "a candidate is told of two values for a slot",
                "a leader steps down unheard",
            ],
            None,
        ),
        quick(
            "two-rounds",
            "a leader that comes back in a higher round, after another has led",
            Config::new(3).client("ann", 1, 0).client("bob", 1, 1).ballots(&[
                (1, 0),
                (1, 1),
                (2, 0),
            ]),
            &["two leaders' ballots get votes", "a new leader adopts an old value"],
            None,
        ),
        quick(
            "skipped-slot",
            "a leader jumps over a slot; its successor closes the gap",
            Config { skips: vec![(0, Slot(1))], ..Config::new(3) }
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1)]),
            &["a slot is skipped", "a new leader closes a gap with a Noop", "a Noop is chosen"],
            None,
        ),
        quick(
            "told-to-skip",
            "a person tells a leader to jump over a slot, at any moment",
            Config { inputs: vec![(0, Message::SkipSlot)], ..Config::new(3) }
                .client("ann", 2, 0)
                .ballots(&[(1, 0), (1, 1)]),
            &["a new leader closes a gap with a Noop", "a Noop is chosen"],
            None,
        ),
        quick(
            "told-to-say",
            "a person types while the client runs",
            Config { inputs: vec![(3, Message::Submit(Body::post("typed")))], ..Config::new(3) }
                .client("ann", 1, 0)
                .last_client(|client| client.opens = true)
                .ballots(&[(1, 0)]),
            &["everything is delivered"],
            None,
        ),
        quick(
            "crash-recovery",
            "a replica crashes at any moment, and comes back with what it saved",
            Config::new(3)
                .client("ann", 1, 0)
                .client("bob", 1, 1)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0, 1, 2], 1, true),
            &["a replica recovers in the middle of phase 2", "everything is delivered"],
            None,
        ),
        quick(
            "crash-for-good",
            "a replica dies at any moment; the others deliver everything",
            Config::new(3)
                .client("ann", 1, 0)
                .last_client(|client| client.asks = vec![0, 1])
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0, 1, 2], 1, false),
            &["everything is delivered with f replicas down", "a client is redirected"],
            None,
        ),
        quick(
            "pipeline",
            "two slots in flight, filled by one client, over a leader change",
            Config::new(3)
                .client("ann", 2, 0)
                .last_client(|client| client.window = 2)
                .ballots(&[(1, 0), (1, 1)])
                .tuned(|tuning| tuning.window_slots = 2),
            &["two slots are in flight", "a new leader adopts an old value"],
            None,
        ),
        quick(
            "chunks",
            "promises of two votes come in chunks of one",
            Config::new(3)
                .client("ann", 2, 0)
                .last_client(|client| client.window = 2)
                .ballots(&[(1, 0), (1, 1)])
                .tuned(|tuning| {
                    tuning.window_slots = 2;
                    tuning.chunk_entries_max = 1;
                }),
            &["a promise comes in chunks", "a follower catches up by fetching"],
            None,
        ),
        quick(
            "batches",
            "a busy leader batches, and turns away what it cannot queue",
            Config::new(3)
                .client("ann", 1, 0)
                .client("bob", 1, 0)
                .client("cy", 1, 0)
                .client("dan", 1, 0)
                .ballots(&[(1, 0)])
                .tuned(|tuning| {
                    tuning.batch_commands_max = 2;
                    tuning.queue_commands_max = 2;
                }),
            &["a batch of two commands is chosen", "a client is told that the leader is busy"],
            None,
        ),
        quick(
            "retry-elsewhere",
            "a client asks again at another replica, over a leader change",
            Config::new(3)
                .client("ann", 1, 0)
                .last_client(|client| client.asks = vec![0, 1])
                .ballots(&[(1, 0), (1, 1)]),
            &[
                "a duplicate is suppressed",
                "a client is redirected",
                "a request is answered again from the session table",
            ],
            None,
        ),
        quick(
            "sessions",
            "two clients open their sessions through the log",
            Config::new(3)
                .client("ann", 1, 0)
                .last_client(|client| client.opens = true)
                .client("bob", 1, 0)
                .last_client(|client| client.opens = true)
                .ballots(&[(1, 0)])
                .tuned(|tuning| tuning.batch_commands_max = 2),
            &["a session is opened through the log", "a batch of two commands is chosen"],
            None,
        ),
        quick(
            "eviction",
            "a session table of one: the client that is evicted is told so",
            Config::new(3)
                .client("ann", 2, 0)
                .last_client(|client| client.opens = true)
                .client("bob", 1, 0)
                .last_client(|client| client.opens = true)
                .ballots(&[(1, 0)])
                .tuned(|tuning| tuning.sessions_max = 1),
            &["a session is evicted"],
            None,
        ),
        quick(
            "compaction",
            "snapshots after every slot, with a replica that lags and stands for election",
            Config::new(3)
                .client("ann", 2, 0)
                .ballots(&[(1, 0), (1, 1)])
                .tuned(|tuning| tuning.snapshot_slots = 1),
            &[
                "a snapshot is taken",
                "a leader fetches below its base",
                "an Accept below the compacted bound is answered with Decided",
            ],
            None,
        ),
        quick(
            "compaction-crash",
            "snapshots, a crash and a recovery from them",
            Config::new(3)
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0, 1, 2], 1, true)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            &["a snapshot is taken", "everything is delivered"],
            None,
        ),
        quick(
            "pre-vote",
            "a ballot is used only with the support of a majority",
            Config::new(3)
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1)])
                .tuned(|tuning| tuning.pre_vote = true),
            &["a pre-vote is granted", "a pre-vote is refused", "a leader is elected"],
            None,
        ),
        quick(
            "real-time",
            "a client asks after another's acknowledgement",
            Config::new(3).client("ann", 2, 0).client("bob", 1, 0).ballots(&[(1, 0), (1, 1)]),
            &["a client asks after another's acknowledgement", "everything is delivered"],
            None,
        ),
        quick(
            "reader",
            "a reader follows the log at a replica that may lag",
            Config { reader: Some(1), ..Config::new(3) }
                .client("ann", 2, 0)
                .ballots(&[(1, 0), (1, 1)]),
            &["a follower catches up by fetching", "everything is delivered"],
            None,
        ),
        quick(
            "five",
            "5 replicas (f = 2), 2 ballots, rival commands for one slot",
            Config::new(5).client("ann", 1, 0).client("bob", 1, 1).ballots(&[(1, 0), (1, 1)]),
            &["two leaders' ballots get votes", "a new leader adopts an old value"],
            None,
        ),
    ]
}
