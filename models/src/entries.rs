//! The entries of the catalog.

use crate::catalog::{Config, Entry, Grade};
use paxos_chat::message::Message;
use paxos_chat::types::{Body, Slot};

/// All entries, the quick ones first.
pub fn catalog() -> Vec<Entry> {
    let mut entries = leadership();
    entries.extend(clients());
    entries.extend(faults());
    entries.extend(full());
    entries
}

/// The entry of this name.
pub fn find(name: &str) -> Option<Entry> {
    catalog().into_iter().find(|entry| entry.name == name)
}

fn quick(name: &'static str, purpose: &'static str, config: Config, states: u64) -> Entry {
    let unique_states = (states > 0).then_some(states);
    Entry { name, purpose, grade: Grade::Quick, config, reaches: &[], unique_states }
}

impl Entry {
    fn reaches(mut self, events: &'static [&'static str]) -> Entry {
        self.reaches = events;
        self
    }

    fn full(mut self) -> Entry {
        self.grade = Grade::Full;
        self
    }
}

/// Two commands of two clients that ask different replicas: rivals for the same slot.
fn rivals(replicas: u8) -> Config {
    Config::new(replicas).client("ann", 1, 0).client("bob", 1, 1)
}

/// Leaders change, and adopt what their predecessors left.
fn leadership() -> Vec<Entry> {
    vec![
        quick(
            "rivals",
            "3 ballots, and rival commands that reach the same slot",
            rivals(3).ballots(&[(1, 0), (1, 1), (2, 2)]),
            548_264,
        )
        .reaches(&[
            "a leader is elected",
            "two leaders' ballots get votes",
            "a new leader adopts an old value",
            "a candidate is told of two values for a slot",
            "a leader steps down unheard",
        ]),
        quick(
            "rivals-two-rounds",
            "a leader that comes back in a higher round, after another has led",
            rivals(3).ballots(&[(1, 0), (1, 1), (2, 0)]),
            2_209_107,
        )
        .reaches(&["two leaders' ballots get votes", "a new leader adopts an old value"]),
        quick(
            "two-writers",
            "3 messages of 2 clients that ask different replicas, over a leader change",
            Config::new(3).client("ann", 2, 0).client("bob", 1, 1).ballots(&[(1, 0), (1, 1)]),
            108_156,
        )
        .reaches(&[
            "two leaders' ballots get votes",
            "a new leader adopts an old value",
            "everything is delivered",
        ]),
        quick(
            "five",
            "5 replicas (f = 2), 2 ballots",
            Config::new(5).client("ann", 1, 0).ballots(&[(1, 0), (1, 1)]),
            41_612,
        )
        .reaches(&["two leaders' ballots get votes", "a new leader adopts an old value"]),
        quick(
            "four",
            "4 replicas: half of them are no quorum",
            rivals(4).ballots(&[(1, 0), (1, 1)]),
            36_569,
        )
        .reaches(&["two leaders' ballots get votes"]),
        quick(
            "pre-vote",
            "a ballot is used only with the support of a majority",
            Config::new(3)
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1), (2, 1)])
                .tuned(|tuning| tuning.pre_vote = true),
            1_017_902,
        )
        .reaches(&[
            "a pre-vote is granted",
            "a follower hears a leader that makes progress",
            "a leader is elected",
        ]),
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
        .reaches(&["two slots are in flight", "a new leader adopts an old value"]),
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
        .reaches(&["a promise comes in chunks", "a follower catches up by fetching"]),
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
        .reaches(&[
            "an Accept far above what is applied is not voted on",
            "two slots are in flight",
            "everything is delivered",
        ]),
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
        .reaches(&[
            "a slot is skipped",
            "a new leader closes a gap with a Noop",
            "a Noop is chosen",
        ]),
        quick(
            "gap-rivals",
            "a leader jumps over a slot; its successor closes the gap, and has a command of its own",
            Config { skips: vec![(0, Slot(1))], ..rivals(3) }.ballots(&[(1, 0), (1, 1)]),
            104_198,
        )
        .reaches(&[
            "a slot is skipped",
            "a new leader adopts an old value",
            "a new leader closes a gap with a Noop",
            "a Noop is chosen",
        ]),
        quick(
            "told-to-skip",
            "a person tells a leader to jump over a slot, at any moment",
            Config { inputs: vec![(0, Message::SkipSlot)], ..Config::new(3) }
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1), (2, 1)]),
            125_465,
        )
        .reaches(&["a new leader closes a gap with a Noop", "a Noop is chosen"]),
    ]
}

