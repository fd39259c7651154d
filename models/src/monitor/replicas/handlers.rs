//! How a replica's handlers are judged.

use super::{Held, Replica, Save, leads};
use crate::monitor::handled::{Cause, Handled};
use crate::monitor::history::History;
use crate::monitor::history::log::Answer;
use crate::properties::{Safety, bounds, locals, steps};
use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use paxos_chat::message::{
    Accept, Accepted, Entries, Input, Message, Outcome, Output, SessionExpired, ToClient, ToPeer,
};
use paxos_chat::state::{Snapshot, State, Storage};
use paxos_chat::types::{Slot, Value, Vote};

impl Replica {
    /// A handler has run.
    pub(crate) fn handle(&mut self, step: &Handled<'_, State, Storage>, history: &mut History) {
        let Some(before) = self.held.take() else { return };
        self.go_on(history);
        if !self.may_be_own(step.cause) {
            self.bound = self.durable.snapshot.upto;
        }
        self.judge_bounds(&before, step, history);
        self.judge_told(&before, step, history);
        self.judge_decided(&before, step.after, history);
        self.judge_reports(&before, step, history);
        if let Cause::Message(Message::Input(Input::Recall(entries))) = step.cause {
            self.judge_recall(&before, entries, step.after, history);
        }
        if let Some(storage) = step.save {
            let last = self.pending.back().map_or(&self.durable, |save| &save.storage);
            let bound = storage.snapshot.upto;
            if bound != last.snapshot.upto {
                let Snapshot { sessions, memberships, .. } = &storage.snapshot;
                self.judge_table(bound, (sessions, memberships), history);
            }
            let passing = passing(&before, step);
            self.pending.push_back(Save { storage: storage.clone(), passing });
        }
        self.applied_upto = self.applied_upto.max(step.after.learner.applied_upto);
        history.real_time.show(self.applied_upto);
        self.held = Some(Held::of(step.after));
    }

    /// May this be a message that it has sent to itself?
    fn may_be_own(&self, cause: Cause<'_>) -> bool {
        match cause {
            Cause::Message(Message::ToPeer(ToPeer::Accepted(accepted))) => {
                accepted.ballot.replica == self.id
            }
            _ => false,
        }
    }

    /// Judges how far its bounds go.
    fn judge_bounds(
        &self,
        before: &Held,
        step: &Handled<'_, State, Storage>,
        history: &mut History,
    ) {
        let (party, after) = (self.party(), step.after);
        let (promised, known) = (after.durable.promised, self.promised(history));
        let report = &mut history.report;
        report.judge(Safety::PromisedMonotone, party, promised >= known, || {
            format!("promises {promised}, and has promised {known}")
        });
        let (applied, was) = (after.learner.applied_upto, before.applied_upto);
        report.judge(Safety::AppliedMonotone, party, applied >= was, || {
            format!("has applied up to {applied}, and before up to {was}")
        });
        let cast = match step.cause {
            Cause::Message(Message::ToPeer(ToPeer::Accept(accept))) => {
                let has = |votes: &OrdMap<Slot, Vote>| {
                    votes.get(&accept.slot).is_some_and(|vote| vote.ballot == accept.ballot)
                };
                Some(accept).filter(|_| has(&after.durable.votes) && !has(&before.votes))
            }
            _ => None,
        };
        let is_within = bounds::moves_within(&self.tuning, &before.extent, after, cast)
            && step.sends.iter().all(|(_, sent)| bounds::is_message_within(&self.tuning, sent));
        report.judge(Safety::Bounded, party, is_within, || {
            format!("goes too far at {:?}", step.cause)
        });
        let bound = after.durable.snapshot.upto;
        let is_right = locals::are_votes_above_bound(&after.durable) && applied >= bound;
        report.judge(Safety::Compaction, party, is_right, || {
            format!("has compacted up to {bound}, and applied up to {applied}")
        });
    }

    /// Judges what it wants to be sent.
    fn judge_told(&self, before: &Held, step: &Handled<'_, State, Storage>, history: &mut History) {
        let party = self.party();
        let promised = self.promised(history).max(before.promised);
        let sent = step.sends.iter().map(|(_, message)| message);
        let is_above = steps::is_nothing_accepted_below(promised, sent.clone());
        history.report.judge(Safety::NoAcceptedBelowPromise, party, is_above, || {
            format!("accepts what is below its promise {promised}")
        });
        let applied = step.after.learner.applied_upto;
        for message in sent {
            if let Message::ToClient(ToClient::SessionExpired(SessionExpired { session })) = message
            {
                let is_so = history.was_evicted(*session, applied);
                history.report.judge(Safety::EvictedIsExpired, party, is_so, || {
                    format!("says that {session} has expired, and has applied up to {applied}")
                });
            }
        }
    }

