//! The session table: replicated state that makes every command take effect exactly once.
//!
//! **Invariants**
//! - *Exactly once, in the client's order*: a command is applied iff its number is one above the
//!   last applied number of its session, and its user is the session's.
//! - *Bounded*: the table holds at most a given number of sessions, a session at most
//!   [`ACKNOWLEDGEMENTS_MAX`] slots; eviction depends on applied commands alone, so all replicas
//!   evict alike.
//! - *Fair*: whoever opens sessions without end loses their own; see `shares.rs` for which goes.
//!
//! **Absent**: who asked, and where answers go (see [`crate::requests`]).
//!
//! **Source**: Ongaro's thesis (2014), section 6.3. A session is found again by its nonce, so that
//! a lost answer to its opening does not leak one. Eviction is our own: the thesis evicts the session
//! longest unused, whosever it is, so that one user could expire everybody's.

use crate::message::Outcome;
use crate::types::{Command, Nonce, Operation, Seq, SessionId, Slot, User, Value};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shares::Shares;
use std::cmp::Ordering;
use std::fmt::{self, Debug, Formatter};
use std::hash::{Hash, Hasher};

mod shares;

/// How many acknowledged slots a session keeps for a client that does not say what it has.
pub const ACKNOWLEDGEMENTS_MAX: usize = 1024;

/// A client's exactly-once context.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Clone, Default)]
pub struct Sessions {
    table: imbl::OrdMap<SessionId, Session>,
    /// Follows from the table, which alone is compared, hashed and stored.
    shares: Shares,
}

impl PartialEq for Sessions {
    fn eq(&self, other: &Self) -> bool {
        self.table == other.table
    }
}

impl Eq for Sessions {}

impl PartialOrd for Sessions {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sessions {
    fn cmp(&self, other: &Self) -> Ordering {
        self.table.cmp(&other.table)
    }
}

impl Hash for Sessions {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.table.hash(state);
    }
}

impl Serialize for Sessions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Sessions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sessions, D::Error> {
        let rows = Vec::deserialize(deserializer)?;
        Sessions::restored(rows, Slot(u64::MAX)).map_err(D::Error::custom)
    }
}

impl Debug for Sessions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("table", &self.table).finish()
    }
}

impl Sessions {
    /// The session of this id.
    pub fn get(&self, id: SessionId) -> Option<&Session> {
        self.table.get(&id)
    }

