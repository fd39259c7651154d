//! One step of a replica: what a handler may read, what it may change, and what it wants done.
//!
//! **Invariant — an untouched state costs nothing**: the state is borrowed until a handler changes it, so a
//! handler looks first, and calls `to_mut` once it knows that it will.
//!
//! **Absent**: what happened, which is the handler's own argument.

use crate::effects::Effects;
use crate::membership::Membership;
use crate::message::Message;
use crate::quorum::{Cluster, ReplicaSet};
use crate::state::{State, Storage};
use crate::tuning::Tuning;
use crate::types::{Ballot, NodeId, ReplicaId, Slot};
use std::borrow::Cow;

/// What a role's function is given.
pub struct Step<'a, 's> {
    /// This replica.
    pub me: ReplicaId,
    /// What is fixed of the cluster.
    pub cluster: Cluster,
    /// Sizes, limits and time-outs.
    pub tuning: &'a Tuning,
    /// What this replica knows.
    pub state: &'a mut Cow<'s, State>,
    /// What it wants done.
    pub effects: &'a mut Effects,
}

impl Step<'_, '_> {
    /// The other members, those to come included.
    pub fn peers(&self) -> impl Iterator<Item = ReplicaId> + use<> {
        self.state.learner.memberships.everyone(self.cluster).without(self.me).iter()
    }

    /// The membership of a slot that is not applied yet, if it is known ([`Step::knows_members`]).
    pub fn membership(&self, slot: Slot) -> Membership {
        self.state.learner.memberships.at(self.cluster, slot)
    }

    /// Is this replica a member now?
    pub fn is_member(&self) -> bool {
        self.membership(self.state.learner.applied_upto).members.contains(self.me)
    }

    /// Does whatever is applied tell who the members of this slot are?
    pub fn knows_members(&self, slot: Slot) -> bool {
        slot.0 < self.state.learner.applied_upto.0.saturating_add(self.cluster.alpha())
    }

    /// Do these replicas hold a quorum of the members of all slots from the applied bound to this one?
    pub fn is_quorum_upto(&self, last: Slot, set: ReplicaSet) -> bool {
        let applied_upto = self.state.learner.applied_upto;
        let memberships = &self.state.learner.memberships;
        memberships.is_quorum(self.cluster, set, applied_upto, last.max(applied_upto))
    }

    /// Do these replicas hold a quorum of the members now?
    pub fn is_quorum(&self, set: ReplicaSet) -> bool {
        self.is_quorum_upto(self.state.learner.applied_upto, set)
    }

    /// The highest ballot promised.
    pub fn promised(&self) -> Ballot {
        self.state.durable.promised
    }

    /// The replica whose ballot it has promised, if that is another one.
    pub fn follows(&self) -> Option<ReplicaId> {
        let promised = self.promised();
        (promised.round > 0 && promised.replica != self.me).then_some(promised.replica)
    }

    /// To whom it passes on what is the leader's to do, if it does not lead.
    pub fn towards_leader(&self) -> Option<ReplicaId> {
        // Whoever asks for an election does not hear the one that it has promised to.
        self.state.pre_voting().map_or_else(|| self.follows(), |attempt| attempt.guide)
    }

    /// Write access to what survives a crash, at the price of a save.
    pub fn write(&mut self) -> &mut Storage {
        self.state.to_mut().durable.write(self.effects)
    }

    /// See [`Effects::send`].
    pub fn send(&mut self, to: impl Into<NodeId>, message: impl Into<Message>) {
        self.effects.send(to, message);
    }

    /// Sends this to every other replica.
    pub fn send_to_peers(&mut self, message: impl Into<Message> + Clone) {
        for peer in self.peers() {
            self.effects.send(peer, message.clone());
        }
    }
}
