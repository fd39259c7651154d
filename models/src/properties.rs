//! What must hold of the chat, and what must be reached so that it does not hold vacuously.
//!
//! **Invariants**
//! - *"Chosen" is computed from votes ever cast*, before any replica decides; a later vote does not
//!   hide an earlier one.
//! - *Nothing here calls the protocol's own judgement*: quorums are counted and duplicates found
//!   anew, and logs are executed anew.
//!
//! **Source**: Lamport, *Paxos Made Simple* (2001) and the TLA+ module `Paxos` for agreement and the
//! inductive invariant (`SafeAt`); Herlihy and Wing (1990) for the real-time order.

pub(crate) mod bounds;
mod safety;

pub(crate) use self::safety::REAPPLIED;
pub use self::safety::{SAFETY, Safety};

use self::safety::*;
use crate::chat::{
    ChatSpec, ClientGhost, Delivery, Ghost, RealTime, ReplicaGhost, ReplicaView, View,
};
use crate::execution::Execution;
use crate::machine::{Disk, Machine};
use crate::node::{Node, NodeState, Stored};
use actor_checker::spec::{Event, Local, Step, Verdict};
use paxos_chat::client::{ClientPhase, ClientStorage};
use paxos_chat::message::{
    Accept, Accepted, Message, Outcome, Output, Plausible, Prepare, SessionExpired, Taker,
    ToClient, ToPeer, ToReplica,
};
use paxos_chat::state::Phase;
use paxos_chat::state::State;
use paxos_chat::types::{Ballot, Command, Operation, Seq, Slot, User, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The events that runs are asked to reach.
pub const EVENTS: [&str; 38] = [
    "a request is passed on",
    "a request waits for an earlier one of its session",
    "a leader is elected",
    "two leaders' ballots get votes",
    "a new leader adopts an old value",
    "a candidate is told of two values for a slot",
    "a new leader closes a gap with a Noop",
    "a Noop is chosen",
    "a duplicate is suppressed",
    "a request is answered again from the session table",
    "a promise comes in chunks",
    "a follower catches up by fetching",
    "a leader fetches below its base",
    "a superseded leader steps down on a decided slot",
    "two slots are in flight",
    "a batch of two commands is chosen",
    "a client is told that the leader is busy",
    "a client is redirected",
    "a session is opened through the log",
    "a session is evicted",
    "a snapshot is taken",
    "an Accept below the compacted bound is answered with Decided",
    "a question about what is not in memory is answered from the log",
    "an Accept far above what is applied is not voted on",
    "a pre-vote is granted",
    "a follower hears a leader that makes progress",
    "a leader steps down unheard",
    "a slot is skipped",
    "a replica recovers in the middle of phase 2",
    "a crash loses a pending save",
    "everything is delivered",
    "everything is delivered with f replicas down",
    "a client asks after another's acknowledgement",
    "a client crashes while its request is pending",
    "a client is down whose pending request was applied",
    "a request is acknowledged that was pending in a crash",
    "a client that came back is told that its session has expired",
    "a reader has read everything",
];

// --- One replica's steps.

/// Judges a step of a replica against what is remembered of it.
pub(crate) fn judge_replica_step(
    spec: &ChatSpec,
    ghost: &ReplicaGhost,
    step: &Step<'_, Node, Ghost>,
    broken: &mut Verdict,
) {
    let Some(machine) = step.state.and_then(NodeState::machine) else { return };
    let state = &machine.replica;
    broken.note(PROMISED_MONOTONE, state.durable.promised < ghost.promised);
    let snapshot =
        step.storage.and_then(Stored::disk).map_or(Slot(0), |saved| saved.storage.snapshot.upto);
    let before = step.before.and_then(|local| local.state.as_ref()).and_then(NodeState::replica);
    let floor = before.map_or(snapshot, |before| before.learner.applied_upto);
    broken.note(APPLIED_MONOTONE, state.learner.applied_upto < floor);
    let mut promised = ghost.promised;
    for (_, message) in step.sends {
        match message {
            Message::ToPeer(ToPeer::Promise(chunk)) => promised = promised.max(chunk.ballot),
            Message::ToPeer(ToPeer::Accepted(Accepted { ballot, .. })) => {
                broken.note(NO_ACCEPTED_BELOW_PROMISE, *ballot < promised);
            }
            _ => {}
        }
    }
    broken.note(SAVED_FIRST, reveals_unsaved(state, step));
    broken.note(EQUAL_REPLICAS, !are_outcomes_of_log(spec, machine, step.reports));
    broken.note(EVICTED_IS_EXPIRED, !have_expired(spec, machine, step.sends));
    broken.note(BOUNDED, !bounds::does_within(&spec.tuning, step));
    broken.note(TAKEN, !are_taken(spec, step));
}

/// Does the driver of whoever gets it take everything that is sent?
fn are_taken(spec: &ChatSpec, step: &Step<'_, Node, Ghost>) -> bool {
    let (replicas, clients) = (usize::from(spec.cluster.len()), spec.users.len());
    let taker = |actor: usize| match actor {
        _ if actor < replicas => Taker::Replica,
        _ if actor < replicas + clients => Taker::Client,
        _ => Taker::Reader,
    };
    let is_of_replica = taker(step.actor) == Taker::Replica;
    step.sends.iter().all(|(dst, message)| {
        let is_whole = match message {
            Message::ToPeer(message) => is_of_replica && message.is_plausible(),
            Message::ToClient(message) => is_of_replica && message.is_plausible(),
            Message::ToReplica(message) => !is_of_replica && message.is_plausible(),
            Message::Input(_) | Message::Output(_) => false,
        };
        is_whole && message.class().taker() == taker(*dst)
    })
}

/// Does every command come to what it comes to in this log?
fn are_outcomes_of_log(spec: &ChatSpec, machine: &Machine, reports: &[Message]) -> bool {
    reports.iter().all(|report| match report {
        Message::Output(Output::Applied { slot, value, outcomes }) => {
            let mut execution = Execution::of(&machine.log, *slot, spec.tuning.sessions_max);
            execution.execute(*slot, value) == *outcomes
        }
        _ => true,
    })
}

/// Was every session evicted below the applied bound, of which this is told?
fn have_expired(spec: &ChatSpec, machine: &Machine, sends: &[(usize, Message)]) -> bool {
    let is_told = |(_, sent): &(usize, Message)| match sent {
        Message::ToClient(ToClient::SessionExpired(SessionExpired { session })) => Some(*session),
        _ => None,
    };
    let mut told = sends.iter().filter_map(is_told).peekable();
    if told.peek().is_none() {
        return true;
    }
    let upto = machine.replica.learner.applied_upto;
    let execution = Execution::of(&machine.log, upto, spec.tuning.sessions_max);
    told.all(|session| execution.has_evicted(session))
}

/// Does the step send a promise, vote or ballot that the storage does not hold?
fn reveals_unsaved(state: &State, step: &Step<'_, Node, Ghost>) -> bool {
    let disk = step.storage.and_then(Stored::disk);
    let promised = disk.map_or(Ballot::ZERO, |saved| saved.storage.promised);
    let vote = |slot: &Slot| disk.and_then(|saved| saved.storage.votes.get(slot));
    step.sends.iter().any(|(_, message)| match message {
        Message::ToPeer(message) => match message {
            ToPeer::Promise(chunk) => promised < chunk.ballot,
            ToPeer::Prepare(Prepare { ballot, .. }) => promised < *ballot,
            ToPeer::Accepted(Accepted { ballot, slot }) => {
                *slot >= state.durable.snapshot.upto
                    && vote(slot).is_none_or(|vote| vote.ballot < *ballot)
            }
            // The vote that goes with a proposal may be saved later; the ballot may not.
            ToPeer::Accept(Accept { ballot, .. }) => promised < *ballot,
            // What decides nothing by itself: who is heard, and what is decided already.
            ToPeer::Heartbeat(_)
            | ToPeer::HeartbeatAck(_)
            | ToPeer::Reject(_)
            | ToPeer::PreVote(_)
            | ToPeer::PreVoteGranted(_)
            | ToPeer::PreVoteRefused(_)
            | ToPeer::Fetch(_)
            | ToPeer::Decided(_)
            | ToPeer::Relay(_) => false,
        },
        // What clients ask and are answered, and what drivers are told.
        Message::ToReplica(_) | Message::ToClient(_) | Message::Input(_) | Message::Output(_) => {
            false
        }
    })
}

// --- One client's steps.

/// Judges a step of a client against what is remembered of it.
pub(crate) fn judge_client_step(
    spec: &ChatSpec,
    ghost: &ClientGhost,
    step: &Step<'_, Node, Ghost>,
    broken: &mut Verdict,
) {
    let client = step.state.and_then(NodeState::client);
    let window = spec.windows[step.actor - usize::from(spec.cluster.len())];
    broken.note(BOUNDED, !client.is_none_or(|client| bounds::asks_within(window, client)));
    broken.note(TAKEN, !are_taken(spec, step));
    // A client that is not durable has nothing saved.
    let saved = step.storage.and_then(Stored::client);
    for (_, message) in step.sends {
        let Message::ToReplica(ToReplica::Request(command)) = message else { continue };
        match &command.operation {
            Operation::OpenSession { nonce } => {
                broken.note(SAVED_FIRST, saved.is_some_and(|saved| saved.nonce != *nonce));
            }
            Operation::InSession { session, seq, body, .. } => {
                broken.note(ACKNOWLEDGED_IS_OVER, ghost.over.contains(&(*session, *seq)));
                let is_saved = |saved: &ClientStorage| {
                    let pending = saved.unacknowledged.get(seq);
                    saved.phase == ClientPhase::Open(*session)
                        && pending.is_some_and(|pending| pending.body == *body)
                };
                broken.note(SAVED_FIRST, saved.is_some_and(|saved| !is_saved(saved)));
            }
        }
    }
}

// --- One reader's steps.

/// Judges a slot that a reader is given, which expects this one.
pub(crate) fn judge_reading(slot: Slot, expected: Slot, broken: &mut Verdict) {
    broken.note(READER, slot != expected);
}

/// Judges what a reader sends.
pub(crate) fn judge_reader_step(
    spec: &ChatSpec,
    step: &Step<'_, Node, Ghost>,
    broken: &mut Verdict,
) {
    broken.note(TAKEN, !are_taken(spec, step));
}

// --- One local state.

/// Judges a local state by itself.
pub(crate) fn judge_local(spec: &ChatSpec, local: &Local<Node, Ghost>) -> Verdict {
    let ghost = match &local.ghost {
        Ghost::Replica(ghost) => ghost,
        Ghost::Client(ghost) => return ghost.broken,
        Ghost::Reader(ghost) => return ghost.broken,
    };
    let mut verdict = ghost.broken;
    verdict.note(VALIDITY, !ghost.votes.values().all(|value| is_valid(spec, value)));
    verdict.note(EXACTLY_ONCE, !is_exactly_once(spec, &ghost.delivered));
    let disk = local.storage.as_ref().and_then(Stored::disk);
    verdict.note(COMPACTION, !disk.is_none_or(is_saved_right));
    verdict.note(VOTES_KEPT, !is_every_vote_kept(ghost, disk));
    verdict.note(EQUAL_REPLICAS, !disk.is_none_or(|disk| is_saved_table_of_log(spec, disk)));
    if let Some(machine) = local.state.as_ref().and_then(NodeState::machine) {
        let state = &machine.replica;
        verdict.note(COMPACTION, !is_compacted_right(machine));
        verdict.note(EQUAL_REPLICAS, !are_tables_of_log(spec, machine));
        verdict.note(BOUNDED, !bounds::waits_within(&spec.tuning, state));
        note(
            &mut verdict,
            spec,
            "two slots are in flight",
            || matches!(&state.phase, Phase::Leading(leading) if leading.in_flight.len() > 1),
        );
    }
    verdict
}

/// Is every command of this value one that its user says?
fn is_valid(spec: &ChatSpec, value: &Value) -> bool {
    value.commands().iter().all(|command: &Command| match &command.operation {
        Operation::OpenSession { .. } => spec.scripts.contains_key(&command.user),
        Operation::InSession { seq, body, .. } => {
            let script = spec.scripts.get(&command.user);
            let index = usize::try_from(seq.0).unwrap_or(0).wrapping_sub(1);
            script.and_then(|script| script.get(index)) == Some(body)
        }
    })
}

/// Does every user's part of the log read as the beginning of what the user says?
fn is_exactly_once(spec: &ChatSpec, delivered: &BTreeMap<(Slot, u32), Delivery>) -> bool {
    let mut said: BTreeMap<&User, Vec<(Seq, &paxos_chat::types::Body)>> = BTreeMap::new();
    for delivery in delivered.values() {
        said.entry(&delivery.user).or_default().push((delivery.seq, &delivery.body));
    }
    said.iter().all(|(user, said)| {
        let script = spec.scripts.get(*user).map_or(&[][..], |script| script);
        said.len() <= script.len()
            && said.iter().copied().eq((1..).map(Seq).zip(script).take(said.len()))
    })
}

/// Are votes kept above the compacted bound only, is everything applied in the chat log, and what
/// is not compacted in memory too?
fn is_compacted_right(Machine { replica, log, .. }: &Machine) -> bool {
    let (upto, applied_upto) = (replica.durable.snapshot.upto, replica.learner.applied_upto);
    replica.durable.votes.keys().all(|slot| *slot >= upto)
        && log.keys().copied().eq(Slot(0).upto(applied_upto))
        && applied_upto >= upto
        && upto.upto(applied_upto).all(|slot| replica.learner.decided.contains_key(&slot))
}

/// Is everything below the saved bound in the chat log that a crash leaves?
fn is_saved_right(Disk { storage, log }: &Disk) -> bool {
    let upto = storage.snapshot.upto;
    log.keys().copied().eq(Slot(0).upto(upto)) && storage.votes.keys().all(|slot| *slot >= upto)
}

/// Are the session tables, the one in memory and the one to be saved, those of the log?
fn are_tables_of_log(spec: &ChatSpec, Machine { replica, log, .. }: &Machine) -> bool {
    let table = |upto| Execution::of(log, upto, spec.tuning.sessions_max);
    let (learner, snapshot) = (&replica.learner, &replica.durable.snapshot);
    table(learner.applied_upto).is_table(&learner.sessions)
        && table(snapshot.upto).is_table(&snapshot.sessions)
}

/// Is the session table that a crash leaves that of the log it leaves?
fn is_saved_table_of_log(spec: &ChatSpec, Disk { storage, log }: &Disk) -> bool {
    let snapshot = &storage.snapshot;
    Execution::of(log, snapshot.upto, spec.tuning.sessions_max).is_table(&snapshot.sessions)
}

/// Is every vote that was ever cast at or above the saved bound on the disk, or superseded there?
fn is_every_vote_kept(ghost: &ReplicaGhost, disk: Option<&Disk>) -> bool {
    let bound = disk.map_or(Slot(0), |disk| disk.storage.snapshot.upto);
    ghost.votes.range((bound, Ballot::ZERO)..).all(|((slot, ballot), value)| {
        let held = disk.and_then(|disk| disk.storage.votes.get(slot));
        held.is_some_and(|held| {
            held.ballot > *ballot || (held.ballot == *ballot && held.value == *value)
        })
    })
}

// --- The system.

/// What was chosen at each slot: usually one value.
type Chosen<'a> = BTreeMap<Slot, BTreeSet<&'a Value>>;

/// Judges the system as a whole.
pub(crate) fn judge(spec: &ChatSpec, views: &[&View], history: &RealTime) -> Verdict {
    let replicas: Vec<&ReplicaView> = views
        .iter()
        .filter_map(|view| match view {
            View::Replica(replica) => Some(replica),
            _ => None,
        })
        .collect();
    let mut verdict = Verdict::default();
    let (chosen, one_value) = chosen(spec, &replicas);
    verdict.note(ONE_VALUE, !one_value);
    verdict.note(AGREEMENT, chosen.values().any(|values| values.len() > 1));
    let is_chosen =
        |slot: &Slot, value: &Value| chosen.get(slot).is_some_and(|c| c.contains(value));
    for replica in &replicas {
        let all = replica
            .decided
            .iter()
            .all(|(slot, value)| *slot < spec.genesis_upto || is_chosen(slot, value));
        verdict.note(DECIDED_IS_CHOSEN, !all);
    }
    verdict.note(
        OWN_BALLOT,
        !replicas.iter().all(|leader| counts_own_ballot(spec, leader, &replicas)),
    );
    verdict.note(PREFIXES, !are_prefixes(&replicas));
    verdict.note(EQUAL_REPLICAS, !are_deliveries_equal(&replicas));
    verdict.note(INDUCTIVE, !is_inductive(spec, &replicas));
    verdict.note(REAL_TIME, history.broken);
    for view in views {
        match view {
            View::Client { user, acknowledged, .. } => {
                let delivered = |seq, slot| is_delivered(user, seq, slot, &chosen, &replicas);
                let all = acknowledged.iter().all(|(seq, slot)| delivered(*seq, *slot));
                verdict.note(ACKNOWLEDGED_IS_CHOSEN, !all);
            }
            View::Reader(read) => {
                let is_known = |slot, value| {
                    replicas.iter().any(|replica| replica.decided.get(slot) == Some(value))
                };
                let all = read.iter().all(|(slot, value)| {
                    is_chosen(slot, value) || (*slot < spec.genesis_upto && is_known(slot, value))
                });
                verdict.note(READER, !all);
            }
            View::Replica(_) => {}
        }
    }
    judge_reached(spec, views, &replicas, &chosen, history, &mut verdict);
    verdict
}

/// What was chosen, from all votes ever cast, and whether each (ballot, slot) has one value.
fn chosen<'a>(spec: &ChatSpec, replicas: &[&'a ReplicaView]) -> (Chosen<'a>, bool) {
    let mut votes: BTreeMap<(Slot, Ballot), BTreeMap<&'a Value, u32>> = BTreeMap::new();
    for replica in replicas {
        for (place, value) in &replica.votes {
            *votes.entry(*place).or_default().entry(value).or_default() += 1;
        }
    }
    let mut chosen = Chosen::new();
    for ((slot, _), values) in &votes {
        for (value, count) in values {
            if *count > u32::from(spec.cluster.len()) / 2 {
                chosen.entry(*slot).or_default().insert(value);
            }
        }
    }
    (chosen, votes.values().all(|values| values.len() == 1))
}

