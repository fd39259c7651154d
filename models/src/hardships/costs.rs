//! What service costs where nothing is wrong, or not any more: nothing is sent in vain, and who has learned
//! to wait unlearns it.

use super::world::World;
use super::{demand, millis, seconds};
use crate::deployed::Deployed;
use crate::node::NodeTimer;
use actor_checker::links::Rate;
use paxos_chat::effects::Timer;
use paxos_chat::message::Class;
use paxos_chat::tuning::BODY_BYTES_MAX;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// In bytes.
const MIB: usize = 1024 * 1024;

/// Messages that were sent, by the name of their class.
type Sent = BTreeMap<&'static str, u64>;

/// How often a message of this class was sent.
pub(super) fn count(sent: &Sent, class: Class) -> u64 {
    sent.get(class.name()).copied().unwrap_or(0)
}

/// That nothing was sent but these.
pub(super) fn only(sent: &Sent, classes: &[Class], seed: u64) -> Result<(), String> {
    let other = sent.keys().find(|name| !classes.iter().any(|class| class.name() == **name));
    demand(other.is_none(), seed, || format!("{} is sent: {sent:?}", other.unwrap_or(&"")))
}

/// That between the least and the most of this class were sent.
pub(super) fn within(
    sent: &Sent,
    class: Class,
    least: u64,
    most: u64,
    seed: u64,
) -> Result<(), String> {
    let found = count(sent, class);
    demand((least..=most).contains(&found), seed, || {
        format!("{} is sent {found} times, not {least} to {most} times", class.name())
    })
}

/// Everybody follows one leader, a client speaks, and a reader reads.
const CALM: [Class; 8] = [
    Class::Request,
    Class::Accept,
    Class::Accepted,
    Class::Acknowledged,
    Class::Heartbeat,
    Class::HeartbeatAck,
    Class::Tail,
    Class::Entries,
];

pub(super) fn calm(deployed: &Deployed) -> Result<u32, String> {
    let mut runs = 0;
    // The longer it takes, the longer it takes to find out.
    let delays =
        [(millis(1)..millis(2), 20), (millis(50)..millis(51), 40), (millis(295)..millis(305), 240)];
    for (delay, settles) in delays {
        for seed in 0..4 {
            let mut world = World::with_readers(deployed, 3, 1, 1, seed);
            world.simulation.links.delay = delay.clone();
            world.talks_for(seconds(settles))?;
            world.serves_all_within(seconds(4))?;
            costs_no_more_than_it_must(deployed, &mut world, seconds(settles.min(60)), seed)?;
            rests(deployed, &mut world, seed)?;
            runs += 1;
        }
    }
    Ok(runs)
}

/// A client speaks for so long.
fn costs_no_more_than_it_must(
    deployed: &Deployed,
    world: &mut World,
    time: Duration,
    seed: u64,
) -> Result<(), String> {
    world.simulation.take_sent();
    let before = world.acknowledged;
    let begins = world.now();
    world.talks_for(time)?;
    world.serves_all_within(seconds(4))?;
    let (served, sent) = (world.acknowledged - before, world.simulation.take_sent());
    let suspects = [Class::PreVote, Class::PreVoteRefused, Class::Decided, Class::Redirect];
    only(&sent, &[&CALM[..], &suspects].concat(), seed)?;
    // So does a follower, whose time-out may be shorter than a slot takes: each asks two others.
    let tries = 2 * (1 + served / deployed.tuning.calm_slots);
    suspects.iter().try_for_each(|class| within(&sent, *class, 0, 2 * tries, seed))?;
    // A client tries now and then whether it needs to wait for as long as it does.
    let requests = served + served.div_ceil(u64::from(deployed.client_tuning.calm_answers)) + 1;
    within(&sent, Class::Request, served, requests, seed)?;
    let asked = count(&sent, Class::Request);
    within(&sent, Class::Acknowledged, served, asked + 1, seed)?;
    within(&sent, Class::Accept, 2 * served, 2 * served, seed)?;
    // The slower of two followers has not answered yet.
    within(&sent, Class::Accepted, 2 * served - 1, 2 * served, seed)?;
    // A reader asks now and then, and another replica beside if nothing has come.
    let tails = tails(deployed, world.now() - begins);
    let asked_each_time = if served > tails { 1 } else { 2 };
    within(&sent, Class::Tail, 0, asked_each_time * tails, seed)?;
    let beats = beats(deployed, world.now() - begins);
    within(&sent, Class::Heartbeat, 2 * beats.0, 2 * (beats.1 + served), seed)
}

/// Nobody says anything for a minute.
fn rests(deployed: &Deployed, world: &mut World, seed: u64) -> Result<(), String> {
    world.run_for(seconds(10))?;
    world.simulation.take_sent();
    world.run_for(seconds(60))?;
    let sent = world.simulation.take_sent();
    only(&sent, &[Class::Heartbeat, Class::HeartbeatAck, Class::Tail, Class::Entries], seed)?;
    let beats = beats(deployed, seconds(60));
    within(&sent, Class::Heartbeat, 2 * beats.0, 2 * beats.1, seed)?;
    // A reader asks two replicas each time.
    let asks = tails(deployed, seconds(60));
    within(&sent, Class::Tail, asks * 2 * 4 / 5, 2 * asks, seed)
}

