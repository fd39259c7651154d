//! Steps of one actor: each is computed once, by calling the actor, and remembered.

use super::state::{Action, Envelope, SystemState};
use super::{CompactModel, Inbound, Renamed};
use crate::fingerprint::Term;
use crate::intern::{AtomicTable, content_hash};
use crate::spec::{Event, Local, Spec, Step, Verdict};
use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// A local state and what is known of it.
pub(crate) struct LocalCell<A: Actor, S: Spec<A>> {
    pub(crate) local: Local<A, S::Ghost>,
    pub(super) verdict: Verdict,
    pub(super) view: u32,
    pub(super) within: bool,
    /// What it adds to a fingerprint under each renaming.
    pub(super) renamed_terms: Box<[Term]>,
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
    pub(super) verdict: Verdict,
    /// The specification records it.
    pub(super) recorded: bool,
    /// It changes nothing but the network.
    pub(crate) only_sends: bool,
    pub(super) origin: Origin,
}

/// What an actor has become, and what it has sent.
pub(super) type Acted<A, S> = (Local<A, <S as Spec<A>>::Ghost>, Vec<(usize, <A as Actor>::Msg)>);

/// What a step comes to, before anything of it has a number.
pub(super) struct Attempt<A: Actor, S: Spec<A>> {
    pub(super) next: Local<A, S::Ghost>,
    pub(super) sends: Vec<(usize, A::Msg)>,
    pub(super) verdict: Verdict,
    pub(super) recorded: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) actor: u32,
    pub(super) local: u32,
    pub(super) event: OriginEvent,
}

/// What a step is of, by numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OriginEvent {
    Deliver(u32),
    Timeout(u32),
    Input(u32),
    Crash,
    Recover,
}

