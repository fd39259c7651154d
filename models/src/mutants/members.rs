//! Bugs of changes of members: votes that do not count, and members that are taken for such too early or too late.

use super::{Cmd, Mutant, MutantReplica, save_again, write};
use paxos_chat::membership::{Membership, Memberships};
use paxos_chat::message::{Accept, Accepted, Message, Outcome, Output, ToPeer};
use paxos_chat::quorum::Cluster;
use paxos_chat::replica::Replica;
use paxos_chat::state::{Leading, State};
use paxos_chat::types::{Body, NodeId, Operation, Reconfigure, ReplicaId, Slot, Value};
use stateright::actor::{Command, Id};
use std::borrow::Cow;

/// The changes that a value asks for.
fn changes(value: &Value) -> impl Iterator<Item = &Reconfigure> {
    value.commands().iter().filter_map(|command| match &command.operation {
        Operation::InSession { body: Body::Reconfigure(change), .. } => Some(change),
        _ => None,
    })
}

impl MutantReplica {
    fn cluster(&self) -> Cluster {
        self.replica.cluster()
    }

    /// The replica that handles what comes: as it is, or with another α.
    pub(super) fn acting(&self, before: &State) -> Cow<'_, Replica> {
        let alpha = self.cluster().alpha();
        let acts_with = match self.mutant {
            Mutant::ChangeNeverInForce => u64::MAX,
            Mutant::ChangeInForceEarly => alpha.saturating_sub(1).max(1),
            Mutant::ChangeInForceLate => alpha.saturating_add(1),
            _ => alpha.saturating_add(self.farther(before)),
        };
        if acts_with == alpha {
            return Cow::Borrowed(&self.replica);
        }
        let cluster = self.cluster().with_alpha(acts_with);
        Cow::Owned(Replica::new(cluster, self.replica.tuning().clone()))
    }

    /// How much farther than α a leader proposes.
    fn farther(&self, before: &State) -> u64 {
        match self.mutant {
            Mutant::LimitIgnored => 1000,
            Mutant::LimitOneTooFar => 1,
            Mutant::LimitFromBase => {
                let base = before.leading().map_or(Slot(0), |leading| leading.base);
                base.0.saturating_sub(before.learner.applied_upto.0)
            }
            _ => 0,
        }
    }

    /// Who proposes farther than it may learns of a change as everybody does.
    pub(super) fn correct_change(&self, before: &State, state: &mut State) {
        let farther = self.farther(before);
        let applied_upto = state.learner.applied_upto;
        let known = before.learner.memberships.next;
        if farther > 0
            && state.learner.memberships.next != known
            && let Some(next) = &mut state.learner.memberships.next
        {
            next.since = Slot(next.since.0 - farther);
            state.learner.memberships.advance(applied_upto);
        }
    }

    /// What a handler sees of members that is not so.
    pub(super) fn mistake_members(&self, state: &mut State, src: &mut Id, msg: &mut Message) {
        if self.mutant == Mutant::TwoChangesAtOnce && is_change_under_way(state) {
            state.learner.memberships.next = None;
        }
        let memberships = state.learner.memberships.clone();
        let Some(leading) = state.leading_mut() else { return };
        match (self.mutant, msg) {
            (Mutant::StrangersVoteCounted, Message::ToPeer(ToPeer::Accepted(voted))) => {
                if let Some(member) = self.stands_for(&memberships, leading, *src, voted) {
                    *src = NodeId::from(member).into();
                }
            }
            (Mutant::NewMembersReportIgnored, Message::ToPeer(ToPeer::Promise(chunk)))
                if leading.joining.is_some() =>
            {
                (chunk.votes, chunk.compacted_upto) = (Vec::new(), Slot(0));
            }
            (Mutant::NewMembersNotAsked, _) => {
                let last = memberships.next.unwrap_or(memberships.current(self.cluster()));
                (leading.merged, leading.joining) = (last.since, None);
            }
            _ => {}
        }
    }

    /// The member whose vote a stranger's is taken for.
    fn stands_for(
        &self,
        memberships: &Memberships,
        leading: &Leading,
        src: Id,
        Accepted { slot, .. }: &Accepted,
    ) -> Option<ReplicaId> {
        let members = memberships.at(self.cluster(), *slot).members;
        let voters = leading.in_flight.get(slot)?.voters;
        let is_member = members.iter().any(|member| usize::from(member.0) == usize::from(src));
        members.iter().find(|member| !is_member && !voters.contains(*member))
    }

    /// What became of a change, or of what was told of one.
    pub(super) fn change_members(
        &self,
        before: &State,
        msg: &Message,
        state: &mut State,
        commands: &mut [Cmd],
    ) {
        self.correct_change(before, state);
        match (self.mutant, msg) {
            (Mutant::ChangeInForceAtOnce, _) => {
                let memberships = &mut state.learner.memberships;
                memberships.current = memberships.next.take().or(memberships.current);
            }
            (
                Mutant::ChangeBeforeChosen,
                Message::ToPeer(ToPeer::Accept(Accept { slot, value, .. })),
            ) if state.durable.votes.contains_key(slot) => {
                for change in changes(value) {
                    state.learner.memberships.decide(self.cluster(), *slot, change);
                }
            }
            (Mutant::ChangeAboveGap, _) => {
                let State { learner, .. } = state;
                for (slot, value) in learner.decided.range(learner.applied_upto.next()..) {
                    for change in changes(value) {
                        learner.memberships.decide(self.cluster(), *slot, change);
                    }
                }
            }
            (Mutant::ReplacesIgnored, _) if before.learner.memberships.next.is_none() => {
                self.force_change(before, state, commands);
            }
            (Mutant::TwoChangesAtOnce, _) => {
                let memberships = &mut state.learner.memberships;
                if memberships.current == before.learner.memberships.current {
                    memberships.next = memberships.next.or(before.learner.memberships.next);
                    memberships.advance(state.learner.applied_upto);
                }
            }
            (Mutant::MembersNotInSnapshot, _) => {
                let is_saved = state.durable.snapshot != before.durable.snapshot;
                if is_saved {
                    write(&mut state.durable, |storage| {
                        storage.snapshot.memberships = Memberships::default();
                    });
                    save_again(state, commands);
                }
            }
            (Mutant::PendingChangeNotInSnapshot, _)
                if state.durable.snapshot.memberships.next.is_some() =>
            {
                write(&mut state.durable, |storage| storage.snapshot.memberships.next = None);
                save_again(state, commands);
            }
            (Mutant::ReadNotRaised, _) => keep_bounds(before, state),
            (Mutant::RoundOfMembersNow, Message::ToPeer(ToPeer::RoundAck(_))) => {
                let now = state.learner.memberships.current(self.cluster()).members;
                if let Some(leading) = state.leading_mut() {
                    let mut acknowledged = leading.reads.acknowledged;
                    acknowledged.insert(leading.ballot.replica);
                    if acknowledged.is_quorum_of(now) {
                        leading.reads.confirm();
                    }
                }
            }
            _ => {}
        }
    }

    /// A change that was to come to nothing comes into force.
    fn force_change(&self, before: &State, state: &mut State, commands: &[Cmd]) {
        let memberships = &mut state.learner.memberships;
        if *memberships != before.learner.memberships {
            return;
        }
        for command in commands {
            let Command::Send(_, Message::Output(Output::Applied { slot, value, outcomes })) =
                command
            else {
                continue;
            };
            if !outcomes.contains(&Outcome::Applied) {
                continue;
            }
            for change in changes(value) {
                let since = Slot(slot.0 + self.cluster().alpha());
                let members = change.members.iter().copied().collect();
                memberships.next = Some(Membership { since, members });
                memberships.advance(state.learner.applied_upto);
            }
        }
    }
}

/// Is a change voted for and not applied here?
fn is_change_under_way(state: &State) -> bool {
    let votes = state.durable.votes.range(state.learner.applied_upto..);
    votes.into_iter().any(|(_, vote)| changes(&vote.value).next().is_some())
}

/// ReadNotRaised: what was reported late raises no read's bound.
fn keep_bounds(before: &State, state: &mut State) {
    let (Some(was), Some(leading)) = (before.leading().cloned(), state.leading_mut()) else {
        return;
    };
    let reads = &mut leading.reads;
    for (read, upto) in
        [&mut reads.asked, &mut reads.waiting, &mut reads.confirmed].into_iter().flatten()
    {
        let known = [&was.reads.asked, &was.reads.waiting, &was.reads.confirmed];
        if let Some(known) = known.iter().find_map(|reads| reads.get(read)) {
            *upto = *known;
        }
    }
}
