//! A run that was recorded, judged step by step: by the safety properties of the catalog, and by whether it refines
//! Lamport's Paxos.
//!
//! Whoever replays a run tells a [`Monitor`] what happens, in one order: every start, every handler with what it has
//! led to, when saves are durable, and what leaves. The monitor folds that into what the catalog calls ghosts.
//!
//! | file | what it holds |
//! |---|---|
//! | `report` | parties, and what they have broken |
//! | `handled` | a handler that has run, as the monitor is told of it |
//! | `digests` | what is kept of a log without end, in temporary files |
//! | `said` | what users have said, by client and number |
//! | `slots` | one slot: its votes, and the state of the specification there |
//! | `history`, `history/log` | the system as a whole: votes and promises; the log and what it comes to |
//! | `replicas` | one replica: its lives and its saves |
//! | `replicas/handlers`, `replicas/departures` | how its handlers are judged, and what it lets out |
//! | `clients` | clients and readers |
//!
//! **Invariants**
//! - *Any order will do that respects causes*: what a process does follows from what it did and got before. So such an
//!   order is a run of the asynchronous system, in which clocks play no part, and every property has to hold of it:
//!   the real-time order as well, of the times at which things happen in this order.
//! - *A vote is cast when it is durable, or told*, whichever is first. That it is durable counts from the replica's next
//!   step on, since only that step can show it: see `replicas`, and [`Monitor::ends`].
//! - *What is revealed is judged when it leaves*: a driver saves once for several handlers.
//! - *Memory grows with the lag of the slowest replica, and not with the run.* An acceptor votes at and above the bound of its
//!   snapshot, which only rises. So below the lowest durable bound of all that are still to come nobody votes again:
//!   what is chosen there is settled, and so is every promise about it. Such slots are *folded* to sixteen bytes in a
//!   temporary file. Above are as many slots as the slowest replica lags, and what is ahead.
//! - *A promise is judged at all slots at once*: see `slots`.
//!
//! **Absent**: how a run is recorded and replayed; liveness, since a run that ends has not done what it still would;
//! the chat logs on disks, but for what is answered and recalled from them. What existed before the recording began is
//! known by [`Monitor::resuming`] only.
//!
//! **Source**: the catalog's own properties and refinement ([`crate::properties`], [`crate::refinement`]).

mod clients;
mod digests;
mod handled;
mod history;
mod replicas;
mod report;
mod said;
mod slots;

pub use handled::{Cause, Handled};
pub use report::{Party, VIOLATIONS_MAX, Violation};

use self::clients::{Client, Reader};
use self::history::History;
use self::replicas::Replica;
use crate::properties::{Safety, steps};
use paxos_chat::client::{ClientState, ClientStorage};
use paxos_chat::message::Message;
use paxos_chat::quorum::Cluster;
use paxos_chat::reader::ReaderState;
use paxos_chat::state::{State, Storage};
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{ReplicaId, Slot, User, Value};
use std::collections::BTreeMap;
use std::io;

/// Judges a run.
#[derive(Debug)]
pub struct Monitor {
    history: History,
    replicas: Vec<Replica>,
    clients: BTreeMap<usize, Client>,
    readers: BTreeMap<usize, Reader>,
    /// Commands and bytes of a batch, at most, of any replica so far.
    batch: (usize, usize),
}

/// How much a monitor keeps in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extents {
    /// Slots that are not folded.
    pub slots: usize,
    /// Messages of phase 1 in the state of the specification at unused slots.
    pub promises: usize,
    /// Numbers that clients have said.
    pub numbers: usize,
}

impl Monitor {
    /// A monitor of a cluster with room for so many sessions, of which nothing existed before.
    ///
    /// # Errors
    /// When there can be no temporary files.
    pub fn new(cluster: Cluster, sessions_max: usize) -> io::Result<Monitor> {
        let history = History::new(cluster, sessions_max)?;
        let replicas = cluster.replicas().map(Replica::new).collect();
        let (clients, readers) = (BTreeMap::new(), BTreeMap::new());
        Ok(Monitor { history, replicas, clients, readers, batch: (0, 0) })
    }

