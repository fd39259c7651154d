//! Did what a scenario is named for happen? Asked of what replicas and clients left on disk.
//!
//! **Invariants**
//! - *Evidence, not intention*: an event counts because journals, logs and records show it, and not
//!   because it was injected.
//! - *Journals tell what a dead primary did*: a leader proposes before it saves its own vote, so a vote
//!   of its own ballot in its journal shows that it has proposed; that it has not shows in that
//!   neither it nor anybody who heard all that it sent has a vote.

use super::error::RunError;
use super::fault::Fault;
use super::scenario::Scenario;
use super::stage::{Kill, Stage};
use crate::judge::Verdict;
use paxos_chat::message::Outcome;
use paxos_chat::state;
use paxos_chat::types::{Operation, Slot, Value};
use paxos_chat_log::{Entry, Reader};
use std::collections::BTreeSet;

/// Of so many messages, one at least is sent again where messages are lost; a third of them is to be
/// expected, and next to none where nothing is lost.
const RETRIED_MIN: u64 = 10;

/// What happened, or what is missing.
type Finding = Result<Vec<String>, String>;

impl Stage<'_> {
    /// What happened in a scenario, or what should have happened and did not.
    pub(super) fn what_happened(
        &self,
        scenario: &Scenario,
        verdict: &Verdict,
    ) -> Result<Finding, RunError> {
        let survivor = verdict.replicas.iter().find(|replica| !replica.killed);
        let Some(survivor) = survivor else { return Ok(Err("no replica has survived".into())) };
        let Ok(log) = self.read_log(survivor.id) else {
            return Ok(Err("the log of a survivor is damaged".into()));
        };
        let mut dead = Vec::new();
        for kill in &self.kills {
            let saved = self.saved(kill.ballot.replica)?;
            let Ok(own) = self.read_log(kill.id()) else {
                return Ok(Err(format!("the log of replica {} is damaged", kill.id())));
            };
            dead.push(Casualty { kill: kill.clone(), saved, applied_upto: Slot(own.len() as u64) });
        }
        let said = verdict.clients.iter().map(|client| client.sent).sum();
        let retries = verdict.clients.iter().map(|client| client.retries).sum();
        Ok(judge(scenario, &Remains { log: &log, dead: &dead, said, retries }))
    }

    /// The slots in the log of a replica. Scenarios are short.
    fn read_log(&self, id: u8) -> Result<Vec<Entry>, paxos_chat_log::ReadError> {
        let mut reader = Reader::open(&self.options.folder.join(format!("replica-{id}.log")))?;
        let mut entries = Vec::new();
        while let Some(entry) = reader.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// A primary that was killed, and what it remains.
struct Casualty {
    kill: Kill,
    saved: state::Storage,
    applied_upto: Slot,
}

/// What a run remains.
struct Remains<'a> {
    /// The log of the survivors.
    log: &'a [Entry],
    dead: &'a [Casualty],
    /// Messages that clients have submitted.
    said: u64,
    /// How often messages were sent again.
    retries: u64,
}

fn judge(scenario: &Scenario, remains: &Remains<'_>) -> Finding {
    let mut events = match scenario.fault {
        Fault::None => Vec::new(),
        Fault::BeforeProposing(count) => remains.before_proposing(count)?,
        Fault::AfterProposing => remains.after_proposing()?,
        Fault::OneAfterAnother(count) => remains.one_after_another(count)?,
        Fault::KillLoop(_) => return Err("no scenario has a loop of kills".into()),
    };
    for slot in scenario.skip_slots {
        events.push(remains.skipped(Slot(*slot))?);
    }
    if scenario.loss > 0.0 {
        if remains.retries * RETRIED_MIN < remains.said {
            let Remains { retries, said, .. } = remains;
            return Err(format!("only {retries} of {said} messages were sent again: too few"));
        }
        events.push(format!("messages were lost: {} times one was sent again", remains.retries));
    }
    events.push(remains.all_said()?);
    // Whoever waits for what was lost says the rest at once.
    if scenario.pace.is_some() && scenario.loss == 0.0 {
        events.push(remains.interleaved()?);
    }
    Ok(events)
}

