//! What the unit tests of the roles share: one replica on a bench, the effects expected of it, and
//! short names for the values they are made of.
//!
//! **Invariant**: a [`Bench`] lets no handler change durable state without a save, and none claim a
//! save that saves nothing.
//!
//! **Absent**: a network. A test calls one role function and compares the exact list of effects;
//! whole exchanges are told in `tests/scenarios`.

use crate::effects::{Effects, Timer};
use crate::message::{
    Accept, Accepted, Acknowledged, AppliedValue, Entries, Fetch, Heartbeat, Message, Outcome,
    Output, Page, Prepare, Promise,
};
use crate::open_reads::OpenReads;
use crate::pacing::{Flight, Pacing};
use crate::quorum::{Cluster, ReplicaSet};
use crate::state::Intake;
use crate::state::State;
use crate::state::Storage;
use crate::state::{Leading, Phase};
use crate::step::Step;
use crate::tuning::Tuning;
use crate::types::{
    Ballot, Body, Command, NodeId, Nonce, Operation, ReplicaId, Seq, SessionId, Slot, Timestamp,
    User, Value, Vote,
};
use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::Range;
use std::time::Duration;

/// The first client of a test.
pub(crate) const ANN: NodeId = NodeId(100);
/// The second client of a test.
pub(crate) const BOB: NodeId = NodeId(101);

/// The ballot of this round and replica.
pub(crate) fn ballot(round: u32, replica: u8) -> Ballot {
    Ballot { round, replica: ReplicaId(replica) }
}

/// A session.
pub(crate) fn session(slot: u64, index: u32) -> SessionId {
    SessionId { slot: Slot(slot), index }
}

/// The command that opens a session.
pub(crate) fn open(user: &str, nonce: u64) -> Command {
    let operation = Operation::OpenSession { nonce: Nonce(nonce) };
    Command { stamp: Timestamp(0), user: User::new(user), operation }
}

/// A numbered message of a client that has no acknowledgement yet.
pub(crate) fn post(user: &str, session: SessionId, seq: u64, text: &str) -> Command {
    let body = Body::write(text);
    let operation = Operation::InSession { session, seq: Seq(seq), acked_below: Seq(1), body };
    Command { stamp: Timestamp(0), user: User::new(user), operation }
}

/// A value of one command.
pub(crate) fn one(command: Command) -> Value {
    Value::batch([command])
}

/// A value told from others by its text. Its session does not exist.
pub(crate) fn say(text: &str) -> Value {
    one(post("nobody", session(999, 0), 1, text))
}

/// A vote.
pub(crate) fn vote(ballot: Ballot, value: Value) -> Vote {
    Vote { ballot, value }
}

/// Votes of the slots they are listed with.
pub(crate) fn votes(list: impl IntoIterator<Item = (u64, Vote)>) -> Vec<(Slot, Vote)> {
    list.into_iter().map(|(slot, vote)| (Slot(slot), vote)).collect()
}

/// A run of decided values.
pub(crate) fn run(from: u64, values: Vec<Value>, applied_upto: u64) -> Entries {
    Entries { from: Slot(from), values, applied_upto: Slot(applied_upto) }
}

/// A run of applied values, as a reader gets it, of which every command was applied.
pub(crate) fn page(from: u64, values: Vec<Value>, applied_upto: u64) -> Page {
    let applied = |value: Value| {
        let outcomes = vec![Outcome::Applied; value.commands().len()];
        AppliedValue { value, outcomes }
    };
    let (from, applied_upto) = (Slot(from), Slot(applied_upto));
    Page { from, values: values.into_iter().map(applied).collect(), applied_upto }
}

/// A promise in one chunk, of an acceptor that has compacted nothing.
pub(crate) fn whole_promise(ballot: Ballot, list: Vec<(Slot, Vote)>) -> Promise {
    let next = list.last().map_or(Slot(0), |(slot, _)| slot.next());
    let (from, compacted_upto) = (Slot(0), Slot(0));
    Promise { ballot, from, next, compacted_upto, last: true, votes: list }
}

/// `Prepare`.
pub(crate) fn prepare(ballot: Ballot, from: u64) -> Prepare {
    Prepare { ballot, from: Slot(from) }
}

/// `Accept`.
pub(crate) fn accept(ballot: Ballot, slot: u64, value: Value, decided_upto: u64) -> Accept {
    Accept { ballot, slot: Slot(slot), value, decided_upto: Slot(decided_upto) }
}