/// Did a majority vote in this leader's ballot for whatever it has decided from its base on?
fn counts_own_ballot(spec: &ChatSpec, leader: &ReplicaView, replicas: &[&ReplicaView]) -> bool {
    let Some((ballot, base)) = leader.leads else { return true };
    let majority = usize::from(spec.cluster.len()) / 2 + 1;
    leader.decided.range(base..).all(|(slot, value)| {
        let voted = |replica: &&&ReplicaView| replica.votes.get(&(*slot, ballot)) == Some(value);
        replicas.iter().filter(voted).count() >= majority
    })
}

/// Do no two replicas have decided different values at a slot?
fn are_prefixes(replicas: &[&ReplicaView]) -> bool {
    replicas.iter().enumerate().all(|(i, left)| {
        replicas[i + 1..].iter().all(|right| {
            let same = |(slot, value)| right.decided.get(slot).is_none_or(|other| other == value);
            left.decided.iter().all(same)
        })
    })
}

/// Have replicas delivered the same, as far as both have got?
fn are_deliveries_equal(replicas: &[&ReplicaView]) -> bool {
    replicas.iter().enumerate().all(|(i, left)| {
        replicas[i + 1..].iter().all(|right| {
            let both = ..(left.applied_upto.min(right.applied_upto), 0);
            left.delivered.range(both).eq(right.delivered.range(both))
        })
    })
}

