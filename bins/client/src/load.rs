//! Many clients at once, each with a number of requests outstanding, and how fast they are served. What is said below of
//! messages holds of current reads, too.
//!
//! **Invariants**
//! - *What counts* is a message that was submitted after the warm-up and acknowledged before the
//!   end. Its latency is the time from its submission, when it may be sent at once, to its
//!   acknowledgement.
//! - *Nothing is left unknown*: whatever is unacknowledged at the end is waited for, and is an error
//!   if nobody acknowledges it.
//! - *It costs little*, because it shares the machine with those that it measures: a message costs
//!   two looks at the clock and a place in a queue, and nothing grows with the length of a run.

use super::Access;
use crate::host::answer;
use crate::recordings::Recorded;
use actor_runtime::driver::{Driver, Host, Sender};
use actor_runtime::storage::MemoryStorage;
use actor_runtime::wire::Packing;
use hdrhistogram::Histogram;
use paxos_chat::client::ClientTuning;
use paxos_chat::message::{Input, Message, Output};
use paxos_chat::reader::Reader;
use paxos_chat::types::{Body, Nonce};
use paxos_chat_packets::Packet;
use serde::Serialize;
use stateright::actor::Actor;
use std::collections::VecDeque;
use std::io;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What clients ask again and again.
#[derive(Clone, Debug)]
pub enum Work {
    /// That this message is said.
    Messages(Body),
    /// How far the log goes now.
    Reads,
}

/// What load to make. It ends with the messages, with the time, or when it is told to, whichever is
/// first.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Clients, each with a session and a socket.
    pub clients: u32,
    /// Messages of each client, those of the warm-up not counted; no limit if there is none.
    pub messages: Option<u64>,
    /// How long after the warm-up; no limit if there is none.
    pub duration: Option<Duration>,
    /// How long load is made before anything counts.
    pub warmup: Duration,
    /// Messages of each client that are unacknowledged at once.
    pub outstanding: usize,
    /// What they ask.
    pub work: Work,
    /// Messages of a client that share a datagram, at most.
    pub pack: usize,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct LoadReport {
    /// Messages unacknowledged at once, of all clients.
    pub outstanding: u64,
    /// From the end of the warm-up to the end of the time, or to the last acknowledgement.
    pub seconds: f64,
    /// Messages that were not acknowledged; at least one for each client that failed.
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
    /// The longest time in which a client got no acknowledgement, in microseconds.
    pub silence_us_max: u64,
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// Why the others were not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_error: Option<String>,
}

/// What one client measured.
struct Measurement {
    latencies: Histogram<u64>,
    began: Instant,
    ended: Instant,
    silence: Duration,
    errors: u64,
    error: Option<String>,
}

/// The longest latency that is told from longer ones, in microseconds: an hour, far above any
/// patience. The range is fixed because a histogram that grows by itself does not do so for
/// `saturating_record`, which would count every latency above its first range as the lowest ones.
const LATENCY_US_MAX: u64 = 3_600_000_000;

fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("the bounds and digits are valid")
}

/// Makes the load; `progress` is told how many messages each acknowledgement burst brought. Once
/// `ending` is set, no more are sent; what was sent is waited for.
pub fn run(
    access: &Access,
    options: &LoadOptions,
    ending: &AtomicBool,
    progress: &(dyn Fn(u64) + Sync),
) -> LoadReport {
    let barrier = Barrier::new(options.clients as usize);
    let load = Load { access, options, barrier: &barrier, ending, progress };
    let measured: Vec<Measurement> = std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..options.clients).map(|_| scope.spawn(|| load.run_client())).collect();
        let failed = || Measurement::failed(options, "a client panicked");
        clients.into_iter().map(|client| client.join().unwrap_or_else(|_| failed())).collect()
    });
    summarise(options, measured)
}

