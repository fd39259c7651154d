//! Client requests at a replica: what is admitted, queued and answered.
//!
//! **Invariants**
//! - *Acknowledged means chosen*: an acknowledgement names a slot, and is sent only after the
//!   command was applied there, by a replica that applied it. What is chosen stays chosen, so an
//!   acknowledgement waits for no save of this replica.
//! - *In the client's order*: a leader puts a command into the log only when every earlier command
//!   of its session is applied or was put there before it in this leadership.
//! - *Bounded*: what waits for an earlier command has a limit, and so has the queue, of which each user has
//!   a share. Whoever has used up its share is told that the leader is busy, and how much is queued; what
//!   cannot be held is dropped, the last of a session first, and asked again.
//!
//! **Absent**: the guarantee of exactly-once, which is the session table's alone. What this file
//! remembers is lost with the leadership, and a client that asks again loses nothing by it.
//!
//! **Source**: Ongaro's thesis (2014), sections 6.2 and 6.3.

use crate::askers::Askers;
use crate::learner;
use crate::message::{
    Acknowledged, Busy, Entries, Message, Outcome, Redirect, Relay, SessionExpired, SessionOpened,
    ToClient, ToPeer,
};
use crate::proposer;
use crate::quorum::ReplicaSet;
use crate::session::{ACKNOWLEDGEMENTS_MAX, Session, Sessions};
use crate::state::{Intake, Phase, State};
use crate::step::Step;
use crate::tuning::Tuning;
use crate::types::{Command, NodeId, Operation, ReplicaId, Seq, SessionId, Slot, Value};
use std::collections::BTreeSet;

/// A client asks for a command to be put into the log.
pub fn on_request(step: &mut Step<'_, '_>, client: NodeId, command: Command) {
    match answer_from_table(step.state, &command) {
        Some(answer) => step.send(client, answer),
        None => take(step, client, ReplicaSet::default(), command),
    }
}

/// Another replica asks for a command to be put into the log, on behalf of a client that it answers
/// itself.
pub fn on_relay(step: &mut Step<'_, '_>, relayer: ReplicaId, Relay { passed, command }: Relay) {
    let slot = match answer_from_table(step.state, &command) {
        None => return take(step, relayer.into(), passed, command),
        Some(ToClient::Acknowledged(Acknowledged { slot, .. })) => slot,
        Some(ToClient::SessionOpened(SessionOpened { session, .. })) => session.slot,
        // That the session has expired it finds out when it has applied as much.
        Some(_) => return,
    };
    // It applies this, fetches what is below, and answers.
    learner::send_entries(step, relayer, slot);
}

/// Queues a new command, if this replica leads; otherwise says who does, and passes it on.
fn take(step: &mut Step<'_, '_>, asker: NodeId, passed: ReplicaSet, command: Command) {
    let Some(leading) = step.state.leading() else {
        return pass_on(step, asker, passed, command);
    };
    let queue = &leading.intake.queue;
    match admission(step.state, &leading.intake, &command) {
        Admission::Ignore => {}
        Admission::InProgress => note_asker(step, asker, &command),
        Admission::Hold => hold(step, asker, command),
        Admission::Enqueue if queue.is_full_for(&command.user, step.tuning) => {
            // Whoever asked another replica is told by its own patience.
            if passed.is_empty() {
                step.effects.send(asker, Busy { queued: queue.values(step.tuning) });
            }
        }
        Admission::Enqueue => {
            note_asker(step, asker, &command);
            if let State { phase: Phase::Leading(leading), learner, .. } = step.state.to_mut() {
                let session = command.session();
                leading.intake.admit(command);
                leading.intake.refill(session, &learner.sessions, step.tuning);
            }
            proposer::propose_queued(step);
        }
    }
}

/// A replica that does not lead names the leader to a client, and passes the command on to it, or to a
/// peer that hears one.
fn pass_on(step: &mut Step<'_, '_>, asker: NodeId, mut passed: ReplicaSet, command: Command) {
    if is_over(step.state, &command) {
        return;
    }
    if let (Some(leader), true) = (step.follows(), passed.is_empty())
        && step.state.pre_voting().is_none()
    {
        step.send(asker, Redirect { leader });
    }
    if !step.tuning.relay {
        return;
    }
    note_asker(step, asker, &command);
    if let Some(next) = step.towards_leader().filter(|next| !passed.contains(*next)) {
        passed.insert(step.me);
        step.send(next, Relay { passed, command });
    }
}

/// A leader has been found: tells the clients that have asked here.
pub fn name_leader(step: &mut Step<'_, '_>, leader: ReplicaId) {
    if !step.tuning.relay {
        return;
    }
    let Askers { sessions, openings } = &step.state.askers;
    let in_sessions = sessions.values().map(|waiting| waiting.asker);
    let askers: BTreeSet<NodeId> = in_sessions.chain(openings.values().copied()).collect();
    for client in askers.into_iter().filter(|asker| step.cluster.replica(*asker).is_none()) {
        step.effects.send(client, Redirect { leader });
    }
}

