//! Ports: an actor's local state together with the envelopes in flight to it.
//!
//! A system state has far fewer ports than there are system states (in the catalog, under one in a
//! hundred), so what follows from a port is worked out once: the steps that are possible there,
//! what they send, and which port each leads to. A successor of a system state is then a few
//! look-ups of small numbers.
//!
//! **Invariants**
//! - *A port's form is canonical*: its envelopes are sorted, and none is stale at its local state if
//!   stale messages are dropped. So equal ports have one number.
//! - *Everything here is a function of the port*, whichever thread asks first.

use super::CompactModel;
use super::state::Envelope;
use super::steps::{FIRST_STEP, STALE};
use crate::fingerprint::Term;
use crate::spec::{Spec, Verdict};
use rustc_hash::FxHasher;
use stateright::actor::Actor;
use std::hash::Hasher;
use std::ops::Add;
use std::sync::OnceLock;

/// A local state and the envelopes in flight to it.
pub(super) struct Port {
    pub(super) local: u32,
    /// The indices of the envelopes, sorted.
    pub(super) inbox: Box<[u32]>,
    /// Is the actor up?
    pub(super) is_up: bool,
    /// What the local state violates or reaches, and the number of its view.
    pub(super) verdict: Verdict,
    pub(super) view: u32,
    /// What this port adds to the fingerprint of a system state.
    pub(super) term: Term,
    /// The same under each renaming.
    pub(super) renamed_terms: Box<[Term]>,
    /// What it adds to that by which workers share system states.
    pub(super) shared: Term,
    /// The deliveries and time-outs that are possible here and not taken at once.
    moves: OnceLock<Box<[Move]>>,
    /// The crash or the recovery.
    fault: OnceLock<Option<Box<Move>>>,
}

impl PartialEq<(u32, &[u32])> for Port {
    fn eq(&self, (local, inbox): &(u32, &[u32])) -> bool {
        self.local == *local && *self.inbox == **inbox
    }
}

/// A step at a port.
pub(super) struct Move {
    /// The step.
    pub(super) step: u32,
    /// The port of the same actor after it, before anything that is sent arrives.
    pub(super) next: u32,
    /// What is sent: by the step, and by the steps that only send and that it makes possible.
    pub(super) sends: Box<[Envelope]>,
}

/// What the arrival of an envelope at a port comes to.
pub(super) struct Arrival {
    /// The port with the envelope; the same one if it is dropped at once.
    pub(super) next: u32,
    /// What it makes the actor send, if that is all that it does.
    pub(super) sends: Box<[Envelope]>,
}

