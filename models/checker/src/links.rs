//! Links under virtual time: which of what is sent arrives, and when.
//!
//! Simulations of actors ([`crate::simulation`]) and of whole processes use the same ones.

use rand::{Rng, RngExt};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

/// How messages travel.
#[derive(Clone, Debug)]
pub struct Links {
    /// Sender and receiver of each link on which nothing arrives.
    cut: BTreeSet<(usize, usize)>,
    /// How long a message is under way, drawn anew for each.
    pub delay: Range<Duration>,
    /// By sender and receiver: how long it is under way there, if not as long as elsewhere.
    delays: BTreeMap<(usize, usize), Range<Duration>>,
    /// By sender and receiver: nothing longer arrives, in bytes.
    longest: BTreeMap<(usize, usize), usize>,
    /// The share of messages that is lost.
    pub loss: f64,
    /// The share of those that arrive which arrive twice.
    pub doubled: f64,
    /// What a link carries; without limit if not given.
    pub rate: Option<Rate>,
    /// By sender and receiver: when the link has sent everything that was given to it.
    free_at: BTreeMap<(usize, usize), Duration>,
}

/// What a link carries.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Bytes a second.
    pub bytes_per_second: u64,
    /// Bytes that wait for the link; what does not fit is lost.
    pub queue_bytes: u64,
}

impl Default for Links {
    /// All hear one another, with a delay of 1 to 2 ms.
    fn default() -> Links {
        Links {
            cut: BTreeSet::new(),
            delay: Duration::from_millis(1)..Duration::from_millis(2),
            delays: BTreeMap::new(),
            longest: BTreeMap::new(),
            loss: 0.0,
            doubled: 0.0,
            rate: None,
            free_at: BTreeMap::new(),
        }
    }
}

impl Links {
    /// From now on what `src` sends arrives at `dst`, or does not.
    pub fn set(&mut self, src: usize, dst: usize, up: bool) {
        if up {
            self.cut.remove(&(src, dst));
        } else {
            self.cut.insert((src, dst));
        }
    }

    /// From now on what `src` sends to `dst` is under way for so long, whatever it is elsewhere.
    pub fn set_delay(&mut self, src: usize, dst: usize, delay: Range<Duration>) {
        self.delays.insert((src, dst), delay);
    }

    /// From now on nothing that is longer arrives at `dst` from `src`, as where a router drops long packets and
    /// tells nobody (RFC 2923, section 2.1).
    pub fn set_longest(&mut self, src: usize, dst: usize, bytes: usize) {
        self.longest.insert((src, dst), bytes);
    }

    /// When a message of so many bytes arrives that `link`'s sender gives to the network now, and when it arrives once
    /// more, if it does.
    pub fn carry(
        &mut self,
        link: (usize, usize),
        bytes: usize,
        now: Duration,
        rng: &mut impl Rng,
    ) -> [Option<Duration>; 2] {
        let lost = self.cut.contains(&link)
            || self.longest.get(&link).is_some_and(|longest| bytes > *longest)
            || happens(self.loss, rng);
        if lost {
            return [None; 2];
        }
        let mut at = now;
        if let Some(rate) = self.rate {
            let free_at = self.free_at.entry(link).or_default();
            let waits = free_at.saturating_sub(at);
            let queued = waits.as_micros() as u64 * rate.bytes_per_second / 1_000_000;
            let bytes = bytes as u64;
            if queued + bytes > rate.queue_bytes {
                return [None; 2];
            }
            at += waits + Duration::from_micros(bytes * 1_000_000 / rate.bytes_per_second);
            *free_at = at;
        }
        let delay = self.delays.get(&link).unwrap_or(&self.delay);
        let again = happens(self.doubled, rng).then(|| at + draw(delay, rng));
        [Some(at + draw(delay, rng)), again]
    }
}

/// Nothing is drawn for what is certain.
fn happens(share: f64, rng: &mut impl Rng) -> bool {
    share >= 1.0 || share > 0.0 && rng.random_bool(share)
}

/// A time of this range, in whole microseconds.
pub fn draw(range: &Range<Duration>, rng: &mut impl Rng) -> Duration {
    let (from, to) = (range.start.as_micros() as u64, range.end.as_micros() as u64);
    let drawn = if to > from { rng.random_range(from..to) } else { from };
    Duration::from_micros(drawn)
}
