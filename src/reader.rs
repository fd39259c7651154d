//! A reader as a [`stateright::actor::Actor`]: follows the applied log of the replicas.
//!
//! **Invariant — a monotonic prefix read**: entries are reported in slot order, each once, without
//! a gap, from the slot on at which it begins: any slot, or the end of the log. A replica that lags serves an old
//! prefix, never a wrong one.
//!
//! **Invariant — a current read has all that anybody was told of before it began**: it ends when everything is read
//! below a bound that a replica has answered it with ([`crate::reads`]), by its name.
//!
//! **Invariant — one question at a time**: a current read that begins while another one is asked waits for its answer, and
//! the last of those that wait is asked for all of them.
//!
//! **Absent**: sessions. Reading changes nothing at a replica, and each entry tells what its commands came to, so a
//! reader need not know what was before.
//!
//! **Source**: our own.

use crate::client::ClientTuning;
use crate::effects::{Effects, Timer};
use crate::message::{AppliedValue, Input, Message, Output, Page, Read, ReadBound, Tail, ToClient};
use crate::shell::emit;
use crate::types::{NodeId, Nonce, Slot, User};
use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;

/// A reader of the replicated chat.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reader {
    /// The replicas to ask, in the order in which they are tried.
    pub replicas: Vec<NodeId>,
    /// Whose reader it is.
    pub user: User,
    /// The first slot to read; none, to begin at the end of the log.
    pub from: Option<Slot>,
    /// It follows the log; otherwise it asks for nothing but what its current reads need.
    pub follows: bool,
    /// Parameters; of them, the retry interval is how often a reader asks.
    pub tuning: ClientTuning,
}

/// Everything that a reader knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReaderState {
    /// The next slot to read; none, while the end of the log is not known.
    pub next: Option<Slot>,
    /// Index of the replica asked now.
    pub target: usize,
    /// The replica asked now has answered since it was last asked.
    pub answered: bool,
    /// Something new has come since a replica was last asked.
    pub moved: bool,
    /// While nothing new comes another one is asked beside it: this many after it.
    pub beside: usize,
    /// The current reads that have begun and not ended, in the order in which they began.
    pub reads: Vec<CurrentRead>,
}

/// A current read that has begun and not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CurrentRead {
    /// Its name.
    pub nonce: Nonce,
    /// Its bound, if that is known.
    pub upto: Option<Slot>,
}

impl ReaderState {
    /// The last one that is not answered. Its answer is one to those before it.
    fn unanswered(&self) -> Option<Nonce> {
        self.reads.iter().rev().find(|read| read.upto.is_none()).map(|read| read.nonce)
    }

    /// Is this one open?
    fn is_open(&self, nonce: Nonce) -> bool {
        self.reads.iter().any(|read| read.nonce == nonce)
    }
}

impl Reader {
    fn ask(&self, state: &ReaderState, effects: &mut Effects) {
        effects.send(self.replicas[state.target], Tail { from: state.next });
    }

    fn read(&self, nonce: Nonce) -> Read {
        Read { user: self.user.clone(), nonce }
    }

    /// A current read begins.
    fn on_read(&self, state: &mut Cow<'_, ReaderState>, nonce: Nonce, effects: &mut Effects) {
        if state.is_open(nonce) {
            return;
        }
        if state.reads.is_empty() && !self.follows {
            self.ask_again_later(effects);
        }
        let waits = state.unanswered().is_some();
        state.to_mut().reads.push(CurrentRead { nonce, upto: None });
        if !waits {
            effects.send(self.replicas[state.target], self.read(nonce));
        }
    }

    fn ask_again_later(&self, effects: &mut Effects) {
        let delay = self.tuning.retry_interval;
        effects.set_timer(Timer::Retry, delay..delay * 5 / 4);
    }

    /// A replica tells how far a current read goes. Who is to begin at the end of the log begins there.
    fn on_bound(
        &self,
        state: &mut Cow<'_, ReaderState>,
        src: NodeId,
        ReadBound { nonce, upto }: ReadBound,
        effects: &mut Effects,
    ) {
        self.note_answer(state, src);
        let answered = state.reads.iter().position(|read| read.nonce == nonce);
        let Some(answered) = answered.filter(|place| state.reads[*place].upto.is_none()) else {
            return;
        };
        let state = state.to_mut();
        // It was asked for after those before it had begun.
        for read in &mut state.reads[..=answered] {
            read.upto.get_or_insert(upto);
        }
        if state.next.is_none() {
            state.next = Some(upto);
            effects.report(Output::EndFound { end: upto });
        }
        if state.next < Some(upto) {
            self.ask(state, effects);
        }
        if let Some(waits) = state.unanswered() {
            effects.send(self.replicas[state.target], self.read(waits));
        }
        self.end_reads(state, effects);
    }

