//! Every message of the protocol, grouped by who may send it: a table in `message/class.rs` says who
//! takes each.
//!
//! **Invariant — every message class survives loss, duplication and reordering**: a request is
//! sent again by a timer or pulled again, and each handler is idempotent. The table says how.
//!
//! | message | sent again by |
//! |---|---|
//! | `Request` | the client's `Retry` timer |
//! | `Tail` | the reader's `Retry` timer |
//! | `PreVote` | the next `Election` time-out |
//! | `Prepare`, `Accept` | the `Resend` timer |
//! | `Heartbeat` | the `Heartbeat` timer |
//! | `Fetch` | the next heartbeats, or the leader's `Resend` timer |
//! | `Relay` | the client's `Retry` timer |
//! | `ReadLog` | nobody: the question that it came from is asked again |
//! | all replies | a repeated request |
//!
//! **Source**: *Paxos Made Simple* (2001) for phases 1 and 2; Ongaro's thesis (2014), sections
//! 6.3 and 9.6, for sessions and pre-votes. Promises are pulled in chunks, which is our own.

mod class;

use crate::quorum::ReplicaSet;
use crate::tuning::Tuning;
use crate::types::{
    Ballot, Body, Command, NodeId, Nonce, Operation, ReplicaId, Seq, SessionId, Slot, Value, Vote,
};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug, Display, Formatter};

pub use class::{Class, Route, Taker};

/// No slot and no number within a session gets here in the life of a cluster.
const NUMBER_MAX: u64 = 1 << 60;
/// No election round gets here in the life of a cluster.
const ROUND_MAX: u32 = 1 << 30;

/// A message between actors, or between an actor and its own driver.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Message {
    // --- From a client to a replica.
    /// Asks for a command to be put into the log.
    Request(Command),
    /// Asks for applied entries from this slot on.
    Tail {
        /// The first slot wanted.
        from: Slot,
    },

    // --- From a replica to a client.
    /// The session that the client's nonce opened.
    SessionOpened {
        /// The client's own nonce.
        nonce: Nonce,
        /// The session.
        session: SessionId,
    },
    /// The request was applied, and where.
    Acknowledged {
        /// The session.
        session: SessionId,
        /// The request's number.
        seq: Seq,
        /// The slot at which it was applied.
        slot: Slot,
    },
    /// The leader's queue has no room for this user: ask again later, the later the more is queued.
    Busy {
        /// How many values fill the queue: about so many commits until all of it is in the log.
        queued: u32,
    },
    /// Another replica leads.
    Redirect {
        /// The replica that leads, as far as the sender knows.
        leader: ReplicaId,
    },
    /// The session was evicted from the session table.
    SessionExpired {
        /// The session.
        session: SessionId,
    },
    /// Applied entries, an answer to `Tail`.
    Entries(Entries),
    /// The ballot that the sender has promised, which names the leader that it follows. A replica's host
    /// tells it beside entries, for people to see; no actor sends it or takes it.
    Promised {
        /// The ballot.
        ballot: Ballot,
    },

    // --- Between replicas.
    /// Would you support an election? Asked before a ballot is used.
    PreVote {
        /// The asker's promise, which names the attempt.
        promised: Ballot,
        /// The asker has applied everything below.
        applied_upto: Slot,
    },
    /// The sender hears no leader either.
    PreVoteGranted {
        /// The promise of the asker that `PreVote` carried.
        asked: Ballot,
        /// The sender's own promise: the asker's ballot must be above it.
        promised: Ballot,
    },
    /// The sender hears a leader that makes progress, or somebody who does.
    PreVoteRefused {
        /// The promise of the asker that `PreVote` carried.
        asked: Ballot,
    },
    /// Phase 1a.
    Prepare {
        /// The ballot to be promised.
        ballot: Ballot,
        /// The first slot whose vote is wanted.
        from: Slot,
    },
    /// Phase 1b, in chunks.
    Promise(Promise),
    /// Phase 2a.
    Accept {
        /// The ballot of the proposal.
        ballot: Ballot,
        /// The slot of the proposal.
        slot: Slot,
        /// The proposed value.
        value: Value,
        /// The leader's announced bound: see [`crate::learner`].
        decided_upto: Slot,
    },
    /// Phase 2b.
    Accepted {
        /// The ballot of the vote.
        ballot: Ballot,
        /// The slot of the vote.
        slot: Slot,
    },
    /// The sender has promised a higher ballot than the one it was sent.
    Reject {
        /// The sender's promise.
        promised: Ballot,
    },
    /// The leader lives, and announces its bound.
    Heartbeat {
        /// The leader's ballot.
        ballot: Ballot,
        /// The leader's announced bound.
        decided_upto: Slot,
    },
    /// An answer to a heartbeat.
    HeartbeatAck {
        /// The ballot of the heartbeat.
        ballot: Ballot,
    },
    /// Asks for decided values from this slot on.
    Fetch {
        /// The first slot wanted.
        from: Slot,
    },
    /// Decided values: an answer to `Fetch`, to a `Relay`, or to a `PreVote` of whoever lags.
    Decided(Entries),
    /// Puts a client's command into the log, in place of a replica that does not lead.
    Relay(Relay),

    // --- Between an actor and its own driver; never on a network.
    /// The user wants this to be asked. From the driver to its client.
    Submit(Body),
    /// Jump over the next slot: an injected fault. From the driver to its replica.
    SkipSlot,
    /// A slot was applied. From a replica to its driver, once a slot and life, in slot order.
    Applied {
        /// The slot.
        slot: Slot,
        /// The value chosen there.
        value: Value,
        /// What each command of the value came to.
        outcomes: Vec<Outcome>,
    },
    /// Answer this from the log on disk. From a replica to its driver.
    ReadLog(LogRead),
    /// The session is open. From a client to its driver.
    Opened {
        /// The session.
        session: SessionId,
    },
    /// The request with this number was acknowledged. From a client to its driver.
    Confirmed {
        /// The request's number.
        seq: Seq,
        /// The slot at which it was applied.
        slot: Slot,
    },
    /// The session has expired: whether these were applied is unknown, and they are not sent
    /// again. From a client to its driver.
    OutcomeUnknown {
        /// Their numbers, in order; some between them may be acknowledged.
        unknown: Vec<Seq>,
    },
}

