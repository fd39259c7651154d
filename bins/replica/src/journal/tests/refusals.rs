//! What opening cuts off, and what it refuses with which words.

use super::*;
use std::path::Path;

/// Opening is refused with a message that says all this.
fn refused(place: &Place, expected: &[&str]) {
    let Err(error) = open(place) else { panic!("opened, and not refused: {expected:?}") };
    let said = error.to_string();
    for text in expected {
        assert!(said.contains(text), "{said:?} does not say {text:?}");
    }
}

/// A journal whose only segment has some frames, and no snapshot but the first.
fn with_frames() -> (FakeDisk, Life) {
    let disk = FakeDisk::default();
    format(&place(&disk)).unwrap();
    let (mut life, mut opened) = (Life::new(1), open_now(&disk));
    for round in 1..=4 {
        life.state.promised = Ballot { round, replica: ReplicaId(1) };
        opened.storage.save(life.state.clone()).unwrap();
    }
    (disk, life)
}

/// Frames of one promise have this size, behind a header of twice that.
const FRAME: usize = 64;
const LAST_FRAME_AT: usize = 64 + 3 * FRAME;

#[test]
fn a_torn_tail_is_cut_off_with_a_warning() {
    for keep in 1..FRAME - 1 {
        let (disk, _) = with_frames();
        let path = segment(&disk);
        disk.tamper(&path, |bytes| bytes[LAST_FRAME_AT + keep..].fill(0));
        let mut opened = open_now(&disk);
        if opened.warnings.is_empty() {
            // Only zeros were cut off.
            assert!(keep > 32, "{keep}");
            continue;
        }
        assert!(opened.warnings[0].contains(&format!("offset {LAST_FRAME_AT}")), "{keep}");
        assert_eq!(loaded(&mut opened).promised.round, 3);
        assert!(open_now(&disk).warnings.is_empty(), "it is cut off once");
    }
}

#[test]
fn a_flipped_byte_is_refused_even_in_the_last_frame() {
    for at in [64, 70, 100, LAST_FRAME_AT, LAST_FRAME_AT + 8, LAST_FRAME_AT + 33] {
        let (disk, _) = with_frames();
        let path = segment(&disk);
        disk.tamper(&path, |bytes| bytes[at] ^= 0x40);
        let offset = format!("offset {}", at / FRAME * FRAME);
        refused(&place(&disk), &["segment-", &offset, "exactly as it was", "never format"]);
    }
}

#[test]
fn a_hole_before_synced_frames_is_refused() {
    let (disk, _) = with_frames();
    let path = segment(&disk);
    disk.tamper(&path, |bytes| bytes[128..192].fill(0));
    refused(&place(&disk), &["offset 128", "missing", "follows"]);
}

#[test]
fn missing_and_foreign_files_are_refused() {
    let (disk, _, opened) = lived(60, 5);
    drop(opened);
    disk.tamper(&segment(&disk), |bytes| bytes.truncate(bytes.len() - 1));
    refused(&place(&disk), &["segment-", "where it had 4096"]);
    let (disk, _) = with_frames();
    disk.lose(&segment(&disk));
    refused(&place(&disk), &["segment-", "is missing"]);
    let (disk, _) = with_frames();
    disk.lose(&place(&disk).journal().join("snapshot"));
    refused(&place(&disk), &["snapshot is missing"]);
    let (disk, _) = with_frames();
    disk.create(&place(&disk).journal().join("notes.txt")).map(drop).unwrap();
    refused(&place(&disk), &["notes.txt", "no file of a journal"]);
}

#[test]
fn storage_of_others_and_of_other_versions_is_refused() {
    let (disk, _) = with_frames();
    let mut other = place(&disk);
    other.identity.cluster = ClusterId::of("another");
    refused(&other, &["snapshot", "offset 8", "of cluster", "--config"]);
    disk.rename(&place(&disk).journal(), Path::new("/data/replica-2.journal")).unwrap();
    let mut other = place(&disk);
    other.identity.replica = 2;
    refused(&other, &["of replica 1, not of 2", "--id"]);
    let (disk, _) = with_frames();
    disk.tamper(&place(&disk).journal().join("snapshot"), |bytes| {
        bytes[4] = 9;
        let crc = crc32c::crc32c(&bytes[..28]).to_le_bytes();
        bytes[28..32].copy_from_slice(&crc);
    });
    refused(&place(&disk), &["version 9", "version of this program"]);
}

#[test]
fn a_segment_of_another_replica_is_refused() {
    let (disk, _) = with_frames();
    let stranger = FakeDisk::default();
    let mut other = place(&stranger);
    other.identity.replica = 0;
    format(&other).unwrap();
    drop(open(&other).map_err(|error| error.to_string()).unwrap());
    let bytes = stranger.read(&other.journal().join("segment-0000000002")).unwrap();
    disk.tamper(&segment(&disk), |own| *own = bytes);
    refused(&place(&disk), &["segment-0000000002", "of replica 0, not of 1"]);
}

#[test]
fn storage_is_formatted_once_and_never_by_a_start() {
    let disk = FakeDisk::default();
    refused(&place(&disk), &["replica-1.journal", "--init", "DISC 2017", "under its id"]);
    format(&place(&disk)).unwrap();
    let error = format(&place(&disk)).unwrap_err().to_string();
    assert!(error.contains("without --init"), "{error}");
    disk.lose(&place(&disk).chat_log());
    assert!(open(&place(&disk)).is_ok(), "nothing was in the chat log");
}

#[test]
fn formatting_is_whole_wherever_it_is_cut_short() {
    let whole = FakeDisk::default();
    format(&place(&whole)).unwrap();
    for cut in 0..whole.operations() {
        for seed in 0..8 {
            let disk = FakeDisk::default();
            disk.fail_at(cut, Fault::PowerCut);
            assert!(format(&place(&disk)).is_err());
            disk.restart(seed);
            match format(&place(&disk)) {
                Ok(()) | Err(JournalError::Exists(_)) => drop(open_now(&disk)),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_chat_log_below_its_mark_is_checked_and_above_it_is_cut() {
    let (disk, life, opened) = lived(80, 11);
    drop(opened);
    assert!(life.state.snapshot.upto > Slot(2));
    let path = place(&disk).chat_log();
    let text = disk.read(&path).unwrap();
    disk.tamper(&path, |bytes| bytes[200] ^= 1);
    refused(&place(&disk), &["replica-1.log", "chat log of another replica"]);
    disk.tamper(&path, |bytes| bytes.truncate(150));
    refused(&place(&disk), &["replica-1.log", "chat log of another replica"]);
    disk.tamper(&path, |bytes| {
        *bytes = text.clone();
        bytes.extend_from_slice(b"9\t0/1");
    });
    let opened = open_now(&disk);
    assert!(opened.warnings[0].contains("not completely written"), "{:?}", opened.warnings);
    assert_eq!(disk.read(&path).unwrap(), text);
}
