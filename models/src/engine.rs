//! A breadth-first engine for any [`stateright::Model`]: level by level, on all cores.
//!
//! **Invariants**
//! - *Complete or incomplete, never in between*: a report says `complete` only if every state
//!   within the bounds was expanded; a limit, an interruption or a panic in the model leaves it
//!   incomplete or fails the run.
//! - *The same report from run to run*, whatever the number of threads: levels are barriers, and
//!   of several states that violate a property at the same depth, the one with the lowest
//!   fingerprint is reported, by the path of lowest fingerprints.
//!
//! **Memory**: 8 bytes a fingerprint in a table that is at most 7/8 full, and the states of two
//! levels. No path is kept: [`path_to`] rebuilds one by running again with parents recorded.
//!
//! **Source**: explicit-state breadth-first search with hash compaction (Wolper and Leroy, CAV
//! 1993; Stern and Dill, 1995, for the probability of an omission).

use crate::seen::Seen;
use rustc_hash::FxBuildHasher;
use stateright::{Expectation, Model, Property};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How a run is limited and watched.
pub struct Options<'a> {
    /// Worker threads.
    pub threads: usize,
    /// Stop as incomplete once this many unique states are known.
    pub max_states: Option<u64>,
    /// Stop as incomplete once the table and the levels take this many bytes.
    pub max_memory_bytes: Option<u64>,
    /// Stop as incomplete once this is set.
    pub interrupted: Option<&'a AtomicBool>,
    /// Stop at the end of the level in which an `Always` property was found violated.
    pub stop_at_violation: bool,
    /// Called now and then.
    pub progress: Option<&'a (dyn Fn(&Progress) + Sync)>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            max_states: None,
            max_memory_bytes: None,
            interrupted: None,
            stop_at_violation: true,
            progress: None,
        }
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Steps from the initial state.
    pub depth: u64,
    /// States known.
    pub unique_states: u64,
    /// States generated, known ones again included.
    pub generated_states: u64,
    /// States of this level.
    pub frontier: u64,
    /// States of this level that are expanded.
    pub expanded: u64,
    /// Bytes in the table and the levels.
    pub memory_bytes: u64,
    /// Time since the start.
    pub elapsed: Duration,
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Every state within the bounds was expanded.
    pub complete: bool,
    /// Why not, if not.
    pub stopped: Option<Stopped>,
    /// States known.
    pub unique_states: u64,
    /// States generated, known ones again included.
    pub generated_states: u64,
    /// Steps from the initial state to the deepest state.
    pub depth: u64,
    /// Unique states by depth.
    pub by_depth: Vec<u64>,
    /// Time of the search.
    pub elapsed: Duration,
    /// The most bytes that the table and the levels took.
    pub memory_bytes: u64,
    /// For each property, in the model's order, a nearest state in which an `Always` property fails
    /// or a `Sometimes` property holds.
    pub discoveries: Vec<Option<Discovery>>,
}

/// A state at which a property was found violated or reached, of those nearest to the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// Steps from the initial state.
    pub depth: u64,
    /// The fingerprint of the state: see [`path_to`].
    pub fingerprint: u64,
}

/// Why a run is incomplete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// An `Always` property fails.
    Violation,
    /// The limit of states was reached.
    States,
    /// The limit of memory was reached.
    Memory,
    /// Somebody asked to stop.
    Interrupted,
    /// The model panicked.
    Panic(String),
}

impl Report {
    /// The probability that a state was taken for another with the same fingerprint, estimated as
    /// n^2 / 2^65 for n unique states.
    pub fn collision_probability(&self) -> f64 {
        let n = self.unique_states as f64;
        n * n / 2f64.powi(65)
    }
}

/// The fingerprint of a state: its own hash, spread.
pub fn fingerprint<T: Hash>(state: &T) -> u64 {
    let mut hasher = siphasher::sip::SipHasher13::new();
    state.hash(&mut hasher);
    // 0 marks an empty place in the table.
    hasher.finish().max(1)
}

