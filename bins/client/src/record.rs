//! What a client records while it runs: what it submitted, before that is sent, and what was
//! acknowledged, as it comes. One JSON object a line.
//!
//! **Invariant**: a message is in the record before it is on the network, so whatever replicas log
//! of this client is in the record, even if the client is killed.

use actor_runtime::disk::OWNER_S_FILE;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The ending of the names of record files.
pub const EXTENSION: &str = "jsonl";

/// A line of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase", deny_unknown_fields)]
pub enum Line {
    /// The client starts; the first line.
    Started {
        /// Its user.
        user: String,
        /// The nonce that opens its session.
        nonce: u64,
    },
    /// The user said something.
    Submitted {
        /// Its number, from 1 on.
        seq: u64,
        /// What was said.
        text: String,
    },
    /// A message was acknowledged.
    Acknowledged {
        /// Its number.
        seq: u64,
        /// The session, such as `s3.0`.
        session: String,
        /// Where it was applied.
        slot: u64,
        /// What was said.
        text: String,
        /// How often it was sent again.
        retries: u64,
    },
}

/// Writes a record.
#[derive(Debug)]
pub struct RecordWriter {
    file: File,
    path: PathBuf,
}

impl RecordWriter {
    /// Begins a record in a new file.
    ///
    /// # Errors
    /// When the file exists already, or cannot be written.
    pub fn create(path: &Path, user: &str, nonce: u64) -> io::Result<RecordWriter> {
        let file = File::options().write(true).create_new(true).mode(OWNER_S_FILE).open(path);
        let path = path.to_owned();
        let file = file.map_err(|error| named(&path, &error))?;
        let mut record = RecordWriter { file, path };
        record.write(&Line::Started { user: user.to_owned(), nonce })?;
        Ok(record)
    }

    /// Appends a line, in one write.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(|error| named(&self.path, &error))
    }
}

/// An error that says whose it is, and what to do.
fn named(path: &Path, error: &io::Error) -> io::Error {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull => "; free some space, or record elsewhere",
        _ => "",
    };
    let told = format!("the record {} cannot be written: {error}{remedy}", path.display());
    io::Error::new(error.kind(), told)
}

/// A record that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose record it is.
    pub user: String,
    /// The nonce that opened the session.
    pub nonce: u64,
    /// What was said, in the order of the numbers, from 1 on.
    pub submitted: Vec<String>,
    /// What was acknowledged, in the order of arrival.
    pub acknowledged: Vec<Acknowledgement>,
}

/// An acknowledgement of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The message's number.
    pub seq: u64,
    /// The session.
    pub session: String,
    /// Where it was applied.
    pub slot: u64,
    /// How often it was sent again.
    pub retries: u64,
}

/// Why a file is not a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It cannot be read.
    #[error("cannot read the record {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A line is wrong.
    #[error("{}, line {line}: {wrong}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// What is wrong.
        wrong: String,
    },
}

impl Record {
    /// Reads a record. A last line that was cut off is left out: its writer was killed.
    ///
    /// # Errors
    /// When it cannot be read, or a line contradicts those before it.
    pub fn read(path: &Path) -> Result<Record, RecordError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| RecordError::Unreadable { path: path.to_owned(), error })?;
        Record::parse(&text).map_err(|(line, wrong)| RecordError::Line {
            path: path.to_owned(),
            line,
            wrong,
        })
    }

    fn parse(text: &str) -> Result<Record, (usize, String)> {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut record: Option<Record> = None;
        for (line, number) in whole.lines().zip(1..) {
            let line: Line = serde_json::from_str(line).map_err(|e| (number, e.to_string()))?;
            match (&mut record, line) {
                (None, Line::Started { user, nonce }) => {
                    let (submitted, acknowledged) = (Vec::new(), Vec::new());
                    record = Some(Record { user, nonce, submitted, acknowledged });
                }
                (None, _) => return Err((number, "it is not what a record starts with".into())),
                (Some(record), line) => record.take(line).map_err(|wrong| (number, wrong))?,
            }
        }
        record.ok_or_else(|| (1, "it is empty".into()))
    }

    fn take(&mut self, line: Line) -> Result<(), String> {
        match line {
            Line::Started { .. } => Err("a record starts once".into()),
            Line::Submitted { seq, text } => {
                self.submitted.push(text);
                if seq == self.submitted.len() as u64 {
                    Ok(())
                } else {
                    Err(format!("number {seq} where {} is next", self.submitted.len()))
                }
            }
            Line::Acknowledged { seq, session, slot, text, retries } => {
                if self.text_of(seq) != Some(&text) {
                    return Err(format!("number {seq} was not submitted with this text"));
                }
                self.acknowledged.push(Acknowledgement { seq, session, slot, retries });
                Ok(())
            }
        }
    }

    /// What was said under this number.
    pub fn text_of(&self, seq: u64) -> Option<&String> {
        self.submitted.get(usize::try_from(seq.checked_sub(1)?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<Line> {
        vec![
            Line::Started { user: "ann".into(), nonce: 7 },
            Line::Submitted { seq: 1, text: "a\nb".into() },
            Line::Submitted { seq: 2, text: "c".into() },
            Line::Acknowledged {
                seq: 1,
                session: "s0.0".into(),
                slot: 3,
                text: "a\nb".into(),
                retries: 2,
            },
        ]
    }

    #[test]
    fn a_record_reads_back_and_a_torn_line_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ann.jsonl");
        let mut writer = RecordWriter::create(&path, "ann", 7).unwrap();
        for line in &lines()[1..] {
            writer.write(line).unwrap();
        }
        let record = Record::read(&path).unwrap();
        assert_eq!(record.submitted, ["a\nb", "c"]);
        assert_eq!(record.acknowledged.len(), 1);
        writer.file.write_all(b"{\"event\":\"subm").unwrap();
        assert_eq!(Record::read(&path).unwrap(), record);
        assert!(RecordWriter::create(&path, "ann", 7).is_err(), "never overwritten");
    }

    #[test]
    fn contradictions_are_errors_with_their_line() {
        let text = |lines: &[Line]| -> String {
            lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect()
        };
        let all = lines();
        assert_eq!(Record::parse(&text(&all[1..])).unwrap_err().0, 1);
        assert_eq!(Record::parse(&text(&[all[0].clone(), all[2].clone()])).unwrap_err().0, 2);
        assert_eq!(Record::parse(&text(&[all[0].clone(), all[3].clone()])).unwrap_err().0, 2);
        assert_eq!(Record::parse("").unwrap_err().0, 1);
    }
}
