//! Readers: whoever has something new is found, and whoever is near and has it is not left.

use super::world::World;
use super::{demand, millis, seconds};
use crate::deployed::Deployed;
use std::time::Duration;

/// That a reader is given everything within this time of when it was applied, so many times.
fn follows(world: &mut World, limit: Duration, times: u32, seed: u64) -> Result<(), String> {
    let begins = world.applied_upto();
    for _ in 0..times {
        let (upto, since) = (world.applied_upto(), world.now());
        world.talks_for(limit)?;
        let read = world.reads(0);
        demand(read >= upto, seed, || {
            format!("the reader is at {read} after {since:?} and {limit:?}, not at {upto}")
        })?;
    }
    demand(world.applied_upto() > begins, seed, || String::from("nothing was said"))
}

pub(super) fn stale_replicas(deployed: &Deployed) -> Result<u32, String> {
    let mut runs = 0;
    // Two of five answer, and have nothing new: wherever they are in the order in which a reader asks.
    for (one, another) in (0..5).flat_map(|one| (0..one).map(move |another| (one, another))) {
        let seed = runs.into();
        let mut world = World::with_readers(deployed, 5, 1, 1, seed);
        world.talks_for(seconds(4))?;
        for other in (0..5).filter(|other| ![one, another].contains(other)) {
            world.connect(one, other, false);
            world.connect(another, other, false);
        }
        world.talks_for(seconds(6))?;
        follows(&mut world, seconds(1), 4, seed)?;
        runs += 1;
    }
    Ok(runs)
}

pub(super) fn near_replica(deployed: &Deployed) -> Result<u32, String> {
    let seeds = 0..4;
    for seed in seeds.clone() {
        let mut world = World::with_readers(deployed, 3, 1, 1, seed);
        // Which it asks first.
        let (near, reader) = (0, 4);
        for far in (0..3).filter(|far| *far != near) {
            for (src, dst) in [(reader, far), (far, reader)] {
                world.simulation.links.set_delay(src, dst, millis(150)..millis(151));
            }
        }
        world.talks_for(seconds(10))?;
        follows(&mut world, millis(150), 40, seed)?;
    }
    Ok(seeds.count() as u32)
}