fn summarise(options: &LoadOptions, measured: Vec<Measurement>) -> LoadReport {
    let mut latencies = new_histogram();
    for client in &measured {
        latencies.add(&client.latencies).expect("all histograms have the same range");
    }
    let began = measured.iter().map(|client| client.began).min();
    let ended = measured.iter().map(|client| client.ended).max();
    let seconds = began.zip(ended).map_or(0.0, |(began, ended)| (ended - began).as_secs_f64());
    let silence = measured.iter().map(|client| client.silence).max().unwrap_or_default();
    let acknowledged = latencies.len();
    LoadReport {
        outstanding: u64::from(options.clients) * options.outstanding as u64,
        seconds,
        errors: measured.iter().map(|client| client.errors).sum(),
        ops_per_s: acknowledged as f64 / seconds.max(f64::MIN_POSITIVE),
        mean_us: latencies.mean(),
        p50_us: latencies.value_at_quantile(0.5),
        p99_us: latencies.value_at_quantile(0.99),
        p999_us: latencies.value_at_quantile(0.999),
        silence_us_max: silence.as_micros() as u64,
        acknowledged,
        first_error: measured.into_iter().find_map(|client| client.error),
    }
}

impl Measurement {
    /// Of a client that has submitted nothing.
    fn failed(options: &LoadOptions, error: &str) -> Measurement {
        let now = Instant::now();
        let errors = options.messages.unwrap_or_default().max(1);
        let (latencies, silence) = (new_histogram(), Duration::ZERO);
        let error = Some(error.to_owned());
        Measurement { latencies, began: now, ended: now, silence, errors, error }
    }
}

/// The host of an actor that is measured: takes note of acknowledgements.
struct Tally {
    is_open: bool,
    /// The number 0 among the names of reads.
    zeroth: Nonce,
    has_expired: bool,
    window: Window,
    /// When each message was submitted that is not acknowledged, or is behind one that is not.
    submitted: VecDeque<Option<Instant>>,
    /// The number of the first of them.
    first: u64,
    /// How many are unacknowledged.
    outstanding: usize,
    /// When the last acknowledgement came.
    heard: Instant,
    silence: Duration,
    latencies: Histogram<u64>,
}

/// When what counts.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: Instant,
    until: Option<Instant>,
}

impl Window {
    fn of(options: &LoadOptions, start: Instant) -> Window {
        let from = start + options.warmup;
        Window { from, until: options.duration.map(|duration| from + duration) }
    }

