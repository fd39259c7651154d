//! One run of a configuration: by our engine, by stateright's on the same model, or by stateright's
//! own `ActorModel` of the same actors.
//!
//! **Invariants**
//! - *An outcome says `holds` only of a run that was completed, and whose reductions were checked.*
//! - *A panic of an actor is an outcome*, whether it comes in the search, in the check of the claims of
//!   staleness, or while a path is rebuilt.

use crate::config::{ChatModel, Config};
use crate::coverage::Coverage;
use crate::mutants::CLAIMS_ARE_CHECKED;
use crate::properties::Milestone;
use crate::refinement;
use crate::{bare, silent};
use actor_checker::compact::{CompactModel, Reductions};
use actor_checker::engine::{
    CheckpointError, Discovery, Options, Report, RunFolder, Stopped, Walk,
};
use actor_checker::foreign;
use actor_checker::reductions::dead::NotDead;
use actor_checker::reductions::stale::NotStale;
use actor_checker::reductions::symmetry::NotAlike;
use actor_checker::spec::{Kind, Spec};
use actor_checker::trace::{TraceStep, trace};
use stateright::actor::Actor;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
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
    /// How many pairs of a step and a renaming the run relied on, all of them checked.
    pub symmetry_claims: usize,
    /// How many pairs of a step and a variant of a local state the run relied on, all of them
    /// checked.
    pub variant_claims: usize,
    /// Why the run is void, if a claim did not hold.
    pub void: Option<String>,
    /// What the run has reached.
    pub coverage: Coverage,
    /// Why the files do not tell a path to what is violated, if they do not.
    pub pathless: Option<String>,
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

    /// Is there a path to each violation? One at the start needs none.
    pub fn has_paths(&self) -> bool {
        let mut judged = self.properties.iter().zip(&self.report.discoveries);
        judged.all(|(property, found)| {
            let needs_one = property.kind == Kind::Always && !property.holds;
            let is_further = found.is_some_and(|found| found.depth > 0);
            !(needs_one && is_further && property.counterexample.is_empty())
        })
    }

    /// Does everything hold, in a complete run?
    pub fn holds(&self) -> bool {
        self.is_complete() && self.properties.iter().all(|property| property.holds)
    }
}

/// Runs a configuration, and judges it.
///
/// # Panics
/// When `ActorModel` is asked for bounds that it does not [express](silent::expresses).
pub fn run(
    config: &Config,
    asked: &[Milestone],
    engine: Engine,
    reductions: Reductions,
    options: &Options<'_>,
) -> Outcome {
    let model = config.model(asked, reductions);
    let ours = || explore(&model, options);
    match engine {
        Engine::Compact => judge_chat(&model, ours()),
        Engine::Stateright => {
            let theirs = foreign::bfs(config.model(asked, reductions), options);
            if theirs.complete { compare(&model, theirs, ours()) } else { unjudged(theirs) }
        }
        Engine::ActorModel => {
            silent::expresses(config).expect("bounds that ActorModel expresses");
            unjudged(foreign::bfs(silent::Forgetful(silent::actor_model(config)), options))
        }
    }
}

/// Runs a configuration with our engine, its levels in files, from which another process can go on.
///
/// # Errors
/// When the checkpoint to go on from is damaged or of other bounds, or cannot be read.
pub fn run_in_files(
    config: &Config,
    asked: &[Milestone],
    reductions: Reductions,
    options: &Options<'_>,
    folder: &RunFolder,
) -> Result<Outcome, CheckpointError> {
    let model = config.model(asked, reductions);
    let mut refused = None;
    let report = panics_caught(|| {
        model.bfs_in_files(options, folder).unwrap_or_else(|error| {
            refused = Some(error);
            Report::of_counts(None, (0, 0, 0), Instant::now(), 0)
        })
    });
    match refused {
        Some(error) => Err(error),
        None => {
            // In memory it would take more than there may be; what is violated is told all the same.
            let pathless = Cell::new(None);
            let path = |at: Discovery| {
                let path = model.path_in_files(folder, at.fingerprint, at.depth);
                let failed = |error: CheckpointError| pathless.set(Some(error.to_string()));
                path.map_err(failed).unwrap_or_default()
            };
            let outcome = judge_chat_by(&model, report, &path);
            Ok(Outcome { pathless: pathless.take(), ..outcome })
        }
    }
}

/// What a search over several models gives: the report, and from each violation the way back if it was in files.
pub type Searched = (Report, Option<Vec<Option<Vec<u128>>>>);

