//! What has happened to the whole cluster so far: votes, promises, the log that was chosen, and what it comes to.
//!
//! **Invariants**
//! - *A slot is judged when it is touched*: by a vote, a proposal, or a replica that knows it to be decided. Nothing
//!   else can break what is judged of slots (see [`crate::properties::slot`]).
//! - *The log is executed once*, as soon as it is chosen without a gap, whoever applies it later. Every table of
//!   sessions, outcome and entry is compared with that.
//! - *Folded slots have no votes*: below the bound of every snapshot nobody votes any more, so of a slot there remain
//!   the digests of its value and of what that came to.

pub(super) mod log;

use super::digests::{Digests, Marks};
use super::report::{Party, Report};
use super::said::{Known, Said};
use super::slots::{Action, Record, Token, Unused};
use crate::chat::RealTime;
use crate::electorate::Electorate;
use crate::execution::Execution;
use crate::properties::Safety;
use crate::refinement::{INVARIANTS, PROJECTION, SENT, STEPS, steps};
use paxos_chat::message::Promise;
use paxos_chat::quorum::Cluster;
use paxos_chat::types::{Ballot, Command, Operation, ReplicaId, Slot, Value};
use std::collections::BTreeMap;
use std::io;

/// The system as a whole, as far as it has to be remembered.
#[derive(Debug)]
pub(super) struct History {
    pub(super) report: Report,
    pub(super) said: Said,
    pub(super) real_time: RealTime,
    /// The highest ballot that each replica has ever promised: saved, or revealed.
    pub(super) promised: Vec<Ballot>,
    /// The replicas that will never come back.
    pub(super) gone: Vec<bool>,
    /// Whose votes count at which slot.
    pub(super) electorate: Electorate,
    slots: BTreeMap<Slot, Record>,
    unused: Unused,
    /// A step was no step of the specification, so nothing more is said of that.
    is_refuted: bool,
    pub(super) execution: Execution,
    /// Everything below is executed.
    executed_upto: Slot,
    /// Everything below is folded.
    folded_upto: Slot,
    /// The digest of the session table at the bound of what is folded.
    folded_table: u64,
    digests: Digests,
    /// The sessions that were evicted below the bound of what is folded.
    evicted: Marks,
}

impl History {
    pub(super) fn new(cluster: Cluster, sessions_max: usize) -> io::Result<History> {
        let replicas = usize::from(cluster.len());
        Ok(History {
            report: Report::default(),
            said: Said::default(),
            real_time: RealTime::default(),
            promised: vec![Ballot::ZERO; replicas],
            gone: vec![false; replicas],
            electorate: Electorate::new(cluster),
            slots: BTreeMap::new(),
            unused: Unused::new(replicas),
            is_refuted: false,
            execution: Execution::new(sessions_max),
            executed_upto: Slot(0),
            folded_upto: Slot(0),
            folded_table: 0,
            digests: Digests::new()?,
            evicted: Marks::new()?,
        })
    }

    /// What the log begins with, before anything is recorded.
    pub(super) fn resume(&mut self, value: &Value) {
        let slot = self.executed_upto;
        let outcomes = self.execute(slot, value, None);
        self.executed_upto = slot.next();
        self.fold_one(slot, value, &outcomes, self.execution.digest());
    }

    // --- Promises, proposals and votes.

    /// A ballot begins: its owner asks for promises.
    pub(super) fn begin(&mut self, ballot: Ballot) {
        if ballot >= self.floor() && !self.unused.has_begun(ballot) {
            self.everywhere(Party::Replica(ballot.replica), &Action::Phase1a(ballot));
        }
    }

    /// A replica has promised this, saved or revealed.
    pub(super) fn promise(&mut self, who: ReplicaId, ballot: Ballot) {
        if ballot <= self.promised[usize::from(who.0)] {
            return;
        }
        if ballot.replica == who {
            // Its own promise is the beginning of its ballot, whether it gets to ask for others or not.
            self.begin(ballot);
        }
        let floor = self.floor();
        self.promised[usize::from(who.0)] = ballot;
        self.everywhere(Party::Replica(who), &Action::Phase1b(usize::from(who.0), ballot));
        if self.floor() > floor {
            self.unused.prune(self.floor());
        }
        if !self.is_refuted && !self.unused.keeps_invariants() {
            self.refute(INVARIANTS, Party::Replica(who), || format!("promises {ballot}"));
        }
    }

