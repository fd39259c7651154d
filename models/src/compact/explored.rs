//! The system as a [`stateright::Model`]: the steps that are possible, in an order of content.

use super::state::{Action, Envelope, INPUTS, LOCALS, SystemState};
use super::steps::FIRST_STEP;
use super::{CompactModel, conditions};
use crate::spec::{Kind, Spec};
use stateright::actor::Actor;
use stateright::{Model, Property};

impl<A, S> CompactModel<A, S>
where
    A: Actor,
    S: Spec<A>,
{
    /// Calls `visit` with every step that is possible here and not taken already.
    pub(super) fn for_each_step(&self, state: &SystemState, mut visit: impl FnMut(Action, u32)) {
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
}

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
