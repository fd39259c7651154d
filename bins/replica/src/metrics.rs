//! Metrics for Prometheus, served over HTTP on an address that must be asked for.
//!
//! **Invariants**
//! - *The driver is never waited for, and never waits*: what is shown is what its last turn has left.
//! - *Bounded*: one connection at a time, of which so many bytes are read, and for so long; others wait
//!   in the system's queue, which is short.
//! - *A counter never goes back* but when the process restarts.
//!
//! **Absent**: authentication, so listen where only the scraper can reach you; and HTTP beyond one `GET`
//! a connection. A library for either would be several times larger than this file.
//!
//! **Source**: the text exposition format 0.0.4, and *Metric and label naming*, of Prometheus.

use crate::status::{Role, Status};
use actor_runtime::disk::meter::SyncMeter;
use std::fmt::{Display, Write as _};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a request; no scraper sends more.
const REQUEST_BYTES_MAX: usize = 8192;
/// Upper bounds of the histogram of syncs, in microseconds.
const SYNC_BOUNDS_US: [u64; 12] =
    [100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];

/// Serves what `page` makes from a thread of its own, for as long as the process lives; tells where.
///
/// # Errors
/// When there is no thread for it.
pub fn serve(
    listener: TcpListener,
    page: impl Fn() -> String + Send + 'static,
) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let serve = move || {
        for connection in listener.incoming() {
            match connection {
                // Whoever hangs up gets nothing.
                Ok(stream) => drop(answer(stream, &page)),
                // No descriptor is left, say: that passes.
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    };
    std::thread::Builder::new().name("metrics".into()).spawn(serve)?;
    Ok(address)
}

fn answer(mut stream: TcpStream, page: impl Fn() -> String) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || request.len() > REQUEST_BYTES_MAX {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            return Ok(());
        }
        request.extend_from_slice(&chunk[..length]);
    }
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, path) = (words.next(), words.next().unwrap_or_default());
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let (status, kind, body) = match (method, path) {
        (Some(b"GET"), b"/metrics") => {
            ("200 OK", "text/plain; version=0.0.4; charset=utf-8", page())
        }
        (Some(b"GET"), _) => ("404 Not Found", "text/plain", "ask for /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "text/plain", "only GET is served\n".to_owned()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

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

/// The metrics of a replica whose disk's syncs this meter has measured.
pub fn page(status: &Status, meter: &SyncMeter) -> String {
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
    syncs(&mut page, meter);
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
    let mut counter = |name, help, value: u64| page.one(name, "counter", help, value);
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

fn syncs(page: &mut Page, meter: &SyncMeter) {
    let bounds = SYNC_BOUNDS_US.map(Duration::from_micros);
    let (counts, count, total) = meter.at_most(&bounds);
    let name = "paxos_chat_sync_seconds";
    page.family(name, "histogram", "How long syncs of the disk take.");
    for (bound, count) in bounds.iter().zip(counts) {
        let labels = format!(r#"{{le="{}"}}"#, bound.as_secs_f64());
        page.sample("paxos_chat_sync_seconds_bucket", &labels, count);
    }
    page.sample("paxos_chat_sync_seconds_bucket", r#"{le="+Inf"}"#, count);
    page.sample("paxos_chat_sync_seconds_sum", "", total.as_secs_f64());
    page.sample("paxos_chat_sync_seconds_count", "", count);
    let running = meter.times().running_us.unwrap_or_default();
    let help = "How long the sync that has not ended has been running; 0 if there is none.";
    let running = Duration::from_micros(running).as_secs_f64();
    page.one("paxos_chat_sync_running_seconds", "gauge", help, running);
}

#[cfg(test)]
mod tests;
