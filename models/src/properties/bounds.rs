//! What may wait at an actor, and what it may send at once: as much as its parameters say.
//!
//! **Invariant — bytes are counted anew**, without the protocol's own measure: of a command those of its
//! text and its user's name, which is less than it takes on the wire.

use crate::chat::Ghost;
use crate::node::{Node, NodeState};
use actor_checker::spec::{Event, Step};
use paxos_chat::client::ClientState;
use paxos_chat::message::{Accept, AppliedValue, Message, ToClient, ToPeer};
use paxos_chat::open_reads::OpenReads;
use paxos_chat::state::Intake;
use paxos_chat::state::State;
use paxos_chat::state::{Leading, Phase};
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Body, Command, Operation, Slot, User, Value};
use std::collections::BTreeMap;

/// How many there are, and their bytes: of all, and of the largest.
#[derive(Clone, Copy, Default)]
struct Amount {
    count: usize,
    bytes: usize,
    largest: usize,
}

impl Amount {
    fn of<'a>(commands: impl IntoIterator<Item = &'a Command>) -> Amount {
        let mut amount = Amount::default();
        commands.into_iter().for_each(|command| amount.add(bytes(command)));
        amount
    }

    fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
        self.largest = self.largest.max(bytes);
    }

    /// The last that is taken may exceed a limit of bytes.
    fn is_within(self, count_max: usize, bytes_max: usize) -> bool {
        self.count <= count_max && self.bytes - self.largest <= bytes_max
    }
}

fn bytes(command: &Command) -> usize {
    let body = match &command.operation {
        Operation::InSession { body: Body::Write(bytes), .. } => bytes.len(),
        _ => 0,
    };
    body + command.user.0.len()
}

/// What waits at a replica.
pub(crate) fn waits_within(tuning: &Tuning, state: &State) -> bool {
    let learner = &state.learner;
    let tables = [learner.sessions.len(), state.askers.openings.len()];
    let behind = learner.decided.range(..learner.applied_upto).count() as u64;
    let snapshots = match tuning.snapshot_slots {
        0 => u64::MAX,
        slots => slots,
    };
    let is_intake_within = match &state.phase {
        Phase::Leading(leading) => {
            is_intake_within(tuning, &leading.intake)
                && holds_what_is_wanted(state, leading)
                && are_reads_within(tuning, &leading.reads)
        }
        _ => true,
    };
    tables.into_iter().all(|table| table <= tuning.sessions_max)
        && state.askers.sessions.len() <= 2 * tuning.sessions_max
        && behind <= tuning.recent_slots.saturating_add(snapshots)
        && is_intake_within
}

/// No more reads are open than may be, and users are known to have those that they have.
fn are_reads_within(tuning: &Tuning, reads: &OpenReads) -> bool {
    let mut users: BTreeMap<User, usize> = BTreeMap::new();
    for read in
        [&reads.asked, &reads.waiting, &reads.confirmed].into_iter().flat_map(BTreeMap::keys)
    {
        *users.entry(read.user.clone()).or_default() += 1;
    }
    reads.len() <= 2 * tuning.reads_max + users.len() && users == reads.users
}

/// What is held is of sessions that are open, and not applied yet.
fn holds_what_is_wanted(state: &State, leading: &Leading) -> bool {
    leading.intake.held.keys().all(|(id, seq)| {
        state.learner.sessions.get(*id).is_some_and(|session| *seq > session.last_seq)
    })
}

fn is_intake_within(tuning: &Tuning, intake: &Intake) -> bool {
    let (commands_max, bytes_max) = (tuning.queue_commands_max, tuning.queue_bytes_max);
    let mut by_user: BTreeMap<&User, Amount> = BTreeMap::new();
    for command in intake.queue.iter() {
        by_user.entry(&command.user).or_default().add(bytes(command));
    }
    let queued = Amount::of(intake.queue.iter());
    // What is held has come in whole.
    let held = Amount { largest: 0, ..Amount::of(intake.held.values()) };
    queued.count == intake.queue.len()
        && intake.held_bytes >= held.bytes
        && (held.count > 0 || intake.held_bytes == 0)
        && queued.is_within(2 * commands_max, 2 * bytes_max)
        && by_user.values().all(|own| own.is_within(commands_max, bytes_max))
        && held.is_within(tuning.held_commands_max, bytes_max)
}

/// What waits at a client.
pub(crate) fn asks_within(window: usize, state: &ClientState) -> bool {
    state.durable.unacknowledged.len() <= window
}

/// What judging a step needs of the replica's state before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    applied_upto: Slot,
    /// If it leads.
    leading: Option<Reach>,
}

/// How far a leader has gone.
#[derive(Clone, Copy, Debug)]
struct Reach {
    next: Slot,
    in_flight: usize,
    spread: u64,
}

