//! How what leaves a replica is judged, its driver's answers among it.

use super::Replica;
use crate::monitor::history::History;
use crate::monitor::history::log::Answer;
use crate::properties::{Safety, bounds, locals, steps};
use crate::refinement::SENT;
use paxos_chat::message::{
    Accept, Accepted, Acknowledged, Message, Page, Reject, ToClient, ToPeer,
};
use paxos_chat::types::{Ballot, Slot, Vote};

impl Replica {
    /// A message leaves.
    pub(crate) fn leave(&mut self, message: &Message, history: &mut History) {
        self.go_on(history);
        let (party, durable) = (self.party(), &self.durable);
        let vote = |slot: Slot| durable.votes.get(&slot);
        let (promised, compacted) = (durable.promised, durable.snapshot.upto);
        let is_saved = !steps::reveals_unsaved(promised, compacted, vote, message);
        history.report.judge(Safety::SavedFirst, party, is_saved, || {
            format!("{message} leaves, and what it tells is not saved")
        });
        match message {
            Message::ToPeer(ToPeer::Prepare(prepare)) => {
                history.begin(prepare.ballot);
                self.reveal(prepare.ballot, history);
            }
            // Whoever hears of a ballot promises it, so it has begun; also if its owner has yet to save that, and
            // forgets it.
            Message::ToPeer(ToPeer::Reject(Reject { promised })) => history.begin(*promised),
            Message::ToPeer(ToPeer::Promise(chunk)) => {
                self.reveal(chunk.ballot, history);
                history.judge_promise(self.id, chunk);
            }
            Message::ToPeer(ToPeer::Accept(Accept { ballot, slot, value, .. })) => {
                history.propose(self.id, *ballot, *slot, value);
            }
            Message::ToPeer(ToPeer::Accepted(accepted)) => self.tell_vote(accepted, history),
            Message::ToPeer(ToPeer::Decided(entries)) => {
                self.judge_size(message, history);
                self.judge_entries(entries, history);
            }
            Message::ToClient(ToClient::Entries(page)) => {
                self.judge_size(message, history);
                self.judge_page(page, history);
            }
            Message::ToClient(ToClient::Acknowledged(acknowledged)) => {
                let Acknowledged { session, seq, slot } = *acknowledged;
                let applied = history.said.applied(session, seq);
                let is_so = applied.is_none_or(|applied| applied == Some(slot));
                history.report.judge(Safety::AcknowledgedIsChosen, party, is_so, || {
                    format!("{message} leaves, and it was applied at {applied:?}")
                });
            }
            _ => {}
        }
    }

    /// What is told is promised, saved or not; unless it is a lie.
    fn reveal(&self, ballot: Ballot, history: &mut History) {
        let known = self.held.as_ref().map_or(Ballot::ZERO, |held| held.promised);
        if ballot <= known {
            history.promise(self.id, ballot);
        }
    }

    /// A vote that is told counts, saved or not.
    fn tell_vote(&self, Accepted { ballot, slot }: &Accepted, history: &mut History) {
        if history.has_voted(self.id, *ballot, *slot) {
            return;
        }
        let of_ballot = |vote: &&Vote| vote.ballot == *ballot;
        let saved = self.pending.iter().find_map(|save| {
            let passing = save.passing.as_ref().filter(|(at, _)| at == slot);
            let passing = passing.map(|(_, vote)| vote).filter(of_ballot);
            save.storage.votes.get(slot).filter(of_ballot).or(passing)
        });
        let held = self.held.as_ref().and_then(|held| held.votes.get(slot)).filter(of_ballot);
        let Some(vote) = held.or(saved).cloned() else {
            let told = || format!("tells of a vote in {ballot} at slot {slot} that it has not");
            return history.refute(SENT, self.party(), told);
        };
        history.cast(self.id, *ballot, *slot, &vote.value);
        let kept = self.durable.votes.get(slot);
        let is_kept =
            *slot < self.durable.snapshot.upto || locals::is_vote_kept(kept, *ballot, &vote.value);
        history.report.judge(Safety::VotesKept, self.party(), is_kept, || {
            format!("its vote {vote} at slot {slot} is told, and not on its disk")
        });
    }

    /// Judges how much is sent at once; a driver's answers are seen here only.
    fn judge_size(&self, message: &Message, history: &mut History) {
        let is_within = bounds::is_message_within(&self.tuning, message);
        history.report.judge(Safety::Bounded, self.party(), is_within, || {
            format!("{message} holds too much")
        });
    }

    fn judge_page(&self, page: &Page, history: &mut History) {
        for (slot, applied) in (page.from.0..).map(Slot).zip(&page.values) {
            let is_so = history.is_chosen(slot, &applied.value) == Answer::Yes
                && history.are_outcomes(slot, &applied.outcomes) == Answer::Yes;
            history.report.judge(Safety::EverySlotRead, self.party(), is_so, || {
                format!("tells a reader of slot {slot} what it does not come to")
            });
        }
    }
}
