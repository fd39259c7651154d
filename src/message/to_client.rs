//! What replicas answer clients.

use super::{Page, Plausible};
use crate::types::{Nonce, ReplicaId, Seq, SessionId, Slot};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// From a replica to a client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ToClient {
    /// The session that the client's nonce opened.
    SessionOpened(SessionOpened),
    /// The request was applied, and where.
    Acknowledged(Acknowledged),
    /// The leader's queue has no room for this user.
    Busy(Busy),
    /// Another replica leads.
    Redirect(Redirect),
    /// The session was evicted from the session table.
    SessionExpired(SessionExpired),
    /// Applied entries, an answer to `Tail`.
    Entries(Page),
    /// How far one has to read, an answer to `Read`.
    ReadBound(ReadBound),
}

/// The session that the client's nonce opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionOpened {
    /// The client's own nonce.
    pub nonce: Nonce,
    /// The session.
    pub session: SessionId,
}

/// The request was applied, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The session.
    pub session: SessionId,
    /// The request's number.
    pub seq: Seq,
    /// The slot at which it was applied.
    pub slot: Slot,
}

/// The leader's queue has no room for this user: ask again later, the later the more is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Busy {
    /// How many values fill the queue: about so many commits until all of it is in the log.
    pub queued: u32,
}

/// Another replica leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Redirect {
    /// The replica that leads, as far as the sender knows.
    pub leader: ReplicaId,
}

/// The session was evicted from the session table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionExpired {
    /// The session.
    pub session: SessionId,
}

/// Whoever has read everything below this bound has read all that anybody was told of before the read was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReadBound {
    /// The read that this answers.
    pub nonce: Nonce,
    /// The bound.
    pub upto: Slot,
}

impl Plausible for ToClient {
    fn is_plausible(&self) -> bool {
        match self {
            ToClient::SessionOpened(SessionOpened { session, .. })
            | ToClient::SessionExpired(SessionExpired { session }) => session.is_plausible(),
            ToClient::Acknowledged(Acknowledged { session, seq, slot }) => {
                session.is_plausible() && seq.is_plausible() && slot.is_plausible()
            }
            ToClient::Busy(_) | ToClient::Redirect(_) => true,
            ToClient::Entries(page) => page.is_plausible(),
            ToClient::ReadBound(ReadBound { nonce: _, upto }) => upto.is_plausible(),
        }
    }
}

impl Display for ToClient {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.class().name())?;
        match self {
            ToClient::SessionOpened(SessionOpened { nonce, session }) => {
                write!(f, "({nonce}, {session})")
            }
            ToClient::Acknowledged(Acknowledged { session, seq, slot }) => {
                write!(f, "({session}, #{seq}, slot {slot})")
            }
            ToClient::Busy(Busy { queued }) => write!(f, "({queued} queued)"),
            ToClient::Redirect(Redirect { leader }) => write!(f, "({leader})"),
            ToClient::SessionExpired(SessionExpired { session }) => write!(f, "({session})"),
            ToClient::Entries(page) => write!(f, "({page:?})"),
            ToClient::ReadBound(ReadBound { nonce, upto }) => write!(f, "({nonce}, below {upto})"),
        }
    }
}
