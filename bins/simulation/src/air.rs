//! The network and the clock of a cluster under virtual time.
//!
//! **Invariant**: time moves only when it is set, and what was sent arrives in the order of its arrival times.

use actor_runtime::burst::{Arrivals, Departures, SLOTS};
use actor_runtime::clock::Clock;
use actor_runtime::network::Network;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

/// How far the times of day of two neighbours are apart: a stamp tells who put it on.
pub const SKEW: Duration = Duration::from_secs(1000);

/// How long a datagram may wait in the socket of a machine that waits for its disk.
const SOCKET_HOLDS: Duration = Duration::from_millis(500);

/// What all paths do to datagrams.
#[derive(Clone, Debug)]
pub struct Paths {
    /// How long one is under way.
    pub delay: Range<Duration>,
    /// The probability that it arrives twice; each copy takes its own time.
    pub doubled: f64,
}

/// Datagrams under way, and the time.
pub struct Air {
    now: Cell<Duration>,
    under_way: RefCell<BTreeMap<(Duration, u64), Datagram>>,
    sent: Cell<u64>,
    paths: Paths,
    rng: RefCell<StdRng>,
}

struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Air {
    /// At time zero, with nothing under way.
    pub fn new(paths: Paths, seed: u64) -> Rc<Air> {
        let rng = RefCell::new(StdRng::seed_from_u64(seed));
        let (now, under_way, sent) = (Cell::default(), RefCell::default(), Cell::default());
        Rc::new(Air { now, under_way, sent, paths, rng })
    }

    /// The time since the start.
    pub fn now(&self) -> Duration {
        self.now.get()
    }

    /// Datagrams that were sent so far, doubles counted.
    pub fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Lets time be at least this.
    pub(crate) fn move_to(&self, time: Duration) {
        self.now.set(time.max(self.now.get()));
    }

    /// When the next datagram arrives.
    pub(crate) fn next_arrival(&self) -> Option<Duration> {
        let under_way = self.under_way.borrow();
        under_way.range((self.now.get(), u64::MAX)..).next().map(|((time, _), _)| *time)
    }

    /// Loses what has arrived and was not taken: it was for nobody, or for a socket that was closed. What is for
    /// a machine that waits for its disk waits with it for a while.
    pub(crate) fn lose_untaken(&self, waits: impl Fn(SocketAddr) -> bool) {
        let now = self.now.get();
        let is_held = |time: Duration, to| waits(to) && now < time + SOCKET_HOLDS;
        self.under_way
            .borrow_mut()
            .retain(|(time, _), datagram| *time > now || is_held(*time, datagram.to));
    }
}

/// A node's socket and clock.
#[derive(Clone)]
pub(crate) struct Endpoint {
    air: Rc<Air>,
    port: u16,
    /// It waits for its disk until then: whatever it does next happens after that.
    busy_until: Rc<Cell<Duration>>,
}

impl Endpoint {
    pub(crate) fn new(air: &Rc<Air>, port: u16, busy_until: &Rc<Cell<Duration>>) -> Endpoint {
        Endpoint { air: Rc::clone(air), port, busy_until: Rc::clone(busy_until) }
    }
}

/// The address of the node of this number.
pub(crate) fn address(port: u16) -> SocketAddr {
    ([10, 0, 0, 1], port).into()
}

impl Network for Endpoint {
    fn wait(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn receive(&mut self, arrivals: &mut Arrivals) -> io::Result<bool> {
        arrivals.clear();
        let own = address(self.port);
        let mut under_way = self.air.under_way.borrow_mut();
        let arrived = under_way.range(..=(self.air.now.get(), u64::MAX));
        let here = arrived.filter(|(_, datagram)| datagram.to == own).map(|(key, _)| *key);
        let here: Vec<_> = here.take(SLOTS).collect();
        for key in &here {
            if let Some(datagram) = under_way.remove(key) {
                arrivals.push(datagram.from, &datagram.bytes);
            }
        }
        Ok(here.len() == SLOTS)
    }

    fn send(&mut self, departures: &mut Departures) -> u64 {
        let mut rng = self.air.rng.borrow_mut();
        let Paths { delay, doubled } = &self.air.paths;
        for (to, bytes) in departures.iter() {
            for _ in 0..if rng.random_bool(*doubled) { 2 } else { 1 } {
                let arrival = self.now() + rng.random_range(delay.clone());
                let number = self.air.sent.get();
                self.air.sent.set(number + 1);
                let datagram = Datagram { from: address(self.port), to, bytes: bytes.to_vec() };
                self.air.under_way.borrow_mut().insert((arrival, number), datagram);
            }
        }
        0
    }
}

impl Clock for Endpoint {
    fn now(&self) -> Duration {
        self.air.now.get().max(self.busy_until.get())
    }

    fn time_of_day(&self) -> Duration {
        self.now() + SKEW * u32::from(self.port)
    }
}
