//! Chat logs and their indexes as functions of any bytes.

use super::form::Form;
use super::index::{RECORD, sealed};
use super::line::NO_HASH;
use super::store::{OpenError, Store, Synced, index_path};
use super::{ChatLog, Entry, LogWriter, Position, Reader};
use actor_runtime::disk::fake::FakeDisk;
use actor_runtime::disk::{Disk, write_all_at};
use actor_runtime::fuzz::Input;
use actor_runtime::wire::ClusterId;
use paxos_chat::message::Outcome;
use paxos_chat::types::{
    Body, Command, Nonce, Operation, Reconfigure, ReplicaId, Seq, SessionId, Slot, Timestamp, User,
    Value,
};
use std::path::Path;
use std::sync::LazyLock;

fn cluster() -> ClusterId {
    ClusterId::of("fuzz")
}

/// A slot, with one of everything that a log can say in turn.
fn entry(slot: u64, text: &str) -> Entry {
    let id = SessionId { slot: Slot(1), index: 0 };
    let (seq, acked_below) = (Seq(slot), Seq(1));
    let say = |body| Operation::InSession { session: id, seq, acked_below, body };
    let (operation, outcome) = match slot % 8 {
        0 => {
            return Entry { slot: Slot(slot), value: Value::Noop, outcomes: Vec::new() };
        }
        1 => (Operation::OpenSession { nonce: Nonce(0x1f) }, Outcome::Opened(id)),
        2 => (Operation::OpenSession { nonce: Nonce(0x1f) }, Outcome::OpenedBefore(id)),
        3 => (say(Body::Sync), Outcome::Duplicate(Some(Slot(2)))),
        4 => (say(Body::write(text)), Outcome::NoSession),
        5 => (say(Body::write([0xff, slot as u8])), Outcome::Gap),
        6 => (say(Body::Reconfigure(change())), Outcome::Applied),
        _ => (say(Body::write(text)), Outcome::Applied),
    };
    let stamp = Timestamp(1_795_000_000_000 + slot);
    let command = Command { stamp, user: User::new("älice\t"), operation };
    let value = Value::batch([command.clone(), command]);
    Entry { slot: Slot(slot), value, outcomes: vec![outcome, outcome] }
}

fn change() -> Reconfigure {
    Reconfigure { replaces: Slot(3), members: [0, 1, 12].map(ReplicaId).into() }
}

fn written(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = LogWriter::create(&mut bytes, cluster()).expect("memory takes everything");
    entries.iter().for_each(|entry| writer.append(entry).expect("they follow one another"));
    bytes
}

/// A whole log, and its lines without their hashes.
pub fn log_seeds() -> Vec<Vec<u8>> {
    let entries: Vec<Entry> = (0..16).map(|slot| entry(slot, "two\nlines \u{202e}\"")).collect();
    let whole = String::from_utf8(written(&entries)).expect("a log is text");
    let lines: Vec<&str> =
        whole.lines().skip(1).filter_map(|line| Some(line.rsplit_once('\t')?.0)).collect();
    vec![whole.clone().into_bytes(), lines.join("\n").into_bytes(), lines[3].as_bytes().to_vec()]
}

/// As it is, and as lines that get the hashes which make a log of them. What is read is written
/// byte for byte as it was.
pub fn log(input: &[u8]) {
    read(input);
    let mut log = ChatLog::head(cluster());
    let mut chain = ChatLog::begin(cluster()).chain;
    let mut slot = String::new();
    for line in input.split(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else { break };
        slot += line;
        if is_last_of_slot(line) {
            chain.step(&slot);
            log += &format!("{slot}\t{}\n", chain.short());
            slot.clear();
        } else {
            slot += &format!("\t{NO_HASH}\n");
        }
    }
    read((log + &slot).as_bytes());
}

fn is_last_of_slot(line: &str) -> bool {
    let place = line.split('\t').nth(1).and_then(|place| place.split_once('/'));
    let numbers = place.and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
    numbers.is_none_or(|(index, of): (u32, u32)| index.checked_add(1) == Some(of))
}