/// Explores all states of a model within its bounds, and judges its properties in each.
///
/// `Eventually` properties are not supported: see the progress checker.
///
/// # Example
///
/// A clock that counts to three, which is an actor of nobody's but this example's:
///
/// ```
/// use paxos_chat_models::engine::{Options, bfs};
/// use stateright::{Model, Property};
///
/// struct Clock;
/// impl Model for Clock {
///     type State = u8;
///     type Action = ();
///     fn init_states(&self) -> Vec<u8> {
///         vec![0]
///     }
///     fn actions(&self, state: &u8, actions: &mut Vec<()>) {
///         if *state < 3 {
///             actions.push(());
///         }
///     }
///     fn next_state(&self, state: &u8, (): ()) -> Option<u8> {
///         Some(state + 1)
///     }
///     fn properties(&self) -> Vec<Property<Self>> {
///         vec![Property::always("below three", |_, state| *state < 3)]
///     }
/// }
///
/// let report = bfs(&Clock, &Options::default());
/// assert_eq!(report.unique_states, 4);
/// assert_eq!(report.discoveries[0].as_ref().unwrap().depth, 3);
/// ```
///
/// # Panics
/// When the model declares an `Eventually` property.
pub fn bfs<M>(model: &M, options: &Options<'_>) -> Report
where
    M: Model + Sync,
    M::State: Hash + Send + Sync,
{
    let properties = model.properties();
    let hit = |state: &M::State, (bit, property): (usize, &Property<M>)| {
        let holds = (property.condition)(model, state);
        u64::from(holds == (property.expectation == Expectation::Sometimes)) << bit
    };
    bfs_judged(model, options, |state| {
        properties.iter().enumerate().map(|of| hit(state, of)).fold(0, std::ops::BitOr::bitor)
    })
}

/// As [`bfs`], with all properties of a state judged by one call: the `Always` properties that it
/// violates and the `Sometimes` ones that it reaches, as bits in the model's order.
///
/// # Panics
/// When the model declares an `Eventually` property, or more than 64 properties.
pub fn bfs_judged<M, J>(model: &M, options: &Options<'_>, judge: J) -> Report
where
    M: Model + Sync,
    M::State: Hash + Send + Sync,
    J: Fn(&M::State) -> u64 + Sync,
{
    let properties = model.properties();
    let eventually = |p: &Property<M>| p.expectation == Expectation::Eventually;
    assert!(!properties.iter().any(eventually), "`eventually` is not supported");
    assert!(properties.len() <= 64, "at most 64 properties");
    let is_always = |(_, p): &(usize, &Property<M>)| p.expectation == Expectation::Always;
    let always = properties.iter().enumerate().filter(is_always).map(|(bit, _)| 1 << bit).sum();
    Search {
        model,
        options,
        judge,
        always,
        seen: Seen::default(),
        generated: AtomicU64::new(0),
        expanded: AtomicU64::new(0),
        started: Instant::now(),
        stopped: Mutex::new(None),
        halt: AtomicBool::new(false),
        hits: AtomicU64::new(0),
        found: properties.iter().map(|_| AtomicFound::default()).collect(),
    }
    .run()
}

struct Search<'a, M: Model, J> {
    model: &'a M,
    options: &'a Options<'a>,
    judge: J,
    /// The bits of the `Always` properties.
    always: u64,
    seen: Seen,
    generated: AtomicU64,
    expanded: AtomicU64,
    started: Instant,
    stopped: Mutex<Option<Stopped>>,
    halt: AtomicBool,
    /// The bits of the properties found in earlier levels.
    hits: AtomicU64,
    found: Vec<AtomicFound>,
}

/// The lowest fingerprint found for a property, and whether it is from an earlier level.
#[derive(Default)]
struct AtomicFound {
    fingerprint: AtomicU64,
    depth: AtomicU64,
}

impl AtomicFound {
    /// Notes a state of the present level; the lowest fingerprint stays.
    fn note(&self, fingerprint: u64, depth: u64) {
        let lower = |known: u64| (known == 0 || fingerprint < known).then_some(fingerprint);
        self.depth.store(depth, Ordering::Relaxed);
        let _ = self.fingerprint.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lower);
    }
}

/// States a worker takes from the level at once.
const CHUNK: usize = 256;

