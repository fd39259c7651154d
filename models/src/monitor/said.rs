//! What users have said: the bodies that each client was handed, by their numbers, and what became of them.
//!
//! A *talk* is what a client says under one nonce: its first body has number 1. What counts is what a person
//! submits, and never what a client makes of it.
//!
//! **Invariant — bounded**: of a talk those numbers are kept that are not acknowledged, and a few before them. A talk
//! whose client has begun another is kept while its session is open, or it is one of the last.

use actor_checker::intern::content_hash;
use paxos_chat::types::{Body, Command, Nonce, Operation, Seq, SessionId, Slot, User};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What stands for a user and a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TalkId(u64);

impl TalkId {
    pub(super) fn of(user: &User, nonce: Nonce) -> TalkId {
        TalkId(content_hash(&(user, nonce)))
    }
}

/// So many acknowledged numbers of a talk are kept.
const ACKNOWLEDGED_KEPT: usize = 64;
/// So many talks are kept whose clients have begun others.
const ENDED_KEPT: usize = 1024;

/// A body that was submitted.
#[derive(Clone, Copy, Debug)]
struct Number {
    body: u64,
    /// Where it was applied.
    slot: Option<Slot>,
    is_acknowledged: bool,
}

#[derive(Debug)]
struct Talk {
    user: User,
    /// The number of the first that is kept.
    first: Seq,
    numbers: VecDeque<Number>,
    /// The sessions that its nonce has opened: one, unless that was evicted.
    sessions: Vec<SessionId>,
}

/// What is known of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It was said, and applied here.
    Said(Option<Slot>),
    /// It was acknowledged long ago.
    Old,
    /// Nobody has said it.
    Never,
}

/// Everything that was said.
#[derive(Debug, Default)]
pub(super) struct Said {
    users: BTreeSet<User>,
    talks: BTreeMap<TalkId, Talk>,
    sessions: BTreeMap<SessionId, TalkId>,
    /// Talks whose clients have begun others, the oldest first.
    ended: VecDeque<TalkId>,
}

impl Said {
    /// A talk begins, with these bodies under their numbers. What is missing between them was acknowledged before.
    pub(super) fn begin<'a>(
        &mut self,
        id: TalkId,
        user: &User,
        bodies: impl IntoIterator<Item = (Seq, &'a Body)>,
    ) {
        if !self.users.contains(user) {
            self.users.insert(user.clone());
        }
        let mut bodies = bodies.into_iter().peekable();
        let first = bodies.peek().map_or(Seq::FIRST, |(seq, _)| *seq);
        let mut numbers = VecDeque::new();
        for (seq, body) in bodies {
            let over = Number { is_acknowledged: true, ..Number::new(body) };
            numbers.resize(usize::try_from(seq.0 - first.0).unwrap_or(0), over);
            numbers.push_back(Number::new(body));
        }
        let opened = self.sessions.iter().filter(|(_, talk)| **talk == id);
        let sessions = opened.map(|(session, _)| *session).collect();
        self.talks.insert(id, Talk { user: user.clone(), first, numbers, sessions });
    }

    /// The next number that is submitted in a talk is this one.
    pub(super) fn go_on_from(&mut self, id: TalkId, next: Seq) {
        if let Some(talk) = self.talks.get_mut(&id).filter(|talk| talk.numbers.is_empty()) {
            talk.first = next;
        }
    }

    /// Has this talk begun?
    pub(super) fn has(&self, id: TalkId) -> bool {
        self.talks.contains_key(&id)
    }

    /// A person submits this.
    pub(super) fn submit(&mut self, id: TalkId, body: &Body) {
        if let Some(talk) = self.talks.get_mut(&id) {
            talk.numbers.push_back(Number::new(body));
        }
    }

    /// A client has crashed, and what was submitted from this number on is lost.
    pub(super) fn forget_from(&mut self, id: TalkId, next: Seq) {
        if let Some(talk) = self.talks.get_mut(&id) {
            let kept = next.0.saturating_sub(talk.first.0);
            talk.numbers.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        }
    }

    /// The client of this talk has begun another. Of the oldest such ones, one is dropped whose session is closed.
    pub(super) fn end(&mut self, id: TalkId, is_open: impl Fn(SessionId) -> bool) {
        self.ended.push_back(id);
        if self.ended.len() <= ENDED_KEPT {
            return;
        }
        let Some(oldest) = self.ended.pop_front() else { return };
        let Some(talk) = self.talks.get(&oldest) else { return };
        if talk.sessions.iter().any(|session| is_open(*session)) {
            self.ended.push_back(oldest);
        } else if let Some(talk) = self.talks.remove(&oldest) {
            for session in talk.sessions {
                self.sessions.remove(&session);
            }
        }
    }

