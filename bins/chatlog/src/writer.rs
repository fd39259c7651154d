//! Writing a chat log: from its beginning, or on from where an earlier process was killed.
//!
//! **Invariants**
//! - *What is applied again is what the log holds*: a slot that is in the log already is compared
//!   and not written again; a difference is an error, because a slot has one value for ever.
//! - *Slots are appended in order, without a gap.*
//! - *Marks depend on the log alone*: where an index has a record is the same on all replicas.

use super::form::Form;
use super::line::NO_HASH;
use super::{Chain, ChatLog, Entry, Position};
use actor_runtime::disk::{DiskFile, write_all_at};
use actor_runtime::wire::ClusterId;
use paxos_chat::types::Slot;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::rc::Rc;

/// How much of a log its writer has handed to the system; for others to read.
#[derive(Clone, Debug)]
pub struct Written(Rc<Cell<Position>>);

impl Written {
    /// The position now.
    pub fn get(&self) -> Position {
        self.0.get()
    }
}

/// Writes a log.
#[derive(Debug)]
pub struct LogWriter<W> {
    out: W,
    form: Form,
    /// The lines of the slot that is being written.
    slot: String,
    begin: Position,
    position: Position,
    /// Entries of the log that are to be applied again.
    known: VecDeque<Entry>,
    written: Written,
    marker: Marker,
}

impl<W: Write> LogWriter<W> {
    /// Begins the log of this cluster.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(mut out: W, cluster: ClusterId) -> io::Result<LogWriter<W>> {
        out.write_all(ChatLog::head(cluster).as_bytes())?;
        out.flush()?;
        let start = ChatLog::begin(cluster);
        Ok(LogWriter::resume(
            out,
            Form::NEWEST,
            start,
            start,
            VecDeque::new(),
            Marker::behind(start),
        ))
    }

    /// Goes on behind this position in a log of this form that begins there; the known entries, which end at the
    /// position, are going to be applied again.
    pub(super) fn resume(
        out: W,
        form: Form,
        begin: Position,
        position: Position,
        known: VecDeque<Entry>,
        marker: Marker,
    ) -> LogWriter<W> {
        let written = Written(Rc::new(Cell::new(position)));
        LogWriter { out, form, slot: String::new(), begin, position, known, written, marker }
    }

    /// Appends a slot, or compares it with the one that is there.
    ///
    /// # Errors
    /// When it cannot be written, is not the next, or differs from what is there.
    pub fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let next = Slot(self.position.slots);
        let expected = self.known.front().map_or(next, |known| known.slot);
        let slot = entry.slot;
        if slot != expected {
            let wrong = format!("slot {slot} was applied where slot {expected} comes next");
            return Err(io::Error::new(io::ErrorKind::InvalidData, wrong));
        }
        if let Some(known) = self.known.pop_front() {
            if known == *entry {
                return Ok(());
            }
            let wrong = format!("slot {slot} is in the chat log with another value or outcome");
            return Err(io::Error::new(io::ErrorKind::InvalidData, wrong));
        }
        self.marker.pass(self.position);
        self.slot.clear();
        for (index, line) in entry.lines().enumerate() {
            if index > 0 {
                self.slot.extend(["\t", NO_HASH, "\n"]);
            }
            line.write_to(self.form, &mut self.slot);
            self.position.lines += 1;
        }
        self.position.chain.step(&self.slot);
        self.slot.push('\t');
        self.position.chain.push_short(&mut self.slot);
        self.slot.push('\n');
        self.out.write_all(self.slot.as_bytes())?;
        self.position.bytes += self.slot.len() as u64;
        self.position.slots = slot.next().0;
        Ok(())
    }

    /// Hands everything appended to the system.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.written.0.set(self.position);
        Ok(())
    }

    /// The positions that an index has to record and that were passed since this was asked last.
    pub(super) fn take_marks(&mut self) -> Vec<Position> {
        self.marker.take()
    }

    /// How it is written.
    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// The position behind the header.
    pub(super) fn begin(&self) -> Position {
        self.begin
    }

    /// How much was handed to the system, at any time.
    pub fn written(&self) -> Written {
        self.written.clone()
    }

    /// The hash of everything appended.
    pub fn chain(&self) -> Chain {
        self.position.chain
    }

    /// The lines after the header.
    pub fn lines(&self) -> u64 {
        self.position.lines
    }
}

/// Bytes of a log from one record of its index to the next, at least.
pub(super) const MARK_BYTES: u64 = 1 << 16;

/// Decides which positions of a log its index records.
#[derive(Clone, Debug)]
pub(super) struct Marker {
    /// Where the last mark is, in bytes.
    last: u64,
    marks: Vec<Position>,
}

impl Marker {
    /// Goes on behind the last mark, or the beginning of the log.
    pub(super) fn behind(last: Position) -> Marker {
        Marker { last: last.bytes, marks: Vec::new() }
    }

    /// A slot begins here.
    pub(super) fn pass(&mut self, at: Position) {
        if at.bytes - self.last >= MARK_BYTES {
            self.last = at.bytes;
            self.marks.push(at);
        }
    }

    /// The marks set since they were taken last.
    pub(super) fn marks(&self) -> &[Position] {
        &self.marks
    }

    /// Takes these marks.
    pub(super) fn take(&mut self) -> Vec<Position> {
        std::mem::take(&mut self.marks)
    }
}

/// What is written to a log before the disk is told to begin with it, in bytes: a whole number of
/// pages, and little beside what a disk writes in the time between two snapshots.
const WRITE_BACK_BYTES: u64 = 1 << 19;

/// The file of a log: one writes it, others sync and read it. Clones are the same file.
#[derive(Clone)]
pub struct LogFile(Rc<RefCell<Tail>>);

struct Tail {
    file: Box<dyn DiskFile>,
    /// Where the next bytes go.
    end: u64,
    /// The disk was told to begin with what is below.
    begun: u64,
}

impl LogFile {
    /// A file that goes on at this offset.
    pub fn new(file: Box<dyn DiskFile>, offset: u64) -> LogFile {
        let begun = offset.next_multiple_of(WRITE_BACK_BYTES);
        LogFile(Rc::new(RefCell::new(Tail { file, end: offset, begun })))
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// When it may not be; there is no second try.
    pub fn sync(&self) -> io::Result<()> {
        self.0.borrow_mut().file.sync()
    }

    /// Reads from this offset on.
    pub(super) fn reader(&self, offset: u64) -> LogBytes {
        LogBytes { file: self.clone(), offset }
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let tail = &mut *self.0.borrow_mut();
        write_all_at(&mut *tail.file, tail.end, bytes)?;
        tail.end += bytes.len() as u64;
        while tail.begun + WRITE_BACK_BYTES <= tail.end {
            tail.file.write_back(tail.begun, WRITE_BACK_BYTES);
            tail.begun += WRITE_BACK_BYTES;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes of a log's file from an offset on.
pub(super) struct LogBytes {
    file: LogFile,
    offset: u64,
}

impl io::Read for LogBytes {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.0.borrow().file.read_at(self.offset, bytes)?;
        self.offset += read as u64;
        Ok(read)
    }
}
