//! Who lags catches up, at no more than it costs and from whoever can help; an election prefers who does not
//! lag, and whoever reaches one replica is served.

use super::costs::{count, within};
use super::world::World;
use super::{demand, millis, seconds};
use crate::deployed::Deployed;
use crate::node::NodeTimer;
use actor_checker::links::Rate;
use paxos_chat::effects::Timer;
use paxos_chat::message::Class;
use paxos_chat::state::Phase;
use paxos_chat::tuning::BODY_BYTES_MAX;
use paxos_chat::types::Slot;
use std::time::Duration;

/// Messages of [`BODY_BYTES_MAX`] that a replica lags by: a chunk takes one of them.
const LAG: u64 = 60;
/// How long a chunk is under way over [`narrow_links`], from when it is asked for.
const CHUNK_TAKES: Duration = millis(450);

/// A cluster, of which one follower has missed [`LAG`] messages and is still cut off: who leads, who lags, and
/// the other follower.
fn with_one_behind(deployed: &Deployed, seed: u64) -> Result<(World, usize, usize, usize), String> {
    let mut world = World::new(deployed, 3, 1, seed);
    world.talks_for(8 * deployed.tuning.election_timeout)?;
    let (_, leader) = world.leader()?;
    let (lags, other) = ((leader + 1) % 3, (leader + 2) % 3);
    world.cut_off(lags, true);
    let text = "x".repeat(BODY_BYTES_MAX);
    (0..LAG).for_each(|_| world.says(0, &text));
    world.serves_all_within(seconds(10))?;
    Ok((world, leader, lags, other))
}

/// From now on every link has 1 Mbit/s and a round trip of 300 ms.
fn narrow_links(world: &mut World) {
    world.simulation.links.delay = millis(145)..millis(155);
    let rate = Rate { bytes_per_second: 125_000, queue_bytes: 128 * 1024 };
    world.simulation.links.rate = Some(rate);
}

/// That nobody lags any more after this time, and that what was missing was sent about once.
fn catches_up_cheaply(
    world: &mut World,
    lags: usize,
    limit: Duration,
    seed: u64,
) -> Result<(), String> {
    let upto = world.applied_upto();
    let applied = |world: &World| world.replica(lags).learner.applied_upto;
    world.simulation.take_sent();
    let begins = world.now();
    world.run_until_within(limit, |world| applied(world) >= upto)?;
    let (bound, took) = (applied(world), world.now() - begins);
    demand(bound >= upto, seed, || format!("replica {lags} is at {bound}, not {upto}: {took:?}"))?;
    let sent = world.simulation.take_sent();
    // An eighth more, for the first questions, before it is known how long answers take.
    within(&sent, Class::Fetch, 0, LAG + LAG / 8, seed)?;
    within(&sent, Class::Decided, 0, LAG + LAG / 8, seed)
}

pub(super) fn lagging_follower(deployed: &Deployed) -> Result<u32, String> {
    let seeds = 0..4;
    for seed in seeds.clone() {
        let (mut world, _, lags, _) = with_one_behind(deployed, seed)?;
        narrow_links(&mut world);
        world.cut_off(lags, false);
        catches_up_cheaply(&mut world, lags, CHUNK_TAKES * LAG as u32, seed)?;
    }
    Ok(seeds.count() as u32)
}

/// Lets `candidate` ask for support when `other` hears no leader and may not lead itself.
fn elect(world: &mut World, candidate: usize, other: usize) -> Result<(), String> {
    let election = NodeTimer::Actor(Timer::Election);
    // Who asks for support itself, and is not heard, gives it to whoever asks.
    world.simulation.expire(other, &election);
    world.run_for(millis(20))?;
    world.connect(candidate, other, true);
    world.simulation.expire(candidate, &election);
    world.run_until_within(millis(200), |world| world.leads(candidate).is_some())
}

pub(super) fn lagging_leader(deployed: &Deployed) -> Result<u32, String> {
    let mut deployed = deployed.clone();
    // So that it has the time to be told.
    deployed.tuning.election_timeout = seconds(4);
    let seeds = 0..4;
    for seed in seeds.clone() {
        let (mut world, leader, lags, other) = with_one_behind(&deployed, seed)?;
        // So that it is told of no votes, and has to ask for what was decided.
        (0..deployed.tuning.snapshot_slots).try_for_each(|_| {
            world.says(0, "hello");
            world.serves_all_within(seconds(1))
        })?;
        world.simulation.crash(leader);
        elect(&mut world, lags, other)?;
        // The answer to its first question is lost.
        world.connect(lags, other, false);
        world.run_for(millis(100))?;
        world.connect(lags, other, true);
        let ballot = world.leads(lags);
        demand(ballot.is_some(), seed, || format!("replica {lags} does not lead"))?;
        narrow_links(&mut world);
        catches_up_cheaply(&mut world, lags, CHUNK_TAKES * LAG as u32, seed)?;
        demand(world.leads(lags) == ballot, seed, || format!("replica {lags} does not lead now"))?;
        world.says(0, "hello");
        world.serves_all_within(seconds(4))?;
    }
    Ok(seeds.count() as u32)
}

