//! What a log comes to: the rules of sessions once more, as the properties have them.
//!
//! **Invariants**
//! - *A function of the log and the table's size*: who executes it, when, and whether from a snapshot
//!   does not matter.
//! - *Nothing here calls the protocol's session table*, nor is written like it: users' shares are
//!   counted anew for each eviction, so a mistake there is not made here too.
//!
//! **Absent**: speed. The logs of models have a few entries.
//!
//! **Source**: Ongaro's thesis (2014), section 6.3; which session goes is told in the protocol's
//! `session/shares.rs`.

use imbl::OrdMap;
use paxos_chat::message::Outcome;
use paxos_chat::session::{ACKNOWLEDGEMENTS_MAX, Session, Sessions};
use paxos_chat::types::{Command, Nonce, Operation, Seq, SessionId, Slot, User, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What was executed so far, and what it has come to.
#[derive(Clone, Debug)]
pub struct Execution {
    sessions_max: usize,
    table: BTreeMap<SessionId, Row>,
    evicted: BTreeSet<SessionId>,
}

/// A session that is open.
#[derive(Clone, Debug)]
struct Row {
    user: User,
    nonce: Nonce,
    /// Every number that was applied, in order, with its slot; the client may know the first ones.
    applied: Vec<(Seq, Slot)>,
    acked_below: Seq,
    used: Slot,
}

impl Execution {
    /// The start of a log, with room for so many sessions.
    pub fn new(sessions_max: usize) -> Execution {
        Execution { sessions_max, table: BTreeMap::new(), evicted: BTreeSet::new() }
    }

    /// A log up to this bound, or up to its first gap.
    pub fn of(log: &OrdMap<Slot, Value>, upto: Slot, sessions_max: usize) -> Execution {
        let mut execution = Execution::new(sessions_max);
        for slot in Slot(0).upto(upto) {
            let Some(value) = log.get(&slot) else { break };
            execution.execute(slot, value);
        }
        execution
    }

    /// Executes the next value, and says what each of its commands comes to.
    pub fn execute(&mut self, slot: Slot, value: &Value) -> Vec<Outcome> {
        let commands = (0..).zip(value.commands());
        commands
            .map(|(index, command)| match &command.operation {
                Operation::OpenSession { nonce } => {
                    self.open(SessionId { slot, index }, &command.user, *nonce)
                }
                Operation::InSession { session, seq, acked_below, .. } => {
                    self.say(slot, command, *session, *seq, *acked_below)
                }
            })
            .collect()
    }

    /// Was this session opened, and evicted since?
    pub fn has_evicted(&self, session: SessionId) -> bool {
        self.evicted.contains(&session)
    }

    /// Is this the table that the log comes to?
    pub fn is_table(&self, sessions: &Sessions) -> bool {
        sessions.len() == self.table.len()
            && sessions
                .iter()
                .all(|(id, session)| self.table.get(&id).is_some_and(|row| row.is_session(session)))
    }

    fn open(&mut self, id: SessionId, user: &User, nonce: Nonce) -> Outcome {
        let is_same = |row: &Row| row.user == *user && row.nonce == nonce;
        if let Some((known, _)) = self.table.iter().find(|(_, row)| is_same(row)) {
            return Outcome::OpenedBefore(*known);
        }
        let user = user.clone();
        let (applied, acked_below, used) = (Vec::new(), Seq::FIRST, id.slot);
        self.table.insert(id, Row { user, nonce, applied, acked_below, used });
        while self.table.len() > self.sessions_max {
            let Some(goes) = self.next_to_go() else { break };
            self.table.remove(&goes);
            self.evicted.insert(goes);
        }
        Outcome::Opened(id)
    }

    /// Of those who hold the most sessions, the session longest unused.
    fn next_to_go(&self) -> Option<SessionId> {
        let held = |user: &User| self.table.values().filter(|row| row.user == *user).count();
        let most = self.table.values().map(|row| held(&row.user)).max()?;
        let of_the_greedy = self.table.iter().filter(|(_, row)| held(&row.user) == most);
        of_the_greedy.map(|(id, row)| (row.used, *id)).min().map(|(_, id)| id)
    }

    fn say(
        &mut self,
        slot: Slot,
        command: &Command,
        session: SessionId,
        seq: Seq,
        acked_below: Seq,
    ) -> Outcome {
        let Some(row) = self.table.get_mut(&session) else { return Outcome::NoSession };
        if row.user != command.user {
            return Outcome::WrongUser;
        }
        row.used = slot;
        let last = row.applied.len() as u64;
        if seq.0 <= last {
            let remembered = row.remembered().find(|(known, _)| *known == seq);
            return Outcome::Duplicate(remembered.map(|(_, slot)| slot));
        }
        if seq.0 > last + 1 {
            return Outcome::Gap;
        }
        row.applied.push((seq, slot));
        row.acked_below = row.acked_below.max(acked_below);
        Outcome::Applied
    }
}

impl Row {
    /// The numbers that are answered again, each with its slot.
    fn remembered(&self) -> impl Iterator<Item = (Seq, Slot)> {
        let first = self.applied.len().saturating_sub(ACKNOWLEDGEMENTS_MAX);
        self.applied[first..].iter().copied().filter(|(seq, _)| *seq >= self.acked_below)
    }

    fn is_session(&self, session: &Session) -> bool {
        let Session { user, nonce, last_seq, slots, used } = session;
        (user, nonce, last_seq.0, used)
            == (&self.user, &self.nonce, self.applied.len() as u64, &self.used)
            && self.remembered().eq(slots.iter().map(|(seq, slot)| (*seq, *slot)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxos_chat::types::{Body, Timestamp};
    use quickcheck::quickcheck;

    /// A command from a few numbers: few users, nonces, sessions and numbers, so that they meet.
    fn command((kind, user, session, seq): (bool, u8, (u8, u8), u8)) -> Command {
        let operation = if kind {
            Operation::OpenSession { nonce: Nonce(u64::from(seq % 3)) }
        } else {
            let id = SessionId { slot: Slot(u64::from(session.0 % 8)), index: 0 };
            let (seq, acked) = (u64::from(seq % 4), u64::from(session.1 % 4));
            let (seq, acked_below) = (Seq(seq), Seq(acked.min(seq)));
            Operation::InSession { session: id, seq, acked_below, body: Body::Sync }
        };
        let user = User::new(["ann", "bob", "cy"][usize::from(user % 3)]);
        Command { stamp: Timestamp(0), user, operation }
    }

    quickcheck! {
        /// Two ways to the same table, the protocol's and this one.
        fn the_protocol_s_table_is_this_one(
            commands: Vec<(bool, u8, (u8, u8), u8)>,
            room: u8
        ) -> bool {
            let sessions_max = usize::from(room % 4) + 1;
            let mut execution = Execution::new(sessions_max);
            let mut sessions = Sessions::default();
            (0..).map(Slot).zip(commands).all(|(slot, of)| {
                let value = Value::batch([command(of)]);
                execution.execute(slot, &value) == sessions.apply(slot, &value, sessions_max)
                    && execution.is_table(&sessions)
            })
        }
    }

    #[test]
    fn a_session_is_evicted_once_and_for_good() {
        let mut execution = Execution::new(1);
        let open = |user: u8| Value::batch([command((true, user, (0, 0), 0))]);
        let first = SessionId { slot: Slot(0), index: 0 };
        execution.execute(Slot(0), &open(0));
        assert!(!execution.has_evicted(first));
        execution.execute(Slot(1), &open(1));
        assert!(execution.has_evicted(first));
        assert!(!execution.has_evicted(SessionId { slot: Slot(1), index: 0 }));
        assert!(!execution.has_evicted(SessionId { slot: Slot(7), index: 0 }), "never opened");
    }
}
