//! Simulations repeat, find what is planted, and tell it small.

use paxos_chat_models::mutants::Mutant;
use paxos_chat_simulation::fault::{Fault, Trouble, Who};
use paxos_chat_simulation::plan::{Given, Plan, Profile};
use paxos_chat_simulation::planted::planted;
use paxos_chat_simulation::shrink::shrink;
use paxos_chat_simulation::trial::{Failure, Outcome, last_events, run, run_judged, run_on};
use paxos_chat_validation::finding::What;
use paxos_chat_validation::process::Stage;
use paxos_chat_validation::story::Listener;
use std::time::Duration;

/// What can be compared of an outcome.
fn told(outcome: &Outcome) -> String {
    let figures = outcome.figures;
    let failure = outcome.failure.as_ref().map(Failure::kind);
    format!(
        "{failure:?} {:?}",
        (figures.time, figures.datagrams, figures.events, figures.confirmed)
    )
}

fn plan(seed: u64, profile: Profile) -> Plan {
    Plan::draw(seed, &Given { profile: Some(profile), ..Given::default() })
}

#[test]
fn a_seed_is_the_same_run_again_and_nothing_is_wrong_with_it() {
    for (seed, profile) in (0..).zip(Profile::ALL) {
        let plan = plan(seed, profile);
        let outcome = run(&plan);
        assert!(outcome.failure.is_none(), "{profile}: {:?}", outcome.failure);
        assert_eq!(told(&outcome), told(&run(&plan)), "{profile}");
        assert!(outcome.figures.confirmed > 10, "{profile}: {outcome:?}");
        assert_eq!(plan.troubles.is_empty(), profile == Profile::Calm, "{profile}");
    }
}

#[test]
fn fewer_clients_and_fewer_troubles_leave_the_others_as_they_were() {
    let whole = plan(3, Profile::All);
    let kept: Vec<usize> = whole.troubles.iter().map(|(number, _)| *number).step_by(2).collect();
    let given = Given {
        profile: Some(Profile::All),
        clients: Some(1),
        troubles: Some(kept.clone()),
        ..Given::default()
    };
    let part = Plan::draw(3, &given);
    assert!(kept.len() > 3 && part.troubles.len() == kept.len());
    assert!(part.troubles.iter().all(|trouble| whole.troubles.contains(trouble)));
    assert_eq!((part.replicas, part.left_behind), (whole.replicas, whole.left_behind));
}

#[test]
fn what_is_planted_is_found_told_small_and_found_again() {
    let (stage, given) = (planted(Mutant::ProposesAtHighestReported), Given::default());
    let first = |seed| {
        let plan = Plan::draw(seed, &given);
        let outcome = run_on(&stage, &plan, Listener::none());
        outcome.failure.is_some().then_some((plan, outcome))
    };
    let (plan, outcome) = (0..40).find_map(first).expect("it is found");
    let shrunk = shrink(&stage, &given, &plan, &outcome, 60);
    let failure = shrunk.outcome.failure.clone().expect("it fails still");
    assert_eq!(failure.kind(), outcome.failure.as_ref().unwrap().kind());
    assert!(shrunk.plan.troubles.len() < plan.troubles.len().max(1), "{shrunk:?}");
    assert!(shrunk.runs > 3 && shrunk.plan.clients == 1, "{shrunk:?}");
    // As whoever is told the seed and what is given runs it.
    let again = run_on(&stage, &Plan::draw(plan.seed, &shrunk.given), Listener::none());
    assert_eq!(told(&again), told(&shrunk.outcome));
    let events = last_events(&stage, &shrunk.plan, 30);
    assert!(events.len() == 30, "{events:?}");
}

#[test]
fn a_majority_that_makes_no_progress_is_stuck() {
    let stage = planted(Mutant::ClientNeverAsksAgain);
    let given = Given { profile: Some(Profile::Links), ..Given::default() };
    let stuck = (0..20).any(|seed| {
        let outcome = run_on(&stage, &Plan::draw(seed, &given), Listener::none());
        matches!(outcome.failure, Some(Failure::Stuck(why)) if why.contains("are not acknowledged"))
    });
    assert!(stuck);
}

