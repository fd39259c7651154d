//! Runs any actor: receives a burst, hands each message to the actor, persists, then sends.
//!
//! **Invariants**
//! - *Nothing is sent before what it reveals is saved*: everything a turn wants to send waits
//!   until the last save of that turn has returned. One save covers a burst (group commit): a
//!   later save of the same actor includes the earlier ones.
//! - *Reported before sent*: what a turn reports to its host, and what the storage makes of it, is
//!   done before anything of that turn is sent.
//! - *A failed save is the end*: nothing of its turn is sent, and the driver returns the error.
//! - *Local stays local*: what an actor sends to [`NodeId::LOCAL`] goes to its host, and the host
//!   decides which messages may come from, or leave for, a network.
//! - *Strangers are nobody*: a datagram that no known peer has sealed for this process is counted
//!   and dropped, and nothing is answered.
//! - *Bounded*: a turn handles at most [`BURST_MAX`] datagrams.
//!
//! **Absent**: what messages mean (see [`Host`]), clocks, sockets, disks and randomness (see
//! [`World`]), and random choices, of which no actor makes any.
//!
//! **Source**: stateright's `Actor`; `spawn()` of the same crate is replaced because it is IPv4
//! only, stores without syncing, and takes any datagram for a message.

use crate::clock::Clock;
use crate::network::{Network, Waker};
use crate::nodes::NodeTable;
use crate::storage::Storage;
use crate::wire::{Codec, DATAGRAM_BYTES_MAX, Peer, WireError};
use paxos_chat::types::{NodeId, Timestamp};
use rand::{Rng, RngExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Datagrams handled in one turn, and so covered by one save.
pub const BURST_MAX: usize = 256;
/// Inputs of the user that may wait for a driver.
const INBOX_MAX: usize = 1024;

/// Everything outside of the program that a driver uses.
pub struct World<S> {
    /// Datagrams, and waiting for them.
    pub network: Box<dyn Network>,
    /// Time.
    pub clock: Box<dyn Clock>,
    /// From where delays are drawn.
    pub rng: Box<dyn Rng>,
    /// Durable state.
    pub storage: Box<dyn Storage<S>>,
}

/// Who a datagram came from, as its seal proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender<'a> {
    /// A replica.
    Replica,
    /// A client of this user.
    Client(&'a str),
}

/// What a process adds to its actor.
pub trait Host<A: Actor> {
    /// May this message come from that sender? May change it before the actor sees it.
    fn admits(&mut self, from: Sender<'_>, message: &mut A::Msg, now: Timestamp) -> bool;

    /// May this message leave for a network? Called once for each time it is sent.
    fn releases(&mut self, message: &A::Msg) -> bool;

    /// Takes a result of the actor.
    ///
    /// # Errors
    /// Ends the driver.
    fn on_local(&mut self, message: A::Msg) -> io::Result<()>;

    /// Everything that the turn reports was reported; what it sends leaves after this, and after
    /// it the answers that are given here.
    ///
    /// # Errors
    /// Ends the driver.
    fn on_turn_end(&mut self) -> io::Result<Vec<(NodeId, A::Msg)>> {
        Ok(Vec::new())
    }
}

/// Why a driver ended.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// Durable state cannot be read or written.
    #[error("storage failed, so this process must not go on: {0}")]
    Storage(#[source] io::Error),
    /// The socket is gone.
    #[error("the network failed: {0}")]
    Network(#[source] io::Error),
    /// The host has failed.
    #[error("{0}")]
    Host(#[source] io::Error),
}

/// What a driver has seen and done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages handed to the actor from the network.
    pub received: u64,
    /// Messages given to the network.
    pub sent: u64,
    /// Datagrams dropped because they were no messages of this cluster.
    pub malformed: u64,
    /// Datagrams dropped because nobody known has sealed them for this process.
    pub forged: u64,
    /// Datagrams dropped because they were taken before.
    pub replayed: u64,
    /// Messages dropped because their sender may not send them.
    pub refused: u64,
    /// Messages that could not be sent: too long, to nobody, or refused by the system.
    pub unsent: u64,
}

/// Runs one actor.
pub struct Driver<A: Actor<State: 'static>, H> {
    actor: A,
    id: Id,
    /// Always owned, so that handlers change it in place.
    state: Cow<'static, A::State>,
    /// When each timer that is set goes off.
    timers: Vec<(A::Timer, Duration)>,
    to_save: Option<A::Storage>,
    to_send: Vec<(Id, A::Msg)>,
    nodes: NodeTable,
    codec: Codec,
    host: H,
    world: World<A::Storage>,
    counters: Counters,
    incoming: Box<[u8]>,
    outgoing: Vec<u8>,
}

impl<A, H> Driver<A, H>
where
    A: Actor<Random = (), State: 'static>,
    A::Msg: Serialize + DeserializeOwned,
    H: Host<A>,
{
    /// Starts an actor from what its storage holds.
    ///
    /// # Errors
    /// When its storage cannot be read, or its first turn fails.
    pub fn start(
        actor: A,
        id: NodeId,
        nodes: NodeTable,
        codec: Codec,
        host: H,
        mut world: World<A::Storage>,
    ) -> Result<Self, DriverError> {
        let id = Id::from(index(id));
        let stored = world.storage.load().map_err(DriverError::Storage)?;
        let mut out = Out::new();
        let state = Cow::Owned(actor.on_start(id, &stored, &mut out));
        let mut driver = Driver {
            actor,
            id,
            state,
            timers: Vec::new(),
            to_save: None,
            to_send: Vec::new(),
            nodes,
            codec,
            host,
            world,
            counters: Counters::default(),
            incoming: vec![0; DATAGRAM_BYTES_MAX + 1].into_boxed_slice(),
            outgoing: Vec::new(),
        };
        driver.collect(out);
        driver.flush()?;
        Ok(driver)
    }

    /// The actor's state.
    pub fn state(&self) -> &A::State {
        &self.state
    }

    /// What the process adds to the actor.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// What the process adds to the actor.
    pub fn host_mut(&mut self) -> &mut H {
        &mut self.host
    }

    /// What seals and opens its datagrams.
    pub fn codec_mut(&mut self) -> &mut Codec {
        &mut self.codec
    }

    /// What was seen and done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// When the next timer goes off, on the driver's clock.
    pub fn deadline(&self) -> Option<Duration> {
        self.timers.iter().map(|(_, deadline)| *deadline).min()
    }

    /// Hands the actor a message of its own user. Its effects wait for the end of the turn.
    pub fn deliver(&mut self, message: A::Msg) {
        self.hand_over(Id::from(index(NodeId::LOCAL)), message);
    }

    /// Sleeps until a datagram, a wake-up or the next deadline; at most for `limit`.
    ///
    /// # Errors
    /// When the network is gone.
    pub fn wait(&mut self, limit: Option<Duration>) -> Result<(), DriverError> {
        let now = self.world.clock.now();
        let until_timer = self.deadline().map(|deadline| deadline.saturating_sub(now));
        let timeout = [until_timer, limit].into_iter().flatten().min();
        self.world.network.wait(timeout).map_err(DriverError::Network)
    }

    /// Handles what has arrived and what is due; then persists, sends and reports.
    ///
    /// # Errors
    /// When storage, network or host fail.
    pub fn turn(&mut self) -> Result<(), DriverError> {
        // Datagrams first: a process that was stopped for a while must hear its leader before it
        // concludes from an old deadline that there is none.
        for _ in 0..BURST_MAX {
            let received = self.world.network.receive(&mut self.incoming);
            let Some((length, from)) = received.map_err(DriverError::Network)? else { break };
            let (peer, mut message) = match self.codec.open::<A::Msg>(&mut self.incoming[..length])
            {
                Ok(opened) => opened,
                Err(error) => {
                    self.count_dropped(&error);
                    continue;
                }
            };
            let sender = match &peer {
                Peer::Replica(_) => Sender::Replica,
                Peer::Client(client) => Sender::Client(client.user.as_str()),
            };
            if !self.host.admits(sender, &mut message, self.world.clock.timestamp()) {
                self.counters.refused += 1;
                continue;
            }
            self.counters.received += 1;
            let id = self.nodes.heard(peer, from);
            self.hand_over(Id::from(index(NodeId(id))), message);
        }
        self.fire_due_timers();
        self.flush()
    }

    /// Takes turns until the user stops the driver.
    ///
    /// # Errors
    /// When storage, network or host fail.
    pub fn run(&mut self, inbox: &Receiver<Input<A, H>>) -> Result<(), DriverError> {
        loop {
            self.wait(None)?;
            for input in inbox.try_iter() {
                match input {
                    Input::Deliver(message) => self.deliver(message),
                    Input::Inspect(inspect) => inspect(self),
                    Input::Change(change) => change(self),
                    Input::Stop => return self.flush(),
                }
            }
            self.turn()?;
        }
    }

    fn count_dropped(&mut self, error: &WireError) {
        let counter = match error {
            WireError::Forged => &mut self.counters.forged,
            WireError::Replayed => &mut self.counters.replayed,
            _ => &mut self.counters.malformed,
        };
        *counter += 1;
    }

    fn fire_due_timers(&mut self) {
        let now = self.world.clock.now();
        let is_due = |(_, deadline): &&(A::Timer, Duration)| *deadline <= now;
        let mut due: Vec<_> = self.timers.iter().filter(is_due).cloned().collect();
        due.sort_by_key(|(_, deadline)| *deadline);
        for timer in due {
            // An earlier one may have reset or cancelled it.
            if let Some(place) = self.timers.iter().position(|set| *set == timer) {
                self.timers.swap_remove(place);
                let mut out = Out::new();
                self.actor.on_timeout(self.id, &mut self.state, &timer.0, &mut out);
                self.collect(out);
            }
        }
    }

    fn hand_over(&mut self, from: Id, message: A::Msg) {
        let mut out = Out::new();
        self.actor.on_msg(self.id, &mut self.state, from, message, &mut out);
        self.collect(out);
    }

    /// Keeps saves and sends for the end of the turn; timers count from now.
    fn collect(&mut self, out: Out<A>) {
        for command in out {
            match command {
                Command::Save(storage) => self.to_save = Some(storage),
                Command::Send(to, message) => self.to_send.push((to, message)),
                Command::SetTimer(timer, delay) => {
                    let deadline = self.world.clock.now() + self.draw(&delay);
                    self.timers.retain(|(set, _)| *set != timer);
                    self.timers.push((timer, deadline));
                }
                Command::CancelTimer(timer) => self.timers.retain(|(set, _)| *set != timer),
                Command::ChooseRandom(..) => {}
            }
        }
    }

    fn draw(&mut self, delay: &Range<Duration>) -> Duration {
        if delay.is_empty() { delay.start } else { self.world.rng.random_range(delay.clone()) }
    }

    /// Saves first, then reports to the host, and only then lets anything out.
    fn flush(&mut self) -> Result<(), DriverError> {
        let to_send = std::mem::take(&mut self.to_send);
        if let Some(storage) = self.to_save.take() {
            self.world.storage.save(storage).map_err(DriverError::Storage)?;
        }
        let is_local = |(to, _): &(Id, A::Msg)| usize::from(*to) == index(NodeId::LOCAL);
        let (local, to_send): (Vec<_>, Vec<_>) = to_send.into_iter().partition(is_local);
        for (_, message) in local {
            self.host.on_local(message).map_err(DriverError::Host)?;
        }
        let answers = self.host.on_turn_end().map_err(DriverError::Host)?;
        self.world.storage.settle().map_err(DriverError::Storage)?;
        for (to, message) in to_send {
            self.send(NodeId(usize::from(to) as u64), &message);
        }
        for (to, message) in answers {
            self.send(to, &message);
        }
        Ok(())
    }

    /// Whatever cannot be sent is a lost message, which the protocol survives.
    fn send(&mut self, to: NodeId, message: &A::Msg) {
        let Some((peer, address)) = self.nodes.find(to.0) else {
            self.counters.unsent += 1;
            return;
        };
        let leaves = self.host.releases(message)
            && self.codec.seal(peer, message, &mut self.outgoing).is_ok()
            && self.world.network.send(address, &self.outgoing).is_ok();
        if leaves {
            self.counters.sent += 1;
        } else {
            self.counters.unsent += 1;
        }
    }
}

/// An id as the index that stateright's `Id` takes; the widest stands for [`NodeId::LOCAL`].
fn index(id: NodeId) -> usize {
    usize::try_from(id.0).unwrap_or(usize::MAX)
}

/// Looks at a driver from its own thread.
type Inspection<A, H> = Box<dyn FnOnce(&Driver<A, H>) + Send>;

/// Changes a driver on its own thread.
type Change<A, H> = Box<dyn FnOnce(&mut Driver<A, H>) + Send>;

/// What a driver's user asks of it from another thread.
pub enum Input<A: Actor<State: 'static>, H> {
    /// Hand the actor this message.
    Deliver(A::Msg),
    /// Show yourself.
    Inspect(Inspection<A, H>),
    /// Change yourself.
    Change(Change<A, H>),
    /// Finish this turn and return.
    Stop,
}

/// Talks to a running driver from other threads.
pub struct Handle<A: Actor<State: 'static>, H> {
    inbox: SyncSender<Input<A, H>>,
    waker: Waker,
}

impl<A: Actor<State: 'static>, H> Clone for Handle<A, H> {
    fn clone(&self) -> Self {
        Handle { inbox: self.inbox.clone(), waker: self.waker.clone() }
    }
}

impl<A: Actor<State: 'static>, H> Handle<A, H> {
    /// A handle, and the inbox for the driver whose network this waker wakes.
    pub fn new(waker: Waker) -> (Handle<A, H>, Receiver<Input<A, H>>) {
        let (inbox, receiver) = sync_channel(INBOX_MAX);
        (Handle { inbox, waker }, receiver)
    }

    /// Gives the driver an input; waits while its inbox is full. False when it has ended.
    pub fn give(&self, input: Input<A, H>) -> bool {
        let taken = self.inbox.send(input).is_ok();
        self.waker.wake();
        taken
    }

    /// Asks the driver a question; `None` when it has ended.
    pub fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Driver<A, H>) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answers) = sync_channel(1);
        self.give(Input::Inspect(Box::new(move |driver| {
            // Whoever asked may have gone.
            let _ = answer.send(question(driver));
        })));
        answers.recv().ok()
    }
}

#[cfg(test)]
mod tests;