    /// Every acceptor that is still to come has promised this.
    fn floor(&self) -> Ballot {
        let promised = self.promised.iter().zip(&self.gone).filter(|(_, gone)| !**gone);
        promised.map(|(promised, _)| *promised).min().unwrap_or_default()
    }

    /// A replica asks for votes for this. To ask again is no step.
    pub(super) fn propose(&mut self, who: ReplicaId, ballot: Ballot, slot: Slot, value: &Value) {
        // No acceptor votes for it there: see `cast`.
        if slot >= self.folded_upto {
            let party = Party::Replica(who);
            let (mut record, token) = self.touch(party, slot, value);
            self.propose_at(party, slot, &mut record, ballot, token);
            self.slots.insert(slot, record);
        }
    }

    fn propose_at(
        &mut self,
        party: Party,
        slot: Slot,
        record: &mut Record,
        ballot: Ballot,
        token: Token,
    ) {
        if !record.is_proposed(ballot, token) {
            self.at(party, slot, record, &Action::Phase2a(ballot, token));
        }
    }

    /// A replica has voted for this: that is saved, or revealed.
    pub(super) fn cast(&mut self, who: ReplicaId, ballot: Ballot, slot: Slot, value: &Value) {
        let party = Party::Replica(who);
        let is_above = slot >= self.folded_upto;
        self.report.judge(Safety::Compaction, party, is_above, || {
            format!("votes in {ballot} at slot {slot}, which is below every snapshot")
        });
        if !is_above {
            return;
        }
        self.promise(who, ballot);
        let (mut record, token) = self.touch(party, slot, value);
        if ballot.replica == who {
            // Its own vote is a proposal, whether that gets to anybody else or not.
            self.propose_at(party, slot, &mut record, ballot, token);
        }
        let acceptor = usize::from(who.0);
        let replaced = record.votes.cast(acceptor, ballot, token);
        if replaced != Some(token) {
            self.at(party, slot, &mut record, &Action::Phase2b(acceptor, ballot, token));
            let is_first = replaced.is_none();
            self.report.judge(Safety::OneValue, party, is_first, || {
                format!("votes twice in {ballot} at slot {slot}")
            });
            self.judge_votes(party, slot, &mut record);
        }
        self.slots.insert(slot, record);
        self.execute_chosen(party);
    }

    /// Has this replica voted in this ballot, as far as that is still known?
    pub(super) fn has_voted(&self, who: ReplicaId, ballot: Ballot, slot: Slot) -> bool {
        let vote = |record: &Record| record.votes.get(usize::from(who.0), ballot);
        slot < self.folded_upto || self.slots.get(&slot).and_then(vote).is_some()
    }

    /// Takes a slot out, to be changed; and what stands for a value there.
    fn touch(&mut self, party: Party, slot: Slot, value: &Value) -> (Record, Token) {
        let mut record = self.slots.remove(&slot).unwrap_or_else(|| self.record(slot));
        self.unused.renew(&mut record, self.floor());
        let (token, is_new) = record.token(value);
        if is_new {
            self.judge_said(party, slot, value);
        }
        (record, token)
    }

    /// A slot that is used for the first time.
    fn record(&self, slot: Slot) -> Record {
        self.unused.record(self.electorate.members(slot))
    }

    fn judge_votes(&mut self, party: Party, slot: Slot, record: &mut Record) {
        let votes = &record.votes;
        self.report.judge(Safety::OneValue, party, votes.has_one_value(), || {
            format!("two values get votes in one ballot at slot {slot}")
        });
        let members = self.electorate.members(slot);
        let is_inductive = votes.is_inductive(&self.promised, members);
        self.report.judge(Safety::Inductive, party, is_inductive, || {
            format!("a vote at slot {slot} is not safe at its ballot")
        });
        let chosen = votes.chosen(members);
        self.report.judge(Safety::Agreement, party, chosen.len() <= 1, || {
            let values: Vec<&Value> = chosen.iter().map(|token| record.value(*token)).collect();
            format!("chosen at slot {slot}: {values:?}")
        });
        record.chosen = record.chosen.or(chosen.first().copied());
    }

