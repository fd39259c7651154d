//! A busy leader, whose queue takes less than is wanted: users share it, and whoever is refused asks again in
//! time, and not sooner.

use super::costs::{count, within};
use super::world::World;
use super::{demand, millis, seconds};
use crate::deployed::Deployed;
use paxos_chat::message::Class;
use paxos_chat::state::Phase;
use paxos_chat::tuning::BODY_BYTES_MAX;
use paxos_chat::types::User;

/// Clients are near, and a slot takes a tenth of a second, of which four are under way at once.
fn slow_slots(deployed: &Deployed, clients: usize, seed: u64) -> Result<World, String> {
    let mut deployed = deployed.clone();
    deployed.tuning.window_slots = 4;
    let mut world = World::new(&deployed, 3, clients, seed);
    for (src, dst) in (0..3).flat_map(|src| (0..3).map(move |dst| (src, dst))) {
        world.simulation.links.set_delay(src, dst, millis(50)..millis(51));
    }
    world.talks_for(seconds(4))?;
    world.serves_all_within(seconds(4))?;
    world.simulation.take_sent();
    Ok(world)
}

pub(super) fn shared_queue(deployed: &Deployed) -> Result<u32, String> {
    const MODEST: usize = 20;
    let mut deployed = deployed.clone();
    deployed.tuning.batch_commands_max = 4;
    deployed.tuning.queue_commands_max = 64;
    deployed.tuning.queue_bytes_max = 32 * BODY_BYTES_MAX;
    let mut runs = 0;
    let long = "x".repeat(BODY_BYTES_MAX);
    // A client's window takes more than the queue. Of a tenth of a second each, the others have their turn in two
    // or three, or in six where a value takes one long text; and whoever fills the queue is served in 22, or in 40,
    // in which some things have to be asked again, since not all of the window can be held.
    let cases =
        [("hello", 160, millis(400), seconds(3), 2), (&*long, 68, millis(900), seconds(8), 3)];
    for (text, window, turn, limit, repeated) in cases {
        deployed.client_tuning.window = window;
        for seed in 0..4 {
            let mut world = slow_slots(&deployed, 1 + MODEST, seed)?;
            if seed % 2 == 0 {
                // What it says comes in order.
                (0..3).for_each(|id| world.simulation.links.set_delay(3, id, millis(1)..millis(1)));
            }
            let wanted = 2 * window as u64;
            (0..wanted).for_each(|_| world.says(0, text));
            world.run_for(millis(10))?;
            let asked = count(&world.simulation.take_sent(), Class::Request);
            let is_full = seed % 2 == 1 || is_full_for(&world, &deployed, 0)?;
            demand(is_full, seed, || String::from("the queue is not full"))?;
            (1..=MODEST).for_each(|client| world.says(client, text));
            world.run_for(millis(10))?;
            let sent = world.simulation.take_sent();
            within(&sent, Class::Busy, 0, 0, seed)?;
            let asked = asked + count(&sent, Class::Request);
            let waits = |world: &World| (1..=MODEST).any(|client| world.waits_for(client) > 0);
            world.run_until_within(turn, |world| !waits(world))?;
            demand(!waits(&world), seed, || format!("not all have had a turn after {turn:?}"))?;
            world.serves_all_within(limit)?;
            let asked = asked + count(&world.simulation.take_sent(), Class::Request);
            let most = repeated * wanted + 2 * MODEST as u64;
            demand(asked <= most, seed, || format!("{asked} requests for {wanted} messages"))?;
            runs += 1;
        }
    }
    Ok(runs)
}

/// Is the leader's queue full for this client?
fn is_full_for(world: &World, deployed: &Deployed, client: usize) -> Result<bool, String> {
    let (_, leader) = world.leader()?;
    let Phase::Leading(leading) = &world.replica(leader).phase else { return Ok(false) };
    Ok(leading.intake.queue.is_full_for(&User::new(&format!("u{client}")), &deployed.tuning))
}

pub(super) fn refused(deployed: &Deployed) -> Result<u32, String> {
    const CLIENTS: u64 = 56;
    let mut deployed = deployed.clone();
    deployed.tuning.batch_commands_max = 1;
    deployed.tuning.queue_commands_max = 4;
    let seeds = 0..4;
    for seed in seeds.clone() {
        let mut world = slow_slots(&deployed, CLIENTS as usize, seed)?;
        (0..CLIENTS as usize).for_each(|client| world.says(client, "hello"));
        // Four of them each tenth of a second, and most of them at the second attempt.
        world.serves_all_within(seconds(3))?;
        let sent = world.simulation.take_sent();
        within(&sent, Class::Request, CLIENTS, 2 * CLIENTS + CLIENTS / 8, seed)?;
        within(&sent, Class::Busy, CLIENTS / 2, CLIENTS + CLIENTS / 8, seed)?;
    }
    Ok(seeds.count() as u32)
}
