//! What a driver tells its recorder, if it has one.
//!
//! **Invariants**
//! - *Sends are counted* whether or not anybody records: each has the number that a recording knows it by.
//! - *Recorded before revealed*: nothing is saved or sent before the recorder was told of what it depends on.

use crate::keys::Boot;
use crate::outbox::Watcher;
use actor_recording::recorder::{Did, Recorder, Told};
use stateright::actor::{Actor, Id};
use std::time::Duration;

/// Tells a recorder.
pub(super) struct Witness<A: Actor> {
    recorder: Option<Box<dyn Recorder<A>>>,
    /// Messages that the actor has sent, and its driver in its place.
    sends: u64,
    boot: Boot,
}

impl<A: Actor> Witness<A> {
    /// Before anything has happened, in this boot.
    pub(super) fn new(recorder: Option<Box<dyn Recorder<A>>>, boot: Boot) -> Witness<A> {
        Witness { recorder, sends: 0, boot }
    }

    /// The number of the next message that is sent.
    pub(super) fn next_send(&mut self) -> u64 {
        self.sends += 1;
        self.sends - 1
    }

    /// The actor has started, when its process had sent so many datagrams.
    pub(super) fn start(
        &mut self,
        id: Id,
        datagrams: u64,
        stored: Option<&A::Storage>,
        did: Did<'_, A>,
    ) {
        if let Some(recorder) = &mut self.recorder {
            recorder.start(id, (*self.boot.as_bytes(), datagrams), stored, did);
        }
    }

    pub(super) fn turn(&mut self, time_of_day: impl FnOnce() -> Duration) {
        if let Some(recorder) = &mut self.recorder {
            recorder.turn(time_of_day());
        }
    }

    pub(super) fn told(&mut self, told: Told<'_, A::Msg, A::Timer>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.told(told);
        }
    }

    pub(super) fn did(&mut self, did: Did<'_, A>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.did(did);
        }
    }

    pub(super) fn synced(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.synced();
        }
    }

    /// An answer of the driver; its number.
    pub(super) fn answer(&mut self, to: Id, message: &A::Msg) -> u64 {
        if let Some(recorder) = &mut self.recorder {
            recorder.answer(to, message);
        }
        self.next_send()
    }

    /// Datagrams are of this boot.
    pub(super) fn boot(&mut self, boot: Boot) {
        if self.boot != boot {
            self.boot = boot;
            if let Some(recorder) = &mut self.recorder {
                recorder.boot(*boot.as_bytes());
            }
        }
    }

    /// Something is going to be saved or sent.
    pub(super) fn flush(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.flush();
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.end();
        }
    }
}

impl<A: Actor> Watcher for Witness<A> {
    fn departs(&mut self, send: u64, datagram: u64, index: u32) {
        if let Some(recorder) = &mut self.recorder {
            recorder.departure(send, datagram, index);
        }
    }

    fn leaves(&mut self) {
        self.flush();
    }
}

/// A message that an actor has sent.
pub(super) struct Send<M> {
    /// The number that it is recorded under.
    pub(super) number: u64,
    pub(super) to: Id,
    pub(super) message: M,
}

impl<M> Send<M> {
    /// Is it for its sender's own driver?
    pub(super) fn is_local(&self) -> bool {
        usize::from(self.to) == super::LOCAL
    }
}