/// A command on its way to a leader.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Relay {
    /// The replicas that it has passed. It goes to none of them again.
    pub passed: ReplicaSet,
    /// What the client asks, with the stamp of the replica that it asked.
    pub command: Command,
}

/// A chunk of a promise: the sender's votes in `[from, next)`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Promise {
    /// The promised ballot.
    pub ballot: Ballot,
    /// The slot that `Prepare` asked from.
    pub from: Slot,
    /// The slot to ask from next.
    pub next: Slot,
    /// Everything below is decided, and no vote is kept for it.
    pub compacted_upto: Slot,
    /// No vote is left at or above `next`.
    pub last: bool,
    /// The votes, in slot order.
    pub votes: Vec<(Slot, Vote)>,
}

/// A run of decided values.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entries {
    /// The slot of the first value.
    pub from: Slot,
    /// The values of `from` and the slots after it.
    pub values: Vec<Value>,
    /// The sender has applied everything below this bound.
    pub applied_upto: Slot,
}

impl Entries {
    /// The first of these values, as many as a chunk takes: the sender has applied everything
    /// below `upto`, and the values are those of `from` and the slots after it.
    pub fn chunk(
        from: Slot,
        upto: Slot,
        values: impl IntoIterator<Item = Value>,
        tuning: &Tuning,
    ) -> Entries {
        let mut chunk: Vec<Value> = Vec::new();
        let mut bytes = 0;
        for value in values.into_iter().take(tuning.chunk_entries_max) {
            bytes += value.size_bytes();
            if bytes > tuning.chunk_bytes_max && !chunk.is_empty() {
                break;
            }
            chunk.push(value);
        }
        Entries { from, values: chunk, applied_upto: upto }
    }
}

/// Who wants entries of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Asker {
    /// A replica that lags.
    Replica(ReplicaId),
    /// A client that reads.
    Client(NodeId),
}

impl Asker {
    /// Where the answer goes.
    pub fn node(self) -> NodeId {
        match self {
            Asker::Replica(replica) => replica.into(),
            Asker::Client(client) => client,
        }
    }

    /// The answer.
    pub fn answer(self, entries: Entries) -> Message {
        match self {
            Asker::Replica(_) => Message::Decided(entries),
            Asker::Client(_) => Message::Entries(entries),
        }
    }
}

/// A question about entries that a replica has applied and does not keep in memory. Its driver
/// answers the asker from the chat log, with [`Asker::answer`] of an [`Entries::chunk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogRead {
    /// Who asks.
    pub asker: Asker,
    /// The first slot wanted; it is below `upto`.
    pub from: Slot,
    /// Everything below is applied, and was reported to the driver in this life or an earlier one.
    pub upto: Slot,
}

impl LogRead {
    /// # Panics
    /// If that is no slot at all: whoever asks a disk for nothing waits for it in vain.
    pub(crate) fn new(asker: Asker, from: Slot, upto: Slot) -> LogRead {
        assert!(from < upto, "a read of the log is of at least one slot");
        LogRead { asker, from, upto }
    }
}

/// What a command of an applied batch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// It opened this session.
    Opened(SessionId),
    /// Its nonce had opened this session before.
    OpenedBefore(SessionId),
    /// It was applied, here and nowhere else.
    Applied,
    /// It was applied before, at this slot if the session still knows; suppressed here.
    Duplicate(Option<Slot>),
    /// An earlier number of its session is missing: skipped, to be sent again.
    Gap,
    /// Its session is not, or no longer, in the session table.
    NoSession,
    /// The session belongs to another user.
    WrongUser,
}

