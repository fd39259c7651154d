//! A cluster at a glance: the table of `cluster status` and `cluster watch`, its JSON, and whether it
//! is well.

use super::handover::leader_of;
use super::rotate::what;
use crate::status::Status;
use paxos_chat::quorum::{Cluster, REPLICAS_MAX};
use serde_json::{Value, json};
use std::fmt::Write;

/// How a cluster is, as far as one can see from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// All replicas answer, none of them warms up, and one leads.
    Well,
    /// A majority answers and does not warm up, and one of it leads, so the cluster serves.
    Serves,
    /// Nobody who answers leads, or no majority answers.
    Down,
}

impl Health {
    /// How a cluster with these statuses is.
    pub fn of(statuses: &[Option<Status>]) -> Health {
        let answers = statuses.iter().flatten().filter(|status| !status.waits).count();
        let cluster = Cluster::new(statuses.len().try_into().unwrap_or(REPLICAS_MAX));
        if leader_of(statuses).is_none() || answers < cluster.majority() as usize {
            Health::Down
        } else if answers < statuses.len() {
            Health::Serves
        } else {
            Health::Well
        }
    }

    /// The exit status of `cluster status`.
    pub fn exit_code(self) -> u8 {
        match self {
            Health::Well => 0,
            Health::Serves => 1,
            Health::Down => 3,
        }
    }

    fn key(self) -> &'static str {
        match self {
            Health::Well => "well",
            Health::Serves => "serves",
            Health::Down => "down",
        }
    }
}

/// How many slots each replica is behind the one that has applied most.
fn lags(statuses: &[Option<Status>]) -> impl Iterator<Item = Option<u64>> {
    let most =
        statuses.iter().flatten().map(|status| status.applied_upto).max().unwrap_or_default();
    statuses.iter().map(move |status| status.as_ref().map(|status| most - status.applied_upto))
}

/// The columns, and how wide they are at least.
pub const HEADER: &str = " id  role        ballot    leader    applied    decided     lag  log hash  \
    rate/s  dropped  sync p50/p99/last ms     up       MiB";

/// A line for each replica; `rates` are slots applied in a second, where they are known.
pub fn rows(statuses: &[Option<Status>], rates: &[Option<f64>]) -> Vec<String> {
    let mut rows = Vec::new();
    for ((id, status), lag) in statuses.iter().enumerate().zip(lags(statuses)) {
        let Some(status) = status else {
            rows.push(format!("{id:>3}  does not answer"));
            continue;
        };
        // Nobody whom it does not hear.
        let leader = status.leader.filter(|_| status.is_led);
        let leader = leader.map_or("-".to_owned(), |leader| format!("r{leader}"));
        let counters = &status.counters;
        let dropped = counters.malformed + counters.forged + counters.replayed + counters.refused;
        let rate = rates.get(id).copied().flatten().map_or("-".into(), |rate| format!("{rate:.0}"));
        let mut row = format!(
            "{id:>3}  {role:<10}  {ballot:<8}  {leader:<6}  {applied:>9}  {decided:>9}  {lag:>6}  \
             {hash:<8}  {rate:>6}  {dropped:>7}  {syncs:<22}  {up:>7}  {mib:>7}",
            role = status.role,
            ballot = status.ballot,
            applied = status.applied_upto,
            decided = status.decided_end,
            lag = lag.unwrap_or_default(),
            hash = status.log_hash.get(..8).unwrap_or("-"),
            syncs = syncs(status),
            up = uptime(status.uptime.as_secs()),
            mib = status.rss_bytes.map_or("-".into(), |b| format!("{:.1}", b as f64 / 1048576.0)),
        );
        if let Some(running) = status.syncs.running_us.filter(|running| *running >= 100_000) {
            let _ = write!(row, "  syncs for {:.1} s", running as f64 / 1e6);
        }
        if status.injected_loss > 0.0 {
            let _ = write!(row, "  loses {}", status.injected_loss);
        }
        if status.waits {
            row.push_str("  waits for others");
        }
        rows.push(row);
    }
    rows
}

/// The whole table, and a line about logs that differ where they must not.
pub fn table(statuses: &[Option<Status>]) -> String {
    let mut text = format!("{HEADER}\n{}\n", rows(statuses, &[]).join("\n"));
    for line in secrets(statuses) {
        let _ = writeln!(text, "{line}");
    }
    if let Some((a, b)) = disagreement(statuses) {
        let _ = writeln!(
            text,
            "replicas {a} and {b} have applied the same slots, but their logs differ"
        );
    }
    text
}

/// The table as one object.
pub fn json(statuses: &[Option<Status>]) -> Value {
    let replicas = statuses.iter().enumerate().zip(lags(statuses)).map(|((id, status), lag)| {
        let mut value = json!({"replica": id, "reachable": status.is_some()});
        if let Some(status) = status
            && let (Value::Object(all), Ok(Value::Object(status))) =
                (&mut value, serde_json::to_value(status))
        {
            all.extend(status);
            all.insert("lag".into(), lag.into());
        }
        value
    });
    json!({
        "health": Health::of(statuses).key(),
        "leader": leader_of(statuses).map(|leader| leader.replica),
        "logs_agree": disagreement(statuses).is_none(),
        "replicas": replicas.collect::<Vec<_>>(),
    })
}