/// Clients ask, ask again, and ask elsewhere.
fn clients() -> Vec<Entry> {
    vec![
        quick(
            "retry-elsewhere",
            "a client asks again at another replica, over a leader change",
            Config::new(3)
                .client("ann", 1, 0)
                .last_client(|client| client.asks = vec![0, 1])
                .ballots(&[(1, 0), (1, 1), (2, 1)]),
            473_358,
        )
        .reaches(&[
            "a duplicate is suppressed",
            "a client is redirected",
            "a request is answered again from the session table",
        ]),
        quick(
            "redirected",
            "a client says two things, and is sent from one replica to another between them",
            Config::new(3)
                .client("ann", 2, 0)
                .last_client(|client| client.asks = vec![0, 1])
                .ballots(&[(1, 0), (1, 1)]),
            2_365_115,
        )
        .reaches(&["a client is redirected", "everything is delivered"]),
        quick(
            "real-time",
            "a client asks after another's acknowledgement",
            Config::new(3).client("ann", 1, 0).client("bob", 1, 0).ballots(&[(1, 0), (1, 1)]),
            11_436,
        )
        .reaches(&["a client asks after another's acknowledgement", "everything is delivered"]),
        quick(
            "sessions",
            "a client opens its session through the log, over a leader change",
            Config::new(3)
                .client("ann", 1, 0)
                .last_client(|client| client.opens = true)
                .ballots(&[(1, 0), (1, 1)]),
            4_354,
        )
        .reaches(&["a session is opened through the log", "everything is delivered"]),
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
        .reaches(&["a session is opened through the log", "everything is delivered"]),
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
        .reaches(&["a batch of two commands is chosen"]),
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
        .reaches(&[
            "a batch of two commands is chosen",
            "two slots are in flight",
            "everything is delivered",
        ]),
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
        .reaches(&["a batch of two commands is chosen"])
        .full(),
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
        .reaches(&["a client is told that the leader is busy"]),
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
        .reaches(&["a client asks after another's acknowledgement"]),
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
        .reaches(&["a session is evicted"]),
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
        .reaches(&["a session is evicted"]),
        quick(
            "reader",
            "a reader follows the log at a replica that may lag",
            Config { reader: Some(1), ..Config::new(3) }.client("ann", 1, 0).ballots(&[(1, 0)]),
            1_330,
        )
        .reaches(&["a follower catches up by fetching", "a reader has read everything"]),
        quick(
            "reader-snapshots",
            "a reader follows the log at a replica that takes a snapshot after every slot",
            Config { reader: Some(1), ..Config::new(3) }
                .client("ann", 2, 0)
                .ballots(&[(1, 0)])
                .tuned(|tuning| {
                    tuning.snapshot_slots = 1;
                    tuning.chunk_entries_max = 1;
                }),
            35_932,
        )
        .reaches(&[
            "a question about what is not in memory is answered from the log",
            "a reader has read everything",
        ]),
        quick(
            "told-to-say",
            "a person types while the client opens its session and talks",
            Config { inputs: vec![(3, Message::Submit(Body::post("typed")))], ..Config::new(3) }
                .client("ann", 1, 0)
                .last_client(|client| client.opens = true)
                .ballots(&[(1, 0)]),
            8_192,
        )
        .reaches(&["everything is delivered"]),
    ]
}

