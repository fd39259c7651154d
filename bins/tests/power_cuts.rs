//! A whole cluster in one thread, under virtual time, whose machines lose power at any operation
//! of their disks: what was not synced is torn, and the replicas come back on what is left.

use paxos_chat::client::{Client, ClientTuning};
use paxos_chat::message::Message;
use paxos_chat::quorum::Cluster;
use paxos_chat::replica::Replica;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Body, NodeId, Nonce, Timestamp, User};
use paxos_chat_runtime::chatlog::ChatLog;
use paxos_chat_runtime::client_host::{ClientHost, Event};
use paxos_chat_runtime::clock::Clock;
use paxos_chat_runtime::disk::Disk;
use paxos_chat_runtime::disk::fake::{FakeDisk, Fault};
use paxos_chat_runtime::driver::{Driver, DriverError, World};
use paxos_chat_runtime::journal::{Identity, JournalError, Place, format, open};
use paxos_chat_runtime::network::Network;
use paxos_chat_runtime::nodes::NodeTable;
use paxos_chat_runtime::replica_host::ReplicaHost;
use paxos_chat_runtime::storage::MemoryStorage;
use paxos_chat_runtime::wire::{ClusterId, Codec};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

const REPLICAS: u16 = 3;
const MESSAGES: u64 = 60;
const POWER_CUTS: u32 = 25;
/// Virtual time within which everything must be acknowledged and equal.
const LIMIT: Duration = Duration::from_secs(3600);

type ClientDriver = Driver<Client, ClientHost<Box<dyn FnMut(Event) -> io::Result<()>>>>;
/// A datagram's sender, receiver and bytes.
type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

/// Datagrams under way, by the time of their arrival.
#[derive(Default)]
struct Air {
    now: Cell<Duration>,
    under_way: RefCell<BTreeMap<(Duration, u64), Datagram>>,
    sent: Cell<u64>,
}

#[derive(Clone)]
struct Endpoint {
    air: Rc<Air>,
    own: SocketAddr,
}

impl Network for Endpoint {
    fn wait(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        let mut under_way = self.air.under_way.borrow_mut();
        let mut here = under_way.range(..=(self.air.now.get(), u64::MAX));
        let Some(key) = here.find(|(_, (_, to, _))| *to == self.own).map(|(key, _)| *key) else {
            return Ok(None);
        };
        let Some((from, _, bytes)) = under_way.remove(&key) else { return Ok(None) };
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(Some((bytes.len(), from)))
    }

    fn send(&mut self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let number = self.air.sent.get();
        self.air.sent.set(number + 1);
        let delay = Duration::from_micros(200 + number * 7919 % 3000);
        let datagram = (self.own, to, bytes.to_vec());
        self.air.under_way.borrow_mut().insert((self.air.now.get() + delay, number), datagram);
        Ok(())
    }
}

impl Clock for Endpoint {
    fn now(&self) -> Duration {
        self.air.now.get()
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp(self.air.now.get().as_millis() as u64)
    }
}

fn address(port: u16) -> SocketAddr {
    ([10, 0, 0, 1], port).into()
}

fn nodes(clients: usize) -> NodeTable {
    NodeTable::new((0..REPLICAS).map(address).collect(), clients)
}

/// A replica's machine: its disk outlives it.
struct Machine {
    id: u16,
    disk: FakeDisk,
    driver: Option<Driver<Replica, ReplicaHost>>,
    back_at: Duration,
}

impl Machine {
    fn place(&self) -> Place {
        Place {
            disk: Rc::new(self.disk.clone()),
            folder: PathBuf::from("/data"),
            identity: Identity { cluster: ClusterId::of("test"), replica: self.id as u8 },
            sessions_max: Tuning::default().sessions_max,
            segment_bytes: 8192,
        }
    }

    /// Starts the replica; it stays down if the power goes while it recovers.
    fn start(&mut self, air: &Rc<Air>, seed: u64) {
        let opened = match open(&self.place()) {
            Ok(opened) => opened,
            Err(JournalError::Disk { .. }) => return self.disk.restart(seed),
            Err(error) => panic!("{error}"),
        };
        let endpoint = Endpoint { air: Rc::clone(air), own: address(self.id) };
        let world = World {
            network: Box::new(endpoint.clone()),
            clock: Box::new(endpoint),
            rng: Box::new(StdRng::seed_from_u64(seed)),
            storage: Box::new(opened.storage),
        };
        let tuning = Tuning {
            snapshot_slots: 5,
            recent_slots: 3,
            batch_commands_max: 2,
            ..Tuning::default()
        };
        let host = ReplicaHost::new(opened.log, [], &tuning);
        let (actor, id) = (Replica::new(Cluster::new(3), tuning), NodeId(self.id.into()));
        let codec = Codec::new(ClusterId::of("test"));
        self.driver = Some(Driver::start(actor, id, nodes(9), codec, host, world).unwrap());
    }

