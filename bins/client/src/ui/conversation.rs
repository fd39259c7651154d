//! The conversation: what the log says, room by room, and what one has said that is not in it yet.
//!
//! **Invariants**
//! - *The log's order is the order shown*: a message takes its place when it is read from the log,
//!   one's own too; before that it is below everything, with what is known of it.
//! - *Once*: a message of one's own leaves the outbox when it enters the log.
//! - *Without a gap*: what is held of a room that one is in is one stretch of the log ([`Window`]), which grows at both
//!   ends. It ends where the log does, unless one has gone back so far that the newest messages had to go. Of other rooms
//!   it is only counted what is new.

use super::window::{self, Amount, Window};
use crate::envelope::{Room, Said};
use crate::post::Post;
use paxos_chat::types::{Seq, SessionId, Slot};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// Rooms of which anything is known. Whoever makes more than that is not counted.
const ROOMS_MAX: usize = 1000;

/// A message of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its slot.
    pub slot: u64,
    /// When it entered the cluster, in milliseconds since the epoch.
    pub time_ms: u64,
    /// Who said it.
    pub user: Arc<str>,
    /// What was said.
    pub text: Box<str>,
    /// Something that the author does.
    pub is_action: bool,
    /// Said here.
    pub is_own: bool,
    /// Somebody else has named whoever sits here.
    pub is_mention: bool,
}

/// What is shown in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A message.
    Line(Line),
    /// Something that the client tells.
    Notice(String),
}

/// What is known of a message of one's own that is not in the log yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not sent yet.
    Pending,
    /// Sent, not acknowledged.
    Sent,
    /// Acknowledged at this slot.
    Committed(Slot),
    /// Its session has expired: the log alone can tell.
    Unknown,
    /// The session expired before it was sent.
    NotSent,
}

/// A message of one's own that is not in the log yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its session, once that is open.
    session: Option<SessionId>,
    seq: Seq,
    /// What is said.
    pub said: Said,
    /// How far it is.
    pub progress: Progress,
}

/// A room as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomLog {
    /// Messages and notices.
    pub items: Vec<Item>,
    /// Messages that came while another room was shown.
    pub unread: u64,
    /// One of them names whoever sits here.
    pub is_called: bool,
    /// What is held of the log; none, if one is not in this room, or the log's end is not known yet.
    window: Option<Window>,
    /// Who spoke, and when last.
    pub authors: BTreeMap<Arc<str>, u64>,
}

/// What was said, as far as it is held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// Who sits here.
    user: String,
    /// The end of the log was found.
    is_begun: bool,
    rooms: BTreeMap<Room, RoomLog>,
    users: BTreeSet<Arc<str>>,
    outbox: Vec<Draft>,
    session: Option<SessionId>,
    /// The sessions that were opened here.
    own_sessions: Vec<String>,
    next_seq: u64,
    /// The log is read up to this slot, exclusive.
    pub read_upto: Slot,
}

/// By how many places the items of a room have moved: messages came before them, or went.
type Moved = isize;

impl RoomLog {
    /// Messages that are held.
    pub fn lines(&self) -> usize {
        self.items.iter().filter(|item| matches!(item, Item::Line(_))).count()
    }

    /// Takes what follows; the oldest go, if it is too much.
    fn append(&mut self, slots: Range<Slot>, lines: Vec<Line>) -> Moved {
        let parts = self.parts_of(slots, &lines);
        self.items.extend(lines.into_iter().map(Item::Line));
        let Some(window) = &mut self.window else { return 0 };
        parts.into_iter().for_each(|(slots, amount)| window.push_back(slots, amount));
        -self.drop_oldest()
    }

    /// Takes what comes before. If it is too much, the newest go, unless these are seen.
    fn prepend(&mut self, slots: Range<Slot>, lines: Vec<Line>, is_at_end: bool) -> Moved {
        let parts = self.parts_of(slots, &lines);
        let moved = lines.len() as Moved;
        self.items.splice(0..0, lines.into_iter().map(Item::Line));
        let Some(window) = &mut self.window else { return 0 };
        parts.into_iter().rev().for_each(|(slots, amount)| window.push_front(slots, amount));
        if is_at_end {
            return moved - self.drop_oldest();
        }
        while let Some(slots) = self.window.as_mut().and_then(Window::shorten_back) {
            self.drop_lines(&slots);
        }
        moved
    }

