//! Many clients at once, each with a number of requests outstanding, and how fast they are served.
//!
//! **Invariant**: a latency is the time from a message's submission, when it may be sent at once,
//! to its acknowledgement. Sessions are opened before the clock starts.

use super::Access;
use crate::client_host::{ClientHost, Event};
use crate::driver::Driver;
use hdrhistogram::Histogram;
use paxos_chat::client::ClientTuning;
use paxos_chat::message::Message;
use paxos_chat::types::{Body, Nonce};
use serde::Serialize;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// What load to make.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Clients, each with a session and a socket.
    pub clients: u32,
    /// Messages of each client.
    pub messages: u64,
    /// Messages of each client that are unacknowledged at once.
    pub outstanding: usize,
    /// Bytes of each message.
    pub size: usize,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct LoadReport {
    /// Messages unacknowledged at once, of all clients.
    pub outstanding: u64,
    /// From the first submission to the last acknowledgement.
    pub seconds: f64,
    /// Messages that were not acknowledged.
    pub errors: u64,
    /// Messages acknowledged in a second.
    pub ops_per_s: f64,
    /// The mean latency, in microseconds.
    pub mean_us: f64,
    /// The median latency, in microseconds.
    pub p50_us: u64,
    /// The latency that 1% exceeds.
    pub p99_us: u64,
    /// The latency that 0.1% exceeds.
    pub p999_us: u64,
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// Why the others were not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_error: Option<String>,
}

/// What one client measured, in microseconds.
struct Measured {
    latencies: Histogram<u64>,
    error: Option<String>,
}

/// The longest latency that is told from longer ones, in microseconds: an hour, far above any
/// patience. The range is fixed because a histogram that grows by itself does not do so for
/// `saturating_record`, which would count every latency above its first range as the lowest ones.
const LATENCY_US_MAX: u64 = 3_600_000_000;

fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("the bounds and digits are valid")
}

/// Makes the load; `progress` is told how many messages each acknowledgement burst brought.
pub fn run(access: &Access, options: &LoadOptions, progress: &(dyn Fn(u64) + Sync)) -> LoadReport {
    let barrier = Barrier::new(options.clients as usize + 1);
    let (measured, seconds) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..options.clients)
            .map(|_| {
                let barrier = &barrier;
                scope.spawn(move || run_client(access, options, barrier, progress))
            })
            .collect();
        barrier.wait();
        let started = Instant::now();
        let measured: Vec<Measured> = clients
            .into_iter()
            .map(|client| {
                client.join().unwrap_or_else(|_| Measured {
                    latencies: new_histogram(),
                    error: Some("a client panicked".into()),
                })
            })
            .collect();
        (measured, started.elapsed().as_secs_f64())
    });
    let mut latencies = new_histogram();
    for client in &measured {
        latencies.add(&client.latencies).expect("all histograms have the same range");
    }
    let acknowledged = latencies.len();
    LoadReport {
        outstanding: u64::from(options.clients) * options.outstanding as u64,
        seconds,
        errors: u64::from(options.clients) * options.messages - acknowledged,
        ops_per_s: acknowledged as f64 / seconds.max(f64::MIN_POSITIVE),
        mean_us: latencies.mean(),
        p50_us: latencies.value_at_quantile(0.5),
        p99_us: latencies.value_at_quantile(0.99),
        p999_us: latencies.value_at_quantile(0.999),
        acknowledged,
        first_error: measured.into_iter().find_map(|client| client.error),
    }
}

fn run_client(
    access: &Access,
    options: &LoadOptions,
    barrier: &Barrier,
    progress: &(dyn Fn(u64) + Sync),
) -> Measured {
    let mut latencies = new_histogram();
    let mut released = false;
    let mut start_together = || {
        if !std::mem::replace(&mut released, true) {
            barrier.wait();
        }
    };
    let result = measure(access, options, &mut start_together, progress, &mut latencies);
    // Whoever failed early must not keep the others waiting.
    start_together();
    Measured { latencies, error: result.err() }
}

fn measure(
    access: &Access,
    options: &LoadOptions,
    start_together: &mut dyn FnMut(),
    progress: &(dyn Fn(u64) + Sync),
    latencies: &mut Histogram<u64>,
) -> Result<(), String> {
    let text = |error: &dyn ToString| error.to_string();
    let socket = access.socket().map_err(|error| text(&error))?;
    let tuning = ClientTuning { window: options.outstanding, ..access.config.client_tuning() };
    let client = access.client(access.token.user(), Nonce(rand::random()), tuning);
    let events = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&events);
    let host = ClientHost::new(move |event| {
        sink.borrow_mut().push(event);
        Ok(())
    });
    let (id, nodes) = access.nodes();
    let world = access.world(socket);
    let mut driver = Driver::start(client, id, nodes, access.codec(), host, world)
        .map_err(|error| text(&error))?;
    let body = Body::post(&"x".repeat(options.size));
    let mut submitted: Vec<Instant> = Vec::new();
    let (mut is_open, mut confirmed) = (false, 0);
    let mut heard = Instant::now();
    while confirmed < options.messages {
        while is_open
            && (submitted.len() as u64) < options.messages
            && submitted.len() as u64 - confirmed < options.outstanding as u64
        {
            submitted.push(Instant::now());
            driver.deliver(Message::Submit(body.clone()));
        }
        driver.turn().map_err(|error| text(&error))?;
        let before = confirmed;
        for event in events.borrow_mut().drain(..) {
            heard = Instant::now();
            match event {
                Event::Opened(_) => {
                    is_open = true;
                    start_together();
                }
                Event::Confirmed { seq, .. } => {
                    let sent = submitted[seq.0 as usize - 1];
                    latencies.saturating_record(sent.elapsed().as_micros() as u64);
                    confirmed += 1;
                }
                Event::Expired { .. } => return Err("the session has expired".into()),
            }
        }
        if confirmed > before {
            progress(confirmed - before);
        } else if !is_open || submitted.len() as u64 > confirmed {
            let left = access.patience.saturating_sub(heard.elapsed());
            if left.is_zero() {
                return Err(format!("no acknowledgement for {} s", access.patience.as_secs()));
            }
            driver.wait(Some(left.max(Duration::from_millis(1)))).map_err(|error| text(&error))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_latencies_are_counted_as_what_they_are() {
        let (mut one, mut other) = (new_histogram(), new_histogram());
        for latency in [100, 10_000, 2_000_000] {
            one.saturating_record(latency);
            other.saturating_record(latency * 2);
        }
        one.add(&other).unwrap();
        let is_near = |found: u64, wanted: u64| found.abs_diff(wanted) <= wanted / 1000 + 1;
        assert!(is_near(one.value_at_quantile(0.5), 10_000), "{}", one.value_at_quantile(0.5));
        assert!(is_near(one.max(), 4_000_000), "{}", one.max());
    }
}
