//! The entries of the catalog.

mod batches;
mod overlaps;

use crate::catalog::{Config, Entry, Grade};
use crate::properties::Milestone::{self, *};
use paxos_chat::message::Input;
use paxos_chat::types::{Body, Slot};

/// All entries, the quick ones first.
pub fn catalog() -> Vec<Entry> {
    let mut entries = leadership();
    entries.extend(clients());
    entries.extend(faults());
    entries.extend(pairs());
    entries.extend(relays());
    entries.extend(batches::entries());
    entries.extend(overlaps::entries());
    entries.extend(full());
    entries.extend(full_pairs());
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
    fn reaches(mut self, milestones: &'static [Milestone]) -> Entry {
        self.reaches = milestones;
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
            LeaderElected,
            TwoBallotsGetVotes,
            OldValueAdopted,
            TwoValuesReported,
            UnheardStepsDown,
        ]),
        quick(
            "rivals-two-rounds",
            "a leader that comes back in a higher round, after another has led",
            rivals(3).ballots(&[(1, 0), (1, 1), (2, 0)]),
            2_204_665,
        )
        .reaches(&[TwoBallotsGetVotes, OldValueAdopted]),
        quick(
            "two-writers",
            "3 messages of 2 clients that ask different replicas, over a leader change",
            Config::new(3).client("ann", 2, 0).client("bob", 1, 1).ballots(&[(1, 0), (1, 1)]),
            108_156,
        )
        .reaches(&[
            TwoBallotsGetVotes,
            OldValueAdopted,
            AllDelivered,
        ]),
        quick(
            "five",
            "5 replicas (f = 2), 2 ballots",
            Config::new(5).client("ann", 1, 0).ballots(&[(1, 0), (1, 1)]),
            41_612,
        )
        .reaches(&[TwoBallotsGetVotes, OldValueAdopted]),
        quick(
            "four",
            "4 replicas: half of them are no quorum",
            rivals(4).ballots(&[(1, 0), (1, 1)]),
            36_569,
        )
        .reaches(&[TwoBallotsGetVotes]),
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
            PreVoteGranted,
            LeaderHeard,
            LeaderElected,
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
        .reaches(&[TwoSlotsInFlight, OldValueAdopted]),
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
        .reaches(&[PromiseInChunks, CaughtUp]),
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
            AcceptTooFarAhead,
            TwoSlotsInFlight,
            AllDelivered,
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
            SlotSkipped,
            GapClosed,
            NoopChosen,
        ]),
        quick(
            "gap-rivals",
            "a leader jumps over a slot; its successor closes the gap, and has a command of its own",
            Config { skips: vec![(0, Slot(1))], ..rivals(3) }.ballots(&[(1, 0), (1, 1)]),
            104_198,
        )
        .reaches(&[
            SlotSkipped,
            OldValueAdopted,
            GapClosed,
            NoopChosen,
        ]),
        quick(
            "told-to-skip",
            "a person tells a leader to jump over a slot, at any moment",
            Config { inputs: vec![(0, Input::SkipSlot)], ..Config::new(3) }
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1), (2, 1)]),
            125_465,
        )
        .reaches(&[GapClosed, NoopChosen]),
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
        .reaches(&[DuplicateSuppressed, ClientRedirected, AnsweredFromTable]),
        quick(
            "redirected",
            "a client says two things, and is sent from one replica to another between them",
            Config::new(3)
                .client("ann", 2, 0)
                .last_client(|client| client.asks = vec![0, 1])
                .ballots(&[(1, 0), (1, 1)]),
            2_344_733,
        )
        .reaches(&[ClientRedirected, AllDelivered]),
        quick(
            "real-time",
            "a client asks after another's acknowledgement",
            Config::new(3).client("ann", 1, 0).client("bob", 1, 0).ballots(&[(1, 0), (1, 1)]),
            11_436,
        )
        .reaches(&[AskedAfterAcknowledgement, AllDelivered]),
        quick(
            "sessions",
            "a client opens its session through the log, over a leader change",
            Config::new(3)
                .client("ann", 1, 0)
                .last_client(|client| client.opens = true)
                .ballots(&[(1, 0), (1, 1)]),
            4_354,
        )
        .reaches(&[SessionOpened, AllDelivered]),
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
        .reaches(&[SessionOpened, AllDelivered]),
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
        .reaches(&[BatchChosen]),
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
        .reaches(&[BatchChosen, TwoSlotsInFlight, AllDelivered]),
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
        .reaches(&[BusyTold]),
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
        .reaches(&[AskedAfterAcknowledgement]),
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
        .reaches(&[SessionEvicted]),
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
        .reaches(&[SessionEvicted]),
        quick(
            "reader",
            "a reader follows the log at a replica that may lag",
            Config { reader: Some(1), ..Config::new(3) }.client("ann", 1, 0).ballots(&[(1, 0)]),
            1_330,
        )
        .reaches(&[CaughtUp, AllRead]),
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
        .reaches(&[AnsweredFromLog, AllRead]),
        quick(
            "told-to-say",
            "a person types while the client opens its session and talks",
            Config { inputs: vec![(3, Input::Submit(Body::post("typed")))], ..Config::new(3) }
                .client("ann", 1, 0)
                .last_client(|client| client.opens = true)
                .ballots(&[(1, 0)]),
            8_192,
        )
        .reaches(&[AllDelivered]),
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
        .reaches(&[RecoveredInPhase2, AllDelivered]),
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
        .reaches(&[PendingSaveLost, RecoveredInPhase2]),
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
            AnsweredFromTable,
            ClientCrashedPending,
            PendingAppliedWhileDown,
            PendingAcknowledged,
            AllDelivered,
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
        .reaches(&[SessionEvicted, PendingAcknowledged, ExpiredAfterCrash]),
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
        .reaches(&[AllDeliveredWithFDown, ClientRedirected]),
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
        .reaches(&[PreVoteGranted, AllDeliveredWithFDown]),
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
        .reaches(&[SnapshotTaken, LeaderFetches]),
        quick(
            "compaction",
            "snapshots after every slot, and a lagging replica that leads",
            Config::new(3)
                .client("ann", 2, 0)
                .ballots(&[(1, 0), (1, 1), (2, 1)])
                .tuned(|tuning| tuning.snapshot_slots = 1),
            77_893,
        )
        .reaches(&[SnapshotTaken, LeaderFetches, AcceptBelowBound, AnsweredFromLog]),
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
        .reaches(&[SnapshotTaken, AllDelivered]),
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
        .reaches(&[PendingSaveLost, TwoSlotsInFlight])
        .full(),
        quick(
            "overlap-rivals",
            "disk and network overlap, rival commands, 2 ballots, a crash and a recovery",
            rivals(3).ballots(&[(1, 0), (1, 1)]).crashes(&[0, 1, 2], 1, true).overlapping(),
            14_422_388,
        )
        .reaches(&[PendingSaveLost, RecoveredInPhase2])
        .full(),
        quick(
            "rivals-crash",
            "3 ballots and rival commands, with a crash and a recovery",
            rivals(3).ballots(&[(1, 0), (1, 1), (2, 2)]).crashes(&[0, 1, 2], 1, true),
            12_245_131,
        )
        .reaches(&[
            TwoValuesReported,
            RecoveredInPhase2,
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
        .reaches(&[DuplicateSuppressed, SnapshotTaken])
        .full(),
        quick(
            "five-rivals",
            "5 replicas, 2 ballots, rival commands for one slot",
            rivals(5).ballots(&[(1, 0), (1, 1)]),
            3_778_896,
        )
        .reaches(&[TwoBallotsGetVotes, OldValueAdopted])
        .full(),
        quick(
            "five-deposed",
            "5 replicas with snapshots: a deposed leader is told what was decided",
            rivals(5)
                .ballots(&[(1, 0), (1, 1)])
                .tuned(|tuning| tuning.snapshot_slots = 1),
            4_269_859,
        )
        .reaches(&[SupersededStepsDown])
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
        .reaches(&[AllDeliveredWithFDown])
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
            RecoveredInPhase2,
            AskedAfterAcknowledgement,
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
        .reaches(&[NoopChosen, SnapshotTaken])
        .full(),
    ]
}

