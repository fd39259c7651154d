//! Asks replicas, from an operator's process.
//!
//! **Invariants**
//! - *A question that gets no answer is asked again* until its time is up, under the same number, and
//!   sealed anew; what it asks for is done at most once (see [`super::challenge`]).
//! - *Only answers to what was asked count*, and only from the replica that was asked.

use super::codecs::of_operator;
use super::message::{Answer, Challenge, Question, Reply, Request};
use crate::action::Action;
use crate::status::Status;
use actor_runtime::addresses::Addresses;
use actor_runtime::keys::Secret;
use actor_runtime::network::{bind_any, to_native};
use actor_runtime::wire::{Codec, DATAGRAM_BYTES_MAX, Peer};
use paxos_chat_config::Config;
use std::io;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// Time before an unanswered question is asked again.
const AGAIN: Duration = Duration::from_millis(150);

/// Why a replica has not done what it was told.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ActError {
    /// It does not answer.
    #[error("replica {0} does not answer, so it may or may not have done it")]
    Silent(u8),
    /// It does not even make a challenge.
    #[error("replica {0} does not answer: is it running, and is the secret its own?")]
    Unreachable(u8),
    /// It refuses.
    #[error("replica {0} refuses: {1}")]
    Refused(u8, String),
}

/// An operator's process.
pub struct Operator {
    socket: UdpSocket,
    is_ipv6: bool,
    codec: Codec,
    addresses: Addresses,
    patience: Duration,
    next_id: u64,
    incoming: Box<[u8]>,
    outgoing: Vec<u8>,
}

struct Inquiry {
    replica: u8,
    question: Question,
    reply: Option<Reply>,
}

impl Operator {
    /// An operator of this cluster, who waits so long for each answer.
    ///
    /// # Errors
    /// When no socket can be bound, or there is no thread to look names up.
    pub fn new(secret: &Secret, config: &Config, patience: Duration) -> io::Result<Operator> {
        Operator::at(config.addresses()?, secret, config, patience)
    }

    /// The same, where the addresses of the replicas are known.
    ///
    /// # Errors
    /// When no socket can be bound.
    pub fn at(
        addresses: Addresses,
        secret: &Secret,
        config: &Config,
        patience: Duration,
    ) -> io::Result<Operator> {
        let socket = bind_any(0, addresses.may_be_ipv6())?;
        Ok(Operator {
            is_ipv6: socket.local_addr()?.is_ipv6(),
            socket,
            codec: of_operator(secret, config),
            addresses,
            patience,
            next_id: 0,
            incoming: vec![0; DATAGRAM_BYTES_MAX + 1].into_boxed_slice(),
            outgoing: Vec::new(),
        })
    }

    /// How many replicas there are.
    pub fn replicas(&self) -> u8 {
        u8::try_from(self.addresses.count()).unwrap_or(u8::MAX)
    }

    /// How all replicas are; `None` for those that do not answer.
    ///
    /// # Errors
    /// When the own socket fails.
    pub fn statuses(&mut self) -> io::Result<Vec<Option<Status>>> {
        let all: Vec<u8> = (0..self.replicas()).collect();
        self.statuses_of(&all)
    }

    /// How a replica is; `None` if it does not answer.
    ///
    /// # Errors
    /// When the own socket fails.
    pub fn status(&mut self, replica: u8) -> io::Result<Option<Status>> {
        Ok(self.statuses_of(&[replica])?.pop().flatten())
    }

    fn statuses_of(&mut self, replicas: &[u8]) -> io::Result<Vec<Option<Status>>> {
        let all = replicas.iter().map(|id| (*id, Request::Report)).collect();
        let read = |reply: Option<Reply>| match reply {
            Some(Reply::Report(text)) => serde_json::from_str(&text).ok(),
            _ => None,
        };
        Ok(self.ask(all)?.into_iter().map(read).collect())
    }

    /// Challenges of these replicas, for actions that are to follow at once.
    ///
    /// # Errors
    /// When the own socket fails.
    pub fn challenges(&mut self, replicas: &[u8]) -> io::Result<Vec<Option<Challenge>>> {
        let all = replicas.iter().map(|id| (*id, Request::Challenge)).collect();
        let read = |reply: Option<Reply>| match reply {
            Some(Reply::Challenge(challenge)) => Some(challenge),
            _ => None,
        };
        Ok(self.ask(all)?.into_iter().map(read).collect())
    }