/// `Accepted`.
pub(crate) fn accepted(ballot: Ballot, slot: u64) -> Accepted {
    Accepted { ballot, slot: Slot(slot) }
}

/// `Heartbeat`.
pub(crate) fn heartbeat(ballot: Ballot, decided_upto: u64) -> Heartbeat {
    Heartbeat { ballot, decided_upto: Slot(decided_upto) }
}

/// `Fetch`.
pub(crate) fn fetch(from: u64) -> Fetch {
    Fetch { from: Slot(from) }
}

/// `Applied`, as it is reported to the driver.
pub(crate) fn applied(slot: u64, value: Value, outcomes: Vec<Outcome>) -> Output {
    Output::Applied { slot: Slot(slot), value, outcomes }
}

/// `Acknowledged`.
pub(crate) fn acknowledged(session: SessionId, seq: u64, slot: u64) -> Acknowledged {
    Acknowledged { session, seq: Seq(seq), slot: Slot(slot) }
}

/// Commands of stateright as text: they can be printed, but not compared.
pub(crate) fn as_text<'a, C: Debug + 'a>(commands: impl IntoIterator<Item = &'a C>) -> Vec<String> {
    commands.into_iter().map(|command| format!("{command:?}")).collect()
}

/// The deployed parameters, but that nothing is passed on and no time-out adapts.
pub(crate) fn plain() -> Tuning {
    Tuning { relay: false, doublings_max: 0, held_commands_max: 0, ..Tuning::default() }
}

/// The range of a replica's timer under the default tuning.
fn default_delay(timer: Timer) -> Range<Duration> {
    let tuning = Tuning::default();
    match timer {
        Timer::Election => tuning.election_delay(0),
        Timer::Heartbeat => tuning.heartbeat_delay(),
        Timer::Resend => tuning.resend_delay(),
        Timer::Retry => unreachable!("a replica has no such timer"),
    }
}

/// Effects as a test expects them, written in the order in which they are wanted.
impl Effects {
    /// Nothing at all.
    pub(crate) fn none() -> Effects {
        Effects::default()
    }

    /// Starts with a save.
    pub(crate) fn saved() -> Effects {
        Effects { save: true, ..Effects::default() }
    }

    /// Then a message to a replica.
    pub(crate) fn sent(mut self, replica: u8, message: impl Into<Message>) -> Effects {
        self.send(ReplicaId(replica), message);
        self
    }

    /// Then an `Accept` to each of these replicas, ahead of the save, and behind it the vote of this
    /// leader to itself.
    pub(crate) fn proposed_to<const N: usize>(
        mut self,
        replicas: [u8; N],
        accept: Accept,
    ) -> Effects {
        let Accept { ballot, slot, .. } = accept;
        for replica in replicas {
            self.send_ahead(ReplicaId(replica), accept.clone());
        }
        self.send(ballot.replica, Accepted { ballot, slot });
        self
    }

    /// Then the same message to each of these replicas.
    pub(crate) fn sent_to_all<const N: usize>(
        self,
        replicas: [u8; N],
        message: impl Into<Message> + Clone,
    ) -> Effects {
        replicas.into_iter().fold(self, |effects, replica| effects.sent(replica, message.clone()))
    }

    /// Then a message to a client.
    pub(crate) fn sent_to(mut self, node: NodeId, message: impl Into<Message>) -> Effects {
        self.send(node, message);
        self
    }

    /// Then an answer to a client, ahead of any save.
    pub(crate) fn answered(mut self, client: NodeId, message: impl Into<Message>) -> Effects {
        self.send_ahead(client, message);
        self
    }

    /// Then a report to the driver.
    pub(crate) fn reported(mut self, report: Output) -> Effects {
        self.report(report);
        self
    }

    /// Then a replica's timer, at its default range.
    pub(crate) fn set(mut self, timer: Timer) -> Effects {
        self.set_timer(timer, default_delay(timer));
        self
    }

    /// Then a timer cancelled.
    pub(crate) fn cancelled(mut self, timer: Timer) -> Effects {
        self.cancel_timer(timer);
        self
    }
}

/// One replica, to be given events one at a time.
pub(crate) struct Bench {
    pub(crate) me: ReplicaId,
    pub(crate) cluster: Cluster,
    pub(crate) tuning: Tuning,
    pub(crate) state: State,
}

