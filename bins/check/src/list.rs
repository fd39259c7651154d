//! The `check list` command: the catalog, with its bounds in words.

use super::plot::thousands;
use paxos_chat::message::Message;
use paxos_chat::tuning::Tuning;
use paxos_chat_models::catalog::{Entry, Grade};
use paxos_chat_models::config::Config;
use paxos_chat_shell::say;
use serde_json::json;
use std::fmt::Write;

/// Bounds are folded at so many columns.
const WIDTH: usize = 72;
/// How far the purpose and the bounds are indented.
const INDENT: usize = 38;

/// Prints the catalog.
pub(super) fn list(entries: &[Entry], as_json: bool) {
    let usual = parameters(&Config::new(3));
    if !as_json {
        say!("{:18} {:5} {:>11}  purpose, and bounds", "entry", "grade", "states");
    }
    for entry in entries {
        if as_json {
            say!("{}", as_object(entry));
            continue;
        }
        let states = entry.unique_states.map_or("unknown".into(), thousands);
        say!("{:18} {:5} {states:>11}  {}", entry.name, grade(entry), entry.purpose);
        let parameters = parameters(&entry.config);
        let bounds = match parameters == usual {
            true => system(&entry.config),
            false => format!("{}; {parameters}", system(&entry.config)),
        };
        for line in fold(&bounds, WIDTH) {
            say!("{:INDENT$}{line}", "");
        }
    }
    if !as_json {
        say!("\nParameters, where nothing else is said: {usual}.");
        say!(
            "Clients ask one replica at a time, and their times do not double: `check hardships` and \
             `check links` run\nthem, and replicas, as they are deployed."
        );
        say!("States are unique ones, with every reduction, as a completed run has counted them.");
    }
}

fn grade(entry: &Entry) -> &'static str {
    match entry.grade {
        Grade::Quick => "quick",
        Grade::Full => "full",
    }
}

fn as_object(entry: &Entry) -> serde_json::Value {
    let reaches: Vec<_> = entry.reaches.iter().map(|milestone| milestone.text()).collect();
    json!({
        "name": entry.name, "grade": grade(entry), "purpose": entry.purpose,
        "bounds": bounds(&entry.config), "reaches": reaches,
        "unique_states": entry.unique_states,
    })
}

/// Breaks a text at spaces into lines of at most this many characters.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("one at least");
        if last.is_empty() {
            last.push_str(word);
        } else if last.len() + 1 + word.len() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_string());
        }
    }
    lines
}

/// The bounds of a configuration in words.
pub(super) fn bounds(config: &Config) -> String {
    format!("{}; {}", system(config), parameters(config))
}

/// Who takes part, and what may happen to them.
fn system(config: &Config) -> String {
    let mut text = format!("{} replicas; ", config.replicas);
    let clients: Vec<String> = config
        .clients
        .iter()
        .map(|plan| {
            let asks: Vec<String> = plan.asks.iter().map(|id| format!("r{id}")).collect();
            let opens = if plan.opens { ", opens its session" } else { "" };
            let window =
                if plan.window > 1 { format!(", window {}", plan.window) } else { "".into() };
            let syncs = if plan.syncs { ", a Sync last" } else { "" };
            let (user, says, asks) = (plan.user, plan.messages, asks.join(" or "));
            format!("{user} says {says} at {asks}{opens}{syncs}{window}")
        })
        .collect();
    let ballots: Vec<String> =
        config.ballots.iter().map(|(round, replica)| format!("b{round}.r{replica}")).collect();
    let _ = write!(text, "{}; ballots {}", clients.join(", "), ballots.join(" "));
    if config.crashes.total > 0 {
        let recovery = if config.crashes.recovery { "with recovery" } else { "for good" };
        let replicas = config.mortals.iter().map(|id| format!("r{id}"));
        let clients = config.clients.iter().filter(|plan| plan.crashes);
        let mortals: Vec<String> =
            replicas.chain(clients.map(|plan| plan.user.to_owned())).collect();
        let _ = write!(
            text,
            "; crashes of {}: {} in all, {} at once, {recovery}",
            mortals.join(" "),
            config.crashes.total,
            config.crashes.at_once
        );
    }
    for (replica, slot) in &config.skips {
        let _ = write!(text, "; r{replica} skips slot {slot}");
    }
    for (actor, input) in &config.inputs {
        let _ = write!(text, "; actor {actor} is told to {}", Message::from(input.clone()));
    }
    if let Some(replica) = config.reader {
        let _ = write!(text, "; a reader at r{replica}");
    }
    text
}

