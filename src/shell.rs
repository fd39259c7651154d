//! Translates the effects of a handler into stateright's commands.
//!
//! **Invariant — nothing that reveals a durable change is sent before the change is saved**: this
//! is the only way out of an actor, and it emits the save first.

use crate::effects::{Effects, Timer};
use crate::message::Message;
use stateright::actor::{Actor, Id, Out};

/// Hands the effects of one handler to the runtime or the model. `storage` is what a save saves.
pub fn emit<A>(effects: Effects, storage: impl FnOnce() -> A::Storage, out: &mut Out<A>)
where
    A: Actor<Msg = Message, Timer = Timer>,
{
    if effects.save {
        out.save(storage());
    }
    for (to, message) in effects.sends {
        out.send(Id::from(to.0 as usize), message);
    }
    for (timer, delay) in effects.timers {
        match delay {
            Some(delay) => out.set_timer(timer, delay),
            None => out.cancel_timer(timer),
        }
    }
}
