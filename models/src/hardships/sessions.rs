//! Sessions: everything is said once, whoever crashes and whatever a leader skips; and who is evicted is told,
//! and is quiet.

use super::costs::{only, within};
use super::world::World;
use super::{demand, millis, seconds};
use crate::deployed::Deployed;
use crate::execution::Execution;
use paxos_chat::client::{ClientPhase, ClientTuning};
use paxos_chat::message::{Class, Input, Message, Outcome};
use paxos_chat::state::Phase;
use paxos_chat::types::{Operation, Value};
use std::time::Duration;

pub(super) fn restarts(deployed: &Deployed) -> Result<u32, String> {
    let deployed = Deployed { durable_clients: true, ..deployed.clone() };
    let seeds = 0..4;
    for seed in seeds.clone() {
        let mut world = World::with_readers(&deployed, 3, 3, 1, seed);
        world.simulation.links.loss = 0.05;
        (0..3).for_each(|replica| world.simulation.slow_down(replica, millis(2)));
        for round in 0..12 {
            world.talks_for(millis(1500))?;
            world.simulation.crash(round % 3);
            (0..20).for_each(|_| world.says(round % 3, "hello"));
            world.run_for(millis(2 + round as u64))?;
            world.restart_client(round % 3);
            world.talks_for(millis(500))?;
            world.simulation.start(round % 3);
        }
        world.simulation.links.loss = 0.0;
        world.serves_all_within(seconds(10))?;
        world.run_for(seconds(4))?;
        is_said_once(&deployed, &world, seed)?;
        let (read, upto) = (world.reads(0), world.applied_upto());
        demand(read == upto, seed, || format!("a reader is at {read}, not {upto}"))?;
    }
    Ok(seeds.count() as u32)
}

/// That all replicas have the same log, in which everything that was said is delivered once, and the
/// session table that it comes to.
fn is_said_once(deployed: &Deployed, world: &World, seed: u64) -> Result<(), String> {
    let first = world.machine(0);
    for id in 0..3 {
        let machine = world.machine(id);
        let upto = machine.replica.learner.applied_upto;
        demand(upto == world.applied_upto() && machine.log == first.log, seed, || {
            format!("replica {id} has another log than replica 0")
        })?;
        let mut execution = Execution::new(deployed.tuning.sessions_max);
        let mut delivered = 0;
        for (slot, value) in &machine.log {
            let outcomes = execution.execute(*slot, value);
            let said = value.commands().iter().zip(outcomes).filter(|(command, outcome)| {
                matches!(command.operation, Operation::InSession { .. })
                    && *outcome == Outcome::Applied
            });
            delivered += said.count() as u64;
        }
        demand(delivered == world.said, seed, || {
            format!("replica {id} delivers {delivered} of {} messages", world.said)
        })?;
        demand(execution.is_table(&machine.replica.learner.sessions), seed, || {
            format!("the session table of replica {id} is not that of its log")
        })?;
    }
    Ok(())
}

pub(super) fn skipped_slot(deployed: &Deployed) -> Result<u32, String> {
    let seeds = 0..4;
    for seed in seeds.clone() {
        let mut world = World::new(deployed, 3, 2, seed);
        world.talks_for(seconds(4))?;
        world.serves_all_within(seconds(1))?;
        let (_, leader) = world.leader()?;
        let skipped = world.applied_upto();
        world.simulation.input(leader, Message::Input(Input::SkipSlot));
        world.longest_wait = Duration::ZERO;
        world.talks_for(seconds(6))?;
        let limit = 4 * deployed.tuning.election_timeout;
        let longest = world.longest_wait.max(world.waits());
        demand(longest <= limit, seed, || format!("a client waits for {longest:?}"))?;
        world.serves_all_within(seconds(1))?;
        world.run_for(seconds(1))?;
        is_said_once(deployed, &world, seed)?;
        for id in 0..3 {
            let value = world.machine(id).log.get(&skipped).cloned();
            demand(value == Some(Value::Noop), seed, || {
                format!("replica {id} has {value:?} at {skipped}, which was skipped")
            })?;
        }
    }
    Ok(seeds.count() as u32)
}

