//! The check, after a run, that what was taken for irrelevant is.
//!
//! **Invariant**: for every local state of the run and each of its variants, every delivery, time-out,
//! input and crash that the run has met there comes to the same: the same local state in its
//! canonical form, the same messages and reports, the same memory and judgement. And a variant is
//! within the same bounds, and seen and judged alike. Otherwise the run is void.
//!
//! **Why that is enough**: being explored as the same state is then a bisimulation. By induction on the
//! length of a path, every state of the full system has a partner in the run that differs only in
//! variants of local states; what is possible in one is possible in the other, and leads to partners
//! again. This holds if [`Spec::variants`] leaves no state out that has this canonical form; which
//! those are is for the specification to say, and easy to see where a variable ranges over a
//! finite set.
//!
//! **Source**: dead variable reduction as in Bozga, Fernandez and Ghirvu, *State space reduction based
//! on live variables analysis* (1999), decided here by looking at every step instead of at the code.

use crate::compact::{CompactModel, FIRST_STEP, LocalCell, OriginEvent, STALE};
use crate::spec::{Local, Spec, Step};
use stateright::actor::Actor;

/// A variant of a local state that is not like it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotDead {
    /// What happens, or what is looked at.
    pub event: String,
    /// The variant.
    pub variant: String,
    /// What is different.
    pub difference: &'static str,
}

impl<A: Actor, S: Spec<A>> CompactModel<A, S> {
    /// Checks that every local state of the run stands for all of its variants; how many pairs of a
    /// step and a variant there were.
    ///
    /// # Errors
    /// The first variant, by actor and number, that is not like the state it is explored as.
    pub fn check_dead_variables(&self) -> Result<usize, Box<NotDead>> {
        if !self.reductions().dead_variables {
            return Ok(0);
        }
        let mut count = 0;
        for (actor, locals) in self.locals.iter().enumerate() {
            for (_, cell) in locals.iter() {
                let variants = cell.local.state.iter();
                let variants = variants.flat_map(|state| self.spec().variants(actor, state));
                let events = events_of(cell);
                for state in variants {
                    let variant = Local { state: Some(state), ..cell.local.clone() };
                    self.check_look(actor, cell, &variant)?;
                    for event in &events {
                        self.check_event(actor, &cell.local, &variant, *event)?;
                    }
                    count += events.len();
                }
            }
        }
        Ok(count)
    }

    /// Checks that a variant is seen and judged like the state it is explored as.
    fn check_look(
        &self,
        actor: usize,
        cell: &LocalCell<A, S>,
        variant: &Local<A, S::Ghost>,
    ) -> Result<(), Box<NotDead>> {
        let (spec, local) = (self.spec(), &cell.local);
        let (Some(one), Some(other)) = (&local.state, &variant.state) else { return Ok(()) };
        let fires = |timer: &A::Timer| {
            spec.may_time_out(actor, one, timer) == spec.may_time_out(actor, other, timer)
        };
        let is_stale = |envelope: u32| {
            let (src, _, msg) = self.open(crate::compact::Envelope::new(actor, envelope));
            spec.is_stale(actor, one, src, msg) == spec.is_stale(actor, other, src, msg)
        };
        let difference = if spec.canonical(actor, other.clone()) != *one {
            "it has another canonical form"
        } else if spec.within(actor, one) != spec.within(actor, other) {
            "only one of the two is within the bounds"
        } else if !local.timers.iter().all(fires) {
            "a timer may fire in only one of the two"
        } else if !cell.deliveries.iter().all(|(envelope, _)| is_stale(envelope)) {
            "a message is stale in only one of the two"
        } else if spec.judge_local(actor, local) != spec.judge_local(actor, variant)
            || spec.view(actor, local) != spec.view(actor, variant)
        {
            "the two are judged differently"
        } else {
            return Ok(());
        };
        Err(Box::new(NotDead { event: "a look".into(), variant: show(variant), difference }))
    }

    /// Checks that an event comes to the same at a variant.
    fn check_event(
        &self,
        actor: usize,
        local: &Local<A, S::Ghost>,
        variant: &Local<A, S::Ghost>,
        event: OriginEvent,
    ) -> Result<(), Box<NotDead>> {
        let (next, sends, reports) = self.run(actor, Some(local), &self.event(actor, event));
        let (other, other_sends, other_reports) =
            self.run(actor, Some(variant), &self.event(actor, event));
        let step = |before, next: &Local<A, S::Ghost>| {
            let step = Step {
                actor,
                before: Some(before),
                event: self.event(actor, event),
                state: next.state.as_ref(),
                storage: next.storage.as_ref(),
                sends: &sends,
                reports: &reports,
            };
            let spec = self.spec();
            (spec.remember(&step), spec.judge_step(&step), spec.is_recorded(&step))
        };
        let (one, two) = (step(local, &next), step(variant, &other));
        let difference = if next != other {
            "they lead to different local states"
        } else if sends != other_sends || reports != other_reports {
            "they send different messages"
        } else if one != two || one.2 {
            "they are remembered, judged or recorded differently"
        } else {
            return Ok(());
        };
        let event = match self.event(actor, event) {
            crate::spec::Event::Deliver { msg, .. } => format!("{msg:?} arrives"),
            crate::spec::Event::Timeout(timer) => format!("{timer:?} time-out"),
            crate::spec::Event::Input(msg) => format!("told to {msg:?}"),
            _ => "a fault".into(),
        };
        Err(Box::new(NotDead { event, variant: show(variant), difference }))
    }
}

fn show<A: Actor, G: std::fmt::Debug>(local: &Local<A, G>) -> String {
    format!("{local:?}")
}

/// Everything that the run has met at a local state.
fn events_of<A: Actor, S: Spec<A>>(cell: &LocalCell<A, S>) -> Vec<OriginEvent> {
    let deliveries = cell.deliveries.iter().map(|(envelope, _)| OriginEvent::Deliver(envelope));
    let timeouts = cell.timeouts.get().into_iter().flatten();
    let timeouts = timeouts.map(|(timer, _)| OriginEvent::Timeout(*timer));
    let inputs = cell.inputs.iter().map(|(input, _)| OriginEvent::Input(input));
    let crashes = cell.crash.get().into_iter().filter(|step| **step & !STALE >= FIRST_STEP);
    deliveries.chain(timeouts).chain(inputs).chain(crashes.map(|_| OriginEvent::Crash)).collect()
}
