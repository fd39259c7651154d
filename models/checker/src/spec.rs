//! What a model is told about its actors: how far to explore, what to remember, what must hold.
//!
//! **Invariants**
//! - *Bounds live here, never in actors.*
//! - *Ghost state is monotone and survives crashes*, so that it can speak of what once was: votes
//!   ever cast, promises ever made. It is a part of the fingerprint.
//! - *No property reads the network*, so that loss is covered by messages that are never delivered.
//!
//! **Absent**: exploration (see [`crate::compact`] and [`crate::engine`]).

use stateright::actor::Actor;
use std::fmt::{self, Debug, Formatter};
use std::hash::{Hash, Hasher};

/// The local part of a system state: one actor, up or down.
pub struct Local<A: Actor, G> {
    /// The actor's state, unless it is down.
    pub state: Option<A::State>,
    /// The timers that are set, ordered by content hash.
    pub timers: Vec<A::Timer>,
    /// What a crash leaves.
    pub storage: Option<A::Storage>,
    /// What the specification remembers of this actor.
    pub ghost: G,
}

// Written out, because deriving would ask the same of the actor itself.

impl<A: Actor, G: Clone> Clone for Local<A, G> {
    fn clone(&self) -> Self {
        Local {
            state: self.state.clone(),
            timers: self.timers.clone(),
            storage: self.storage.clone(),
            ghost: self.ghost.clone(),
        }
    }
}

impl<A: Actor, G: PartialEq> PartialEq for Local<A, G> {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
            && self.timers == other.timers
            && self.storage == other.storage
            && self.ghost == other.ghost
    }
}

impl<A: Actor, G: Hash> Hash for Local<A, G> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.state.hash(hasher);
        self.timers.hash(hasher);
        self.storage.hash(hasher);
        self.ghost.hash(hasher);
    }
}

impl<A: Actor, G: Debug> Debug for Local<A, G> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut lines = f.debug_struct("Local");
        match &self.state {
            Some(state) => lines.field("state", state).field("timers", &self.timers),
            None => lines.field("down, with storage", &self.storage),
        };
        lines.field("ghost", &self.ghost).finish()
    }
}

/// What happens to one actor.
pub enum Event<'a, A: Actor> {
    /// Its first start.
    Start,
    /// A message arrives.
    Deliver {
        /// Index of the sender.
        src: usize,
        /// The message.
        msg: &'a A::Msg,
    },
    /// A timer fires.
    Timeout(&'a A::Timer),
    /// Its driver hands it what a person asked.
    Input(&'a A::Msg),
    /// It crashes: only its storage is left.
    Crash,
    /// It starts again from its storage.
    Recover,
}

/// One step of one actor, as the specification sees it.
pub struct Step<'a, A: Actor, G> {
    /// Index of the actor.
    pub actor: usize,
    /// What it was; `None` at its first start.
    pub before: Option<&'a Local<A, G>>,
    /// What happened.
    pub event: Event<'a, A>,
    /// Its state afterwards, unless it crashed.
    pub state: Option<&'a A::State>,
    /// Its storage afterwards.
    pub storage: Option<&'a A::Storage>,
    /// What it sent to other actors: index of the receiver, and the message.
    pub sends: &'a [(usize, A::Msg)],
    /// What it sent to places that are no actors: results for its driver.
    pub reports: &'a [A::Msg],
}

/// Whether a property must hold in every state, or be reached in some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Must hold in every reachable state.
    Always,
    /// Must be reached in some state or step, so that the others do not hold vacuously.
    Sometimes,
}

/// A property, by the place of its bit in a [`Verdict`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropertyName {
    /// What is claimed.
    pub name: &'static str,
    /// Safety or reachability.
    pub kind: Kind,
}

/// A set of properties, by their place in [`Spec::properties`]: the `Always` ones that are
/// violated, and the `Sometimes` ones that are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Verdict(pub u64);

impl Verdict {
    /// Adds a property when `hit`.
    pub fn note(&mut self, property: usize, hit: bool) {
        self.0 |= u64::from(hit) << property;
    }

    /// Is this property violated or reached?
    pub fn has(self, property: usize) -> bool {
        self.0 >> property & 1 == 1
    }
}

impl std::ops::BitOr for Verdict {
    type Output = Verdict;
    fn bitor(self, other: Verdict) -> Verdict {
        Verdict(self.0 | other.0)
    }
}