/// Replicas crash, recover, and compact.
fn faults() -> Vec<Entry> {
    vec![
        quick(
            "crash-recovery",
            "a replica crashes at any moment, and comes back with what it saved",
            rivals(3).ballots(&[(1, 0), (1, 1)]).crashes(&[0, 1, 2], 1, true),
            125_718,
        )
        .reaches(&["a replica recovers in the middle of phase 2", "everything is delivered"]),
        quick(
            "overlap",
            "disk and network overlap: a crash loses what was not yet synced",
            Config::new(3)
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0, 1, 2], 1, true)
                .overlapping(),
            174_460,
        )
        .reaches(&["a crash loses a pending save", "a replica recovers in the middle of phase 2"]),
        quick(
            "client-crash",
            "a client crashes at any moment, and goes on in its session with what it saved",
            Config::new(3)
                .client("ann", 2, 0)
                .last_client(|client| {
                    client.opens = true;
                    client.crashes = true;
                })
                .ballots(&[(1, 0), (1, 1)])
                .clients_crash(1),
            221_856,
        )
        .reaches(&[
            "a request is answered again from the session table",
            "a client crashes while its request is pending",
            "a client is down whose pending request was applied",
            "a request is acknowledged that was pending in a crash",
            "everything is delivered",
        ]),
        quick(
            "client-evicted",
            "a client's session is evicted before, while or after the client is down",
            Config::new(3)
                .client("ann", 1, 0)
                .last_client(|client| client.crashes = true)
                .client("bob", 0, 0)
                .last_client(|client| client.opens = true)
                .ballots(&[(1, 0)])
                .tuned(|tuning| tuning.sessions_max = 1)
                .clients_crash(1),
            13_349,
        )
        .reaches(&[
            "a session is evicted",
            "a request is acknowledged that was pending in a crash",
            "a client that came back is told that its session has expired",
        ]),
        quick(
            "crash-for-good",
            "a replica dies at any moment; the others deliver everything",
            Config::new(3)
                .client("ann", 1, 0)
                .last_client(|client| client.asks = vec![0, 1])
                .ballots(&[(1, 0), (1, 1), (2, 1)])
                .crashes(&[0, 1, 2], 1, false),
            1_465_263,
        )
        .reaches(&["everything is delivered with f replicas down", "a client is redirected"]),
        quick(
            "pre-vote-crash",
            "a replica dies at any moment; the others need each other's support for a ballot",
            Config::new(3)
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0, 1, 2], 1, false)
                .tuned(|tuning| tuning.pre_vote = true),
            104_309,
        )
        .reaches(&["a pre-vote is granted", "everything is delivered with f replicas down"]),
        quick(
            "lost-compactor",
            "the only replica that knows a slot to be decided, and has dropped its vote, dies",
            Config::new(3)
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0], 1, false)
                .tuned(|tuning| {
                    tuning.pre_vote = true;
                    tuning.snapshot_slots = 1;
                }),
            53_242,
        )
        .reaches(&["a snapshot is taken", "a leader fetches below its base"]),
        quick(
            "compaction",
            "snapshots after every slot, and a lagging replica that leads",
            Config::new(3)
                .client("ann", 2, 0)
                .ballots(&[(1, 0), (1, 1), (2, 1)])
                .tuned(|tuning| tuning.snapshot_slots = 1),
            77_893,
        )
        .reaches(&[
            "a snapshot is taken",
            "a leader fetches below its base",
            "an Accept below the compacted bound is answered with Decided",
            "a question about what is not in memory is answered from the log",
        ]),
        quick(
            "compaction-crash",
            "snapshots, a crash and a recovery from them; the last applied value stays in memory",
            Config::new(3)
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1), (2, 1)])
                .crashes(&[0, 1, 2], 1, true)
                .tuned(|tuning| {
                    tuning.snapshot_slots = 1;
                    tuning.recent_slots = 1;
                }),
            87_679,
        )
        .reaches(&["a snapshot is taken", "everything is delivered"]),
    ]
}

