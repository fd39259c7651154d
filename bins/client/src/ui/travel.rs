//! Where one is in the log: it is loaded as one goes, one stretch at a time, and searched upwards.
//!
//! **Invariants**
//! - *One question at a time*: the next stretch is asked for when the last one has come.
//! - *What is seen is loaded*, and a screenful on both sides of it.

use super::app::{App, Search};
use super::conversation::{Item, is_said};
use super::event::{Ask, Effect, Query};
use super::loading::{Goal, REACH};
use super::scroll::{Anchor, Extent, Scroll};
use crate::backwards::FIRST;
use crate::envelope::Room;
use crate::post::Post;
use paxos_chat::types::Slot;
use std::ops::Range;

impl App {
    /// One wants to see more.
    pub(super) fn reach_on(&mut self) {
        self.loading.reach = REACH;
    }

    /// To the newest messages.
    pub(super) fn go_to_end(&mut self) {
        self.scroll = None;
        self.loading.goal = None;
        self.reach_on();
        if self.conversation.is_detached(self.room()) {
            self.go_to(self.conversation.read_upto);
        }
    }

    /// To the first message of all.
    pub(super) fn go_to_top(&mut self) {
        self.reach_on();
        if self.conversation.loaded(self.room()).is_some_and(|loaded| loaded.start > Slot(0)) {
            self.go_to(Slot(0));
            self.loading.goal = Some(Goal::Top);
        } else {
            self.scroll_to_top();
        }
    }

    fn go_to(&mut self, at: Slot) {
        let room = self.room().clone();
        self.conversation.restart(&room, at);
        self.loading.begin_again();
        self.scroll = self.held(None);
    }

    /// A stretch has come, in which there were so many messages of any room.
    pub(super) fn on_loaded(
        &mut self,
        room: &Room,
        slots: Range<Slot>,
        posts: Vec<Post>,
        of: usize,
    ) {
        self.loading.is_asked = false;
        self.loading.stride.pass(of);
        let read = (slots.end.0 - slots.start.0).max(of as u64);
        self.loading.reach = self.loading.reach.saturating_sub(read);
        let is_at_end = self.scroll.is_none();
        let moved = self.conversation.on_loaded(room, slots, posts, is_at_end);
        if room != self.room() {
            return;
        }
        self.shift(moved);
        match self.loading.goal {
            Some(Goal::Top) => {
                self.scroll_to_top();
                if self.scroll.is_some() && self.rows_below() > 0 {
                    self.loading.goal = None;
                }
            }
            Some(Goal::Found(slot)) => self.show_found(slot),
            None => {}
        }
    }

    /// The items of this room have moved by so many places.
    pub(super) fn shift(&mut self, moved: isize) {
        if let Some(anchor) = &mut self.scroll {
            anchor.item = anchor.item.saturating_add_signed(moved);
        }
        if let Some(search) = &mut self.search {
            search.found = search.found.and_then(|item| item.checked_add_signed(moved));
        }
        self.scroll = self.held(self.scroll);
    }

    /// A place that there is. Where the newest messages are not loaded, what is last is not the end.
    pub(super) fn held(&self, scroll: Scroll) -> Scroll {
        let last = self.item_count().checked_sub(1)?;
        let at_last = Anchor { item: last, hidden: 0 };
        match scroll {
            Some(anchor) if anchor.item > last => Some(at_last),
            None if self.conversation.is_detached(self.room()) => Some(at_last),
            scroll => scroll,
        }
    }

    /// Asks for the next stretch, if something is lacking that is seen, or is about to be.
    pub(super) fn load_more(&mut self) {
        if !self.loading.is_asked
            && let Some(slots) = self.lacking()
        {
            let room = self.room().clone();
            self.loading.is_asked = true;
            self.effects.push(Effect::Ask(Ask::Load(room, slots)));
        }
    }

    /// Where a room has less than a screenful, and nothing more is loaded for now: what there is to do.
    pub(super) fn older_hint(&self) -> Option<String> {
        let from = self.conversation.loaded(self.room())?.start;
        let is_idle = !self.loading.is_asked && from > Slot(0);
        is_idle.then(|| format!("PageUp for older messages than slot {from}"))
    }

