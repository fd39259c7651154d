//! The part of a space that is one worker's.

use crate::back::Back;
use crate::flow::Rounds;
use crate::limits::Limits;
use crate::message::{Content, Counts, Done, End, Message, States};
use crate::peers::Peers;
use crate::whole::{Turn, Whole};
use actor_checker::engine::{
    BATCH, Batch, CheckpointError, Discovery, Progress, RunFolder, Shared, Stopped, Store,
    predecessors,
};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// States in a block; also how many a worker expands before it looks for messages. Of the next level it is half of what
/// the worker has to expand now, within these bounds: the larger a block, the more of its states have something in common.
const BLOCK: RangeInclusive<u64> = 1 << 10..=1 << 14;
/// How often others are told where a worker stands.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// One worker's states.
pub(crate) struct Shard<S: Shared, F: Store<S>> {
    space: Arc<S>,
    store: F,
    /// Where the store is, if that is on a disk.
    folder: Option<RunFolder>,
    me: usize,
    limits: Limits,
    peers: Peers<S>,
    /// What of the present level is not expanded, and what is known of the next one.
    rest: Vec<F::Slot>,
    next: Vec<F::Slot>,
    /// States that fill a block.
    block: u64,
    filled: Batch<S, F>,
    /// States of the level after the next one, of workers that have begun a round that this one has not.
    early: Vec<(S::Block, Vec<u128>)>,
    scratch: S::Scratch,
    round: Option<u64>,
    /// The last round that is to end early.
    paused: Option<u64>,
    done: Done,
    whole: Whole,
    back: Option<Back>,
    /// What workers have found there, by the round that it counts for.
    led_back: BTreeMap<u64, Vec<Vec<Option<u128>>>>,
    is_over: bool,
    stopped: Option<Stopped>,
    is_torn: bool,
    is_stop_told: bool,
    /// Of each worker; in the first one alone.
    counts: Vec<Counts>,
    told: Instant,
}

impl<S: Shared, F: Store<S>> Rounds for Shard<S, F> {
    fn receive(&mut self, time: u64, message: Message) {
        let from = message.from;
        match message.content {
            Content::States(states) => {
                self.guarded(|shard| shard.receive_states(from, &states));
            }
            Content::Counts(counts) => self.counts[from] = counts,
            Content::Pause(why) => {
                self.paused = self.paused.max(Some(time - 1));
                // Who has stopped has told all.
                self.is_stop_told |= why.is_some();
                self.stopped = self.stopped.take().or(why);
            }
            Content::Done(done) => self.whole.hear(time, done),
            Content::Back(lowest) => self.led_back.entry(time).or_default().push(lowest),
            Content::End(end) => {
                self.whole.add_end(end.unique_states);
                self.whole.stop(end.stopped.clone());
                self.guarded(|shard| shard.peers.ask_too(from, &end));
                // Claims of which something was not learnt are not checked.
                self.whole.stop(self.stopped.clone());
            }
        }
    }

    fn work(&mut self, round: u64, mut send: impl FnMut(Message)) -> bool {
        if self.is_over {
            return true;
        }
        if self.round != Some(round) {
            self.round = Some(round);
            self.begin(round, &mut send);
            if self.is_over || self.back.is_some() {
                return true;
            }
        }
        self.look_around(round, &mut send);
        let is_paused = self.stopped.is_some() || self.paused.is_some_and(|last| last >= round);
        let slot = if is_paused { None } else { self.rest.pop() };
        if let Some(slot) = slot {
            let sent = self.guarded(|shard| shard.expand(slot));
            sent.into_iter().flatten().for_each(send);
            return false;
        }
        self.finish(&mut send);
        true
    }
}

impl<S: Shared, F: Store<S>> Shard<S, F> {
    pub(crate) fn new(
        space: Arc<S>,
        (store, folder): (F, Option<RunFolder>),
        (me, workers): (usize, usize),
        limits: Limits,
    ) -> Shard<S, F> {
        let whole = Whole::new(workers, space.properties(), space.always(), store.states_max());
        let mut shard = Shard {
            peers: Peers::new(Arc::clone(&space), me, workers),
            space,
            store,
            folder,
            me,
            limits,
            rest: Vec::new(),
            next: Vec::new(),
            block: *BLOCK.start(),
            filled: Batch::default(),
            early: Vec::new(),
            scratch: S::Scratch::default(),
            round: None,
            paused: None,
            done: Done::default(),
            whole,
            back: None,
            led_back: BTreeMap::new(),
            is_over: false,
            stopped: None,
            is_torn: false,
            is_stop_told: false,
            counts: vec![Counts::default(); workers],
            told: Instant::now(),
        };
        shard.guarded(Shard::start);
        shard
    }

