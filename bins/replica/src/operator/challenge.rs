//! Challenges: what an operator's command carries that changes something, so that one which was
//! recorded, or was held up on its way, does nothing.
//!
//! **Invariants**
//! - *For one process of an operator, for a short time, once*: whatever else carries it is refused. A
//!   command that is sent again because its answer was lost gets the answer again.
//! - *Bounded*: at most [`CHALLENGES_MAX`] are remembered; the oldest goes first.

use super::message::{Challenge, Reply};
use actor_runtime::wire::ClientId;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a command may be on its way.
pub const VALID: Duration = Duration::from_secs(5);
/// Challenges that are remembered.
pub const CHALLENGES_MAX: usize = 256;

/// The challenges of a replica's process.
#[derive(Debug, Default)]
pub struct Challenges(VecDeque<IssuedChallenge>);

#[derive(Debug)]
struct IssuedChallenge {
    challenge: Challenge,
    operator: ClientId,
    at: Instant,
    answered: Option<Reply>,
}

/// What becomes of a command.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// It is to be done, now.
    Act,
    /// It was done, and this was the answer.
    Answered(Reply),
    /// It is not valid, or not any more.
    Refused,
}

impl Challenges {
    /// A new challenge for this operator's process.
    ///
    /// # Panics
    /// When the system has no randomness.
    pub fn issue(&mut self, operator: ClientId, at: Instant) -> Challenge {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        let challenge = Challenge(bytes);
        self.forget_old(at);
        if self.0.len() >= CHALLENGES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(IssuedChallenge { challenge, operator, at, answered: None });
        challenge
    }

    /// Is a command valid that carries this? If so, it is used up, until [`Challenges::answered`].
    pub fn take(&mut self, operator: ClientId, challenge: Challenge, now: Instant) -> Verdict {
        self.forget_old(now);
        let known = |issued: &&mut IssuedChallenge| {
            issued.challenge == challenge && issued.operator == operator
        };
        let Some(issued) = self.0.iter_mut().find(known) else { return Verdict::Refused };
        if let Some(reply) = &issued.answered {
            return Verdict::Answered(reply.clone());
        }
        // Should the action end this thread, it is not done again.
        issued.answered = Some(Reply::Refused("it is being done".into()));
        Verdict::Act
    }

    /// What the command that carried this was answered.
    pub fn answered(&mut self, challenge: Challenge, reply: Reply) {
        if let Some(issued) = self.0.iter_mut().find(|issued| issued.challenge == challenge) {
            issued.answered = Some(reply);
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while self.0.front().is_some_and(|i| now.saturating_duration_since(i.at) > VALID) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::codecs::OPERATOR;
    use actor_runtime::keys::Boot;
    use actor_runtime::wire::UserName;

    fn operator() -> ClientId {
        ClientId { user: UserName::new(OPERATOR).unwrap(), boot: Boot::fresh() }
    }

    #[test]
    fn a_challenge_is_good_once_for_one_asker_and_for_a_short_time() {
        let (mut challenges, now) = (Challenges::default(), Instant::now());
        let (ann, other) = (operator(), operator());
        let challenge = challenges.issue(ann, now);
        assert_eq!(challenges.take(other, challenge, now), Verdict::Refused);
        assert_eq!(challenges.take(ann, Challenge([0; 16]), now), Verdict::Refused);
        assert_eq!(challenges.take(ann, challenge, now + VALID), Verdict::Act);
        challenges.answered(challenge, Reply::Done);
        assert_eq!(challenges.take(ann, challenge, now), Verdict::Answered(Reply::Done));
        let late = now + VALID + Duration::from_millis(1);
        assert_eq!(challenges.take(ann, challenge, late), Verdict::Refused);
        assert_eq!(Challenges::default().take(ann, challenge, now), Verdict::Refused, "restarted");
    }

    #[test]
    fn a_bounded_number_is_remembered() {
        let (mut challenges, now, ann) = (Challenges::default(), Instant::now(), operator());
        let first = challenges.issue(ann, now);
        let rest: Vec<_> = (0..CHALLENGES_MAX).map(|_| challenges.issue(ann, now)).collect();
        assert_eq!(challenges.0.len(), CHALLENGES_MAX);
        assert_eq!(challenges.take(ann, first, now), Verdict::Refused);
        assert_eq!(challenges.take(ann, rest[0], now), Verdict::Act);
    }
}
