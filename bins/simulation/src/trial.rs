//! One simulation, from its plan to its verdict.
//!
//! There are three parts. First things go wrong, and clients speak. Then a majority is well again, and **must make
//! progress**: everything that clients have said is acknowledged or known to be lost, and readers have read it. At last
//! all are well again, and must have equal logs. Whatever happens, all that was done is validated.
//!
//! **Invariant**: an outcome is a function of the plan, but for keys.

use crate::bounds::Bounds;
use crate::cluster::Cluster;
use crate::machine::Machine;
use crate::nemesis::Nemesis;
use crate::plan::Plan;
use actor_runtime::wire::{DATAGRAM_BYTES_LEAST, Packing};
use paxos_chat::types::Slot;
use paxos_chat_models::situations::Situations;
use paxos_chat_replica::journal::SEGMENT_BYTES;
use paxos_chat_validation::process::Stage;
use paxos_chat_validation::run::Report;
use paxos_chat_validation::story::{Listener, Told};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::time::{ClockId, clock_gettime};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::{self, Display, Formatter};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::Duration;

/// Within which time a majority that is well must have done all that is asked of it: an election time-out has then doubled
/// as often as it may, and gone off a few times. It is twice the longest that 36,000 seeds have taken.
pub const PROGRESS_LIMIT: Duration = Duration::from_secs(90);

/// Messages of one client that are neither acknowledged nor lost; with more it waits.
const PENDING_MAX: u64 = 64;

/// Of so many messages of a client, one asks for a place in the log only.
const SYNC_EVERY: u32 = 8;

/// Longer than anything lasts.
const FOR_EVER: Duration = Duration::from_secs(1 << 30);
/// A reader asks this many times less often than a client speaks.
const READ_PACE: u64 = 4;
/// Current reads of a reader that are open at once while things go wrong.
const OPEN_READS_MAX: usize = 8;
/// What the seed of current reads differs by from that of the rest.
const READINGS: u64 = 0x7ead;

/// What must not be.
#[derive(Clone, Debug)]
pub enum Failure {
    /// A process has ended of itself, or an assertion of it has failed.
    Ended(String),
    /// What was recorded is not valid.
    Invalid(Box<Report>),
    /// A majority that was well again has not done what was asked of it.
    Stuck(String),
    /// All were well again, and are not equal.
    Unequal(String),
}

impl Failure {
    /// What kind of failure it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Failure::Ended(_) => "a process ended",
            Failure::Invalid(_) => "not valid",
            Failure::Stuck(_) => "no progress",
            Failure::Unequal(_) => "logs differ",
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind())?;
        match self {
            Failure::Ended(why) | Failure::Stuck(why) | Failure::Unequal(why) => f.write_str(why),
            Failure::Invalid(report) => match report.findings.first() {
                Some(finding) => write!(f, "{finding}"),
                None => f.write_str("it was not validated to its end"),
            },
        }
    }
}

/// What a simulation has come to, in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Virtual time.
    pub time: Duration,
    /// Processor time, of the simulation and of its validation.
    pub cpu: Duration,
    /// Messages and timers that actors handled.
    pub events: u64,
    /// Datagrams.
    pub datagrams: u64,
    /// Messages that clients have said.
    pub said: u64,
    /// Of them, those that were acknowledged.
    pub confirmed: u64,
    /// Lives of processes.
    pub lives: u64,
    /// Power cuts.
    pub power_cuts: u64,
    /// How long it took until a majority that was well again had done all that was asked of it.
    pub healed_in: Duration,
}

/// What a simulation has come to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What must not be, if anything was.
    pub failure: Option<Failure>,
    /// In numbers.
    pub figures: Figures,
    /// What has happened to replicas.
    pub situations: Situations,
}

thread_local! {
    /// Is a simulation run by this thread?
    static RUNS: Cell<bool> = const { Cell::new(false) };
    /// What the last panic in one said.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A panic in a simulation is an outcome of it, and is told with it.
fn keep_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if RUNS.get() {
                PANIC.set(panic.to_string());
            } else {
                before(panic);
            }
        }));
    });
}

/// Runs a simulation of the actors that are deployed.
pub fn run(plan: &Plan) -> Outcome {
    run_on(&Stage::default(), plan, Listener::none())
}

/// The last of these many events, of a simulation of the actors on this stage; until the first finding, if there is one.
pub fn last_events(stage: &Stage, plan: &Plan, count: usize) -> Vec<Told> {
    let mut kept: VecDeque<Told> = VecDeque::new();
    let mut until = u64::MAX;
    // Where the first finding is, is known only when all is validated.
    if let Some(Failure::Invalid(report)) = run_on(stage, plan, Listener::none()).failure
        && let Some(finding) = report.findings.first()
    {
        until = finding.event;
    }
    let listener = Listener {
        window: 0..=until,
        tell: Box::new(|event| {
            kept.push_back(event);
            if kept.len() > count {
                kept.pop_front();
            }
        }),
    };
    run_on(stage, plan, listener);
    kept.into()
}