    /// What all workers have found, once the run is over.
    pub(crate) fn whole(&self) -> &Whole {
        &self.whole
    }

    /// The ways back to the start from what was found, as far as they are known; nothing of a run in memory.
    pub(crate) fn trails(&self) -> Option<Vec<Option<Vec<u128>>>> {
        self.folder.as_ref()?;
        Some(self.back.as_ref().map(Back::trails).unwrap_or_default())
    }

    /// Goes on where an earlier process stood; or begins with the same states as every other worker, and keeps those that
    /// are its own.
    fn start(&mut self) {
        let resumed = self.store.resume(&self.space);
        match self.unless_failed(resumed) {
            None => return,
            Some(Some(standing)) => {
                self.whole.restore(&standing);
                (self.rest, self.next) = (standing.rest, standing.next);
                return;
            }
            Some(None) => {}
        }
        let (mut block, mut fingerprints) = (S::Block::default(), Vec::new());
        self.space.start(&mut block, &mut fingerprints);
        if self.me == 0 {
            self.whole.generated += fingerprints.len() as u64;
        }
        let owners = self.peers.owners(&block);
        let me = self.me;
        let own = (0..owners.len()).filter(|place| owners[*place] == me);
        self.admit(&block, &fingerprints, own, 0);
        self.sift(0);
        self.rest = std::mem::take(&mut self.next);
    }

    /// Keeps those of some states, so many steps from the start, that are new.
    fn admit(
        &mut self,
        block: &S::Block,
        fingerprints: &[u128],
        places: impl IntoIterator<Item = usize>,
        depth: u64,
    ) {
        let mut full = Vec::new();
        let mut view = self.store.view();
        for place in places {
            S::append(block, place, &mut self.filled.states);
            self.filled.fingerprints.push(fingerprints[place]);
            if self.filled.fingerprints.len() == BATCH {
                self.filled.admit(&mut view);
                if S::len(&self.filled.states) as u64 >= self.block {
                    full.push(std::mem::take(&mut self.filled));
                }
            }
        }
        drop(view);
        full.into_iter().for_each(|batch| self.put(batch, depth));
    }

    fn put(&mut self, batch: Batch<S, F>, depth: u64) {
        let slot = batch.put(&self.store, &self.space, depth);
        let slot = self.unless_failed(slot).flatten();
        self.next.extend(slot);
    }

    /// Takes out of the next level what was known before.
    fn sift(&mut self, depth: u64) {
        let mut batch = std::mem::take(&mut self.filled);
        let mut view = self.store.view();
        batch.admit(&mut view);
        drop(view);
        self.put(batch, depth);
        if !self.is_torn {
            let stops = || (self.limits.stops)().is_some();
            let sifted = self.store.sift(&mut self.next, 1, &stops);
            self.unless_failed(sifted);
        }
    }

    fn receive_states(&mut self, from: usize, states: &States) {
        let (block, fingerprints) = self.peers.read(from, states);
        let next = self.whole.depth() + 1;
        if states.depth > next {
            self.early.push((block, fingerprints));
        } else {
            self.admit(&block, &fingerprints, 0..fingerprints.len(), next);
            self.make_room(next);
        }
    }

    /// Begins a round, or ends the run in its place.
    fn begin(&mut self, round: u64, send: &mut impl FnMut(Message)) {
        if let Some(back) = &mut self.back {
            back.step(&self.led_back.remove(&round).unwrap_or_default());
            self.go_back(send);
            return;
        }
        let is_first = round == 0;
        let depth = self.whole.depth();
        let Turn { is_next_level, ends } = self.whole.begin(round, &self.limits);
        if !is_first {
            self.guarded(|shard| shard.turn(depth, is_next_level));
        }
        if ends {
            self.end(send);
            return;
        }
        self.done.found.resize(self.space.properties(), None);
        for counts in &mut self.counts {
            *counts = Counts { unique_states: counts.unique_states, ..Counts::default() };
        }
        let frontier = self.rest.iter().map(|slot| F::len(slot) as u64).sum();
        self.counts[self.me].frontier = frontier;
        self.block = (frontier / 2).clamp(*BLOCK.start(), *BLOCK.end());
    }

