//! Clients and readers: what they may ask, and what they are told.

use super::handled::{Cause, Handled};
use super::history::History;
use super::history::log::Answer;
use super::report::Party;
use super::said::TalkId;
use crate::properties::{Safety, bounds, steps};
use paxos_chat::client::{ClientPhase, ClientState, ClientStorage};
use paxos_chat::message::{Input, Message, Output, ToReplica};
use paxos_chat::reader::ReaderState;
use paxos_chat::types::{Nonce, Operation, Seq, Slot, User};

/// A client that has started.
#[derive(Debug)]
pub(super) struct Client {
    number: usize,
    user: User,
    /// How many of its requests may be unacknowledged at once.
    window: usize,
    talk: TalkId,
    nonce: Nonce,
    /// The number of its next request, if it is up.
    next_seq: Option<Seq>,
    /// What it has saved that is durable, if it saves anything.
    durable: Option<ClientStorage>,
    /// What it has saved last, if that is not durable yet.
    pending: Option<ClientStorage>,
}

impl Client {
    /// It starts for the first time, or again; this is what it was before.
    pub(super) fn start(
        (number, user, window): (usize, &User, usize),
        earlier: Option<&Client>,
        stored: Option<&ClientStorage>,
        (state, save): (&ClientState, Option<&ClientStorage>),
        history: &mut History,
    ) -> Client {
        let said = &mut history.said;
        let (nonce, is_known) = (state.durable.nonce, |id| earlier.map(|it| it.talk) == Some(id));
        let talk = TalkId::of(user, nonce);
        match stored {
            Some(stored) if stored.phase != ClientPhase::Expired => {
                let kept = TalkId::of(user, stored.nonce);
                if said.has(kept) {
                    said.forget_from(kept, stored.next_submitted());
                    for seq in stored.unacknowledged.keys() {
                        said.acknowledge(kept, *seq, false);
                    }
                } else {
                    said.begin(kept, user, stored.pending());
                    said.go_on_from(kept, stored.next_submitted());
                }
                if talk != kept && !said.has(talk) {
                    said.begin(talk, user, []);
                }
            }
            Some(_) => said.begin(talk, user, []),
            None => said.begin(talk, user, state.durable.pending()),
        }
        if let Some(earlier) = earlier.filter(|_| !is_known(talk)) {
            earlier.end_talk(history);
        }
        let started = Client {
            number,
            user: user.clone(),
            window,
            talk,
            nonce,
            next_seq: Some(state.durable.next_seq),
            durable: stored.cloned(),
            pending: save.cloned(),
        };
        started.judge_window(state, history);
        started
    }

    fn judge_window(&self, state: &ClientState, history: &mut History) {
        let is_within = bounds::asks_within(self.window, state);
        history.report.judge(Safety::Bounded, self.party(), is_within, || {
            format!("more than {} requests are unacknowledged", self.window)
        });
    }

    fn party(&self) -> Party {
        Party::Client(self.number)
    }

    /// It says nothing more under this nonce: what it waits for, nobody will tell.
    fn end_talk(&self, history: &mut History) {
        let (said, execution) = (&mut history.said, &history.execution);
        said.end(self.talk, |session| execution.is_open(session));
        history.real_time.fences.retain(|(client, _), _| *client != self.number);
    }

    /// It has crashed. Will it go on in its session?
    pub(super) fn crash(&mut self, history: &mut History) -> bool {
        self.next_seq = None;
        let is_durable = self.pending.is_some() || self.durable.is_some();
        if !is_durable {
            self.end_talk(history);
        }
        is_durable
    }

    pub(super) fn sync(&mut self, history: &mut History) {
        if let Some(saved) = self.pending.take() {
            self.durable = Some(saved);
            history.said.trim(self.talk);
        }
    }

    /// A handler has run.
    pub(super) fn handle(
        &mut self,
        step: &Handled<'_, ClientState, ClientStorage>,
        history: &mut History,
    ) {
        let Some(before) = self.next_seq else { return };
        let after = step.after;
        if let Cause::Message(Message::Input(Input::Submit(body))) = step.cause {
            history.said.submit(self.talk, body);
        }
        self.judge_window(after, history);
        if let Some(saved) = step.save {
            self.pending = Some(saved.clone());
        }
        self.judge_sends(step, history);
        for report in step.reports {
            match report {
                Message::Output(Output::Confirmed { seq, slot }) => {
                    self.confirm(*seq, *slot, history);
                }
                Message::Output(Output::OutcomeUnknown { .. }) => {
                    history.real_time.fences.retain(|(client, _), _| *client != self.number);
                }
                _ => {}
            }
        }
        for seq in before.0..after.durable.next_seq.0 {
            history.real_time.invoke(self.number, Seq(seq));
        }
        self.next_seq = Some(after.durable.next_seq);
        if self.nonce != after.durable.nonce {
            self.end_talk(history);
            self.nonce = after.durable.nonce;
            self.talk = TalkId::of(&self.user, self.nonce);
            if !history.said.has(self.talk) {
                history.said.begin(self.talk, &self.user, []);
            }
        }
    }

