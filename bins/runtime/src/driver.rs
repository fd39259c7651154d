//! Runs any actor: receives a burst, hands each message to the actor, persists, then sends.
//!
//! **Invariants**
//! - *Nothing is sent before what it reveals is saved*: what an actor sends ahead of its save leaves
//!   at once, and is under way while this process waits for its disk; everything else that a turn
//!   wants to send waits until the last save of that turn has returned. One save covers a burst (group
//!   commit): a later save of the same actor includes the earlier ones.
//! - *What an actor sends to itself comes back in the same turn*, once it is saved.
//! - *Reported before sent*: what a turn reports to its host, and what the storage makes of it, is
//!   done before anything of that turn is sent that is not ahead of a save.
//! - *A failed save is the end*: nothing of its turn is sent, and the driver returns the error.
//! - *Local stays local*: what an actor sends to [`LOCAL`] goes to its host, and the host
//!   decides which messages may come from, or leave for, a network.
//! - *Strangers are nobody*: a datagram that no known peer has sealed for this process is counted
//!   and dropped, and nothing is answered.
//! - *Bounded*: a turn handles no more than [`BURST_MAX`] datagrams and [`MESSAGES_MAX`] messages; what else has
//!   arrived with them waits for the next turn. What a turn sends leaves as it grows.
//! - *Questions wait for their turn*, those that the host names (see `questions.rs`): a turn hands the actor one of
//!   them at most, after everything else; and if there is anything else to do, they take a part of the time, one
//!   of [`QUESTIONS_PART`].
//!
//! **Absent**: what messages mean (see [`Host`]), clocks, sockets, disks and randomness (see
//! [`World`]), and random choices, of which no actor makes any.
//!
//! **Source**: stateright's `Actor`; `spawn()` of the same crate is replaced because it is IPv4
//! only, stores without syncing, and takes any datagram for a message.

mod handle;
mod intake;
mod witness;

pub use handle::{Handle, Order};
use intake::{Opening, Question};
use witness::{Send, Witness};

use crate::burst::Arrivals;
use crate::clock::Clock;
use crate::network::Network;
use crate::nodes::NodeTable;
use crate::outbox::Outbox;
use crate::questions::Questions;
use crate::storage::StableStorage;
use crate::wire::{Codec, Payload};
use actor_recording::recorder::{Did, Origin, Recorder, Told};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// The driver's own side of an actor: what an actor sends there is a result for its host, and what comes from there
/// is its user's input.
pub const LOCAL: usize = usize::MAX;
/// Datagrams handled in one turn, and so covered by one save.
pub const BURST_MAX: usize = 256;
/// Messages handled in one turn.
pub const MESSAGES_MAX: usize = 4096;
/// Of how many parts of a busy driver's time one is for questions.
pub const QUESTIONS_PART: u32 = 4;

/// Everything outside of the program that a driver uses.
pub struct World<A: Actor> {
    /// Datagrams, and waiting for them.
    pub network: Box<dyn Network>,
    /// Time.
    pub clock: Box<dyn Clock>,
    /// From where delays are drawn.
    pub rng: Box<dyn Rng>,
    /// Durable state.
    pub storage: Box<dyn StableStorage<A::Storage>>,
    /// What is told of all that happens, if anything is.
    pub recorder: Option<Box<dyn Recorder<A>>>,
}

/// Who a datagram came from, as its seal proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender<'a> {
    /// A replica.
    Replica,
    /// A client of this user.
    Client(&'a str),
}

/// What is odd about a datagram that a replica has sent, or somebody in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// It came from the replica's address, and its seal is not known here: it was dropped.
    Seal,
    /// It came from the replica's address, and is of another cluster, as its header says: it was dropped.
    Cluster,
    /// It came from the replica's address, as a datagram of this other version: it was dropped.
    Version(u8),
    /// It has the replica's seal, and messages in this format, which is not read here: they were dropped, and the
    /// replica is told.
    Format(u8),
    /// It has the replica's seal, and came from another address than the one that answers go to.
    Address(SocketAddr),
}

/// What becomes of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    /// They leave as others do.
    Leave,
    /// They are lost.
    Lost,
}

/// What a process adds to its actor.
pub trait Host<A: Actor> {
    /// What travels: messages of the actor, and what hosts tell each other beside them. A message that never
    /// travels has none.
    type Packet: Payload;

