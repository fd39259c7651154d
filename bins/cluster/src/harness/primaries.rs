//! Primaries that are killed: before they propose, after they have, or one after another.
//!
//! **Invariants**
//! - *Order, not time*: each fault waits for what it needs to see, and never merely for a while.
//! - *Only a primary is killed*: it said that it leads right before.

use super::error::RunError;
use super::feed::{Feed, Share};
use super::stage::{Kill, Mishap, Stage};
use actor_runtime::disk::SystemDisk;
use paxos_chat::state;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Ballot, ReplicaId, Slot};
use paxos_chat_replica::journal::{self, Identity, Place, SEGMENT_BYTES};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a cluster may take to have a primary.
const PRIMARY_MAX: Duration = Duration::from_secs(20);
/// How often a primary that stepped down before it proposed is forgiven.
const ATTEMPTS: u64 = 3;

impl Stage<'_> {
    /// Kills so many primaries, one after another, while there is no client yet.
    pub(super) fn kill_before_proposing(&mut self, count: u8) -> Mishap {
        for _ in 0..count {
            let Some(primary) = self.wait_for_primary()? else { return no_primary() };
            self.kill_primary(primary)?;
            let voters = self.voters()?;
            if let Some(kill) = self.kills.last_mut() {
                kill.voters = Some(voters);
            }
        }
        Ok(None)
    }

    /// Which of the replicas that are left have voted for anything, or have a snapshot of what was
    /// decided, once they have heard all that the dead have sent. A vote is replaced by a later one or
    /// by a snapshot, and by nothing else, so who has neither never had one.
    fn voters(&mut self) -> Result<BTreeSet<u8>, RunError> {
        let mut voters = BTreeSet::new();
        for index in 0..self.cluster.replicas.len() {
            let id = self.cluster.replicas[index].id;
            if self.cluster.killed.contains(&id) {
                continue;
            }
            // What the dead have sent over this machine's loopback waits in this replica's socket; it
            // answers one question before the turn in which it takes that, and the other one after.
            self.cluster.replicas[index].status()?;
            self.cluster.replicas[index].status()?;
            let saved = self.saved_while_it_runs(ReplicaId(id))?;
            if !saved.votes.is_empty() || saved.snapshot.upto > Slot(0) {
                voters.insert(id);
            }
        }
        Ok(voters)
    }

    /// Kills the primary of the moment, again and again, spread over the messages.
    pub(super) fn kill_one_after_another(&mut self, count: u8, feed: &Feed) -> Mishap {
        // Each has a share that it serves, and one of which it serves what it can before it dies: so something is left
        // for whoever comes next, if there are as many messages as shares.
        let shares = 2 * u64::from(count) + 1;
        for served in (1..shares).step_by(2) {
            let share = Share::new(served, shares);
            feed.release(share);
            if let Some(fault) = self.wait_for_acknowledgements(share)? {
                return Ok(Some(fault));
            }
            let Some(primary) = self.wait_for_primary()? else { return no_primary() };
            feed.release(Share::new(served + 1, shares));
            self.kill_primary(primary)?;
        }
        Ok(None)
    }

    /// Holds everybody but the primary, lets clients speak, and kills it once it has proposed what
    /// nobody can have voted for but itself.
    pub(super) fn kill_after_proposing(&mut self, feed: &Feed) -> Mishap {
        let least = ATTEMPTS + 1;
        if self.clients.iter().all(|client| client.script.messages() < least) {
            return Err(RunError::Usage(format!(
                "--messages: this scenario releases messages in {least} shares; give at least {least}"
            )));
        }
        for attempt in 1..=ATTEMPTS {
            let share = Share::new(attempt, ATTEMPTS + 1);
            feed.release(share);
            if let Some(fault) = self.wait_for_acknowledgements(share)? {
                return Ok(Some(fault));
            }
            let Some(primary) = self.wait_for_primary()? else { return no_primary() };
            let others: Vec<usize> =
                (0..self.cluster.replicas.len()).filter(|other| *other != primary.0).collect();
            for other in &others {
                self.cluster.replicas[*other].hold()?;
            }
            feed.release(Share::new(attempt + 1, ATTEMPTS + 1));
            let has_proposed = self.wait_for_proposal(primary)?;
            if has_proposed {
                self.kill_primary(primary)?;
            }
            for other in others {
                self.cluster.replicas[other].let_go()?;
            }
            if has_proposed {
                return Ok(None);
            }
        }
        Ok(Some(format!("no primary proposed anything in {ATTEMPTS} attempts")))
    }

    /// Waits until this primary, which nobody can answer, has sent a proposal; false if it stepped
    /// down before.
    fn wait_for_proposal(&mut self, (index, ballot): (usize, Ballot)) -> Result<bool, RunError> {
        let deadline = Instant::now() + PRIMARY_MAX;
        while Instant::now() < deadline {
            self.pause()?;
            let status = self.cluster.replicas[index].status()?;
            let applied_upto = Slot(status.applied_upto);
            // Its journal may change while it is read; then the next look tells.
            let saved = self.saved(ballot.replica);
            if saved.is_ok_and(|saved| has_proposed(&saved, ballot, applied_upto)) {
                return Ok(true);
            }
            if !status.leads() {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// What a replica that runs has saved: its journal may change while it is read, and then it is read
    /// again.
    fn saved_while_it_runs(&mut self, replica: ReplicaId) -> Result<state::Storage, RunError> {
        let deadline = Instant::now() + PRIMARY_MAX;
        loop {
            match self.saved(replica) {
                Err(_) if Instant::now() < deadline => self.pause()?,
                saved => return saved,
            }
        }
    }

    /// What this replica has promised and voted, as it is on disk.
    pub(super) fn saved(&self, replica: ReplicaId) -> Result<state::Storage, RunError> {
        let place = Place {
            disk: Rc::new(SystemDisk),
            folder: self.options.folder.clone(),
            identity: Identity { cluster: self.cluster.config().cluster_id(), replica: replica.0 },
            sessions_max: Tuning::default().sessions_max,
            segment_bytes: SEGMENT_BYTES,
        };
        Ok(journal::inspect(&place)?)
    }

    /// The primary and its ballot, once there is one.
    pub(super) fn wait_for_primary(&mut self) -> Result<Option<(usize, Ballot)>, RunError> {
        let deadline = Instant::now() + PRIMARY_MAX;
        while Instant::now() < deadline {
            self.pause()?;
            if let Some((index, round)) = self.cluster.primary() {
                let replica = ReplicaId(self.cluster.replicas[index].id);
                return Ok(Some((index, Ballot { round, replica })));
            }
        }
        Ok(None)
    }

    fn kill_primary(&mut self, (index, ballot): (usize, Ballot)) -> Result<(), RunError> {
        let replica = &mut self.cluster.replicas[index];
        replica.kill()?;
        let id = replica.id;
        self.cluster.killed.insert(id);
        self.kills.push(Kill { ballot, voters: None });
        self.progress.note(&format!("killed the primary, replica {id}"));
        Ok(())
    }
}

/// Does this storage show that its replica has proposed something at or above a slot in its ballot?
/// A leader gives its proposals to the network before it saves its own votes for them.
pub(super) fn has_proposed(saved: &state::Storage, ballot: Ballot, from: Slot) -> bool {
    saved.votes.iter().any(|(slot, vote)| *slot >= from && vote.ballot == ballot)
}

fn no_primary() -> Mishap {
    Ok(Some(format!("no primary within {} s", PRIMARY_MAX.as_secs())))
}
