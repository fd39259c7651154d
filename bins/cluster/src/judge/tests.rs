//! Verdicts on logs that are made here, good and bad.

use super::faults::FAULTS_MAX;
use super::*;
use actor_runtime::wire::ClusterId;
use paxos_chat::message::Outcome;
use paxos_chat::types::{
    Body, Command, Nonce, Operation, Seq, SessionId, Slot, Timestamp, User, Value,
};
use paxos_chat_client::record::{Line, RecordWriter};
use paxos_chat_log::replay::Replay;
use paxos_chat_log::{Entry, LogWriter};
use std::collections::BTreeMap;
use std::path::PathBuf;

const NONCE: u64 = 7;
const OURS: SessionId = SessionId { slot: Slot(0), index: 0 };
/// Messages of a whole log.
const MESSAGES: u64 = 9;

fn command(user: &str, operation: Operation) -> Value {
    Value::batch([Command { stamp: Timestamp(0), user: User::new(user), operation }])
}

fn opening() -> Value {
    command("ann", Operation::OpenSession { nonce: Nonce(NONCE) })
}

fn post(seq: u64, text: impl AsRef<[u8]>) -> Value {
    let (seq, body) = (Seq(seq), Body::write(text));
    command("ann", Operation::InSession { session: OURS, seq, acked_below: Seq(1), body })
}

/// A session is opened, and every message has a slot of its own: message n is at slot n.
fn whole() -> Vec<Value> {
    [opening()].into_iter().chain((1..=MESSAGES).map(|n| post(n, format!("text {n}")))).collect()
}

/// What the values come to, as a replica would log it.
fn entries(values: &[Value]) -> Vec<Entry> {
    let mut replay = Replay::default();
    let entry = |(slot, value): (u64, &Value)| {
        let outcomes = replay.outcomes(Slot(slot), value);
        Entry { slot: Slot(slot), value: value.clone(), outcomes }
    };
    (0..).zip(values).map(entry).collect()
}

struct Folder(tempfile::TempDir);

