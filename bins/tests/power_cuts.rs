//! A whole cluster in one thread, under virtual time, whose machines lose power at any operation
//! of their disks: what was not synced is torn, and the replicas come back on what is left.

use actor_runtime::disk::fake::Fault;
use paxos_chat::message::Outcome;
use paxos_chat::tuning::Tuning;
use paxos_chat_log::ChatLog;
use paxos_chat_simulation::{Bounds, Cluster, PowerCut};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

const MESSAGES: u64 = 60;
const POWER_CUTS: u32 = 25;
/// Virtual time within which everything must be acknowledged and equal.
const LIMIT: Duration = Duration::from_secs(3600);

/// Runs a cluster until everything is acknowledged on logs that are equal; gives that log, and the power cuts.
fn run(seed: u64) -> (ChatLog, Vec<PowerCut>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let tuning =
        Tuning { snapshot_slots: 5, recent_slots: 3, batch_commands_max: 2, ..Tuning::default() };
    let mut cluster = Cluster::new(&Bounds::new(seed, tuning));
    let (mut planned, mut cuts) = (0, Vec::new());
    loop {
        let speaker = &mut cluster.speakers[0];
        if speaker.submitted() < MESSAGES && speaker.submitted() < speaker.confirmed() + 4 {
            assert!(speaker.say_next());
        }
        if planned < POWER_CUTS && rng.random_ratio(1, 40) {
            planned += 1;
            let disk = cluster.machines[rng.random_range(0..cluster.machines.len())].disk();
            disk.fail_at(disk.operations() + rng.random_range(0..12), Fault::PowerCut);
        }
        cuts.extend(cluster.step());
        if cluster.is_settled(MESSAGES) {
            assert!(!cuts.is_empty());
            return (ChatLog::parse(&cluster.logs()[0]).unwrap(), cuts);
        }
        let confirmed = cluster.confirmed();
        assert!(cluster.air.now() < LIMIT, "seed {seed}: {confirmed} of {MESSAGES} confirmed");
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_at_any_operation() {
    let mut all = Vec::new();
    for seed in 0..40 {
        let (log, cuts) = run(seed);
        all.extend(cuts);
        let outcomes = log.entries.iter().flat_map(|entry| &entry.outcomes);
        let applied = outcomes.filter(|outcome| **outcome == Outcome::Applied).count();
        assert_eq!(applied as u64, MESSAGES, "seed {seed}: each message once");
    }
    let count = |is: fn(&&PowerCut) -> bool| all.iter().filter(is).count();
    let with_spares = count(|cut| cut.spare_segments > 0);
    assert!(with_spares > 100, "the power went {with_spares} times where segments are recycled");
    let in_recovery = count(|cut| cut.in_recovery);
    assert!(in_recovery > 20, "the power went {in_recovery} times while a replica recovered");
}
