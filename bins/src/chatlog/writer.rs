//! Writing a chat log: from its beginning, or on from where an earlier process was killed.
//!
//! **Invariants**
//! - *What is applied again is what the log holds*: a slot that is in the log already is compared
//!   and not written again; a difference is an error, because a slot has one value for ever.
//! - *Slots are appended in order, without a gap.*

use super::{Chain, ChatLog, Entry, header};
use crate::disk::{DiskFile, write_all_at};
use crate::wire::ClusterId;
use paxos_chat::types::Slot;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::rc::Rc;

/// How far a log goes, and its hash there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The slots of the log: those below this one.
    pub slots: u64,
    /// The hash of all lines so far.
    pub chain: Chain,
}

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
    chain: Chain,
    lines: u64,
    next: Slot,
    /// Entries of the log that are to be applied again.
    known: VecDeque<Entry>,
    written: Written,
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
        let written = Written(Rc::new(Cell::new(start)));
        let (chain, known) = (start.chain, VecDeque::new());
        Ok(LogWriter { out, chain, lines: 0, next: Slot(0), known, written })
    }

    /// Goes on behind a log; the slots from `from` on are going to be applied again.
    pub fn resume(out: W, log: ChatLog, from: Slot) -> LogWriter<W> {
        let (chain, slots) = (log.chain, log.entries.len() as u64);
        let known = log.entries.into_iter().filter(|entry| entry.slot >= from).collect();
        let written = Written(Rc::new(Cell::new(Position { slots, chain })));
        LogWriter { out, chain, lines: log.lines, next: Slot(slots), known, written }
    }

    /// Appends a slot, or compares it with the one that is there.
    ///
    /// # Errors
    /// When it cannot be written, is not the next, or differs from what is there.
    pub fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let expected = self.known.front().map_or(self.next, |known| known.slot);
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
        for line in entry.lines() {
            let content = line.to_string();
            self.chain.step(&content);
            writeln!(self.out, "{content}\t{}", self.chain.short())?;
            self.lines += 1;
        }
        self.next = slot.next();
        Ok(())
    }

    /// Hands everything appended to the system.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.written.0.set(Position { slots: self.next.0, chain: self.chain });
        Ok(())
    }

    /// How much was handed to the system, at any time.
    pub fn written(&self) -> Written {
        self.written.clone()
    }

    /// The hash of everything appended.
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// The lines after the header.
    pub fn lines(&self) -> u64 {
        self.lines
    }
}

impl ChatLog {
    /// The first line of a log, with its end.
    pub fn head(cluster: ClusterId) -> String {
        header(cluster) + "\n"
    }

    /// The position behind the first line.
    pub fn begin(cluster: ClusterId) -> Position {
        Position { slots: 0, chain: Chain::start(&header(cluster)) }
    }
}

/// The file of a log: one writes it, another syncs it. Clones are the same file.
#[derive(Clone)]
pub struct LogFile(Rc<RefCell<(Box<dyn DiskFile>, u64)>>);

impl LogFile {
    /// A file that goes on at this offset.
    pub fn new(file: Box<dyn DiskFile>, offset: u64) -> LogFile {
        LogFile(Rc::new(RefCell::new((file, offset))))
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// When it may not be; there is no second try.
    pub fn sync(&self) -> io::Result<()> {
        self.0.borrow_mut().0.sync()
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (file, offset) = &mut *self.0.borrow_mut();
        write_all_at(&mut **file, *offset, bytes)?;
        *offset += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