/// Runs a simulation of the actors on this stage, and tells its events when it is over.
pub fn run_on(stage: &Stage, plan: &Plan, listener: Listener<'_>) -> Outcome {
    run_judged(stage, stage, plan, listener)
}

/// The same, validated by the actors on another stage.
pub fn run_judged(stage: &Stage, by: &Stage, plan: &Plan, listener: Listener<'_>) -> Outcome {
    keep_panics();
    let begun = cpu_time();
    let (mut figures, mut situations) = <(Figures, Situations)>::default();
    RUNS.set(true);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        Trial::new(stage, plan).run(by, (&mut figures, &mut situations), listener)
    }));
    RUNS.set(false);
    let failure = caught.unwrap_or_else(|_| Some(Failure::Ended(PANIC.take())));
    figures.cpu = cpu_time().saturating_sub(begun);
    Outcome { failure, figures, situations }
}

/// The processor time of this thread.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

struct Trial<'a> {
    plan: &'a Plan,
    cluster: Cluster,
    nemesis: Nemesis,
    /// When each client speaks next, and from what that is drawn.
    speeches: Vec<(Duration, StdRng)>,
    /// The same of current reads, for all readers.
    readings: (Duration, StdRng),
    power_cuts: u64,
}

fn bounds(plan: &Plan) -> Bounds {
    // Every other one with datagrams so short that batches and chunks travel in parts.
    let short = plan.seed.is_multiple_of(2);
    let datagram_bytes_max = if short { DATAGRAM_BYTES_LEAST } else { 60_000 };
    Bounds {
        replicas: plan.replicas,
        clients: plan.clients,
        durable_clients: plan.durable_clients,
        readers: 1,
        segment_bytes: SEGMENT_BYTES,
        packing: Packing { datagram_bytes_max, ..Packing::default() },
        ..Bounds::new(plan.seed, plan.tuning.clone())
    }
}

