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

use crate::intern::{AtomicTable, Interner, Memo, content_hash, spread};
use crate::spec::{Event, Kind, Local, Spec, Step, Verdict};
use stateright::actor::{Actor, Command, Id, Out};
use stateright::{Model, Property};
use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much may go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Actors down at once, at most.
    pub crashes_at_once: u32,
    /// Crashes in all, at most.
    pub crashes_total: u32,
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
}

/// A system of actors under a specification.
pub struct CompactModel<A: Actor, S: Spec<A>> {
    actors: Vec<A>,
    storages: Vec<Option<A::Storage>>,
    /// What people may ask of an actor's driver, each at most once.
    inputs: Vec<(usize, A::Msg)>,
    spec: S,
    faults: Faults,
    reductions: Reductions,
    pub(crate) locals: Vec<Interner<LocalCell<A, S>>>,
    inbound: Vec<Interner<Inbound<A::Msg>>>,
    timers: Interner<A::Timer>,
    steps: boxcar::Vec<StepCell>,
    histories: Interner<S::History>,
    views: Interner<S::View>,
    /// By history and step.
    recorded: Memo<u32>,
    /// By history and the views of all actors.
    verdicts: Memo<u64>,
    /// The events of all steps that were taken.
    reached: AtomicU64,
}

/// An envelope, as its receiver sees it.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Inbound<M> {
    src: usize,
    msg: M,
}

/// A local state and what is known of it.
pub(crate) struct LocalCell<A: Actor, S: Spec<A>> {
    pub(crate) local: Local<A, S::Ghost>,
    verdict: Verdict,
    view: u32,
    within: bool,
    /// By inbound envelope: a step or [`NO_OP`], marked if [`STALE`].
    pub(crate) deliveries: AtomicTable,
    /// By timer; only those that may fire.
    pub(crate) timeouts: OnceLock<Box<[(u32, u32)]>>,
    /// By input: a step, or [`NO_OP`].
    pub(crate) inputs: AtomicTable,
    pub(crate) crash: OnceLock<u32>,
    pub(crate) recovery: OnceLock<u32>,
}

impl<A: Actor, S: Spec<A>> PartialEq<Local<A, S::Ghost>> for LocalCell<A, S> {
    fn eq(&self, other: &Local<A, S::Ghost>) -> bool {
        self.local == *other
    }
}

/// A delivery that changes nothing, or leads out of bounds.
pub(crate) const NO_OP: u32 = 1;
/// The first number of a step.
pub(crate) const FIRST_STEP: u32 = 2;
/// Marks a delivery that by the specification's claim only repeats itself for ever after.
pub(crate) const STALE: u32 = 1 << 31;

/// A step of one actor, computed once.
pub(crate) struct StepCell {
    pub(crate) next: u32,
    /// Sorted.
    pub(crate) sends: Box<[Envelope]>,
    /// What the step reaches.
    verdict: Verdict,
    /// The specification records it.
    recorded: bool,
    /// It changes nothing but the network.
    pub(crate) only_sends: bool,
    origin: Origin,
}

#[derive(Clone, Copy)]
struct Origin {
    actor: u32,
    local: u32,
    event: OriginEvent,
}

#[derive(Clone, Copy)]
enum OriginEvent {
    Deliver(u32),
    Timeout(u32),
    Input(u32),
    Crash,
    Recover,
}

/// The number of an envelope: receiver and index among the envelopes to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Envelope(u32);

const INDEX_BITS: u32 = 26;

impl Envelope {
    pub(crate) fn new(dst: usize, index: u32) -> Envelope {
        assert!(dst < 1 << (32 - INDEX_BITS) && index < 1 << INDEX_BITS, "envelope numbers fit");
        Envelope((dst as u32) << INDEX_BITS | index)
    }

    fn dst(self) -> usize {
        (self.0 >> INDEX_BITS) as usize
    }

    fn index(self) -> u32 {
        self.0 & ((1 << INDEX_BITS) - 1)
    }
}

/// A system state: a fingerprint and a short vector of numbers.
#[derive(Clone, Debug)]
pub struct SystemState {
    fingerprint: u64,
    /// History, crashes so far, the inputs given so far as a bit set, the local state of each
    /// actor, then the envelopes, sorted.
    words: Box<[u32]>,
}

const HISTORY: usize = 0;
const CRASHES: usize = 1;
const INPUTS: usize = 2;
const LOCALS: usize = 3;

impl SystemState {
    /// The state's fingerprint: the same in every run.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The bytes that this state takes in memory.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.words)
    }
}

