//! A cluster under virtual time, and clients who say what they are told to.

use crate::deployed::Deployed;
use crate::links::WIRE;
use crate::machine::Machine;
use crate::node::{Node, NodeState};
use crate::properties::bounds;
use actor_checker::simulation::Simulation;
use paxos_chat::client::{ClientPhase, ClientState, ClientStorage};
use paxos_chat::effects::Timer;
use paxos_chat::message::{Input, Message, Output};
use paxos_chat::quorum::Cluster;
use paxos_chat::state::Phase;
use paxos_chat::state::State;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Ballot, Body, NodeId, ReplicaId, Seq, Slot};
use std::collections::BTreeMap;
use std::time::Duration;

/// Replicas and clients, who ask all replicas, each from another one on.
pub(super) struct World {
    pub(super) simulation: Simulation<Node>,
    replicas: usize,
    tuning: Tuning,
    seed: u64,
    /// By client: when each number was said, if it is not acknowledged.
    waiting: Vec<BTreeMap<u64, Duration>>,
    pub(super) said: u64,
    pub(super) acknowledged: u64,
    /// Messages whose outcome is unknown, as clients were told.
    pub(super) unknown: u64,
    pub(super) longest_wait: Duration,
}

impl World {
    pub(super) fn new(deployed: &Deployed, replicas: u8, clients: usize, seed: u64) -> World {
        World::with_readers(deployed, replicas, clients, 0, seed)
    }

