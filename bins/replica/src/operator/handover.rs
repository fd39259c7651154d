//! Moves the leadership to another replica, with nothing but what may happen by itself at any moment.
//!
//! 1. The leader's election timer goes off: it steps down, and sends no more heartbeats.
//! 2. In clusters of more than three, the other followers' election timers go off, and what they then
//!    ask is lost: they take the leader for silent, and stand for nothing. With three replicas, the
//!    candidate and the old leader are a majority.
//! 3. The candidate's election timer goes off. Its pre-vote is supported by who hears no leader, so it
//!    stands, and leads after a round trip and two syncs. Should a heartbeat have overtaken all this, it
//!    is told once more.
//! 4. The new leader, and the old one as soon as it hears the new one, tell the clients that have asked
//!    them ([`paxos_chat::requests::name_leader`]).
//!
//! **Invariants**
//! - *Safety is untouched*: models let every timer go off in every state, and lose every message.
//! - *Whatever fails half-way ends in an ordinary election*: after step 1 every election timer is
//!   running.
//! - *Nobody is made leader who lags*: it would have to fetch what it lacks before anything new is
//!   applied.
//!
//! **Source**: Ongaro's thesis (2014), section 3.10, where the target is told to start an election at
//! once (`TimeoutNow`); here the others are made to support it in place of an exemption from their
//! vote.

use super::ask::{ActError, Operator};
use super::message::Challenge;
use crate::action::Action;
use crate::panel::Panel;
use crate::status::Status;
use std::io;
use std::time::{Duration, Instant};

/// How far the next leader may lag, in slots.
pub const LAG_MAX: u64 = 256;
/// Time between two looks at the candidate.
const LOOK: Duration = Duration::from_millis(3);
/// Time after which a candidate that has got nowhere is told to stand once more.
const STAND_AGAIN: Duration = Duration::from_millis(60);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// Who led.
    pub from: u8,
    /// Who leads.
    pub to: u8,
    /// From the last moment in which the old one led, as seen from here, to the first in which the new
    /// one does.
    pub took: Duration,
}

/// Why the leadership was not moved.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// Nobody who answers leads.
    #[error("no replica that answers leads; `cluster status` shows them")]
    NoLeader,
    /// There is nobody to take it.
    #[error("no follower that answers has caught up to {LAG_MAX} slots; try again later")]
    NoCandidate,
    /// The one that is wanted does not answer.
    #[error("replica {0} does not answer, so it can't lead")]
    Silent(u8),
    /// The one that is wanted warms up.
    #[error(
        "replica {0} waits for the others before it serves, so it can't lead; type `start` at its console"
    )]
    Waits(u8),
    /// The one that is wanted lags.
    #[error("replica {0} is {1} slots behind; wait until it has caught up to {LAG_MAX}")]
    Lags(u8, u64),
    /// A step failed.
    #[error("{0}; if nobody leads now, an ordinary election follows")]
    Act(#[from] ActError),
    /// Somebody else leads now.
    #[error("replica {0} was faster and leads now; try again")]
    Other(u8),
    /// Nobody has taken it yet.
    #[error(
        "replica {0} has stepped down, and nobody has taken over within {1:?}; an ordinary election follows"
    )]
    Nobody(u8, Duration),
    /// The own socket failed.
    #[error("cannot ask the replicas: {0}")]
    Network(#[from] io::Error),
}

/// Asks replicas over the network, but for the own one, if there is one.
pub struct Reach<'a> {
    /// Over the network.
    pub operator: &'a mut Operator,
    /// The process that hands over its own leadership.
    pub own: Option<&'a Panel>,
}

/// What lets a replica be told something.
enum Grip {
    Own,
    Remote(Challenge),
}

