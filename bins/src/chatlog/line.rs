//! One line of a chat log, without its running hash.
//!
//! **Invariant — canonical**: a line that parses prints exactly as it was written; whatever prints
//! differently is refused.

use super::{Entry, date, escape};
use paxos_chat::message::Outcome;
use paxos_chat::types::{Body, Command, Nonce, Operation, Seq, SessionId, Slot, User, Value};
use std::fmt::{self, Display, Formatter};

const FIELDS: usize = 10;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A slot in which nothing happens.
    Noop(Slot),
    /// A slot with a batch of no commands.
    Empty(Slot),
    /// A command of a batch.
    Command { slot: Slot, index: u32, count: u32, command: Command, outcome: Outcome },
}

impl Line {
    pub(super) fn of_entry(entry: &Entry) -> Vec<Line> {
        let slot = entry.slot;
        let commands = match &entry.value {
            Value::Noop => return vec![Line::Noop(slot)],
            Value::Batch(commands) if commands.is_empty() => return vec![Line::Empty(slot)],
            Value::Batch(commands) => commands,
        };
        let count = commands.len() as u32;
        (0..)
            .zip(commands.iter().zip(&entry.outcomes))
            .map(|(index, (command, outcome))| {
                let (command, outcome) = (command.clone(), *outcome);
                Line::Command { slot, index, count, command, outcome }
            })
            .collect()
    }

    pub(super) fn slot(&self) -> Slot {
        match self {
            Line::Noop(slot) | Line::Empty(slot) | Line::Command { slot, .. } => *slot,
        }
    }

    /// Reads a line back.
    pub(super) fn parse(text: &str) -> Result<Line, String> {
        let fields: Vec<&str> = text.split('\t').collect();
        let count = fields.len();
        let Ok(fields) = <[&str; FIELDS]>::try_from(fields) else {
            return Err(format!("{count} fields where {FIELDS} are expected"));
        };
        let line = parse_fields(&fields)?;
        if line.to_string() == text {
            Ok(line)
        } else {
            Err(format!("not in the form in which it would be written: {line}"))
        }
    }
}

fn parse_fields(fields: &[&str; FIELDS]) -> Result<Line, String> {
    let [slot, place, time, user, session, seq, acked, asked, outcome, text] = *fields;
    let expect = |what: &str, found: &str| format!("{found:?} is not {what}");
    let slot = slot.parse().map(Slot).map_err(|_| expect("a slot", slot))?;
    match asked {
        "noop" => return Ok(Line::Noop(slot)),
        "empty" => return Ok(Line::Empty(slot)),
        _ => {}
    }
    let (index, count) = place
        .split_once('/')
        .and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)))
        .ok_or_else(|| expect("an index and a count", place))?;
    let stamp = date::parse(time).ok_or_else(|| expect("a time", time))?;
    let user = escape::unescape(user).ok_or_else(|| expect("an escaped name", user))?;
    let operation = if let Some(nonce) = asked.strip_prefix("open:") {
        let nonce = u64::from_str_radix(nonce, 16).map_err(|_| expect("a nonce", nonce))?;
        Operation::OpenSession { nonce: Nonce(nonce) }
    } else {
        let number = |text: &str| text.parse().map(Seq).map_err(|_| expect("a number", text));
        Operation::InSession {
            session: parse_session(session).ok_or_else(|| expect("a session", session))?,
            seq: number(seq)?,
            acked_below: number(acked.strip_prefix('<').unwrap_or(acked))?,
            body: match asked {
                "post" => Body::post(&parse_text(text).ok_or_else(|| expect("a text", text))?),
                "sync" => Body::Sync,
                _ => return Err(expect("post, sync, open, noop or empty", asked)),
            },
        }
    };
    let outcome = parse_outcome(outcome).ok_or_else(|| expect("an outcome", outcome))?;
    let command = Command { stamp, user: User::new(&user), operation };
    Ok(Line::Command { slot, index, count, command, outcome })
}

fn parse_text(quoted: &str) -> Option<String> {
    escape::unescape(quoted.strip_prefix('"')?.strip_suffix('"')?)
}

/// The session of this name, such as `s3.0`.
pub(super) fn parse_session(text: &str) -> Option<SessionId> {
    let (slot, index) = text.strip_prefix('s')?.split_once('.')?;
    Some(SessionId { slot: Slot(slot.parse().ok()?), index: index.parse().ok()? })
}

fn parse_outcome(text: &str) -> Option<Outcome> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    Some(match (word, rest) {
        ("opened", session) => Outcome::Opened(parse_session(session)?),
        ("opened-before", session) => Outcome::OpenedBefore(parse_session(session)?),
        ("applied", "") => Outcome::Applied,
        ("duplicate", "") => Outcome::Duplicate(None),
        ("duplicate", slot) => Outcome::Duplicate(Some(Slot(slot.parse().ok()?))),
        ("gap", "") => Outcome::Gap,
        ("no-session", "") => Outcome::NoSession,
        ("wrong-user", "") => Outcome::WrongUser,
        _ => return None,
    })
}

struct Shown(Outcome);

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Outcome::Opened(session) => write!(f, "opened {session}"),
            Outcome::OpenedBefore(session) => write!(f, "opened-before {session}"),
            Outcome::Applied => f.write_str("applied"),
            Outcome::Duplicate(None) => f.write_str("duplicate"),
            Outcome::Duplicate(Some(slot)) => write!(f, "duplicate {slot}"),
            Outcome::Gap => f.write_str("gap"),
            Outcome::NoSession => f.write_str("no-session"),
            Outcome::WrongUser => f.write_str("wrong-user"),
        }
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (slot, index, count, command, outcome) = match self {
            Line::Noop(slot) => return write!(f, "{slot}\t-\t-\t-\t-\t-\t-\tnoop\t-\t-"),
            Line::Empty(slot) => return write!(f, "{slot}\t-\t-\t-\t-\t-\t-\tempty\t-\t-"),
            Line::Command { slot, index, count, command, outcome } => {
                (slot, index, count, command, Shown(*outcome))
            }
        };
        let mut user = String::new();
        escape::escape(&command.user.0, &mut user);
        let time = date::format(command.stamp);
        write!(f, "{slot}\t{index}/{count}\t{time}\t{user}\t")?;
        match &command.operation {
            Operation::OpenSession { nonce } => {
                write!(f, "-\t-\t-\topen:{:x}\t{outcome}\t-", nonce.0)
            }
            Operation::InSession { session, seq, acked_below, body } => {
                write!(f, "{session}\t{seq}\t<{acked_below}\t")?;
                match body {
                    Body::Sync => write!(f, "sync\t{outcome}\t-"),
                    Body::Post(text) => {
                        let mut escaped = String::new();
                        escape::escape(text, &mut escaped);
                        write!(f, "post\t{outcome}\t\"{escaped}\"")
                    }
                }
            }
        }
    }
}
