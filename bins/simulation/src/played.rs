//! An actor whose part is played: by itself, or by another one in its place.

use paxos_chat_client::recordings::Recorded;
use paxos_chat_validation::replay::{Casting, Plays};
use serde::{Serialize, Serializer};
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::rc::Rc;

/// An actor, and who plays it. It is recorded as the actor.
pub struct Played<A> {
    actor: A,
    plays: Rc<dyn Plays<A>>,
}

impl<A: Actor> Played<A> {
    pub(crate) fn new(actor: A, casting: &Casting<A>) -> Played<A> {
        let plays = casting(&actor).into();
        Played { actor, plays }
    }
}

impl<A: Clone> Clone for Played<A> {
    fn clone(&self) -> Self {
        Played { actor: self.actor.clone(), plays: Rc::clone(&self.plays) }
    }
}

impl<A: Serialize> Serialize for Played<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.actor.serialize(serializer)
    }
}

impl<A: Recorded + Actor<Random = ()>> Recorded for Played<A> {
    const KIND: &'static str = A::KIND;
}

impl<A: Actor<Random = ()>> Actor for Played<A> {
    type Msg = A::Msg;
    type State = A::State;
    type Timer = A::Timer;
    type Storage = A::Storage;
    type Random = ();

    fn on_start(&self, id: Id, storage: &Option<A::Storage>, out: &mut Out<Self>) -> A::State {
        let mut own = Out::new();
        let state = self.plays.on_start(id, storage, &mut own);
        take_over(own, out);
        state
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, A::State>,
        src: Id,
        msg: A::Msg,
        out: &mut Out<Self>,
    ) {
        let mut own = Out::new();
        self.plays.on_msg(id, state, src, msg, &mut own);
        take_over(own, out);
    }

    fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, A::State>,
        timer: &A::Timer,
        out: &mut Out<Self>,
    ) {
        let mut own = Out::new();
        self.plays.on_timeout(id, state, timer, &mut own);
        take_over(own, out);
    }
}

/// What one actor puts out, another one does.
fn take_over<A, B>(own: Out<A>, out: &mut Out<B>)
where
    A: Actor<Random = ()>,
    B: Actor<Msg = A::Msg, Timer = A::Timer, Storage = A::Storage, Random = ()>,
{
    for command in own {
        match command {
            Command::Send(to, message) => out.send(to, message),
            Command::Save(storage) => out.save(storage),
            Command::SetTimer(timer, delay) => out.set_timer(timer, delay),
            Command::CancelTimer(timer) => out.cancel_timer(timer),
            Command::ChooseRandom(..) => {}
        }
    }
}