/// Whoever does not lead passes requests on, and what a deployed leader does besides.
fn relays() -> Vec<Entry> {
    let relay = |config: Config| config.tuned(|tuning| tuning.relay = true);
    let deployed = |config: Config| relay(as_deployed(config));
    let one_ballot = |config: Config| config.client("ann", 1, 1).ballots(&[(1, 0)]);
    vec![
        quick(
            "relay",
            "a request is passed on to a leader that another one succeeds",
            relay(Config::new(3)).client("ann", 1, 2).ballots(&[(1, 0), (1, 1), (2, 0)]),
            1_158_473,
        )
        .reaches(&[RequestPassedOn, TwoBallotsGetVotes]),
        quick(
            "relay-crash",
            "the leader or the replica that was asked crashes, and comes back",
            one_ballot(relay(Config::new(3))).crashes(&[0, 1], 2, true),
            2_287,
        )
        .reaches(&[RequestPassedOn, AllDelivered]),
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
        .reaches(&[RequestPassedOn, AllDeliveredWithFDown]),
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
        .reaches(&[RequestPassedOn, RequestHeld]),
        quick(
            "relay-skip",
            "a request is passed on to a leader that skips a slot, and a client's crash",
            Config { skips: vec![(0, Slot(1))], ..one_ballot(relay(Config::new(3))) }
                .last_client(|client| client.crashes = true)
                .clients_crash(1),
            225,
        )
        .reaches(&[RequestPassedOn, SlotSkipped]),
        quick(
            "stuck-queue",
            "a leader that lags behind its own base proposes what waits once it has caught up",
            Config::new(3)
                .client("ann", 2, 0)
                .client("bob", 1, 1)
                .ballots(&[(1, 0), (1, 1)])
                .tuned(|tuning| {
                    tuning.snapshot_slots = 1;
                    tuning.stuck_slots_max = 0;
                }),
            54_033,
        )
        .reaches(&[LeaderFetches, SnapshotTaken]),
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
        .reaches(&[RequestHeld]),
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
        .full(),
        quick(
            "relay-overlap",
            "a request is passed on while disk and network overlap",
            one_ballot(deployed(Config::new(3))).crashes(&[0], 1, true).overlapping(),
            1_213_312,
        )
        .reaches(&[RequestPassedOn, PendingSaveLost])
        .full(),
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
        .full(),
        quick(
            "relay-rivals",
            "requests of two clients, one of which is passed on",
            relay(Config::new(3))
                .client("ann", 1, 0)
                .client("bob", 1, 1)
                .ballots(&[(1, 0), (1, 1)]),
            523_655,
        )
        .reaches(&[RequestPassedOn, AllDelivered])
        .full(),
        quick(
            "relay-five",
            "a request is passed on among five replicas",
            one_ballot(relay(Config::new(5))),
            683,
        )
        .reaches(&[RequestPassedOn, AllDelivered]),
    ]
}