    /// The nonce of a talk has opened this session.
    pub(super) fn open(&mut self, session: SessionId, user: &User, nonce: Nonce) {
        let id = TalkId::of(user, nonce);
        self.sessions.insert(session, id);
        if let Some(talk) = self.talks.get_mut(&id) {
            talk.sessions.push(session);
        }
    }

    /// This session was evicted long ago. If nobody has talked in it, nobody will.
    pub(super) fn close(&mut self, session: SessionId) {
        if self.sessions.get(&session).is_some_and(|id| !self.talks.contains_key(id)) {
            self.sessions.remove(&session);
        }
    }

    /// Is this session one in which somebody may talk?
    pub(super) fn knows(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// What is known of a command: of an opening, whether its user is known.
    pub(super) fn known(&self, command: &Command) -> Known {
        let Operation::InSession { session, seq, body, .. } = &command.operation else {
            let is_known = self.users.contains(&command.user);
            return if is_known { Known::Said(None) } else { Known::Never };
        };
        let talk = self.sessions.get(session).and_then(|id| self.talks.get(id));
        match talk.filter(|talk| talk.user == command.user) {
            Some(talk) if *seq < talk.first => Known::Old,
            Some(talk) => match talk.number(*seq) {
                Some(number) if number.body == content_hash(body) => Known::Said(number.slot),
                _ => Known::Never,
            },
            None => Known::Never,
        }
    }

    /// A number of a session was applied here.
    pub(super) fn apply(&mut self, session: SessionId, seq: Seq, slot: Slot) {
        let talk = self.sessions.get(&session).and_then(|id| self.talks.get_mut(id));
        if let Some(number) = talk.and_then(|talk| talk.number_mut(seq)) {
            number.slot = Some(slot);
        }
    }

    /// Where a number of a session was applied; `None` if that is not known any more.
    pub(super) fn applied(&self, session: SessionId, seq: Seq) -> Option<Option<Slot>> {
        self.sessions.get(&session).and_then(|id| self.applied_in(*id, seq))
    }

    /// The same of a talk.
    pub(super) fn applied_in(&self, id: TalkId, seq: Seq) -> Option<Option<Slot>> {
        let talk = self.talks.get(&id)?;
        if seq < talk.first { None } else { Some(talk.number(seq).and_then(|number| number.slot)) }
    }

    /// Its client was told that a number is acknowledged; or it has forgotten that in a crash.
    pub(super) fn acknowledge(&mut self, id: TalkId, seq: Seq, is_acknowledged: bool) {
        if let Some(number) = self.talks.get_mut(&id).and_then(|talk| talk.number_mut(seq)) {
            number.is_acknowledged = is_acknowledged;
        }
    }

    /// What its client knows now it will not forget.
    pub(super) fn trim(&mut self, id: TalkId) {
        let Some(talk) = self.talks.get_mut(&id) else { return };
        while talk.numbers.get(ACKNOWLEDGED_KEPT).is_some_and(|number| number.is_acknowledged)
            && talk.numbers.front().is_some_and(|number| number.is_acknowledged)
        {
            talk.numbers.pop_front();
            talk.first = talk.first.next();
        }
    }

    /// Was its client told that a number of this session is acknowledged?
    pub(super) fn is_acknowledged(&self, session: SessionId, seq: Seq) -> bool {
        let talk = self.sessions.get(&session).and_then(|id| self.talks.get(id));
        talk.is_some_and(|talk| {
            seq < talk.first || talk.number(seq).is_some_and(|number| number.is_acknowledged)
        })
    }

    /// How many numbers are kept.
    pub(super) fn len(&self) -> usize {
        self.talks.values().map(|talk| talk.numbers.len()).sum()
    }
}

impl Number {
    fn new(body: &Body) -> Number {
        Number { body: content_hash(body), slot: None, is_acknowledged: false }
    }
}

impl Talk {
    fn place(&self, seq: Seq) -> Option<usize> {
        usize::try_from(seq.0.checked_sub(self.first.0)?).ok()
    }

    fn number(&self, seq: Seq) -> Option<&Number> {
        self.numbers.get(self.place(seq)?)
    }

