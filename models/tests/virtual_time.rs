//! The deployed actors under virtual time, where disks, links and clients' luck are worse than their
//! time-outs take for granted.

use paxos_chat::client::{Client, ClientTuning};
use paxos_chat::effects::Timer;
use paxos_chat::message::Message;
use paxos_chat::proposer::Phase;
use paxos_chat::quorum::Cluster;
use paxos_chat::replica::{Replica, State};
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Ballot, Body, NodeId, Nonce, ReplicaId, Seq, User};
use paxos_chat_models::links::size_bytes;
use paxos_chat_models::node::{Node, NodeState, NodeTimer};
use paxos_chat_models::simulation::{Rate, Simulation};
use std::collections::BTreeMap;
use std::time::Duration;

/// The deployed election time-out.
const TIMEOUT: Duration = Duration::from_millis(500);

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Replicas and clients, who ask all replicas, each from another one on.
struct World {
    simulation: Simulation<Node>,
    replicas: usize,
    /// By client: when each number was said, if it is not acknowledged.
    waiting: Vec<BTreeMap<u64, Duration>>,
    said: u64,
    acknowledged: u64,
    longest_wait: Duration,
}

impl World {
    fn new(replicas: u8, clients: usize, seed: u64) -> World {
        World::tuned(replicas, clients, seed, &Tuning::default())
    }

    fn tuned(replicas: u8, clients: usize, seed: u64, tuning: &Tuning) -> World {
        let replica = |_| {
            let replica = Replica::new(Cluster::new(replicas), tuning.clone());
            (Node::Replica { replica, overlaps: false }, None)
        };
        let client = |index: usize| {
            let asks = (0..replicas).map(|id| (usize::from(id) + index) % usize::from(replicas));
            let client = Client {
                user: User::new(&format!("u{index}")),
                nonce: Nonce(index as u64),
                session: None,
                script: Vec::new(),
                replicas: asks.map(|id| NodeId::from(ReplicaId(id as u8))).collect(),
                is_durable: false,
                tuning: ClientTuning::default(),
            };
            (Node::Client(client), None)
        };
        let actors = (0..replicas).map(replica).chain((0..clients).map(client)).collect();
        World {
            simulation: Simulation::new(actors, size_bytes, seed),
            replicas: usize::from(replicas),
            waiting: vec![BTreeMap::new(); clients],
            said: 0,
            acknowledged: 0,
            longest_wait: Duration::ZERO,
        }
    }

    fn now(&self) -> Duration {
        self.simulation.now()
    }

    fn says(&mut self, client: usize, text: &str) {
        let next = self.client(client).durable.next_submitted().0;
        let now = self.now();
        self.waiting[client].insert(next, now);
        self.said += 1;
        self.simulation.input(self.replicas + client, Message::Submit(Body::post(text)));
    }

    fn client(&self, client: usize) -> &paxos_chat::client::ClientState {
        let Some(NodeState::Client(state)) = self.simulation.state(self.replicas + client) else {
            panic!("a client is up")
        };
        state
    }

    fn run_for(&mut self, time: Duration) {
        self.simulation.run_until(self.now() + time);
        for report in self.simulation.take_reports() {
            if let Message::Confirmed { seq: Seq(seq), .. } = report.message {
                let said = self.waiting[report.actor - self.replicas].remove(&seq);
                let waited = report.at - said.expect("it was said");
                self.longest_wait = self.longest_wait.max(waited);
                self.acknowledged += 1;
            }
        }
    }

    /// Every client always has a message under way, for this long.
    fn talks_for(&mut self, time: Duration) {
        let end = self.now() + time;
        while self.now() < end {
            for client in 0..self.waiting.len() {
                if self.waiting[client].is_empty() {
                    self.says(client, "hello");
                }
            }
            self.run_for(millis(50));
        }
    }

    fn runs_until(&mut self, limit: Duration, what: &str, is_so: impl Fn(&World) -> bool) {
        let end = self.now() + limit;
        while !is_so(self) {
            let so_far = (self.acknowledged, self.said);
            assert!(self.now() < end, "{what} within {limit:?}, not {so_far:?}");
            self.run_for(millis(5));
        }
    }

    fn replica(&self, replica: usize) -> &State {
        self.simulation.state(replica).and_then(NodeState::replica).expect("a replica is up")
    }

    /// Who leads in the highest ballot.
    fn leader(&self) -> Option<(Ballot, usize)> {
        let up = (0..self.replicas).filter(|replica| self.simulation.state(*replica).is_some());
        let leads = up.filter_map(|replica| match &self.replica(replica).phase {
            Phase::Leading(leading) => Some((leading.ballot, replica)),
            _ => None,
        });
        leads.max()
    }

    /// The highest ballot that anybody has promised.
    fn ballot(&self) -> Ballot {
        let promised = |replica| self.replica(replica).durable.promised;
        (0..self.replicas).map(promised).max().expect("there are replicas")
    }

    fn cut_off(&mut self, replica: usize, is_cut: bool) {
        for other in (0..self.replicas).filter(|other| *other != replica) {
            self.simulation.links.set(replica, other, !is_cut);
            self.simulation.links.set(other, replica, !is_cut);
        }
    }
}

#[test]
fn a_cluster_whose_disks_are_all_slower_than_the_time_out_serves() {
    for (sync, least) in [(700, 60), (1000, 40), (1500, 25)] {
        for seed in 0..4 {
            let mut world = World::new(3, 1, seed);
            (0..3).for_each(|replica| world.simulation.slow_down(replica, millis(sync)));
            world.talks_for(Duration::from_secs(200));
            let (acknowledged, ballot) = (world.acknowledged, world.ballot());
            assert!(acknowledged >= least, "{sync} ms, seed {seed}: {acknowledged} in 200 s");
            assert!(ballot.round <= 12, "{sync} ms, seed {seed}: {ballot:?}");
        }
    }
}

