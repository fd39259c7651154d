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

/// A column of the table.
struct Column {
    head: &'static str,
    width: usize,
    is_right: bool,
    /// Columns of a higher rank are left out first where there is no width for all.
    rank: u8,
    cell: fn(&Row<'_>) -> String,
}

/// A replica that answers.
struct Row<'a> {
    id: usize,
    status: &'a Status,
    lag: u64,
    /// Slots applied in a second, if they are known.
    rate: Option<f64>,
}

const fn left(head: &'static str, width: usize, rank: u8, cell: Cell) -> Column {
    Column { head, width, is_right: false, rank, cell }
}

const fn right(head: &'static str, width: usize, rank: u8, cell: Cell) -> Column {
    Column { head, width, is_right: true, rank, cell }
}

type Cell = fn(&Row<'_>) -> String;

/// The column of rates, which is there only where they are known.
const RATE: &str = "rate/s";

/// All columns. Those of the ranks 0 and 1 take 80 characters.
const COLUMNS: &[Column] = &[
    right("id", 3, 0, |row| row.id.to_string()),
    left("role", 10, 0, |row| row.status.role.to_string()),
    left("ballot", 8, 0, |row| row.status.ballot.clone()),
    left("leader", 6, 0, leader),
    right("applied", 9, 0, |row| row.status.applied_upto.to_string()),
    right("decided", 9, 3, |row| row.status.decided_end.to_string()),
    right("lag", 6, 0, |row| row.lag.to_string()),
    left("log hash", 8, 0, |row| row.status.log_hash.get(..8).unwrap_or("-").into()),
    right(RATE, 6, 0, |row| row.rate.map_or("-".into(), |rate| format!("{rate:.0}"))),
    right("dropped", 7, 2, dropped),
    left("sync p50/p99/last ms", 22, 2, |row| syncs(row.status)),
    right("up", 7, 0, |row| uptime(row.status.uptime.as_secs())),
    right("MiB", 7, 1, mib),
];

/// The replica that it follows; nobody whom it does not hear.
fn leader(row: &Row<'_>) -> String {
    let leader = row.status.leader.filter(|_| row.status.is_led);
    leader.map_or("-".to_owned(), |leader| format!("r{leader}"))
}

fn dropped(row: &Row<'_>) -> String {
    let counters = &row.status.counters;
    (counters.malformed + counters.forged + counters.replayed + counters.refused).to_string()
}

fn mib(row: &Row<'_>) -> String {
    row.status.rss_bytes.map_or("-".into(), |bytes| format!("{:.1}", bytes as f64 / 1_048_576.0))
}

/// The table's head, and what it says of each replica.
pub struct Table {
    /// The names of the columns.
    pub head: String,
    /// By replica: one line, or more where they would be too long.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The table for a terminal of this width; with a column of `rates`, slots applied in a second, where they are
    /// known.
    pub fn new(statuses: &[Option<Status>], rates: Option<&[Option<f64>]>, width: usize) -> Table {
        let is_shown = |rank: u8| {
            move |column: &&Column| column.rank <= rank && (rates.is_some() || column.head != RATE)
        };
        let needs = |rank: u8| {
            COLUMNS.iter().filter(is_shown(rank)).map(|column| column.width + 2).sum::<usize>() - 2
        };
        let rank = (0..=3).rev().find(|rank| needs(*rank) <= width).unwrap_or(0);
        let shown: Vec<&Column> = COLUMNS.iter().filter(is_shown(rank)).collect();
        let rows = statuses.iter().enumerate().zip(lags(statuses)).map(|((id, status), lag)| {
            let Some(status) = status else {
                return vec![format!("{id:>3}  does not answer")];
            };
            let (lag, rate) = (lag.unwrap_or_default(), rates.and_then(|rates| *rates.get(id)?));
            let row = Row { id, status, lag, rate };
            let line = line(shown.iter().map(|column| (*column, (column.cell)(&row))));
            let notes = notes(status);
            match line.chars().count() + 2 + notes.len() <= width {
                _ if notes.is_empty() => vec![line],
                true => vec![format!("{line}  {notes}")],
                false => vec![line, format!("     {notes}")],
            }
        });
        let rows = rows.collect();
        Table { head: line(shown.iter().map(|column| (*column, column.head.into()))), rows }
    }
}

fn line<'a>(cells: impl Iterator<Item = (&'a Column, String)>) -> String {
    let cells =
        cells.map(
            |(Column { width, is_right, .. }, text)| {
                if *is_right { format!("{text:>width$}") } else { format!("{text:<width$}") }
            },
        );
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// What is out of the ordinary about a replica.
fn notes(status: &Status) -> String {
    let mut notes = Vec::new();
    if let Some(running) = status.syncs.running_us.filter(|running| *running >= 100_000) {
        notes.push(format!("syncs for {:.1} s", running as f64 / 1e6));
    }
    if status.injected_loss > 0.0 {
        notes.push(format!("loses {}", status.injected_loss));
    }
    if status.waits {
        notes.push("waits for others".into());
    }
    notes.join("  ")
}

/// How a replica's lines look where there is colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tint {
    /// It leads.
    Leads,
    /// It does not answer.
    Silent,
    /// Nothing special.
    Plain,
}

impl Tint {
    /// The tint of this replica.
    pub fn of(status: Option<&Status>) -> Tint {
        match status {
            None => Tint::Silent,
            Some(status) if status.leads() => Tint::Leads,
            Some(_) => Tint::Plain,
        }
    }
}

/// The whole table for this width, each line with the colour that `paint` gives it; and lines about secrets and logs
/// that differ where they must not.
pub fn table(
    statuses: &[Option<Status>],
    width: usize,
    paint: impl Fn(Tint, &str) -> String,
) -> String {
    let Table { head, rows } = Table::new(statuses, None, width);
    let mut text = format!("{head}\n");
    for (lines, status) in rows.iter().zip(statuses) {
        for line in lines {
            let _ = writeln!(text, "{}", paint(Tint::of(status.as_ref()), line));
        }
    }
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
    use std::time::Duration;

    fn status(replica: u8, role: Role, applied_upto: u64) -> Option<Status> {
        let log_hash = "0123456789abcdef".into();
        Some(Status { replica, role, applied_upto, log_hash, round: 1, ..Status::default() })
    }

    fn table(statuses: &[Option<Status>]) -> String {
        super::table(statuses, usize::MAX, |_, line| line.to_owned())
    }

    #[test]
    fn the_table_fits_its_terminal_and_leaves_out_what_is_asked_for_least() {
        let mut busy = status(0, Role::PreVoting, 123_456_789);
        let status = busy.as_mut().unwrap();
        (status.ballot, status.waits, status.injected_loss) = ("b123.r62".into(), true, 0.25);
        (status.uptime, status.rss_bytes) = (Duration::from_secs(90_000), Some(12_345 << 20));
        for (width, without) in [(80, "decided"), (79, "MiB"), (112, "sync"), (120, "decided")] {
            let text = super::table(&[busy.clone(), None], width, |_, line| line.to_owned());
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width), "{width}: {text}");
            let head = text.lines().next().unwrap();
            assert!(!head.contains(without) && !head.contains(RATE), "{head}");
            assert!(text.contains("loses 0.25  waits for others"), "{text}");
        }
        let rates = Table::new(&[busy, None], Some(&[Some(7.0)]), 80);
        assert!(rates.head.contains(RATE) && rates.head.chars().count() <= 80, "{}", rates.head);
        assert_eq!(rates.rows[0].len(), 2, "{:?}", rates.rows);
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
