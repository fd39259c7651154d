//! Has the troubles of a plan happen to a cluster.
//!
//! **Invariant — a trouble that lasts is undone when it is over**: what links and disks do is worked out anew from all
//! troubles that are going on, whenever one begins or ends.

use crate::cluster::Cluster;
use crate::fault::{Fault, Trouble, Who};
use crate::plan::{Plan, Session, draw_tuning};
use crate::speaker::Speaker;
use actor_checker::links::{Links, Rate};
use actor_runtime::disk::fake;
use actor_runtime::driver::Sends;
use paxos_chat::effects::Timer;
use paxos_chat::message::Input;
use paxos_chat::tuning::BODY_BYTES_MAX;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::time::Duration;

/// Syncs that a slow disk has before it, for as long as it is slow.
const ENDLESS: u32 = u32::MAX;

/// Troubles that are to come, and those that are going on.
pub(crate) struct Nemesis {
    links: Links,
    nodes: usize,
    replicas: u8,
    sessions_max: usize,
    /// Those to come, the next one last.
    to_come: Vec<Trouble>,
    /// Those that are going on, and to which replica.
    going_on: Vec<(Trouble, usize)>,
}

impl Nemesis {
    /// For a cluster on these links, of so many nodes.
    pub(crate) fn new(plan: &Plan, links: Links, nodes: usize) -> Nemesis {
        let mut to_come: Vec<Trouble> =
            plan.troubles.iter().map(|(_, trouble)| trouble.clone()).collect();
        to_come.reverse();
        let (replicas, sessions_max) = (plan.replicas, plan.tuning.sessions_max);
        Nemesis { links, nodes, replicas, sessions_max, to_come, going_on: Vec::new() }
    }

