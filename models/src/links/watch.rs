//! Watches a run, and says what was demanded and not met.

use super::{CHANGES_MAX, Change, Graph, Outcome, READERS, SETTLE, SILENCE_MAX, STAY, clients};
use crate::node::{Node, NodeState};
use actor_checker::simulation::Simulation;
use paxos_chat::message::{Input, Message, Output};
use paxos_chat::state::Phase;
use paxos_chat::types::{Ballot, Body, Seq, Slot};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a user thinks before the next message.
const THINKS: Duration = Duration::from_millis(150);
/// How often a run is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// A run, what its users have said, and what became of it.
pub(super) struct Watch {
    simulation: Simulation<Node>,
    replicas: usize,
    timeout: Duration,
    graph: Graph,
    users: Vec<Speaker>,
    /// Who leads, as far as somebody does.
    leads: BTreeMap<usize, Ballot>,
    /// Leaders since the count was last begun.
    changes: usize,
    outcome: Outcome,
}

/// A user who says one thing after the other.
#[derive(Default)]
struct Speaker {
    said: u64,
    acknowledged: u64,
    /// When the message was said that is not acknowledged.
    waits_since: Option<Duration>,
    /// When the next one is said.
    speaks_at: Duration,
}

impl Watch {
    pub(super) fn new(simulation: Simulation<Node>, replicas: u8, timeout: Duration) -> Watch {
        Watch {
            simulation,
            replicas: usize::from(replicas),
            timeout,
            graph: Graph::full(replicas),
            users: (0..clients(replicas)).map(|_| Speaker::default()).collect(),
            leads: BTreeMap::new(),
            changes: 0,
            outcome: Outcome::default(),
        }
    }

    /// All links are up until everybody has been served.
    pub(super) fn begin(&mut self) -> Option<String> {
        let end = self.timeout * SETTLE;
        while self.users.iter().any(|user| user.acknowledged < 2) {
            if self.simulation.now() > end {
                return Some("nobody is served while all links are up".into());
            }
            self.look(true);
        }
        None
    }

    /// The links change; what is demanded then and not met.
    pub(super) fn change(&mut self, change: &Change) -> Option<String> {
        match change {
            Change::Become(graph) => self.graph = graph.clone(),
            Change::CutLeader => {
                let highest = self.leads.iter().max_by_key(|(_, ballot)| **ballot);
                let leader = highest.map(|(replica, _)| *replica)?;
                let without = self.graph.clone().without(leader);
                if without.quorum_connected().is_empty() {
                    return None;
                }
                self.graph = without;
            }
        }
        for src in 0..self.replicas {
            for dst in 0..self.replicas {
                self.simulation.links.set(src, dst, self.graph.has(src, dst));
            }
        }
        let unmet = self.settle_and_stay();
        unmet.map(|what| format!("with {}: {what}", self.graph))
    }

    fn settle_and_stay(&mut self) -> Option<String> {
        self.run_for(self.timeout * SETTLE, false);
        self.changes = 0;
        let unmet = self.run_for(self.timeout * STAY, true);
        self.outcome.changes = self.outcome.changes.max(self.changes);
        if unmet.is_some() {
            return unmet;
        }
        if self.changes > CHANGES_MAX {
            return Some(format!("{} leaders after the links had settled", self.changes));
        }
        self.quiet()
    }

    pub(super) fn end(mut self, failure: Option<String>) -> (Outcome, Simulation<Node>) {
        self.outcome.failure = failure;
        self.outcome.acknowledged = self.users.iter().map(|user| user.acknowledged).sum();
        self.outcome.took = self.simulation.now();
        (self.outcome, self.simulation)
    }

    /// Nobody says anything new until all is acknowledged and equal.
    fn quiet(&mut self) -> Option<String> {
        let connected: Vec<usize> = self.graph.connected().into_iter().collect();
        let end = self.simulation.now() + self.timeout * SETTLE;
        loop {
            let missing = self.differs(&connected)?;
            if self.simulation.now() > end {
                return Some(missing);
            }
            self.look(false);
        }
    }

    /// What is not yet acknowledged or equal.
    fn differs(&self, connected: &[usize]) -> Option<String> {
        if let Some(client) = self.users.iter().position(|user| user.waits_since.is_some()) {
            return Some(format!("client {client} waits for an acknowledgement"));
        }
        let bound = |replica: usize| match self.simulation.state(replica) {
            Some(NodeState::Replica(machine)) => machine.replica.learner.applied_upto,
            _ => Slot(0),
        };
        let highest = connected.iter().map(|replica| bound(*replica)).max()?;
        if let Some(behind) = connected.iter().find(|replica| bound(**replica) < highest) {
            let bound = bound(*behind);
            return Some(format!("replica {behind} is at {bound}, another at {highest}"));
        }
        (0..READERS).find_map(|reader| {
            let actor = self.replicas + self.users.len() + reader;
            let Some(NodeState::Reader(state)) = self.simulation.state(actor) else { return None };
            let next = state.next.unwrap_or_default();
            (next < highest).then(|| format!("reader {reader} is at {next}, replicas at {highest}"))
        })
    }

    /// Lets time pass; who waited for too long, if anybody's waiting counts.
    fn run_for(&mut self, time: Duration, counts: bool) -> Option<String> {
        let end = self.simulation.now() + time;
        let begins = self.simulation.now();
        while self.simulation.now() < end {
            self.look(true);
            if !counts {
                continue;
            }
            let now = self.simulation.now();
            for (client, user) in self.users.iter().enumerate() {
                let since = user.waits_since.map(|since| since.max(begins));
                let waited = since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
                self.outcome.longest_wait = self.outcome.longest_wait.max(waited);
                if waited > self.timeout * SILENCE_MAX {
                    return Some(format!(
                        "client {client} waits for an acknowledgement for {SILENCE_MAX} election \
                         time-outs"
                    ));
                }
            }
        }
        None
    }

    /// Lets a moment pass, and sees what has come of it.
    fn look(&mut self, says: bool) {
        let now = self.simulation.now();
        for (index, user) in self.users.iter_mut().enumerate() {
            if says && user.waits_since.is_none() && user.speaks_at <= now {
                user.said += 1;
                user.waits_since = Some(now);
                let body = Body::write(format!("u{index} {}", user.said));
                self.simulation.input(self.replicas + index, Message::Input(Input::Submit(body)));
            }
        }
        self.simulation.run_until(now + LOOK);
        for report in self.simulation.take_reports() {
            if let Message::Output(Output::Confirmed { seq: Seq(seq), .. }) = report.message {
                let user = &mut self.users[report.actor - self.replicas];
                user.acknowledged = seq;
                user.waits_since = None;
                user.speaks_at = report.at + THINKS;
            }
        }
        for replica in 0..self.replicas {
            let state = self.simulation.state(replica).and_then(NodeState::replica);
            let leads = state.and_then(|state| match &state.phase {
                Phase::Leading(leading) => Some(leading.ballot),
                _ => None,
            });
            match leads {
                Some(ballot) if self.leads.get(&replica) != Some(&ballot) => {
                    self.leads.insert(replica, ballot);
                    self.changes += 1;
                }
                Some(_) => {}
                None => {
                    self.leads.remove(&replica);
                }
            }
        }
    }
}