/// Features that meet nowhere else: see [`crate::features`]. Most have pre-votes and snapshots, as replicas
/// are deployed.
fn pairs() -> Vec<Entry> {
    vec![
        quick(
            "long-messages",
            "a leader turns away what its queue has no bytes for",
            Config::new(3)
                .client("ann", 3, 0)
                .last_client(|client| client.window = 3)
                .ballots(&[(1, 0)])
                .tuned(|tuning| tuning.queue_bytes_max = 1),
            28_961,
        )
        .reaches(&[BusyTold]),
        quick(
            "two-crashes",
            "pre-votes and snapshots, and a leader that crashes twice",
            as_deployed(Config::new(3)).client("ann", 1, 0).ballots(&[(1, 0), (1, 1)]).crashes(
                &[0],
                2,
                true,
            ),
            385_890,
        )
        .reaches(&[
            PreVoteGranted,
            SnapshotTaken,
            RecoveredInPhase2,
        ]),
        quick(
            "rivals-chunks-crashes",
            "rivals, two slots in flight, chunks of one, snapshots, and a leader that crashes twice",
            rivals(3)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0], 2, true)
                .tuned(|tuning| {
                    tuning.window_slots = 2;
                    tuning.chunk_entries_max = 1;
                    tuning.snapshot_slots = 1;
                }),
            235_466,
        )
        .reaches(&[
            TwoSlotsInFlight,
            SnapshotTaken,
            RecoveredInPhase2,
        ]),
        quick(
            "rivals-two-crashes",
            "rival commands with snapshots, and any two crashes",
            rivals(3)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0, 1, 2], 2, true)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            213_687,
        )
        .reaches(&[SnapshotTaken, RecoveredInPhase2]),
        quick(
            "rivals-chunks",
            "rivals, two slots in flight and chunks of one, with pre-votes and snapshots",
            as_deployed(rivals(3)).ballots(&[(1, 0), (1, 1)]).tuned(|tuning| {
                tuning.window_slots = 2;
                tuning.chunk_entries_max = 1;
            }),
            2_546_896,
        )
        .reaches(&[PreVoteGranted, TwoSlotsInFlight, SnapshotTaken]),
        quick(
            "eviction-elections",
            "a session is evicted over a leader change, with pre-votes and snapshots",
            as_deployed(evicting(&[1])).ballots(&[(1, 0), (1, 1)]),
            1_202_219,
        )
        .reaches(&[SessionEvicted, PreVoteGranted, SnapshotTaken]),
        quick(
            "skip-and-die",
            "a leader is told to jump over a slot, and dies",
            Config { inputs: vec![(0, Input::SkipSlot)], ..as_deployed(Config::new(3)) }
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0], 1, false),
            831_562,
        )
        .reaches(&[GapClosed, NoopChosen]),
        quick(
            "five-recovery",
            "5 replicas with snapshots, one of which crashes and comes back",
            Config::new(5)
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0], 1, true)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            358_190,
        )
        .reaches(&[SnapshotTaken, RecoveredInPhase2]),
        quick(
            "five-three-ballots",
            "5 replicas with snapshots, 3 ballots",
            Config::new(5)
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1), (2, 1)])
                .tuned(|tuning| tuning.snapshot_slots = 1),
            2_071_167,
        )
        .reaches(&[OldValueAdopted, SnapshotTaken])
        .full(),
        quick(
            "overlap-compaction",
            "disk and network overlap, with snapshots: a crash loses what was not yet synced",
            Config::new(3)
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0], 1, true)
                .tuned(|tuning| tuning.snapshot_slots = 1)
                .overlapping(),
            175_929,
        )
        .reaches(&[PendingSaveLost, SnapshotTaken]),
        quick(
            "evicted-two-crashes",
            "a client that crashes is evicted by one who asks elsewhere; a follower crashes too, or twice",
            evicting(&[1, 0])
                .client_crashes(0)
                .ballots(&[(1, 0)])
                .crashes(&[1], 2, true)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            328_870,
        )
        .reaches(&[
            SessionEvicted,
            ExpiredAfterCrash,
            RecoveredInPhase2,
        ]),
        quick(
            "reader-and-skip",
            "a reader reads of a log with a skipped slot, while a client is evicted, and it or a replica crashes",
            Config { reader: Some(1), skips: vec![(0, Slot(2))], ..evicting(&[1, 0]) }
                .client_crashes(0)
                .ballots(&[(1, 0)])
                .crashes(&[1], 1, true)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            744_089,
        )
        .reaches(&[SlotSkipped, SessionEvicted, SnapshotTaken]),
        quick(
            "reader-and-die",
            "the replica that a reader asks dies, while a client is evicted and a slot is skipped",
            Config { reader: Some(1), skips: vec![(0, Slot(2))], ..evicting(&[1, 0]) }
                .ballots(&[(1, 0)])
                .crashes(&[1], 1, false)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            290_632,
        )
        .reaches(&[SlotSkipped, SessionEvicted, SnapshotTaken]),
        quick(
            "sessions-chunks",
            "a client that crashes is evicted, with two slots in flight, chunks of one, and a recovery",
            as_deployed(evicting(&[1, 0]))
                .client_crashes(0)
                .ballots(&[(1, 0)])
                .crashes(&[1], 1, true)
                .tuned(|tuning| {
                    tuning.window_slots = 2;
                    tuning.chunk_entries_max = 1;
                }),
            1_870_114,
        )
        .reaches(&[
            PreVoteGranted,
            TwoSlotsInFlight,
            SessionEvicted,
            ExpiredAfterCrash,
        ]),
        quick(
            "reader-chunks",
            "a reader, two slots in flight in chunks of one, a skipped slot, and an eviction",
            Config { reader: Some(1), skips: vec![(0, Slot(2))], ..as_deployed(Config::new(3)) }
                .client("ann", 2, 0)
                .last_client(|client| client.window = 2)
                .client("bob", 0, 0)
                .last_client(|client| client.opens = true)
                .ballots(&[(1, 0)])
                .tuned(|tuning| {
                    tuning.sessions_max = 1;
                    tuning.window_slots = 2;
                    tuning.chunk_entries_max = 1;
                }),
            1_878_940,
        )
        .reaches(&[SlotSkipped, TwoSlotsInFlight])
        .full(),
        quick(
            "reader-client-crash",
            "a reader and a client that crashes, over 3 ballots with snapshots",
            Config { reader: Some(1), ..Config::new(3) }
                .client("ann", 1, 0)
                .client_crashes(0)
                .ballots(&[(1, 0), (1, 1), (2, 1)])
                .clients_crash(1)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            429_915,
        )
        .reaches(&[
            PendingAcknowledged,
            SnapshotTaken,
        ]),
        quick(
            "two-crashes-three-ballots",
            "a leader that crashes twice, 3 ballots, with snapshots",
            Config::new(3)
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1), (2, 1)])
                .crashes(&[0], 2, true)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            66_527,
        )
        .reaches(&[SnapshotTaken, RecoveredInPhase2]),
        quick(
            "five-skip",
            "5 replicas: a leader jumps over a slot, and a follower crashes twice",
            Config { skips: vec![(0, Slot(1))], ..as_deployed(Config::new(5)) }
                .client("ann", 1, 0)
                .ballots(&[(1, 0)])
                .crashes(&[1], 2, true),
            91_096,
        )
        .reaches(&[SlotSkipped, PreVoteGranted]),
        quick(
            "busy-client-crash",
            "a client that is turned away crashes",
            Config::new(3)
                .client("ann", 3, 0)
                .last_client(|client| client.window = 3)
                .client_crashes(0)
                .ballots(&[(1, 0)])
                .clients_crash(1)
                .tuned(|tuning| {
                    tuning.queue_commands_max = 1;
                    tuning.snapshot_slots = 1;
                }),
            139_310,
        )
        .reaches(&[BusyTold, SnapshotTaken]),
        quick(
            "busy-skip",
            "a busy leader jumps over a slot, and a reader reads",
            Config { reader: Some(1), skips: vec![(0, Slot(2))], ..busy(Config::new(3)) }
                .ballots(&[(1, 0)])
                .tuned(|tuning| tuning.snapshot_slots = 1),
            22_820,
        )
        .reaches(&[BusyTold, SlotSkipped]),
        quick(
            "both-die",
            "a client or a follower dies",
            Config::new(3)
                .client("ann", 1, 0)
                .client_crashes(0)
                .ballots(&[(1, 0)])
                .crashes(&[1], 1, false)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            421,
        )
        .reaches(&[ClientCrashedPending]),
        quick(
            "opening-three-ballots",
            "a session is opened over 3 ballots, with snapshots",
            Config::new(3)
                .client("bob", 0, 0)
                .client("ann", 1, 0)
                .last_client(|client| client.opens = true)
                .ballots(&[(1, 0), (1, 1), (2, 1)])
                .tuned(|tuning| tuning.snapshot_slots = 1),
            77_690,
        )
        .reaches(&[SessionOpened, OldValueAdopted]),
        quick(
            "busy-chunks",
            "a busy leader is succeeded, with chunks of one and snapshots",
            busy(Config::new(3)).ballots(&[(1, 0), (1, 1)]).tuned(|tuning| {
                tuning.chunk_entries_max = 1;
                tuning.snapshot_slots = 1;
            }),
            65_998,
        )
        .reaches(&[BusyTold, SnapshotTaken]),
        quick(
            "busy-opening",
            "a session is opened at a busy leader that is succeeded, with snapshots",
            crowded().ballots(&[(1, 0), (1, 1)]),
            158_034,
        )
        .reaches(&[BusyTold, SessionOpened]),
        quick(
            "busy-eviction",
            "an opening at a busy leader, which another succeeds, evicts who talks",
            crowded().ballots(&[(1, 0), (1, 1)]).tuned(|tuning| tuning.sessions_max = 1),
            162_628,
        )
        .reaches(&[BusyTold, SessionEvicted]),
        quick(
            "five-chunks",
            "5 replicas, two slots in flight, chunks of one and snapshots",
            Config::new(5)
                .client("ann", 2, 0)
                .last_client(|client| client.window = 2)
                .ballots(&[(1, 0)])
                .tuned(|tuning| {
                    tuning.window_slots = 2;
                    tuning.chunk_entries_max = 1;
                    tuning.snapshot_slots = 1;
                }),
            284_803,
        )
        .reaches(&[TwoSlotsInFlight, SnapshotTaken]),
        quick(
            "five-client-crash",
            "5 replicas over a leader change, with snapshots: a client crashes",
            Config::new(5)
                .client("ann", 1, 0)
                .client_crashes(0)
                .ballots(&[(1, 0), (1, 1)])
                .clients_crash(1)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            156_303,
        )
        .reaches(&[PendingAcknowledged, SnapshotTaken]),
        quick(
            "five-eviction",
            "5 replicas with snapshots: an opening evicts a client that talks",
            Config { replicas: 5, ..evicting(&[0]) }
                .ballots(&[(1, 0)])
                .tuned(|tuning| tuning.snapshot_slots = 1),
            583_582,
        )
        .reaches(&[SessionEvicted, SnapshotTaken]),
        quick(
            "busy-crashes",
            "a leader that turns away what it cannot queue crashes twice",
            busy(Config::new(3))
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0], 2, true)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            1_027_842,
        )
        .reaches(&[BusyTold, SnapshotTaken]),
    ]
}

