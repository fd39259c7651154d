//! Whoever comes for the first time, and what comes from whom it should not, or too late.

use super::costs::within;
use super::world::World;
use super::{demand, millis, seconds};
use crate::deployed::Deployed;
use crate::node::NodeTimer;
use paxos_chat::client::ClientPhase;
use paxos_chat::effects::Timer;
use paxos_chat::message::{
    Accept, Accepted, Acknowledged, AppliedValue, Busy, Class, Entries, Fetch, Heartbeat,
    HeartbeatAck, Input, Message, Page, PreVote, PreVoteGranted, PreVoteRefused, Prepare, Promise,
    Read, ReadBound, Redirect, Reject, Relay, RelayBound, RelayedRead, Round, RoundAck,
    SessionExpired, SessionOpened, Tail, Taker, ToPeer, ToReplica,
};
use paxos_chat::quorum::ReplicaSet;
use paxos_chat::state::Phase;
use paxos_chat::types::{
    Ballot, Body, Command, NodeId, Nonce, Operation, ReplicaId, Seq, SessionId, Slot, Timestamp,
    User, Value,
};
use std::time::Duration;

pub(super) fn newcomers(deployed: &Deployed) -> Result<u32, String> {
    const CLIENTS: u64 = 40;
    let seeds = 0..4;
    for seed in seeds.clone() {
        let mut world = World::new(deployed, 3, CLIENTS as usize, seed);
        (0..CLIENTS as usize).for_each(|client| world.simulation.crash(3 + client));
        world.run_for(seconds(4))?;
        world.simulation.take_sent();
        (0..CLIENTS as usize).for_each(|client| world.simulation.start(3 + client));
        (0..CLIENTS as usize).for_each(|client| world.says(client, "hello"));
        world.serves_all_within(millis(50))?;
        // Each opens a session and says something, and some of each are sent to the leader, too.
        let sent = world.simulation.take_sent();
        within(&sent, Class::Request, 2 * CLIENTS, 3 * CLIENTS, seed)?;
    }
    Ok(seeds.count() as u32)
}

/// Replicas are numbered from 0, then come two clients and a reader.
const REPLICAS: usize = 5;
const CLIENT: usize = REPLICAS;
const NEWCOMER: usize = CLIENT + 1;
const READER: usize = NEWCOMER + 1;
/// A current read that is open.
const READ: Nonce = Nonce(9_000);

/// Everybody waits for something: a client for what its leader has proposed and no other replica hears, a
/// newcomer for its session, and a replica that hears nobody for support, or for promises.
struct Waiter {
    world: World,
    leader: usize,
    candidate: usize,
    /// Of the leader before this one.
    old: Ballot,
}

fn waiting(deployed: &Deployed, prepares: bool, seed: u64) -> Result<Waiter, String> {
    let mut world = World::with_readers(deployed, REPLICAS as u8, 2, 1, seed);
    world.talks_for(seconds(2))?;
    let (old, first) = world.leader()?;
    world.simulation.crash(first);
    world.talks_for(seconds(3))?;
    world.simulation.start(first);
    world.talks_for(seconds(2))?;
    world.serves_all_within(seconds(1))?;
    world.run_for(seconds(1))?;
    let (ballot, leader) = world.leader()?;
    demand(ballot > old, seed, || format!("{ballot:?} is not above {old:?}"))?;
    let candidate = (leader + 1) % REPLICAS;
    world.cut_off(leader, true);
    world.cut_off(candidate, true);
    world.says(0, "hello");
    world.run_for(millis(20))?;
    world.restart_client(NEWCOMER - CLIENT);
    world.simulation.expire(candidate, &NodeTimer::Actor(Timer::Election));
    if prepares {
        let asked = world.replica(candidate).durable.promised;
        let supporters = (0..REPLICAS).filter(|id| ![leader, candidate].contains(id)).take(2);
        for supporter in supporters {
            let granted = PreVoteGranted { asked, promised: asked }.into();
            world.simulation.forge(supporter, candidate, granted);
        }
    }
    world.simulation.input(READER, Message::Input(Input::ReadCurrent(READ)));
    world.simulation.forge(READER, leader, Read { user: eve(), nonce: READ }.into());
    let is_so = match &world.replica(candidate).phase {
        Phase::PreVoting(_) => !prepares,
        Phase::Preparing(_) => prepares,
        _ => false,
    };
    let is_under_way = matches!(&world.replica(leader).phase, Phase::Leading(leading)
        if leading.in_flight.contains_key(&world.applied_upto()));
    let is_open = matches!(world.client(0).durable.phase, ClientPhase::Open(_));
    demand(is_so && is_under_way && is_open, seed, || String::from("somebody waits for nothing"))?;
    Ok(Waiter { world, leader, candidate, old })
}

