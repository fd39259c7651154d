//! Client requests at a replica: what is admitted, queued and answered.
//!
//! **Invariants**
//! - *Acknowledged means chosen*: an acknowledgement names a slot, and is sent only after the
//!   command was applied there, by a replica that applied it. What is chosen stays chosen, so an
//!   acknowledgement waits for no save of this replica.
//! - *In the client's order*: a leader puts a command into the log only when every earlier command
//!   of its session is applied or was put there before it in this leadership.
//! - *Bounded*: the queue has a limit, of which each user has a share; above it clients are told that
//!   the leader is busy, and how much is queued.
//!
//! **Absent**: the guarantee of exactly-once, which is the session table's alone. What this file
//! remembers is lost with the leadership, and a client that asks again loses nothing by it.
//!
//! **Source**: Ongaro's thesis (2014), sections 6.2 and 6.3.

use crate::effects::Effects;
use crate::message::{Message, Outcome};
use crate::proposer::{self, Phase};
use crate::queue::Queue;
use crate::replica::{Context, State};
use crate::types::{Command, NodeId, Nonce, Operation, Seq, SessionId, Slot, User, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What clients want of this leader.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Intake {
    /// Commands that wait for a slot.
    pub queue: Queue,
    /// Per session, the last number put into the log and where its answers go.
    pub flows: BTreeMap<SessionId, Flow>,
    /// Openings put into the log and not applied yet, and where their answers go.
    pub openings: BTreeMap<(User, Nonce), NodeId>,
}

/// A session's requests at this leader.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// The last number queued or proposed in this leadership.
    pub proposed: Seq,
    /// Who asked last.
    pub client: NodeId,
}

/// A client asks for a command to be put into the log.
pub fn on_request(
    at: &Context<'_>,
    state: &mut Cow<'_, State>,
    client: NodeId,
    command: Command,
    effects: &mut Effects,
) {
    if let Some(answer) = answer_from_table(state, &command) {
        effects.send(client, answer);
        return;
    }
    let Phase::Leading(leading) = &state.phase else {
        let leader = state.durable.promised;
        if leader.round > 0 && leader.replica != at.me {
            effects.send(client, Message::Redirect { leader: leader.replica });
        }
        return;
    };
    let queue = &leading.intake.queue;
    let full = queue.is_full_for(&command.user, at.tuning);
    match admission(state, &leading.intake, &command, client) {
        Admission::Ignore => {}
        Admission::InProgress => note_client(state, client, &command),
        Admission::Enqueue if full => {
            effects.send(client, Message::Busy { queued: queue.values(at.tuning) });
        }
        Admission::Enqueue => {
            let state = state.to_mut();
            if let Phase::Leading(leading) = &mut state.phase {
                leading.intake.enqueue(client, command);
            }
            proposer::propose_queued(at, state, effects);
        }
    }
}

/// The answer to a command that was applied before, or never will be.
fn answer_from_table(state: &State, command: &Command) -> Option<Message> {
    let sessions = &state.learner.sessions;
    match &command.operation {
        Operation::OpenSession { nonce } => {
            let session = sessions.find(&command.user, *nonce)?;
            Some(Message::SessionOpened { nonce: *nonce, session })
        }
        Operation::InSession { session: id, seq, .. } => match sessions.get(*id) {
            Some(session) if session.user == command.user => {
                let slot = *session.slots.get(seq)?;
                Some(Message::Acknowledged { session: *id, seq: *seq, slot })
            }
            Some(_) => None,
            // Opened below the applied bound and not in the table: evicted, for good.
            None if id.slot < state.learner.applied_upto => {
                Some(Message::SessionExpired { session: *id })
            }
            None => None,
        },
    }
}

enum Admission {
    /// Not ours to serve now: the client asks again.
    Ignore,
    /// Queued or proposed already; the client may have moved.
    InProgress,
    /// New.
    Enqueue,
}

fn admission(state: &State, intake: &Intake, command: &Command, client: NodeId) -> Admission {
    match &command.operation {
        Operation::OpenSession { nonce } => {
            match intake.openings.get(&(command.user.clone(), *nonce)) {
                Some(known) if *known == client => Admission::Ignore,
                Some(_) => Admission::InProgress,
                None => Admission::Enqueue,
            }
        }
        Operation::InSession { session: id, seq, .. } => {
            let Some(session) = state.learner.sessions.get(*id) else { return Admission::Ignore };
            if session.user != command.user {
                return Admission::Ignore;
            }
            let flow = intake.flows.get(id);
            let proposed =
                flow.map_or(session.last_seq, |flow| flow.proposed.max(session.last_seq));
            if *seq > proposed.next() || *seq <= session.last_seq {
                Admission::Ignore
            } else if *seq == proposed.next() {
                Admission::Enqueue
            } else if flow.is_some_and(|flow| flow.client == client) {
                Admission::Ignore
            } else {
                Admission::InProgress
            }
        }
    }
}

/// Remembers where the answer to a command in progress goes.
fn note_client(state: &mut Cow<'_, State>, client: NodeId, command: &Command) {
    let Phase::Leading(leading) = &mut state.to_mut().phase else { return };
    match &command.operation {
        Operation::OpenSession { nonce } => {
            leading.intake.openings.insert((command.user.clone(), *nonce), client);
        }
        Operation::InSession { session, .. } => {
            if let Some(flow) = leading.intake.flows.get_mut(session) {
                flow.client = client;
            }
        }
    }
}

impl Intake {
    fn enqueue(&mut self, client: NodeId, command: Command) {
        match &command.operation {
            Operation::OpenSession { nonce } => {
                self.openings.insert((command.user.clone(), *nonce), client);
            }
            Operation::InSession { session, seq, .. } => {
                self.flows.insert(*session, Flow { proposed: *seq, client });
            }
        }
        self.queue.push(command);
    }
}

/// Answers the clients whose commands were applied at this slot, if this replica leads them.
pub fn answer(
    state: &mut State,
    slot: Slot,
    value: &Value,
    outcomes: &[Outcome],
    effects: &mut Effects,
) {
    let State { phase: Phase::Leading(leading), learner, .. } = state else { return };
    let intake = &mut leading.intake;
    for (command, outcome) in value.commands().iter().zip(outcomes) {
        match (&command.operation, *outcome) {
            (
                Operation::OpenSession { nonce },
                Outcome::Opened(session) | Outcome::OpenedBefore(session),
            ) => {
                if let Some(client) = intake.openings.remove(&(command.user.clone(), *nonce)) {
                    let nonce = *nonce;
                    effects.send_ahead(client, Message::SessionOpened { nonce, session });
                }
            }
            (Operation::InSession { session, seq, .. }, Outcome::Applied) => {
                if let Some(flow) = intake.flows.get(session) {
                    let (session, seq) = (*session, *seq);
                    effects.send_ahead(flow.client, Message::Acknowledged { session, seq, slot });
                }
            }
            (Operation::InSession { session, .. }, Outcome::NoSession) => {
                if let Some(flow) = intake.flows.remove(session) {
                    let session = *session;
                    effects.send_ahead(flow.client, Message::SessionExpired { session });
                }
            }
            _ => {}
        }
    }
    if intake.flows.len() > learner.sessions.len() {
        intake.flows.retain(|session, _| learner.sessions.get(*session).is_some());
    }
}

#[cfg(test)]
mod tests;
