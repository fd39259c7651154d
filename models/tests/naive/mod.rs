//! An enumeration that keeps whole states: no interning, no fingerprints, no memory of steps.

use paxos_chat::effects::Timer;
use paxos_chat::message::Message;
use paxos_chat::types::{Ballot, ReplicaId};
use paxos_chat_models::config::Config;
use paxos_chat_models::node::{Node, NodeState, NodeStorage, NodeTimer};
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet, VecDeque};

/// Which steps are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Steps {
    /// The network only grows.
    Growing,
    /// Besides, any message may be dropped.
    Losing,
    /// The network only grows, and a crash may come within a handler, after any of its sends.
    Cut,
}

/// What an enumeration found.
pub(crate) struct Naive {
    /// How many states there are.
    pub(crate) unique_states: u64,
    /// The local states of all actors: state, or storage of one that is down.
    pub(crate) locals: BTreeSet<(usize, String)>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct System {
    /// `None` is down.
    states: Vec<Option<(NodeState, BTreeSet<NodeTimer>)>>,
    storages: Vec<Option<NodeStorage>>,
    network: BTreeSet<(usize, usize, Message)>,
    crashes: u32,
}

/// Is the state within these ballots?
pub(crate) fn is_within(ballots: &BTreeSet<Ballot>, state: &NodeState) -> bool {
    let promised = state.replica().map_or(Ballot::ZERO, |state| state.durable.promised);
    promised == Ballot::ZERO || ballots.contains(&promised)
}

/// May this timer of this actor fire?
pub(crate) fn may_time_out(ballots: &BTreeSet<Ballot>, actor: usize, timer: NodeTimer) -> bool {
    timer != NodeTimer::Actor(Timer::Election)
        || ballots.iter().any(|b| usize::from(b.replica.0) == actor)
}

struct Explorer<'a> {
    config: &'a Config,
    nodes: Vec<Node>,
    ballots: BTreeSet<Ballot>,
    steps: Steps,
}

enum Event {
    Start,
    Deliver(usize, Message),
    Timeout(NodeTimer),
}

impl Naive {
    /// Enumerates everything within the bounds of a configuration.
    pub(crate) fn explore(config: &Config, steps: Steps) -> Naive {
        let (nodes, storages): (Vec<Node>, Vec<Option<NodeStorage>>) =
            config.nodes(config.genesis()).into_iter().unzip();
        let ballot = |(round, id): &(u32, u8)| Ballot { round: *round, replica: ReplicaId(*id) };
        let ballots = config.ballots.iter().map(ballot).collect();
        let explorer = Explorer { config, nodes, ballots, steps };
        let mut init = System {
            states: vec![None; storages.len()],
            storages,
            network: BTreeSet::new(),
            crashes: 0,
        };
        for actor in 0..explorer.nodes.len() {
            init = explorer.run(&init, actor, Event::Start).pop().expect("a start is a step");
        }
        let mut seen = HashSet::from([init.clone()]);
        let mut queue = VecDeque::from([init]);
        let mut locals = BTreeSet::new();
        while let Some(system) = queue.pop_front() {
            for (actor, state) in system.states.iter().enumerate() {
                let text = match state {
                    Some((state, timers)) => format!("{state:?} {timers:?}"),
                    None => format!("down {:?}", system.storages[actor]),
                };
                locals.insert((actor, text));
            }
            for next in explorer.successors(&system) {
                if seen.insert(next.clone()) {
                    queue.push_back(next);
                }
            }
        }
        Naive { unique_states: seen.len() as u64, locals }
    }
}

impl Explorer<'_> {
    fn successors(&self, system: &System) -> Vec<System> {
        let mut next = Vec::new();
        for (src, dst, message) in &system.network {
            if system.states[*dst].is_some() {
                next.extend(self.run(system, *dst, Event::Deliver(*src, message.clone())));
            }
            if self.steps == Steps::Losing {
                let mut system = system.clone();
                system.network.remove(&(*src, *dst, message.clone()));
                next.push(system);
            }
        }
        for actor in 0..self.nodes.len() {
            let Some((_, timers)) = &system.states[actor] else {
                if self.config.crashes.recovery {
                    next.extend(self.run(system, actor, Event::Start));
                }
                continue;
            };
            for timer in timers.iter().filter(|t| may_time_out(&self.ballots, actor, **t)) {
                next.extend(self.run(system, actor, Event::Timeout(*timer)));
            }
            if self.may_crash(system, actor) {
                next.push(crashed(system, actor));
            }
        }
        next
    }

    fn may_crash(&self, system: &System, actor: usize) -> bool {
        let crashes = &self.config.crashes;
        let down = system.states.iter().filter(|state| state.is_none()).count() as u32;
        self.config.may_crash(actor) && down < crashes.at_once && system.crashes < crashes.total
    }

    /// The state after a handler; with cuts, also each state after a crash within it.
    fn run(&self, system: &System, actor: usize, event: Event) -> Vec<System> {
        let id = Id::from(actor);
        let mut out = Out::new();
        let mut next = system.clone();
        let mut timers = match &system.states[actor] {
            Some((_, timers)) => timers.clone(),
            None => BTreeSet::new(),
        };
        let state = || system.states[actor].clone().expect("only an actor that is up acts").0;
        let state = match event {
            Event::Start => self.nodes[actor].on_start(id, &system.storages[actor], &mut out),
            Event::Deliver(src, message) => {
                let mut state = Cow::Owned(state());
                self.nodes[actor].on_msg(id, &mut state, Id::from(src), message, &mut out);
                state.into_owned()
            }
            Event::Timeout(timer) => {
                timers.remove(&timer);
                let mut state = Cow::Owned(state());
                self.nodes[actor].on_timeout(id, &mut state, &timer, &mut out);
                state.into_owned()
            }
        };
        if !is_within(&self.ballots, &state) {
            return Vec::new();
        }
        let mut cuts = Vec::new();
        for command in out {
            match command {
                Command::Send(dst, message) if usize::from(dst) < self.nodes.len() => {
                    next.network.insert((actor, usize::from(dst), message));
                }
                Command::Send(..) => {}
                Command::SetTimer(timer, _) => {
                    timers.insert(timer);
                }
                Command::CancelTimer(timer) => {
                    timers.remove(&timer);
                }
                Command::Save(storage) => next.storages[actor] = Some(storage),
                Command::ChooseRandom(..) => unreachable!("no actor chooses at random"),
            }
            if self.steps == Steps::Cut && self.may_crash(system, actor) {
                cuts.push(crashed(&next, actor));
            }
        }
        next.states[actor] = Some((state, timers));
        cuts.push(next);
        cuts
    }
}

fn crashed(system: &System, actor: usize) -> System {
    let mut system = system.clone();
    system.states[actor] = None;
    system.crashes += 1;
    system
}
