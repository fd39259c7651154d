//! How a replica is: what its console prints, operators are answered, and scrapers are shown.
//!
//! **Invariants**
//! - *Derived once*: what is of the driver by [`ReplicaHost::status`](crate::host::ReplicaHost::status), and what is of
//!   the process by [`Panel::status`](crate::panel::Panel::status).
//! - *In JSON a key may join and none changes its meaning*; one that is missing has its default, so that a replica of
//!   another version can be asked.
//!
//! **Absent**: where the driver leaves it ([`crate::vitals`]).

use actor_runtime::disk::meter::SyncTimes;
use actor_runtime::driver::Counters;
use actor_runtime::keys::Fingerprint;
use paxos_chat::state::{Phase, State};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

/// What a replica does about leadership.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Follows whoever leads.
    #[default]
    Follower,
    /// Asks whether an election would be supported.
    PreVoting,
    /// In phase 1 of its own ballot.
    Preparing,
    /// In phase 2 of its own ballot.
    Leading,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 4] = [Role::Follower, Role::PreVoting, Role::Preparing, Role::Leading];

    /// The role in this phase.
    pub fn of(phase: &Phase) -> Role {
        match phase {
            Phase::Follower => Role::Follower,
            Phase::PreVoting(_) => Role::PreVoting,
            Phase::Preparing(_) => Role::Preparing,
            Phase::Leading(_) => Role::Leading,
        }
    }
}

impl Display for Role {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::Follower => "follower",
            Role::PreVoting => "pre-voting",
            Role::Preparing => "preparing",
            Role::Leading => "leading",
        })
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(name: &str) -> Result<Role, String> {
        let role = Role::ALL.into_iter().find(|role| role.to_string() == name);
        role.ok_or_else(|| format!("{name:?} is no role"))
    }
}

/// How a replica is. Before its first turn, what is of its driver has its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Its id.
    pub replica: u8,
    /// The version of its program.
    pub version: String,
    /// What it does about leadership.
    pub role: Role,
    /// The highest ballot that it has promised.
    pub ballot: String,
    /// The round of that ballot: a higher one is a later leadership.
    pub round: u32,
    /// Whose ballot it is.
    pub leader: Option<u8>,
    /// It leads itself, or has heard within an election time-out that the leader makes progress.
    pub is_led: bool,
    /// It lacks entries that its leader has announced; or that others know to be decided, if it leads.
    pub is_behind: bool,
    /// Times that it took office.
    pub elections_won: u64,
    /// Times that somebody new led, as far as it has heard.
    pub leader_changes: u64,
    /// Requests of clients that it took in.
    pub requests: u64,
    /// Everything below is known to be decided.
    pub decided_upto: u64,
    /// Everything below is applied. What is contiguous is applied when it is decided, so both are one.
    pub applied_upto: u64,
    /// One above the highest slot known to be decided; there may be gaps below.
    pub decided_end: u64,
    /// Proposed and not decided; 0 unless it leads.
    pub in_flight: u64,
    /// Commands that wait for a slot; 0 unless it leads.
    pub queued: u64,
    /// Lines of the chat log.
    pub log_lines: u64,
    /// Hash of the chat log.
    pub log_hash: String,
    /// Chunks of the chat log that were read for others.
    pub log_reads: u64,
    /// Chunks that could not be: the log is damaged.
    pub read_errors: u64,
    /// Entries that were missing here and that others have sent.
    pub fetched: u64,
    /// Datagrams and messages.
    pub counters: Counters,
    /// The format in which each replica is written to, by its id: the oldest, until it is heard. Its own place means
    /// nothing.
    pub formats: Vec<u8>,
    /// The highest probability of loss that is injected now, of any direction or link.
    pub injected_loss: f64,
    /// It warms up: nothing is promised or decided with it before it has heard the others.
    pub waits: bool,
    /// May faults be injected over the network?
    pub faults_enabled: bool,
    /// Syncs of the disk.
    pub syncs: SyncTimes,
    /// Time since the process has started.
    #[serde(rename = "uptime_ms", with = "as_millis")]
    pub uptime: Duration,
    /// Time since the end of its last turn: long, if it hangs.
    #[serde(rename = "turn_age_ms", with = "as_millis")]
    pub turn_age: Duration,
    /// Its resident set, in bytes.
    pub rss_bytes: Option<u64>,
    /// Datagrams in the name of operators that were dropped.
    pub operator_dropped: u64,
    /// Fingerprints of the secrets that it opens under; it seals under the first.
    pub secrets: Vec<Fingerprint>,
}