#[test]
fn round_trips_longer_than_the_time_out_cost_a_few_elections_and_then_none() {
    for seed in 0..10 {
        let mut world = World::new(3, 2, seed);
        world.simulation.links.delay = millis(295)..millis(305);
        world.talks_for(Duration::from_secs(30));
        let (settled, before) = (world.ballot(), world.acknowledged);
        assert!(settled.round <= 6, "seed {seed}: {settled:?}");
        world.longest_wait = Duration::ZERO;
        world.talks_for(Duration::from_secs(120));
        assert_eq!(world.ballot(), settled, "seed {seed}");
        let served = world.acknowledged - before;
        // Two clients: 200 at two round trips each, 133 at three, which it takes where a replica relays.
        assert!(served >= 130, "seed {seed}: {served} in 120 s");
        assert!(
            world.longest_wait < Duration::from_secs(4),
            "seed {seed}: {:?}",
            world.longest_wait
        );
    }
}

/// Links of 1 Mbit/s with a round trip of 300 ms, on which three messages a second of so many bytes are said
/// for 15 s, once time-outs have had 45 s to adapt.
fn narrow(loss: f64, text_bytes: usize, seed: u64) -> (World, Ballot) {
    let mut world = World::new(3, 1, seed);
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
        world.run_for(Duration::from_secs(1) / 3);
    }
    (world, settled)
}

/// 16 KiB three times a second are 39% of what a link carries.
#[test]
fn a_narrow_link_carries_what_it_can_and_nothing_twice_for_nothing() {
    for seed in 0..4 {
        let (mut world, settled) = narrow(0.0, 16 * 1024, seed);
        let all = |world: &World| world.acknowledged == world.said;
        // Some seeds have yet to work off what came in the first seconds, before time-outs had adapted.
        world.runs_until(Duration::from_secs(20), "everything is acknowledged", all);
        assert_eq!(world.ballot(), settled, "seed {seed}");
    }
}

#[test]
fn a_narrow_link_that_loses_a_tenth_serves_in_one_ballot() {
    for seed in 0..4 {
        let (mut world, settled) = narrow(0.1, 1024, seed);
        let all = |world: &World| world.acknowledged == world.said;
        world.runs_until(Duration::from_secs(10), "everything is acknowledged", all);
        assert_eq!(world.ballot(), settled, "seed {seed}");
    }
}

#[test]
fn a_candidate_that_was_cut_off_deposes_no_healthy_leader() {
    let mut runs = 0;
    for seed in 0..12 {
        let mut world = World::new(3, 3, seed);
        world.talks_for(Duration::from_secs(4));
        let (_, old) = world.leader().expect("somebody leads");
        // The leader falls silent, somebody stands, and is cut off before it is promised anything.
        world.cut_off(old, true);
        let stands = |world: &World| {
            (0..3).find(|id| matches!(world.replica(*id).phase, Phase::Preparing(_)))
        };
        let end = world.now() + Duration::from_secs(6);
        while stands(&world).is_none() && world.now() < end {
            world.run_for(Duration::from_micros(100));
        }
        let Some(candidate) = stands(&world) else { continue };
        world.cut_off(candidate, true);
        let other = 3 - old - candidate;
        world.simulation.links.set(old, other, true);
        world.simulation.links.set(other, old, true);
        world.talks_for(Duration::from_secs(10));
        let (_, leader) = world.leader().expect("the other two elect one");
        if leader == candidate {
            continue;
        }
        world.cut_off(candidate, false);
        for _ in 0..120 {
            world.talks_for(millis(50));
            let leads = |id: usize| matches!(world.replica(id).phase, Phase::Leading(_));
            assert!(!(0..3).any(|id| id != leader && leads(id)), "seed {seed}");
        }
        let promised = world.replica(candidate).durable.promised;
        assert_eq!(world.leader(), Some((promised, leader)), "seed {seed}: and it is followed");
        runs += 1;
    }
    assert!(runs >= 6, "only {runs} runs came so far");
}

#[test]
fn a_lost_acknowledgement_is_asked_for_again_though_others_come() {
    for seed in 0..5 {
        let mut world = World::new(3, 1, seed);
        world.talks_for(Duration::from_secs(4));
        let (_, leader) = world.leader().expect("somebody leads");
        // A message every 50 ms; what the leader tells the client is lost once, for 50 ms.
        for round in 0..200 {
            world.simulation.links.set(leader, 3, round != 20);
            world.says(0, "hello");
            world.run_for(millis(50));
        }
        assert!(world.longest_wait < millis(1000), "seed {seed}: {:?}", world.longest_wait);
    }
}

#[test]
fn a_client_finds_the_survivors_of_a_large_cluster_soon_after_its_leader_has_died() {
    for (replicas, seeds) in [(21, 2), (63, 1)] {
        for seed in 0..seeds {
            let mut world = World::new(replicas, 1, seed);
            world.simulation.expire(0, &NodeTimer::Actor(Timer::Election));
            world.talks_for(Duration::from_secs(4));
            let mut longest = Duration::ZERO;
            for _ in 0..(replicas - 1) / 2 {
                let (_, leader) = world.leader().expect("somebody leads");
                world.longest_wait = Duration::ZERO;
                world.simulation.crash(leader);
                world.talks_for(Duration::from_secs(3));
                longest = longest.max(world.longest_wait);
                assert!(world.waiting[0].values().all(|said| world.now() - *said < millis(100)));
            }
            let limit = 4 * TIMEOUT;
            assert!(longest <= limit, "{replicas} replicas, seed {seed}: {longest:?} of silence");
        }
    }
}
