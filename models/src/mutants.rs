//! Protocol bugs, from the literature, from issue trackers and our own, each as a wrapper that changes what
//! goes into one handler of a replica or what comes out of it. A release build of the replica
//! carries none of them.
//!
//! **Invariant**: without a mutant, a replica is called and nothing is changed.

pub mod availability;
pub mod clients;
pub mod liveness;
mod members;
pub mod readers;
mod reads;
mod sessions;
mod table;
mod votes;

pub use table::{AVAILABILITY, LIVENESS, Mutant, SAFETY};

use paxos_chat::effects::{Durable, Effects, Timer};
use paxos_chat::message::{
    Accept, Accepted, Acknowledged, Entries, Heartbeat, Input, Message, Outcome, Output, Prepare,
    Promise, SessionOpened, ToClient, ToPeer, ToReplica,
};
use paxos_chat::quorum::ReplicaSet;
use paxos_chat::replica::Replica;
use paxos_chat::session::{Session, Sessions};
use paxos_chat::state::State;
use paxos_chat::state::Storage;
use paxos_chat::state::{Leading, Phase, Preparing};
use paxos_chat::types::{
    Ballot, Body, Command as Asked, NodeId, Operation, Seq, SessionId, Slot, Value, Vote,
};
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set by a run while it checks claims, for the one mutant that fails then.
pub(crate) static CLAIMS_ARE_CHECKED: AtomicBool = AtomicBool::new(false);

impl Mutant {
    /// Is it a bug of replicas? One takes both sides: see [`Mutant::SilentLeaderNamed`].
    pub fn is_of_replicas(self) -> bool {
        self == Mutant::SilentLeaderNamed || !self.is_of_clients() && !self.is_of_readers()
    }
}

/// A mutant, what it is, where it was seen, and the entries that are tried on it.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The mutant.
    pub mutant: Mutant,
    /// The bug.
    pub bug: &'static str,
    /// Where it was seen.
    pub seen: &'static str,
    /// The entries of the catalog that are run, in this order, until one kills it.
    pub entries: &'static [&'static str],
    /// Why it changes nothing that matters, if that is argued: then it must survive.
    pub equivalent: Option<&'static str>,
}

/// A replica with a bug.
#[derive(Clone, Debug)]
pub struct MutantReplica {
    /// The replica as it is.
    pub replica: Replica,
    /// What it started from.
    pub genesis: Storage,
    /// The bug.
    pub mutant: Mutant,
}

impl MutantReplica {
    /// As [`Actor::on_start`].
    pub fn on_start(&self, id: Id, storage: &Option<Storage>, out: &mut Out<Replica>) -> State {
        let mut storage = storage.clone();
        match (self.mutant, &mut storage) {
            (Mutant::BallotsAnewAfterRestart, Some(storage)) => storage.promised = Ballot::ZERO,
            (Mutant::SessionsNotInSnapshot, Some(storage)) => {
                // The sessions are known, but not what they have applied.
                storage.snapshot.sessions = self.genesis.snapshot.sessions.clone();
            }
            (Mutant::EmptyAcceptor, storage) => *storage = Some(self.genesis.clone()),
            _ => {}
        }
        let state = self.replica.on_start(id, &storage, out);
        if self.mutant == Mutant::VotesRecalled { self.with_votes(id, state, out) } else { state }
    }

    /// What was voted for from the first slot on is handed over as if it were in the log.
    fn with_votes(&self, id: Id, state: State, out: &mut Out<Replica>) -> State {
        let (from, votes) = (state.learner.applied_upto, &state.durable.votes);
        let values: Vec<Value> = (from.0..)
            .map_while(|slot| votes.get(&Slot(slot)))
            .map(|vote| vote.value.clone())
            .collect();
        let entries = Entries { from, values, applied_upto: from };
        let mut state = Cow::Owned(state);
        let recall = Message::Input(Input::Recall(entries));
        self.replica.on_msg(id, &mut state, NodeId::LOCAL.into(), recall, out);
        state.into_owned()
    }

