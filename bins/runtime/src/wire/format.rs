//! Formats of messages: how processes of builds that follow one another understand each other.
//!
//! A build reads and writes every format of a range, [`Formats`]. Each datagram tells the format of the messages in
//! it, and the newest that its sender reads. So each peer is written to in the newest format that both read: in the
//! oldest until it is heard, and then as it says.
//!
//! **Invariants**
//! - *What is not read is answered* by a driver: whoever has sealed messages in a format that is not read here is sent
//!   a datagram without any, which tells the newest that is. So who goes back to the build before understands the others
//!   after one round trip, even if it never speaks first.
//! - *No message, no format*: a datagram without messages is read whatever its format. A replica answers none, and a
//!   client answers a replica's with another one, so it ends there.
//! - *A seal is behind it*: what a peer reads is taken from datagrams that it has sealed, and from no others.
//!
//! **Absent**: formats of what is around the messages. The header, the seal and the parts of a message stay as they
//! are for as long as builds are to understand each other; another one has another [`super::VERSION`].

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The formats that a build reads and writes: all from the oldest to the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formats {
    oldest: u8,
    newest: u8,
}

impl Formats {
    /// All from the oldest to the newest.
    ///
    /// # Panics
    /// If the oldest is newer than the newest.
    pub const fn new(oldest: u8, newest: u8) -> Formats {
        assert!(oldest <= newest, "no format at all");
        Formats { oldest, newest }
    }

    /// The oldest.
    pub const fn oldest(self) -> u8 {
        self.oldest
    }

    /// The newest.
    pub const fn newest(self) -> u8 {
        self.newest
    }

    /// Is there no choice?
    pub(crate) const fn is_one(self) -> bool {
        self.oldest == self.newest
    }

    /// Is this one of them?
    pub const fn contains(self, format: u8) -> bool {
        self.oldest <= format && format <= self.newest
    }

    /// The newest that is read here and there, if that one reads this and older ones; the oldest if there is none.
    pub(super) fn with(self, newest_there: u8) -> u8 {
        newest_there.clamp(self.oldest, self.newest)
    }
}

impl Default for Formats {
    /// The first, and no other.
    fn default() -> Formats {
        Formats::new(1, 1)
    }
}

/// What datagrams carry, in each of the formats that a build reads and writes. By default all of them are the same.
pub trait Payload: Serialize + DeserializeOwned {
    /// Appends it in this format.
    ///
    /// # Errors
    /// When it can't be said in it; then any bytes may have been appended.
    fn write(&self, _format: u8, bytes: &mut Vec<u8>) -> postcard::Result<()> {
        postcard::to_io(self, bytes).map(drop)
    }

    /// Reads one in this format from the beginning of these bytes; what is behind it is left.
    ///
    /// # Errors
    /// When there is none.
    fn read(_format: u8, bytes: &[u8]) -> postcard::Result<(Self, &[u8])> {
        postcard::take_from_bytes(bytes)
    }
}

impl Payload for u8 {}
impl Payload for u64 {}
impl Payload for String {}
impl Payload for Vec<u8> {}
