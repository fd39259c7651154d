//! Bugs that cost progress and nothing else, each as a wrapper around one handler of a replica; those of
//! clients are in [`super::clients`]. They are killed by fair schedules (see [`crate::progress`]), not by a property of
//! states.

use super::{Cmd, LIVENESS, Mutant, MutantReplica, write};
use paxos_chat::effects::Timer;
use paxos_chat::message::{
    Accept, Heartbeat, HeartbeatAck, Message, Output, Prepare, Reject, ToClient, ToPeer, ToReplica,
};
use paxos_chat::state::Phase;
use paxos_chat::state::State;
use paxos_chat::types::{Slot, Value};
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;

impl Mutant {
    /// Does it cost progress and nothing else?
    pub fn is_of_liveness(self) -> bool {
        LIVENESS.iter().any(|row| row.mutant == self)
    }
}

impl MutantReplica {
    /// What happens in place of the replica's own handler, if the bug is in its very first guard.
    pub(super) fn refuses(&self, before: &State, src: Id, msg: &Message) -> Option<Cmd> {
        let promised = before.durable.promised;
        match (self.mutant, msg) {
            (
                Mutant::HigherBallotRejected,
                Message::ToPeer(
                    ToPeer::Prepare(Prepare { ballot, .. })
                    | ToPeer::Accept(Accept { ballot, .. })
                    | ToPeer::Heartbeat(Heartbeat { ballot, .. }),
                ),
            ) if *ballot > promised => {
                Some(Command::Send(src, Message::ToPeer(ToPeer::Reject(Reject { promised }))))
            }
            _ => None,
        }
    }

    /// What the bug makes of a step that was taken on a message.
    pub(super) fn unfair_on_msg(
        &self,
        id: Id,
        before: &State,
        msg: &Message,
        state: &mut State,
        commands: &mut Vec<Cmd>,
    ) {
        let delay = || self.replica.tuning().election_delay(0);
        match (self.mutant, msg) {
            (Mutant::StandsAgainAtOnce, _) if before.phase.own_ballot().is_some() => {
                if matches!(state.phase, Phase::Follower) {
                    self.time_out(id, state, commands);
                }
            }
            (
                Mutant::AnyHeartbeatIsLife,
                Message::ToPeer(ToPeer::Heartbeat(Heartbeat { ballot, .. })),
            ) if state.durable.promised == *ballot => {
                commands.push(Command::SetTimer(Timer::Election, delay()));
            }
            (
                Mutant::AnyHeartbeatIsLife,
                Message::ToPeer(ToPeer::HeartbeatAck(HeartbeatAck { ballot })),
            ) if state.phase.own_ballot() == Some(*ballot) => {
                commands.push(Command::SetTimer(Timer::Election, delay()));
            }
            (
                Mutant::StaysWhileLacking,
                Message::ToPeer(ToPeer::HeartbeatAck(HeartbeatAck { ballot })),
            ) => {
                if let Phase::Leading(leading) = &state.phase
                    && leading.ballot == *ballot
                    && state.learner.applied_upto < leading.base
                {
                    commands.push(Command::SetTimer(Timer::Election, delay()));
                }
            }
            (Mutant::GapsLeftOpen, Message::ToPeer(ToPeer::Promise(_))) => {
                leave_gaps(before, state, commands)
            }
            (Mutant::ChangeNotPadded, _) => leave_unpadded(before, state, commands),
            (Mutant::NeverAnsweredAgain, Message::ToReplica(ToReplica::Request(_))) => {
                commands.retain(|c| {
                    !sends(c, |m| matches!(m, Message::ToClient(ToClient::Acknowledged(_))))
                });
            }
            (Mutant::RejectIgnored, Message::ToPeer(ToPeer::Reject(_))) => {
                *state = before.clone();
                commands.clear();
            }
            _ => {}
        }
        self.unfair(commands);
    }

