//! A replica's machine, with a disk that outlives the replica, loses power when it is told to, and may take its
//! time for a sync.
//!
//! **Invariant**: a machine that waits for its disk does nothing else. What its turn sends leaves, and what has
//! arrived meanwhile is seen, when the sync has ended.

use crate::air::{Air, Endpoint, SKEW, address};
use crate::bounds::{Bounds, Keys};
use crate::played::{Hosted, Played};
use actor_recording::sink::Memory;
use actor_runtime::disk::Disk;
use actor_runtime::disk::fake::{FakeDisk, Operation};
use actor_runtime::driver::{Driver, World};
use actor_runtime::loss::LossyNetwork;
use actor_runtime::nodes::NodeTable;
use actor_runtime::wire::Formats;
use paxos_chat::replica::Replica;
use paxos_chat::state::State;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::NodeId;
use paxos_chat_replica::host::ReplicaHost;
use paxos_chat_replica::journal::{Identity, JournalError, Place, format, open};
use paxos_chat_replica::recordings;
use paxos_chat_validation::process::Stage;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// Clients that a replica remembers.
const CLIENTS_MAX: usize = 64;

/// How long whoever watches over a replica waits before it starts it again, after its disk has failed.
const RESTART_AFTER: Duration = Duration::from_secs(1);
/// A turn waits for its disk for no longer than this. All syncs of a turn are reckoned at once, as if the disk stayed as
/// slow as it is, and a start may have hundreds.
const TURN_MAX: Duration = Duration::from_secs(20);

/// What runs a replica.
pub type ReplicaDriver = Driver<Played<Replica>, Hosted<ReplicaHost>>;

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
    stage: Stage,
    rng: StdRng,
    disk: FakeDisk,
    /// None while it is down.
    driver: Option<ReplicaDriver>,
    back_at: Duration,
    /// Its replica was told something, and has not taken a turn since.
    is_told: bool,
    busy_until: Rc<Cell<Duration>>,
    suspended_until: Duration,
    ahead: Rc<Cell<Duration>>,
    /// How long syncs take, and how many of them.
    slow: Rc<Cell<(Duration, u32)>>,
    /// Operations of its disk that had failed when its replica started.
    failed_before: u64,
    /// Its replica can't be started any more: a part of its disk has rotted.
    is_lost: bool,
    may_rot: bool,
    /// What was recorded of each of its lives.
    recordings: Vec<Memory>,
}

impl Machine {
    /// A machine on a formatted disk, its replica started.
    pub(crate) fn new(
        id: u8,
        air: &Rc<Air>,
        keys: &Rc<Keys>,
        bounds: &Bounds,
        stage: &Stage,
    ) -> Machine {
        let mut machine = Machine {
            id,
            air: Rc::clone(air),
            keys: Rc::clone(keys),
            bounds: bounds.clone(),
            stage: stage.clone(),
            rng: StdRng::seed_from_u64(bounds.seed.wrapping_mul(100).wrapping_add(u64::from(id))),
            disk: FakeDisk::default(),
            driver: None,
            back_at: Duration::ZERO,
            is_told: false,
            busy_until: Rc::default(),
            suspended_until: Duration::ZERO,
            ahead: Rc::new(Cell::new(SKEW * u32::from(id))),
            slow: Rc::default(),
            failed_before: 0,
            is_lost: false,
            may_rot: false,
            recordings: Vec::new(),
        };
        format(&machine.place()).expect("an empty disk is formatted");
        machine.start().expect("its disk is whole");
        machine
    }

    /// Each of the next so many syncs takes so long, but all of a turn at most [`TURN_MAX`].
    pub fn slow_down(&self, sync: Duration, count: u32) {
        self.slow.set((sync, count));
    }

    /// It does nothing by itself for so long, as a machine that is suspended. What it is made to do, it does.
    pub fn pause(&mut self, time: Duration) {
        self.suspended_until = self.suspended_until.max(self.air.now() + time);
    }

    /// Is it suspended?
    pub fn is_suspended(&self) -> bool {
        self.suspended_until > self.air.now()
    }

    /// From now on its time of day is so far ahead of the time.
    pub fn set_clock_ahead(&self, by: Duration) {
        self.ahead.set(by);
    }

    /// Does it wait for its disk, or is it suspended?
    pub fn is_busy(&self) -> bool {
        self.free_at() > self.air.now()
    }