    /// Ends the current reads of which everything is read.
    fn end_reads(&self, state: &mut ReaderState, effects: &mut Effects) {
        let (next, before) = (state.next, state.reads.len());
        state.reads.retain(|read| match read.upto {
            Some(upto) if next >= Some(upto) => {
                effects.report(Output::Current { nonce: read.nonce, upto });
                false
            }
            _ => true,
        });
        if before > 0 && state.reads.is_empty() && !self.follows {
            effects.cancel_timer(Timer::Retry);
        }
    }

    fn on_retry_timeout(&self, state: &mut Cow<'_, ReaderState>, effects: &mut Effects) {
        let count = self.replicas.len();
        if !state.answered && count > 1 {
            state.to_mut().target = (state.target + 1) % count;
        }
        if state.answered {
            state.to_mut().answered = false;
        }
        let has_moved = state.moved;
        if has_moved {
            state.to_mut().moved = false;
        }
        self.ask_as_needed(state, self.replicas[state.target], effects);
        // Who answers may lag for ever, or be cut off from those who lead. Whoever has more is asked from then on.
        if count > 1 && (!has_moved || state.unanswered().is_some()) {
            let state = state.to_mut();
            state.beside = 1 + state.beside % (count - 1);
            let other = self.replicas[(state.target + state.beside) % count];
            self.ask_as_needed(state, other, effects);
        }
        self.ask_again_later(effects);
    }

    /// Asks this replica for entries, if any are wanted, and how far the last read goes, if that is not known.
    fn ask_as_needed(&self, state: &ReaderState, replica: NodeId, effects: &mut Effects) {
        // Who begins at the end is told by the read where that is.
        let is_bound_known = state.reads.iter().any(|read| read.upto.is_some());
        if state.reads.is_empty() || is_bound_known || (self.follows && state.next.is_some()) {
            effects.send(replica, Tail { from: state.next });
        }
        if let Some(nonce) = state.unanswered() {
            effects.send(replica, self.read(nonce));
        }
    }

    fn note_answer(&self, state: &mut Cow<'_, ReaderState>, src: NodeId) {
        if !state.answered && src == self.replicas[state.target] {
            state.to_mut().answered = true;
        }
    }

    fn on_entries(
        &self,
        state: &mut Cow<'_, ReaderState>,
        src: NodeId,
        page: Page,
        effects: &mut Effects,
    ) {
        self.note_answer(state, src);
        let Some(before) = state.next else {
            if !state.reads.is_empty() {
                // This replica may lag; the bound is where to begin.
                return;
            }
            let end = page.applied_upto;
            state.to_mut().next = Some(end);
            effects.report(Output::EndFound { end });
            return;
        };
        let mut next = before;
        for (slot, applied) in (page.from.0..).map(Slot).zip(page.values) {
            if slot == next {
                next = slot.next();
                let AppliedValue { value, outcomes } = applied;
                effects.report(Output::Applied { slot, value, outcomes });
            }
        }
        if next == before {
            return;
        }
        let sender = self.replicas.iter().position(|replica| *replica == src);
        let state = state.to_mut();
        state.next = Some(next);
        state.moved = self.replicas.len() > 1;
        if let Some(sender) = sender.filter(|sender| *sender != state.target) {
            state.target = sender;
            state.answered = true;
        }
        self.end_reads(state, effects);
        if next < page.applied_upto && (self.follows || !state.reads.is_empty()) {
            self.ask(state, effects);
        }
    }
}

impl Actor for Reader {
    type Msg = Message;
    type Timer = Timer;
    type State = ReaderState;
    type Storage = ();
    type Random = ();

    fn on_start(&self, _id: Id, _storage: &Option<()>, out: &mut Out<Self>) -> ReaderState {
        assert!(!self.replicas.is_empty(), "a reader needs a replica to ask");
        let state = ReaderState {
            next: self.from,
            target: 0,
            answered: true,
            moved: false,
            beside: 0,
            reads: Vec::new(),
        };
        let mut effects = Effects::default();
        if self.follows {
            let soon = std::time::Duration::ZERO..self.tuning.redirect_delay;
            effects.set_timer(Timer::Retry, soon);
        }
        emit(effects, || (), out);
        state
    }