/// The answer to a command that was applied before, or never will be.
fn answer_from_table(state: &State, command: &Command) -> Option<ToClient> {
    let sessions = &state.learner.sessions;
    match &command.operation {
        Operation::OpenSession { nonce } => {
            let session = sessions.find(&command.user, *nonce)?;
            Some(ToClient::SessionOpened(SessionOpened { nonce: *nonce, session }))
        }
        Operation::InSession { session: id, seq, .. } => match sessions.get(*id) {
            Some(session) if session.user == command.user => {
                let slot = *session.slots.get(seq)?;
                Some(ToClient::Acknowledged(Acknowledged { session: *id, seq: *seq, slot }))
            }
            Some(_) => None,
            // Opened below the applied bound and not in the table: evicted, for good.
            None if id.slot < state.learner.applied_upto => {
                Some(ToClient::SessionExpired(SessionExpired { session: *id }))
            }
            None => None,
        },
    }
}

/// Was this applied, and is the client known to have its acknowledgement?
fn is_over(state: &State, command: &Command) -> bool {
    let Operation::InSession { session, seq, .. } = &command.operation else { return false };
    state.learner.sessions.get(*session).is_some_and(|session| *seq <= session.last_seq)
}

enum Admission {
    /// Not ours to serve now: the client asks again.
    Ignore,
    /// Held, queued or proposed already; the client may have moved.
    InProgress,
    /// An earlier one of its session is missing.
    Hold,
    /// New.
    Enqueue,
}

fn admission(state: &State, intake: &Intake, command: &Command) -> Admission {
    match &command.operation {
        Operation::OpenSession { nonce } => {
            match intake.openings.contains(&(command.user.clone(), *nonce)) {
                true => Admission::InProgress,
                false => Admission::Enqueue,
            }
        }
        Operation::InSession { session: id, seq, .. } => {
            let Some(session) = state.learner.sessions.get(*id) else { return Admission::Ignore };
            if session.user != command.user {
                return Admission::Ignore;
            }
            let last = intake.last(session, *id);
            // No client goes further.
            let limit = session.last_seq.0.saturating_add(ACKNOWLEDGEMENTS_MAX as u64);
            if *seq <= session.last_seq || seq.0 > limit {
                Admission::Ignore
            } else if *seq == last.next() {
                Admission::Enqueue
            } else if *seq < last.next() || intake.held.contains_key(&(*id, *seq)) {
                Admission::InProgress
            } else {
                Admission::Hold
            }
        }
    }
}

/// Remembers where the answer to a command goes.
fn note_asker(step: &mut Step<'_, '_>, asker: NodeId, command: &Command) {
    let is_client = |node: &NodeId| step.cluster.replica(*node).is_none();
    // A client that has asked here itself is answered from here, whoever passes its question on.
    let asker = step
        .state
        .askers
        .of(command)
        .filter(is_client)
        .filter(|_| !is_client(&asker))
        .unwrap_or(asker);
    if !step.state.askers.is_noted(asker, command) {
        let State { askers, learner, .. } = step.state.to_mut();
        askers.note(asker, command, &learner.sessions, step.tuning.sessions_max);
    }
}

/// Keeps a command until the earlier ones of its session have come, if there is room, or a later one can give
/// way.
fn hold(step: &mut Step<'_, '_>, asker: NodeId, command: Command) {
    let Operation::InSession { session, seq, .. } = command.operation else { return };
    let Some(leading) = step.state.leading() else { return };
    let Intake { held, held_bytes, .. } = &leading.intake;
    let has_room = held.len() < step.tuning.held_commands_max
        && held_bytes + command.size_bytes() <= step.tuning.queue_bytes_max;
    let last = held.range(..=(session, Seq(u64::MAX))).next_back();
    if !has_room && last.is_none_or(|(last, _)| *last < (session, seq)) {
        return;
    }
    note_asker(step, asker, &command);
    if let Some(leading) = step.state.to_mut().leading_mut() {
        leading.intake.hold((session, seq), command, step.tuning);
    }
}

impl Intake {
    /// Keeps a command. What comes first is needed first: where there is no room, the last ones of its session
    /// are dropped, and asked again.
    fn hold(&mut self, place: (SessionId, Seq), command: Command, tuning: &Tuning) {
        self.held_bytes += command.size_bytes();
        self.held.insert(place, command);
        while (self.held.len() > tuning.held_commands_max
            || self.held_bytes > tuning.queue_bytes_max)
            && let Some((&last, _)) = self.held.range(..=(place.0, Seq(u64::MAX))).next_back()
        {
            self.unhold(last);
        }
    }

    /// Holds this no longer, if it was held.
    fn unhold(&mut self, place: (SessionId, Seq)) {
        if let Some(command) = self.held.remove(&place) {
            self.held_bytes -= command.size_bytes();
        }
    }