/// How often a reader asks in this time, at most.
fn tails(deployed: &Deployed, time: Duration) -> u64 {
    (time.as_micros() / deployed.client_tuning.retry_interval.as_micros()) as u64 + 1
}

/// The least and the most heartbeats to one follower in this time.
fn beats(deployed: &Deployed, time: Duration) -> (u64, u64) {
    let (time, interval) = (time.as_micros(), deployed.tuning.heartbeat_interval.as_micros());
    ((time / (interval * 5 / 4)) as u64, (time / interval) as u64 + 1)
}

pub(super) fn long_session(deployed: &Deployed) -> Result<u32, String> {
    let seeds = 0..4;
    for seed in seeds.clone() {
        let mut world = World::with_readers(deployed, 3, 2, 2, seed);
        world.talks_for(seconds(4))?;
        world.serves_all_within(seconds(1))?;
        // One reader comes back to thousands of messages.
        world.cut_off_reader(1, true);
        for (count, text) in [(4000, "hello"), (400, &*"x".repeat(BODY_BYTES_MAX))] {
            world.simulation.take_sent();
            (0..count).for_each(|number| world.says(number % 2, text));
            world.serves_all_within(seconds(10))?;
            let sent = world.simulation.take_sent();
            let count = count as u64;
            only(&sent, &CALM, seed)?;
            within(&sent, Class::Request, count, count, seed)?;
            world.run_for(seconds(3))?;
            let (read, upto) = (world.reads(0), world.applied_upto());
            demand(read == upto, seed, || format!("a reader is at {read}, not {upto}"))?;
        }
        takes_few_snapshots(&mut world, seed)?;
        world.cut_off_reader(1, false);
        world.run_for(seconds(3))?;
        let (read, upto) = (world.reads(1), world.applied_upto());
        demand(read == upto, seed, || format!("a late reader is at {read}, not {upto}"))?;
    }
    Ok(seeds.count() as u32)
}

/// That of twenty slots one at most is followed by a snapshot, which is long.
fn takes_few_snapshots(world: &mut World, seed: u64) -> Result<(), String> {
    let mut bounds = BTreeSet::new();
    for _ in 0..20 {
        world.says(0, "hello");
        world.serves_all_within(seconds(1))?;
        bounds.insert(world.replica(0).durable.snapshot.upto);
    }
    demand(bounds.len() <= 2, seed, || format!("snapshots at {bounds:?}"))
}

pub(super) fn crowd(deployed: &Deployed) -> Result<u32, String> {
    let seeds = 0..2;
    for seed in seeds.clone() {
        let mut world = World::new(deployed, 3, 40, seed);
        world.talks_for(seconds(4))?;
        // 13 MB, which is three times what a queue takes, and three seconds of a link.
        let text = "x".repeat(BODY_BYTES_MAX);
        world.simulation.links.delay = millis(10)..millis(12);
        let rate = Rate { bytes_per_second: 5_000_000, queue_bytes: 512 * 1024 };
        world.simulation.links.rate = Some(rate);
        world.simulation.take_sent();
        (0..20 * 40).for_each(|number| world.says(number % 40, &text));
        world.serves_all_within(seconds(20))?;
        // Each goes to two followers, and not half of them go twice.
        let sent = world.simulation.take_sent();
        within(&sent, Class::Accept, 0, 3 * 800, seed)?;
        within(&sent, Class::Request, 800, 3 * 800, seed)?;
        // Once, and then it waits for as long as the queue takes.
        within(&sent, Class::Busy, 1, 2 * 40, seed)?;
        for client in 0..40 {
            let bytes = world.simulation.take_burst_bytes(3 + client);
            // What may be sent again at once, and the last of it and a new one in whole.
            let limit = deployed.client_tuning.retry_bytes_max + 2 * (BODY_BYTES_MAX + 1024);
            demand(bytes <= limit, seed, || format!("a client sends {bytes} bytes at once"))?;
        }
    }
    Ok(seeds.count() as u32)
}

