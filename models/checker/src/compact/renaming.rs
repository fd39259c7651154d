//! What local states, envelopes and histories become under a renaming, by their numbers.

use super::state::{Envelope, HISTORY};
use super::steps::{NO_OP, Origin, OriginEvent, StepCell};
use super::{CompactModel, MAX_ACTORS};
use crate::spec::{Spec, Verdict};
use stateright::actor::Actor;

impl<A, S> CompactModel<A, S>
where
    A: Actor,
    S: Spec<A>,
{
    /// How many renamings are used, apart from the one that changes nothing.
    pub fn renamings(&self) -> usize {
        self.renamings
    }

    /// The actor that takes this one's place, and the local state that this one becomes.
    pub(crate) fn renamed_local(&self, renaming: usize, actor: usize, local: u32) -> (usize, u32) {
        let other = self.spec.rename_actor(renaming, actor);
        let key = (renaming as u32, actor as u32, local);
        let renamed = self.renamed_locals.get_or_insert(&key, || {
            let local = self.spec.rename_local(renaming, actor, &self.cell(actor, local).local);
            self.intern_local(other, local)
        });
        (other, renamed)
    }

    /// The envelope that this one becomes.
    pub(crate) fn renamed_envelope(&self, renaming: usize, envelope: Envelope) -> Envelope {
        self.renamed_envelopes.get_or_insert(&(renaming as u32, envelope.number()), || {
            let (src, dst, msg) = self.open(envelope);
            let of = |actor| self.spec.rename_actor(renaming, actor);
            self.intern_envelope(of(src), of(dst), self.spec.rename_message(renaming, msg))
        })
    }

    /// The history that this one becomes.
    pub(crate) fn renamed_history(&self, renaming: usize, history: u32) -> u32 {
        let history = &self.histories.get(history).value;
        self.intern_history(self.spec.rename_history(renaming, history))
    }

    /// The step that the renamed actor takes when the renamed event happens.
    pub(crate) fn renamed_step(&self, renaming: usize, step: u32) -> u32 {
        let Origin { actor, local, event } = self.step(step).origin;
        let (other, other_local) = self.renamed_local(renaming, actor as usize, local);
        match event {
            OriginEvent::Deliver(index) => {
                let envelope = Envelope::new(actor as usize, index);
                let arrived = self.renamed_envelope(renaming, envelope);
                self.delivery(other, other_local, arrived.index())
            }
            OriginEvent::Timeout(timer) => {
                let timeouts = self.timeouts(other, other_local).iter();
                timeouts.clone().find(|(other, _)| *other == timer).map_or(NO_OP, |t| t.1)
            }
            OriginEvent::Input(_) => step,
            OriginEvent::Crash | OriginEvent::Recover => self.fault(other, other_local),
        }
    }

    /// Is the initial state its own renaming under every renaming?
    pub(crate) fn start_is_its_own_renaming(&self) -> bool {
        let mut sums = Vec::new();
        self.sums(&self.init().words, &mut sums);
        sums.iter().all(|sum| *sum == sums[0])
    }

    /// Everything that was recorded: the history, the step, and the history after it.
    pub(crate) fn all_records(&self) -> Vec<(u32, u32, u32)> {
        let records = self.recorded.entries().into_iter();
        records.map(|(key, next)| (key[0], key[1], next)).collect()
    }

    /// What a history is, in words.
    pub(crate) fn describe_history(&self, history: u32) -> String {
        format!("{:?}", self.histories.get(history).value)
    }

    /// Checks that every judgement of the whole system is the same when renamed: the first views
    /// that are judged differently.
    pub(crate) fn check_judgements(&self, renaming: usize) -> Result<usize, String> {
        let mut example = vec![std::collections::BTreeMap::new(); self.actors.len()];
        for (actor, locals) in self.locals.iter().enumerate() {
            for (local, cell) in locals.iter() {
                example[actor].entry(cell.view).or_insert(local);
            }
        }
        let judged = self.verdicts.entries();
        for (key, verdict) in &judged {
            let mut other = [0; 1 + MAX_ACTORS];
            other[HISTORY] = self.renamed_history(renaming, key[0]);
            for (actor, view) in key[1..].iter().enumerate() {
                let (place, local) = self.renamed_local(renaming, actor, example[actor][view]);
                other[1 + place] = self.cell(place, local).view;
            }
            if self.judge_views(&other[..key.len()]) != Verdict(*verdict) {
                return Err(format!("{:?}", self.views.get(key[1])));
            }
        }
        Ok(judged.len())
    }

    /// The actor that takes a step.
    pub(crate) fn actor_of(&self, step: u32) -> usize {
        self.step(step).origin.actor as usize
    }

    /// Do the two local states violate and reach the same?
    pub(crate) fn are_judged_alike(&self, one: (usize, u32), other: (usize, u32)) -> bool {
        let (one, other) = (self.cell(one.0, one.1), self.cell(other.0, other.1));
        one.verdict == other.verdict && one.within == other.within
    }
}

impl StepCell {
    /// Do the two steps reach the same, and are they recorded alike?
    pub(crate) fn is_judged_like(&self, other: &StepCell) -> bool {
        self.verdict == other.verdict
            && self.recorded == other.recorded
            && self.only_sends == other.only_sends
    }
}
