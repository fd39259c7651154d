//! Leading over a change of members: phase 1 of one's ballot among those whom the change brings, while one goes on with
//! those who are members already.
//!
//! **Invariants**
//! - *A quorum of the members of a slot has promised before anything is proposed there*, and what they reported comes
//!   first. What a membership that comes later reports is merged at once, when a quorum of it has reported everything: it
//!   raises the base, the end of what was reported, and the bounds of open reads.
//! - *The base is never raised over one's own proposals*: if new members have compacted a slot that is in flight here,
//!   somebody else has decided it, so this leader has been superseded, and steps down before it announces anything.
//! - *A leader that is no member any more steps down*, and tells its bound first.
//!
//! **Absent**: when a change is in force ([`crate::membership`]); what is proposed ([`crate::proposer`]).
//!
//! **Source**: our own. Lamport's leader runs phase 1 for all slots at once, and with their members known.

use crate::membership::Membership;
use crate::message::Prepare;
use crate::state::Joining;
use crate::step::Step;
use crate::{election, proposer, reads};

/// Whatever a leader has applied may have changed the members.
pub fn on_applied(step: &mut Step<'_, '_>) {
    let Some(leading) = step.state.leading() else { return };
    if !step.is_member() {
        // The members from now on may know by nobody else that they are.
        election::announce(step);
        return election::step_down(step);
    }
    let memberships = &step.state.learner.memberships;
    if memberships.current(step.cluster).since == leading.merged && memberships.next.is_none() {
        return;
    }
    join(step);
    proposer::propose_queued(step);
    reads::answer_if_acknowledged(step);
}

/// Begins phase 1 among the members of later slots, if there are some whose promises are not merged yet.
fn join(step: &mut Step<'_, '_>) {
    let Some(leading) = step.state.leading() else { return };
    let memberships = &step.state.learner.memberships;
    let known = [Some(memberships.current(step.cluster)), memberships.next].into_iter().flatten();
    let Some(Membership { since, members }) =
        known.into_iter().find(|known| known.since > leading.merged)
    else {
        return;
    };
    if leading.joining.as_ref().is_some_and(|joining| joining.since == since) {
        return;
    }
    let (ballot, from) = (leading.ballot, since.max(step.state.learner.applied_upto));
    let promises = proposer::preparing(step, ballot, from);
    if let Some(leading) = step.state.to_mut().leading_mut() {
        leading.joining = Some(Joining { since, promises });
    }
    for member in members.without(step.me).iter() {
        step.send(member, Prepare { ballot, from });
    }
    merge_if_promised(step);
}

