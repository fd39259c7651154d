//! Whoever comes for the first time, and what comes from whom it should not, or too late.

use super::costs::within;
use super::world::World;
use super::{demand, millis, seconds};
use crate::deployed::Deployed;
use crate::node::NodeTimer;
use paxos_chat::client::ClientPhase;
use paxos_chat::effects::Timer;
use paxos_chat::message::{Class, Entries, Message, Promise, Relay, Route, Taker};
use paxos_chat::proposer::Phase;
use paxos_chat::quorum::ReplicaSet;
use paxos_chat::types::{
    Ballot, Body, Command, Nonce, Operation, ReplicaId, Seq, SessionId, Slot, Timestamp, User,
    Value,
};

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

/// A message of each class that an actor takes, each of which would do something if it came from whom it
/// should.
fn one_of_each(world: &World) -> Vec<Message> {
    let (slot, ballot) = (world.applied_upto(), Ballot { round: 1_000, replica: ReplicaId(1) });
    let value = Value::Noop;
    let entries = Entries { from: slot, values: vec![value.clone()], applied_upto: slot.next() };
    let nonce = Nonce(7_000);
    let operation = Operation::OpenSession { nonce };
    let command = Command { stamp: Timestamp(0), user: User::new("eve"), operation };
    let storage = &world.client(0).durable;
    let ClientPhase::Open(session) = storage.phase else { return Vec::new() };
    let promised = world.ballot();
    vec![
        Message::Request(command.clone()),
        Message::Tail { from: Slot(0) },
        Message::SessionOpened { nonce: storage.nonce, session },
        Message::Acknowledged { session, seq: storage.next_seq, slot },
        Message::Busy { queued: 1 },
        Message::Redirect { leader: ReplicaId(2) },
        Message::SessionExpired { session },
        Message::Entries(entries.clone()),
        Message::PreVote { promised: ballot, applied_upto: slot },
        Message::PreVoteGranted { asked: promised, promised },
        Message::PreVoteRefused { asked: promised },
        Message::Prepare { ballot, from: slot },
        Message::Promise(empty_promise(promised, slot)),
        Message::Accept { ballot, slot, value, decided_upto: slot.next() },
        Message::Accepted { ballot: promised, slot },
        Message::Reject { promised: ballot },
        Message::Heartbeat { ballot, decided_upto: slot.next() },
        Message::HeartbeatAck { ballot: promised },
        Message::Fetch { from: Slot(0) },
        Message::Decided(entries),
        Message::Relay(Relay { passed: ReplicaSet::default(), command }),
        Message::Submit(Body::post("hi")),
        Message::SkipSlot,
    ]
}

/// A promise of whoever has voted for nothing since this slot.
fn empty_promise(ballot: Ballot, slot: Slot) -> Promise {
    let (from, next, compacted_upto, last) = (slot, slot, slot, true);
    Promise { ballot, from, next, compacted_upto, last, votes: Vec::new() }
}

/// That nothing changes, and nothing is sent, when this comes from there.
fn is_ignored(
    world: &mut World,
    src: usize,
    dst: usize,
    message: &Message,
    seed: u64,
) -> Result<(), String> {
    let before = world.simulation.state(dst).cloned();
    world.simulation.take_sent();
    world.simulation.forge(src, dst, message.clone());
    let is_same = world.simulation.state(dst) == before.as_ref();
    let sent = world.simulation.take_sent();
    demand(is_same && sent.is_empty(), seed, || {
        format!("actor {dst} does something about {message:?} of actor {src}: {sent:?}")
    })
}

/// What an actor is.
fn kind(actor: usize) -> Taker {
    if actor < 3 { Taker::Replica } else { Taker::Client }
}

/// May this one send it to that one?
fn is_theirs(message: &Message, src: usize, dst: usize) -> bool {
    let class = message.class();
    class.taker() == kind(dst)
        && match class.route() {
            Route::Replicas | Route::ReplicaToClient => kind(src) == Taker::Replica,
            Route::ClientToReplica => kind(src) != Taker::Replica,
            Route::Local => false,
        }
}

