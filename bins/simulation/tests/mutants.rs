//! Bugs that are planted in real drivers are found: by what follows from them, and by replaying what was recorded.
//!
//! These are the ones that a few seeds find. `examples/mutants.rs` tries all of them, for as long as it is told to.

use paxos_chat_models::mutants::{AVAILABILITY, LIVENESS, Mutant, SAFETY};
use paxos_chat_simulation::plan::{Given, Plan};
use paxos_chat_simulation::planted::planted;
use paxos_chat_simulation::trial::{Failure, run_judged};
use paxos_chat_validation::process::Stage;
use paxos_chat_validation::story::Listener;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Seeds that are tried, from 0 on.
const SEEDS: u64 = 13;

/// Found by both within these seeds.
const BOTH: &[&str] = &[
    "M01", "M02", "M03", "M11", "M12", "M14", "M16", "M18", "M20", "M21", "M24", "M25", "M26",
    "M28", "M29", "N02", "N05", "N06", "N07", "P01", "P03", "P04", "P05", "P06", "P07", "P08",
    "B02", "B03", "B04", "R01", "R02", "R03", "R04", "R05", "K04", "M08", "M09", "S03", "S04",
    "S05", "S11", "S12", "C01", "C03", "M32", "S08", "S09", "S10", "L02", "L06", "L07", "L08",
    "L10",
];

/// Found by validation only: what they do has no consequence in these seeds.
const VALIDATION: &[&str] = &[
    "C02", "K01", "K03", "K05", "K06", "K07", "N03", "S02", "S06", "C04", "C05", "M31", "M33",
    "L01", "L03", "S15",
];

fn mutant(code: &str) -> Mutant {
    let all = [SAFETY, LIVENESS, AVAILABILITY].concat();
    all.iter().find(|it| it.mutant.code() == code).expect("it is in the table").mutant
}

fn is_found(mutant: Mutant, by: &Stage, counts: impl Fn(&Failure) -> bool) -> bool {
    let bad = planted(mutant);
    (0..SEEDS).any(|seed| {
        let plan = Plan::draw(seed, &Given::default());
        run_judged(&bad, by, &plan, Listener::none()).failure.as_ref().is_some_and(&counts)
    })
}

fn is_found_by_validation(mutant: Mutant) -> bool {
    is_found(mutant, &Stage::default(), |failure| matches!(failure, Failure::Invalid(_)))
}

fn is_found_by_simulation(mutant: Mutant) -> bool {
    is_found(mutant, &planted(mutant), |_| true)
}

/// Those of these for which it is not so; two at a time.
fn without(codes: &[&'static str], is_so: impl Fn(Mutant) -> bool + Sync) -> Vec<&'static str> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        while let Some(code) = codes.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !is_so(mutant(code)) {
                wrong.push(*code);
            }
        }
        wrong
    };
    std::thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    })
}

#[test]
fn what_follows_from_them_is_found() {
    assert_eq!(without(BOTH, is_found_by_simulation), [""; 0]);
}

#[test]
fn the_first_handler_that_does_otherwise_is_found() {
    assert_eq!(without(&[BOTH, VALIDATION].concat(), is_found_by_validation), [""; 0]);
}
