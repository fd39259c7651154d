//! A durable client's state file: what it needs to go on where its process ended, however that was.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | magic `PXCC` |
//! | 4 | version of the format |
//! | 5..8 | zero |
//! | 8..12 | CRC-32C of the body |
//! | 12..20 | length of the body |
//! | 20..24 | CRC-32C of the bytes before |
//! | 24.. | the body, in postcard: cluster, user, first number of the run, [`ClientStorage`] |
//!
//! A save writes all of it, which is what is unacknowledged: at most
//! [`super::UNACKNOWLEDGED_MAX`] messages.
//!
//! **Invariants**
//! - *A file has its name only when it is whole and durable*, so a crash leaves the save before or
//!   this one, and a damaged file was not torn by a crash.
//! - *One process at a time*: a lock on `FILE.lock`, which the system gives back when the process
//!   ends, however it ends. It is a file of its own, because a save gives the name to another file.
//! - *Told before forgotten*: how far an interrupted run got, and what an expired session leaves
//!   unknown, stays in the file until the user was told; see [`State::conclude`].
//!
//! **Absent**: what the client does with it, which is the actor's.

use actor_runtime::disk::{Disk, SystemDisk, replace_by};
use actor_runtime::storage::StableStorage;
use actor_runtime::wire::ClusterId;
use paxos_chat::client::{ClientPhase, ClientStorage};
use paxos_chat::types::Seq;
use paxos_chat_log::text_of;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const MAGIC: [u8; 4] = *b"PXCC";
const VERSION: u8 = 1;
const BODY_AT: usize = 24;
const HEADER_CRC_AT: usize = 20;
/// No state file is longer: 256 messages of 16 KiB, and what belongs to them.
const FILE_BYTES_MAX: u64 = 8 << 20;

const REMEDY_DAMAGED: &str = "read the log (`client tail`) for what had arrived, and begin anew by \
    moving the file away; an older copy of it would say messages under numbers that are taken";
const REMEDY_FOREIGN: &str = "name the file that belongs to this user and cluster, or a new one";
const REMEDY_DISK: &str = "see to the disk (space, permissions, health), and start again";

/// Why there is no state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process uses it.
    #[error(
        "{} is in use by another process: is a client running with it already? End that one first, \
         or name another file",
        .0.display()
    )]
    Locked(PathBuf),
    /// It is not what it should be.
    #[error("{}, offset {offset}: {wrong}; {remedy}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: usize,
        /// What is wrong.
        wrong: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The disk fails.
    #[error("cannot {action} {}: {error}; {REMEDY_DISK}", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// Whose state it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The cluster.
    pub cluster: ClusterId,
    /// The user.
    pub user: String,
}

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    cluster: [u8; 8],
    user: String,
    /// The number of the first message of the run that is going on, or was interrupted.
    first: Seq,
    /// What the client has saved, if it has.
    client: Option<ClientStorage>,
}

/// What a run that did not come to its end has left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interrupted {
    /// How many messages it had taken, acknowledged or not.
    pub taken: u64,
    /// The messages that are pending, of this run or earlier ones, with their numbers.
    pub pending: Vec<(Seq, String)>,
}

/// What an expired session has left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// The messages whose outcome is unknown.
    pub unknown: Vec<(Seq, String)>,
    /// The messages that were never sent.
    pub unsent: Vec<(Seq, String)>,
}

/// What a file has of a run whose client has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// It has, or had until it was acknowledged, every message below this number, and no other.
    pub below: Seq,
    /// So many are pending, and the next run with it completes them.
    pub pending: u64,
}

/// The file, as long as a process has it.
#[derive(Debug)]
pub struct StateFile<D> {
    disk: D,
    path: PathBuf,
    body: Contents,
}

