//! The part of a space that is one worker's.

use crate::limits::Limits;
use crate::message::{Content, End, Level, Message, States};
use crate::whole::Whole;
use actor_checker::engine::{Cache, Discovery, Shared, Stopped};
use actor_checker::fingerprint::upper;
use actor_checker::visited::VisitedSet;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// States in a block; also how many a worker expands before it looks for messages.
const BLOCK: usize = 512;
/// Bytes for what was sent lately, in each worker.
const LATELY_BYTES: u64 = 64 << 20;

/// One worker's states, and what it has told and heard.
pub(crate) struct Shard<S: Shared> {
    space: Arc<S>,
    me: usize,
    limits: Limits,
    seen: VisitedSet,
    /// By level; of each, what is not expanded.
    pending: BTreeMap<u64, Vec<S::Block>>,
    /// The block of the next level that is being filled.
    own: S::Block,
    others: Vec<Other<S>>,
    lately: Cache,
    scratch: S::Scratch,
    level: Level,
    whole: Whole,
    stopped: Option<Stopped>,
}

/// Another worker; the place of the worker itself is not used.
struct Other<S: Shared> {
    told: S::Told,
    peer: S::Peer,
    block: S::Block,
    fingerprints: Vec<u128>,
}

impl<S: Shared> Default for Other<S> {
    fn default() -> Self {
        Other {
            told: S::Told::default(),
            peer: S::Peer::default(),
            block: S::Block::default(),
            fingerprints: Vec::new(),
        }
    }
}

/// Whose a state is: by the half of its fingerprint that no table in memory goes by.
fn owner(fingerprint: u128, workers: usize) -> usize {
    (((fingerprint & u128::from(u64::MAX)) * workers as u128) >> 64) as usize
}

impl<S: Shared> Shard<S> {
    pub(crate) fn new(space: Arc<S>, me: usize, workers: usize, limits: Limits) -> Shard<S> {
        let whole = Whole::new(workers, space.properties(), space.always());
        let mut shard = Shard {
            space,
            me,
            limits,
            seen: VisitedSet::default(),
            pending: BTreeMap::new(),
            own: S::Block::default(),
            others: (0..workers).map(|_| Other::default()).collect(),
            lately: Cache::new(LATELY_BYTES),
            scratch: S::Scratch::default(),
            level: Level::default(),
            whole,
            stopped: None,
        };
        shard.guarded(Shard::start);
        shard
    }

    /// What all workers have found, once the run is over.
    pub(crate) fn whole(&self) -> &Whole {
        &self.whole
    }

    /// Every worker begins with the same states, and keeps those that are its own.
    fn start(&mut self) {
        let (mut block, mut fingerprints) = (S::Block::default(), Vec::new());
        self.space.start(&mut block, &mut fingerprints);
        if self.me == 0 {
            self.whole.generated += fingerprints.len() as u64;
        }
        self.admit(block, &fingerprints, 0);
    }

    /// Keeps those of some states that are this worker's and new.
    fn admit(&mut self, mut block: S::Block, fingerprints: &[u128], level: u64) {
        let (me, workers) = (self.me, self.others.len());
        let mut view = self.seen.view();
        let mut is_kept = |f: &u128| owner(*f, workers) == me && view.insert(upper_half(f));
        let kept: Vec<bool> = fingerprints.iter().map(&mut is_kept).collect();
        drop(view);
        S::keep_of_last(&mut block, &kept);
        if S::len(&block) > 0 {
            self.pending.entry(level).or_default().push(block);
        }
    }

    /// Takes a message that was sent in a level.
    pub(crate) fn receive(&mut self, level: u64, message: Message) {
        let from = message.from;
        match message.content {
            Content::States(states) => {
                self.guarded(|shard| shard.receive_states(from, level, states));
            }
            Content::Level(report) => self.whole.hear(level, report),
            Content::Stop(why) => self.stop(why),
            Content::End(end) => {
                self.guarded(|shard| shard.receive_end(from, end));
                // Claims of which something was not learnt are not checked.
                self.whole.stop(self.stopped.clone());
            }
        }
    }

