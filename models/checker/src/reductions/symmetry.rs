//! The check, after a run, that renaming commutes with every local step of the run.
//!
//! **Invariant**: for every renaming, and every delivery, time-out, crash and recovery that the run
//! has met, the renamed actor takes the renamed step: to the renamed local state, sending the
//! renamed messages, recorded and judged alike, and dropped as stale alike. Otherwise the run is
//! void.
//!
//! **Why that is enough**: let two states be alike if a renaming leads from one to the other. By
//! induction on the length of a path, every state of the full system is alike to one of the run: the
//! initial state is its own renaming, and what an actor does in a state, the renamed actor does in
//! the renamed one, because every local step of the full system is a renaming of one of the run.
//! Properties speak of all replicas and all clients alike, so that alike states have one verdict.
//!
//! The check also takes every renamed step, so that the graph of local steps becomes that of the full
//! system: claims of staleness are checked on it (see [`crate::reductions::stale`]).

use crate::compact::{CompactModel, Envelope, FIRST_STEP, STALE};
use crate::spec::Spec;
use stateright::actor::Actor;

/// A step that the renamed actor does not take alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAlike {
    /// What happens.
    pub event: String,
    /// The local state at which it happens.
    pub at: String,
    /// What is different.
    pub difference: &'static str,
}

/// The local steps at a local state: what the run knows of them.
struct Known {
    deliveries: Vec<(u32, u32)>,
    timeouts: Vec<(u32, u32)>,
    fault: Option<u32>,
}

impl<A: Actor, S: Spec<A>> CompactModel<A, S> {
    /// Checks that every renaming that the run has relied on commutes with every local step of it;
    /// how many pairs of a step and a renaming there were.
    ///
    /// # Errors
    /// The first step, by actor and number, that does not commute.
    pub fn check_symmetry(&self) -> Result<usize, Box<NotAlike>> {
        if self.renamings() == 0 {
            return Ok(0);
        }
        let known: Vec<Vec<Known>> = (0..self.actors().len())
            .map(|actor| {
                self.locals[actor]
                    .iter()
                    .map(|(_, cell)| Known {
                        deliveries: cell.deliveries.iter().collect(),
                        timeouts: cell.timeouts.get().map_or_else(Vec::new, |all| all.to_vec()),
                        fault: cell.crash.get().or(cell.recovery.get()).copied(),
                    })
                    .collect()
            })
            .collect();
        let mut count = self.check_start()?;
        for renaming in 0..self.renamings() {
            for (actor, locals) in known.iter().enumerate() {
                for (local, known) in (0..).zip(locals) {
                    count += self.check_local(renaming, actor, local, known)?;
                }
            }
            self.check_records(renaming)?;
            count += self.check_judgements(renaming).map_err(|at| {
                let event = format!("renaming {renaming}");
                Box::new(NotAlike { event, at, difference: "the system is judged differently" })
            })?;
        }
        Ok(count)
    }

    fn check_start(&self) -> Result<usize, Box<NotAlike>> {
        if self.start_is_its_own_renaming() {
            return Ok(1);
        }
        Err(Box::new(NotAlike {
            event: "the start".into(),
            at: "the start".into(),
            difference: "the initial state is another one when renamed",
        }))
    }

    fn check_local(
        &self,
        renaming: usize,
        actor: usize,
        local: u32,
        known: &Known,
    ) -> Result<usize, Box<NotAlike>> {
        let (other, other_local) = self.renamed_local(renaming, actor, local);
        if !self.are_judged_alike((actor, local), (other, other_local)) {
            let (event, at) = (format!("renaming {renaming}"), self.show(actor, local));
            let difference = "the renamed local state is judged differently";
            return Err(Box::new(NotAlike { event, at, difference }));
        }
        let check = |step: u32, other_step: u32| {
            let difference = self.difference(renaming, step, other_step);
            difference.map_or(Ok(()), |difference| {
                let event = self.describe(step, actor, renaming);
                let at = self.show(actor, local);
                Err(Box::new(NotAlike { event, at, difference }))
            })
        };
        for (envelope, step) in &known.deliveries {
            let arrived = self.renamed_envelope(renaming, Envelope::new(actor, *envelope));
            let other_step = self.delivery_or_stale(other, other_local, arrived.index());
            check(*step, other_step)?;
        }
        for (timer, step) in &known.timeouts {
            let timeouts = self.timeouts(other, other_local).iter();
            let other_step = timeouts.clone().find(|(other, _)| other == timer).map_or(0, |t| t.1);
            check(*step, other_step)?;
        }
        if let Some(step) = known.fault {
            let other_step = self.fault(other, other_local);
            check(step, other_step)?;
        }
        Ok(known.deliveries.len() + known.timeouts.len() + usize::from(known.fault.is_some()))
    }

    /// How the renaming of a step differs from the step that the renamed actor takes.
    fn difference(&self, renaming: usize, step: u32, other: u32) -> Option<&'static str> {
        if step & STALE != other & STALE {
            return Some("only one of the two is dropped as stale");
        }
        let (step, other) = (step & !STALE, other & !STALE);
        if step < FIRST_STEP || other < FIRST_STEP {
            let both = step < FIRST_STEP && other < FIRST_STEP;
            return (!both).then_some("only one of the two is a step within the bounds");
        }
        let (actor, step, other) = (self.actor_of(step), self.step(step), self.step(other));
        let mut sends: Vec<Envelope> =
            step.sends.iter().map(|sent| self.renamed_envelope(renaming, *sent)).collect();
        sends.sort_unstable();
        if self.renamed_local(renaming, actor, step.next).1 != other.next {
            Some("they lead to different local states")
        } else if *sends != *other.sends {
            Some("they send different messages")
        } else if !step.is_judged_like(other) {
            Some("they are judged or recorded differently")
        } else {
            None
        }
    }

    /// Checks that what is recorded of a renamed step is the renaming of what is recorded of it.
    fn check_records(&self, renaming: usize) -> Result<(), Box<NotAlike>> {
        for (history, step, next) in self.all_records() {
            let other_step = self.renamed_step(renaming, step);
            let other = self.record(self.renamed_history(renaming, history), other_step);
            if other != self.renamed_history(renaming, next) {
                return Err(Box::new(NotAlike {
                    event: self.describe(step, self.actor_of(step), renaming),
                    at: self.describe_history(history),
                    difference: "what is recorded differs",
                }));
            }
        }
        Ok(())
    }

    fn show(&self, actor: usize, local: u32) -> String {
        format!("{:?}", self.locals[actor].get(local).local)
    }

    fn describe(&self, step: u32, actor: usize, renaming: usize) -> String {
        let name = self.name(actor);
        let step = step & !STALE;
        if step < FIRST_STEP {
            return format!("{name} ignores a message; renaming {renaming}");
        }
        let text = stateright::Model::format_action(self, &self.action_of(step));
        format!("{text}; renaming {renaming}")
    }
}
