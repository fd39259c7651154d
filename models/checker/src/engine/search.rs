//! The search itself: blocks of states, taken by workers, level by level.

use super::batch::{BATCH, BLOCK, Batch};
use super::blocks::Stored;
use super::checkpoint::RunFolder;
use super::error::CheckpointError;
use super::files::Files;
use super::standing::Standing;
use super::store::{InMemory, Store};
use super::{Discovery, Options, Progress, Report, Space, Stopped};
use crate::fingerprint::upper;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Explores all states of a space within its bounds, and judges its properties in each.
///
/// # Panics
/// When the space declares more than 64 properties.
pub fn search<S: Space>(space: &S, options: &Options<'_>) -> Report {
    let store = InMemory::default();
    let search = Search::new(space, options, &store);
    let start = search.guarded(|| search.start()).unwrap_or_default();
    search.run(start)
}

/// The same, with its levels in files, from which another process can go on.
///
/// # Errors
/// When the checkpoint to go on from is damaged or of another space, or cannot be read. When the disk fails later on, that
/// leaves the report incomplete.
///
/// # Panics
/// When the space declares more than 64 properties.
pub fn search_in_files<S: Stored>(
    space: &S,
    options: &Options<'_>,
    folder: &RunFolder,
) -> Result<Report, CheckpointError> {
    let files = Files::new(folder.clone());
    let search = Search::new(space, options, &files);
    let start = match files.resume(space)? {
        Some(standing) => search.restore(standing),
        None => search.guarded(|| search.start()).unwrap_or_default(),
    };
    Ok(search.run(start))
}

struct Search<'a, S, F> {
    space: &'a S,
    options: &'a Options<'a>,
    store: &'a F,
    generated: AtomicU64,
    expanded: AtomicU64,
    /// The bytes in the blocks of both levels.
    in_levels: AtomicU64,
    memory_max: AtomicU64,
    started: Instant,
    /// What earlier processes took.
    before: Duration,
    stopped: Mutex<Option<Stopped>>,
    halt: AtomicBool,
    /// Every state that was seen is expanded, or in a block. Not so after a panic, or when the disk fails.
    is_whole: AtomicBool,
    /// It is time to sift, or to write a checkpoint.
    pause: AtomicBool,
    /// The bits of the properties found in earlier levels.
    hits: AtomicU64,
    found: Vec<Found>,
}

/// The state of lowest fingerprint that was found for a property.
struct Found {
    lowest: Mutex<Option<Discovery>>,
    /// The upper half of its fingerprint: nothing above it needs the lock.
    bound: AtomicU64,
}

impl Default for Found {
    fn default() -> Found {
        Found { lowest: Mutex::default(), bound: AtomicU64::new(u64::MAX) }
    }
}

impl Found {
    /// Notes a state of the present level; the lowest fingerprint stays.
    fn note(&self, found: Discovery) {
        if upper(found.fingerprint) > self.bound.load(Ordering::Relaxed) {
            return;
        }
        let mut lowest = self.lowest.lock().unwrap_or_else(PoisonError::into_inner);
        if lowest.is_none_or(|known| found.fingerprint < known.fingerprint) {
            *lowest = Some(found);
            self.bound.store(upper(found.fingerprint), Ordering::Relaxed);
        }
    }

    fn get(&self) -> Option<Discovery> {
        *self.lowest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a, S: Space, F: Store<S>> Search<'a, S, F> {
    fn new(space: &'a S, options: &'a Options<'a>, store: &'a F) -> Search<'a, S, F> {
        assert!(space.properties() <= 64, "at most 64 properties");
        Search {
            space,
            options,
            store,
            generated: AtomicU64::new(0),
            expanded: AtomicU64::new(0),
            in_levels: AtomicU64::new(0),
            memory_max: AtomicU64::new(0),
            started: Instant::now(),
            before: Duration::ZERO,
            stopped: Mutex::new(None),
            halt: AtomicBool::new(false),
            is_whole: AtomicBool::new(true),
            pause: AtomicBool::new(false),
            hits: AtomicU64::new(0),
            found: (0..space.properties()).map(|_| Found::default()).collect(),
        }
    }