    /// The session that this user's nonce opened.
    pub fn find(&self, user: &User, nonce: Nonce) -> Option<SessionId> {
        self.shares.find(user, nonce)
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
        let mut restored = Sessions::default();
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
            if restored.table.get_max().is_some_and(|(last, _)| *last >= id) {
                return wrong("it is out of order");
            }
            if restored.find(&session.user, session.nonce).is_some() {
                return wrong("its user has another of the same nonce");
            }
            restored.insert(id, session);
        }
        Ok(restored)
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
                self.insert(id, session);
                self.evict_above(sessions_max);
                Outcome::Opened(id)
            }
            Operation::InSession { session: id, seq, acked_below, .. } => {
                let Some(session) = self.table.get_mut(id) else {
                    return Outcome::NoSession;
                };
                if session.user != command.user {
                    return Outcome::WrongUser;
                }
                self.shares.touch(*id, session, slot);
                session.used = slot;
                session.apply(slot, *seq, *acked_below)
            }
        }
    }

    fn insert(&mut self, id: SessionId, session: Session) {
        self.shares.add(id, &session);
        self.table.insert(id, session);
    }

    /// Evicts sessions of whoever holds the most, those longest unused first.
    fn evict_above(&mut self, sessions_max: usize) {
        while self.table.len() > sessions_max {
            let Some(id) = self.shares.first_to_go() else { return };
            let Some(session) = self.table.remove(&id) else { return };
            self.shares.remove(id, &session);
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
    use quickcheck::quickcheck;
    use std::cmp::Reverse;

    fn command(user: &str, operation: Operation) -> Command {
        Command { stamp: Timestamp(0), user: User::new(user), operation }
    }

    fn open(user: &str, nonce: u64) -> Command {
        command(user, Operation::OpenSession { nonce: Nonce(nonce) })
    }

    fn post(user: &str, session: SessionId, seq: u64, acked_below: u64) -> Command {
        let (seq, acked_below) = (Seq(seq), Seq(acked_below));
        let body = Body::write("hi");
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
        let same = |rows: &mut Rows| {
            (rows[1].1.user, rows[1].1.nonce) = (rows[0].1.user.clone(), rows[0].1.nonce);
        };
        refused(&same, 4, "another of the same nonce");
        refused(
            &|rows| rows[0].1.slots = (1..2000).map(|n| (Seq(n), Slot(1))).collect(),
            4,
            "more acknowledgements",
        );
    }

    /// The sessions that are left.
    fn left(sessions: &Sessions) -> Vec<SessionId> {
        sessions.iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn where_all_hold_one_the_session_longest_unused_is_evicted() {
        let mut sessions = Sessions::default();
        sessions.apply(Slot(0), &Value::batch([open("ann", 1), open("bob", 2)]), 2);
        sessions.apply(Slot(1), &Value::batch([post("ann", id(0, 0), 1, 1)]), 2);
        sessions.apply(Slot(2), &Value::batch([open("cy", 3)]), 2);
        assert_eq!(left(&sessions), [id(0, 0), id(2, 0)]);
    }

    #[test]
    fn whoever_opens_without_end_evicts_their_own() {
        let mut sessions = Sessions::default();
        let others = [open("ann", 1), open("bob", 1), open("bob", 2)];
        sessions.apply(Slot(0), &Value::batch(others), 6);
        for slot in 1..100 {
            let flood = (0..7).map(|n| open("mallory", slot * 10 + n));
            sessions.apply(Slot(slot), &Value::batch(flood), 6);
            sessions.apply(Slot(slot), &Value::batch([post("bob", id(0, 2), slot, slot)]), 6);
        }
        // Ann's and Bob's were never used but for one, and Mallory's at every slot.
        let last = [4, 5, 6].map(|index| id(99, index));
        assert_eq!(left(&sessions), [&[id(0, 0), id(0, 1), id(0, 2)], &last[..]].concat());
    }

    #[test]
    fn a_newcomer_gets_a_session_from_whoever_holds_the_most() {
        let mut sessions = Sessions::default();
        let most = (0..4).map(|n| open("mallory", n));
        sessions.apply(Slot(0), &Value::batch(most.chain([open("ann", 1)])), 5);
        sessions.apply(Slot(1), &Value::batch([post("mallory", id(0, 0), 1, 1)]), 5);
        sessions.apply(Slot(2), &Value::batch([open("bob", 1)]), 5);
        assert_eq!(left(&sessions), [id(0, 0), id(0, 2), id(0, 3), id(0, 4), id(2, 0)]);
    }

    /// Who goes, by a search through the whole table.
    fn first_to_go(sessions: &Sessions) -> Option<SessionId> {
        let held = |user: &User| sessions.iter().filter(|(_, s)| s.user == *user).count();
        let order = |(id, s): &(SessionId, &Session)| (Reverse(held(&s.user)), s.used, *id);
        sessions.iter().min_by_key(order).map(|(id, _)| id)
    }

    quickcheck! {
        fn shares_follow_from_the_table(steps: Vec<(u8, u8, bool)>) -> bool {
            let mut sessions = Sessions::default();
            (0..).zip(steps).all(|(slot, (user, what, opens))| {
                let name = ["ann", "bob", "cy"][usize::from(user % 3)];
                let ids = left(&sessions);
                let command = match ids.get(usize::from(what) % (ids.len() + 1)) {
                    Some(id) if !opens => {
                        let session = sessions.get(*id).unwrap();
                        post(&session.user.0, *id, session.last_seq.0 + 1, 1)
                    }
                    _ => open(name, u64::from(what % 8)),
                };
                let mut unlimited = sessions.clone();
                let value = Value::batch([command]);
                unlimited.apply(Slot(slot), &value, usize::MAX);
                let goes = first_to_go(&unlimited);
                sessions.apply(Slot(slot), &value, 5);
                let rows: Vec<_> = sessions.iter().map(|(id, s)| (id, s.clone())).collect();
                let restored = Sessions::restored(rows, Slot(slot + 1)).unwrap();
                let is_found = |(id, s): (_, &Session)| sessions.find(&s.user, s.nonce) == Some(id);
                let evicted = unlimited.len() > 5;
                sessions.len() <= 5
                    && (!evicted || sessions.get(goes.unwrap()).is_none())
                    && sessions.len() + usize::from(evicted) == unlimited.len()
                    && sessions.shares.first_to_go() == first_to_go(&sessions)
                    && restored.shares.first_to_go() == first_to_go(&sessions)
                    && sessions.iter().all(is_found)
                    && restored == sessions
            })
        }
    }
}