/// Under which secrets each replica seals and opens, while one replaces another, or they differ.
fn secrets(statuses: &[Option<Status>]) -> Vec<String> {
    let mut all = statuses.iter().flatten().filter(|status| !status.secrets.is_empty()).peekable();
    let first = all.peek().map(|status| status.secrets.clone()).unwrap_or_default();
    let all: Vec<_> = all.collect();
    if first.len() < 2 && all.iter().all(|status| status.secrets == first) {
        return Vec::new();
    }
    all.iter()
        .map(|status| format!("replica {} {}", status.replica, what(&status.secrets)))
        .collect()
}

/// Two replicas that have applied the same slots and have different logs: that is a bug, or damage.
fn disagreement(statuses: &[Option<Status>]) -> Option<(u8, u8)> {
    let all: Vec<&Status> =
        statuses.iter().flatten().filter(|status| status.has_taken_turns()).collect();
    let pairs =
        all.iter().enumerate().flat_map(|(at, a)| all[at + 1..].iter().map(move |b| (a, b)));
    pairs
        .filter(|(a, b)| a.applied_upto == b.applied_upto && a.log_lines == b.log_lines)
        .find(|(a, b)| a.log_hash != b.log_hash)
        .map(|(a, b)| (a.replica, b.replica))
}

fn syncs(status: &Status) -> String {
    let syncs = &status.syncs;
    let Some(last) = syncs.last_us else { return "-".into() };
    let millis = |us: u64| us as f64 / 1000.0;
    format!("{:.2}/{:.2}/{:.2}", millis(syncs.p50_us), millis(syncs.p99_us), millis(last))
}

fn uptime(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Role;

    fn status(replica: u8, role: Role, applied_upto: u64) -> Option<Status> {
        let log_hash = "0123456789abcdef".into();
        Some(Status { replica, role, applied_upto, log_hash, round: 1, ..Status::default() })
    }

    #[test]
    fn health_says_whether_the_cluster_serves() {
        let (leads, follows) = (status(0, Role::Leading, 5), status(1, Role::Follower, 4));
        let of = |statuses: &[Option<Status>]| Health::of(statuses).exit_code();
        assert_eq!(of(&[leads.clone(), follows.clone(), status(2, Role::Follower, 5)]), 0);
        assert_eq!(of(&[leads.clone(), follows.clone(), None]), 1);
        let mut waits = status(2, Role::Follower, 0);
        waits.as_mut().unwrap().waits = true;
        assert_eq!(of(&[leads.clone(), follows.clone(), waits.clone()]), 1, "one warms up");
        assert_eq!(of(&[leads.clone(), None, waits.clone()]), 3, "one of three serves");
        assert!(table(&[leads.clone(), waits]).contains("waits for others"));
        assert_eq!(of(&[leads, None, None]), 3, "no majority answers");
        assert_eq!(of(&[follows.clone(), follows, None]), 3, "nobody leads");
        assert_eq!(of(&[None, None, None]), 3);
    }

    #[test]
    fn the_table_shows_lag_and_who_does_not_answer() {
        let statuses = [status(0, Role::Leading, 12), status(1, Role::Follower, 5), None];
        let text = table(&statuses);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[1].contains("leading") && lines[1].contains("01234567"));
        assert!(lines[2].contains("follower") && lines[2].contains("     7  "), "{text}");
        assert!(lines[3].contains("does not answer"));
        let follows = |is_led| Some(Status { leader: Some(7), is_led, ..Status::default() });
        assert!(
            table(&[follows(true)]).contains("  r7  ") && !table(&[follows(false)]).contains("r7")
        );
        let json = json(&statuses);
        assert_eq!((&json["leader"], &json["health"]), (&0.into(), &"serves".into()));
        assert_eq!(json["replicas"][1]["lag"], 7);
        assert_eq!(json["replicas"][2]["reachable"], false);
    }

    #[test]
    fn logs_that_differ_where_they_must_not_are_named() {
        let mut other = status(1, Role::Follower, 5);
        other.as_mut().unwrap().log_hash = "ffffffff".into();
        let statuses = [status(0, Role::Leading, 5), other];
        assert!(table(&statuses).contains("replicas 0 and 1 have applied the same slots"));
        assert_eq!(json(&statuses)["logs_agree"], false);
        let no_turn_yet = Some(Status { replica: 1, ..Status::default() });
        assert_eq!(json(&[status(0, Role::Leading, 0), no_turn_yet])["logs_agree"], true);
    }

    #[test]
    fn times_are_short() {
        let shown: Vec<_> = [59, 61, 3661, 90_000].map(uptime).into();
        assert_eq!(shown, ["59s", "1m01s", "1h01m", "1d01h"]);
    }
}
