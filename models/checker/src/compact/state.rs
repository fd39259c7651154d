//! A system state as numbers, and its fingerprint.

use super::CompactModel;
use crate::fingerprint::{Term, upper};
use crate::spec::Spec;
use stateright::actor::Actor;
use std::hash::{Hash, Hasher};

/// The number of an envelope: receiver and index among the envelopes to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Envelope(u32);

const INDEX_BITS: u32 = 26;

impl Envelope {
    pub(crate) fn new(dst: usize, index: u32) -> Envelope {
        assert!(dst < 1 << (32 - INDEX_BITS) && index < 1 << INDEX_BITS, "envelope numbers fit");
        Envelope((dst as u32) << INDEX_BITS | index)
    }

    pub(super) fn dst(self) -> usize {
        (self.0 >> INDEX_BITS) as usize
    }

    pub(super) fn number(self) -> u32 {
        self.0
    }

    pub(crate) fn index(self) -> u32 {
        self.0 & ((1 << INDEX_BITS) - 1)
    }
}

/// A system state: a fingerprint and a short vector of numbers.
#[derive(Clone, Debug)]
pub struct SystemState {
    pub(super) fingerprint: u128,
    /// History, crashes so far, the inputs given so far as a bit set, then the port of each actor.
    pub(super) words: Box<[u32]>,
}

pub(super) const HISTORY: usize = 0;
pub(super) const CRASHES: usize = 1;
pub(super) const INPUTS: usize = 2;
pub(super) const PORTS: usize = 3;

impl SystemState {
    /// The state's fingerprint: the same in every run.
    pub fn fingerprint(&self) -> u128 {
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
        state.write_u64(upper(self.fingerprint));
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

/// Terms of fingerprints: spread content hashes, each with its place as salt.
impl<A, S> CompactModel<A, S>
where
    A: Actor,
    S: Spec<A>,
{
    pub(super) fn local_term(&self, actor: usize, id: u32, renaming: Option<usize>) -> Term {
        match renaming {
            None => Self::local_hash_term(actor, self.locals[actor].hash_of(id)),
            Some(renaming) => self.cell(actor, id).renamed_terms[renaming],
        }
    }

    pub(super) fn local_hash_term(actor: usize, hash: u64) -> Term {
        Term::of(hash, 2 * actor as u64 + 3)
    }

    pub(super) fn envelope_term(&self, envelope: Envelope, renaming: Option<usize>) -> Term {
        let inbound = &self.inbound[envelope.dst()];
        match renaming {
            None => Self::envelope_hash_term(envelope.dst(), inbound.hash_of(envelope.index())),
            Some(renaming) => inbound.get(envelope.index()).renamed_terms[renaming],
        }
    }

    pub(super) fn envelope_hash_term(dst: usize, hash: u64) -> Term {
        Term::of(hash, 2 * dst as u64 + 4)
    }

    pub(super) fn history_term(&self, id: u32, renaming: Option<usize>) -> Term {
        match renaming {
            None => Self::history_hash_term(self.histories.hash_of(id)),
            Some(renaming) => self.histories.get(id).renamed_terms[renaming],
        }
    }

    pub(super) fn history_hash_term(hash: u64) -> Term {
        Term::of(hash, 1)
    }

    pub(super) fn crashes_term(crashes: u32) -> Term {
        Term::of(u64::from(crashes), 2)
    }

    pub(super) fn inputs_term(inputs: u32) -> Term {
        Term::of(u64::from(inputs), 0)
    }
}