    /// The same, where this is in the log already: every replica has a snapshot after it, and no votes.
    ///
    /// # Errors
    /// When there can be no temporary files.
    pub fn resuming<'a>(
        cluster: Cluster,
        sessions_max: usize,
        log: impl IntoIterator<Item = &'a Value>,
    ) -> io::Result<Monitor> {
        let mut monitor = Monitor::new(cluster, sessions_max)?;
        log.into_iter().for_each(|value| monitor.history.resume(value));
        Ok(monitor)
    }

    // --- Replicas.

    /// A replica starts, for the first time or after a crash. `stored` is what its storage held.
    ///
    /// # Panics
    /// Here and everywhere: when a temporary file fails, or there is no such replica.
    pub fn replica_starts(
        &mut self,
        who: ReplicaId,
        tuning: &Tuning,
        stored: Option<&Storage>,
        state: &State,
    ) {
        self.replicas[usize::from(who.0)].start(tuning, stored, state, &mut self.history);
        let (commands, bytes) = self.batch;
        self.batch = (commands.max(tuning.batch_commands_max), bytes.max(tuning.batch_bytes_max));
        self.replicas.iter_mut().for_each(|replica| replica.allow_batches(self.batch));
        self.fold();
    }

    /// A handler of a replica has run. Nothing is said of one that is down.
    pub fn replica_handles(&mut self, who: ReplicaId, step: &Handled<'_, State, Storage>) {
        let replica = &mut self.replicas[usize::from(who.0)];
        let bound = replica.bound();
        replica.handle(step, &mut self.history);
        if replica.bound() != bound {
            self.fold();
        }
    }

    /// Judges what takes time in proportion to all that a replica holds: its queue and its sessions. To be called now
    /// and then, with the state after its last handler.
    pub fn look_closely(&mut self, who: ReplicaId, state: &State) {
        self.replicas[usize::from(who.0)].look_closely(state, &mut self.history);
    }

    /// A replica is gone for good: it holds nothing back. What it does later is not to be told.
    pub fn gone(&mut self, who: ReplicaId) {
        self.replicas[usize::from(who.0)].go_on(&mut self.history);
        self.history.gone[usize::from(who.0)] = true;
        self.fold();
    }

    // --- Clients and readers.

    /// A client of this user starts, for the first time or after a crash, with this window. `stored` is what its
    /// storage held, and `save` what it saves at once.
    ///
    /// What it has to say at its first start is taken for what its user has submitted.
    pub fn client_starts(
        &mut self,
        client: usize,
        (user, window): (&User, usize),
        stored: Option<&ClientStorage>,
        state: &ClientState,
        save: Option<&ClientStorage>,
    ) {
        let earlier = self.clients.get(&client);
        let of = (client, user, window);
        let started = Client::start(of, earlier, stored, (state, save), &mut self.history);
        self.clients.insert(client, started);
    }

    /// A handler of a client has run.
    pub fn client_handles(
        &mut self,
        client: usize,
        step: &Handled<'_, ClientState, ClientStorage>,
    ) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.handle(step, &mut self.history);
        }
    }

    /// A reader starts.
    pub fn reader_starts(&mut self, reader: usize, state: &ReaderState) {
        self.readers.insert(reader, Reader::start(reader, state));
    }

    /// A handler of a reader has run.
    pub fn reader_handles(&mut self, reader: usize, step: &Handled<'_, ReaderState, ()>) {
        if let Some(reader) = self.readers.get_mut(&reader) {
            reader.handle(step, &mut self.history);
        }
    }

    // --- All of them.

    /// Everything that this party has saved so far is durable.
    pub fn synced(&mut self, who: Party) {
        match who {
            Party::Replica(who) => self.replicas[usize::from(who.0)].sync(),
            Party::Client(client) => {
                if let Some(client) = self.clients.get_mut(&client) {
                    client.sync(&mut self.history);
                }
            }
            Party::Reader(_) => {}
        }
    }

    /// The oldest save of this party that is not durable yet is so now: for a disk that does one after another.
    pub fn oldest_synced(&mut self, who: Party) {
        if let Party::Replica(who) = who {
            self.replicas[usize::from(who.0)].sync_oldest();
        } else {
            self.synced(who);
        }
    }

    /// A message really leaves for the network: what a handler wanted to be sent, or what a driver answers from its log.
    /// What a party sends to itself need not be told.
    pub fn leaves(&mut self, from: Party, to: Party, message: &Message) {
        let is_taken = steps::is_taken(from.taker(), to.taker(), message);
        self.history.report.judge(Safety::Taken, from, is_taken, || {
            format!("{message} leaves for {to:?}, which does not take it")
        });
        match from {
            Party::Replica(who) => {
                self.replicas[usize::from(who.0)].leave(message, &mut self.history);
            }
            Party::Client(client) => {
                if let Some(client) = self.clients.get(&client) {
                    client.leave(message, &mut self.history);
                }
            }
            Party::Reader(_) => {}
        }
    }

    /// A party crashes. Of what it has saved and is not known to be durable, the first part may be: its next start
    /// tells.
    pub fn crashes(&mut self, who: Party) {
        match who {
            Party::Replica(who) => self.replicas[usize::from(who.0)].crash(),
            Party::Client(client) => {
                let known = self.clients.get_mut(&client);
                if known.is_some_and(|known| !known.crash(&mut self.history)) {
                    self.clients.remove(&client);
                }
            }
            Party::Reader(reader) => {
                if let Some(reader) = self.readers.remove(&reader) {
                    reader.end(&mut self.history);
                }
            }
        }
    }

    /// Nothing more is told: whatever is durable counts.
    pub fn ends(&mut self) {
        for replica in &mut self.replicas {
            replica.go_on(&mut self.history);
        }
    }

    // --- What is found.

    /// The violations so far: the first [`VIOLATIONS_MAX`], and of each party and property the first.
    pub fn violations(&self) -> &[Violation] {
        self.history.report.violations()
    }

    /// Everything below this slot is chosen.
    pub fn chosen_upto(&self) -> Slot {
        self.history.executed_upto()
    }

    /// How much is kept in memory.
    pub fn extents(&self) -> Extents {
        let [slots, promises, numbers] = self.history.len();
        Extents { slots, promises, numbers }
    }

    /// Folds what nobody votes at any more.
    fn fold(&mut self) {
        let gone = &self.history.gone;
        let here = self.replicas.iter().zip(gone).filter(|(_, gone)| !**gone);
        if let Some(bound) = here.map(|(replica, _)| replica.bound()).min() {
            self.history.fold(bound);
        }
    }
}
