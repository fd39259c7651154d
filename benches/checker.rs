//! Unique states a second and bytes a state of the engines on one configuration, with their ratios.
//!
//! All of them explore the same bounds with nothing remembered and nothing judged, as stateright's
//! `ActorModel` does. Without reductions they explore the same states.

use actor_checker::compact::Reductions;
use actor_checker::engine::Options;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use paxos_chat_models::catalog;
use paxos_chat_models::run::{Engine, run_bare};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::time::Instant;

/// Counts the bytes that are held while it is on, so that engines are compared by them. Off, it costs
/// a look at a flag: times are taken then.
struct Counting;

static IS_ON: AtomicBool = AtomicBool::new(false);
static HELD: AtomicIsize = AtomicIsize::new(0);
static MOST: AtomicIsize = AtomicIsize::new(0);

fn count(change: isize) {
    if IS_ON.load(Ordering::Relaxed) {
        let held = HELD.fetch_add(change, Ordering::Relaxed) + change;
        MOST.fetch_max(held, Ordering::Relaxed);
    }
}

/// The most bytes that are held at once in the course of this, above what was held before.
fn bytes_most(part: impl FnOnce()) -> f64 {
    HELD.store(0, Ordering::Relaxed);
    MOST.store(0, Ordering::Relaxed);
    IS_ON.store(true, Ordering::Relaxed);
    part();
    IS_ON.store(false, Ordering::Relaxed);
    MOST.load(Ordering::Relaxed) as f64
}

// SAFETY: every call goes to the system's allocator with the arguments it was given.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What one engine did, once.
struct Measured {
    name: &'static str,
    states: u64,
    seconds: f64,
    bytes_most: f64,
}

fn engines(c: &mut Criterion) {
    let mut config = catalog::find("sessions").expect("an entry of the catalog").config;
    // One leader: small enough for stateright's own model without reductions.
    config.ballots.truncate(1);
    let mut group = c.benchmark_group("checker");
    group.sample_size(10);
    let mut rows: Vec<Measured> = Vec::new();
    for (name, engine, reductions) in [
        ("stateright's ActorModel", Engine::ActorModel, Reductions::NONE),
        ("stateright on the compact model", Engine::Stateright, Reductions::NONE),
        ("compact", Engine::Compact, Reductions::NONE),
        ("compact, reductions", Engine::Compact, Reductions::ALL),
    ] {
        let explore = || run_bare(&config, engine, reductions, &Options::default());
        let started = Instant::now();
        let states = explore().report.unique_states;
        let seconds = started.elapsed().as_secs_f64();
        let bytes_most = bytes_most(|| drop(explore()));
        rows.push(Measured { name, states, seconds, bytes_most });
        group.throughput(Throughput::Elements(states));
        group.bench_function(name, |b| b.iter(explore));
    }
    group.finish();
    print_ratios(&rows);
}

/// One row an engine, each beside `ActorModel`, which is the first.
fn print_ratios(rows: &[Measured]) {
    println!("engine | unique states | states/s | bytes a state | sooner | less memory");
    for row in rows {
        println!(
            "{} | {} | {:.0} | {:.0} | {:.1}x | {:.1}x",
            row.name,
            row.states,
            row.states as f64 / row.seconds,
            row.bytes_most / row.states as f64,
            rows[0].seconds / row.seconds,
            rows[0].bytes_most / row.bytes_most,
        );
    }
}

criterion_group!(benches, engines);
criterion_main!(benches);