pub(super) fn who_lags_stands_first(deployed: &Deployed) -> Result<u32, String> {
    let seeds = 0..4;
    for seed in seeds.clone() {
        let mut world = World::new(deployed, 3, 1, seed);
        world.talks_for(seconds(4))?;
        let (_, leader) = world.leader()?;
        let (lags, other) = ((leader + 1) % 3, (leader + 2) % 3);
        world.cut_off(lags, true);
        // What was applied after the last snapshot is not known to be decided after a crash.
        let upto = world.applied_upto().0 + 2 * deployed.tuning.snapshot_slots;
        while world.applied_upto() < Slot(upto) {
            world.says(0, "hello");
            world.serves_all_within(seconds(1))?;
        }
        // All come back from a crash but the leader, and who lags is the first that misses it.
        (0..3).for_each(|id| world.simulation.crash(id));
        world.connect(lags, other, true);
        [lags, other].into_iter().for_each(|id| world.simulation.start(id));
        world.run_for(millis(20))?;
        world.simulation.expire(lags, &NodeTimer::Actor(Timer::Election));
        let leads = |world: &World| [lags, other].into_iter().find(|id| world.leads(*id).is_some());
        world.run_until_within(seconds(4), |world| leads(world).is_some())?;
        let found = leads(&world);
        demand(found == Some(other), seed, || format!("{found:?} leads, not {other}"))?;
    }
    Ok(seeds.count() as u32)
}

/// What every IPv6 path carries: nothing without a long text in it is longer here.
const SHORT_BYTES: usize = 1280;

pub(super) fn long_packets_lost(deployed: &Deployed) -> Result<u32, String> {
    let seeds = 0..6;
    let text = "x".repeat(BODY_BYTES_MAX);
    for seed in seeds.clone() {
        // Whoever leads can say nothing long to anybody, though everybody hears that it lives.
        let mut world = World::new(deployed, 3, 1, seed);
        world.talks_for(seconds(4))?;
        let (_, leader) = world.leader()?;
        for peer in (0..3).filter(|peer| *peer != leader) {
            world.simulation.links.set_longest(leader, peer, SHORT_BYTES);
        }
        (0..40).for_each(|_| world.says(0, &text));
        world.serves_all_within(seconds(20))?;
        let (_, now) = world.leader()?;
        demand(now != leader, seed, || format!("replica {leader} still leads"))?;
        // It can say nothing long to one of them: who finds what it lacks at the other.
        let mut world = World::new(deployed, 3, 1, seed);
        world.talks_for(seconds(4))?;
        let (ballot, leader) = world.leader()?;
        let deaf = (leader + 1) % 3;
        world.simulation.links.set_longest(leader, deaf, SHORT_BYTES);
        (0..LAG).for_each(|_| world.says(0, &text));
        world.serves_all_within(seconds(10))?;
        world.run_for(seconds(10))?;
        let (bound, upto) = (world.replica(deaf).learner.applied_upto, world.applied_upto());
        demand(bound == upto, seed, || format!("replica {deaf} is at {bound}, not {upto}"))?;
        demand(world.ballot() == ballot, seed, || format!("{:?}, not {ballot:?}", world.ballot()))?;
    }
    Ok(2 * seeds.count() as u32)
}

