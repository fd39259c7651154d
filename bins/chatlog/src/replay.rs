//! What the commands of a log came to, found out by whoever reads it.
//!
//! **Absent**: what the log says they came to. The two are equal, which is a judge's to compare.

use paxos_chat::message::Outcome;
use paxos_chat::session::Sessions;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Slot, Value};

/// The session table as far as the log was read, from slot 0 on.
#[derive(Debug, Default)]
pub struct Replay {
    sessions: Sessions,
}

impl Replay {
    /// Applies the next slot; gives what each of its commands came to.
    pub fn outcomes(&mut self, slot: Slot, value: &Value) -> Vec<Outcome> {
        self.sessions.apply(slot, value, Tuning::default().sessions_max)
    }
}