fn read(bytes: &[u8]) {
    let parsed = ChatLog::parse(bytes);
    let mut streamed = Vec::new();
    let end = Reader::new(bytes).and_then(|mut reader| {
        while let Some(entry) = reader.next_entry()? {
            streamed.push(entry);
        }
        Ok(reader.torn_at())
    });
    match (parsed, end) {
        (Ok(log), Ok(torn_at)) => {
            assert_eq!((&log.entries, log.torn_at.map(|at| at as u64)), (&streamed, torn_at));
            if log.header == ChatLog::head(cluster()).trim_end() {
                let written = written(&log.entries);
                assert!(bytes.starts_with(&written), "what is read prints as it was");
                assert_eq!(written.len() == bytes.len(), torn_at.is_none());
            }
        }
        (Err(_), Err(_)) => {}
        // A header may be longer than a reader takes.
        (Ok(log), Err(_)) => assert!(log.header.len() > 200 && Form::of(&log.header).is_some()),
        (Err(error), Ok(_)) => panic!("read in one way and not in the other: {error}"),
    }
}

const LOG: &str = "/data/replica-0.log";
const SLOTS: u64 = 120;

/// A log of a few records of its index, and the index.
static LONG: LazyLock<(Vec<Entry>, Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let disk = FakeDisk::default();
    let entries: Vec<Entry> = (0..SLOTS).map(|slot| entry(slot, &"x".repeat(800))).collect();
    let mut store = Store::create(&disk, Path::new(LOG), cluster()).expect("the disk is whole");
    for entry in &entries {
        store.append(entry).expect("they follow one another");
    }
    store.flush().expect("the disk is whole");
    let read = |path: &Path| disk.read(path).expect("the disk is whole");
    let index = read(&index_path(Path::new(LOG)));
    (entries, read(Path::new(LOG)), index)
});

/// The true index, with its checksums and without.
pub fn index_seeds() -> Vec<Vec<u8>> {
    let index = &LONG.2;
    let unsealed = index[RECORD..].chunks(RECORD).flat_map(|record| record[..RECORD - 4].to_vec());
    let bare: Vec<u8> = unsealed.collect();
    vec![[&[0], &index[..]].concat(), [&[1], &bare[..]].concat(), [&[1, 9], &bare[..]].concat()]
}

/// An index of any bytes, or of any records whose checksums fit, beside a good log. The log opens as
/// ever, and whatever is read of it is what was written, or is refused.
pub fn index(input: &[u8]) {
    let (entries, log, good) = &*LONG;
    let mut input = Input(input);
    let index = if input.byte().is_multiple_of(2) {
        input.0.to_vec()
    } else {
        let record = |bytes: &[u8]| {
            let mut record = [0; RECORD];
            record[..bytes.len()].copy_from_slice(bytes);
            sealed(record)
        };
        let records = input.0.chunks(RECORD - 4).flat_map(record);
        good[..RECORD].iter().copied().chain(records).collect()
    };
    let (disk, path) = (FakeDisk::default(), Path::new(LOG));
    for (path, bytes) in [(path, log), (&index_path(path), &index)] {
        let mut file = disk.create(path).expect("the disk is whole");
        write_all_at(&mut *file, 0, bytes).expect("the disk is whole");
    }
    let Position { slots, chain, .. } = end_of(log);
    let synced = Synced { slots, chain };
    let opened = Store::open(&disk, path, cluster(), Slot(SLOTS), &synced);
    let mut store = match opened {
        Ok(opened) => opened.store,
        Err(OpenError::Disk(error)) => panic!("the disk is whole: {error}"),
        Err(error) => panic!("the log is good: {error:?}"),
    };
    for from in [0, 1, 57, SLOTS - 1, SLOTS, u64::MAX] {
        let mut count = 0;
        let read = store.read(Slot(from), Slot(u64::MAX), |_| {
            count += 1;
            count < 4
        });
        let Ok(read) = read else { continue };
        let rest = entries.get(from as usize..).unwrap_or_default();
        assert!(rest.starts_with(&read) && read.is_empty() == rest.is_empty(), "from {from}");
    }
}

fn end_of(log: &[u8]) -> Position {
    static END: LazyLock<Position> = LazyLock::new(|| {
        let mut reader = Reader::new(&LONG.1[..]).expect("the log is good");
        while reader.next_entry().expect("the log is good").is_some() {}
        reader.position()
    });
    debug_assert_eq!(log.len() as u64, END.bytes);
    *END
}