impl Folder {
    /// Three replicas with whole logs, and the record of their client.
    fn good() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        (0..3).for_each(|id| folder.log(id, &whole()));
        let mut record = RecordWriter::create(&folder.path("ann.jsonl"), "ann", NONCE).unwrap();
        for seq in 1..=MESSAGES {
            let text = format!("text {seq}");
            record.write(&Line::Submitted { seq, text: text.clone() }).unwrap();
            let session = OURS.to_string();
            let line = Line::Acknowledged { seq, session, slot: seq, text, retries: 1 };
            record.write(&line).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn log(&self, id: u8, values: &[Value]) {
        self.log_of(id, &entries(values));
    }

    fn log_of(&self, id: u8, entries: &[Entry]) {
        let file = std::fs::File::create(self.path(&format!("replica-{id}.log"))).unwrap();
        let mut log = LogWriter::create(file, ClusterId::of("test")).unwrap();
        entries.iter().for_each(|entry| log.append(entry).unwrap());
        log.flush().unwrap();
    }

    /// Cuts bytes off the end of a log.
    fn cut(&self, id: u8, bytes: u64) {
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(self.path(&format!("replica-{id}.log")))
            .unwrap();
        file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
    }

    fn killed(&self, ids: &[u8]) {
        let (killed, restarts) = (ids.iter().copied().collect(), BTreeMap::new());
        RunFile { killed, restarts }.write(self.0.path()).unwrap();
    }

    fn verdict(&self) -> Verdict {
        judge(&Evidence::read(self.0.path()).unwrap())
    }

    /// The verdict is bad, and says this.
    fn says(&self, expected: &[&str]) -> Verdict {
        let verdict = self.verdict();
        assert!(!verdict.ok);
        let said = verdict.faults.join("\n");
        for part in expected {
            assert!(said.contains(part), "{said}\ndoes not say {part}");
        }
        verdict
    }
}

#[test]
fn whole_logs_are_good() {
    let verdict = Folder::good().verdict();
    assert!(verdict.ok && verdict.logs_identical, "{:?}", verdict.faults);
    assert_eq!((verdict.lost, verdict.duplicates, verdict.noops), (0, 0, 0));
    let ClientReport { sent, acknowledged, retries, .. } = verdict.clients[0];
    assert_eq!((sent, acknowledged, retries), (MESSAGES, MESSAGES, MESSAGES));
    let hashes: BTreeSet<&str> = verdict.replicas.iter().map(|r| r.log_hash.as_str()).collect();
    assert_eq!((hashes.len(), hashes.first().unwrap().len()), (1, 64));
    assert!(verdict.replicas.iter().all(|replica| replica.entries == MESSAGES + 1));
}

/// Each log is flawless by itself, its hashes included.
#[test]
fn a_difference_in_the_middle_is_found_at_its_line() {
    let folder = Folder::good();
    let mut values = whole();
    values[5] = post(5, "text V");
    folder.log(1, &values);
    let verdict = folder.says(&[
        // The header is line 1, and slot 0 line 2.
        "replicas 1 and 2 differ first in line 7:",
        "\"text V\"",
        "\"text 5\"",
        "replica 1: slot 5: nobody submitted this message 5 of s0.0",
        "replica 1: message 5 of ann was acknowledged for slot 5 and is not there",
    ]);
    assert!(!verdict.logs_identical);
    assert_eq!(verdict.lost, 1);
    assert_ne!(verdict.replicas[0].log_hash, verdict.replicas[1].log_hash);
    assert_eq!(verdict.replicas[0].log_hash, verdict.replicas[2].log_hash);
}

#[test]
fn a_noop_in_place_of_a_message_is_a_difference_and_a_gap() {
    let folder = Folder::good();
    let mut values = whole();
    values[5] = Value::Noop;
    (0..3).for_each(|id| folder.log(id, &values));
    let verdict = folder.says(&["message 5 of ann was acknowledged"]);
    assert!(verdict.logs_identical, "they agree");
    assert_eq!((verdict.noops, verdict.lost), (1, 5), "those above the gap are skipped");
}

#[test]
fn a_survivor_s_log_that_ends_early_is_found_and_a_killed_one_s_is_a_prefix() {
    let folder = Folder::good();
    folder.log(1, &whole()[..6]);
    folder.killed(&[]);
    let verdict = folder.says(&["differ first in line 8:\n  (the end)\n", "is not there"]);
    assert_eq!(verdict.lost, MESSAGES - 5);
    folder.killed(&[1]);
    let verdict = folder.verdict();
    assert!(verdict.ok && verdict.logs_identical, "{:?}", verdict.faults);
}

#[test]
fn a_log_that_breaks_off_within_a_line_is_damage_unless_its_replica_was_killed() {
    let folder = Folder::good();
    folder.cut(1, 5);
    folder.says(&["replica 1: its log breaks off in line 11", "differ first in line 11:"]);
    folder.killed(&[1]);
    assert!(folder.verdict().ok);
}

#[test]
fn a_killed_replica_s_log_must_be_a_prefix() {
    let folder = Folder::good();
    folder.killed(&[1]);
    let mut values = whole();
    values.push(post(MESSAGES + 1, "only here"));
    folder.log(1, &values);
    folder.says(&["differ first in line 12:", "only here", "(the end)"]);
    values.truncate(4);
    values[3] = post(3, "another");
    folder.log(1, &values);
    folder.says(&["differ first in line 5:"]);
}

#[test]
fn a_message_that_takes_effect_twice_is_counted_even_if_all_logs_agree() {
    let folder = Folder::good();
    let mut values = whole();
    values.push(post(4, "text 4"));
    let mut twice = entries(&values);
    assert!(matches!(twice.last().unwrap().outcomes[..], [Outcome::Duplicate(_)]));
    (0..3).for_each(|id| folder.log_of(id, &twice));
    let suppressed = folder.verdict();
    assert!(suppressed.ok, "what the replicas suppressed is fine: {:?}", suppressed.faults);
    twice.last_mut().unwrap().outcomes = vec![Outcome::Applied];
    (0..3).for_each(|id| folder.log_of(id, &twice));
    let verdict = folder.says(&[
        "slot 10: replaying the log leads to other outcomes",
        "slot 10: message 4 of s0.0 follows message 9",
        "slot 10: message 4 of s0.0 took effect before",
    ]);
    assert_eq!((verdict.duplicates, verdict.lost), (1, 0), "one message, whatever the replicas");
    assert!(verdict.logs_identical);
}

#[test]
fn a_line_that_is_doubled_or_altered_breaks_the_chain() {
    let folder = Folder::good();
    let path = folder.path("replica-1.log");
    let good = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let doubled: String = lines[..5].iter().chain(&lines[4..]).copied().collect();
    std::fs::write(&path, doubled).unwrap();
    folder.says(&["replica 1: its log is damaged: line 6", "slot 3 where slot 4", "line 6:"]);
    std::fs::write(&path, good.replace("text 5", "text V")).unwrap();
    let verdict = folder.says(&["replica 1: its log is damaged: line 7", "the running hash"]);
    assert_eq!(verdict.replicas[1].log_hash, "damaged");
    std::fs::write(&path, "hello\n").unwrap();
    folder.says(&["replica 1: its log is damaged: line 1", "not the header"]);
}

#[test]
fn what_is_no_text_was_submitted_by_nobody() {
    let folder = Folder::good();
    let invented = post(MESSAGES + 1, [b'x', 0xff]);
    (0..3).for_each(|id| folder.log(id, &[whole(), vec![invented.clone()]].concat()));
    folder.says(&["replica 0: slot 10: nobody submitted this message 10"]);
}

#[test]
fn what_nobody_submitted_and_what_was_submitted_otherwise_is_found() {
    let folder = Folder::good();
    let mut values = whole();
    values.push(post(MESSAGES + 1, "who said this?"));
    (0..3).for_each(|id| folder.log(id, &values));
    folder.says(&["replica 0: slot 10: nobody submitted this message 10"]);
    std::fs::remove_file(folder.path("ann.jsonl")).unwrap();
    assert!(folder.verdict().ok, "without records, nothing is known of what was submitted");
}

#[test]
fn acknowledgements_are_judged_by_slot() {
    let folder = Folder::good();
    let mut values = whole();
    values.insert(1, Value::Noop);
    (0..3).for_each(|id| folder.log(id, &values));
    let verdict = folder.says(&["message 1 of ann was acknowledged for slot 1"]);
    assert_eq!(verdict.lost, MESSAGES, "all are there, and none where it was said to be");
}

#[test]
fn faults_are_limited_and_counted() {
    let folder = Folder::good();
    let many = (0..100).map(|n| post(n + 20, "gap")).map(|value| (value, Outcome::Applied));
    let entries: Vec<Entry> = (0..)
        .zip(many)
        .map(|(slot, (value, outcome))| Entry { slot: Slot(slot), value, outcomes: vec![outcome] })
        .collect();
    (0..3).for_each(|id| folder.log_of(id, &entries));
    let verdict = folder.verdict();
    assert_eq!(verdict.faults.len(), FAULTS_MAX + 1);
    assert!(verdict.faults.last().unwrap().starts_with("and "), "{:?}", verdict.faults);
}

#[test]
fn a_replica_that_is_behind_is_no_fault_where_no_run_has_waited_for_it() {
    let folder = Folder::good();
    folder.log(1, &whole()[..7]);
    let verdict = folder.verdict();
    assert!(verdict.ok && !verdict.logs_identical, "{:?}", verdict.faults);
    let behind: Vec<u64> = verdict.replicas.iter().map(|replica| replica.behind).collect();
    assert_eq!((behind, verdict.lost), (vec![0, 3, 0], 0));
    folder.killed(&[]);
    folder.says(&["replicas 1 and 2 differ first in line 9"]);
}

#[test]
fn there_must_be_something_to_judge() {
    let folder = Folder::good();
    folder.killed(&[0, 1, 2]);
    folder.says(&["no replica has survived"]);
    std::fs::write(folder.path("run.json"), "{").unwrap();
    let error = Evidence::read(folder.0.path()).unwrap_err().to_string();
    assert!(error.contains("run.json") && error.contains("remove it"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    let error = Evidence::read(empty.path()).unwrap_err().to_string();
    assert!(error.contains("replica-0.log"), "{error}");
}