    fn lacking(&self) -> Option<Range<Slot>> {
        let Range { start, end } = self.conversation.loaded(self.room())?;
        let stride = self.loading.stride.slots();
        let upto = self.conversation.read_upto.min(Slot(end.0 + stride));
        let after = (end < upto).then_some(end..upto);
        let from = Slot(start.0.saturating_sub(stride));
        let before = (from < start).then_some(from..start);
        if matches!(self.loading.goal, Some(Goal::Found(_))) && after.is_some() {
            return after;
        }
        if self.loading.reach == 0 {
            return None;
        }
        let height = self.height();
        let after = after.filter(|_| self.rows_below() < height);
        after.or_else(|| before.filter(|_| self.rows_above() < height))
    }

    fn rows_above(&self) -> usize {
        self.extent(|extent| extent.above(self.scroll, 2 * extent.height))
    }

    fn rows_below(&self) -> usize {
        self.extent(|extent| extent.below(self.scroll, extent.height))
    }

    pub(super) fn extent<T>(&self, look: impl FnOnce(&Extent<'_>) -> T) -> T {
        let rows = |item| self.rows(item).len();
        look(&Extent { items: self.item_count(), rows: &rows, height: self.height() })
    }

    /// Goes to the next place upwards where a text is found: in what is loaded, or else wherever it is.
    pub(super) fn find(&mut self, text: Option<String>) -> Result<(), String> {
        let (needle, before) = match (text, &self.search) {
            (Some(text), _) => (text.to_lowercase(), None),
            (None, Some(search)) => (search.needle.clone(), search.found),
            (None, None) => return Err("/search for what? For example /search lunch".into()),
        };
        self.stop_search();
        self.loading.goal = None;
        let room = self.room().clone();
        let items = self.conversation.items(&room);
        let upto = before.unwrap_or(items.len()).min(items.len());
        let found = items[..upto].iter().rposition(|item| is_found(item, &needle));
        self.search = Some(Search { needle: needle.clone(), found });
        if let Some(item) = found {
            self.scroll_to(item);
            return Ok(());
        }
        match self.conversation.loaded(self.room()) {
            Some(loaded) if loaded.start > Slot(0) => {
                self.loading.searches += 1;
                let (number, below) = (self.loading.searches, loaded.start);
                self.loading.searching = Some(below);
                let query = Query { number, room, needle, below };
                self.effects.push(Effect::Ask(Ask::Search(query)));
                Ok(())
            }
            None => Err("the log has not been read yet".into()),
            _ if before.is_some() => Err(format!("{needle:?} is not found further up")),
            _ => Err(format!("{needle:?} is not found in #{room}")),
        }
    }

    /// Gives a search up that goes on beyond what is loaded.
    pub(super) fn stop_search(&mut self) {
        if self.loading.searching.take().is_some() {
            self.loading.searches += 1;
            self.effects.push(Effect::Ask(Ask::StopSearch));
        }
    }

    /// A search has come so far.
    pub(super) fn on_searched(&mut self, number: u64, below: Slot) {
        if number == self.loading.searches && self.loading.searching.is_some() {
            self.loading.searching = Some(below);
        }
    }

    /// A search has ended.
    pub(super) fn on_found(&mut self, number: u64, slot: Option<Slot>) {
        if number != self.loading.searches || self.loading.searching.take().is_none() {
            return;
        }
        match (slot, &self.search) {
            (Some(slot), _) => {
                self.go_to(Slot(slot.0.saturating_sub(FIRST / 2)));
                self.loading.goal = Some(Goal::Found(slot));
            }
            (None, Some(search)) => {
                let needle = &search.needle;
                self.alert = Some(format!("{needle:?} is not found in the log above"));
            }
            (None, None) => {}
        }
    }

    fn show_found(&mut self, slot: Slot) {
        let Some(search) = &self.search else { return self.loading.goal = None };
        let is_it = |item: &Item| match item {
            Item::Line(line) => line.slot == slot.0 && is_found(item, &search.needle),
            Item::Notice(_) => false,
        };
        let found = self.conversation.items(self.room()).iter().rposition(is_it);
        if let Some(item) = found {
            if let Some(search) = &mut self.search {
                search.found = Some(item);
            }
            self.loading.goal = None;
            self.reach_on();
            self.scroll_to(item);
        }
    }
}

fn is_found(item: &Item, needle: &str) -> bool {
    match item {
        Item::Line(line) => is_said(&line.user, &line.text, needle),
        Item::Notice(_) => false,
    }
}
