//! The journal on a disk that fails: what is recovered, and what is refused.

mod recycling;
mod refusals;

use super::*;
use crate::chatlog::Entry;
use crate::disk::fake::{FakeDisk, Fault};
use crate::storage::Storage as _;
use paxos_chat::acceptor::Storage;
use paxos_chat::types::{Ballot, Body, Command, Operation, ReplicaId, Seq, SessionId};
use paxos_chat::types::{Nonce, Slot, Timestamp, User, Value, Vote};
use quickcheck::{TestResult, quickcheck};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;

const SESSIONS_MAX: usize = 8;

fn place(disk: &FakeDisk) -> Place {
    Place {
        disk: Rc::new(disk.clone()),
        folder: PathBuf::from("/data"),
        identity: Identity { cluster: ClusterId::of("test"), replica: 1 },
        sessions_max: SESSIONS_MAX,
        segment_bytes: 4096,
    }
}

/// A replica's life as its journal sees it: every state that was saved.
struct Life {
    state: Storage,
    /// Every vote ever cast, the last of each slot.
    votes: BTreeMap<Slot, Vote>,
    rng: StdRng,
}

/// What was saved at one moment.
#[derive(Clone)]
struct Saved {
    promised: Ballot,
    votes: BTreeMap<Slot, Vote>,
    upto: Slot,
}

impl Life {
    fn new(seed: u64) -> Life {
        let rng = StdRng::seed_from_u64(seed);
        Life { state: Storage::default(), votes: BTreeMap::new(), rng }
    }

    fn value(&mut self, slot: Slot) -> Value {
        let user = User::new("ann");
        let stamp = Timestamp(self.rng.random_range(0..1 << 40));
        let operation = if slot == Slot(0) {
            Operation::OpenSession { nonce: Nonce(7) }
        } else {
            let session = SessionId { slot: Slot(0), index: 0 };
            let text = "x\0".repeat(self.rng.random_range(0..400));
            let (seq, acked_below) = (Seq(slot.0), Seq(slot.0.saturating_sub(3)));
            Operation::InSession { session, seq, acked_below, body: Body::post(&text) }
        };
        Value::batch([Command { stamp, user, operation }])
    }

    /// Votes for a few slots, promises, or compacts; gives the entries that a snapshot covers.
    fn step(&mut self) -> Vec<Entry> {
        match self.rng.random_range(0..8) {
            0 => {
                let replica = ReplicaId(1);
                self.state.promised = self.state.promised.successor(replica);
                Vec::new()
            }
            1 => self.compact(),
            _ => {
                for _ in 0..self.rng.random_range(1..4) {
                    let first = self.state.snapshot.upto;
                    let highest = self.state.highest_vote();
                    let next = highest.map_or(first, Slot::next);
                    let slot = Slot(self.rng.random_range(first.0..=next.0));
                    let vote = Vote { ballot: self.state.promised, value: self.value(slot) };
                    self.state.votes.insert(slot, vote.clone());
                    self.votes.insert(slot, vote);
                }
                Vec::new()
            }
        }
    }

    fn compact(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (slot, vote) in self.state.votes.clone() {
            if slot != self.state.snapshot.upto || self.rng.random_range(0..5) == 0 {
                break;
            }
            let value = vote.value;
            let sessions = &mut self.state.snapshot.sessions;
            let outcomes = sessions.apply(slot, &value, SESSIONS_MAX);
            self.state.votes.remove(&slot);
            self.state.snapshot.upto = slot.next();
            entries.push(Entry { slot, value, outcomes });
        }
        entries
    }

    fn saved(&self) -> Saved {
        let (promised, upto) = (self.state.promised, self.state.snapshot.upto);
        Saved { promised, votes: self.votes.clone(), upto }
    }
}

