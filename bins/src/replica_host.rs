//! What a replica's process adds to its actor: who may send it what, time stamps, and the chat
//! log.
//!
//! **Invariants**
//! - *A replica's address never counts as a client's*, nor the other way round.
//! - *A request is stamped where it enters*, and only if it is within the limits of name and text.
//! - *The chat log is written at the end of each turn*, so that it never lags behind an answer by
//!   more than that turn.

use crate::chatlog::{Chain, Entry, LogWriter};
use crate::driver::{Host, Sender};
use paxos_chat::message::{Message, Route};
use paxos_chat::replica::Replica;
use paxos_chat::tuning::{TEXT_BYTES_MAX, USER_BYTES_MAX};
use paxos_chat::types::{Body, Command, Operation, Timestamp};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// The host of a replica.
#[derive(Debug)]
pub struct ReplicaHost<W> {
    users: BTreeSet<String>,
    log: LogWriter<W>,
}

impl<W: Write> ReplicaHost<W> {
    /// Writes what is applied to `log`, and serves these users; all, if there are none.
    pub fn new(log: LogWriter<W>, users: impl IntoIterator<Item = String>) -> ReplicaHost<W> {
        ReplicaHost { users: users.into_iter().collect(), log }
    }

    /// The hash of everything applied.
    pub fn log_chain(&self) -> Chain {
        self.log.chain()
    }

    /// The lines of the chat log, without its header.
    pub fn log_lines(&self) -> u64 {
        self.log.lines()
    }

    fn is_within_limits(&self, command: &Command) -> bool {
        let user = &*command.user.0;
        let is_known = self.users.is_empty() || self.users.contains(user);
        let text_bytes = match &command.operation {
            Operation::InSession { body: Body::Post(text), .. } => text.len(),
            _ => 0,
        };
        is_known && user.len() <= USER_BYTES_MAX && text_bytes <= TEXT_BYTES_MAX
    }
}

impl<W: Write> Host<Replica> for ReplicaHost<W> {
    fn admits(&mut self, from: Sender, message: &mut Message, now: Timestamp) -> bool {
        if !message.is_plausible() {
            return false;
        }
        match (message.route(), from) {
            (Route::Replicas, Sender::Replica) => true,
            (Route::ClientToReplica, Sender::Stranger) => match message {
                Message::Request(command) => {
                    command.stamp = now;
                    self.is_within_limits(command)
                }
                _ => true,
            },
            _ => false,
        }
    }

    fn releases(&mut self, message: &Message) -> bool {
        matches!(message.route(), Route::Replicas | Route::ReplicaToClient)
    }

    fn on_local(&mut self, message: Message) -> io::Result<()> {
        if let Message::Applied { slot, value, outcomes } = message {
            self.log.append(&Entry { slot, value, outcomes })?;
        }
        Ok(())
    }

    fn on_turn_end(&mut self) -> io::Result<()> {
        self.log.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ClusterId;
    use paxos_chat::types::{Ballot, Nonce, Slot, User};

    fn host(users: &[&str]) -> ReplicaHost<Vec<u8>> {
        let log = LogWriter::create(Vec::new(), ClusterId::of("test")).unwrap();
        ReplicaHost::new(log, users.iter().map(|user| (*user).to_owned()))
    }

    fn opening(user: &str) -> Message {
        let operation = Operation::OpenSession { nonce: Nonce(1) };
        Message::Request(Command { stamp: Timestamp(0), user: User::new(user), operation })
    }

    #[test]
    fn senders_may_send_what_is_theirs() {
        let mut host = host(&[]);
        let mut admits = |from, mut message| host.admits(from, &mut message, Timestamp(7));
        let heartbeat = Message::Heartbeat { ballot: Ballot::ZERO, decided_upto: Slot(0) };
        assert!(admits(Sender::Replica, heartbeat.clone()));
        assert!(!admits(Sender::Stranger, heartbeat));
        assert!(admits(Sender::Stranger, opening("ann")));
        assert!(!admits(Sender::Replica, opening("ann")));
        for from in [Sender::Replica, Sender::Stranger] {
            assert!(!admits(from, Message::SkipSlot));
            assert!(!admits(from, Message::Submit(Body::Sync)));
            assert!(!admits(from, Message::Busy));
        }
    }

    #[test]
    fn requests_are_stamped_and_limited() {
        let mut message = opening("ann");
        assert!(host(&[]).admits(Sender::Stranger, &mut message, Timestamp(7)));
        let Message::Request(command) = &message else { panic!("still a request") };
        assert_eq!(command.stamp, Timestamp(7));
        let long = "x".repeat(USER_BYTES_MAX + 1);
        assert!(!host(&[]).admits(Sender::Stranger, &mut opening(&long), Timestamp(7)));
        assert!(host(&["ann"]).admits(Sender::Stranger, &mut opening("ann"), Timestamp(7)));
        assert!(!host(&["ann"]).admits(Sender::Stranger, &mut opening("bob"), Timestamp(7)));
    }

    #[test]
    fn nothing_local_leaves() {
        assert!(!host(&[]).releases(&Message::SkipSlot));
        assert!(host(&[]).releases(&Message::Busy));
    }
}