/// Is an acknowledged request at its slot: chosen there, and delivered there by whoever got so far?
fn is_delivered(
    user: &User,
    seq: Seq,
    slot: Slot,
    chosen: &Chosen<'_>,
    replicas: &[&ReplicaView],
) -> bool {
    let ours = |command: &Command| {
        Delivery::of(command).is_some_and(|delivery| delivery.user == *user && delivery.seq == seq)
    };
    let is_chosen = chosen
        .get(&slot)
        .is_some_and(|values| values.iter().all(|value| value.commands().iter().any(ours)));
    let of_request = |delivery: &Delivery| delivery.user == *user && delivery.seq == seq;
    let delivered_elsewhere = replicas.iter().any(|replica| {
        replica.delivered.iter().any(|((at, _), delivery)| of_request(delivery) && *at != slot)
    });
    is_chosen && !delivered_elsewhere
}

/// Lamport's invariant: for every vote for v in ballot b, and every lower ballot c, some quorum of
/// acceptors each voted for v in c, or has not voted in c and never will.
fn is_inductive(spec: &ChatSpec, replicas: &[&ReplicaView]) -> bool {
    let majority = usize::from(spec.cluster.len()) / 2 + 1;
    let promised_at_least =
        |ballot: Ballot| replicas.iter().filter(|r| r.promised >= ballot).count() >= majority;
    let places: BTreeSet<(Slot, Ballot)> =
        replicas.iter().flat_map(|replica| replica.votes.keys().copied()).collect();
    replicas.iter().flat_map(|replica| &replica.votes).all(|((slot, ballot), value)| {
        let lower = places.range((*slot, Ballot::ZERO)..(*slot, *ballot));
        let safe_at = |c: &Ballot| {
            let supports = |r: &&&ReplicaView| match r.votes.get(&(*slot, *c)) {
                Some(voted) => voted == value,
                None => r.promised > *c,
            };
            replicas.iter().filter(supports).count() >= majority
        };
        // In a ballot without votes the quorum is of those who promised this ballot.
        promised_at_least(*ballot) && lower.map(|(_, c)| c).all(safe_at)
    })
}

