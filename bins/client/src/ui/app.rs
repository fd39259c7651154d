//! The state of the interface: events in, effects out.
//!
//! **Invariants**
//! - *Nothing waits*: an event is handled at once; whatever takes time is an effect, whose results
//!   come as events.
//! - *Bounded*: nothing is said while [`UNACKNOWLEDGED_MAX`] messages are unacknowledged.
//!
//! **Absent**: terminals, clocks and sockets; see [`super::terminal`].

use super::clock::Clock;
use super::complete::Completion;
use super::conversation::{Conversation, Item};
use super::event::{Effect, Event, Standing};
use super::freshness::Freshness;
use super::input::Input;
use super::layout;
use super::loading::Loading;
use super::scroll::Scroll;
use crate::envelope::{Room, Said};
use crate::host;
use crate::post::Post;
use crate::{UNACKNOWLEDGED_MAX, excerpt};
use paxos_chat::client::ClientPhase;
use paxos_chat::types::{Seq, Slot};

/// Rows of what is typed that are seen.
const INPUT_ROWS_MAX: usize = 5;

/// What was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// In lower case.
    pub needle: String,
    /// The item found last.
    pub found: Option<usize>,
}

/// The state of the interface.
#[derive(Clone, Debug)]
pub struct App {
    /// Who sits here.
    pub user: String,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// What was said.
    pub conversation: Conversation,
    /// The rooms that one is in.
    pub joined: Vec<Room>,
    /// The one that is looked at.
    pub current: usize,
    /// What is being typed.
    pub input: Input,
    /// The place in the current room.
    pub scroll: Scroll,
    /// What was looked for.
    pub search: Option<Search>,
    /// What is loaded of the log.
    pub loading: Loading,
    /// What time it is here.
    pub clock: Clock,
    /// What is known of the cluster.
    pub standing: Standing,
    /// How fresh it is what is seen.
    pub freshness: Freshness,
    /// The session is open.
    pub is_open: bool,
    /// Why nothing is said any more.
    pub failure: Option<String>,
    /// What went wrong with the last line; the next key takes it away.
    pub alert: Option<String>,
    pub(super) completion: Option<Completion>,
    /// What happens next, in order.
    pub(super) effects: Vec<Effect>,
}

impl App {
    /// Somebody enters a room.
    pub fn new(user: &str, room: Room, size: (u16, u16)) -> App {
        let mut app = App {
            user: user.to_owned(),
            size,
            conversation: Conversation::of(user),
            joined: vec![room],
            current: 0,
            input: Input::default(),
            scroll: None,
            search: None,
            loading: Loading::default(),
            clock: Clock::default(),
            standing: Standing::default(),
            freshness: Freshness::default(),
            is_open: false,
            failure: None,
            alert: None,
            completion: None,
            effects: Vec::new(),
        };
        app.tell(format!("You are {user}. Type a line to say it; /help tells more."));
        app
    }

    /// Goes on where an earlier run ended: these messages are pending, and the next one has this
    /// number.
    pub fn resume(&mut self, phase: ClientPhase, next: Seq, pending: Vec<(Seq, String)>) {
        if !pending.is_empty() {
            let count = pending.len();
            self.tell(format!("{count} messages that you said before are still pending."));
        }
        let pending = pending.into_iter().map(|(seq, text)| (seq, Said::decode(&text)));
        let session = match phase {
            ClientPhase::Open(session) => Some(session),
            ClientPhase::Opening | ClientPhase::Expired => None,
        };
        self.conversation.resume(session, next, pending);
    }

