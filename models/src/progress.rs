//! Progress of the chat: what has to come to pass, and the actors freed of what only bounds the
//! exploration.
//!
//! **The goal**: every client has its acknowledgements or was told that its session has expired, every reader has read
//! everything, if it follows the log, every current read has ended, and all live replicas, members or not, have applied the
//! same log, up to and including the highest slot that was chosen, with no gap, and know of no change of members that is to
//! come. Injected skips stay as they are. Replicas ask for support before they use a ballot if those of the entry do;
//! [`check_with_pre_votes`] makes them, as the deployed ones do, from states that were explored without.
//!
//! **Absent**: the schedules ([`actor_checker::progress`]).

use crate::config::Config;
use crate::node::{Node, NodeState, NodeStorage, NodeTimer};
use actor_checker::compact::Reductions;
use actor_checker::engine::Options;
use actor_checker::progress::{Goal, Outcome, check};
use paxos_chat::client::{ClientPhase, ClientTuning};
use paxos_chat::effects::Timer;
use paxos_chat::quorum::Cluster;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Ballot, NodeId, Slot, Value};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// The reductions under which progress is checked. Renaming replicas is not among them: the
/// schedules tell replicas apart.
pub const REDUCTIONS: Reductions =
    Reductions { dead_variables: false, symmetry: false, ..Reductions::ALL };

/// Everything is delivered, and all live replicas know it.
pub struct Delivered {
    cluster: Cluster,
    tuning: Tuning,
    client: ClientTuning,
    /// Readers are to read everything, and not only as far as they ask.
    follows: bool,
}

/// The part of a node that the goal needs.
pub enum Standing {
    /// Of a replica.
    Replica {
        /// Its applied bound, if it is up.
        applied_upto: Option<Slot>,
        /// No change of members that it knows of is to come.
        is_settled: bool,
        /// Every value known to be decided, in memory or in the log.
        decided: BTreeMap<Slot, Value>,
        /// The ballot of each vote that is saved.
        votes: BTreeMap<Slot, Ballot>,
    },
    /// Of a client: nothing is left to say or to wait for.
    Client(bool),
    /// Of a reader.
    Reader {
        /// The next slot to read, once it is known.
        next: Option<Slot>,
        /// All its current reads have ended.
        is_done: bool,
    },
}

impl Delivered {
    /// The goal for a configuration.
    pub fn of(config: &Config) -> Delivered {
        Delivered {
            cluster: config.cluster(),
            tuning: config.tuning.clone(),
            client: ClientTuning::default(),
            follows: config.follows,
        }
    }

    fn replica(state: Option<&NodeState>, stored: Option<&NodeStorage>) -> Standing {
        let disk = stored.and_then(NodeStorage::disk);
        let machine = state.and_then(NodeState::machine);
        let on_disk = disk.map(|disk| &disk.log).into_iter().flatten();
        let known = machine.map(|machine| (&machine.log, &machine.replica.learner.decided));
        let known = known.into_iter().flat_map(|(log, decided)| log.iter().chain(decided));
        let decided = on_disk.chain(known).map(|(slot, value)| (*slot, value.clone())).collect();
        let votes = disk.map(|disk| &disk.storage.votes).into_iter().flatten();
        Standing::Replica {
            applied_upto: machine.map(|machine| machine.replica.learner.applied_upto),
            is_settled: machine
                .is_none_or(|machine| machine.replica.learner.memberships.next.is_none()),
            decided,
            votes: votes.map(|(slot, vote)| (*slot, vote.ballot)).collect(),
        }
    }

    /// Is a slot at or above this bound chosen, by the votes that are saved?
    fn is_chosen_above(&self, views: &[&Standing], bound: Slot) -> bool {
        let mut counts: BTreeMap<(Slot, Ballot), u32> = BTreeMap::new();
        for view in views {
            if let Standing::Replica { votes, .. } = view {
                for (slot, ballot) in votes.range(bound..) {
                    *counts.entry((*slot, *ballot)).or_default() += 1;
                }
            }
        }
        counts.values().any(|voters| *voters >= self.cluster.majority())
    }
}

impl Goal<Node> for Delivered {
    type View = Standing;