impl<M, J> Search<'_, M, J>
where
    M: Model + Sync,
    M::State: Hash + Send + Sync,
    J: Fn(&M::State) -> u64 + Sync,
{
    fn run(self) -> Report {
        let mut by_depth = Vec::new();
        let mut memory_max = 0;
        let mut frontier = self.guarded(|| self.start()).unwrap_or_default();
        let mut depth = 0;
        while !frontier.is_empty() && !self.halt.load(Ordering::Relaxed) {
            by_depth.push(frontier.len() as u64);
            let (next, memory) = self.level(&frontier, depth);
            memory_max = memory_max.max(memory);
            self.settle();
            depth += 1;
            frontier = next;
        }
        let stopped = self.stopped.into_inner().expect("no thread is left");
        let discoveries = self.found.into_iter().map(|found| {
            let fingerprint = found.fingerprint.into_inner();
            let depth = found.depth.into_inner();
            (fingerprint != 0).then_some(Discovery { depth, fingerprint })
        });
        Report {
            complete: stopped.is_none(),
            stopped,
            unique_states: self.seen.len(),
            generated_states: self.generated.into_inner(),
            depth: by_depth.len().saturating_sub(1) as u64,
            by_depth,
            elapsed: self.started.elapsed(),
            memory_bytes: memory_max,
            discoveries: discoveries.collect(),
        }
    }

    fn start(&self) -> Vec<M::State> {
        let states = self.model.init_states().into_iter();
        let states: Vec<M::State> = states.filter(|s| self.model.within_boundary(s)).collect();
        self.generated.store(states.len() as u64, Ordering::Relaxed);
        states.into_iter().filter(|state| self.seen.insert(fingerprint(state))).collect()
    }

    /// Judges and expands all states of a level. Returns the next level and the memory in use.
    fn level(&self, frontier: &[M::State], depth: u64) -> (Vec<M::State>, u64) {
        self.expanded.store(0, Ordering::Relaxed);
        let cursor = AtomicUsize::new(0);
        let in_levels = AtomicU64::new(frontier.iter().map(weight).sum());
        let next: Vec<Vec<M::State>> = std::thread::scope(|scope| {
            let work = || self.guarded(|| self.work(frontier, depth, &cursor, &in_levels));
            let threads: Vec<_> =
                (0..self.options.threads.max(1)).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|t| t.join().ok().flatten().unwrap_or_default()).collect()
        });
        let memory = self.seen.memory_bytes() + in_levels.into_inner();
        (next.into_iter().flatten().collect(), memory)
    }

    fn work(
        &self,
        frontier: &[M::State],
        depth: u64,
        cursor: &AtomicUsize,
        in_levels: &AtomicU64,
    ) -> Vec<M::State> {
        let mut next = Vec::new();
        let mut reported = Instant::now();
        while !self.halt.load(Ordering::Relaxed) {
            let from = cursor.fetch_add(CHUNK, Ordering::Relaxed);
            if from >= frontier.len() {
                break;
            }
            let chunk = &frontier[from..frontier.len().min(from + CHUNK)];
            let mut generated = 0;
            let before = next.len();
            for state in chunk {
                self.judge(state, depth);
                for successor in self.model.next_states(state) {
                    if !self.model.within_boundary(&successor) {
                        continue;
                    }
                    generated += 1;
                    if self.seen.insert(fingerprint(&successor)) {
                        next.push(successor);
                    }
                }
            }
            self.generated.fetch_add(generated, Ordering::Relaxed);
            self.expanded.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            let added = next[before..].iter().map(weight).sum::<u64>();
            let levels = in_levels.fetch_add(added, Ordering::Relaxed) + added;
            self.watch(frontier.len(), depth, levels, &mut reported);
        }
        next
    }

    fn judge(&self, state: &M::State, depth: u64) {
        let mut news = (self.judge)(state) & !self.hits.load(Ordering::Relaxed);
        while news != 0 {
            self.found[news.trailing_zeros() as usize].note(fingerprint(state), depth);
            news &= news - 1;
        }
    }

    /// Looks at the limits, and reports progress four times a second.
    fn watch(&self, frontier: usize, depth: u64, levels: u64, reported: &mut Instant) {
        let memory_bytes = self.seen.memory_bytes() + levels;
        let unique_states = self.seen.len();
        if self.options.max_states.is_some_and(|max| unique_states > max) {
            self.stop(Stopped::States);
        }
        if self.options.max_memory_bytes.is_some_and(|max| memory_bytes > max) {
            self.stop(Stopped::Memory);
        }
        if self.options.interrupted.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            self.stop(Stopped::Interrupted);
        }
        if let Some(progress) = self.options.progress
            && reported.elapsed() > Duration::from_millis(250)
        {
            *reported = Instant::now();
            progress(&Progress {
                depth,
                unique_states,
                generated_states: self.generated.load(Ordering::Relaxed),
                frontier: frontier as u64,
                expanded: self.expanded.load(Ordering::Relaxed),
                memory_bytes,
                elapsed: self.started.elapsed(),
            });
        }
    }

    /// Settles what was found in a level, and stops if that is a violation.
    fn settle(&self) {
        let is_found = |found: &AtomicFound| found.fingerprint.load(Ordering::Relaxed) != 0;
        let found = self.found.iter().enumerate().filter(|(_, found)| is_found(found));
        let hits: u64 = found.map(|(bit, _)| 1 << bit).sum();
        self.hits.store(hits, Ordering::Relaxed);
        if self.options.stop_at_violation && hits & self.always != 0 {
            self.stop(Stopped::Violation);
        }
    }

    /// Ends the run as incomplete; the first reason stays.
    fn stop(&self, reason: Stopped) {
        let mut stopped = self.stopped.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        stopped.get_or_insert(reason);
        self.halt.store(true, Ordering::Relaxed);
    }

    /// Runs a part of the search; a panic in it ends the run as incomplete.
    fn guarded<R>(&self, part: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(part)) {
            Ok(result) => Some(result),
            Err(cause) => {
                self.stop(Stopped::Panic(panic_message(&*cause)));
                None
            }
        }
    }
}