    /// Runs from here to the end.
    fn run(mut self, mut standing: Standing<F::Slot>) -> Report {
        self.before = standing.elapsed;
        while !standing.rest.is_empty() && !self.is_halted() {
            self.pause.store(false, Ordering::Relaxed);
            self.guarded(|| self.level(&mut standing));
            self.guarded(|| self.sift(&mut standing));
            if standing.rest.is_empty() || self.is_halted() {
                self.settle();
            }
            let is_over = standing.rest.is_empty() && standing.next.is_empty();
            let is_next = !self.is_halted() && standing.advance(F::len);
            if !is_over && (is_next || self.is_halted() || self.store.is_due()) {
                standing = self.keep(standing);
            }
        }
        let elapsed = self.elapsed();
        let stopped = self.stopped.into_inner().unwrap_or_else(PoisonError::into_inner);
        Report {
            complete: stopped.is_none(),
            stopped,
            unique_states: self.store.states().0,
            fingerprint_bits: self.store.states_max().1,
            generated_states: self.generated.into_inner(),
            depth: standing.depth(),
            by_depth: standing.by_depth,
            elapsed,
            memory_bytes: self.memory_max.into_inner(),
            discoveries: self.found.iter().map(Found::get).collect(),
        }
    }

    /// Time of this process and of those before it.
    fn elapsed(&self) -> Duration {
        self.before + self.started.elapsed()
    }

    fn start(&self) -> Standing<F::Slot> {
        let mut batch = Batch::<S, F>::default();
        self.space.start(&mut batch.states, &mut batch.fingerprints);
        let mut view = self.store.view();
        let generated = batch.admit(&mut view);
        drop(view);
        self.generated.store(generated, Ordering::Relaxed);
        let mut standing = Standing::default();
        standing.next.extend(self.put(0, batch));
        self.sift(&mut standing);
        standing.advance(F::len);
        standing
    }

    /// Takes over where another process stood, except for its blocks.
    fn restore(&self, mut standing: Standing<F::Slot>) -> Standing<F::Slot> {
        standing.advance(F::len);
        let depth = standing.depth();
        self.generated.store(standing.generated, Ordering::Relaxed);
        self.memory_max.store(standing.memory_bytes, Ordering::Relaxed);
        for (bit, (found, known)) in self.found.iter().zip(&standing.found).enumerate() {
            known.inspect(|known| found.note(*known));
            let is_earlier = known.is_some_and(|known| known.depth < depth);
            self.hits.fetch_or(u64::from(is_earlier) << bit, Ordering::Relaxed);
        }
        standing
    }

    /// Has a checkpoint written.
    fn keep(&self, standing: Standing<F::Slot>) -> Standing<F::Slot> {
        // What was found is found again from the checkpoint before.
        if !self.is_whole.load(Ordering::Relaxed) || self.is_violated() {
            return standing;
        }
        let standing = Standing {
            generated: self.generated.load(Ordering::Relaxed),
            memory_bytes: self.memory_max.load(Ordering::Relaxed),
            elapsed: self.elapsed(),
            found: self.found.iter().map(Found::get).collect(),
            ..standing
        };
        let kept = self.store.checkpoint(self.space, &standing);
        self.unless_failed(kept);
        standing
    }

    fn put(&self, depth: u64, batch: Batch<S, F>) -> Option<F::Slot> {
        let put = batch.put(self.store, self.space, depth);
        let slot = self.unless_failed(put)??;
        self.in_levels.fetch_add(F::size_bytes(&slot), Ordering::Relaxed);
        Some(slot)
    }

    fn unless_failed<T>(&self, result: Result<T, CheckpointError>) -> Option<T> {
        result
            .map_err(|error| {
                self.is_whole.store(false, Ordering::Relaxed);
                self.stop(error.into());
            })
            .ok()
    }

    /// Takes out of the next level what was known before.
    fn sift(&self, standing: &mut Standing<F::Slot>) {
        if self.is_whole.load(Ordering::Relaxed) {
            let asked = self.options.interrupted;
            let stops =
                || self.is_halted() || asked.is_some_and(|flag| flag.load(Ordering::Relaxed));
            let sifted = self.store.sift(&mut standing.next, self.options.threads, &stops);
            self.unless_failed(sifted);
        }
    }