fn judge_reached(
    spec: &ChatSpec,
    views: &[&View],
    replicas: &[&ReplicaView],
    chosen: &Chosen<'_>,
    history: &RealTime,
    verdict: &mut Verdict,
) {
    let values = || chosen.values().flatten();
    note(verdict, spec, "two leaders' ballots get votes", || {
        let ballots = replicas.iter().flat_map(|r| r.votes.keys().map(|(_, ballot)| ballot));
        ballots.collect::<BTreeSet<_>>().len() > 1
    });
    note(verdict, spec, "a Noop is chosen", || values().any(|value| **value == Value::Noop));
    note(verdict, spec, "a batch of two commands is chosen", || {
        values().any(|value| value.commands().len() > 1)
    });
    let clients = || {
        views.iter().filter_map(|view| match view {
            View::Client { acknowledged, done, .. } => Some((acknowledged, *done)),
            _ => None,
        })
    };
    let delivered = || clients().all(|(acknowledged, done)| done && !acknowledged.is_empty());
    note(verdict, spec, "everything is delivered", delivered);
    note(verdict, spec, "a reader has read everything", || {
        let bound = replicas.iter().map(|replica| replica.applied_upto).max().unwrap_or_default();
        let to_the_end = |view: &&View| match view {
            View::Reader(read) => read.keys().next_back().is_some_and(|last| last.next() == bound),
            _ => true,
        };
        delivered() && bound > spec.genesis_upto && views.iter().all(to_the_end)
    });
    note(verdict, spec, "everything is delivered with f replicas down", || {
        let down = replicas.iter().filter(|replica| !replica.up).count();
        delivered() && down >= usize::from(spec.cluster.len() - 1) / 2
    });
    note(verdict, spec, "a client is down whose pending request was applied", || {
        let applied = |by: &User, seq: &Seq| {
            let is_it = |delivery: &Delivery| delivery.user == *by && delivery.seq == *seq;
            replicas.iter().any(|replica| replica.delivered.values().any(is_it))
        };
        views.iter().any(|view| match view {
            View::Client { user, pending_while_down, .. } => {
                pending_while_down.iter().any(|seq| applied(user, seq))
            }
            _ => false,
        })
    });
    note(verdict, spec, "a client asks after another's acknowledgement", || {
        let first = |client: usize| matches!(views[client], View::Client { acknowledged, .. } if acknowledged.is_empty());
        history.fences.keys().any(|(client, _)| first(*client))
    });
}

