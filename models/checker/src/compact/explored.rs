//! The system as a [`stateright::Model`]: the steps that are possible, in an order of content.

use super::ports::Move;
use super::state::{Action, CRASHES, INPUTS, PORTS, SystemState};
use super::steps::{FIRST_STEP, NO_OP};
use super::successors::Draft;
use super::{CompactModel, conditions};
use crate::spec::{Kind, Spec};
use stateright::actor::Actor;
use stateright::{Model, Property};

impl<A, S> CompactModel<A, S>
where
    A: Actor,
    S: Spec<A>,
{
    /// Calls `visit` with every move that is possible here and not taken already.
    pub(super) fn for_each_move(&self, words: &[u32], mut visit: impl FnMut(usize, &Move)) {
        let down = if self.crashes.total > 0 { self.down(words) } else { 0 };
        for (actor, port) in words[PORTS..].iter().enumerate() {
            for possible in self.moves(actor, *port) {
                visit(actor, possible);
            }
            if self.may_fault(words, actor, down)
                && let Some(fault) = self.fault_move(actor, *port)
            {
                visit(actor, fault);
            }
        }
        for (input, (actor, _)) in (0..).zip(&self.inputs) {
            if words[INPUTS] >> input & 1 == 0
                && let Some(given) = self.input_move(*actor, words[PORTS + actor], input)
            {
                visit(*actor, given);
            }
        }
    }

    /// How many actors are down.
    fn down(&self, words: &[u32]) -> u32 {
        let ports = words[PORTS..].iter().enumerate();
        ports.filter(|(actor, port)| !self.port(*actor, **port).is_up).count() as u32
    }

    /// Do the bounds allow this actor to crash, or to recover if it is down?
    fn may_fault(&self, words: &[u32], actor: usize, down: u32) -> bool {
        if self.port(actor, words[PORTS + actor]).is_up {
            words[CRASHES] < self.crashes.total
                && down < self.crashes.at_once
                && self.spec.may_crash(actor)
        } else {
            self.crashes.recovery
        }
    }

    /// Calls `visit` with every step that is possible here, whether it leads anywhere or not.
    pub(crate) fn for_each_possible_step(
        &self,
        state: &SystemState,
        mut visit: impl FnMut(Action, u32),
    ) {
        let mut visit = |step| visit(self.action_of(step), step);
        let down = self.down(&state.words);
        for actor in 0..self.actors.len() {
            let port = self.port_of(state, actor);
            self.for_each_local_step(actor, port.local, &port.inbox, &mut visit);
            let fault = self.may_fault(&state.words, actor, down);
            visit_step(fault.then(|| self.fault(actor, port.local)), &mut visit);
        }
        for (input, (actor, _)) in (0..).zip(&self.inputs) {
            let given = state.words[INPUTS] >> input & 1 == 1;
            let local = self.port_of(state, *actor).local;
            visit_step((!given).then(|| self.input(*actor, local, input)), &mut visit);
        }
    }

    pub(crate) fn step_of(&self, state: &SystemState, action: Action) -> Option<u32> {
        let local = |actor: usize| self.port_of(state, actor).local;
        let step = match action {
            Action::Deliver(envelope) => {
                self.delivery(envelope.dst(), local(envelope.dst()), envelope.index())
            }
            Action::Timeout(actor, timer) => {
                let timeouts = self.timeouts(actor, local(actor));
                timeouts.iter().find(|(set, _)| *set == timer).map_or(NO_OP, |(_, step)| *step)
            }
            Action::Input(input) if state.words[INPUTS] >> input & 1 == 1 => NO_OP,
            Action::Input(input) => {
                let actor = self.inputs[input as usize].0;
                self.input(actor, local(actor), input)
            }
            Action::Crash(actor) | Action::Recover(actor) => {
                let allowed = self.may_fault(&state.words, actor, self.down(&state.words));
                if allowed { self.fault(actor, local(actor)) } else { NO_OP }
            }
        };
        (step >= FIRST_STEP).then_some(step)
    }

    /// The state after a move.
    fn successor(&self, state: &SystemState, actor: usize, taken: &Move) -> SystemState {
        let mut draft = Draft::default();
        let mut sums = Vec::new();
        self.sums(&state.words, &mut sums);
        self.draft(&state.words, &sums, actor, taken, &mut draft);
        SystemState { fingerprint: draft.fingerprint(), words: draft.words.into() }
    }
}

fn visit_step(step: Option<u32>, visit: &mut impl FnMut(u32)) {
    if let Some(step) = step.filter(|step| *step >= FIRST_STEP) {
        visit(step);
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
        self.for_each_move(&state.words, |_, taken| actions.push(self.action_of(taken.step)));
        actions[start..].sort_by_cached_key(|action| match *action {
            Action::Deliver(envelope) => (0, self.content_order(envelope)),
            Action::Timeout(actor, timer) => (1, (actor, 0, self.timers.hash_of(timer))),
            Action::Input(input) => (4, (input as usize, 0, 0)),
            Action::Crash(actor) => (2, (actor, 0, 0)),
            Action::Recover(actor) => (3, (actor, 0, 0)),
        });
    }

    fn next_state(&self, state: &SystemState, action: Action) -> Option<SystemState> {
        let step = self.step_of(state, action)?;
        let actor = self.step(step).origin.actor as usize;
        let taken = self.make_move(actor, self.port_of(state, actor), step);
        Some(self.successor(state, actor, &taken))
    }

    fn next_states(&self, state: &SystemState) -> Vec<SystemState> {
        let mut next = Vec::new();
        self.for_each_move(&state.words, |actor, taken| {
            next.push(self.successor(state, actor, taken));
        });
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
