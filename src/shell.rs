//! Translates the effects of a handler into stateright's commands.
//!
//! **Invariant — nothing that reveals a durable change is sent before the change is saved**: this
//! is the only way out of an actor, and it emits the save before every send but those that a
//! handler sends ahead. A runtime or model may release what stands before a `Save` at once; it holds
//! back what stands behind one, and whatever later handlers send behind it, until it is durable.

use crate::effects::{Effects, Timer};
use crate::message::Message;
use crate::types::{NodeId, ReplicaId};
use stateright::actor::{Actor, Id, Out};

impl From<NodeId> for Id {
    fn from(node: NodeId) -> Id {
        Id::from(usize::try_from(node.0).unwrap_or(usize::MAX))
    }
}

impl From<Id> for NodeId {
    fn from(id: Id) -> NodeId {
        NodeId(usize::from(id) as u64)
    }
}

impl From<ReplicaId> for Id {
    fn from(replica: ReplicaId) -> Id {
        NodeId::from(replica).into()
    }
}

/// Hands the effects of one handler to the runtime or the model. `storage` is what a save saves.
pub fn emit<A>(effects: Effects, storage: impl FnOnce() -> A::Storage, out: &mut Out<A>)
where
    A: Actor<Msg = Message, Timer = Timer>,
{
    for (to, message) in effects.ahead {
        out.send(to.into(), message);
    }
    if effects.save {
        out.save(storage());
    }
    for (to, message) in effects.sends {
        out.send(to.into(), message);
    }
    for (timer, delay) in effects.timers {
        match delay {
            Some(delay) => out.set_timer(timer, delay),
            None => out.cancel_timer(timer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Busy, Output, Reject, ToClient, ToPeer};
    use crate::replica::Replica;
    use crate::state::Storage;
    use crate::testing::{as_text, ballot, session};
    use stateright::actor::Command;
    use std::time::Duration;

    #[test]
    fn the_save_comes_before_every_send_but_those_ahead() {
        let saved = Storage { promised: ballot(1, 0), ..Storage::default() };
        let mut out: Out<Replica> = Out::new();
        let second = Duration::from_secs(1);
        let mut effects = Effects::saved()
            .sent(1, Reject { promised: ballot(1, 0) })
            .reported(Output::Opened { session: session(3, 0) });
        effects.send_ahead(ReplicaId(2), Busy { queued: 1 });
        effects.set_timer(Timer::Election, second..second * 2);
        effects.cancel_timer(Timer::Resend);
        emit(effects, || saved.clone(), &mut out);
        let expected: [Command<_, _, (), _>; 6] = [
            Command::Send(Id::from(2), Message::ToClient(ToClient::Busy(Busy { queued: 1 }))),
            Command::Save(saved),
            Command::Send(
                Id::from(1),
                Message::ToPeer(ToPeer::Reject(Reject { promised: ballot(1, 0) })),
            ),
            Command::Send(
                Id::from(u64::MAX as usize),
                Message::Output(Output::Opened { session: session(3, 0) }),
            ),
            Command::SetTimer(Timer::Election, second..second * 2),
            Command::CancelTimer(Timer::Resend),
        ];
        assert_eq!(as_text(out.iter()), as_text(&expected));
    }

    #[test]
    fn what_is_not_to_be_saved_is_not_even_copied() {
        let mut out: Out<Replica> = Out::new();
        emit(Effects::none(), || unreachable!("nothing is saved"), &mut out);
        assert_eq!(out.len(), 0);
    }
}
