//! A cluster's machines in one thread, under virtual time: each a replica on a disk that outlives it,
//! loses power when it is told to, and may take its time for a sync.
//!
//! **Invariant**: a machine that waits for its disk does nothing else. What its turn sends leaves,
//! and what has arrived meanwhile is seen, when the sync has ended.

#![allow(dead_code, reason = "each test file is a crate of its own, and none uses everything")]

use actor_runtime::burst::{Arrivals, Departures, SLOTS};
use actor_runtime::clock::Clock;
use actor_runtime::disk::Disk;
use actor_runtime::disk::fake::{FakeDisk, Operation};
use actor_runtime::driver::{Driver, DriverError, World};
use actor_runtime::keys::Secret;
use actor_runtime::network::Network;
use actor_runtime::nodes::NodeTable;
use actor_runtime::storage::MemoryStorage;
use actor_runtime::wire::{ClusterId, Codec, Generations, UserName};
use paxos_chat::client::{Client, ClientTuning};
use paxos_chat::quorum::Cluster;
use paxos_chat::replica::Replica;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{NodeId, Nonce, User};
use paxos_chat_client::host::{ClientHost, Event};
use paxos_chat_replica::host::ReplicaHost;
use paxos_chat_replica::journal::{Identity, JournalError, Place, format, open};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

const REPLICAS: u16 = 3;

static SECRET: LazyLock<Secret> = LazyLock::new(|| Secret::draw().unwrap());

pub(crate) type ClientDriver = Driver<Client, ClientHost<Box<dyn FnMut(Event) -> io::Result<()>>>>;
/// A datagram's sender, receiver and bytes.
type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

/// Datagrams under way, by the time of their arrival.
#[derive(Default)]
pub(crate) struct Air {
    pub(crate) now: Cell<Duration>,
    pub(crate) under_way: RefCell<BTreeMap<(Duration, u64), Datagram>>,
    sent: Cell<u64>,
}

#[derive(Clone)]
struct Endpoint {
    air: Rc<Air>,
    own: SocketAddr,
    busy_until: Rc<Cell<Duration>>,
}

impl Network for Endpoint {
    fn wait(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn receive(&mut self, arrivals: &mut Arrivals) -> io::Result<bool> {
        arrivals.clear();
        let mut under_way = self.air.under_way.borrow_mut();
        let here: Vec<_> = under_way
            .range(..=(self.air.now.get(), u64::MAX))
            .filter(|(_, (_, to, _))| *to == self.own)
            .map(|(key, _)| *key)
            .take(SLOTS)
            .collect();
        for key in &here {
            if let Some((from, _, bytes)) = under_way.remove(key) {
                arrivals.push(from, &bytes);
            }
        }
        Ok(here.len() == SLOTS)
    }

    fn send(&mut self, departures: &mut Departures) -> u64 {
        for (to, bytes) in departures.iter() {
            let number = self.air.sent.get();
            self.air.sent.set(number + 1);
            let delay = Duration::from_micros(200 + number * 7919 % 3000);
            let datagram = (self.own, to, bytes.to_vec());
            self.air.under_way.borrow_mut().insert((self.now() + delay, number), datagram);
        }
        0
    }
}

impl Clock for Endpoint {
    fn now(&self) -> Duration {
        self.air.now.get().max(self.busy_until.get())
    }

    fn time_of_day(&self) -> Duration {
        self.now()
    }
}

fn address(port: u16) -> SocketAddr {
    ([10, 0, 0, 1], port).into()
}

fn nodes(clients: usize) -> NodeTable {
    NodeTable::new((0..REPLICAS).map(address).collect(), clients)
}

/// A replica's machine: its disk outlives it.
pub(crate) struct Machine {
    id: u16,
    pub(crate) disk: FakeDisk,
    pub(crate) driver: Option<Driver<Replica, ReplicaHost>>,
    pub(crate) back_at: Duration,
    /// It waits for its disk until then.
    busy_until: Rc<Cell<Duration>>,
    /// How long syncs take, and how many of them.
    slow: Rc<Cell<(Duration, u32)>>,
}

impl Machine {
    /// A machine on a formatted disk, its replica started.
    pub(crate) fn new(id: u16, air: &Rc<Air>, tuning: &Tuning, seed: u64) -> Machine {
        let mut machine = Machine {
            id,
            disk: FakeDisk::default(),
            driver: None,
            back_at: Duration::ZERO,
            busy_until: Rc::default(),
            slow: Rc::default(),
        };
        format(&machine.place()).unwrap();
        machine.start(air, tuning, seed);
        machine
    }