impl PartialEq for SystemState {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}

impl Eq for SystemState {}

impl Hash for SystemState {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.fingerprint);
    }
}

/// A step of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// An envelope arrives.
    Deliver(Envelope),
    /// A timer of an actor fires.
    Timeout(usize, u32),
    /// A person's input reaches its actor.
    Input(u32),
    /// An actor crashes.
    Crash(usize),
    /// A crashed actor starts again.
    Recover(usize),
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
            actors,
            storages,
            inputs: Vec::new(),
            timers: Interner::default(),
            spec,
            faults: Faults::default(),
            reductions: Reductions::default(),
            steps: boxcar::Vec::new(),
            histories: Interner::default(),
            views: Interner::default(),
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
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// The same system with these reductions.
    #[must_use]
    pub fn with_reductions(mut self, reductions: Reductions) -> Self {
        let sound = reductions.eager_sends || !reductions.stale_messages;
        assert!(sound, "a message may be dropped only once everything it sends is sent");
        self.reductions = reductions;
        self
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
        let name = self.actors[actor].name();
        let shared = self.actors.iter().filter(|other| other.name() == name).count() > 1;
        if name.is_empty() {
            format!("actor {actor}")
        } else if shared {
            format!("{name} {actor}")
        } else {
            name
        }
    }

    /// The state without its network: two states with the same core differ in envelopes only.
    pub fn core<'a>(&self, state: &'a SystemState) -> &'a [u32] {
        &state.words[..LOCALS + self.actors.len()]
    }

    /// The local state of an actor.
    pub fn local(&self, state: &SystemState, actor: usize) -> &Local<A, S::Ghost> {
        &self.cell(actor, state.words[LOCALS + actor]).local
    }

    /// What is remembered of the system.
    pub fn history(&self, state: &SystemState) -> &S::History {
        self.histories.get(state.words[HISTORY])
    }

    /// How many crashes there were.
    pub fn crashes(&self, state: &SystemState) -> u32 {
        state.words[CRASHES]
    }

    /// The envelopes in flight: sender, receiver and message, ordered by content.
    pub fn envelopes(&self, state: &SystemState) -> Vec<(usize, usize, &A::Msg)> {
        let mut envelopes: Vec<Envelope> = self.network(state).map(Envelope).collect();
        envelopes.sort_by_key(|envelope| self.content_order(*envelope));
        envelopes.into_iter().map(|envelope| self.open(envelope)).collect()
    }

    /// Sender, receiver and message of an envelope.
    pub fn open(&self, envelope: Envelope) -> (usize, usize, &A::Msg) {
        let inbound = self.inbound[envelope.dst()].get(envelope.index());
        (inbound.src, envelope.dst(), &inbound.msg)
    }

    /// How many distinct local states of each actor were met.
    pub fn local_counts(&self) -> Vec<usize> {
        self.locals.iter().map(Interner::len).collect()
    }

    /// All distinct local states that were met: the actor and the state.
    pub fn all_locals(&self) -> impl Iterator<Item = (usize, &Local<A, S::Ghost>)> {
        self.locals
            .iter()
            .enumerate()
            .flat_map(|(actor, locals)| locals.iter().map(move |(_, cell)| (actor, &cell.local)))
    }

    /// How many distinct envelopes were met.
    pub fn envelope_count(&self) -> usize {
        self.inbound.iter().map(Interner::len).sum()
    }

    fn cell(&self, actor: usize, id: u32) -> &LocalCell<A, S> {
        self.locals[actor].get(id)
    }

    fn network<'a>(&self, state: &'a SystemState) -> impl Iterator<Item = u32> + 'a {
        state.words[LOCALS + self.actors.len()..].iter().copied()
    }

    /// Receiver, sender, content: an order that every run agrees on.
    fn content_order(&self, envelope: Envelope) -> (usize, usize, u64) {
        let inbound = &self.inbound[envelope.dst()];
        let src = inbound.get(envelope.index()).src;
        (envelope.dst(), src, inbound.hash_of(envelope.index()))
    }

    fn intern_local(&self, actor: usize, local: Local<A, S::Ghost>) -> u32 {
        self.locals[actor].intern_with(local, |local| LocalCell {
            verdict: self.spec.judge_local(actor, &local),
            view: self.views.intern(self.spec.view(actor, &local)),
            within: local.state.as_ref().is_none_or(|state| self.spec.within(actor, state)),
            local,
            deliveries: AtomicTable::default(),
            timeouts: OnceLock::new(),
            inputs: AtomicTable::default(),
            crash: OnceLock::new(),
            recovery: OnceLock::new(),
        })
    }

    // --- Fingerprints: sums of spread content hashes, each with its place as salt.

    fn local_term(&self, actor: usize, id: u32) -> u64 {
        spread(self.locals[actor].hash_of(id), 2 * actor as u64 + 3)
    }

    fn envelope_term(&self, envelope: Envelope) -> u64 {
        let hash = self.inbound[envelope.dst()].hash_of(envelope.index());
        spread(hash, 2 * envelope.dst() as u64 + 4)
    }

    fn history_term(&self, id: u32) -> u64 {
        spread(self.histories.hash_of(id), 1)
    }

    fn crashes_term(crashes: u32) -> u64 {
        spread(u64::from(crashes), 2)
    }

    fn inputs_term(inputs: u32) -> u64 {
        spread(u64::from(inputs), 0)
    }

    // --- Steps.

    /// Runs the actor once and interns what came of it. `None` for a step that changes nothing.
    fn compute(&self, actor: usize, local: u32, event: OriginEvent) -> Option<u32> {
        let before = &self.cell(actor, local).local;
        let spec_event = self.event(actor, event);
        let (next, sends, reports) = self.run(actor, Some(before), &spec_event);
        let may_be_ignored = matches!(event, OriginEvent::Deliver(_) | OriginEvent::Input(_));
        if may_be_ignored && sends.is_empty() && reports.is_empty() && next == *before {
            return None;
        }
        let step = Step {
            actor,
            before: Some(before),
            event: spec_event,
            state: next.state.as_ref(),
            storage: next.storage.as_ref(),
            sends: &sends,
            reports: &reports,
        };
        let ghost = self.spec.remember(&step);
        let verdict = self.spec.judge_step(&step);
        let recorded = self.spec.is_recorded(&step);
        let mut sends: Vec<Envelope> =
            sends.into_iter().map(|(dst, msg)| self.intern_envelope(actor, dst, msg)).collect();
        sends.sort_unstable();
        sends.dedup();
        let next = self.intern_local(actor, Local { ghost, ..next });
        let repeatable = matches!(event, OriginEvent::Deliver(_) | OriginEvent::Timeout(_));
        let only_sends = repeatable && !recorded && next == local;
        let origin = Origin { actor: actor as u32, local, event };
        let cell = StepCell { next, sends: sends.into(), verdict, recorded, only_sends, origin };
        let number =
            u32::try_from(self.steps.push(cell)).expect("fewer than 2^32 steps") + FIRST_STEP;
        assert!(number < STALE, "the numbers of steps leave the mark free");
        Some(number)
    }

    fn event(&self, actor: usize, event: OriginEvent) -> Event<'_, A> {
        match event {
            OriginEvent::Deliver(index) => {
                let inbound = self.inbound[actor].get(index);
                Event::Deliver { src: inbound.src, msg: &inbound.msg }
            }
            OriginEvent::Timeout(timer) => Event::Timeout(self.timers.get(timer)),
            OriginEvent::Input(input) => Event::Input(&self.inputs[input as usize].1),
            OriginEvent::Crash => Event::Crash,
            OriginEvent::Recover => Event::Recover,
        }
    }

    fn intern_envelope(&self, src: usize, dst: usize, msg: A::Msg) -> Envelope {
        Envelope::new(dst, self.inbound[dst].intern(Inbound { src, msg }))
    }

    /// Calls the actor. The ghost of the result is that of the local state before.
    #[allow(clippy::type_complexity, reason = "three results of one call")]
    fn run(
        &self,
        actor: usize,
        before: Option<&Local<A, S::Ghost>>,
        event: &Event<'_, A>,
    ) -> (Local<A, S::Ghost>, Vec<(usize, A::Msg)>, Vec<A::Msg>) {
        let this = &self.actors[actor];
        let id = Id::from(actor);
        let mut out = Out::new();
        let ghost = before.map_or_else(|| self.spec.ghost(actor), |before| before.ghost.clone());
        let mut timers = before.map_or_else(Vec::new, |before| before.timers.clone());
        let mut storage = match before {
            Some(before) => before.storage.clone(),
            None => self.storages[actor].clone(),
        };
        let up = |before: Option<&Local<A, S::Ghost>>| {
            before.and_then(|before| before.state.clone()).expect("only an actor that is up acts")
        };
        let state = match event {
            Event::Start | Event::Recover => Some(this.on_start(id, &storage, &mut out)),
            Event::Crash => {
                timers.clear();
                None
            }
            Event::Deliver { src, msg } => {
                let mut state = Cow::Owned(up(before));
                this.on_msg(id, &mut state, Id::from(*src), (*msg).clone(), &mut out);
                Some(state.into_owned())
            }
            Event::Input(msg) => {
                let mut state = Cow::Owned(up(before));
                this.on_msg(id, &mut state, Id::from(usize::MAX), (*msg).clone(), &mut out);
                Some(state.into_owned())
            }
            Event::Timeout(timer) => {
                let mut state = Cow::Owned(up(before));
                timers.retain(|set| set != *timer);
                this.on_timeout(id, &mut state, timer, &mut out);
                Some(state.into_owned())
            }
        };
        let mut sends = Vec::new();
        let mut reports = Vec::new();
        for command in out {
            match command {
                Command::Send(dst, msg) if usize::from(dst) < self.actors.len() => {
                    sends.push((usize::from(dst), msg));
                }
                Command::Send(_, msg) => reports.push(msg),
                Command::SetTimer(timer, _) if !timers.contains(&timer) => timers.push(timer),
                Command::SetTimer(..) => {}
                Command::CancelTimer(timer) => timers.retain(|set| *set != timer),
                Command::Save(saved) => storage = Some(saved),
                Command::ChooseRandom(..) => {
                    unimplemented!("actors that choose at random are not modelled")
                }
            }
        }
        timers.sort_by_key(content_hash);
        (Local { state, timers, storage, ghost }, sends, reports)
    }

    /// What delivering this envelope to this local state comes to, marked if it is stale.
    fn delivery_or_stale(&self, actor: usize, local: u32, envelope: u32) -> u32 {
        let cell = self.cell(actor, local);
        let known = cell.deliveries.get(envelope);
        if known != 0 {
            return known;
        }
        let outcome = match &cell.local.state {
            // Nothing is delivered to an actor that is down.
            None => NO_OP,
            Some(state) => {
                let step = self.compute(actor, local, OriginEvent::Deliver(envelope));
                let step = step.filter(|step| self.take(*step)).unwrap_or(NO_OP);
                let repeats = step == NO_OP || self.step(step).only_sends;
                let inbound = self.inbound[actor].get(envelope);
                let stale = repeats
                    && self.reductions.stale_messages
                    && self.spec.is_stale(actor, state, inbound.src, &inbound.msg);
                if stale { STALE | step } else { step }
            }
        };
        cell.deliveries.set(envelope, outcome);
        outcome
    }

    /// The step of delivering this envelope to this local state, or [`NO_OP`].
    pub(crate) fn delivery(&self, actor: usize, local: u32, envelope: u32) -> u32 {
        self.delivery_or_stale(actor, local, envelope) & !STALE
    }

    fn is_stale(&self, envelope: Envelope, words: &[u32]) -> bool {
        let local = words[LOCALS + envelope.dst()];
        self.delivery_or_stale(envelope.dst(), local, envelope.index()) & STALE != 0
    }

    pub(crate) fn step(&self, step: u32) -> &StepCell {
        &self.steps[(step - FIRST_STEP) as usize]
    }

    /// Is this step within the bounds? If so, notes what it reaches.
    fn take(&self, step: u32) -> bool {
        let cell = self.step(step);
        let within = self.cell(cell.origin.actor as usize, cell.next).within;
        if within {
            self.reached.fetch_or(cell.verdict.0, Ordering::Relaxed);
        }
        within
    }

    /// The time-outs that may happen: the timer, and the step.
    fn timeouts(&self, actor: usize, local: u32) -> &[(u32, u32)] {
        let cell = self.cell(actor, local);
        cell.timeouts.get_or_init(|| {
            let Some(state) = &cell.local.state else { return Box::default() };
            let may = |timer: &A::Timer| self.spec.may_time_out(actor, state, timer);
            cell.local
                .timers
                .iter()
                .filter(|timer| may(timer))
                .filter_map(|timer| {
                    let timer = self.timers.intern(timer.clone());
                    let step = self.compute(actor, local, OriginEvent::Timeout(timer))?;
                    self.take(step).then_some((timer, step))
                })
                .collect()
        })
    }

    /// What a person's input to this local state comes to.
    fn input(&self, actor: usize, local: u32, input: u32) -> u32 {
        let cell = self.cell(actor, local);
        let known = cell.inputs.get(input);
        if known != 0 || cell.local.state.is_none() {
            return known.max(NO_OP);
        }
        let step = self.compute(actor, local, OriginEvent::Input(input));
        let step = step.filter(|step| self.take(*step)).unwrap_or(NO_OP);
        cell.inputs.set(input, step);
        step
    }

    /// The step of a crash or a recovery, if the bounds allow one.
    fn fault(&self, state: &SystemState, actor: usize) -> Option<u32> {
        let id = state.words[LOCALS + actor];
        let cell = self.cell(actor, id);
        if cell.local.state.is_none() {
            let compute = || self.compute(actor, id, OriginEvent::Recover);
            return self
                .faults
                .recovery
                .then(|| *cell.recovery.get_or_init(|| compute().expect("a recovery is a step")))
                .filter(|step| self.take(*step));
        }
        let allowed = state.words[CRASHES] < self.faults.crashes_total
            && self.spec.may_crash(actor)
            && self.down(state) < self.faults.crashes_at_once;
        let compute = || self.compute(actor, id, OriginEvent::Crash);
        allowed
            .then(|| *cell.crash.get_or_init(|| compute().expect("a crash is a step")))
            .filter(|step| self.take(*step))
    }

    fn down(&self, state: &SystemState) -> u32 {
        let is_down = |actor: &usize| self.local(state, *actor).state.is_none();
        (0..self.actors.len()).filter(is_down).count() as u32
    }

    // --- Successors.

    /// The state after a step.
    fn successor(&self, state: &SystemState, number: u32) -> SystemState {
        let step = self.step(number);
        let actor = step.origin.actor as usize;
        let n = self.actors.len();
        let old = state.words[LOCALS + actor];
        let mut words = Vec::with_capacity(state.words.len() + step.sends.len());
        words.extend_from_slice(&state.words[..LOCALS + n]);
        let mut fingerprint = state.fingerprint;
        if old != step.next {
            words[LOCALS + actor] = step.next;
            fingerprint = fingerprint
                .wrapping_sub(self.local_term(actor, old))
                .wrapping_add(self.local_term(actor, step.next));
        }
        if matches!(step.origin.event, OriginEvent::Crash) {
            words[CRASHES] += 1;
            fingerprint = fingerprint
                .wrapping_sub(Self::crashes_term(words[CRASHES] - 1))
                .wrapping_add(Self::crashes_term(words[CRASHES]));
        }
        if let OriginEvent::Input(input) = step.origin.event {
            let before = words[INPUTS];
            words[INPUTS] |= 1 << input;
            fingerprint = fingerprint
                .wrapping_sub(Self::inputs_term(before))
                .wrapping_add(Self::inputs_term(words[INPUTS]));
        }
        let history =
            if step.recorded { self.record(words[HISTORY], number) } else { words[HISTORY] };
        if history != words[HISTORY] {
            fingerprint = fingerprint
                .wrapping_sub(self.history_term(words[HISTORY]))
                .wrapping_add(self.history_term(history));
            words[HISTORY] = history;
        }
        let old_envelopes = &state.words[LOCALS + n..];
        let moved = (old != step.next).then_some(actor);
        let sent = step.sends.iter().copied();
        fingerprint = self.merge(old_envelopes, sent, fingerprint, &mut words);
        if self.reductions.eager_sends {
            fingerprint = self.saturate(old_envelopes, moved, fingerprint, &mut words);
        }
        if self.reductions.stale_messages {
            fingerprint = self.drop_stale(fingerprint, &mut words);
        }
        SystemState { fingerprint, words: words.into() }
    }

    /// Appends the old envelopes and those sent, sorted.
    fn merge(
        &self,
        old: &[u32],
        sent: impl Iterator<Item = Envelope>,
        mut fingerprint: u64,
        words: &mut Vec<u32>,
    ) -> u64 {
        let mut sent = sent.peekable();
        for &envelope in old {
            while let Some(new) = sent.next_if(|new| new.0 < envelope) {
                fingerprint = fingerprint.wrapping_add(self.envelope_term(new));
                words.push(new.0);
            }
            sent.next_if_eq(&Envelope(envelope));
            words.push(envelope);
        }
        for new in sent {
            fingerprint = fingerprint.wrapping_add(self.envelope_term(new));
            words.push(new.0);
        }
        fingerprint
    }

    /// Drops the envelopes that are stale where they would arrive.
    fn drop_stale(&self, mut fingerprint: u64, words: &mut Vec<u32>) -> u64 {
        let start = LOCALS + self.actors.len();
        let mut kept = start;
        for place in start..words.len() {
            let envelope = Envelope(words[place]);
            if self.is_stale(envelope, words) {
                fingerprint = fingerprint.wrapping_sub(self.envelope_term(envelope));
            } else {
                words[kept] = envelope.0;
                kept += 1;
            }
        }
        words.truncate(kept);
        fingerprint
    }

    /// Takes every step that only sends, until none sends anything new. `old` were the envelopes
    /// of a saturated state; since then only `moved` has changed, and envelopes have come.
    fn saturate(
        &self,
        old: &[u32],
        moved: Option<usize>,
        mut fingerprint: u64,
        words: &mut Vec<u32>,
    ) -> u64 {
        let start = LOCALS + self.actors.len();
        let is_news = |envelope: &u32| {
            moved == Some(Envelope(*envelope).dst()) || old.binary_search(envelope).is_err()
        };
        let mut queue: Vec<u32> = words[start..].iter().copied().filter(is_news).collect();
        let mut added: Vec<Envelope> = Vec::new();
        let send = |step: u32, added: &mut Vec<Envelope>, queue: &mut Vec<u32>, words: &[u32]| {
            if step < FIRST_STEP || !self.step(step).only_sends {
                return;
            }
            for envelope in &self.step(step).sends {
                if words[start..].binary_search(&envelope.0).is_err() && !added.contains(envelope) {
                    added.push(*envelope);
                    queue.push(envelope.0);
                }
            }
        };
        if let Some(actor) = moved {
            for (_, step) in self.timeouts(actor, words[LOCALS + actor]) {
                send(*step, &mut added, &mut queue, words);
            }
        }
        while let Some(envelope) = queue.pop() {
            let envelope = Envelope(envelope);
            let local = words[LOCALS + envelope.dst()];
            let step = self.delivery(envelope.dst(), local, envelope.index());
            send(step, &mut added, &mut queue, words);
        }
        if !added.is_empty() {
            added.sort_unstable();
            let before: Vec<u32> = words.drain(start..).collect();
            fingerprint = self.merge(&before, added.into_iter(), fingerprint, words);
        }
        fingerprint
    }

    /// The history after a step.
    fn record(&self, history: u32, number: u32) -> u32 {
        self.recorded.get_or_insert(&[history, number], || {
            let before = self.histories.get(history);
            self.with_step(number, |step| self.histories.intern(self.spec.record(before, step)))
        })
    }

    /// Rebuilds a step for the specification by running the actor again.
    pub(crate) fn with_step<R>(
        &self,
        number: u32,
        f: impl FnOnce(&Step<'_, A, S::Ghost>) -> R,
    ) -> R {
        let Origin { actor, local, event } = self.step(number).origin;
        let actor = actor as usize;
        let before = &self.cell(actor, local).local;
        let event = self.event(actor, event);
        let (next, sends, reports) = self.run(actor, Some(before), &event);
        f(&Step {
            actor,
            before: Some(before),
            event,
            state: next.state.as_ref(),
            storage: next.storage.as_ref(),
            sends: &sends,
            reports: &reports,
        })
    }
}