/// Who is not there.
fn eve() -> User {
    User::new("eve")
}

/// Something that this user asks in a session.
fn asks(session: SessionId, seq: Seq, user: &str) -> Command {
    let operation = Operation::InSession { session, seq, acked_below: seq, body: Body::Sync };
    Command { stamp: Timestamp(0), user: User::new(user), operation }
}

impl Waiter {
    /// The session of the client that waits.
    fn session(&self) -> SessionId {
        let ClientPhase::Open(session) = self.world.client(0).durable.phase else {
            unreachable!("it has been served in one")
        };
        session
    }

    /// A message of each class that an actor takes, of which each does something in one of the two
    /// situations, to one of the actors.
    fn one_of_each(&self) -> Vec<Message> {
        let Waiter { world, leader, candidate, .. } = self;
        let (slot, ballot) = (world.applied_upto(), Ballot { round: 1_000, replica: ReplicaId(1) });
        let value = Value::Noop;
        let entries =
            Entries { from: slot, values: vec![value.clone()], applied_upto: slot.next() };
        let applied = AppliedValue { value: value.clone(), outcomes: Vec::new() };
        let operation = Operation::OpenSession { nonce: Nonce(7_000) };
        let command = Command { stamp: Timestamp(0), user: eve(), operation };
        let storage = &world.client(0).durable;
        let session = self.session();
        let nonce = world.client(NEWCOMER - CLIENT).durable.nonce;
        let seq = Seq(storage.next_seq.0 - 1);
        let candidate = world.replica(*candidate);
        let (asked, own) = (candidate.durable.promised, candidate.phase.own_ballot());
        let led = world.leads(*leader).unwrap_or_default();
        let reader = NodeId(READER as u64);
        let read =
            RelayedRead { passed: Vec::new(), reader, user: eve(), nonce: Nonce(READ.0 + 2) };
        vec![
            Message::ToReplica(ToReplica::Request(command.clone())),
            Tail { from: Some(Slot(0)) }.into(),
            Read { user: eve(), nonce: READ }.into(),
            SessionOpened { nonce, session }.into(),
            Acknowledged { session, seq, slot }.into(),
            Busy { queued: 1 }.into(),
            Redirect { leader: ReplicaId(2) }.into(),
            Redirect { leader: ReplicaId(3) }.into(),
            SessionExpired { session }.into(),
            Page { from: slot, values: vec![applied], applied_upto: slot.next() }.into(),
            ReadBound { nonce: READ, upto: slot }.into(),
            PreVote { promised: ballot, applied_upto: slot }.into(),
            PreVoteGranted { asked, promised: asked }.into(),
            PreVoteRefused { asked }.into(),
            Prepare { ballot, from: slot }.into(),
            Message::ToPeer(ToPeer::Promise(empty_promise(own.unwrap_or(asked), slot))),
            Accept { ballot, slot, value, decided_upto: slot.next() }.into(),
            Accepted { ballot: led, slot }.into(),
            Reject { promised: ballot }.into(),
            Heartbeat { ballot, decided_upto: slot.next() }.into(),
            HeartbeatAck { ballot: led }.into(),
            Fetch { from: Slot(0) }.into(),
            Message::ToPeer(ToPeer::Decided(entries.clone())),
            Relay { passed: ReplicaSet::default(), command }.into(),
            read.clone().into(),
            RelayBound { read, upto: slot }.into(),
            Round { ballot: led, round: 1 }.into(),
            RoundAck { ballot: led, round: 1 }.into(),
            Message::Input(Input::Submit(Body::write("hi"))),
            Message::Input(Input::SkipSlot),
            Message::Input(Input::Recall(entries)),
            Message::Input(Input::ReadCurrent(Nonce(READ.0 + 1))),
        ]
    }

