//! What all workers have found, as each of them knows it.

use crate::limits::Limits;
use crate::message::Done;
use actor_checker::engine::{Discovery, Report, Standing, Stopped};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What all workers have found. Each hears the same of each round before it begins the next, so that all decide alike.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    workers: usize,
    always: u64,
    /// How many states fingerprints may tell apart, and their bits.
    states_max: (u64, u32),
    /// By depth, how many states are expanded; the last is the present level.
    levels: Vec<u64>,
    /// By the round that it counts for.
    heard: BTreeMap<u64, Vec<Done>>,
    /// How many rounds are over.
    rounds: u64,
    pub(crate) generated: u64,
    unique_states: u64,
    found: Vec<Option<Discovery>>,
    /// The bits of the properties found in earlier levels.
    hits: u64,
    /// The most bytes that all had at the end of a round.
    memory_bytes: u64,
    stopped: Option<Stopped>,
    /// Some worker has not kept all that it has seen.
    is_torn: bool,
    has_ended: bool,
    /// How many have told all that they have.
    told: usize,
    /// Since when this process is at it, and what earlier ones took.
    started: Instant,
    before: Duration,
}

/// What follows from a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The level is expanded, and there may be a next one.
    pub(crate) is_next_level: bool,
    /// The run is over.
    pub(crate) ends: bool,
}

impl Whole {
    pub(crate) fn new(
        workers: usize,
        properties: usize,
        always: u64,
        states_max: (u64, u32),
    ) -> Whole {
        Whole {
            workers,
            always,
            states_max,
            levels: vec![0],
            heard: BTreeMap::new(),
            rounds: 0,
            generated: 0,
            unique_states: 0,
            found: vec![None; properties],
            hits: 0,
            memory_bytes: 0,
            stopped: None,
            is_torn: false,
            has_ended: false,
            told: 0,
            started: Instant::now(),
            before: Duration::ZERO,
        }
    }

    /// Takes over where earlier processes stood.
    pub(crate) fn restore<T>(&mut self, standing: &Standing<T>) {
        self.levels.clone_from(&standing.by_depth);
        self.generated = standing.generated;
        self.memory_bytes = standing.memory_bytes;
        self.found.clone_from(&standing.found);
        self.before = standing.elapsed;
        let depth = self.depth();
        self.hits = bits(&self.found, |found| found.depth < depth);
    }

    /// Where all stand, but for the states of this worker.
    pub(crate) fn standing<T>(&self, rest: Vec<T>, next: Vec<T>) -> Standing<T> {
        Standing {
            by_depth: self.levels.clone(),
            rest,
            next,
            generated: self.generated,
            memory_bytes: self.memory_bytes,
            elapsed: self.elapsed(),
            found: self.found.clone(),
        }
    }

    /// Steps from the start to the present level.
    pub(crate) fn depth(&self) -> u64 {
        self.levels.len() as u64 - 1
    }

    /// Time of this process and of those before it.
    pub(crate) fn elapsed(&self) -> Duration {
        self.before + self.started.elapsed()
    }

    /// Notes what a worker tells of the round before this one. It counts when this one begins: some workers are done with
    /// a round while others are in its middle.
    pub(crate) fn hear(&mut self, round: u64, done: Done) {
        self.heard.entry(round).or_default().push(done);
    }

    /// Takes over what all have told of the round before this one, if there was one: what follows from it?
    pub(crate) fn begin(&mut self, round: u64, limits: &Limits) -> Turn {
        let Some(all) = self.heard.remove(&round) else { return Turn::default() };
        assert_eq!(all.len(), self.workers, "all tell of a round before the next one begins");
        self.rounds += 1;
        let is_expanded = !all.iter().any(|done| done.rest);
        let goes_on = all.iter().any(|done| done.goes_on);
        let memory_bytes = all.iter().map(|done| done.memory_bytes).sum();
        self.memory_bytes = self.memory_bytes.max(memory_bytes);
        for done in all {
            if let Some(states) = self.levels.last_mut() {
                *states += done.states;
            }
            self.generated += done.generated;
            self.is_torn |= done.is_torn;
            self.note(&done.found);
            self.stop(done.stopped);
        }
        let is_next_level = is_expanded && goes_on;
        if is_expanded {
            self.hits = bits(&self.found, |_| true);
        }
        if is_next_level {
            self.levels.push(0);
        }
        if self.is_violated(limits) {
            self.stop(Some(Stopped::Violation));
        }
        let states: u64 = self.levels.iter().sum();
        if limits.max_states.is_some_and(|max| states > max) {
            self.stop(Some(Stopped::States));
        }
        if states > self.states_max.0 {
            self.stop(Some(Stopped::Fingerprints));
        }
        self.has_ended = (is_expanded && !goes_on) || self.stopped.is_some();
        Turn { is_next_level, ends: self.has_ended }
    }