impl<A, S> CompactModel<A, S>
where
    A: Actor,
    S: Spec<A>,
{
    pub(super) fn port(&self, actor: usize, port: u32) -> &Port {
        self.ports[actor].get(port)
    }

    /// The port of a local state and these envelopes to it, sorted.
    pub(super) fn intern_port(&self, actor: usize, local: u32, mut inbox: Vec<u32>) -> u32 {
        if self.reductions.stale_messages {
            inbox.retain(|envelope| self.delivery_or_stale(actor, local, *envelope) & STALE == 0);
        }
        let mut hasher = FxHasher::default();
        hasher.write_u32(local);
        inbox.iter().for_each(|envelope| hasher.write_u32(*envelope));
        self.ports[actor].intern_hashed(hasher.finish(), (local, &*inbox), |(local, inbox)| {
            let cell = self.cell(actor, local);
            let term = |renaming| self.port_term(actor, local, inbox, renaming);
            Port {
                local,
                inbox: inbox.into(),
                is_up: cell.local.state.is_some(),
                verdict: cell.verdict,
                view: cell.view,
                term: term(None),
                renamed_terms: (0..self.renamings).map(|renaming| term(Some(renaming))).collect(),
                shared: self.shared_term(actor, local),
                moves: OnceLock::new(),
                fault: OnceLock::new(),
            }
        })
    }

    fn shared_term(&self, actor: usize, local: u32) -> Term {
        let renamings = self.sharers.get(&actor).into_iter().flatten();
        let term = |renaming: &Option<usize>| self.local_term(actor, local, *renaming).spread();
        renamings.map(term).fold(Term::default(), Term::add)
    }

    fn port_term(&self, actor: usize, local: u32, inbox: &[u32], renaming: Option<usize>) -> Term {
        let envelopes = inbox
            .iter()
            .map(|envelope| self.envelope_term(Envelope::new(actor, *envelope), renaming));
        envelopes.fold(self.local_term(actor, local, renaming), Term::add)
    }

    /// The deliveries and time-outs that are possible at a port and not taken at once.
    pub(super) fn moves(&self, actor: usize, port: u32) -> &[Move] {
        let cell = self.port(actor, port);
        cell.moves.get_or_init(|| {
            let mut moves = Vec::new();
            self.for_each_local_step(actor, cell.local, &cell.inbox, |step| {
                if !(self.reductions.eager_sends && self.step(step).only_sends) {
                    moves.push(self.make_move(actor, cell, step));
                }
            });
            moves.into()
        })
    }

    /// The crash that is possible at a port, or the recovery if the actor is down.
    pub(super) fn fault_move(&self, actor: usize, port: u32) -> Option<&Move> {
        let cell = self.port(actor, port);
        let made = cell.fault.get_or_init(|| {
            let step = self.fault(actor, cell.local);
            (step >= FIRST_STEP).then(|| Box::new(self.make_move(actor, cell, step)))
        });
        made.as_deref()
    }

    /// The move of a person's input, unless it changes nothing.
    pub(super) fn input_move(&self, actor: usize, port: u32, input: u32) -> Option<&Move> {
        let cell = self.port(actor, port);
        let step = self.input(actor, cell.local, input);
        if step < FIRST_STEP {
            return None;
        }
        let number = self.input_moves.get_or_insert(&(actor as u32, port, input), || {
            let made = self.make_move(actor, cell, step);
            u32::try_from(self.inputs_moved.push(made)).expect("fewer than 2^32 moves")
        });
        Some(&self.inputs_moved[number as usize])
    }

    /// Calls `visit` with every delivery and time-out that is possible.
    pub(super) fn for_each_local_step(
        &self,
        actor: usize,
        local: u32,
        inbox: &[u32],
        mut visit: impl FnMut(u32),
    ) {
        for envelope in inbox {
            let step = self.delivery(actor, local, *envelope);
            if step >= FIRST_STEP {
                visit(step);
            }
        }
        for (_, step) in self.timeouts(actor, local) {
            visit(*step);
        }
    }

    /// What follows from a step at a port.
    pub(super) fn make_move(&self, actor: usize, port: &Port, number: u32) -> Move {
        let step = self.step(number);
        let mut sends = step.sends.to_vec();
        if step.next != port.local {
            sends.extend(self.sends_at_once(actor, step.next, &port.inbox));
        }
        sends.sort_unstable();
        sends.dedup();
        let next = self.intern_port(actor, step.next, port.inbox.to_vec());
        Move { step: number, next, sends: sends.into() }
    }

    /// What the steps send that only send and that are possible here.
    pub(super) fn sends_at_once(&self, actor: usize, local: u32, inbox: &[u32]) -> Vec<Envelope> {
        let mut sends = Vec::new();
        if self.reductions.eager_sends {
            self.for_each_local_step(actor, local, inbox, |step| {
                let step = self.step(step);
                if step.only_sends {
                    sends.extend_from_slice(&step.sends);
                }
            });
        }
        sends
    }

    /// What the arrival of an envelope at its receiver's port comes to. `None` if it is there.
    pub(super) fn arrival(
        &self,
        port: u32,
        envelope: Envelope,
        recent: &mut Recent,
    ) -> Option<&Arrival> {
        let cell = self.port(envelope.dst(), port);
        let place = cell.inbox.binary_search(&envelope.index()).err()?;
        let key = u64::from(envelope.number()) << 32 | u64::from(port);
        let number = recent.get_or_insert(key, || {
            self.arrivals.get_or_insert(&key, || self.make_arrival(cell, envelope, place))
        });
        Some(&self.arrived[number as usize])
    }

    fn make_arrival(&self, port: &Port, envelope: Envelope, place: usize) -> u32 {
        let actor = envelope.dst();
        let mut inbox = port.inbox.to_vec();
        inbox.insert(place, envelope.index());
        let step = self.delivery(actor, port.local, envelope.index());
        let at_once = self.reductions.eager_sends && step >= FIRST_STEP;
        let sends = match at_once.then(|| self.step(step)) {
            Some(step) if step.only_sends => step.sends.clone(),
            _ => Box::default(),
        };
        let next = self.intern_port(actor, port.local, inbox);
        u32::try_from(self.arrived.push(Arrival { next, sends })).expect("fewer than 2^32 arrivals")
    }
}

/// The arrivals that one thread has asked for lately: the same few come again and again, and this
/// answers without a lock.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    /// Keys and numbers, or nothing if nothing is remembered; a key of all ones is none, as no
    /// envelope has the highest number.
    places: Box<[(u64, u32)]>,
}

const RECENT_BITS: u32 = 11;

impl Recent {
    /// One that remembers.
    pub(super) fn remembering() -> Recent {
        Recent { places: vec![(u64::MAX, 0); 1 << RECENT_BITS].into() }
    }

    fn get_or_insert(&mut self, key: u64, ask: impl FnOnce() -> u32) -> u32 {
        let place = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - RECENT_BITS);
        let Some(place) = self.places.get_mut(place as usize) else { return ask() };
        if place.0 != key {
            *place = (key, ask());
        }
        place.1
    }
}