/// What one has proposed another one proposes again, though its own batches are smaller.
#[test]
fn leaders_are_configured_anew_one_after_the_other_under_load() {
    for seed in 0..12 {
        let given = Given {
            profile: Some(Profile::Calm),
            replicas: Some(3),
            clients: Some(4),
            ..Given::default()
        };
        let mut plan = Plan::draw(seed, &given);
        (plan.pace, plan.faulty) = (Duration::from_millis(10), Duration::from_secs(20));
        plan.tuning.batch_commands_max = 6;
        plan.left_behind.clear();
        let trouble = |number: u64| {
            let fault = Fault::Reconfigure(Who::Leader, seed * 100 + number);
            let (at, lasts) = (Duration::from_secs(1 + number), Duration::from_millis(300));
            (number as usize, Trouble { at, lasts, fault })
        };
        plan.troubles = (0..18).map(trouble).collect();
        let outcome = run(&plan);
        assert!(outcome.failure.is_none(), "{seed}: {:?}", outcome.failure);
        assert!(outcome.figures.lives > 20, "{:?}", outcome.figures);
    }
}

#[test]
fn machines_that_were_suspended_over_and_over_are_awake_when_a_majority_is_well() {
    let mut plan = plan(4, Profile::Calm);
    plan.faulty = Duration::from_secs(5);
    plan.left_behind.clear();
    let suspended = |number: usize| {
        let fault = Fault::Pause(Who::Replica(number as u8 % plan.replicas));
        let (at, lasts) = (Duration::from_millis(1000 + number as u64), Duration::from_secs(30));
        (number, Trouble { at, lasts, fault })
    };
    plan.troubles = (0..20).map(suspended).collect();
    let outcome = run(&plan);
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    assert!(outcome.figures.healed_in < Duration::from_secs(15), "{:?}", outcome.figures);
}

/// It took 88.7 s: nobody asked on when an answer's last chunk came first.
#[test]
fn who_lags_by_far_catches_up_though_chunks_overtake_one_another() {
    let outcome = run(&Plan::draw(3_155_735_174, &Given::default()));
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    assert!(outcome.figures.healed_in < Duration::from_secs(20), "{:?}", outcome.figures);
}

#[test]
fn a_start_with_many_syncs_on_a_slow_disk_ends_in_time() {
    let mut plan = plan(4, Profile::Calm);
    plan.faulty = Duration::from_secs(12);
    plan.left_behind.clear();
    // With these parameters it takes a snapshot every few slots, and writes dozens of them when it starts.
    let starts = Fault::Reconfigure(Who::Replica(1), 84);
    let slow = Fault::SlowDisk(Who::Replica(1), Duration::from_secs(1));
    let trouble = |(lasts, fault)| {
        let (at, lasts) = (Duration::from_secs(9), Duration::from_secs(lasts));
        Trouble { at, lasts, fault }
    };
    plan.troubles = [(1, starts), (3, slow)].map(trouble).into_iter().enumerate().collect();
    let outcome = run(&plan);
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    assert!(outcome.figures.time < Duration::from_secs(35), "{:?}", outcome.figures);
}

#[test]
fn a_panic_is_told_as_an_outcome() {
    let outcome = run_on(&planted(Mutant::PanicsAtVote), &plan(1, Profile::Calm), Listener::none());
    let Some(Failure::Ended(why)) = outcome.failure else { panic!("{outcome:?}") };
    assert!(why.contains("planted: an assertion of a handler fails"), "{why}");
}

#[test]
fn another_actor_than_the_recorded_one_is_found_at_the_first_handler_that_differs() {
    let bad = planted(Mutant::PromiseNotSaved);
    let outcome = run_judged(&bad, &Stage::default(), &plan(1, Profile::Leaders), Listener::none());
    let Some(Failure::Invalid(report)) = outcome.failure else { panic!("{outcome:?}") };
    let What::Divergence(text) = &report.findings[0].what else { panic!("{report:?}") };
    assert!(text.contains("the actor does otherwise than was recorded"), "{text}");
}

#[test]
fn a_replica_left_behind_is_none_of_a_majority() {
    for seed in 0..200 {
        let plan = Plan::draw(seed, &Given::default());
        let most = (usize::from(plan.replicas) - 1) / 2;
        assert!(plan.left_behind.len() <= most, "{plan:?}");
        assert!(plan.left_behind.iter().all(|id| *id < plan.replicas), "{plan:?}");
        assert!(plan.troubles.windows(2).all(|pair| pair[0].1.at <= pair[1].1.at), "{plan:?}");
        assert!(plan.faulty >= Duration::from_secs(5), "{plan:?}");
    }
}
