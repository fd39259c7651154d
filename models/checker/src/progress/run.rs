//! One run: from a moment on, messages arrive and timers fire in the order of a schedule, until
//! the goal is met or it is certain that this schedule never meets it.

use super::cast::{Cast, Happens};
use super::{Goal, Schedule, Why};
use parking_lot::Mutex;
use rustc_hash::FxBuildHasher;
use siphasher::sip::SipHasher13;
use stateright::actor::Actor;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::time::Duration;

/// Rounds that a run may add to what is known before it is called endless.
pub const ROUNDS_MAX: u32 = 2_000;
/// Messages that may arrive at one instant when the newest goes first.
const INSTANT_MAX: u32 = 10_000;

/// A system in the middle of a run.
#[derive(Clone, Debug, Hash)]
pub(super) struct Moment {
    pub(super) schedule: Schedule,
    /// By actor.
    pub(super) bodies: Vec<u32>,
    /// Actor, timer, and the hops until it fires; sorted.
    pub(super) timers: Vec<(u8, u8, u32)>,
    /// What is in flight, the oldest first.
    pub(super) flight: Vec<u32>,
}

/// The quiet moments from which the goal is met, and how many hops that takes.
pub(super) struct Known {
    shards: Box<[Mutex<HashMap<u64, u32, FxBuildHasher>>]>,
}

impl Default for Known {
    fn default() -> Self {
        Known { shards: (0..64).map(|_| Mutex::default()).collect() }
    }
}

impl Known {
    fn shard(&self, key: u64) -> &Mutex<HashMap<u64, u32, FxBuildHasher>> {
        &self.shards[(key >> 58) as usize]
    }

    fn get(&self, key: u64) -> Option<u32> {
        self.shard(key).lock().get(&key).copied()
    }

    fn insert(&self, key: u64, hops: u32) {
        self.shard(key).lock().insert(key, hops);
    }

    pub(super) fn len(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().len() as u64).sum()
    }
}

impl Moment {
    /// Everything that the rest of the run depends on.
    fn key(&self) -> u64 {
        let mut hasher = SipHasher13::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// What happens to an actor now; `hop` is a message's time on its way.
    pub(super) fn step<A: Actor, G: Goal<A>>(
        &mut self,
        cast: &Cast<A, G>,
        actor: usize,
        happens: Happens,
    ) {
        let step = cast.step(actor, self.bodies[actor], happens);
        self.bodies[actor] = step.next;
        self.flight.extend_from_slice(&step.sends);
        for (timer, delay) in &step.timers {
            self.timers.retain(|(whose, set, _)| (usize::from(*whose), set) != (actor, timer));
            if let Some(delay) = delay {
                let hops = self.hops(cast, actor, delay);
                self.timers.push((actor as u8, *timer, hops));
            }
        }
        if !step.timers.is_empty() {
            self.timers.sort_unstable();
        }
    }

    /// The delay that the schedule draws from a range, in hops.
    pub(super) fn hops<A: Actor, G: Goal<A>>(
        &self,
        cast: &Cast<A, G>,
        actor: usize,
        delay: &Range<Duration>,
    ) -> u32 {
        let (rank, of) = self.schedule.rank(actor, cast.goal.rivals());
        let drawn = delay.start + delay.end.saturating_sub(delay.start) * rank / of;
        let hops = drawn.as_nanos().div_ceil(cast.goal.hop().as_nanos());
        u32::try_from(hops).unwrap_or(u32::MAX).max(1)
    }

    /// Is the goal met?
    pub(super) fn is_good<A: Actor, G: Goal<A>>(&self, cast: &Cast<A, G>) -> bool {
        let views = self.bodies.iter().enumerate();
        let views: Vec<&G::View> = views.map(|(a, body)| &cast.body(a, *body).view).collect();
        cast.goal.is_met(&views)
    }
}

/// Told of everything that happens in a run: when, in hops, to whom, and with what body before.
pub(super) type Witness<'a> = &'a mut dyn FnMut(u32, usize, u32, Happens);

/// Runs a moment to its end. Returns the hops until the goal was met.
pub(super) fn run<A: Actor, G: Goal<A>>(
    cast: &Cast<A, G>,
    known: &Known,
    mut moment: Moment,
    witness: Witness<'_>,
) -> Result<u32, Why> {
    let mut now = 0;
    let mut trail: Vec<(u64, u32)> = Vec::new();
    for round in 0.. {
        // Only quiet moments are kept: runs that differ in what was in flight meet there.
        let key = moment.flight.is_empty().then(|| moment.key());
        let known_good = || key.and_then(|key| known.get(key));
        let left = if moment.is_good(cast) { Some(0) } else { known_good() };
        if let Some(left) = left {
            trail.extend(key.map(|key| (key, now)));
            for (key, at) in trail {
                known.insert(key, now - at + left);
            }
            return Ok(now + left);
        }
        if let Some(key) = key {
            if trail.iter().any(|(before, _)| *before == key) {
                return Err(Why::Repeats);
            }
            trail.push((key, now));
        }
        if round >= ROUNDS_MAX {
            return Err(Why::Endless);
        }
        now += advance(cast, &mut moment, now, witness)?;
    }
    unreachable!("the rounds are bounded")
}

/// A round: what is in flight arrives, then the timers that are due fire. Returns the hops taken.
fn advance<A: Actor, G: Goal<A>>(
    cast: &Cast<A, G>,
    moment: &mut Moment,
    now: u32,
    witness: Witness<'_>,
) -> Result<u32, Why> {
    let at_once = moment.schedule == Schedule::NewestFirst;
    let hops = match moment.flight.is_empty() {
        true => moment.timers.iter().map(|(_, _, left)| *left).min().ok_or(Why::Silent)?,
        false => u32::from(!at_once),
    };
    for (_, _, left) in &mut moment.timers {
        *left -= hops;
    }
    let mut deliver = |moment: &mut Moment, mail: u32| {
        let dst = cast.mail.get(mail).dst;
        if cast.body(dst, moment.bodies[dst]).body.state.is_some() {
            witness(now + hops, dst, moment.bodies[dst], Happens::Deliver(mail));
            moment.step(cast, dst, Happens::Deliver(mail));
        }
    };
    if at_once {
        for _ in 0..INSTANT_MAX {
            let Some(mail) = moment.flight.pop() else { break };
            deliver(moment, mail);
        }
        if !moment.flight.is_empty() {
            return Err(Why::Endless);
        }
    } else {
        for mail in std::mem::take(&mut moment.flight) {
            deliver(moment, mail);
        }
    }
    fire(cast, moment, now + hops, witness);
    Ok(hops)
}

/// Fires the timers that are due, those that the goal names first before others.
fn fire<A: Actor, G: Goal<A>>(
    cast: &Cast<A, G>,
    moment: &mut Moment,
    now: u32,
    witness: Witness<'_>,
) {
    let due = moment.timers.iter().filter(|(_, _, left)| *left == 0);
    let mut due: Vec<(u8, u8)> = due.map(|(actor, timer, _)| (*timer, *actor)).collect();
    due.sort_unstable();
    for (timer, actor) in due {
        // An earlier one may have cancelled it or set it anew.
        let place = moment.timers.iter().position(|set| *set == (actor, timer, 0));
        if let Some(place) = place {
            moment.timers.remove(place);
            let whose = usize::from(actor);
            witness(now, whose, moment.bodies[whose], Happens::Fire(timer));
            moment.step(cast, whose, Happens::Fire(timer));
        }
    }
}