impl<A, S> CompactModel<A, S>
where
    A: Actor,
    S: Spec<A>,
{
    /// The state before anything happens: every actor has started.
    fn init(&self) -> SystemState {
        let mut words = vec![self.histories.intern(self.spec.history()), 0, 0];
        let mut sent = Vec::new();
        for actor in 0..self.actors.len() {
            let (local, sends, reports) = self.run(actor, None, &Event::Start);
            let ghost = self.spec.remember(&Step {
                actor,
                before: None,
                event: Event::Start,
                state: local.state.as_ref(),
                storage: local.storage.as_ref(),
                sends: &sends,
                reports: &reports,
            });
            words.push(self.intern_local(actor, Local { ghost, ..local }));
            sent.extend(
                sends.into_iter().map(|(dst, msg)| self.intern_envelope(actor, dst, msg).0),
            );
        }
        sent.sort_unstable();
        sent.dedup();
        let mut fingerprint = self
            .history_term(words[HISTORY])
            .wrapping_add(Self::crashes_term(0))
            .wrapping_add(Self::inputs_term(0));
        for (actor, local) in words[LOCALS..].iter().enumerate() {
            fingerprint = fingerprint.wrapping_add(self.local_term(actor, *local));
        }
        for envelope in &sent {
            fingerprint = fingerprint.wrapping_add(self.envelope_term(Envelope(*envelope)));
        }
        words.extend(sent);
        if self.reductions.eager_sends {
            for actor in 0..self.actors.len() {
                fingerprint = self.saturate(&[], Some(actor), fingerprint, &mut words);
            }
        }
        if self.reductions.stale_messages {
            fingerprint = self.drop_stale(fingerprint, &mut words);
        }
        SystemState { fingerprint, words: words.into() }
    }

    /// Calls `visit` with every step that is possible here and not taken already.
    fn for_each_step(&self, state: &SystemState, mut visit: impl FnMut(Action, u32)) {
        let eager = self.reductions.eager_sends;
        self.for_each_possible_step(state, |action, step| {
            if !(eager && self.step(step).only_sends) {
                visit(action, step);
            }
        });
    }

    /// Calls `visit` with every step that is possible here, whether it leads anywhere or not.
    pub(crate) fn for_each_possible_step(
        &self,
        state: &SystemState,
        mut visit: impl FnMut(Action, u32),
    ) {
        for number in self.network(state) {
            let envelope = Envelope(number);
            let local = state.words[LOCALS + envelope.dst()];
            let step = self.delivery(envelope.dst(), local, envelope.index());
            if step >= FIRST_STEP {
                visit(Action::Deliver(envelope), step);
            }
        }
        for (input, (actor, _)) in (0..).zip(&self.inputs) {
            if state.words[INPUTS] >> input & 1 == 0 {
                let step = self.input(*actor, state.words[LOCALS + actor], input);
                if step >= FIRST_STEP {
                    visit(Action::Input(input), step);
                }
            }
        }
        for actor in 0..self.actors.len() {
            for &(timer, step) in self.timeouts(actor, state.words[LOCALS + actor]) {
                visit(Action::Timeout(actor, timer), step);
            }
            if let Some(step) = self.fault(state, actor) {
                let is_up = self.local(state, actor).state.is_some();
                visit(if is_up { Action::Crash(actor) } else { Action::Recover(actor) }, step);
            }
        }
    }

    pub(crate) fn step_of(&self, state: &SystemState, action: Action) -> Option<u32> {
        let local = |actor: usize| state.words[LOCALS + actor];
        match action {
            Action::Deliver(envelope) => {
                let dst = envelope.dst();
                let step = self.delivery(dst, local(dst), envelope.index());
                (step >= FIRST_STEP).then_some(step)
            }
            Action::Timeout(actor, timer) => {
                let timeouts = self.timeouts(actor, local(actor));
                timeouts.iter().find(|(set, _)| *set == timer).map(|(_, step)| *step)
            }
            Action::Input(input) => {
                let actor = self.inputs[input as usize].0;
                let given = state.words[INPUTS] >> input & 1 == 1;
                let step = self.input(actor, local(actor), input);
                (!given && step >= FIRST_STEP).then_some(step)
            }
            Action::Crash(actor) | Action::Recover(actor) => self.fault(state, actor),
        }
    }

    /// The properties that this state violates or reaches.
    pub fn verdict(&self, state: &SystemState) -> Verdict {
        let n = self.actors.len();
        let mut verdict = Verdict::default();
        let mut key = [0; 1 + MAX_ACTORS];
        key[0] = state.words[HISTORY];
        for actor in 0..n {
            let cell = self.cell(actor, state.words[LOCALS + actor]);
            verdict = verdict | cell.verdict;
            key[1 + actor] = cell.view;
        }
        let of_all = self.verdicts.get_or_insert(&key[..=n], || {
            let views: Vec<&S::View> = key[1..=n].iter().map(|id| self.views.get(*id)).collect();
            self.spec.judge(&views, self.histories.get(key[0])).0
        });
        verdict | Verdict(of_all)
    }

    /// The events of every step taken so far, by any thread.
    pub fn reached(&self) -> Verdict {
        Verdict(self.reached.load(Ordering::Relaxed))
    }

    /// The properties that this state, or a step that is possible in it, violates or reaches.
    pub fn verdict_with_steps(&self, state: &SystemState) -> Verdict {
        let mut verdict = self.verdict(state);
        self.for_each_possible_step(state, |_, step| verdict = verdict | self.step(step).verdict);
        verdict
    }

    /// Runs `f` on the step that an action takes in a state, if it is possible there.
    pub fn inspect<R>(
        &self,
        state: &SystemState,
        action: Action,
        f: impl FnOnce(&Step<'_, A, S::Ghost>) -> R,
    ) -> Option<R> {
        self.step_of(state, action).map(|step| self.with_step(step, f))
    }

    /// Every message that was delivered to an actor that was up, whether it took effect or not,
    /// once for each local state.
    pub fn for_each_delivered(&self, mut f: impl FnMut(usize, &A::Msg)) {
        for (actor, locals) in self.locals.iter().enumerate() {
            for (_, cell) in locals.iter().filter(|(_, cell)| cell.local.state.is_some()) {
                for (envelope, _) in cell.deliveries.iter() {
                    f(actor, &self.inbound[actor].get(envelope).msg);
                }
            }
        }
    }

    /// Every local step that was taken.
    pub fn for_each_taken_step(&self, mut f: impl FnMut(&Step<'_, A, S::Ghost>)) {
        for (number, cell) in self.steps.iter() {
            if self.cell(cell.origin.actor as usize, cell.next).within {
                self.with_step(number as u32 + FIRST_STEP, &mut f);
            }
        }
    }
}

/// The most actors that a model may have.
pub const MAX_ACTORS: usize = 15;

impl<A, S> Model for CompactModel<A, S>
where
    A: Actor,
    S: Spec<A>,
{
    type State = SystemState;
    type Action = Action;

    fn init_states(&self) -> Vec<SystemState> {
        vec![self.init()]
    }

    fn actions(&self, state: &SystemState, actions: &mut Vec<Action>) {
        let start = actions.len();
        self.for_each_step(state, |action, _| actions.push(action));
        actions[start..].sort_by_cached_key(|action| match *action {
            Action::Deliver(envelope) => (0, self.content_order(envelope)),
            Action::Timeout(actor, timer) => (1, (actor, 0, self.timers.hash_of(timer))),
            Action::Input(input) => (4, (input as usize, 0, 0)),
            Action::Crash(actor) => (2, (actor, 0, 0)),
            Action::Recover(actor) => (3, (actor, 0, 0)),
        });
    }

    fn next_state(&self, state: &SystemState, action: Action) -> Option<SystemState> {
        self.step_of(state, action).map(|step| self.successor(state, step))
    }

    fn next_states(&self, state: &SystemState) -> Vec<SystemState> {
        let mut next = Vec::new();
        self.for_each_step(state, |_, step| next.push(self.successor(state, step)));
        next
    }

    fn format_action(&self, action: &Action) -> String {
        match *action {
            Action::Deliver(envelope) => {
                let (src, dst, msg) = self.open(envelope);
                format!("{} -> {}: {msg:?}", self.name(src), self.name(dst))
            }
            Action::Timeout(actor, timer) => {
                format!("{}: {:?} time-out", self.name(actor), self.timers.get(timer))
            }
            Action::Input(input) => {
                let (actor, msg) = &self.inputs[input as usize];
                format!("{}: told to {msg:?}", self.name(*actor))
            }
            Action::Crash(actor) => format!("{} crashes", self.name(actor)),
            Action::Recover(actor) => format!("{} recovers", self.name(actor)),
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let declared = self.spec.properties().iter().zip(conditions::<A, S>());
        declared
            .map(|(property, (holds, reached))| match property.kind {
                Kind::Always => Property::always(property.name, holds),
                Kind::Sometimes => Property::sometimes(property.name, reached),
            })
            .collect()
    }
}

/// The functions `holds` and `reached` with each place of a property as their last parameter.
macro_rules! per_property {
    ($holds:ident, $reached:ident, $a:ident, $s:ident) => {
        $crate::compact::per_property!(@ $holds $reached $a $s
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
            32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60
            61 62 63)
    };
    (@ $holds:ident $reached:ident $a:ident $s:ident $($i:literal)*) => {
        [$(($holds::<$a, $s, $i> as _, $reached::<$a, $s, $i> as _)),*]
    };
}
pub(crate) use per_property;

type Condition<A, S> = fn(&CompactModel<A, S>, &SystemState) -> bool;

/// One pair of conditions a property: stateright wants function pointers, which capture nothing,
/// so the place of the property is a constant of the function.
fn conditions<A: Actor, S: Spec<A>>() -> [(Condition<A, S>, Condition<A, S>); 64] {
    fn holds<A: Actor, S: Spec<A>, const I: usize>(
        m: &CompactModel<A, S>,
        s: &SystemState,
    ) -> bool {
        !m.verdict(s).has(I)
    }
    fn reached<A: Actor, S: Spec<A>, const I: usize>(
        m: &CompactModel<A, S>,
        s: &SystemState,
    ) -> bool {
        m.verdict_with_steps(s).has(I)
    }
    per_property!(holds, reached, A, S)
}
