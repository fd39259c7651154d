//! One message through three replicas and back, over real sockets, all of it on one thread: what a
//! commit costs in computing and system calls, without waiting for a processor.

mod disks;

use actor_runtime::clock::SystemClock;
use actor_runtime::disk::SystemDisk;
use actor_runtime::driver::{Driver, World};
use actor_runtime::keys::Secret;
use actor_runtime::network::UdpNetwork;
use actor_runtime::nodes::NodeTable;
use actor_runtime::storage::{MemoryStorage, StableStorage};
use actor_runtime::wire::{CLIENTS_MAX, ClusterId, Codec, Generations, UserName};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use disks::Unsynced;
use paxos_chat::client::{Client, ClientTuning};
use paxos_chat::message::{Input, Message};
use paxos_chat::quorum::Cluster;
use paxos_chat::replica::Replica;
use paxos_chat::state;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Body, NodeId, Nonce, User};
use paxos_chat_client::host::{ClientHost, Event};
use paxos_chat_log::Store;
use paxos_chat_replica::host::ReplicaHost;
use paxos_chat_replica::journal::{self, Identity, Place, SEGMENT_BYTES};
use rand::SeedableRng;
use rand::rngs::StdRng;
use stateright::actor::Actor;
use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::rc::Rc;

const REPLICAS: u8 = 3;

/// Where replicas keep what they promise.
#[derive(Clone, Copy, Debug)]
enum Kept {
    InMemory,
    OnDiskUnsynced,
    OnDisk,
}

impl Kept {
    fn open(
        self,
        id: u8,
        folder: &Path,
        tuning: &Tuning,
    ) -> (Box<dyn StableStorage<state::Storage>>, Store) {
        let disk: Rc<dyn actor_runtime::disk::Disk> = match self {
            Kept::OnDiskUnsynced => Rc::new(Unsynced(SystemDisk)),
            Kept::InMemory | Kept::OnDisk => Rc::new(SystemDisk),
        };
        let place = Place {
            disk,
            folder: folder.to_owned(),
            identity: Identity { cluster: ClusterId::of("bench"), replica: id },
            sessions_max: tuning.sessions_max,
            segment_bytes: SEGMENT_BYTES,
        };
        if let Kept::InMemory = self {
            let log = Store::create(&*place.disk, &place.chat_log(), place.identity.cluster);
            return (Box::new(MemoryStorage::default()), log.expect("an empty folder"));
        }
        journal::format(&place).expect("an empty folder is formatted");
        let opened = journal::open(&place).expect("what was formatted is opened");
        (Box::new(opened.storage), opened.log)
    }
}

type Sink = Box<dyn FnMut(Event) -> io::Result<()>>;

/// Three replicas and a client.
struct Whole {
    replicas: Vec<Driver<Replica, ReplicaHost>>,
    client: Driver<Client, ClientHost<Sink>>,
    confirmed: Rc<Cell<u64>>,
}

fn socket() -> UdpNetwork {
    UdpNetwork::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port")
}

fn world<A: Actor>(socket: UdpNetwork, storage: Box<dyn StableStorage<A::Storage>>) -> World<A> {
    World {
        network: Box::new(socket),
        clock: Box::new(SystemClock::start()),
        rng: Box::new(StdRng::seed_from_u64(1)),
        storage,
        recorder: None,
    }
}

impl Whole {
    fn start(kept: Kept, folder: &Path) -> Whole {
        let secret = Secret::draw().expect("the system has randomness");
        let (cluster, tuning) = (ClusterId::of("bench"), Tuning::default());
        let sockets: Vec<UdpNetwork> = (0..REPLICAS).map(|_| socket()).collect();
        let address = |socket: &UdpNetwork| socket.local_address().expect("it is bound");
        let addresses: Vec<SocketAddr> = sockets.iter().map(address).collect();
        let replicas = (0..REPLICAS).zip(sockets).map(|(id, socket)| {
            let (storage, log) = kept.open(id, folder, &tuning);
            Driver::start(
                Replica::new(Cluster::new(REPLICAS), tuning.clone()),
                NodeId(id.into()).into(),
                NodeTable::new(addresses.clone(), CLIENTS_MAX),
                Codec::replica(&secret, cluster, id, usize::from(REPLICAS), Generations::new()),
                ReplicaHost::new(log, [], &tuning),
                world(socket, storage),
            )
            .expect("the replica starts")
        });
        let replicas = replicas.collect();
        let confirmed = Rc::new(Cell::new(0));
        let count = Rc::clone(&confirmed);
        let sink: Sink = Box::new(move |event| {
            count.set(count.get() + u64::from(matches!(event, Event::Confirmed { .. })));
            Ok(())
        });
        let asks = (0..REPLICAS).map(|id| NodeId(id.into())).collect();
        let tuning = ClientTuning { window: 1024, ..ClientTuning::default() };
        let actor = Client::new(User::new("ann"), Nonce(1), asks, tuning);
        let (key, name) = (secret.user(cluster, "ann", 0), UserName::new("ann").expect("a name"));
        let codec = Codec::client(&key, cluster, name, usize::from(REPLICAS));
        let memory = Box::new(MemoryStorage::default());
        let client = Driver::start(
            actor,
            NodeId(REPLICAS.into()).into(),
            NodeTable::new(addresses, 0),
            codec,
            ClientHost::new(sink),
            world(socket(), memory),
        );
        let mut whole = Whole { replicas, client: client.expect("the client starts"), confirmed };
        // Elects a leader, opens the session, and finds the leader.
        for _ in 0..100 {
            whole.commit(1);
        }
        whole
    }

    /// Says so many messages at once, and goes on until all are acknowledged.
    fn commit(&mut self, messages: u64) {
        let wanted = self.confirmed.get() + messages;
        for _ in 0..messages {
            self.client.deliver(Message::from(Input::Submit(Body::write("x".repeat(100)))));
        }
        while self.confirmed.get() < wanted {
            self.client.turn().expect("the client runs");
            for replica in &mut self.replicas {
                replica.turn().expect("the replica runs");
            }
        }
    }
}

fn commits(c: &mut Criterion) {
    let mut group = c.benchmark_group("commit through three replicas");
    for messages in [1, 64, 1024] {
        group.throughput(Throughput::Elements(messages));
        for kept in [Kept::InMemory, Kept::OnDiskUnsynced, Kept::OnDisk] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let mut whole = Whole::start(kept, folder.path());
            group.bench_function(BenchmarkId::new(format!("{kept:?}"), messages), |b| {
                b.iter(|| whole.commit(messages));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, commits);
criterion_main!(benches);
