//! Whole clusters in one thread, under virtual time, over a network that loses, doubles and
//! reorders datagrams. Everything but the keys is drawn from a seed, so a failure repeats. A
//! datagram that arrives twice is dropped by its number; what reaches an actor twice is what was
//! sent again by a timer.

use actor_runtime::burst::{Arrivals, Departures, SLOTS};
use actor_runtime::clock::Clock;
use actor_runtime::disk::Disk;
use actor_runtime::disk::fake::FakeDisk;
use actor_runtime::driver::{Driver, Sends, World};
use actor_runtime::keys::Secret;
use actor_runtime::loss::{Loss, LossyNetwork};
use actor_runtime::network::Network;
use actor_runtime::nodes::NodeTable;
use actor_runtime::storage::MemoryStorage;
use actor_runtime::wire::{ClusterId, Codec, DATAGRAM_BYTES_LEAST, Generations, Packing, UserName};
use paxos_chat::client::{Client, ClientTuning};
use paxos_chat::effects::Timer;
use paxos_chat::message::{Input, Message, Outcome};
use paxos_chat::quorum::Cluster;
use paxos_chat::replica::Replica;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Body, NodeId, Nonce, Operation, Timestamp, User};
use paxos_chat_client::host::{ClientHost, Event};
use paxos_chat_log::{ChatLog, Store};
use paxos_chat_replica::host::ReplicaHost;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

const REPLICAS: u16 = 3;
const CLIENTS: u16 = 2;
const MESSAGES: u64 = 30;
/// Virtual time within which everything must be acknowledged and equal.
const LIMIT: Duration = Duration::from_secs(600);

/// Datagrams under way, by the time of their arrival and the order of their sending.
struct Air {
    now: Cell<Duration>,
    under_way: RefCell<BTreeMap<(Duration, u64), Datagram>>,
    sent: Cell<u64>,
    rng: RefCell<StdRng>,
}

struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
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

    fn receive(&mut self, arrivals: &mut Arrivals) -> io::Result<bool> {
        arrivals.clear();
        let mut under_way = self.air.under_way.borrow_mut();
        let arrived = (self.air.now.get(), u64::MAX);
        let here = under_way.range(..=arrived).filter(|(_, d)| d.to == self.own);
        let here: Vec<_> = here.map(|(key, _)| *key).take(SLOTS).collect();
        for key in &here {
            if let Some(datagram) = under_way.remove(key) {
                arrivals.push(datagram.from, &datagram.bytes);
            }
        }
        Ok(here.len() == SLOTS)
    }

    /// One datagram in ten arrives twice; each copy takes its own time.
    fn send(&mut self, departures: &mut Departures) -> u64 {
        let mut rng = self.air.rng.borrow_mut();
        for (to, bytes) in departures.iter() {
            for _ in 0..if rng.random_bool(0.1) { 2 } else { 1 } {
                let delay = Duration::from_micros(rng.random_range(100..20_000));
                let number = self.air.sent.get();
                self.air.sent.set(number + 1);
                let datagram = Datagram { from: self.own, to, bytes: bytes.to_vec() };
                let key = (self.air.now.get() + delay, number);
                self.air.under_way.borrow_mut().insert(key, datagram);
            }
        }
        0
    }
}

impl Clock for Endpoint {
    fn now(&self) -> Duration {
        self.air.now.get()
    }

    fn time_of_day(&self) -> Duration {
        self.air.now.get() + Duration::from_millis(SKEW_MS * u64::from(self.own.port()))
    }
}

/// How far the clocks of two neighbours are apart: a stamp tells who put it on.
const SKEW_MS: u64 = 1_000_000;

/// Where a replica's chat log is on its disk.
const LOG: &str = "/data/replica.log";

fn address(port: u16) -> SocketAddr {
    ([10, 0, 0, 1], port).into()
}

fn world<S: Clone + 'static>(air: &Rc<Air>, port: u16, loss: f64, seed: u64) -> World<S> {
    let endpoint = Endpoint { air: Rc::clone(air), own: address(port) };
    let seed = seed * 100 + u64::from(port);
    let lossy = LossyNetwork::new(endpoint.clone(), Loss::new(loss).unwrap(), seed);
    World {
        network: Box::new(lossy),
        clock: Box::new(endpoint),
        rng: Box::new(StdRng::seed_from_u64(seed + 50)),
        storage: Box::new(MemoryStorage::<S>::default()),
    }
}

type Events = Rc<RefCell<Vec<Event>>>;
type ReplicaDriver = Driver<Replica, ReplicaHost>;
type ClientDriver = Driver<Client, ClientHost<Box<dyn FnMut(Event) -> io::Result<()>>>>;

