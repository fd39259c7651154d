//! Formatting storage once, and opening it: what is recovered, and what is refused.
//!
//! **Invariants**
//! - *Storage is formatted as a whole*: a crash leaves none, or all of it.
//! - *Only the end may be torn*: of the journal the last frame, of the chat log what is above the
//!   mark that the snapshot has of it. Both are cut off, and said.
//! - *Two witnesses*: what is read of the chat log must lead to the hash that the snapshot recorded.
//! - *The end is read, not the log*: the session table is the snapshot's, and the chat log is read
//!   from a little below the snapshot on. `cluster verify` reads everything.

use super::Place;
use super::blank::Blank;
use super::error::JournalError;
use super::record::{Replayed, replay};
use super::segment::{self, Segment, Start};
use super::snapshot::{self, ChatLogMark, Snapshot};
use super::storage::JournalStorage;
use actor_runtime::disk::{TEMPORARY, replace};
use paxos_chat::state;
use paxos_chat_log::{self, ChatLog, OpenError, Store};
use std::collections::BTreeSet;
use std::path::Path;

/// The first segment and the first frame.
const FIRST: u64 = 1;

/// A replica's storage, opened.
pub struct Opened {
    /// Promises and votes.
    pub storage: JournalStorage,
    /// The chat log, to be continued.
    pub log: Store,
    /// What was cut off.
    pub warnings: Vec<String>,
}

/// Makes the storage of a replica that never ran.
///
/// # Errors
/// When there is storage, or the disk fails.
pub fn format(place: &Place) -> Result<(), JournalError> {
    let (journal, chat_log, disk) = (place.journal(), place.chat_log(), place.disk());
    for path in [&journal, &chat_log] {
        if disk.exists(path).map_err(JournalError::disk("look for", path))? {
            return Err(JournalError::Exists(path.clone()));
        }
    }
    let new = journal.with_extension(format!("journal.{TEMPORARY}"));
    let failed = |path: &Path| JournalError::disk("format", path);
    disk.create_folder(&new).map_err(failed(&new))?;
    let (own, length) = (place.identity, place.segment_bytes);
    let segment = Blank::begin(disk, &new, FIRST, length, None)
        .and_then(|blank| Segment::create(disk, &new, own, FIRST, FIRST, blank));
    let start = Start { at: segment.map_err(failed(&new))?.end(), frame: FIRST };
    let empty = state::Storage::default();
    let position = ChatLog::begin(own.cluster);
    let snapshot = Snapshot::of(&empty, FIRST, start, ChatLogMark::from(position));
    snapshot.write(disk, &new, own).map_err(failed(&new))?;
    disk.rename(&new, &journal).map_err(failed(&journal))?;
    // From here on there is storage; a chat log that a crash kept from being made, opening makes.
    let head = ChatLog::head(own.cluster);
    replace(disk, &chat_log, head.as_bytes()).map(drop).map_err(failed(&chat_log))
}

/// Opens the storage of a replica that was formatted.
///
/// # Errors
/// When there is none, it is not this replica's, or it cannot be trusted.
pub fn open(place: &Place) -> Result<Opened, JournalError> {
    let (journal, disk) = (place.journal(), place.disk());
    if !disk.exists(&journal).map_err(JournalError::disk("look for", &journal))? {
        let replica = place.identity.replica;
        return Err(JournalError::Missing { path: journal, replica });
    }
    let lock = disk.lock(&journal).map_err(JournalError::disk("lock", &journal))?;
    let lock = lock.ok_or_else(|| JournalError::Locked(journal.clone()))?;
    let snapshot = Snapshot::read(disk, &journal, place.identity)?;
    let files = Files::list(place, &snapshot)?;
    let mut warnings = Vec::new();
    let mut state = state_of(&snapshot, place)?;
    let next_frame = replay_segments(place, &snapshot, &files, &mut state, &mut warnings)?;
    let log = open_chat_log(place, &snapshot, &mut warnings)?;
    let failed = || JournalError::disk("write", &journal);
    let (own, number) = (place.identity, files.last + 1);
    let segment = Blank::begin(disk, &journal, number, place.segment_bytes, None)
        .and_then(|blank| Segment::create(disk, &journal, own, number, next_frame, blank))
        .map_err(failed())?;
    let written = log.written();
    let mark = written.get().into();
    let mut storage = JournalStorage {
        place: place.clone(),
        segment,
        first_segment: snapshot.segment,
        next_frame,
        next: None,
        spares: Vec::new(),
        frame: Vec::new(),
        saved: state,
        chat_log: log.file(),
        written,
        snapshot_is_due: false,
        has_failed: false,
        _lock: lock,
    };
    storage.write_snapshot(mark).map_err(failed())?;
    for old in files.superseded {
        disk.remove(&segment::path(&journal, old)).map_err(failed())?;
    }
    Ok(Opened { storage, log, warnings })
}

/// What a replica has promised and voted, by its journal: read at any moment, from outside, without
/// its lock, and without a change to anything.
///
/// # Errors
/// When there is no journal of this replica, or it cannot be trusted. While its replica runs, it may
/// change in the middle of this; then it can be read again.
pub fn inspect(place: &Place) -> Result<state::Storage, JournalError> {
    let (journal, disk) = (place.journal(), place.disk());
    let snapshot = Snapshot::read(disk, &journal, place.identity)?;
    let names = disk.list(&journal).map_err(JournalError::disk("list", &journal))?;
    let last = names.iter().filter_map(|name| segment::number_of(name)).max();
    let files = Files { superseded: Vec::new(), last: last.unwrap_or(snapshot.segment) };
    let mut state = state_of(&snapshot, place)?;
    replay_segments(place, &snapshot, &files, &mut state, &mut Vec::new())?;
    Ok(state)
}

