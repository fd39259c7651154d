//! Talking to a running driver from other threads.
//!
//! **Invariants**
//! - *Bounded*: whoever gives more than the inbox holds waits until the driver has taken some.
//! - *Between turns*: a driver is looked at and changed on its own thread, when no message is being
//!   handled.

use super::{Driver, Host};
use crate::network::Waker;
use stateright::actor::Actor;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Orders that may wait for a driver.
const INBOX_MAX: usize = 1024;

/// Looks at a driver from its own thread.
type Inspection<A, H> = Box<dyn FnOnce(&Driver<A, H>) + Send>;

/// Changes a driver on its own thread.
type Change<A, H> = Box<dyn FnOnce(&mut Driver<A, H>) + Send>;

/// What a driver's process orders it to do from another thread.
pub enum Order<A: Actor<State: 'static>, H: Host<A>> {
    /// Hand the actor this message.
    Deliver(A::Msg),
    /// Show yourself.
    Inspect(Inspection<A, H>),
    /// Change yourself.
    Change(Change<A, H>),
    /// Finish this turn and return.
    Stop,
}

/// Talks to a running driver from other threads.
pub struct Handle<A: Actor<State: 'static>, H: Host<A>> {
    inbox: SyncSender<Order<A, H>>,
    waker: Waker,
}

impl<A: Actor<State: 'static>, H: Host<A>> Clone for Handle<A, H> {
    fn clone(&self) -> Self {
        Handle { inbox: self.inbox.clone(), waker: self.waker.clone() }
    }
}

impl<A: Actor<State: 'static>, H: Host<A>> Handle<A, H> {
    /// A handle, and the inbox for the driver whose network this waker wakes.
    pub fn new(waker: Waker) -> (Handle<A, H>, Receiver<Order<A, H>>) {
        let (inbox, receiver) = sync_channel(INBOX_MAX);
        (Handle { inbox, waker }, receiver)
    }

    /// Gives the driver an input; waits while its inbox is full. False when it has ended.
    pub fn give(&self, input: Order<A, H>) -> bool {
        let taken = self.inbox.send(input).is_ok();
        self.waker.wake();
        taken
    }

    /// Asks the driver a question; `None` when it has ended.
    pub fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Driver<A, H>) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answers) = sync_channel(1);
        self.give(Order::Inspect(Box::new(move |driver| {
            // Whoever asked may have gone.
            let _ = answer.send(question(driver));
        })));
        answers.recv().ok()
    }
}