impl<A, S> CompactModel<A, S>
where
    A: Actor,
    S: Spec<A>,
{
    pub(crate) fn intern_local(&self, actor: usize, local: Local<A, S::Ghost>) -> u32 {
        self.locals[actor].intern_with(local, |local| LocalCell {
            verdict: self.spec.judge_local(actor, &local),
            view: self.views.intern(self.spec.view(actor, &local)),
            within: local.state.as_ref().is_none_or(|state| self.spec.within(actor, state)),
            renamed_terms: (0..self.renamings)
                .map(|renaming| {
                    let renamed = self.spec.rename_local(renaming, actor, &local);
                    let actor = self.spec.rename_actor(renaming, actor);
                    Self::local_hash_term(actor, content_hash(&renamed))
                })
                .collect(),
            local,
            deliveries: AtomicTable::default(),
            timeouts: OnceLock::new(),
            inputs: AtomicTable::default(),
            crash: OnceLock::new(),
            recovery: OnceLock::new(),
        })
    }

    /// Runs the actor once. `None` for a step that changes nothing.
    pub(super) fn attempt(
        &self,
        actor: usize,
        before: &Local<A, S::Ghost>,
        event: Event<'_, A>,
    ) -> Option<Attempt<A, S>> {
        let (next, sends, reports) = self.run(actor, Some(before), &event);
        let may_be_ignored = matches!(event, Event::Deliver { .. } | Event::Input(_));
        if may_be_ignored && sends.is_empty() && reports.is_empty() && next == *before {
            return None;
        }
        let step = Step {
            actor,
            before: Some(before),
            event,
            state: next.state.as_ref(),
            storage: next.storage.as_ref(),
            sends: &sends,
            reports: &reports,
        };
        let ghost = self.spec.remember(&step);
        let verdict = self.spec.judge_step(&step);
        let recorded = self.spec.is_recorded(&step);
        Some(Attempt { next: Local { ghost, ..next }, sends, verdict, recorded })
    }

    /// Runs the actor once and interns what came of it. `None` for a step that changes nothing.
    pub(super) fn compute(&self, actor: usize, local: u32, event: OriginEvent) -> Option<u32> {
        let before = &self.cell(actor, local).local;
        let attempt = self.attempt(actor, before, self.event(actor, event))?;
        let Attempt { next, sends, verdict, recorded } = attempt;
        let mut sends: Vec<Envelope> =
            sends.into_iter().map(|(dst, msg)| self.intern_envelope(actor, dst, msg)).collect();
        sends.sort_unstable();
        sends.dedup();
        let next = self.intern_local(actor, next);
        let repeatable = matches!(event, OriginEvent::Deliver(_) | OriginEvent::Timeout(_));
        let only_sends = repeatable && !recorded && next == local;
        let origin = Origin { actor: actor as u32, local, event };
        let cell = StepCell { next, sends: sends.into(), verdict, recorded, only_sends, origin };
        let number =
            u32::try_from(self.steps.push(cell)).expect("fewer than 2^32 steps") + FIRST_STEP;
        assert!(number < STALE, "the numbers of steps leave the mark free");
        Some(number)
    }

    pub(crate) fn event(&self, actor: usize, event: OriginEvent) -> Event<'_, A> {
        match event {
            OriginEvent::Deliver(index) => {
                let inbound = &self.inbound[actor].get(index).value;
                Event::Deliver { src: inbound.src, msg: &inbound.msg }
            }
            OriginEvent::Timeout(timer) => Event::Timeout(self.timers.get(timer)),
            OriginEvent::Input(input) => Event::Input(&self.inputs[input as usize].1),
            OriginEvent::Crash => Event::Crash,
            OriginEvent::Recover => Event::Recover,
        }
    }

    pub(crate) fn intern_envelope(&self, src: usize, dst: usize, msg: A::Msg) -> Envelope {
        let index = self.inbound[dst].intern_with(Inbound { src, msg }, |inbound| Renamed {
            renamed_terms: (0..self.renamings)
                .map(|renaming| {
                    let msg = self.spec.rename_message(renaming, &inbound.msg);
                    let src = self.spec.rename_actor(renaming, inbound.src);
                    let dst = self.spec.rename_actor(renaming, dst);
                    Self::envelope_hash_term(dst, content_hash(&Inbound { src, msg }))
                })
                .collect(),
            value: inbound,
        });
        Envelope::new(dst, index)
    }

    pub(super) fn intern_history(&self, history: S::History) -> u32 {
        self.histories.intern_with(history, |history| Renamed {
            renamed_terms: (0..self.renamings)
                .map(|renaming| {
                    let renamed = self.spec.rename_history(renaming, &history);
                    Self::history_hash_term(content_hash(&renamed))
                })
                .collect(),
            value: history,
        })
    }

    /// What a step is an action of.
    pub(crate) fn action_of(&self, step: u32) -> Action {
        let Origin { actor, event, .. } = self.step(step).origin;
        let actor = actor as usize;
        match event {
            OriginEvent::Deliver(index) => Action::Deliver(Envelope::new(actor, index)),
            OriginEvent::Timeout(timer) => Action::Timeout(actor, timer),
            OriginEvent::Input(input) => Action::Input(input),
            OriginEvent::Crash => Action::Crash(actor),
            OriginEvent::Recover => Action::Recover(actor),
        }
    }

    /// Calls the actor. The ghost of the result is that of the local state before.
    #[allow(clippy::type_complexity, reason = "three results of one call")]
    pub(crate) fn run(
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
        let state = match state {
            Some(state) if self.reductions.dead_variables => {
                Some(self.spec.canonical(actor, state))
            }
            state => state,
        };
        (Local { state, timers, storage, ghost }, sends, reports)
    }

    /// What delivering this envelope to this local state comes to, marked if it is stale.
    pub(crate) fn delivery_or_stale(&self, actor: usize, local: u32, envelope: u32) -> u32 {
        let cell = self.cell(actor, local);
        let known = cell.deliveries.get(envelope);
        if known != 0 {
            return known;
        }
        let outcome = match &cell.local.state {
            // Nothing is delivered to an actor that is down; if it stays down, nothing ever will be.
            None if self.reductions.stale_messages && !self.crashes.recovery => STALE | NO_OP,
            None => NO_OP,
            Some(state) => {
                let step = self.compute(actor, local, OriginEvent::Deliver(envelope));
                let step = step.filter(|step| self.take(*step)).unwrap_or(NO_OP);
                let repeats = step == NO_OP || self.step(step).only_sends;
                let inbound = &self.inbound[actor].get(envelope).value;
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

    pub(crate) fn step(&self, step: u32) -> &StepCell {
        &self.steps[(step - FIRST_STEP) as usize]
    }

    /// Is this step within the bounds? If so, notes what it reaches.
    pub(super) fn take(&self, step: u32) -> bool {
        let cell = self.step(step);
        let within = self.cell(cell.origin.actor as usize, cell.next).within;
        if within {
            self.reached.fetch_or(cell.verdict.0, Ordering::Relaxed);
        }
        within
    }

    /// The time-outs that may happen: the timer, and the step.
    pub(crate) fn timeouts(&self, actor: usize, local: u32) -> &[(u32, u32)] {
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
    pub(crate) fn input(&self, actor: usize, local: u32, input: u32) -> u32 {
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

    /// The step of a crash of this local state, or of a recovery if it is down; [`NO_OP`] if it
    /// leads out of bounds.
    pub(crate) fn fault(&self, actor: usize, local: u32) -> u32 {
        let cell = self.cell(actor, local);
        let (memo, event) = match cell.local.state {
            Some(_) => (&cell.crash, OriginEvent::Crash),
            None => (&cell.recovery, OriginEvent::Recover),
        };
        *memo.get_or_init(|| {
            let step = self.compute(actor, local, event);
            step.filter(|step| self.take(*step)).unwrap_or(NO_OP)
        })
    }

    /// The history after a step.
    pub(crate) fn record(&self, history: u32, number: u32) -> u32 {
        self.recorded.get_or_insert(&[history, number][..], || {
            let before = &self.histories.get(history).value;
            self.with_step(number, |step| self.intern_history(self.spec.record(before, step)))
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
                    f(actor, &self.inbound[actor].get(envelope).value.msg);
                }
            }
        }
    }

    /// Every local step that was taken, once.
    pub fn for_each_taken_step(&self, mut f: impl FnMut(&Step<'_, A, S::Ghost>)) {
        for (place, cell) in self.steps.iter() {
            let number = place as u32 + FIRST_STEP;
            if self.cell(cell.origin.actor as usize, cell.next).within && self.is_remembered(number)
            {
                self.with_step(number, &mut f);
            }
        }
    }

    /// Is this the step that is remembered? Threads that ask at the same moment compute one each.
    fn is_remembered(&self, number: u32) -> bool {
        let Origin { actor, local, event } = self.step(number).origin;
        let cell = self.cell(actor as usize, local);
        match event {
            OriginEvent::Deliver(envelope) => cell.deliveries.get(envelope) & !STALE == number,
            OriginEvent::Input(input) => cell.inputs.get(input) == number,
            OriginEvent::Timeout(_) | OriginEvent::Crash | OriginEvent::Recover => true,
        }
    }
}
