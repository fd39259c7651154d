//! What a replica knows, as plain data.
//!
//! Each part is one role's to change: [`Storage`] the acceptor's, [`Learner`] the learner's, [`Phase`] the
//! proposer's and the election's, [`Intake`] the requests'.
//!
//! **Absent**: what any of it does. The roles know this file, and it knows none of them.

use crate::askers::Askers;
use crate::effects::Durable;
use crate::membership::Memberships;
use crate::open_reads::OpenReads;
use crate::pacing::{Flight, Pacing};
use crate::patience::Patience;
use crate::queue::Queue;
use crate::quorum::ReplicaSet;
use crate::session::Sessions;
use crate::types::{Ballot, Command, Nonce, ReplicaId, Seq, SessionId, Slot, User, Value, Vote};
use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that a replica knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// What survives a crash.
    pub durable: Durable<Storage>,
    /// What is known to be decided.
    pub learner: Learner,
    /// What this replica does about leadership.
    pub phase: Phase,
    /// A leader gave a sign of life within the last election time-out. Kept only for answering
    /// pre-votes.
    pub leader_alive: bool,
    /// How long it waits before it suspects a leader.
    pub patience: Patience,
    /// Who waits here for what became of a command.
    pub askers: Askers,
    /// What it lacks of its leader's log, and whom it has asked. Kept only if time-outs
    /// adapt; otherwise it asks the leader, at each heartbeat.
    pub catch_up: Option<CatchUp>,
}

impl State {
    /// The state after a start with this storage.
    pub fn restored(storage: Storage) -> State {
        let learner = Learner {
            applied_upto: storage.snapshot.upto,
            decided: OrdMap::new(),
            sessions: storage.snapshot.sessions.clone(),
            memberships: storage.snapshot.memberships.clone(),
        };
        State {
            durable: Durable::restored(storage),
            learner,
            phase: Phase::Follower,
            leader_alive: false,
            patience: Patience::default(),
            askers: Askers::default(),
            catch_up: None,
        }
    }
}

/// What must survive a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Storage {
    /// The highest ballot promised.
    pub promised: Ballot,
    /// The votes at and above the snapshot's bound.
    pub votes: OrdMap<Slot, Vote>,
    /// The replicated state at the compacted bound.
    pub snapshot: Snapshot,
}

/// The replicated state after every slot below a bound was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Snapshot {
    /// The compacted bound: below it, every slot is applied and no vote is kept.
    pub upto: Slot,
    /// The session table at that bound.
    pub sessions: Sessions,
    /// The members at and above that bound, as far as they follow from what is below.
    pub memberships: Memberships,
}

/// What a replica knows to be decided; rebuilt from the snapshot after a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Learner {
    /// Everything below is decided and applied.
    pub applied_upto: Slot,
    /// Decided values: the recent ones below the compacted bound, and all at and above it. Above
    /// `applied_upto` there may be gaps.
    pub decided: OrdMap<Slot, Value>,
    /// The session table at `applied_upto`.
    pub sessions: Sessions,
    /// The members at and above `applied_upto`, as far as they follow from what is below.
    pub memberships: Memberships,
}

/// What a follower lacks of its leader's log, and whom it has asked for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CatchUp {
    /// The applied bound when it was found to lack something; `None` while it does not.
    pub from: Option<Slot>,
    /// Whom it asks next, if it still lacks something: who has sent something last, or else the peers in turn.
    pub asks: ReplicaId,
    /// Heartbeats since something has come, while it lacks something.
    pub waited: u32,
    /// It asks another whenever that is a multiple of two to this power.
    pub doublings: u8,
    /// Where the last gap began before which something came: what is missing there was asked for at once.
    pub gap: Option<Slot>,
    /// Where an answer ends whose sender has more: it is asked for the rest once everything below is applied.
    pub more: Option<Slot>,
}

/// What a replica is doing about leadership.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::large_enum_variant, reason = "a leader's is the one that is worked with")]
pub enum Phase {
    /// Follows whoever leads.
    Follower,
    /// Asks whether an election would be supported.
    PreVoting(PreVoting),
    /// In phase 1 of its own ballot.
    Preparing(Preparing),
    /// In phase 2 of its own ballot.
    Leading(Leading),
}

/// Support gathered before a ballot is used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PreVoting {
    /// The promise held when the question was asked; it names the attempt.
    pub asked: Ballot,
    /// The replicas that hear no leader either, oneself included.
    pub granted: ReplicaSet,
    /// The highest promise among them.
    pub highest: Ballot,
    /// The last peer that said it hears a leader, or somebody who does, since this was last asked.
    pub guide: Option<ReplicaId>,
}

