//! What durability costs: a turn of the journal, with and without its syncs, and lines of the chat
//! log.

mod disks;

use actor_runtime::disk::{Disk, SystemDisk, write_all_at};
use actor_runtime::storage::StableStorage;
use actor_runtime::wire::ClusterId;
use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use disks::Unsynced;
use paxos_chat::message::Outcome;
use paxos_chat::state;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{
    Ballot, Body, Command, Nonce, Operation, ReplicaId, Seq, SessionId, Slot, Timestamp, User,
    Value, Vote,
};
use paxos_chat_log::{Entry, LogWriter, Store};
use paxos_chat_replica::journal::{self, Identity, Opened, Place, SEGMENT_BYTES};
use std::hint::black_box;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

const BALLOT: Ballot = Ballot { round: 1, replica: ReplicaId(0) };

/// A person's message of 100 bytes.
fn command(seq: u64) -> Command {
    let session = SessionId { slot: Slot(0), index: 0 };
    let (seq, acked_below) = (Seq(seq), Seq(seq.saturating_sub(64)));
    let body = Body::write(
        &"What is said is mostly plain text, now and then with a \"quote\".".repeat(2)[..100],
    );
    let operation = Operation::InSession { session, seq, acked_below, body };
    Command { stamp: Timestamp(1_790_000_000_000 + seq.0), user: User::new("ann"), operation }
}

/// A replica's storage and what it was given so far.
struct Life {
    opened: Opened,
    state: state::Storage,
    next: u64,
    seq: u64,
    applied: Vec<Entry>,
    tuning: Tuning,
}

impl Life {
    fn begin(disk: impl Disk + 'static, folder: &std::path::Path) -> Life {
        let tuning = Tuning::default();
        let place = Place {
            disk: Rc::new(disk),
            folder: folder.to_owned(),
            identity: Identity { cluster: ClusterId::of("bench"), replica: 0 },
            sessions_max: tuning.sessions_max,
            segment_bytes: SEGMENT_BYTES,
        };
        journal::format(&place).expect("an empty folder is formatted");
        let opened = journal::open(&place).expect("what was formatted is opened");
        let state = state::Storage { promised: BALLOT, ..state::Storage::default() };
        Life { opened, state, next: 0, seq: 1, applied: Vec::new(), tuning }
    }

    /// Votes at a slot for so many commands, saves, applies, and compacts when that is due.
    fn turn(&mut self, commands: u64) -> io::Result<()> {
        let slot = Slot(self.next);
        self.next += 1;
        let value = if slot == Slot(0) {
            let operation = Operation::OpenSession { nonce: Nonce(1) };
            Value::batch([Command { stamp: Timestamp(0), user: User::new("ann"), operation }])
        } else {
            let seqs = self.seq..self.seq + commands;
            self.seq += commands;
            Value::batch(seqs.map(command))
        };
        let sessions = &mut self.state.snapshot.sessions;
        let outcomes = sessions.apply(slot, &value, self.tuning.sessions_max);
        self.state.votes.insert(slot, Vote { ballot: BALLOT, value: value.clone() });
        self.applied.push(Entry { slot, value, outcomes });
        if self.next.is_multiple_of(self.tuning.snapshot_slots) {
            self.state.snapshot.upto = Slot(self.next);
            self.state.votes.clear();
        }
        let Opened { storage, log, .. } = &mut self.opened;
        storage.save(self.state.clone())?;
        for entry in self.applied.drain(..) {
            log.append(&entry)?;
        }
        log.flush()?;
        storage.settle()
    }
}

fn turns(c: &mut Criterion) {
    let mut group = c.benchmark_group("durable turn");
    for commands in [1, 64] {
        group.throughput(Throughput::Elements(commands));
        let mut bench = |name, mut life: Life| {
            group.bench_function(BenchmarkId::new(name, commands), |b| {
                b.iter(|| life.turn(commands).expect("the disk works"));
            });
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        bench("synced, commands", Life::begin(SystemDisk, folder.path()));
        let folder = tempfile::tempdir().expect("a temporary folder");
        bench("not synced, commands", Life::begin(Unsynced(SystemDisk), folder.path()));
    }
    group.finish();
}

/// The sync of a log that has grown by ten megabytes since the last one, at a busy replica's pace: where
/// the disk was told to begin with each, and where it was not.
fn syncs(c: &mut Criterion) {
    const MIB: usize = 1 << 20;
    let pace = Duration::from_millis(30);
    let mut group = c.benchmark_group("sync of 10 MiB");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for is_begun in [false, true] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut file = SystemDisk.create(&folder.path().join("log")).expect("a new file");
        let mut end = 0;
        let mut grow_and_sync = || {
            for _ in 0..10 {
                write_all_at(&mut *file, end, &vec![end as u8; MIB]).expect("the disk works");
                if is_begun {
                    file.write_back(end, MIB as u64);
                }
                end += MIB as u64;
                std::thread::sleep(pace);
            }
            let started = Instant::now();
            file.sync().expect("the disk works");
            started.elapsed()
        };
        let name = if is_begun { "begun before" } else { "all at once" };
        group.bench_function(name, |b| {
            b.iter_custom(|times| (0..times).map(|_| grow_and_sync()).sum());
        });
    }
    group.finish();
}

fn lines(c: &mut Criterion) {
    let mut group = c.benchmark_group("chat log");
    group.throughput(Throughput::Elements(64));
    group.bench_function("a slot of 64 messages of 100 bytes", |b| {
        let mut writer = LogWriter::create(io::sink(), ClusterId::of("bench")).expect("no disk");
        let value = Value::batch((1..=64).map(command));
        let mut slot = 0;
        b.iter(|| {
            let outcomes = vec![Outcome::Applied; 64];
            let entry = Entry { slot: Slot(slot), value: value.clone(), outcomes };
            slot += 1;
            writer.append(black_box(&entry)).expect("no disk");
        });
    });
    group.finish();
}

/// The last slots of a log, read for somebody who begins at its end; and all slots before them, which a reader that has to
/// know what was before would read first.
fn pages(c: &mut Criterion) {
    const PAGE: u64 = 32;
    let mut group = c.benchmark_group("the end of a chat log");
    group.sample_size(10);
    for slots in [20_000, 200_000, 2_000_000] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("replica-0.log");
        let cluster = ClusterId::of("bench");
        let mut log = Store::create(&SystemDisk, &path, cluster).expect("a new log");
        for slot in 0..slots {
            let (value, outcomes) = (Value::batch([command(slot + 1)]), vec![Outcome::Applied]);
            log.append(&Entry { slot: Slot(slot), value, outcomes }).expect("the disk works");
            if slot % 1_000 == 999 {
                log.flush().expect("the disk works");
            }
        }
        let mut read = |from: u64, upto: u64| {
            log.read(Slot(from), Slot(upto), |_| true).expect("the disk works").len()
        };
        group.bench_function(BenchmarkId::new("its last page, messages", slots), |b| {
            let mut from = slots - PAGE;
            b.iter(|| {
                // Another page each time, as for another reader.
                from = if from == slots - PAGE { from - 1 } else { from + 1 };
                read(black_box(from), slots)
            });
        });
        if slots == 20_000 {
            group.bench_function(BenchmarkId::new("everything before it, messages", slots), |b| {
                b.iter(|| read(0, black_box(slots)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, turns, syncs, lines, pages);
criterion_main!(benches);
