//! Faults at any operation, and segments that are used again: what they held before never comes back.

use super::storage::SPARES_MAX;
use super::*;
use actor_runtime::disk::fake::Operation as DiskOperation;
use paxos_chat::message::Outcome;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn no_fault_of_the_disk_loses_what_was_saved() {
    // At the beginning, and where segments are recycled.
    for (turns, operations) in [(0, 60), (80, 120)] {
        let (disk, start) = watched(turns, 9);
        let (before, (_, recycled)) = (disk.operations(), made(&start));
        assert_eq!(recycled > 0, turns > 0);
        for fault in [Fault::Io, Fault::NoSpace, Fault::PowerCut] {
            for at in 0..operations {
                one_fault_loses_nothing(turns, before, at, fault);
            }
        }
    }
}

fn one_fault_loses_nothing(turns: usize, before: u64, at: u64, fault: Fault) {
    let (disk, mut life, mut opened) = lived(turns, 9);
    assert_eq!(disk.operations(), before);
    disk.fail_at(before + at, fault);
    let mut last = life.saved();
    while turn(&mut opened, &mut life).is_ok() {
        last = life.saved();
    }
    drop(opened);
    disk.restart(at);
    let found = loaded(&mut open_now(&disk));
    assert!(is_state(&found, &last) || is_state(&found, &life.saved()), "{fault:?} {at}");
}

/// How many segments were written as a whole into new files, and into those of earlier ones.
type Made = Rc<RefCell<(usize, usize)>>;

fn made(counts: &Made) -> (usize, usize) {
    *counts.borrow()
}

/// A disk with so many turns on it, and how its segments were made.
fn watched(turns: usize, seed: u64) -> (FakeDisk, Made) {
    let (disk, mut life, mut opened) = lived(0, seed);
    let counts = Made::default();
    let (count, earlier) = (Rc::clone(&counts), RefCell::new(BTreeSet::new()));
    disk.observe(Box::new(move |operation| {
        let DiskOperation::Write(path) = operation else { return };
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (mut count, mut earlier) = (count.borrow_mut(), earlier.borrow_mut());
        match name.strip_suffix(".tmp") {
            Some(segment) if earlier.contains(segment) => count.1 += 1,
            Some(segment) if segment.starts_with("segment-") => count.0 += 1,
            _ => drop(earlier.insert(name)),
        }
    }));
    for _ in 0..turns {
        turn(&mut opened, &mut life).unwrap();
    }
    disk.observe(Box::new(|_| ()));
    (disk, counts)
}

#[test]
fn segments_are_recycled_once_a_snapshot_has_replaced_them() {
    let (_, counts) = watched(400, 9);
    let (new, recycled) = made(&counts);
    assert!(recycled > new, "{new} new segments, {recycled} recycled");
}

#[test]
fn no_more_than_a_few_segments_wait_to_be_used_again() {
    let (disk, mut life, mut opened) = lived(0, 9);
    let slots = 2 * SPARES_MAX as u64;
    for slot in (0..slots).map(Slot) {
        // Each fills a segment.
        let operation = Operation::InSession {
            session: SessionId { slot: Slot(0), index: 0 },
            seq: Seq(1),
            acked_below: Seq(1),
            body: Body::write("x".repeat(3000)),
        };
        let command = Command { stamp: Timestamp(0), user: User::new("ann"), operation };
        let value = Value::batch([command]);
        let entry = Entry { slot, value: value.clone(), outcomes: vec![Outcome::NoSession] };
        opened.log.append(&entry).unwrap();
        life.state.votes.insert(slot, Vote { ballot: Ballot::ZERO, value });
        opened.storage.save(life.state.clone()).unwrap();
    }
    assert!(files(&disk).len() as u64 > slots);
    life.state.snapshot.upto = Slot(slots);
    life.state.votes.clear();
    opened.storage.save(life.state.clone()).unwrap();
    opened.log.flush().unwrap();
    opened.storage.settle().unwrap();
    let is_spare = |path: &&PathBuf| path.extension().is_some_and(|e| e == "tmp");
    let temporary = files(&disk).iter().filter(is_spare).count();
    assert_eq!(temporary, SPARES_MAX + 1, "the spares, and the segment that comes next");
    assert_eq!(files(&disk).len(), temporary + 3, "a segment, the snapshot and the chat log");
    assert_eq!(loaded(&mut open_now(&disk)), life.state);
    let left = files(&disk).iter().filter(is_spare).count();
    assert_eq!(left, 1, "a start keeps only the segment that its own snapshot replaces");
}

#[test]
fn a_snapshot_begins_no_segment() {
    let (disk, mut life, mut opened) = lived(0, 9);
    life.state.promised = Ballot { round: 1, replica: ReplicaId(1) };
    opened.storage.save(life.state.clone()).unwrap();
    let before = files(&disk);
    life.state.snapshot.upto = Slot(1);
    opened.storage.save(life.state.clone()).unwrap();
    opened.log.append(&Entry { slot: Slot(0), value: Value::Noop, outcomes: vec![] }).unwrap();
    opened.log.flush().unwrap();
    opened.storage.settle().unwrap();
    assert_eq!(files(&disk), before);
    life.state.promised.round = 2;
    opened.storage.save(life.state.clone()).unwrap();
    assert_eq!(loaded(&mut open_now(&disk)), life.state, "what follows the snapshot is read");
}

/// Zeros are what tells a torn end, so none of what a segment held before may be left in it.
#[test]
fn nothing_that_a_recycled_segment_held_is_left_in_it() {
    let (disk, mut life, mut opened) = lived(100, 9);
    for _ in 0..300 {
        turn(&mut opened, &mut life).unwrap();
        let bytes = disk.read(&segment(&disk)).unwrap();
        let own = Identity { cluster: ClusterId::of("test"), replica: 1 };
        let number = opened.storage.segment.number;
        let first = u64::from_le_bytes(bytes[24..32].try_into().unwrap());
        let start = segment::Start::first(first);
        let scan = segment::read(&bytes, Path::new("it"), own, number, start).unwrap();
        assert_eq!(first + scan.frames.len() as u64, opened.storage.next_frame);
        assert!(frame::is_zero(&bytes[opened.storage.segment.end()..]));
    }
}