/// Runs a configuration by a search over several models of it, of which the first has met, in the end, all that any has.
pub fn run_in_workers(
    config: &Config,
    asked: &[Milestone],
    reductions: Reductions,
    workers: usize,
    search: impl FnOnce(&[Arc<ChatModel>]) -> Searched,
) -> Outcome {
    let models: Vec<Arc<ChatModel>> =
        (0..workers).map(|_| Arc::new(config.model(asked, reductions))).collect();
    let mut trails = None;
    let report = panics_caught(|| {
        let (report, known) = search(&models);
        trails = known;
        report
    });
    let is_lost = matches!(report.stopped, Some(Stopped::Lost(_) | Stopped::Panic(_)));
    let pathless = Cell::new(None);
    let path = |at: Discovery| {
        let Some(trails) = &trails else {
            return models[0].path_to(at.fingerprint, at.depth);
        };
        let mut known = trails.iter().flatten();
        let trail = known.find(|trail| trail.first() == Some(&at.fingerprint));
        if trail.is_none() && !is_lost {
            pathless.set(Some("those of some process are damaged, or cannot be read".to_owned()));
        }
        models[0].path_through(trail?.clone())
    };
    let outcome = judge_chat_by(&models[0], report, &path);
    Outcome { pathless: pathless.take(), ..outcome }
}

/// Runs a configuration of which nothing is remembered and nothing judged, as `ActorModel` does: the
/// claims of staleness are checked all the same, in the time that the report states.
pub fn run_bare(
    config: &Config,
    engine: Engine,
    reductions: Reductions,
    options: &Options<'_>,
) -> Outcome {
    let started = Instant::now();
    let report = match engine {
        Engine::Compact => {
            let model = bare::model(config, reductions);
            let mut outcome = unjudged(panics_caught(|| model.bfs_unjudged(options)));
            if outcome.report.complete {
                check_claims(&model, &mut outcome);
            }
            outcome.report.elapsed = started.elapsed();
            return outcome;
        }
        Engine::Stateright => foreign::bfs(bare::model(config, reductions), options),
        Engine::ActorModel => {
            silent::expresses(config).expect("bounds that ActorModel expresses");
            foreign::bfs(silent::Forgetful(silent::actor_model(config)), options)
        }
    };
    unjudged(report)
}

/// What the check of refinement came to.
pub struct Refined {
    /// Counts, and the verdict on the properties of the refinement.
    pub outcome: Outcome,
    /// Why the last step of a counterexample is none of the specification's.
    pub refuted: Option<String>,
}

/// The event that shows that the specification does something at all.
pub const CHOSEN: &str = refinement::CHOSEN_EVENT;

/// Checks that the actors refine Paxos at every slot, within these bounds.
pub fn refine(config: &Config, reductions: Reductions, options: &Options<'_>) -> Refined {
    let model = refinement::model(config, reductions);
    let mut outcome = judge(&model, explore(&model, options));
    check_claims(&model, &mut outcome);
    let mut violated = outcome.report.discoveries.iter().zip(&outcome.properties);
    let at = violated.find(|(_, property)| property.kind == Kind::Always && !property.holds);
    let at = at.and_then(|(found, _)| *found);
    let refuted = at.and_then(|at| {
        guarded(&mut outcome.report, || {
            let (_, steps) = model.path_to(at.fingerprint, at.depth)?;
            let refuted = model.history(&steps.last()?.1).refuted.as_ref()?;
            Some(format!("{refuted:?}"))
        })
    });
    Refined { outcome, refuted: refuted.flatten() }
}

/// The counts are stateright's; what it has not kept is judged by our engine, which must count the
/// same.
fn compare(model: &ChatModel, theirs: Report, ours: Report) -> Outcome {
    let (ours_unique, theirs_unique) = (ours.unique_states, theirs.unique_states);
    let both = ours.complete && theirs.complete;
    let stopped = theirs.stopped.or(ours.stopped);
    let complete = stopped.is_none();
    let mut outcome =
        judge_chat(model, Report { discoveries: ours.discoveries, complete, stopped, ..theirs });
    if both && ours_unique != theirs_unique && outcome.void.is_none() {
        outcome.void = Some(format!(
            "the engines disagree: stateright's counts {theirs_unique} unique states, ours \
             {ours_unique}"
        ));
    }
    outcome
}

fn unjudged(report: Report) -> Outcome {
    Outcome {
        report,
        properties: Vec::new(),
        stale_claims: 0,
        symmetry_claims: 0,
        variant_claims: 0,
        void: None,
        coverage: Coverage::default(),
        pathless: None,
    }
}

/// The verdicts, and what was reached.
fn judge_chat(model: &ChatModel, report: Report) -> Outcome {
    judge_chat_by(model, report, &|at| model.path_to(at.fingerprint, at.depth))
}

fn judge_chat_by(model: &ChatModel, report: Report, path: PathTo<'_, ChatModel>) -> Outcome {
    let mut outcome = judge_by(model, report, path);
    // Noted first: the checks of claims take steps that no run has taken.
    outcome.coverage.add(model);
    check_claims(model, &mut outcome);
    outcome
}