    fn on_msg(
        &self,
        _id: Id,
        state: &mut Cow<'_, ReaderState>,
        src: Id,
        msg: Message,
        out: &mut Out<Self>,
    ) {
        let src = NodeId::from(src);
        let mut effects = Effects::default();
        match msg {
            Message::ToClient(ToClient::Entries(page)) if self.replicas.contains(&src) => {
                self.on_entries(state, src, page, &mut effects);
            }
            Message::ToClient(ToClient::ReadBound(bound)) if self.replicas.contains(&src) => {
                self.on_bound(state, src, bound, &mut effects);
            }
            Message::Input(Input::ReadCurrent(nonce)) if src == NodeId::LOCAL => {
                self.on_read(state, nonce, &mut effects);
            }
            _ => {}
        }
        emit(effects, || (), out);
    }

    fn on_timeout(
        &self,
        _id: Id,
        state: &mut Cow<'_, ReaderState>,
        timer: &Timer,
        out: &mut Out<Self>,
    ) {
        let mut effects = Effects::default();
        if *timer == Timer::Retry {
            self.on_retry_timeout(state, &mut effects);
        }
        emit(effects, || (), out);
    }

    fn name(&self) -> String {
        "reader".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Outcome, ToReplica};
    use crate::testing::{applied, page, say};
    use crate::types::Value;

    fn reader() -> Reader {
        let replicas = vec![NodeId(0), NodeId(1)];
        let (user, from, tuning) = (User::new("ann"), Some(Slot(0)), ClientTuning::default());
        Reader { replicas, user, from, follows: true, tuning }
    }

    fn state(next: u64, target: usize, answered: bool) -> ReaderState {
        let (next, reads) = (Some(Slot(next)), Vec::new());
        ReaderState { next, target, answered, moved: false, beside: 0, reads }
    }

    /// Something new has come.
    fn moved(state: ReaderState) -> ReaderState {
        ReaderState { moved: true, ..state }
    }

    /// Nothing new has come, so the other one is asked beside it.
    fn beside(state: ReaderState) -> ReaderState {
        ReaderState { beside: 1, ..state }
    }

    /// What the reader wants when entries come, and its state after that.
    fn receives(before: ReaderState, src: u64, page: Page) -> (Effects, ReaderState) {
        let mut effects = Effects::default();
        let mut cow = Cow::Borrowed(&before);
        reader().on_entries(&mut cow, NodeId(src), page, &mut effects);
        (effects, cow.into_owned())
    }

    fn times_out(before: ReaderState) -> (Effects, ReaderState) {
        let mut effects = Effects::default();
        let mut cow = Cow::Borrowed(&before);
        reader().on_retry_timeout(&mut cow, &mut effects);
        (effects, cow.into_owned())
    }

    fn news(slot: u64, text: &str) -> Output {
        applied(slot, say(text), vec![Outcome::Applied])
    }

    /// The question, and the timer until it is asked again.
    fn asks(replica: u8, from: u64) -> Effects {
        asks_all([replica], from)
    }

    /// The same of several replicas.
    fn asks_all<const N: usize>(replicas: [u8; N], from: u64) -> Effects {
        let mut effects = Effects::none().sent_to_all(
            replicas,
            Message::ToReplica(ToReplica::Tail(Tail { from: Some(Slot(from)) })),
        );
        let delay = ClientTuning::default().retry_interval;
        effects.set_timer(Timer::Retry, delay..delay * 5 / 4);
        effects
    }

    #[test]
    fn entries_are_reported_in_slot_order() {
        let (effects, after) =
            receives(state(0, 0, false), 0, page(0, vec![say("a"), say("b")], 2));
        assert_eq!(effects, Effects::none().reported(news(0, "a")).reported(news(1, "b")));
        assert_eq!(after, moved(state(2, 0, true)));
    }

    #[test]
    fn who_begins_at_the_end_is_told_where_that_is_and_reads_what_comes() {
        let unknown = ReaderState { next: None, ..state(0, 0, false) };
        let (effects, after) = receives(unknown, 0, page(3, vec![say("a")], 7));
        let found = Output::EndFound { end: Slot(7) };
        assert_eq!((effects, after.clone()), (Effects::none().reported(found), state(7, 0, true)));
        let (effects, after) = receives(after, 1, page(7, vec![say("b")], 8));
        assert_eq!((effects, after.next), (Effects::none().reported(news(7, "b")), Some(Slot(8))));
    }

    #[test]
    fn entries_are_reported_once() {
        let (effects, after) = receives(state(1, 0, true), 0, page(0, vec![say("a"), say("b")], 2));
        assert_eq!(effects, Effects::none().reported(news(1, "b")));
        assert_eq!(after, moved(state(2, 0, true)));
        let again = receives(after.clone(), 0, page(0, vec![say("a"), say("b")], 2));
        assert_eq!(again, (Effects::none(), after));
    }