    /// Readers, too, ask all replicas.
    pub(super) fn with_readers(
        deployed: &Deployed,
        replicas: u8,
        clients: usize,
        readers: usize,
        seed: u64,
    ) -> World {
        let asks = |index: usize| {
            let asks = (0..replicas).map(|id| (usize::from(id) + index) % usize::from(replicas));
            asks.map(|id| NodeId::from(ReplicaId(id as u8))).collect()
        };
        let replica = |_| deployed.replica(Cluster::new(replicas));
        let client = |index| deployed.client(index, asks(index));
        let reader = |index| deployed.reader(asks(index));
        let people = (0..clients).map(client).chain((0..readers).map(reader));
        let actors = (0..replicas).map(replica).chain(people).collect();
        World {
            simulation: Simulation::new(actors, WIRE, seed),
            replicas: usize::from(replicas),
            tuning: deployed.tuning.clone(),
            seed,
            waiting: vec![BTreeMap::new(); clients],
            said: 0,
            acknowledged: 0,
            unknown: 0,
            longest_wait: Duration::ZERO,
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.simulation.now()
    }

    pub(super) fn says(&mut self, client: usize, text: &str) {
        let next = self.client(client).durable.next_submitted().0;
        let now = self.now();
        self.waiting[client].insert(next, now);
        self.said += 1;
        self.simulation
            .input(self.replicas + client, Message::Input(Input::Submit(Body::write(text))));
    }

    /// What this client knows; it is up.
    pub(super) fn client(&self, client: usize) -> &ClientState {
        let state = self.simulation.state(self.replicas + client).and_then(NodeState::client);
        state.expect("a client is up")
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// If more waits at a replica than its parameters say, or a timer is set that has nothing to wait for, or
    /// one is not set that has.
    pub(super) fn run_for(&mut self, time: Duration) -> Result<(), String> {
        self.simulation.run_until(self.now() + time);
        for report in self.simulation.take_reports() {
            match report.message {
                Message::Output(Output::Confirmed { seq: Seq(seq), .. }) => {
                    let said = self.waiting[report.actor - self.replicas].remove(&seq);
                    let waited = report.at.saturating_sub(said.unwrap_or(report.at));
                    self.longest_wait = self.longest_wait.max(waited);
                    self.acknowledged += 1;
                }
                Message::Output(Output::OutcomeUnknown { unknown }) => {
                    let waiting = &mut self.waiting[report.actor - self.replicas];
                    waiting.retain(|seq, _| !unknown.contains(&Seq(*seq)));
                    self.unknown += unknown.len() as u64;
                }
                _ => {}
            }
        }
        self.judge_timers()?;
        let is_within = |id: &usize| match self.simulation.state(*id).and_then(NodeState::replica) {
            Some(state) => bounds::waits_within(&self.tuning, state),
            None => true,
        };
        match (0..self.replicas).find(|id| !is_within(id)) {
            None => Ok(()),
            Some(id) => {
                let (seed, now) = (self.seed, self.now());
                Err(format!("seed {seed}: too much waits at replica {id} after {now:?}"))
            }
        }
    }

    /// Is each timer set while it has something to wait for, as [`Timer`] tells, and never else?
    fn judge_timers(&self) -> Result<(), String> {
        for actor in 0..self.replicas + self.waiting.len() {
            let Some(state) = self.simulation.state(actor) else { continue };
            for (timer, is_wanted) in timers(state) {
                if self.simulation.is_set(actor, &timer.into()) != is_wanted {
                    let (seed, now) = (self.seed, self.now());
                    let what = if is_wanted { "is not set" } else { "has nothing to wait for" };
                    return Err(format!(
                        "seed {seed}: {timer:?} of actor {actor} {what} after {now:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The next slot that this reader, of those after the clients, wants.
    pub(super) fn reads(&self, reader: usize) -> Slot {
        match self.simulation.state(self.replicas + self.waiting.len() + reader) {
            Some(NodeState::Reader(state)) => state.next.unwrap_or_default(),
            _ => unreachable!("there is such a reader, and none crashes"),
        }
    }

    /// The highest applied bound.
    pub(super) fn applied_upto(&self) -> Slot {
        let states = (0..self.replicas).filter_map(|id| self.simulation.state(id)?.replica());
        states.map(|state| state.learner.applied_upto).max().unwrap_or_default()
    }

    /// From now on nothing reaches this reader, or everything does.
    pub(super) fn cut_off_reader(&mut self, reader: usize, is_cut: bool) {
        let reader = self.replicas + self.waiting.len() + reader;
        (0..self.replicas).for_each(|id| self.simulation.links.set(id, reader, !is_cut));
    }

    /// How many messages of this client are not acknowledged.
    pub(super) fn waits_for(&self, client: usize) -> usize {
        self.waiting[client].len()
    }

    /// This client loses everything but what it has saved, and comes back.
    pub(super) fn restart_client(&mut self, client: usize) {
        self.simulation.crash(self.replicas + client);
        self.simulation.start(self.replicas + client);
    }

    /// The longest that anybody waits now.
    pub(super) fn waits(&self) -> Duration {
        let said = self.waiting.iter().flat_map(BTreeMap::values).min();
        said.map_or(Duration::ZERO, |said| self.now() - *said)
    }

    /// Every client always has a message under way, for this long.
    pub(super) fn talks_for(&mut self, time: Duration) -> Result<(), String> {
        let end = self.now() + time;
        while self.now() < end {
            for client in 0..self.waiting.len() {
                if self.waiting[client].is_empty() {
                    self.says(client, "hello");
                }
            }
            self.run_for(Duration::from_millis(50))?;
        }
        Ok(())
    }

    /// Lets time pass, until this is so or the limit is reached.
    pub(super) fn run_until_within(
        &mut self,
        limit: Duration,
        is_so: impl Fn(&World) -> bool,
    ) -> Result<(), String> {
        let end = self.now() + limit;
        while !is_so(self) && self.now() < end {
            self.run_for(Duration::from_micros(100))?;
        }
        Ok(())
    }

    /// Lets time pass, until everything is acknowledged.
    pub(super) fn serves_all_within(&mut self, limit: Duration) -> Result<(), String> {
        let end = self.now() + limit;
        while self.acknowledged < self.said {
            if self.now() > end {
                let (acknowledged, said) = (self.acknowledged, self.said);
                let seed = self.seed;
                let how_many = format!("{acknowledged} of {said}");
                return Err(format!("seed {seed}: {how_many} are acknowledged {limit:?} later"));
            }
            self.run_for(Duration::from_millis(5))?;
        }
        Ok(())
    }

    /// What this replica knows; it is up.
    pub(super) fn replica(&self, replica: usize) -> &State {
        self.simulation.state(replica).and_then(NodeState::replica).expect("a replica is up")
    }

    /// The same, with the log on its disk.
    pub(super) fn machine(&self, replica: usize) -> &Machine {
        self.simulation.state(replica).and_then(NodeState::machine).expect("a replica is up")
    }

    pub(super) fn leads(&self, replica: usize) -> Option<Ballot> {
        let state = self.simulation.state(replica).and_then(NodeState::replica)?;
        match &state.phase {
            Phase::Leading(leading) => Some(leading.ballot),
            _ => None,
        }
    }

    /// Who leads in the highest ballot.
    pub(super) fn leader(&self) -> Result<(Ballot, usize), String> {
        let leads = (0..self.replicas).filter_map(|id| self.leads(id).map(|ballot| (ballot, id)));
        leads.max().ok_or_else(|| format!("nobody leads after {:?}", self.now()))
    }

    /// The highest ballot that anybody has promised.
    pub(super) fn ballot(&self) -> Ballot {
        let states = (0..self.replicas).filter_map(|id| self.simulation.state(id)?.replica());
        states.map(|state| state.durable.promised).max().unwrap_or_default()
    }

    pub(super) fn cut_off(&mut self, replica: usize, is_cut: bool) {
        for other in (0..self.replicas).filter(|other| *other != replica) {
            self.connect(replica, other, !is_cut);
        }
    }

    pub(super) fn connect(&mut self, one: usize, other: usize, up: bool) {
        self.simulation.links.set(one, other, up);
        self.simulation.links.set(other, one, up);
    }
}

/// Which timers does an actor want?
fn timers(state: &NodeState) -> Vec<(Timer, bool)> {
    if let Some(replica) = state.replica() {
        let leads = matches!(replica.phase, Phase::Leading(_));
        let prepares = matches!(replica.phase, Phase::Preparing(_));
        let resends = (Timer::Resend, leads || prepares);
        return vec![(Timer::Election, true), (Timer::Heartbeat, leads), resends];
    }
    let Some(client) = state.client() else { return Vec::new() };
    let ClientStorage { phase, waiting, unacknowledged, .. } = &*client.durable;
    let is_wanted = match phase {
        ClientPhase::Opening => true,
        ClientPhase::Open(_) => !waiting.is_empty() || !unacknowledged.is_empty(),
        ClientPhase::Expired => false,
    };
    vec![(Timer::Retry, is_wanted)]
}
