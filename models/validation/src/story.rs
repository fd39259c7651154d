//! The events of a run, as they are told: in the one order in which causes come first.
//!
//! **Invariant**: what is told costs nothing where nobody listens.

use actor_checker::trace::{Kind, TraceStep};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// An event.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its number in that order, from 1 on.
    pub number: u64,
    /// The process that it happens to.
    pub process: String,
    /// Which life of it, from 1 on.
    pub life: u32,
    /// When its turn began by its own clock, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// What kind of thing happens.
    pub kind: Kind,
    /// What it is told, in words.
    pub what: String,
    /// Of a message of another process: whose, and the event that sent it, if it is known.
    pub from: Option<(String, Option<u64>)>,
    /// Does it save something?
    pub saves: bool,
    /// What it sends, and to whom.
    pub sends: Vec<(String, String)>,
    /// What it tells its driver.
    pub reports: Vec<String>,
}

/// Listens to events with these numbers.
pub struct Listener<'a> {
    /// Which are told.
    pub window: RangeInclusive<u64>,
    /// Is told.
    pub tell: Box<dyn FnMut(Told) + 'a>,
}

impl Listener<'_> {
    /// Nobody listens.
    pub fn none() -> Listener<'static> {
        Listener { window: RangeInclusive::new(1, 0), tell: Box::new(|_| {}) }
    }

    /// Is this event told?
    pub fn hears(&self, number: u64) -> bool {
        self.window.contains(&number)
    }
}

/// These events as the steps of a path, with the names of its lanes: whoever has an event.
pub fn as_path(events: &[Told]) -> (Vec<String>, Vec<TraceStep>) {
    let mut names: Vec<String> = events.iter().map(|event| event.process.clone()).collect();
    names.sort();
    names.dedup();
    let places: BTreeMap<u64, usize> =
        events.iter().enumerate().map(|(at, event)| (event.number, at)).collect();
    let lane = |name: &String| names.binary_search(name).unwrap_or_default();
    let step = |event: &Told| {
        let mut sends: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (to, message) in &event.sends {
            sends.entry(message.clone()).or_default().push(to.clone());
        }
        let source = event.from.as_ref().map(|(from, _)| format!("{from} -> "));
        let (from, process, what) = (source.unwrap_or_default(), &event.process, &event.what);
        TraceStep {
            kind: event.kind,
            actor: lane(process),
            sent_at: event.from.as_ref().and_then(|(_, at)| places.get(&(*at)?)).copied(),
            text: format!("{from}{process}: {what}  (event {})", event.number),
            sends: sends.into_iter().map(|(message, to)| (to, message)).collect(),
            reports: event.reports.clone(),
        }
    };
    let steps = events.iter().map(step).collect();
    (names, steps)
}