impl Remains<'_> {
    fn killed(&self, count: u8) -> Result<(), String> {
        if self.dead.len() == usize::from(count) {
            return Ok(());
        }
        Err(format!("{} primaries were killed where {count} should have been", self.dead.len()))
    }

    fn before_proposing(&self, count: u8) -> Finding {
        self.killed(count)?;
        self.dead
            .iter()
            .map(|Casualty { kill, saved, applied_upto }| {
                let (id, ballot) = (kill.id(), kill.ballot);
                if saved.promised != ballot {
                    let promised = saved.promised;
                    return Err(format!("replica {id} led in {ballot} and promised {promised}"));
                }
                let has_voted = !saved.votes.is_empty() || saved.snapshot.upto > Slot(0);
                if has_voted || *applied_upto > Slot(0) {
                    return Err(format!("replica {id} had voted or applied something before"));
                }
                match &kill.voters {
                    None => {
                        Err(format!("the run did not look for votes after replica {id} was killed"))
                    }
                    Some(voters) if !voters.is_empty() => {
                        let voters: Vec<String> = voters.iter().map(u8::to_string).collect();
                        let voters = voters.join(", ");
                        Err(format!("replica {voters} had voted when replica {id} was killed"))
                    }
                    Some(_) => Ok(format!(
                        "replica {id} led in {ballot} and died when nobody had a vote: it proposed \
                         nothing"
                    )),
                }
            })
            .collect()
    }

    fn after_proposing(&self) -> Finding {
        self.killed(1)?;
        let Casualty { kill, saved, applied_upto } = &self.dead[0];
        let (id, ballot) = (kill.id(), kill.ballot);
        let mut open = saved.votes.range(*applied_upto..);
        let Some((slot, vote)) = open.find(|(_, vote)| vote.ballot == ballot) else {
            return Err(format!("replica {id} left no undecided proposal"));
        };
        let chosen = self.log.get(slot.0 as usize).map(|entry| &entry.value);
        if chosen != Some(&vote.value) {
            return Err(format!("what replica {id} proposed at slot {slot} was not chosen there"));
        }
        Ok(vec![format!(
            "replica {id} proposed slot {slot} in {ballot} and died before it was decided; its \
             successor had it chosen"
        )])
    }

    fn one_after_another(&self, count: u8) -> Finding {
        self.killed(count)?;
        let ids: BTreeSet<u8> = self.dead.iter().map(|dead| dead.kill.id()).collect();
        let ballots = self.dead.windows(2);
        if ids.len() != self.dead.len()
            || !ballots.map(|pair| (&pair[0], &pair[1])).all(|(first, next)| {
                first.kill.ballot < next.kill.ballot && first.applied_upto < next.applied_upto
            })
        {
            return Err("no later primary went on where the one before it was killed".into());
        }
        let last = self.dead.last().map_or(Slot(0), |dead| dead.applied_upto);
        if self.log.len() as u64 <= last.0 {
            return Err("nothing was decided after the last primary was killed".into());
        }
        let event = |dead: &Casualty| {
            let Casualty { kill, applied_upto, .. } = dead;
            let (id, ballot) = (kill.id(), kill.ballot);
            format!("replica {id} led in {ballot} and died having applied {applied_upto} slots")
        };
        Ok(self.dead.iter().map(event).collect())
    }

    fn skipped(&self, slot: Slot) -> Result<String, String> {
        let value = self.log.get(slot.0 as usize).map(|entry| &entry.value);
        if value != Some(&Value::Noop) {
            return Err(format!("slot {slot} should have been jumped over, and holds no Noop"));
        }
        if !self.log[slot.0 as usize..].iter().any(|entry| !entry.value.commands().is_empty()) {
            return Err(format!("nothing was decided above slot {slot}"));
        }
        Ok(format!("slot {slot} was jumped over and holds a Noop; the log goes on above it"))
    }

    /// The users of what was said, in the order of the log.
    fn speakers(&self) -> Vec<&str> {
        let commands = |entry: &'_ Entry| entry.value.commands().len();
        let mut speakers = Vec::with_capacity(self.log.iter().map(commands).sum());
        for entry in self.log {
            for (command, outcome) in entry.value.commands().iter().zip(&entry.outcomes) {
                if matches!(command.operation, Operation::InSession { .. })
                    && *outcome == Outcome::Applied
                {
                    speakers.push(&*command.user.0);
                }
            }
        }
        speakers
    }

    fn all_said(&self) -> Result<String, String> {
        let speakers = self.speakers();
        let users: BTreeSet<&str> = speakers.iter().copied().collect();
        if speakers.len() as u64 != self.said {
            let (found, said) = (speakers.len(), self.said);
            return Err(format!("the log holds {found} messages where {said} were said"));
        }
        Ok(format!("{} messages of {} clients took effect", speakers.len(), users.len()))
    }

    /// Did clients speak at the same time?
    fn interleaved(&self) -> Result<String, String> {
        let speakers = self.speakers();
        let users: BTreeSet<&str> = speakers.iter().copied().collect();
        let turns = 1 + speakers.windows(2).filter(|pair| pair[0] != pair[1]).count();
        if turns < 2 * users.len() {
            return Err(format!("{} clients spoke in only {turns} turns", users.len()));
        }
        Ok(format!("they spoke at the same time: the speaker changed {} times", turns - 1))
    }
}

#[cfg(test)]
mod tests;