    fn has_ended(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

impl Tally {
    fn new(options: &LoadOptions) -> Tally {
        let now = Instant::now();
        Tally {
            is_open: matches!(options.work, Work::Reads),
            zeroth: Nonce(rand::random()),
            has_expired: false,
            window: Window::of(options, now),
            submitted: VecDeque::new(),
            // The n-th message submitted has number n.
            first: 1,
            outstanding: 0,
            heard: now,
            silence: Duration::ZERO,
            latencies: new_histogram(),
        }
    }

    /// The next one is submitted; gives its number.
    fn submit(&mut self, now: Instant) -> u64 {
        self.submitted.push_back(Some(now));
        self.outstanding += 1;
        self.first + self.submitted.len() as u64 - 1
    }

    fn name(&self, number: u64) -> Nonce {
        Nonce(self.zeroth.0.wrapping_add(number))
    }

    fn confirm(&mut self, number: u64, now: Instant) {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        let submitted = place.and_then(|place| self.submitted.get_mut(place)?.take());
        let Some(submitted) = submitted else { return };
        self.outstanding -= 1;
        while let Some(None) = self.submitted.front() {
            self.submitted.pop_front();
            self.first += 1;
        }
        if self.window.has_ended(now) {
            return;
        }
        if now >= self.window.from {
            self.note_silence(now);
        }
        self.heard = now;
        if submitted >= self.window.from {
            self.latencies.saturating_record((now - submitted).as_micros() as u64);
        }
    }

    /// Nothing was acknowledged from what was heard last until now.
    fn note_silence(&mut self, now: Instant) {
        let since = self.heard.max(self.window.from);
        self.silence = self.silence.max(now.saturating_duration_since(since));
    }
}

impl<A: Actor<Msg = Message>> Host<A> for Tally {
    type Packet = Packet;

    fn admit(&mut self, from: Sender<'_>, packet: Packet, _now: Duration) -> Option<Message> {
        answer(from, packet).map(Message::from)
    }

    fn release(&mut self, message: Message) -> Option<Packet> {
        Packet::of(message)
    }

    fn on_local(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::Output(Output::Opened { .. }) => self.is_open = true,
            Message::Output(Output::Confirmed { seq, .. }) => self.confirm(seq.0, Instant::now()),
            Message::Output(Output::OutcomeUnknown { .. }) => self.has_expired = true,
            Message::Output(Output::Current { nonce, .. }) => {
                self.confirm(nonce.0.wrapping_sub(self.zeroth.0), Instant::now());
            }
            _ => {}
        }
        Ok(())
    }
}

/// A load while it is made.
#[derive(Clone, Copy)]
struct Load<'a> {
    access: &'a Access,
    options: &'a LoadOptions,
    /// Where clients wait for one another, to start together.
    barrier: &'a Barrier,
    ending: &'a AtomicBool,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl Load<'_> {
    fn run_client(&self) -> Measurement {
        let mut released = false;
        let mut start_together = || {
            if !std::mem::replace(&mut released, true) {
                self.barrier.wait();
            }
        };
        let Load { access, options, .. } = *self;
        let measurement = match &options.work {
            Work::Messages(body) => {
                let tuning =
                    ClientTuning { window: options.outstanding, ..access.config.client_tuning() };
                let client = access.client(access.token.user(), Nonce(rand::random()), tuning);
                let ask = |_: &Tally, _| Input::Submit(body.clone());
                self.measure(client, &ask, &mut start_together)
            }
            Work::Reads => {
                let reader = Reader { follows: false, ..access.reader(None) };
                let ask = |tally: &Tally, number| Input::ReadCurrent(tally.name(number));
                self.measure(reader, &ask, &mut start_together)
            }
        };
        // Whoever failed early must not keep the others waiting.
        start_together();
        measurement.unwrap_or_else(|error| Measurement::failed(self.options, &error))
    }

    /// Fails if the session cannot be opened; any later failure is a part of what was measured.
    fn measure<A: Recorded + Actor<Random = (), Msg = Message>>(
        &self,
        actor: A,
        ask: &dyn Fn(&Tally, u64) -> Input,
        start_together: &mut dyn FnMut(),
    ) -> Result<Measurement, String> {
        let Load { access, options, .. } = *self;
        let text = |error: &dyn ToString| error.to_string();
        let socket = access.socket().map_err(|error| text(&error))?;
        let (id, nodes) = access.nodes();
        let recorder = access.recorder(&actor).map_err(|error| text(&error))?;
        let world = access.world(socket, Box::new(MemoryStorage::default()), recorder);
        let packing =
            Packing { messages_per_datagram_max: options.pack, ..access.config.packing() };
        let codec = access.codec().with_packing(packing);
        let mut driver = Driver::start(actor, id, nodes, codec, Tally::new(options), world)
            .map_err(|error| text(&error))?;
        while !driver.host().is_open {
            pause(&mut driver, access.patience, None)?;
            driver.turn().map_err(|error| text(&error))?;
        }
        start_together();
        let start = Instant::now();
        driver.host_mut().window = Window::of(options, start);
        driver.host_mut().heard = start;
        let (unsaid, error) = self.make(&mut driver, ask);
        let Tally { window, outstanding, heard, silence, latencies, .. } = driver.host();
        let unacknowledged = *outstanding as u64 + unsaid;
        Ok(Measurement {
            latencies: latencies.clone(),
            began: window.from,
            ended: window
                .until
                .filter(|until| *until <= Instant::now())
                .unwrap_or(*heard)
                .max(window.from),
            silence: *silence,
            errors: unacknowledged.max(u64::from(error.is_some())),
            error,
        })
    }

    /// Makes the load until its end; gives how many messages were to be said and were not, and why.
    fn make<A: Actor<Msg = Message, Random = (), State: 'static>>(
        &self,
        driver: &mut Driver<A, Tally>,
        ask: &dyn Fn(&Tally, u64) -> Input,
    ) -> (u64, Option<String>) {
        let Load { options, ending, progress, .. } = *self;
        let mut unsaid = options.messages.unwrap_or(u64::MAX);
        let mut counted = 0;
        let error = loop {
            let now = Instant::now();
            let window = driver.host().window;
            let is_over = window.has_ended(now) || ending.load(Ordering::Relaxed);
            while unsaid > 0 && !is_over && driver.host().outstanding < options.outstanding {
                let now = Instant::now();
                unsaid -= u64::from(now >= window.from);
                let number = driver.host_mut().submit(now);
                driver.deliver(Message::Input(ask(driver.host(), number)));
            }
            if driver.host().outstanding == 0 {
                break None;
            }
            let before = driver.host().outstanding;
            if let Err(error) = driver.turn() {
                break Some(error.to_string());
            }
            if driver.host().has_expired {
                break Some("the session has expired".to_owned());
            }
            let acknowledged = driver.host().latencies.len();
            if acknowledged > counted {
                progress(acknowledged - counted);
                counted = acknowledged;
            }
            let next = window.until.filter(|_| !is_over);
            if driver.host().outstanding == before
                && let Err(error) = pause(driver, self.access.patience, next)
            {
                break Some(error);
            }
        };
        let tally = driver.host_mut();
        let end = tally.window.until.unwrap_or(tally.heard);
        tally.note_silence(end.min(Instant::now()));
        let unsaid = if options.messages.is_some() && error.is_some() { unsaid } else { 0 };
        (unsaid, error)
    }
}

