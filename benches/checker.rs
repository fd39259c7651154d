//! Unique states a second of the engines on one configuration, and how many states each explores.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use paxos_chat_models::compact::Reductions;
use paxos_chat_models::engine::Options;
use paxos_chat_models::entries;
use paxos_chat_models::run::{Engine, run};

const NONE: Reductions = Reductions::NONE;
const BOTH: Reductions = Reductions::ALL;

fn engines(c: &mut Criterion) {
    let entry = entries::find("sessions").expect("an entry of the catalog");
    let mut config = entry.config;
    // One leader: small enough for stateright's own model without reductions.
    config.ballots.truncate(1);
    let mut group = c.benchmark_group("checker");
    group.sample_size(10);
    for (name, engine, reductions) in [
        ("compact, reductions", Engine::Compact, BOTH),
        ("compact, no reductions", Engine::Compact, NONE),
        ("stateright on the compact model, no reductions", Engine::Stateright, NONE),
        ("stateright's ActorModel", Engine::ActorModel, NONE),
    ] {
        let explore = || run(&config, &[], engine, reductions, &Options::default()).0;
        let states = explore().report.unique_states;
        println!("{name}: {states} unique states");
        group.throughput(Throughput::Elements(states));
        group.bench_function(name, |b| b.iter(explore));
    }
    group.finish();
}

criterion_group!(benches, engines);
criterion_main!(benches);
