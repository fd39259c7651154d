//! The actors of a run: every local step is computed once, by calling the actor, and remembered
//! together with the timers that it sets.
//!
//! **Absent**: the order of things (see [`super::run`]), and bounds: an actor does here whatever it
//! does.

use super::Goal;
use crate::intern::Interner;
use crate::spec::{Event, Local};
use parking_lot::RwLock;
use rustc_hash::FxBuildHasher;
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

/// The state and storage of one actor; its timers are the run's to keep.
pub(super) type Body<A> = Local<A, ()>;

/// A body, and what the goal needs of it.
pub(super) struct BodyCell<A: Actor, V> {
    pub(super) body: Body<A>,
    pub(super) view: V,
}

impl<A: Actor, V> PartialEq<Body<A>> for BodyCell<A, V> {
    fn eq(&self, other: &Body<A>) -> bool {
        self.body == *other
    }
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(super) struct Mail<M> {
    pub(super) src: usize,
    pub(super) dst: usize,
    pub(super) msg: M,
}

/// What happens to an actor in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happens {
    /// This mail arrives.
    Deliver(u32),
    /// The timer at this place of [`Goal::timers`] fires.
    Fire(u8),
    /// It starts again from its storage.
    Recover,
}

/// What a step of one actor comes to.
pub(super) struct Move {
    pub(super) next: u32,
    pub(super) sends: Box<[u32]>,
    /// Timers set, with the range of the delay, or cancelled; in order.
    pub(super) timers: Box<[(u8, Option<Range<Duration>>)]>,
}

/// The actors of a system, and every step that they have taken.
pub(super) struct Cast<A: Actor, G: Goal<A>> {
    pub(super) actors: Vec<A>,
    pub(super) goal: G,
    pub(super) bodies: Vec<Interner<BodyCell<A, G::View>>>,
    pub(super) mail: Interner<Mail<A::Msg>>,
    timers: Vec<A::Timer>,
    /// By body and what happens: an index into `moves`.
    known: Box<[Known]>,
    moves: boxcar::Vec<Move>,
}

type Known = RwLock<HashMap<u64, u32, FxBuildHasher>>;

const SHARDS: u64 = 64;

impl<A: Actor, G: Goal<A>> Cast<A, G> {
    pub(super) fn new(actors: Vec<A>, goal: G) -> Self {
        Cast {
            bodies: actors.iter().map(|_| Interner::default()).collect(),
            mail: Interner::default(),
            timers: goal.timers(),
            goal,
            actors,
            known: (0..SHARDS).map(|_| RwLock::default()).collect(),
            moves: boxcar::Vec::new(),
        }
    }

    pub(super) fn body(&self, actor: usize, body: u32) -> &BodyCell<A, G::View> {
        self.bodies[actor].get(body)
    }

    pub(super) fn intern_body(&self, actor: usize, body: Body<A>) -> u32 {
        self.bodies[actor].intern_with(body, |body| BodyCell {
            view: self.goal.view(actor, body.state.as_ref(), body.storage.as_ref()),
            body,
        })
    }

    pub(super) fn timer(&self, timer: u8) -> &A::Timer {
        &self.timers[usize::from(timer)]
    }

    /// The place of a timer in [`Goal::timers`].
    ///
    /// # Panics
    /// When the goal does not name the timer.
    pub(super) fn timer_number(&self, timer: &A::Timer) -> u8 {
        let place = self.timers.iter().position(|known| known == timer);
        u8::try_from(place.expect("the goal names every timer")).expect("fewer than 256 timers")
    }

    /// What this comes to for an actor. It must be up, unless it recovers.
    pub(super) fn step(&self, actor: usize, body: u32, happens: Happens) -> &Move {
        let code = match happens {
            Happens::Deliver(mail) => mail,
            Happens::Fire(timer) => 1 << 31 | (actor as u32) << 8 | u32::from(timer),
            Happens::Recover => 1 << 31 | (actor as u32) << 8 | 255,
        };
        let key = u64::from(body) << 32 | u64::from(code);
        let shard = &self.known[(key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize];
        if let Some(known) = shard.read().get(&key) {
            return &self.moves[*known as usize];
        }
        let (next, sends, _, timers) = self.call(actor, &self.body(actor, body).body, happens);
        let send = |(dst, msg)| self.mail.intern(Mail { src: actor, dst, msg });
        let sends = sends.into_iter().map(send).collect();
        let next = self.intern_body(actor, next);
        let place = self.moves.push(Move { next, sends, timers: timers.into() });
        let place = u32::try_from(place).expect("fewer than 2^32 moves");
        shard.write().insert(key, place);
        &self.moves[place as usize]
    }

    /// Calls the actor: its next body, what it sends, what it reports, the timers it sets.
    #[allow(clippy::type_complexity, reason = "four results of one call")]
    pub(super) fn call(
        &self,
        actor: usize,
        before: &Body<A>,
        happens: Happens,
    ) -> (Body<A>, Vec<(usize, A::Msg)>, Vec<A::Msg>, Vec<(u8, Option<Range<Duration>>)>) {
        let (this, id) = (&self.actors[actor], Id::from(actor));
        let mut out = Out::new();
        let mut storage = before.storage.clone();
        let up = || Cow::Owned(before.state.clone().expect("only an actor that is up acts"));
        let state = match self.event(happens) {
            Event::Recover => this.on_start(id, &storage, &mut out),
            Event::Deliver { src, msg } => {
                let mut state = up();
                this.on_msg(id, &mut state, Id::from(src), msg.clone(), &mut out);
                state.into_owned()
            }
            Event::Timeout(timer) => {
                let mut state = up();
                this.on_timeout(id, &mut state, timer, &mut out);
                state.into_owned()
            }
            Event::Start | Event::Input(_) | Event::Crash => unreachable!("not in a fair run"),
        };
        let (mut sends, mut reports, mut timers) = (Vec::new(), Vec::new(), Vec::new());
        for command in out {
            match command {
                Command::Send(dst, msg) if usize::from(dst) < self.actors.len() => {
                    sends.push((usize::from(dst), msg));
                }
                Command::Send(_, msg) => reports.push(msg),
                Command::SetTimer(timer, delay) => {
                    timers.push((self.timer_number(&timer), Some(delay)));
                }
                Command::CancelTimer(timer) => timers.push((self.timer_number(&timer), None)),
                Command::Save(saved) => storage = Some(saved),
                Command::ChooseRandom(..) => {
                    unimplemented!("actors that choose at random are not modelled")
                }
            }
        }
        let next = Local { state: Some(state), timers: Vec::new(), storage, ghost: () };
        (next, sends, reports, timers)
    }

    fn event(&self, happens: Happens) -> Event<'_, A> {
        match happens {
            Happens::Deliver(mail) => {
                let Mail { src, msg, .. } = self.mail.get(mail);
                Event::Deliver { src: *src, msg }
            }
            Happens::Fire(timer) => Event::Timeout(self.timer(timer)),
            Happens::Recover => Event::Recover,
        }
    }
}