/// Judges `reached` only if the run asks for the event.
fn note(verdict: &mut Verdict, spec: &ChatSpec, event: &str, reached: impl FnOnce() -> bool) {
    if let Some(bit) = spec.event_bit(event) {
        verdict.note(bit, reached());
    }
}

// --- Events of steps.

/// The events that a step reaches.
pub(crate) fn judge_events(spec: &ChatSpec, step: &Step<'_, Node, Ghost>) -> Verdict {
    let mut verdict = Verdict::default();
    for event in events(step) {
        note(&mut verdict, spec, event, || true);
    }
    verdict
}

/// The events that a step reaches, whether asked for or not.
pub fn events(step: &Step<'_, Node, Ghost>) -> Vec<&'static str> {
    let mut events = Vec::new();
    let before = step.before.and_then(|local| local.state.as_ref()).and_then(NodeState::replica);
    let after = step.state.and_then(NodeState::replica);
    if let (Some(before), Some(after)) = (before, after) {
        events.extend(events_of_phase(before, after, step));
        events.extend(events_of_log(before, after));
        if let Event::Deliver { msg, .. } = &step.event {
            events.extend(events_of_message(before, after, msg, step));
        }
    }
    if let (Event::Recover, Some(state)) = (&step.event, after)
        && !state.durable.votes.is_empty()
    {
        events.push("a replica recovers in the middle of phase 2");
    }
    let machine = step.before.and_then(|local| local.state.as_ref()).and_then(NodeState::machine);
    if let (Event::Crash, Some(machine)) = (&step.event, machine)
        && !machine.pending.is_empty()
    {
        events.push("a crash loses a pending save");
    }
    events.extend(events_of_client(step));
    for (_, message) in step.sends {
        events.extend(match message {
            Message::ToClient(ToClient::Busy(_)) => {
                Some("a client is told that the leader is busy")
            }
            Message::ToClient(ToClient::Redirect(_)) => Some("a client is redirected"),
            Message::ToPeer(ToPeer::PreVoteGranted(_)) => Some("a pre-vote is granted"),
            _ => None,
        });
    }
    if let Some(state) = before
        && step.sends.iter().any(|(_, message)| is_read_from_log(state, message))
    {
        events.push("a question about what is not in memory is answered from the log");
    }
    for report in step.reports {
        let Message::Output(Output::Applied { outcomes, .. }) = report else { continue };
        for outcome in outcomes {
            events.extend(match outcome {
                Outcome::Duplicate(_) => Some("a duplicate is suppressed"),
                Outcome::Opened(_) => Some("a session is opened through the log"),
                _ => None,
            });
        }
    }
    events
}

fn events_of_client(step: &Step<'_, Node, Ghost>) -> Vec<&'static str> {
    let Some(Ghost::Client(ghost)) = step.before.map(|local| &local.ghost) else {
        return Vec::new();
    };
    let mut events = Vec::new();
    let left = step.storage.and_then(Stored::client);
    if matches!(step.event, Event::Crash)
        && left.is_some_and(|left| !left.unacknowledged.is_empty())
    {
        events.push("a client crashes while its request is pending");
    }
    for report in step.reports {
        match report {
            Message::Output(Output::Confirmed { seq, .. }) if ghost.crashed_with.contains(seq) => {
                events.push("a request is acknowledged that was pending in a crash");
            }
            Message::Output(Output::OutcomeUnknown { unknown })
                if unknown.iter().any(|seq| ghost.crashed_with.contains(seq)) =>
            {
                events.push("a client that came back is told that its session has expired");
            }
            _ => {}
        }
    }
    events
}

/// Is this an answer with something that the replica has applied and does not hold any more?
fn is_read_from_log(state: &State, message: &Message) -> bool {
    let (Message::ToPeer(ToPeer::Decided(entries)) | Message::ToClient(ToClient::Entries(entries))) =
        message
    else {
        return false;
    };
    let from = entries.from;
    from < state.durable.snapshot.upto && !state.learner.decided.contains_key(&from)
}

fn events_of_phase(
    before: &State,
    after: &State,
    step: &Step<'_, Node, Ghost>,
) -> Vec<&'static str> {
    let mut events = Vec::new();
    match (&before.phase, &after.phase) {
        (Phase::Preparing(_) | Phase::Follower | Phase::PreVoting(_), Phase::Leading(_)) => {
            events.push("a leader is elected");
            for (_, message) in step.sends {
                match message {
                    Message::ToPeer(ToPeer::Accept(Accept { value: Value::Noop, .. })) => {
                        events.push("a new leader closes a gap with a Noop");
                    }
                    Message::ToPeer(ToPeer::Accept(_)) => {
                        events.push("a new leader adopts an old value")
                    }
                    Message::ToPeer(ToPeer::Fetch(_)) => {
                        events.push("a leader fetches below its base")
                    }
                    _ => {}
                }
            }
        }
        (Phase::Leading(_), Phase::Follower) => match &step.event {
            Event::Timeout(_) => events.push("a leader steps down unheard"),
            Event::Deliver { msg: Message::ToPeer(ToPeer::Decided(_)), .. } => {
                events.push("a superseded leader steps down on a decided slot");
            }
            _ => {}
        },
        (Phase::Leading(was), Phase::Leading(is)) => {
            let fresh = |slot: &&Slot| **slot >= was.next;
            let proposed = is.in_flight.keys().filter(fresh).count() as u64;
            if is.next.0 - was.next.0 > proposed && after.learner.applied_upto <= was.next {
                events.push("a slot is skipped");
            }
        }
        _ => {}
    }
    events
}

fn events_of_log(before: &State, after: &State) -> Vec<&'static str> {
    let mut events = Vec::new();
    if after.leader_alive && !before.leader_alive {
        events.push("a follower hears a leader that makes progress");
    }
    if after.durable.snapshot.upto > before.durable.snapshot.upto {
        events.push("a snapshot is taken");
    }
    let gone = |(id, _)| after.learner.sessions.get(id).is_none();
    if before.learner.sessions.iter().any(gone) {
        events.push("a session is evicted");
    }
    events
}

