//! What all workers have found, as each of them knows it.

use crate::limits::Limits;
use crate::message::Level;
use actor_checker::engine::{Discovery, Report, Stopped};
use actor_checker::fingerprint::STATES_MAX_OF_64_BITS;
use std::collections::BTreeMap;
use std::time::Duration;

/// What all workers have found. Each hears the same of each level before it begins the next, so that all decide alike.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    workers: usize,
    always: u64,
    /// By depth: how many states there are, and whether any has successors that may be new.
    levels: Vec<(u64, bool)>,
    /// By the level that it counts for.
    heard: BTreeMap<u64, Vec<Level>>,
    pub(crate) generated: u64,
    unique_states: u64,
    found: Vec<Option<Discovery>>,
    /// The most bytes that all had at the end of a level.
    memory_bytes: u64,
    stopped: Option<Stopped>,
    /// The level in place of which workers tell what they have, and how many have told it.
    end: Option<u64>,
    ended: usize,
}

impl Whole {
    pub(crate) fn new(workers: usize, properties: usize, always: u64) -> Whole {
        Whole {
            workers,
            always,
            levels: Vec::new(),
            heard: BTreeMap::new(),
            generated: 0,
            unique_states: 0,
            found: vec![None; properties],
            memory_bytes: 0,
            stopped: None,
            end: None,
            ended: 0,
        }
    }

    /// Notes what a worker tells of the level before this one. It counts when this one begins: some workers are done with
    /// a level while others are in its middle.
    pub(crate) fn hear(&mut self, level: u64, report: Level) {
        self.heard.entry(level).or_default().push(report);
    }

    /// Takes over what all have told of the level before this one.
    fn begin(&mut self, level: u64) {
        let Some(reports) = self.heard.remove(&level) else { return };
        assert_eq!(reports.len(), self.workers, "all tell of a level before the next one begins");
        let (mut states, mut goes_on, mut memory_bytes) = (0, false, 0);
        for report in reports {
            states += report.states;
            goes_on |= report.goes_on;
            memory_bytes += report.memory_bytes;
            self.generated += report.generated;
            for (known, found) in self.found.iter_mut().zip(report.found) {
                let is_before = |found: &Discovery, known: &Discovery| {
                    (found.depth, found.fingerprint) < (known.depth, known.fingerprint)
                };
                if let Some(found) = found
                    && known.is_none_or(|known| is_before(&found, &known))
                {
                    *known = Some(found);
                }
            }
            self.stop(report.stopped);
        }
        self.levels.push((states, goes_on));
        self.memory_bytes = self.memory_bytes.max(memory_bytes);
    }

    /// Adds what a worker has when the run is over.
    pub(crate) fn add_end(&mut self, unique_states: u64) {
        self.unique_states += unique_states;
        self.ended += 1;
    }

    /// Leaves the run incomplete, if there is a reason to; the first one stays.
    pub(crate) fn stop(&mut self, why: Option<Stopped>) {
        self.stopped = self.stopped.take().or(why);
    }

    /// How many levels were told of, and how many workers have ended.
    pub(crate) fn level(&self) -> (usize, usize) {
        (self.levels.len(), self.ended)
    }

    /// The properties found in earlier levels, as bits.
    pub(crate) fn hits(&self) -> u64 {
        let bits = self.found.iter().enumerate();
        bits.map(|(bit, found)| u64::from(found.is_some()) << bit).sum()
    }

    /// Is there nothing to be done at this level, because the run has ended?
    pub(crate) fn is_over(&self, level: u64) -> bool {
        self.end.is_some_and(|end| end < level)
    }

    /// Does the run end before this level, of whose states all are there?
    pub(crate) fn ends_before(&mut self, level: u64, limits: &Limits) -> bool {
        self.begin(level);
        let Some((_, goes_on)) = self.levels.last().copied() else { return false };
        if limits.stop_at_violation && self.hits() & self.always != 0 {
            self.stop(Some(Stopped::Violation));
        }
        let states: u64 = self.levels.iter().map(|(states, _)| states).sum();
        if limits.max_states.is_some_and(|max| states > max) {
            self.stop(Some(Stopped::States));
        }
        if states > STATES_MAX_OF_64_BITS {
            self.stop(Some(Stopped::Fingerprints));
        }
        let ends = !goes_on || self.stopped.is_some();
        if ends {
            self.end.get_or_insert(level);
        }
        ends
    }

    /// What the run has come to, if all workers have told what they have.
    pub(crate) fn report(&self, elapsed: Duration) -> Report {
        let is_over = self.end.is_some() && self.ended == self.workers;
        let lost = || Stopped::Lost("a process ended before the others".into());
        let stopped = self.stopped.clone().or_else(|| (!is_over).then(lost));
        let mut by_depth: Vec<u64> = self.levels.iter().map(|(states, _)| *states).collect();
        while by_depth.last() == Some(&0) {
            by_depth.pop();
        }
        Report {
            complete: stopped.is_none(),
            stopped,
            unique_states: self.unique_states.max(by_depth.iter().sum()),
            generated_states: self.generated,
            depth: by_depth.len().saturating_sub(1) as u64,
            fingerprint_bits: u64::BITS,
            by_depth,
            elapsed,
            memory_bytes: self.memory_bytes,
            discoveries: self.found.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// What two workers have come to that had so many states in one level.
    fn ended(states: u64, stopped: Option<Stopped>) -> Report {
        let mut whole = Whole::new(2, 0, 0);
        let limits =
            Limits { max_states: None, interrupted: Arc::default(), stop_at_violation: true };
        for _ in 0..2 {
            whole.hear(1, Level { states, ..Level::default() });
        }
        assert!(whole.ends_before(1, &limits));
        for why in [None, stopped] {
            whole.add_end(states);
            whole.stop(why);
        }
        whole.report(Duration::ZERO)
    }

    #[test]
    fn a_worker_that_cannot_tell_what_it_has_leaves_the_run_incomplete() {
        assert!(ended(1, None).complete);
        let why = Some(Stopped::Panic("news cannot be read".into()));
        let report = ended(1, why.clone());
        assert!(!report.complete && report.stopped == why);
    }

    #[test]
    fn more_states_than_64_bits_are_for_leave_the_run_incomplete() {
        let report = ended(STATES_MAX_OF_64_BITS, None);
        assert_eq!((report.complete, report.stopped), (false, Some(Stopped::Fingerprints)));
    }
}