/// Once a quorum of the members of later slots has promised and reported everything, proposes at these slots, too: first what
/// was reported.
pub fn merge_if_promised(step: &mut Step<'_, '_>) {
    let Some(leading) = step.state.leading() else { return };
    let Some(Joining { since, promises }) = &leading.joining else { return };
    let from = promises.from.max(step.state.learner.applied_upto);
    if !promises.complete.is_quorum_of(step.membership(from).members) {
        return;
    }
    let (since, floor) = (*since, promises.compacted_upto);
    let is_superseded = leading.in_flight.keys().next().is_some_and(|slot| *slot < floor);
    if is_superseded {
        // Somebody else has decided a slot at which this leader has proposed.
        return election::step_down(step);
    }
    let applied_upto = step.state.learner.applied_upto;
    let Some(leading) = step.state.to_mut().leading_mut() else { return };
    let Some(Joining { promises, .. }) = leading.joining.take() else { return };
    leading.merged = since;
    leading.base = leading.base.max(floor);
    leading.next = leading.next.max(floor);
    proposer::report(&mut leading.reported, promises.reported);
    let next = leading.next;
    leading.reported.retain(|slot, _| *slot >= next);
    let highest = leading.reported.keys().next_back().map(|highest| highest.next());
    let end = highest.max(leading.end).unwrap_or_default().max(floor);
    if end > applied_upto {
        leading.end = Some(end);
        leading.reads.raise(end);
    }
    proposer::propose_reported(step);
    proposer::propose_queued(step);
    proposer::ask_below_base(step);
    join(step);
    reads::answer_if_acknowledged(step);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::{Effects, Timer};
    use crate::message::{Message, Promise, ToPeer};
    use crate::quorum::{Cluster, ReplicaSet};
    use crate::state::Phase;
    use crate::testing::*;
    use crate::types::{Body, Operation, Reconfigure, ReplicaId, Seq, Slot, Value};

    /// Replica 0 of the founders 0, 1 and 2, of six ids and with this α, leads in ballot 1 and is about to decide at slot 1
    /// that these are to be the members.
    fn changes(alpha: u64, members: &[u8]) -> Bench {
        let cluster = Cluster::new(6).founded_by(set(&[0, 1, 2])).with_alpha(alpha);
        let mut bench = Bench::new(0, 3).applied([one(open("ann", 1))]).leading(1, 1);
        bench.cluster = cluster;
        bench.tuning.eager_slots = usize::MAX;
        let members = members.iter().copied().map(ReplicaId).collect();
        let body = Body::Reconfigure(Reconfigure { replaces: Slot(0), members });
        let (seq, acked_below) = (Seq(1), Seq(1));
        let operation = Operation::InSession { session: session(0, 0), seq, acked_below, body };
        bench.proposed(one(crate::types::Command { operation, ..open("ann", 1) }))
    }

    fn set(members: &[u8]) -> ReplicaSet {
        members.iter().copied().map(ReplicaId).collect()
    }

    fn votes_for(bench: &mut Bench, acceptor: u8, slot: u64) -> Effects {
        let accepted = crate::message::Accepted { ballot: ballot(1, 0), slot: Slot(slot) };
        bench.step(|step| proposer::on_accepted(step, ReplicaId(acceptor), accepted))
    }

    fn promises(bench: &mut Bench, acceptor: u8, chunk: Promise) -> Effects {
        bench.step(|step| proposer::on_promise(step, ReplicaId(acceptor), chunk))
    }

    /// The replicas to whom a message of this kind goes, and at which slot.
    fn sent(effects: &Effects, is_it: impl Fn(&ToPeer) -> Option<u64>) -> Vec<(u64, u64)> {
        let sends = effects.ahead.iter().chain(&effects.sends);
        let wanted = sends.filter_map(|(to, message)| match message {
            Message::ToPeer(message) => Some((to.0, is_it(message)?)),
            _ => None,
        });
        wanted.collect()
    }

    fn prepares(effects: &Effects) -> Vec<(u64, u64)> {
        sent(effects, |message| match message {
            ToPeer::Prepare(Prepare { from, .. }) => Some(from.0),
            _ => None,
        })
    }

    fn accepts(effects: &Effects) -> Vec<(u64, u64)> {
        sent(effects, |message| match message {
            ToPeer::Accept(accept) => Some(accept.slot.0),
            _ => None,
        })
    }

    fn whole(from: u64, list: Vec<(Slot, crate::types::Vote)>) -> Promise {
        let next = list.last().map_or(Slot(from), |(slot, _)| slot.next());
        Promise { from: Slot(from), next, ..whole_promise(ballot(1, 0), list) }
    }

    fn queue(bench: &mut Bench, user: &str) -> Effects {
        bench.step(|step| crate::requests::on_request(step, ANN, open(user, 7)))
    }

    #[test]
    fn the_members_that_a_change_brings_are_asked_from_its_first_slot_on_and_get_nothing_before() {
        let mut bench = changes(1, &[0, 1, 3]);
        let effects = votes_for(&mut bench, 1, 1);
        assert_eq!(prepares(&effects), [(1, 2), (3, 2)]);
        assert_eq!(accepts(&queue(&mut bench, "bob")), [], "no quorum of them has promised");
        let effects = promises(&mut bench, 3, whole(2, vec![]));
        assert_eq!(accepts(&effects), [(1, 2), (3, 2)], "and replica 2 is none of them");
        assert_eq!((bench.leader().merged, &bench.leader().joining), (Slot(2), &None));
    }

    #[test]
    fn what_they_report_is_proposed_first_and_raises_the_bounds_of_reads() {
        let mut bench = changes(1, &[0, 1, 3]);
        votes_for(&mut bench, 1, 1);
        let read = crate::message::Read {
            user: crate::types::User::new("bob"),
            nonce: crate::types::Nonce(4),
        };
        bench.step(|step| reads::on_read(step, BOB, read));
        queue(&mut bench, "bob");
        let list = votes([(3, vote(ballot(0, 3), say("old")))]);
        let effects = promises(&mut bench, 3, whole(2, list));
        // With a window of many slots: the gap, what was reported, and what is new.
        assert_eq!(
            accepts(&effects),
            [(1, 2), (3, 2)],
            "slot 3 is not known before slot 2 is decided"
        );
        assert_eq!(bench.leader().end, Some(Slot(4)));
        assert_eq!(bench.leader().reads.asked.values().collect::<Vec<_>>(), [&Slot(4)]);
        votes_for(&mut bench, 0, 2);
        let effects = votes_for(&mut bench, 3, 2);
        assert_eq!(accepts(&effects), [(1, 3), (3, 3)]);
        let value =
            |slot| bench.state.durable.votes.get(&Slot(slot)).map(|vote| vote.value.clone());
        assert_eq!((value(2), value(3)), (Some(Value::Noop), Some(say("old"))));
    }

    #[test]
    fn a_leader_whose_proposal_new_members_have_compacted_steps_down() {
        let mut bench = changes(3, &[0, 1, 3]);
        votes_for(&mut bench, 1, 1);
        assert_eq!(bench.leader().next, Slot(4), "two Noops bring the change into force");
        let chunk = Promise { compacted_upto: Slot(3), next: Slot(4), ..whole(4, vec![]) };
        let effects = promises(&mut bench, 3, chunk);
        let expected = Effects::none()
            .cancelled(Timer::Resend)
            .cancelled(Timer::Heartbeat)
            .set(Timer::Election);
        assert_eq!((effects, &bench.state.phase), (expected, &Phase::Follower));
    }

    #[test]
    fn a_leader_that_is_removed_leads_until_then_and_tells_its_bound_last() {
        let mut bench = changes(2, &[1, 2, 3]);
        votes_for(&mut bench, 1, 1);
        queue(&mut bench, "bob");
        promises(&mut bench, 1, whole(3, vec![]));
        let effects = promises(&mut bench, 3, whole(3, vec![]));
        assert_eq!(
            accepts(&effects),
            [(1, 3), (2, 3), (3, 3)],
            "it proposes where it is no member"
        );
        votes_for(&mut bench, 0, 3);
        votes_for(&mut bench, 1, 3);
        assert!(bench.leader().in_flight.contains_key(&Slot(3)), "and counts for nothing there");
        votes_for(&mut bench, 0, 2);
        let effects = votes_for(&mut bench, 2, 2);
        assert_eq!(bench.state.phase, Phase::Follower);
        let last = heartbeat(ballot(1, 0), 3);
        assert!(effects.sends.contains(&(ReplicaId(3).into(), last.into())), "{effects:?}");
    }

    #[test]
    fn where_members_are_not_known_nothing_is_proposed() {
        let mut bench = changes(2, &[0, 1, 3]);
        assert_eq!(accepts(&queue(&mut bench, "bob")), [(1, 2), (2, 2)]);
        assert_eq!(accepts(&queue(&mut bench, "cy")), [], "slot 1 decides about slot 3");
        votes_for(&mut bench, 0, 2);
        assert_eq!(accepts(&votes_for(&mut bench, 2, 2)), [], "it is decided above a gap");
    }

    #[test]
    fn without_a_change_nobody_is_asked_again_and_nothing_is_padded() {
        let mut bench = Bench::new(0, 3).leading(1, 0).proposed(say("a"));
        let effects = bench.step(|step| {
            let accepted = crate::message::Accepted { ballot: ballot(1, 0), slot: Slot(0) };
            proposer::on_accepted(step, ReplicaId(1), accepted);
        });
        assert_eq!((prepares(&effects), accepts(&effects)), (vec![], vec![]));
        assert!(bench.state.durable.votes.values().all(|vote| vote.value != Value::Noop));
    }
}
