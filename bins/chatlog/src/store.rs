//! A chat log on a disk: opened behind a crash, continued, and read while it is written.
//!
//! **Invariants**
//! - *Opening reads the end of the log, not the log*: from the index's last record below the
//!   snapshot on. If there is no usable record, or what it leads to is not what the snapshot says,
//!   the whole log is read, and the index is made again.
//! - *Only what was not synced may be cut*: damage is an error up to the mark that the journal has
//!   of the log, and whatever is above is fetched again.
//! - *What is read back is durable before it is used*: above that mark it is written once more, because a sync that
//!   failed leaves it readable and nowhere else.
//! - *Read means checked*: an entry is given away only if its lines have the hashes that follow from
//!   a position that is known.
//! - *Bounded*: the positions at which the latest readings ended are remembered, so that whoever reads on costs only
//!   what it reads; the others cost at most the way from the index's record before.

use super::form::{Form, NO_HEADER};
use super::index::Index;
use super::scan::{Next, Scanner};
use super::writer::{LogBytes, Marker};
use super::{Chain, ChatLog, Entry, LogFile, LogWriter, ParseError, Position, Written};
use actor_runtime::disk::{Disk, DiskFile, replace, write_all_at};
use actor_runtime::wire::ClusterId;
use paxos_chat::types::Slot;
use std::collections::VecDeque;
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

/// Positions that are remembered. Readers who follow the log share one.
const CURSORS_MAX: usize = 64;
/// Bytes read from the disk at once.
const READ_BYTES: usize = 1 << 16;
/// Bytes written to the disk at once: what a busy turn appends, so that it is one system call.
const WRITE_BYTES: usize = 1 << 16;

/// What an operator can do about a chat log that is damaged.
pub const REMEDY: &str = "stop this replica, copy the chat log of another replica that is at \
    least as long to this name (it is the same on all), remove the .index file beside it, and start \
    again";

/// A log that is open for writing and reading.
pub struct Store {
    path: PathBuf,
    file: LogFile,
    writer: LogWriter<BufWriter<LogFile>>,
    index: Index,
    /// Where earlier readings ended, the latest last.
    cursors: VecDeque<Position>,
}

/// A log, opened.
pub struct Opened {
    /// The log.
    pub store: Store,
    /// What was cut off or made again.
    pub warnings: Vec<String>,
}

/// Why a log cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The disk fails.
    Disk(io::Error),
    /// It is another cluster's.
    Foreign(String),
    /// It is not what was written.
    Damaged {
        /// Where, in bytes.
        offset: Option<u64>,
        /// What is wrong.
        wrong: String,
    },
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        OpenError::Disk(error)
    }
}

