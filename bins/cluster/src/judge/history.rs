//! One log, read from its first line to its last, against what clients recorded.
//!
//! **Invariants judged**
//! - each message takes effect once, and those of a session in the order of their numbers;
//! - nothing takes effect that nobody submitted;
//! - what each command is said to have come to is what replaying the log leads to;
//! - every acknowledged message is at the slot it was acknowledged for, with its text.
//!
//! **Invariant — bounded**: what is held does not grow with the log, but with the sessions in it and
//! with what clients recorded.

use super::faults::Faults;
use paxos_chat::message::Outcome;
use paxos_chat::types::{Body, Operation, Seq, SessionId, Slot};
use paxos_chat_client::record::Record;
use paxos_chat_log::replay::Replay;
use paxos_chat_log::{Entry, ReadError, Reader, parse_session, text_of};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a log tells.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Lines, without the header.
    pub(super) lines: u64,
    /// All digits of its hash.
    pub(super) hash: String,
    /// The line at which it breaks off, if it does.
    pub(super) torn_at: Option<u64>,
    /// Why it could not be read to its end.
    pub(super) damage: Option<String>,
    /// Slots without a command.
    pub(super) noops: u64,
    /// Messages that took effect more than once.
    pub(super) duplicates: BTreeSet<(SessionId, u64)>,
    /// Acknowledged messages that are not where they should be: which record, and the number.
    pub(super) missing: BTreeSet<(usize, u64)>,
    /// What is wrong with it by itself, and by the records.
    pub(super) faults: Faults,
    /// What is wrong with it if its replica survived.
    pub(super) losses: Faults,
}

impl Account {
    /// Reads the log in this file.
    pub(super) fn of(path: &Path, records: &Records<'_>) -> Account {
        match Reader::open(path) {
            Ok(reader) => History::new(records).read(reader),
            Err(error) => Account {
                hash: "damaged".into(),
                damage: Some(error.to_string()),
                ..Account::default()
            },
        }
    }
}

/// The records, to be looked up by what a log names.
pub(super) struct Records<'a> {
    records: &'a [Record],
    by_opening: BTreeMap<(&'a str, u64), usize>,
    /// Each acknowledgement: session, number, slot, which record, and which of its acknowledgements.
    awaited: Vec<(SessionId, u64, u64, usize, usize)>,
}

impl<'a> Records<'a> {
    pub(super) fn new(records: &'a [Record]) -> Records<'a> {
        let mut by_opening = BTreeMap::new();
        let mut awaited = Vec::new();
        for (record, index) in records.iter().zip(0..) {
            by_opening.insert((record.user.as_str(), record.nonce), index);
            for (ack, place) in record.acknowledged.iter().zip(0..) {
                // One that names no session can be found nowhere.
                if let Some(session) = parse_session(&ack.session) {
                    awaited.push((session, ack.seq, ack.slot, index, place));
                }
            }
        }
        awaited.sort_unstable();
        Records { records, by_opening, awaited }
    }

    /// The acknowledgements of this message at this slot.
    fn awaited(
        &self,
        session: SessionId,
        seq: Seq,
        slot: Slot,
    ) -> impl Iterator<Item = (usize, usize)> {
        let key = (session, seq.0, slot.0);
        let first = self.awaited.partition_point(|a| (a.0, a.1, a.2) < key);
        let found = self.awaited[first..].iter().take_while(move |a| (a.0, a.1, a.2) == key);
        found.map(|a| (a.3, a.4))
    }
}

/// A session in the log.
#[derive(Debug, Default)]
struct Speaker {
    /// The record of whoever opened it, if there is one.
    record: Option<usize>,
    /// Everything up to this number took effect, if nothing is wrong.
    last: u64,
    /// What took effect above it, if something is wrong.
    above: BTreeSet<u64>,
}

struct History<'a> {
    records: &'a Records<'a>,
    replay: Replay,
    speakers: BTreeMap<SessionId, Speaker>,
    /// For each record, which of its acknowledgements were found.
    found: Vec<Vec<bool>>,
    account: Account,
}

