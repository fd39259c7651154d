//! A client, life after life, and what it was told.

use crate::air::{Air, Endpoint, SKEW, address};
use crate::bounds::{Bounds, Keys};
use crate::played::{Hosted, Played};
use actor_recording::sink::Memory;
use actor_runtime::disk::fake::FakeDisk;
use actor_runtime::driver::{Driver, World};
use actor_runtime::loss::LossyNetwork;
use actor_runtime::nodes::NodeTable;
use actor_runtime::storage::{MemoryStorage, StableStorage};
use paxos_chat::client::{Client, ClientStorage, ClientTuning};
use paxos_chat::message::Input;
use paxos_chat::types::{Body, NodeId, Nonce, User};
use paxos_chat_client::host::{ClientHost, Event};
use paxos_chat_client::recordings;
use paxos_chat_client::state::{Owner, StateFile};
use paxos_chat_validation::process::Stage;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::cell::{Cell, RefCell};
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

type Sink = Box<dyn FnMut(Event) -> io::Result<()>>;

/// Where a durable client keeps its state.
const STATE: &str = "/state";

/// What became of all that a client has said.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    confirmed: u64,
    /// Its session has expired, or it was killed, and nobody knows.
    unknown: u64,
    expired: bool,
}

/// A client, which says what it is told to.
pub struct Speaker {
    number: u8,
    air: Rc<Air>,
    keys: Rc<Keys>,
    bounds: Bounds,
    stage: Stage,
    /// Of a durable client.
    disk: Option<FakeDisk>,
    /// None while it is down.
    driver: Option<Driver<Played<Client>, Hosted<ClientHost<Sink>>>>,
    back_at: Duration,
    /// It was told something, and has not taken a turn since.
    is_told: bool,
    submitted: u64,
    told: Rc<RefCell<Told>>,
    recordings: Vec<Memory>,
}

impl Speaker {
    /// The client of this number, which is the port of its node, too.
    pub(crate) fn new(
        number: u8,
        air: &Rc<Air>,
        keys: &Rc<Keys>,
        bounds: &Bounds,
        stage: &Stage,
    ) -> Speaker {
        let mut speaker = Speaker {
            number,
            air: Rc::clone(air),
            keys: Rc::clone(keys),
            bounds: bounds.clone(),
            stage: stage.clone(),
            disk: bounds.durable_clients.then(FakeDisk::default),
            driver: None,
            back_at: Duration::ZERO,
            is_told: false,
            submitted: 0,
            told: Rc::default(),
            recordings: Vec::new(),
        };
        speaker.start();
        speaker
    }

    fn start(&mut self) {
        let (number, lives) = (self.number, self.recordings.len() as u64);
        let seed = self.bounds.seed.wrapping_mul(100).wrapping_add(u64::from(number));
        let seed = seed.wrapping_add(lives.wrapping_mul(7919));
        let ahead = Rc::new(Cell::new(SKEW * u32::from(number)));
        let endpoint = Endpoint::new(&self.air, number.into(), &Rc::default(), &ahead);
        let lossy = LossyNetwork::new(endpoint.clone(), self.bounds.loss(), seed);
        let told = Rc::clone(&self.told);
        let sink: Sink = Box::new(move |event| {
            let mut told = told.borrow_mut();
            match event {
                Event::Confirmed { .. } => told.confirmed += 1,
                Event::Expired { .. } => told.expired = true,
                Event::Opened(_) | Event::Failed { .. } => {}
            }
            Ok(())
        });
        let user = format!("user-{number}");
        let bounds = &self.bounds;
        let codec = self.keys.client(&user, bounds.replicas).with_packing(bounds.packing);
        let codec = codec.with_formats(bounds.formats);
        let replicas = (0..bounds.replicas).map(|id| NodeId(id.into())).collect();
        let nonce = Nonce(u64::from(number) + (lives << 8));
        let tuning = ClientTuning::default();
        let mut client = Client::new(User::new(&user), nonce, replicas, tuning);
        client.is_durable = self.disk.is_some();
        let actor = Played::new(client, &self.stage.client);
        let recording = Memory::default();
        let world = World {
            network: Box::new(lossy),
            clock: Box::new(endpoint),
            rng: Box::new(StdRng::seed_from_u64(seed.wrapping_add(50))),
            storage: self.storage(&user),
            recorder: Some(Box::new(recordings::tape(&actor, Box::new(recording.clone())))),
        };
        let addresses = (0..bounds.replicas).map(|id| address(id.into())).collect::<Vec<_>>();
        let (id, nodes) = (NodeId(number.into()).into(), NodeTable::new(addresses, 0));
        self.recordings.push(recording);
        let driver = Driver::start(actor, id, nodes, codec, Hosted(ClientHost::new(sink)), world);
        self.driver = Some(driver.expect("its disk does not fail"));
    }

