//! Which parts of the protocol the runs have reached: every message arm, every timer, every event.
//!
//! **Invariants**
//! - *A row counts only runs that were completed.*
//! - *Every message that an actor takes has a row*: rows follow from the table of classes.

use crate::config::ChatModel;
use crate::node::Node;
use crate::properties::{self, Milestone};
use crate::situations::Situations;
use actor_checker::spec::Event;
use paxos_chat::message::{Class, Taker};
use std::collections::BTreeMap;

/// How often a row was reached: distinct local steps, over all runs.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    counts: BTreeMap<String, u64>,
    situations: Situations,
}

/// The kind of actor that takes messages of a class: a row; the rest go to drivers.
fn taker(class: Class) -> Option<&'static str> {
    match class.taker() {
        Taker::Replica => Some("replica"),
        Taker::Client => Some("client"),
        Taker::Reader => Some("reader"),
        Taker::Driver => None,
    }
}

const TIMERS: [(&str, &str); 6] = [
    ("replica", "Synced"),
    ("replica", "Election"),
    ("replica", "Heartbeat"),
    ("replica", "Resend"),
    ("client", "Retry"),
    ("reader", "Retry"),
];

impl Coverage {
    /// Adds what a completed run has reached.
    pub fn add(&mut self, model: &ChatModel) {
        let kind = |actor: usize| match &model.actors()[actor] {
            Node::Replica { .. } | Node::MutantReplica { .. } => "replica",
            Node::Client(_) | Node::MutantClient(_) => "client",
            Node::Reader(_) | Node::MutantReader(_) => "reader",
        };
        self.situations.add(model);
        model.for_each_delivered(|actor, message| {
            self.count(format!("{}: {}", kind(actor), message.class()));
        });
        model.for_each_taken_step(|step| {
            match &step.event {
                Event::Timeout(timer) => {
                    self.count(format!("{}: {timer:?} time-out", kind(step.actor)));
                }
                Event::Input(message) => {
                    self.count(format!("{}: {}", kind(step.actor), message.class()));
                }
                Event::Crash => self.count(format!("a {} crashes", kind(step.actor))),
                Event::Recover => {
                    self.count(format!("a {} recovers", kind(step.actor)));
                    // What its machine hands over is a part of the same step.
                    if properties::reached(step).contains(&Milestone::LogRecalled) {
                        self.count(format!("{}: {}", kind(step.actor), Class::Recall));
                    }
                }
                Event::Start | Event::Deliver { .. } => {}
            }
            for milestone in properties::reached(step) {
                self.count(milestone.text().into());
            }
        });
    }

    /// Adds what another run has reached.
    pub fn merge(&mut self, other: &Coverage) {
        for (row, count) in &other.counts {
            *self.counts.entry(row.clone()).or_default() += count;
        }
        self.situations.merge(&other.situations);
    }

    /// Adds an event of states rather than of steps.
    pub fn add_event(&mut self, event: &str) {
        self.count(event.into());
    }

    /// What has happened to replicas.
    pub fn situations(&self) -> &Situations {
        &self.situations
    }

    fn count(&mut self, row: String) {
        *self.counts.entry(row).or_default() += 1;
    }

    /// All rows, with how many distinct local steps have reached each.
    pub fn rows(&self) -> Vec<(String, u64)> {
        let arms = Class::ALL
            .iter()
            .filter_map(|class| taker(*class).map(|kind| format!("{kind}: {class}")));
        let timers = TIMERS.iter().map(|(kind, timer)| format!("{kind}: {timer} time-out"));
        let faults =
            ["a replica crashes", "a replica recovers", "a client crashes", "a client recovers"];
        let faults = faults.map(String::from);
        let events = Milestone::ALL.iter().map(|milestone| milestone.text().to_string());
        let rows = arms.chain(timers).chain(faults).chain(events);
        rows.map(|row| (row.clone(), self.counts.get(&row).copied().unwrap_or(0))).collect()
    }
}