/// What goes on for a while, and ends.
type Storm = (&'static str, fn(&mut World));

pub(super) fn after_storms(deployed: &Deployed) -> Result<u32, String> {
    let storms: [Storm; 3] = [
        ("slow disks", |world| {
            (0..3).for_each(|replica| world.simulation.slow_down(replica, millis(700)));
        }),
        ("long round trips", |world| {
            world.simulation.links.delay = millis(295)..millis(305);
        }),
        ("losses", |world| world.simulation.links.loss = 0.3),
    ];
    let mut runs = 0;
    let limit = 4 * deployed.tuning.election_timeout;
    for (storm, begin) in storms {
        for seed in 0..4 {
            let mut world = World::new(deployed, 3, 2, seed);
            begin(&mut world);
            world.talks_for(seconds(40))?;
            (0..3).for_each(|replica| world.simulation.slow_down(replica, Duration::ZERO));
            world.simulation.links.delay = millis(1)..millis(2);
            world.simulation.links.loss = 0.0;
            world.talks_for(seconds(10))?;
            world.longest_wait = Duration::ZERO;
            world.talks_for(seconds(4))?;
            let longest = world.longest_wait.max(world.waits());
            demand(longest < millis(20), seed, || format!("{longest:?}, 10 s after {storm}"))?;
            let (_, leader) = world.leader()?;
            world.longest_wait = Duration::ZERO;
            world.simulation.crash(leader);
            world.talks_for(seconds(4))?;
            let longest = world.longest_wait.max(world.waits());
            demand(longest <= limit, seed, || {
                format!("{longest:?} of silence when a leader dies after {storm}")
            })?;
            runs += 1;
        }
    }
    Ok(runs)
}

pub(super) fn back_together(deployed: &Deployed) -> Result<u32, String> {
    let mut deployed = deployed.clone();
    // So that the leader has the time to wait longer and longer.
    deployed.tuning.election_timeout = seconds(4);
    deployed.client_tuning.window = 256;
    let seeds = 0..4;
    for seed in seeds.clone() {
        let mut world = World::new(&deployed, 3, 1, seed);
        world.talks_for(seconds(20))?;
        world.serves_all_within(seconds(4))?;
        let (ballot, leader) = world.leader()?;
        // A full window, of 2 MB, meets silence for 2 s.
        let text = "x".repeat(BODY_BYTES_MAX);
        world.cut_off(leader, true);
        (0..200).for_each(|_| world.says(0, &text));
        world.run_for(seconds(2))?;
        world.simulation.take_burst_bytes(leader);
        world.cut_off(leader, false);
        world.serves_all_within(seconds(2))?;
        demand(world.ballot() == ballot, seed, || format!("{:?}, not {ballot:?}", world.ballot()))?;
        let (burst, limit) = (world.simulation.take_burst_bytes(leader), MIB);
        demand(burst < limit, seed, || format!("{burst} bytes are sent again at once"))?;
    }
    Ok(seeds.count() as u32)
}

pub(super) fn far_and_near(deployed: &Deployed) -> Result<u32, String> {
    let mut deployed = deployed.clone();
    // So that the leader has the time to find out by itself.
    deployed.tuning.election_timeout = seconds(4);
    let seeds = 0..4;
    for seed in seeds.clone() {
        let mut world = World::new(&deployed, 3, 1, seed);
        world.talks_for(seconds(20))?;
        let (ballot, leader) = world.leader()?;
        let (near, far) = ((leader + 1) % 3, (leader + 2) % 3);
        for (src, dst) in [(leader, far), (far, leader)] {
            world.simulation.links.set_delay(src, dst, millis(150)..millis(160));
        }
        world.talks_for(seconds(20))?;
        world.serves_all_within(seconds(2))?;
        world.simulation.crash(near);
        for _ in 0..10 {
            world.simulation.links.set(leader, far, false);
            world.says(0, "hello");
            world.run_for(millis(30))?;
            world.simulation.links.set(leader, far, true);
            world.serves_all_within(seconds(2))?;
            world.talks_for(seconds(1))?;
            world.serves_all_within(seconds(2))?;
        }
        demand(world.ballot() == ballot, seed, || format!("{:?}, not {ballot:?}", world.ballot()))?;
    }
    Ok(seeds.count() as u32)
}

pub(super) fn slow_election(deployed: &Deployed) -> Result<u32, String> {
    let mut runs = 0;
    // By what who lags lags, and how long an election takes that tells it of that.
    let (long, short) = ("x".repeat(BODY_BYTES_MAX), String::from("hello"));
    for (count, text, limit) in [(60, long, seconds(60)), (300, short, seconds(8))] {
        for seed in 0..4 {
            let mut world = World::new(deployed, 3, 1, seed);
            world.talks_for(seconds(4))?;
            let (ballot, leader) = world.leader()?;
            let (lags, other) = ((leader + 1) % 3, (leader + 2) % 3);
            world.cut_off(lags, true);
            for _ in 0..count {
                world.says(0, &text);
                world.serves_all_within(seconds(1))?;
            }
            // Who lags stands for election over a link on which the most of it takes half a minute.
            world.simulation.crash(leader);
            world.simulation.links.delay = millis(145)..millis(155);
            let rate = Rate { bytes_per_second: 125_000, queue_bytes: 128 * 1024 };
            world.simulation.links.rate = Some(rate);
            world.connect(lags, other, true);
            world.simulation.expire(lags, &NodeTimer::Actor(Timer::Election));
            world.says(0, "hello");
            world.serves_all_within(limit)?;
            let rounds = world.ballot().round - ballot.round;
            demand(rounds <= 3, seed, || format!("{rounds} ballots for one election"))?;
            runs += 1;
        }
    }
    Ok(runs)
}