    /// What the bug makes of a step that was taken on a time-out.
    pub(super) fn unfair_on_timeout(&self, timer: Timer, commands: &mut Vec<Cmd>) {
        match (self.mutant, timer) {
            (Mutant::PrepareOnce, Timer::Resend) => {
                commands
                    .retain(|c| !sends(c, |m| matches!(m, Message::ToPeer(ToPeer::Prepare(_)))));
            }
            (Mutant::AcceptOnce, Timer::Resend) => {
                commands.retain(|c| !sends(c, |m| matches!(m, Message::ToPeer(ToPeer::Accept(_)))));
            }
            (Mutant::ElectionTimerOnce, Timer::Election) => {
                commands.retain(|c| !matches!(c, Command::SetTimer(Timer::Election, _)));
            }
            (Mutant::LackAskedOnce, Timer::Resend) => {
                commands.retain(|c| !sends(c, |m| matches!(m, Message::ToPeer(ToPeer::Fetch(_)))));
            }
            _ => {}
        }
        self.unfair(commands);
    }

    fn unfair(&self, commands: &mut Vec<Cmd>) {
        match self.mutant {
            Mutant::NothingSentAgain => {
                commands.retain(|c| !matches!(c, Command::SetTimer(Timer::Resend, _)))
            }
            Mutant::AnsweredFromNextSlot => {
                for command in commands {
                    if let Command::Send(_, Message::Output(Output::ReadLog(read))) = command {
                        read.from = read.from.next();
                    }
                }
            }
            Mutant::NeverFetches => {
                commands.retain(|c| !sends(c, |m| matches!(m, Message::ToPeer(ToPeer::Fetch(_)))))
            }
            _ => {}
        }
    }

    /// StandsAgainAtOnce: the election time-out comes at once.
    fn time_out(&self, id: Id, state: &mut State, commands: &mut Vec<Cmd>) {
        let mut after = Cow::Owned(state.clone());
        let mut out = Out::new();
        self.replica.on_timeout(id, &mut after, &Timer::Election, &mut out);
        *state = after.into_owned();
        commands.extend(out);
    }
}

fn sends(command: &Cmd, is: impl Fn(&Message) -> bool) -> bool {
    matches!(command, Command::Send(_, message) if is(message))
}

/// GapsLeftOpen: as if a new leader had proposed nothing where nothing was reported.
fn leave_gaps(before: &State, state: &mut State, commands: &mut Vec<Cmd>) {
    if matches!(before.phase, Phase::Leading(_)) {
        return;
    }
    let Phase::Leading(leading) = &state.phase else { return };
    let ballot = leading.ballot;
    let is_gap = |slot: &Slot| {
        let vote = state.durable.votes.get(slot);
        vote.is_some_and(|vote| vote.value == Value::Noop && vote.ballot == ballot)
    };
    let gaps: Vec<_> = leading.in_flight.keys().copied().filter(is_gap).collect();
    take_back(state, gaps, commands);
}

/// ChangeNotPadded: as if what brings a change into force had not been proposed.
fn leave_unpadded(before: &State, state: &mut State, commands: &mut Vec<Cmd>) {
    let Some(since) = state.learner.memberships.next.map(|change| change.since) else { return };
    let was_next = before.leading().map(|leading| leading.next);
    let Some(leading) = state.leading() else { return };
    let is_padding = |slot: &Slot| {
        let vote = state.durable.votes.get(slot);
        Some(*slot) >= was_next && *slot < since && vote.is_some_and(|v| v.value == Value::Noop)
    };
    let padding: Vec<Slot> = leading.in_flight.keys().copied().filter(is_padding).collect();
    let next = padding.first().copied();
    take_back(state, padding, commands);
    if let (Some(next), Some(leading)) = (next, state.leading_mut()) {
        leading.next = next;
    }
}

/// As if this leader had proposed nothing at these slots.
fn take_back(state: &mut State, slots: Vec<Slot>, commands: &mut Vec<Cmd>) {
    for slot in slots {
        if let Some(leading) = state.leading_mut() {
            leading.in_flight.remove(&slot);
        }
        write(&mut state.durable, |storage| {
            storage.votes.remove(&slot);
        });
        commands.retain(|c| {
            !sends(c, |m| matches!(m, Message::ToPeer(ToPeer::Accept(Accept { slot: at, .. })) if *at == slot))
        });
    }
    super::save_again(state, commands);
}
