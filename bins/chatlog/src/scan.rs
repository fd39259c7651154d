//! Reading a log entry by entry, from any position in it on.
//!
//! **Invariants**
//! - *Checked on the way*: a slot counts only if its lines are canonical, are the next, and have the
//!   hash that follows from the position where the reading began.
//! - *Bounded*: one slot is held at a time.

use super::form::Form;
use super::line::{Line, NO_HASH};
use super::{Entry, ParseError, Position, wrong};
use paxos_chat::message::Outcome;
use paxos_chat::types::{Command, Slot, Value};
use std::io::{self, BufRead, Read};

/// No line is longer, in bytes: the longest text takes less than a quarter of this when every byte
/// of it is escaped.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// What comes next in a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A slot.
    Entry(Entry),
    /// Nothing: the log ends here.
    End,
    /// A slot that is not complete: its writer was killed while it wrote.
    Torn,
    /// Something that is no line of a log, or does not follow from those before it.
    Damage(ParseError),
}

/// Reads a log from a position on.
pub(super) struct Scanner<R> {
    source: R,
    form: Form,
    at: Position,
}

impl<R: BufRead> Scanner<R> {
    /// Reads the bytes behind this position of a log in this form.
    pub(super) fn new(source: R, form: Form, at: Position) -> Scanner<R> {
        Scanner { source, form, at }
    }

    /// The position behind the last entry that was read.
    pub(super) fn position(&self) -> Position {
        self.at
    }

    /// Reads the next slot. After anything but an entry, nothing can be read any more.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        let mut behind = self.at;
        let mut batch =
            Batch { form: self.form, text: String::new(), commands: Vec::new(), count: 0 };
        let mut line = Vec::new();
        loop {
            line.clear();
            (&mut self.source).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
            if line.is_empty() && batch.commands.is_empty() {
                return Ok(Next::End);
            }
            if line.last() != Some(&b'\n') && (line.len() as u64) < LINE_BYTES_MAX {
                return Ok(Next::Torn);
            }
            match batch.take(&line, &mut behind) {
                Ok(None) => {}
                Ok(Some(entry)) => {
                    behind.slots = entry.slot.0 + 1;
                    self.at = behind;
                    return Ok(Next::Entry(entry));
                }
                Err(error) => return Ok(Next::Damage(error)),
            }
        }
    }
}

/// The lines of a slot that is not complete yet.
struct Batch {
    form: Form,
    text: String,
    commands: Vec<(Command, Outcome)>,
    count: u32,
}

impl Batch {
    /// Takes the line at this position, and moves the position behind it; gives the entry that it
    /// completes.
    fn take(&mut self, bytes: &[u8], at: &mut Position) -> Result<Option<Entry>, ParseError> {
        let place = *at;
        let wrong = |what: String| wrong(place, what);
        let Ok(text) = std::str::from_utf8(bytes) else { return wrong("not UTF-8 text".into()) };
        let fields = text.strip_suffix('\n').and_then(|text| text.rsplit_once('\t'));
        let Some((content, hash)) = fields else {
            return wrong("it has no fields separated by tabs".into());
        };
        let line = match Line::parse(content, self.form) {
            Ok(line) => line,
            Err(error) => return wrong(error),
        };
        let expected = Slot(at.slots);
        if line.slot() != expected {
            return wrong(format!("slot {} where slot {expected} is expected", line.slot()));
        }
        self.text.push_str(content);
        at.lines += 1;
        at.bytes += bytes.len() as u64;
        let (value, outcomes) = match line {
            Line::Noop(_) if self.commands.is_empty() => (Value::Noop, Vec::new()),
            Line::Empty(_) if self.commands.is_empty() => (Value::batch([]), Vec::new()),
            Line::Noop(_) | Line::Empty(_) => return wrong("it is within a batch".into()),
            Line::Command { index, count, command, outcome, .. } => {
                let next = self.commands.len() as u64;
                if u64::from(index) != next || (next > 0 && count != self.count) || index >= count {
                    let wanted = format!("{next}/{}", if next > 0 { self.count } else { count });
                    return wrong(format!("command {index}/{count} where {wanted} fits"));
                }
                self.count = count;
                self.commands.push((command.into_owned(), outcome));
                if index + 1 < count {
                    if hash != NO_HASH {
                        return wrong(format!(
                            "it ends in {hash} where {NO_HASH} is expected before a slot's last line"
                        ));
                    }
                    self.text.extend(["\t", NO_HASH, "\n"]);
                    return Ok(None);
                }
                let (commands, outcomes): (Vec<_>, Vec<_>) = self.commands.drain(..).unzip();
                (Value::batch(commands), outcomes)
            }
        };
        at.chain.step(&self.text);
        let wanted = at.chain.short();
        if hash != wanted {
            return wrong(format!(
                "the running hash is {hash} where {wanted} follows from the lines so far"
            ));
        }
        Ok(Some(Entry { slot: expected, value, outcomes }))
    }
}
