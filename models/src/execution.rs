//! What a log comes to: the rules of sessions once more, as the properties have them.
//!
//! **Invariants**
//! - *A function of the log and the table's size*: who executes it, when, and whether from a snapshot
//!   does not matter.
//! - *Nothing here calls the protocol's session table*, nor is written like it: users' shares are
//!   counted anew for each eviction, so a mistake there is not made here too.
//! - *Of a session no more is kept than can be asked for*: how many numbers were applied, and the slots
//!   of those that are answered again.
//!
//! **Source**: Ongaro's thesis (2014), section 6.3; which session goes is told in the protocol's
//! `session/shares.rs`.

use actor_checker::intern::{content_hash, spread};
use imbl::OrdMap;
use paxos_chat::message::Outcome;
use paxos_chat::session::{ACKNOWLEDGEMENTS_MAX, Session, Sessions};
use paxos_chat::types::{Command, Nonce, Operation, Seq, SessionId, Slot, User, Value};
use std::collections::{BTreeMap, VecDeque};

/// What was executed so far, and what it has come to.
#[derive(Clone, Debug)]
pub struct Execution {
    sessions_max: usize,
    table: BTreeMap<SessionId, Row>,
    /// The sum of the digests of all rows.
    digest: u64,
    /// The sessions that were evicted, and where.
    evicted: BTreeMap<SessionId, Slot>,
}

/// A session that is open.
#[derive(Clone, Debug)]
struct Row {
    user: User,
    nonce: Nonce,
    /// How many numbers were applied: those from 1 on.
    applied: u64,
    /// The slots of the last ones, which are answered again; the client may know those before.
    slots: VecDeque<Slot>,
    acked_below: Seq,
    used: Slot,
}

impl Execution {
    /// The start of a log, with room for so many sessions.
    pub fn new(sessions_max: usize) -> Execution {
        Execution { sessions_max, table: BTreeMap::new(), digest: 0, evicted: BTreeMap::new() }
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
        self.evicted.contains_key(&session)
    }

    /// The slot at which this session was evicted, if it was, and that is not forgotten.
    pub fn evicted_at(&self, session: SessionId) -> Option<Slot> {
        self.evicted.get(&session).copied()
    }

    /// Forgets that these sessions were evicted below this bound, and says which they are.
    pub fn forget_evicted(&mut self, below: Slot) -> Vec<SessionId> {
        let old: Vec<SessionId> =
            self.evicted.iter().filter(|(_, at)| **at < below).map(|(id, _)| *id).collect();
        for session in &old {
            self.evicted.remove(session);
        }
        old
    }

    /// Is this session in the table?
    pub fn is_open(&self, session: SessionId) -> bool {
        self.table.contains_key(&session)
    }

    /// Is this the table that the log comes to?
    pub fn is_table(&self, sessions: &Sessions) -> bool {
        sessions.len() == self.table.len()
            && sessions
                .iter()
                .all(|(id, session)| self.table.get(&id).is_some_and(|row| row.is_session(session)))
    }

    /// What [`digest_of`] gives for the table that the log comes to.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    fn open(&mut self, id: SessionId, user: &User, nonce: Nonce) -> Outcome {
        let is_same = |row: &Row| row.user == *user && row.nonce == nonce;
        if let Some((known, _)) = self.table.iter().find(|(_, row)| is_same(row)) {
            return Outcome::OpenedBefore(*known);
        }
        let (user, slots, acked_below) = (user.clone(), VecDeque::new(), Seq::FIRST);
        let row = Row { user, nonce, applied: 0, slots, acked_below, used: id.slot };
        self.digest = self.digest.wrapping_add(row.digest(id));
        self.table.insert(id, row);
        while self.table.len() > self.sessions_max {
            let Some(goes) = self.next_to_go() else { break };
            if let Some(row) = self.table.remove(&goes) {
                self.digest = self.digest.wrapping_sub(row.digest(goes));
            }
            self.evicted.insert(goes, id.slot);
        }
        Outcome::Opened(id)
    }

    /// Of those who hold the most sessions, the session longest unused.
    fn next_to_go(&self) -> Option<SessionId> {
        let mut held: BTreeMap<&User, usize> = BTreeMap::new();
        for row in self.table.values() {
            *held.entry(&row.user).or_default() += 1;
        }
        let most = held.values().max()?;
        let of_the_greedy = self.table.iter().filter(|(_, row)| held[&row.user] == *most);
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
        let before = row.head(session);
        row.used = slot;
        let (outcome, change) = row.say(session, slot, seq, acked_below);
        let after = row.head(session);
        self.digest = self.digest.wrapping_sub(before).wrapping_add(after).wrapping_add(change);
        outcome
    }
}