pub(super) fn not_theirs(deployed: &Deployed) -> Result<u32, String> {
    let seeds = 0..2;
    for seed in seeds.clone() {
        let mut world = World::new(deployed, 3, 2, seed);
        world.talks_for(seconds(4))?;
        let messages = one_of_each(&world);
        let takes = |taker: Taker| matches!(taker, Taker::Replica | Taker::Client | Taker::Reader);
        let forgotten = Class::ALL.iter().find(|class| {
            takes(class.taker()) && messages.iter().all(|message| message.class() != **class)
        });
        demand(forgotten.is_none(), seed, || {
            format!("no {} is tried", forgotten.unwrap_or(&Class::Request))
        })?;
        // Between replicas, from clients to them, and from them to clients.
        for (src, dst) in (0..5).flat_map(|src| (0..5).map(move |dst| (src, dst))) {
            if src == dst || kind(src) == Taker::Client && kind(dst) == Taker::Client {
                continue;
            }
            for message in messages.iter().filter(|message| !is_theirs(message, src, dst)) {
                is_ignored(&mut world, src, dst, message, seed)?;
            }
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
        for number in 0..4 * SESSIONS_MAX as u64 {
            let session = SessionId { slot: Slot(1_000_000 + number), index: 0 };
            let (seq, acked_below, body) = (Seq(1), Seq(1), Body::Sync);
            let operation = Operation::InSession { session, seq, acked_below, body };
            let command = Command { stamp: Timestamp(0), user: User::new("eve"), operation };
            (0..3).for_each(|id| {
                world.simulation.forge(4, id, Message::Request(command.clone()));
            });
        }
        world.run_for(seconds(1))?;
        world.talks_for(seconds(4))?;
        world.serves_all_within(seconds(1))?;
    }
    Ok(seeds.count() as u32)
}

pub(super) fn late_answers(deployed: &Deployed) -> Result<u32, String> {
    let seeds = 0..4;
    for seed in seeds.clone() {
        let mut world = World::new(deployed, 3, 1, seed);
        world.talks_for(seconds(4))?;
        let (old, first) = world.leader()?;
        world.simulation.crash(first);
        world.talks_for(seconds(4))?;
        world.simulation.start(first);
        world.talks_for(seconds(4))?;
        world.serves_all_within(seconds(1))?;
        let (ballot, leader) = world.leader()?;
        demand(ballot > old, seed, || format!("{ballot:?} is not above {old:?}"))?;
        // A proposal is under way, and another replica asks for support.
        let candidate = (0..3).find(|id| *id != leader).unwrap_or_default();
        world.cut_off(leader, true);
        world.says(0, "hello");
        world.run_for(millis(20))?;
        world.simulation.expire(candidate, &NodeTimer::Actor(Timer::Election));
        let slot = world.applied_upto();
        let late = [
            Message::PreVoteGranted { asked: old, promised: ballot },
            Message::PreVoteRefused { asked: old },
            Message::Promise(empty_promise(old, slot)),
            Message::Accepted { ballot: old, slot },
            Message::Reject { promised: old },
            Message::HeartbeatAck { ballot: old },
        ];
        let asks = matches!(world.replica(candidate).phase, Phase::PreVoting(_));
        let has_proposed = matches!(&world.replica(leader).phase, Phase::Leading(leading) if leading.in_flight.contains_key(&slot));
        demand(asks && has_proposed, seed, || {
            String::from("nobody asks for support, or nothing is under way")
        })?;
        for dst in [leader, candidate] {
            for src in (0..3).filter(|src| *src != dst) {
                for message in &late {
                    is_ignored(&mut world, src, dst, message, seed)?;
                }
            }
        }
    }
    Ok(seeds.count() as u32)
}
