//! A whole cluster in one thread, under virtual time, whose machines lose power at any operation
//! of their disks: what was not synced is torn, and the replicas come back on what is left.

mod machines;

use actor_runtime::disk::fake::Fault;
use actor_runtime::driver::DriverError;
use machines::{Air, Machine, client};
use paxos_chat::message::{Input, Message};
use paxos_chat::tuning::Tuning;
use paxos_chat::types::Body;
use paxos_chat_log::ChatLog;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const REPLICAS: u16 = 3;
const MESSAGES: u64 = 60;
const POWER_CUTS: u32 = 25;
/// Virtual time within which everything must be acknowledged and equal.
const LIMIT: Duration = Duration::from_secs(3600);

/// Runs a cluster until everything is acknowledged on logs that are equal; gives that log, and how
/// often a machine lost its power while it had segments to be used again.
fn run(seed: u64) -> (ChatLog, u32) {
    let mut rng = StdRng::seed_from_u64(seed);
    let (air, confirmed) = (Rc::new(Air::default()), Rc::new(Cell::new(0)));
    let tuning =
        Tuning { snapshot_slots: 5, recent_slots: 3, batch_commands_max: 2, ..Tuning::default() };
    let mut machines: Vec<Machine> =
        (0..REPLICAS).map(|id| Machine::new(id, &air, &tuning, rng.random())).collect();
    let mut client = client(&air, &confirmed, seed);
    let (mut submitted, mut cuts, mut with_spares) = (0, 0, 0);
    loop {
        if submitted < MESSAGES && submitted < confirmed.get() + 4 {
            submitted += 1;
            client
                .deliver(Message::from(Input::Submit(Body::write(format!("message {submitted}")))));
        }
        if cuts < POWER_CUTS && rng.random_ratio(1, 40) {
            cuts += 1;
            let machine = &machines[rng.random_range(0..machines.len())];
            let at = machine.disk.operations() + rng.random_range(0..12);
            machine.disk.fail_at(at, Fault::PowerCut);
        }
        let arrival = air.under_way.borrow().keys().next().map(|(time, _)| *time);
        let deadlines = machines.iter().map(Machine::deadline);
        let next = deadlines.chain([arrival, client.deadline()]).flatten().min().unwrap();
        air.now.set(next.max(air.now.get()));
        for machine in &mut machines {
            if machine.driver.is_none() {
                if machine.back_at <= air.now.get() {
                    machine.start(&air, &tuning, rng.random());
                }
                continue;
            }
            match machine.turn(&air) {
                Ok(()) => {}
                Err(DriverError::Storage(_) | DriverError::Host(_)) => {
                    machine.driver = None;
                    with_spares += u32::from(machine.spare_segments() > 0);
                    machine.disk.restart(rng.random());
                    machine.back_at =
                        air.now.get() + Duration::from_millis(rng.random_range(0..3000));
                }
                Err(error) => panic!("{error}"),
            }
        }
        client.turn().unwrap();
        let now = air.now.get();
        air.under_way.borrow_mut().retain(|(time, _), _| *time > now);
        let logs: Vec<Vec<u8>> = machines.iter().map(Machine::log).collect();
        if confirmed.get() == MESSAGES && logs.iter().all(|log| *log == logs[0]) {
            assert!(cuts > 0);
            return (ChatLog::parse(&logs[0]).unwrap(), with_spares);
        }
        assert!(now < LIMIT, "seed {seed}: {} of {MESSAGES} confirmed", confirmed.get());
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_at_any_operation() {
    let mut with_spares = 0;
    for seed in 0..40 {
        let (log, cuts) = run(seed);
        with_spares += cuts;
        let outcomes = log.entries.iter().flat_map(|entry| &entry.outcomes);
        let applied = outcomes.filter(|o| **o == paxos_chat::message::Outcome::Applied).count();
        assert_eq!(applied as u64, MESSAGES, "seed {seed}: each message once");
    }
    assert!(with_spares > 100, "the power went {with_spares} times where segments are recycled");
}
