//! What the numbers in packed states stand for, so that another process can read them.
//!
//! A dictionary holds no value of an actor: it tells how each came about, as the step that made it, and its content
//! hash. Whoever reads it takes the same steps again, and so has the same values under the same numbers, together
//! with everything that was asked of them. So actors and specifications need no way to be written.
//!
//! **Invariants**
//! - *The same numbers*: a model that has read a dictionary gives every value that rows speak of the number that it had,
//!   and answers what was asked before without asking anybody. (Views, which rows do not speak of, get new ones.)
//! - *Of the same actors*: every value has the content hash that it had, or the dictionary is refused.
//!
//! **Absent**: what follows from ports (moves, arrivals). It is worked out again when it is asked for.

use super::steps::{Acted, FIRST_STEP, NO_OP, OriginEvent, STALE, StepCell};
use super::{CompactModel, Inbound};
use crate::intern::{AtomicTable, Interner, content_hash};
use crate::spec::{Event, Local, Spec};
use serde::{Deserialize, Serialize};
use stateright::actor::Actor;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

/// What the numbers of one model stand for. In each list, the place is the number.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Dictionary {
    /// A hash of what the model itself knows of its bounds.
    bounds: u64,
    actors: Vec<OfActor>,
    steps: Vec<OfStep>,
    /// Content hashes.
    timers: Vec<u64>,
    histories: Vec<u64>,
    views: Vec<u64>,
    /// The history, the recorded step, and the history after it.
    records: Vec<(u32, u32, u32)>,
    /// Histories and views that were judged.
    judged: Vec<Box<[u32]>>,
    reached: u64,
}

/// What is known of one actor.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct OfActor {
    /// Content hashes of what was sent to it.
    inbound: Vec<u64>,
    locals: Vec<OfLocal>,
    /// Local states, and the envelopes in flight.
    ports: Vec<(u32, Box<[u32]>)>,
}

/// A local state, and what was asked of it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct OfLocal {
    hash: u64,
    /// Envelopes, and what comes of their delivery.
    deliveries: Vec<(u32, u32)>,
    /// Timers, and the steps that they take.
    timeouts: Option<Box<[(u32, u32)]>>,
    inputs: Vec<(u32, u32)>,
    crash: Option<u32>,
    recovery: Option<u32>,
}

/// A step: whose, in which local state, on what event; the local state after it, and what it sends.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct OfStep {
    actor: u32,
    local: u32,
    event: OriginEvent,
    next: u32,
    sends: Box<[u32]>,
}

/// Why a dictionary cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown(String);

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is not what it was, so it is of other actors or other bounds", self.0)
    }
}

/// This is not what it was.
pub(super) fn unknown(what: &str) -> Unknown {
    Unknown(what.to_owned())
}

