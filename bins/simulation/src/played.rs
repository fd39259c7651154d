//! An actor whose part is played: by itself, or by another one in its place.

use actor_runtime::driver::{Counters, Host, Oddity, Sender};
use paxos_chat_client::recordings::Recorded;
use paxos_chat_validation::replay::{Casting, Plays};
use serde::{Serialize, Serializer};
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::io;
use std::rc::Rc;
use std::time::Duration;

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

/// A host of an actor, as the host of who plays it.
pub struct Hosted<H>(pub H);

impl<A, H> Host<Played<A>> for Hosted<H>
where
    A: Actor<Random = ()>,
    H: Host<A>,
{
    type Packet = H::Packet;

    fn admit(&mut self, from: Sender<'_>, packet: H::Packet, now: Duration) -> Option<A::Msg> {
        self.0.admit(from, packet, now)
    }

    fn may_wait(&self, message: &A::Msg) -> bool {
        self.0.may_wait(message)
    }

    fn release(&mut self, message: A::Msg) -> Option<H::Packet> {
        self.0.release(message)
    }

    fn beside(&self, packet: &H::Packet) -> Option<H::Packet> {
        self.0.beside(packet)
    }

    fn recall(&mut self, state: &A::State) -> io::Result<Option<A::Msg>> {
        self.0.recall(state)
    }

    fn on_local(&mut self, message: A::Msg) -> io::Result<()> {
        self.0.on_local(message)
    }

    fn on_oddity(&mut self, replica: u8, oddity: Oddity) {
        self.0.on_oddity(replica, oddity);
    }

    fn on_formats(&mut self, spoken: &[u8]) {
        self.0.on_formats(spoken);
    }

    fn observe(&mut self, state: &A::State, counters: &Counters) {
        self.0.observe(state, counters);
    }

    fn on_turn_end(&mut self) -> io::Result<Vec<(Id, A::Msg)>> {
        self.0.on_turn_end()
    }
}