impl<'a> History<'a> {
    fn new(records: &'a Records<'a>) -> History<'a> {
        let found = records.records.iter().map(|r| vec![false; r.acknowledged.len()]).collect();
        let (replay, speakers) = (Replay::default(), BTreeMap::new());
        History { records, replay, speakers, found, account: Account::default() }
    }

    fn read<R: std::io::BufRead>(mut self, mut reader: Reader<R>) -> Account {
        let damage = loop {
            match reader.next_entry() {
                Ok(Some(entry)) => self.take(&entry),
                Ok(None) => break None,
                Err(error @ (ReadError::Unreadable(_) | ReadError::Damaged(_))) => {
                    break Some(error.to_string());
                }
            }
        };
        self.find_missing();
        let position = reader.position();
        let hash = if damage.is_some() { "damaged".into() } else { position.chain.to_hex() };
        Account { lines: position.lines, hash, torn_at: reader.torn_at(), damage, ..self.account }
    }

    fn take(&mut self, entry: &Entry) {
        let slot = entry.slot;
        if self.replay.outcomes(slot, &entry.value) != entry.outcomes {
            self.account
                .faults
                .push(format!("slot {slot}: replaying the log leads to other outcomes"));
        }
        self.account.noops += u64::from(entry.value.commands().is_empty());
        for (command, outcome) in entry.value.commands().iter().zip(&entry.outcomes) {
            match (&command.operation, outcome) {
                (Operation::OpenSession { nonce }, Outcome::Opened(session)) => {
                    let opening = (&*command.user.0, nonce.0);
                    let record = self.records.by_opening.get(&opening).copied();
                    self.speakers.insert(*session, Speaker { record, ..Speaker::default() });
                }
                (Operation::InSession { session, seq, body, .. }, Outcome::Applied) => {
                    self.take_applied(*session, *seq, slot, body);
                }
                _ => {}
            }
        }
    }

    fn take_applied(&mut self, session: SessionId, seq: Seq, slot: Slot, body: &Body) {
        let speaker = self.speakers.entry(session).or_default();
        let Speaker { record, last, above } = speaker;
        if seq.0 == *last + 1 && above.is_empty() {
            *last = seq.0;
        } else {
            let highest = above.last().copied().unwrap_or(*last).max(*last);
            self.account
                .faults
                .push(format!("slot {slot}: message {seq} of {session} follows message {highest}"));
            if seq.0 <= *last || !above.insert(seq.0) {
                self.account.duplicates.insert((session, seq.0));
                self.account
                    .faults
                    .push(format!("slot {slot}: message {seq} of {session} took effect before"));
            }
        }
        if *body == Body::Sync {
            return;
        }
        // What is no text was submitted by nobody.
        let text = text_of(body);
        let records = self.records.records;
        let said = record.and_then(|record| records[record].text_of(seq.0));
        // Nothing is known of what was submitted without records.
        if !records.is_empty() && said.is_none_or(|said| Some(&**said) != text) {
            let wrong = format!("slot {slot}: nobody submitted this message {seq} of {session}");
            self.account.faults.push(wrong);
        }
        for (record, place) in self.records.awaited(session, seq, slot) {
            self.found[record][place] |=
                records[record].text_of(seq.0).is_some_and(|said| Some(&**said) == text);
        }
    }

    fn find_missing(&mut self) {
        for (record, index) in self.records.records.iter().zip(0..) {
            for (ack, is_found) in record.acknowledged.iter().zip(&self.found[index]) {
                if *is_found {
                    continue;
                }
                let (seq, slot, user) = (ack.seq, ack.slot, &record.user);
                self.account.missing.insert((index, seq));
                self.account.losses.push(format!(
                    "message {seq} of {user} was acknowledged for slot {slot} and is not there"
                ));
            }
        }
    }
}
