//! A reader as a [`stateright::actor::Actor`]: follows the applied log of the replicas.
//!
//! **Invariant — a monotonic prefix read**: entries are reported in slot order, each once, without
//! a gap. A replica that lags serves an old prefix, never a wrong one.
//!
//! **Absent**: sessions. Reading changes nothing at a replica.
//!
//! **Source**: our own; a read that must be current goes through the log (`Body::Sync`) and then
//! reads up to the slot that its acknowledgement names.

use crate::client::ClientTuning;
use crate::effects::{Effects, Timer};
use crate::message::{Entries, Message};
use crate::shell::emit;
use crate::types::{NodeId, Slot};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;

/// A reader of the replicated chat.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The replicas to ask, in the order in which they are tried.
    pub replicas: Vec<NodeId>,
    /// The first slot to read.
    pub from: Slot,
    /// Parameters; of them, the retry interval is how often a reader asks.
    pub tuning: ClientTuning,
}

/// Everything that a reader knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReaderState {
    /// The next slot to read.
    pub next: Slot,
    /// Index of the replica asked now.
    pub target: usize,
    /// The replica asked now has answered since it was last asked.
    pub answered: bool,
}

impl Reader {
    fn ask(&self, state: &ReaderState, effects: &mut Effects) {
        effects.send(self.replicas[state.target], Message::Tail { from: state.next });
    }

    fn on_retry_timeout(&self, state: &mut Cow<'_, ReaderState>, effects: &mut Effects) {
        if !state.answered && self.replicas.len() > 1 {
            state.to_mut().target = (state.target + 1) % self.replicas.len();
        }
        if state.answered {
            state.to_mut().answered = false;
        }
        self.ask(state, effects);
        let delay = self.tuning.retry_interval;
        effects.set_timer(Timer::Retry, delay..delay * 5 / 4);
    }

    fn on_entries(
        &self,
        state: &mut Cow<'_, ReaderState>,
        src: NodeId,
        entries: Entries,
        effects: &mut Effects,
    ) {
        if !state.answered && src == self.replicas[state.target] {
            state.to_mut().answered = true;
        }
        let before = state.next;
        for (slot, value) in (entries.from.0..).map(Slot).zip(entries.values) {
            if slot == state.next {
                state.to_mut().next = slot.next();
                effects.report(Message::Applied { slot, value, outcomes: Vec::new() });
            }
        }
        if state.next > before && state.next < entries.applied_upto {
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
        let state = ReaderState { next: self.from, target: 0, answered: true };
        let mut effects = Effects::default();
        effects.set_timer(Timer::Retry, std::time::Duration::ZERO..self.tuning.redirect_delay);
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
        let mut effects = Effects::default();
        if let Message::Entries(entries) = msg {
            self.on_entries(state, NodeId(usize::from(src) as u64), entries, &mut effects);
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