impl Reach<'_> {
    fn is_own(&self, id: u8) -> bool {
        self.own.is_some_and(|own| own.id == id)
    }

    fn grips(&mut self, ids: &[u8]) -> Result<Vec<(u8, Option<Grip>)>, HandoverError> {
        let remote: Vec<u8> = ids.iter().copied().filter(|id| !self.is_own(*id)).collect();
        let mut challenges = self.operator.challenges(&remote)?.into_iter();
        let grip = |id: &u8| {
            let grip = match self.is_own(*id) {
                true => Some(Grip::Own),
                false => challenges.next().flatten().map(Grip::Remote),
            };
            (*id, grip)
        };
        Ok(ids.iter().map(grip).collect())
    }

    fn act(&mut self, id: u8, grip: &Grip, action: Action) -> Result<(), HandoverError> {
        let outcome = match (grip, self.own) {
            (Grip::Own, Some(own)) => own.act(action).map_err(|why| ActError::Refused(id, why)),
            (Grip::Own, None) => Err(ActError::Unreachable(id)),
            (Grip::Remote(challenge), _) => {
                let outcomes = self.operator.act_with(&[(id, *challenge, action)])?;
                outcomes.into_iter().next().unwrap_or(Err(ActError::Silent(id)))
            }
        };
        Ok(outcome?)
    }

    /// Moves the leadership to this replica, or to the follower that has applied most; waits at most so
    /// long for it to lead. Tells nothing to anyone if that replica leads already.
    ///
    /// # Errors
    /// When somebody else leads in the end, as far as that is known.
    pub fn hand_over(
        &mut self,
        target: Option<u8>,
        limit: Duration,
    ) -> Result<Handover, HandoverError> {
        let statuses = self.operator.statuses()?;
        let leader = leader_of(&statuses).ok_or(HandoverError::NoLeader)?;
        let (from, round) = (leader.replica, leader.round);
        let to = match target {
            Some(target) if target == from => {
                return Ok(Handover { from, to: from, took: Duration::ZERO });
            }
            target => candidate(&statuses, leader, target)?,
        };
        let is_other = |status: &&Status| status.replica != from && status.replica != to;
        let others: Vec<u8> =
            statuses.iter().flatten().filter(is_other).map(|status| status.replica).collect();
        let needed: &[u8] = if self.operator.replicas() > 3 { &others } else { &[] };
        let mut grips = self.grips(&[&[from, to], needed].concat())?.into_iter();
        let mut grip_of = |id: u8| {
            let grip = grips.next().and_then(|(_, grip)| grip);
            grip.ok_or(HandoverError::Act(ActError::Unreachable(id)))
        };
        let (leaders, candidates) = (grip_of(from)?, grip_of(to)?);
        let started = Instant::now();
        self.act(from, &leaders, Action::StepDown)?;
        for id in needed {
            // A majority of the rest is enough, and if it is not, an election follows.
            if let Ok(grip) = grip_of(*id)
                && let Err(HandoverError::Network(error)) =
                    self.act(*id, &grip, Action::ForgetLeader)
            {
                return Err(error.into());
            }
        }
        self.act(to, &candidates, Action::Stand)?;
        self.wait_for(from, to, round, started, limit)
    }

    fn wait_for(
        &mut self,
        from: u8,
        to: u8,
        round: u32,
        started: Instant,
        limit: Duration,
    ) -> Result<Handover, HandoverError> {
        let mut stood = Instant::now();
        while started.elapsed() < limit {
            let status = self.operator.status(to)?;
            if status.is_some_and(|status| status.leads() && status.round > round) {
                return Ok(Handover { from, to, took: started.elapsed() });
            }
            if stood.elapsed() >= STAND_AGAIN {
                stood = Instant::now();
                if let Some((id, Some(grip))) = self.grips(&[to])?.into_iter().next() {
                    // It refuses if it stands already.
                    if let Err(HandoverError::Network(error)) = self.act(id, &grip, Action::Stand) {
                        return Err(error.into());
                    }
                }
            }
            std::thread::sleep(LOOK);
        }
        let statuses = self.operator.statuses()?;
        let other = leader_of(&statuses).filter(|leader| leader.round > round);
        Err(other.map_or(HandoverError::Nobody(from, limit), |other| {
            HandoverError::Other(other.replica)
        }))
    }
}

/// Who leads: a leader that was deposed and has not heard of it has a lower round.
pub fn leader_of(statuses: &[Option<Status>]) -> Option<&Status> {
    statuses.iter().flatten().filter(|status| status.leads()).max_by_key(|status| status.round)
}

/// The follower that is wanted, or the one that has applied most; of several, the first.
fn candidate(
    statuses: &[Option<Status>],
    leader: &Status,
    target: Option<u8>,
) -> Result<u8, HandoverError> {
    let lag = |status: &Status| leader.applied_upto.saturating_sub(status.applied_upto);
    if let Some(target) = target {
        let status = statuses.get(usize::from(target)).and_then(Option::as_ref);
        let status = status.ok_or(HandoverError::Silent(target))?;
        return match lag(status) {
            _ if status.waits => Err(HandoverError::Waits(target)),
            lag if lag > LAG_MAX => Err(HandoverError::Lags(target, lag)),
            _ => Ok(target),
        };
    }
    let follows = |status: &&Status| status.replica != leader.replica && !status.waits;
    let followers = statuses.iter().flatten().filter(follows);
    let best = followers.min_by_key(|status| (lag(status), status.replica));
    let best = best.filter(|status| lag(status) <= LAG_MAX);
    best.map(|status| status.replica).ok_or(HandoverError::NoCandidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Role;

    fn status(replica: u8, role: Role, round: u32, applied_upto: u64) -> Option<Status> {
        Some(Status { replica, role, round, applied_upto, ..Status::default() })
    }

    #[test]
    fn the_leader_of_the_highest_round_leads() {
        let stale = status(0, Role::Leading, 3, 50);
        let statuses = [stale, status(1, Role::Leading, 5, 50), None];
        assert_eq!(leader_of(&statuses).map(|leader| leader.replica), Some(1));
        assert!(leader_of(&[status(0, Role::Preparing, 9, 1), None]).is_none());
    }

    #[test]
    fn the_follower_that_has_applied_most_takes_over_unless_another_is_wanted() {
        let leader = status(0, Role::Leading, 3, 1000);
        let (behind, near) = (status(1, Role::Follower, 3, 9), status(2, Role::Follower, 3, 999));
        let statuses = [leader.clone(), behind.clone(), near];
        let of = |statuses: &[_], target| candidate(statuses, leader.as_ref().unwrap(), target);
        assert_eq!(of(&statuses, None).unwrap(), 2);
        assert_eq!(of(&statuses, Some(2)).unwrap(), 2);
        assert!(matches!(of(&statuses, Some(1)), Err(HandoverError::Lags(1, 991))));
        let alone = [leader.clone(), behind, None];
        assert!(matches!(of(&alone, None), Err(HandoverError::NoCandidate)));
        assert!(matches!(of(&alone, Some(2)), Err(HandoverError::Silent(2))));
        assert!(matches!(of(&alone, Some(7)), Err(HandoverError::Silent(7))));
        let mut waits = status(1, Role::Follower, 3, 1000);
        waits.as_mut().unwrap().waits = true;
        let warming_up = [leader.clone(), waits, None];
        assert!(matches!(of(&warming_up, None), Err(HandoverError::NoCandidate)));
        assert!(matches!(of(&warming_up, Some(1)), Err(HandoverError::Waits(1))));
    }
}