impl Bench {
    /// Replica `me` of a cluster of this size, before anything has happened.
    pub(crate) fn new(me: u8, replicas: u8) -> Bench {
        Bench::restored(me, replicas, Storage::default())
    }

    /// Replica `me` of a cluster of this size, after a start with this storage.
    pub(crate) fn restored(me: u8, replicas: u8, storage: Storage) -> Bench {
        Bench {
            me: ReplicaId(me),
            cluster: Cluster::new(replicas),
            tuning: plain(),
            state: State::restored(storage),
        }
    }

    /// It has promised this ballot.
    pub(crate) fn promised(mut self, ballot: Ballot) -> Bench {
        self.state.durable.write(&mut Effects::none()).promised = ballot;
        self
    }

    /// It has voted.
    pub(crate) fn voted(mut self, slot: u64, ballot: Ballot, value: Value) -> Bench {
        let storage = self.state.durable.write(&mut Effects::none());
        storage.votes.insert(Slot(slot), Vote { ballot, value });
        self
    }

    /// It has applied these values from its applied bound on.
    pub(crate) fn applied(mut self, values: impl IntoIterator<Item = Value>) -> Bench {
        let learner = &mut self.state.learner;
        for value in values {
            let slot = learner.applied_upto;
            learner.sessions.apply(slot, &value, self.tuning.sessions_max);
            learner.decided.insert(slot, value);
            learner.applied_upto = slot.next();
        }
        self
    }

    /// It leads in a ballot of its own from this base on, where nothing was reported.
    pub(crate) fn leading(self, round: u32, base: u64) -> Bench {
        let ballot = ballot(round, self.me.0);
        let mut bench = self.promised(ballot);
        bench.state.phase = Phase::Leading(Leading {
            ballot,
            base: Slot(base),
            next: Slot(base),
            in_flight: Default::default(),
            pacing: Pacing::default(),
            heard: ReplicaSet::default(),
            outbid: Ballot::ZERO,
            intake: Intake::default(),
            end: None,
            reads: OpenReads::default(),
            reported: Default::default(),
            merged: Slot(0),
            joining: None,
        });
        bench
    }

    /// It has proposed this value at the next slot, and only its own vote is counted.
    pub(crate) fn proposed(self, value: Value) -> Bench {
        let (at, own) = (self.leader().next, self.leader().ballot);
        let mut bench = self.voted(at.0, own, value);
        let me = bench.me;
        let leading = bench.leader_mut();
        leading.in_flight.insert(at, Flight { voters: ReplicaSet::of(me), ..Flight::default() });
        leading.next = at.next();
        bench
    }

    /// It passes on what it is asked, and asks others for what it lacks.
    pub(crate) fn relaying(mut self) -> Bench {
        self.tuning.relay = true;
        self
    }

    /// What this replica keeps as a leader.
    pub(crate) fn leader(&self) -> &Leading {
        let Phase::Leading(leading) = &self.state.phase else { panic!("it leads") };
        leading
    }

    /// What this replica keeps as a leader.
    pub(crate) fn leader_mut(&mut self) -> &mut Leading {
        let Phase::Leading(leading) = &mut self.state.phase else { panic!("it leads") };
        leading
    }

    /// Runs one handler and returns what it wants done.
    pub(crate) fn step(&mut self, handler: impl FnOnce(&mut Step<'_, '_>)) -> Effects {
        let (me, cluster, tuning) = (self.me, self.cluster, &self.tuning);
        let (mut state, mut effects) = (Cow::Borrowed(&self.state), Effects::none());
        let mut step = Step { me, cluster, tuning, state: &mut state, effects: &mut effects };
        handler(&mut step);
        if let Cow::Owned(after) = state {
            let changed = after.durable != self.state.durable;
            assert_eq!(effects.save, changed, "a durable change is saved, and nothing else is");
            self.state = after;
        } else {
            assert!(!effects.save, "nothing has changed that could be saved");
        }
        effects
    }

    /// Runs one handler that must leave the state as it is, without so much as a copy of it.
    pub(crate) fn step_untouched(&mut self, handler: impl FnOnce(&mut Step<'_, '_>)) -> Effects {
        self.step(|step| {
            handler(step);
            assert!(matches!(step.state, Cow::Borrowed(_)), "the state is not touched");
        })
    }
}