    fn receive_states(&mut self, from: usize, level: u64, states: States) {
        let peer = &mut self.others[from].peer;
        let refused = |wrong: String| panic!("worker {from} is of another run: {wrong}");
        self.space.learn(peer, &states.news).unwrap_or_else(refused);
        let block = S::read_block(&states.block);
        let block = block.and_then(|block| self.space.translate(peer, block));
        let fingerprints: Vec<u128> = states
            .fingerprints
            .chunks_exact(16)
            .filter_map(|bytes| Some(u128::from_le_bytes(bytes.try_into().ok()?)))
            .collect();
        let block = block.filter(|block| S::len(block) == fingerprints.len());
        let block = block.unwrap_or_else(|| panic!("states of worker {from} cannot be read"));
        // So what numbers mean is checked with each state.
        for (place, fingerprint) in fingerprints.iter().enumerate() {
            let here = self.space.fingerprint(&block, place);
            assert_eq!(here, *fingerprint, "a state of worker {from} is another one here");
        }
        self.admit(block, &fingerprints, level);
    }

    fn receive_end(&mut self, from: usize, end: End) {
        self.whole.add_end(end.unique_states);
        self.whole.stop(end.stopped);
        if self.me == 0 && from != self.me {
            let peer = &mut self.others[from].peer;
            let refused = |wrong: String| panic!("worker {from} is of another run: {wrong}");
            self.space.learn(peer, &end.news).unwrap_or_else(refused);
            self.space.ask_too(peer, &end.asked).unwrap_or_else(refused);
        }
    }

    /// Goes on with a level, all of whose states are there; is it done?
    pub(crate) fn work(&mut self, level: u64, mut send: impl FnMut(Message)) -> bool {
        if self.whole.is_over(level) {
            return true;
        }
        if self.whole.ends_before(level, &self.limits) {
            self.pending.clear();
            let end = self.guarded(Shard::end).unwrap_or_default();
            let stopped = self.stopped.clone();
            self.tell_all(Content::End(End { stopped, ..end }), &mut send);
            return true;
        }
        if self.limits.interrupted.load(Ordering::Relaxed) && self.stopped.is_none() {
            self.stop(Stopped::Interrupted);
            self.tell_all(Content::Stop(Stopped::Interrupted), &mut send);
        }
        let next = match &self.stopped {
            None => self.pending.get_mut(&level).and_then(Vec::pop),
            Some(_) => None,
        };
        if let Some(block) = next {
            let sent = self.guarded(|shard| shard.expand(&block, level));
            sent.into_iter().flatten().for_each(send);
            return false;
        }
        self.finish(level, send);
        true
    }

    /// Judges and expands the states of a block; gives what is to be sent.
    fn expand(&mut self, block: &S::Block, level: u64) -> Vec<Message> {
        let mut sent = Vec::new();
        self.level.states += S::len(block) as u64;
        let (mut successors, mut fingerprints) = (S::Block::default(), Vec::new());
        for place in 0..S::len(block) {
            self.judge(block, place, level);
            self.space.expand(block, place, &mut self.scratch, &mut successors, &mut fingerprints);
        }
        self.level.generated += fingerprints.len() as u64;
        self.distribute(&successors, &fingerprints, level, &mut sent);
        sent
    }

    fn judge(&mut self, block: &S::Block, place: usize, depth: u64) {
        let mut news = self.space.judge(block, place) & !self.whole.hits();
        self.level.found.resize(self.space.properties(), None);
        while news != 0 {
            let fingerprint = self.space.fingerprint(block, place);
            let found = &mut self.level.found[news.trailing_zeros() as usize];
            if found.is_none_or(|known| fingerprint < known.fingerprint) {
                *found = Some(Discovery { depth, fingerprint });
            }
            news &= news - 1;
        }
    }