/// The state that a snapshot holds.
fn state_of(snapshot: &Snapshot, place: &Place) -> Result<state::Storage, JournalError> {
    let mut state = state::Storage {
        promised: snapshot.promised,
        votes: snapshot.votes.iter().cloned().collect(),
        ..state::Storage::default()
    };
    state.snapshot.upto = snapshot.upto;
    state.snapshot.sessions = snapshot.sessions(place.sessions_max).map_err(|wrong| {
        let path = snapshot::path(&place.journal());
        JournalError::damaged(&path, format!("its session table: {wrong}"))
    })?;
    Ok(state)
}

/// The segments of a journal.
struct Files {
    /// Those that the snapshot replaced, and that a crash left.
    superseded: Vec<u64>,
    /// The last of those that it needs.
    last: u64,
}

impl Files {
    fn list(place: &Place, snapshot: &Snapshot) -> Result<Files, JournalError> {
        let (journal, disk) = (place.journal(), place.disk());
        let names = disk.list(&journal).map_err(JournalError::disk("list", &journal))?;
        let mut numbers = BTreeSet::new();
        for name in names {
            let path = journal.join(&name);
            if path.extension().is_some_and(|extension| extension == TEMPORARY) {
                disk.remove(&path).map_err(JournalError::disk("remove", &path))?;
            } else if let Some(number) = segment::number_of(&name) {
                numbers.insert(number);
            } else if !snapshot::is_name(&name) {
                let wrong = "this is no file of a journal; if it is yours, move it elsewhere";
                return Err(JournalError::foreign(&path, wrong));
            }
        }
        let needed = numbers.split_off(&snapshot.segment);
        let last = needed.last().copied().unwrap_or(snapshot.segment);
        for number in snapshot.segment..=last {
            if !needed.contains(&number) {
                let path = segment::path(&journal, number);
                return Err(JournalError::damaged(&path, "this segment is missing"));
            }
        }
        Ok(Files { superseded: numbers.into_iter().collect(), last })
    }
}

/// Applies what changed since the snapshot; gives the number of the next frame.
fn replay_segments(
    place: &Place,
    snapshot: &Snapshot,
    files: &Files,
    state: &mut state::Storage,
    warnings: &mut Vec<String>,
) -> Result<u64, JournalError> {
    let (journal, mut next) = (place.journal(), snapshot.start().frame);
    // The last segment that may have frames ends here, without a seal.
    let mut open_end: Option<u64> = None;
    for number in snapshot.segment..=files.last {
        let path = segment::path(&journal, number);
        let bytes = place.disk().read(&path).map_err(JournalError::disk("read", &path))?;
        let is_first = number == snapshot.segment;
        let start = if is_first { snapshot.start() } else { Start::first(next) };
        // A segment made ahead of a seal that was not written counts one frame more.
        let ahead = Start::first(next + u64::from(open_end.is_some()));
        let read = |start| segment::read(&bytes, &path, place.identity, number, start);
        let scan = read(start).or_else(|error| match read(ahead) {
            Ok(scan) if !is_first && scan.frames.is_empty() && scan.torn_at.is_none() => Ok(scan),
            _ => Err(error),
        })?;
        if let Some(unsealed) = open_end
            && (!scan.frames.is_empty() || scan.torn_at.is_some())
        {
            let path = segment::path(&journal, unsealed);
            let wrong = format!("its end is missing, though segment {number} follows");
            return Err(JournalError::damaged(&path, wrong));
        }
        let mut end = Replayed::Open;
        for (offset, payload) in scan.frames {
            let damaged = |wrong: String| JournalError::damaged_at(&path, offset, wrong);
            if end == Replayed::Sealed {
                return Err(damaged("a frame follows the seal of its segment".into()));
            }
            end = replay(payload, state).map_err(damaged)?;
            next += 1;
        }
        if let Some(offset) = scan.torn_at {
            warnings.push(format!(
                "{}, offset {offset}: the last record was not completely written when this \
                 replica was killed; it is cut off, and nothing that depends on it was ever sent",
                path.display()
            ));
        }
        if end == Replayed::Open {
            open_end.get_or_insert(number);
        } else if number == files.last {
            let path = segment::path(&journal, number + 1);
            return Err(JournalError::damaged(&path, "this segment is missing"));
        }
    }
    Ok(next)
}

/// Opens the chat log, of which the snapshot knows how much was synced.
fn open_chat_log(
    place: &Place,
    snapshot: &Snapshot,
    warnings: &mut Vec<String>,
) -> Result<Store, JournalError> {
    let (path, own) = (place.chat_log(), place.identity.cluster);
    let synced = snapshot.chat_log.synced();
    match Store::open(place.disk(), &path, own, snapshot.upto, &synced) {
        Ok(paxos_chat_log::Opened { store, warnings: found }) => {
            warnings.extend(found);
            Ok(store)
        }
        Err(OpenError::Disk(error)) => Err(JournalError::disk("open", &path)(error)),
        Err(OpenError::Foreign(wrong)) => Err(JournalError::foreign(&path, wrong)),
        Err(OpenError::Damaged { offset, wrong }) => {
            Err(JournalError::chat_log(&path, offset, wrong))
        }
    }
}
