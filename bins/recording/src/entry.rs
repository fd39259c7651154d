//! What is recorded of a life of a process' actor, in the order in which it happened.
//!
//! **Invariants**
//! - *Sends are counted*: each `Send` that an actor puts out has the next number, from 0 on, in the order in which they are
//!   put out; so has each answer of its driver. [`Entry::Departure`] names it by that number.
//! - *Nothing is told twice*: what follows from the actor and its inputs is not in a recording, but for digests.

use crate::digest::{OutputDigest, StateDigest};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use stateright::actor::Actor;

/// The version of all this.
pub const VERSION: u8 = 2;

/// Which life of which process sent a datagram: the number that it drew when it started.
pub type Boot = [u8; 32];

/// One thing that happened: to an actor of type `A`, with messages `M`, timers `T` and storage `S`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry<A, M, T, S> {
    /// A process begins. The first entry of each life, and in no other place.
    Life(Life<A>),
    /// The actor has started, from what was stored.
    Start {
        /// What the storage held.
        stored: Option<S>,
        /// What it did.
        digests: Digests,
    },
    /// A turn begins, at this time of day in milliseconds. Nothing depends on it: it is for people.
    Turn(u64),
    /// From now on, datagrams of this process are of this boot.
    Boot(Boot),
    /// From now on, what comes from this actor's id is of this boot.
    Peer(u64, Boot),
    /// The actor is told something. If nothing follows, it did not come to an end with it.
    Cause(Cause<M, T>),
    /// This is what it did.
    Did(Digests),
    /// Everything that the actor wanted to be saved so far is durable.
    Synced,
    /// The driver answers in the actor's place.
    Answer {
        /// Whom: an actor's id.
        to: u64,
        /// What.
        message: M,
    },
    /// A message leaves in a datagram.
    Departure {
        /// Its number among all that this life has sent.
        send: u64,
        /// The datagram's number in its boot; of several that carry one message, the first's.
        datagram: u64,
        /// Its place in the datagram.
        index: u32,
    },
    /// The process ends in good order.
    End,
}

/// What is recorded of an actor of this type.
pub type EntryOf<A> = Entry<A, <A as Actor>::Msg, <A as Actor>::Timer, <A as Actor>::Storage>;

/// A life of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life<A> {
    /// [`VERSION`].
    pub version: u8,
    /// What kind of actor it is.
    pub kind: String,
    /// The build that runs it.
    pub build: String,
    /// The actor's id.
    pub id: u64,
    /// The first boot.
    pub boot: Boot,
    /// Datagrams of that boot that its process had sent before the actor started: they are none of the actor's.
    pub datagrams: u64,
    /// The actor, as it was made.
    pub actor: A,
}

/// What an actor is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause<M, T> {
    /// A message of another process.
    Message {
        /// The id of the actor that it is from.
        from: u64,
        /// The number of its datagram; of several that carry it, the first's.
        datagram: u64,
        /// Its place in the datagram.
        index: u32,
        /// The message.
        message: M,
    },
    /// The next message that it has sent to itself.
    Own,
    /// A message of its own driver.
    Driver(M),
    /// A timer.
    Timer(T),
}

/// What an actor has done with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// The outline of its state.
    pub state: StateDigest,
    /// Its whole state: now and then, because that takes long.
    pub whole: Option<StateDigest>,
    /// What it has saved, in outline.
    pub saved: Option<OutputDigest>,
    /// The timers that it has set and cancelled.
    pub timers: Option<OutputDigest>,
    /// What it has sent, and to whom, its driver included: the id, plus one, so that the driver's is 0.
    pub sends: SmallVec<[(u64, OutputDigest); 4]>,
}