/// Saves a step and writes the chat log, as a driver does.
fn turn(opened: &mut Opened, life: &mut Life) -> std::io::Result<()> {
    let entries = life.step();
    opened.storage.save(life.state.clone())?;
    for entry in &entries {
        opened.log.append(entry)?;
    }
    opened.log.flush()?;
    opened.storage.settle()
}

/// Is this state what was saved then, up to a snapshot that may be older or newer than that?
fn is_state(found: &Storage, saved: &Saved) -> bool {
    let kept = saved.votes.range(found.snapshot.upto..);
    found.promised == saved.promised && found.votes.iter().eq(kept)
}

fn open_now(disk: &FakeDisk) -> Opened {
    open(&place(disk)).unwrap_or_else(|error| panic!("{error}"))
}

/// A disk with a formatted journal and so many turns on it.
fn lived(turns: usize, seed: u64) -> (FakeDisk, Life, Opened) {
    let disk = FakeDisk::default();
    format(&place(&disk)).unwrap();
    let (mut life, mut opened) = (Life::new(seed), open_now(&disk));
    for _ in 0..turns {
        turn(&mut opened, &mut life).unwrap();
    }
    (disk, life, opened)
}

fn loaded(opened: &mut Opened) -> Storage {
    opened.storage.load().unwrap().unwrap()
}

quickcheck! {
    /// For any sequence of records and any crash, recovery yields a prefix of what was saved that
    /// includes everything synced; and again, if the recovery itself is cut short.
    fn recovery_yields_a_prefix_with_everything_synced(seed: u64, cut: u16, second: u8) -> TestResult {
        let (disk, mut life, mut opened) = lived(0, seed);
        let cut = disk.operations() + u64::from(cut % 400);
        disk.fail_at(cut, Fault::PowerCut);
        let mut history = vec![life.saved()];
        let mut synced = 0;
        while synced < 120 {
            let result = turn(&mut opened, &mut life);
            history.push(life.saved());
            if result.is_err() {
                break;
            }
            synced += 1;
        }
        if synced == 120 {
            return TestResult::discard();
        }
        disk.restart(seed);
        disk.fail_at(disk.operations() + u64::from(second % 16), Fault::PowerCut);
        drop(open(&place(&disk)));
        disk.restart(seed.wrapping_add(1));
        let mut again = match open(&place(&disk)) {
            Ok(opened) => opened,
            Err(error) => return TestResult::error(error.to_string()),
        };
        let found = loaded(&mut again);
        let is_prefix = history[synced..].iter().any(|saved| {
            is_state(&found, saved)
        });
        let is_compacted = found.snapshot.upto >= history[synced].upto;
        TestResult::from_bool(is_prefix && is_compacted)
    }

    /// A killed process loses nothing that it wrote, and its successor goes on.
    fn a_killed_process_goes_on(seed: u64, turns: Vec<u8>) -> bool {
        let (disk, mut life, mut opened) = lived(0, seed);
        for count in turns.into_iter().take(8) {
            for _ in 0..count % 32 {
                turn(&mut opened, &mut life).unwrap();
            }
            opened = open_now(&disk);
            if !opened.warnings.is_empty() || loaded(&mut opened) != life.state {
                return false;
            }
        }
        true
    }

    /// Somebody who looks from outside while it is open sees what was saved, and changes nothing.
    fn an_inspection_sees_what_was_saved(seed: u64, turns: u8) -> bool {
        let (disk, life, mut opened) = lived(turns.into(), seed);
        let before = disk.operations();
        let found = inspect(&place(&disk)).unwrap();
        found == life.state && disk.operations() == before && loaded(&mut opened) == life.state
    }

    /// Any byte that flips is refused, or it is in what was written last or not read at all: no
    /// flip changes what is recovered without a word.
    fn a_flipped_bit_changes_nothing_in_silence(seed: u64, which: usize, at: usize, bit: u8) -> bool {
        let (disk, life, opened) = lived(40, seed);
        drop(opened);
        let files = read_by_a_start(&disk);
        let path = &files[which % files.len()];
        disk.tamper(path, |bytes| {
            let at = at % bytes.len();
            bytes[at] ^= 1 << (bit % 8);
        });
        match open(&place(&disk)) {
            Err(_) => true,
            Ok(mut opened) => loaded(&mut opened) == life.state || !opened.warnings.is_empty(),
        }
    }

    fn any_bytes_are_read_or_refused(which: usize, bytes: Vec<u8>, keep: usize) -> bool {
        let (disk, _, opened) = lived(10, 3);
        drop(opened);
        let files = files(&disk);
        disk.tamper(&files[which % files.len()], |old| {
            old.truncate(keep % (old.len() + 1));
            old.extend_from_slice(&bytes);
        });
        let _ = open(&place(&disk));
        true
    }
}

