//! The log as one turns its pages: stretches of it, and searches, in a thread of its own.
//!
//! **Invariants**
//! - *A search keeps nobody waiting*: stretches that are asked for meanwhile come first.
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
const STRETCH_SLOTS_MAX: u64 = 1 << 12;

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
            let mut pages = Pages { access, is_over: over, search: None };
            let failed = pages.run(&asked, &tell).err();
            if let Some(error) = failed {
                tell(Event::Failed(format!("older messages cannot be read: {error}")));
            }
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

struct Pages {
    access: Access,
    is_over: Arc<AtomicBool>,
    search: Option<(Query, Backwards)>,
}

impl Pages {
    fn run(
        &mut self,
        asked: &Receiver<Ask>,
        tell: &impl Fn(Event) -> bool,
    ) -> Result<(), ReadingError> {
        loop {
            let next = match self.search {
                Some(_) => asked.try_recv(),
                None => asked.recv().map_err(|_| TryRecvError::Disconnected),
            };
            let event = match next {
                Ok(Ask::Load(room, slots)) => self.load(room, slots)?,
                Ok(Ask::Search(query)) => {
                    let backwards = Backwards::from(query.below, STRETCH_SLOTS_MAX);
                    self.search = Some((query, backwards));
                    continue;
                }
                Ok(Ask::StopSearch) => {
                    self.search = None;
                    continue;
                }
                Err(TryRecvError::Empty) => match self.look()? {
                    Some(event) => event,
                    None => continue,
                },
                Err(TryRecvError::Disconnected) => return Ok(()),
            };
            if self.is_over.load(Ordering::Relaxed) || !tell(event) {
                return Ok(());
            }
        }
    }

    fn read(&self, slots: Range<Slot>, take: impl FnMut(Post)) -> Result<(), ReadingError> {
        reading::read(&self.access, slots, take, || self.is_over.load(Ordering::Relaxed))
    }

    fn load(&self, room: Room, slots: Range<Slot>) -> Result<Event, ReadingError> {
        let (mut posts, mut of) = (Vec::new(), 0);
        self.read(slots.clone(), |post| {
            of += 1;
            if post.said.room == room {
                posts.push(post);
            }
        })?;
        Ok(Event::Loaded { room, slots, posts, of })
    }

    /// Looks through the next stretch.
    fn look(&mut self) -> Result<Option<Event>, ReadingError> {
        let Some((query, mut backwards)) = self.search.take() else { return Ok(None) };
        let number = query.number;
        let Some(stretch) = backwards.stretch() else {
            return Ok(Some(Event::Found { number, slot: None }));
        };
        let mut found = None;
        self.read(stretch.clone(), |post| {
            if post.said.room == query.room && is_said(&post.user, &post.said.text, &query.needle) {
                found = Some(Slot(post.slot));
            }
        })?;
        if found.is_some() {
            return Ok(Some(Event::Found { number, slot: found }));
        }
        backwards.pass(0);
        self.search = Some((query, backwards));
        Ok(Some(Event::Searched { number, below: stretch.start }))
    }
}
