//! When a run must stop early: somebody asks, time is up, or memory runs out.
//!
//! The engines look at a flag; a thread of its own raises it. What a process has resident is
//! known to the system alone, so it is asked, some twenty times a second.
//!
//! **Without a limit given**, a run stops before it has taken what the machine has left: an
//! incomplete result is worth more than being killed.

use crate::interrupt;
use actor_checker::engine::Stopped;
use actor_checker::fingerprint::STATES_MAX_OF_64_BITS;
use actor_checker::memory;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a run may take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    /// Resident memory of this process, in bytes.
    pub(super) memory_bytes: Option<u64>,
    /// With how many other processes it shares the machine.
    pub(super) others: u64,
    /// Time.
    pub(super) seconds: Option<u64>,
}

/// Watches one run.
pub(super) struct Watch {
    limits: Limits,
    signals: Arc<Signals>,
    thread: Option<JoinHandle<()>>,
}

/// What a run and its watch tell each other.
#[derive(Default)]
struct Signals {
    stop: AtomicBool,
    is_memory: AtomicBool,
    over: AtomicBool,
    why: OnceLock<String>,
}

impl Signals {
    fn stop(&self, why: String) {
        // The first reason stays.
        let _ = self.why.set(why);
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Watch {
    /// Watches from now on.
    pub(super) fn new(limits: Limits) -> Watch {
        let signals = Arc::new(Signals::default());
        let watched = Arc::clone(&signals);
        let builder = std::thread::Builder::new().name("watch".into());
        // Without a thread for it there are no limits; the run itself will hardly get any further.
        let thread = builder.spawn(move || watch(&watched, limits)).ok();
        Watch { limits, signals, thread }
    }

    /// Raised when the run must stop.
    pub(super) fn flag(&self) -> &AtomicBool {
        &self.signals.stop
    }

    /// Tells whether the run must stop, in a way that other processes understand.
    pub(super) fn stops(&self) -> Arc<dyn Fn() -> Option<Stopped> + Send + Sync> {
        let signals = Arc::clone(&self.signals);
        Arc::new(move || {
            let why = if signals.is_memory.load(Ordering::Relaxed) {
                Stopped::Memory
            } else {
                Stopped::Interrupted
            };
            signals.stop.load(Ordering::Relaxed).then_some(why)
        })
    }

    /// Why a run stopped, in words.
    pub(super) fn because(&self, stopped: &Stopped) -> String {
        match stopped {
            Stopped::Violation => "a property is violated".into(),
            Stopped::States => "the limit of --max-states was reached".into(),
            Stopped::Memory => self.signals.why.get().cloned().unwrap_or_else(|| {
                if self.limits.memory_bytes.is_some() {
                    return "the limit of --max-memory-mib was reached".into();
                }
                "too little memory for one of its processes; choose smaller bounds".into()
            }),
            Stopped::Fingerprints => format!(
                "fingerprints of 64 bits are not for more than {STATES_MAX_OF_64_BITS} states; \
                 --checkpoint keeps 128"
            ),
            Stopped::Files => "the limit of --max-disk-mib was reached".into(),
            Stopped::Disk(why) => why.clone(),
            Stopped::Damaged(why) => format!("{why}; begin again in another folder"),
            Stopped::Lost(why) => why.clone(),
            Stopped::Interrupted => {
                self.signals.why.get().cloned().unwrap_or_else(|| "interrupted".into())
            }
            Stopped::Panic(message) => format!("an actor or a property panicked: {message}"),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.signals.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn watch(signals: &Signals, limits: Limits) {
    let started = Instant::now();
    let ceiling = Ceiling::of_this_machine(limits.others);
    while !signals.over.load(Ordering::Relaxed) {
        if interrupt::is_asked() {
            signals.stop("interrupted".into());
        } else if limits.seconds.is_some_and(|max| started.elapsed().as_secs() >= max) {
            signals.stop("the limit of --max-seconds was reached".into());
        } else if let Some(why) = ceiling.is_reached(limits.memory_bytes) {
            signals.is_memory.store(true, Ordering::Relaxed);
            signals.stop(why);
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
}

/// The memory that this process may take in a run, of which so much is asked for.
pub(super) fn memory_bytes_max(Limits { memory_bytes: asked, others, .. }: Limits) -> u64 {
    let ceiling = Ceiling::of_this_machine(others);
    let limits = [asked.or(ceiling.resident_bytes), ceiling.address_space_bytes];
    limits.into_iter().flatten().min().unwrap_or(u64::MAX)
}

/// What memory there is.
struct Ceiling {
    resident_bytes: Option<u64>,
    /// With how many other processes it is shared.
    others: u64,
    address_space_bytes: Option<u64>,
}

impl Ceiling {
    fn of_this_machine(others: u64) -> Ceiling {
        let of_machine = memory::available_bytes()
            .map(|bytes| bytes / 10 * 9 + memory::resident_bytes().unwrap_or(0));
        let of_group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").unwrap_or_default();
        let of_group = of_group.trim().parse::<u64>().ok();
        let of_group = of_group.map(|bytes| bytes / 10 * 9);
        let resident_bytes =
            of_machine.into_iter().chain(of_group).min().map(|bytes| bytes / (1 + others));
        let limit = memory::address_space_limit_bytes();
        let address_space_bytes = limit.map(|bytes| bytes / 10 * 9);
        Ceiling { resident_bytes, others, address_space_bytes }
    }

    fn is_reached(&self, asked: Option<u64>) -> Option<String> {
        let above = |bytes: Option<u64>, max: Option<u64>| bytes?.gt(&max?).then_some(());
        let resident = memory::resident_bytes();
        if above(resident, asked).is_some() {
            return Some("the limit of --max-memory-mib was reached".into());
        }
        let mib = resident.unwrap_or(0) >> 20;
        if asked.is_none() && above(resident, self.resident_bytes).is_some() {
            let shared = if self.others > 0 { " to all processes, divided by them" } else { "" };
            return Some(format!(
                "too little memory: {mib} MiB are resident, nine tenths of what was available{shared}; \
                 choose smaller bounds, or set --max-memory-mib yourself"
            ));
        }
        if above(memory::address_space_bytes(), self.address_space_bytes).is_some() {
            return Some(format!(
                "too little memory: {mib} MiB are resident, and nine tenths of the address space \
                 that `ulimit -v` grants are used; raise it, or choose smaller bounds"
            ));
        }
        None
    }
}
