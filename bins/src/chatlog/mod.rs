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
//! | what was asked | `post`, `sync`, `open:1f`, `noop` |
//! | what it came to | `applied`, `duplicate 9`, `gap`, `opened s3.0` |
//! | text, quoted and escaped | `"hello\nworld"` |
//! | running hash: 16 digits of it | `9f86d081884c7d65` |
//!
//! **Invariants**
//! - *Lossless*: the values and outcomes of all slots can be read back, whatever they hold.
//! - *Canonical*: one sequence of entries has one text, so equal logs are equal byte for byte;
//!   nothing in the file depends on the replica that wrote it.
//! - *Chained*: each line's hash covers all lines before it, so that no line can be deleted,
//!   doubled, moved or altered without every later hash disagreeing.
//!
//! **Absent**: when a log is synced, which is its journal's matter.

mod date;
mod escape;
mod line;
mod writer;

pub use writer::{LogFile, LogWriter, Position, Written};

use crate::wire::ClusterId;
use line::Line;
use paxos_chat::message::Outcome;
use paxos_chat::types::{SessionId, Slot, Timestamp, Value};

/// A text within one line, quoted, with nothing in it that a terminal would act on.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// A text within one line, with nothing in it that a terminal would act on.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    escape::escape(text, &mut escaped);
    escaped
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
    fn lines(&self) -> Vec<Line> {
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

    fn step(&mut self, content: &str) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.0.as_bytes());
        hasher.update(content.as_bytes());
        self.0 = hasher.finalize();
    }

    fn short(&self) -> String {
        self.0.to_hex()[..16].to_owned()
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

/// The first line of a log.
fn header(cluster: ClusterId) -> String {
    format!("# paxos-chat log 1, cluster {cluster}")
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

/// Where a log is not a log, counted in lines from 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {wrong}")]
pub struct ParseError {
    /// The line.
    pub line: usize,
    /// What is wrong there.
    pub wrong: String,
}

fn wrong<T>(line: usize, wrong: impl Into<String>) -> Result<T, ParseError> {
    Err(ParseError { line, wrong: wrong.into() })
}

/// What is left of a log whose writer was killed, or whose disk lost what was not synced.
#[derive(Debug)]
pub struct Recovered {
    /// The entries that are whole.
    pub log: ChatLog,
    /// How many bytes they and the header take.
    pub good_bytes: u64,
    /// The hash at the mark, if the log goes that far.
    pub chain_at_mark: Option<Chain>,
    /// What is wrong behind them, if it is more than an incomplete slot.
    pub damage: Option<ParseError>,
}

impl ChatLog {
    /// Reads a log back. A slot that is incomplete at the end is left out and noted as torn.
    ///
    /// # Errors
    /// The first line that is no line of a log, or does not follow from those before it.
    pub fn parse(bytes: &[u8]) -> Result<ChatLog, ParseError> {
        let recovered = ChatLog::scan(bytes, 0)?;
        recovered.damage.map_or(Ok(recovered.log), Err)
    }

    /// Reads back what was not lost: damage is an error only below the mark, counted in slots,
    /// because only what is below it was synced.
    ///
    /// # Errors
    /// The first line that is no line of a log, or does not follow from those before it.
    pub fn recover(bytes: &[u8], mark: u64) -> Result<Recovered, ParseError> {
        let recovered = ChatLog::scan(bytes, mark)?;
        match recovered.damage {
            Some(damage) if recovered.chain_at_mark.is_none() => Err(damage),
            _ => Ok(recovered),
        }
    }

    fn scan(bytes: &[u8], mark: u64) -> Result<Recovered, ParseError> {
        let (text, mut damage) = readable(bytes);
        let mut lines = text.split_inclusive('\n').zip(1..);
        let header = lines.next().and_then(|(line, _)| line.strip_suffix('\n'));
        let Some(header) = header.filter(|line| line.starts_with("# paxos-chat log 1, ")) else {
            return wrong(1, "not the header of a chat log of version 1");
        };
        let chain = Chain::start(header);
        let header = header.to_owned();
        let mut good_bytes = header.len() + 1;
        let mut read_bytes = good_bytes;
        let mut log = ChatLog { header, entries: Vec::new(), chain, lines: 0, torn_at: None };
        let mut chain_at_mark = (mark == 0).then_some(chain);
        let mut assembly = Assembly::new(chain);
        for (text, number) in lines {
            let Some(line) = text.strip_suffix('\n') else {
                log.torn_at = Some(number);
                break;
            };
            read_bytes += text.len();
            match assembly.take(line, number, Slot(log.entries.len() as u64)) {
                Ok(None) => {}
                Ok(Some(entry)) => {
                    log.entries.push(entry);
                    log.chain = assembly.chain;
                    log.lines = number as u64 - 1;
                    good_bytes = read_bytes;
                    if log.entries.len() as u64 == mark {
                        chain_at_mark = Some(log.chain);
                    }
                }
                Err(error) => {
                    damage = Some(error);
                    break;
                }
            }
        }
        if damage.is_none() && log.torn_at.is_none() && !assembly.commands.is_empty() {
            log.torn_at = Some(log.lines as usize + 2);
        }
        Ok(Recovered { log, good_bytes: good_bytes as u64, chain_at_mark, damage })
    }
}

/// The text of a log up to where it is none. A character that the end of the file cuts in two is
/// no damage: the line is torn there.
fn readable(bytes: &[u8]) -> (&str, Option<ParseError>) {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return (text, None),
        Err(error) => error,
    };
    let good = &bytes[..error.valid_up_to()];
    let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
    let text = std::str::from_utf8(good).unwrap_or_default();
    let damage = ParseError { line, wrong: "not UTF-8 text".into() };
    (text, error.error_len().map(|_| damage))
}

/// The lines of a slot that is not complete yet.
struct Assembly {
    chain: Chain,
    commands: Vec<(paxos_chat::types::Command, Outcome)>,
    count: u32,
}

impl Assembly {
    fn new(chain: Chain) -> Assembly {
        Assembly { chain, commands: Vec::new(), count: 0 }
    }

    /// Takes a line; gives the entry that it completes.
    fn take(
        &mut self,
        text: &str,
        number: usize,
        expected: Slot,
    ) -> Result<Option<Entry>, ParseError> {
        let Some((content, hash)) = text.rsplit_once('\t') else {
            return wrong(number, "it has no fields separated by tabs");
        };
        let line = match Line::parse(content) {
            Ok(line) => line,
            Err(error) => return wrong(number, error),
        };
        if line.slot() != expected {
            let found = line.slot();
            return wrong(number, format!("slot {found} where slot {expected} is expected"));
        }
        self.chain.step(content);
        if hash != self.chain.short() {
            let wanted = self.chain.short();
            return wrong(
                number,
                format!("the running hash is {hash} where {wanted} follows from the lines so far"),
            );
        }
        let (value, outcomes) = match line {
            Line::Noop(_) if self.commands.is_empty() => (Value::Noop, Vec::new()),
            Line::Empty(_) if self.commands.is_empty() => (Value::batch([]), Vec::new()),
            Line::Noop(_) | Line::Empty(_) => return wrong(number, "it is within a batch"),
            Line::Command { index, count, command, outcome, .. } => {
                let at = self.commands.len() as u64;
                if u64::from(index) != at || (at > 0 && count != self.count) || index >= count {
                    let wanted = format!("{at}/{}", if at > 0 { self.count } else { count });
                    return wrong(number, format!("command {index}/{count} where {wanted} fits"));
                }
                self.count = count;
                self.commands.push((command, outcome));
                if index + 1 < count {
                    return Ok(None);
                }
                let (commands, outcomes): (Vec<_>, Vec<_>) = self.commands.drain(..).unzip();
                (Value::batch(commands), outcomes)
            }
        };
        Ok(Some(Entry { slot: expected, value, outcomes }))
    }
}

#[cfg(test)]
mod tests;
