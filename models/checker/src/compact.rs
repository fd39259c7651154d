//! A system of actors as a [`stateright::Model`], with every local state and every envelope interned
//! and every local step computed once.
//!
//! A system state is a short vector of small integers; a successor is a copy of it with one
//! local state replaced and some envelopes merged in.
//!
//! **The network** is a set of envelopes that only grows: any message may be delivered late,
//! twice, out of order, or never.
//!
//! **Crashes** are steps: of at most a number of actors at once, and at most a number in all. A
//! crash leaves what the actor saved, and what the specification remembers of it.
//!
//! **Invariants**
//! - *Fingerprints combine content hashes*, never ids, which depend on the order in which threads
//!   arrive: sums of spread hashes, updated incrementally.
//! - *A state's form is canonical*: its envelopes are sorted, so equal states are equal vectors.
//! - *Actions are ordered by content*, so that indices into them are the same in every run.
//!
//! **Source**: interning and memoisation as in explicit-state checkers with collapse compression
//! (Holzmann, *State Compression in SPIN*, 1997).

pub mod dictionary;
pub mod exchange;
mod explored;
mod packed;
mod ports;
mod renaming;
mod state;
mod steps;
mod successors;
mod verdicts;

pub use packed::shared;
pub use state::{Action, Envelope, SystemState};
pub(crate) use steps::{FIRST_STEP, LocalCell, NO_OP, OriginEvent, STALE};
pub(crate) use verdicts::per_property;

use crate::fingerprint::Term;
use crate::intern::{Interner, Memo};
use crate::spec::{Local, Spec};
use ports::{Arrival, Move, Port};
use state::{CRASHES, HISTORY, PORTS};
use stateright::actor::Actor;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use steps::StepCell;
use verdicts::conditions;

/// How many actors may crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crashes {
    /// Actors down at once, at most.
    pub at_once: u32,
    /// Crashes in all, at most.
    pub total: u32,
    /// Crashed actors may start again.
    pub recovery: bool,
}

/// Which reductions are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reductions {
    /// Take every step that only sends at once (see the module's documentation).
    pub eager_sends: bool,
    /// Drop messages that by the specification's claim only repeat, now and for ever, what they
    /// have made their receiver send already. Needs `eager_sends`. The claim is checked after
    /// the run by [`CompactModel::check_stale`].
    pub stale_messages: bool,
    /// Explore local states as one that by the specification's claim differ only in what does not
    /// matter. The claim is checked after the run by [`CompactModel::check_dead_variables`].
    pub dead_variables: bool,
    /// Take states for one that differ only by a renaming under which, by the specification's
    /// claim, the system looks the same. The claim is checked after the run by
    /// [`CompactModel::check_symmetry`].
    pub symmetry: bool,
}

impl Reductions {
    /// Every reduction.
    pub const ALL: Reductions = Reductions {
        eager_sends: true,
        stale_messages: true,
        dead_variables: true,
        symmetry: true,
    };
    /// No reduction.
    pub const NONE: Reductions = Reductions {
        eager_sends: false,
        stale_messages: false,
        dead_variables: false,
        symmetry: false,
    };
}

