//! Formatting storage once, and opening it: what is recovered, and what is refused.
//!
//! **Invariants**
//! - *Storage is formatted as a whole*: a crash leaves none, or all of it.
//! - *Only the end may be torn*: of the journal the last frame, of the chat log what is above the
//!   mark that the snapshot has of it. Both are cut off, and said.
//! - *Two witnesses*: the chat log must have the hash that the snapshot recorded, and replaying it
//!   must lead to the snapshot's session table.

use super::Place;
use super::error::JournalError;
use super::record::{Replayed, replay};
use super::segment::{self, Segment};
use super::snapshot::{self, ChatLogMark, Snapshot};
use super::storage::JournalStorage;
use crate::chatlog::{ChatLog, LogFile, LogWriter, Recovered};
use crate::disk::{TEMPORARY, replace};
use paxos_chat::acceptor;
use paxos_chat::session::Sessions;
use std::collections::BTreeSet;
use std::io::BufWriter;
use std::path::Path;

/// The first segment and the first frame.
const FIRST: u64 = 1;

/// A replica's storage, opened.
pub struct Opened {
    /// Promises and votes.
    pub storage: JournalStorage,
    /// The chat log, to be continued.
    pub log: LogWriter<BufWriter<LogFile>>,
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
    Segment::create(disk, &new, own, FIRST, FIRST, length).map_err(failed(&new))?;
    let empty = acceptor::Storage::default();
    let position = ChatLog::begin(own.cluster);
    let snapshot = Snapshot::of(&empty, FIRST, FIRST, ChatLogMark::from(position));
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
    let mut state = acceptor::Storage {
        promised: snapshot.promised,
        votes: snapshot.votes.iter().cloned().collect(),
        ..acceptor::Storage::default()
    };
    state.snapshot.upto = snapshot.upto;
    let next_frame = replay_segments(place, &snapshot, &files, &mut state, &mut warnings)?;
    let recovered = recover_chat_log(place, &snapshot, &mut state, &mut warnings)?;
    let (chat_log, log) = continue_chat_log(place, recovered, &state, &mut warnings)?;
    let failed = || JournalError::disk("write", &journal);
    let (own, number) = (place.identity, files.last + 1);
    let segment = Segment::create(disk, &journal, own, number, next_frame, place.segment_bytes)
        .map_err(failed())?;
    let written = log.written();
    let mark = written.get().into();
    let mut storage = JournalStorage {
        place: place.clone(),
        segment,
        first_segment: snapshot.segment,
        next_frame,
        saved: state,
        chat_log,
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
    state: &mut acceptor::Storage,
    warnings: &mut Vec<String>,
) -> Result<u64, JournalError> {
    let (journal, mut next) = (place.journal(), snapshot.frame);
    // The last segment that may have frames ends here, without a seal.
    let mut open_end: Option<u64> = None;
    for number in snapshot.segment..=files.last {
        let path = segment::path(&journal, number);
        let bytes = place.disk().read(&path).map_err(JournalError::disk("read", &path))?;
        // A segment made ahead of a seal that was not written counts one frame more.
        let ahead = next + u64::from(open_end.is_some());
        let scan = segment::read(&bytes, &path, place.identity, number, next).or_else(|error| {
            match segment::read(&bytes, &path, place.identity, number, ahead) {
                Ok(scan) if scan.frames.is_empty() && scan.torn_at.is_none() => Ok(scan),
                _ => Err(error),
            }
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

/// Reads the chat log back, checks it, and takes the decided values from it.
fn recover_chat_log(
    place: &Place,
    snapshot: &Snapshot,
    state: &mut acceptor::Storage,
    warnings: &mut Vec<String>,
) -> Result<Recovered, JournalError> {
    let path = place.chat_log();
    let refuse = |wrong: String| JournalError::chat_log(&path, wrong);
    // Formatting gives the journal its name first.
    let exists = place.disk().exists(&path).map_err(JournalError::disk("look for", &path))?;
    if !exists && snapshot.chat_log.slots > 0 {
        return Err(refuse("the chat log is missing".into()));
    }
    let bytes = if exists {
        place.disk().read(&path).map_err(JournalError::disk("read", &path))?
    } else {
        let head = ChatLog::head(place.identity.cluster);
        drop(
            replace(place.disk(), &path, head.as_bytes())
                .map_err(JournalError::disk("write", &path))?,
        );
        head.into_bytes()
    };
    let recovered = ChatLog::recover(&bytes, snapshot.chat_log.slots)
        .map_err(|error| refuse(error.to_string()))?;
    if format!("{}\n", recovered.log.header) != ChatLog::head(place.identity.cluster) {
        let wrong = format!("it is the log of another cluster: {}", recovered.log.header);
        return Err(JournalError::foreign(&path, wrong));
    }
    let Some(chain) = recovered.chain_at_mark else {
        let (found, wanted) = (recovered.log.entries.len(), snapshot.chat_log.slots);
        return Err(refuse(format!("it ends at slot {found}, and had {wanted} slots")));
    };
    if chain.to_bytes() != snapshot.chat_log.chain {
        let slots = snapshot.chat_log.slots;
        return Err(refuse(format!("its first {slots} slots are not those that were written")));
    }
    if let Some(damage) = &recovered.damage {
        warnings.push(format!(
            "{}, {damage}: the rest was not synced when this replica ended; it is cut off, and \
             will be fetched again",
            path.display()
        ));
    }
    let mut sessions = Sessions::default();
    for entry in recovered.log.entries.iter().take_while(|e| e.slot < snapshot.upto) {
        let outcomes = sessions.apply(entry.slot, &entry.value, place.sessions_max);
        if outcomes != entry.outcomes {
            return Err(refuse(format!("slot {}: replaying it leads elsewhere", entry.slot)));
        }
        state.log.insert(entry.slot, entry.value.clone());
    }
    if snapshot::rows(&sessions) != snapshot.sessions {
        let file = snapshot::path(&place.journal());
        let wrong = "its session table is not what the chat log leads to";
        return Err(JournalError::damaged(&file, wrong));
    }
    state.snapshot.sessions = sessions;
    Ok(recovered)
}

/// Cuts what is torn, and goes on behind the rest.
fn continue_chat_log(
    place: &Place,
    recovered: Recovered,
    state: &acceptor::Storage,
    warnings: &mut Vec<String>,
) -> Result<(LogFile, LogWriter<BufWriter<LogFile>>), JournalError> {
    let path = place.chat_log();
    let failed = || JournalError::disk("write", &path);
    if let Some(line) = recovered.log.torn_at {
        warnings.push(format!(
            "{}, line {line}: the last slot was not completely written when this replica was \
             killed; it is cut off, and will be learned again",
            path.display()
        ));
    }
    let mut file = place.disk().open(&path).map_err(failed())?;
    file.set_length(recovered.good_bytes).map_err(failed())?;
    file.sync().map_err(failed())?;
    let file = LogFile::new(file, recovered.good_bytes);
    let upto = state.snapshot.upto;
    let log = LogWriter::resume(BufWriter::new(file.clone()), recovered.log, upto);
    Ok((file, log))
}
