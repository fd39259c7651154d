//! When a leader sends again what was not answered, and how much of it is under way at once.
//!
//! Time is counted in *ticks*: a leader's `Resend` timer going off.
//!
//! **Invariants** (of liveness; safety does not depend on anything here)
//! - *Nobody is asked again before an answer can have come*: each peer has an estimate of its round trip,
//!   from proposals that were sent to it once, and each further time takes twice as long.
//! - *Bounded*: new values wait while more bytes than an allowance are in flight, and no more than that is
//!   sent again to a peer in a tick. The allowance halves when something has to be sent again, and
//!   grows with what is decided while at least half of it is used: what has not been tried is not known
//!   to be carried.
//!
//! **Absent**: clocks, and whatever is sent. Where [`Tuning::doublings_max`] is 0 nothing is
//! remembered here, and everything is due at each tick: what a model explores, since a message that is
//! sent again is no new one.
//!
//! **Source**: Jacobson, *Congestion avoidance and control* (SIGCOMM 1988); RFC 6298, sections 2, 3 and
//! 5, for the estimate, what is no sample, and the doubling; RFC 5681, section 3.1, for the allowance, and
//! RFC 7661, section 4.3, for one that is not used.

use crate::quorum::ReplicaSet;
use crate::tuning::Tuning;
use crate::types::{ReplicaId, Slot};
use std::collections::BTreeMap;

/// What is sent within a tick has been under way for a whole one only when the second has come.
pub(crate) const TICKS_MIN: u64 = 2;

/// What a leader knows of its links.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pacing {
    /// Ticks since this leadership began.
    pub ticks: u64,
    /// Bytes of the values in flight.
    pub bytes: usize,
    /// How far the allowance is below its limit, in bytes.
    pub cut: usize,
    /// When it was cut last.
    pub cut_at: u64,
    /// The question for what is missing below the base.
    pub fetch: FetchPacing,
    /// The round trips that are known.
    pub links: BTreeMap<ReplicaId, Link>,
}

/// A question for what is missing below a leader's base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchPacing {
    /// The tick in which it is asked again, unless something comes; 0 until a tick has found something missing.
    pub due: u64,
    /// It is asked again after two to this power of ticks.
    pub doublings: u8,
    /// The applied bound when something came last, or it was asked.
    pub from: Slot,
}

/// A link to a peer: estimates of its round trip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// The round trip, smoothed, in eighths of a tick.
    pub smoothed: u64,
    /// How far round trips are from that, in quarters of a tick.
    pub variation: u64,
    /// The wait, in ticks, that was doubled until an answer came; 0 once a round trip has been measured.
    pub backed_off: u64,
}

/// A proposal that is not decided yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flight {
    /// The acceptors that have voted for it.
    pub voters: ReplicaSet,
    /// The tick in which it was sent to all.
    pub sent: u64,
    /// To whom it was sent again.
    pub again: BTreeMap<ReplicaId, Again>,
    /// The bytes of its value.
    pub bytes: usize,
}

/// The last time that a proposal was sent to a peer again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Again {
    /// The tick.
    pub sent: u64,
    /// The ticks after which it is sent once more.
    pub wait: u64,
}

impl Link {
    /// The ticks after which an answer is overdue.
    fn wait(self, tuning: &Tuning) -> u64 {
        let estimate = self.smoothed.div_ceil(8) + self.variation.max(TICKS_MIN);
        estimate.max(self.backed_off).min(tuning.resend_ticks_max)
    }

    fn measured(&mut self, ticks: u64) {
        if self.smoothed == 0 && self.variation == 0 {
            (self.smoothed, self.variation) = (8 * ticks, 2 * ticks);
        } else {
            let off = ticks.abs_diff(self.smoothed / 8);
            self.variation = self.variation - self.variation / 4 + off;
            self.smoothed = self.smoothed - self.smoothed / 8 + ticks;
        }
        self.backed_off = 0;
    }
}

