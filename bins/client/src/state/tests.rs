//! The state file on a disk that fails, loses power and decays; and what it tells of earlier runs.

use super::*;
use actor_runtime::disk::fake::{FakeDisk, Fault};
use paxos_chat::client::PendingRequest;
use paxos_chat::types::Body;
use paxos_chat::types::{Nonce, SessionId, Slot};

const PATH: &str = "/home/ann/chat.state";

fn path() -> &'static Path {
    Path::new(PATH)
}

fn owner() -> Owner {
    Owner { cluster: ClusterId::of("one"), user: "ann".into() }
}

fn open(disk: &FakeDisk) -> Result<StateFile<FakeDisk>, StateError> {
    StateFile::open(disk.clone(), path(), &owner()).map(|(file, _)| file)
}

/// A client with these messages pending: numbered ones, and those that wait.
fn client(numbered: &[(u64, &str)], waiting: &[&str], next: u64) -> ClientStorage {
    let pending = |(seq, text): &(u64, &str)| {
        (Seq(*seq), PendingRequest { acked_below: Seq(1), body: Body::write(text) })
    };
    ClientStorage {
        nonce: Nonce(7),
        phase: ClientPhase::Open(SessionId { slot: Slot(3), index: 0 }),
        waiting: waiting.iter().map(Body::write).collect(),
        next_seq: Seq(next),
        unacknowledged: numbered.iter().map(pending).collect(),
    }
}

fn said(messages: &[(u64, &str)]) -> Vec<(Seq, String)> {
    messages.iter().map(|(seq, text)| (Seq(*seq), (*text).to_owned())).collect()
}

#[test]
fn what_is_saved_is_found_again() {
    let disk = FakeDisk::default();
    let mut file = open(&disk).unwrap();
    assert_eq!(file.load().unwrap(), None);
    let saved = client(&[(1, "a"), (3, "ü\n")], &["d"], 4);
    file.save(saved.clone()).unwrap();
    let mut again = open(&disk).unwrap();
    assert_eq!(again.load().unwrap(), Some(saved));
    let pending = said(&[(1, "a"), (3, "ü\n"), (4, "d")]);
    assert_eq!(again.interrupted(), Interrupted { taken: 4, pending });
}

#[test]
fn a_power_cut_leaves_the_save_before_or_this_one() {
    let saves: Vec<ClientStorage> = (1..=4)
        .map(|number| {
            let long = "x".repeat(number as usize * 700);
            client(&[(number, &long)], &[], number + 1)
        })
        .collect();
    let mut cuts = 0;
    for seed in 0..20 {
        for cut in 0.. {
            let disk = FakeDisk::default();
            let mut file = open(&disk).unwrap();
            let begun = disk.operations();
            disk.fail_at(begun + cut, Fault::PowerCut);
            let saved = saves.iter().take_while(|save| file.save((*save).clone()).is_ok()).count();
            if saved == saves.len() {
                break;
            }
            cuts += 1;
            disk.restart(seed);
            let mut file = open(&disk).unwrap_or_else(|error| panic!("cut {cut}: {error}"));
            let found = file.load().unwrap();
            let before = saved.checked_sub(1).map(|last| saves[last].clone());
            assert!(found == before || found.as_ref() == Some(&saves[saved]), "cut {cut}");
            // And it goes on from there.
            file.save(saves[3].clone()).unwrap();
            assert_eq!(open(&disk).unwrap().load().unwrap().as_ref(), Some(&saves[3]));
        }
    }
    assert!(cuts > 20 * 4, "only {cuts} cuts");
}

#[test]
fn a_disk_that_fails_is_told_and_nothing_is_lost() {
    for fault in [Fault::Io, Fault::NoSpace] {
        let disk = FakeDisk::default();
        let mut file = open(&disk).unwrap();
        let first = client(&[(1, "a")], &[], 2);
        file.save(first.clone()).unwrap();
        disk.fail_at(disk.operations() + 1, fault);
        let error = file.save(client(&[(2, "b")], &[], 3)).unwrap_err().to_string();
        assert!(error.contains(PATH) && error.contains("see to the disk"), "{error}");
        assert_eq!(open(&disk).unwrap().load().unwrap(), Some(first));
    }
}

/// Why a file is refused whose bytes were changed like this.
fn refusal(change: impl FnOnce(&mut Vec<u8>)) -> String {
    let disk = FakeDisk::default();
    open(&disk).unwrap().save(client(&[(1, "a")], &["b"], 2)).unwrap();
    disk.tamper(path(), change);
    let refused = open(&disk).map(|_| ()).expect_err("it is refused").to_string();
    assert!(refused.contains(PATH), "{refused}");
    refused
}