impl<A, S> CompactModel<A, S>
where
    A: Actor,
    S: Spec<A>,
{
    /// What the numbers of now stand for. Nobody may explore meanwhile.
    pub fn dictionary(&self) -> Dictionary {
        let of_step = |(_, cell): (usize, &StepCell)| OfStep {
            actor: cell.origin.actor,
            local: cell.origin.local,
            event: cell.origin.event,
            next: cell.next,
            sends: cell.sends.iter().map(|envelope| envelope.number()).collect(),
        };
        Dictionary {
            bounds: self.bounds(),
            actors: (0..self.actors.len()).map(|actor| self.of_actor(actor)).collect(),
            steps: self.steps.iter().map(of_step).collect(),
            timers: hashes(&self.timers),
            histories: hashes(&self.histories),
            views: hashes(&self.views),
            records: self.all_records(),
            judged: self.verdicts.entries().into_iter().map(|(key, _)| key).collect(),
            reached: self.reached.load(Ordering::Relaxed),
        }
    }

    /// A hash of the faults, inputs, reductions and properties. What a specification leaves out is not in it.
    fn bounds(&self) -> u64 {
        let faults = (self.crashes.at_once, self.crashes.total, self.crashes.recovery);
        let inputs: Vec<_> =
            self.inputs.iter().map(|(actor, msg)| (actor, content_hash(msg))).collect();
        let properties: Vec<_> =
            self.spec.properties().iter().map(|property| property.name).collect();
        content_hash(&(
            faults,
            inputs,
            format!("{:?}", self.reductions),
            self.renamings,
            properties,
        ))
    }

    fn of_actor(&self, actor: usize) -> OfActor {
        let locals = self.locals[actor].iter().map(|(local, cell)| OfLocal {
            hash: self.locals[actor].hash_of(local),
            deliveries: cell.deliveries.iter().collect(),
            timeouts: cell.timeouts.get().cloned(),
            inputs: cell.inputs.iter().collect(),
            crash: cell.crash.get().copied(),
            recovery: cell.recovery.get().copied(),
        });
        let ports = self.ports[actor].iter().map(|(_, port)| (port.local, port.inbox.clone()));
        OfActor {
            inbound: hashes(&self.inbound[actor]),
            locals: locals.collect(),
            ports: ports.collect(),
        }
    }

    /// Takes over what a dictionary says. The model must be new.
    ///
    /// # Errors
    /// When it is of another model; then this one is of no use any more.
    pub fn restore(&self, dictionary: &Dictionary) -> Result<(), Unknown> {
        if dictionary.actors.len() != self.actors.len() || self.steps.count() != 0 {
            return Err(unknown("the number of actors"));
        }
        if dictionary.bounds != self.bounds() {
            return Err(unknown("what may happen or must hold"));
        }
        self.restore_values(dictionary)?;
        for (place, step) in (0..).zip(&dictionary.steps) {
            self.restore_step(place, step).ok_or_else(|| unknown(&format!("step {place}")))?;
        }
        for (actor, of_actor) in dictionary.actors.iter().enumerate() {
            for (local, of_local) in (0..).zip(&of_actor.locals) {
                let answered = self.restore_answers(actor, local, of_local, of_actor.inbound.len());
                answered.ok_or_else(|| unknown(&format!("what actor {actor} was asked")))?;
            }
        }
        for (actor, of_actor) in dictionary.actors.iter().enumerate() {
            for (port, (local, inbox)) in (0..).zip(&of_actor.ports) {
                let known = (*local as usize) < of_actor.locals.len()
                    && inbox.iter().all(|index| (*index as usize) < of_actor.inbound.len());
                if !known || self.intern_port(actor, *local, inbox.to_vec()) != port {
                    return Err(unknown(&format!("port {port} of actor {actor}")));
                }
            }
        }
        self.restore_histories(dictionary)?;
        self.reached.fetch_or(dictionary.reached, Ordering::Relaxed);
        Ok(())
    }

    /// Makes all local states, messages and timers again, and gives them their numbers.
    fn restore_values(&self, dictionary: &Dictionary) -> Result<(), Unknown> {
        let mut made = Made::<A, S> {
            locals: self.actors.iter().map(|_| HashMap::new()).collect(),
            inbound: self.actors.iter().map(|_| HashMap::new()).collect(),
            timers: HashMap::new(),
        };
        for actor in 0..self.actors.len() {
            made.add(actor, self.begin(actor));
        }
        for (place, step) in dictionary.steps.iter().enumerate() {
            let taken = self.take_again(dictionary, &made, step);
            let taken = taken.ok_or_else(|| unknown(&format!("step {place}")))?;
            made.add(step.actor as usize, taken);
        }
        give_numbers(&dictionary.timers, made.timers, "a timer", |timer| {
            self.timers.intern(timer)
        })?;
        let values = made.locals.into_iter().zip(made.inbound).enumerate();
        for (actor, (locals, inbound)) in values {
            let of_actor = &dictionary.actors[actor];
            give_numbers(&of_actor.inbound, inbound, "a message", |Inbound { src, msg }| {
                self.intern_envelope(src, actor, msg).index()
            })?;
            let wanted: Vec<u64> = of_actor.locals.iter().map(|local| local.hash).collect();
            give_numbers(&wanted, locals, "a local state", |local| {
                self.intern_local(actor, local)
            })?;
        }
        Ok(())
    }

    /// The local state after a step, and what it sends, from values that have no numbers yet.
    fn take_again(
        &self,
        dictionary: &Dictionary,
        made: &Made<A, S>,
        step: &OfStep,
    ) -> Option<Acted<A, S>> {
        let actor = step.actor as usize;
        let of_actor = dictionary.actors.get(actor)?;
        let before = made.locals[actor].get(&of_actor.locals.get(step.local as usize)?.hash)?;
        let event = match step.event {
            OriginEvent::Deliver(index) => {
                let inbound = made.inbound[actor].get(of_actor.inbound.get(index as usize)?)?;
                Event::Deliver { src: inbound.src, msg: &inbound.msg }
            }
            OriginEvent::Timeout(timer) => {
                Event::Timeout(made.timers.get(dictionary.timers.get(timer as usize)?)?)
            }
            OriginEvent::Input(input) => Event::Input(&self.inputs.get(input as usize)?.1),
            OriginEvent::Crash => Event::Crash,
            OriginEvent::Recover => Event::Recover,
        };
        let is_down = before.state.is_none();
        if is_down != matches!(event, Event::Recover) {
            return None;
        }
        let taken = self.attempt(actor, before, event)?;
        Some((taken.next, taken.sends))
    }

    /// Puts a step in its place, if it comes to what it came to.
    fn restore_step(&self, place: usize, step: &OfStep) -> Option<()> {
        let (actor, local) = (step.actor as usize, step.local);
        let made = self.compute(actor, local, step.event)?;
        let cell = self.step(made);
        let sends = step.sends.iter().copied();
        let same = made as usize == place + FIRST_STEP as usize
            && cell.next == step.next
            && sends.eq(cell.sends.iter().map(|envelope| envelope.number()));
        same.then_some(())
    }

    /// Puts what was asked of a local state in its place.
    fn restore_answers(
        &self,
        actor: usize,
        local: u32,
        of_local: &OfLocal,
        inbound: usize,
    ) -> Option<()> {
        let cell = self.cell(actor, local);
        let is_step = |step: u32| step == NO_OP || self.is_step(step);
        let set = |table: &AtomicTable, answers: &[(u32, u32)], keys: usize| {
            for (key, answer) in answers {
                let is_known = (*key as usize) < keys && is_step(*answer & !STALE);
                is_known.then(|| table.set(*key, *answer))?;
            }
            Some(())
        };
        set(&cell.deliveries, &of_local.deliveries, inbound)?;
        set(&cell.inputs, &of_local.inputs, self.inputs.len())?;
        if let Some(timeouts) = &of_local.timeouts {
            timeouts.iter().all(|(_, step)| self.is_step(*step)).then_some(())?;
            cell.timeouts.set(timeouts.clone()).ok()?;
        }
        for (place, answer) in [(&cell.crash, of_local.crash), (&cell.recovery, of_local.recovery)]
        {
            if let Some(answer) = answer {
                is_step(answer).then_some(())?;
                place.set(answer).ok()?;
            }
        }
        Some(())
    }

    fn is_step(&self, step: u32) -> bool {
        step.checked_sub(FIRST_STEP).is_some_and(|place| (place as usize) < self.steps.count())
    }

    /// Makes all histories again, one from the other, and judges what was judged.
    fn restore_histories(&self, dictionary: &Dictionary) -> Result<(), Unknown> {
        let mut after: HashMap<u32, Vec<(u32, u32)>> = HashMap::new();
        for (history, step, next) in &dictionary.records {
            after.entry(*history).or_default().push((*step, *next));
        }
        let first = self.spec.history();
        let start = number(&dictionary.histories, content_hash(&first));
        let start = start.ok_or_else(|| unknown("the first history"))?;
        let (mut made, mut open) = (HashMap::new(), vec![start]);
        made.insert(dictionary.histories[start as usize], first);
        while let Some(history) = open.pop() {
            for (step, next) in after.get(&history).into_iter().flatten() {
                let before = made.get(&dictionary.histories[history as usize]);
                let before = before.filter(|_| self.is_step(*step));
                let before = before.ok_or_else(|| unknown("a recorded step"))?;
                let new = self.with_step(*step, |step| self.spec.record(before, step));
                let wanted = dictionary.histories.get(*next as usize);
                if wanted != Some(&content_hash(&new)) {
                    return Err(unknown("a history"));
                }
                if made.insert(content_hash(&new), new).is_none() {
                    open.push(*next);
                }
            }
        }
        give_numbers(&dictionary.histories, made, "a history", |history| {
            self.intern_history(history)
        })?;
        for (history, step, next) in &dictionary.records {
            let is_known = (*history as usize) < self.histories.len() && self.is_step(*step);
            if !is_known || self.record(*history, *step) != *next {
                return Err(unknown("a history"));
            }
        }
        self.restore_judgements(dictionary)
    }

    fn restore_judgements(&self, dictionary: &Dictionary) -> Result<(), Unknown> {
        let views: HashMap<u64, u32> =
            self.views.iter().map(|(view, _)| (self.views.hash_of(view), view)).collect();
        for judged in &dictionary.judged {
            let mut key = judged.clone();
            if key.len() != self.actors.len() + 1 {
                return Err(unknown("a judgement"));
            }
            for view in &mut key[1..] {
                let hash = dictionary.views.get(*view as usize);
                let now = hash.and_then(|hash| views.get(hash));
                *view = *now.ok_or_else(|| unknown("a view"))?;
            }
            if key[0] as usize >= self.histories.len() {
                return Err(unknown("a judgement"));
            }
            self.judge_views(&key);
        }
        Ok(())
    }
}