/// The parameters of the replicas: a new one does not compile until it is printed.
fn parameters(config: &Config) -> String {
    let Tuning {
        window_slots,
        eager_slots,
        queue_commands_max,
        queue_bytes_max,
        held_commands_max,
        batch_commands_max,
        batch_bytes_max,
        chunk_entries_max,
        chunk_bytes_max,
        sessions_max,
        snapshot_slots,
        recent_slots,
        votes_ahead_max,
        stuck_slots_max,
        flight_bytes_max,
        relay,
        doublings_max,
        resend_ticks_max,
        calm_slots,
        pre_vote,
        skip_slots,
        election_timeout,
        heartbeat_interval,
        resend_interval,
    } = &config.tuning;
    let eager = match eager_slots {
        slots if slots < window_slots => format!(" (eager below {slots})"),
        _ => String::new(),
    };
    let mut parts = vec![
        format!("window {window_slots}{eager}"),
        format!("batch {batch_commands_max}"),
        format!("queue {queue_commands_max}"),
        format!("chunk {chunk_entries_max}"),
        format!("sessions {sessions_max}"),
        match snapshot_slots {
            0 => "no snapshots".into(),
            1 => "a snapshot after every slot".into(),
            slots => format!("a snapshot every {slots} slots"),
        },
    ];
    let mut note = |differs: bool, text: String| {
        if differs {
            parts.push(text);
        }
    };
    let deployed = Tuning::default();
    let ahead = *votes_ahead_max != deployed.votes_ahead_max;
    note(ahead, format!("votes {votes_ahead_max} ahead"));
    let stuck = *stuck_slots_max != deployed.stuck_slots_max;
    note(stuck, format!("{stuck_slots_max} slots above a stuck one"));
    let flight = *flight_bytes_max != deployed.flight_bytes_max;
    note(flight, format!("{flight_bytes_max} bytes in flight"));
    note(*held_commands_max > 0, format!("{held_commands_max} commands held"));
    note(*pre_vote, "pre-vote".into());
    note(*relay, "relay".into());
    note(*doublings_max > 0, format!("time-outs double {doublings_max} times"));
    let ticks = *resend_ticks_max != deployed.resend_ticks_max;
    note(ticks, format!("sent again after {resend_ticks_max} ticks at most"));
    note(*calm_slots != deployed.calm_slots, format!("calm after {calm_slots} slots"));
    note(*recent_slots > 0, format!("{recent_slots} recent slots in memory"));
    let queue_bytes = *queue_bytes_max != deployed.queue_bytes_max;
    note(queue_bytes, format!("{queue_bytes_max} bytes of the queue"));
    let batch_bytes = *batch_bytes_max != deployed.batch_bytes_max;
    note(batch_bytes, format!("{batch_bytes_max} bytes of a value"));
    let chunk_bytes = *chunk_bytes_max != deployed.chunk_bytes_max;
    note(chunk_bytes, format!("{chunk_bytes_max} bytes of a chunk"));
    note(!skip_slots.is_empty(), format!("all skip slots {skip_slots:?}"));
    let times = [
        (election_timeout, deployed.election_timeout, "election time-out"),
        (heartbeat_interval, deployed.heartbeat_interval, "heartbeat interval"),
        (resend_interval, deployed.resend_interval, "resend interval"),
    ];
    for (time, usual, what) in times {
        note(*time != usual, format!("{what} {time:?}"));
    }
    note(config.overlaps, "disk and network overlap".into());
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_entry_changes_is_printed() {
        let usual = parameters(&Config::new(3));
        let changed = |tune: fn(&mut Tuning)| parameters(&Config::new(3).tuned(tune));
        let expected = |more: &str| format!("{usual}, {more}");
        assert_eq!(changed(|t| t.recent_slots = 2), expected("2 recent slots in memory"));
        assert_eq!(changed(|t| t.votes_ahead_max = 1), expected("votes 1 ahead"));
        assert_eq!(changed(|t| t.queue_bytes_max = 90), expected("90 bytes of the queue"));
        assert_ne!(changed(|t| *t = t.clone().with_election_timeout(t.resend_interval)), usual);
    }

    #[test]
    fn a_long_text_is_folded_at_spaces() {
        assert_eq!(fold("one two three", 8), ["one two", "three"]);
        assert_eq!(fold("overlong", 3), ["overlong"]);
    }
}
