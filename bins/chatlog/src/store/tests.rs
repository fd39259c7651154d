use super::*;
use actor_runtime::disk::fake::{FakeDisk, Fault};
use paxos_chat::message::Outcome;
use paxos_chat::types::{Body, Command, Operation, Seq, SessionId, Timestamp, User, Value};

const LOG: &str = "/data/replica-0.log";

fn cluster() -> ClusterId {
    ClusterId::of("test")
}

fn entry(slot: u64) -> Entry {
    entry_of("ann", slot)
}

fn entry_of(user: &str, slot: u64) -> Entry {
    let operation = Operation::InSession {
        session: SessionId { slot: Slot(0), index: 0 },
        seq: Seq(slot),
        acked_below: Seq(1),
        body: Body::write(format!("{slot} {}", "x".repeat(900))),
    };
    let command = Command { stamp: Timestamp(slot), user: User::new(user), operation };
    Entry { slot: Slot(slot), value: Value::batch([command]), outcomes: vec![Outcome::Applied] }
}

fn written(slots: u64) -> (FakeDisk, Store) {
    let disk = FakeDisk::default();
    let mut store = Store::create(&disk, Path::new(LOG), cluster()).unwrap();
    for slot in 0..slots {
        store.append(&entry(slot)).unwrap();
    }
    store.flush().unwrap();
    (disk, store)
}

fn synced(store: &Store) -> Synced {
    let Position { slots, chain, .. } = store.written().get();
    Synced { slots, chain }
}

fn reopened(disk: &FakeDisk, synced: &Synced) -> Result<Opened, OpenError> {
    Store::open(disk, Path::new(LOG), cluster(), Slot(synced.slots), synced)
}

fn bytes_of(disk: &FakeDisk, path: &Path) -> Vec<u8> {
    disk.read(path).unwrap()
}

/// Reads so many slots from this one on.
fn read(store: &mut Store, from: u64, count: usize) -> io::Result<Vec<Entry>> {
    let mut taken = 0;
    store.read(Slot(from), Slot(u64::MAX), |_| {
        taken += 1;
        taken <= count
    })
}

#[test]
fn any_slot_is_found_and_reading_on_costs_what_it_reads() {
    let (disk, mut store) = written(1000);
    for from in [0, 1, 63, 64, 65, 500, 998, 999] {
        let count = 3.min(1000 - from as usize);
        let found = read(&mut store, from, 3).unwrap();
        assert_eq!(found, (from..from + count as u64).map(entry).collect::<Vec<_>>());
    }
    assert_eq!(read(&mut store, 1000, 1).unwrap(), []);
    assert_eq!(store.read(Slot(5), Slot(7), |_| true).unwrap().len(), 2, "the bound is kept");
    let before = disk.bytes_read();
    let mut from = 200;
    while from < 600 {
        from += read(&mut store, from, 40).unwrap().len() as u64;
    }
    let per_chunk = (disk.bytes_read() - before) / 10;
    assert!(per_chunk < 3 * READ_BYTES as u64, "{per_chunk}");
}

#[test]
fn opening_reads_the_end_of_the_log_only() {
    let (disk, store) = written(3000);
    let (synced, whole) = (synced(&store), store.written().get().bytes);
    drop(store);
    let before = disk.bytes_read();
    let Opened { mut store, warnings } = reopened(&disk, &synced).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let read_now = disk.bytes_read() - before;
    assert!(read_now < 4 * READ_BYTES as u64 && whole > 40 * READ_BYTES as u64, "{read_now}");
    assert_eq!(read(&mut store, 7, 1).unwrap(), [entry(7)]);
    store.append(&entry(3000)).unwrap();
    store.flush().unwrap();
    assert_eq!(bytes_of(&disk, Path::new(LOG)), bytes_of(&written(3001).0, Path::new(LOG)));
}

