//! One line of a chat log, without its last field: the running hash, or none.
//!
//! **Invariant — canonical**: a line that parses prints exactly as it was written; whatever prints
//! differently is refused.

use super::form::Form;
use super::{Entry, date, digits, escape};
use paxos_chat::message::Outcome;
use paxos_chat::types::{
    Body, Command, Nonce, Operation, Reconfigure, ReplicaId, Seq, SessionId, Slot, User, Value,
};
use std::borrow::Cow;
use std::sync::Arc;

const FIELDS: usize = 10;

/// Stands for the running hash on the lines of a slot before its last.
pub(super) const NO_HASH: &str = "-";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A slot in which nothing happens.
    Noop(Slot),
    /// A slot with a batch of no commands.
    Empty(Slot),
    /// A command of a batch.
    Command { slot: Slot, index: u32, count: u32, command: Cow<'a, Command>, outcome: Outcome },
}

impl<'a> Line<'a> {
    pub(super) fn of_entry(entry: &'a Entry) -> impl Iterator<Item = Line<'a>> {
        let slot = entry.slot;
        let only = match &entry.value {
            Value::Noop => Some(Line::Noop(slot)),
            Value::Batch(commands) if commands.is_empty() => Some(Line::Empty(slot)),
            Value::Batch(_) => None,
        };
        let commands = entry.value.commands();
        let count = commands.len() as u32;
        let lines = (0..).zip(commands.iter().zip(&entry.outcomes));
        only.into_iter().chain(lines.map(move |(index, (command, outcome))| {
            let (command, outcome) = (Cow::Borrowed(command), *outcome);
            Line::Command { slot, index, count, command, outcome }
        }))
    }

    pub(super) fn slot(&self) -> Slot {
        match self {
            Line::Noop(slot) | Line::Empty(slot) | Line::Command { slot, .. } => *slot,
        }
    }

    /// Reads a line back.
    pub(super) fn parse(text: &str, form: Form) -> Result<Line<'static>, String> {
        let fields: Vec<&str> = text.split('\t').collect();
        let count = fields.len();
        let Ok(fields) = <[&str; FIELDS]>::try_from(fields) else {
            return Err(format!("{count} fields where {FIELDS} are expected"));
        };
        let line = parse_fields(&fields)?;
        let mut written = String::with_capacity(text.len());
        line.write_to(form, &mut written);
        if written == text {
            Ok(line)
        } else {
            Err(format!("not in the form in which it would be written: {written}"))
        }
    }

    /// Appends the line.
    pub(super) fn write_to(&self, form: Form, to: &mut String) {
        let (slot, index, count, command, outcome) = match self {
            Line::Noop(slot) => return write_bare(*slot, "noop", to),
            Line::Empty(slot) => return write_bare(*slot, "empty", to),
            Line::Command { slot, index, count, command, outcome } => {
                (slot, index, count, command, *outcome)
            }
        };
        digits::push(slot.0, to);
        to.push('\t');
        digits::push(*index, to);
        to.push('/');
        digits::push(*count, to);
        to.push('\t');
        date::push(command.stamp, to);
        to.push('\t');
        escape::escape(&command.user.0, form, to);
        to.push('\t');
        write_operation(&command.operation, outcome, form, to);
    }
}

fn write_bare(slot: Slot, asked: &str, to: &mut String) {
    digits::push(slot.0, to);
    to.push_str("\t-\t-\t-\t-\t-\t-\t");
    to.push_str(asked);
    to.push_str("\t-\t-");
}

