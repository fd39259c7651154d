//! The search itself: blocks of states, taken by workers, level by level.

use super::{Discovery, Options, Progress, Report, Space, Stopped};
use crate::visited::VisitedSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Explores all states of a space within its bounds, and judges its properties in each.
///
/// # Panics
/// When the space declares more than 64 properties.
pub fn search<S: Space>(space: &S, options: &Options<'_>) -> Report {
    assert!(space.properties() <= 64, "at most 64 properties");
    Search {
        space,
        options,
        seen: VisitedSet::default(),
        generated: AtomicU64::new(0),
        expanded: AtomicU64::new(0),
        in_levels: AtomicU64::new(0),
        memory_max: AtomicU64::new(0),
        started: Instant::now(),
        stopped: Mutex::new(None),
        halt: AtomicBool::new(false),
        hits: AtomicU64::new(0),
        found: (0..space.properties()).map(|_| AtomicFound::default()).collect(),
    }
    .run()
}

struct Search<'a, S> {
    space: &'a S,
    options: &'a Options<'a>,
    seen: VisitedSet,
    generated: AtomicU64,
    expanded: AtomicU64,
    /// The bytes in the blocks of both levels.
    in_levels: AtomicU64,
    memory_max: AtomicU64,
    started: Instant,
    stopped: Mutex<Option<Stopped>>,
    halt: AtomicBool,
    /// The bits of the properties found in earlier levels.
    hits: AtomicU64,
    found: Vec<AtomicFound>,
}

/// The lowest fingerprint found for a property, and whether it is from an earlier level.
#[derive(Default)]
struct AtomicFound {
    fingerprint: AtomicU64,
    depth: AtomicU64,
}

impl AtomicFound {
    /// Notes a state of the present level; the lowest fingerprint stays.
    fn note(&self, fingerprint: u64, depth: u64) {
        let lower = |known: u64| (known == 0 || fingerprint < known).then_some(fingerprint);
        self.depth.store(depth, Ordering::Relaxed);
        let _ = self.fingerprint.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lower);
    }
}

/// States in a block, which is also what a worker takes from a level at once.
const BLOCK: usize = 512;

