//! Recovery as a function of any bytes.

use super::life::*;
use super::snapshot::Snapshot;
use super::*;
use actor_runtime::disk::fake::{FakeDisk, Fault};
use actor_runtime::disk::replace;
use actor_runtime::fuzz::{Input, chunk};
use paxos_chat::state::Storage;
use paxos_chat::types::{Ballot, ReplicaId, Slot, Value, Vote};
use segment::Start;

/// Opens what is there. If it is not refused, it is what an inspection from outside saw, and it is
/// durable from then on: a power cut leaves the same, and nothing to warn of.
fn recovered(disk: &FakeDisk, seed: u64) -> Option<(Storage, Vec<String>)> {
    let inspected = inspect(&place(disk));
    let mut opened = open(&place(disk)).ok()?;
    let state = loaded(&mut opened);
    assert_eq!(inspected.ok().as_ref(), Some(&state));
    assert!(state.snapshot.sessions.len() <= SESSIONS_MAX);
    let warnings = std::mem::take(&mut opened.warnings);
    drop(opened);
    disk.restart(seed);
    let mut again = open_now(disk);
    assert_eq!((loaded(&mut again), &again.warnings), (state.clone(), &Vec::new()));
    Some((state, warnings))
}

/// Which file, from where on, and what is there instead, of storage that has lived for a while.
pub fn file_seeds() -> Vec<Vec<u8>> {
    let (disk, _, opened) = lived(12, 3);
    drop(opened);
    let whole = |path: &PathBuf| disk.read(path).expect("the disk is whole");
    let mut seeds: Vec<Vec<u8>> = (0..)
        .zip(super::life::read_by_a_start(&disk))
        .map(|(at, path)| [&[at, 0, 0][..], &whole(&path)].concat())
        .collect();
    seeds.push(vec![1, 1, 40, 0xff]);
    seeds
}

/// Any bytes in place of a file's, or of its end. They are refused or make a whole; and where one
/// byte is other than it was, nothing changes in silence.
pub fn files(input: &[u8]) {
    let (disk, life, opened) = lived(12, 3);
    drop(opened);
    let mut input = Input(input);
    let files = super::life::read_by_a_start(&disk);
    let path = &files[usize::from(input.byte()) % files.len()];
    let (at, new) = (usize::from(input.word()), input.0);
    let before = disk.read(path).expect("the disk is whole");
    disk.tamper(path, |bytes| {
        bytes.truncate(at.min(before.len()));
        bytes.extend_from_slice(new);
        if new.len() == 1 {
            bytes.extend_from_slice(before.get(bytes.len()..).unwrap_or_default());
        }
    });
    let after = disk.read(path).expect("the disk is whole");
    let differ = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    let Some((state, warnings)) = recovered(&disk, 1) else { return };
    if before.len() == after.len() && differ <= 1 {
        assert!(state == life.state || !warnings.is_empty(), "changed in silence");
    }
}

/// A snapshot's body and frames' payloads, as [`records`] reads them.
pub fn record_seeds() -> Vec<Vec<u8>> {
    let (disk, life, opened) = lived(40, 3);
    drop(opened);
    let own = place(&disk).identity;
    let snapshot = Snapshot::read(&disk, &place(&disk).journal(), own).expect("it is whole");
    let encoded = |snapshot: &Snapshot| postcard::to_stdvec(snapshot).expect("plain data");
    let empty = Storage::default();
    let start = Start::first(1);
    let position = paxos_chat_log::ChatLog::begin(own.cluster);
    let first = encoded(&Snapshot::of(&empty, 1, start, position.into()));
    let mut after = Storage { promised: life.state.promised, ..empty.clone() };
    let ballot = Ballot { round: 1, replica: ReplicaId(1) };
    after.votes.insert(Slot(3), Vote { ballot, value: Value::Noop });
    after.votes.extend(life.state.votes.clone());
    let records = record::changes(&empty, &after).expect("nothing is removed");
    let frame: Vec<u8> = records
        .iter()
        .flat_map(|record| postcard::to_stdvec(record).expect("plain data"))
        .collect();
    let seal = postcard::to_stdvec(&record::Record::Sealed).expect("plain data");
    let parts = |parts: &[&[u8]]| parts.iter().flat_map(|part| chunk(part)).collect();
    vec![
        parts(&[&encoded(&snapshot)]),
        parts(&[&first, &frame]),
        parts(&[&first, &[], &frame, &seal]),
    ]
}

/// A snapshot and frames of any contents, whose checksums fit: as a broken or foreign version of this
/// program would write them.
pub fn records(input: &[u8]) {
    let disk = FakeDisk::default();
    format(&place(&disk)).unwrap_or_else(|error| panic!("{error}"));
    let place = place(&disk);
    let (journal, mut input) = (place.journal(), Input(input));
    if let Some(body) = input.chunk()
        && !body.is_empty()
    {
        let bytes = snapshot::with_header(body, place.identity);
        replace(&disk, &snapshot::path(&journal), &bytes).expect("the disk is whole");
    }
    let (own, length) = (place.identity, place.segment_bytes);
    let blank =
        super::blank::Blank::begin(&disk, &journal, 1, length, None).expect("the disk is whole");
    let segment = segment::Segment::create(&disk, &journal, own, 1, 1, blank);
    let (mut segment, mut number) = (segment.expect("the disk is whole"), 1);
    while let Some(payload) = input.chunk() {
        let mut frame = Vec::new();
        frame::begin(&mut frame);
        frame.extend_from_slice(payload);
        frame::finish(&mut frame, number).expect("it is short");
        if !segment.has_room(frame.len()) {
            break;
        }
        segment.append(&frame).expect("the disk is whole");
        number += 1;
    }
    drop(recovered(&disk, 1));
}

/// How long it lives, where the power goes, what is left then, and the same again during recovery.
pub fn crash_seeds() -> Vec<Vec<u8>> {
    let seed = |turns: u8, cut: u8| vec![7, turns, 0, cut, 1, 2, 3, cut % 16, 4];
    [(0, 1), (3, 9), (10, 40), (30, 90), (60, 200)].map(|(turns, cut)| seed(turns, cut)).into()
}

/// A power cut at any operation, and another one during recovery. What is recovered is what was saved
/// at some moment, and has everything that was synced.
pub fn crash(input: &[u8]) {
    let mut input = Input(input);
    let seed = input.byte().into();
    let (turns, cut) = (usize::from(input.byte() % 96), u64::from(input.word() % 512));
    let (disk, mut life, mut opened) = lived(0, seed);
    disk.fail_at(disk.operations() + cut, Fault::PowerCut);
    let (mut history, mut synced) = (vec![life.saved()], 0);
    for _ in 0..turns {
        let ended = turn(&mut opened, &mut life);
        history.push(life.saved());
        if ended.is_err() {
            break;
        }
        synced += 1;
    }
    drop(opened);
    disk.restart(input.word().into());
    disk.fail_at(disk.operations() + u64::from(input.byte() % 32), Fault::PowerCut);
    drop(open(&place(&disk)));
    disk.restart(input.word().into());
    let mut again = open(&place(&disk)).unwrap_or_else(|error| panic!("{error}"));
    let found = loaded(&mut again);
    assert!(history[synced..].iter().any(|saved| is_state(&found, saved)), "a synced save is lost");
    assert!(found.snapshot.upto >= history[synced].upto, "a snapshot is lost");
}
