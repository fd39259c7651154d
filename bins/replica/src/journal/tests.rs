//! The journal on a disk that fails: what is recovered, and what is refused.

mod recycling;
mod refusals;

use super::life::*;
use super::*;
use actor_runtime::disk::fake::{FakeDisk, Fault};
use actor_runtime::storage::StableStorage as _;
use paxos_chat::types::{Ballot, Body, Command, Operation, ReplicaId, Seq, SessionId, Slot};
use paxos_chat::types::{Timestamp, User, Value, Vote};
use paxos_chat_log::Entry;
use quickcheck::{TestResult, quickcheck};

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
        let files = read_by_a_start(&disk);
        disk.tamper(&files[which % files.len()], |old| {
            old.truncate(keep % (old.len() + 1));
            old.extend_from_slice(&bytes);
        });
        let _ = open(&place(&disk));
        true
    }
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