    /// When something begins or ends next.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let begins = self.to_come.last().map(|trouble| trouble.at);
        let ends = self.going_on.iter().map(|(trouble, _)| trouble.ends());
        ends.chain(begins).min()
    }

    /// Has begin and end what is due.
    pub(crate) fn act(&mut self, cluster: &mut Cluster) {
        let now = cluster.air.now();
        if self.deadline().is_none_or(|at| at > now) {
            return;
        }
        self.going_on.retain(|(trouble, _)| trouble.ends() > now);
        while self.to_come.last().is_some_and(|trouble| trouble.at <= now) {
            let Some(trouble) = self.to_come.pop() else { break };
            let target = self.begin(&trouble, cluster);
            if !trouble.lasts.is_zero() {
                self.going_on.push((trouble, target));
            }
        }
        self.apply(cluster);
    }

    /// Ends everything.
    pub(crate) fn end(&mut self, cluster: &mut Cluster) {
        self.to_come.clear();
        self.going_on.clear();
        self.apply(cluster);
    }

    /// Nothing arrives at these replicas any more, and nothing that they send does.
    pub(crate) fn cut_off(&self, replicas: &[u8], cluster: &Cluster) {
        cluster.air.change_links(|links| {
            replicas.iter().for_each(|id| isolate(links, usize::from(*id), self.nodes));
        });
    }

    /// The replica that this happens to.
    fn target(who: Who, cluster: &Cluster) -> usize {
        match who {
            Who::Replica(id) => usize::from(id),
            Who::Leader => cluster.leader().unwrap_or_default(),
        }
    }

    fn begin(&self, trouble: &Trouble, cluster: &mut Cluster) -> usize {
        let who = trouble.fault.who().unwrap_or(Who::Replica(0));
        let target = Nemesis::target(who, cluster);
        let machine = &mut cluster.machines[target];
        let fail_in = |operations: u64, fault| {
            machine.disk().fail_at(machine.disk().operations() + operations, fault);
        };
        match &trouble.fault {
            Fault::Cut(..)
            | Fault::Isolate(_)
            | Fault::Split(_)
            | Fault::Lose(_)
            | Fault::Double(_)
            | Fault::Delay(_)
            | Fault::Narrow(_)
            | Fault::SlowDisk(..)
            | Fault::FullDisk(_) => {}
            Fault::Pause(_) => machine.pause(trouble.lasts),
            Fault::Kill(_) => machine.kill(trouble.lasts, None),
            Fault::PowerCut(_, operations) => fail_in(*operations, fake::Fault::PowerCut),
            Fault::DiskError(_, operations) => fail_in(*operations, fake::Fault::Io),
            Fault::Rot(_, seed) => machine.rot(*seed),
            Fault::ClockJump(_, seconds) => machine.set_clock_ahead(Duration::from_secs(*seconds)),
            Fault::Reconfigure(_, seed) => {
                let mut rng = StdRng::seed_from_u64(*seed);
                let tuning = draw_tuning(&mut rng, Session::Kept(self.sessions_max));
                machine.kill(trouble.lasts, Some(tuning));
            }
            Fault::Stand(_) | Fault::ForgetLeader(_) => {
                let is_forgotten = matches!(trouble.fault, Fault::ForgetLeader(_));
                let sends = if is_forgotten { Sends::Lost } else { Sends::Leave };
                if !machine.is_suspended()
                    && let Some(driver) = machine.driver_mut()
                {
                    driver.expire(&Timer::Election, sends);
                }
            }
            Fault::SkipSlot(_) => {
                if !machine.is_suspended()
                    && let Some(driver) = machine.driver_mut()
                    && driver.state().leading().is_some()
                {
                    driver.deliver(Input::SkipSlot.into());
                }
            }
            Fault::Blackout => {
                for machine in &cluster.machines {
                    machine.disk().fail_at(machine.disk().operations(), fake::Fault::PowerCut);
                }
            }
            Fault::KillClient(number) | Fault::Flood(number, _) | Fault::LongMessage(number) => {
                if let Some(speaker) = cluster.speakers.get_mut(usize::from(*number)) {
                    begin_at_client(trouble, speaker);
                }
            }
        }
        target
    }

    /// Has links and disks do what those troubles make of them that are going on.
    fn apply(&self, cluster: &Cluster) {
        let mut slow = vec![Duration::ZERO; usize::from(self.replicas)];
        let mut full = vec![false; usize::from(self.replicas)];
        let mut links = self.links.clone();
        for (trouble, target) in &self.going_on {
            match &trouble.fault {
                Fault::Cut(from, to) if from != to => {
                    links.set(usize::from(*from), usize::from(*to), false);
                }
                Fault::Isolate(_) => isolate(&mut links, *target, self.nodes),
                Fault::Split(sides) => {
                    let side = |id: u8| sides >> id & 1;
                    for from in 0..self.replicas {
                        for to in (0..self.replicas).filter(|to| side(*to) != side(from)) {
                            links.set(usize::from(from), usize::from(to), false);
                        }
                    }
                }
                Fault::Lose(share) => links.loss = links.loss.max(*share),
                Fault::Double(share) => links.doubled = links.doubled.max(*share),
                Fault::Delay(most) => links.delay.end = links.delay.end.max(*most),
                Fault::Narrow(rate) => {
                    let lowest = links.rate.map_or(u64::MAX, |rate| rate.bytes_per_second);
                    let bytes_per_second = lowest.min(*rate);
                    let queue_bytes = bytes_per_second / 4;
                    links.rate = Some(Rate { bytes_per_second, queue_bytes });
                }
                Fault::SlowDisk(_, sync) => slow[*target] = slow[*target].max(*sync),
                Fault::FullDisk(_) => full[*target] = true,
                _ => {}
            }
        }
        for (id, machine) in cluster.machines.iter().enumerate() {
            machine.slow_down(slow[id], if slow[id].is_zero() { 0 } else { ENDLESS });
            machine.disk().set_full(full[id]);
        }
        cluster.air.change_links(|now| *now = links);
    }
}

fn begin_at_client(trouble: &Trouble, speaker: &mut Speaker) {
    match trouble.fault {
        Fault::KillClient(_) => speaker.kill(trouble.lasts),
        Fault::Flood(_, count) => {
            for _ in 0..count {
                speaker.say_next();
            }
        }
        _ => {
            speaker.say(&"x".repeat(BODY_BYTES_MAX));
        }
    }
}

fn isolate(links: &mut Links, node: usize, nodes: usize) {
    for other in (0..nodes).filter(|other| *other != node) {
        links.set(node, other, false);
        links.set(other, node, false);
    }
}