    /// Has replicas do something, each with a challenge of its own.
    ///
    /// # Errors
    /// When the own socket fails.
    pub fn act_with(
        &mut self,
        actions: &[(u8, Challenge, Action)],
    ) -> io::Result<Vec<Result<(), ActError>>> {
        let request = |(id, challenge, action): &(u8, Challenge, Action)| {
            (*id, Request::Act { challenge: *challenge, action: *action })
        };
        let replies = self.ask(actions.iter().map(request).collect())?;
        let outcome = |((id, ..), reply): (&(u8, _, _), Option<Reply>)| match reply {
            Some(Reply::Done) => Ok(()),
            Some(Reply::Refused(reason)) => Err(ActError::Refused(*id, reason)),
            Some(_) | None => Err(ActError::Silent(*id)),
        };
        Ok(actions.iter().zip(replies).map(outcome).collect())
    }

    /// Has a replica do something.
    ///
    /// # Errors
    /// When the own socket fails.
    pub fn act(&mut self, replica: u8, action: Action) -> io::Result<Result<(), ActError>> {
        let Some(challenge) = self.challenges(&[replica])?.into_iter().flatten().next() else {
            return Ok(Err(ActError::Unreachable(replica)));
        };
        let mut outcomes = self.act_with(&[(replica, challenge, action)])?;
        Ok(outcomes.pop().unwrap_or(Err(ActError::Silent(replica))))
    }

    /// Asks all of this at once, and waits until everything is answered or the time is up.
    fn ask(&mut self, requests: Vec<(u8, Request)>) -> io::Result<Vec<Option<Reply>>> {
        let mut inquiries = Vec::new();
        for (replica, request) in requests {
            let id = self.next_id;
            self.next_id += 1;
            inquiries.push(Inquiry { replica, question: Question { id, request }, reply: None });
        }
        let deadline = Instant::now() + self.patience;
        while inquiries.iter().any(|inquiry| inquiry.reply.is_none()) && Instant::now() < deadline {
            for inquiry in inquiries.iter().filter(|inquiry| inquiry.reply.is_none()) {
                self.send(inquiry.replica, &inquiry.question);
            }
            let again = deadline.min(Instant::now() + AGAIN);
            self.hear(&mut inquiries, again)?;
        }
        Ok(inquiries.into_iter().map(|inquiry| inquiry.reply).collect())
    }

    /// What cannot be sent is a lost question.
    fn send(&mut self, replica: u8, question: &Question) {
        self.addresses.asked(replica.into());
        let known = self.addresses.known();
        let Some(address) = known.get(usize::from(replica)).copied().flatten() else { return };
        if self.codec.seal(Peer::Replica(replica), question, &mut self.outgoing).is_ok() {
            let _ = self.socket.send_to(&self.outgoing, to_native(address, self.is_ipv6));
        }
    }

    /// Takes answers until there are no more to come, or until then.
    fn hear(&mut self, inquiries: &mut [Inquiry], until: Instant) -> io::Result<()> {
        use io::ErrorKind::*;
        while inquiries.iter().any(|inquiry| inquiry.reply.is_none()) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.socket.set_read_timeout(Some(left))?;
            let length = match self.socket.recv(&mut self.incoming) {
                Ok(length) => length,
                Err(error) => match error.kind() {
                    // The latter report that a replica is not there.
                    WouldBlock | TimedOut | Interrupted | ConnectionRefused | ConnectionReset
                    | HostUnreachable | NetworkUnreachable | NetworkDown => continue,
                    _ => return Err(error),
                },
            };
            let opened = self.codec.open::<Answer>(&mut self.incoming[..length]);
            let Ok((Peer::Replica(from), Answer { id, reply })) = opened else { continue };
            let is_it =
                |inquiry: &&mut Inquiry| inquiry.question.id == id && inquiry.replica == from;
            if let Some(inquiry) = inquiries.iter_mut().find(is_it) {
                self.addresses.heard(from.into());
                inquiry.reply = Some(reply);
            }
        }
        Ok(())
    }
}