    /// Does an actor send something, or know something else, when this comes from there?
    fn does_something(&mut self, src: Option<usize>, dst: usize, message: &Message) -> bool {
        let simulation = &mut self.world.simulation;
        let before = simulation.state(dst).cloned();
        simulation.take_sent();
        match src {
            Some(src) => simulation.forge(src, dst, message.clone()),
            None => simulation.input(dst, message.clone()),
        }
        simulation.state(dst) != before.as_ref() || !simulation.take_sent().is_empty()
    }

    fn is_ignored(
        &mut self,
        src: usize,
        dst: usize,
        message: &Message,
        seed: u64,
    ) -> Result<(), String> {
        let does_something = self.does_something(Some(src), dst, message);
        demand(!does_something, seed, || {
            format!("actor {dst} does something about {message:?} of actor {src}")
        })
    }
}

/// A promise of whoever has voted for nothing since this slot.
fn empty_promise(ballot: Ballot, slot: Slot) -> Promise {
    let (from, next, compacted_upto, last) = (slot, slot, slot, true);
    Promise { ballot, from, next, compacted_upto, last, votes: Vec::new() }
}

/// What an actor is.
fn kind(actor: usize) -> Taker {
    match actor {
        READER => Taker::Reader,
        CLIENT | NEWCOMER => Taker::Client,
        _ => Taker::Replica,
    }
}

/// Who may send to whom: every actor to every other one, and each one's driver, which is no actor, to it.
fn pairs() -> impl Iterator<Item = (Option<usize>, usize)> {
    let all = 0..=READER;
    let sources = all.clone().map(Some).chain([None]);
    let pairs = sources.flat_map(move |src| all.clone().map(move |dst| (src, dst)));
    pairs.filter(|(src, dst)| *src != Some(*dst))
}

/// May this one send it to that one?
fn is_theirs(message: &Message, src: Option<usize>, dst: usize) -> bool {
    let src = src.map(kind);
    let may_send = match message {
        Message::ToPeer(_) | Message::ToClient(_) => src == Some(Taker::Replica),
        Message::ToReplica(_) => src.is_some_and(|src| src != Taker::Replica),
        Message::Input(_) | Message::Output(_) => src.is_none(),
    };
    may_send && message.class().taker() == kind(dst)
}

pub(super) fn not_theirs(deployed: &Deployed) -> Result<u32, String> {
    let takes = |taker: Taker| matches!(taker, Taker::Replica | Taker::Client | Taker::Reader);
    let seed = 0;
    let situations = [false, true];
    let mut taken: Vec<Class> = Vec::new();
    for prepares in situations {
        let mut waiting_here = waiting(deployed, prepares, seed)?;
        let messages = waiting_here.one_of_each();
        for (src, dst) in pairs() {
            let Some(src) = src else { continue };
            for message in messages.iter().filter(|message| !is_theirs(message, Some(src), dst)) {
                waiting_here.is_ignored(src, dst, message, seed)?;
            }
        }
        // But from whom it should come, it is heard.
        for message in &messages {
            if taken.contains(&message.class()) {
                continue;
            }
            let mut waiting_here = waiting(deployed, prepares, seed)?;
            let mut theirs = pairs().filter(|(src, dst)| is_theirs(message, *src, *dst));
            if theirs.any(|(src, dst)| waiting_here.does_something(src, dst, message)) {
                taken.push(message.class());
            }
        }
    }
    let not_taken = Class::ALL.iter().find(|class| takes(class.taker()) && !taken.contains(class));
    demand(not_taken.is_none(), seed, || format!("nobody takes {not_taken:?}"))?;
    Ok(situations.len() as u32)
}