    fn free_at(&self) -> Duration {
        self.busy_until.get().max(self.suspended_until)
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
    pub fn driver_mut(&mut self) -> Option<&mut ReplicaDriver> {
        self.is_told = true;
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

    /// Kills the program. It is started again after so long at the earliest, and with these parameters, if they are given.
    pub fn kill(&mut self, time: Duration, tuning: Option<Tuning>) {
        self.driver = None;
        self.back_at = self.back_at.max(self.air.now() + time);
        if let Some(tuning) = tuning {
            self.bounds.tuning = tuning;
        }
    }

    /// It is suspended no longer, and whoever waits to start it again waits no longer. A sync under way still takes its
    /// time.
    pub fn bring_back(&mut self) {
        let now = self.air.now();
        (self.back_at, self.suspended_until) =
            (self.back_at.min(now), self.suspended_until.min(now));
    }

    /// Changes a bit of a file, which a seed draws. From now on its replica may refuse to start, or end.
    pub fn rot(&mut self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let place = self.place();
        let names = self.disk.list(&place.journal()).unwrap_or_default();
        let journal = names.into_iter().map(|name| place.journal().join(name));
        let files: Vec<PathBuf> = journal.chain([place.chat_log()]).collect();
        let file = &files[rng.random_range(0..files.len())];
        self.may_rot = true;
        self.disk.tamper(file, |bytes| {
            if !bytes.is_empty() {
                let at = rng.random_range(0..bytes.len());
                bytes[at] ^= 1 << rng.random_range(0..8);
            }
        });
    }

    /// Has a bit of its disk changed by itself?
    pub fn has_rotted(&self) -> bool {
        self.may_rot
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
            Some(driver) if self.is_busy() => driver.deadline().map(|_| self.free_at()),
            Some(driver) => driver.deadline(),
            None if self.is_lost => None,
            None => Some(self.back_at.max(self.free_at())),
        }
    }

    /// Takes a turn, if there is anything to do and it does not wait for its disk; starts, when it is time. When its
    /// power goes, it comes back at once on what the disk has kept, and the replica is started up to three seconds
    /// later, or when it is time.
    ///
    /// # Errors
    /// When the program ends though its disk does not fail.
    pub(crate) fn turn(&mut self) -> Result<Option<PowerCut>, String> {
        let now = self.air.now();
        let is_due = self.is_told || self.has_mail() || self.deadline().is_some_and(|at| at <= now);
        if self.is_busy() || !is_due {
            return Ok(None);
        }
        self.is_told = false;
        let in_recovery = self.driver.is_none();
        let error = match &mut self.driver {
            None => match self.start() {
                Ok(()) => return Ok(None),
                Err(JournalError::Refused { .. }) if self.may_rot => {
                    self.is_lost = true;
                    return Ok(None);
                }
                Err(error) => error.to_string(),
            },
            Some(driver) => match driver.turn() {
                Ok(()) => return Ok(None),
                Err(error) => error.to_string(),
            },
        };
        let mut cut = None;
        if self.disk.is_off() {
            cut = Some(PowerCut { in_recovery, spare_segments: self.spare_segments() });
            self.driver = None;
            self.disk.restart(self.rng.random());
            let time = Duration::from_millis(self.rng.random_range(0..3000));
            self.back_at = self.back_at.max(now + time);
        } else if self.disk.failed() > self.failed_before || self.may_rot {
            self.driver = None;
            if self.rng.random() {
                self.disk.evict();
            }
            self.back_at = self.back_at.max(now + RESTART_AFTER);
        } else {
            return Err(format!("replica {} ends though its disk does not fail: {error}", self.id));
        }
        Ok(cut)
    }

    fn has_mail(&self) -> bool {
        self.driver.is_some() && self.air.has_arrived(self.id.into())
    }

    fn place(&self) -> Place {
        Place {
            disk: Rc::new(self.disk.clone()),
            folder: PathBuf::from("/data"),
            identity: Identity { cluster: self.keys.cluster, replica: self.id },
            sessions_max: self.bounds.tuning.sessions_max,
            segment_bytes: self.bounds.segment_bytes,
        }
    }

    /// Starts the replica.
    fn start(&mut self) -> Result<(), JournalError> {
        self.failed_before = self.disk.failed();
        let opened = open(&self.place())?;
        let (slow, busy_until) = (Rc::clone(&self.slow), Rc::clone(&self.busy_until));
        let air = Rc::clone(&self.air);
        self.disk.observe(Box::new(move |operation| {
            let (sync, count) = slow.get();
            if matches!(operation, Operation::Sync(_)) && count > 0 {
                slow.set((sync, count - 1));
                let until = busy_until.get().max(air.now()) + sync;
                busy_until.set(until.min(air.now() + TURN_MAX));
            }
        }));
        let endpoint = Endpoint::new(&self.air, self.id.into(), &self.busy_until, &self.ahead);
        let lossy = LossyNetwork::new(endpoint.clone(), self.bounds.loss(), self.rng.random());
        let Bounds { tuning, packing, formats, .. } = &self.bounds;
        let replica = Replica::new(self.bounds.cluster(), tuning.clone());
        let actor = Played::new(replica, &self.stage.replica);
        let recording = Memory::default();
        let world = World {
            network: Box::new(lossy),
            clock: Box::new(endpoint),
            rng: Box::new(StdRng::seed_from_u64(self.rng.random())),
            storage: Box::new(opened.storage),
            recorder: Some(Box::new(recordings::tape(&actor, Box::new(recording.clone())))),
        };
        let host = Hosted(ReplicaHost::new(opened.log, [], tuning));
        let addresses = (0..self.bounds.replicas).map(|id| address(id.into())).collect::<Vec<_>>();
        let codec = self.keys.replica(self.id, self.bounds.replicas);
        let codec = codec.with_packing(*packing).with_formats(*formats);
        // Not the boot's number: a seed does the same again.
        let life = (self.recordings.len() as u64) << 32;
        let nodes = NodeTable::new(addresses, CLIENTS_MAX).of_life(life);
        let id = NodeId(self.id.into()).into();
        self.recordings.push(recording);
        let driver = Driver::start(actor, id, nodes, codec, host, world);
        self.driver = Some(driver.map_err(|error| JournalError::Disk {
            action: "start on",
            path: self.place().journal(),
            error: std::io::Error::other(error.to_string()),
        })?);
        Ok(())
    }
}