impl Store {
    /// Begins the log of this cluster, and its index.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn create(disk: &dyn Disk, path: &Path, cluster: ClusterId) -> io::Result<Store> {
        let file = LogFile::new(disk.create(path)?, 0);
        let writer = LogWriter::create(buffered(&file), cluster)?;
        let index = Index::create(disk, &index_path(path), cluster)?;
        Ok(Store { path: path.to_owned(), file, writer, index, cursors: VecDeque::new() })
    }

    /// Opens a log of which everything below `synced` was synced. What is in it from `applied` on
    /// is going to be applied again.
    ///
    /// # Errors
    /// When the disk fails, or the log is not what was written.
    pub fn open(
        disk: &dyn Disk,
        path: &Path,
        cluster: ClusterId,
        applied: Slot,
        synced: &Synced,
    ) -> Result<Opened, OpenError> {
        if !disk.exists(path)? {
            if synced.slots > 0 {
                return damaged(None, "the chat log is missing");
            }
            let header = Form::of_empty(cluster, synced.chain).header(cluster);
            drop(replace(disk, path, (header + "\n").as_bytes())?);
        }
        let file = LogFile::new(disk.open(path)?, 0);
        let form = read_header(&file, cluster)?;
        let mut warnings = Vec::new();
        let (mut index, damage) = Index::open(disk, &index_path(path), cluster)?;
        let begin = form.begin(cluster);
        let bound = applied.0.min(synced.slots);
        let (base, kept) = index.find(bound)?.unwrap_or((begin, 0));
        let mut tail = Tail::read(&file, form, base, applied, synced)?;
        let mut kept = kept;
        if base != begin && tail.wrong(synced).is_some() {
            // The log or its index is wrong; reading everything tells which.
            (tail, kept) = (Tail::read(&file, form, begin, applied, synced)?, 0);
        }
        if let Some(error) = tail.wrong(synced) {
            return Err(error);
        }
        let lacks = damage.filter(|_| tail.marker.marks().iter().any(|at| at.slots <= bound));
        let damage = lacks.or((kept == 0 && base != begin).then_some("it belongs to another log"));
        if let Some(wrong) = damage {
            let index = index_path(path);
            warnings.push(format!("{}: {wrong}; it was made again from the log", index.display()));
        }
        index.truncate(kept)?;
        index.append(&tail.marker.take())?;
        warnings.extend(tail.warning(path));
        let mut raw = disk.open(path)?;
        if raw.length()? != tail.end.bytes {
            raw.set_length(tail.end.bytes)?;
        }
        if let Some(mark) = tail.mark {
            write_again(&mut *raw, mark.bytes, tail.end.bytes)?;
        }
        raw.sync()?;
        let file = LogFile::new(raw, tail.end.bytes);
        let Tail { end, known, marker, .. } = tail;
        let writer = LogWriter::resume(buffered(&file), form, begin, end, known, marker);
        let (path, cursors) = (path.to_owned(), VecDeque::new());
        Ok(Opened { store: Store { path, file, writer, index, cursors }, warnings })
    }

    /// Appends a slot, or compares it with the one that is there.
    ///
    /// # Errors
    /// When it is not the next, or differs from what is there.
    pub fn append(&mut self, entry: &Entry) -> io::Result<()> {
        self.writer.append(entry).map_err(|error| self.named(&error))
    }

    /// Hands everything appended to the system.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().map_err(|error| self.named(&error))?;
        let marks = self.writer.take_marks();
        self.index.append(&marks).map_err(|error| self.index_named(&error))
    }

    /// The entries from a slot on that were handed to the system and are below `upto`: the first,
    /// and the others as long as `takes` takes them.
    ///
    /// # Errors
    /// When they cannot be read, or are not what was written.
    pub fn read(
        &mut self,
        from: Slot,
        upto: Slot,
        mut takes: impl FnMut(&Entry) -> bool,
    ) -> io::Result<Vec<Entry>> {
        let upto = upto.0.min(self.writer.written().get().slots);
        let mut entries = Vec::new();
        if from.0 >= upto {
            return Ok(entries);
        }
        let start = self.position_before(from)?;
        let mut scanner = scanner(&self.file, self.writer.form(), start);
        let mut end = start;
        while end.slots < upto {
            match scanner.next().map_err(|error| self.named(&error))? {
                Next::Entry(entry) if entry.slot >= from => {
                    if !takes(&entry) && !entries.is_empty() {
                        break;
                    }
                    entries.push(entry);
                }
                Next::Entry(_) => {}
                Next::Damage(error) => return Err(self.damaged(&error)),
                Next::End | Next::Torn => {
                    let Position { slots, lines, bytes, .. } = scanner.position();
                    let wrong = format!("it ends at slot {slots}, below slot {upto}");
                    let error = ParseError { line: lines + 2, offset: bytes, wrong };
                    return Err(self.damaged(&error));
                }
            }
            end = scanner.position();
        }
        self.remember(end);
        Ok(entries)
    }

    fn remember(&mut self, position: Position) {
        self.cursors.retain(|cursor| cursor.slots != position.slots);
        if self.cursors.len() == CURSORS_MAX {
            self.cursors.pop_front();
        }
        self.cursors.push_back(position);
    }

    /// The known position nearest before a slot.
    fn position_before(&mut self, slot: Slot) -> io::Result<Position> {
        if let Some(known) = self.cursors.iter().find(|cursor| cursor.slots == slot.0).copied() {
            self.remember(known);
            return Ok(known);
        }
        let found = self.index.find(slot.0).map_err(|error| self.index_named(&error))?;
        Ok(found.map_or(self.writer.begin(), |(position, _)| position))
    }

    fn damaged(&self, error: &ParseError) -> io::Error {
        let wrong = format!("{}, {error}: {REMEDY}", self.path.display());
        io::Error::new(io::ErrorKind::InvalidData, wrong)
    }

    fn named(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
    }

    fn index_named(&self, error: &io::Error) -> io::Error {
        let path = index_path(&self.path);
        let wrong = format!("{}: {error}: remove this file, and start again", path.display());
        io::Error::new(error.kind(), wrong)
    }

    /// The log's file, to be synced.
    pub fn file(&self) -> LogFile {
        self.file.clone()
    }

    /// How much was handed to the system, at any time.
    pub fn written(&self) -> Written {
        self.writer.written()
    }

    /// The hash of everything appended.
    pub fn chain(&self) -> Chain {
        self.writer.chain()
    }

    /// The lines after the header.
    pub fn lines(&self) -> u64 {
        self.writer.lines()
    }
}

