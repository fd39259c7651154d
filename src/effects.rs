//! What a handler wants done, and the one place where durable state can be changed.
//!
//! **Invariant — nothing that reveals a durable change is sent before the change is saved**:
//! durable state is reachable for writing only through [`Durable::write`], which marks the effects
//! as *to be saved*, and the shell emits the save before every send of the handler but those that
//! are sent ahead. These reveal nothing that the save makes durable; see [`Effects::send_ahead`].
//!
//! **Absent**: stateright. Roles produce effects as plain data; the actor shells translate them.

use crate::message::{Message, Output};
use crate::types::NodeId;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug, Formatter};
use std::ops::{Deref, Range};
use std::time::Duration;

/// A timer of a replica, a client or a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// A replica has had no sign of life for an election time-out. Always set.
    Election,
    /// A leader is due to send heartbeats. Set while leading.
    Heartbeat,
    /// A candidate or leader is due to send again what was not answered. Set while preparing or
    /// leading.
    Resend,
    /// A client or reader is due to ask again. Set while something is unanswered.
    Retry,
}

/// What one handler wants done, in order: what is sent ahead, the save, if any, and then every
/// other send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Durable state has changed and must be saved before anything is sent.
    pub save: bool,
    /// Messages that may leave before the save is durable, and their receivers.
    pub ahead: Vec<(NodeId, Message)>,
    /// Messages and their receivers.
    pub sends: Vec<(NodeId, Message)>,
    /// Timers to set, with the range from which the delay is drawn, or to cancel.
    pub timers: Vec<(Timer, Option<Range<Duration>>)>,
}

impl Effects {
    /// Sends a message that may leave before this handler's save, or an earlier one, is durable:
    /// one that is as true after a crash which forgets these saves.
    pub fn send_ahead(&mut self, to: impl Into<NodeId>, message: impl Into<Message>) {
        self.ahead.push((to.into(), message.into()));
    }

    /// Sends a message, once everything saved so far is durable. What an actor sends to itself
    /// comes back to it then, unless it crashes before.
    pub fn send(&mut self, to: impl Into<NodeId>, message: impl Into<Message>) {
        self.sends.push((to.into(), message.into()));
    }

    /// Hands a result to the actor's own driver.
    pub fn report(&mut self, report: Output) {
        self.send(NodeId::LOCAL, report);
    }

    /// Sets or resets a timer; the delay is drawn from the range.
    pub fn set_timer(&mut self, timer: Timer, delay: Range<Duration>) {
        self.timers.push((timer, Some(delay)));
    }

    /// Cancels a timer.
    pub fn cancel_timer(&mut self, timer: Timer) {
        self.timers.push((timer, None));
    }
}

/// State that must survive a crash.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Durable<T>(T);

impl<T> Durable<T> {
    /// State as it was read back from storage, or as it is before anything was stored.
    pub fn restored(value: T) -> Self {
        Durable(value)
    }

    /// Write access, at the price of a save.
    pub fn write(&mut self, effects: &mut Effects) -> &mut T {
        effects.save = true;
        &mut self.0
    }
}

impl<T> Deref for Durable<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Debug> Debug for Durable<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Busy, ToClient};
    use crate::types::{ReplicaId, SessionId, Slot};

    #[test]
    fn writing_durable_state_marks_a_save_and_reading_does_not() {
        let mut effects = Effects::default();
        let mut durable = Durable::restored(1);
        assert_eq!((*durable, effects.save), (1, false));
        *durable.write(&mut effects) = 2;
        assert_eq!((*durable, effects.save), (2, true));
    }

    #[test]
    fn effects_keep_the_order_in_which_they_are_wanted() {
        let mut effects = Effects::default();
        let second = Duration::from_secs(1);
        let session = SessionId { slot: Slot(3), index: 0 };
        effects.send(ReplicaId(2), Busy { queued: 1 });
        effects.report(Output::Opened { session });
        effects.set_timer(Timer::Retry, second..second * 2);
        effects.cancel_timer(Timer::Retry);
        effects.send_ahead(ReplicaId(1), Busy { queued: 1 });
        let expected = Effects {
            save: false,
            ahead: vec![(NodeId(1), Message::ToClient(ToClient::Busy(Busy { queued: 1 })))],
            sends: vec![
                (NodeId(2), Message::ToClient(ToClient::Busy(Busy { queued: 1 }))),
                (NodeId::LOCAL, Message::Output(Output::Opened { session })),
            ],
            timers: vec![(Timer::Retry, Some(second..second * 2)), (Timer::Retry, None)],
        };
        assert_eq!(effects, expected);
    }
}