    /// As [`Actor::on_msg`].
    pub fn on_msg(
        &self,
        id: Id,
        before: &State,
        src: Id,
        msg: Message,
        out: &mut Out<Replica>,
    ) -> State {
        if let Some(refusal) = self.refuses(before, src, &msg) {
            out.append(&mut std::iter::once(refusal).collect::<Out<Replica>>());
            return before.clone();
        }
        let votes = matches!(msg, Message::ToPeer(ToPeer::Accept(_)));
        assert!(
            self.mutant != Mutant::PanicsAtVote || !votes,
            "planted: an assertion of a handler fails"
        );
        let checks =
            self.mutant == Mutant::PanicsAtClaims && CLAIMS_ARE_CHECKED.load(Ordering::Relaxed);
        assert!(!checks, "planted: an assertion fails while claims are checked");
        let mut msg = msg;
        let original = msg.clone();
        let mut state = before.clone();
        let mut src = src;
        self.change_input(&mut state, &mut msg);
        self.change_votes(&mut state, &mut msg, src);
        self.mutant.believe(before, &mut src, &mut msg);
        self.mutant.remember_askers(&mut state);
        self.mutant.misread(&mut state, &mut msg);
        self.mistake_members(&mut state, &mut src, &mut msg);
        let mut commands = Out::new();
        let mut state = self.call(id, state, src, msg, &mut commands);
        let mut commands: Vec<_> = commands.into_iter().collect();
        self.change_output(before, &original, src, &mut state, &mut commands);
        self.drop_votes(before, &original, &mut state, &mut commands);
        self.change_sessions(id, before, (src, &original), &mut state, &mut commands);
        self.change_leadership(id, before, &mut state, &mut commands);
        self.mutant.name_the_silent(before, (src, &original), &mut commands);
        self.mutant.answer_reads(before, (src, &original), &mut state, &mut commands);
        self.change_members(before, &original, &mut state, &mut commands);
        self.unfair_on_msg(id, before, &original, &mut state, &mut commands);
        self.send_ahead(id, &mut commands);
        out.append(&mut commands.into_iter().collect::<Out<Replica>>());
        state
    }

    /// As [`Actor::on_timeout`].
    pub fn on_timeout(
        &self,
        id: Id,
        before: &State,
        timer: &Timer,
        out: &mut Out<Replica>,
    ) -> State {
        let mut state: Cow<'_, State> = Cow::Owned(before.clone());
        self.mutant.hurry(*timer, state.to_mut());
        let mut commands = Out::new();
        self.acting(before).on_timeout(id, &mut state, timer, &mut commands);
        let mut state = state.into_owned();
        self.correct_change(before, &mut state);
        let mut commands: Vec<_> = commands.into_iter().collect();
        if self.mutant == Mutant::OwnPromiseNotSaved {
            commands.retain(|command| !matches!(command, Command::Save(_)));
        }
        self.change_leadership(id, before, &mut state, &mut commands);
        self.unfair_on_timeout(*timer, &mut commands);
        self.send_ahead(id, &mut commands);
        out.append(&mut commands.into_iter().collect::<Out<Replica>>());
        state
    }

    fn call(&self, id: Id, state: State, src: Id, msg: Message, out: &mut Out<Replica>) -> State {
        let mut state = Cow::Owned(state);
        match self.mutant.retuned(&state, &msg, self.replica.tuning()) {
            None => self.acting(&state.clone()).on_msg(id, &mut state, src, msg, out),
            Some(tuning) => {
                let replica = Replica::new(self.replica.cluster(), tuning);
                replica.on_msg(id, &mut state, src, msg, out);
            }
        }
        state.into_owned()
    }

