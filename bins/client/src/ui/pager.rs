//! The log as one turns its pages: stretches of it, and searches, in a thread of its own.
//!
//! **Invariants**
//! - *A search keeps nobody waiting* for longer than one of its stretches takes.
//! - *What cannot be read now is read later*: whoever asks once gets an answer.
//! - *Bounded*: what a search has read and does not look for is dropped.

use super::conversation::is_said;
use super::event::{Ask, Event, Query};
use crate::Access;
use crate::backwards::Backwards;
use crate::envelope::Room;
use crate::post::Post;
use crate::reading::{self, ReadingError};
use paxos_chat::types::Slot;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;

/// Slots that a search reads at once.
const STRETCH_SLOTS_MAX: u64 = 1 << 10;
/// How long to wait before what could not be read is read again.
const PAUSE: Duration = Duration::from_secs(1);

/// Reads until it goes.
pub(super) struct Pager {
    asks: Sender<Ask>,
    is_over: Arc<AtomicBool>,
}

impl Pager {
    /// Begins; `tell` is told what is found, and says whether anybody listens.
    pub(super) fn start(
        access: &Access,
        tell: impl Fn(Event) -> bool + Send + 'static,
    ) -> io::Result<Pager> {
        let (asks, asked) = channel();
        let is_over = Arc::<AtomicBool>::default();
        // However long nobody answers, the answer is wanted.
        let access = Access { patience: Duration::MAX, ..access.clone() };
        let over = Arc::clone(&is_over);
        let run = move || {
            Pages { access, is_over: over, search: None }.run(&asked, &tell);
        };
        std::thread::Builder::new().name("pager".into()).spawn(run)?;
        Ok(Pager { asks, is_over })
    }

    pub(super) fn ask(&self, ask: Ask) {
        // Its end was told.
        let _ = self.asks.send(ask);
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// What was read.
#[derive(Default)]
struct Stretch {
    /// The messages of the room.
    posts: Vec<Post>,
    /// How many there are in all rooms.
    of: usize,
}

struct Pages {
    access: Access,
    is_over: Arc<AtomicBool>,
    search: Option<(Query, Backwards)>,
}

impl Pages {
    fn run(&mut self, asked: &Receiver<Ask>, tell: &impl Fn(Event) -> bool) {
        loop {
            let next = match self.search {
                Some(_) => asked.try_recv(),
                None => asked.recv().map_err(|_| TryRecvError::Disconnected),
            };
            let event = match next {
                Ok(Ask::Load(room, slots)) => {
                    let Stretch { posts, of } =
                        self.insist(tell, |pages| pages.load(&room, slots.clone()));
                    Some(Event::Loaded { room, slots, posts, of })
                }
                Ok(Ask::Search(query)) => {
                    let backwards = Backwards::from(query.below, STRETCH_SLOTS_MAX);
                    self.search = Some((query, backwards));
                    None
                }
                Ok(Ask::StopSearch) => {
                    self.search = None;
                    None
                }
                Err(TryRecvError::Empty) => self.look(tell),
                Err(TryRecvError::Disconnected) => return,
            };
            if self.is_over.load(Ordering::Relaxed) || event.is_some_and(|event| !tell(event)) {
                return;
            }
        }
    }

    /// Reads until that works: sockets may be short for a while.
    fn insist<T: Default>(
        &self,
        tell: &impl Fn(Event) -> bool,
        read: impl Fn(&Pages) -> Result<T, ReadingError>,
    ) -> T {
        let mut is_told = false;
        while !self.is_over.load(Ordering::Relaxed) {
            match read(self) {
                Ok(read) => return read,
                Err(error) if !is_told => {
                    is_told = true;
                    let why =
                        format!("older messages cannot be read, which is tried again: {error}");
                    tell(Event::Failed(why));
                }
                Err(_) => {}
            }
            std::thread::sleep(PAUSE);
        }
        T::default()
    }

    fn read(&self, slots: Range<Slot>, take: impl FnMut(Post)) -> Result<(), ReadingError> {
        reading::read(&self.access, slots, take, || self.is_over.load(Ordering::Relaxed))
    }

    fn load(&self, room: &Room, slots: Range<Slot>) -> Result<Stretch, ReadingError> {
        let (mut posts, mut of) = (Vec::new(), 0);
        self.read(slots, |post| {
            of += 1;
            if post.said.room == *room {
                posts.push(post);
            }
        })?;
        Ok(Stretch { posts, of })
    }

    /// Looks through the next stretch.
    fn look(&mut self, tell: &impl Fn(Event) -> bool) -> Option<Event> {
        let (query, mut backwards) = self.search.take()?;
        let number = query.number;
        let Some(stretch) = backwards.stretch() else {
            return Some(Event::Found { number, slot: None });
        };
        let found = self.insist(tell, |pages| {
            let mut found = None;
            pages.read(stretch.clone(), |post| {
                let said = &post.said;
                if said.room == query.room && is_said(&post.user, &said.text, &query.needle) {
                    found = Some(Slot(post.slot));
                }
            })?;
            Ok(found)
        });
        if found.is_some() {
            return Some(Event::Found { number, slot: found });
        }
        backwards.pass(0);
        self.search = Some((query, backwards));
        Some(Event::Searched { number, below: stretch.start })
    }
}