    /// Each of the next so many syncs takes so long.
    pub(crate) fn slow_down(&self, sync: Duration, count: u32) {
        self.slow.set((sync, count));
    }

    /// Until when it waits for its disk.
    pub(crate) fn busy_until(&self) -> Duration {
        self.busy_until.get()
    }

    /// When it does something by itself.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match &self.driver {
            Some(driver) => driver.deadline().map(|at| at.max(self.busy_until.get())),
            None => Some(self.back_at),
        }
    }

    /// Takes a turn, unless it waits for its disk.
    pub(crate) fn turn(&mut self, air: &Air) -> Result<(), DriverError> {
        match &mut self.driver {
            Some(driver) if self.busy_until.get() <= air.now.get() => driver.turn(),
            _ => Ok(()),
        }
    }

    fn place(&self) -> Place {
        Place {
            disk: Rc::new(self.disk.clone()),
            folder: PathBuf::from("/data"),
            identity: Identity { cluster: ClusterId::of("test"), replica: self.id as u8 },
            sessions_max: Tuning::default().sessions_max,
            // So small that segments are recycled.
            segment_bytes: 4096,
        }
    }

    /// Starts the replica; it stays down if the power goes while it recovers.
    pub(crate) fn start(&mut self, air: &Rc<Air>, tuning: &Tuning, seed: u64) {
        let opened = match open(&self.place()) {
            Ok(opened) => opened,
            Err(JournalError::Disk { .. }) => return self.disk.restart(seed),
            Err(error) => panic!("{error}"),
        };
        let busy_until = Rc::clone(&self.busy_until);
        let endpoint = Endpoint { air: Rc::clone(air), own: address(self.id), busy_until };
        let (slow, busy_until, now) = (&self.slow, &self.busy_until, Rc::clone(air));
        let (slow, busy_until) = (Rc::clone(slow), Rc::clone(busy_until));
        self.disk.observe(Box::new(move |operation| {
            let (sync, count) = slow.get();
            if matches!(operation, Operation::Sync(_)) && count > 0 {
                slow.set((sync, count - 1));
                busy_until.set(busy_until.get().max(now.now.get()) + sync);
            }
        }));
        let world = World {
            network: Box::new(endpoint.clone()),
            clock: Box::new(endpoint),
            rng: Box::new(StdRng::seed_from_u64(seed)),
            storage: Box::new(opened.storage),
        };
        let host = ReplicaHost::new(opened.log, [], tuning);
        let (actor, id) =
            (Replica::new(Cluster::new(3), tuning.clone()), NodeId(self.id.into()).into());
        let (cluster, generations) = (ClusterId::of("test"), Generations::new());
        let codec = Codec::replica(&*SECRET, cluster, self.id as u8, 3, generations);
        self.driver = Some(Driver::start(actor, id, nodes(9), codec, host, world).unwrap());
    }

    /// How many segments of its journal wait to be used again.
    pub(crate) fn spare_segments(&self) -> usize {
        let names = self.disk.list(&self.place().journal()).unwrap();
        names.iter().filter(|name| name.starts_with("segment-") && name.ends_with(".tmp")).count()
    }

    pub(crate) fn log(&self) -> Vec<u8> {
        self.disk.read(&self.place().chat_log()).unwrap()
    }
}

/// A client that counts what is confirmed.
pub(crate) fn client(air: &Rc<Air>, confirmed: &Rc<Cell<u64>>, seed: u64) -> ClientDriver {
    let busy_until = Rc::default();
    let endpoint = Endpoint { air: Rc::clone(air), own: address(REPLICAS), busy_until };
    let world = World {
        network: Box::new(endpoint.clone()),
        clock: Box::new(endpoint),
        rng: Box::new(StdRng::seed_from_u64(seed)),
        storage: Box::new(MemoryStorage::default()),
    };
    let replicas = (0..REPLICAS).map(|id| NodeId(id.into())).collect();
    let actor = Client::new(User::new("ann"), Nonce(1), replicas, ClientTuning::default());
    let count = Rc::clone(confirmed);
    let sink: Box<dyn FnMut(Event) -> io::Result<()>> = Box::new(move |event| {
        count.set(count.get() + u64::from(matches!(event, Event::Confirmed { .. })));
        Ok(())
    });
    let cluster = ClusterId::of("test");
    let (key, name) = (SECRET.user(cluster, "ann", 0), UserName::new("ann").unwrap());
    let codec = Codec::client(&key, cluster, name, usize::from(REPLICAS));
    let host = ClientHost::new(sink);
    Driver::start(actor, NodeId(REPLICAS.into()).into(), nodes(0), codec, host, world).unwrap()
}
