//! Saving: appends what changed, and replaces old segments by a snapshot when its bound moved.
//!
//! **Invariants**
//! - *One write and one sync a save*, more only if it does not fit a frame or a segment.
//! - *A failure is final*: after it every save fails, because what the disk holds is not known.
//! - *Old segments go last*: the chat log is synced, then the snapshot is, and only then are they
//!   removed, or set aside to be used again; a crash in between leaves something that
//!   opens.
//! - *A snapshot begins no segment*: it names the place in the present one where the journal goes on.

use super::blank::Blank;
use super::record::{Record, changes};
use super::segment::{self, Segment, Start};
use super::snapshot::{ChatLogMark, Snapshot};
use super::{FRAME_BYTES_MAX, Place, frame};
use actor_runtime::storage::StableStorage;
use paxos_chat::state;
use paxos_chat_log::{LogFile, Written};
use std::any::Any;
use std::io;
use std::path::PathBuf;

/// Segments that wait to be used again: about what a busy replica writes between two snapshots.
pub(super) const SPARES_MAX: usize = 16;

/// A journal that is open for saving.
pub struct JournalStorage {
    pub(super) place: Place,
    pub(super) segment: Segment,
    /// The first segment that the snapshot on disk needs.
    pub(super) first_segment: u64,
    pub(super) next_frame: u64,
    /// The segment that comes after this one, once it is begun.
    pub(super) next: Option<Blank>,
    /// Files of segments that are not needed any more and wait to be used again.
    pub(super) spares: Vec<PathBuf>,
    /// Where frames are made.
    pub(super) frame: Vec<u8>,
    /// What is on disk.
    pub(super) saved: state::Storage,
    pub(super) chat_log: LogFile,
    pub(super) written: Written,
    pub(super) snapshot_is_due: bool,
    pub(super) has_failed: bool,
    pub(super) _lock: Box<dyn Any>,
}

impl StableStorage<state::Storage> for JournalStorage {
    fn load(&mut self) -> io::Result<Option<state::Storage>> {
        Ok(Some(self.saved.clone()))
    }

    fn save(&mut self, state: state::Storage) -> io::Result<()> {
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

    fn append_changes(&mut self, state: state::Storage) -> io::Result<()> {
        let mut frame = std::mem::take(&mut self.frame);
        frame::begin(&mut frame);
        for record in changes(&self.saved, &state)? {
            frame = postcard::to_extend(&record, frame).map_err(io::Error::other)?;
            if frame::payload(&frame).len() >= FRAME_BYTES_MAX {
                self.append(&mut frame)?;
                frame::begin(&mut frame);
            }
        }
        if !frame::payload(&frame).is_empty() {
            self.append(&mut frame)?;
        }
        self.frame = frame;
        self.snapshot_is_due |= state.snapshot.upto != self.saved.snapshot.upto;
        self.saved = state;
        Ok(())
    }

    /// Appends a frame that was begun; in the next segment, if this one has no room for it.
    fn append(&mut self, frame: &mut Vec<u8>) -> io::Result<()> {
        let mut seal = Vec::new();
        frame::begin(&mut seal);
        let mut seal = postcard::to_extend(&Record::Sealed, seal).map_err(io::Error::other)?;
        // Room for the seal is kept free.
        let sizes = [&*frame, &seal].map(|frame| frame::size(frame::payload(frame).len()));
        let room = sizes.iter().sum();
        if !self.segment.has_room(room) {
            if segment::FRAMES_AT + room > self.place.segment_bytes {
                let wrong = format!("{} bytes do not fit a segment", sizes[0]);
                return Err(io::Error::new(io::ErrorKind::InvalidInput, wrong));
            }
            let next = self.next_segment()?;
            self.append_here(&mut seal)?;
            self.segment = next;
        }
        self.append_here(frame)?;
        self.blank()
    }

    fn append_here(&mut self, frame: &mut Vec<u8>) -> io::Result<()> {
        frame::finish(frame, self.next_frame)?;
        self.segment.append(frame)?;
        self.next_frame += 1;
        Ok(())
    }

    /// Writes as much of the next segment as of this one.
    fn blank(&mut self) -> io::Result<()> {
        let mut next = match self.next.take() {
            Some(next) => next,
            None => self.begin_next()?,
        };
        next.keep_up(self.segment.end())?;
        self.next = Some(next);
        Ok(())
    }

    fn begin_next(&mut self) -> io::Result<Blank> {
        let (place, number) = (&self.place, self.segment.number + 1);
        Blank::begin(place.disk(), &place.journal(), number, place.segment_bytes, self.spares.pop())
    }

    /// The segment that goes on behind this one and its seal, which is not written yet.
    fn next_segment(&mut self) -> io::Result<Segment> {
        let next = match self.next.take() {
            Some(next) => next,
            None => self.begin_next()?,
        };
        let (place, number) = (&self.place, self.segment.number + 1);
        let (own, first) = (place.identity, self.next_frame + 1);
        Segment::create(place.disk(), &place.journal(), own, number, first, next)
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
        self.write_snapshot(position.into())?;
        self.snapshot_is_due = false;
        Ok(())
    }

    /// Writes the state as a snapshot, after which the journal goes on where it is now.
    pub(super) fn write_snapshot(&mut self, chat_log: ChatLogMark) -> io::Result<()> {
        let number = self.segment.number;
        let start = Start { at: self.segment.end(), frame: self.next_frame };
        let snapshot = Snapshot::of(&self.saved, number, start, chat_log);
        let (journal, disk) = (self.place.journal(), self.place.disk());
        snapshot.write(disk, &journal, self.place.identity)?;
        for old in self.first_segment..number {
            let (path, spare) = (segment::path(&journal, old), segment::spare(&journal, old));
            if self.spares.len() < SPARES_MAX {
                disk.rename(&path, &spare)?;
                self.spares.push(spare);
            } else {
                disk.remove(&path)?;
            }
        }
        self.first_segment = number;
        Ok(())
    }
}
