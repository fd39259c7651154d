//! What happens to the interface, and what it wants done.

use crate::envelope::{Room, Said};
use crate::host;
use crate::meter::Measured;
use crate::post::Post;
use paxos_chat::types::Slot;
use ratatui::crossterm::event::KeyEvent;
use std::ops::Range;

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key is pressed.
    Key(KeyEvent),
    /// A text is pasted.
    Paste(String),
    /// The terminal has this many columns and rows.
    Resized(u16, u16),
    /// The log ends here, and is read from here on.
    Begun(Slot),
    /// The log was read at its next slot.
    Read(Slot, Vec<Post>),
    /// The log is read as far as it went when that was asked.
    Current,
    /// Slots were read, as was asked.
    Loaded {
        /// The room.
        room: Room,
        /// The slots.
        slots: Range<Slot>,
        /// What was said there in this room.
        posts: Vec<Post>,
        /// How many messages there are in all rooms.
        of: usize,
    },
    /// A search has read everything from here on, and found nothing.
    Searched {
        /// Which search.
        number: u64,
        /// The lowest slot that it has read.
        below: Slot,
    },
    /// A search has ended.
    Found {
        /// Which search.
        number: u64,
        /// Where it was found, if it was.
        slot: Option<Slot>,
    },
    /// Something happened to one's session or messages.
    Spoken(host::Event),
    /// What was measured.
    Measured(Standing),
    /// Something does not work any more.
    Failed(String),
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Say this.
    Say(Said),
    /// Read this.
    Ask(Ask),
    /// Find out whether the log is read as far as it goes now.
    ReadCurrent,
    /// Call whoever sits here.
    Bell,
    /// Open another session.
    Reopen,
    /// Draw everything anew.
    Redraw,
    /// Give the terminal back, and stop until one is asked to go on.
    Suspend,
    /// Leave, when everything is acknowledged.
    Quit,
}

/// What is known of the cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// The replica that is asked now.
    pub asked: u64,
    /// It serves: it has answered since it was asked, or was named as the leader.
    pub serves: bool,
    /// What was measured.
    pub measured: Measured,
}

/// What is looked for in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The number of this search: whatever comes of another one is not wanted any more.
    pub number: u64,
    /// In this room.
    pub room: Room,
    /// In lower case.
    pub needle: String,
    /// Below this slot.
    pub below: Slot,
}

/// What is asked of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The messages of a room at these slots.
    Load(Room, Range<Slot>),
    /// The last slot at which this was said; no other one any more.
    Search(Query),
    /// No search any more.
    StopSearch,
}