    #[test]
    fn entries_above_a_gap_are_not_reported() {
        let before = state(0, 0, true);
        let gap = receives(before.clone(), 0, page(1, vec![say("b")], 2));
        assert_eq!(gap, (Effects::none(), before));
    }

    #[test]
    fn a_chunk_that_is_not_the_last_is_followed_by_a_question_at_once() {
        let (effects, _) = receives(state(0, 0, true), 0, page(0, vec![Value::Noop], 9));
        let expected = Effects::none()
            .reported(applied(0, Value::Noop, vec![]))
            .sent(0, Message::ToReplica(ToReplica::Tail(Tail { from: Some(Slot(1)) })));
        assert_eq!(effects, expected);
    }

    #[test]
    fn a_chunk_without_news_is_not_followed_by_a_question() {
        let (effects, _) = receives(state(3, 0, true), 0, page(0, vec![say("a")], 9));
        assert_eq!(effects, Effects::none());
    }

    #[test]
    fn a_replica_that_answers_is_asked_again() {
        assert_eq!(times_out(moved(state(4, 0, true))), (asks(0, 4), state(4, 0, false)));
    }

    #[test]
    fn while_nothing_new_comes_the_others_are_asked_too_one_at_a_time() {
        let expected = (asks_all([0, 1], 4), beside(state(4, 0, false)));
        assert_eq!(times_out(state(4, 0, true)), expected);
    }

    #[test]
    fn whoever_brings_something_new_is_asked_from_then_on() {
        let (_, after) = receives(state(0, 1, true), 0, page(0, vec![say("a")], 1));
        assert_eq!(after, moved(state(1, 0, true)));
    }

    #[test]
    fn a_replica_that_does_not_answer_makes_way_for_the_next() {
        let (effects, after) = times_out(state(4, 0, false));
        assert_eq!((effects, after), (asks_all([1, 0], 4), beside(state(4, 1, false))));
        let (effects, after) = times_out(moved(state(4, 1, false)));
        assert_eq!((effects, after), (asks(0, 4), state(4, 0, false)));
    }

    const READ: Nonce = Nonce(7);

    fn bound(upto: u64) -> ReadBound {
        ReadBound { nonce: READ, upto: Slot(upto) }
    }

    fn reads(upto: Option<u64>, before: ReaderState) -> ReaderState {
        let read = CurrentRead { nonce: READ, upto: upto.map(Slot) };
        ReaderState { reads: vec![read], ..before }
    }

    fn is_told(before: ReaderState, bound: ReadBound) -> (Effects, ReaderState) {
        let mut effects = Effects::default();
        let mut cow = Cow::Borrowed(&before);
        reader().on_bound(&mut cow, NodeId(0), bound, &mut effects);
        (effects, cow.into_owned())
    }

    fn current(upto: u64) -> Output {
        Output::Current { nonce: READ, upto: Slot(upto) }
    }

    #[test]
    fn a_current_read_is_asked_at_once_if_no_other_one_is_and_again_until_it_is_answered() {
        let (before, mut effects) = (state(4, 0, true), Effects::default());
        let mut cow = Cow::Borrowed(&before);
        reader().on_read(&mut cow, READ, &mut effects);
        assert_eq!(effects, Effects::none().sent(0, reader().read(READ)));
        let open = reads(None, state(4, 0, true));
        assert_eq!(*cow, open);
        let (mut later, mut effects) = (Cow::Borrowed(&open), Effects::default());
        reader().on_read(&mut later, Nonce(8), &mut effects);
        assert_eq!((effects, later.reads.len()), (Effects::none(), 2));
        let (effects, _) = times_out(moved(open.clone()));
        assert!(effects.sends.contains(&(NodeId(0), reader().read(READ).into())), "{effects:?}");
        let (effects, _) = times_out(moved(reads(Some(9), open)));
        assert!(!effects.sends.contains(&(NodeId(0), reader().read(READ).into())), "{effects:?}");
    }

    #[test]
    fn a_current_read_ends_when_everything_below_its_bound_is_read() {
        let tail = Message::ToReplica(ToReplica::Tail(Tail { from: Some(Slot(4)) }));
        let (effects, after) = is_told(reads(None, state(4, 0, true)), bound(5));
        assert_eq!(effects, Effects::none().sent(0, tail));
        assert_eq!(after, reads(Some(5), state(4, 0, true)));
        let (effects, after) = receives(after, 0, page(4, vec![say("a")], 5));
        assert_eq!(effects, Effects::none().reported(news(4, "a")).reported(current(5)));
        assert!(after.reads.is_empty());
        let (effects, _) = is_told(reads(None, state(4, 0, true)), bound(4));
        assert_eq!(effects, Effects::none().reported(current(4)), "it has read that");
    }