impl Row {
    /// What a number comes to, and by how much it changes the digest of what is answered again.
    fn say(&mut self, id: SessionId, slot: Slot, seq: Seq, acked_below: Seq) -> (Outcome, u64) {
        if seq.0 <= self.applied {
            let remembered = self.remembered().find(|(known, _)| *known == seq);
            return (Outcome::Duplicate(remembered.map(|(_, slot)| slot)), 0);
        }
        if seq.0 > self.applied + 1 {
            return (Outcome::Gap, 0);
        }
        self.applied += 1;
        self.slots.push_back(slot);
        self.acked_below = self.acked_below.max(acked_below);
        let mut change = answer_digest(id, seq, slot);
        while let Some(&at) = self.slots.front()
            && (self.first() < self.acked_below || self.slots.len() > ACKNOWLEDGEMENTS_MAX)
        {
            change = change.wrapping_sub(answer_digest(id, self.first(), at));
            self.slots.pop_front();
        }
        (Outcome::Applied, change)
    }

    /// The first number that is answered again.
    fn first(&self) -> Seq {
        Seq(self.applied + 1 - self.slots.len() as u64)
    }

    /// The numbers that are answered again, each with its slot.
    fn remembered(&self) -> impl Iterator<Item = (Seq, Slot)> {
        (self.first().0..).map(Seq).zip(self.slots.iter().copied())
    }

    fn is_session(&self, session: &Session) -> bool {
        let Session { user, nonce, last_seq, slots, used } = session;
        (user, nonce, last_seq.0, used) == (&self.user, &self.nonce, self.applied, &self.used)
            && self.remembered().eq(slots.iter().map(|(seq, slot)| (*seq, *slot)))
    }

    fn head(&self, id: SessionId) -> u64 {
        head_digest(id, &self.user, self.nonce, Seq(self.applied), self.used)
    }

    fn digest(&self, id: SessionId) -> u64 {
        let answers = self.remembered().map(|(seq, slot)| answer_digest(id, seq, slot));
        answers.fold(self.head(id), u64::wrapping_add)
    }
}

/// What stands for a table of sessions: a sum, so that a row can be changed by itself.
pub fn digest_of(sessions: &Sessions) -> u64 {
    let row = |(id, session): (SessionId, &Session)| {
        let Session { user, nonce, last_seq, slots, used } = session;
        let answers = slots.iter().map(|(seq, slot)| answer_digest(id, *seq, *slot));
        answers.fold(head_digest(id, user, *nonce, *last_seq, *used), u64::wrapping_add)
    };
    sessions.iter().map(row).fold(0, u64::wrapping_add)
}

/// A row but for what is answered again.
fn head_digest(id: SessionId, user: &User, nonce: Nonce, last: Seq, used: Slot) -> u64 {
    content_hash(&(id, user, nonce, last, used))
}

fn answer_digest(id: SessionId, seq: Seq, slot: Slot) -> u64 {
    spread(slot.0, spread(seq.0, spread(id.slot.0, u64::from(id.index))))
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
                    && execution.digest() == digest_of(&sessions)
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
