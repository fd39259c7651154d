//! What an earlier build has written is read by this one, and goes on.
//!
//! `before/` is the storage of replica 0 as it was on 2026-11-29, behind 536 slots, a snapshot, a change of leader and
//! SIGKILL; the zeros at the end of its segment are left out.

use actor_runtime::disk::{Disk, SystemDisk};
use actor_runtime::storage::StableStorage;
use paxos_chat::types::{Ballot, ReplicaId, Slot};
use paxos_chat_config::Config;
use paxos_chat_replica::journal::{Identity, Opened, Place, SEGMENT_BYTES, open};
use std::path::Path;
use std::rc::Rc;

const SEGMENT: &str = "replica-0.journal/segment-0000000002";
const FILES: [&str; 4] =
    ["replica-0.log", "replica-0.index", "replica-0.journal/snapshot", SEGMENT];

/// Opens what is there now.
fn opened(folder: &Path, config: &Config) -> Opened {
    let place = Place {
        disk: Rc::new(SystemDisk) as Rc<dyn Disk>,
        folder: folder.to_owned(),
        identity: Identity { cluster: config.cluster_id(), replica: 0 },
        sessions_max: config.tuning_of(&config.replicas[0]).sessions_max,
        segment_bytes: SEGMENT_BYTES,
    };
    open(&place).unwrap()
}

#[test]
fn the_storage_of_an_earlier_build_is_read_and_goes_on() {
    let before = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/before");
    let config = Config::read(&before.join("cluster.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("replica-0.journal")).unwrap();
    for name in FILES {
        let mut bytes = std::fs::read(before.join(name)).unwrap();
        if name == SEGMENT {
            bytes.resize(SEGMENT_BYTES, 0);
        }
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let Opened { mut storage, mut log, warnings } = opened(folder.path(), &config);
    assert_eq!(warnings, Vec::<String>::new());
    let saved = storage.load().unwrap().unwrap();
    assert_eq!(saved.promised, Ballot { round: 2, replica: ReplicaId(0) });
    assert_eq!(saved.snapshot.upto, Slot(512));
    assert_eq!(
        saved.votes.keys().copied().collect::<Vec<_>>(),
        (512..536).map(Slot).collect::<Vec<_>>()
    );
    // What was applied behind the snapshot is applied again, from the votes; it is in the log already.
    assert_eq!(log.chain().to_hex()[..16], *"0f622356809bf7b5");
    let entries = log.read(Slot(0), Slot(u64::MAX), |_| true).unwrap();
    assert_eq!(entries.len(), 536);
    entries[512..].iter().for_each(|entry| log.append(entry).unwrap());
    let mut more = entries[535].clone();
    more.slot = Slot(536);
    log.append(&more).unwrap();
    log.flush().unwrap();
    storage.save(saved.clone()).unwrap();
    drop((storage, log));
    let Opened { mut storage, mut log, .. } = opened(folder.path(), &config);
    assert_eq!(storage.load().unwrap(), Some(saved));
    assert_eq!(log.read(Slot(536), Slot(u64::MAX), |_| true).unwrap(), [more]);
    let text = std::fs::read_to_string(folder.path().join("replica-0.log")).unwrap();
    assert!(text.starts_with("# paxos-chat log 2, ") && text.contains("before: a\u{3164}b"));
}
