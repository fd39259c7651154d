//! Disks that take their time for a sync, under virtual time: a replica that waits for its disk
//! sends nothing, so the others elect a leader, and it comes back as a follower.

mod machines;

use machines::{Air, ClientDriver, Machine, client};
use paxos_chat::message::{Input, Message};
use paxos_chat::state::Phase;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Ballot, Body};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Virtual time within which a test must end.
const LIMIT: Duration = Duration::from_secs(600);

/// How long a datagram may wait in the socket of a machine that waits for its disk.
const SOCKET_HOLDS: Duration = Duration::from_millis(500);

struct Simulation {
    air: Rc<Air>,
    machines: Vec<Machine>,
    client: ClientDriver,
    submitted: u64,
    confirmed: Rc<Cell<u64>>,
    /// The longest time in which nothing was confirmed.
    longest_wait: Duration,
    confirmed_at: Duration,
}

impl Simulation {
    fn new(seed: u64) -> Simulation {
        let (air, confirmed) = (Rc::new(Air::default()), Rc::new(Cell::new(0)));
        let tuning = Tuning { snapshot_slots: 8, recent_slots: 4, ..Tuning::default() };
        let machines =
            (0..3).map(|id| Machine::new(id, &air, &tuning, seed * 10 + u64::from(id))).collect();
        let client = client(&air, &confirmed, seed);
        let (longest_wait, confirmed_at) = (Duration::ZERO, Duration::ZERO);
        Simulation { air, machines, client, submitted: 0, confirmed, longest_wait, confirmed_at }
    }

    fn now(&self) -> Duration {
        self.air.now.get()
    }

    /// Moves time on, while the client always has a message under way.
    fn step(&mut self) {
        if self.submitted == self.confirmed.get() {
            self.submitted += 1;
            let body = Body::write(format!("message {}", self.submitted));
            self.client.deliver(Message::from(Input::Submit(body)));
        }
        // What arrives at a machine that waits for its disk waits there.
        let now = self.now();
        let arrival = {
            let mut under_way = self.air.under_way.borrow_mut();
            let oldest = now.saturating_sub(SOCKET_HOLDS);
            *under_way = under_way.split_off(&(oldest, 0));
            under_way.range((now, u64::MAX)..).next().map(|((time, _), _)| *time)
        };
        let deadlines = self.machines.iter().map(|machine| {
            let busy = Some(machine.busy_until()).filter(|until| *until > now);
            busy.or_else(|| machine.deadline())
        });
        let next = deadlines.chain([arrival, self.client.deadline()]).flatten().min();
        self.air.now.set(next.expect("election timers are set").max(now));
        let before = self.confirmed.get();
        for machine in &mut self.machines {
            machine.turn(&self.air).unwrap();
        }
        self.client.turn().unwrap();
        let now = self.now();
        if self.confirmed.get() > before {
            self.longest_wait = self.longest_wait.max(now - self.confirmed_at);
            self.confirmed_at = now;
        }
        assert!(now < LIMIT, "{} confirmed", self.confirmed.get());
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now() + time;
        while self.now() < end {
            self.step();
        }
    }

    fn run_until_confirmed(&mut self, count: u64) {
        while self.confirmed.get() < count {
            self.step();
        }
    }

    /// The replica that leads in the highest ballot.
    fn leader(&self) -> Option<usize> {
        let ballot = |index: usize| {
            let state = self.machines[index].driver.as_ref()?.state();
            match &state.phase {
                Phase::Leading(leading) => Some((leading.ballot, index)),
                _ => None,
            }
        };
        (0..3).filter_map(ballot).max().map(|(_, index)| index)
    }

    fn promised(&self, index: usize) -> Ballot {
        self.machines[index].driver.as_ref().unwrap().state().durable.promised
    }

    fn is_follower(&self, index: usize) -> bool {
        let driver = self.machines[index].driver.as_ref().unwrap();
        matches!(driver.state().phase, Phase::Follower)
    }

    /// A cluster in which a leader has been serving for a while.
    fn serving(seed: u64) -> (Simulation, usize) {
        let mut simulation = Simulation::new(seed);
        simulation.run_until_confirmed(20);
        simulation.longest_wait = Duration::ZERO;
        let leader = simulation.leader().expect("somebody leads");
        (simulation, leader)
    }

    fn assert_logs_agree(&mut self) {
        self.run_for(Duration::from_secs(2));
        let shortest = self.machines.iter().map(|machine| machine.log().len()).min().unwrap();
        let logs: Vec<Vec<u8>> = self.machines.iter().map(Machine::log).collect();
        assert!(logs.iter().all(|log| log[..shortest] == logs[0][..shortest]));
        assert!(logs.iter().all(|log| log.len() - shortest < 4096), "nobody is far behind");
    }
}

#[test]
fn leadership_moves_away_from_a_replica_whose_sync_stalls_and_it_comes_back_as_a_follower() {
    for seed in 0..10 {
        let (mut simulation, old) = Simulation::serving(seed);
        let stall = Duration::from_secs(8);
        simulation.machines[old].slow_down(stall, 1);
        simulation.run_for(Duration::from_secs(5));
        let new = simulation.leader().expect("somebody leads");
        assert!(simulation.machines[old].busy_until() > simulation.now(), "it still waits");
        assert_ne!(new, old, "seed {seed}");
        let confirmed = simulation.confirmed.get();
        simulation.run_until_confirmed(confirmed + 5);
        let longest = simulation.longest_wait;
        assert!(longest < Duration::from_secs(4), "seed {seed}: {longest:?} without service");
        let ballot = simulation.promised(new);
        simulation.run_for(stall);
        assert!(simulation.is_follower(old), "seed {seed}");
        assert_eq!(simulation.leader(), Some(new), "seed {seed}: it deposes nobody");
        assert_eq!(simulation.promised(old), ballot, "seed {seed}");
        simulation.assert_logs_agree();
    }
}

#[test]
fn a_follower_whose_syncs_stall_again_and_again_disturbs_nobody() {
    for seed in 0..5 {
        let (mut simulation, leader) = Simulation::serving(seed);
        let ballot = simulation.promised(leader);
        let slow = (leader + 1) % 3;
        simulation.machines[slow].slow_down(Duration::from_secs(3), 5);
        simulation.run_for(Duration::from_secs(20));
        assert_eq!((simulation.leader(), simulation.promised(leader)), (Some(leader), ballot));
        let longest = simulation.longest_wait;
        assert!(longest < Duration::from_millis(200), "seed {seed}: {longest:?} without service");
        simulation.assert_logs_agree();
    }
}

#[test]
fn a_replica_whose_syncs_all_stall_does_not_keep_the_leadership() {
    for seed in 0..5 {
        let (mut simulation, slow) = Simulation::serving(seed);
        simulation.machines[slow].slow_down(Duration::from_secs(3), u32::MAX);
        simulation.run_for(Duration::from_secs(20));
        assert_ne!(simulation.leader(), Some(slow), "seed {seed}");
        let longest = simulation.longest_wait;
        assert!(longest < Duration::from_secs(4), "seed {seed}: {longest:?} without service");
    }
}
