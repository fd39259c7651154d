//! Hardships: the deployed actors under virtual time, where disks, links and clients' luck are worse
//! than their time-outs take for granted.
//!
//! What is demanded of each is in its own words. A run is a function of its hardship and its seed; the
//! claim is about these runs, and about no others. Links that are up or down are in [`crate::links`].

mod busy;
mod catching_up;
mod costs;
mod deaths;
mod readers;
mod sessions;
mod strangers;
mod world;

use crate::deployed::Deployed;
use actor_checker::links::Rate;
use paxos_chat::state::Phase;
use paxos_chat::types::Ballot;
use std::time::Duration;
use world::World;

/// What may go on for long, and what is demanded meanwhile.
pub struct Hardship {
    /// What it is called.
    pub name: &'static str,
    /// What it is, and what is demanded.
    pub what: &'static str,
    run: fn(&Deployed) -> Result<u32, String>,
}

impl Hardship {
    /// Runs it with each of its seeds; how many runs there were, or what was demanded and not met.
    ///
    /// # Errors
    /// The first demand that was not met, in words.
    pub fn run(&self, deployed: &Deployed) -> Result<u32, String> {
        (self.run)(deployed)
    }
}

/// All of them.
#[allow(clippy::too_many_lines, reason = "a table of data")]
pub fn hardships() -> Vec<Hardship> {
    let row = |name, what, run| Hardship { name, what, run };
    vec![
        row("idle", "nobody says anything for ten minutes, or ever: the leader stays", idle),
        row(
            "slow-disks",
            "every sync takes 0.7, 1, 1.5 or 3 s: a message every few syncs, 12 ballots at most",
            slow_disks,
        ),
        row(
            "long-round-trips",
            "round trips of 600 ms: 6 ballots at most in 30 s, then none, and all are served",
            long_round_trips,
        ),
        row(
            "narrow-link",
            "1 Mbit/s, 300 ms, three of 16 KiB a second: of 100 runs 98 are served, 80 in one ballot",
            narrow_link,
        ),
        row(
            "lossy-link",
            "1 Mbit/s, 300 ms, a tenth lost, three of 1 KiB a second: of 100 runs 98 are served, 80 in one ballot",
            lossy_link,
        ),
        row(
            "cut-off-candidate",
            "a candidate that was cut off comes back: the leader stays, serves, and is followed",
            cut_off_candidate,
        ),
        row(
            "lost-acknowledgement",
            "an acknowledgement is lost while others come: it is asked for within 1 s",
            lost_acknowledgement,
        ),
        row(
            "leaders-die",
            "f of 9 and of 21 replicas die, leaders all: clients wait for 4 time-outs at most",
            |deployed| deaths::leaders_die(deployed, &[(9, 4), (21, 2)]),
        ),
        row(
            "leaders-of-63-die",
            "f of 63 replicas die, leaders all, in one run: clients wait for 4 time-outs at most",
            |deployed| deaths::leaders_die(deployed, &[(63, 1)]),
        ),
        row(
            "four-die-in-a-row",
            "f of 9 replicas die, the next leader as soon as it has served: 4 time-outs at most each time",
            deaths::four_die_in_a_row,
        ),
        row(
            "other-time-outs",
            "time-outs of 200 ms and 3 s: a leader stays; when it dies clients wait for 4, for what is lost for 4 and 1 s",
            deaths::other_time_outs,
        ),
        row(
            "half-die",
            "f of 21 and of 63 replicas die at once, those that a client asks first: 4 time-outs, too",
            deaths::half_die,
        ),
        row(
            "calm",
            "nothing is wrong, round trips take 3, 100 or 600 ms: nothing is sent in vain but rare tries",
            costs::calm,
        ),
        row(
            "long-session",
            "two clients say thousands of things, windows full: no request is sent twice, and all is read",
            costs::long_session,
        ),
        row(
            "crowd",
            "forty clients want more than queue and links take: all are served, not half of the proposals go twice",
            costs::crowd,
        ),
        row(
            "after-storms",
            "ten seconds after slow disks, long round trips or losses, service is as fast as before",
            costs::after_storms,
        ),
        row(
            "far-and-near",
            "a near follower is dead, and the far one is not reached once: it is asked again in time",
            costs::far_and_near,
        ),
        row(
            "slow-election",
            "a replica that lags by 1 MB stands for election over 1 Mbit/s, 300 ms: a leader within three ballots",
            costs::slow_election,
        ),
        row(
            "lagging-follower",
            "a follower lags by 1 MB over 1 Mbit/s, 300 ms: it gets all of it, about once",
            catching_up::lagging_follower,
        ),
        row(
            "lagging-leader",
            "a leader lags by 1 MB over 1 Mbit/s, 300 ms: it gets all of it, about once, and serves",
            catching_up::lagging_leader,
        ),
        row(
            "who-lags-stands-first",
            "all crash, all but the leader come back, and the one that lags stands first: the other one leads",
            catching_up::who_lags_stands_first,
        ),
        row(
            "long-packets-lost",
            "a leader's long packets are lost: another leads; those to one follower: it asks the other",
            catching_up::long_packets_lost,
        ),
        row(
            "one-replica-reached",
            "a client reaches only a replica that does not hear the leader, but hears another that does: 4 time-outs at most",
            catching_up::one_replica_reached,
        ),
        row(
            "stale-replicas",
            "two of five replicas are cut off and answer: 6 s later a reader reads all within 1 s",
            readers::stale_replicas,
        ),
        row(
            "near-replica",
            "a reader has one replica near, and two far away: it stays, and reads all within 150 ms",
            readers::near_replica,
        ),
        row(
            "restarts",
            "every 2 s a replica and a client restart, a twentieth is lost: all is said once, everywhere",
            sessions::restarts,
        ),
        row(
            "evicted",
            "three sessions, room for two: the client that loses its session is told once, and stops asking",
            sessions::evicted,
        ),
        row(
            "forgotten-number",
            "an acknowledgement is lost, and as many numbers follow as may: it is told again",
            sessions::forgotten_number,
        ),
        row(
            "back-together",
            "a leader with 2 MB under way hears nobody for 2 s: it sends all again, but not at once",
            costs::back_together,
        ),
        row(
            "shared-queue",
            "one user fills a busy leader's queue: twenty others have their turn, and it is served in time",
            busy::shared_queue,
        ),
        row(
            "refused",
            "56 users say something where eight have room: all are served in time, and ask rarely",
            busy::refused,
        ),
        row(
            "newcomers",
            "forty clients come at once, to any replica: all are served within 50 ms, few ask twice",
            strangers::newcomers,
        ),
        row(
            "leader-not-reached",
            "a client reaches all but the leader: followers serve it, and it asks the leader when it can",
            catching_up::leader_not_reached,
        ),
        row(
            "skipped-slot",
            "a leader skips a slot: a no-op is chosen there, and service resumes within 4 time-outs",
            sessions::skipped_slot,
        ),
        row(
            "not-theirs",
            "each class of message, from every sender that may not send it: nobody accepts it",
            strangers::not_theirs,
        ),
        row(
            "stolen-session",
            "somebody asks in another's session: the leader neither answers nor executes it",
            strangers::stolen_session,
        ),
        row(
            "late-answers",
            "answers to an earlier ballot, answers that nobody needs and an old request come late: all are ignored",
            strangers::late_answers,
        ),
        row(
            "made-up-sessions",
            "a client asks in 6,400 sessions that never were, where 64 have room: another is served by the same replica",
            strangers::made_up_sessions,
        ),
        row(
            "twice",
            "every message arrives twice, in service, elections and catch-up: nobody asks twice because of it",
            catching_up::twice,
        ),
    ]
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn demand(met: bool, seed: u64, what: impl FnOnce() -> String) -> Result<(), String> {
    if met { Ok(()) } else { Err(format!("seed {seed}: {}", what())) }
}

fn idle(deployed: &Deployed) -> Result<u32, String> {
    let mut runs = 0;
    // Where nobody has ever said anything a leader has applied nothing since its election.
    for (replicas, clients) in [(3, 0), (3, 1), (5, 1)] {
        for seed in 0..4 {
            let mut world = World::new(deployed, replicas, clients, seed);
            world.talks_for(seconds(4))?;
            let begins = world.ballot();
            world.run_for(seconds(600))?;
            let ends = world.ballot();
            demand(begins == ends, seed, || format!("{ends:?} after {begins:?}"))?;
            runs += 1;
        }
    }
    Ok(runs)
}

fn slow_disks(deployed: &Deployed) -> Result<u32, String> {
    let mut runs = 0;
    let disks = [(700, 200, 60), (1000, 200, 40), (1500, 200, 25), (3000, 2000, 500)];
    for (sync, time, least) in disks {
        for seed in 0..4 {
            let mut world = World::new(deployed, 3, 1, seed);
            (0..3).for_each(|replica| world.simulation.slow_down(replica, millis(sync)));
            world.talks_for(seconds(time))?;
            let (acknowledged, ballot) = (world.acknowledged, world.ballot());
            demand(acknowledged >= least, seed, || {
                format!("syncs of {sync} ms: {acknowledged} acknowledged in {time} s, not {least}")
            })?;
            demand(ballot.round <= 12, seed, || format!("syncs of {sync} ms: {ballot:?}"))?;
            runs += 1;
        }
    }
    Ok(runs)
}

fn long_round_trips(deployed: &Deployed) -> Result<u32, String> {
    let seeds = 0..10;
    for seed in seeds.clone() {
        let mut world = World::new(deployed, 3, 2, seed);
        world.simulation.links.delay = millis(295)..millis(305);
        world.talks_for(seconds(30))?;
        let (settled, before) = (world.ballot(), world.acknowledged);
        demand(settled.round <= 6, seed, || format!("{settled:?} after 30 s"))?;
        world.longest_wait = Duration::ZERO;
        world.talks_for(seconds(120))?;
        let (ballot, served) = (world.ballot(), world.acknowledged - before);
        demand(ballot == settled, seed, || format!("{ballot:?} after {settled:?}"))?;
        // Two clients: 200 at two round trips each, 133 at three, which it takes where a replica relays.
        demand(served >= 130, seed, || format!("{served} acknowledged in 120 s"))?;
        let longest = world.longest_wait.max(world.waits());
        demand(longest < seconds(4), seed, || format!("somebody waited for {longest:?}"))?;
    }
    Ok(seeds.count() as u32)
}

/// Links of 1 Mbit/s with a round trip of 300 ms, on which three messages a second of so many bytes are said
/// for 15 s, once time-outs have had 45 s to adapt; and the ballot at that time.
fn narrow(
    deployed: &Deployed,
    loss: f64,
    text_bytes: usize,
    seed: u64,
) -> Result<(World, Ballot), String> {
    let mut world = World::new(deployed, 3, 1, seed);
    world.simulation.links.delay = millis(145)..millis(155);
    let rate = Rate { bytes_per_second: 125_000, queue_bytes: 128 * 1024 };
    world.simulation.links.rate = Some(rate);
    world.simulation.links.loss = loss;
    let text = "x".repeat(text_bytes);
    let mut settled = Ballot::ZERO;
    for round in 0..3 * (45 + 15) {
        if round == 3 * 45 {
            settled = world.ballot();
        }
        world.says(0, &text);
        world.run_for(seconds(1) / 3)?;
    }
    Ok((world, settled))
}

/// Nearly all runs end with everything acknowledged, and few have an election once time-outs have adapted:
/// what is lost, or comes too late, is lost by chance, so no bound holds of each run.
fn serves_and_seldom_elects(
    deployed: &Deployed,
    loss: f64,
    text_bytes: usize,
    limit: Duration,
) -> Result<u32, String> {
    let seeds = 0..100;
    let (mut late, mut elections) = (Vec::new(), Vec::new());
    for seed in seeds.clone() {
        let (mut world, settled) = narrow(deployed, loss, text_bytes, seed)?;
        if let Err(what) = world.serves_all_within(limit) {
            late.push(what);
        } else if world.ballot() != settled {
            elections.push(seed);
        }
    }
    if late.len() > 2 {
        return Err(format!("{} of 100 runs: {}", late.len(), late[0]));
    }
    if elections.len() > 20 {
        return Err(format!("elections with the seeds {elections:?}"));
    }
    Ok(seeds.count() as u32)
}

/// 39% of what a link carries.
fn narrow_link(deployed: &Deployed) -> Result<u32, String> {
    // Some seeds have yet to work off what came in the first seconds, before time-outs had adapted.
    serves_and_seldom_elects(deployed, 0.0, 16 * 1024, seconds(20))
}

fn lossy_link(deployed: &Deployed) -> Result<u32, String> {
    serves_and_seldom_elects(deployed, 0.1, 1024, seconds(10))
}

fn cut_off_candidate(deployed: &Deployed) -> Result<u32, String> {
    let mut runs = 0;
    for seed in 0..24 {
        runs += u32::from(comes_back(deployed, seed)?);
    }
    demand(runs >= 6, 0, || format!("only {runs} candidates came back to a lower ballot"))?;
    Ok(runs)
}

/// Has a candidate come back to a cluster that is led in a lower ballot than it has promised?
fn comes_back(deployed: &Deployed, seed: u64) -> Result<bool, String> {
    let mut world = World::new(deployed, 3, 3, seed);
    world.talks_for(seconds(4))?;
    let (_, old) = world.leader()?;
    // The leader falls silent, somebody asks for support and gets it, but nobody hears it stand.
    world.cut_off(old, true);
    let asks =
        |id: usize| move |world: &World| matches!(world.replica(id).phase, Phase::PreVoting(_));
    let followers: Vec<usize> = (0..3).filter(|id| *id != old).collect();
    let any_asks = |world: &World| followers.iter().any(|id| asks(*id)(world));
    world.run_until_within(seconds(2), any_asks)?;
    let Some(other) = followers.iter().copied().find(|id| asks(*id)(&world)) else {
        return Ok(false);
    };
    // Whoever asks as the second is supported by the first, who has no leader either.
    let candidate = 3 - old - other;
    world.run_until_within(seconds(2), asks(candidate))?;
    world.simulation.links.set(candidate, other, false);
    let stands = |world: &World| matches!(world.replica(candidate).phase, Phase::Preparing(_));
    world.run_until_within(millis(20), stands)?;
    if !stands(&world) {
        return Ok(false);
    }
    world.cut_off(candidate, true);
    world.connect(old, other, true);
    world.talks_for(seconds(4))?;
    let (ballot, leader) = world.leader()?;
    if leader == candidate || world.replica(candidate).durable.promised < ballot {
        return Ok(false);
    }
    world.cut_off(candidate, false);
    world.longest_wait = Duration::ZERO;
    for _ in 0..120 {
        world.talks_for(millis(50))?;
        let other = (0..3).find(|id| *id != leader && world.leads(*id).is_some());
        demand(other.is_none(), seed, || format!("replica {other:?} leads in place of {leader}"))?;
    }
    // A time-out that nobody leads in would be seen by clients.
    let (longest, limit) =
        (world.longest_wait.max(world.waits()), deployed.tuning.election_timeout);
    demand(longest < limit, seed, || format!("somebody waited for {longest:?}"))?;
    let promised = world.replica(candidate).durable.promised;
    let is_followed = world.leads(leader) == Some(promised);
    demand(is_followed, seed, || format!("replica {candidate} has promised {promised:?}"))?;
    Ok(true)
}

fn lost_acknowledgement(deployed: &Deployed) -> Result<u32, String> {
    let seeds = 0..5;
    for seed in seeds.clone() {
        let mut world = World::new(deployed, 3, 1, seed);
        world.talks_for(seconds(4))?;
        let (_, leader) = world.leader()?;
        // A message every 50 ms; what the leader tells the client is lost once, for 50 ms.
        for round in 0..200 {
            world.simulation.links.set(leader, 3, round != 20);
            world.says(0, "hello");
            world.run_for(millis(50))?;
        }
        let longest = world.longest_wait.max(world.waits());
        demand(longest < seconds(1), seed, || format!("somebody waited for {longest:?}"))?;
    }
    Ok(seeds.count() as u32)
}