    fn number_mut(&mut self, seq: Seq) -> Option<&mut Number> {
        let place = self.place(seq)?;
        self.numbers.get_mut(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxos_chat::types::Timestamp;

    const SESSION: SessionId = SessionId { slot: Slot(7), index: 0 };

    fn ann() -> User {
        User::new("ann")
    }

    fn body(number: u64) -> Body {
        Body::write(format!("{number}"))
    }

    /// A talk in a session, in which this many were submitted.
    fn talk(numbers: u64) -> (Said, TalkId) {
        let (mut said, id) = (Said::default(), TalkId::of(&ann(), Nonce(1)));
        said.begin(id, &ann(), []);
        said.open(SESSION, &ann(), Nonce(1));
        (1..=numbers).for_each(|number| said.submit(id, &body(number)));
        (said, id)
    }

    fn command(user: &str, seq: u64, body: Body) -> Command {
        let (seq, acked_below) = (Seq(seq), Seq::FIRST);
        let operation = Operation::InSession { session: SESSION, seq, acked_below, body };
        Command { stamp: Timestamp(0), user: User::new(user), operation }
    }

    #[test]
    fn a_body_is_known_by_its_number_and_its_user() {
        let (said, _) = talk(2);
        assert_eq!(said.known(&command("ann", 2, body(2))), Known::Said(None));
        assert_eq!(said.known(&command("ann", 1, body(2))), Known::Never);
        assert_eq!(said.known(&command("ann", 3, body(3))), Known::Never);
        assert_eq!(said.known(&command("bob", 2, body(2))), Known::Never);
    }

    #[test]
    fn who_comes_from_before_goes_on_under_its_numbers() {
        let (mut said, id) = talk(0);
        said.begin(id, &ann(), [(Seq(5), &body(5)), (Seq(8), &body(8)), (Seq(9), &body(9))]);
        said.submit(id, &body(10));
        for (seq, is_over) in [(4, true), (5, false), (6, true), (7, true), (8, false), (10, false)]
        {
            assert_eq!(said.is_acknowledged(SESSION, Seq(seq)), is_over, "{seq}");
        }
        assert_eq!(said.known(&command("ann", 10, body(10))), Known::Said(None));
        said.begin(id, &ann(), []);
        said.go_on_from(id, Seq(7));
        said.submit(id, &body(7));
        assert_eq!(said.known(&command("ann", 7, body(7))), Known::Said(None));
    }

    #[test]
    fn what_was_lost_in_a_crash_was_not_said_and_what_was_applied_is_known() {
        let (mut said, id) = talk(3);
        said.apply(SESSION, Seq(1), Slot(9));
        said.forget_from(id, Seq(2));
        assert_eq!(said.known(&command("ann", 1, body(1))), Known::Said(Some(Slot(9))));
        assert_eq!(said.known(&command("ann", 2, body(2))), Known::Never);
        said.submit(id, &body(20));
        assert_eq!(said.known(&command("ann", 2, body(20))), Known::Said(None));
    }

    #[test]
    fn of_what_is_acknowledged_few_are_kept_and_all_are_known_to_be_over() {
        let (mut said, id) = talk(1000);
        (1..=900).for_each(|seq| said.acknowledge(id, Seq(seq), true));
        said.trim(id);
        assert_eq!(said.len(), 100 + ACKNOWLEDGED_KEPT);
        assert!(said.is_acknowledged(SESSION, Seq(1)) && said.is_acknowledged(SESSION, Seq(900)));
        assert!(!said.is_acknowledged(SESSION, Seq(901)));
        assert_eq!(said.known(&command("ann", 1, body(1))), Known::Old);
        said.acknowledge(id, Seq(900), false);
        assert!(!said.is_acknowledged(SESSION, Seq(900)), "a crash has undone it");
    }

    #[test]
    fn talks_that_ended_are_kept_while_their_sessions_are_open() {
        let (mut said, id) = talk(1);
        said.end(id, |_| true);
        for nonce in 2..2000 {
            let other = TalkId::of(&ann(), Nonce(nonce));
            said.begin(other, &ann(), [(Seq::FIRST, &body(nonce))]);
            said.end(other, |session| session == SESSION);
        }
        assert!(said.has(id) && said.knows(SESSION));
        assert!(said.talks.len() < 2 * ENDED_KEPT, "{}", said.talks.len());
        (0..2 * ENDED_KEPT as u64).for_each(|_| said.end(id, |_| false));
        assert!(!said.has(id) && !said.knows(SESSION));
    }
}