/// All files of the storage.
fn files(disk: &FakeDisk) -> Vec<PathBuf> {
    let place = place(disk);
    let names = disk.list(&place.journal()).unwrap();
    let journal = names.into_iter().map(|name| place.journal().join(name));
    journal.chain([place.chat_log()]).collect()
}

/// The files that have their names.
fn read_by_a_start(disk: &FakeDisk) -> Vec<PathBuf> {
    let is_temporary = |path: &PathBuf| path.extension().is_some_and(|e| e == "tmp");
    files(disk).into_iter().filter(|path| !is_temporary(path)).collect()
}

fn segment(disk: &FakeDisk) -> PathBuf {
    let is_segment = |path: &PathBuf| path.to_string_lossy().contains("segment-");
    read_by_a_start(disk).into_iter().rfind(is_segment).unwrap()
}

#[test]
fn what_is_applied_again_must_be_what_the_log_holds() {
    let (disk, mut life, mut opened) = lived(0, 2);
    life.state.votes.insert(Slot(0), Vote { ballot: Ballot::ZERO, value: Value::Noop });
    opened.storage.save(life.state.clone()).unwrap();
    let noop = Entry { slot: Slot(0), value: Value::Noop, outcomes: Vec::new() };
    opened.log.append(&noop).unwrap();
    opened.log.flush().unwrap();
    let lines = opened.log.lines();
    let mut again = open_now(&disk);
    again.log.append(&noop).unwrap();
    assert_eq!(again.log.lines(), lines, "it is not written twice");
    let mut other = open_now(&disk);
    let entry = Entry { value: Value::batch([]), ..noop };
    assert!(other.log.append(&entry).unwrap_err().to_string().contains("another value"));
}

#[test]
fn after_a_failed_write_or_sync_nothing_is_saved_any_more() {
    for (at, fault) in [(0, Fault::Io), (1, Fault::Io), (0, Fault::NoSpace)] {
        let (disk, mut life, mut opened) = lived(5, 9);
        disk.fail_at(disk.operations() + at, fault);
        life.state.promised = life.state.promised.successor(ReplicaId(1));
        assert!(opened.storage.save(life.state.clone()).is_err());
        life.state.promised = life.state.promised.successor(ReplicaId(1));
        let error = opened.storage.save(life.state.clone()).unwrap_err().to_string();
        assert!(error.contains("failed before"), "{error}");
    }
}

#[test]
fn short_writes_are_continued() {
    let (disk, mut life, mut opened) = lived(0, 4);
    for at in 0..2000 {
        disk.fail_at(disk.operations() + at, Fault::Short);
    }
    for _ in 0..40 {
        turn(&mut opened, &mut life).unwrap();
    }
    assert_eq!(loaded(&mut open_now(&disk)), life.state);
}

#[test]
fn a_save_without_a_change_touches_no_disk() {
    let (disk, life, mut opened) = lived(10, 6);
    let before = disk.operations();
    opened.storage.save(life.state.clone()).unwrap();
    opened.storage.settle().unwrap();
    assert_eq!(disk.operations(), before);
}
