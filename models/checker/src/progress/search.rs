//! Fair runs from every state that an exploration reaches.
//!
//! **Invariant**: what this reports is the same from run to run, whatever the number of threads:
//! the moments met are those of all runs, and of several states that violate progress at the
//! same depth the engine takes the one of the lowest fingerprint.

use super::cast::{Body, Cast, Happens};
use super::run::{Known, Moment, run};
use super::story::{self, Story};
use super::{Goal, Outcome, Schedule, Violation, Why};
use crate::compact::{Action, CompactModel, SystemState};
use crate::engine::{self, Options};
use crate::intern::{AtomicTable, content_hash};
use crate::spec::{Local, Spec};
use crate::trace::trace;
use parking_lot::{Mutex, RwLock};
use rustc_hash::{FxBuildHasher, FxHashSet};
use stateright::actor::Actor;
use stateright::{Model, Property};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How a run starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) schedule: Schedule,
    /// What is in flight is lost.
    pub(super) dropped: bool,
    /// Whoever is down starts again at once.
    pub(super) recovered: bool,
}

/// The search for a state from which some schedule never meets the goal.
pub(super) struct Search<'a, A: Actor, S: Spec<A>, G: Goal<A>> {
    pub(super) model: &'a CompactModel<A, S>,
    pub(super) cast: Cast<A, G>,
    /// The actors that are down may come back.
    recovery: bool,
    schedules: Vec<Schedule>,
    known: Known,
    begun: Begun,
    /// By actor: the bodies of the explored model's local states, plus 1.
    bodies: Vec<AtomicTable>,
    /// By the address of the explored model's message, which never moves.
    mail: RwLock<HashMap<(usize, usize, usize), u32, FxBuildHasher>>,
    skipped: AtomicU64,
    longest: AtomicU32,
}

/// The starts that are known to be good: states may differ in what is remembered of them only.
struct Begun(Box<[Mutex<FxHashSet<u64>>]>);

impl Begun {
    fn contains(&self, start: u64) -> bool {
        self.0[(start >> 58) as usize].lock().contains(&start)
    }

    fn insert(&self, start: u64) {
        self.0[(start >> 58) as usize].lock().insert(start);
    }

    fn len(&self) -> u64 {
        self.0.iter().map(|shard| shard.lock().len() as u64).sum()
    }
}

/// An explored model with progress as its only property.
struct Watched<'a, A: Actor, S: Spec<A>, G: Goal<A>>(Search<'a, A, S, G>);

impl<A: Actor, S: Spec<A>, G: Goal<A>> Model for Watched<'_, A, S, G> {
    type State = SystemState;
    type Action = Action;

    fn init_states(&self) -> Vec<SystemState> {
        self.0.model.init_states()
    }

    fn actions(&self, state: &SystemState, actions: &mut Vec<Action>) {
        self.0.model.actions(state, actions);
    }

    fn next_state(&self, state: &SystemState, action: Action) -> Option<SystemState> {
        self.0.model.next_state(state, action)
    }

    fn next_states(&self, state: &SystemState) -> Vec<SystemState> {
        self.0.model.next_states(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let good = |this: &Self, state: &SystemState| this.0.first_violation(state).is_none();
        vec![Property::always(super::PROPERTY, good)]
    }
}

/// Runs all schedules from every state that the model reaches. `actors` are the model's, without
/// what only bounds the exploration.
pub fn check<A, S, G>(
    model: &CompactModel<A, S>,
    actors: Vec<A>,
    goal: G,
    recovery: bool,
    options: &Options<'_>,
) -> Outcome
where
    A: Actor + Sync,
    A::Msg: Send + Sync,
    A::Timer: Send + Sync,
    A::State: Send + Sync,
    A::Storage: Send + Sync,
    S: Spec<A>,
    G: Goal<A>,
{
    let watched = Watched(Search::new(model, actors, goal, recovery));
    let report = engine::bfs(&watched, options);
    let search = &watched.0;
    let violation = report.discoveries[0].and_then(|found| {
        let (init, path) = engine::path_to(&watched, found.fingerprint, found.depth)?;
        let state = path.last().map_or(&init, |(_, state)| state);
        let (start, why) = search.first_violation(state)?;
        let steps = trace(model, &init, &path);
        let Story { steps, begins } = story::tell(search, state, start, why, steps);
        Some(Violation { schedule: search.describe(start), why, begins, steps })
    });
    let (stale_claims, void) = match model.check_stale() {
        Ok(claims) => (claims, None),
        Err(claim) => (0, Some(format!("{} was dropped as stale, but matters", claim.message))),
    };
    Outcome {
        schedules: search.schedules.len(),
        starts: search.begun.len(),
        runs: search.begun.len() * search.schedules.len() as u64,
        moments: search.known.len(),
        skipped: search.skipped.load(Ordering::Relaxed),
        longest: search.cast.goal.hop() * search.longest.load(Ordering::Relaxed),
        report,
        stale_claims,
        void,
        violation,
    }
}

impl<'a, A: Actor, S: Spec<A>, G: Goal<A>> Search<'a, A, S, G> {
    fn new(model: &'a CompactModel<A, S>, actors: Vec<A>, goal: G, recovery: bool) -> Self {
        let rivals = goal.rivals();
        let turns = (0..rivals).map(Schedule::First);
        Search {
            schedules: turns.chain([Schedule::Lockstep, Schedule::NewestFirst]).collect(),
            model,
            known: Known::default(),
            begun: Begun((0..64).map(|_| Mutex::default()).collect()),
            bodies: actors.iter().map(|_| AtomicTable::default()).collect(),
            mail: RwLock::default(),
            cast: Cast::new(actors, goal),
            recovery,
            skipped: AtomicU64::new(0),
            longest: AtomicU32::new(0),
        }
    }