/// Values that have no numbers yet, by their content hashes.
struct Made<A: Actor, S: Spec<A>> {
    locals: Vec<HashMap<u64, Local<A, S::Ghost>>>,
    inbound: Vec<HashMap<u64, Inbound<A::Msg>>>,
    timers: HashMap<u64, A::Timer>,
}

impl<A: Actor, S: Spec<A>> Made<A, S> {
    fn add(&mut self, actor: usize, (local, sends): Acted<A, S>) {
        for timer in &local.timers {
            self.timers.entry(content_hash(timer)).or_insert_with(|| timer.clone());
        }
        self.locals[actor].entry(content_hash(&local)).or_insert(local);
        for (dst, msg) in sends {
            let inbound = Inbound { src: actor, msg };
            self.inbound[dst].entry(content_hash(&inbound)).or_insert(inbound);
        }
    }
}

/// Gives these values the numbers that they had: their hashes in order.
fn give_numbers<T>(
    hashes: &[u64],
    mut values: HashMap<u64, T>,
    what: &str,
    intern: impl Fn(T) -> u32,
) -> Result<(), Unknown> {
    for (number, hash) in (0..).zip(hashes) {
        let value = values.remove(hash).ok_or_else(|| unknown(what))?;
        if intern(value) != number {
            return Err(unknown(what));
        }
    }
    Ok(())
}

fn number(hashes: &[u64], hash: u64) -> Option<u32> {
    hashes.iter().position(|known| *known == hash).map(|place| place as u32)
}

fn hashes<T>(values: &Interner<T>) -> Vec<u64> {
    values.iter().map(|(number, _)| values.hash_of(number)).collect()
}
