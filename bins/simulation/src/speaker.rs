//! A client, and what it was told.

use crate::air::{Air, Endpoint, address};
use crate::cluster::{Bounds, Keys};
use actor_recording::sink::Memory;
use actor_runtime::driver::{Driver, World};
use actor_runtime::loss::LossyNetwork;
use actor_runtime::nodes::NodeTable;
use actor_runtime::storage::MemoryStorage;
use paxos_chat::client::{Client, ClientTuning};
use paxos_chat::message::Input;
use paxos_chat::types::{Body, NodeId, Nonce, User};
use paxos_chat_client::host::{ClientHost, Event};
use paxos_chat_client::recordings;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

type Sink = Box<dyn FnMut(Event) -> io::Result<()>>;

/// A client, which says what it is told to.
pub struct Speaker {
    driver: Driver<Client, ClientHost<Sink>>,
    submitted: u64,
    confirmed: Rc<Cell<u64>>,
    recording: Memory,
}

impl Speaker {
    /// The client of this number, which is the port of its node, too.
    pub(crate) fn new(number: u8, air: &Rc<Air>, keys: &Keys, bounds: &Bounds) -> Speaker {
        let seed = bounds.seed * 100 + u64::from(number);
        let endpoint = Endpoint::new(air, number.into(), &Rc::default());
        let lossy = LossyNetwork::new(endpoint.clone(), bounds.loss(), seed);
        let confirmed = Rc::new(Cell::new(0));
        let count = Rc::clone(&confirmed);
        let sink: Sink = Box::new(move |event| {
            count.set(count.get() + u64::from(matches!(event, Event::Confirmed { .. })));
            Ok(())
        });
        let user = format!("user-{number}");
        let codec = keys.client(&user, bounds.replicas).with_packing(bounds.packing);
        let codec = codec.with_formats(bounds.formats);
        let replicas = (0..bounds.replicas).map(|id| NodeId(id.into())).collect();
        let (user, nonce) = (User::new(&user), Nonce(number.into()));
        let actor = Client::new(user, nonce, replicas, ClientTuning::default());
        let recording = Memory::default();
        let world = World {
            network: Box::new(lossy),
            clock: Box::new(endpoint),
            rng: Box::new(StdRng::seed_from_u64(seed + 50)),
            storage: Box::new(MemoryStorage::default()),
            recorder: Some(Box::new(recordings::tape(&actor, Box::new(recording.clone())))),
        };
        let addresses = (0..bounds.replicas).map(|id| address(id.into())).collect::<Vec<_>>();
        let (id, nodes) = (NodeId(number.into()).into(), NodeTable::new(addresses, 0));
        let driver = Driver::start(actor, id, nodes, codec, ClientHost::new(sink), world);
        Speaker {
            driver: driver.expect("a start sends and saves nothing"),
            submitted: 0,
            confirmed,
            recording,
        }
    }

    /// What was recorded of it so far.
    pub fn recording(&self) -> Vec<u8> {
        self.recording.bytes()
    }

    /// Says `message 1`, `message 2` and so on, the next one.
    pub fn say_next(&mut self) {
        self.submitted += 1;
        let body = Body::write(format!("message {}", self.submitted));
        self.driver.deliver(Input::Submit(body).into());
    }

    /// How many messages it has said.
    pub fn submitted(&self) -> u64 {
        self.submitted
    }

    /// How many of them were acknowledged.
    pub fn confirmed(&self) -> u64 {
        self.confirmed.get()
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.driver.deadline()
    }

    pub(crate) fn turn(&mut self) {
        self.driver.turn().expect("it saves nothing");
    }
}
