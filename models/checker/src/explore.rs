//! A model whose states and actions read well in stateright's Explorer.
//!
//! **Absent**: reductions. A person who explores sees every step.

use crate::chart;
use crate::compact::{Action, CompactModel, SystemState, names};
use crate::spec::Spec;
use crate::trace::trace;
use stateright::actor::Actor;
use stateright::{Model, Path, Property};
use std::fmt::{self, Debug, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A [`CompactModel`] with states that carry what is needed to print them.
pub struct Explorable<A: Actor, S: Spec<A>>(pub Arc<CompactModel<A, S>>);

/// A system state that prints as a person would write it.
pub struct ReadableState<A: Actor, S: Spec<A>> {
    state: SystemState,
    model: Arc<CompactModel<A, S>>,
}

impl<A: Actor, S: Spec<A>> Clone for ReadableState<A, S> {
    fn clone(&self) -> Self {
        ReadableState { state: self.state.clone(), model: Arc::clone(&self.model) }
    }
}

impl<A: Actor, S: Spec<A>> PartialEq for ReadableState<A, S> {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
    }
}

impl<A: Actor, S: Spec<A>> Hash for ReadableState<A, S> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.state.hash(hasher);
    }
}

impl<A: Actor, S: Spec<A>> Debug for ReadableState<A, S> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let model = &self.model;
        for actor in 0..model.actors().len() {
            writeln!(f, "{}: {:#?}", model.name(actor), model.local(&self.state, actor))?;
        }
        writeln!(f, "sent so far:")?;
        for (src, dst, message) in model.envelopes(&self.state) {
            writeln!(f, "    {} -> {}: {message:?}", model.name(src), model.name(dst))?;
        }
        writeln!(f, "crashes so far: {}", model.crashes(&self.state))?;
        writeln!(f, "remembered: {:#?}", model.history(&self.state))
    }
}

impl<A: Actor, S: Spec<A>> Explorable<A, S> {
    fn readable(&self, state: SystemState) -> ReadableState<A, S> {
        ReadableState { state, model: Arc::clone(&self.0) }
    }
}

impl<A: Actor, S: Spec<A>> Model for Explorable<A, S> {
    type State = ReadableState<A, S>;
    type Action = Action;

    fn init_states(&self) -> Vec<Self::State> {
        self.0.init_states().into_iter().map(|state| self.readable(state)).collect()
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Action>) {
        self.0.actions(&state.state, actions);
    }

    fn next_state(&self, state: &Self::State, action: Action) -> Option<Self::State> {
        self.0.next_state(&state.state, action).map(|state| self.readable(state))
    }

    fn format_action(&self, action: &Action) -> String {
        self.0.format_action(action)
    }

    /// What the step changes: the actor's new local state, and what it sends.
    fn format_step(&self, state: &Self::State, action: Action) -> Option<String> {
        let next = self.next_state(state, action)?;
        self.0.inspect(&state.state, action, |step| {
            let mut text = String::new();
            for (dst, message) in step.sends {
                text.push_str(&format!("sends {message:?} to {}\n", self.0.name(*dst)));
            }
            for report in step.reports {
                text.push_str(&format!("reports {report:?}\n"));
            }
            let local = self.0.local(&next.state, step.actor);
            format!("{text}{}: {local:#?}", self.0.name(step.actor))
        })
    }

    fn as_svg(&self, path: Path<Self::State, Action>) -> Option<String> {
        let mut states = path.into_vec().into_iter();
        let (init, mut action) = states.next()?;
        let mut steps = Vec::new();
        for (state, next_action) in states {
            steps.push((action?, state.state));
            action = next_action;
        }
        Some(chart::draw(names(self.0.actors()), &trace(&self.0, &init.state, &steps)))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let declared = self.0.properties();
        declared
            .iter()
            .zip(conditions::<A, S>())
            .map(|(property, conditions)| {
                let condition = match property.expectation {
                    stateright::Expectation::Always => conditions.0,
                    _ => conditions.1,
                };
                Property {
                    expectation: property.expectation.clone(),
                    name: property.name,
                    condition,
                }
            })
            .collect()
    }
}

type Condition<A, S> = fn(&Explorable<A, S>, &ReadableState<A, S>) -> bool;

/// One pair of conditions a property, for the reason given in [`crate::compact`].
fn conditions<A: Actor, S: Spec<A>>() -> [(Condition<A, S>, Condition<A, S>); 64] {
    fn holds<A: Actor, S: Spec<A>, const I: usize>(
        m: &Explorable<A, S>,
        s: &ReadableState<A, S>,
    ) -> bool {
        !m.0.verdict(&s.state).has(I)
    }
    fn reached<A: Actor, S: Spec<A>, const I: usize>(
        m: &Explorable<A, S>,
        s: &ReadableState<A, S>,
    ) -> bool {
        m.0.verdict_with_steps(&s.state).has(I)
    }
    crate::compact::per_property!(holds, reached, A, S)
}
