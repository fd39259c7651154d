//! A replica's machine, with a disk that outlives the replica, loses power when it is told to, and may take its
//! time for a sync.
//!
//! **Invariant**: a machine that waits for its disk does nothing else. What its turn sends leaves, and what has
//! arrived meanwhile is seen, when the sync has ended.

use crate::air::{Air, Endpoint, address};
use crate::cluster::{Bounds, Keys};
use actor_recording::sink::Memory;
use actor_runtime::disk::Disk;
use actor_runtime::disk::fake::{FakeDisk, Operation};
use actor_runtime::driver::{Driver, World};
use actor_runtime::loss::LossyNetwork;
use actor_runtime::nodes::NodeTable;
use actor_runtime::wire::Formats;
use paxos_chat::replica::Replica;
use paxos_chat::state::State;
use paxos_chat::types::NodeId;
use paxos_chat_replica::host::ReplicaHost;
use paxos_chat_replica::journal::{Identity, JournalError, Place, format, open};
use paxos_chat_replica::recordings;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// Clients that a replica remembers.
const CLIENTS_MAX: usize = 9;

/// A machine has lost its power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerCut {
    /// While its replica was starting on what an earlier one had left.
    pub in_recovery: bool,
    /// How many segments of its journal waited to be used again.
    pub spare_segments: usize,
}

/// A replica's machine.
pub struct Machine {
    id: u8,
    air: Rc<Air>,
    keys: Rc<Keys>,
    bounds: Bounds,
    rng: StdRng,
    disk: FakeDisk,
    /// None while it is down.
    driver: Option<Driver<Replica, ReplicaHost>>,
    back_at: Duration,
    busy_until: Rc<Cell<Duration>>,
    /// How long syncs take, and how many of them.
    slow: Rc<Cell<(Duration, u32)>>,
    /// What was recorded of each of its lives.
    recordings: Vec<Memory>,
}

impl Machine {
    /// A machine on a formatted disk, its replica started.
    pub(crate) fn new(id: u8, air: &Rc<Air>, keys: &Rc<Keys>, bounds: &Bounds) -> Machine {
        let mut machine = Machine {
            id,
            air: Rc::clone(air),
            keys: Rc::clone(keys),
            bounds: bounds.clone(),
            rng: StdRng::seed_from_u64(bounds.seed * 100 + u64::from(id)),
            disk: FakeDisk::default(),
            driver: None,
            back_at: Duration::ZERO,
            busy_until: Rc::default(),
            slow: Rc::default(),
            recordings: Vec::new(),
        };
        format(&machine.place()).expect("an empty disk is formatted");
        machine.start().expect("its disk is whole");
        machine
    }

    /// Each of the next so many syncs takes so long.
    pub fn slow_down(&self, sync: Duration, count: u32) {
        self.slow.set((sync, count));
    }

    /// Does it wait for its disk?
    pub fn is_busy(&self) -> bool {
        self.busy_until.get() > self.air.now()
    }

    /// Its disk.
    pub fn disk(&self) -> &FakeDisk {
        &self.disk
    }

    /// The replica's state, unless it is down.
    pub fn state(&self) -> Option<&State> {
        self.driver.as_ref().map(Driver::state)
    }

    /// What runs the replica, unless it is down.
    pub fn driver_mut(&mut self) -> Option<&mut Driver<Replica, ReplicaHost>> {
        self.driver.as_mut()
    }

    /// What its program reads and writes.
    pub fn formats(&self) -> Formats {
        self.bounds.formats
    }

    /// Kills the program, and starts one that reads and writes these formats, on the same disk.
    ///
    /// # Panics
    /// If its disk is damaged.
    pub fn replace_program(&mut self, formats: Formats) {
        self.driver = None;
        self.bounds.formats = formats;
        self.start().expect("its disk is whole");
    }

    /// The bytes of its chat log.
    pub fn log(&self) -> Vec<u8> {
        self.disk.read(&self.place().chat_log()).expect("it has a chat log")
    }

