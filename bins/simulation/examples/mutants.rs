//! Which planted bugs simulation and validation find, and what that takes: the table in docs/simulate.md.
//!
//! `cargo run --release -p paxos-chat-simulation --example mutants -- [SECONDS [--rivals] [CODE...]]`
//!
//! Each bug that is not equivalent is tried on one seed after the other, from 0 on, for so many seconds of a processor (30,
//! if it is not said). *Simulation* plays the bug and replays it: so it is found by what follows from it. *Validation*
//! replays the same runs through the deployed actors, and finds the first handler that has done otherwise. With `--rivals`, in
//! every fourth cluster nobody asks for support before a ballot, which is not how replicas are deployed: so rivals meet.

use paxos_chat_models::mutants::{AVAILABILITY, LIVENESS, Mutant, SAFETY};
use paxos_chat_shell::{say, tell};
use paxos_chat_simulation::plan::{Given, Plan};
use paxos_chat_simulation::planted::planted;
use paxos_chat_simulation::trial::{Failure, Outcome, run_judged};
use paxos_chat_validation::finding::What;
use paxos_chat_validation::process::Stage;
use paxos_chat_validation::story::Listener;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What finding a bug has taken.
struct Found {
    seeds: u64,
    cpu: Duration,
    /// None, if it was not found.
    how: Option<String>,
}

fn how(failure: &Failure) -> String {
    match failure {
        Failure::Invalid(report) => match report.findings.first().map(|finding| &finding.what) {
            Some(What::Violated { property, .. }) => (*property).to_owned(),
            Some(What::Divergence(_)) => "it does otherwise".to_owned(),
            Some(What::Unexplained { .. }) => "a message that nobody sent".to_owned(),
            _ => "not readable".to_owned(),
        },
        Failure::Ended(why) => {
            let line = why.lines().last().unwrap_or_default();
            format!("a process ends: {}", line.chars().take(60).collect::<String>())
        }
        other => other.kind().to_owned(),
    }
}

fn hunt(
    budget: Duration,
    run: impl Fn(&Plan) -> Outcome,
    counts: impl Fn(&Failure) -> bool,
) -> Found {
    let mut found = Found { seeds: 0, cpu: Duration::ZERO, how: None };
    while found.cpu < budget && found.how.is_none() {
        let outcome = run(&Plan::draw(found.seeds, &Given::default()));
        found.seeds += 1;
        found.cpu += outcome.figures.cpu;
        found.how = outcome.failure.filter(|failure| counts(failure)).map(|it| how(&it));
    }
    found
}

fn cell(Found { seeds, cpu, how }: &Found) -> String {
    let seconds = cpu.as_secs_f64();
    match how {
        Some(how) => format!("seed {}, {seconds:.1} s: {how}", seeds - 1),
        None => format!("not in {seeds} seeds, {seconds:.0} s"),
    }
}

fn row(mutant: Mutant, by: &str, budget: Duration, rivals: bool) -> String {
    let (bad, good) = (planted(mutant), Stage::default());
    let run = |plan: &Plan, judge: &Stage| {
        let mut plan = plan.clone();
        plan.tuning.pre_vote = !(rivals && plan.seed.is_multiple_of(4));
        run_judged(&bad, judge, &plan, Listener::none())
    };
    let played = |plan: &Plan| run(plan, &bad);
    let replayed = |plan: &Plan| run(plan, &good);
    let simulation = hunt(budget, played, |_| true);
    let validation = hunt(budget, replayed, |failure| matches!(failure, Failure::Invalid(_)));
    format!(
        "| {} | {} | {by} | {} | {} |",
        mutant.code(),
        mutant.name(),
        cell(&simulation),
        cell(&validation)
    )
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(30);
    let (options, wanted): (Vec<String>, Vec<String>) =
        arguments.partition(|argument| argument.starts_with('-'));
    let (budget, rivals) = (Duration::from_secs(seconds), options == ["--rivals"]);
    let all = [(SAFETY, "catalog"), (LIVENESS, "progress"), (AVAILABILITY, "links, hardships")];
    let all = all.into_iter().flat_map(|(family, by)| family.iter().map(move |it| (it, by)));
    let is_wanted =
        |mutant: Mutant| wanted.is_empty() || wanted.iter().any(|it| it == mutant.code());
    let tried: Vec<(Mutant, &str)> = all
        .filter(|(description, _)| description.equivalent.is_none())
        .map(|(description, by)| (description.mutant, by))
        .filter(|(mutant, _)| is_wanted(*mutant))
        .collect();
    say!("| code | bug | by the checker | by simulation | by validation |\n|---|---|---|---|---|");
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(vec![None; tried.len()]));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((mutant, by)) = tried.get(at) else { return };
                    let row = row(*mutant, by, budget, rivals);
                    tell!("{row}");
                    if let Ok(mut rows) = rows.lock() {
                        rows[at] = Some(row);
                    }
                }
            });
        }
    });
    for row in rows.into_inner().unwrap_or_default().into_iter().flatten() {
        say!("{row}");
    }
}