/// Phase 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Preparing {
    /// The ballot to be promised.
    pub ballot: Ballot,
    /// The bound from which votes are asked.
    pub from: Slot,
    /// The slot expected next of each acceptor that has sent a chunk but not its last.
    pub expected: BTreeMap<ReplicaId, Slot>,
    /// The acceptors that have reported everything, oneself included.
    pub complete: ReplicaSet,
    /// The highest compacted bound reported.
    pub compacted_upto: Slot,
    /// For each slot, the reported vote of the highest ballot.
    pub reported: BTreeMap<Slot, Vote>,
    /// `Resend` time-outs since something was last asked, if time-outs adapt.
    pub ticks: u64,
    /// The ticks after which it is asked again. Doubled each time, and kept: an acceptor answers each
    /// question with a whole chunk.
    pub wait: u64,
}

/// Phase 2.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leading {
    /// The ballot that a majority has promised.
    pub ballot: Ballot,
    /// Everything below is decided; nothing is proposed there.
    pub base: Slot,
    /// The slot of the next proposal.
    pub next: Slot,
    /// The votes of the highest ballots that were reported and are not proposed yet, of slots from `next` on.
    pub reported: BTreeMap<Slot, Vote>,
    /// Proposed and not yet decided.
    pub in_flight: BTreeMap<Slot, Flight>,
    /// When to send it again.
    pub pacing: Pacing,
    /// The peers heard from since the last sign of life.
    pub heard: ReplicaSet,
    /// The highest promise above this ballot that it was told of; [`Ballot::ZERO`] if of none.
    pub outbid: Ballot,
    /// What clients want.
    pub intake: Intake,
    /// The end of what the promises of this ballot reported, until everything below is applied: whatever was chosen in
    /// lower ballots is below.
    pub end: Option<Slot>,
    /// The current reads that are open.
    pub reads: OpenReads,
    /// The first slot of the last membership of which a quorum's promises are merged: what was reported in them is
    /// proposed before anything new.
    pub merged: Slot,
    /// Phase 1 among the members of later slots.
    pub joining: Option<Joining>,
}

/// Phase 1 of a ballot in which one leads already, among the members that a change brings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Joining {
    /// Their membership, by its first slot.
    pub since: Slot,
    /// What they have promised so far.
    pub promises: Preparing,
}

impl State {
    /// What it keeps while it asks whether an election would be supported, if it does.
    pub fn pre_voting(&self) -> Option<&PreVoting> {
        if let Phase::PreVoting(attempt) = &self.phase { Some(attempt) } else { None }
    }

    /// What it keeps in phase 1, if it prepares.
    pub fn preparing(&self) -> Option<&Preparing> {
        if let Phase::Preparing(preparing) = &self.phase { Some(preparing) } else { None }
    }

    /// What it keeps in phase 2, if it leads.
    pub fn leading(&self) -> Option<&Leading> {
        if let Phase::Leading(leading) = &self.phase { Some(leading) } else { None }
    }

    /// As [`State::pre_voting`], to be changed.
    pub fn pre_voting_mut(&mut self) -> Option<&mut PreVoting> {
        if let Phase::PreVoting(attempt) = &mut self.phase { Some(attempt) } else { None }
    }

    /// As [`State::preparing`], to be changed.
    pub fn preparing_mut(&mut self) -> Option<&mut Preparing> {
        if let Phase::Preparing(preparing) = &mut self.phase { Some(preparing) } else { None }
    }

    /// As [`State::leading`], to be changed.
    pub fn leading_mut(&mut self) -> Option<&mut Leading> {
        if let Phase::Leading(leading) = &mut self.phase { Some(leading) } else { None }
    }
}

impl Phase {
    /// The ballot that this replica prepares or leads in.
    pub fn own_ballot(&self) -> Option<Ballot> {
        match self {
            Phase::Follower | Phase::PreVoting(_) => None,
            Phase::Preparing(preparing) => Some(preparing.ballot),
            Phase::Leading(leading) => Some(leading.ballot),
        }
    }

    /// The promises that it gathers: in phase 1, or for the members of later slots.
    pub fn promises(&self) -> Option<&Preparing> {
        match self {
            Phase::Follower | Phase::PreVoting(_) => None,
            Phase::Preparing(preparing) => Some(preparing),
            Phase::Leading(leading) => leading.joining.as_ref().map(|joining| &joining.promises),
        }
    }

    /// As [`Phase::promises`], to be changed.
    pub fn promises_mut(&mut self) -> Option<&mut Preparing> {
        match self {
            Phase::Follower | Phase::PreVoting(_) => None,
            Phase::Preparing(preparing) => Some(preparing),
            Phase::Leading(leading) => {
                leading.joining.as_mut().map(|joining| &mut joining.promises)
            }
        }
    }
}

/// What clients want of this leader.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Intake {
    /// Commands that wait for a slot.
    pub queue: Queue,
    /// The last number of each session that was queued or proposed in this leadership.
    pub proposed: BTreeMap<SessionId, Seq>,
    /// Openings that were queued or proposed and are not applied yet.
    pub openings: BTreeSet<(User, Nonce)>,
    /// Commands that came before an earlier one of their session, which they wait for.
    pub held: BTreeMap<(SessionId, Seq), Command>,
    /// Their bytes.
    pub held_bytes: usize,
}