    /// What was recorded of each of its lives so far.
    pub fn recordings(&self) -> impl Iterator<Item = Vec<u8>> {
        self.recordings.iter().map(Memory::bytes)
    }

    /// Does its replica run?
    pub fn is_up(&self) -> bool {
        self.driver.is_some()
    }

    fn spare_segments(&self) -> usize {
        let names = self.disk.list(&self.place().journal()).expect("it has a journal");
        names.iter().filter(|name| name.starts_with("segment-") && name.ends_with(".tmp")).count()
    }

    /// When it does something by itself.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match &self.driver {
            Some(driver) if self.is_busy() => driver.deadline().map(|_| self.busy_until.get()),
            Some(driver) => driver.deadline(),
            None => Some(self.back_at),
        }
    }

    /// Takes a turn, unless it waits for its disk; starts, when it is time. When its power goes, it comes back at
    /// once on what the disk has kept, and the replica is started up to three seconds later.
    pub(crate) fn turn(&mut self) -> Option<PowerCut> {
        let (is_busy, in_recovery) = (self.is_busy(), self.driver.is_none());
        let error = match &mut self.driver {
            None if self.back_at > self.air.now() => return None,
            None => self.start().err()?.to_string(),
            Some(_) if is_busy => return None,
            Some(driver) => driver.turn().err()?.to_string(),
        };
        assert!(self.disk.is_off(), "it fails though its disk does not: {error}");
        let cut = PowerCut { in_recovery, spare_segments: self.spare_segments() };
        self.driver = None;
        self.disk.restart(self.rng.random());
        self.back_at = self.air.now() + Duration::from_millis(self.rng.random_range(0..3000));
        Some(cut)
    }

    fn place(&self) -> Place {
        Place {
            disk: Rc::new(self.disk.clone()),
            folder: PathBuf::from("/data"),
            identity: Identity { cluster: self.keys.cluster, replica: self.id },
            sessions_max: self.bounds.tuning.sessions_max,
            // So small that segments are recycled.
            segment_bytes: 4096,
        }
    }

    /// Starts the replica.
    fn start(&mut self) -> Result<(), JournalError> {
        let opened = open(&self.place())?;
        let (slow, busy_until) = (Rc::clone(&self.slow), Rc::clone(&self.busy_until));
        let air = Rc::clone(&self.air);
        self.disk.observe(Box::new(move |operation| {
            let (sync, count) = slow.get();
            if matches!(operation, Operation::Sync(_)) && count > 0 {
                slow.set((sync, count - 1));
                busy_until.set(busy_until.get().max(air.now()) + sync);
            }
        }));
        let endpoint = Endpoint::new(&self.air, self.id.into(), &self.busy_until);
        let lossy = LossyNetwork::new(endpoint.clone(), self.bounds.loss(), self.rng.random());
        let Bounds { tuning, packing, formats, .. } = &self.bounds;
        let actor = Replica::new(self.bounds.cluster(), tuning.clone());
        let recording = Memory::default();
        self.recordings.push(recording.clone());
        let world = World {
            network: Box::new(lossy),
            clock: Box::new(endpoint),
            rng: Box::new(StdRng::seed_from_u64(self.rng.random())),
            storage: Box::new(opened.storage),
            recorder: Some(Box::new(recordings::tape(&actor, Box::new(recording)))),
        };
        let host = ReplicaHost::new(opened.log, [], tuning);
        let addresses = (0..self.bounds.replicas).map(|id| address(id.into())).collect::<Vec<_>>();
        let nodes = NodeTable::new(addresses, CLIENTS_MAX);
        let codec = self.keys.replica(self.id, self.bounds.replicas);
        let codec = codec.with_packing(*packing).with_formats(*formats);
        let id = NodeId(self.id.into()).into();
        let driver = Driver::start(actor, id, nodes, codec, host, world);
        self.driver = Some(driver.expect("a start sends and saves nothing"));
        Ok(())
    }
}