    /// Handles an event. What is wanted done is wanted: a stretch that is not asked for is waited for.
    #[must_use]
    pub fn update(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Key(key) => self.on_key(key),
            Event::Paste(text) => {
                self.completion = None;
                self.input.insert(&text.replace("\r\n", "\n").replace('\r', "\n"));
            }
            Event::Resized(columns, rows) => {
                self.size = (columns, rows);
                self.scroll_up(0);
            }
            Event::Begun(end) => {
                self.conversation.begin(end);
                self.joined.iter().for_each(|room| self.conversation.enter(room));
                self.tell_older();
                let asks = self.freshness.begin();
                self.read_current(asks);
            }
            Event::Current => {
                let asks = self.freshness.end();
                self.read_current(asks);
            }
            Event::Read(slot, posts) => self.on_read(slot, posts),
            Event::Loaded { room, slots, posts, of } => self.on_loaded(&room, slots, posts, of),
            Event::Searched { number, below } => self.on_searched(number, below),
            Event::Found { number, slot } => self.on_found(number, slot),
            Event::Spoken(event) => self.on_spoken(event),
            Event::Measured(standing) => {
                self.conversation.on_sent(standing.measured.sent_upto);
                let asks = self.freshness.look(&standing.measured);
                self.standing = standing;
                self.read_current(asks);
            }
            Event::Failed(why) => self.tell(format!("! {why}")),
        }
        self.load_more();
        std::mem::take(&mut self.effects)
    }

    fn read_current(&mut self, asks: bool) {
        if asks {
            self.effects.push(Effect::ReadCurrent);
        }
    }

    fn on_read(&mut self, slot: Slot, posts: Vec<Post>) {
        let (room, is_at_end) = (self.room().clone(), self.scroll.is_none());
        let (is_called, moved) = self.conversation.on_posts(slot, posts, &room, is_at_end);
        self.shift(moved);
        if is_called {
            self.effects.push(Effect::Bell);
        }
    }

    fn on_spoken(&mut self, event: host::Event) {
        match event {
            host::Event::Opened(session) => {
                self.is_open = true;
                self.conversation.on_opened(session);
            }
            host::Event::Confirmed { session, seq, slot, .. } => {
                self.conversation.on_confirmed(session, seq, slot);
                self.tell_older();
            }
            host::Event::Expired { unknown } => {
                self.is_open = false;
                self.conversation.on_expired(&unknown);
                let numbers: Vec<String> = unknown.iter().map(|seq| format!("#{seq}")).collect();
                let which = if numbers.is_empty() { "" } else { ": " };
                self.tell(format!(
                    "! The session has expired. The outcome of {} messages is unknown{which}{}. Those \
                     that took effect will appear in the log, and none is sent again.",
                    numbers.len(),
                    numbers.join(", ")
                ));
                self.effects.push(Effect::Reopen);
            }
            host::Event::Failed { why, saved_below } => {
                self.is_open = false;
                self.conversation.on_failed(saved_below);
                let safe = match saved_below {
                    Some(below) => {
                        format!(" Messages before #{below} are saved. Later ones are not.")
                    }
                    None => String::new(),
                };
                self.tell(format!("! Nothing more is sent: {why}.{safe} Leave, and come back."));
                self.alert = Some(format!("nothing more is sent: {why}"));
                self.failure = Some(why);
            }
        }
    }

    /// Tells of what an earlier run has said and this one does not read.
    fn tell_older(&mut self) {
        for (slot, draft) in self.conversation.take_older() {
            let (room, text) = (&draft.said.room, excerpt(&draft.said.text));
            self.tell(format!("{text} in #{room} was committed before, at slot {slot}."));
        }
    }

    /// The room that is looked at.
    pub fn room(&self) -> &Room {
        &self.joined[self.current]
    }

    /// Says something here, if that is possible; gives it back if not.
    pub(super) fn say(&mut self, said: Said) -> Result<(), String> {
        if let Some(why) = &self.failure {
            return Err(format!("nothing more is sent: {why}"));
        }
        if self.conversation.unacknowledged() >= UNACKNOWLEDGED_MAX {
            return Err(format!(
                "{UNACKNOWLEDGED_MAX} messages are not acknowledged yet; wait for some of them"
            ));
        }
        said.encode().map_err(|error| error.to_string())?;
        self.go_to_end();
        self.conversation.say(said.clone());
        self.effects.push(Effect::Say(said));
        Ok(())
    }

    /// Tells something in the current room.
    pub(super) fn tell(&mut self, text: impl Into<String>) {
        let room = self.room().clone();
        self.conversation.room_mut(&room).items.push(Item::Notice(text.into()));
    }

    /// Turns to a room that one is in, by its place.
    pub(super) fn turn_to(&mut self, place: usize) {
        if place < self.joined.len() {
            self.current = place;
            self.stop_search();
            self.search = None;
            self.loading.begin_again();
            self.go_to_end();
            let room = self.room().clone();
            self.conversation.enter(&room);
            let log = self.conversation.room_mut(&room);
            (log.unread, log.is_called) = (0, false);
        }
    }

    /// Columns of the conversation.
    pub fn columns(&self) -> usize {
        usize::from(self.size.0).max(4)
    }

    /// What is typed, as rows of the screen, and the row and column of the cursor.
    pub fn input_rows(&self) -> (Vec<String>, (usize, usize)) {
        let columns = self.columns() - 1;
        let rows = super::text::chop(&format!("> {}", self.input.text()), columns);
        let before = super::text::chop(&format!("> {}", self.input.before_cursor()), columns);
        let column = before.last().map_or(0, |row| super::text::width(row));
        (rows, (before.len() - 1, column))
    }

    /// Rows of what is typed that are seen.
    pub fn input_height(&self) -> usize {
        self.input_rows().0.len().clamp(1, INPUT_ROWS_MAX)
    }

    /// Rows of the conversation that are seen.
    pub fn height(&self) -> usize {
        usize::from(self.size.1).saturating_sub(2 + self.input_height()).max(1)
    }

    /// The rows of an item of the current room; drafts come after the log.
    pub fn rows(&self, item: usize) -> Vec<layout::Row> {
        let items = self.conversation.items(self.room());
        if let Some(item) = items.get(item) {
            return layout::item_rows(item, self.columns(), &self.clock);
        }
        let draft = self.conversation.drafts(self.room()).nth(item - items.len());
        draft.map(|draft| layout::draft_rows(draft, &self.user, self.columns())).unwrap_or_default()
    }

    /// How many items the current room has, drafts included.
    pub fn item_count(&self) -> usize {
        let room = self.room();
        self.conversation.items(room).len() + self.conversation.drafts(room).count()
    }

    pub(super) fn scroll_up(&mut self, rows: usize) {
        if self.scroll.is_some() || rows > 0 {
            self.scroll = self.held(self.extent(|extent| extent.up(self.scroll, rows)));
        }
    }

    pub(super) fn scroll_down(&mut self, rows: usize) {
        self.scroll = self.held(self.extent(|extent| extent.down(self.scroll, rows)));
    }

    pub(super) fn scroll_to_top(&mut self) {
        self.scroll = self.held(self.extent(|extent| extent.top()));
    }

    pub(super) fn scroll_to(&mut self, item: usize) {
        self.scroll = self.held(self.extent(|extent| extent.around(item)));
    }
}
