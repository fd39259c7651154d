//! The order of syncs and sends, seen from an instrumented disk and network; and that nothing
//! leaves after a failed one.

use actor_runtime::burst::{Arrivals, Departures};
use actor_runtime::clock::SystemClock;
use actor_runtime::disk::Disk;
use actor_runtime::disk::fake::{FakeDisk, Fault, Operation};
use actor_runtime::driver::{Driver, DriverError, World};
use actor_runtime::keys::Secret;
use actor_runtime::network::Network;
use actor_runtime::nodes::NodeTable;
use actor_runtime::wire::{ClusterId, Codec, Generations, Peer};
use paxos_chat::message::{Accept, Prepare, ToPeer};
use paxos_chat::quorum::Cluster;
use paxos_chat::replica::Replica;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Ballot, NodeId, ReplicaId, Slot, Value};
use paxos_chat_packets::Packet;
use paxos_chat_replica::host::ReplicaHost;
use paxos_chat_replica::journal::{Identity, Opened, Place, format, open};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

/// What happened, in order, and what is to arrive from replica 1.
#[derive(Clone)]
struct Scene {
    peer: Rc<RefCell<Codec>>,
    trace: Rc<RefCell<Vec<String>>>,
    arriving: Rc<RefCell<VecDeque<Vec<u8>>>>,
}

static SECRET: LazyLock<Secret> = LazyLock::new(|| Secret::draw().unwrap());

fn codec(id: u8) -> Codec {
    Codec::replica(&*SECRET, ClusterId::of("test"), id, 3, Generations::new())
}

fn address(id: u16) -> SocketAddr {
    ([10, 0, 0, 1], id).into()
}

impl Network for Scene {
    fn wait(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn receive(&mut self, arrivals: &mut Arrivals) -> io::Result<bool> {
        arrivals.clear();
        let mut arriving = self.arriving.borrow_mut();
        while let Some(bytes) = arriving.pop_front() {
            assert!(arrivals.push(address(1), &bytes));
        }
        Ok(false)
    }

    fn send(&mut self, departures: &mut Departures) -> u64 {
        for (to, bytes) in departures.iter() {
            assert_eq!(to, address(1));
            let mut messages: Vec<Packet> = Vec::new();
            let mut peer = self.peer.borrow_mut();
            peer.open_all(None, &mut bytes.to_vec(), &mut messages).unwrap();
            for message in messages {
                let debug = format!("{message:?}");
                let name = debug.split([' ', '(']).next().unwrap();
                self.trace.borrow_mut().push(format!("send {name}"));
            }
        }
        0
    }
}

impl Scene {
    fn arrives(&self, message: &Packet) {
        let mut bytes = Vec::new();
        self.peer.borrow_mut().seal(Peer::Replica(0), message, &mut bytes).unwrap();
        self.arriving.borrow_mut().push_back(bytes);
    }