    fn storage(&self, user: &str) -> Box<dyn StableStorage<ClientStorage>> {
        let Some(disk) = &self.disk else { return Box::new(MemoryStorage::default()) };
        let owner = Owner { cluster: self.keys.cluster, user: user.to_owned() };
        let opened = StateFile::open(disk.clone(), Path::new(STATE), &owner);
        let (mut file, _) = opened.expect("its disk does not fail");
        // Whoever has it has told what an expired session leaves unknown.
        file.conclude(false).expect("its disk does not fail");
        Box::new(file)
    }

    /// What was recorded of each of its lives so far.
    pub fn recordings(&self) -> impl Iterator<Item = Vec<u8>> {
        self.recordings.iter().map(Memory::bytes)
    }

    /// Says `message 1`, `message 2` and so on, the next one. False, if it is down.
    pub fn say_next(&mut self) -> bool {
        let text = format!("message {}", self.submitted + 1);
        self.say(&text)
    }

    /// Says this. False, if it is down.
    pub fn say(&mut self, text: &str) -> bool {
        self.submit(Body::write(text))
    }

    /// Asks for a place in the log, as whoever wants to read what is current does. It counts as something said.
    pub fn sync(&mut self) -> bool {
        self.submit(Body::Sync)
    }

    fn submit(&mut self, body: Body) -> bool {
        let Some(driver) = &mut self.driver else { return false };
        self.submitted += 1;
        self.is_told = true;
        driver.deliver(Input::Submit(body).into());
        true
    }

    /// How many messages it has said.
    pub fn submitted(&self) -> u64 {
        self.submitted
    }

    /// How many of them were acknowledged.
    pub fn confirmed(&self) -> u64 {
        self.told.borrow().confirmed
    }

    /// How many of them are neither acknowledged nor given up.
    pub fn pending(&self) -> u64 {
        let told = self.told.borrow();
        self.submitted.saturating_sub(told.confirmed + told.unknown)
    }

    /// Kills its process, which is started again after so long. What a client that is not durable had not been told is
    /// unknown from then on.
    pub fn kill(&mut self, time: Duration) {
        self.driver = None;
        self.back_at = self.back_at.max(self.air.now() + time);
        if self.disk.is_none() {
            let pending = self.pending();
            self.told.borrow_mut().unknown += pending;
        }
    }

    /// Whoever waits to start it again waits no longer.
    pub fn bring_back(&mut self) {
        self.back_at = self.back_at.min(self.air.now());
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        match &self.driver {
            Some(_) if self.is_told => Some(self.air.now()),
            Some(driver) => driver.deadline(),
            None => Some(self.back_at),
        }
    }

    pub(crate) fn turn(&mut self) -> Result<(), String> {
        let now = self.air.now();
        let is_due = self.deadline().is_some_and(|at| at <= now);
        let Some(driver) = &mut self.driver else {
            if is_due {
                self.start();
            }
            return Ok(());
        };
        if is_due || self.air.has_arrived(self.number.into()) {
            self.is_told = false;
            let turn = driver.turn();
            turn.map_err(|error| format!("client {} ends: {error}", self.number))?;
        }
        if std::mem::take(&mut self.told.borrow_mut().expired) {
            // Its process tells its user, and ends.
            let pending = self.pending();
            self.told.borrow_mut().unknown += pending;
            self.driver = None;
            self.back_at = now;
        }
        Ok(())
    }
}
