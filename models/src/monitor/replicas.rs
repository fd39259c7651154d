//! One replica: what it holds, what it has saved, and what its steps are judged by.
//!
//! **Invariants**
//! - *What is saved counts in the order in which it was saved*: a driver makes several saves durable at once, and each
//!   of them was what the actor had promised and voted at that moment.
//! - *What is durable counts from the replica's next step on*: nobody can tell before. A crash in between may leave the
//!   last save without the snapshot that goes with it. Then a vote that was cast and compacted away since the save before
//!   was never durable, nor told: it was never cast.
//! - *A bound counts from the next turn on*: a driver makes it durable in two steps, first the votes and then the
//!   snapshot, and lets out last what its turn has sent. A handler that is called for anything but a message of its own
//!   is one of a new turn. So whatever leaves, and whatever a crash brings back, is of slots that are not folded.

mod departures;
mod handlers;

use super::history::History;
use super::history::log::Answer;
use super::report::Party;
use crate::execution::digest_of;
use crate::properties::bounds::Extent;
use crate::properties::{Safety, locals};
use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use paxos_chat::membership::Memberships;
use paxos_chat::message::Entries;
use paxos_chat::session::Sessions;
use paxos_chat::state::{Learner, Snapshot, State, Storage};
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Ballot, ReplicaId, Slot, Value, Vote};
use std::collections::VecDeque;

/// A replica, over all its lives.
#[derive(Debug)]
pub(super) struct Replica {
    id: ReplicaId,
    tuning: Tuning,
    has_started: bool,
    /// What it has saved last that is durable.
    durable: Storage,
    /// What it has saved since, the oldest first.
    pending: VecDeque<Save>,
    /// So many of these are durable.
    synced: usize,
    /// What it held after its last step, if it is up.
    held: Option<Held>,
    /// Everything below was applied in one of its lives.
    applied_upto: Slot,
    /// The compacted bound that counts: it is durable, and all that was sent before is out.
    bound: Slot,
}

/// A save that is not durable yet.
#[derive(Debug)]
struct Save {
    storage: Storage,
    /// A vote that was cast and compacted away in the handler that saved this.
    passing: Option<(Slot, Vote)>,
}

/// What judging a step needs of the state before it.
#[derive(Debug)]
struct Held {
    extent: Extent,
    promised: Ballot,
    applied_upto: Slot,
    votes: OrdMap<Slot, Vote>,
    decided: OrdMap<Slot, Value>,
    compacted_upto: Slot,
    /// Its ballot and base, if it leads.
    leads: Option<(Ballot, Slot)>,
}

impl Held {
    fn of(state: &State) -> Held {
        Held {
            extent: Extent::of(state),
            promised: state.durable.promised,
            applied_upto: state.learner.applied_upto,
            votes: state.durable.votes.clone(),
            decided: state.learner.decided.clone(),
            compacted_upto: state.durable.snapshot.upto,
            leads: leads(state),
        }
    }
}

fn leads(state: &State) -> Option<(Ballot, Slot)> {
    state.leading().map(|leading| (leading.ballot, leading.base))
}

impl Replica {
    pub(super) fn new(id: ReplicaId) -> Replica {
        Replica {
            id,
            tuning: Tuning::default(),
            has_started: false,
            durable: Storage::default(),
            pending: VecDeque::new(),
            synced: 0,
            held: None,
            applied_upto: Slot(0),
            bound: Slot(0),
        }
    }

    fn party(&self) -> Party {
        Party::Replica(self.id)
    }

    fn promised(&self, history: &History) -> Ballot {
        history.promised[usize::from(self.id.0)]
    }

    /// Below this bound it votes no more, in no life, and nothing that is to leave tells of a vote there.
    pub(super) fn bound(&self) -> Slot {
        self.bound
    }