    fn drop_oldest(&mut self) -> Moved {
        let mut gone = 0;
        while let Some(slots) = self.window.as_mut().and_then(Window::shorten_front) {
            gone += self.drop_lines(&slots);
        }
        gone
    }

    /// Drops the messages of these slots, and says how many there were.
    fn drop_lines(&mut self, slots: &Range<Slot>) -> Moved {
        let before = self.items.len();
        self.items.retain(|item| match item {
            Item::Line(line) => !slots.contains(&Slot(line.slot)),
            Item::Notice(_) => true,
        });
        (before - self.items.len()) as Moved
    }

    /// Notes who has spoken, and cuts a stretch of the log into parts.
    fn parts_of(&mut self, slots: Range<Slot>, lines: &[Line]) -> Vec<(Range<Slot>, Amount)> {
        for line in lines {
            let spoken = self.authors.entry(Arc::clone(&line.user)).or_default();
            *spoken = line.time_ms.max(*spoken);
        }
        window::parts_of(slots, lines.iter().map(|line| (Slot(line.slot), Amount::of(&line.text))))
    }
}

impl Conversation {
    /// Of this user.
    pub fn of(user: &str) -> Conversation {
        Conversation { user: user.to_owned(), ..Conversation::default() }
    }

    /// The slots whose messages are held of a room.
    pub fn loaded(&self, room: &Room) -> Option<Range<Slot>> {
        self.rooms.get(room)?.window.as_ref().map(Window::stretch)
    }

    /// Have the newest messages of a room had to go?
    pub fn is_detached(&self, room: &Room) -> bool {
        self.loaded(room).is_some_and(|loaded| loaded.end < self.read_upto)
    }

    /// The log ends here, and is read from here on.
    pub fn begin(&mut self, end: Slot) {
        self.is_begun = true;
        self.read_upto = end;
    }

    /// One is in this room from now on.
    pub fn enter(&mut self, room: &Room) {
        let at = self.is_begun.then_some(self.read_upto);
        let log = self.room_mut(room);
        log.window = log.window.take().or(at.map(Window::at));
    }

    /// One is not in this room any more.
    pub fn leave(&mut self, room: &Room) {
        let log = self.room_mut(room);
        (log.window, log.items) = (None, Vec::new());
    }

    /// Lets all messages of a room go, to go on at another place of the log.
    pub fn restart(&mut self, room: &Room, at: Slot) {
        let log = self.room_mut(room);
        log.window = Some(Window::at(at));
        log.items.retain(|item| matches!(item, Item::Notice(_)));
    }

    /// All rooms that are known.
    pub fn rooms(&self) -> &BTreeMap<Room, RoomLog> {
        &self.rooms
    }

    /// A room; it begins to exist if it did not.
    pub fn room_mut(&mut self, room: &Room) -> &mut RoomLog {
        if !self.rooms.contains_key(room) {
            self.rooms.insert(room.clone(), RoomLog::default());
        }
        self.rooms.get_mut(room).expect("it was put there")
    }

    /// What is shown in a room, but for the outbox.
    pub fn items(&self, room: &Room) -> &[Item] {
        self.rooms.get(room).map_or(&[], |log| &log.items)
    }

    /// One's own messages in a room that are not in the log yet.
    pub fn drafts(&self, room: &Room) -> impl Iterator<Item = &Draft> {
        self.outbox.iter().filter(move |draft| draft.said.room == *room)
    }