    /// Keeps the successors that are this worker's and new, and sends the others to whom they belong, unless they were
    /// sent lately.
    fn distribute(
        &mut self,
        successors: &S::Block,
        fingerprints: &[u128],
        level: u64,
        sent: &mut Vec<Message>,
    ) {
        let workers = self.others.len();
        let mut view = self.seen.view();
        let mut lately = self.lately.view();
        view.touch(fingerprints.iter().map(upper_half));
        lately.touch(fingerprints);
        for (place, fingerprint) in fingerprints.iter().enumerate() {
            let to = owner(*fingerprint, workers);
            if to == self.me {
                if view.insert(upper_half(fingerprint)) {
                    S::append(successors, place, &mut self.own);
                }
                continue;
            }
            if !lately.put(*fingerprint) {
                continue;
            }
            self.level.goes_on = true;
            let other = &mut self.others[to];
            S::append(successors, place, &mut other.block);
            other.fingerprints.push(*fingerprint);
            if other.fingerprints.len() == BLOCK {
                sent.push(other.message(&*self.space, self.me, to));
            }
        }
        drop((view, lately));
        if S::len(&self.own) >= BLOCK {
            self.keep_own(level);
        }
        self.lately.grow();
    }

    fn keep_own(&mut self, level: u64) {
        let own = std::mem::take(&mut self.own);
        if S::len(&own) > 0 {
            self.level.goes_on = true;
            self.pending.entry(level + 1).or_default().push(own);
        }
    }

    /// Sends what is left of a level, and what became of it.
    fn finish(&mut self, level: u64, mut send: impl FnMut(Message)) {
        self.keep_own(level);
        for to in 0..self.others.len() {
            if !self.others[to].fingerprints.is_empty() {
                let told = self.guarded(|s| s.others[to].message(&*s.space, s.me, to));
                told.into_iter().for_each(&mut send);
            }
        }
        self.pending.remove(&level);
        let blocks = self.pending.values().flatten().map(S::size_bytes);
        let memory_bytes =
            self.seen.memory_bytes() + self.lately.memory_bytes() + blocks.sum::<u64>();
        let level = std::mem::take(&mut self.level);
        let stopped = self.stopped.clone();
        self.tell_all(Content::Level(Level { memory_bytes, stopped, ..level }), &mut send);
    }

    /// What this worker has, for the first one to judge.
    fn end(&mut self) -> End {
        let first = &mut self.others[0];
        let (news, asked) = match self.me {
            0 => (Vec::new(), Vec::new()),
            _ => (self.space.news(&mut first.told), self.space.asked()),
        };
        End { unique_states: self.seen.len(), stopped: None, news, asked }
    }

    fn tell_all(&self, content: Content, send: &mut impl FnMut(Message)) {
        for to in 0..self.others.len() {
            send(Message { from: self.me, to, content: content.clone() });
        }
    }

    fn stop(&mut self, why: Stopped) {
        // The first reason stays.
        self.stopped.get_or_insert(why);
    }

    /// Does a part of the work; a panic in it ends the run as incomplete.
    fn guarded<R>(&mut self, part: impl FnOnce(&mut Self) -> R) -> Option<R> {
        let done = catch_unwind(AssertUnwindSafe(|| part(self)));
        done.map_err(|cause| self.stop(Stopped::panicked(&*cause))).ok()
    }
}

impl<S: Shared> Other<S> {
    /// The block that was filled, and what it speaks of.
    fn message(&mut self, space: &S, from: usize, to: usize) -> Message {
        let filled = std::mem::take(&mut self.block);
        let mut block = Vec::new();
        S::write_block(&filled, &mut block);
        let fingerprints = std::mem::take(&mut self.fingerprints);
        let fingerprints = fingerprints.iter().flat_map(|f| f.to_le_bytes()).collect();
        let news = space.news(&mut self.told);
        Message { from, to, content: Content::States(States { news, block, fingerprints }) }
    }
}

fn upper_half(fingerprint: &u128) -> u64 {
    upper(*fingerprint).max(1)
}