    /// Queues what was held of a session and waits for nothing any more, as far as there is room. It is called
    /// whenever something of the session is queued, leaves the queue, or is applied.
    pub fn refill(&mut self, session: Option<SessionId>, sessions: &Sessions, tuning: &Tuning) {
        let Some(session) = session.filter(|session| self.holds(*session)) else { return };
        let Some(known) = sessions.get(session) else { return };
        while let Some((&place, next)) = self.held.range((session, Seq(0))..).next()
            && place.0 == session
        {
            let last = self.last(known, session);
            if place.1 <= last {
                self.unhold(place);
            } else if place.1 == last.next() && !self.queue.is_full_for(&next.user, tuning) {
                self.admit(next.clone());
            } else {
                return;
            }
        }
    }

    /// Is anything held of this session?
    fn holds(&self, session: SessionId) -> bool {
        let first = self.held.range((session, Seq(0))..).next();
        first.is_some_and(|((of, _), _)| *of == session)
    }

    /// The last number of a session that is applied, as far as is known, or was queued or proposed here.
    fn last(&self, known: &Session, id: SessionId) -> Seq {
        let proposed = self.proposed.get(&id).copied().unwrap_or(known.last_seq);
        proposed.max(known.last_seq)
    }

    /// Forgets what is held of sessions that are gone.
    fn forget_held_unless(&mut self, is_open: impl Fn(&SessionId) -> bool) {
        if !self.held.is_empty() {
            self.held.retain(|(session, _), _| is_open(session));
            self.held_bytes = self.held.values().map(Command::size_bytes).sum();
        }
    }

    /// Queues the next command of its session.
    fn admit(&mut self, command: Command) {
        match &command.operation {
            Operation::OpenSession { nonce } => {
                self.openings.insert((command.user.clone(), *nonce));
            }
            Operation::InSession { session, seq, .. } => {
                self.proposed.insert(*session, *seq);
                // It may have been held, while something was missing or there was no room.
                self.unhold((*session, *seq));
            }
        }
        self.queue.push(command);
    }
}

/// Answers those who wait here for the commands that were applied at this slot: a client is told what
/// became of its own, a replica is given the value, which tells it.
pub fn answer(step: &mut Step<'_, '_>, slot: Slot, value: &Value, outcomes: &[Outcome]) {
    let State { phase, askers, .. } = step.state.to_mut();
    let mut relayers = ReplicaSet::default();
    let mut tell = |asker: NodeId, message: Message| match step.cluster.replica(asker) {
        Some(replica) => drop(relayers.insert(replica)),
        None => step.effects.send_ahead(asker, message),
    };
    for (command, outcome) in value.commands().iter().zip(outcomes) {
        match (&command.operation, *outcome) {
            (
                Operation::OpenSession { nonce },
                Outcome::Opened(session) | Outcome::OpenedBefore(session),
            ) => {
                let (nonce, opening) = (*nonce, (command.user.clone(), *nonce));
                if let Phase::Leading(leading) = phase {
                    leading.intake.openings.remove(&opening);
                }
                if let Some(asker) = askers.openings.remove(&opening) {
                    tell(asker, SessionOpened { nonce, session }.into());
                }
            }
            (Operation::InSession { session, seq, .. }, Outcome::Applied) => {
                if let Some(asker) = askers.take(*session, *seq) {
                    let (session, seq) = (*session, *seq);
                    tell(asker, Acknowledged { session, seq, slot }.into());
                }
            }
            (Operation::InSession { session, .. }, Outcome::NoSession) => {
                if let Phase::Leading(leading) = phase {
                    leading.intake.proposed.remove(session);
                }
                if let Some(waiting) = askers.sessions.remove(session) {
                    tell(waiting.asker, SessionExpired { session: *session }.into());
                }
            }
            _ => {}
        }
    }
    for relayer in relayers.iter() {
        let (values, applied_upto) = (vec![value.clone()], slot.next());
        let entries = Entries { from: slot, values, applied_upto };
        step.effects.send_ahead(relayer, ToPeer::Decided(entries));
    }
    forget_closed(step, outcomes);
    if let State { phase: Phase::Leading(leading), learner, .. } = step.state.to_mut() {
        for command in value.commands() {
            leading.intake.refill(command.session(), &learner.sessions, step.tuning);
        }
    }
}

/// Forgets what is remembered of sessions that are gone, which these outcomes may have evicted.
fn forget_closed(step: &mut Step<'_, '_>, outcomes: &[Outcome]) {
    let State { phase, askers, learner, .. } = step.state.to_mut();
    let sessions = &learner.sessions;
    let is_open = |session: &SessionId| sessions.get(*session).is_some();
    if askers.sessions.len() > sessions.len() {
        askers.sessions.retain(|session, _| is_open(session));
    }
    if let Phase::Leading(leading) = phase {
        let intake = &mut leading.intake;
        if intake.proposed.len() > sessions.len() {
            intake.proposed.retain(|session, _| is_open(session));
        }
        if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Opened(_))) {
            // Nothing else evicts.
            intake.forget_held_unless(is_open);
        }
    }
}

#[cfg(test)]
mod tests;
