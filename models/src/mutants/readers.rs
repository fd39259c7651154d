//! Bugs of readers, each as a wrapper around the handlers of one.

use super::Mutant;
use paxos_chat::effects::Timer;
use paxos_chat::message::{Message, Output, ToClient};
use paxos_chat::reader::{Reader, ReaderState};
use paxos_chat::session::Sessions;
use paxos_chat::types::{NodeId, Slot};
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;

/// A reader with a bug.
#[derive(Clone, Debug)]
pub struct MutantReader {
    /// The reader as it is.
    pub reader: Reader,
    /// The bug.
    pub mutant: Mutant,
}

impl Mutant {
    /// Is it a bug of readers?
    pub fn is_of_readers(self) -> bool {
        matches!(
            self,
            Mutant::AnyAnswerTakenForLast
                | Mutant::ReadAgain
                | Mutant::OutcomesFoundAnew
                | Mutant::ReadEndsAtBound
                | Mutant::AnyBoundTaken
                | Mutant::ReaderNeverAsksAgain
                | Mutant::ReaderStays
        )
    }
}

impl MutantReader {
    /// As [`Actor::on_start`].
    pub fn on_start(&self, id: Id, storage: &Option<()>, out: &mut Out<Reader>) -> ReaderState {
        self.reader.on_start(id, storage, out)
    }

    /// As [`Actor::on_msg`].
    pub fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, ReaderState>,
        src: Id,
        mut msg: Message,
        out: &mut Out<Reader>,
    ) {
        if let Message::ToClient(ToClient::Entries(page)) = &mut msg
            && let Some(next) = state.next
        {
            match self.mutant {
                Mutant::AnyAnswerTakenForLast => page.from = next,
                Mutant::ReadAgain if page.from < next => {
                    state.to_mut().next = Some(page.from);
                }
                Mutant::OutcomesFoundAnew => {
                    // A table of sessions that knows nothing from before.
                    for (slot, applied) in (page.from.0..).map(Slot).zip(&mut page.values) {
                        applied.outcomes = Sessions::default().apply(slot, &applied.value, 1);
                    }
                }
                _ => {}
            }
        }
        if let Message::ToClient(ToClient::ReadBound(bound)) = &mut msg {
            let unanswered = state.reads.iter().find(|read| read.upto.is_none());
            match self.mutant {
                Mutant::AnyBoundTaken => {
                    bound.nonce = unanswered.map_or(bound.nonce, |read| read.nonce);
                }
                Mutant::ReadEndsAtBound
                    if state.reads.iter().any(|read| read.nonce == bound.nonce) =>
                {
                    let (nonce, upto) = (bound.nonce, bound.upto);
                    state.to_mut().reads.retain(|read| read.nonce != nonce);
                    let report = Message::Output(Output::Current { nonce, upto });
                    out.send(NodeId::LOCAL.into(), report);
                }
                _ => {}
            }
        }
        self.reader.on_msg(id, state, src, msg, out);
    }

    /// As [`Actor::on_timeout`].
    pub fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, ReaderState>,
        timer: &Timer,
        out: &mut Out<Reader>,
    ) {
        let was_answered = state.answered;
        if self.mutant == Mutant::ReaderStays {
            // As if something new had come.
            state.to_mut().moved = true;
        }
        let mut commands = Out::new();
        self.reader.on_timeout(id, state, timer, &mut commands);
        let is_kept = |command: &Command<Message, Timer, (), ()>| match self.mutant {
            Mutant::ReaderNeverAsksAgain => was_answered || !matches!(command, Command::Send(..)),
            _ => true,
        };
        out.append(&mut commands.into_iter().filter(is_kept).collect::<Out<Reader>>());
    }
}