impl<'a> Trial<'a> {
    fn new(stage: &Stage, plan: &'a Plan) -> Trial<'a> {
        let bounds = bounds(plan);
        let cluster = Cluster::on(stage.clone(), &bounds);
        let nodes = usize::from(bounds.replicas + bounds.clients + bounds.readers);
        let nemesis = Nemesis::new(plan, bounds.links, nodes);
        let speech = |number| {
            let seed = plan.seed.wrapping_add(1000 * (u64::from(number) + 1));
            (Duration::ZERO, StdRng::seed_from_u64(seed))
        };
        let speeches = (0..plan.clients).map(speech).collect();
        let readings = (Duration::ZERO, StdRng::seed_from_u64(plan.seed.wrapping_add(READINGS)));
        Trial { plan, cluster, nemesis, speeches, readings, power_cuts: 0 }
    }

    fn run(
        mut self,
        by: &Stage,
        (figures, situations): (&mut Figures, &mut Situations),
        listener: Listener<'_>,
    ) -> Option<Failure> {
        let lived = self.live(figures);
        let Cluster { air, speakers, .. } = &self.cluster;
        (figures.time, figures.datagrams) = (air.now(), air.sent());
        figures.said = speakers.iter().map(crate::Speaker::submitted).sum();
        (figures.confirmed, figures.power_cuts) = (self.cluster.confirmed(), self.power_cuts);
        let report = match self.cluster.judge(by, listener) {
            Ok(report) => report,
            Err(error) => return Some(Failure::Ended(error.to_string())),
        };
        *situations = report.situations.clone();
        (figures.events, figures.lives) = (report.counts.handled, report.counts.lives);
        if report.is_good() { lived.err() } else { Some(Failure::Invalid(Box::new(report))) }
    }

    fn now(&self) -> Duration {
        self.cluster.air.now()
    }

    fn live(&mut self, figures: &mut Figures) -> Result<(), Failure> {
        while self.now() < self.plan.faulty {
            let speaks = self.speeches.iter().map(|(at, _)| *at).min();
            let reads = Some(self.readings.0);
            let next = self.nemesis.deadline().into_iter().chain(speaks).chain(reads).min();
            self.advance(next.unwrap_or(Duration::MAX).min(self.plan.faulty))?;
            self.nemesis.act(&mut self.cluster);
            self.speak();
            self.read();
        }
        self.heal_majority();
        let healed_at = self.now();
        self.until("the majority that is well", healed_at + PROGRESS_LIMIT, Trial::left_undone)?;
        figures.healed_in = self.now() - healed_at;
        self.heal_all();
        let limit = self.now() + PROGRESS_LIMIT;
        self.until("all that are well", limit, Trial::differs).map_err(|failure| match failure {
            Failure::Stuck(why) => Failure::Unequal(why),
            failure => failure,
        })
    }

    fn advance(&mut self, limit: Duration) -> Result<(), Failure> {
        let cuts = self.cluster.advance(limit).map_err(Failure::Ended)?;
        self.power_cuts += cuts.len() as u64;
        Ok(())
    }

    fn speak(&mut self) {
        let now = self.now();
        let pace = self.plan.pace.as_micros() as u64;
        for (speaker, (next, rng)) in self.cluster.speakers.iter_mut().zip(&mut self.speeches) {
            if *next <= now {
                *next = now + Duration::from_micros(rng.random_range(1..=2 * pace.max(1)));
                if speaker.pending() >= PENDING_MAX {
                    continue;
                }
                if rng.random_ratio(1, SYNC_EVERY) {
                    speaker.sync();
                } else {
                    speaker.say_next();
                }
            }
        }
    }

    /// Begins a current read of each reader, if it is time.
    fn read(&mut self) {
        let (now, (next, rng)) = (self.now(), &mut self.readings);
        if *next <= now {
            let pace = READ_PACE * self.plan.pace.as_micros().max(1) as u64;
            *next = now + Duration::from_micros(rng.random_range(1..=2 * pace));
            let idle =
                self.cluster.listeners.iter_mut().filter(|l| l.open_reads() < OPEN_READS_MAX);
            idle.for_each(crate::listener::Listener::read_current);
        }
    }

    /// Lets time pass until nothing is left to be done.
    fn until(
        &mut self,
        who: &str,
        limit: Duration,
        left: impl Fn(&Self) -> Option<String>,
    ) -> Result<(), Failure> {
        while let Some(left) = left(self) {
            if self.now() >= limit {
                let within = PROGRESS_LIMIT.as_secs();
                return Err(Failure::Stuck(format!("{who}: after {within} s {left}")));
            }
            self.advance(limit)?;
        }
        Ok(())
    }

    /// All is well but for those replicas that are left behind, which are down, or heard by nobody.
    fn heal_majority(&mut self) {
        self.nemesis.end(&mut self.cluster);
        let left_behind = &self.plan.left_behind;
        let are_down = self.plan.seed.is_multiple_of(3);
        for (id, machine) in (0..).zip(&mut self.cluster.machines) {
            machine.disk().heal();
            if are_down && left_behind.contains(&id) {
                machine.kill(FOR_EVER, None);
            } else {
                machine.bring_back();
            }
        }
        if !are_down {
            self.nemesis.cut_off(left_behind, &self.cluster);
        }
        for speaker in &mut self.cluster.speakers {
            speaker.bring_back();
        }
        // Those that were open may have been answered, and this one not.
        self.cluster.listeners.iter_mut().for_each(crate::listener::Listener::read_current);
    }

    fn heal_all(&mut self) {
        self.nemesis.end(&mut self.cluster);
        self.cluster.machines.iter_mut().for_each(Machine::bring_back);
    }

    /// Of those that are well.
    fn applied_upto(&self) -> Slot {
        let machines = (0..).zip(&self.cluster.machines);
        let well = machines.filter(|(id, _)| !self.plan.left_behind.contains(id));
        let applied = well.filter_map(|(_, machine)| Some(machine.state()?.learner.applied_upto));
        applied.max().unwrap_or_default()
    }

    fn left_undone(&self) -> Option<String> {
        for (number, speaker) in self.cluster.speakers.iter().enumerate() {
            if speaker.pending() > 0 {
                let pending = speaker.pending();
                return Some(format!("{pending} messages of client {number} are not acknowledged"));
            }
        }
        for (number, reader) in self.cluster.listeners.iter().enumerate() {
            if reader.open_reads() > 0 {
                let open = reader.open_reads();
                return Some(format!("{open} current reads of reader {number} have not ended"));
            }
        }
        let upto = self.applied_upto();
        let lags = |listener: &crate::listener::Listener| listener.read_upto() < upto;
        let lagging = self.cluster.listeners.iter().find(|listener| lags(listener))?;
        Some(format!("a reader has read up to slot {} of {upto}", lagging.read_upto()))
    }

    fn differs(&self) -> Option<String> {
        let mut first: Option<(usize, Vec<u8>)> = None;
        for (id, machine) in self.cluster.machines.iter().enumerate() {
            // What has rotted may end it, and may be read.
            if machine.has_rotted() {
                continue;
            }
            if !machine.is_up() {
                return Some(format!("replica {id} is down"));
            }
            let log = machine.log();
            match &first {
                None => first = Some((id, log)),
                Some((_, of_first)) if *of_first == log => {}
                Some((other, of_first)) => {
                    let (bytes, others) = (log.len(), of_first.len());
                    return Some(format!(
                        "the log of replica {id} has {bytes} bytes, and is not that of replica {other}, with {others}"
                    ));
                }
            }
        }
        None
    }
}