/// A system of actors under a specification.
///
/// # Example
///
/// An actor that counts the messages it is sent, up to two, beside one that sends:
///
/// ```
/// use actor_checker::compact::{CompactModel, Reductions};
/// use actor_checker::engine::Options;
/// use actor_checker::spec::{Kind, Local, PropertyName, Spec, Step, Verdict};
/// use stateright::actor::{Actor, Id, Out};
/// use std::borrow::Cow;
///
/// enum Node {
///     Sender,
///     Counter,
/// }
/// impl Actor for Node {
///     type Msg = u8;
///     type Timer = ();
///     type State = u8;
///     type Storage = ();
///     type Random = ();
///     fn on_start(&self, _: Id, _: &Option<()>, out: &mut Out<Self>) -> u8 {
///         if let Node::Sender = self {
///             out.send(Id::from(1), 7);
///         }
///         0
///     }
///     fn on_msg(&self, _: Id, state: &mut Cow<'_, u8>, _: Id, _: u8, _: &mut Out<Self>) {
///         if **state < 2 {
///             *state.to_mut() += 1;
///         }
///     }
/// }
///
/// struct Once;
/// impl Spec<Node> for Once {
///     type Ghost = ();
///     type History = ();
///     type View = u8;
///     fn ghost(&self, _: usize) {}
///     fn history(&self) {}
///     fn remember(&self, _: &Step<'_, Node, ()>) {}
///     fn properties(&self) -> &[PropertyName] {
///         &[PropertyName { name: "counted at most once", kind: Kind::Always }]
///     }
///     fn view(&self, _: usize, local: &Local<Node, ()>) -> u8 {
///         local.state.unwrap_or(0)
///     }
///     fn judge(&self, views: &[&u8], (): &()) -> Verdict {
///         let mut verdict = Verdict::default();
///         verdict.note(0, *views[1] > 1);
///         verdict
///     }
/// }
///
/// // The one message may arrive again and again: the counter gets to 0, 1 and 2.
/// let model = CompactModel::new(vec![(Node::Sender, None), (Node::Counter, None)], Once);
/// let options = Options { stop_at_violation: false, ..Options::default() };
/// let report = model.bfs(&options);
/// assert!(report.complete);
/// assert_eq!(report.unique_states, 3);
/// let found = report.discoveries[0].expect("it is counted twice");
/// let (_, steps) = model.path_to(found.fingerprint, found.depth).expect("a path");
/// assert_eq!(steps.len(), 2);
/// ```
pub struct CompactModel<A: Actor, S: Spec<A>> {
    actors: Vec<A>,
    storages: Vec<Option<A::Storage>>,
    /// What people may ask of an actor's driver, each at most once.
    inputs: Vec<(usize, A::Msg)>,
    spec: S,
    crashes: Crashes,
    reductions: Reductions,
    /// How many renamings there are, apart from the one that changes nothing.
    renamings: usize,
    /// Who takes the place of [`Spec::shares_by`], and under which renamings; nothing is the one that changes nothing.
    sharers: BTreeMap<usize, Vec<Option<usize>>>,
    pub(crate) locals: Vec<Interner<LocalCell<A, S>>>,
    inbound: Vec<Interner<Renamed<Inbound<A::Msg>>>>,
    timers: Interner<A::Timer>,
    steps: boxcar::Vec<StepCell>,
    histories: Interner<Renamed<S::History>>,
    views: Interner<S::View>,
    ports: Vec<Interner<Port>>,
    /// By envelope and its receiver's port, the number of the arrival.
    arrivals: Memo<u64, u32>,
    arrived: boxcar::Vec<Arrival>,
    /// By actor, port and input, the number of the move.
    input_moves: Memo<(u32, u32, u32), u32>,
    inputs_moved: boxcar::Vec<Move>,
    /// By renaming, actor and local state, the number of the renamed one.
    renamed_locals: Memo<(u32, u32, u32), u32>,
    /// By renaming and envelope, the renamed one.
    renamed_envelopes: Memo<(u32, u32), Envelope>,
    /// By history and step.
    recorded: Memo<Box<[u32]>, u32>,
    /// By history and the views of all actors.
    verdicts: Memo<Box<[u32]>, u64>,
    /// The events of all steps that were taken.
    reached: AtomicU64,
}

/// An envelope, as its receiver sees it.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Inbound<M> {
    src: usize,
    msg: M,
}

/// A value, and what it adds to a fingerprint under each renaming.
struct Renamed<T> {
    value: T,
    renamed_terms: Box<[Term]>,
}

impl<T: PartialEq> PartialEq<T> for Renamed<T> {
    fn eq(&self, other: &T) -> bool {
        self.value == *other
    }
}

/// The most actors that a model may have.
pub const MAX_ACTORS: usize = 15;

/// The names of actors, as lanes and messages show them.
pub fn names<A: Actor>(actors: &[A]) -> Vec<String> {
    (0..actors.len()).map(|actor| name(actors, actor)).collect()
}

fn name<A: Actor>(actors: &[A], actor: usize) -> String {
    let name = actors[actor].name();
    let shared = actors.iter().filter(|other| other.name() == name).count() > 1;
    if name.is_empty() {
        format!("actor {actor}")
    } else if shared {
        format!("{name} {actor}")
    } else {
        name
    }
}