/// Writes these bytes of a file to where they are. An earlier process may have failed to sync them: the system then
/// still shows them, but takes them for written, and no later sync would bring them to the disk.
fn write_again(file: &mut dyn DiskFile, mut from: u64, to: u64) -> io::Result<()> {
    let mut block = vec![0; READ_BYTES];
    while from < to {
        let wanted = block.len().min(usize::try_from(to - from).unwrap_or(block.len()));
        let read = file.read_at(from, &mut block[..wanted])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        write_all_at(file, from, &block[..read])?;
        from += read as u64;
    }
    Ok(())
}

/// What was synced of a log, as its journal remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The slots.
    pub slots: u64,
    /// The running hash behind them.
    pub chain: Chain,
}

/// The file of the index beside a log.
pub fn index_path(log: &Path) -> PathBuf {
    log.with_extension("index")
}

fn damaged<T>(offset: Option<u64>, wrong: impl Into<String>) -> Result<T, OpenError> {
    Err(OpenError::Damaged { offset, wrong: wrong.into() })
}

fn buffered(file: &LogFile) -> BufWriter<LogFile> {
    BufWriter::with_capacity(WRITE_BYTES, file.clone())
}

fn scanner(file: &LogFile, form: Form, at: Position) -> Scanner<BufReader<LogBytes>> {
    Scanner::new(BufReader::with_capacity(READ_BYTES, file.reader(at.bytes)), form, at)
}

/// The form of the log, which is this cluster's.
fn read_header(file: &LogFile, cluster: ClusterId) -> Result<Form, OpenError> {
    let expected = ChatLog::head(cluster);
    let mut found = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file.reader(0), expected.len() as u64), &mut found)?;
    let found = String::from_utf8_lossy(&found);
    let form = Form::of(&found).filter(|_| found.ends_with('\n'));
    if let Some(form) = form {
        if found.trim_end() == form.header(cluster) {
            return Ok(form);
        }
        let wrong = format!("it is the log of another cluster: {}", found.trim_end());
        return Err(OpenError::Foreign(wrong));
    }
    damaged(Some(0), NO_HEADER)
}

/// The end of a log, read back.
struct Tail {
    /// The entries that are going to be applied again.
    known: VecDeque<Entry>,
    /// Where the whole entries end.
    end: Position,
    /// Where what was synced ends.
    mark: Option<Position>,
    marker: Marker,
    damage: Option<ParseError>,
    is_torn: bool,
}

impl Tail {
    /// Reads what follows a position.
    fn read(
        file: &LogFile,
        form: Form,
        base: Position,
        applied: Slot,
        synced: &Synced,
    ) -> Result<Tail, OpenError> {
        let mut scanner = scanner(file, form, base);
        let mut tail = Tail {
            known: VecDeque::new(),
            end: base,
            mark: (base.slots == synced.slots).then_some(base),
            marker: Marker::behind(base),
            damage: None,
            is_torn: false,
        };
        loop {
            match scanner.next()? {
                Next::Entry(entry) => {
                    tail.marker.pass(tail.end);
                    tail.end = scanner.position();
                    if tail.end.slots == synced.slots {
                        tail.mark = Some(tail.end);
                    }
                    if entry.slot >= applied {
                        tail.known.push_back(entry);
                    }
                }
                Next::End => return Ok(tail),
                Next::Torn => {
                    tail.is_torn = true;
                    return Ok(tail);
                }
                Next::Damage(error) => {
                    tail.damage = Some(error);
                    return Ok(tail);
                }
            }
        }
    }

    /// What is wrong with what was synced, if anything is.
    fn wrong(&self, synced: &Synced) -> Option<OpenError> {
        let Synced { slots, chain } = synced;
        let (offset, wrong) = match (&self.mark, &self.damage) {
            (Some(found), _) if found.chain == *chain => return None,
            (Some(_), _) => {
                (None, format!("its first {slots} slots are not those that were written"))
            }
            (None, Some(ParseError { line, offset, wrong })) => {
                (Some(*offset), format!("line {line}: {wrong}"))
            }
            (None, None) => {
                let found = self.end.slots;
                (Some(self.end.bytes), format!("it ends at slot {found}, and had {slots} slots"))
            }
        };
        Some(OpenError::Damaged { offset, wrong })
    }

    /// What is cut off.
    fn warning(&self, path: &Path) -> Option<String> {
        let path = path.display();
        if let Some(damage) = &self.damage {
            return Some(format!(
                "{path}, {damage}: the rest was not synced when this replica ended; it is cut \
                 off, and will be fetched again"
            ));
        }
        self.is_torn.then(|| {
            let line = self.end.lines + 2;
            format!(
                "{path}, line {line}: the last slot was not completely written when this replica \
                 was killed; it is cut off, and will be learned again"
            )
        })
    }
}

#[cfg(test)]
mod tests;