    /// Judges and expands the states that are left of a level, until there are none or a checkpoint is to be written.
    fn level(&self, standing: &mut Standing<F::Slot>) {
        let depth = standing.depth();
        let rest = std::mem::take(&mut standing.rest);
        let states = standing.by_depth.last().map_or(0, |states| *states as usize);
        let left: usize = rest.iter().map(F::len).sum();
        let bytes = rest.iter().chain(&standing.next).map(F::size_bytes).sum();
        self.in_levels.store(bytes, Ordering::Relaxed);
        self.expanded.store(states.saturating_sub(left) as u64, Ordering::Relaxed);
        // A thread more than there are blocks would find nothing to do.
        let threads = self.options.threads.min(rest.len());
        let rest = Mutex::new(rest);
        let work = || self.guarded(|| self.work(&rest, states, depth)).unwrap_or_default();
        if threads <= 1 {
            standing.next.extend(work());
        } else {
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
                let done = threads.into_iter().flat_map(|t| t.join().expect("panics are caught"));
                standing.next.extend(done);
            });
        }
        standing.rest = rest.into_inner().unwrap_or_else(PoisonError::into_inner);
    }

    /// Takes blocks from a level, until there are none; returns those of the next one.
    fn work(&self, rest: &Mutex<Vec<F::Slot>>, states: usize, depth: u64) -> Vec<F::Slot> {
        let mut done: Vec<F::Slot> = Vec::new();
        let mut next = Batch::<S, F>::default();
        let mut scratch = S::Scratch::default();
        let mut reported = Instant::now();
        let goes_on = || !self.is_halted() && !self.pause.load(Ordering::Relaxed);
        while goes_on() {
            let Some(slot) = rest.lock().unwrap_or_else(PoisonError::into_inner).pop() else {
                break;
            };
            let slot_bytes = F::size_bytes(&slot);
            let Some((block, known)) = self.unless_failed(self.store.take(slot)) else { break };
            let mut expanded = 0;
            let mut generated = 0;
            let mut view = self.store.view();
            for place in 0..S::len(&block) {
                if known.has(place) {
                    continue;
                }
                expanded += 1;
                self.judge(&block, place, depth);
                let Batch { states, fingerprints, .. } = &mut next;
                self.space.expand(&block, place, &mut scratch, states, fingerprints);
                if fingerprints.len() >= BATCH {
                    generated += next.admit(&mut view);
                    if S::len(&next.states) >= BLOCK {
                        done.extend(self.put(depth + 1, std::mem::take(&mut next)));
                    }
                }
            }
            generated += next.admit(&mut view);
            drop(view);
            self.generated.fetch_add(generated, Ordering::Relaxed);
            self.expanded.fetch_add(expanded, Ordering::Relaxed);
            self.watch(states, depth, &mut reported);
            self.in_levels.fetch_sub(slot_bytes, Ordering::Relaxed);
        }
        done.extend(self.put(depth + 1, next));
        done
    }

    fn judge(&self, block: &S::Block, place: usize, depth: u64) {
        let mut news = self.space.judge(block, place) & !self.hits.load(Ordering::Relaxed);
        while news != 0 {
            let fingerprint = self.space.fingerprint(block, place);
            self.found[news.trailing_zeros() as usize].note(Discovery { depth, fingerprint });
            news &= news - 1;
        }
    }

    /// Looks at the limits, and reports progress four times a second.
    fn watch(&self, frontier: usize, depth: u64, reported: &mut Instant) {
        let memory_bytes = self.store.memory_bytes()
            + self.in_levels.load(Ordering::Relaxed)
            + self.space.memory_bytes();
        self.memory_max.fetch_max(memory_bytes, Ordering::Relaxed);
        let ((unique_states, unsifted), (tell_apart, _)) =
            (self.store.states(), self.store.states_max());
        let max_states = self.options.max_states.unwrap_or(u64::MAX);
        if unique_states > max_states {
            self.stop(Stopped::States);
        }
        if unique_states > tell_apart {
            self.stop(Stopped::Fingerprints);
        }
        if self.options.max_memory_bytes.is_some_and(|max| memory_bytes > max) {
            self.stop(Stopped::Memory);
        }
        if self.options.interrupted.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            self.stop(Stopped::Interrupted);
        }
        if self.store.is_full() {
            self.stop(Stopped::Files);
        }
        let is_limit_near = unsifted > 0 && unique_states + unsifted > max_states;
        if is_limit_near || self.store.is_crowded() || self.store.is_due() {
            self.pause.store(true, Ordering::Relaxed);
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
                elapsed: self.elapsed(),
            });
        }
    }

    /// Settles what was found in a level, and stops if that is a violation.
    fn settle(&self) {
        let found = self.found.iter().enumerate().filter(|(_, found)| found.get().is_some());
        let hits: u64 = found.map(|(bit, _)| 1 << bit).sum();
        self.hits.store(hits, Ordering::Relaxed);
        if self.is_violated() {
            self.stop(Stopped::Violation);
        }
    }

    fn is_halted(&self) -> bool {
        self.halt.load(Ordering::Relaxed)
    }

    /// Has an earlier level what the run is to stop at?
    fn is_violated(&self) -> bool {
        let hits = self.hits.load(Ordering::Relaxed);
        self.options.stop_at_violation && hits & self.space.always() != 0
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
                self.is_whole.store(false, Ordering::Relaxed);
                self.stop(Stopped::panicked(&*cause));
                None
            }
        }
    }
}
