//! One run of a configuration: by our engine, by stateright's on the same model, or by stateright's
//! own `ActorModel` of the same actors.
//!
//! **Invariant**: an outcome says `holds` only of a run that was completed, and whose reductions
//! were checked.

use crate::catalog::{ChatModel, Config};
use crate::compact::Reductions;
use crate::engine::{Options, Report, Stopped};
use crate::silent;
use crate::spec::Kind;
use crate::trace::{TraceStep, trace};
use stateright::{Checker, Model};
use std::time::Instant;

/// What explores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Our breadth-first engine on the compact model.
    Compact,
    /// stateright's breadth-first engine on the compact model.
    Stateright,
    /// stateright's breadth-first engine on its own model of the same actors. It explores no
    /// ghosts and judges no property of theirs: it is a yardstick of states and time.
    ActorModel,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Counts, times, and where properties were found violated or reached.
    pub report: Report,
    /// The verdict on each property.
    pub properties: Vec<PropertyOutcome>,
    /// How many claims of staleness the run relied on, all of them checked.
    pub stale_claims: usize,
    /// Why the run is void, if a claim did not hold.
    pub void: Option<String>,
}

/// The verdict on a property.
#[derive(Clone, Debug)]
pub struct PropertyOutcome {
    /// What is claimed.
    pub name: &'static str,
    /// Safety or reachability.
    pub kind: Kind,
    /// It holds: not violated, or reached.
    pub holds: bool,
    /// For a violated `Always` property, a shortest path to the violation.
    pub counterexample: Vec<TraceStep>,
}

impl Outcome {
    /// Was every state explored, and every reduction checked?
    pub fn is_complete(&self) -> bool {
        self.report.complete && self.void.is_none()
    }

    /// Was an `Always` property violated?
    pub fn is_violated(&self) -> bool {
        self.properties.iter().any(|p| p.kind == Kind::Always && !p.holds)
    }

    /// Does everything hold, in a complete run?
    pub fn holds(&self) -> bool {
        self.is_complete() && self.properties.iter().all(|property| property.holds)
    }
}

/// Runs a configuration and returns the model too, for its coverage.
pub fn run(
    config: &Config,
    events: &[&'static str],
    engine: Engine,
    reductions: Reductions,
    options: &Options<'_>,
) -> (Outcome, ChatModel) {
    let model = config.model(events, reductions);
    let outcome = match engine {
        Engine::Compact => {
            let report = model.bfs(options);
            judge(&model, report)
        }
        Engine::Stateright => {
            let report = stateright_report(config.model(events, reductions), options);
            // The counts are stateright's; what it has not kept is judged on our model.
            let judged = model.bfs(options);
            judge(&model, Report { discoveries: judged.discoveries, ..report })
        }
        Engine::ActorModel => Outcome {
            report: stateright_report(silent::actor_model(config), options),
            properties: Vec::new(),
            stale_claims: 0,
            void: None,
        },
    };
    (outcome, model)
}

fn judge(model: &ChatModel, report: Report) -> Outcome {
    let reached = model.reached();
    let names = crate::spec::Spec::properties(model.spec());
    let properties = names.iter().enumerate().map(|(bit, property)| {
        let found = report.discoveries.get(bit).copied().flatten();
        let hit = found.is_some() || reached.has(bit);
        let counterexample = match (property.kind, found) {
            (Kind::Always, Some(at)) => {
                let path = model.path_to(at.fingerprint, at.depth);
                path.map_or_else(Vec::new, |(init, steps)| trace(model, &init, &steps))
            }
            _ => Vec::new(),
        };
        PropertyOutcome {
            name: property.name,
            kind: property.kind,
            holds: hit == (property.kind == Kind::Sometimes),
            counterexample,
        }
    });
    let properties = properties.collect();
    let (stale_claims, void) = match model.check_stale() {
        Ok(claims) => (claims, None),
        Err(claim) => (
            0,
            Some(format!(
                "{} was dropped as stale, but matters later.\nDropped at {}\nMatters at {}",
                claim.message, claim.dropped_at, claim.matters_at
            )),
        ),
    };
    Outcome { report, properties, stale_claims, void }
}

/// Runs stateright's breadth-first checker.
fn stateright_report<M>(model: M, options: &Options<'_>) -> Report
where
    M: Model + Send + Sync + 'static,
    M::State: std::hash::Hash + Clone + PartialEq + Send + Sync,
    M::Action: Clone + PartialEq,
{
    let started = Instant::now();
    let mut builder = model.checker().threads(options.threads.max(1));
    if let Some(max) = options.max_states {
        builder = builder.target_state_count(usize::try_from(max).unwrap_or(usize::MAX));
    }
    let checker = builder.spawn_bfs().join();
    let generated = checker.state_count() as u64;
    let stopped = options.max_states.filter(|max| generated >= *max).map(|_| Stopped::States);
    Report {
        complete: stopped.is_none(),
        stopped,
        unique_states: checker.unique_state_count() as u64,
        generated_states: generated,
        // stateright counts states on the path, not steps.
        depth: (checker.max_depth() as u64).saturating_sub(1),
        by_depth: Vec::new(),
        elapsed: started.elapsed(),
        memory_bytes: 0,
        discoveries: Vec::new(),
    }
}