    /// What a handler sees that is not so.
    fn change_input(&self, state: &mut State, msg: &mut Message) {
        let Message::ToPeer(msg) = msg else { return };
        match (self.mutant, msg) {
            (_, ToPeer::Promise(chunk)) => self.change_promise(state, chunk),
            (_, ToPeer::Accept(accept)) => self.change_accept(state, accept),
            (Mutant::OtherBallotsVoteCounted, ToPeer::Accepted(Accepted { ballot, .. })) => {
                if let Some(leading) = state.leading() {
                    *ballot = leading.ballot;
                }
            }
            (
                Mutant::BallotsComparedByRound,
                ToPeer::Prepare(Prepare { ballot, .. })
                | ToPeer::Heartbeat(Heartbeat { ballot, .. }),
            ) if ballot.round == state.durable.promised.round => *ballot = state.durable.promised,
            (
                Mutant::BoundOfAnyBallotDecides,
                ToPeer::Heartbeat(Heartbeat { ballot, decided_upto }),
            ) => {
                let ballot = *ballot;
                write(&mut state.durable, |storage| {
                    for slot in Slot(0).upto(*decided_upto) {
                        if let Some(vote) = storage.votes.get_mut(&slot) {
                            vote.ballot = ballot;
                        }
                    }
                });
            }
            (Mutant::RelayAnsweredLikeClient, ToPeer::Relay(relay)) => {
                relay.passed = ReplicaSet::default();
            }
            _ => {}
        }
    }

    /// What a promise says that was not promised.
    fn change_promise(&self, state: &mut State, chunk: &mut Promise) {
        match self.mutant {
            Mutant::OldPromiseCounted => {
                if let Some(preparing) = state.preparing() {
                    chunk.ballot = preparing.ballot;
                }
            }
            Mutant::AnyChunkTaken => {
                if let Some(preparing) = state.preparing() {
                    // Whoever sent it: every acceptor is expected to start here.
                    let expected = preparing.expected.values().next();
                    chunk.from = expected.copied().unwrap_or(chunk.from);
                }
            }
            Mutant::LowestBallotAdopted => prefer_lowest(state, chunk),
            Mutant::NoopWhereOwnLogIsEmpty => {
                let own = state.durable.votes.clone();
                let foreign = chunk.votes.iter_mut().filter(|(slot, _)| !own.contains_key(slot));
                foreign.for_each(|(_, vote)| vote.value = Value::Noop);
            }
            _ => {}
        }
    }

    /// What an acceptor that is asked for a vote believes.
    fn change_accept(&self, state: &mut State, Accept { ballot, slot, .. }: &mut Accept) {
        let promised = state.durable.promised;
        match self.mutant {
            Mutant::VoteBelowPromise if *ballot < promised => {
                set_promised(&mut state.durable, *ballot);
            }
            Mutant::AcceptRaisesNoPromise => {
                // Nothing but the promise protects a vote.
                let held = state.durable.votes.get(slot).map(|vote| vote.ballot);
                if held > Some(*ballot) && *ballot >= promised {
                    write(&mut state.durable, |storage| {
                        storage.votes.remove(slot);
                    });
                }
            }
            Mutant::BallotsComparedByRound if ballot.round == promised.round => *ballot = promised,
            Mutant::TruncatedVotesLost if *slot < state.durable.snapshot.upto => {
                write(&mut state.durable, |storage| storage.snapshot.upto = Slot(0));
            }
            _ => {}
        }
    }

    /// What a handler did that it does not do.
    fn change_output(
        &self,
        before: &State,
        msg: &Message,
        src: Id,
        state: &mut State,
        commands: &mut Vec<Cmd>,
    ) {
        match msg {
            Message::ToPeer(ToPeer::Prepare(prepare)) => self.change_promised(prepare, commands),
            Message::ToPeer(ToPeer::Accept(accept)) => {
                self.change_voted(before, accept, state, commands);
            }
            Message::ToPeer(ToPeer::Decided(entries)) => {
                self.change_learned(before, entries, state, commands);
            }
            Message::ToReplica(ToReplica::Request(command)) => {
                self.change_answered(before, (src, command), state, commands);
            }
            _ => {}
        }
        if self.mutant == Mutant::SessionIdsShared {
            share_ids(state, commands);
        }
        self.change_reports(before, state, commands);
    }