struct Simulation {
    air: Rc<Air>,
    replicas: Vec<(ReplicaDriver, FakeDisk)>,
    clients: Vec<(ClientDriver, Events)>,
}

impl Simulation {
    fn new(seed: u64, loss: f64, tuning: &Tuning) -> Simulation {
        let air = Rc::new(Air {
            now: Cell::default(),
            under_way: RefCell::default(),
            sent: Cell::default(),
            rng: RefCell::new(StdRng::seed_from_u64(seed)),
        });
        let (cluster, secret) = (ClusterId::of("simulation"), Secret::draw().unwrap());
        // Every other one with datagrams so short that batches and chunks travel in parts.
        let datagram_bytes_max = if seed.is_multiple_of(2) { DATAGRAM_BYTES_LEAST } else { 60_000 };
        let packing = Packing { datagram_bytes_max, ..Packing::default() };
        let addresses: Vec<SocketAddr> = (0..REPLICAS).map(address).collect();
        let nodes = |clients| NodeTable::new(addresses.clone(), clients);
        let replicas = (0..REPLICAS).map(|id| {
            let disk = FakeDisk::default();
            let log = Store::create(&disk, Path::new(LOG), cluster).unwrap();
            let host = ReplicaHost::new(log, [], tuning);
            let actor = Replica::new(Cluster::new(REPLICAS as u8), tuning.clone());
            let world = world(&air, id, loss, seed);
            let codec = Codec::replica(
                &secret,
                cluster,
                id as u8,
                usize::from(REPLICAS),
                Generations::new(),
            )
            .with_packing(packing);
            let id = NodeId(id.into()).into();
            (Driver::start(actor, id, nodes(9), codec, host, world).unwrap(), disk)
        });
        let replicas = replicas.collect();
        let clients = (REPLICAS..REPLICAS + CLIENTS).map(|id| {
            let events = Events::default();
            let noted = Rc::clone(&events);
            let sink: Box<dyn FnMut(Event) -> io::Result<()>> = Box::new(move |event| {
                noted.borrow_mut().push(event);
                Ok(())
            });
            let user = format!("user-{id}");
            let (key, name) = (secret.user(cluster, &user, 0), UserName::new(&user).unwrap());
            let codec = Codec::client(&key, cluster, name, usize::from(REPLICAS));
            let codec = codec.with_packing(packing);
            let replicas = (0..REPLICAS).map(|id| NodeId(id.into())).collect();
            let (user, nonce) = (User::new(&user), Nonce(id.into()));
            let actor = Client::new(user, nonce, replicas, ClientTuning::default());
            let world = world(&air, id, loss, seed);
            let id = NodeId(id.into()).into();
            let host = ClientHost::new(sink);
            (Driver::start(actor, id, nodes(0), codec, host, world).unwrap(), events)
        });
        let clients = clients.collect();
        Simulation { air, replicas, clients }
    }

    /// Moves time to the next arrival or deadline, and lets everyone take a turn.
    fn step(&mut self) {
        let arrival = self.air.under_way.borrow().keys().next().map(|(time, _)| *time);
        let deadlines = self.replicas.iter().map(|(driver, _)| driver.deadline());
        let deadlines = deadlines.chain(self.clients.iter().map(|(driver, _)| driver.deadline()));
        let next = deadlines.chain([arrival]).flatten().min().expect("election timers are set");
        self.air.now.set(next.max(self.air.now.get()));
        for (driver, _) in &mut self.replicas {
            driver.turn().unwrap();
        }
        for (driver, _) in &mut self.clients {
            driver.turn().unwrap();
        }
        // What was meant for nobody, or for a socket that was closed, is lost.
        let now = self.air.now.get();
        self.air.under_way.borrow_mut().retain(|(time, _), _| *time > now);
    }

    fn confirmed(&self) -> usize {
        let is_confirmed = |event: &&Event| matches!(event, Event::Confirmed { .. });
        let count = |events: &Events| events.borrow().iter().filter(is_confirmed).count();
        self.clients.iter().map(|(_, events)| count(events)).sum()
    }

    fn logs(&self) -> Vec<Vec<u8>> {
        self.replicas.iter().map(|(_, disk)| disk.read(Path::new(LOG)).unwrap()).collect()
    }

    /// Runs until everything is acknowledged and all logs are equal.
    fn finish(&mut self) {
        let wanted = usize::from(CLIENTS) * MESSAGES as usize;
        loop {
            self.step();
            let logs = self.logs();
            if self.confirmed() == wanted && logs.iter().all(|log| *log == logs[0]) {
                return;
            }
            assert!(self.air.now.get() < LIMIT, "{} of {wanted} confirmed", self.confirmed());
        }
    }