fn events_of_message(
    before: &State,
    after: &State,
    msg: &Message,
    step: &Step<'_, Node, Ghost>,
) -> Vec<&'static str> {
    let mut events = Vec::new();
    let sends = |class: &str| step.sends.iter().any(|(_, sent)| sent.class().name() == class);
    match msg {
        Message::ToPeer(ToPeer::Promise(chunk)) => {
            if let Phase::Preparing(preparing) = &before.phase {
                let rival = |(slot, vote): &(Slot, paxos_chat::types::Vote)| {
                    preparing.reported.get(slot).is_some_and(|known| known.value != vote.value)
                };
                if chunk.votes.iter().any(rival) {
                    events.push("a candidate is told of two values for a slot");
                }
                if !chunk.last && sends("Prepare") {
                    events.push("a promise comes in chunks");
                }
            }
        }
        Message::ToPeer(ToPeer::Decided(_))
            if after.learner.applied_upto > before.learner.applied_upto =>
        {
            events.push("a follower catches up by fetching");
        }
        Message::ToPeer(ToPeer::Accept(_)) if sends("Decided") => {
            events.push("an Accept below the compacted bound is answered with Decided");
        }
        Message::ToPeer(ToPeer::Accept(Accept { ballot, .. }))
            if *ballot >= before.durable.promised && !sends("Accepted") =>
        {
            events.push("an Accept far above what is applied is not voted on");
        }
        Message::ToReplica(ToReplica::Request(_)) if sends("Relay") => {
            events.push("a request is passed on")
        }
        Message::ToReplica(ToReplica::Request(_)) | Message::ToPeer(ToPeer::Relay(_))
            if holds(after) > holds(before) =>
        {
            events.push("a request waits for an earlier one of its session");
        }
        Message::ToReplica(ToReplica::Request(_)) if sends("Acknowledged") => {
            let in_progress = before.learner.applied_upto < after.learner.applied_upto;
            if !in_progress {
                events.push("a request is answered again from the session table");
            }
        }
        _ => {}
    }
    events
}

/// How many requests wait at a leader for an earlier one.
fn holds(state: &State) -> usize {
    match &state.phase {
        Phase::Leading(leading) => leading.intake.held.len(),
        _ => 0,
    }
}
