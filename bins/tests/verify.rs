//! `cluster verify` on logs that are longer than the memory it may have: what is equal, and what is
//! not.

mod support;

use actor_runtime::wire::ClusterId;
use paxos_chat::types::{
    Body, Command, Nonce, Operation, Seq, SessionId, Slot, Timestamp, User, Value,
};
use paxos_chat_log::replay::Replay;
use paxos_chat_log::{Entry, LogWriter};
use std::fs::{File, OpenOptions};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use support::{Ended, arg, run};

const CLUSTER: &str = env!("CARGO_BIN_EXE_cluster");
/// Messages of a log, each of a thousand bytes.
const MESSAGES: u64 = 24_000;
/// The address space of the process, in KiB: less than the three logs have.
const MEMORY_KIB: u64 = 60_000;

fn message(seq: u64, text: &str) -> Value {
    let session = SessionId { slot: Slot(0), index: 0 };
    let (seq, acked_below, body) = (Seq(seq), Seq(seq), Body::write(text));
    let operation = Operation::InSession { session, seq, acked_below, body };
    Value::batch([Command { stamp: Timestamp(0), user: User::new("ann"), operation }])
}

fn path(folder: &Path, id: u8) -> PathBuf {
    folder.join(format!("replica-{id}.log"))
}

/// Writes a log in which one message says something else, with hashes that fit.
fn write_log(folder: &Path, id: u8, changed: Option<u64>) {
    let file = BufWriter::new(File::create(path(folder, id)).unwrap());
    let mut log = LogWriter::create(file, ClusterId::of("test")).unwrap();
    let mut replay = Replay::default();
    let opening = Operation::OpenSession { nonce: Nonce(1) };
    let opening = Command { stamp: Timestamp(0), user: User::new("ann"), operation: opening };
    for slot in 0..=MESSAGES {
        let value = match slot {
            0 => Value::batch([opening.clone()]),
            _ if changed == Some(slot) => message(slot, "planted"),
            _ => message(slot, &format!("{slot} {}", "x".repeat(1000))),
        };
        let outcomes = replay.outcomes(Slot(slot), &value);
        log.append(&Entry { slot: Slot(slot), value, outcomes }).unwrap();
    }
    log.flush().unwrap();
}

fn verify(folder: &Path) -> Ended {
    let script = format!("ulimit -v {MEMORY_KIB} && exec '{CLUSTER}' verify '{}'", arg(folder));
    run("sh", &["-c", &script])
}

fn is_found(folder: &Path, expected: &[&str]) {
    let ended = verify(folder);
    assert_eq!(ended.code, 1, "{ended:?}");
    for text in expected {
        assert!(ended.stdout.contains(text), "{ended:?} does not say {text}");
    }
}

#[test]
fn long_logs_are_compared_entry_by_entry_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    (0..3).for_each(|id| write_log(folder, id, None));
    let bytes: u64 = (0..3).map(|id| std::fs::metadata(path(folder, id)).unwrap().len()).sum();
    assert!(bytes > MEMORY_KIB * 1024, "{bytes} bytes would fit");
    let ended = verify(folder);
    assert_eq!(ended.code, 0, "{ended:?}");
    let hashes: Vec<&str> = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with(['0', '1', '2']) && line.contains("24001"))
        .map(|line| line.split_whitespace().nth(2).unwrap())
        .collect();
    assert!(hashes.len() == 3 && hashes.iter().all(|hash| *hash == hashes[0]), "{ended:?}");

    // In the middle; the header is line 1 and slot 0 line 2.
    write_log(folder, 1, Some(MESSAGES / 2));
    is_found(
        folder,
        &["replicas 1 and 2 differ first in line 12002:", "\"planted\"", "\"12000 xxx"],
    );

    // One log ends within its last line.
    std::fs::copy(path(folder, 0), path(folder, 1)).unwrap();
    let file = OpenOptions::new().write(true).open(path(folder, 1)).unwrap();
    file.set_len(file.metadata().unwrap().len() - 500).unwrap();
    is_found(
        folder,
        &["replica 1: its log breaks off in line 24002", "differ first in line 24002:"],
    );

    // One log has a line twice.
    let text = std::fs::read_to_string(path(folder, 0)).unwrap();
    let end = text.match_indices('\n').nth(9_999).unwrap().0 + 1;
    let begin = text[..end - 1].rfind('\n').unwrap() + 1;
    std::fs::write(path(folder, 1), [&text[..end], &text[begin..]].concat()).unwrap();
    is_found(folder, &["replica 1: its log is damaged: line 10001", "differ first in line 10001:"]);
}