    /// The first start from this state, in a fixed order, that never meets the goal.
    fn first_violation(&self, state: &SystemState) -> Option<(Start, Why)> {
        let bodies = self.bodies_of(state);
        let is_up =
            |(actor, body): (usize, &u32)| self.cast.body(actor, *body).body.state.is_some();
        let up: Vec<bool> = bodies.iter().enumerate().map(is_up).collect();
        let recovery = self.recovery && up.contains(&false);
        let stay_down = self.cast.goal.is_possible(&up);
        if !stay_down && !recovery {
            self.skipped.fetch_add(1, Ordering::Relaxed);
        }
        let timers = self.timers_of(state);
        let flight = self.flight_of(state);
        let variants = [(false, stay_down), (true, recovery)].into_iter();
        variants.filter(|(_, wanted)| *wanted).find_map(|(recovered, _)| {
            let run = |flight: &[u32]| self.first_bad(&bodies, &timers, flight, recovered);
            run(&[]).or_else(|| if flight.is_empty() { None } else { run(&flight) })
        })
    }

    /// The first schedule that never meets the goal from this start.
    fn first_bad(
        &self,
        bodies: &[u32],
        timers: &[(u8, u8)],
        flight: &[u32],
        recovered: bool,
    ) -> Option<(Start, Why)> {
        let content = content_hash(&(bodies, timers, flight, recovered));
        if self.begun.contains(content) {
            return None;
        }
        let dropped = flight.is_empty();
        for &schedule in &self.schedules {
            let start = Start { schedule, dropped, recovered };
            let moment = self.begin(start, bodies, flight, timers);
            match run(&self.cast, &self.known, moment, &mut |_, _, _, _| {}) {
                Ok(hops) => self.longest.fetch_max(hops, Ordering::Relaxed),
                Err(why) => return Some((start, why)),
            };
        }
        // Only now: another thread that meets the same start must not take it for good before.
        self.begun.insert(content);
        None
    }

    /// The first moment of a run: every timer that is set was set just now.
    fn begin(&self, start: Start, bodies: &[u32], flight: &[u32], timers: &[(u8, u8)]) -> Moment {
        let cast = &self.cast;
        let schedule = start.schedule;
        let (bodies, flight) = (bodies.to_vec(), flight.to_vec());
        let mut moment = Moment { schedule, bodies, timers: Vec::new(), flight };
        for &(actor, timer) in timers {
            let delay = cast.goal.delay(cast.timer(timer));
            let hops = moment.hops(cast, usize::from(actor), &delay);
            moment.timers.push((actor, timer, hops));
        }
        moment.timers.sort_unstable();
        if start.recovered {
            for actor in 0..cast.actors.len() {
                if cast.body(actor, moment.bodies[actor]).body.state.is_none() {
                    moment.step(cast, actor, Happens::Recover);
                }
            }
        }
        moment
    }

    /// As [`Search::begin`], for a state of the explored model.
    pub(super) fn begin_at(&self, state: &SystemState, start: Start) -> Moment {
        let bodies = self.bodies_of(state);
        let flight = if start.dropped { Vec::new() } else { self.flight_of(state) };
        self.begin(start, &bodies, &flight, &self.timers_of(state))
    }

    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    fn timers_of(&self, state: &SystemState) -> Vec<(u8, u8)> {
        let mut timers = Vec::new();
        for actor in 0..self.cast.actors.len() {
            for timer in &self.model.local(state, actor).timers {
                timers.push((actor as u8, self.cast.timer_number(timer)));
            }
        }
        timers.sort_unstable();
        timers
    }

    fn bodies_of(&self, state: &SystemState) -> Vec<u32> {
        let core = self.model.core(state);
        let locals = &core[core.len() - self.cast.actors.len()..];
        let body = |(actor, local): (usize, &u32)| self.body_of(state, actor, *local);
        locals.iter().enumerate().map(body).collect()
    }

    /// The body of an actor, whose local state in the explored model has this id.
    fn body_of(&self, state: &SystemState, actor: usize, local: u32) -> u32 {
        let known = self.bodies[actor].get(local);
        if known != 0 {
            return known - 1;
        }
        let Local { state, storage, .. } = self.model.local(state, actor);
        let (state, storage) = (state.clone(), storage.clone());
        let body = Body::<A> { state, timers: Vec::new(), storage, ghost: () };
        let body = self.cast.intern_body(actor, body);
        self.bodies[actor].set(local, body + 1);
        body
    }

    /// What is in flight, ordered by content: a set does not tell what was sent first.
    fn flight_of(&self, state: &SystemState) -> Vec<u32> {
        let envelopes = self.model.envelopes(state).into_iter();
        let number = |(src, dst, msg): (usize, usize, &A::Msg)| {
            let address = (src, dst, std::ptr::from_ref(msg) as usize);
            if let Some(known) = self.mail.read().get(&address) {
                return *known;
            }
            let mail = super::cast::Mail { src, dst, msg: msg.clone() };
            let number = self.cast.mail.intern(mail);
            self.mail.write().insert(address, number);
            number
        };
        envelopes.map(number).collect()
    }

    /// A start in words.
    fn describe(&self, start: Start) -> String {
        let schedule = match start.schedule {
            Schedule::First(actor) => format!("{} first to time out", self.model.name(actor)),
            Schedule::Lockstep => "all time out together".into(),
            Schedule::NewestFirst => "the newest message first".into(),
        };
        let flight = if start.dropped { "dropped" } else { "present" };
        let down = match start.recovered {
            true => ", whoever is down comes back",
            false => "",
        };
        format!("{schedule}, everything in flight {flight}{down}")
    }
}