    /// The message in this packet, as the actor is to see it, if that sender may send it, at this time of day.
    fn admit(&mut self, from: Sender<'_>, packet: Self::Packet, now: Duration) -> Option<A::Msg>;

    /// Is this a question of a client, which may wait for its turn?
    fn may_wait(&self, _message: &A::Msg) -> bool {
        false
    }

    /// The packet in which this message leaves for a network, if it may. Called once for each time it is sent.
    fn release(&mut self, message: A::Msg) -> Option<Self::Packet>;

    /// What else the node is told to which this packet leaves, right behind it.
    fn beside(&self, _packet: &Self::Packet) -> Option<Self::Packet> {
        None
    }

    /// What an earlier life of this process has left for the actor, bit by bit: it is handed over before anything
    /// else, as a message of its user, for as long as there is any.
    ///
    /// # Errors
    /// Ends the driver.
    fn recall(&mut self, _state: &A::State) -> io::Result<Option<A::Msg>> {
        Ok(None)
    }

    /// Takes a result of the actor.
    ///
    /// # Errors
    /// Ends the driver.
    fn on_local(&mut self, message: A::Msg) -> io::Result<()>;

    /// This is odd about a datagram of this replica.
    fn on_oddity(&mut self, _replica: u8, _oddity: Oddity) {}

    /// The format in which each replica is written to now, by its id: the oldest, until it is heard. Told at the end of
    /// each turn.
    fn on_formats(&mut self, _spoken: &[u8]) {}

    /// Looks at the actor, at the end of each turn: what it reports was reported, and what it sends has
    /// not left.
    fn observe(&mut self, _state: &A::State, _counters: &Counters) {}

    /// Everything that the turn reports was reported; what it sends leaves after this, and after
    /// it the answers that are given here.
    ///
    /// # Errors
    /// Ends the driver.
    fn on_turn_end(&mut self) -> io::Result<Vec<(Id, A::Msg)>> {
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Messages handed to the actor from the network.
    pub received: u64,
    /// Messages given to the network.
    pub sent: u64,
    /// Datagrams dropped because they were no messages of this cluster, or not in a version or format that is read.
    pub malformed: u64,
    /// Datagrams dropped because nobody known has sealed them for this process.
    pub forged: u64,
    /// Datagrams dropped because they were taken before.
    pub replayed: u64,
    /// Messages dropped because their sender may not send them, or has too many questions that wait.
    pub refused: u64,
    /// Messages that could not be sent, too long, to nobody or not in the receiver's format, and datagrams that the system
    /// refused.
    pub unsent: u64,
}

/// Where a message comes from.
enum Whence {
    /// A peer, and the datagram that it came in.
    Peer(Id, Origin),
    /// The actor itself.
    Itself,
    /// Its own driver.
    Driver,
}

/// Runs one actor.
pub struct Driver<A: Actor<State: 'static>, H: Host<A>> {
    actor: A,
    id: Id,
    /// Always owned, so that handlers change it in place.
    state: Cow<'static, A::State>,
    /// When each timer that is set goes off.
    timers: Vec<(A::Timer, Duration)>,
    to_save: Option<A::Storage>,
    to_send_ahead: Vec<Send<A::Msg>>,
    to_send: Vec<Send<A::Msg>>,
    to_itself: Vec<A::Msg>,
    nodes: NodeTable,
    codec: Codec,
    host: H,
    world: World<A>,
    witness: Witness<A>,
    counters: Counters,
    arrivals: Arrivals,
    /// How many of the datagrams that have arrived were handled.
    handled: usize,
    /// What is left of the datagram that was opened last.
    opened: Opening<H::Packet>,
    questions: Questions<Question<A::Msg>>,
    /// When the next question may be answered, if there is anything else to do.
    questions_at: Duration,
    /// Was anything else done in this turn?
    is_busy: bool,
    outbox: Outbox,
}

impl<A, H> Driver<A, H>
where
    A: Actor<Random = (), State: 'static>,
    H: Host<A>,
{
    /// Starts an actor from what its storage holds.
    ///
    /// # Errors
    /// When its storage cannot be read, or its first turn fails.
    pub fn start(
        actor: A,
        id: Id,
        nodes: NodeTable,
        codec: Codec,
        host: H,
        mut world: World<A>,
    ) -> Result<Self, DriverError> {
        let stored = world.storage.load().map_err(DriverError::Storage)?;
        let mut out = Out::new();
        let state: Cow<'static, _> = Cow::Owned(actor.on_start(id, &stored, &mut out));
        let mut witness = Witness::new(world.recorder.take(), codec.boot());
        witness.start(id, codec.next_number(), stored.as_ref(), Did { state: &state, out: &out });
        let mut driver = Driver {
            actor,
            id,
            state,
            timers: Vec::new(),
            to_save: None,
            to_send_ahead: Vec::new(),
            to_send: Vec::new(),
            to_itself: Vec::new(),
            nodes,
            codec,
            host,
            world,
            witness,
            counters: Counters::default(),
            arrivals: Arrivals::new(),
            handled: 0,
            opened: Opening::default(),
            questions: Questions::default(),
            questions_at: Duration::ZERO,
            is_busy: false,
            outbox: Outbox::default(),
        };
        driver.collect(out);
        driver.flush()?;
        while let Some(message) = driver.host.recall(&driver.state).map_err(DriverError::Host)? {
            driver.deliver(message);
            driver.flush()?;
        }
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

    /// When there is something to do, whatever arrives: a timer goes off, what has arrived waits, or it is a
    /// question's turn. On the driver's clock, and not after now if there is something now.
    pub fn deadline(&self) -> Option<Duration> {
        let timer = self.timers.iter().map(|(_, deadline)| *deadline).min();
        let waits = self.handled < self.arrivals.len() || !self.opened.is_empty();
        let arrived = waits.then_some(Duration::ZERO);
        let question = match (self.questions.is_empty(), self.is_busy) {
            (true, _) => None,
            (false, true) => Some(self.questions_at),
            (false, false) => Some(Duration::ZERO),
        };
        [timer, arrived, question].into_iter().flatten().min()
    }

    /// Hands the actor a message of its own user. Its effects wait for the end of the turn.
    pub fn deliver(&mut self, message: A::Msg) {
        self.hand_over(Whence::Driver, message);
    }

    /// Lets a timer that is set go off now; false if it is not set. A timer may go off at any moment, so
    /// no safety depends on when this is called. With [`Sends::Lost`], what the actor then sends to
    /// others is lost, as any message may be.
    pub fn expire(&mut self, timer: &A::Timer, sends: Sends) -> bool {
        let Some(place) = self.timers.iter().position(|(set, _)| set == timer) else {
            return false;
        };
        let (timer, _) = self.timers.swap_remove(place);
        let (ahead, before) = (self.to_send_ahead.len(), self.to_send.len());
        self.time_out(&timer);
        if sends == Sends::Lost {
            let sent = self.to_send.split_off(before);
            let (local, lost): (Vec<_>, Vec<_>) = sent.into_iter().partition(Send::is_local);
            self.to_send.extend(local);
            let lost_ahead = self.to_send_ahead.split_off(ahead).len();
            self.counters.unsent += (lost_ahead + lost.len()) as u64;
        }
        true
    }

    /// Sleeps until a datagram, a wake-up, the next deadline or the next question's turn; at most for `limit`.
    ///
    /// # Errors
    /// When the network is gone.
    pub fn wait(&mut self, limit: Option<Duration>) -> Result<(), DriverError> {
        let now = self.world.clock.now();
        let until_next = self.deadline().map(|deadline| deadline.saturating_sub(now));
        let timeout = [until_next, limit].into_iter().flatten().min();
        self.world.network.wait(timeout).map_err(DriverError::Network)
    }

    /// Handles what has arrived and what is due; then persists, sends and reports. Then the next question, if
    /// it is its turn.
    ///
    /// # Errors
    /// When storage, network or host fail.
    pub fn turn(&mut self) -> Result<(), DriverError> {
        // Datagrams first: a process that was stopped for a while must hear its leader before it
        // concludes from an old deadline that there is none.
        self.is_busy = false;
        self.witness.turn(|| self.world.clock.time_of_day());
        self.receive()?;
        self.fire_due_timers();
        self.flush()?;
        self.answer_next()
    }

    /// Takes turns until the user stops the driver.
    ///
    /// # Errors
    /// When storage, network or host fail.
    pub fn run(&mut self, inbox: &Receiver<Order<A, H>>) -> Result<(), DriverError> {
        loop {
            self.wait(None)?;
            for order in inbox.try_iter() {
                match order {
                    Order::Deliver(message) => self.deliver(message),
                    Order::Inspect(inspect) => inspect(self),
                    Order::Change(change) => change(self),
                    Order::Stop => {
                        self.flush()?;
                        self.witness.end();
                        return Ok(());
                    }
                }
            }
            self.turn()?;
        }
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
                self.time_out(&timer.0);
            }
        }
    }