impl Message {
    /// Are all numbers in this message far below those at which arithmetic would overflow? A
    /// driver drops a message that is not plausible: no run of the protocol sends one.
    pub fn is_plausible(&self) -> bool {
        use Message::*;
        let slot = |slot: &Slot| slot.0 < NUMBER_MAX;
        let ballot = |ballot: &Ballot| ballot.round < ROUND_MAX;
        match self {
            Request(command) | Relay(self::Relay { command, .. }) => match &command.operation {
                Operation::OpenSession { .. } => true,
                Operation::InSession { session, seq, acked_below, .. } => {
                    slot(&session.slot) && seq.0 < NUMBER_MAX && acked_below.0 < NUMBER_MAX
                }
            },
            Tail { from } | Fetch { from } => slot(from),
            SessionOpened { session, .. } | SessionExpired { session } | Opened { session } => {
                slot(&session.slot)
            }
            Acknowledged { session, seq, slot: at } => {
                slot(&session.slot) && seq.0 < NUMBER_MAX && slot(at)
            }
            Entries(entries) | Decided(entries) => {
                slot(&entries.from) && slot(&entries.applied_upto)
            }
            PreVote { promised, applied_upto } => ballot(promised) && slot(applied_upto),
            Reject { promised } | PreVoteRefused { asked: promised } => ballot(promised),
            PreVoteGranted { asked, promised } => ballot(asked) && ballot(promised),
            Prepare { ballot: of, from } => ballot(of) && slot(from),
            Promise(chunk) => {
                let bounds = [chunk.from, chunk.next, chunk.compacted_upto];
                let vote = |(at, vote): &(Slot, Vote)| slot(at) && ballot(&vote.ballot);
                ballot(&chunk.ballot) && bounds.iter().all(slot) && chunk.votes.iter().all(vote)
            }
            Accept { ballot: of, slot: at, decided_upto, .. } => {
                ballot(of) && slot(at) && slot(decided_upto)
            }
            Accepted { ballot: of, slot: at } => ballot(of) && slot(at),
            Heartbeat { ballot: of, decided_upto } => ballot(of) && slot(decided_upto),
            HeartbeatAck { ballot: of } | Promised { ballot: of } => ballot(of),
            Busy { .. }
            | Redirect { .. }
            | Submit(_)
            | SkipSlot
            | Applied { .. }
            | ReadLog(_)
            | Confirmed { .. }
            | OutcomeUnknown { .. } => true,
        }
    }
}

impl Debug for Message {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl Display for Message {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        use Message::*;
        let name = self.class().name();
        match self {
            Request(command) => write!(f, "{name}({command})"),
            Tail { from } | Fetch { from } => write!(f, "{name}(from {from})"),
            SessionOpened { nonce, session } => write!(f, "{name}({nonce}, {session})"),
            Acknowledged { session, seq, slot } => {
                write!(f, "{name}({session}, #{seq}, slot {slot})")
            }
            Busy { queued } => write!(f, "{name}({queued} queued)"),
            SkipSlot => f.write_str(name),
            Redirect { leader } => write!(f, "{name}({leader})"),
            SessionExpired { session } | Opened { session } => write!(f, "{name}({session})"),
            Entries(entries) | Decided(entries) => write!(f, "{name}({entries:?})"),
            PreVote { promised, applied_upto } => {
                write!(f, "{name}({promised}, applied<{applied_upto})")
            }
            Reject { promised } | PreVoteRefused { asked: promised } => {
                write!(f, "{name}({promised})")
            }
            PreVoteGranted { asked, promised } => write!(f, "{name}({asked}, {promised})"),
            Prepare { ballot, from } => write!(f, "{name}({ballot}, from {from})"),
            Promise(promise) => write!(f, "{name}({promise:?})"),
            Accept { ballot, slot, value, decided_upto } => {
                write!(f, "{name}({ballot}, slot {slot}, {value}, decided<{decided_upto})")
            }
            Accepted { ballot, slot } => write!(f, "{name}({ballot}, slot {slot})"),
            Promised { ballot } => write!(f, "{name}({ballot})"),
            Heartbeat { ballot, decided_upto } => {
                write!(f, "{name}({ballot}, decided<{decided_upto})")
            }
            HeartbeatAck { ballot } => write!(f, "{name}({ballot})"),
            Relay(relay) => write!(f, "{name}({}, passed {:?})", relay.command, relay.passed),
            Submit(body) => write!(f, "{name}({body})"),
            Applied { slot, value, .. } => write!(f, "{name}(slot {slot}, {value})"),
            ReadLog(LogRead { asker, from, upto }) => {
                write!(f, "{name}(for {}, [{from}, {upto}))", asker.node())
            }
            Confirmed { seq, slot } => write!(f, "{name}(#{seq}, slot {slot})"),
            OutcomeUnknown { unknown } => write!(f, "{name}({unknown:?})"),
        }
    }
}

impl Debug for Promise {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}, [{}, {})", self.ballot, self.from, self.next)?;
        if self.compacted_upto > Slot(0) {
            write!(f, ", compacted<{}", self.compacted_upto)?;
        }
        if !self.last {
            f.write_str(", more")?;
        }
        for (slot, vote) in &self.votes {
            write!(f, ", {slot}={vote}")?;
        }
        Ok(())
    }
}

impl Debug for Entries {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "applied<{}", self.applied_upto)?;
        for (slot, value) in (self.from.0..).zip(&self.values) {
            write!(f, ", {slot}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
