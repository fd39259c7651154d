//! Leaders that die, one after another or with many others: clients find whoever leads next in time.

use super::world::World;
use super::{demand, millis, seconds};
use crate::deployed::Deployed;
use crate::node::NodeTimer;
use paxos_chat::effects::Timer;
use std::time::Duration;

/// In clusters of so many replicas, with so many seeds each.
pub(super) fn leaders_die(deployed: &Deployed, clusters: &[(u8, u64)]) -> Result<u32, String> {
    let mut runs = 0;
    let limit = 4 * deployed.tuning.election_timeout;
    for &(replicas, seeds) in clusters {
        for seed in 0..seeds {
            let mut world = World::new(deployed, replicas, 1, seed);
            world.simulation.expire(0, &NodeTimer::Actor(Timer::Election));
            world.talks_for(seconds(4))?;
            for _ in 0..(replicas - 1) / 2 {
                let (_, leader) = world.leader()?;
                world.longest_wait = Duration::ZERO;
                world.simulation.crash(leader);
                world.talks_for(seconds(3))?;
                let longest = world.longest_wait.max(world.waits());
                demand(longest <= limit, seed, || {
                    format!("{longest:?} of silence, of {replicas} replicas")
                })?;
            }
            runs += 1;
        }
    }
    Ok(runs)
}

pub(super) fn four_die_in_a_row(deployed: &Deployed) -> Result<u32, String> {
    let (seeds, limit) = (0..16, 4 * deployed.tuning.election_timeout);
    for seed in seeds.clone() {
        let mut world = World::new(deployed, 9, 1, seed);
        world.talks_for(seconds(4))?;
        world.serves_all_within(seconds(1))?;
        for _ in 0..4 {
            let (_, leader) = world.leader()?;
            world.simulation.crash(leader);
            // Whoever leads next dies as soon as it has served.
            world.longest_wait = Duration::ZERO;
            world.says(0, "hello");
            world.serves_all_within(seconds(10))?;
            let longest = world.longest_wait;
            demand(longest <= limit, seed, || format!("{longest:?} of silence"))?;
        }
    }
    Ok(seeds.count() as u32)
}

pub(super) fn half_die(deployed: &Deployed) -> Result<u32, String> {
    let (clusters, limit) = ([21, 63], 4 * deployed.tuning.election_timeout);
    for replicas in clusters {
        let mut world = World::new(deployed, replicas, 1, 0);
        world.simulation.expire(0, &NodeTimer::Actor(Timer::Election));
        world.talks_for(seconds(4))?;
        world.longest_wait = Duration::ZERO;
        let (_, leader) = world.leader()?;
        let f = usize::from(replicas - 1) / 2;
        let doomed = |place| (leader + place) % usize::from(replicas);
        (0..f).for_each(|place| world.simulation.crash(doomed(place)));
        world.talks_for(seconds(6))?;
        let longest = world.longest_wait.max(world.waits());
        demand(longest <= limit, 0, || format!("{longest:?} of silence, of {replicas} replicas"))?;
    }
    Ok(clusters.len() as u32)
}

pub(super) fn other_time_outs(deployed: &Deployed) -> Result<u32, String> {
    let mut runs = 0;
    for election_timeout in [millis(200), seconds(3)] {
        let mut deployed = deployed.clone();
        deployed.tuning = deployed.tuning.with_election_timeout(election_timeout);
        for seed in 0..4 {
            let mut world = World::new(&deployed, 3, 1, seed);
            world.talks_for(8 * election_timeout)?;
            world.serves_all_within(seconds(1))?;
            let (ballot, _) = world.leader()?;
            world.run_for(100 * election_timeout)?;
            let is_calm = world.ballot() == ballot;
            demand(is_calm, seed, || format!("{:?} after {ballot:?}", world.ballot()))?;
            // What is lost is sent again in time, too; a client waits by times of its own.
            let limit = 4 * election_timeout;
            world.simulation.links.loss = 0.1;
            world.longest_wait = Duration::ZERO;
            world.talks_for(20 * election_timeout)?;
            world.simulation.links.loss = 0.0;
            world.serves_all_within(limit + seconds(1))?;
            let longest = world.longest_wait;
            demand(longest <= limit + seconds(1), seed, || {
                format!("{longest:?}, and a time-out of {election_timeout:?}")
            })?;
            world.talks_for(seconds(4) + 4 * election_timeout)?;
            world.serves_all_within(limit)?;
            world.longest_wait = Duration::ZERO;
            let (_, leader) = world.leader()?;
            world.simulation.crash(leader);
            world.says(0, "hello");
            world.serves_all_within(10 * election_timeout)?;
            let longest = world.longest_wait;
            demand(longest <= limit, seed, || {
                format!("{longest:?} of silence, and a time-out of {election_timeout:?}")
            })?;
            runs += 1;
        }
    }
    Ok(runs)
}