/// Larger bounds.
fn full() -> Vec<Entry> {
    vec![
        quick(
            "overlap-pipeline",
            "two saves of a leader are pending at once, and a crash loses one or both",
            Config::new(3)
                .client("ann", 2, 0)
                .last_client(|client| client.window = 2)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0], 1, true)
                .tuned(|tuning| tuning.window_slots = 2)
                .overlapping(),
            38_701_646,
        )
        .reaches(&["a crash loses a pending save", "two slots are in flight"])
        .full(),
        quick(
            "overlap-rivals",
            "disk and network overlap, rival commands, 2 ballots, a crash and a recovery",
            rivals(3).ballots(&[(1, 0), (1, 1)]).crashes(&[0, 1, 2], 1, true).overlapping(),
            14_422_388,
        )
        .reaches(&["a crash loses a pending save", "a replica recovers in the middle of phase 2"])
        .full(),
        quick(
            "rivals-crash",
            "3 ballots and rival commands, with a crash and a recovery",
            rivals(3).ballots(&[(1, 0), (1, 1), (2, 2)]).crashes(&[0, 1, 2], 1, true),
            12_245_131,
        )
        .reaches(&[
            "a candidate is told of two values for a slot",
            "a replica recovers in the middle of phase 2",
        ])
        .full(),
        quick(
            "retry-compact-crash",
            "a client asks again elsewhere, with snapshots, a crash and a recovery",
            Config::new(3)
                .client("ann", 1, 0)
                .last_client(|client| client.asks = vec![0, 1])
                .ballots(&[(1, 0), (1, 1), (2, 1)])
                .crashes(&[0, 1, 2], 1, true)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            8_742_074,
        )
        .reaches(&["a duplicate is suppressed", "a snapshot is taken"])
        .full(),
        quick(
            "five-rivals",
            "5 replicas, 2 ballots, rival commands for one slot",
            rivals(5).ballots(&[(1, 0), (1, 1)]),
            3_778_896,
        )
        .reaches(&["two leaders' ballots get votes", "a new leader adopts an old value"])
        .full(),
        quick(
            "five-deposed",
            "5 replicas with snapshots: a deposed leader is told what was decided",
            rivals(5)
                .ballots(&[(1, 0), (1, 1)])
                .tuned(|tuning| tuning.snapshot_slots = 1),
            4_269_859,
        )
        .reaches(&["a superseded leader steps down on a decided slot"])
        .full(),
        quick(
            "five-two-crashes",
            "5 replicas, two of which die: any but the second candidate",
            Config::new(5)
                .client("ann", 1, 0)
                .last_client(|client| client.asks = vec![0, 1])
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0, 2, 3, 4], 2, false)
                .crashes_at_once(2),
            30_994_678,
        )
        .reaches(&["everything is delivered with f replicas down"])
        .full(),
        quick(
            "three-writes",
            "3 messages of 2 clients that ask different replicas, 2 ballots, a crash and a recovery",
            Config::new(3)
                .client("ann", 2, 0)
                .client("bob", 1, 1)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0, 1, 2], 1, true),
            2_565_897,
        )
        .reaches(&[
            "a replica recovers in the middle of phase 2",
            "a client asks after another's acknowledgement",
        ])
        .full(),
        quick(
            "skip-and-compact",
            "a skipped slot, snapshots after every slot, and a lagging replica that leads",
            Config { skips: vec![(0, Slot(1))], ..Config::new(3) }
                .client("ann", 2, 0)
                .ballots(&[(1, 0), (1, 1), (2, 1)])
                .tuned(|tuning| tuning.snapshot_slots = 1),
            148_267,
        )
        .reaches(&["a Noop is chosen", "a snapshot is taken"])
        .full(),
    ]
}