/// Was this client told that its session has expired?
fn is_expired(world: &World, client: usize) -> bool {
    world.client(client).durable.phase == ClientPhase::Expired
}

pub(super) fn evicted(deployed: &Deployed) -> Result<u32, String> {
    let mut deployed = Deployed { durable_clients: true, ..deployed.clone() };
    deployed.tuning.sessions_max = 2;
    let seeds = 0..4;
    for seed in seeds.clone() {
        let mut world = World::new(&deployed, 3, 3, seed);
        let talks = |world: &mut World, client: usize| {
            (0..40).try_for_each(|_| {
                world.says(client, "hello");
                world.serves_all_within(seconds(4))
            })
        };
        // The third that opens a session takes the place of the first, which is told when it goes on.
        for _ in 0..2 {
            (0..3).for_each(|client| world.says(client, "hello"));
            world.run_for(seconds(4))?;
        }
        let expired: Vec<usize> = (0..3).filter(|client| is_expired(&world, *client)).collect();
        demand(expired.len() == 1, seed, || format!("of the clients {expired:?} have expired"))?;
        let (one, used, silent) = (expired[0], (expired[0] + 1) % 3, (expired[0] + 2) % 3);
        let (unknown, waits) = (world.unknown, world.waits_for(one));
        demand(unknown == 1 && waits == 0, seed, || {
            format!("{unknown} outcomes are unknown, not 1, and {waits} are waited for")
        })?;
        world.said -= unknown;
        world.simulation.take_sent();
        world.run_for(seconds(10))?;
        only(&world.simulation.take_sent(), &[Class::Heartbeat, Class::HeartbeatAck], seed)?;
        let (_, leader) = world.leader()?;
        if let Phase::Leading(leading) = &world.replica(leader).phase {
            let known = leading.intake.proposed.len();
            demand(known <= 2, seed, || format!("the leader knows {known} sessions, of 2"))?;
        }
        // When it comes back it opens another session, in place of the one that was silent for longer.
        talks(&mut world, used)?;
        world.restart_client(one);
        talks(&mut world, one)?;
        talks(&mut world, used)?;
        world.says(silent, "hello");
        world.run_for(seconds(1))?;
        demand(is_expired(&world, silent) && !is_expired(&world, used), seed, || {
            String::from("the session that was silent is kept, in place of the one that was used")
        })?;
    }
    Ok(seeds.count() as u32)
}

/// One acknowledgement is lost, and whoever misses it says as much as it may before it asks again.
pub(super) fn forgotten_number(deployed: &Deployed) -> Result<u32, String> {
    let deployed = Deployed {
        client_tuning: ClientTuning { window: 256, ..deployed.client_tuning.clone() },
        ..deployed.clone()
    };
    let seeds = 0..4;
    for seed in seeds.clone() {
        let mut world = World::new(&deployed, 3, 1, seed);
        world.talks_for(seconds(4))?;
        let (_, leader) = world.leader()?;
        world.serves_all_within(seconds(1))?;
        let client = 3;
        world.says(0, "hello");
        // It is applied, and said to be, while nothing gets there.
        world.simulation.links.set(leader, client, false);
        world.run_for(millis(10))?;
        world.simulation.links.set(leader, client, true);
        let waits = world.waits_for(0);
        demand(waits == 1, seed, || String::from("nothing was lost"))?;
        (0..4000).for_each(|_| world.says(0, "hello"));
        world.longest_wait = Duration::ZERO;
        world.serves_all_within(seconds(10))?;
        let limit = seconds(4);
        let longest = world.longest_wait;
        demand(longest < limit, seed, || format!("it waits for {longest:?}"))?;
        let sent = world.simulation.take_sent();
        within(&sent, Class::SessionExpired, 0, 0, seed)?;
    }
    Ok(seeds.count() as u32)
}
