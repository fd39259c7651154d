//! What replicas tell each other.
//!
//! **Source**: *Paxos Made Simple* (2001), sections 2.2 and 3, for phases 1 and 2; Ongaro's thesis
//! (2014), section 9.6, for pre-votes.

use super::{Entries, Plausible};
use crate::quorum::ReplicaSet;
use crate::types::{Ballot, Command, NodeId, Nonce, ReplicaId, Slot, User, Value, Vote};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug, Display, Formatter};

/// Between replicas.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ToPeer {
    /// Would you support an election?
    PreVote(PreVote),
    /// The sender hears no leader either.
    PreVoteGranted(PreVoteGranted),
    /// The sender hears a leader, or somebody who does.
    PreVoteRefused(PreVoteRefused),
    /// Phase 1a.
    Prepare(Prepare),
    /// Phase 1b, in chunks.
    Promise(Promise),
    /// Phase 2a.
    Accept(Accept),
    /// Phase 2b.
    Accepted(Accepted),
    /// The sender has promised a higher ballot than the one it was sent.
    Reject(Reject),
    /// The leader lives, and announces its bound.
    Heartbeat(Heartbeat),
    /// An answer to a heartbeat.
    HeartbeatAck(HeartbeatAck),
    /// Asks for decided values.
    Fetch(Fetch),
    /// Decided values: an answer to `Fetch`, to a `Relay`, or to a `PreVote` of whoever lags.
    Decided(Entries),
    /// Puts a client's command into the log, in place of a replica that does not lead.
    Relay(Relay),
    /// Asks how far a client has to read, in place of a replica that does not lead.
    RelayRead(RelayedRead),
    /// An answer to `RelayRead`, on its way back.
    RelayBound(RelayBound),
    /// Has anybody a higher ballot? A leader asks before it answers reads.
    Round(Round),
    /// The sender had promised no higher ballot when it was asked.
    RoundAck(RoundAck),
}

/// Would you support an election? Asked before a ballot is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PreVote {
    /// The asker's promise, which names the attempt.
    pub promised: Ballot,
    /// The asker has applied everything below.
    pub applied_upto: Slot,
}

/// The sender hears no leader either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PreVoteGranted {
    /// The promise of the asker that `PreVote` carried.
    pub asked: Ballot,
    /// The sender's own promise: the asker's ballot must be above it.
    pub promised: Ballot,
}

/// The sender hears a leader that makes progress, or somebody who does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PreVoteRefused {
    /// The promise of the asker that `PreVote` carried.
    pub asked: Ballot,
}

/// Phase 1a.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prepare {
    /// The ballot to be promised.
    pub ballot: Ballot,
    /// The first slot whose vote is wanted.
    pub from: Slot,
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

/// Phase 2a.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Accept {
    /// The ballot of the proposal.
    pub ballot: Ballot,
    /// The slot of the proposal.
    pub slot: Slot,
    /// The proposed value.
    pub value: Value,
    /// The leader's announced bound: see [`crate::learner`].
    pub decided_upto: Slot,
}

/// Phase 2b.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Accepted {
    /// The ballot of the vote.
    pub ballot: Ballot,
    /// The slot of the vote.
    pub slot: Slot,
}

/// The sender has promised a higher ballot than the one it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reject {
    /// The sender's promise.
    pub promised: Ballot,
}

/// The leader lives, and announces its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The leader's ballot.
    pub ballot: Ballot,
    /// The leader's announced bound.
    pub decided_upto: Slot,
}

/// An answer to a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HeartbeatAck {
    /// The ballot of the heartbeat.
    pub ballot: Ballot,
}

/// Asks for decided values from a slot on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fetch {
    /// The first slot wanted.
    pub from: Slot,
}

/// A command on its way to a leader.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Relay {
    /// The replicas that it has passed. It goes to none of them again.
    pub passed: ReplicaSet,
    /// What the client asks, with the stamp of the replica that it asked.
    pub command: Command,
}

/// A client's read on its way to a leader.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RelayedRead {
    /// The replicas that it has passed, in order. It goes to none of them again, and the answer takes the same way back.
    pub passed: Vec<ReplicaId>,
    /// Who reads, as the first of these knows it.
    pub reader: NodeId,
    /// Whose read it is.
    pub user: User,
    /// The read.
    pub nonce: Nonce,
}

/// How far a client has to read, on the way back to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RelayBound {
    /// The read, with the part of the way that is still to go.
    pub read: RelayedRead,
    /// The bound: see [`super::ReadBound`].
    pub upto: Slot,
}

/// Has anybody promised a higher ballot since this round began?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Round {
    /// The leader's ballot.
    pub ballot: Ballot,
    /// The number of the round in this ballot. The first one is 1.
    pub round: u64,
}

