//! A message that took effect, as those who read the log see it.

use super::envelope::{Room, Said};
use paxos_chat::message::{AppliedValue, Outcome};
use paxos_chat::types::{Command, Operation, SessionId, Slot};
use paxos_chat_log as chatlog;
use serde::Serialize;

/// A message that took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Post {
    /// Its slot.
    pub slot: u64,
    /// Its index in the slot's batch.
    pub index: u32,
    /// When it entered the cluster, in milliseconds since the epoch.
    pub time_ms: u64,
    /// Who said it.
    pub user: String,
    /// In which session.
    pub session: String,
    /// Its number there.
    pub seq: u64,
    /// What was said, and in which room.
    #[serde(flatten)]
    pub said: Said,
}

/// The messages that took effect at a slot.
pub fn posts(slot: Slot, AppliedValue { value, outcomes }: &AppliedValue) -> Vec<Post> {
    let commands = (0..).zip(value.commands().iter().zip(outcomes));
    commands
        .filter(|(_, (_, outcome))| **outcome == Outcome::Applied)
        .filter_map(|(index, (command, _))| Post::of(slot, index, command))
        .collect()
}

impl Post {
    fn of(slot: Slot, index: u32, command: &Command) -> Option<Post> {
        let Operation::InSession { session, seq, body, .. } = &command.operation else {
            return None;
        };
        Some(Post {
            slot: slot.0,
            index,
            time_ms: command.stamp.0,
            user: command.user.to_string(),
            session: session.to_string(),
            seq: seq.0,
            said: Said::decode(chatlog::text_of(body)?),
        })
    }

    /// Is it of this session?
    pub fn is_of(&self, session: SessionId) -> bool {
        self.session == session.to_string()
    }

    /// One line for people, with nothing in it that a terminal would act on.
    pub fn to_line(&self) -> String {
        let (user, text) = (chatlog::escaped(&self.user), chatlog::escaped(&self.said.text));
        let time = chatlog::time(paxos_chat::types::Timestamp(self.time_ms));
        let room = match &self.said.room {
            room if *room == Room::default() => String::new(),
            room => format!("#{room} "),
        };
        let says = if self.said.is_action {
            format!("* {user} {text}")
        } else {
            format!("{user}: {text}")
        };
        format!("{} {time} {room}{says}", self.slot)
    }
}
