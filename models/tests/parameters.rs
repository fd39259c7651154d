//! Every parameter bites: with another value the catalog's actors go elsewhere, or the deployed ones do not
//! bear a hardship. A parameter that is added does not compile here until it says where.

use actor_checker::compact::Reductions;
use actor_checker::engine::Options;
use paxos_chat::client::ClientTuning;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::Slot;
use paxos_chat_models::catalog::find;
use paxos_chat_models::config::Config;
use paxos_chat_models::deployed::Deployed;
use paxos_chat_models::hardships::hardships;
use paxos_chat_models::properties::Milestone;
use paxos_chat_models::run::{Engine, run};
use std::time::Duration;

/// Where a parameter bites.
enum Bites {
    /// In these bounds: with this change other states are reached.
    States(Config, fn(&mut Tuning)),
    /// In these bounds: with this change this event is not reached.
    Event(Config, fn(&mut Tuning), Milestone),
    /// Under this hardship, which deployed actors with this change do not bear.
    Hardship(&'static str, fn(&mut Deployed)),
}

use Bites::{Event, Hardship, States};

/// Each field of these parameters once, with where it bites.
macro_rules! parameters {
    ($tuning:ident { $($field:ident: $bites:expr,)* }) => {{
        // A field that is missing here does not compile.
        let $tuning { $($field: _),* } = $tuning::default();
        vec![$((stringify!($field), $bites)),*]
    }};
}

fn entry(name: &str) -> Config {
    find(name).expect("an entry of the catalog").config
}

/// Three messages that are said at once to one leader.
fn burst() -> Config {
    Config::new(3)
        .client("ann", 3, 0)
        .last_client(|client| client.window = 3)
        .ballots(&[(1, 0)])
        .crashes(&[], 0, false)
}

/// How many states there are within these bounds, and whether the event is reached.
fn explored(config: &Config, asked: &[Milestone], max_states: Option<u64>) -> (u64, bool) {
    let options = Options { max_states, ..Options::default() };
    let outcome = run(config, asked, Engine::Compact, Reductions::ALL, &options);
    (outcome.report.unique_states, outcome.holds())
}

fn all_bite(parameters: Vec<(&str, Bites)>) {
    for (name, bites) in parameters {
        match bites {
            States(config, change) => {
                let changed = config.clone().tuned(change);
                // Above the limit is another number, too.
                let states = |config: &Config| explored(config, &[], Some(400_000));
                let ((before, whole), (after, _)) = (states(&config), states(&changed));
                assert!(whole, "{name}: the bounds are too wide");
                assert_ne!(before, after, "{name} does not bite");
            }
            Event(config, change, event) => {
                let changed = config.clone().tuned(change);
                assert!(explored(&config, &[event], None).1, "{name}: {event:?}");
                assert!(!explored(&changed, &[event], None).1, "{name} does not bite");
            }
            Hardship(hardship, change) => {
                let mut deployed = Deployed::default();
                change(&mut deployed);
                let known = hardships().into_iter().find(|known| known.name == hardship);
                let result = known.expect(hardship).run(&deployed);
                assert!(result.is_err(), "{name} does not bite: {hardship} is borne");
            }
        }
    }
}

#[test]
fn parameters_of_replicas_bite() {
    all_bite(parameters!(Tuning {
        window_slots: States(burst(), |t| t.window_slots = 2),
        eager_slots: States(
            burst().tuned(|t| {
                t.window_slots = 2;
                t.batch_commands_max = 2;
            }),
            |t| t.eager_slots = 1
        ),
        queue_commands_max: States(burst(), |t| t.queue_commands_max = 1),
        queue_bytes_max: States(burst(), |t| t.queue_bytes_max = 1),
        held_commands_max: States(burst(), |t| t.held_commands_max = 1),
        reads_max: Event(
            entry("current-reads-shared"),
            |t| t.reads_max = 1,
            Milestone::ReadsShareRound
        ),
        batch_commands_max: States(burst(), |t| t.batch_commands_max = 2),
        batch_bytes_max: States(burst().tuned(|t| t.batch_commands_max = 2), |t| t
            .batch_bytes_max =
            1),
        chunk_entries_max: States(burst(), |t| t.chunk_entries_max = 1),
        chunk_bytes_max: States(burst(), |t| t.chunk_bytes_max = 1),
        sessions_max: States(entry("eviction"), |t| t.sessions_max = 2),
        snapshot_slots: States(entry("compaction"), |t| t.snapshot_slots = 0),
        recent_slots: Event(
            entry("compaction"),
            |t| t.recent_slots = 8,
            Milestone::AnsweredFromLog
        ),
        votes_ahead_max: Event(
            entry("votes-ahead"),
            |t| t.votes_ahead_max = 1024,
            Milestone::AcceptTooFarAhead
        ),
        stuck_slots_max: States(entry("stuck-queue"), |t| t.stuck_slots_max = 64),
        flight_bytes_max: Hardship("crowd", |d| d.tuning.flight_bytes_max = usize::MAX),
        relay: States(entry("relay-skip"), |t| t.relay = false),
        doublings_max: Hardship("slow-disks", |d| d.tuning.doublings_max = 0),
        resend_ticks_max: Hardship("narrow-link", |d| d.tuning.resend_ticks_max = 1),
        calm_slots: Hardship("slow-disks", |d| d.tuning.calm_slots = 1),
        pre_vote: States(burst().ballots(&[(1, 0), (1, 1)]), |t| t.pre_vote = true),
        skip_slots: States(burst(), |t| t.skip_slots = [Slot(1)].into()),
        election_timeout: Hardship("long-round-trips", |d| {
            d.tuning.election_timeout = Duration::from_millis(20);
        }),
        heartbeat_interval: Hardship("idle", |d| d.tuning.heartbeat_interval =
            Duration::from_secs(20)),
        resend_interval: Hardship("lossy-link", |d| {
            d.tuning.resend_interval = Duration::from_secs(20);
        }),
    }));
}

#[test]
fn parameters_of_clients_bite() {
    all_bite(parameters!(ClientTuning {
        window: Hardship("narrow-link", |d| d.client_tuning.window = 1),
        retry_interval: Hardship("lost-acknowledgement", |d| {
            d.client_tuning.retry_interval = Duration::from_secs(2);
        }),
        backoff_doublings_max: Hardship("narrow-link", |d| {
            d.client_tuning.backoff_doublings_max = 0;
        }),
        late_doublings: Hardship("crowd", |d| d.client_tuning.late_doublings = 0),
        calm_answers: Hardship("calm", |d| d.client_tuning.calm_answers = 1),
        doublings_kept: Hardship("four-die-in-a-row", |d| d.client_tuning.doublings_kept = 4),
        retry_bytes_max: Hardship("narrow-link", |d| d.client_tuning.retry_bytes_max = usize::MAX),
        ask_at_once: Hardship("half-die", |d| d.client_tuning.ask_at_once = 1),
        redirect_delay: Hardship("lost-acknowledgement", |d| {
            d.client_tuning.redirect_delay = Duration::from_secs(10);
        }),
        commit_time: Hardship("refused", |d| {
            d.client_tuning.commit_time = Duration::from_micros(100);
        }),
    }));
}