    /// Is every command of a value one that its user has said?
    fn judge_said(&mut self, party: Party, slot: Slot, value: &Value) {
        for command in value.commands() {
            // What was acknowledged long ago, or said in a session that is gone, may come again: it comes to
            // nothing, or is judged then.
            let holds = match self.said.known(command) {
                Known::Said(_) | Known::Old => true,
                Known::Never => self.is_of_the_past(command),
            };
            self.report.judge(Safety::Validity, party, holds, || {
                format!("nobody has said {command} of slot {slot}")
            });
        }
    }

    /// Is this of a session that was evicted long ago, and forgotten?
    fn is_of_the_past(&mut self, command: &Command) -> bool {
        match command.operation {
            Operation::InSession { session, .. } if !self.said.knows(session) => {
                self.was_evicted(session, Slot(u64::MAX))
            }
            _ => false,
        }
    }

    // --- The refinement.

    fn everywhere(&mut self, party: Party, action: &Action) {
        if !self.is_refuted && !self.unused.take(action) {
            self.refute(STEPS, party, || format!("{action:?} is not enabled"));
        }
    }

    fn at(&mut self, party: Party, slot: Slot, record: &mut Record, action: &Action) {
        if self.is_refuted {
            return;
        }
        if !record.take(action) {
            self.refute(STEPS, party, || format!("{action:?} is not enabled at slot {slot}"));
        } else if !record.keeps_invariants() {
            self.refute(INVARIANTS, party, || format!("after {action:?} at slot {slot}"));
        } else if !record.is_projection(&self.promised) {
            // A proposal is no vote, and a vote is counted before it is taken.
            self.refute(PROJECTION, party, || format!("after {action:?} at slot {slot}"));
        }
    }

    /// Notes that the run is none of the specification, once.
    pub(super) fn refute(
        &mut self,
        property: usize,
        party: Party,
        detail: impl FnOnce() -> String,
    ) {
        if !self.is_refuted {
            self.is_refuted = true;
            self.report.refute(property, party, detail);
        }
    }

    /// Does a chunk of a promise tell what was promised, and the votes below it?
    pub(super) fn judge_promise(&mut self, who: ReplicaId, chunk: &Promise) {
        let acceptor = usize::from(who.0);
        let told = steps::told(chunk);
        let covered = steps::covered(chunk);
        let from = covered.start.max(self.folded_upto);
        let voted = (from < covered.end).then(|| self.slots.range(from..covered.end));
        let mut votes = voted.into_iter().flatten().map(|(slot, record)| {
            let value = |(ballot, token): (Ballot, Token)| (ballot, record.value(token));
            let below =
                record.votes.of(acceptor).take_while(|(ballot, _)| *ballot < chunk.ballot).last();
            let own = record.votes.get(acceptor, chunk.ballot).map(|token| (chunk.ballot, token));
            (slot, below.map(value), own.map(value))
        });
        let is_true = self.promised[acceptor] >= chunk.ballot
            && votes
                .all(|(slot, highest, own)| steps::tells(told.get(slot).copied(), highest, own))
            && told.keys().all(|slot| *slot < from || self.slots.contains_key(slot));
        if !is_true {
            self.refute(SENT, Party::Replica(who), || format!("sends {chunk:?}"));
        }
    }

    /// Everything below is chosen, and executed.
    pub(super) fn executed_upto(&self) -> Slot {
        self.executed_upto
    }

    /// How much is kept in memory: slots, 1a and 1b messages, numbers that were said.
    pub(super) fn len(&self) -> [usize; 3] {
        [self.slots.len(), self.unused.len(), self.said.len()]
    }
}
