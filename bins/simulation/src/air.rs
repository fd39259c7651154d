//! The network and the clocks of a cluster under virtual time.
//!
//! **Invariant**: time moves only when it is set, and what was sent arrives in the order of its arrival times.

use actor_checker::links::Links;
use actor_runtime::burst::{Arrivals, Departures, SLOTS};
use actor_runtime::clock::Clock;
use actor_runtime::network::Network;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// How far the times of day of two neighbours are apart at first: a stamp tells who put it on.
pub const SKEW: Duration = Duration::from_secs(1000);

/// How long a datagram may wait in the socket of a machine that waits for its disk.
const SOCKET_HOLDS: Duration = Duration::from_millis(500);

/// Datagrams under way, and the time.
pub struct Air {
    now: Cell<Duration>,
    links: RefCell<Links>,
    under_way: RefCell<BTreeMap<(Duration, u64), Datagram>>,
    /// By the port of the receiver: what has arrived and was not taken, and when.
    arrived: RefCell<BTreeMap<u16, VecDeque<(Duration, Datagram)>>>,
    sent: Cell<u64>,
    rng: RefCell<StdRng>,
}

struct Datagram {
    from: SocketAddr,
    to: u16,
    bytes: Vec<u8>,
}

impl Air {
    /// At time zero, with nothing under way.
    pub fn new(links: Links, seed: u64) -> Rc<Air> {
        Rc::new(Air {
            now: Cell::default(),
            links: RefCell::new(links),
            under_way: RefCell::default(),
            arrived: RefCell::default(),
            sent: Cell::default(),
            rng: RefCell::new(StdRng::seed_from_u64(seed)),
        })
    }

    /// The time since the start.
    pub fn now(&self) -> Duration {
        self.now.get()
    }

    /// Datagrams that were sent so far, doubles counted, and those that were lost.
    pub fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Changes how datagrams travel from now on. Nodes are called by their ports.
    pub fn change_links(&self, change: impl FnOnce(&mut Links)) {
        change(&mut self.links.borrow_mut());
    }

    /// Lets time be at least this.
    pub(crate) fn move_to(&self, time: Duration) {
        let now = time.max(self.now.get());
        self.now.set(now);
        let (mut under_way, mut arrived) = (self.under_way.borrow_mut(), self.arrived.borrow_mut());
        while let Some(first) = under_way.first_entry()
            && first.key().0 <= now
        {
            let ((at, _), datagram) = first.remove_entry();
            arrived.entry(datagram.to).or_default().push_back((at, datagram));
        }
    }

    /// When the next datagram arrives.
    pub(crate) fn next_arrival(&self) -> Option<Duration> {
        self.under_way.borrow().first_key_value().map(|((time, _), _)| *time)
    }

    /// Is there anything for this node?
    pub(crate) fn has_arrived(&self, port: u16) -> bool {
        self.arrived.borrow().get(&port).is_some_and(|waiting| !waiting.is_empty())
    }

    /// Loses what has arrived and was not taken: it was for nobody, or for a socket that was closed. What is for
    /// a machine that waits for its disk waits with it for a while.
    pub(crate) fn lose_untaken(&self, waits: impl Fn(u16) -> bool) {
        let now = self.now.get();
        for (port, waiting) in self.arrived.borrow_mut().iter_mut() {
            if waiting.is_empty() {
                continue;
            }
            let holds = if waits(*port) { SOCKET_HOLDS } else { Duration::ZERO };
            waiting.retain(|(at, _)| now < *at + holds);
        }
    }
}

/// A node's socket and clock.
#[derive(Clone)]
pub(crate) struct Endpoint {
    air: Rc<Air>,
    port: u16,
    /// It waits for its disk until then: whatever it does next happens after that.
    busy_until: Rc<Cell<Duration>>,
    /// How far its time of day is ahead of the time.
    ahead: Rc<Cell<Duration>>,
}

impl Endpoint {
    pub(crate) fn new(
        air: &Rc<Air>,
        port: u16,
        busy_until: &Rc<Cell<Duration>>,
        ahead: &Rc<Cell<Duration>>,
    ) -> Endpoint {
        let (air, busy_until, ahead) = (Rc::clone(air), Rc::clone(busy_until), Rc::clone(ahead));
        Endpoint { air, port, busy_until, ahead }
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
        let mut arrived = self.air.arrived.borrow_mut();
        let Some(waiting) = arrived.get_mut(&self.port) else { return Ok(false) };
        let here = waiting.len().min(SLOTS);
        for (_, datagram) in waiting.drain(..here) {
            arrivals.push(datagram.from, &datagram.bytes);
        }
        Ok(here == SLOTS)
    }

    fn send(&mut self, departures: &mut Departures) -> u64 {
        let (mut rng, mut links) = (self.air.rng.borrow_mut(), self.air.links.borrow_mut());
        for (to, bytes) in departures.iter() {
            let link = (self.port.into(), to.port().into());
            let carried = links.carry(link, bytes.len(), self.now(), &mut *rng);
            self.air.sent.set(self.air.sent.get() + 1);
            for arrival in carried.into_iter().flatten() {
                let number = self.air.sent.get();
                self.air.sent.set(number + 1);
                let (from, to) = (address(self.port), to.port());
                let datagram = Datagram { from, to, bytes: bytes.to_vec() };
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
        self.now() + self.ahead.get()
    }
}
