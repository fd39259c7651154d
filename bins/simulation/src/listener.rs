//! A reader, which follows the chat log from its beginning, and asks how far it goes.

use crate::air::{Air, Endpoint, SKEW, address};
use crate::bounds::{Bounds, Keys};
use crate::played::{Hosted, Played};
use actor_recording::sink::Memory;
use actor_runtime::driver::{Driver, World};
use actor_runtime::loss::LossyNetwork;
use actor_runtime::nodes::NodeTable;
use actor_runtime::storage::MemoryStorage;
use paxos_chat::client::ClientTuning;
use paxos_chat::message::{Input, Message};
use paxos_chat::reader::Reader;
use paxos_chat::types::{NodeId, Nonce, Slot, User};
use paxos_chat_client::host::{News, ReaderHost};
use paxos_chat_client::recordings;
use paxos_chat_validation::process::Stage;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

type Sink = Box<dyn FnMut(News) -> io::Result<()>>;

/// A reader.
pub struct Listener {
    number: u8,
    air: Rc<Air>,
    driver: Driver<Played<Reader>, Hosted<ReaderHost<Sink>>>,
    recording: Memory,
    /// Current reads that have begun.
    reads: u64,
}

impl Listener {
    /// The reader of this number, which is the port of its node, too.
    pub(crate) fn new(
        number: u8,
        air: &Rc<Air>,
        keys: &Keys,
        bounds: &Bounds,
        stage: &Stage,
    ) -> Listener {
        let seed = bounds.seed.wrapping_mul(100).wrapping_add(u64::from(number));
        let ahead = Rc::new(Cell::new(SKEW * u32::from(number)));
        let endpoint = Endpoint::new(air, number.into(), &Rc::default(), &ahead);
        let lossy = LossyNetwork::new(endpoint.clone(), bounds.loss(), seed);
        let sink: Sink = Box::new(|_| Ok(()));
        let user = format!("user-{number}");
        let codec = keys.client(&user, bounds.replicas);
        let codec = codec.with_packing(bounds.packing).with_formats(bounds.formats);
        let replicas = (0..bounds.replicas).map(|id| NodeId(id.into())).collect();
        let (user, from) = (User::new(&user), Some(Slot(0)));
        let tuning = ClientTuning::default();
        let reader = Reader { replicas, user, from, follows: true, tuning };
        let actor = Played::new(reader, &stage.reader);
        let recording = Memory::default();
        let world = World {
            network: Box::new(lossy),
            clock: Box::new(endpoint),
            rng: Box::new(StdRng::seed_from_u64(seed.wrapping_add(50))),
            storage: Box::new(MemoryStorage::default()),
            recorder: Some(Box::new(recordings::tape(&actor, Box::new(recording.clone())))),
        };
        let addresses = (0..bounds.replicas).map(|id| address(id.into())).collect::<Vec<_>>();
        let (id, nodes) = (NodeId(number.into()).into(), NodeTable::new(addresses, 0));
        let driver = Driver::start(actor, id, nodes, codec, Hosted(ReaderHost::new(sink)), world);
        let driver = driver.expect("a start sends and saves nothing");
        Listener { number, air: Rc::clone(air), driver, recording, reads: 0 }
    }

    /// What was recorded of it so far.
    pub fn recording(&self) -> Vec<u8> {
        self.recording.bytes()
    }

    /// It has read everything below this slot.
    pub fn read_upto(&self) -> Slot {
        self.driver.state().next.unwrap_or_default()
    }

    /// Begins a current read.
    pub(crate) fn read_current(&mut self) {
        self.reads += 1;
        self.driver.deliver(Message::Input(Input::ReadCurrent(Nonce(self.reads))));
    }

    /// Current reads that have not ended.
    pub fn open_reads(&self) -> usize {
        self.driver.state().reads.len()
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.driver.deadline()
    }

    pub(crate) fn turn(&mut self) -> Result<(), String> {
        let is_due = self.deadline().is_some_and(|at| at <= self.air.now());
        if is_due || self.air.has_arrived(self.number.into()) {
            let turn = self.driver.turn();
            turn.map_err(|error| format!("reader {} ends: {error}", self.number))?;
        }
        Ok(())
    }
}