/// The same, larger.
fn full_pairs() -> Vec<Entry> {
    vec![
        quick(
            "overlap-client-crash",
            "disk and network overlap, with snapshots and a reader: a client and a leader crash, or one twice",
            Config { reader: Some(1), ..Config::new(3) }
                .client("ann", 1, 0)
                .client_crashes(0)
                .ballots(&[(1, 0)])
                .crashes(&[0], 2, true)
                .tuned(|tuning| tuning.snapshot_slots = 1)
                .overlapping(),
            2_253_440,
        )
        .reaches(&[
            PendingSaveLost,
            PendingAcknowledged,
            SnapshotTaken,
        ])
        .full(),
        quick(
            "five-reader",
            "5 replicas with pre-votes and snapshots, and a reader",
            Config { reader: Some(1), ..as_deployed(Config::new(5)) }
                .client("ann", 1, 0)
                .ballots(&[(1, 0)]),
            879_295,
        )
        .reaches(&[PreVoteGranted, SnapshotTaken])
        .full(),
        quick(
            "opening-elsewhere-crash",
            "a session is opened at one of two replicas, the first of which crashes and comes back",
            Config::new(3)
                .client("bob", 0, 0)
                .client("ann", 1, 0)
                .last_client(|client| (client.opens, client.asks) = (true, vec![0, 1]))
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0], 1, true)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            4_127_576,
        )
        .reaches(&[SessionOpened, SnapshotTaken])
        .full(),
        quick(
            "chunks-three-ballots",
            "two slots in flight, chunks of one, 3 ballots, with snapshots",
            Config::new(3)
                .client("ann", 2, 0)
                .last_client(|client| client.window = 2)
                .ballots(&[(1, 0), (1, 1), (2, 1)])
                .tuned(|tuning| {
                    tuning.window_slots = 2;
                    tuning.chunk_entries_max = 1;
                    tuning.snapshot_slots = 1;
                }),
            2_345_685,
        )
        .reaches(&[TwoSlotsInFlight, SnapshotTaken])
        .full(),
        quick(
            "eviction-three-ballots",
            "a session is evicted over 3 ballots, with snapshots",
            evicting(&[0])
                .ballots(&[(1, 0), (1, 1), (2, 0)])
                .tuned(|tuning| tuning.snapshot_slots = 1),
            6_627_628,
        )
        .reaches(&[SessionEvicted, SnapshotTaken])
        .full(),
        quick(
            "busy-five",
            "a busy leader of 5 replicas, with snapshots",
            busy(Config::new(5)).ballots(&[(1, 0)]).tuned(|tuning| tuning.snapshot_slots = 1),
            8_549_424,
        )
        .reaches(&[BusyTold, SnapshotTaken])
        .full(),
        quick(
            "busy-elections",
            "a busy leader, with pre-votes and snapshots",
            busy(as_deployed(Config::new(3))).ballots(&[(1, 0), (1, 1)]),
            7_111_878,
        )
        .reaches(&[BusyTold, PreVoteGranted])
        .full(),
        quick(
            "busy-three-ballots",
            "a busy leader, 3 ballots, with snapshots",
            busy(Config::new(3))
                .ballots(&[(1, 0), (1, 1), (2, 1)])
                .tuned(|tuning| tuning.snapshot_slots = 1),
            3_707_557,
        )
        .reaches(&[BusyTold, SnapshotTaken])
        .full(),
        quick(
            "busy-and-die",
            "a busy leader dies, and a rival asks elsewhere",
            busy(Config::new(3))
                .client("bob", 1, 1)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0], 1, false)
                .tuned(|tuning| tuning.snapshot_slots = 1),
            1_655_878,
        )
        .reaches(&[BusyTold, SnapshotTaken])
        .full(),
        quick(
            "busy-elsewhere",
            "who is turned away asks elsewhere, beside a rival, with pre-votes and snapshots",
            as_deployed(Config::new(3))
                .client("ann", 3, 0)
                .last_client(|client| client.window = 3)
                .elsewhere(0)
                .client("bob", 1, 1)
                .ballots(&[(1, 0)])
                .tuned(|tuning| tuning.queue_commands_max = 1),
            5_931_565,
        )
        .reaches(&[BusyTold, SnapshotTaken])
        .full(),
        quick(
            "overlap-pre-vote",
            "disk and network overlap, with pre-votes, a crash and a recovery",
            Config::new(3)
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0], 1, true)
                .tuned(|tuning| tuning.pre_vote = true)
                .overlapping(),
            6_077_816,
        )
        .reaches(&[PendingSaveLost, PreVoteGranted])
        .full(),
        quick(
            "overlap-and-die",
            "disk and network overlap, with snapshots: a leader dies with what was not yet synced",
            Config::new(3)
                .client("ann", 1, 0)
                .elsewhere(0)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0], 1, false)
                .tuned(|tuning| tuning.snapshot_slots = 1)
                .overlapping(),
            10_876_672,
        )
        .reaches(&[PendingSaveLost, SnapshotTaken])
        .full(),
        quick(
            "chunks-and-die",
            "two slots in flight, chunks of one, pre-votes and snapshots: a leader dies",
            as_deployed(Config::new(3))
                .client("ann", 2, 0)
                .last_client(|client| client.window = 2)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0], 1, false)
                .tuned(|tuning| {
                    tuning.window_slots = 2;
                    tuning.chunk_entries_max = 1;
                }),
            7_708_360,
        )
        .reaches(&[TwoSlotsInFlight, PreVoteGranted, SnapshotTaken])
        .full(),
        quick(
            "skip-and-recover",
            "a skipped slot, a crash and a recovery, with pre-votes and snapshots",
            Config { skips: vec![(0, Slot(1))], ..as_deployed(Config::new(3)) }
                .client("ann", 1, 0)
                .ballots(&[(1, 0), (1, 1)])
                .crashes(&[0], 1, true),
            3_064_996,
        )
        .reaches(&[SlotSkipped, NoopChosen, SnapshotTaken])
        .full(),
    ]
}

