//! Snapshots: the whole durable state at one moment, so that older segments can go.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | magic `PXCS` |
//! | 4 | version of the format |
//! | 5 | the replica |
//! | 8..16 | the cluster |
//! | 16..24 | length of the body |
//! | 24..28 | CRC-32C of the body |
//! | 28..32 | CRC-32C of the bytes before |
//! | 32.. | the body, in postcard |
//!
//! **Invariants**
//! - *A snapshot has its name only when it is whole and durable*, so a damaged one was not torn by
//!   a crash.
//! - *What it says of the chat log was synced before.*

use super::Identity;
use super::error::{Damage, JournalError};
use super::segment::Start;
use actor_runtime::disk::{Disk, replace};
use paxos_chat::session::{Session, Sessions};
use paxos_chat::state;
use paxos_chat::types::{Ballot, Nonce, Seq, SessionId, Slot, User, Vote};
use paxos_chat_log::{Chain, Position, Synced};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 4] = *b"PXCS";
const VERSION: u8 = 2;
const BODY_AT: usize = 32;
const NAME: &str = "snapshot";

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Snapshot {
    /// The journal goes on in this segment.
    pub(super) segment: u64,
    /// At this offset.
    pub(super) at: u64,
    /// With this frame.
    pub(super) frame: u64,
    /// How much of the chat log is synced, and its hash there.
    pub(super) chat_log: ChatLogMark,
    pub(super) promised: Ballot,
    pub(super) upto: Slot,
    pub(super) votes: Vec<(Slot, Vote)>,
    pub(super) sessions: Vec<SessionRow>,
}

/// A place in the chat log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChatLogMark {
    pub(super) slots: u64,
    pub(super) chain: [u8; 32],
}

impl ChatLogMark {
    pub(super) fn synced(self) -> Synced {
        Synced { slots: self.slots, chain: Chain::from_bytes(self.chain) }
    }
}

impl From<Position> for ChatLogMark {
    fn from(position: Position) -> Self {
        ChatLogMark { slots: position.slots, chain: position.chain.to_bytes() }
    }
}

/// A session, with everything that decides about its next command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SessionRow {
    id: SessionId,
    user: User,
    nonce: Nonce,
    last_seq: Seq,
    slots: Vec<(Seq, Slot)>,
    used: Slot,
}

/// The session table as rows.
pub(super) fn rows(sessions: &Sessions) -> Vec<SessionRow> {
    let row = |(id, session): (SessionId, &paxos_chat::session::Session)| SessionRow {
        id,
        user: session.user.clone(),
        nonce: session.nonce,
        last_seq: session.last_seq,
        slots: session.slots.iter().map(|(seq, slot)| (*seq, *slot)).collect(),
        used: session.used,
    };
    sessions.iter().map(row).collect()
}

impl SessionRow {
    fn session(&self) -> (SessionId, Session) {
        let session = Session {
            user: self.user.clone(),
            nonce: self.nonce,
            last_seq: self.last_seq,
            slots: self.slots.iter().copied().collect(),
            used: self.used,
        };
        (self.id, session)
    }
}

impl Snapshot {
    /// The session table, if it can be one of so many sessions at this bound.
    pub(super) fn sessions(&self, sessions_max: usize) -> Result<Sessions, String> {
        if self.sessions.len() > sessions_max {
            let found = self.sessions.len();
            return Err(format!("it has {found} sessions, and a table holds {sessions_max}"));
        }
        Sessions::restored(self.sessions.iter().map(SessionRow::session), self.upto)
    }

    /// The snapshot of this state, after which the journal goes on there.
    pub(super) fn of(
        state: &state::Storage,
        segment: u64,
        start: Start,
        chat_log: ChatLogMark,
    ) -> Snapshot {
        Snapshot {
            segment,
            at: start.at as u64,
            frame: start.frame,
            chat_log,
            promised: state.promised,
            upto: state.snapshot.upto,
            votes: state.votes.iter().map(|(slot, vote)| (*slot, vote.clone())).collect(),
            sessions: rows(&state.snapshot.sessions),
        }
    }

    /// Where the journal goes on in its segment.
    pub(super) fn start(&self) -> Start {
        // An offset that no memory has is behind the end of every segment.
        Start { at: usize::try_from(self.at).unwrap_or(usize::MAX), frame: self.frame }
    }

    /// Replaces the snapshot of this folder; it is durable when this returns.
    pub(super) fn write(&self, disk: &dyn Disk, folder: &Path, own: Identity) -> io::Result<()> {
        let body = postcard::to_stdvec(self).map_err(io::Error::other)?;
        replace(disk, &path(folder), &with_header(&body, own)).map(drop)
    }

    /// Reads the snapshot of this folder.
    ///
    /// # Errors
    /// When it is not there, not this replica's, or damaged.
    pub(super) fn read(
        disk: &dyn Disk,
        folder: &Path,
        own: Identity,
    ) -> Result<Snapshot, JournalError> {
        let file = path(folder);
        if !disk.exists(&file).map_err(JournalError::disk("look for", &file))? {
            return Err(JournalError::damaged(&file, "the snapshot is missing"));
        }
        let bytes = disk.read(&file).map_err(JournalError::disk("read", &file))?;
        decode(&bytes, own).map_err(|damage| damage.of(&file))
    }
}

/// The file of a snapshot with this body.
pub(super) fn with_header(body: &[u8], own: Identity) -> Vec<u8> {
    let mut bytes = vec![0; BODY_AT];
    bytes[0..4].copy_from_slice(&MAGIC);
    bytes[4] = VERSION;
    bytes[5] = own.replica;
    bytes[8..16].copy_from_slice(&own.cluster.to_bytes());
    bytes[16..24].copy_from_slice(&(body.len() as u64).to_le_bytes());
    bytes[24..28].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..28]).to_le_bytes();
    bytes[28..32].copy_from_slice(&crc);
    bytes.extend_from_slice(body);
    bytes
}

fn decode(bytes: &[u8], own: Identity) -> Result<Snapshot, Damage> {
    let Some((header, body)) = bytes.split_at_checked(BODY_AT) else {
        return Damage::at(bytes.len(), "the file ends within its header");
    };
    if header[0..4] != MAGIC {
        return Damage::foreign(0, "this is no snapshot of a journal");
    }
    if header[28..32] != crc32c::crc32c(&header[..28]).to_le_bytes() {
        return Damage::at(0, "the checksum of the header does not fit");
    }
    if header[4] != VERSION {
        return Damage::version(4, header[4]);
    }
    own.check(header, 5)?;
    if header[16..24] != (body.len() as u64).to_le_bytes() {
        return Damage::at(bytes.len(), "the file has not the length that its header says");
    }
    if header[24..28] != crc32c::crc32c(body).to_le_bytes() {
        return Damage::at(BODY_AT, "the checksum of the body does not fit");
    }
    match postcard::take_from_bytes(body) {
        Ok((snapshot, [])) => Ok(snapshot),
        Ok((_, rest)) => Damage::at(bytes.len() - rest.len(), "something follows the body"),
        Err(error) => Damage::at(BODY_AT, format!("the body cannot be read: {error}")),
    }
}

/// The file of the snapshot.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

/// Is this the name of the snapshot's file?
pub(super) fn is_name(name: &str) -> bool {
    name == NAME
}