    fn time_out(&mut self, timer: &A::Timer) {
        self.witness.told(Told::Timer(timer));
        let mut out = Out::new();
        self.actor.on_timeout(self.id, &mut self.state, timer, &mut out);
        self.take_over(out);
    }

    fn hand_over(&mut self, whence: Whence, message: A::Msg) {
        let (from, told) = match whence {
            Whence::Peer(from, origin) => (from, Told::Message(from, origin, &message)),
            Whence::Itself => (self.id, Told::Own),
            Whence::Driver => (Id::from(LOCAL), Told::Driver(&message)),
        };
        self.witness.told(told);
        let mut out = Out::new();
        self.actor.on_msg(self.id, &mut self.state, from, message, &mut out);
        self.take_over(out);
    }

    fn take_over(&mut self, out: Out<A>) {
        self.witness.did(Did { state: &self.state, out: &out });
        self.collect(out);
    }

    /// Keeps saves and sends for the end of the turn; timers count from now.
    fn collect(&mut self, out: Out<A>) {
        let mut is_ahead = out.iter().any(|command| matches!(command, Command::Save(_)));
        for command in out {
            match command {
                Command::Save(storage) => {
                    self.to_save = Some(storage);
                    is_ahead = false;
                }
                Command::Send(to, message) => {
                    let send = Send { number: self.witness.next_send(), to, message };
                    match send.to {
                        _ if is_ahead => self.to_send_ahead.push(send),
                        to if to == self.id => self.to_itself.push(send.message),
                        _ => self.to_send.push(send),
                    }
                }
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

    /// Lets out what is ahead of the save, saves, then reports to the host, and only then lets
    /// anything else out.
    fn flush(&mut self) -> Result<(), DriverError> {
        self.save()?;
        while !self.to_itself.is_empty() {
            for message in std::mem::take(&mut self.to_itself) {
                self.hand_over(Whence::Itself, message);
            }
            self.save()?;
        }
        let to_send = std::mem::take(&mut self.to_send);
        let (local, to_send): (Vec<_>, Vec<_>) = to_send.into_iter().partition(Send::is_local);
        // What the host keeps of it outlives this process, as what is saved does.
        if !local.is_empty() && self.world.storage.outlives_process() {
            self.witness.flush();
        }
        for send in local {
            self.host.on_local(send.message).map_err(DriverError::Host)?;
        }
        self.host.on_formats(self.codec.spoken());
        self.host.observe(&self.state, &self.counters);
        let answers = self.host.on_turn_end().map_err(DriverError::Host)?;
        self.world.storage.settle().map_err(DriverError::Storage)?;
        for send in to_send {
            self.post(send);
        }
        for (to, message) in answers {
            let number = self.witness.answer(to, &message);
            self.post(Send { number, to, message });
        }
        self.dispatch();
        Ok(())
    }

    fn save(&mut self) -> Result<(), DriverError> {
        for send in std::mem::take(&mut self.to_send_ahead) {
            self.post(send);
        }
        self.dispatch();
        if let Some(storage) = self.to_save.take() {
            if self.world.storage.outlives_process() {
                self.witness.flush();
            }
            self.world.storage.save(storage).map_err(DriverError::Storage)?;
            self.witness.synced();
        }
        Ok(())
    }

    /// Puts a message into the outbox. Whatever cannot be sent is a lost message, which the protocol
    /// survives.
    fn post(&mut self, Send { number, to, message }: Send<A::Msg>) {
        let packet = self.host.release(message);
        let format = self.format_for(to);
        let leaves =
            packet.filter(|packet| self.outbox.post(to, format, Some(number), packet).is_ok());
        self.counters.unsent += u64::from(leaves.is_none());
        if self.outbox.is_full() {
            self.dispatch();
        }
        if let Some(packet) = leaves
            && let Some(beside) = self.host.beside(&packet)
        {
            // It is short; if it can't be said in that format, the other does without.
            let _ = self.outbox.post(to, format, None, &beside);
        }
    }

    /// What this node is written to in.
    fn format_for(&self, to: Id) -> u8 {
        let formats = self.codec.formats();
        let find = || self.nodes.find(usize::from(to) as u64);
        let node = if formats.is_one() { None } else { find() };
        node.map_or(formats.oldest(), |node| self.codec.format_for(node.peer))
    }

    /// Sends what is in the outbox.
    fn dispatch(&mut self) {
        self.witness.boot(self.codec.boot());
        let (network, witness) = (&mut self.world.network, &mut self.witness);
        let dispatched = self.outbox.dispatch(&mut self.codec, &mut self.nodes, network, witness);
        self.counters.sent += dispatched.sent;
        self.counters.unsent += dispatched.unsent;
    }
}

#[cfg(test)]
mod tests;