fn write_operation(operation: &Operation, outcome: Outcome, form: Form, to: &mut String) {
    match operation {
        Operation::OpenSession { nonce } => {
            to.push_str(&format!("-\t-\t-\topen:{:x}\t", nonce.0));
            write_outcome(outcome, to);
            to.push_str("\t-");
        }
        Operation::InSession { session, seq, acked_below, body } => {
            write_session(*session, to);
            to.push('\t');
            digits::push(seq.0, to);
            to.push_str("\t<");
            digits::push(acked_below.0, to);
            match body {
                Body::Sync => {
                    to.push_str("\tsync\t");
                    write_outcome(outcome, to);
                    to.push_str("\t-");
                }
                Body::Reconfigure(Reconfigure { replaces, members }) => {
                    to.push_str("\tmembers:");
                    digits::push(replaces.0, to);
                    to.push('\t');
                    write_outcome(outcome, to);
                    to.push('\t');
                    for (index, member) in members.iter().enumerate() {
                        to.push_str(if index == 0 { "" } else { "," });
                        digits::push(member.0, to);
                    }
                }
                Body::Write(bytes) => match std::str::from_utf8(bytes) {
                    Ok(text) => {
                        to.push_str("\tpost\t");
                        write_outcome(outcome, to);
                        to.push_str("\t\"");
                        escape::escape(text, form, to);
                        to.push('"');
                    }
                    // No replica lets such a message in, but the log holds whatever was chosen.
                    Err(_) => {
                        to.push_str("\tbytes\t");
                        write_outcome(outcome, to);
                        to.push('\t');
                        bytes.iter().for_each(|byte| to.push_str(&format!("{byte:02x}")));
                    }
                },
            }
        }
    }
}

fn write_session(session: SessionId, to: &mut String) {
    to.push('s');
    digits::push(session.slot.0, to);
    to.push('.');
    digits::push(session.index, to);
}

fn write_outcome(outcome: Outcome, to: &mut String) {
    match outcome {
        Outcome::Opened(session) => {
            to.push_str("opened ");
            write_session(session, to);
        }
        Outcome::OpenedBefore(session) => {
            to.push_str("opened-before ");
            write_session(session, to);
        }
        Outcome::Applied => to.push_str("applied"),
        Outcome::Duplicate(None) => to.push_str("duplicate"),
        Outcome::Duplicate(Some(slot)) => {
            to.push_str("duplicate ");
            digits::push(slot.0, to);
        }
        Outcome::Gap => to.push_str("gap"),
        Outcome::NoSession => to.push_str("no-session"),
        Outcome::WrongUser => to.push_str("wrong-user"),
    }
}

fn parse_fields(fields: &[&str; FIELDS]) -> Result<Line<'static>, String> {
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
                "post" => Body::write(&parse_text(text).ok_or_else(|| expect("a text", text))?),
                "bytes" => Body::write(parse_bytes(text).ok_or_else(|| expect("bytes", text))?),
                "sync" => Body::Sync,
                _ => match asked.strip_prefix("members:").map(str::parse) {
                    Some(Ok(replaces)) => Body::Reconfigure(Reconfigure {
                        replaces: Slot(replaces),
                        members: parse_members(text).ok_or_else(|| expect("members", text))?,
                    }),
                    _ => {
                        return Err(expect(
                            "post, bytes, sync, members, open, noop or empty",
                            asked,
                        ));
                    }
                },
            },
        }
    };
    let outcome = parse_outcome(outcome).ok_or_else(|| expect("an outcome", outcome))?;
    let command = Cow::Owned(Command { stamp, user: User::new(&user), operation });
    Ok(Line::Command { slot, index, count, command, outcome })
}

/// The ids of replicas.
fn parse_members(text: &str) -> Option<Arc<[ReplicaId]>> {
    if text.is_empty() {
        return Some([].into());
    }
    text.split(',').map(|id| id.parse().map(ReplicaId).ok()).collect()
}

/// Bytes that are no text: two digits each.
fn parse_bytes(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |of: u8| char::from(of).to_digit(16);
    let bytes =
        pairs.iter().map(|[high, low]| u8::try_from(16 * digit(*high)? + digit(*low)?).ok());
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    // What is text is written as text.
    (rest.is_empty() && std::str::from_utf8(&bytes).is_err()).then_some(bytes)
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
