//! The check, after a run, that every message that was dropped as stale was stale for ever.
//!
//! **Invariant**: for every dropped (local state, envelope), and every local state reachable from
//! it in the graph of local steps that the run has taken, crashes and recoveries included, a
//! delivery would again change nothing, and send nothing that it had not sent when it was dropped.
//! Otherwise the run is void.
//!
//! **Why that is enough**: call an envelope dead in a state if it was dropped at a local state from
//! which its receiver's present one is reachable by steps of the run. By induction on the length of
//! a path, every state of the full system has a partner in the run with the same core (locals,
//! history, crashes, inputs) whose network lacks dead envelopes only. A step of the full system that
//! delivers an envelope which is there is a step of the partner. One that delivers a dead envelope
//! changes no local state, by the check, and sends only what that envelope had made its receiver
//! send before it was dropped, which is in the network or dead in turn. Whether an envelope is dead
//! depends on it and its receiver's local state alone, so states that differ in dropped envelopes may
//! be merged. The claims are checked on the graph of the reduced run, which by the same induction has
//! every local step of the full one.

use crate::compact::{CompactModel, Envelope, FIRST_STEP, LocalCell, NO_OP, STALE};
use crate::spec::Spec;
use stateright::actor::Actor;
use std::collections::{BTreeMap, BTreeSet};

/// A dropped message that was not stale for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotStale {
    /// The receiver and the message.
    pub message: String,
    /// The local state at which it was dropped.
    pub dropped_at: String,
    /// A local state, reachable from there, at which it matters.
    pub matters_at: String,
}

impl<A: Actor, S: Spec<A>> CompactModel<A, S> {
    /// Checks every claim of staleness that the run has relied on; how many there were.
    ///
    /// # Errors
    /// The first message, by actor and number, that was not stale for ever.
    pub fn check_stale(&self) -> Result<usize, Box<NotStale>> {
        (0..self.actors().len()).map(|actor| self.check_stale_at(actor)).sum()
    }

    fn check_stale_at(&self, actor: usize) -> Result<usize, Box<NotStale>> {
        let edges: Vec<Vec<u32>> =
            self.locals[actor].iter().map(|(_, cell)| self.successors_of(cell)).collect();
        // By envelope and what it sent when it was dropped: the local states where it was dropped.
        let mut claims: BTreeMap<(u32, &[Envelope]), Vec<u32>> = BTreeMap::new();
        let mut count = 0;
        for (local, cell) in self.locals[actor].iter() {
            for (envelope, step) in cell.deliveries.iter().filter(|(_, step)| step & STALE != 0) {
                claims.entry((envelope, self.sent_by(step & !STALE))).or_default().push(local);
                count += 1;
            }
        }
        for ((envelope, sent), dropped_at) in claims {
            self.check_claim(actor, envelope, sent, &dropped_at, &edges)?;
        }
        Ok(count)
    }

    fn check_claim(
        &self,
        actor: usize,
        envelope: u32,
        sent: &[Envelope],
        dropped_at: &[u32],
        edges: &[Vec<u32>],
    ) -> Result<(), Box<NotStale>> {
        let mut seen: BTreeSet<u32> = dropped_at.iter().copied().collect();
        let mut queue: Vec<(u32, u32)> = dropped_at.iter().map(|local| (*local, *local)).collect();
        while let Some((origin, local)) = queue.pop() {
            let step = self.delivery(actor, local, envelope);
            let repeats = step == NO_OP || self.step(step).only_sends;
            if !repeats || !self.sent_by(step).iter().all(|message| sent.contains(message)) {
                let (_, _, msg) = self.open(Envelope::new(actor, envelope));
                let show = |local| format!("{:?}", self.locals[actor].get(local).local);
                return Err(Box::new(NotStale {
                    message: format!("{} receives {msg:?}", self.name(actor)),
                    dropped_at: show(origin),
                    matters_at: show(local),
                }));
            }
            // Local states first met by this very check have no steps yet: no run got there.
            for next in edges.get(local as usize).into_iter().flatten() {
                if seen.insert(*next) {
                    queue.push((origin, *next));
                }
            }
        }
        Ok(())
    }

    /// What a step sends.
    fn sent_by(&self, step: u32) -> &[Envelope] {
        if step < FIRST_STEP { &[] } else { &self.step(step).sends }
    }

    /// The local states that one step of the run leads to.
    fn successors_of(&self, cell: &LocalCell<A, S>) -> Vec<u32> {
        let deliveries = cell.deliveries.iter().map(|(_, step)| step & !STALE);
        let timeouts = cell.timeouts.get().into_iter().flatten().map(|(_, step)| *step);
        let inputs = cell.inputs.iter().map(|(_, step)| step);
        let faults = cell.crash.get().into_iter().chain(cell.recovery.get()).copied();
        let steps = deliveries.chain(timeouts).chain(inputs).chain(faults);
        let mut next: Vec<u32> =
            steps.filter(|step| *step >= FIRST_STEP).map(|step| self.step(step).next).collect();
        next.sort_unstable();
        next.dedup();
        next
    }
}