impl<S: Space> Search<'_, S> {
    fn run(self) -> Report {
        let mut by_depth = Vec::new();
        let mut level = self.guarded(|| self.start()).unwrap_or_default();
        while !level.is_empty() && !self.halt.load(Ordering::Relaxed) {
            by_depth.push(level.iter().map(|block| S::len(block) as u64).sum());
            level = self.level(level, by_depth.len() as u64 - 1);
            self.settle();
        }
        let stopped = self.stopped.into_inner().unwrap_or_else(PoisonError::into_inner);
        let discoveries = self.found.into_iter().map(|found| {
            let fingerprint = found.fingerprint.into_inner();
            let depth = found.depth.into_inner();
            (fingerprint != 0).then_some(Discovery { depth, fingerprint })
        });
        Report {
            complete: stopped.is_none(),
            stopped,
            unique_states: self.seen.len(),
            generated_states: self.generated.into_inner(),
            depth: by_depth.len().saturating_sub(1) as u64,
            by_depth,
            elapsed: self.started.elapsed(),
            memory_bytes: self.memory_max.into_inner(),
            discoveries: discoveries.collect(),
        }
    }

    fn start(&self) -> Vec<S::Block> {
        let mut block = S::Block::default();
        let mut generated = 0;
        let mut view = self.seen.view();
        let mut admit = |fingerprint: u64| {
            generated += 1;
            view.insert(fingerprint)
        };
        self.space.start(&mut admit, &mut block);
        self.generated.store(generated, Ordering::Relaxed);
        self.in_levels.store(S::size_bytes(&block), Ordering::Relaxed);
        if S::len(&block) == 0 { Vec::new() } else { vec![block] }
    }

    /// Judges and expands all states of a level. Returns the next level.
    fn level(&self, level: Vec<S::Block>, depth: u64) -> Vec<S::Block> {
        self.expanded.store(0, Ordering::Relaxed);
        let states = level.iter().map(S::len).sum();
        // A thread more than there are blocks would find nothing to do.
        let threads = self.options.threads.min(level.len());
        let level = Mutex::new(level);
        let work = || self.guarded(|| self.work(&level, states, depth)).unwrap_or_default();
        if threads <= 1 {
            return work();
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|t| t.join().expect("panics are caught")).collect()
        })
    }

    /// Takes blocks from a level, until there are none; returns those of the next one.
    fn work(&self, level: &Mutex<Vec<S::Block>>, states: usize, depth: u64) -> Vec<S::Block> {
        let mut done: Vec<S::Block> = Vec::new();
        let mut next = S::Block::default();
        let mut scratch = S::Scratch::default();
        let mut reported = Instant::now();
        while !self.halt.load(Ordering::Relaxed) {
            let Some(block) = level.lock().unwrap_or_else(PoisonError::into_inner).pop() else {
                break;
            };
            let mut generated = 0;
            let mut bytes = 0;
            let mut view = self.seen.view();
            for place in 0..S::len(&block) {
                self.judge(&block, place, depth);
                let mut admit = |fingerprint: u64| {
                    generated += 1;
                    view.insert(fingerprint)
                };
                self.space.expand(&block, place, &mut scratch, &mut admit, &mut next);
                if S::len(&next) >= BLOCK {
                    bytes += S::size_bytes(&next);
                    done.push(std::mem::take(&mut next));
                }
            }
            drop(view);
            self.generated.fetch_add(generated, Ordering::Relaxed);
            self.expanded.fetch_add(S::len(&block) as u64, Ordering::Relaxed);
            self.in_levels.fetch_add(bytes, Ordering::Relaxed);
            self.watch(states, depth, &mut reported);
            self.in_levels.fetch_sub(S::size_bytes(&block), Ordering::Relaxed);
        }
        if S::len(&next) > 0 {
            self.in_levels.fetch_add(S::size_bytes(&next), Ordering::Relaxed);
            done.push(next);
        }
        done
    }

    fn judge(&self, block: &S::Block, place: usize, depth: u64) {
        let mut news = self.space.judge(block, place) & !self.hits.load(Ordering::Relaxed);
        while news != 0 {
            let fingerprint = self.space.fingerprint(block, place);
            self.found[news.trailing_zeros() as usize].note(fingerprint, depth);
            news &= news - 1;
        }
    }

    /// Looks at the limits, and reports progress four times a second.
    fn watch(&self, frontier: usize, depth: u64, reported: &mut Instant) {
        let memory_bytes = self.seen.memory_bytes()
            + self.in_levels.load(Ordering::Relaxed)
            + self.space.memory_bytes();
        self.memory_max.fetch_max(memory_bytes, Ordering::Relaxed);
        let unique_states = self.seen.len();
        if self.options.max_states.is_some_and(|max| unique_states > max) {
            self.stop(Stopped::States);
        }
        if self.options.max_memory_bytes.is_some_and(|max| memory_bytes > max) {
            self.stop(Stopped::Memory);
        }
        if self.options.interrupted.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            self.stop(Stopped::Interrupted);
        }
        if let Some(progress) = self.options.progress
            && reported.elapsed() > Duration::from_millis(250)
        {
            *reported = Instant::now();
            progress(&Progress {
                depth,
                unique_states,
                generated_states: self.generated.load(Ordering::Relaxed),
                frontier: frontier as u64,
                expanded: self.expanded.load(Ordering::Relaxed),
                memory_bytes,
                elapsed: self.started.elapsed(),
            });
        }
    }

    /// Settles what was found in a level, and stops if that is a violation.
    fn settle(&self) {
        let is_found = |found: &AtomicFound| found.fingerprint.load(Ordering::Relaxed) != 0;
        let found = self.found.iter().enumerate().filter(|(_, found)| is_found(found));
        let hits: u64 = found.map(|(bit, _)| 1 << bit).sum();
        self.hits.store(hits, Ordering::Relaxed);
        if self.options.stop_at_violation && hits & self.space.always() != 0 {
            self.stop(Stopped::Violation);
        }
    }

    /// Ends the run as incomplete; the first reason stays.
    fn stop(&self, reason: Stopped) {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.get_or_insert(reason);
        self.halt.store(true, Ordering::Relaxed);
    }

    /// Runs a part of the search; a panic in it ends the run as incomplete.
    fn guarded<R>(&self, part: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(part)) {
            Ok(result) => Some(result),
            Err(cause) => {
                self.stop(Stopped::panicked(&*cause));
                None
            }
        }
    }
}