fn panic_message(cause: &(dyn std::any::Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("no message").to_string()
}

/// The bytes of a queued state that can be seen from outside.
fn weight<T>(_state: &T) -> u64 {
    size_of::<T>() as u64
}

/// An initial state, then each action with the state it leads to.
pub type Walk<M> = (<M as Model>::State, Vec<(<M as Model>::Action, <M as Model>::State)>);

/// A shortest path to the state with this fingerprint: the initial state, then each action with
/// the state it leads to. `None` if there is no such state within `depth` steps.
///
/// Of several shortest paths it is the one through the lowest fingerprints, so that it is the same
/// in every run. Takes the time of a run on one thread, and 24 bytes a state.
pub fn path_to<M>(model: &M, target: u64, depth: u64) -> Option<Walk<M>>
where
    M: Model,
    M::State: Hash,
{
    let is_within = |state: &M::State| model.within_boundary(state);
    let mut frontier: Vec<M::State> = model.init_states().into_iter().filter(is_within).collect();
    let mut parents: HashMap<u64, Parent, FxBuildHasher> = HashMap::default();
    for state in &frontier {
        parents.insert(fingerprint(state), Parent { fingerprint: 0, level: 0 });
    }
    for level in 1..=depth {
        if parents.contains_key(&target) {
            break;
        }
        let mut next = Vec::new();
        for state in &frontier {
            let parent = fingerprint(state);
            for successor in model.next_states(state).into_iter().filter(is_within) {
                let known = parents.entry(fingerprint(&successor)).or_insert_with(|| {
                    next.push(successor);
                    Parent { fingerprint: parent, level }
                });
                if known.level == level {
                    known.fingerprint = known.fingerprint.min(parent);
                }
            }
        }
        frontier = next;
    }
    let mut chain = vec![target];
    while let Some(parent) = parents.get(chain.last()?) {
        if parent.fingerprint == 0 {
            return walk(model, chain);
        }
        chain.push(parent.fingerprint);
    }
    None
}

struct Parent {
    fingerprint: u64,
    level: u64,
}

/// Follows a chain of fingerprints, given from its end, from an initial state on.
fn walk<M>(model: &M, mut chain: Vec<u64>) -> Option<Walk<M>>
where
    M: Model,
    M::State: Hash,
{
    let first = chain.pop()?;
    let init = model.init_states().into_iter().find(|state| fingerprint(state) == first)?;
    let mut steps: Vec<(M::Action, M::State)> = Vec::new();
    while let Some(next) = chain.pop() {
        let state = steps.last().map_or(&init, |(_, state)| state);
        let mut possible = model.next_steps(state).into_iter();
        steps.push(possible.find(|(_, successor)| fingerprint(successor) == next)?);
    }
    Some((init, steps))
}