impl Extent {
    pub(crate) fn of(state: &State) -> Extent {
        let applied_upto = state.learner.applied_upto;
        let leading = state.leading().map(|leading| Reach {
            next: leading.next,
            in_flight: leading.in_flight.len(),
            spread: leading.next.0.wrapping_sub(applied_upto.max(leading.base).0),
        });
        Extent { applied_upto, leading }
    }
}

/// What a replica does in one step: how far it votes and proposes, and what it sends at once.
pub(crate) fn does_within(tuning: &Tuning, step: &Step<'_, Node, Ghost>) -> bool {
    let before = step.before.and_then(|local| local.state.as_ref()).and_then(NodeState::replica);
    let after = step.state.and_then(NodeState::replica);
    let (Some(before), Some(after)) = (before, after) else { return true };
    let request = match &step.event {
        Event::Deliver { msg: Message::ToPeer(ToPeer::Accept(accept)), .. } => Some(accept),
        _ => None,
    };
    let casts = request.is_some_and(|request| casts(request, before, after));
    step.sends.iter().all(|(_, message)| is_message_within(tuning, message))
        && moves_within(tuning, &Extent::of(before), after, request.filter(|_| casts))
}

/// Is a vote cast that was asked for?
fn casts(Accept { ballot, slot, .. }: &Accept, before: &State, after: &State) -> bool {
    let has =
        |state: &State| state.durable.votes.get(slot).is_some_and(|vote| vote.ballot == *ballot);
    !has(before) && has(after)
}

/// How far a replica goes in a step, in which it has cast the vote that it was asked for, if that is given.
pub(crate) fn moves_within(
    tuning: &Tuning,
    before: &Extent,
    after: &State,
    cast: Option<&Accept>,
) -> bool {
    knows_open_sessions(before, after)
        && cast.is_none_or(|cast| is_vote_within(tuning, before, cast.slot))
        && is_window_within(tuning, before, after)
}

/// A leader remembers what was proposed of no more sessions than are open, once it has applied something.
fn knows_open_sessions(before: &Extent, after: &State) -> bool {
    let has_applied = before.applied_upto < after.learner.applied_upto;
    match &after.phase {
        Phase::Leading(leading) if has_applied => {
            leading.intake.proposed.len() <= after.learner.sessions.len()
        }
        _ => true,
    }
}

/// A vote is cast no farther ahead than votes are kept.
fn is_vote_within(tuning: &Tuning, before: &Extent, slot: Slot) -> bool {
    slot.0.saturating_sub(before.applied_upto.0) < tuning.votes_ahead_max
}

/// A leader proposes what is new while its window has room, and no farther than its followers can see.
fn is_window_within(tuning: &Tuning, before: &Extent, after: &State) -> bool {
    let (Some(was), Some(is)) = (before.leading, after.leading()) else { return true };
    let window = tuning.window_slots;
    let spread_max = (window as u64).saturating_add(tuning.stuck_slots_max);
    let proposed = is.in_flight.range(was.next..).count() as u64;
    let jumped_over = is.next.0.wrapping_sub(was.next.0).saturating_sub(proposed);
    let spread = Extent::of(after).leading.map_or(0, |reach| reach.spread);
    is.in_flight.len() <= was.in_flight.max(window)
        && spread <= was.spread.max(spread_max).wrapping_add(jumped_over)
}

/// Whatever a message holds many of.
pub(crate) fn is_message_within(tuning: &Tuning, message: &Message) -> bool {
    let value = |value: &Value| Amount::of(value.commands()).bytes;
    let chunk = |bytes: &mut dyn Iterator<Item = usize>| {
        let mut amount = Amount::default();
        bytes.for_each(|bytes| amount.add(bytes));
        let is_single = amount.count == 1;
        amount.count <= tuning.chunk_entries_max.max(1)
            && (is_single || amount.bytes <= tuning.chunk_bytes_max)
    };
    match message {
        Message::ToPeer(ToPeer::Promise(promise)) => {
            chunk(&mut promise.votes.iter().map(|(_, vote)| value(&vote.value)))
        }
        Message::ToPeer(ToPeer::Decided(entries)) => chunk(&mut entries.values.iter().map(value)),
        Message::ToClient(ToClient::Entries(page)) => {
            chunk(&mut page.values.iter().map(AppliedValue::size_bytes))
        }
        Message::ToPeer(ToPeer::Accept(Accept { value: proposed, .. })) => {
            let commands = proposed.commands().len();
            commands <= tuning.batch_commands_max.max(1)
                && (commands == 1 || value(proposed) <= tuning.batch_bytes_max)
        }
        _ => true,
    }
}
