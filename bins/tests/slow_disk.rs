//! Disks that take their time for a sync, under virtual time: a replica that waits for its disk
//! sends nothing, so the others elect a leader, and it comes back as a follower.

use paxos_chat::state::Phase;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::Ballot;
use paxos_chat_simulation::{Bounds, Cluster};
use std::time::Duration;

/// Virtual time within which a test must end.
const LIMIT: Duration = Duration::from_secs(600);

/// A cluster whose client always has a message under way.
struct Service {
    cluster: Cluster,
    /// The longest time in which nothing was confirmed.
    longest_wait: Duration,
    confirmed_at: Duration,
}

impl Service {
    fn new(seed: u64) -> Service {
        let tuning = Tuning { snapshot_slots: 8, recent_slots: 4, ..Tuning::default() };
        let cluster = Cluster::new(&Bounds::new(seed, tuning));
        Service { cluster, longest_wait: Duration::ZERO, confirmed_at: Duration::ZERO }
    }

    fn now(&self) -> Duration {
        self.cluster.air.now()
    }

    fn step(&mut self) {
        let before = self.cluster.confirmed();
        let speaker = &mut self.cluster.speakers[0];
        if speaker.submitted() == before {
            assert!(speaker.say_next());
        }
        assert!(self.cluster.step().is_empty(), "no disk fails");
        let now = self.now();
        if self.cluster.confirmed() > before {
            self.longest_wait = self.longest_wait.max(now - self.confirmed_at);
            self.confirmed_at = now;
        }
        assert!(now < LIMIT, "{before} confirmed");
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now() + time;
        while self.now() < end {
            self.step();
        }
    }

    fn run_until_confirmed(&mut self, count: u64) {
        while self.cluster.confirmed() < count {
            self.step();
        }
    }

    /// The replica that leads in the highest ballot.
    fn leader(&self) -> Option<usize> {
        let ballot = |index: usize| {
            let leading = self.cluster.machines[index].state()?.leading()?;
            Some((leading.ballot, index))
        };
        (0..3).filter_map(ballot).max().map(|(_, index)| index)
    }

    fn promised(&self, index: usize) -> Ballot {
        self.cluster.machines[index].state().unwrap().durable.promised
    }

    fn is_follower(&self, index: usize) -> bool {
        self.cluster.machines[index].state().unwrap().phase == Phase::Follower
    }

    /// A cluster in which a leader has been serving for a while.
    fn serving(seed: u64) -> (Service, usize) {
        let mut service = Service::new(seed);
        service.run_until_confirmed(20);
        service.longest_wait = Duration::ZERO;
        let leader = service.leader().expect("somebody leads");
        (service, leader)
    }

    fn assert_logs_agree(&mut self) {
        self.run_for(Duration::from_secs(2));
        let logs = self.cluster.logs();
        let shortest = logs.iter().map(Vec::len).min().unwrap();
        assert!(logs.iter().all(|log| log[..shortest] == logs[0][..shortest]));
        assert!(logs.iter().all(|log| log.len() - shortest < 4096), "nobody is far behind");
    }
}

#[test]
fn leadership_moves_away_from_a_replica_whose_sync_stalls_and_it_comes_back_as_a_follower() {
    for seed in 0..10 {
        let (mut service, old) = Service::serving(seed);
        let stall = Duration::from_secs(8);
        service.cluster.machines[old].slow_down(stall, 1);
        service.run_for(Duration::from_secs(5));
        let new = service.leader().expect("somebody leads");
        assert!(service.cluster.machines[old].is_busy(), "it still waits");
        assert_ne!(new, old, "seed {seed}");
        let confirmed = service.cluster.confirmed();
        service.run_until_confirmed(confirmed + 5);
        let longest = service.longest_wait;
        assert!(longest < Duration::from_secs(4), "seed {seed}: {longest:?} without service");
        let ballot = service.promised(new);
        service.run_for(stall);
        assert!(service.is_follower(old), "seed {seed}");
        assert_eq!(service.leader(), Some(new), "seed {seed}: it deposes nobody");
        assert_eq!(service.promised(old), ballot, "seed {seed}");
        service.assert_logs_agree();
    }
}

#[test]
fn a_follower_whose_syncs_stall_again_and_again_disturbs_nobody() {
    for seed in 0..5 {
        let (mut service, leader) = Service::serving(seed);
        let ballot = service.promised(leader);
        let slow = (leader + 1) % 3;
        service.cluster.machines[slow].slow_down(Duration::from_secs(3), 5);
        service.run_for(Duration::from_secs(20));
        assert_eq!((service.leader(), service.promised(leader)), (Some(leader), ballot));
        let longest = service.longest_wait;
        assert!(longest < Duration::from_millis(200), "seed {seed}: {longest:?} without service");
        service.assert_logs_agree();
    }
}

#[test]
fn a_replica_whose_syncs_all_stall_does_not_keep_the_leadership() {
    for seed in 0..5 {
        let (mut service, slow) = Service::serving(seed);
        service.cluster.machines[slow].slow_down(Duration::from_secs(3), u32::MAX);
        service.run_for(Duration::from_secs(20));
        assert_ne!(service.leader(), Some(slow), "seed {seed}");
        let longest = service.longest_wait;
        assert!(longest < Duration::from_secs(4), "seed {seed}: {longest:?} without service");
    }
}
