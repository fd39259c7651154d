//! The chat log of a replica: a text file that a person can read, one line an entry.
//!
//! After a header that names the cluster, each command of each slot has a line of tab-separated
//! fields; a `Noop` has one too:
//!
//! | field | example |
//! |---|---|
//! | slot | `12` |
//! | index in the batch / commands in it | `0/3` |
//! | when the request entered the cluster | `2026-11-20T21:47:12.345Z` |
//! | user | `alice` |
//! | session | `s3.0` |
//! | number in the session | `7` |
//! | what the client has acknowledgements below | `<5` |
//! | what was asked | `post`, `sync`, `open:1f`, `noop`; `bytes` for what is no text, which no replica lets in; `members:12`, to replace those since slot 12 |
//! | what it came to | `applied`, `duplicate 9`, `gap`, `opened s3.0` |
//! | text, quoted, with nothing in it that cannot be seen; or members | `"hello\nworld"`, `0,1,3` |
//! | running hash: 16 digits of it, on the last line of a slot | `9f86d081884c7d65`, `-` |
//!
//! **Invariants**
//! - *Lossless*: the values and outcomes of all slots can be read back, whatever they hold.
//! - *Canonical*: one sequence of entries has one text, so equal logs are equal byte for byte;
//!   nothing in the file depends on the replica that wrote it.
//! - *Chained*: the hash of a slot covers its lines and all before them, so that no line of a
//!   complete slot can be deleted, doubled, moved or altered without this and every later hash
//!   disagreeing. (BLAKE3 takes a long slot at once several times as fast as line by line.)
//!
//! | file | what it holds |
//! |---|---|
//! | `line`, `date`, `digits`, `escape` | one line |
//! | `form` | the versions of a log |
//! | [`replay`] | what its commands came to |
//! | [`hidden`] | characters that cannot be seen, or that move others |
//! | `scan`, `reader` | reading, from any position on; a whole log |
//! | `writer` | appending |
//! | `index` | a second file, to find slots without reading everything before them |
//! | `store` | a log on a disk: opened, continued, read while it is written |
//!
//! **Absent**: when a log is synced, which is its journal's matter.

#![forbid(unsafe_code)]

mod date;
mod digits;
mod escape;
mod form;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod hidden;
mod index;
mod line;
mod reader;
pub mod replay;
mod scan;
mod store;
mod writer;

pub use reader::{ReadError, Reader};
pub use store::REMEDY;
pub use store::{OpenError, Opened, Store, Synced, index_path};
pub use writer::{LogFile, LogWriter, Written};

use actor_runtime::wire::ClusterId;
use form::{Form, NO_HEADER};
use line::Line;
use paxos_chat::message::Outcome;
use paxos_chat::types::{Body, SessionId, Slot, Timestamp, Value};
use scan::{Next, Scanner};

/// A text within one line, quoted, with nothing in it that a terminal would act on.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// A text within one line, with nothing in it that a terminal would act on.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    escape::escape(text, Form::NEWEST, &mut escaped);
    escaped
}

/// The text that a client says by this; none if it says nothing, or nothing that is text.
pub fn text_of(body: &Body) -> Option<&str> {
    match body {
        Body::Write(bytes) => std::str::from_utf8(bytes).ok(),
        Body::Sync | Body::Reconfigure(_) => None,
    }
}

/// A time stamp in the form of RFC 3339.
pub fn time(stamp: Timestamp) -> String {
    date::format(stamp)
}

/// The session of this name, such as `s3.0`.
pub fn parse_session(name: &str) -> Option<SessionId> {
    line::parse_session(name)
}

/// One slot of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The slot.
    pub slot: Slot,
    /// The value chosen there.
    pub value: Value,
    /// What each of its commands came to.
    pub outcomes: Vec<Outcome>,
}

impl Entry {
    fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        Line::of_entry(self)
    }
}

/// The running hash of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain(blake3::Hash);

impl Chain {
    fn start(header: &str) -> Chain {
        Chain(blake3::hash(header.as_bytes()))
    }