    fn taken(&self) -> Vec<String> {
        self.trace.take()
    }
}

fn place(disk: &FakeDisk) -> Place {
    Place {
        disk: Rc::new(disk.clone()),
        folder: PathBuf::from("/data"),
        identity: Identity { cluster: ClusterId::of("test"), replica: 0 },
        sessions_max: 9,
        segment_bytes: 1 << 16,
    }
}

fn start(disk: &FakeDisk, scene: &Scene, snapshot_slots: u64) -> Driver<Replica, ReplicaHost> {
    let Opened { storage, log, warnings } = open(&place(disk)).map_err(|e| e.to_string()).unwrap();
    assert!(warnings.is_empty());
    let trace = Rc::clone(&scene.trace);
    disk.observe(Box::new(move |operation| {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        trace.borrow_mut().push(match operation {
            Operation::Write(path) => format!("write {}", name(path)),
            Operation::Sync(path) => format!("sync {}", name(path)),
            Operation::Remove(path) => format!("remove {}", name(path)),
            Operation::Names(_) => "names".to_owned(),
        });
    }));
    let world: World<Replica> = World {
        network: Box::new(scene.clone()),
        clock: Box::new(SystemClock::start()),
        rng: Box::new(StdRng::seed_from_u64(1)),
        storage: Box::new(storage),
        recorder: None,
    };
    // No time-out of its own within the test.
    let tuning = Tuning { snapshot_slots, ..Tuning::default() };
    let tuning = tuning.with_election_timeout(Duration::from_secs(600));
    let nodes = NodeTable::new((0..3).map(address).collect::<Vec<_>>(), 9);
    let host = ReplicaHost::new(log, [], &tuning);
    let actor = Replica::new(Cluster::new(3), tuning);
    Driver::start(actor, NodeId(0).into(), nodes, codec(0), host, world).unwrap()
}

fn formatted() -> (FakeDisk, Scene) {
    let disk = FakeDisk::default();
    format(&place(&disk)).unwrap();
    let peer = Rc::new(RefCell::new(codec(1)));
    (disk, Scene { peer, trace: Rc::default(), arriving: Rc::default() })
}

const BALLOT: Ballot = Ballot { round: 1, replica: ReplicaId(1) };

fn accept(slot: u64, decided_upto: u64) -> Packet {
    let (slot, decided_upto) = (Slot(slot), Slot(decided_upto));
    Packet::ToPeer(ToPeer::Accept(Accept {
        ballot: BALLOT,
        slot,
        value: Value::Noop,
        decided_upto,
    }))
}

#[test]
fn one_sync_covers_a_burst_and_comes_before_every_send() {
    let (disk, scene) = formatted();
    let mut driver = start(&disk, &scene, 0);
    scene.taken();
    scene.arrives(&Packet::ToPeer(ToPeer::Prepare(Prepare { ballot: BALLOT, from: Slot(0) })));
    driver.turn().unwrap();
    let segment = "segment-0000000002";
    let (write, sync) = (format!("write {segment}"), format!("sync {segment}"));
    assert_eq!(scene.taken(), [&write, &sync, "send Promise"]);
    for slot in 0..3 {
        scene.arrives(&accept(slot, 0));
    }
    driver.turn().unwrap();
    let sends = ["send Accepted"; 3];
    assert_eq!(scene.taken(), [&[write.as_str(), sync.as_str()][..], &sends[..]].concat());
}

#[test]
fn a_snapshot_follows_the_chat_log_and_comes_before_what_reveals_it() {
    let (disk, scene) = formatted();
    let mut driver = start(&disk, &scene, 2);
    for slot in 0..2 {
        scene.arrives(&accept(slot, 0));
    }
    driver.turn().unwrap();
    scene.taken();
    scene.arrives(&accept(2, 2));
    driver.turn().unwrap();
    let trace = scene.taken();
    let at = |what: &str| trace.iter().position(|event| event == what).expect(what);
    let order = [
        at("sync segment-0000000002"),
        at("write replica-0.log"),
        at("sync replica-0.log"),
        at("sync snapshot.tmp"),
        at("send Accepted"),
    ];
    assert!(order.is_sorted(), "{trace:?}");
    // The snapshot names a place in the segment that is there.
    assert!(disk.exists(&place(&disk).journal().join("segment-0000000002")).unwrap());
    assert!(!trace.iter().any(|event| event.contains("segment-0000000003")), "{trace:?}");
    let upto = driver.state().durable.snapshot.upto;
    drop(driver);
    disk.restart(1);
    let driver = start(&disk, &scene, 2);
    assert_eq!((upto, driver.state().durable.snapshot.upto), (Slot(2), Slot(2)));
    assert_eq!(driver.state().durable.votes.len(), 1);
}

#[test]
fn after_a_failed_write_or_sync_nothing_of_the_burst_leaves() {
    for (offset, fault) in [(0, Fault::Io), (1, Fault::Io), (0, Fault::NoSpace)] {
        let (disk, scene) = formatted();
        let mut driver = start(&disk, &scene, 0);
        scene.arrives(&accept(0, 0));
        scene.arrives(&accept(1, 0));
        disk.fail_at(disk.operations() + offset, fault);
        assert!(matches!(driver.turn(), Err(DriverError::Storage(_))));
        scene.arrives(&accept(2, 0));
        assert!(matches!(driver.turn(), Err(DriverError::Storage(_))), "it stays failed");
        assert!(!scene.taken().iter().any(|event| event.starts_with("send")));
    }
}

#[test]
fn a_promise_outlives_a_power_cut() {
    let (disk, scene) = formatted();
    let mut driver = start(&disk, &scene, 0);
    scene.arrives(&Packet::ToPeer(ToPeer::Prepare(Prepare { ballot: BALLOT, from: Slot(0) })));
    driver.turn().unwrap();
    drop(driver);
    disk.restart(7);
    let mut driver = start(&disk, &scene, 0);
    scene.taken();
    let lower = Ballot { round: 1, replica: ReplicaId(0) };
    scene.arrives(&Packet::ToPeer(ToPeer::Prepare(Prepare { ballot: lower, from: Slot(0) })));
    driver.turn().unwrap();
    assert_eq!(scene.taken(), ["send Reject"]);
}