    /// Goes to the next level, if there is one, and writes a checkpoint.
    fn turn(&mut self, depth: u64, is_next_level: bool) {
        self.sift(depth + 1);
        if is_next_level {
            self.rest = std::mem::take(&mut self.next);
        }
        if self.whole.can_be_kept(&self.limits) && !self.is_torn && !self.whole.is_complete() {
            let (rest, next) = (std::mem::take(&mut self.rest), std::mem::take(&mut self.next));
            let standing = self.whole.standing(rest, next);
            let kept = self.store.checkpoint(&self.space, &standing);
            (self.rest, self.next) = (standing.rest, standing.next);
            self.unless_failed(kept);
        }
        if is_next_level {
            let depth = self.whole.depth() + 1;
            for (block, fingerprints) in std::mem::take(&mut self.early) {
                self.admit(&block, &fingerprints, 0..fingerprints.len(), depth);
            }
        }
    }

    /// Sifts before the level is over, if there is no memory to wait for that.
    fn make_room(&mut self, depth: u64) {
        if self.store.is_crowded() {
            self.sift(depth);
        }
    }

    /// Looks at the limits, and tells where this worker stands.
    fn look_around(&mut self, round: u64, send: &mut impl FnMut(Message)) {
        let full = || self.store.is_full().then_some(Stopped::Files);
        let why = (self.limits.stops)().or_else(full).or_else(|| self.is_beyond());
        self.stopped = self.stopped.take().or(why);
        if self.stopped.is_some() {
            if !std::mem::replace(&mut self.is_stop_told, true) {
                self.tell_all(&Content::Pause(self.stopped.clone()), send);
            }
        } else if self.pauses() && self.done.states > 0 && self.paused < Some(round) {
            // Each round gets further.
            self.paused = Some(round);
            self.tell_all(&Content::Pause(None), send);
        }
        let (unique_states, unsifted) = self.store.states();
        self.counts[self.me] = Counts { unique_states, unsifted, ..self.counts[self.me] };
        if self.told.elapsed() > TELL_EVERY {
            self.told = Instant::now();
            self.counts[self.me] = Counts {
                generated: self.done.generated,
                expanded: self.done.states,
                memory_bytes: self.memory_bytes(),
                ..self.counts[self.me]
            };
            match &self.limits.progress {
                Some(progress) if self.me == 0 => progress(&self.progress()),
                _ if self.me == 0 => {}
                _ => {
                    let content = Content::Counts(self.counts[self.me]);
                    send(Message { from: self.me, to: 0, content });
                }
            }
        }
    }

    /// Are there more states than there may be, as the first worker sees it?
    fn is_beyond(&self) -> Option<Stopped> {
        self.are_more(|counts| counts.unique_states).then_some(Stopped::States)
    }

    fn are_more(&self, of: impl Fn(&Counts) -> u64) -> bool {
        let states: u64 = self.counts.iter().map(of).sum();
        self.me == 0 && self.limits.max_states.is_some_and(|max| states > max)
    }

    /// Is a checkpoint due, or to be found out how many states there are?
    fn pauses(&self) -> bool {
        let may_be = |counts: &Counts| counts.unique_states + counts.unsifted;
        let is_any_unsifted = self.counts.iter().any(|counts| counts.unsifted > 0);
        self.store.is_due() || (is_any_unsifted && self.are_more(may_be))
    }

    fn progress(&self) -> Progress {
        let sum = |of: fn(&Counts) -> u64| self.counts.iter().map(of).sum::<u64>();
        Progress {
            depth: self.whole.depth(),
            unique_states: sum(|counts| counts.unique_states),
            generated_states: self.whole.generated + sum(|counts| counts.generated),
            frontier: sum(|counts| counts.frontier),
            expanded: sum(|counts| counts.expanded),
            memory_bytes: sum(|counts| counts.memory_bytes),
            elapsed: self.whole.elapsed(),
        }
    }

    fn memory_bytes(&self) -> u64 {
        let slots = self.rest.iter().chain(&self.next).map(F::size_bytes);
        self.store.memory_bytes() + self.peers.memory_bytes() + slots.sum::<u64>()
    }