    /// What one replica has proposed another one proposes again, whatever its own parameters are by then.
    pub(super) fn allow_batches(&mut self, (commands, bytes): (usize, usize)) {
        (self.tuning.batch_commands_max, self.tuning.batch_bytes_max) = (commands, bytes);
    }

    // --- Its lives.

    /// It starts, with what its storage held.
    pub(super) fn start(
        &mut self,
        tuning: &Tuning,
        stored: Option<&Storage>,
        state: &State,
        history: &mut History,
    ) {
        self.tuning = tuning.clone();
        let stored = stored.cloned().unwrap_or_default();
        if self.has_started {
            self.find_saved(&stored, history);
        }
        self.has_started = true;
        self.pending.clear();
        self.synced = 0;
        self.save(Save { storage: stored, passing: None }, history);
        self.bound = self.durable.snapshot.upto;
        let party = self.party();
        let (promised, known) = (state.durable.promised, self.promised(history));
        history.report.judge(Safety::PromisedMonotone, party, promised >= known, || {
            format!("starts with the promise {promised}, and has promised {known}")
        });
        let (applied, floor) = (state.learner.applied_upto, self.durable.snapshot.upto);
        history.report.judge(Safety::AppliedMonotone, party, applied >= floor, || {
            format!("starts at slot {applied}, and its snapshot is of {floor}")
        });
        history.real_time.show(applied);
        let Snapshot { sessions, memberships, .. } = &self.durable.snapshot;
        self.judge_table(floor, (sessions, memberships), history);
        self.judge_learned(state, history);
        for (slot, value) in &state.learner.decided {
            history.decide(self.id, *slot, value, None);
        }
        self.held = Some(Held::of(state));
    }

    /// It has crashed. Some of its pending saves may be durable: the next start tells.
    pub(super) fn crash(&mut self) {
        self.held = None;
    }

    /// Makes those saves count that were durable when it crashed.
    fn find_saved(&mut self, stored: &Storage, history: &mut History) {
        if self.synced == 0 && *stored == self.durable {
            return;
        }
        let found = self.pending.iter().position(|save| save.storage == *stored);
        if let Some(last) = found.filter(|last| last + 1 >= self.synced) {
            for save in self.pending.drain(..=last).collect::<Vec<_>>() {
                self.save(save, history);
            }
            return;
        }
        self.judge_found(stored, history);
        // What is there of them was promised and voted in this order.
        for save in std::mem::take(&mut self.pending) {
            history.promise(self.id, save.storage.promised.min(stored.promised));
            for item in self.durable.votes.diff(&save.storage.votes) {
                if let DiffItem::Add(slot, vote) | DiffItem::Update { new: (slot, vote), .. } = item
                    && stored.votes.get(slot) == Some(vote)
                {
                    history.cast(self.id, vote.ballot, *slot, &vote.value);
                }
            }
        }
    }

    /// Judges a storage that is none of those that were saved: a part of a save may be durable, and not yet the snapshot
    /// that goes with it. Every vote that was durable has to be there, or superseded, and no promise or vote that was
    /// never saved. Its sessions are judged as any others.
    fn judge_found(&self, stored: &Storage, history: &mut History) {
        let party = self.party();
        let synced = self.synced.checked_sub(1).and_then(|last| self.pending.get(last));
        let durable = synced.map_or(&self.durable, |save| &save.storage);
        let lost = durable.votes.iter().find(|(slot, vote)| {
            let held = stored.votes.get(*slot);
            **slot >= stored.snapshot.upto && !locals::is_vote_kept(held, vote.ballot, &vote.value)
        });
        history.report.judge(Safety::VotesKept, party, lost.is_none(), || {
            format!("starts without a vote that was durable: {lost:?}")
        });
        let saved = || self.pending.iter().map(|save| &save.storage).chain([&self.durable]);
        let is_promise = stored.promised >= durable.promised
            && saved().any(|saved| saved.promised == stored.promised);
        let is_bound = stored.snapshot.upto <= durable.snapshot.upto
            || saved().any(|saved| saved.snapshot.upto == stored.snapshot.upto);
        let are_votes = stored.votes.iter().all(|(slot, vote)| {
            saved().any(|saved| saved.votes.get(slot) == Some(vote))
                || history.has_voted(self.id, vote.ballot, *slot)
        });
        history.report.judge(
            Safety::SavedFirst,
            party,
            is_promise && is_bound && are_votes,
            || "starts with what it has not saved, or without what was durable".into(),
        );
    }