/// Keeps other processes from the file as long as it lives.
pub struct Lock(#[allow(dead_code, reason = "it is held, not looked at")] Box<dyn Any>);

impl<D: Disk> StateFile<D> {
    /// Opens a state file, or begins one that is not there.
    ///
    /// # Errors
    /// When another process has it, it is of somebody else, or damaged, or the disk fails.
    pub fn open(disk: D, path: &Path, owner: &Owner) -> Result<(Self, Lock), StateError> {
        let lock = lock(&disk, path)?;
        let (cluster, user) = (owner.cluster.to_bytes(), owner.user.clone());
        let found = read(&disk, path)?;
        if let Some(found) = &found {
            check_owner(found, owner, path)?;
        }
        let new = Contents { cluster, user, first: Seq::FIRST, client: None };
        Ok((StateFile { disk, path: path.to_owned(), body: found.unwrap_or(new) }, lock))
    }

    /// What the client goes on with, unless its session has expired.
    fn resumed(&self) -> Option<&ClientStorage> {
        self.body.client.as_ref().filter(|client| client.phase != ClientPhase::Expired)
    }

    fn expired(&self) -> Option<Expired> {
        let client = self.body.client.as_ref().filter(|it| it.phase == ClientPhase::Expired)?;
        let all = texts(client);
        let (unknown, unsent) =
            all.into_iter().partition(|(seq, _)| client.unacknowledged.contains_key(seq));
        Some(Expired { unknown, unsent })
    }

    fn interrupted(&self) -> Interrupted {
        let next = self.body.client.as_ref().map_or(Seq::FIRST, ClientStorage::next_submitted);
        Interrupted {
            taken: next.0.saturating_sub(self.body.first.0),
            pending: self.resumed().map(texts).unwrap_or_default(),
        }
    }

    /// As [`State::conclude`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn conclude(&mut self, is_complete: bool) -> Result<(), StateError> {
        let mut body = self.body.clone();
        if self.expired().is_some() {
            (body.first, body.client) = (Seq::FIRST, None);
        } else if is_complete {
            body.first = self.resumed().map_or(Seq::FIRST, ClientStorage::next_submitted);
        }
        if body == self.body { Ok(()) } else { self.replace(body) }
    }

    /// What cannot be written is not known here either.
    fn replace(&mut self, body: Contents) -> Result<(), StateError> {
        let temporary = beside(&self.path, ".tmp");
        let replaced = replace_by(&self.disk, &temporary, &self.path, &encode(&body));
        replaced.map_err(failed("write", &self.path))?;
        self.body = body;
        Ok(())
    }
}

impl<D: Disk> StableStorage<ClientStorage> for StateFile<D> {
    fn load(&mut self) -> io::Result<Option<ClientStorage>> {
        Ok(self.body.client.clone())
    }

    fn save(&mut self, state: ClientStorage) -> io::Result<()> {
        let mut body = self.body.clone();
        if body.client.as_ref().is_none_or(|known| known.nonce != state.nonce) {
            // Another session counts from 1 again.
            body.first = Seq::FIRST;
        }
        body.client = Some(state);
        self.replace(body).map_err(io::Error::other)
    }
}

/// The messages that are pending, as their users said them.
fn texts(client: &ClientStorage) -> Vec<(Seq, String)> {
    let text = |body| text_of(body).unwrap_or_default().to_owned();
    client.pending().map(|(seq, body)| (seq, text(body))).collect()
}

/// A name that begins as the file's does.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError + use<> {
    let path = path.to_owned();
    move |error| StateError::Disk { action, path, error }
}

fn lock(disk: &dyn Disk, path: &Path) -> Result<Lock, StateError> {
    let file = beside(path, ".lock");
    disk.make(&file).map_err(failed("create", &file))?;
    match disk.lock(&file).map_err(failed("lock", &file))? {
        Some(lock) => Ok(Lock(lock)),
        None => Err(StateError::Locked(path.to_owned())),
    }
}

fn encode(body: &Contents) -> Vec<u8> {
    let mut bytes = vec![0; BODY_AT];
    let encoded = postcard::to_allocvec(body).expect("numbers and texts can be encoded");
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4] = VERSION;
    bytes[8..12].copy_from_slice(&crc32c::crc32c(&encoded).to_le_bytes());
    bytes[12..20].copy_from_slice(&(encoded.len() as u64).to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..HEADER_CRC_AT]).to_le_bytes();
    bytes[HEADER_CRC_AT..BODY_AT].copy_from_slice(&crc);
    bytes.extend(encoded);
    bytes
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Contents>, StateError> {
    if !disk.exists(path).map_err(failed("look for", path))? {
        return Ok(None);
    }
    let length = disk.open(path).and_then(|file| file.length()).map_err(failed("open", path))?;
    if length > FILE_BYTES_MAX {
        return refuse(path, 0, "it is too long for a state file", REMEDY_FOREIGN);
    }
    let bytes = disk.read(path).map_err(failed("read", path))?;
    decode(&bytes, path).map(Some)
}

