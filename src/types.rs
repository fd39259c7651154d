//! The vocabulary: identifiers, bounds and values that every role shares.
//!
//! **Absent**: behaviour. These are plain data with an order and a readable form; `Debug` prints
//! what a person would write (`b1.r0`), because the Explorer shows states through it.
//!
//! **Source**: Lamport, *Paxos Made Simple* (2001), section 2, for ballots and votes; Ongaro's
//! thesis (2014), section 6.3, for client sessions.

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::{self, Debug, Display, Formatter};
use std::ops::Deref;
use std::sync::Arc;

/// Forwards `Debug` to `Display`, so that states print as a person would write them.
macro_rules! debug_as_display {
    ($($name:ident),* $(,)?) => {$(
        impl Debug for $name {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                Display::fmt(self, f)
            }
        }
    )*};
}
debug_as_display!(
    NodeId, ReplicaId, Ballot, Slot, SessionId, Seq, Nonce, Timestamp, User, Value, Command, Body,
    Vote
);

/// The address of an actor: an index that a driver or a model maps to a place.
///
/// Replicas have the indices `0..n`; clients come after them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u64);

impl NodeId {
    /// The actor's own driver: what is sent here leaves the protocol as a result (an applied
    /// entry, a confirmed message) and never travels over a network.
    pub const LOCAL: NodeId = NodeId(u64::MAX);
}

impl From<ReplicaId> for NodeId {
    fn from(id: ReplicaId) -> Self {
        NodeId(u64::from(id.0))
    }
}

impl Display for NodeId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if *self == NodeId::LOCAL { f.write_str("local") } else { write!(f, "n{}", self.0) }
    }
}

/// One of the `2f+1` replicas.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplicaId(pub u8);

impl Display for ReplicaId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// A totally ordered number, unique to the proposer that uses it.
///
/// Ordered by round, then by replica. [`Ballot::ZERO`] is below every ballot that is ever used.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ballot {
    /// Counts election attempts, starting at 1.
    pub round: u32,
    /// The only replica that proposes in this ballot.
    pub replica: ReplicaId,
}

impl Ballot {
    /// "No ballot": promised by an acceptor that has promised nothing.
    pub const ZERO: Ballot = Ballot { round: 0, replica: ReplicaId(0) };

    /// The lowest ballot of `replica` above `self`'s round.
    ///
    /// # Panics
    /// When 2^32 rounds are used up.
    #[must_use]
    pub fn successor(self, replica: ReplicaId) -> Ballot {
        let round = self.round.checked_add(1).expect("fewer than 2^32 election rounds");
        Ballot { round, replica }
    }
}

impl Display for Ballot {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "b{}.{}", self.round, self.replica)
    }
}

/// A position in the replicated log, counted from 0.
///
/// A `Slot` that names a *bound* is exclusive: `applied_upto == 3` means that slots 0, 1 and 2
/// are applied.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot(pub u64);

impl Slot {
    /// The slot after this one.
    #[must_use]
    pub fn next(self) -> Slot {
        Slot(self.0.saturating_add(1))
    }

    /// The slots from this one up to, not including, `end`.
    pub fn upto(self, end: Slot) -> impl Iterator<Item = Slot> {
        (self.0..end.0).map(Slot)
    }
}

impl Display for Slot {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What an acceptor has accepted at a slot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Vote {
    /// The ballot in which it was accepted.
    pub ballot: Ballot,
    /// The accepted value.
    pub value: Value,
}

impl Display for Vote {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ballot, self.value)
    }
}

/// What is agreed on at a slot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value {
    /// Changes nothing: a new leader closes a gap with it.
    Noop,
    /// Commands, applied in this order.
    Batch(Arc<[Command]>),
}

impl Value {
    /// A batch of these commands.
    pub fn batch(commands: impl IntoIterator<Item = Command>) -> Value {
        Value::Batch(commands.into_iter().collect())
    }

    /// The commands in their order; none for a `Noop`.
    pub fn commands(&self) -> &[Command] {
        match self {
            Value::Noop => &[],
            Value::Batch(commands) => commands,
        }
    }

    /// An upper bound of the encoded size, in bytes.
    pub fn size_bytes(&self) -> usize {
        VALUE_OVERHEAD_BYTES + self.commands().iter().map(Command::size_bytes).sum::<usize>()
    }
}

