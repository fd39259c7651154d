//! Whoever comes for the first time, and whoever says what is not theirs to say.

use super::costs::within;
use super::world::World;
use super::{demand, millis, seconds};
use crate::deployed::Deployed;
use paxos_chat::client::ClientPhase;
use paxos_chat::message::{Class, Entries, Message, Promise, Relay, Route, Taker};
use paxos_chat::quorum::ReplicaSet;
use paxos_chat::types::{
    Ballot, Body, Command, Nonce, Operation, ReplicaId, Slot, Timestamp, User, Value,
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
        Message::Promise(Promise {
            ballot: promised,
            from: slot,
            next: slot,
            compacted_upto: slot,
            last: true,
            votes: Vec::new(),
        }),
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
                let before = world.simulation.state(dst).cloned();
                world.simulation.take_sent();
                world.simulation.forge(src, dst, message.clone());
                let is_same = world.simulation.state(dst) == before.as_ref();
                let sent = world.simulation.take_sent();
                demand(is_same && sent.is_empty(), seed, || {
                    format!("{message:?} is not {src}'s to send to {dst}, which takes it: {sent:?}")
                })?;
            }
        }
    }
    Ok(seeds.count() as u32)
}