    /// Everybody who has spoken anywhere.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.users.iter().map(|user| &**user)
    }

    /// One's own messages that may still be acknowledged.
    pub fn unacknowledged(&self) -> usize {
        let waits = |d: &&Draft| matches!(d.progress, Progress::Pending | Progress::Sent);
        self.outbox.iter().filter(waits).count()
    }

    /// One says something.
    pub fn say(&mut self, said: Said) {
        self.next_seq += 1;
        let (session, seq) = (self.session, Seq(self.next_seq));
        self.outbox.push(Draft { session, seq, said, progress: Progress::Pending });
    }

    /// One has spoken in this session before: these messages are pending, and the next one has this
    /// number.
    pub fn resume(
        &mut self,
        session: Option<SessionId>,
        next: Seq,
        pending: impl Iterator<Item = (Seq, Said)>,
    ) {
        self.next_seq = next.0.saturating_sub(1);
        let draft = |(seq, said)| Draft { session: None, seq, said, progress: Progress::Pending };
        self.outbox.extend(pending.map(draft));
        if let Some(session) = session {
            self.on_opened(session);
        }
    }

    /// One's session is open.
    pub fn on_opened(&mut self, session: SessionId) {
        self.session = Some(session);
        let name = session.to_string();
        if !self.own_sessions.contains(&name) {
            self.own_sessions.push(name);
        }
        for draft in &mut self.outbox {
            let is_over = matches!(draft.progress, Progress::Unknown | Progress::NotSent);
            if draft.session.is_none() && !is_over {
                draft.session = Some(session);
            }
        }
    }

    /// All messages up to this one were sent.
    pub fn on_sent(&mut self, upto: Seq) {
        for draft in &mut self.outbox {
            if draft.seq <= upto && draft.progress == Progress::Pending {
                draft.progress = Progress::Sent;
            }
        }
    }

    /// A message is committed.
    pub fn on_confirmed(&mut self, session: SessionId, seq: Seq, slot: Slot) {
        let is_it = |d: &&mut Draft| d.session == Some(session) && d.seq == seq;
        if let Some(draft) = self.outbox.iter_mut().find(is_it) {
            draft.progress = Progress::Committed(slot);
        }
    }

    /// Messages of one's own that are in the log before what is held of it, and so will not be read: they were said in an
    /// earlier run. They leave the outbox.
    pub fn take_older(&mut self) -> Vec<(Slot, Draft)> {
        let is_older = |draft: &Draft| match draft.progress {
            Progress::Committed(slot) => {
                let from = self.loaded(&draft.said.room).map(|loaded| loaded.start);
                from.is_some_and(|from| slot < from).then_some(slot)
            }
            _ => None,
        };
        let older: Vec<_> =
            self.outbox.iter().filter_map(|d| Some((is_older(d)?, d.clone()))).collect();
        self.outbox.retain(|draft| !older.iter().any(|(_, old)| old == draft));
        older
    }

    /// One's session is over, and whether these took effect is unknown. The next session numbers its
    /// messages from 1 again.
    pub fn on_expired(&mut self, unknown: &[Seq]) {
        for draft in &mut self.outbox {
            if matches!(draft.progress, Progress::Pending | Progress::Sent) {
                let is_unknown = unknown.contains(&draft.seq);
                draft.progress = if is_unknown { Progress::Unknown } else { Progress::NotSent };
            }
        }
        self.session = None;
        self.next_seq = 0;
    }

    /// Nothing more is sent. What a durable client's file has, below this number, stays pending.
    pub fn on_failed(&mut self, saved_below: Option<Seq>) {
        for draft in &mut self.outbox {
            let is_saved = saved_below.is_some_and(|below| draft.seq < below);
            match draft.progress {
                Progress::Pending if !is_saved => draft.progress = Progress::NotSent,
                Progress::Sent if !is_saved => draft.progress = Progress::Unknown,
                _ => {}
            }
        }
    }

    /// The log tells what was said at its next slot. `current` is the room that is looked at, and `is_at_end` if its
    /// end is. Says whether somebody else has named whoever sits here, and by how much the current room's items moved.
    pub fn on_posts(
        &mut self,
        slot: Slot,
        posts: Vec<Post>,
        current: &Room,
        is_at_end: bool,
    ) -> (bool, Moved) {
        self.read_upto = self.read_upto.max(slot.next());
        let mut is_called = false;
        let mut said: BTreeMap<Room, Vec<Post>> = BTreeMap::new();
        for post in posts {
            self.leave_outbox(&post);
            let (is_mention, is_own) = (self.is_mention(&post), self.is_own(&post));
            let is_read = is_own || post.said.room == *current;
            is_called |= is_mention;
            if self.rooms.len() >= ROOMS_MAX && !self.rooms.contains_key(&post.said.room) {
                continue;
            }
            let log = self.room_mut(&post.said.room);
            log.unread += u64::from(!is_read);
            log.is_called |= !is_read && is_mention;
            if log.window.is_some() {
                said.entry(post.said.room.clone()).or_default().push(post);
            }
        }
        let mut moved = 0;
        let held = self.rooms.iter().filter(|(_, log)| log.window.is_some());
        for room in held.map(|(room, _)| room.clone()).collect::<Vec<_>>() {
            let is_seen = room == *current;
            let posts = said.remove(&room).unwrap_or_default();
            let lines = self.lines_of(posts);
            let amount = lines.iter().map(|line| Amount::of(&line.text)).sum();
            let log = self.room_mut(&room);
            let Some(window) = &log.window else { continue };
            // What one has scrolled to stays: the newest are read again when one comes back to them.
            let fits = is_at_end || !is_seen || window.has_room_for(amount);
            if window.stretch().end == slot && fits {
                let by = log.append(slot..slot.next(), lines);
                moved = if is_seen { by } else { moved };
            }
        }
        (is_called, moved)
    }

    /// These slots of a room were read on demand. Says by how much its items moved; the newest stay if its end is seen.
    pub fn on_loaded(
        &mut self,
        room: &Room,
        slots: Range<Slot>,
        posts: Vec<Post>,
        is_at_end: bool,
    ) -> Moved {
        posts.iter().for_each(|post| self.leave_outbox(post));
        let Some(loaded) = self.loaded(room) else { return 0 };
        let lines = self.lines_of(posts);
        let log = self.room_mut(room);
        if slots.start == loaded.end {
            log.append(slots, lines)
        } else if slots.end == loaded.start {
            log.prepend(slots, lines, is_at_end)
        } else {
            // One has gone elsewhere meanwhile.
            0
        }
    }

    /// Messages of one room as they are shown.
    fn lines_of(&mut self, posts: Vec<Post>) -> Vec<Line> {
        let mut lines = Vec::with_capacity(posts.len());
        for post in posts {
            let (is_own, is_mention) = (self.is_own(&post), self.is_mention(&post));
            let user = self.intern(&post.user);
            let Said { room: _, is_action, text } = post.said;
            let (slot, time_ms, text) = (post.slot, post.time_ms, text.into());
            lines.push(Line { slot, time_ms, user, text, is_action, is_own, is_mention });
        }
        lines
    }

    fn is_own(&self, post: &Post) -> bool {
        self.own_sessions.contains(&post.session)
    }

    /// Does somebody else name whoever sits here, as a word?
    fn is_mention(&self, post: &Post) -> bool {
        let text = post.said.text.to_lowercase();
        let is_word = |(place, name): (usize, &str)| {
            let before = text[..place].chars().next_back();
            let after = text[place + name.len()..].chars().next();
            !before.into_iter().chain(after).any(char::is_alphanumeric)
        };
        !self.user.is_empty()
            && post.user != self.user
            && text.match_indices(&self.user.to_lowercase()).any(is_word)
    }

    fn leave_outbox(&mut self, post: &Post) {
        if self.is_own(post) {
            let is_it = |draft: &Draft| {
                draft.seq.0 == post.seq && draft.session.is_some_and(|s| post.is_of(s))
            };
            self.outbox.retain(|draft| !is_it(draft));
        }
    }

    fn intern(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.users.get(name) {
            return Arc::clone(known);
        }
        let user: Arc<str> = name.into();
        self.users.insert(Arc::clone(&user));
        user
    }
}

