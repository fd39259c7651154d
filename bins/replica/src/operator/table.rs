//! A cluster at a glance: the table of `cluster status` and `cluster watch`, its JSON, and whether it
//! is well.

use super::handover::leader_of;
use super::report::Report;
use super::rotate::what;
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
    /// How a cluster with these reports is.
    pub fn of(reports: &[Option<Report>]) -> Health {
        let answers = reports.iter().flatten().filter(|report| !report.waits).count();
        let cluster = Cluster::new(reports.len().try_into().unwrap_or(REPLICAS_MAX));
        if leader_of(reports).is_none() || answers < cluster.majority() as usize {
            Health::Down
        } else if answers < reports.len() {
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
fn lags(reports: &[Option<Report>]) -> impl Iterator<Item = Option<u64>> {
    let most = reports.iter().flatten().map(|report| report.applied_upto).max().unwrap_or_default();
    reports.iter().map(move |report| report.as_ref().map(|report| most - report.applied_upto))
}

/// The columns, and how wide they are at least.
pub const HEADER: &str = " id  role        ballot    leader    applied    decided     lag  log hash  \
    rate/s  dropped  sync p50/p99/last ms     up       MiB";

/// A line for each replica; `rates` are slots applied in a second, where they are known.
pub fn rows(reports: &[Option<Report>], rates: &[Option<f64>]) -> Vec<String> {
    let mut rows = Vec::new();
    for ((id, report), lag) in reports.iter().enumerate().zip(lags(reports)) {
        let Some(report) = report else {
            rows.push(format!("{id:>3}  does not answer"));
            continue;
        };
        let leader = report.leader.map_or("-".to_owned(), |leader| format!("r{leader}"));
        let counters = &report.counters;
        let dropped = counters.malformed + counters.forged + counters.replayed + counters.refused;
        let rate = rates.get(id).copied().flatten().map_or("-".into(), |rate| format!("{rate:.0}"));
        let mut row = format!(
            "{id:>3}  {role:<10}  {ballot:<8}  {leader:<6}  {applied:>9}  {decided:>9}  {lag:>6}  \
             {hash:<8}  {rate:>6}  {dropped:>7}  {syncs:<22}  {up:>7}  {mib:>7}",
            role = report.role,
            ballot = report.ballot,
            applied = report.applied_upto,
            decided = report.decided_end,
            lag = lag.unwrap_or_default(),
            hash = report.log_hash.get(..8).unwrap_or("-"),
            syncs = syncs(report),
            up = uptime(report.uptime_ms / 1000),
            mib = report.rss_bytes.map_or("-".into(), |b| format!("{:.1}", b as f64 / 1048576.0)),
        );
        if let Some(running) = report.syncs.running_us.filter(|running| *running >= 100_000) {
            let _ = write!(row, "  syncs for {:.1} s", running as f64 / 1e6);
        }
        if report.injected_loss > 0.0 {
            let _ = write!(row, "  loses {}", report.injected_loss);
        }
        if report.waits {
            row.push_str("  waits for others");
        }
        rows.push(row);
    }
    rows
}

/// The whole table, and a line about logs that differ where they must not.
pub fn table(reports: &[Option<Report>]) -> String {
    let mut text = format!("{HEADER}\n{}\n", rows(reports, &[]).join("\n"));
    for line in secrets(reports) {
        let _ = writeln!(text, "{line}");
    }
    if let Some((a, b)) = disagreement(reports) {
        let _ = writeln!(text, "replicas {a} and {b} have applied as much and have different logs");
    }
    text
}

/// The table as one object.
pub fn json(reports: &[Option<Report>]) -> Value {
    let replicas = reports.iter().enumerate().zip(lags(reports)).map(|((id, report), lag)| {
        let mut value = json!({"replica": id, "reachable": report.is_some()});
        if let Some(report) = report
            && let (Value::Object(all), Ok(Value::Object(report))) =
                (&mut value, serde_json::to_value(report))
        {
            all.extend(report);
            all.insert("lag".into(), lag.into());
        }
        value
    });
    json!({
        "health": Health::of(reports).key(),
        "leader": leader_of(reports).map(|leader| leader.replica),
        "logs_agree": disagreement(reports).is_none(),
        "replicas": replicas.collect::<Vec<_>>(),
    })
}

/// Under which secrets each replica seals and opens, while one replaces another, or they differ.
fn secrets(reports: &[Option<Report>]) -> Vec<String> {
    let mut all = reports.iter().flatten().filter(|report| !report.secrets.is_empty()).peekable();
    let first = all.peek().map(|report| report.secrets.clone()).unwrap_or_default();
    let all: Vec<_> = all.collect();
    if first.len() < 2 && all.iter().all(|report| report.secrets == first) {
        return Vec::new();
    }
    all.iter()
        .map(|report| format!("replica {} {}", report.replica, what(&report.secrets)))
        .collect()
}

/// Two replicas that have applied the same slots and have different logs: that is a bug, or damage.
fn disagreement(reports: &[Option<Report>]) -> Option<(u8, u8)> {
    // Before its first turn, a replica shows no log.
    let shows = |report: &&Report| !report.log_hash.is_empty();
    let all: Vec<&Report> = reports.iter().flatten().filter(shows).collect();
    let pairs =
        all.iter().enumerate().flat_map(|(at, a)| all[at + 1..].iter().map(move |b| (a, b)));
    pairs
        .filter(|(a, b)| a.applied_upto == b.applied_upto && a.log_lines == b.log_lines)
        .find(|(a, b)| a.log_hash != b.log_hash)
        .map(|(a, b)| (a.replica, b.replica))
}

fn syncs(report: &Report) -> String {
    let syncs = &report.syncs;
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
    use crate::vitals::Role;

    fn report(replica: u8, role: Role, applied_upto: u64) -> Option<Report> {
        let log_hash = "0123456789abcdef".into();
        Some(Report { replica, role, applied_upto, log_hash, round: 1, ..Report::default() })
    }

    #[test]
    fn health_says_whether_the_cluster_serves() {
        let (leads, follows) = (report(0, Role::Leading, 5), report(1, Role::Follower, 4));
        let of = |reports: &[Option<Report>]| Health::of(reports).exit_code();
        assert_eq!(of(&[leads.clone(), follows.clone(), report(2, Role::Follower, 5)]), 0);
        assert_eq!(of(&[leads.clone(), follows.clone(), None]), 1);
        let mut waits = report(2, Role::Follower, 0);
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
        let reports = [report(0, Role::Leading, 12), report(1, Role::Follower, 5), None];
        let text = table(&reports);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[1].contains("leading") && lines[1].contains("01234567"));
        assert!(lines[2].contains("follower") && lines[2].contains("     7  "), "{text}");
        assert!(lines[3].contains("does not answer"));
        let json = json(&reports);
        assert_eq!((&json["leader"], &json["health"]), (&0.into(), &"serves".into()));
        assert_eq!(json["replicas"][1]["lag"], 7);
        assert_eq!(json["replicas"][2]["reachable"], false);
    }

    #[test]
    fn logs_that_differ_where_they_must_not_are_named() {
        let mut other = report(1, Role::Follower, 5);
        other.as_mut().unwrap().log_hash = "ffffffff".into();
        let reports = [report(0, Role::Leading, 5), other];
        assert!(table(&reports).contains("replicas 0 and 1 have applied as much"));
        assert_eq!(json(&reports)["logs_agree"], false);
        let no_turn_yet = Some(Report { replica: 1, ..Report::default() });
        assert_eq!(json(&[report(0, Role::Leading, 0), no_turn_yet])["logs_agree"], true);
    }

    #[test]
    fn times_are_short() {
        let shown: Vec<_> = [59, 61, 3661, 90_000].map(uptime).into();
        assert_eq!(shown, ["59s", "1m01s", "1h01m", "1d01h"]);
    }
}