    /// Judges and expands the states of a block; gives what is to be sent.
    fn expand(&mut self, slot: F::Slot) -> Vec<Message> {
        let (mut sent, depth) = (Vec::new(), self.whole.depth());
        let taken = self.store.take(slot);
        let Some((block, known)) = self.unless_failed(taken) else { return sent };
        let (mut successors, mut fingerprints) = (S::Block::default(), Vec::new());
        for place in S::order(&block) {
            if known.has(place) {
                continue;
            }
            self.done.states += 1;
            self.judge(&block, place, depth);
            self.space.expand(&block, place, &mut self.scratch, &mut successors, &mut fingerprints);
        }
        self.done.generated += fingerprints.len() as u64;
        let own = self.peers.divide(&successors, &fingerprints, depth + 1, &mut sent);
        self.done.goes_on |= own.len() < fingerprints.len();
        self.admit(&successors, &fingerprints, own, depth + 1);
        self.make_room(depth + 1);
        sent
    }

    fn judge(&mut self, block: &S::Block, place: usize, depth: u64) {
        let mut news = self.space.judge(block, place) & !self.whole.hits();
        while news != 0 {
            let fingerprint = self.space.fingerprint(block, place);
            let found = &mut self.done.found[news.trailing_zeros() as usize];
            if found.is_none_or(|known| fingerprint < known.fingerprint) {
                *found = Some(Discovery { depth, fingerprint });
            }
            news &= news - 1;
        }
    }

    /// Sends what is left of a round, and what became of it.
    fn finish(&mut self, send: &mut impl FnMut(Message)) {
        let depth = self.whole.depth() + 1;
        let rest = self.guarded(|shard| shard.peers.rest(depth));
        rest.into_iter().flatten().for_each(&mut *send);
        let done = std::mem::take(&mut self.done);
        let is_filled = S::len(&self.filled.states) > 0;
        let done = Done {
            rest: !self.rest.is_empty(),
            goes_on: done.goes_on || is_filled || !self.next.is_empty(),
            memory_bytes: self.memory_bytes(),
            stopped: self.stopped.clone(),
            is_torn: self.is_torn,
            ..done
        };
        self.tell_all(&Content::Done(done), send);
    }

    /// Looks for the ways back, if something was found and there is where to look; then tells what this worker has.
    fn end(&mut self, send: &mut impl FnMut(Message)) {
        let violations = self.whole.violations();
        if self.folder.is_some() && violations.iter().any(Option::is_some) {
            self.back = Some(Back::new(violations));
            self.go_back(send);
        } else {
            self.tell_end(send);
        }
    }

    /// Looks a level further back; at the start, tells what this worker has.
    fn go_back(&mut self, send: &mut impl FnMut(Message)) {
        let Some((depth, wanted)) = self.back.as_ref().and_then(Back::wanted) else {
            self.tell_end(send);
            return;
        };
        let lowest = self.guarded(|shard| {
            let folder = shard.folder.as_ref()?;
            let found = predecessors(&*shard.space, folder, depth, &wanted);
            shard.unless_failed(found)
        });
        let lowest = lowest.flatten().unwrap_or_default();
        self.tell_all(&Content::Back(lowest), send);
    }

    fn tell_end(&mut self, send: &mut impl FnMut(Message)) {
        self.is_over = true;
        self.rest.clear();
        let (known, _) = self.store.states();
        let end = self.guarded(|shard| shard.peers.end(known)).unwrap_or_default();
        let stopped = self.stopped.clone();
        self.tell_all(&Content::End(End { stopped, ..end }), send);
    }

    fn tell_all(&self, content: &Content, send: &mut impl FnMut(Message)) {
        for to in 0..self.peers.len() {
            send(Message { from: self.me, to, content: content.clone() });
        }
    }

    fn unless_failed<T>(&mut self, result: Result<T, CheckpointError>) -> Option<T> {
        result.map_err(|error| self.tear(error.into())).ok()
    }

    /// Ends the run as incomplete, and as one that has lost something; the first reason stays.
    fn tear(&mut self, why: Stopped) {
        self.is_torn = true;
        self.stopped.get_or_insert(why);
    }

    /// Does a part of the work; a panic in it ends the run as incomplete.
    fn guarded<R>(&mut self, part: impl FnOnce(&mut Self) -> R) -> Option<R> {
        let done = catch_unwind(AssertUnwindSafe(|| part(self)));
        done.map_err(|cause| self.tear(Stopped::panicked(&*cause))).ok()
    }
}
