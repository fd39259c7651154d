//! What an earlier build has written is read by this one, and goes on; and what is decided comes to the same in both.
//!
//! `before/` is the storage of replica 0 as it was on 2026-11-29, behind 536 slots, a snapshot, a change of leader and
//! SIGKILL; the zeros at the end of its segment are left out.

use actor_runtime::disk::{Disk, SystemDisk};
use actor_runtime::storage::StableStorage;
use paxos_chat::session::{Session, Sessions};
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{
    Ballot, Body, Command, Nonce, Operation, ReplicaId, Seq, SessionId, Slot, Timestamp, User,
    Value,
};
use paxos_chat_config::Config;
use paxos_chat_log::Entry;
use paxos_chat_replica::journal::{Identity, Opened, Place, SEGMENT_BYTES, format, open};
use std::collections::BTreeMap;
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

/// Drawn from a seed, the same for all time (Steele, Lea and Flood 2014, *SplitMix*).
fn drawn(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % below
}

/// What somebody may say, in one of these sessions or in a new one.
fn drawn_command(seed: &mut u64, sessions: &[(SessionId, Session)]) -> Command {
    let user = User::new(&format!("user-{}", drawn(seed, 5)));
    let stamp = Timestamp(drawn(seed, 1 << 40));
    let Some((id, session)) = sessions.get(drawn(seed, 8) as usize) else {
        let nonce = Nonce(drawn(seed, 16));
        return Command { stamp, user, operation: Operation::OpenSession { nonce } };
    };
    // Now and then it has ended, or belongs to another user.
    let gone = SessionId { slot: Slot(id.slot.0 + drawn(seed, 20) / 19), ..*id };
    let user = if drawn(seed, 20) == 0 { user } else { session.user.clone() };
    let seq = Seq((session.last_seq.0 + drawn(seed, 5)).saturating_sub(1));
    let acked_below = Seq(drawn(seed, session.last_seq.0 + 2));
    let body = match drawn(seed, 4) {
        0 => Body::Sync,
        _ => Body::write(format!("{}", drawn(seed, 1000))),
    };
    Command {
        stamp,
        user,
        operation: Operation::InSession { session: gone, seq, acked_below, body },
    }
}

/// While a cluster goes from a build to the next, replicas of both apply the same values. If they made different
/// things of them, their logs would differ.
#[test]
fn the_same_values_come_to_the_same_in_all_builds() {
    const CHAIN: &str = "9943b9e0a8406a2c1de1d808f4a6a7ba4df77967042cca8d10b191ba36c15353";
    let folder = tempfile::tempdir().unwrap();
    let disk = Rc::new(SystemDisk) as Rc<dyn Disk>;
    let config =
        Config::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/before/cluster.toml"))
            .unwrap();
    let identity = Identity { cluster: config.cluster_id(), replica: 0 };
    let (folder, sessions_max) = (folder.path().to_owned(), 6);
    let place = Place { disk, folder, identity, sessions_max, segment_bytes: SEGMENT_BYTES };
    format(&place).unwrap();
    let Opened { mut log, .. } = open(&place).unwrap();
    assert_eq!(Tuning::default().sessions_max, 4096, "all replicas must have the same");
    let (mut sessions, mut seed, mut seen) = (Sessions::default(), 1, BTreeMap::new());
    for slot in (0..20_000).map(Slot) {
        let open: Vec<_> = sessions.iter().map(|(id, session)| (id, session.clone())).collect();
        let count = drawn(&mut seed, 4);
        let value = match count {
            0 => Value::Noop,
            _ => Value::batch((0..count).map(|_| drawn_command(&mut seed, &open))),
        };
        let outcomes = sessions.apply(slot, &value, sessions_max);
        for outcome in &outcomes {
            let name = format!("{outcome:?}");
            let kind = name.split(['(', ' ']).next().unwrap().to_owned();
            *seen.entry(kind).or_insert(0) += 1;
        }
        log.append(&Entry { slot, value, outcomes }).unwrap();
    }
    assert!(
        seen.len() == 7 && seen.values().all(|count| *count > 100),
        "not everything happens: {seen:?}"
    );
    assert_eq!(
        log.chain().to_hex(),
        CHAIN,
        "values come to something else than in builds before, or the log says it otherwise: replicas of both would \
         differ while a cluster goes from one to the other. Let what is decided say from where on the new rule holds; \
         before 0.1.0 is released, put this hash here"
    );
}
