//! Bugs of the session table: sessions evicted where others keep them, saved at the wrong bound, or
//! declared gone before they were opened.

use super::{Cmd, Mutant, MutantReplica, save_again, write};
use paxos_chat::message::{Message, Outcome, Output, SessionExpired, ToClient, ToReplica};
use paxos_chat::session::{Session, Sessions};
use paxos_chat::state::Phase;
use paxos_chat::state::State;
use paxos_chat::types::{Operation, SessionId};
use stateright::actor::{Command, Id};
use std::collections::BTreeMap;

impl MutantReplica {
    /// What a handler makes of sessions.
    pub(super) fn change_sessions(
        &self,
        id: Id,
        before: &State,
        (src, msg): (Id, &Message),
        state: &mut State,
        commands: &mut Vec<Cmd>,
    ) {
        match (self.mutant, msg) {
            (Mutant::EvictionByReplica, _) if usize::from(id) > 0 => {
                evict(before, state, commands, true)
            }
            (Mutant::OnlyLeaderEvicts, _) if !matches!(state.phase, Phase::Leading(_)) => {
                evict(before, state, commands, false);
            }
            (Mutant::SnapshotOfEarlierSessions, _) => {
                self.save_earlier_sessions(before, state, commands)
            }
            (Mutant::UnknownCalledExpired, Message::ToReplica(ToReplica::Request(command))) => {
                if let Operation::InSession { session, .. } = command.operation
                    && before.learner.sessions.get(session).is_none()
                {
                    commands.push(Command::Send(
                        src,
                        Message::ToClient(ToClient::SessionExpired(SessionExpired { session })),
                    ));
                }
            }
            _ => {}
        }
    }

    /// SnapshotOfEarlierSessions: the snapshot's sessions are those of the slot before.
    fn save_earlier_sessions(&self, before: &State, state: &mut State, commands: &mut [Cmd]) {
        let upto = state.durable.snapshot.upto;
        if upto == before.durable.snapshot.upto {
            return;
        }
        let mut sessions = before.learner.sessions.clone();
        for command in commands.iter() {
            if let Command::Send(_, Message::Output(Output::Applied { slot, value, .. })) = command
                && slot.next() < upto
            {
                sessions.apply(*slot, value, self.replica.tuning().sessions_max);
            }
        }
        write(&mut state.durable, |storage| storage.snapshot.sessions = sessions);
        save_again(state, commands);
    }
}

/// EvictionByReplica and OnlyLeaderEvicts: sessions that were evicted stay; in place of each goes the one opened last, or none.
fn evict(before: &State, state: &mut State, commands: &mut [Cmd], goes_the_last: bool) {
    let is_gone = |id: &SessionId| state.learner.sessions.get(*id).is_none();
    let gone: Vec<(SessionId, Session)> = before
        .learner
        .sessions
        .iter()
        .filter(|(id, _)| is_gone(id))
        .map(|(id, session)| (id, session.clone()))
        .collect();
    if gone.is_empty() {
        return;
    }
    let left = state.learner.sessions.iter().map(|(id, session)| (id, session.clone()));
    let mut table: BTreeMap<SessionId, Session> = left.collect();
    for row in gone {
        if goes_the_last {
            table.pop_last();
        }
        table.insert(row.0, row.1);
    }
    let upto = state.learner.applied_upto;
    let sessions = Sessions::restored(table, upto).expect("sessions of this log");
    if state.durable.snapshot.upto == upto {
        write(&mut state.durable, |storage| storage.snapshot.sessions = sessions.clone());
        save_again(state, commands);
    }
    state.learner.sessions = sessions;
}

/// DuplicatesByValue: a duplicate is one only if the very same command stands at the other slot, stamp and all.
pub(super) fn compare_by_value(state: &State, commands: &mut [Cmd]) {
    for command in commands {
        let Command::Send(_, Message::Output(Output::Applied { value, outcomes, .. })) = command
        else {
            continue;
        };
        for (said, outcome) in value.commands().iter().zip(outcomes) {
            if let Outcome::Duplicate(Some(at)) = outcome
                && let Some(other) = state.learner.decided.get(at)
                && !other.commands().contains(said)
            {
                *outcome = Outcome::Applied;
            }
        }
    }
}
