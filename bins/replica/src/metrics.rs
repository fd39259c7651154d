//! Metrics for Prometheus.
//!
//! **Invariants**
//! - *The driver is never waited for, and never waits*: what is shown is what its last turn has left.
//! - *A counter never goes back* but when the process restarts.
//!
//! **Absent**: HTTP; see [`crate::web`].
//!
//! **Source**: the text exposition format 0.0.4, and *Metric and label naming*, of Prometheus.

use crate::panel::Panel;
use crate::status::{Role, Status};
use actor_runtime::disk::meter::SyncTimes;
use actor_runtime::durations::Durations;
use std::fmt::{Display, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What this is, as HTTP names it.
pub const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Upper bounds of histograms, in microseconds.
const BOUNDS_US: [u64; 12] =
    [100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];

/// A page of metrics, as it is written.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, "", value);
    }
}

/// The metrics of a replica.
pub fn page(panel: &Panel) -> String {
    measured(&panel.status(), &panel.syncs.ended(), &panel.commits.measured())
}

/// The metrics of a replica whose disk's syncs and whose commits took so long.
fn measured(status: &Status, syncs: &Durations, commits: &Durations) -> String {
    let mut page = Page(String::new());
    page.family("paxos_chat_build_info", "gauge", "Version and id of the replica; always 1.");
    let labels = format!(r#"{{version="{}",replica="{}"}}"#, status.version, status.replica);
    page.sample("paxos_chat_build_info", &labels, 1);
    let started = SystemTime::now() - status.uptime;
    let started = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let help = "Start time of the process since the epoch.";
    page.one("process_start_time_seconds", "gauge", help, started);
    if let Some(bytes) = status.rss_bytes {
        page.one("process_resident_memory_bytes", "gauge", "Resident set.", bytes);
    }
    let help = "Highest probability of loss that is injected, of any direction or link.";
    page.one("paxos_chat_injected_loss_ratio", "gauge", help, status.injected_loss);
    if status.has_taken_turns() {
        protocol(&mut page, status);
    }
    let help = "How long syncs of the disk take.";
    histogram(&mut page, "paxos_chat_sync_seconds", help, syncs);
    running(&mut page, &status.syncs);
    let help = "How long slots take from this replica's first proposal until they are applied.";
    histogram(&mut page, "paxos_chat_commit_seconds", help, commits);
    page.0
}

fn protocol(page: &mut Page, status: &Status) {
    page.family("paxos_chat_role", "gauge", "1 for what the replica does about leadership.");
    for role in Role::ALL {
        let labels = format!(r#"{{role="{role}"}}"#);
        page.sample("paxos_chat_role", &labels, u8::from(role == status.role));
    }
    let mut gauge = |name, help, value: u64| page.one(name, "gauge", help, value);
    gauge("paxos_chat_ballot_round", "Round of the highest promised ballot.", status.round.into());
    gauge("paxos_chat_in_flight_slots", "Slots proposed and not decided.", status.in_flight);
    gauge("paxos_chat_queued_commands", "Commands that wait for a slot.", status.queued);
    let help = "One above the highest slot known to be decided.";
    gauge("paxos_chat_decided_end_slots", help, status.decided_end);
    if let Some(leader) = status.leader {
        let help = "The replica whose ballot was promised last.";
        gauge("paxos_chat_leader_replica", help, leader.into());
    }
    let help = "1 if it leads, or hears a leader that makes progress.";
    page.one("paxos_chat_has_leader", "gauge", help, u8::from(status.is_led));
    let help = "1 if it lacks entries that its leader has announced.";
    page.one("paxos_chat_is_behind", "gauge", help, u8::from(status.is_behind));
    let mut counter = |name, help, value: u64| page.one(name, "counter", help, value);
    counter("paxos_chat_elections_won_total", "Times that it took office.", status.elections_won);
    let help = "Times that somebody new led, as far as it has heard.";
    counter("paxos_chat_leader_changes_total", help, status.leader_changes);
    counter("paxos_chat_requests_total", "Requests of clients taken in.", status.requests);
    let help = "Slots applied, since the log began.";
    counter("paxos_chat_applied_slots_total", help, status.applied_upto);
    counter("paxos_chat_log_lines_total", "Lines of the chat log.", status.log_lines);
    counter("paxos_chat_log_reads_total", "Chunks read from the log for others.", status.log_reads);
    let help = "Chunks of the log that could not be read for others: it is damaged.";
    counter("paxos_chat_log_read_errors_total", help, status.read_errors);
    let help = "Entries that were missing and that others have sent.";
    counter("paxos_chat_fetched_entries_total", help, status.fetched);
    let counters = &status.counters;
    let help = "Messages handed to the replica from the network.";
    counter("paxos_chat_received_messages_total", help, counters.received);
    let help = "Messages given to the network.";
    counter("paxos_chat_sent_messages_total", help, counters.sent);
    let help = "Messages that could not be sent.";
    counter("paxos_chat_unsent_messages_total", help, counters.unsent);
    let name = "paxos_chat_dropped_datagrams_total";
    page.family(name, "counter", "Datagrams and messages that were not taken, by reason.");
    for (reason, count) in [
        ("malformed", counters.malformed),
        ("forged", counters.forged),
        ("replayed", counters.replayed),
        ("refused", counters.refused),
        ("operator", status.operator_dropped),
    ] {
        page.sample(name, &format!(r#"{{reason="{reason}"}}"#), count);
    }
    let help = "Time since the end of the replica's last turn; long, if it hangs.";
    page.one("paxos_chat_turn_age_seconds", "gauge", help, status.turn_age.as_secs_f64());
}

fn histogram(page: &mut Page, name: &str, help: &str, durations: &Durations) {
    page.family(name, "histogram", help);
    for bound in BOUNDS_US.map(Duration::from_micros) {
        let labels = format!(r#"{{le="{}"}}"#, bound.as_secs_f64());
        page.sample(&format!("{name}_bucket"), &labels, durations.at_most(bound));
    }
    page.sample(&format!("{name}_bucket"), r#"{le="+Inf"}"#, durations.count());
    page.sample(&format!("{name}_sum"), "", durations.total().as_secs_f64());
    page.sample(&format!("{name}_count"), "", durations.count());
}

fn running(page: &mut Page, syncs: &SyncTimes) {
    let help = "How long the sync that has not ended has been running; 0 if there is none.";
    let running = Duration::from_micros(syncs.running_us.unwrap_or_default());
    page.one("paxos_chat_sync_running_seconds", "gauge", help, running.as_secs_f64());
}

#[cfg(test)]
mod tests;
