//! The log that was chosen: what it holds, and what it comes to.

use super::History;
use crate::monitor::report::Party;
use crate::monitor::said::Known;
use crate::monitor::slots::Executed;
use crate::properties::Safety;
use actor_checker::intern::content_hash;
use paxos_chat::message::Outcome;
use paxos_chat::types::{Ballot, Operation, ReplicaId, SessionId, Slot, Value};

/// What the log has to say about something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is so.
    Yes,
    /// It is otherwise.
    No,
    /// The log does not reach there.
    Unknown,
}

impl Answer {
    fn of(is_so: bool) -> Answer {
        if is_so { Answer::Yes } else { Answer::No }
    }
}

/// The file is a temporary one of this process: without it nothing can be said.
const FILE: &str = "the temporary file of a monitor can be read and written";

impl History {
    /// A replica knows that a slot is decided so. If it leads, that is its ballot and base.
    pub(crate) fn decide(
        &mut self,
        who: ReplicaId,
        slot: Slot,
        value: &Value,
        leads: Option<(Ballot, Slot)>,
    ) {
        let party = Party::Replica(who);
        let answer = self.is_chosen(slot, value);
        self.report.judge(Safety::DecidedIsChosen, party, answer == Answer::Yes, || {
            format!("has decided {value} at slot {slot}")
        });
        if slot < self.folded_upto {
            return;
        }
        if !self.slots.contains_key(&slot) {
            // It is no vote, but others may decide otherwise.
            self.slots.insert(slot, self.record(slot));
        }
        let members = self.electorate.members(slot);
        let Some(record) = self.slots.get_mut(&slot) else { return };
        let (token, _) = record.token(value);
        let first = *record.decided.get_or_insert(token);
        let votes = &record.votes;
        let has_counted = leads.map(|(ballot, _)| votes.is_chosen_in(ballot, token, members));
        self.report.judge(Safety::Prefixes, party, first == token, || {
            format!("has decided {value} at slot {slot}, and another {}", record.value(first))
        });
        if let (Some((ballot, base)), Some(has_counted)) = (leads, has_counted) {
            self.report.judge(Safety::OwnBallot, party, slot < base || has_counted, || {
                format!("has decided slot {slot}, and leads in {ballot} with too few votes there")
            });
        }
    }

    /// Is this value chosen at this slot?
    pub(crate) fn is_chosen(&mut self, slot: Slot, value: &Value) -> Answer {
        if slot < self.folded_upto {
            return match self.digests.get(slot).expect(FILE) {
                Some([known, _]) => Answer::of(known == content_hash(value)),
                None => Answer::Unknown,
            };
        }
        match self.slots.get(&slot).and_then(|record| Some((record, record.chosen?))) {
            Some((record, chosen)) => Answer::of(record.value(chosen) == value),
            None => Answer::Unknown,
        }
    }

    /// Are these what the commands of this slot come to?
    pub(crate) fn are_outcomes(&mut self, slot: Slot, outcomes: &[Outcome]) -> Answer {
        if slot < self.folded_upto {
            return match self.digests.get(slot).expect(FILE) {
                Some([_, known]) => Answer::of(known == content_hash(outcomes)),
                None => Answer::Unknown,
            };
        }
        match self.slots.get(&slot).and_then(|record| record.executed.as_ref()) {
            Some(executed) => Answer::of(executed.outcomes == outcomes),
            None => Answer::Unknown,
        }
    }

    /// What the commands of a slot come to, if it is executed and not folded.
    pub(crate) fn outcomes(&self, slot: Slot) -> Option<&[Outcome]> {
        Some(&self.slots.get(&slot)?.executed.as_ref()?.outcomes)
    }

    /// The digest of the session table at a bound, if it is still known.
    pub(crate) fn table(&self, upto: Slot) -> Option<u64> {
        if upto == self.folded_upto {
            return Some(self.folded_table);
        }
        let last = Slot(upto.0.checked_sub(1)?);
        Some(self.slots.get(&last)?.executed.as_ref()?.table)
    }

    /// Was this session evicted below this bound?
    pub(crate) fn was_evicted(&mut self, session: SessionId, below: Slot) -> bool {
        match self.execution.evicted_at(session) {
            Some(at) => at < below,
            None => self.evicted.contains(session).expect(FILE),
        }
    }

    /// Executes what is chosen, up to the first gap.
    pub(super) fn execute_chosen(&mut self, party: Party) {
        while let Some(record) = self.slots.get(&self.executed_upto)
            && let Some(chosen) = record.chosen
            && record.executed.is_none()
        {
            let (slot, value) = (self.executed_upto, record.value(chosen).clone());
            let outcomes = self.execute(slot, &value, Some(party));
            let table = self.execution.digest();
            if let Some(record) = self.slots.get_mut(&slot) {
                record.executed = Some(Executed { outcomes, table });
            }
            self.executed_upto = slot.next();
        }
    }

    /// Executes the next value of the log; if a party has made it chosen, what it does is judged by what was said.
    pub(super) fn execute(
        &mut self,
        slot: Slot,
        value: &Value,
        party: Option<Party>,
    ) -> Vec<Outcome> {
        let outcomes = self.electorate.execute(&mut self.execution, slot, value);
        for (command, outcome) in value.commands().iter().zip(&outcomes) {
            match (&command.operation, outcome) {
                (Operation::OpenSession { nonce }, Outcome::Opened(session)) => {
                    self.said.open(*session, &command.user, *nonce);
                }
                (Operation::InSession { session, seq, .. }, Outcome::Applied) => {
                    if let Some(party) = party {
                        let is_first = self.said.known(command) == Known::Said(None);
                        self.report.judge(Safety::ExactlyOnce, party, is_first, || {
                            format!("{command} of slot {slot} was said before, or never")
                        });
                    }
                    self.said.apply(*session, *seq, slot);
                }
                _ => {}
            }
        }
        outcomes
    }

    /// Below this bound nobody votes any more.
    pub(crate) fn fold(&mut self, upto: Slot) {
        let upto = upto.min(self.executed_upto);
        if upto <= self.folded_upto {
            return;
        }
        while let Some(entry) = self.slots.first_entry()
            && *entry.key() < upto
        {
            let (slot, record) = entry.remove_entry();
            if let (Some(chosen), Some(executed)) = (record.chosen, &record.executed) {
                self.fold_one(slot, record.value(chosen), &executed.outcomes, executed.table);
            }
        }
        for session in self.execution.forget_evicted(upto) {
            self.evicted.insert(session).expect(FILE);
            self.said.close(session);
        }
    }

    pub(super) fn fold_one(&mut self, slot: Slot, value: &Value, outcomes: &[Outcome], table: u64) {
        self.digests.push([content_hash(value), content_hash(outcomes)]).expect(FILE);
        self.folded_upto = slot.next();
        self.folded_table = table;
    }
}