    #[test]
    fn who_does_not_follow_asks_from_its_first_open_read_to_the_end_of_the_last() {
        let reader = Reader { follows: false, ..self::reader() };
        let before = state(4, 0, true);
        let (mut cow, mut effects) = (Cow::Borrowed(&before), Effects::default());
        reader.on_read(&mut cow, READ, &mut effects);
        let delay = ClientTuning::default().retry_interval;
        let mut expected = Effects::none().sent(0, reader.read(READ));
        expected.set_timer(Timer::Retry, delay..delay * 5 / 4);
        assert_eq!(effects, expected);
        let mut effects = Effects::default();
        reader.on_bound(&mut cow, NodeId(0), bound(4), &mut effects);
        assert_eq!(effects, Effects::none().reported(current(4)).cancelled(Timer::Retry));
    }

    #[test]
    fn who_does_not_follow_reads_no_further_than_it_asks() {
        let reader = Reader { follows: false, ..self::reader() };
        let (before, mut effects) = (reads(Some(5), state(4, 0, true)), Effects::default());
        let mut cow = Cow::Borrowed(&before);
        reader.on_entries(&mut cow, NodeId(0), page(4, vec![say("a")], 9), &mut effects);
        let expected = Effects::none().reported(news(4, "a")).reported(current(5));
        assert_eq!(effects, expected.cancelled(Timer::Retry));
    }

    #[test]
    fn of_many_current_reads_the_last_is_asked_again_and_its_answer_is_one_to_those_before_it() {
        let open = |nonce, upto: Option<u64>| CurrentRead { nonce, upto: upto.map(Slot) };
        let all = vec![open(Nonce(9), None), open(READ, None), open(Nonce(3), None)];
        let before = ReaderState { reads: all, ..state(4, 0, true) };
        let (effects, _) = times_out(before.clone());
        let asked = effects.sends.iter().filter_map(|(to, message)| match message {
            Message::ToReplica(ToReplica::Read(read)) => Some((*to, read.nonce)),
            _ => None,
        });
        let asked: Vec<_> = asked.collect();
        assert_eq!(asked, [(NodeId(0), Nonce(3)), (NodeId(1), Nonce(3))]);
        let (effects, after) = is_told(before, bound(4));
        let ended = |nonce| Output::Current { nonce, upto: Slot(4) };
        let expected = Effects::none().sent(0, reader().read(Nonce(3)));
        assert_eq!(effects, expected.reported(ended(Nonce(9))).reported(ended(READ)));
        assert_eq!(after.reads, [open(Nonce(3), None)]);
    }

    #[test]
    fn a_replica_that_answers_and_is_cut_off_from_those_who_lead_keeps_no_read_from_ending() {
        let (effects, after) = times_out(moved(reads(None, state(4, 0, true))));
        assert!(effects.sends.contains(&(NodeId(1), reader().read(READ).into())), "{effects:?}");
        let (effects, _) = times_out(moved(reads(Some(9), state(4, 0, true))));
        let is_beside = |(to, _): &(NodeId, Message)| *to == NodeId(1);
        assert!(!effects.sends.iter().any(is_beside), "only entries are lacking: {effects:?}");
        assert_eq!(after.beside, 1);
    }

    #[test]
    fn an_answer_to_another_read_or_a_second_one_is_none() {
        let other = ReadBound { nonce: Nonce(8), upto: Slot(1) };
        for (before, told) in [
            (reads(None, state(4, 0, true)), other),
            (state(4, 0, true), bound(1)),
            (reads(Some(9), state(4, 0, true)), bound(1)),
        ] {
            assert_eq!(is_told(before.clone(), told), (Effects::none(), before));
        }
    }

    #[test]
    fn a_current_read_from_the_end_begins_at_its_bound_and_not_where_a_replica_that_lags_ends() {
        let unknown = reads(None, ReaderState { next: None, ..state(0, 0, true) });
        let (effects, after) = receives(unknown.clone(), 0, page(3, vec![], 3));
        assert_eq!((effects, after.next), (Effects::none(), None));
        let (effects, after) = is_told(unknown, bound(5));
        let expected = Effects::none().reported(Output::EndFound { end: Slot(5) });
        assert_eq!((effects, after.next), (expected.reported(current(5)), Some(Slot(5))));
    }
}