    /// Judges what it has come to know as decided, and forgotten.
    fn judge_decided(&self, before: &Held, after: &State, history: &mut History) {
        let (party, leads) = (self.party(), leads(after));
        let decided = &after.learner.decided;
        let (bound, applied) = (after.durable.snapshot.upto, after.learner.applied_upto);
        for item in before.decided.diff(decided) {
            match item {
                DiffItem::Add(slot, value) | DiffItem::Update { new: (slot, value), .. } => {
                    history.decide(self.id, *slot, value, leads);
                }
                DiffItem::Remove(slot, _) => {
                    let is_right = *slot < bound || *slot >= applied;
                    history.report.judge(Safety::Compaction, party, is_right, || {
                        format!("has forgotten slot {slot}, and compacted up to {bound}")
                    });
                }
            }
        }
        let mut applied = before.applied_upto.max(bound).upto(applied);
        let is_right = applied.all(|slot| decided.contains_key(&slot));
        history.report.judge(Safety::Compaction, party, is_right, || {
            format!("has applied what it does not hold, above its bound {bound}")
        });
        if leads != before.leads
            && let Some((_, base)) = leads
        {
            for (slot, value) in decided.range(base..) {
                history.decide(self.id, *slot, value, leads);
            }
        }
    }

    /// Judges what it reports: each slot that it applies, in order, and what that comes to.
    fn judge_reports(
        &self,
        before: &Held,
        step: &Handled<'_, State, Storage>,
        history: &mut History,
    ) {
        let party = self.party();
        let applied_upto = step.after.learner.applied_upto;
        let mut next = before.applied_upto;
        for report in step.reports {
            let Message::Output(Output::Applied { slot, value, outcomes }) = report else {
                continue;
            };
            let is_next = *slot == next && *slot < applied_upto;
            history.report.judge(Safety::Compaction, party, is_next, || {
                format!("reports slot {slot}, after everything below {next}")
            });
            next = slot.next();
            // It may have been decided, compacted and forgotten in this very step.
            history.decide(self.id, *slot, value, leads(step.after));
            self.judge_applied(*slot, value, outcomes, history);
        }
        let is_reported = next >= applied_upto;
        history.report.judge(Safety::Compaction, party, is_reported, || {
            format!("has applied up to {applied_upto}, and reported only what is below {next}")
        });
    }

    fn judge_applied(
        &self,
        slot: Slot,
        value: &Value,
        outcomes: &[Outcome],
        history: &mut History,
    ) {
        let party = self.party();
        let are_so = history.are_outcomes(slot, outcomes);
        history.report.judge(Safety::EqualReplicas, party, are_so != Answer::No, || {
            format!("slot {slot} comes to {outcomes:?}")
        });
        if slot < self.applied_upto {
            let is_same = history.is_chosen(slot, value) != Answer::No && are_so != Answer::No;
            history.report.judge(Safety::Reapplied, party, is_same, || {
                format!("has applied slot {slot} before, and not so")
            });
        }
        if are_so == Answer::No
            && let Some(known) = history.outcomes(slot)
        {
            let is_again = |(said, is): (&Outcome, &Outcome)| {
                *said == Outcome::Applied && matches!(is, Outcome::Duplicate(_))
            };
            let is_once = !outcomes.iter().zip(known).any(is_again);
            history.report.judge(Safety::ExactlyOnce, party, is_once, || {
                format!("delivers again what stands at slot {slot}")
            });
        }
    }

    /// Judges what its log has kept from an earlier life, and that it is applied.
    fn judge_recall(&self, before: &Held, entries: &Entries, after: &State, history: &mut History) {
        self.judge_entries(entries, history);
        let end = Slot(entries.from.0.saturating_add(entries.values.len() as u64));
        let applied = after.learner.applied_upto;
        let is_applied = entries.from > before.applied_upto || applied >= end;
        history.report.judge(Safety::AppliedMonotone, self.party(), is_applied, || {
            format!("has applied up to {applied}, and its log goes on to {end}")
        });
    }

    /// Judges what takes time in proportion to what a replica holds.
    pub(crate) fn look_closely(&self, state: &State, history: &mut History) {
        self.judge_learned(state, history);
        let is_within = bounds::waits_within(&self.tuning, state);
        history.report.judge(Safety::Bounded, self.party(), is_within, || {
            "more waits than its parameters allow".into()
        });
    }
}

/// A vote that was cast and compacted away in one handler: what it was for is in the request.
fn passing(before: &Held, step: &Handled<'_, State, Storage>) -> Option<(Slot, Vote)> {
    let Cause::Message(Message::ToPeer(ToPeer::Accept(accept))) = step.cause else { return None };
    let Accept { ballot, slot, value, .. } = accept;
    let told = Message::ToPeer(ToPeer::Accepted(Accepted { ballot: *ballot, slot: *slot }));
    let is_passing = *slot >= before.compacted_upto
        && *slot < step.after.durable.snapshot.upto
        && before.votes.get(slot).is_none_or(|vote| vote.ballot < *ballot)
        && step.sends.iter().any(|(_, sent)| *sent == told);
    is_passing.then(|| (*slot, Vote { ballot: *ballot, value: value.clone() }))
}
