//! The session table: replicated state that makes every command take effect exactly once.
//!
//! **Invariants**
//! - *Exactly once, in the client's order*: a command is applied iff its number is one above the
//!   last applied number of its session, and its user is the session's.
//! - *Bounded*: the table holds at most a given number of sessions, a session at most
//!   [`ACKNOWLEDGEMENTS_MAX`] slots; eviction depends on applied commands alone, so all replicas
//!   evict alike.
//!
//! **Absent**: who asked, and where answers go (see [`crate::requests`]).
//!
//! **Source**: Ongaro's thesis (2014), section 6.3. A session is found again by its nonce, so that
//! a lost answer to its opening does not leak one.

use crate::message::Outcome;
use crate::types::{Command, Nonce, Operation, Seq, SessionId, Slot, User, Value};
use std::fmt::{self, Debug, Formatter};

/// How many acknowledged slots a session keeps for a client that does not say what it has.
pub const ACKNOWLEDGEMENTS_MAX: usize = 1024;

/// A client's exactly-once context.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    /// Whose session it is.
    pub user: User,
    /// The nonce that opened it.
    pub nonce: Nonce,
    /// The number of the last command applied; 0 before the first.
    pub last_seq: Seq,
    /// The slots of applied commands that the client may not know yet.
    pub slots: imbl::OrdMap<Seq, Slot>,
    /// The slot of the last command that named this session.
    pub used: Slot,
}

impl Debug for Session {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{} at {:?}", self.user, self.last_seq, self.slots)
    }
}

/// All sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sessions {
    table: imbl::OrdMap<SessionId, Session>,
}

impl Sessions {
    /// The session of this id.
    pub fn get(&self, id: SessionId) -> Option<&Session> {
        self.table.get(&id)
    }

    /// The session that this user's nonce opened.
    pub fn find(&self, user: &User, nonce: Nonce) -> Option<SessionId> {
        let opened = |session: &Session| session.nonce == nonce && session.user == *user;
        self.table.iter().find(|(_, session)| opened(session)).map(|(id, _)| *id)
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Are there no sessions?
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// All sessions in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.table.iter().map(|(id, session)| (*id, session))
    }

    /// The table with these sessions, as it was when everything below `upto` had been applied.
    ///
    /// # Errors
    /// Says what is wrong, if applying such a log can't lead to it.
    pub fn restored(
        sessions: impl IntoIterator<Item = (SessionId, Session)>,
        upto: Slot,
    ) -> Result<Sessions, String> {
        let mut table = imbl::OrdMap::new();
        for (id, session) in sessions {
            let wrong = |what: &str| Err(format!("session {id}: {what}"));
            if session.used < id.slot || session.used >= upto {
                return wrong("it was not used between its opening and the table's bound");
            }
            if session.slots.len() > ACKNOWLEDGEMENTS_MAX {
                return wrong("it has more acknowledgements than a session keeps");
            }
            let held = session.slots.iter();
            if !held.map(|(_, slot)| *slot).is_sorted()
                || session.slots.values().any(|slot| *slot < id.slot || *slot > session.used)
                || session.slots.get_max().is_some_and(|(seq, _)| *seq > session.last_seq)
            {
                return wrong("its acknowledgements are not those of what it has applied");
            }
            if table.get_max().is_some_and(|(last, _)| *last >= id) {
                return wrong("it is out of order");
            }
            table.insert(id, session);
        }
        Ok(Sessions { table })
    }

    /// Applies the value of a slot and says what each of its commands came to.
    pub fn apply(&mut self, slot: Slot, value: &Value, sessions_max: usize) -> Vec<Outcome> {
        let apply_one = |(index, command)| self.apply_command(slot, index, command, sessions_max);
        (0..).zip(value.commands()).map(apply_one).collect()
    }

    fn apply_command(
        &mut self,
        slot: Slot,
        index: u32,
        command: &Command,
        sessions_max: usize,
    ) -> Outcome {
        match &command.operation {
            Operation::OpenSession { nonce } => {
                if let Some(session) = self.find(&command.user, *nonce) {
                    return Outcome::OpenedBefore(session);
                }
                let id = SessionId { slot, index };
                let session = Session {
                    user: command.user.clone(),
                    nonce: *nonce,
                    last_seq: Seq(0),
                    slots: imbl::OrdMap::new(),
                    used: slot,
                };
                self.table.insert(id, session);
                self.evict_above(sessions_max);
                Outcome::Opened(id)
            }
            Operation::InSession { session, seq, acked_below, .. } => {
                let Some(session) = self.table.get_mut(session) else {
                    return Outcome::NoSession;
                };
                if session.user != command.user {
                    return Outcome::WrongUser;
                }
                session.used = slot;
                session.apply(slot, *seq, *acked_below)
            }
        }
    }

    /// Evicts the session longest unused; of several, the one with the lowest id.
    fn evict_above(&mut self, sessions_max: usize) {
        while self.table.len() > sessions_max {
            let oldest = self.table.iter().min_by_key(|(id, session)| (session.used, **id));
            let Some((&oldest, _)) = oldest else { return };
            self.table.remove(&oldest);
        }
    }
}

impl Session {
    fn apply(&mut self, slot: Slot, seq: Seq, acked_below: Seq) -> Outcome {
        if seq <= self.last_seq {
            return Outcome::Duplicate(self.slots.get(&seq).copied());
        }
        if seq != self.last_seq.next() {
            return Outcome::Gap;
        }
        self.last_seq = seq;
        self.slots.insert(seq, slot);
        while let Some(&(first, _)) = self.slots.get_min() {
            if first >= acked_below && self.slots.len() <= ACKNOWLEDGEMENTS_MAX {
                break;
            }
            self.slots.remove(&first);
        }
        Outcome::Applied
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Body, Timestamp};