/// What tells a shortest path to a state that was found.
type PathTo<'a, M> = &'a dyn Fn(Discovery) -> Option<Walk<M>>;

fn judge<A, S>(model: &CompactModel<A, S>, report: Report) -> Outcome
where
    A: Actor,
    S: Spec<A>,
    CompactModel<A, S>: Sync,
{
    judge_by(model, report, &|at| model.path_to(at.fingerprint, at.depth))
}

fn judge_by<A, S>(
    model: &CompactModel<A, S>,
    report: Report,
    path: PathTo<'_, CompactModel<A, S>>,
) -> Outcome
where
    A: Actor,
    S: Spec<A>,
    CompactModel<A, S>: Sync,
{
    let reached = model.reached();
    let names = Spec::properties(model.spec());
    let mut outcome = unjudged(report);
    for (bit, property) in names.iter().enumerate() {
        let found = outcome.report.discoveries.get(bit).copied().flatten();
        let hit = found.is_some() || reached.has(bit);
        let counterexample = match (property.kind, found) {
            (Kind::Always, Some(at)) => guarded(&mut outcome.report, || {
                path(at).map_or_else(Vec::new, |(init, steps)| trace(model, &init, &steps))
            }),
            _ => None,
        };
        outcome.properties.push(PropertyOutcome {
            name: property.name,
            kind: property.kind,
            holds: hit == (property.kind == Kind::Sometimes),
            counterexample: counterexample.unwrap_or_default(),
        });
    }
    outcome
}

/// Checks the claims that a run has relied on.
fn check_claims<A: Actor, S: Spec<A>>(model: &CompactModel<A, S>, outcome: &mut Outcome) {
    if matches!(outcome.report.stopped, Some(Stopped::Panic(_))) {
        // An actor that has panicked in the run will do so again.
        return;
    }
    CLAIMS_ARE_CHECKED.store(true, Ordering::Relaxed);
    let checked = guarded(&mut outcome.report, || check_reductions(model));
    CLAIMS_ARE_CHECKED.store(false, Ordering::Relaxed);
    match checked {
        Some(Ok([symmetry, stale, variants])) => {
            outcome.symmetry_claims = symmetry;
            outcome.stale_claims = stale;
            outcome.variant_claims = variants;
        }
        Some(Err(why)) => outcome.void = Some(why),
        None => {}
    }
}

/// Checks the claims that the reductions relied on, or says which does not hold.
fn check_reductions<A: Actor, S: Spec<A>>(
    model: &CompactModel<A, S>,
) -> Result<[usize; 3], String> {
    let symmetric = model.check_symmetry().map_err(|claim| {
        let NotAlike { event, at, difference } = *claim;
        format!("alike nodes do not act alike: {difference}.\nEvent: {event}\nAt {at}")
    })?;
    let stale = model.check_stale().map_err(|claim| {
        let NotStale { message, dropped_at, matters_at } = *claim;
        format!(
            "{message} was dropped as stale, but matters later.\n\
             Dropped at {dropped_at}\nMatters at {matters_at}"
        )
    })?;
    let variants = model.check_dead_variables().map_err(|claim| {
        let NotDead { event, variant, difference } = *claim;
        format!(
            "two local states were explored as one, but do not act alike: {difference}.\n\
             Event: {event}\nAt {variant}"
        )
    })?;
    Ok([symmetric, stale, variants])
}

/// Explores a configuration with our engine; the report names what was found, in the order of
/// [`Safety::ALL`](crate::properties::Safety::ALL).
pub fn search(config: &Config, reductions: Reductions, options: &Options<'_>) -> Report {
    explore(&config.model(&[], reductions), options)
}

/// Explores a model with our engine. What panics outside of the search leaves the run incomplete, with nothing known.
fn explore<A: Actor, S: Spec<A>>(model: &CompactModel<A, S>, options: &Options<'_>) -> Report
where
    CompactModel<A, S>: Sync,
{
    panics_caught(|| model.bfs(options))
}

fn panics_caught(search: impl FnOnce() -> Report) -> Report {
    let started = Instant::now();
    catch_unwind(AssertUnwindSafe(search)).unwrap_or_else(|cause| {
        Report::of_counts(Some(Stopped::panicked(&*cause)), (0, 0, 0), started, 0)
    })
}

/// Runs what calls actors after the search; a panic in it leaves the run incomplete.
fn guarded<R>(report: &mut Report, part: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(part)) {
        Ok(result) => Some(result),
        Err(cause) => {
            report.complete = false;
            report.stopped = Some(Stopped::panicked(&*cause));
            None
        }
    }
}
