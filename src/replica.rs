//! A replica as a [`stateright::actor::Actor`]: the one `match` over messages and timers, and the
//! translation of effects.
//!
//! **Absent**: decisions. Each arm calls the role function named for its event.

use crate::acceptor::{self, Proposal, Storage};
use crate::effects::{Durable, Effects, Timer};
use crate::election;
use crate::learner::{self, Learner};
use crate::message::Message;
use crate::proposer::{self, Phase};
use crate::quorum::Cluster;
use crate::requests;
use crate::shell::emit;
use crate::tuning::Tuning;
use crate::types::{NodeId, ReplicaId};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;

/// One of the `2f+1` replicas.
#[derive(Clone, Debug)]
pub struct Replica {
    cluster: Cluster,
    tuning: Tuning,
}

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
}

/// What a role function may read besides its state.
pub struct Context<'a> {
    /// This replica.
    pub me: ReplicaId,
    /// The size of the cluster.
    pub cluster: Cluster,
    /// Sizes, limits and time-outs.
    pub tuning: &'a Tuning,
}

impl Replica {
    /// A replica of a cluster. Its id is the one that its driver or model gives it.
    pub fn new(cluster: Cluster, tuning: Tuning) -> Replica {
        Replica { cluster, tuning }
    }

    /// The sizes, limits and time-outs of this replica.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    fn context(&self, id: Id) -> Context<'_> {
        let index = u8::try_from(usize::from(id)).unwrap_or(u8::MAX);
        assert!(index < self.cluster.len(), "replica ids are 0 to {}", self.cluster.len() - 1);
        Context { me: ReplicaId(index), cluster: self.cluster, tuning: &self.tuning }
    }

    /// The sender as a replica, if it is one.
    fn as_replica(&self, sender: NodeId) -> Option<ReplicaId> {
        let index = u8::try_from(sender.0).ok()?;
        (index < self.cluster.len()).then_some(ReplicaId(index))
    }
}

impl State {
    /// The state after a start with this storage.
    pub fn restored(storage: Storage) -> State {
        let learner = Learner {
            applied_upto: storage.snapshot.upto,
            decided: imbl::OrdMap::new(),
            sessions: storage.snapshot.sessions.clone(),
        };
        let durable = Durable::restored(storage);
        State { durable, learner, phase: Phase::Follower, leader_alive: false }
    }
}

impl Actor for Replica {
    type Msg = Message;
    type Timer = Timer;
    type State = State;
    type Storage = Storage;
    type Random = ();

    fn on_start(&self, id: Id, storage: &Option<Storage>, out: &mut Out<Self>) -> State {
        let at = self.context(id);
        let mut effects = Effects::default();
        effects.set_timer(Timer::Election, at.tuning.election_delay());
        let state = State::restored(storage.clone().unwrap_or_default());
        emit(effects, || (*state.durable).clone(), out);
        state
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, State>,
        src: Id,
        msg: Message,
        out: &mut Out<Self>,
    ) {
        let mut effects = Effects::default();
        let src = NodeId(usize::from(src) as u64);
        match self.as_replica(src) {
            Some(peer) => self.on_replica_message(id, state, peer, msg, &mut effects),
            None => self.on_client_message(id, state, src, msg, &mut effects),
        }
        emit(effects, || (*state.durable).clone(), out);
    }

    fn on_timeout(&self, id: Id, state: &mut Cow<'_, State>, timer: &Timer, out: &mut Out<Self>) {
        let at = self.context(id);
        let mut effects = Effects::default();
        match timer {
            Timer::Election => election::on_election_timeout(&at, state, &mut effects),
            Timer::Heartbeat => election::on_heartbeat_timeout(&at, state, &mut effects),
            Timer::Resend => proposer::on_resend_timeout(&at, state, &mut effects),
            Timer::Retry => {}
        }
        emit(effects, || (*state.durable).clone(), out);
    }

    fn name(&self) -> String {
        "replica".into()
    }
}

impl Replica {
    fn on_replica_message(
        &self,
        id: Id,
        state: &mut Cow<'_, State>,
        src: ReplicaId,
        msg: Message,
        fx: &mut Effects,
    ) {
        let at = &self.context(id);
        match msg {
            Message::PreVote { promised } => election::on_pre_vote(state, src, promised, fx),
            Message::PreVoteGranted { asked, promised } => {
                election::on_pre_vote_granted(at, state, src, asked, promised, fx);
            }
            Message::Prepare { ballot, from } => {
                acceptor::on_prepare(at, state, src, ballot, from, fx);
            }
            Message::Promise(chunk) => proposer::on_promise(at, state, src, chunk, fx),
            Message::Accept { ballot, slot, value, decided_upto } => {
                let proposal = Proposal { ballot, slot, value, decided_upto };
                acceptor::on_accept(at, state, src, proposal, fx);
            }
            Message::Accepted { ballot, slot } => {
                proposer::on_accepted(at, state, src, ballot, slot, fx);
            }
            Message::Reject { promised } => election::on_reject(at, state, promised, fx),
            Message::Heartbeat { ballot, decided_upto } => {
                election::on_heartbeat(at, state, src, ballot, decided_upto, fx);
            }
            Message::HeartbeatAck { ballot } => {
                election::on_heartbeat_ack(at, state, src, ballot, fx);
            }
            Message::Fetch { from } => learner::on_fetch(at, state, src, from, fx),
            Message::Decided(entries) => learner::on_decided(at, state, src, entries, fx),
            // Not a replica's to send.
            _ => {}
        }
    }

    fn on_client_message(
        &self,
        id: Id,
        state: &mut Cow<'_, State>,
        src: NodeId,
        msg: Message,
        fx: &mut Effects,
    ) {
        let at = &self.context(id);
        match msg {
            Message::Request(command) => requests::on_request(at, state, src, command, fx),
            Message::Tail { from } => learner::on_tail(at, state, src, from, fx),
            Message::SkipSlot if src == NodeId::LOCAL => proposer::on_skip_slot(state),
            // Not a client's to send.
            _ => {}
        }
    }
}