    /// What was promised.
    fn change_promised(&self, Prepare { ballot, .. }: &Prepare, commands: &mut Vec<Cmd>) {
        if self.mutant == Mutant::PromiseNotSaved {
            commands.retain(|command| !matches!(command, Command::Save(_)));
        }
        for command in commands {
            let Command::Send(_, Message::ToPeer(ToPeer::Promise(chunk))) = command else {
                continue;
            };
            match self.mutant {
                Mutant::BallotsComparedByRound => chunk.ballot = *ballot,
                Mutant::TruncatedVotesLost | Mutant::PromiseOmitsBound => {
                    chunk.compacted_upto = Slot(0);
                }
                _ => {}
            }
        }
    }

    /// What was voted for.
    fn change_voted(
        &self,
        before: &State,
        Accept { ballot, .. }: &Accept,
        state: &mut State,
        commands: &mut Vec<Cmd>,
    ) {
        match self.mutant {
            Mutant::VoteNotSaved => {
                commands.retain(|command| !matches!(command, Command::Save(_)));
            }
            Mutant::AcceptRaisesNoPromise | Mutant::VoteBelowPromise => {
                set_promised(&mut state.durable, before.durable.promised);
                save_again(state, commands);
            }
            Mutant::BallotsComparedByRound => {
                for command in commands {
                    if let Command::Send(_, Message::ToPeer(ToPeer::Accepted(voted))) = command {
                        voted.ballot = *ballot;
                    }
                }
            }
            Mutant::TruncatedVotesLost => {
                let upto = before.durable.snapshot.upto;
                write(&mut state.durable, |storage| storage.snapshot.upto = upto);
                save_again(state, commands);
            }
            _ => {}
        }
    }

    /// What was learned from decided values.
    fn change_learned(
        &self,
        before: &State,
        entries: &Entries,
        state: &mut State,
        commands: &mut Vec<Cmd>,
    ) {
        match (self.mutant, &before.phase, &state.phase) {
            (Mutant::BoundAheadOfLog, ..) => {
                let ahead = entries.applied_upto.max(state.learner.applied_upto).next();
                state.learner.applied_upto = ahead;
            }
            (Mutant::FetchedBoundAnnounced, Phase::Leading(leading), Phase::Follower) => {
                let mut leading = leading.clone();
                leading.in_flight.retain(|slot, _| *slot >= state.learner.applied_upto);
                state.phase = Phase::Leading(leading);
                commands.retain(|command| !matches!(command, Command::CancelTimer(_)));
            }
            _ => {}
        }
    }

    /// What a client was answered.
    fn change_answered(
        &self,
        before: &State,
        (src, command): (Id, &Asked),
        state: &mut State,
        commands: &mut Vec<Cmd>,
    ) {
        let Operation::InSession { session, seq, body, .. } = &command.operation else { return };
        match self.mutant {
            Mutant::AcknowledgedWhenProposed => {
                if let Some(leading) = state.leading() {
                    let slot = Slot(leading.next.0.saturating_sub(1));
                    commands.push(acknowledge(src, *session, *seq, slot));
                }
            }
            Mutant::ReadWithoutLog if *body == Body::Sync && before.leading().is_some() => {
                let slot = Slot(before.learner.applied_upto.0.saturating_sub(1));
                *state = before.clone();
                commands.clear();
                commands.push(acknowledge(src, *session, *seq, slot));
            }
            _ => {}
        }
    }

    fn change_reports(&self, before: &State, state: &State, commands: &mut Vec<Cmd>) {
        match self.mutant {
            Mutant::DuplicateAppliedAgain => {
                for command in commands.iter_mut() {
                    if let Command::Send(_, Message::Output(Output::Applied { outcomes, .. })) =
                        command
                    {
                        let duplicates =
                            outcomes.iter_mut().filter(|o| matches!(o, Outcome::Duplicate(_)));
                        duplicates.for_each(|outcome| *outcome = Outcome::Applied);
                    }
                }
            }
            Mutant::DuplicatesByValue => sessions::compare_by_value(state, commands),
            Mutant::AppliedOverGaps => {
                for (slot, value) in &state.learner.decided {
                    let is_new = !before.learner.decided.contains_key(slot);
                    if is_new && *slot > state.learner.applied_upto {
                        let outcomes = value.commands().iter().map(|_| Outcome::Applied).collect();
                        let report = Message::Output(Output::Applied {
                            slot: *slot,
                            value: value.clone(),
                            outcomes,
                        });
                        commands.push(Command::Send(local(), report));
                    }
                }
            }
            _ => {}
        }
    }