pub(super) fn one_replica_reached(deployed: &Deployed) -> Result<u32, String> {
    let seeds = 0..6;
    for seed in seeds.clone() {
        let mut world = World::new(deployed, 3, 1, seed);
        world.talks_for(seconds(4))?;
        let (ballot, leader) = world.leader()?;
        let (between, end) = ((leader + 1) % 3, (leader + 2) % 3);
        let client = 3;
        // client - end - between - leader
        world.connect(leader, end, false);
        world.connect(client, leader, false);
        world.connect(client, between, false);
        world.talks_for(seconds(6))?;
        let asks = matches!(world.replica(end).phase, Phase::PreVoting(_));
        demand(asks, seed, || format!("replica {end} does not ask for support"))?;
        world.longest_wait = Duration::ZERO;
        let before = world.acknowledged;
        world.talks_for(seconds(20))?;
        let (served, longest) =
            (world.acknowledged - before, world.longest_wait.max(world.waits()));
        let limit = 4 * deployed.tuning.election_timeout;
        demand(longest <= limit, seed, || format!("a client waits for {longest:?}"))?;
        demand(served >= 100, seed, || format!("{served} are acknowledged in 20 s"))?;
        demand(world.ballot() == ballot, seed, || format!("{:?}, not {ballot:?}", world.ballot()))?;
    }
    Ok(seeds.count() as u32)
}

pub(super) fn leader_not_reached(deployed: &Deployed) -> Result<u32, String> {
    let seeds = 0..6;
    for seed in seeds.clone() {
        let mut world = World::new(deployed, 3, 1, seed);
        world.talks_for(seconds(4))?;
        let (ballot, leader) = world.leader()?;
        let client = 3;
        world.connect(client, leader, false);
        world.talks_for(seconds(10))?;
        world.longest_wait = Duration::ZERO;
        let before = world.acknowledged;
        world.simulation.take_sent();
        world.talks_for(seconds(20))?;
        let (served, longest) =
            (world.acknowledged - before, world.longest_wait.max(world.waits()));
        demand(longest <= millis(50), seed, || format!("a client waits for {longest:?}"))?;
        // It tries the leader now and then.
        let sent = world.simulation.take_sent();
        within(&sent, Class::Request, served, served + served / 8, seed)?;
        // Once it reaches the leader again, it asks it directly in time.
        world.connect(client, leader, true);
        world.talks_for(seconds(10))?;
        world.simulation.take_sent();
        world.talks_for(seconds(10))?;
        let passed_on = count(&world.simulation.take_sent(), Class::Relay);
        demand(passed_on == 0, seed, || format!("{passed_on} requests are passed on"))?;
        demand(world.ballot() == ballot, seed, || format!("{:?}, not {ballot:?}", world.ballot()))?;
    }
    Ok(seeds.count() as u32)
}

pub(super) fn twice(deployed: &Deployed) -> Result<u32, String> {
    let seeds = 0..4;
    for seed in seeds.clone() {
        let (mut world, leader, lags, other) = with_one_behind(deployed, seed)?;
        world.simulation.links.doubled = 1.0;
        world.simulation.take_sent();
        let before = world.acknowledged;
        world.talks_for(seconds(10))?;
        let (served, sent) = (world.acknowledged - before, world.simulation.take_sent());
        for (class, most) in [(Class::Request, 1), (Class::Acknowledged, 1), (Class::Accept, 2)] {
            within(&sent, class, 0, most * (served + 1), seed)?;
        }
        // Who lags stands for election beside who does not.
        world.simulation.crash(leader);
        world.simulation.expire(other, &NodeTimer::Actor(Timer::Election));
        world.run_for(millis(1))?;
        world.connect(lags, other, true);
        world.simulation.expire(lags, &NodeTimer::Actor(Timer::Election));
        world.run_for(seconds(2))?;
        let sent = world.simulation.take_sent();
        // Each long vote comes in a chunk of its own, asked for once and answered twice.
        let who = world.leader().map(|(_, id)| id);
        demand(who == Ok(lags), seed, || format!("{who:?} leads, not {lags}"))?;
        within(&sent, Class::Prepare, LAG, LAG + LAG / 8, seed)?;
        within(&sent, Class::Promise, 0, 2 * (LAG + LAG / 8), seed)?;
        within(&sent, Class::Fetch, 0, LAG + LAG / 8, seed)?;
        within(&sent, Class::Decided, 0, 2 * (LAG + LAG / 8), seed)?;
        world.simulation.start(leader);
        world.cut_off(lags, false);
        world.run_for(seconds(2))?;
        let sent = world.simulation.take_sent();
        within(&sent, Class::Fetch, 0, LAG + LAG / 8, seed)?;
        within(&sent, Class::Decided, 0, 2 * (LAG + LAG / 8), seed)?;
        let bounds: Vec<Slot> = (0..3).map(|id| world.replica(id).learner.applied_upto).collect();
        demand(bounds.iter().all(|bound| *bound == bounds[0]), seed, || {
            format!("replicas are at {bounds:?}")
        })?;
        world.talks_for(seconds(1))?;
        world.serves_all_within(seconds(1))?;
    }
    Ok(seeds.count() as u32)
}