    fn log(&self) -> Vec<u8> {
        self.disk.read(&self.place().chat_log()).unwrap()
    }
}

fn client(air: &Rc<Air>, confirmed: &Rc<Cell<u64>>, seed: u64) -> ClientDriver {
    let endpoint = Endpoint { air: Rc::clone(air), own: address(REPLICAS) };
    let world = World {
        network: Box::new(endpoint.clone()),
        clock: Box::new(endpoint),
        rng: Box::new(StdRng::seed_from_u64(seed)),
        storage: Box::new(MemoryStorage::default()),
    };
    let actor = Client {
        user: User::new("ann"),
        nonce: Nonce(1),
        session: None,
        script: Vec::new(),
        replicas: (0..REPLICAS).map(|id| NodeId(id.into())).collect(),
        tuning: ClientTuning::default(),
    };
    let count = Rc::clone(confirmed);
    let sink: Box<dyn FnMut(Event) -> io::Result<()>> = Box::new(move |event| {
        count.set(count.get() + u64::from(matches!(event, Event::Confirmed { .. })));
        Ok(())
    });
    let codec = Codec::new(ClusterId::of("test"));
    let host = ClientHost::new(sink);
    Driver::start(actor, NodeId(REPLICAS.into()), nodes(0), codec, host, world).unwrap()
}

/// Runs a cluster until everything is acknowledged on logs that are equal; gives that log.
fn run(seed: u64) -> ChatLog {
    let mut rng = StdRng::seed_from_u64(seed);
    let (air, confirmed) = (Rc::new(Air::default()), Rc::new(Cell::new(0)));
    let mut machines: Vec<Machine> = (0..REPLICAS)
        .map(|id| {
            let (disk, back_at) = (FakeDisk::default(), Duration::ZERO);
            let mut machine = Machine { id, disk, driver: None, back_at };
            format(&machine.place()).unwrap();
            machine.start(&air, rng.random());
            machine
        })
        .collect();
    let mut client = client(&air, &confirmed, seed);
    let (mut submitted, mut cuts) = (0, 0);
    loop {
        if submitted < MESSAGES && submitted < confirmed.get() + 4 {
            submitted += 1;
            client.deliver(Message::Submit(Body::post(&format!("message {submitted}"))));
        }
        if cuts < POWER_CUTS && rng.random_ratio(1, 40) {
            cuts += 1;
            let machine = &machines[rng.random_range(0..machines.len())];
            let at = machine.disk.operations() + rng.random_range(0..12);
            machine.disk.fail_at(at, Fault::PowerCut);
        }
        let arrival = air.under_way.borrow().keys().next().map(|(time, _)| *time);
        let deadlines = machines.iter().map(|machine| match &machine.driver {
            Some(driver) => driver.deadline(),
            None => Some(machine.back_at),
        });
        let next = deadlines.chain([arrival, client.deadline()]).flatten().min().unwrap();
        air.now.set(next.max(air.now.get()));
        for machine in &mut machines {
            let Some(driver) = &mut machine.driver else {
                if machine.back_at <= air.now.get() {
                    machine.start(&air, rng.random());
                }
                continue;
            };
            match driver.turn() {
                Ok(()) => {}
                Err(DriverError::Storage(_) | DriverError::Host(_)) => {
                    machine.driver = None;
                    machine.disk.restart(rng.random());
                    machine.back_at =
                        air.now.get() + Duration::from_millis(rng.random_range(0..3000));
                }
                Err(error) => panic!("{error}"),
            }
        }
        client.turn().unwrap();
        let now = air.now.get();
        air.under_way.borrow_mut().retain(|(time, _), _| *time > now);
        let logs: Vec<Vec<u8>> = machines.iter().map(Machine::log).collect();
        if confirmed.get() == MESSAGES && logs.iter().all(|log| *log == logs[0]) {
            assert!(cuts > 0);
            return ChatLog::parse(&logs[0]).unwrap();
        }
        assert!(now < LIMIT, "seed {seed}: {} of {MESSAGES} confirmed", confirmed.get());
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_at_any_operation() {
    for seed in 0..40 {
        let log = run(seed);
        let outcomes = log.entries.iter().flat_map(|entry| &entry.outcomes);
        let applied = outcomes.filter(|o| **o == paxos_chat::message::Outcome::Applied).count();
        assert_eq!(applied as u64, MESSAGES, "seed {seed}: each message once");
    }
}
