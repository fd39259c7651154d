//! `cluster simulate`: whole clusters under virtual time, from seeds, judged as real runs are.

use crate::bar::Seeds;
use crate::interrupt;
use actor_checker::{chart, trace};
use anyhow::{Error, Result, ensure};
use clap::Args;
use paxos_chat_models::situations::Situations;
use paxos_chat_shell::{places, say};
use paxos_chat_simulation::plan::{Given, Plan, Profile};
use paxos_chat_simulation::shrink::{Shrunk, shrink};
use paxos_chat_simulation::trial::{Figures, Outcome, last_events, run};
use paxos_chat_validation::process::Stage;
use paxos_chat_validation::story::as_path;
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long new seeds are tried, if it is not said.
const DEFAULT_SECONDS: f64 = 10.0;

/// Events that are told of a simulation that fails.
const TOLD_EVENTS: usize = 40;

/// What to simulate.
#[derive(Args)]
pub struct SimulateArgs {
    /// The first seed; random if it is not given. Everything but keys is drawn from it.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds, one after the other; the one, if one is given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// Go on with the next seed for so many seconds [default: 10, unless seeds are given].
    #[arg(long = "for", value_name = "SECONDS", conflicts_with = "seeds", value_parser = seconds,
        allow_negative_numbers = true)]
    seconds: Option<Duration>,
    /// What may go wrong: calm, links, kills, disks, leaders, load, or all of it; drawn if it is not given.
    #[arg(long)]
    profile: Option<Profile>,
    /// How many replicas; drawn if it is not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=9))]
    replicas: Option<u8>,
    /// How many clients; drawn if it is not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    clients: Option<u8>,
    /// How long things go wrong, in seconds of virtual time; drawn if it is not given.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    faulty: Option<Duration>,
    /// Only these of the troubles happen, by their numbers; none, to leave out all.
    #[arg(long, value_name = "N,...|none", value_parser = numbers)]
    troubles: Option<Numbers>,
    /// The mean time between two messages of a client, in milliseconds; drawn if it is not given.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pace: Option<u64>,
    /// How many simulations at once; as many as there are processors, if it is not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// After how many smaller simulations of a seed that fails the smallest is told; 0, to tell it as it is.
    #[arg(long, value_name = "N", default_value_t = 200)]
    shrink: usize,
    /// Tell what goes wrong in the first seed, and when.
    #[arg(long)]
    story: bool,
    /// Draw the last events of the simulation that fails, or of the last one; - is standard output.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write what has happened to replicas, a situation a line: how often, which completed entries of the catalog have
    /// reached it, and what it is.
    #[arg(long, value_name = "FILE")]
    situations: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Numbers that were named.
#[derive(Clone, Debug)]
struct Numbers(Vec<usize>);

