//! A replica's life as its journal sees it, for those who look for what a journal loses.

use super::*;
use actor_runtime::disk::fake::FakeDisk;
use actor_runtime::storage::StableStorage as _;
use paxos_chat::state::Storage;
use paxos_chat::types::{Ballot, Body, Command, Operation, ReplicaId, Seq, SessionId};
use paxos_chat::types::{Nonce, Slot, Timestamp, User, Value, Vote};
use paxos_chat_log::Entry;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;

pub(super) const SESSIONS_MAX: usize = 8;

pub(super) fn place(disk: &FakeDisk) -> Place {
    Place {
        disk: Rc::new(disk.clone()),
        folder: PathBuf::from("/data"),
        identity: Identity { cluster: ClusterId::of("test"), replica: 1 },
        sessions_max: SESSIONS_MAX,
        segment_bytes: 4096,
    }
}

/// A replica's life as its journal sees it: every state that was saved.
pub(super) struct Life {
    pub(super) state: Storage,
    /// Every vote ever cast, the last of each slot.
    pub(super) votes: BTreeMap<Slot, Vote>,
    rng: StdRng,
}

/// What was saved at one moment.
#[derive(Clone)]
pub(super) struct Saved {
    pub(super) promised: Ballot,
    pub(super) votes: BTreeMap<Slot, Vote>,
    pub(super) upto: Slot,
}

impl Life {
    pub(super) fn new(seed: u64) -> Life {
        let rng = StdRng::seed_from_u64(seed);
        Life { state: Storage::default(), votes: BTreeMap::new(), rng }
    }

    fn value(&mut self, slot: Slot) -> Value {
        let user = User::new("ann");
        let stamp = Timestamp(self.rng.random_range(0..1 << 40));
        let operation = if slot == Slot(0) {
            Operation::OpenSession { nonce: Nonce(7) }
        } else {
            let session = SessionId { slot: Slot(0), index: 0 };
            let text = "x\0".repeat(self.rng.random_range(0..400));
            let (seq, acked_below) = (Seq(slot.0), Seq(slot.0.saturating_sub(3)));
            Operation::InSession { session, seq, acked_below, body: Body::write(&text) }
        };
        Value::batch([Command { stamp, user, operation }])
    }

    /// Votes for a few slots, promises, or compacts; gives the entries that a snapshot covers.
    pub(super) fn step(&mut self) -> Vec<Entry> {
        match self.rng.random_range(0..8) {
            0 => {
                let replica = ReplicaId(1);
                self.state.promised = self.state.promised.successor(replica);
                Vec::new()
            }
            1 => self.compact(),
            _ => {
                for _ in 0..self.rng.random_range(1..4) {
                    let first = self.state.snapshot.upto;
                    let highest = self.state.highest_vote();
                    let next = highest.map_or(first, Slot::next);
                    let slot = Slot(self.rng.random_range(first.0..=next.0));
                    let vote = Vote { ballot: self.state.promised, value: self.value(slot) };
                    self.state.votes.insert(slot, vote.clone());
                    self.votes.insert(slot, vote);
                }
                Vec::new()
            }
        }
    }

    fn compact(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (slot, vote) in self.state.votes.clone() {
            if slot != self.state.snapshot.upto || self.rng.random_range(0..5) == 0 {
                break;
            }
            let value = vote.value;
            let sessions = &mut self.state.snapshot.sessions;
            let outcomes = sessions.apply(slot, &value, SESSIONS_MAX);
            self.state.votes.remove(&slot);
            self.state.snapshot.upto = slot.next();
            entries.push(Entry { slot, value, outcomes });
        }
        entries
    }

    pub(super) fn saved(&self) -> Saved {
        let (promised, upto) = (self.state.promised, self.state.snapshot.upto);
        Saved { promised, votes: self.votes.clone(), upto }
    }
}

/// Saves a step and writes the chat log, as a driver does.
pub(super) fn turn(opened: &mut Opened, life: &mut Life) -> std::io::Result<()> {
    let entries = life.step();
    opened.storage.save(life.state.clone())?;
    for entry in &entries {
        opened.log.append(entry)?;
    }
    opened.log.flush()?;
    opened.storage.settle()
}

/// Is this state what was saved then, up to a snapshot that may be older or newer than that?
pub(super) fn is_state(found: &Storage, saved: &Saved) -> bool {
    let kept = saved.votes.range(found.snapshot.upto..);
    found.promised == saved.promised && found.votes.iter().eq(kept)
}

pub(super) fn open_now(disk: &FakeDisk) -> Opened {
    open(&place(disk)).unwrap_or_else(|error| panic!("{error}"))
}

/// A disk with a formatted journal and so many turns on it.
pub(super) fn lived(turns: usize, seed: u64) -> (FakeDisk, Life, Opened) {
    let disk = FakeDisk::default();
    format(&place(&disk)).unwrap();
    let (mut life, mut opened) = (Life::new(seed), open_now(&disk));
    for _ in 0..turns {
        turn(&mut opened, &mut life).unwrap();
    }
    (disk, life, opened)
}

pub(super) fn loaded(opened: &mut Opened) -> Storage {
    opened.storage.load().unwrap().unwrap()
}

/// All files of the storage.
pub(super) fn files(disk: &FakeDisk) -> Vec<PathBuf> {
    let place = place(disk);
    let names = disk.list(&place.journal()).unwrap();
    let journal = names.into_iter().map(|name| place.journal().join(name));
    journal.chain([place.chat_log()]).collect()
}

/// Those that have their names: a start removes the others, and reads none of them.
pub(super) fn read_by_a_start(disk: &FakeDisk) -> Vec<PathBuf> {
    let is_temporary = |path: &PathBuf| path.extension().is_some_and(|e| e == "tmp");
    files(disk).into_iter().filter(|path| !is_temporary(path)).collect()
}