    /// Keeps what is nearest to the start, and of lowest fingerprint.
    fn note(&mut self, found: &[Option<Discovery>]) {
        let order = |found: &Discovery| (found.depth, found.fingerprint);
        for (known, found) in self.found.iter_mut().zip(found) {
            *known = [*known, *found].into_iter().flatten().min_by_key(order);
        }
    }

    /// Adds what a worker has when the run is over.
    pub(crate) fn add_end(&mut self, unique_states: u64) {
        self.unique_states += unique_states;
        self.told += 1;
    }

    /// Leaves the run incomplete, if there is a reason to; the first one stays.
    pub(crate) fn stop(&mut self, why: Option<Stopped>) {
        self.stopped = self.stopped.take().or(why);
    }

    /// What changes whenever there is something new to be told.
    pub(crate) fn age(&self) -> (u64, usize) {
        (self.rounds, self.told)
    }

    /// The properties found in earlier levels, as bits.
    pub(crate) fn hits(&self) -> u64 {
        self.hits
    }

    /// Has an earlier level what the run is to stop at?
    fn is_violated(&self, limits: &Limits) -> bool {
        limits.stop_at_violation && self.hits & self.always != 0
    }

    /// The states that violate what must hold always, also those of the present level; of each property, one or none.
    pub(crate) fn violations(&self) -> Vec<Option<Discovery>> {
        let found = self.found.iter().enumerate();
        found.map(|(bit, found)| found.filter(|_| self.always >> bit & 1 == 1)).collect()
    }

    /// May a checkpoint be written of where all stand? What is violated is found again from the one before.
    pub(crate) fn can_be_kept(&self, limits: &Limits) -> bool {
        !self.is_torn && !self.is_violated(limits)
    }

    /// Was every state expanded?
    pub(crate) fn is_complete(&self) -> bool {
        self.has_ended && self.stopped.is_none()
    }

    /// What the run has come to, if all workers have told what they have.
    pub(crate) fn report(&self) -> Report {
        let is_over = self.has_ended && self.told == self.workers;
        let lost = || Stopped::Lost("a process ended before the others".into());
        let stopped = self.stopped.clone().or_else(|| (!is_over).then(lost));
        let mut by_depth = self.levels.clone();
        while by_depth.last() == Some(&0) {
            by_depth.pop();
        }
        Report {
            complete: stopped.is_none(),
            stopped,
            unique_states: self.unique_states.max(by_depth.iter().sum()),
            generated_states: self.generated,
            depth: by_depth.len().saturating_sub(1) as u64,
            fingerprint_bits: self.states_max.1,
            by_depth,
            elapsed: self.elapsed(),
            memory_bytes: self.memory_bytes,
            discoveries: self.found.clone(),
        }
    }
}

/// The properties of which such a state was found, as bits.
fn bits(found: &[Option<Discovery>], is_meant: impl Fn(&Discovery) -> bool) -> u64 {
    let bits = found.iter().enumerate();
    bits.map(|(bit, found)| u64::from(found.as_ref().is_some_and(&is_meant)) << bit).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actor_checker::fingerprint::STATES_MAX_OF_64_BITS;

    /// What two workers have come to that had so many states in one level.
    fn ended(states: u64, stopped: Option<Stopped>) -> Report {
        let mut whole = Whole::new(2, 0, 0, (STATES_MAX_OF_64_BITS, 64));
        for _ in 0..2 {
            whole.hear(1, Done { states, ..Done::default() });
        }
        assert!(whole.begin(1, &Limits::default()).ends);
        for why in [None, stopped] {
            whole.add_end(states);
            whole.stop(why);
        }
        whole.report()
    }

    #[test]
    fn a_worker_that_cannot_tell_what_it_has_leaves_the_run_incomplete() {
        assert!(ended(1, None).complete);
        let why = Some(Stopped::Panic("news cannot be read".into()));
        let report = ended(1, why.clone());
        assert!(!report.complete && report.stopped == why);
    }

    #[test]
    fn more_states_than_fingerprints_are_for_leave_the_run_incomplete() {
        let report = ended(STATES_MAX_OF_64_BITS, None);
        assert_eq!((report.complete, report.stopped), (false, Some(Stopped::Fingerprints)));
    }

    #[test]
    fn a_level_is_over_once_no_worker_has_a_rest_of_it() {
        let mut whole = Whole::new(2, 0, 0, (u64::MAX, 128));
        for rest in [true, false] {
            whole.hear(1, Done { rest, states: 3, goes_on: true, ..Done::default() });
        }
        assert_eq!(whole.begin(1, &Limits::default()), Turn::default());
        for _ in 0..2 {
            whole.hear(2, Done { states: 1, goes_on: true, ..Done::default() });
        }
        let turn = whole.begin(2, &Limits::default());
        assert_eq!(turn, Turn { is_next_level: true, ends: false });
        assert_eq!((whole.report().by_depth, whole.depth()), (vec![8], 1));
    }
}
