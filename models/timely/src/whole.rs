//! What all workers have found, as each of them knows it.

use crate::message::Level;
use crate::shard::Limits;
use actor_checker::engine::{Discovery, Report, Stopped};
use std::time::Duration;

/// What all workers have found. Each hears the same of each level before it begins the next, so that all decide alike.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    workers: usize,
    always: u64,
    /// By depth: how many workers have told, how many states there are, and whether any has successors.
    levels: Vec<(usize, u64, bool)>,
    pub(crate) generated: u64,
    pub(crate) unique_states: u64,
    found: Vec<Option<Discovery>>,
    /// The most bytes that all had at the end of a level.
    memory_bytes: u64,
    in_level: u64,
    stopped: Option<Stopped>,
    /// The level in place of which workers tell what they have.
    end: Option<u64>,
}

impl Whole {
    pub(crate) fn new(workers: usize, properties: usize, always: u64) -> Whole {
        Whole {
            workers,
            always,
            levels: Vec::new(),
            generated: 0,
            unique_states: 0,
            found: vec![None; properties],
            memory_bytes: 0,
            in_level: 0,
            stopped: None,
            end: None,
        }
    }

    /// Adds what a worker tells of the level before this one.
    pub(crate) fn add(&mut self, level: u64, report: Level) {
        let depth = level.saturating_sub(1) as usize;
        if self.levels.len() <= depth {
            self.levels.resize(depth + 1, (0, 0, false));
            self.in_level = 0;
        }
        let (told, states, goes_on) = &mut self.levels[depth];
        *told += 1;
        *states += report.states;
        *goes_on |= report.goes_on;
        self.generated += report.generated;
        self.in_level += report.memory_bytes;
        self.memory_bytes = self.memory_bytes.max(self.in_level);
        for (known, found) in self.found.iter_mut().zip(report.found) {
            let is_nearer = |found: &Discovery, known: &Discovery| {
                (found.depth, found.fingerprint) < (known.depth, known.fingerprint)
            };
            if let Some(found) = found
                && known.is_none_or(|known| is_nearer(&found, &known))
            {
                *known = Some(found);
            }
        }
        if let Some(why) = report.stopped {
            self.stopped.get_or_insert(why);
        }
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

    /// Does the run end before this level?
    pub(crate) fn ends_before(&mut self, level: u64, limits: &Limits) -> bool {
        let Some(depth) = level.checked_sub(1) else { return false };
        let Some((told, _, goes_on)) = self.levels.get(depth as usize) else { return false };
        assert_eq!(*told, self.workers, "all tell of a level before the next one begins");
        let states: u64 = self.levels.iter().map(|(_, states, _)| states).sum();
        if limits.stop_at_violation && self.hits() & self.always != 0 {
            self.stopped.get_or_insert(Stopped::Violation);
        }
        if limits.max_states.is_some_and(|max| states > max) {
            self.stopped.get_or_insert(Stopped::States);
        }
        let ends = !goes_on || self.stopped.is_some();
        if ends {
            self.end.get_or_insert(level);
        }
        ends
    }

    /// What the run has come to, if all workers have told what they have.
    pub(crate) fn report(&self, elapsed: Duration) -> Report {
        let is_told = self.end.is_some();
        let lost = || Stopped::Panic("a worker is lost".into());
        let stopped = self.stopped.clone().or_else(|| (!is_told).then(lost));
        let mut by_depth: Vec<u64> = self.levels.iter().map(|(_, states, _)| *states).collect();
        while by_depth.last() == Some(&0) {
            by_depth.pop();
        }
        Report {
            complete: stopped.is_none(),
            stopped,
            unique_states: self.unique_states,
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
