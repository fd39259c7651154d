//! Saving: appends what changed, and replaces old segments by a snapshot when its bound moved.
//!
//! **Invariants**
//! - *One sync a save*, more only if the save does not fit a frame or a segment.
//! - *A failure is final*: after it every save fails, because what the disk holds is not known.
//! - *Old segments go last*: the chat log is synced, then the new segment, then the snapshot is,
//!   and only then are they removed; a crash in between leaves something that opens.

use super::record::{Record, changes};
use super::segment::{self, Segment};
use super::snapshot::{ChatLogMark, Snapshot};
use super::{FRAME_BYTES_MAX, Place, frame};
use crate::chatlog::{LogFile, Written};
use crate::storage::Storage;
use paxos_chat::acceptor;
use std::any::Any;
use std::io;

/// A journal that is open for saving.
pub struct JournalStorage {
    pub(super) place: Place,
    pub(super) segment: Segment,
    /// The first segment that the snapshot on disk needs.
    pub(super) first_segment: u64,
    pub(super) next_frame: u64,
    /// What is on disk.
    pub(super) saved: acceptor::Storage,
    pub(super) chat_log: LogFile,
    pub(super) written: Written,
    pub(super) snapshot_is_due: bool,
    pub(super) has_failed: bool,
    pub(super) _lock: Box<dyn Any>,
}

impl Storage<acceptor::Storage> for JournalStorage {
    fn load(&mut self) -> io::Result<Option<acceptor::Storage>> {
        Ok(Some(self.saved.clone()))
    }

    fn save(&mut self, state: acceptor::Storage) -> io::Result<()> {
        self.guarded(|journal| journal.append_changes(state))
    }

    fn settle(&mut self) -> io::Result<()> {
        if !self.snapshot_is_due {
            return Ok(());
        }
        self.guarded(JournalStorage::compact)
    }
}

impl JournalStorage {
    fn guarded(
        &mut self,
        write: impl FnOnce(&mut JournalStorage) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.has_failed {
            return Err(io::Error::other("the journal failed before, and is not written any more"));
        }
        write(self).map_err(|error| {
            self.has_failed = true;
            let journal = self.place.journal();
            io::Error::new(error.kind(), format!("{}: {error}", journal.display()))
        })
    }

    fn append_changes(&mut self, state: acceptor::Storage) -> io::Result<()> {
        let mut payload = Vec::new();
        for record in changes(&self.saved, &state)? {
            payload = postcard::to_extend(&record, payload).map_err(io::Error::other)?;
            if payload.len() >= FRAME_BYTES_MAX {
                self.append(&std::mem::take(&mut payload))?;
            }
        }
        if !payload.is_empty() {
            self.append(&payload)?;
        }
        self.snapshot_is_due |= state.snapshot.upto != self.saved.snapshot.upto;
        self.saved = state;
        Ok(())
    }

    fn append(&mut self, payload: &[u8]) -> io::Result<()> {
        let frame = frame::encode(self.next_frame, payload)?;
        // Room for the seal is kept free.
        let seal = postcard::to_stdvec(&Record::Sealed).map_err(io::Error::other)?;
        let room = frame.len() + frame::size(seal.len());
        if !self.segment.has_room(room) {
            if segment::FRAMES_AT + room > self.place.segment_bytes {
                let wrong = format!("{} bytes do not fit a segment", frame.len());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, wrong));
            }
            let next = self.next_segment(self.next_frame + 1)?;
            self.segment.append(&frame::encode(self.next_frame, &seal)?)?;
            self.next_frame += 1;
            self.segment = next;
            return self.append(payload);
        }
        self.segment.append(&frame)?;
        self.next_frame += 1;
        Ok(())
    }

    fn next_segment(&self, first_frame: u64) -> io::Result<Segment> {
        let (place, number) = (&self.place, self.segment.number + 1);
        let journal = place.journal();
        let length = place.segment_bytes;
        Segment::create(place.disk(), &journal, place.identity, number, first_frame, length)
    }

    fn compact(&mut self) -> io::Result<()> {
        self.chat_log.sync()?;
        let position = self.written.get();
        let upto = self.saved.snapshot.upto;
        if position.slots < upto.0 {
            let wrong =
                format!("the chat log ends at slot {}, below the bound {upto}", position.slots);
            return Err(io::Error::new(io::ErrorKind::InvalidData, wrong));
        }
        self.segment = self.next_segment(self.next_frame)?;
        self.write_snapshot(position.into())?;
        self.snapshot_is_due = false;
        Ok(())
    }

    /// Writes the state as a snapshot, after which the journal goes on in the present segment.
    pub(super) fn write_snapshot(&mut self, chat_log: ChatLogMark) -> io::Result<()> {
        let number = self.segment.number;
        let snapshot = Snapshot::of(&self.saved, number, self.next_frame, chat_log);
        let journal = self.place.journal();
        snapshot.write(self.place.disk(), &journal, self.place.identity)?;
        for old in self.first_segment..number {
            self.place.disk().remove(&segment::path(&journal, old))?;
        }
        self.first_segment = number;
        Ok(())
    }
}
