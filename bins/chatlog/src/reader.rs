//! Reading a whole log, an entry at a time, as somebody does who trusts nothing in it.
//!
//! **Invariants**
//! - *Checked from the first line on*: an entry is given only if everything before it is a log.
//! - *Bounded*: one slot is held at a time, however long the log is.

use super::form::{Form, NO_HEADER};
use super::scan::{Next, Scanner};
use super::{Entry, ParseError, Position};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// No header is longer, in bytes.
const HEADER_BYTES_MAX: u64 = 256;

/// Why a log cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system does not give it.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is no log from here on.
    #[error(transparent)]
    Damaged(#[from] ParseError),
}

/// Reads a log from its beginning.
pub struct Reader<R> {
    header: String,
    scanner: Scanner<R>,
    torn_at: Option<u64>,
}

impl Reader<BufReader<File>> {
    /// Opens the log in this file.
    ///
    /// # Errors
    /// When it cannot be opened, or does not begin as a log does.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Reader::new(BufReader::new(File::open(path)?))
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads the log from this source.
    ///
    /// # Errors
    /// When it cannot be read, or does not begin as a log does.
    pub fn new(mut source: R) -> Result<Reader<R>, ReadError> {
        let mut header = Vec::new();
        (&mut source).take(HEADER_BYTES_MAX).read_until(b'\n', &mut header)?;
        let header = header.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
        let Some((header, form)) = header.and_then(|line| Some((line, Form::of(line)?))) else {
            let wrong = NO_HEADER.into();
            return Err(ParseError { line: 1, offset: 0, wrong }.into());
        };
        let scanner = Scanner::new(source, form, Position::start(header));
        Ok(Reader { header: header.to_owned(), scanner, torn_at: None })
    }

    /// The next slot; `None` at the end.
    ///
    /// # Errors
    /// When it cannot be read, or is no log from here on.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        match self.scanner.next()? {
            Next::Entry(entry) => Ok(Some(entry)),
            Next::End => Ok(None),
            Next::Torn => {
                // The header is line 1.
                self.torn_at = Some(self.scanner.position().lines + 2);
                Ok(None)
            }
            Next::Damage(error) => Err(error.into()),
        }
    }

    /// The first line, which names the cluster.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// How far it was read.
    pub fn position(&self) -> Position {
        self.scanner.position()
    }

    /// The line at which the log breaks off within a slot, if it was read to an end that does.
    pub fn torn_at(&self) -> Option<u64> {
        self.torn_at
    }
}