    /// Quorums that are none, and leaders that start wrongly.
    fn change_leadership(
        &self,
        id: Id,
        before: &State,
        state: &mut State,
        commands: &mut Vec<Cmd>,
    ) {
        let majority = self.replica.cluster().majority();
        let phase_1 = match self.mutant {
            Mutant::Phase1QuorumTooSmall => majority - 1,
            Mutant::HalfIsQuorum => u32::from(self.replica.cluster().len()) / 2,
            Mutant::ProposesBeforePromised => 1,
            _ => majority,
        };
        let phase_2 = match self.mutant {
            Mutant::Phase2QuorumTooSmall => majority - 1,
            Mutant::HalfIsQuorum => u32::from(self.replica.cluster().len()) / 2,
            _ => majority,
        };
        while let Some((phantom, message)) = self.phantom(state, phase_1, phase_2, majority) {
            let mut out = Out::new();
            *state = self.call(id, state.clone(), phantom, message, &mut out);
            commands.extend(out);
        }
        let (Phase::Leading(leading), true) =
            (&state.phase, !matches!(before.phase, Phase::Leading(_)))
        else {
            self.hand_out_again(before, state);
            return;
        };
        if self.mutant == Mutant::ProposesAtHighestReported && leading.next > leading.base {
            let highest = Slot(leading.next.0 - 1);
            forget_proposal(before, state, commands, highest);
        }
    }

    /// What leaves before the save although it reveals it.
    fn send_ahead(&self, id: Id, commands: &mut [Cmd]) {
        let is_ahead = |command: &Cmd| match (self.mutant, command) {
            (
                Mutant::OwnVoteCountedEarly,
                Command::Send(to, Message::ToPeer(ToPeer::Accepted(_))),
            ) => *to == id,
            (Mutant::VoteToldEarly, Command::Send(to, Message::ToPeer(ToPeer::Accepted(_)))) => {
                *to != id
            }
            (Mutant::PrepareSentEarly, Command::Send(_, Message::ToPeer(ToPeer::Prepare(_)))) => {
                true
            }
            (Mutant::PromiseToldEarly, Command::Send(_, Message::ToPeer(ToPeer::Promise(_)))) => {
                true
            }
            _ => false,
        };
        // Stable: everything else keeps its order.
        commands.sort_by_key(|command| !is_ahead(command));
    }

    /// SlotHandedOutTwice: the slot that was handed out last is handed out again.
    fn hand_out_again(&self, before: &State, state: &mut State) {
        if let (Mutant::SlotHandedOutTwice, Phase::Leading(was), Phase::Leading(is)) =
            (self.mutant, &before.phase, &mut state.phase)
            && is.next == was.next.next()
            && was.in_flight.is_empty()
        {
            is.next = was.next;
            is.in_flight.clear();
        }
    }