/// The sender had promised no higher ballot when it got this round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoundAck {
    /// The ballot of the round.
    pub ballot: Ballot,
    /// The number of the round.
    pub round: u64,
}

impl Plausible for ToPeer {
    fn is_plausible(&self) -> bool {
        match self {
            ToPeer::PreVote(PreVote { promised, applied_upto }) => {
                promised.is_plausible() && applied_upto.is_plausible()
            }
            ToPeer::PreVoteGranted(PreVoteGranted { asked, promised }) => {
                asked.is_plausible() && promised.is_plausible()
            }
            ToPeer::PreVoteRefused(PreVoteRefused { asked: ballot })
            | ToPeer::Reject(Reject { promised: ballot })
            | ToPeer::HeartbeatAck(HeartbeatAck { ballot }) => ballot.is_plausible(),
            ToPeer::Prepare(Prepare { ballot, from: slot })
            | ToPeer::Accepted(Accepted { ballot, slot })
            | ToPeer::Heartbeat(Heartbeat { ballot, decided_upto: slot }) => {
                ballot.is_plausible() && slot.is_plausible()
            }
            ToPeer::Promise(chunk) => chunk.is_plausible(),
            ToPeer::Accept(Accept { ballot, slot, decided_upto, .. }) => {
                ballot.is_plausible() && slot.is_plausible() && decided_upto.is_plausible()
            }
            ToPeer::Fetch(Fetch { from }) => from.is_plausible(),
            ToPeer::Decided(entries) => entries.is_plausible(),
            ToPeer::Relay(Relay { command, .. }) => command.is_plausible(),
            ToPeer::RelayRead(read) => read.is_plausible(),
            ToPeer::RelayBound(RelayBound { read, upto }) => {
                read.is_plausible() && upto.is_plausible()
            }
            ToPeer::Round(Round { ballot, round: _ })
            | ToPeer::RoundAck(RoundAck { ballot, round: _ }) => ballot.is_plausible(),
        }
    }
}

impl Plausible for RelayedRead {
    fn is_plausible(&self) -> bool {
        // Each replica of the largest cluster once.
        self.passed.len() <= usize::from(u8::MAX)
    }
}

impl Plausible for Promise {
    fn is_plausible(&self) -> bool {
        let bounds = [self.from, self.next, self.compacted_upto];
        let vote = |(at, vote): &(Slot, Vote)| at.is_plausible() && vote.ballot.is_plausible();
        self.ballot.is_plausible()
            && bounds.iter().all(Plausible::is_plausible)
            && self.votes.iter().all(vote)
    }
}

impl Display for ToPeer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.class().name())?;
        match self {
            ToPeer::PreVote(PreVote { promised, applied_upto }) => {
                write!(f, "({promised}, applied<{applied_upto})")
            }
            ToPeer::PreVoteGranted(PreVoteGranted { asked, promised }) => {
                write!(f, "({asked}, {promised})")
            }
            ToPeer::PreVoteRefused(PreVoteRefused { asked: ballot })
            | ToPeer::Reject(Reject { promised: ballot })
            | ToPeer::HeartbeatAck(HeartbeatAck { ballot }) => write!(f, "({ballot})"),
            ToPeer::Prepare(Prepare { ballot, from }) => write!(f, "({ballot}, from {from})"),
            ToPeer::Promise(promise) => write!(f, "({promise:?})"),
            ToPeer::Accept(Accept { ballot, slot, value, decided_upto }) => {
                write!(f, "({ballot}, slot {slot}, {value}, decided<{decided_upto})")
            }
            ToPeer::Accepted(Accepted { ballot, slot }) => write!(f, "({ballot}, slot {slot})"),
            ToPeer::Heartbeat(Heartbeat { ballot, decided_upto }) => {
                write!(f, "({ballot}, decided<{decided_upto})")
            }
            ToPeer::Fetch(Fetch { from }) => write!(f, "(from {from})"),
            ToPeer::Decided(entries) => write!(f, "({entries:?})"),
            ToPeer::Relay(Relay { passed, command }) => write!(f, "({command}, passed {passed:?})"),
            ToPeer::RelayRead(RelayedRead { passed, reader, user, nonce }) => {
                write!(f, "({nonce} of {user} at {reader}, passed {passed:?})")
            }
            ToPeer::RelayBound(RelayBound { read, upto }) => {
                let RelayedRead { passed: _, reader, user, nonce } = read;
                write!(f, "({nonce} of {user} at {reader}, below {upto})")
            }
            ToPeer::Round(Round { ballot, round })
            | ToPeer::RoundAck(RoundAck { ballot, round }) => {
                write!(f, "({ballot}, {round})")
            }
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