fn decode(bytes: &[u8], path: &Path) -> Result<Contents, StateError> {
    if bytes.get(..4) != Some(&MAGIC) {
        return refuse(path, 0, "it is no state file of a client", REMEDY_FOREIGN);
    }
    let Some((header, body)) = bytes.split_at_checked(BODY_AT) else {
        return refuse(path, bytes.len(), "its header is cut off", REMEDY_DAMAGED);
    };
    if header[4] != VERSION {
        let wrong = format!("format version {} is not known to this program", header[4]);
        return refuse(path, 4, wrong, "start the version of this program that wrote it");
    }
    if header[HEADER_CRC_AT..] != crc32c::crc32c(&header[..HEADER_CRC_AT]).to_le_bytes() {
        return refuse(path, 0, "the checksum of its header does not fit", REMEDY_DAMAGED);
    }
    if header[12..20] != (body.len() as u64).to_le_bytes() {
        return refuse(path, BODY_AT, "it is not as long as its header says", REMEDY_DAMAGED);
    }
    if header[8..12] != crc32c::crc32c(body).to_le_bytes() {
        return refuse(path, BODY_AT, "its checksum does not fit", REMEDY_DAMAGED);
    }
    match postcard::take_from_bytes::<Contents>(body) {
        Ok((body, [])) if is_sound(&body) => Ok(body),
        _ => refuse(path, BODY_AT, "it does not hold a client's state", REMEDY_DAMAGED),
    }
}

/// Could a client have saved this?
fn is_sound(body: &Contents) -> bool {
    body.client.as_ref().is_none_or(|client| {
        let pending = client.unacknowledged.last_key_value();
        client.next_seq >= Seq::FIRST
            && pending.is_none_or(|(last, _)| *last < client.next_seq)
            && client.unacknowledged.iter().all(|(seq, pending)| pending.acked_below <= *seq)
    })
}

fn check_owner(found: &Contents, owner: &Owner, path: &Path) -> Result<(), StateError> {
    if found.cluster != owner.cluster.to_bytes() {
        let of: String = found.cluster.iter().map(|byte| format!("{byte:02x}")).collect();
        let wrong = format!("it is of cluster {of}, and this one is {}", owner.cluster);
        return refuse(path, BODY_AT, wrong, REMEDY_FOREIGN);
    }
    if found.user != owner.user {
        let wrong = format!("it is of user {}, and you are {}", found.user, owner.user);
        return refuse(path, BODY_AT, wrong, REMEDY_FOREIGN);
    }
    Ok(())
}

fn refuse<T>(
    path: &Path,
    offset: usize,
    wrong: impl Into<String>,
    remedy: &'static str,
) -> Result<T, StateError> {
    Err(StateError::Refused { path: path.to_owned(), offset, wrong: wrong.into(), remedy })
}

/// The state file of this process: clones are the same one.
#[derive(Clone, Debug)]
pub struct State(Arc<Mutex<StateFile<SystemDisk>>>);

impl State {
    /// Opens a state file, or begins one that is not there.
    ///
    /// # Errors
    /// As [`StateFile::open`].
    pub fn open(path: &Path, owner: &Owner) -> Result<(State, Lock), StateError> {
        // A link is another name of a file, and the file has one lock.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let (file, lock) = StateFile::open(SystemDisk, &path, owner)?;
        Ok((State(Arc::new(Mutex::new(file))), lock))
    }

    /// The number of what is said next; what is pending comes before it.
    pub fn next(&self) -> Seq {
        self.lock().resumed().map_or(Seq::FIRST, ClientStorage::next_submitted)
    }

    /// Where the session that the client goes on in stands.
    pub fn phase(&self) -> ClientPhase {
        self.lock().resumed().map_or(ClientPhase::Opening, |client| client.phase.clone())
    }

    /// What an earlier run has left; of a run that came to its end in good order, nothing.
    pub fn interrupted(&self) -> Interrupted {
        self.lock().interrupted()
    }

    /// What a next run will find, as it is on the disk: a save that has failed may have replaced it or not.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn saved(&self) -> Result<Saved, StateError> {
        let mut file = self.lock();
        if let Some(found) = read(&file.disk, &file.path)? {
            file.body = found;
        }
        let below = file.resumed().map_or(Seq::FIRST, ClientStorage::next_submitted);
        Ok(Saved { below, pending: file.interrupted().pending.len() as u64 })
    }

    /// What the session has left, if it has expired and [`State::conclude`] was not called since.
    pub fn expired(&self) -> Option<Expired> {
        self.lock().expired()
    }

    /// The user was told what there is to tell of the run until now: of an expired session, or that
    /// all was acknowledged. Only then is it forgotten.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn conclude(&self, is_complete: bool) -> Result<(), StateError> {
        self.lock().conclude(is_complete)
    }

    fn lock(&self) -> MutexGuard<'_, StateFile<SystemDisk>> {
        // What it holds is replaced as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StableStorage<ClientStorage> for State {
    fn load(&mut self) -> io::Result<Option<ClientStorage>> {
        self.lock().load()
    }

    fn save(&mut self, state: ClientStorage) -> io::Result<()> {
        self.lock().save(state)
    }
}

#[cfg(test)]
mod tests;