fn numbers(text: &str) -> Result<Numbers, String> {
    if text == "none" {
        return Ok(Numbers(Vec::new()));
    }
    let number = |part: &str| part.trim().parse();
    let parsed: Result<Vec<usize>, _> = text.split(',').map(number).collect();
    parsed.map(Numbers).map_err(|_| format!("{text:?}: give numbers, such as 3,7, or none"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    parsed
        .filter(|time| *time <= Duration::from_secs(1 << 30))
        .ok_or_else(|| format!("{text:?} is no time: give seconds, such as 60 or 2.5"))
}

impl SimulateArgs {
    fn given(&self) -> Given {
        Given {
            profile: self.profile,
            replicas: self.replicas,
            clients: self.clients,
            faulty: self.faulty,
            troubles: self.troubles.clone().map(|Numbers(numbers)| numbers),
            pace: self.pace.map(Duration::from_millis),
        }
    }

    fn threads(&self) -> usize {
        let own = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(own, usize::from)
    }

    /// How many seeds there are, and until when new ones are begun.
    fn limits(&self) -> (u64, Option<Duration>) {
        match (self.seeds, self.seconds, self.seed) {
            (Some(seeds), ..) => (seeds, None),
            (None, Some(time), _) => (u64::MAX, Some(time)),
            (None, None, Some(_)) => (1, None),
            (None, None, None) => (u64::MAX, Some(Duration::from_secs_f64(DEFAULT_SECONDS))),
        }
    }
}

/// All simulations of a run, so far.
#[derive(Default)]
struct Total {
    simulations: u64,
    by_profile: [u64; Profile::ALL.len()],
    figures: Figures,
    /// How long each majority took until all was done, and its seed.
    healed_in: Vec<(Duration, u64)>,
    situations: Situations,
    /// The lowest seed that fails.
    failed: Option<(u64, Plan, Outcome)>,
}

impl Total {
    fn add(&mut self, seed: u64, plan: Plan, outcome: Outcome) {
        let Figures { time, cpu, events, datagrams, said, confirmed, lives, power_cuts, healed_in } =
            outcome.figures;
        self.simulations += 1;
        let place = Profile::ALL.iter().position(|profile| *profile == plan.profile);
        self.by_profile[place.unwrap_or_default()] += 1;
        let sum = &mut self.figures;
        (sum.time, sum.cpu) = (sum.time + time, sum.cpu + cpu);
        sum.events += events;
        sum.datagrams += datagrams;
        sum.said += said;
        sum.confirmed += confirmed;
        sum.lives += lives;
        sum.power_cuts += power_cuts;
        if outcome.failure.is_none() {
            self.healed_in.push((healed_in, seed));
        }
        self.situations.merge(&outcome.situations);
        let is_lower = self.failed.as_ref().is_none_or(|(lowest, ..)| seed < *lowest);
        if outcome.failure.is_some() && is_lower {
            self.failed = Some((seed, plan, outcome));
        }
    }

    /// Virtual seconds and events for each second of a processor.
    fn rates(&self) -> (f64, f64) {
        let cpu = self.figures.cpu.as_secs_f64().max(1e-6);
        (self.figures.time.as_secs_f64() / cpu, self.figures.events as f64 / cpu)
    }

    /// The time in which that many of a hundred majorities had done all, and the seed that took it.
    fn healed_within(&mut self, percent: usize) -> (Duration, Option<u64>) {
        self.healed_in.sort_unstable();
        let place = (self.healed_in.len() * percent).div_ceil(100).saturating_sub(1);
        let found = self.healed_in.get(place);
        found.map_or((Duration::ZERO, None), |(time, seed)| (*time, Some(*seed)))
    }
}

/// Runs simulations, and tells what they came to.
///
/// # Errors
/// When a file that is asked for cannot be made, no seed was tried, or the system does not tell of requests to end.
pub fn simulate(args: &SimulateArgs) -> Result<ExitCode> {
    let files = [("--svg", args.svg.as_deref()), ("--situations", args.situations.as_deref())];
    places::apart(&files).map_err(Error::msg)?;
    for (option, file) in files {
        file.map_or(Ok(()), |file| places::claim(option, file)).map_err(Error::msg)?;
    }
    let asked = interrupt::listen()?;
    let first = args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let given = args.given();
    if args.story {
        say!("{}", story(&Plan::draw(first, &given)));
    }
    let begun = Instant::now();
    let mut total = try_seeds(args, first, &given, &asked);
    let seconds = begun.elapsed().as_secs_f64();
    let was_asked = asked.load(Ordering::Relaxed);
    ensure!(
        total.simulations > 0 || was_asked,
        "no seed was tried in that time: give --for more seconds, or --seeds"
    );
    let shrunk = total.failed.take().map(|(_, plan, outcome)| {
        let runs = if was_asked { 0 } else { args.shrink };
        shrink(&Stage::default(), &given, &plan, &outcome, runs)
    });
    if args.json {
        say!("{}", as_json(&mut total, (first, seconds, was_asked), shrunk.as_ref()));
    } else {
        print(&mut total, (first, seconds, was_asked), shrunk.as_ref());
    }
    let mut written = Ok(());
    if let Some(file) = &args.situations {
        let what = "what has happened to replicas";
        written = places::write("cluster", file, &total.situations.table(), what);
    }
    if let Some(file) = &args.svg {
        let last = first.wrapping_add(total.simulations.saturating_sub(1));
        let plan = shrunk.as_ref().map_or_else(|| Plan::draw(last, &given), |it| it.plan.clone());
        let (names, path) = as_path(&last_events(&Stage::default(), &plan, 4 * TOLD_EVENTS));
        let chart = chart::draw(names, &path);
        written =
            written.and(places::write("cluster", file, &chart, "the chart of the last events"));
    }
    // That something fails is worse than that a file of it could not be written.
    Ok(match (shrunk, written) {
        (Some(_), _) => ExitCode::from(1),
        (None, Err(status)) => ExitCode::from(status),
        (None, Ok(())) if was_asked => ExitCode::from(130),
        (None, Ok(())) => ExitCode::SUCCESS,
    })
}

/// Tries one seed after the other, until it is enough, one fails, or somebody asks to stop.
fn try_seeds(args: &SimulateArgs, first: u64, given: &Given, asked: &AtomicBool) -> Total {
    let (seeds, time) = args.limits();
    let (begun, next, total) = (Instant::now(), AtomicU64::new(0), Mutex::new(Total::default()));
    // Those that have begun end; one of a lower seed may fail, too.
    let has_failed = AtomicBool::new(false);
    let bar = Seeds::new();
    let work = || {
        loop {
            let is_over = time.is_some_and(|time| begun.elapsed() >= time);
            if is_over || asked.load(Ordering::Relaxed) || has_failed.load(Ordering::Relaxed) {
                return;
            }
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= seeds {
                return;
            }
            let seed = first.wrapping_add(number);
            let plan = Plan::draw(seed, given);
            let outcome = run(&plan);
            has_failed.fetch_or(outcome.failure.is_some(), Ordering::Relaxed);
            if let Ok(mut total) = total.lock() {
                total.add(seed, plan, outcome);
                bar.tell(total.simulations, total.figures.time);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..args.threads() {
            scope.spawn(work);
        }
    });
    bar.clear();
    total.into_inner().unwrap_or_default()
}

/// What is going to happen.
fn story(plan: &Plan) -> String {
    let Plan { seed, profile, replicas, clients, durable_clients, faulty, pace, .. } = plan;
    let kind = if *durable_clients { "durable " } else { "" };
    let mut text = format!(
        "seed {seed}, profile {profile}: {replicas} replicas, {clients} {kind}clients, each of which speaks every {} ms\n",
        pace.as_millis()
    );
    for (number, trouble) in &plan.troubles {
        // A string takes what is written.
        let _ = writeln!(text, "  {number:>3}  {trouble}");
    }
    let left_behind: Vec<String> = plan.left_behind.iter().map(u8::to_string).collect();
    let but = match left_behind.as_slice() {
        [] => String::new(),
        ids => format!(", but for replica {}", ids.join(" and ")),
    };
    let _ = write!(text, "       at {:.3} s: all is well again{but}", faulty.as_secs_f64());
    text
}

/// The command that runs this plan again.
fn command(seed: u64, given: &Given) -> String {
    let mut text = format!("cluster simulate --seed {seed}");
    let mut add = |option: &str, value: Option<String>| {
        if let Some(value) = value {
            // A string takes what is written.
            let _ = write!(text, " --{option} {value}");
        }
    };
    add("profile", given.profile.map(|profile| profile.to_string()));
    add("replicas", given.replicas.map(|count| count.to_string()));
    add("clients", given.clients.map(|count| count.to_string()));
    add("faulty", given.faulty.map(|time| time.as_secs_f64().to_string()));
    add("pace", given.pace.map(|time| time.as_millis().to_string()));
    add(
        "troubles",
        given.troubles.as_ref().map(|numbers| {
            let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
            if numbers.is_empty() { "none".into() } else { numbers.join(",") }
        }),
    );
    text
}

/// Prints what a run that began with this seed came to after so many seconds, and whether somebody asked to stop it.
fn print(
    total: &mut Total,
    (first, seconds, was_asked): (u64, f64, bool),
    shrunk: Option<&Shrunk>,
) {
    let (simulated, events) = total.rates();
    let ((half, _), (all, slowest)) = (total.healed_within(50), total.healed_within(100));
    let Total { simulations, figures, by_profile, situations, .. } = total;
    let profiles = Profile::ALL.iter().zip(by_profile.iter()).filter(|(_, count)| **count > 0);
    let profiles: Vec<String> =
        profiles.map(|(profile, count)| format!("{profile} {count}")).collect();
    say!("{simulations} seeds from {first} on: {}", profiles.join(", "));
    say!(
        "{:.0} s of virtual time in {seconds:.1} s: {simulated:.0} s and {events:.0} events a second of a processor",
        figures.time.as_secs_f64()
    );
    say!(
        "{} messages said, of which {} acknowledged; {} lives of processes, {} power cuts, {} datagrams",
        figures.said,
        figures.confirmed,
        figures.lives,
        figures.power_cuts,
        figures.datagrams
    );
    say!(
        "a majority that was well again had done all within {:.1} s{}, half of them within {:.1} s",
        all.as_secs_f64(),
        slowest.map(|seed| format!(" (seed {seed})")).unwrap_or_default(),
        half.as_secs_f64()
    );
    say!(
        "{} situations of replicas, of which {} no completed entry of the catalog has reached",
        situations.len(),
        situations.unreached().len()
    );
    let Some(Shrunk { given, plan, outcome, runs, .. }) = shrunk else {
        say!(
            "\n{}: every run is valid, every majority made progress, and all logs are equal",
            if was_asked { "interrupted; until then" } else { "all is well" }
        );
        return;
    };
    if let Some(failure) = &outcome.failure {
        say!("\nFAILED: seed {}: {failure}", plan.seed);
    }
    say!("\nagain, as small as {runs} simulations have found it:\n  {}", command(plan.seed, given));
    say!("\n{}", story(plan));
    let (_, steps) = as_path(&last_events(&Stage::default(), plan, TOLD_EVENTS));
    say!("\nthe last events before it:\n{}", trace::to_text(&steps));
}

fn as_json(
    total: &mut Total,
    (first, seconds, was_asked): (u64, f64, bool),
    shrunk: Option<&Shrunk>,
) -> serde_json::Value {
    let (simulated, events) = total.rates();
    let ((half, _), (all, slowest)) = (total.healed_within(50), total.healed_within(100));
    let Total { simulations, figures, by_profile, .. } = total;
    let profiles: serde_json::Map<String, serde_json::Value> = Profile::ALL
        .iter()
        .zip(by_profile.iter())
        .map(|(profile, count)| (profile.to_string(), json!(count)))
        .collect();
    let failure = shrunk.map(|Shrunk { given, plan, outcome, runs }| {
        json!({
            "seed": plan.seed,
            "kind": outcome.failure.as_ref().map(|failure| failure.kind()),
            "what": outcome.failure.as_ref().map(ToString::to_string),
            "again": command(plan.seed, given),
            "smaller_simulations": runs,
            "troubles": plan.troubles.iter().map(|(_, trouble)| trouble.to_string()).collect::<Vec<_>>(),
        })
    });
    json!({
        "ok": shrunk.is_none(),
        "stopped": was_asked,
        "first_seed": first,
        "seeds": simulations,
        "profiles": profiles,
        "virtual_s": figures.time.as_secs_f64(),
        "seconds": seconds,
        "cpu_s": figures.cpu.as_secs_f64(),
        "virtual_s_per_cpu_s": simulated,
        "events": figures.events,
        "events_per_cpu_s": events,
        "said": figures.said,
        "acknowledged": figures.confirmed,
        "lives": figures.lives,
        "power_cuts": figures.power_cuts,
        "datagrams": figures.datagrams,
        "healed_within_s": all.as_secs_f64(),
        "slowest_seed": slowest,
        "half_healed_within_s": half.as_secs_f64(),
        "situations": total.situations.len(),
        "situations_new": total.situations.unreached().len(),
        "failure": failure,
    })
}
