//! The first state, and the state after a step: what is sent arrives in the network, and what the
//! reductions allow is taken or dropped at once.
//!
//! **Invariant — the order of arrivals does not matter**: an arrival changes the receiver's port by
//! one envelope and no local state, so what is sent at once in the end is the same in every order.

use super::CompactModel;
use super::ports::{Move, Recent};
use super::state::{CRASHES, Envelope, HISTORY, INPUTS, PORTS, SystemState};
use super::steps::{Acted, OriginEvent};
use crate::fingerprint::Term;
use crate::spec::{Event, Local, Spec, Step};
use stateright::actor::Actor;
use std::ops::Add;

/// A system state in the making, and what may be used again for the next one.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// The words of the state.
    pub(super) words: Vec<u32>,
    /// The sum of its terms, and the sum under each renaming.
    sums: Vec<Term>,
    /// What has been sent and has not arrived.
    queue: Vec<Envelope>,
    /// What was dropped on its arrival, and made its receiver send something.
    dropped: Vec<Envelope>,
    recent: Recent,
}

impl Draft {
    /// One that remembers recent arrivals, for many states to come.
    pub(super) fn remembering() -> Draft {
        Draft { recent: Recent::remembering(), ..Draft::default() }
    }

    /// Starts again from a state and its sums.
    fn restart(&mut self, words: &[u32], sums: &[Term]) {
        self.words.clear();
        self.words.extend_from_slice(words);
        self.sums.clear();
        self.sums.extend_from_slice(sums);
        self.queue.clear();
        self.dropped.clear();
    }

    /// Replaces a part of what every sum is made of.
    fn change(&mut self, old: Term, new: Term) {
        for sum in &mut self.sums {
            *sum = *sum - old + new;
        }
    }

    /// The fingerprint: the same for all states that are renamings of one another.
    pub(super) fn fingerprint(&self) -> u128 {
        fingerprint(&self.sums)
    }
}

/// The fingerprint of a state with these sums: one that their order does not matter to.
pub(super) fn fingerprint(sums: &[Term]) -> u128 {
    let sum = match sums {
        [sum] => *sum,
        sums => sums.iter().map(|sum| sum.spread()).fold(Term::default(), Term::add),
    };
    sum.fingerprint()
}

impl<A, S> CompactModel<A, S>
where
    A: Actor,
    S: Spec<A>,
{
    /// The state before anything happens: every actor has started.
    pub(super) fn init(&self) -> SystemState {
        let mut draft = Draft::default();
        draft.words.extend([self.intern_history(self.spec.history()), 0, 0]);
        for actor in 0..self.actors.len() {
            let (local, sends) = self.begin(actor);
            let local = self.intern_local(actor, local);
            draft.words.push(self.intern_port(actor, local, Vec::new()));
            let sent = sends.into_iter().map(|(dst, msg)| self.intern_envelope(actor, dst, msg));
            draft.queue.extend(sent);
            draft.queue.extend(self.sends_at_once(actor, local, &[]));
        }
        self.sums(&draft.words, &mut draft.sums);
        self.arrive(&mut draft);
        SystemState { fingerprint: draft.fingerprint(), words: draft.words.into() }
    }

    /// An actor that has started, and what it has sent.
    pub(super) fn begin(&self, actor: usize) -> Acted<A, S> {
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
        (Local { ghost, ..local }, sends)
    }

    /// The sum of the terms of a state, and the sum under each renaming.
    pub(super) fn sums(&self, words: &[u32], sums: &mut Vec<Term>) {
        let rest = Self::crashes_term(words[CRASHES]) + Self::inputs_term(words[INPUTS]);
        sums.clear();
        sums.push(rest + self.history_term(words[HISTORY], None));
        for renaming in 0..self.renamings {
            sums.push(rest + self.history_term(words[HISTORY], Some(renaming)));
        }
        for (actor, port) in words[PORTS..].iter().enumerate() {
            let port = self.port(actor, *port);
            sums[0] = sums[0] + port.term;
            for (sum, term) in sums[1..].iter_mut().zip(&port.renamed_terms) {
                *sum = *sum + *term;
            }
        }
    }

    /// Makes the state after a move of an actor in a state with these sums.
    pub(super) fn draft(
        &self,
        words: &[u32],
        sums: &[Term],
        actor: usize,
        taken: &Move,
        draft: &mut Draft,
    ) {
        draft.restart(words, sums);
        self.replace(draft, actor, taken.next);
        let step = self.step(taken.step);
        if step.recorded {
            self.draft_history(draft, taken.step);
        }
        match step.origin.event {
            OriginEvent::Crash => {
                let crashes = draft.words[CRASHES];
                draft.words[CRASHES] = crashes + 1;
                draft.change(Self::crashes_term(crashes), Self::crashes_term(crashes + 1));
            }
            OriginEvent::Input(input) => {
                let given = draft.words[INPUTS];
                draft.words[INPUTS] = given | 1 << input;
                draft.change(Self::inputs_term(given), Self::inputs_term(given | 1 << input));
            }
            _ => {}
        }
        draft.queue.extend_from_slice(&taken.sends);
        self.arrive(draft);
    }

    fn draft_history(&self, draft: &mut Draft, step: u32) {
        let old = draft.words[HISTORY];
        let new = self.record(old, step);
        draft.words[HISTORY] = new;
        for (place, sum) in draft.sums.iter_mut().enumerate() {
            let renaming = place.checked_sub(1);
            *sum = *sum - self.history_term(old, renaming) + self.history_term(new, renaming);
        }
    }

    /// Puts an actor's port in the place of its present one.
    fn replace(&self, draft: &mut Draft, actor: usize, new: u32) {
        let old = std::mem::replace(&mut draft.words[PORTS + actor], new);
        if old == new {
            return;
        }
        let (old, new) = (self.port(actor, old), self.port(actor, new));
        draft.sums[0] = draft.sums[0] - old.term + new.term;
        let terms = old.renamed_terms.iter().zip(&new.renamed_terms);
        for (sum, (old, new)) in draft.sums[1..].iter_mut().zip(terms) {
            *sum = *sum - *old + *new;
        }
    }

    /// Lets everything arrive that was sent, and what that makes its receivers send at once.
    fn arrive(&self, draft: &mut Draft) {
        while let Some(envelope) = draft.queue.pop() {
            let actor = envelope.dst();
            let port = draft.words[PORTS + actor];
            let Some(arrival) = self.arrival(port, envelope, &mut draft.recent) else { continue };
            if arrival.next == port && !arrival.sends.is_empty() {
                // It is dropped, so the network does not tell that it has arrived already.
                if draft.dropped.contains(&envelope) {
                    continue;
                }
                draft.dropped.push(envelope);
            }
            draft.queue.extend_from_slice(&arrival.sends);
            self.replace(draft, actor, arrival.next);
        }
    }
}