#[test]
fn an_index_that_is_missing_damaged_or_of_another_log_is_made_again() {
    type Change = fn(&FakeDisk, &Path);
    let missing: Change = |disk, path| disk.lose(path);
    let header: Change = |disk, path| disk.tamper(path, |bytes| bytes[3] ^= 1);
    let record: Change = |disk, path| disk.tamper(path, |bytes| bytes[64 * 5 + 20] ^= 1);
    let foreign: Change = |disk, path| {
        let other = FakeDisk::default();
        let mut store = Store::create(&other, Path::new(LOG), cluster()).unwrap();
        for slot in 0..1000 {
            store.append(&entry_of("bob", slot)).unwrap();
        }
        store.flush().unwrap();
        let bytes = bytes_of(&other, path);
        disk.tamper(path, |own| *own = bytes);
    };
    let cases =
        [(missing, "missing"), (header, "header"), (record, "record"), (foreign, "another log")];
    for (change, expected) in cases {
        let (disk, store) = written(1000);
        let synced = synced(&store);
        drop(store);
        let index = index_path(Path::new(LOG));
        let intact = bytes_of(&disk, &index);
        change(&disk, &index);
        let Opened { mut store, warnings } = reopened(&disk, &synced).unwrap();
        assert_eq!(warnings.len(), 1, "{expected}: {warnings:?}");
        assert!(warnings[0].contains("replica-0.index") && warnings[0].contains(expected));
        assert_eq!(read(&mut store, 700, 1).unwrap(), [entry(700)]);
        assert!(intact == bytes_of(&disk, &index), "{expected}: the same index as before");
    }
}

#[test]
fn after_a_power_cut_log_and_index_are_those_of_a_prefix_with_everything_synced() {
    for seed in 0..60 {
        let disk = FakeDisk::default();
        let mut store = Store::create(&disk, Path::new(LOG), cluster()).unwrap();
        store.file().sync().unwrap();
        disk.sync_folder(Path::new("/data")).unwrap();
        let mut last = synced(&store);
        disk.fail_at(disk.operations() + 7 * seed, Fault::PowerCut);
        for slot in 0..400 {
            let written = store.append(&entry(slot)).and_then(|()| store.flush());
            let is_due = slot % 20 == 19;
            if written.is_err() || (is_due && store.file().sync().is_err()) {
                break;
            }
            if is_due {
                last = synced(&store);
            }
        }
        drop(store);
        disk.restart(seed);
        let store = reopened(&disk, &last).unwrap().store;
        let slots = store.written().get().slots;
        assert!(slots >= last.slots, "seed {seed}");
        let whole = written(slots).0;
        for path in [Path::new(LOG), &index_path(Path::new(LOG))] {
            assert!(bytes_of(&disk, path) == bytes_of(&whole, path), "seed {seed}: {path:?}");
        }
    }
}

/// The process ends when a sync has failed, and the next one finds all that it wrote, though only in memory.
#[test]
fn what_a_failed_sync_has_left_readable_is_durable_once_the_log_was_opened() {
    for seed in 0..20 {
        let (disk, mut store) = written(40);
        store.file().sync().unwrap();
        disk.sync_folder(Path::new("/data")).unwrap();
        let first = synced(&store);
        (40..60).for_each(|slot| store.append(&entry(slot)).unwrap());
        store.flush().unwrap();
        disk.fail_at(disk.operations(), Fault::Io);
        assert!(store.file().sync().is_err());
        drop(store);
        let mut store = reopened(&disk, &first).unwrap().store;
        assert_eq!(store.written().get().slots, 60);
        (40..70).for_each(|slot| store.append(&entry(slot)).unwrap());
        store.flush().unwrap();
        store.file().sync().unwrap();
        let last = synced(&store);
        drop(store);
        disk.restart(seed);
        let mut store = reopened(&disk, &last).unwrap().store;
        assert_eq!(read(&mut store, 0, 70).unwrap(), (0..70).map(entry).collect::<Vec<_>>());
    }
}

