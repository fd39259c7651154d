//! What operators and replicas say to each other: the bodies of their datagrams.
//!
//! **Invariants**
//! - *Every answer names its question*, so that a late one is not taken for another.
//! - *A status is text (JSON)*, so that replicas of several versions can be asked while a cluster is
//!   upgraded.

use crate::action::Action;
use actor_runtime::wire::Payload;
use serde::{Deserialize, Serialize};

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

impl Payload for Question {}

impl Payload for Answer {}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Fault;
    use crate::operator::codecs::OPERATOR;

    #[test]
    fn the_longest_question_fits_its_bound() {
        let challenge = Challenge([255; 16]);
        let action = Action::Fault(Fault::StallDisk { millis: u64::MAX });
        let question = Question { id: u64::MAX, request: Request::Act { challenge, action } };
        let body = postcard::to_stdvec(&question).unwrap();
        assert!(57 + OPERATOR.len() + body.len() + 16 < QUESTION_BYTES_MAX / 2);
    }
}