    fn submit_all(&mut self) {
        for (driver, _) in &mut self.clients {
            for number in 1..=MESSAGES {
                driver.deliver(Message::from(Input::Submit(Body::write(format!(
                    "message {number}"
                )))));
            }
        }
    }

    /// The texts that took effect, by user, in the order of the log.
    fn said(&self) -> BTreeMap<String, Vec<String>> {
        let log = ChatLog::parse(&self.logs()[0]).unwrap();
        let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in &log.entries {
            for (command, outcome) in entry.value.commands().iter().zip(&entry.outcomes) {
                if let Operation::InSession { body: Body::Write(text), .. } = &command.operation
                    && *outcome == Outcome::Applied
                {
                    said.entry(command.user.to_string())
                        .or_default()
                        .push(String::from_utf8(text.to_vec()).unwrap());
                }
            }
        }
        said
    }

    fn assert_exactly_once_in_order(&self) {
        let expected: Vec<String> = (1..=MESSAGES).map(|n| format!("message {n}")).collect();
        let said = self.said();
        assert_eq!(said.len(), usize::from(CLIENTS));
        for (user, texts) in said {
            assert_eq!(texts, expected, "{user}");
        }
    }
}

#[test]
fn logs_are_equal_under_loss_duplication_and_reordering() {
    for seed in 0..20 {
        for loss in [0.0, 0.1, 0.3] {
            let mut simulation = Simulation::new(seed, loss, &Tuning::default());
            simulation.submit_all();
            simulation.finish();
            simulation.assert_exactly_once_in_order();
        }
    }
}

#[test]
fn snapshots_and_small_chunks_change_nothing() {
    let tuning = Tuning {
        snapshot_slots: 4,
        recent_slots: 2,
        chunk_entries_max: 2,
        batch_commands_max: 3,
        window_slots: 4,
        ..Tuning::default()
    };
    for seed in 0..10 {
        let mut simulation = Simulation::new(seed, 0.1, &tuning);
        simulation.submit_all();
        simulation.finish();
        simulation.assert_exactly_once_in_order();
    }
}

#[test]
fn a_skipped_slot_is_filled_by_a_noop() {
    let skip_slots = [3, 7].map(paxos_chat::types::Slot).into();
    let tuning = Tuning { skip_slots, batch_commands_max: 2, ..Tuning::default() };
    for seed in 0..10 {
        let mut simulation = Simulation::new(seed, 0.05, &tuning);
        simulation.submit_all();
        simulation.finish();
        simulation.assert_exactly_once_in_order();
        let log = ChatLog::parse(&simulation.logs()[0]).unwrap();
        let noops = log.entries.iter().filter(|entry| entry.value.commands().is_empty());
        assert!(noops.count() >= 1);
    }
}

#[test]
fn a_request_that_entered_twice_has_the_stamp_of_its_first_entry_on_all_replicas() {
    let mut elsewhere = 0;
    for seed in 0..20 {
        let tuning = Tuning { pre_vote: false, ..Tuning::default() };
        let mut simulation = Simulation::new(seed, 0.2, &tuning);
        simulation.submit_all();
        for step in 0..2000 {
            simulation.step();
            if step % 40 == 0 {
                let (replica, _) = &mut simulation.replicas[step / 40 % usize::from(REPLICAS)];
                replica.expire(&Timer::Election, Sends::Leave);
            }
        }
        // Equal byte for byte, stamps included, though no two clocks agree.
        simulation.finish();
        let log = ChatLog::parse(&simulation.logs()[0]).unwrap();
        let mut stamps = BTreeMap::new();
        for entry in &log.entries {
            for (command, outcome) in entry.value.commands().iter().zip(&entry.outcomes) {
                let Operation::InSession { session, seq, .. } = &command.operation else {
                    continue;
                };
                let (stamp, is_new) = (command.stamp, !stamps.contains_key(&(*session, *seq)));
                match outcome {
                    Outcome::Applied => {
                        assert!(is_new, "{command} is applied where it entered the log first");
                        stamps.insert((*session, *seq), stamp);
                    }
                    Outcome::Duplicate(_) => {
                        let first: Timestamp = stamps[&(*session, *seq)];
                        elsewhere += u64::from(first.0 / SKEW_MS != stamp.0 / SKEW_MS);
                    }
                    // A gap: it was not applied there.
                    _ => {}
                }
            }
        }
    }
    assert!(elsewhere > 0, "no request entered at two replicas");
}

#[test]
fn the_same_seed_makes_the_same_logs() {
    let run = || {
        let mut simulation = Simulation::new(5, 0.2, &Tuning::default());
        simulation.submit_all();
        simulation.finish();
        (simulation.logs(), simulation.air.sent.get(), simulation.air.now.get())
    };
    assert_eq!(run(), run());
}