impl Status {
    /// What a state shows; the rest is to be filled in.
    pub fn of(state: &State) -> Status {
        let (learner, promised) = (&state.learner, state.durable.promised);
        let highest = learner.decided.get_max().map(|(slot, _)| slot.next());
        let (in_flight, queued) = match &state.phase {
            Phase::Leading(leading) => (leading.in_flight.len(), leading.intake.queue.len()),
            _ => (0, 0),
        };
        Status {
            role: Role::of(&state.phase),
            ballot: promised.to_string(),
            round: promised.round,
            leader: (promised.round > 0).then_some(promised.replica.0),
            is_led: state.leading().is_some(),
            is_behind: match state.leading() {
                Some(leading) => learner.applied_upto < leading.base,
                None => state.catch_up.as_ref().is_some_and(|catch_up| catch_up.from.is_some()),
            },
            decided_upto: learner.applied_upto.0,
            applied_upto: learner.applied_upto.0,
            decided_end: highest.unwrap_or_default().max(learner.applied_upto).0,
            in_flight: in_flight as u64,
            queued: queued as u64,
            ..Status::default()
        }
    }

    /// Has its driver ended a turn? Before that it shows no log.
    pub fn has_taken_turns(&self) -> bool {
        !self.log_hash.is_empty()
    }

    /// Is it in phase 2 of its ballot?
    pub fn leads(&self) -> bool {
        self.role == Role::Leading
    }
}

/// The line that a console prints.
impl Display for Status {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Status { replica, role, ballot, round, applied_upto, .. } = self;
        let Status { log_lines, log_hash, log_reads, read_errors, .. } = self;
        let leader = self.leader.map_or("none".to_owned(), |leader| format!("r{leader}"));
        let Counters { received, sent, malformed, forged, replayed, refused, unsent } =
            self.counters;
        write!(
            f,
            "status replica={replica} role={role} ballot={ballot} round={round} leader={leader} \
             applied_upto={applied_upto} log_lines={log_lines} log_hash={log_hash} \
             log_reads={log_reads} read_errors={read_errors} received={received} sent={sent} \
             malformed={malformed} forged={forged} replayed={replayed} refused={refused} unsent={unsent}"
        )
    }
}

/// Reads the line of a console. What is not on it has its default.
impl FromStr for Status {
    type Err = String;
    fn from_str(line: &str) -> Result<Self, String> {
        let fields = line.strip_prefix("status ").ok_or("not a status line")?;
        let fields: BTreeMap<&str, &str> =
            fields.split(' ').filter_map(|field| field.split_once('=')).collect();
        let text = |key: &str| {
            fields.get(key).map(|v| (*v).to_owned()).ok_or(format!("the status lacks {key}"))
        };
        let number =
            |key: &str| text(key)?.parse::<u64>().map_err(|_| format!("{key} is not a number"));
        Ok(Status {
            replica: number("replica")?.try_into().map_err(|_| "no replica has such an id")?,
            role: text("role")?.parse()?,
            ballot: text("ballot")?,
            round: number("round")?.try_into().map_err(|_| "round is too high")?,
            leader: text("leader")?.strip_prefix('r').and_then(|id| id.parse().ok()),
            applied_upto: number("applied_upto")?,
            log_lines: number("log_lines")?,
            log_hash: text("log_hash")?,
            log_reads: number("log_reads")?,
            read_errors: number("read_errors")?,
            counters: Counters {
                received: number("received")?,
                sent: number("sent")?,
                malformed: number("malformed")?,
                forged: number("forged")?,
                replayed: number("replayed")?,
                refused: number("refused")?,
                unsent: number("unsent")?,
            },
            ..Status::default()
        })
    }
}

/// Durations as they are told: in whole milliseconds.
mod as_millis {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(time: &Duration, out: S) -> Result<S::Ok, S::Error> {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX).serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_another_version_is_read() {
        let text = r#"{"replica": 2, "role": "leading", "applied_upto": 9, "to_come": [1]}"#;
        let status: Status = serde_json::from_str(text).unwrap();
        assert_eq!((status.replica, status.applied_upto, status.leads()), (2, 9, true));
        let whole = serde_json::to_string(&status).unwrap();
        assert!(whole.contains(r#""uptime_ms":0,"turn_age_ms":0,"#), "{whole}");
        assert_eq!(serde_json::from_str::<Status>(&whole).unwrap(), status);
    }

    #[test]
    fn a_status_line_reads_back() {
        let status = Status {
            replica: 2,
            role: Role::Leading,
            ballot: "b4.r2".into(),
            round: 4,
            leader: Some(2),
            applied_upto: 9,
            log_lines: 10,
            log_hash: "ab".into(),
            log_reads: 6,
            read_errors: 1,
            counters: Counters {
                received: 1,
                sent: 2,
                malformed: 3,
                forged: 4,
                replayed: 5,
                refused: 6,
                unsent: 7,
            },
            ..Status::default()
        };
        assert_eq!(status.to_string().parse(), Ok(status));
        assert!("status replica=2".parse::<Status>().is_err());
    }
}