/// Sleeps until something happens, or until then.
fn pause<A: Actor<Msg = Message, Random = (), State: 'static>>(
    driver: &mut Driver<A, Tally>,
    patience: Duration,
    until: Option<Instant>,
) -> Result<(), String> {
    let left = patience.saturating_sub(driver.host().heard.elapsed());
    if left.is_zero() {
        return Err(format!("no acknowledgement for {} s", patience.as_secs()));
    }
    let left =
        until.map_or(left, |until| left.min(until.saturating_duration_since(Instant::now())));
    driver.wait(Some(left.max(Duration::from_millis(1)))).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(10);

    fn options(warmup: Duration, duration: Option<Duration>) -> LoadOptions {
        LoadOptions {
            clients: 1,
            messages: None,
            duration,
            warmup,
            outstanding: 4,
            work: Work::Messages(Body::write("x")),
            pack: 1,
        }
    }

    #[test]
    fn what_is_submitted_after_the_warm_up_and_acknowledged_before_the_end_counts() {
        let mut tally = Tally::new(&options(STEP, Some(STEP * 4)));
        let start = tally.heard;
        tally.submit(start);
        tally.confirm(1, start + STEP);
        assert_eq!(tally.latencies.len(), 0, "submitted before");
        tally.submit(start + STEP);
        tally.submit(start + STEP);
        tally.confirm(2, start + STEP * 3);
        tally.confirm(3, start + STEP * 5);
        assert_eq!(tally.latencies.len(), 1, "the last came too late");
        assert_eq!(tally.latencies.max() / 1000, 20);
        assert_eq!(tally.outstanding, 0);
        assert_eq!(tally.silence, STEP * 2);
    }

    #[test]
    fn acknowledgements_count_once_in_any_order_and_nothing_is_kept() {
        let mut tally = Tally::new(&options(Duration::ZERO, None));
        let start = tally.heard;
        for _ in 0..3 {
            tally.submit(start);
        }
        for number in [3, 3, 2, 0, 9, 2] {
            tally.confirm(number, start + STEP);
        }
        assert_eq!((tally.latencies.len(), tally.outstanding, tally.submitted.len()), (2, 1, 3));
        tally.confirm(1, start + STEP * 3);
        assert_eq!((tally.latencies.len(), tally.outstanding, tally.submitted.len()), (3, 0, 0));
        assert_eq!(tally.silence, STEP * 2);
        tally.submit(start + STEP * 3);
        tally.confirm(4, start + STEP * 4);
        assert_eq!(tally.latencies.len(), 4);
    }

    #[test]
    fn a_client_that_failed_is_an_error() {
        let timed = options(Duration::ZERO, Some(STEP));
        let report = summarise(&timed, vec![Measurement::failed(&timed, "no way")]);
        assert_eq!((report.errors, report.acknowledged), (1, 0));
        assert_eq!(report.first_error.as_deref(), Some("no way"));
        let counted = LoadOptions { messages: Some(7), ..timed };
        assert_eq!(summarise(&counted, vec![Measurement::failed(&counted, "no")]).errors, 7);
    }

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
