//! What operators and replicas say to each other: the bodies of their datagrams.
//!
//! **Invariants**
//! - *Every answer names its question*, so that a late one is not taken for another.
//! - *A status is text (JSON)*, so that replicas of several versions can be asked while a cluster is
//!   upgraded.

use actor_runtime::loss::Loss;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// The longest datagram of an operator, in bytes: a header, the name, and a few bytes of question.
pub const QUESTION_BYTES_MAX: usize = 256;

/// What an operator asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Names it, in the operator's process.
    pub id: u64,
    /// What is asked.
    pub request: Request,
}

/// What a replica answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The question.
    pub id: u64,
    /// The answer.
    pub reply: Reply,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// How are you?
    Report,
    /// Make a challenge for an action to come.
    Challenge,
    /// Do this.
    Act {
        /// Made by the replica for this operator's process.
        challenge: Challenge,
        /// What to do.
        action: Action,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// A [`crate::status::Status`] in JSON.
    Report(String),
    /// For one action, within a short time.
    Challenge(Challenge),
    /// It is done.
    Done,
    /// It is not done, for this reason.
    Refused(String),
}

/// 128 random bits that a replica has drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge(pub [u8; 16]);

/// What an operator has a replica do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// A leader steps down: its election timer goes off.
    StepDown,
    /// A follower takes the leader for silent: its election timer goes off, and what it then asks of the
    /// others is lost. So it supports whoever stands next.
    ForgetLeader,
    /// A follower stands for election: its election timer goes off.
    Stand,
    /// Something goes wrong on purpose.
    Fault(Fault),
}

/// A fault to be injected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fault {
    /// The leader jumps over its next slot.
    SkipSlot,
    /// The next sync takes so many milliseconds longer.
    StallDisk(u64),
    /// The process ends at once, as a crash would end it.
    Kill,
    /// So many datagrams are lost from now on, on sending and again on receiving.
    Loss(f64),
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Action::StepDown => f.write_str("step down"),
            Action::ForgetLeader => f.write_str("forget the leader"),
            Action::Stand => f.write_str("stand for election"),
            Action::Fault(Fault::SkipSlot) => f.write_str("skip a slot"),
            Action::Fault(Fault::StallDisk(millis)) => write!(f, "stall the disk for {millis} ms"),
            Action::Fault(Fault::Kill) => f.write_str("end at once"),
            Action::Fault(Fault::Loss(loss)) => write!(f, "lose datagrams with probability {loss}"),
        }
    }
}

impl Fault {
    /// Is this what can be injected?
    ///
    /// # Errors
    /// Says why not.
    pub fn check(&self) -> Result<(), String> {
        use actor_runtime::disk::stall::STALL_MS_MAX;
        match self {
            Fault::StallDisk(millis) if *millis > STALL_MS_MAX => {
                Err(format!("{millis} ms are too long: give at most {STALL_MS_MAX}"))
            }
            Fault::Loss(loss) if Loss::new(*loss).is_none() => {
                Err(format!("{loss} is not a probability: give a number from 0 to 1"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::codecs::OPERATOR;

    #[test]
    fn the_longest_question_fits_its_bound() {
        let challenge = Challenge([255; 16]);
        let action = Action::Fault(Fault::StallDisk(u64::MAX));
        let question = Question { id: u64::MAX, request: Request::Act { challenge, action } };
        let body = postcard::to_stdvec(&question).unwrap();
        assert!(55 + OPERATOR.len() + body.len() + 16 < QUESTION_BYTES_MAX / 2);
    }

    #[test]
    fn impossible_faults_are_refused() {
        assert!(Fault::Loss(f64::NAN).check().is_err() && Fault::Loss(1.1).check().is_err());
        assert!(Fault::StallDisk(u64::MAX).check().is_err());
        assert!(Fault::Loss(1.0).check().is_ok() && Fault::Kill.check().is_ok());
    }
}