    /// Judges what it asks: what was not acknowledged before, and what it has saved or saves now.
    fn judge_sends(&self, step: &Handled<'_, ClientState, ClientStorage>, history: &mut History) {
        let party = self.party();
        let saved = self.pending.as_ref().or(self.durable.as_ref());
        for (_, message) in step.sends {
            let Message::ToReplica(ToReplica::Request(command)) = message else { continue };
            if let Operation::InSession { session, seq, .. } = &command.operation {
                let is_new = !history.said.is_acknowledged(*session, *seq);
                history.report.judge(Safety::AcknowledgedIsOver, party, is_new, || {
                    format!("asks for {command}, which was acknowledged")
                });
            }
            let is_saved = saved.is_none_or(|saved| steps::is_request_saved(saved, command));
            history.report.judge(Safety::SavedFirst, party, is_saved, || {
                format!("asks for {command}, which it does not save")
            });
        }
    }

    fn confirm(&self, seq: Seq, slot: Slot, history: &mut History) {
        let party = self.party();
        let applied = history.said.applied_in(self.talk, seq).flatten();
        history.report.judge(Safety::AcknowledgedIsChosen, party, applied == Some(slot), || {
            format!("number {seq} is acknowledged at slot {slot}, and was applied at {applied:?}")
        });
        history.said.acknowledge(self.talk, seq, true);
        if self.pending.is_none() && self.durable.is_none() {
            history.said.trim(self.talk);
        }
        history.real_time.confirm(self.number, seq, slot);
        let is_in_order = !std::mem::take(&mut history.real_time.broken);
        history.report.judge(Safety::RealTime, party, is_in_order, || {
            format!("number {seq} was asked after a later slot than {slot} was acknowledged")
        });
    }

    /// A message leaves. If all that it has saved is durable, what it wants to ask was saved before.
    pub(super) fn leave(&self, message: &Message, history: &mut History) {
        let Message::ToReplica(ToReplica::Request(command)) = message else { return };
        let is_durable = |saved: &ClientStorage| steps::is_request_saved(saved, command);
        let is_saved = self.pending.is_none() || self.durable.as_ref().is_some_and(is_durable);
        history.report.judge(Safety::SavedFirst, self.party(), is_saved, || {
            format!("{message} leaves, and is not saved")
        });
    }
}

/// A reader that has started.
#[derive(Debug)]
pub(super) struct Reader {
    number: usize,
    /// The next slot; none, while it looks for the end.
    next: Option<Slot>,
}

impl Reader {
    pub(super) fn start(number: usize, state: &ReaderState) -> Reader {
        Reader { number, next: state.next }
    }

    /// It is gone, and so are its current reads.
    pub(super) fn end(&self, history: &mut History) {
        history.real_time.reads.retain(|(reader, _), _| *reader != self.number);
    }

    /// A handler has run.
    pub(super) fn handle(&mut self, step: &Handled<'_, ReaderState, ()>, history: &mut History) {
        let party = Party::Reader(self.number);
        if let Cause::Message(Message::Input(Input::ReadCurrent(nonce))) = step.cause {
            history.real_time.begin_read(self.number, *nonce);
        }
        for report in step.reports {
            let (next, holds) = match report {
                Message::Output(Output::EndFound { end }) => {
                    (*end, self.next.is_none() && *end <= history.real_time.shown)
                }
                Message::Output(Output::Applied { slot, value, outcomes }) => {
                    let is_so = history.is_chosen(*slot, value) == Answer::Yes
                        && history.are_outcomes(*slot, outcomes) == Answer::Yes;
                    (slot.next(), self.next == Some(*slot) && is_so)
                }
                Message::Output(Output::Current { nonce, upto }) => {
                    let is_applied = *upto <= history.real_time.shown;
                    history.real_time.end_read(self.number, *nonce, *upto);
                    let is_stale = std::mem::take(&mut history.real_time.is_stale);
                    let holds = !is_stale && is_applied && self.next >= Some(*upto);
                    history.report.judge(Safety::CurrentRead, party, holds, || {
                        format!("{report}, with everything below {:?}", self.next)
                    });
                    continue;
                }
                _ => continue,
            };
            history.report.judge(Safety::EverySlotRead, party, holds, || {
                format!("is given {report}, and waits for {:?}", self.next)
            });
            self.next = Some(next);
        }
    }
}
