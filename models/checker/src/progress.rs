//! Progress: from every reachable state, once faults stop and a majority is up, a fair schedule
//! delivers every pending request.
//!
//! **What is claimed.** From each state that an entry of the catalog reaches, each of the
//! schedules below meets the goal within finitely many rounds. The claim is *under these
//! schedules*, and about no others: with fixed delays no protocol makes progress under all (FLP),
//! and what is wanted of it is that it does once messages arrive in time.
//!
//! **The goal** is the model's ([`Goal`]).
//!
//! **Time** counts in hops. What is in flight arrives one hop (5 ms) later; timers fire after the
//! delays that the actors ask for, drawn from their ranges, so that heartbeats, resending, retries
//! and election time-outs keep the proportions of the deployed tuning, and a timer set again is
//! postponed. Every timer found set in the explored state was set just now. Nothing is lost and
//! nobody crashes any more. Where several timers are due at once, heartbeats and resending
//! come before elections.
//!
//! **The schedules**
//! - *Each replica in turn first to time out*: it draws the shortest delay of every range, the
//!   next one a longer one, and so on, in every election and for ever.
//! - *Lockstep*: all draw the shortest delay for ever, so all candidates time out together. There
//!   is no randomness to break the tie; ballots have to: the highest candidate's wins.
//! - *Newest first*: messages take no time, and the newest is delivered first, until all is
//!   quiet; what was found in flight comes in the reverse of the order that the others use.
//!
//! **The starts.** Each schedule runs from each state with everything in flight dropped, and again
//! with it present (each message that was ever sent, once, in order of content: a network that
//! only grows does not tell what was sent first). Replicas that are down stay down if a majority
//! is up; else the state is skipped, and counted. Where the entry has recovery, there are runs in
//! which all that are down come back first, too. Bounds of the exploration do not apply: any
//! replica may time out, ballots rise, and a client or reader that was bound to some replicas turns
//! to the others after them, as [`Goal`] says.
//!
//! **A violation** is a moment that repeats itself, or more than [`ROUNDS_MAX`] rounds without a
//! moment from which progress is known. Quiet moments that are known to be good are remembered,
//! together with the schedule and the time that is left of every timer, so the cost is linear in
//! the distinct moments. They are known by 64-bit hashes, as explored states are.
//!
//! **Reductions.** A step that only sends is taken at once in the explored states, and some stale
//! messages are missing from them. Of the states that are left out, each differs from one that is
//! there in envelopes only. The runs that drop everything do not see envelopes, so they cover those
//! too. The runs with everything present start from the largest of these sets of envelopes, less
//! what is stale; a test runs small entries without reductions, with the same verdicts.
//!
//! **Absent**: schedules that lose messages for some time (that is what the starts are for), and
//! requests that come later.
//!
//! **Source**: Fischer, Lynch and Paterson (JACM 1985); Dwork, Lynch and Stockmeyer (JACM 1988) for
//! progress after a time of unknown length; Chandra and Toueg (JACM 1996); TigerBeetle's blog of
//! 2023-07-06 for a checker that heals the faults and then wants progress; Ongaro's thesis (2014),
//! section 9.3, for delays that break ties.

mod cast;
mod run;
mod search;
mod story;

pub use run::ROUNDS_MAX;
pub use search::check;

use crate::engine::Report;
use crate::trace::TraceStep;
use stateright::actor::Actor;
use std::ops::Range;
use std::time::Duration;

/// The name of the property.
pub const PROPERTY: &str = "progress";

/// What a fair run has to come to, and what it may assume of time.
pub trait Goal<A: Actor>: Send + Sync {
    /// The part of an actor that the goal needs.
    type View: Send + Sync;

    /// The part of an actor that the goal needs; it is down if it has no state.
    fn view(
        &self,
        actor: usize,
        state: Option<&A::State>,
        storage: Option<&A::Storage>,
    ) -> Self::View;

    /// Is there nothing left to do? Once met, it stays met.
    fn is_met(&self, views: &[&Self::View]) -> bool;

    /// May progress be asked for, with these actors up?
    fn is_possible(&self, up: &[bool]) -> bool;

    /// All timers that there are. Of those due at once, the first fires first.
    fn timers(&self) -> Vec<A::Timer>;

    /// The range of the delay of a timer that is found set.
    fn delay(&self, timer: &A::Timer) -> Range<Duration>;

    /// How long a message takes; all delays are rounded up to a multiple of it.
    fn hop(&self) -> Duration;

    /// The actors from 0 on that take turns in timing out first.
    fn rivals(&self) -> usize;
}

/// An order of everything that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schedule {
    /// This actor draws the shortest delays, those after it longer and longer ones.
    First(usize),
    /// All draw the shortest delays.
    Lockstep,
    /// Messages take no time, and the newest arrives first.
    NewestFirst,
}

impl Schedule {
    /// Where an actor's delays lie in their ranges: `rank / of` of the way.
    fn rank(self, actor: usize, rivals: usize) -> (u32, u32) {
        let rank = match self {
            _ if actor >= rivals => 0,
            Schedule::First(first) => (actor + rivals - first) % rivals,
            Schedule::Lockstep => 0,
            Schedule::NewestFirst => rivals - 1 - actor,
        };
        (rank as u32, rivals.max(1) as u32)
    }
}

/// Why a run never meets its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A moment repeats itself, and so does everything after it.
    Repeats,
    /// More than [`ROUNDS_MAX`] rounds.
    Endless,
    /// Nothing is in flight and no timer is set.
    Silent,
}

impl Why {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Why::Repeats => "this moment was there before: everything repeats itself for ever",
            Why::Endless => "and so on, for more rounds than a run may take",
            Why::Silent => "nothing is in flight and no timer is set: nothing will ever happen",
        }
    }
}

/// What a check of progress came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Counts and times of the exploration that the runs start from.
    pub report: Report,
    /// How many schedules were run from each start.
    pub schedules: usize,
    /// Distinct starts: the states, with everything in flight dropped and present.
    pub starts: u64,
    /// Runs, over all schedules.
    pub runs: u64,
    /// Distinct quiet moments from which progress was shown.
    pub moments: u64,
    /// States without a majority and without recovery: no progress is asked of them.
    pub skipped: u64,
    /// The longest that a run took until the goal was met.
    pub longest: Duration,
    /// How many claims of staleness the exploration relied on, all of them checked.
    pub stale_claims: usize,
    /// Why the exploration is void, if a claim did not hold.
    pub void: Option<String>,
    /// A nearest state from which a schedule makes no progress.
    pub violation: Option<Violation>,
}

impl Outcome {
    /// Was every state explored and run, and does each schedule make progress?
    pub fn holds(&self) -> bool {
        self.report.complete && self.void.is_none() && self.violation.is_none()
    }
}

/// A state from which a schedule makes no progress.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The schedule, and how it started.
    pub schedule: String,
    /// How it is known that it never makes progress.
    pub why: Why,
    /// The first of the steps that is the schedule's; those before it lead to the state.
    pub begins: usize,
    /// The path to the state, then the schedule's steps without those that do nothing.
    pub steps: Vec<TraceStep>,
}