impl Pacing {
    /// A value is proposed.
    pub fn proposed(&mut self, bytes: usize, tuning: &Tuning) -> Flight {
        if !tuning.adapts() {
            return Flight::default();
        }
        self.bytes += bytes;
        Flight { sent: self.ticks, bytes, ..Flight::default() }
    }

    /// A peer has voted for a proposal.
    pub fn voted(&mut self, peer: ReplicaId, flight: &Flight, tuning: &Tuning) {
        if !tuning.adapts() {
            return;
        }
        let link = self.links.entry(peer).or_default();
        match flight.again.get(&peer) {
            None => link.measured(self.ticks - flight.sent),
            // It is not known which of them was answered: the wait stays as long as it has become.
            Some(again) => link.backed_off = link.backed_off.max(again.wait),
        }
    }

    /// A proposal is decided.
    pub fn decided(&mut self, flight: &Flight, tuning: &Tuning) {
        let is_used = 2 * self.bytes >= self.allowance(tuning);
        self.bytes -= flight.bytes;
        if self.cut > 0 && is_used {
            let growth = tuning.batch_bytes_max * flight.bytes / self.allowance(tuning);
            self.cut = self.cut.saturating_sub(growth.max(1));
        }
    }

    /// May another value be proposed?
    pub fn has_room(&self, tuning: &Tuning) -> bool {
        !tuning.adapts() || self.bytes < self.allowance(tuning)
    }

    /// A tick has come: what is due now is sent again.
    pub fn tick(&mut self, tuning: &Tuning) {
        if tuning.adapts() {
            self.ticks += 1;
        }
    }

    /// Is it time to send a proposal to this peer again?
    pub fn is_due(&self, peer: ReplicaId, flight: &Flight, tuning: &Tuning) -> bool {
        if !tuning.adapts() {
            return true;
        }
        match flight.again.get(&peer) {
            None => self.ticks - flight.sent >= self.wait(peer, tuning),
            Some(again) => self.ticks - again.sent >= again.wait,
        }
    }

    /// The ticks after which an answer of this peer is overdue. Who has not been measured is taken to be as
    /// far as the farthest that has.
    fn wait(&self, peer: ReplicaId, tuning: &Tuning) -> u64 {
        let known = self.links.get(&peer).map(|link| link.wait(tuning));
        known.unwrap_or_else(|| self.longest_wait(tuning))
    }

    fn longest_wait(&self, tuning: &Tuning) -> u64 {
        self.links.values().map(|link| link.wait(tuning)).max().unwrap_or(TICKS_MIN)
    }

    /// A proposal is sent to this peer again.
    pub fn sent_again(&mut self, flight: &mut Flight, peer: ReplicaId, tuning: &Tuning) {
        if !tuning.adapts() {
            return;
        }
        let waited =
            flight.again.get(&peer).map_or_else(|| self.wait(peer, tuning), |again| again.wait);
        let wait = (2 * waited).min(tuning.resend_ticks_max);
        flight.again.insert(peer, Again { sent: self.ticks, wait });
        if self.cut == 0 || self.ticks - self.cut_at >= self.longest_wait(tuning) {
            let allowance = (self.allowance(tuning) / 2).max(tuning.batch_bytes_max);
            self.cut = tuning.flight_bytes_max.saturating_sub(allowance);
            self.cut_at = self.ticks;
        }
    }

    /// Is it time to ask again for what is missing below the base? Not while it comes: whoever gets it asks for
    /// more. In vain, less and less often.
    pub fn fetches(&mut self, applied_upto: Slot, tuning: &Tuning) -> bool {
        if !tuning.adapts() {
            return true;
        }
        let FetchPacing { due, doublings, from } = self.fetch;
        // It was asked when this leadership began.
        let comes = due == 0 || applied_upto != from;
        if !comes && self.ticks < due {
            return false;
        }
        let doublings = if comes { doublings } else { (doublings + 1).min(tuning.doublings_max) };
        let due = self.ticks + (1 << doublings);
        self.fetch = FetchPacing { due, doublings, from: applied_upto };
        !comes
    }