    /// Goes on by a slot: its lines, without this hash at the end of the last.
    fn step(&mut self, slot: &str) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.0.as_bytes());
        hasher.update(slot.as_bytes());
        self.0 = hasher.finalize();
    }

    /// The hash of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Chain {
        Chain(blake3::Hash::from_bytes(bytes))
    }

    /// The digits of it that a line has.
    fn short(&self) -> String {
        let mut digits = String::with_capacity(16);
        self.push_short(&mut digits);
        digits
    }

    fn push_short(&self, to: &mut String) {
        digits::push_hex(&self.0.as_bytes()[..8], to);
    }

    /// The hash.
    pub fn to_bytes(&self) -> [u8; 32] {
        *self.0.as_bytes()
    }

    /// All digits of the hash.
    pub fn to_hex(&self) -> String {
        self.0.to_hex().to_string()
    }
}

/// How far a log goes, and its hash there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The slots of the log: those below this one.
    pub slots: u64,
    /// Lines, without the header.
    pub lines: u64,
    /// Bytes, with the header.
    pub bytes: u64,
    /// The hash of all lines so far.
    pub chain: Chain,
}

/// A log that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatLog {
    /// The line that names the cluster.
    pub header: String,
    /// The slots from 0 on.
    pub entries: Vec<Entry>,
    /// The running hash after them.
    pub chain: Chain,
    /// How many lines they take.
    pub lines: u64,
    /// The number of the line at which the file breaks off within a slot, if it does: its writer
    /// was killed while it wrote.
    pub torn_at: Option<usize>,
}

/// Where a log is not a log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, offset {offset}: {wrong}")]
pub struct ParseError {
    /// The line, counted from 1.
    pub line: u64,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub wrong: String,
}

/// Says what is wrong with the line behind this position.
fn wrong<T>(at: Position, wrong: impl Into<String>) -> Result<T, ParseError> {
    // The header is line 1.
    Err(ParseError { line: at.lines + 2, offset: at.bytes, wrong: wrong.into() })
}

impl ChatLog {
    /// Reads a log back. A slot that is incomplete at the end is left out and noted as torn.
    ///
    /// # Errors
    /// The first line that is no line of a log, or does not follow from those before it.
    pub fn parse(bytes: &[u8]) -> Result<ChatLog, ParseError> {
        let header = bytes.iter().position(|byte| *byte == b'\n').map(|end| &bytes[..end]);
        let header = header.and_then(|line| std::str::from_utf8(line).ok());
        let Some((header, form)) = header.and_then(|line| Some((line, Form::of(line)?))) else {
            let wrong = NO_HEADER.into();
            return Err(ParseError { line: 1, offset: 0, wrong });
        };
        let start = Position::start(header);
        let mut scanner = Scanner::new(&bytes[start.bytes as usize..], form, start);
        let mut entries = Vec::new();
        let torn_at = loop {
            match scanner.next() {
                Ok(Next::Entry(entry)) => entries.push(entry),
                Ok(Next::End) => break None,
                Ok(Next::Torn) => break Some(scanner.position().lines as usize + 2),
                Ok(Next::Damage(error)) => return Err(error),
                // Bytes in memory can be read.
                Err(error) => return wrong(scanner.position(), error.to_string()),
            }
        };
        let Position { lines, chain, .. } = scanner.position();
        Ok(ChatLog { header: header.to_owned(), entries, chain, lines, torn_at })
    }

    /// The first line of a new log, with its end.
    pub fn head(cluster: ClusterId) -> String {
        Form::NEWEST.header(cluster) + "\n"
    }

    /// The position behind the first line of a new log.
    pub fn begin(cluster: ClusterId) -> Position {
        Form::NEWEST.begin(cluster)
    }
}

impl Position {
    fn start(header: &str) -> Position {
        let bytes = header.len() as u64 + 1;
        Position { slots: 0, lines: 0, bytes, chain: Chain::start(header) }
    }
}

#[cfg(test)]
mod tests;