    /// Every save so far is durable.
    pub(super) fn sync(&mut self) {
        self.synced = self.pending.len();
    }

    /// The oldest of its saves that are not durable yet is so.
    pub(super) fn sync_oldest(&mut self) {
        self.synced = self.pending.len().min(self.synced + 1);
    }

    /// It goes on, so what is durable counts.
    pub(super) fn go_on(&mut self, history: &mut History) {
        for _ in 0..std::mem::take(&mut self.synced) {
            if let Some(save) = self.pending.pop_front() {
                self.save(save, history);
            }
        }
    }

    /// A save is durable: what it promises is promised, and its votes are cast.
    fn save(&mut self, Save { storage, passing }: Save, history: &mut History) {
        let party = self.party();
        history.promise(self.id, storage.promised);
        if let Some((slot, vote)) = passing {
            history.cast(self.id, vote.ballot, slot, &vote.value);
        }
        let bound = storage.snapshot.upto;
        for item in self.durable.votes.diff(&storage.votes) {
            let (old, new) = match item {
                DiffItem::Add(slot, vote) => (None, Some((slot, vote))),
                DiffItem::Update { old, new } => (Some(old), Some(new)),
                DiffItem::Remove(slot, vote) => (Some((slot, vote)), None),
            };
            if let Some((slot, vote)) = old {
                let held = new.map(|(_, vote)| vote);
                let is_kept = *slot < bound || locals::is_vote_kept(held, vote.ballot, &vote.value);
                history.report.judge(Safety::VotesKept, party, is_kept, || {
                    format!("has lost its vote {vote} at slot {slot}")
                });
            }
            if let Some((slot, vote)) = new {
                history.cast(self.id, vote.ballot, *slot, &vote.value);
            }
        }
        let is_right = locals::are_votes_above_bound(&storage);
        history.report.judge(Safety::Compaction, party, is_right, || {
            format!("has saved votes below its bound {bound}")
        });
        self.durable = storage;
    }

    /// Judges the sessions and members that it knows now.
    fn judge_learned(&self, state: &State, history: &mut History) {
        let Learner { applied_upto, sessions, memberships, .. } = &state.learner;
        self.judge_table(*applied_upto, (sessions, memberships), history);
    }

    /// Judges a table of sessions, and who the members are.
    fn judge_table(
        &self,
        upto: Slot,
        (sessions, memberships): (&Sessions, &Memberships),
        history: &mut History,
    ) {
        let Some(table) = history.table(upto) else { return };
        let is_table = table == digest_of(sessions);
        history.report.judge(Safety::EqualReplicas, self.party(), is_table, || {
            format!("its sessions are not those of the log up to slot {upto}")
        });
        let are_members = history.electorate.is_known(memberships, upto);
        history.report.judge(Safety::EqualReplicas, self.party(), are_members, || {
            format!("its members are not those of the log up to slot {upto}")
        });
    }

    /// Judges values that are told to be decided.
    fn judge_entries(&self, entries: &Entries, history: &mut History) {
        for (slot, value) in (entries.from.0..).map(Slot).zip(&entries.values) {
            let is_chosen = history.is_chosen(slot, value) == Answer::Yes;
            history.report.judge(Safety::DecidedIsChosen, self.party(), is_chosen, || {
                format!("tells that {value} is decided at slot {slot}")
            });
        }
    }
}
