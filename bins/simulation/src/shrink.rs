//! A plan that fails, made smaller for as long as it fails in the same way.
//!
//! **Source**: Zeller and Hildebrandt, *Simplifying and Isolating Failure-Inducing Input* (IEEE TSE 2002), for troubles;
//! clients are counted down, and time is cut by a quarter again and again.

use crate::plan::{Given, Plan};
use crate::trial::{Outcome, run_on};
use paxos_chat_validation::process::Stage;
use paxos_chat_validation::story::Listener;
use std::time::Duration;

/// What a shrunk plan is, and what it comes to.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// What is given, beside the seed.
    pub given: Given,
    /// The plan.
    pub plan: Plan,
    /// Its outcome, which is a failure.
    pub outcome: Outcome,
    /// How many simulations that took.
    pub runs: usize,
}

struct Shrinker<'a> {
    stage: &'a Stage,
    seed: u64,
    kind: &'static str,
    runs_left: usize,
    best: Shrunk,
}

impl Shrinker<'_> {
    /// Takes this over, if it fails in the same way.
    fn is_taken(&mut self, given: Given) -> bool {
        if self.runs_left == 0 {
            return false;
        }
        self.runs_left -= 1;
        let plan = Plan::draw(self.seed, &given);
        let outcome = run_on(self.stage, &plan, Listener::none());
        let fails = outcome.failure.as_ref().is_some_and(|failure| failure.kind() == self.kind);
        self.best.runs += 1;
        if fails {
            (self.best.given, self.best.plan, self.best.outcome) = (given, plan, outcome);
        }
        fails
    }

    fn troubles(&self) -> Vec<usize> {
        self.best.plan.troubles.iter().map(|(number, _)| *number).collect()
    }

    /// Leaves out as many troubles as it can, in ever smaller parts.
    fn leave_out_troubles(&mut self) {
        let mut size = self.troubles().len();
        while size > 0 && self.runs_left > 0 {
            let mut from = 0;
            while from < self.troubles().len() {
                let mut kept = self.troubles();
                kept.drain(from..(from + size).min(kept.len()));
                let given = Given { troubles: Some(kept), ..self.best.given.clone() };
                if !self.is_taken(given) {
                    from += size;
                }
            }
            size /= 2;
        }
    }

    fn shorten(&mut self) {
        loop {
            let faulty = self.best.plan.faulty * 3 / 4;
            let given = Given { faulty: Some(faulty), ..self.best.given.clone() };
            if faulty < Duration::from_millis(100) || !self.is_taken(given) {
                return;
            }
        }
    }

    fn with_fewer_clients(&mut self) {
        while self.best.plan.clients > 1 {
            let clients = Some(self.best.plan.clients - 1);
            if !self.is_taken(Given { clients, ..self.best.given.clone() }) {
                return;
            }
        }
    }
}

/// The smallest plan of this seed that still fails so, as far as so many simulations can find it.
pub fn shrink(stage: &Stage, given: &Given, plan: &Plan, outcome: &Outcome, runs: usize) -> Shrunk {
    let kind = outcome.failure.as_ref().map_or("", |failure| failure.kind());
    let best =
        Shrunk { given: given.clone(), plan: plan.clone(), outcome: outcome.clone(), runs: 0 };
    let mut shrinker = Shrinker { stage, seed: plan.seed, kind, runs_left: runs, best };
    shrinker.shorten();
    shrinker.leave_out_troubles();
    shrinker.with_fewer_clients();
    shrinker.shorten();
    shrinker.leave_out_troubles();
    shrinker.best
}