/// Upper bound of what a value or a vote adds to the size of its commands.
const VALUE_OVERHEAD_BYTES: usize = 24;
/// Upper bound of what a command adds to the size of its user's name and its text: five varints
/// of at most ten bytes, tags and two lengths.
const COMMAND_OVERHEAD_BYTES: usize = 80;

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Noop => f.write_str("Noop"),
            Value::Batch(commands) => {
                for (i, command) in commands.iter().enumerate() {
                    let separator = if i == 0 { "" } else { "+" };
                    write!(f, "{separator}{command}")?;
                }
                Ok(())
            }
        }
    }
}

/// A client's request as it is replicated.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Command {
    /// When the request entered the cluster; put on by the driver of the replica that received
    /// it. Never compared: duplicates are recognised by session and number.
    pub stamp: Timestamp,
    /// Who asks.
    pub user: User,
    /// What is asked.
    pub operation: Operation,
}

impl Command {
    /// The session in which this is asked, unless it opens one.
    pub fn session(&self) -> Option<SessionId> {
        match &self.operation {
            Operation::OpenSession { .. } => None,
            Operation::InSession { session, .. } => Some(*session),
        }
    }

    /// An upper bound of the encoded size, in bytes.
    pub fn size_bytes(&self) -> usize {
        COMMAND_OVERHEAD_BYTES + self.user.0.len() + self.body_bytes()
    }

    /// How many bytes it asks to be put into the log.
    pub fn body_bytes(&self) -> usize {
        match &self.operation {
            Operation::InSession { body: Body::Write(bytes), .. } => bytes.len(),
            Operation::InSession { body: Body::Reconfigure(change), .. } => change.members.len(),
            Operation::InSession { body: Body::Sync, .. } | Operation::OpenSession { .. } => 0,
        }
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.operation {
            Operation::OpenSession { nonce } => write!(f, "Open({}, {nonce})", self.user),
            Operation::InSession { seq, body, .. } => write!(f, "{body}#{}.{seq}", self.user),
        }
    }
}

/// The operation of a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// Opens an exactly-once context. The nonce lets a retry find the session it opened.
    OpenSession {
        /// Chosen by the client, new for every session.
        nonce: Nonce,
    },
    /// A numbered request within a session.
    InSession {
        /// The session, opened before.
        session: SessionId,
        /// Its number within the session, from 1 on.
        seq: Seq,
        /// The client has the acknowledgements of everything below this number.
        acked_below: Seq,
        /// What is asked.
        body: Body,
    },
}

/// What a client asks for within its session.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Body {
    /// That these bytes stand in the log. What they mean is for those to say who write and read them.
    Write(Bytes),
    /// Nothing: its acknowledgement names a slot at or after which a read is current.
    Sync,
    /// That other replicas are the members.
    Reconfigure(Reconfigure),
}

/// A change of the members: see [`crate::membership`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reconfigure {
    /// The first slot of the membership that it replaces.
    pub replaces: Slot,
    /// All members after it, and not only the new ones.
    pub members: Arc<[ReplicaId]>,
}

impl Body {
    /// Asks for these bytes to stand in the log.
    pub fn write(bytes: impl AsRef<[u8]>) -> Body {
        Body::Write(Bytes(bytes.as_ref().into()))
    }
}

/// Bytes that are shared, and never changed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(Arc<[u8]>);

impl Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Debug for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&String::from_utf8_lossy(self), f)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_bytes(BytesVisitor)
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.into()))
    }
}

impl Display for Body {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Body::Write(bytes) => write!(f, "{bytes:?}"),
            Body::Sync => f.write_str("Sync"),
            Body::Reconfigure(Reconfigure { replaces, members }) => {
                write!(f, "Reconfigure({members:?} after {replaces})")
            }
        }
    }
}

/// A client's exactly-once context: the place of the command that opened it, so never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId {
    /// Slot of the opening command.
    pub slot: Slot,
    /// Index of the opening command in its batch.
    pub index: u32,
}

impl Display for SessionId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "s{}.{}", self.slot, self.index)
    }
}

/// The number of a request within its session, from 1 on; 0 is below all of them.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seq(pub u64);

impl Seq {
    /// The first number that a session uses.
    pub const FIRST: Seq = Seq(1);

    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Seq {
        Seq(self.0.saturating_add(1))
    }
}

impl Display for Seq {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Chosen by a client at random for each session it opens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Nonce(pub u64);

impl Display for Nonce {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "nonce {:x}", self.0)
    }
}

/// Milliseconds since the Unix epoch, by the clock of the driver that stamped it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

impl Display for Timestamp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// A user's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct User(pub Arc<str>);

impl User {
    /// The user of this name.
    pub fn new(name: &str) -> User {
        User(name.into())
    }
}

impl Display for User {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