impl<A, S> CompactModel<A, S>
where
    A: Actor,
    S: Spec<A>,
{
    /// A system of these actors, each with what its storage held at the first start.
    pub fn new(actors: Vec<(A, Option<A::Storage>)>, spec: S) -> Self {
        let (actors, storages): (Vec<A>, Vec<Option<A::Storage>>) = actors.into_iter().unzip();
        assert!(spec.properties().len() <= 64, "at most 64 properties");
        CompactModel {
            locals: actors.iter().map(|_| Interner::default()).collect(),
            inbound: actors.iter().map(|_| Interner::default()).collect(),
            ports: actors.iter().map(|_| Interner::default()).collect(),
            actors,
            storages,
            inputs: Vec::new(),
            timers: Interner::default(),
            sharers: BTreeMap::from([(spec.shares_by(), vec![None])]),
            spec,
            crashes: Crashes::default(),
            reductions: Reductions::default(),
            renamings: 0,
            steps: boxcar::Vec::new(),
            histories: Interner::default(),
            views: Interner::default(),
            arrivals: Memo::default(),
            arrived: boxcar::Vec::new(),
            input_moves: Memo::default(),
            renamed_locals: Memo::default(),
            renamed_envelopes: Memo::default(),
            inputs_moved: boxcar::Vec::new(),
            recorded: Memo::default(),
            verdicts: Memo::default(),
            reached: AtomicU64::new(0),
        }
    }

    /// The same system with a person's inputs: each is given to its actor at most once, at any
    /// moment, as a message from its own driver.
    #[must_use]
    pub fn with_inputs(mut self, inputs: Vec<(usize, A::Msg)>) -> Self {
        assert!(inputs.len() <= 32, "at most 32 inputs");
        self.inputs = inputs;
        self
    }

    /// The same system with these faults.
    #[must_use]
    pub fn with_crashes(mut self, crashes: Crashes) -> Self {
        self.crashes = crashes;
        self
    }

    /// The same system with these reductions.
    #[must_use]
    pub fn with_reductions(mut self, reductions: Reductions) -> Self {
        let sound = reductions.eager_sends || !reductions.stale_messages;
        assert!(sound, "a message may be dropped only once everything it sends is sent");
        self.reductions = reductions;
        self.renamings = if reductions.symmetry { self.spec.renamings() } else { 0 };
        self.sharers = BTreeMap::from([(self.spec.shares_by(), vec![None])]);
        for renaming in 0..self.renamings {
            let place = |actor: &usize| self.spec.rename_actor(renaming, *actor);
            let sharer = (0..self.actors.len()).find(|actor| place(actor) == self.spec.shares_by());
            let sharer = sharer.expect("a renaming takes every place");
            self.sharers.entry(sharer).or_default().push(Some(renaming));
        }
        self
    }

    /// The reductions that are on.
    pub fn reductions(&self) -> Reductions {
        self.reductions
    }

    /// The specification.
    pub fn spec(&self) -> &S {
        &self.spec
    }

    /// The actors.
    pub fn actors(&self) -> &[A] {
        &self.actors
    }

    /// An actor's name, as lanes and messages show it.
    pub fn name(&self, actor: usize) -> String {
        name(&self.actors, actor)
    }

    /// The state without its network: two states with the same core differ in envelopes only.
    pub fn core(&self, state: &SystemState) -> Vec<u32> {
        let locals = (0..self.actors.len()).map(|actor| self.port_of(state, actor).local);
        state.words[..PORTS].iter().copied().chain(locals).collect()
    }

    fn port_of(&self, state: &SystemState, actor: usize) -> &Port {
        self.port(actor, state.words[PORTS + actor])
    }

    /// The local state of an actor.
    pub fn local(&self, state: &SystemState, actor: usize) -> &Local<A, S::Ghost> {
        &self.cell(actor, self.port_of(state, actor).local).local
    }

    /// What is remembered of the system.
    pub fn history(&self, state: &SystemState) -> &S::History {
        &self.histories.get(state.words[HISTORY]).value
    }

    /// How many crashes there were.
    pub fn crashes(&self, state: &SystemState) -> u32 {
        state.words[CRASHES]
    }

    /// The envelopes in flight: sender, receiver and message, ordered by content.
    pub fn envelopes(&self, state: &SystemState) -> Vec<(usize, usize, &A::Msg)> {
        let mut envelopes: Vec<Envelope> = self.network(state).collect();
        envelopes.sort_by_key(|envelope| self.content_order(*envelope));
        envelopes.into_iter().map(|envelope| self.open(envelope)).collect()
    }

    /// Sender, receiver and message of an envelope.
    pub fn open(&self, envelope: Envelope) -> (usize, usize, &A::Msg) {
        let inbound = &self.inbound[envelope.dst()].get(envelope.index()).value;
        (inbound.src, envelope.dst(), &inbound.msg)
    }

    /// All distinct local states that were met: the actor and the state.
    pub fn all_locals(&self) -> impl Iterator<Item = (usize, &Local<A, S::Ghost>)> {
        self.locals
            .iter()
            .enumerate()
            .flat_map(|(actor, locals)| locals.iter().map(move |(_, cell)| (actor, &cell.local)))
    }

    pub(crate) fn cell(&self, actor: usize, id: u32) -> &LocalCell<A, S> {
        self.locals[actor].get(id)
    }

    fn network(&self, state: &SystemState) -> impl Iterator<Item = Envelope> {
        (0..self.actors.len()).flat_map(move |actor| {
            let inbox = &self.port_of(state, actor).inbox;
            inbox.iter().map(move |envelope| Envelope::new(actor, *envelope))
        })
    }

    /// Receiver, sender, content: an order that every run agrees on.
    pub(super) fn content_order(&self, envelope: Envelope) -> (usize, usize, u64) {
        let inbound = &self.inbound[envelope.dst()];
        let src = inbound.get(envelope.index()).value.src;
        (envelope.dst(), src, inbound.hash_of(envelope.index()))
    }
}