    /// A message that nobody sent, from a replica whose answer the bug does without.
    fn phantom(
        &self,
        state: &State,
        phase_1: u32,
        phase_2: u32,
        majority: u32,
    ) -> Option<(Id, Message)> {
        let absent = |present: ReplicaSet| {
            self.replica.cluster().replicas().find(|replica| !present.contains(*replica))
        };
        match &state.phase {
            Phase::Preparing(preparing @ Preparing { complete, .. })
                if complete.len() >= phase_1 && complete.len() < majority =>
            {
                let phantom = absent(*complete)?;
                let from = preparing.expected.get(&phantom).copied().unwrap_or(preparing.from);
                let chunk = Promise {
                    ballot: preparing.ballot,
                    from,
                    next: from,
                    compacted_upto: Slot(0),
                    last: true,
                    votes: Vec::new(),
                };
                Some((Id::from(usize::from(phantom.0)), Message::ToPeer(ToPeer::Promise(chunk))))
            }
            Phase::Leading(Leading { ballot, in_flight, .. }) => {
                let short = |voters: u32| voters >= phase_2 && voters < majority;
                let (slot, flight) = in_flight.iter().find(|(_, of)| short(of.voters.len()))?;
                let phantom = Id::from(usize::from(absent(flight.voters)?.0));
                Some((
                    phantom,
                    Message::ToPeer(ToPeer::Accepted(Accepted { ballot: *ballot, slot: *slot })),
                ))
            }
            _ => None,
        }
    }
}

type Cmd = Command<Message, Timer, (), Storage>;

fn local() -> Id {
    Id::from(NodeId::LOCAL)
}

fn acknowledge(client: Id, session: SessionId, seq: Seq, slot: Slot) -> Cmd {
    Command::Send(
        client,
        Message::ToClient(ToClient::Acknowledged(Acknowledged { session, seq, slot })),
    )
}

fn write(durable: &mut Durable<Storage>, change: impl FnOnce(&mut Storage)) {
    change(durable.write(&mut Effects::default()));
}

fn set_promised(durable: &mut Durable<Storage>, promised: Ballot) {
    write(durable, |storage| storage.promised = promised);
}

/// Makes every save of the step save the state as it is now.
fn save_again(state: &State, commands: &mut [Cmd]) {
    for command in commands {
        if let Command::Save(saved) = command {
            *saved = (*state.durable).clone();
        }
    }
}

/// SessionIdsShared: an id is the slot alone, so of two sessions opened in one batch the later one is left.
fn share_ids(state: &mut State, commands: &mut [Cmd]) {
    let shared = |id: SessionId| SessionId { index: 0, ..id };
    let sessions = state.learner.sessions.iter();
    let left: BTreeMap<SessionId, Session> =
        sessions.map(|(id, session)| (shared(id), session.clone())).collect();
    state.learner.sessions =
        Sessions::restored(left, state.learner.applied_upto).expect("sessions of this log");
    for command in commands {
        match command {
            Command::Send(
                _,
                Message::ToClient(ToClient::SessionOpened(SessionOpened { session, .. })),
            ) => *session = shared(*session),
            Command::Send(_, Message::Output(Output::Applied { outcomes, .. })) => {
                for outcome in outcomes {
                    if let Outcome::Opened(session) = outcome {
                        *session = shared(*session);
                    }
                }
            }
            _ => {}
        }
    }
}

/// LowestBallotAdopted: of two votes at a slot, the one of the lower ballot stays.
fn prefer_lowest(state: &mut State, chunk: &mut Promise) {
    let Phase::Preparing(preparing) = &mut state.phase else { return };
    if preparing.ballot != chunk.ballot {
        return;
    }
    let known = preparing.reported.clone();
    chunk.votes.retain(|(slot, vote): &(Slot, Vote)| {
        known.get(slot).is_none_or(|known| vote.ballot < known.ballot)
    });
    for (slot, _) in &chunk.votes {
        preparing.reported.remove(slot);
    }
}

/// ProposesAtHighestReported: as if the highest reported slot had not been proposed, but were the next to be handed out.
fn forget_proposal(before: &State, state: &mut State, commands: &mut Vec<Cmd>, slot: Slot) {
    if let Phase::Leading(leading) = &mut state.phase {
        leading.next = slot;
        leading.in_flight.remove(&slot);
    }
    write(&mut state.durable, |storage| match before.durable.votes.get(&slot) {
        Some(vote) => {
            storage.votes.insert(slot, vote.clone());
        }
        None => {
            storage.votes.remove(&slot);
        }
    });
    commands.retain(|command| {
        !matches!(command, Command::Send(_, Message::ToPeer(ToPeer::Accept(Accept { slot: at, .. }))) if *at == slot)
    });
    save_again(state, commands);
}