/// Is this, in lower case, in what was said or in the name of who said it?
pub(super) fn is_said(user: &str, text: &str, needle: &str) -> bool {
    text.to_lowercase().contains(needle) || user.to_lowercase().contains(needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId { slot: Slot(2), index: 0 };

    fn post(slot: u64, session: &str, seq: u64, text: &str) -> Post {
        let (user, session) = ("ann".into(), session.into());
        let said = Said::new(&Room::default(), text);
        Post { slot, index: 0, time_ms: 0, user, session, seq, said }
    }

    fn progress(conversation: &Conversation) -> Vec<Progress> {
        conversation.drafts(&Room::default()).map(|draft| draft.progress).collect()
    }

    #[test]
    fn ones_own_messages_are_pending_sent_committed_and_then_in_the_log() {
        let lobby = Room::default();
        let mut conversation = Conversation::default();
        conversation.begin(Slot(4));
        conversation.enter(&lobby);
        conversation.say(Said::new(&lobby, "one"));
        conversation.on_opened(SESSION);
        conversation.say(Said::new(&lobby, "two"));
        assert_eq!(progress(&conversation), [Progress::Pending; 2]);
        conversation.on_sent(Seq(1));
        assert_eq!(progress(&conversation), [Progress::Sent, Progress::Pending]);
        conversation.on_confirmed(SESSION, Seq(1), Slot(5));
        assert_eq!(progress(&conversation), [Progress::Committed(Slot(5)), Progress::Pending]);
        assert_eq!(conversation.unacknowledged(), 1);
        conversation.on_posts(Slot(4), vec![post(4, "s1.0", 1, "of another")], &lobby, true);
        conversation.on_posts(Slot(5), vec![post(5, "s2.0", 1, "one")], &lobby, true);
        assert_eq!(progress(&conversation), [Progress::Pending]);
        let own: Vec<bool> = conversation
            .items(&lobby)
            .iter()
            .map(|item| matches!(item, Item::Line(line) if line.is_own))
            .collect();
        assert_eq!(own, [false, true]);
        assert_eq!(conversation.read_upto, Slot(6));
    }

    #[test]
    fn what_was_said_in_an_earlier_run_is_pending_until_it_is_in_the_log() {
        let lobby = Room::default();
        let mut conversation = Conversation::default();
        let pending = [(Seq(4), Said::new(&lobby, "four")), (Seq(6), Said::new(&lobby, "six"))];
        conversation.resume(Some(SESSION), Seq(7), pending.into_iter());
        conversation.say(Said::new(&lobby, "seven"));
        conversation.on_opened(SESSION);
        conversation.on_posts(Slot(9), vec![post(9, "s2.0", 4, "four")], &lobby, true);
        conversation.on_confirmed(SESSION, Seq(7), Slot(12));
        let left = [Progress::Pending, Progress::Committed(Slot(12))];
        assert_eq!(progress(&conversation), left);
    }

    #[test]
    fn after_an_expired_session_the_log_alone_tells() {
        let lobby = Room::default();
        let mut conversation = Conversation::default();
        conversation.on_opened(SESSION);
        conversation.say(Said::new(&lobby, "one"));
        conversation.say(Said::new(&lobby, "two"));
        conversation.say(Said::new(&lobby, "never sent"));
        conversation.on_expired(&[Seq(1), Seq(2)]);
        let over = [Progress::Unknown, Progress::Unknown, Progress::NotSent];
        assert_eq!(progress(&conversation), over);
        conversation.on_opened(SessionId { slot: Slot(9), index: 0 });
        conversation.say(Said::new(&lobby, "three"));
        conversation.on_posts(Slot(7), vec![post(7, "s2.0", 1, "one")], &lobby, true);
        let left = [Progress::Unknown, Progress::NotSent, Progress::Pending];
        assert_eq!(progress(&conversation), left);
    }

    #[test]
    fn where_nothing_more_is_sent_only_what_is_saved_stays_pending() {
        for (saved_below, expected) in [
            (Some(Seq(3)), [Progress::Sent, Progress::Pending, Progress::NotSent]),
            (Some(Seq(1)), [Progress::Unknown, Progress::NotSent, Progress::NotSent]),
            (None, [Progress::Unknown, Progress::NotSent, Progress::NotSent]),
        ] {
            let mut conversation = Conversation::default();
            conversation.on_opened(SessionId { slot: Slot(3), index: 0 });
            for text in ["one", "two", "three"] {
                conversation.say(Said::new(&Room::default(), text));
            }
            conversation.on_sent(Seq(1));
            conversation.on_failed(saved_below);
            assert_eq!(progress(&conversation), expected, "{saved_below:?}");
        }
    }
}