    fn command(user: &str, operation: Operation) -> Command {
        Command { stamp: Timestamp(0), user: User::new(user), operation }
    }

    fn open(user: &str, nonce: u64) -> Command {
        command(user, Operation::OpenSession { nonce: Nonce(nonce) })
    }

    fn post(user: &str, session: SessionId, seq: u64, acked_below: u64) -> Command {
        let (seq, acked_below) = (Seq(seq), Seq(acked_below));
        let body = Body::post("hi");
        command(user, Operation::InSession { session, seq, acked_below, body })
    }

    fn id(slot: u64, index: u32) -> SessionId {
        SessionId { slot: Slot(slot), index }
    }

    #[test]
    fn sessions_opened_in_one_batch_differ() {
        let mut sessions = Sessions::default();
        let batch = Value::batch([open("ann", 1), open("bob", 2)]);
        let outcomes = sessions.apply(Slot(4), &batch, 9);
        assert_eq!(outcomes, [Outcome::Opened(id(4, 0)), Outcome::Opened(id(4, 1))]);
    }

    #[test]
    fn a_retried_opening_finds_its_session_and_another_user_does_not() {
        let mut sessions = Sessions::default();
        sessions.apply(Slot(0), &Value::batch([open("ann", 1)]), 9);
        let batch = Value::batch([open("ann", 1), open("bob", 1)]);
        let outcomes = sessions.apply(Slot(1), &batch, 9);
        assert_eq!(outcomes, [Outcome::OpenedBefore(id(0, 0)), Outcome::Opened(id(1, 1))]);
    }

    #[test]
    fn a_command_applies_once_and_in_order() {
        let mut sessions = Sessions::default();
        sessions.apply(Slot(0), &Value::batch([open("ann", 1)]), 9);
        let session = id(0, 0);
        let batch = Value::batch([
            post("ann", session, 2, 1),
            post("ann", session, 1, 1),
            post("ann", session, 1, 1),
            post("bob", session, 2, 1),
            post("ann", id(7, 0), 2, 1),
        ]);
        let expected = [
            Outcome::Gap,
            Outcome::Applied,
            Outcome::Duplicate(Some(Slot(1))),
            Outcome::WrongUser,
            Outcome::NoSession,
        ];
        assert_eq!(sessions.apply(Slot(1), &batch, 9), expected);
    }

    #[test]
    fn slots_are_kept_for_the_client_s_window() {
        let mut sessions = Sessions::default();
        sessions.apply(Slot(0), &Value::batch([open("ann", 1)]), 9);
        let session = id(0, 0);
        for seq in 1..=5 {
            let acked_below = seq.max(3) - 2;
            sessions.apply(Slot(seq), &Value::batch([post("ann", session, seq, acked_below)]), 9);
        }
        let kept: Vec<u64> = sessions.get(session).unwrap().slots.keys().map(|s| s.0).collect();
        assert_eq!(kept, [3, 4, 5]);
        let batch = Value::batch([post("ann", session, 1, 1), post("ann", session, 4, 3)]);
        let expected = [Outcome::Duplicate(None), Outcome::Duplicate(Some(Slot(4)))];
        assert_eq!(sessions.apply(Slot(6), &batch, 9), expected);
    }

    #[test]
    fn a_table_is_restored_from_its_sessions_and_only_if_they_can_be_such() {
        let mut sessions = Sessions::default();
        sessions.apply(Slot(0), &Value::batch([open("ann", 1), open("bob", 2)]), 9);
        sessions.apply(Slot(3), &Value::batch([post("ann", id(0, 0), 1, 1)]), 9);
        let rows = || sessions.iter().map(|(id, session)| (id, session.clone()));
        assert_eq!(Sessions::restored(rows(), Slot(4)).as_ref(), Ok(&sessions));
        type Rows = Vec<(SessionId, Session)>;
        let refused = |change: &dyn Fn(&mut Rows), upto, what: &str| {
            let mut rows: Vec<_> = rows().collect();
            change(&mut rows);
            let error = Sessions::restored(rows, Slot(upto)).expect_err(what);
            assert!(error.contains(what), "{error}");
        };
        refused(&|_| {}, 3, "not used between");
        refused(&|rows| rows[0].1.used = Slot(2), 4, "not those of what it has applied");
        refused(&|rows| rows[0].1.last_seq = Seq(0), 4, "not those of what it has applied");
        refused(&|rows| rows.swap(0, 1), 4, "out of order");
        refused(&|rows| rows[1].0 = id(0, 0), 4, "out of order");
        refused(
            &|rows| rows[0].1.slots = (1..2000).map(|n| (Seq(n), Slot(1))).collect(),
            4,
            "more acknowledgements",
        );
    }

    #[test]
    fn the_session_longest_unused_is_evicted() {
        let mut sessions = Sessions::default();
        sessions.apply(Slot(0), &Value::batch([open("ann", 1), open("bob", 2)]), 2);
        sessions.apply(Slot(1), &Value::batch([post("ann", id(0, 0), 1, 1)]), 2);
        sessions.apply(Slot(2), &Value::batch([open("cy", 3)]), 2);
        let left: Vec<SessionId> = sessions.iter().map(|(id, _)| id).collect();
        assert_eq!(left, [id(0, 0), id(2, 0)]);
    }
}