#[test]
fn damage_far_below_the_end_is_refused_when_it_is_read() {
    let (disk, store) = written(1000);
    let synced = synced(&store);
    drop(store);
    disk.tamper(Path::new(LOG), |bytes| {
        let place = 300_000 + bytes[300_000..].iter().position(|byte| *byte == b'x').unwrap();
        bytes[place] = b'y';
    });
    let Opened { mut store, warnings } = reopened(&disk, &synced).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(read(&mut store, 900, 1).unwrap(), [entry(900)]);
    let error = store.read(Slot(250), Slot(1000), |_| true).unwrap_err().to_string();
    let expected = [LOG, "line ", "offset ", "running hash", "copy the chat log of another"];
    for part in expected {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn damage_of_what_was_synced_is_refused_and_of_the_rest_is_cut() {
    let (disk, store) = written(1000);
    let whole = synced(&store);
    drop(store);
    let end = bytes_of(&disk, Path::new(LOG)).len();
    disk.tamper(Path::new(LOG), |bytes| bytes[end - 100] ^= 1);
    let Err(OpenError::Damaged { offset: Some(offset), wrong }) = reopened(&disk, &whole) else {
        panic!("it is refused");
    };
    assert!(offset > end as u64 - 2000 && wrong.starts_with("line 1001: "), "{wrong}");
    let (other, store) = written(990);
    let part = synced(&store);
    drop((store, other));
    let Opened { store, warnings } = reopened(&disk, &part).unwrap();
    assert_eq!((store.lines(), warnings.len()), (999, 1));
    assert!(warnings[0].contains("will be fetched again"), "{warnings:?}");
}

#[test]
fn entries_above_the_snapshot_are_compared_when_they_are_applied_again() {
    let (disk, store) = written(300);
    let synced = synced(&store);
    drop(store);
    let open = || {
        let opened = Store::open(&disk, Path::new(LOG), cluster(), Slot(298), &synced);
        opened.unwrap().store
    };
    let mut store = open();
    store.append(&entry(298)).unwrap();
    store.append(&entry(299)).unwrap();
    store.append(&entry(300)).unwrap();
    assert_eq!(store.lines(), 301);
    let other = Entry { value: Value::Noop, outcomes: vec![], ..entry(298) };
    let error = open().append(&other).unwrap_err().to_string();
    assert!(error.contains(LOG) && error.contains("another value"), "{error}");
}

/// As a replica wrote it before there was version 3.
const OF_VERSION_2: &str = concat!(
    "# paxos-chat log 2, cluster df6c25102713eaf1\n",
    "0\t0/1\t2026-11-29T05:55:10.835Z\tann\t-\t-\t-\topen:c5f9978b9ea2ad2c\topened s0.0\t-\taaf809abd08f539c\n",
    "1\t0/1\t2026-11-29T05:55:10.836Z\tann\ts0.0\t1\t<1\tpost\tapplied\t",
    "\"a\u{3164}b 👨\\u{200d}👩 1\u{fe0f} \\u{202e}\"\t5e989174f012034a\n",
);

#[test]
fn a_log_of_the_version_before_is_read_and_goes_on_as_it_began() {
    let cluster = ClusterId::from_bytes([0xdf, 0x6c, 0x25, 0x10, 0x27, 0x13, 0xea, 0xf1]);
    let log = ChatLog::parse(OF_VERSION_2.as_bytes()).unwrap();
    assert_eq!(log.entries.len(), 2);
    let disk = FakeDisk::default();
    let mut file = disk.create(Path::new(LOG)).unwrap();
    actor_runtime::disk::write_all_at(&mut *file, 0, OF_VERSION_2.as_bytes()).unwrap();
    let synced = Synced { slots: 2, chain: log.chain };
    let open = || Store::open(&disk, Path::new(LOG), cluster, Slot(2), &synced).unwrap().store;
    let mut store = open();
    assert_eq!(read(&mut store, 0, 9).unwrap(), log.entries);
    let mut more = log.entries[1].clone();
    more.slot = Slot(2);
    store.append(&more).unwrap();
    store.flush().unwrap();
    let text = String::from_utf8(bytes_of(&disk, Path::new(LOG))).unwrap();
    assert!(text.starts_with(OF_VERSION_2) && text.matches('\u{3164}').count() == 2, "{text}");
    assert_eq!(read(&mut open(), 2, 1).unwrap(), [more]);
}

/// It was formatted before there was version 3, and killed before it made its log.
#[test]
fn a_log_that_is_to_be_made_has_the_form_that_its_journal_knows() {
    for form in [Form::V2, Form::V3] {
        let disk = FakeDisk::default();
        let synced = Synced { slots: 0, chain: form.begin(cluster()).chain };
        let mut store = reopened(&disk, &synced).unwrap().store;
        let odd = entry_of("a\u{3164}", 0);
        store.append(&odd).unwrap();
        store.flush().unwrap();
        let log = ChatLog::parse(&bytes_of(&disk, Path::new(LOG))).unwrap();
        assert_eq!((log.header, log.entries), (form.header(cluster()), vec![odd]));
    }
}