    /// What may be in flight, in bytes.
    pub fn allowance(&self, tuning: &Tuning) -> usize {
        (tuning.flight_bytes_max.saturating_sub(self.cut)).max(tuning.batch_bytes_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: ReplicaId = ReplicaId(1);

    fn ticks(pacing: &mut Pacing, count: u64, tuning: &Tuning) {
        (0..count).for_each(|_| pacing.tick(tuning));
    }

    /// The ticks after which a proposal that is never answered is sent again, each time.
    fn waits(pacing: &mut Pacing, tuning: &Tuning, times: usize) -> Vec<u64> {
        let mut flight = pacing.proposed(100, tuning);
        let again = |_| {
            let before = pacing.ticks;
            while !pacing.is_due(PEER, &flight, tuning) {
                pacing.tick(tuning);
            }
            pacing.sent_again(&mut flight, PEER, tuning);
            pacing.ticks - before
        };
        (0..times).map(again).collect()
    }

    #[test]
    fn each_wait_is_twice_as_long_as_the_one_before() {
        let waited = waits(&mut Pacing::default(), &Tuning::default(), 8);
        assert_eq!(waited, [2, 4, 8, 16, 32, 64, 64, 64]);
    }

    #[test]
    fn a_round_trip_that_was_measured_is_waited_for() {
        let (mut pacing, tuning) = (Pacing::default(), Tuning::default());
        for _ in 0..50 {
            let flight = pacing.proposed(100, &tuning);
            ticks(&mut pacing, 12, &tuning);
            pacing.voted(PEER, &flight, &tuning);
            pacing.decided(&flight, &tuning);
        }
        let first = waits(&mut pacing, &tuning, 1)[0];
        assert!((13..=16).contains(&first), "{first}");
    }

    #[test]
    fn a_proposal_that_was_sent_again_measures_nothing_and_lengthens_the_next_wait() {
        let (mut pacing, tuning) = (Pacing::default(), Tuning::default());
        let mut flight = pacing.proposed(100, &tuning);
        for wait in [2, 4, 8] {
            ticks(&mut pacing, wait, &tuning);
            assert!(pacing.is_due(PEER, &flight, &tuning));
            pacing.sent_again(&mut flight, PEER, &tuning);
        }
        pacing.voted(PEER, &flight, &tuning);
        assert_eq!(waits(&mut pacing, &tuning, 1), [16]);
        let next = pacing.proposed(100, &tuning);
        ticks(&mut pacing, 8, &tuning);
        pacing.voted(PEER, &next, &tuning);
        assert_eq!(pacing.links[&PEER].backed_off, 0, "this one does");
    }

    #[test]
    fn a_round_trip_that_is_longer_than_the_first_wait_is_learned() {
        let (mut pacing, tuning) = (Pacing::default(), Tuning::default());
        let mut sent_again = 0;
        for _ in 0..10 {
            let mut flight = pacing.proposed(100, &tuning);
            for _ in 0..12 {
                pacing.tick(&tuning);
                if pacing.is_due(PEER, &flight, &tuning) {
                    pacing.sent_again(&mut flight, PEER, &tuning);
                    sent_again += 1;
                }
            }
            pacing.voted(PEER, &flight, &tuning);
            pacing.decided(&flight, &tuning);
        }
        assert_eq!(sent_again, 3, "after 2 ticks and 4 more, and the second one after 8");
        assert!((12..=14).contains(&pacing.links[&PEER].smoothed.div_ceil(8)), "{pacing:?}");
    }

    #[test]
    fn a_near_peer_that_is_silent_neither_puts_off_a_far_one_nor_shortens_its_round_trip() {
        const FAR: ReplicaId = ReplicaId(2);
        let (mut pacing, tuning) = (Pacing::default(), Tuning::default());
        for _ in 0..50 {
            let flight = pacing.proposed(100, &tuning);
            pacing.voted(PEER, &flight, &tuning);
            ticks(&mut pacing, 12, &tuning);
            pacing.voted(FAR, &flight, &tuning);
            pacing.decided(&flight, &tuning);
        }
        let far = pacing.wait(FAR, &tuning);
        let mut flight = pacing.proposed(100, &tuning);
        for _ in 0..far {
            assert!(!pacing.is_due(FAR, &flight, &tuning));
            pacing.tick(&tuning);
            if pacing.is_due(PEER, &flight, &tuning) {
                pacing.sent_again(&mut flight, PEER, &tuning);
            }
        }
        assert!(pacing.is_due(FAR, &flight, &tuning));
        pacing.voted(FAR, &flight, &tuning);
        assert!(pacing.links[&FAR].smoothed >= 8 * 12, "{pacing:?}");
    }

    #[test]
    fn the_allowance_halves_on_a_loss_and_grows_with_what_is_decided() {
        let (mut pacing, tuning) = (Pacing::default(), Tuning::default());
        let full = pacing.allowance(&tuning);
        let mut flight = pacing.proposed(100_000, &tuning);
        ticks(&mut pacing, 1, &tuning);
        pacing.sent_again(&mut flight, PEER, &tuning);
        pacing.sent_again(&mut flight, PEER, &tuning);
        assert_eq!(pacing.allowance(&tuning), full / 2, "once in a round trip");
        pacing.decided(&flight, &tuning);
        assert_eq!(pacing.allowance(&tuning), full / 2, "most of it is not used");
        let many = |pacing: &mut Pacing| -> Vec<Flight> {
            (0..15).map(|_| pacing.proposed(100_000, &tuning)).collect()
        };
        let flights = many(&mut pacing);
        pacing.decided(&flights[0], &tuning);
        let grown = pacing.allowance(&tuning);
        assert!(grown > full / 2 && grown < full, "{grown}");
        flights[1..].iter().for_each(|flight| pacing.decided(flight, &tuning));
        for _ in 0..100_000 {
            let used = pacing.proposed(full / 2, &tuning);
            let flight = pacing.proposed(100_000, &tuning);
            [flight, used].iter().for_each(|flight| pacing.decided(flight, &tuning));
        }
        assert_eq!((pacing.allowance(&tuning), pacing.bytes), (full, 0));
    }

    #[test]
    fn what_is_in_flight_is_bounded() {
        let (mut pacing, tuning) = (Pacing::default(), Tuning::default());
        let mut flights = Vec::new();
        while pacing.has_room(&tuning) {
            flights.push(pacing.proposed(32 * 1024, &tuning));
        }
        assert_eq!(flights.len(), tuning.flight_bytes_max / (32 * 1024));
        pacing.decided(&flights[0], &tuning);
        assert!(pacing.has_room(&tuning));
    }

    #[test]
    fn what_is_below_the_base_is_asked_for_again_in_vain_less_and_less_often() {
        let (mut pacing, tuning) = (Pacing::default(), Tuning::default());
        let mut asks = |applied_upto| {
            pacing.tick(&tuning);
            pacing.fetches(Slot(applied_upto), &tuning)
        };
        assert!(!(1..=40).any(&mut asks), "it comes");
        let asked: Vec<u32> = (0..60).filter(|_| asks(40)).collect();
        assert_eq!(asked, [0, 2, 6, 14, 30, 46]);
    }

    #[test]
    fn without_doublings_everything_is_due_and_nothing_is_remembered() {
        let (mut pacing, tuning) =
            (Pacing::default(), Tuning { doublings_max: 0, ..Tuning::default() });
        let mut flight = pacing.proposed(100, &tuning);
        pacing.tick(&tuning);
        assert!(pacing.is_due(PEER, &flight, &tuning) && pacing.fetches(Slot(0), &tuning));
        pacing.sent_again(&mut flight, PEER, &tuning);
        pacing.voted(PEER, &flight, &tuning);
        assert_eq!((pacing, flight), (Pacing::default(), Flight::default()));
    }
}