/// With pre-votes, and a snapshot after every slot.
fn as_deployed(config: Config) -> Config {
    config.tuned(|tuning| {
        tuning.pre_vote = true;
        tuning.snapshot_slots = 1;
    })
}

/// One session at a time: the opening of a rival, who asks these, evicts that of a client that talks.
fn evicting(asks: &[u8]) -> Config {
    Config::new(3)
        .client("ann", 1, 0)
        .client("bob", 0, 1)
        .last_client(|client| {
            client.asks = asks.to_vec();
            client.opens = true;
        })
        .tuned(|tuning| tuning.sessions_max = 1)
}

/// A client that asks for more than fits the queue.
fn busy(config: Config) -> Config {
    config
        .client("ann", 3, 0)
        .last_client(|client| client.window = 3)
        .tuned(|tuning| tuning.queue_commands_max = 1)
}

/// A client that talks, and one that opens its session, at a leader whose queue has room for one.
fn crowded() -> Config {
    Config::new(3)
        .client("ann", 2, 0)
        .last_client(|client| client.window = 2)
        .client("bob", 0, 0)
        .last_client(|client| client.opens = true)
        .tuned(|tuning| {
            tuning.queue_commands_max = 1;
            tuning.snapshot_slots = 1;
        })
}

impl Config {
    /// With crashes of this client.
    fn client_crashes(mut self, client: usize) -> Config {
        self.clients[client].crashes = true;
        self
    }

    /// With this client asking replica 0, then replica 1.
    fn elsewhere(mut self, client: usize) -> Config {
        self.clients[client].asks = vec![0, 1];
        self
    }
}