/// How actors are explored and judged.
///
/// Everything here is a function of its arguments alone: the model remembers the answers.
pub trait Spec<A: Actor>: Send + Sync {
    /// What is remembered of one actor, and survives its crashes.
    type Ghost: Clone + Debug + PartialEq + Hash + Send + Sync;
    /// What is remembered of the system as a whole.
    type History: Clone + Debug + PartialEq + Hash + Send + Sync;
    /// The part of a local state that judging the whole system needs.
    type View: Clone + Debug + PartialEq + Hash + Send + Sync;

    /// What is remembered of an actor before its first start.
    fn ghost(&self, actor: usize) -> Self::Ghost;

    /// What is remembered of the system before anything happens.
    fn history(&self) -> Self::History;

    /// What is remembered of the actor after this step. Not asked about a delivery that changes and
    /// sends nothing: such a step must add nothing to what is remembered.
    fn remember(&self, step: &Step<'_, A, Self::Ghost>) -> Self::Ghost;

    /// Is this a step after which something new may be remembered of the system?
    fn is_recorded(&self, step: &Step<'_, A, Self::Ghost>) -> bool {
        let _ = step;
        false
    }

    /// What is remembered of the system after a step that [`Spec::is_recorded`].
    fn record(&self, history: &Self::History, step: &Step<'_, A, Self::Ghost>) -> Self::History {
        let _ = step;
        history.clone()
    }

    /// Is this state within the bounds? A step out of them is not taken.
    fn within(&self, actor: usize, state: &A::State) -> bool {
        let _ = (actor, state);
        true
    }

    /// May this timer fire? One that may not is never explored.
    fn may_time_out(&self, actor: usize, state: &A::State, timer: &A::Timer) -> bool {
        let _ = (actor, state, timer);
        true
    }

    /// May this actor crash?
    fn may_crash(&self, actor: usize) -> bool {
        let _ = actor;
        true
    }

    /// Several workers share the states of a run by the local state of this actor: one that changes seldom, and has many.
    /// It is no matter but of speed.
    fn shares_by(&self) -> usize {
        0
    }

    /// Claims of a message that changes nothing at this actor that it never will, and that its
    /// receiver will never answer it with anything but what it answers now. The claim is checked
    /// after the run, against every local state that can be reached from this one.
    fn is_stale(&self, actor: usize, state: &A::State, src: usize, msg: &A::Msg) -> bool {
        let _ = (actor, state, src, msg);
        false
    }

    /// The state that this one is explored as: one that differs only in what does not matter in this
    /// model, now or later. The claim is checked after the run, against [`Spec::variants`].
    fn canonical(&self, actor: usize, state: A::State) -> A::State {
        let _ = actor;
        state
    }

    /// All other states that are explored as this one.
    fn variants(&self, actor: usize, state: &A::State) -> Vec<A::State> {
        let _ = (actor, state);
        Vec::new()
    }

    /// How many renamings there are, apart from the one that changes nothing, under which the
    /// system looks the same: permutations of actors, with what goes with them. With that one they
    /// are a group. The claim is checked after the run.
    fn renamings(&self) -> usize {
        0
    }

    /// The actor that takes this one's place.
    fn rename_actor(&self, renaming: usize, actor: usize) -> usize {
        unimplemented!("renaming {renaming} of actor {actor}")
    }

    /// What the local state of an actor becomes: a local state of the one that takes its place.
    fn rename_local(
        &self,
        renaming: usize,
        actor: usize,
        local: &Local<A, Self::Ghost>,
    ) -> Local<A, Self::Ghost> {
        let _ = local;
        unimplemented!("renaming {renaming} of a local state of actor {actor}")
    }

    /// What a message becomes.
    fn rename_message(&self, renaming: usize, message: &A::Msg) -> A::Msg {
        unimplemented!("renaming {renaming} of {message:?}")
    }

    /// What is remembered of the system becomes this.
    fn rename_history(&self, renaming: usize, history: &Self::History) -> Self::History {
        unimplemented!("renaming {renaming} of {history:?}")
    }

    /// The properties, at most 64.
    fn properties(&self) -> &[PropertyName];

    /// The part of a local state that [`Spec::judge`] needs.
    fn view(&self, actor: usize, local: &Local<A, Self::Ghost>) -> Self::View;

    /// Judges a local state.
    fn judge_local(&self, actor: usize, local: &Local<A, Self::Ghost>) -> Verdict {
        let _ = (actor, local);
        Verdict::default()
    }

    /// Judges a step: the events that it reaches.
    fn judge_step(&self, step: &Step<'_, A, Self::Ghost>) -> Verdict {
        let _ = step;
        Verdict::default()
    }

    /// Judges the system.
    fn judge(&self, views: &[&Self::View], history: &Self::History) -> Verdict {
        let _ = (views, history);
        Verdict::default()
    }
}