pub(super) fn late_answers(deployed: &Deployed) -> Result<u32, String> {
    let mut runs = 0;
    for prepares in [false, true] {
        for seed in 0..2 {
            let mut late = waiting(deployed, prepares, seed)?;
            let (slot, old) = (late.world.applied_upto(), late.old);
            let answers = [
                PreVoteGranted { asked: old, promised: old }.into(),
                PreVoteRefused { asked: old }.into(),
                Message::ToPeer(ToPeer::Promise(empty_promise(old, slot))),
                Accepted { ballot: old, slot }.into(),
                Reject { promised: old }.into(),
                HeartbeatAck { ballot: old }.into(),
                RoundAck { ballot: old, round: 1 }.into(),
            ];
            for dst in [late.leader, late.candidate] {
                for src in (0..REPLICAS).filter(|src| *src != dst) {
                    for answer in &answers {
                        late.is_ignored(src, dst, answer, seed)?;
                    }
                }
            }
            // The client is known to have this acknowledgement, so nobody has it any more.
            let command = asks(late.session(), Seq(1), "u0");
            for dst in 0..REPLICAS {
                late.is_ignored(
                    CLIENT,
                    dst,
                    &Message::ToReplica(ToReplica::Request(command.clone())),
                    seed,
                )?;
            }
            runs += 1;
        }
    }
    client_has_everything(deployed)?;
    Ok(runs + 1)
}

/// A client that waits for nothing is told, by each replica, of leaders, full queues and what it knows.
fn client_has_everything(deployed: &Deployed) -> Result<(), String> {
    let mut world = World::new(deployed, 3, 1, 0);
    world.talks_for(seconds(2))?;
    world.serves_all_within(seconds(1))?;
    let ClientPhase::Open(session) = world.client(0).durable.phase else {
        return Err(String::from("a client that is served has a session"));
    };
    let seq = Seq(world.client(0).durable.next_seq.0 - 1);
    let leaders = (0..3).map(|leader| Redirect { leader: ReplicaId(leader) }.into());
    let others = [
        Busy { queued: 100 }.into(),
        SessionOpened { nonce: world.client(0).durable.nonce, session }.into(),
        Acknowledged { session, seq, slot: world.applied_upto() }.into(),
    ];
    let messages: Vec<Message> = leaders.chain(others).collect();
    world.simulation.take_sent();
    for replica in 0..3 {
        for message in &messages {
            world.simulation.forge(replica, 3, message.clone());
            world.run_for(Duration::ZERO)?;
        }
    }
    world.run_for(seconds(10))?;
    within(&world.simulation.take_sent(), Class::Request, 0, 0, 0)
}

pub(super) fn stolen_session(deployed: &Deployed) -> Result<u32, String> {
    let seeds = 0..2;
    for seed in seeds.clone() {
        let mut theft = waiting(deployed, false, seed)?;
        let (session, leader) = (theft.session(), theft.leader);
        // One that was acknowledged, one that is proposed, the next one, and one that comes too early.
        let next = theft.world.client(0).durable.next_seq;
        for seq in [Seq(next.0 - 2), Seq(next.0 - 1), next, next.next()] {
            let stolen = Message::ToReplica(ToReplica::Request(asks(session, seq, "eve")));
            theft.is_ignored(NEWCOMER, leader, &stolen, seed)?;
        }
    }
    Ok(seeds.count() as u32)
}

pub(super) fn made_up_sessions(deployed: &Deployed) -> Result<u32, String> {
    const SESSIONS_MAX: usize = 64;
    let mut deployed = deployed.clone();
    deployed.tuning.sessions_max = SESSIONS_MAX;
    let seeds = 0..2;
    for seed in seeds.clone() {
        let mut world = World::new(&deployed, 3, 2, seed);
        world.talks_for(seconds(4))?;
        world.serves_all_within(seconds(1))?;
        // Client 0 is served by a follower, which remembers it.
        let (_, leader) = world.leader()?;
        world.connect(3, leader, false);
        world.talks_for(seconds(4))?;
        world.longest_wait = Duration::ZERO;
        for number in 0..100 * SESSIONS_MAX as u64 {
            if number % (4 * SESSIONS_MAX as u64) == 0 {
                // What waits is judged before anything is applied.
                world.run_for(Duration::ZERO)?;
                world.talks_for(millis(50))?;
            }
            let session = SessionId { slot: Slot(1_000_000 + number), index: 0 };
            let command = asks(session, Seq(1), "eve");
            (0..3).for_each(|id| {
                world.simulation.forge(
                    4,
                    id,
                    Message::ToReplica(ToReplica::Request(command.clone())),
                );
            });
        }
        world.serves_all_within(seconds(1))?;
        let longest = world.longest_wait;
        demand(longest <= millis(100), seed, || format!("a client waits for {longest:?}"))?;
    }
    Ok(seeds.count() as u32)
}