    fn view(
        &self,
        _actor: usize,
        state: Option<&NodeState>,
        stored: Option<&NodeStorage>,
    ) -> Standing {
        match state {
            Some(NodeState::Client(client)) => Standing::Client(match client.durable.phase {
                ClientPhase::Opening => false,
                ClientPhase::Open(_) => client.is_idle(),
                ClientPhase::Expired => true,
            }),
            Some(NodeState::Reader(reader)) => {
                Standing::Reader { next: reader.next, is_done: reader.reads.is_empty() }
            }
            Some(NodeState::Replica(_)) | None => Delivered::replica(state, stored),
        }
    }

    fn is_met(&self, views: &[&Standing]) -> bool {
        if views.iter().any(|view| matches!(view, Standing::Client(false))) {
            return false;
        }
        let live = views.iter().filter_map(|view| match view {
            Standing::Replica { applied_upto: Some(upto), decided, .. } => Some((*upto, decided)),
            _ => None,
        });
        let mut live = live.peekable();
        let Some(&(bound, log)) = live.peek() else { return false };
        if live.any(|(upto, _)| upto != bound) {
            return false;
        }
        let in_step = views.iter().all(|view| match view {
            Standing::Client(_) => true,
            Standing::Reader { next, is_done } => {
                *is_done && (!self.follows || *next == Some(bound))
            }
            Standing::Replica { applied_upto, is_settled, decided, .. } => {
                let known = decided.keys().next_back();
                let same = applied_upto.is_none() || decided == log;
                same && *is_settled && known.is_none_or(|slot| *slot < bound)
            }
        });
        in_step && !self.is_chosen_above(views, bound)
    }

    fn is_possible(&self, up: &[bool]) -> bool {
        let replicas = up.iter().take(usize::from(self.cluster.len()));
        replicas.filter(|up| **up).count() >= self.cluster.majority() as usize
    }

    fn timers(&self) -> Vec<NodeTimer> {
        let timers = [Timer::Heartbeat, Timer::Resend, Timer::Retry, Timer::Election];
        std::iter::once(NodeTimer::Synced).chain(timers.map(NodeTimer::Actor)).collect()
    }

    fn delay(&self, timer: &NodeTimer) -> Range<Duration> {
        let NodeTimer::Actor(timer) = timer else { return Duration::ZERO..self.hop() };
        match timer {
            Timer::Heartbeat => self.tuning.heartbeat_delay(),
            Timer::Resend => self.tuning.resend_delay(),
            Timer::Election => self.tuning.election_delay(0),
            Timer::Retry => self.client.retry_interval..self.client.retry_interval * 2,
        }
    }

    fn hop(&self) -> Duration {
        Duration::from_millis(5)
    }

    fn rivals(&self) -> usize {
        usize::from(self.cluster.len())
    }
}

/// The actors of a configuration, with every replica known to every client and reader: those that
/// the bounds leave out come after those that it asks.
pub fn unbound(config: &Config) -> Vec<Node> {
    let replicas = |asks: &mut Vec<NodeId>| {
        let all = config.cluster().replicas().map(NodeId::from);
        let missing: Vec<NodeId> = all.filter(|replica| !asks.contains(replica)).collect();
        asks.extend(missing);
    };
    let nodes = config.nodes(config.genesis()).into_iter().map(|(mut node, _)| {
        match &mut node {
            Node::Client(client) => replicas(&mut client.replicas),
            Node::MutantClient(mutated) => replicas(&mut mutated.client.replicas),
            Node::Reader(reader) => replicas(&mut reader.replicas),
            Node::MutantReader(mutated) => replicas(&mut mutated.reader.replicas),
            Node::Replica { .. } | Node::MutantReplica { .. } => {}
        }
        node
    });
    nodes.collect()
}

/// Checks the progress of a configuration.
pub fn check_config(config: &Config, reductions: Reductions, options: &Options<'_>) -> Outcome {
    check_runs(config, config, reductions, options)
}

/// As [`check_config`], with runs of replicas that ask for support before they use a ballot, as
/// the deployed ones do, from the states of an exploration that may do without.
pub fn check_with_pre_votes(
    config: &Config,
    reductions: Reductions,
    options: &Options<'_>,
) -> Outcome {
    let deployed = config.clone().tuned(|tuning| tuning.pre_vote = true);
    check_runs(config, &deployed, reductions, options)
}

fn check_runs(
    explored: &Config,
    run: &Config,
    reductions: Reductions,
    options: &Options<'_>,
) -> Outcome {
    let model = explored.model(&[], reductions);
    let recovery = explored.crashes.recovery;
    check(&model, unbound(run), Delivered::of(run), recovery, options)
}