#[test]
fn damage_is_refused_wherever_it_is() {
    let disk = FakeDisk::default();
    open(&disk).unwrap().save(client(&[(1, "a")], &["b"], 2)).unwrap();
    let length = disk.read(path()).unwrap().len();
    for at in 0..length {
        refusal(|bytes| bytes[at] ^= 1);
        refusal(|bytes| bytes.truncate(at));
    }
    let damaged = refusal(|bytes| *bytes.last_mut().unwrap() ^= 1);
    assert!(damaged.contains("offset 24") && damaged.contains("client tail"), "{damaged}");
    let longer = refusal(|bytes| bytes.push(0));
    assert!(longer.contains("not as long as its header says"), "{longer}");
    let newer = refusal(|bytes| bytes[4] = 2);
    assert!(newer.contains("version 2") && newer.contains("that wrote it"), "{newer}");
    let other = refusal(|bytes| *bytes = b"my notes, which are no state".to_vec());
    assert!(other.contains("no state file") && other.contains("a new one"), "{other}");
}

#[test]
fn a_file_of_somebody_else_is_refused() {
    let disk = FakeDisk::default();
    open(&disk).unwrap().save(client(&[], &[], 1)).unwrap();
    let refused = |owner: &Owner| {
        let opened = StateFile::open(disk.clone(), path(), owner).map(drop);
        opened.expect_err("it is another's").to_string()
    };
    let of_another = refused(&Owner { user: "bob".into(), ..owner() });
    assert!(of_another.contains("of user ann, and you are bob"), "{of_another}");
    let elsewhere = Owner { cluster: ClusterId::of("two"), ..owner() };
    let of_another = refused(&elsewhere);
    assert!(of_another.contains(&format!("this one is {}", elsewhere.cluster)), "{of_another}");
    assert!(of_another.contains(&format!("of cluster {}", owner().cluster)), "{of_another}");
}

#[test]
fn one_process_has_it_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.state");
    let (state, lock) = State::open(&path, &owner()).unwrap();
    let refused = State::open(&path, &owner()).map(drop).expect_err("it is in use").to_string();
    assert!(refused.contains("chat.state is in use"), "{refused}");
    // A save gives the name to another file, and the lock stays.
    state.clone().save(client(&[], &[], 1)).unwrap();
    assert!(State::open(&path, &owner()).is_err());
    drop(lock);
    assert!(State::open(&path, &owner()).is_ok());
}

#[test]
fn an_interrupted_run_is_told_of_until_it_was_concluded() {
    let disk = FakeDisk::default();
    let mut file = open(&disk).unwrap();
    file.save(client(&[(4, "d")], &["e"], 5)).unwrap();
    let mut next = open(&disk).unwrap();
    let pending = said(&[(4, "d"), (5, "e")]);
    assert_eq!(next.interrupted(), Interrupted { taken: 5, pending });
    // The next run completes them, but was itself interrupted before it could tell.
    next.save(client(&[], &[], 6)).unwrap();
    next.conclude(false).unwrap();
    let mut last = open(&disk).unwrap();
    assert_eq!(last.interrupted(), Interrupted { taken: 5, pending: Vec::new() });
    last.conclude(true).unwrap();
    let after = open(&disk).unwrap();
    assert_eq!(after.interrupted(), Interrupted::default());
    assert_eq!(after.resumed(), Some(&client(&[], &[], 6)), "in the same session");
}

#[test]
fn an_expired_session_is_told_of_until_it_was_concluded_and_then_forgotten() {
    let disk = FakeDisk::default();
    let expired =
        ClientStorage { phase: ClientPhase::Expired, ..client(&[(1, "a"), (3, "c")], &["d"], 4) };
    open(&disk).unwrap().save(expired).unwrap();
    let mut file = open(&disk).unwrap();
    let told = Expired { unknown: said(&[(1, "a"), (3, "c")]), unsent: said(&[(4, "d")]) };
    assert_eq!(file.expired(), Some(told));
    assert_eq!(file.interrupted().pending, [], "none of it is sent again");
    file.conclude(false).unwrap();
    let mut file = open(&disk).unwrap();
    assert_eq!((file.expired(), file.load().unwrap()), (None, None));
    assert_eq!(file.interrupted(), Interrupted::default());
}

#[test]
fn the_file_that_is_locked_is_never_made_anew() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ann.state.lock");
    let made = || {
        SystemDisk.make(&file).unwrap();
        std::fs::metadata(&file).unwrap().ino()
    };
    let first = made();
    std::fs::write(&file, "kept").unwrap();
    assert_eq!((made(), std::fs::read_to_string(&file).unwrap().as_str()), (first, "kept"));
}
