//! Which parts of the protocol the runs have reached: every message arm, every timer, every event.
//!
//! **Invariant**: a row counts only runs that were completed.

use crate::catalog::ChatModel;
use crate::node::Node;
use crate::properties::{self, EVENTS};
use crate::spec::Event;
use std::collections::BTreeMap;

/// How often a row was reached: distinct local steps, over all runs.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    counts: BTreeMap<String, u64>,
}

/// The message arms: the kind of actor, and the class of the message.
const ARMS: [(&str, &str); 21] = [
    ("replica", "Request"),
    ("replica", "Tail"),
    ("replica", "PreVote"),
    ("replica", "PreVoteGranted"),
    ("replica", "Prepare"),
    ("replica", "Promise"),
    ("replica", "Accept"),
    ("replica", "Accepted"),
    ("replica", "Reject"),
    ("replica", "Heartbeat"),
    ("replica", "HeartbeatAck"),
    ("replica", "Fetch"),
    ("replica", "Decided"),
    ("replica", "SkipSlot"),
    ("client", "SessionOpened"),
    ("client", "Acknowledged"),
    ("client", "Busy"),
    ("client", "Redirect"),
    ("client", "SessionExpired"),
    ("client", "Submit"),
    ("reader", "Entries"),
];

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
            Node::Replica { .. } | Node::Mutated { .. } => "replica",
            Node::Client(_) | Node::MutatedClient(_) => "client",
            Node::Reader(_) | Node::MutatedReader(_) => "reader",
        };
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
                Event::Recover => self.count(format!("a {} recovers", kind(step.actor))),
                Event::Start | Event::Deliver { .. } => {}
            }
            for event in properties::events(step) {
                self.count(event.into());
            }
        });
    }

    /// Adds what another run has reached.
    pub fn merge(&mut self, other: &Coverage) {
        for (row, count) in &other.counts {
            *self.counts.entry(row.clone()).or_default() += count;
        }
    }

    /// Adds an event of states rather than of steps.
    pub fn add_event(&mut self, event: &str) {
        self.count(event.into());
    }

    fn count(&mut self, row: String) {
        *self.counts.entry(row).or_default() += 1;
    }

    /// All rows, with how many distinct local steps have reached each.
    pub fn rows(&self) -> Vec<(String, u64)> {
        let arms = ARMS.iter().map(|(kind, class)| format!("{kind}: {class}"));
        let timers = TIMERS.iter().map(|(kind, timer)| format!("{kind}: {timer} time-out"));
        let faults =
            ["a replica crashes", "a replica recovers", "a client crashes", "a client recovers"];
        let faults = faults.map(String::from);
        let events = EVENTS.iter().map(ToString::to_string);
        let rows = arms.chain(timers).chain(faults).chain(events);
        rows.map(|row| (row.clone(), self.counts.get(&row).copied().unwrap_or(0))).collect()
    }
}
