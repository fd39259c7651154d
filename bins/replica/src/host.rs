//! What a replica's process adds to its actor: who may send it what, time stamps, and the chat
//! log, which it writes, and from which it answers whoever lags.
//!
//! **Invariants**
//! - *A client can't send what replicas send*, nor the other way round.
//! - *Nobody speaks in another's name*: the user of a request, or of a current read, is the one who has sealed it.
//! - *A request is stamped where it enters*, and only if its name and text are short enough. To the protocol a text
//!   is bytes, so what is no text is refused here.
//! - *The chat log is written at the end of each turn*, so that it never lags behind an answer by
//!   more than that turn.
//! - *Damage of the log met while answering others* is told, counted and not answered: what it votes and applies
//!   does not depend on it. Whoever asks has others to ask.
//! - *Bounded*: a client's question about the log may wait, so the driver hands over one in a turn, and it is
//!   answered with one chunk. A turn answers at most [`READS_MAX`] replicas beside it, with at most
//!   [`CHUNKS_MAX`] chunks each. A question that is not answered is as good as lost, and asked again; so
//!   whoever catches up can't keep the replica from serving, and is itself the one that says when it wants more.

use crate::narrator::Narrator;
use crate::office::{CommitMeter, Office};
use crate::status::Status;
use crate::vitals::Vitals;
use actor_runtime::driver::{Counters, Host, Oddity, Sender};
use paxos_chat::chunk::Chunk;
use paxos_chat::message::{
    Accept, AppliedValue, Asker, Entries, Heartbeat, Input, LogRead, Message, Output, Plausible,
    ToClient, ToPeer, ToReplica,
};
use paxos_chat::replica::Replica;
use paxos_chat::state::State;
use paxos_chat::tuning::{BODY_BYTES_MAX, Tuning, USER_BYTES_MAX};
use paxos_chat::types::{Ballot, Body, Command, Operation, Slot, Timestamp, Value};
use paxos_chat_log::{Entry, Store, text_of};
use paxos_chat_packets::{Leadership, Packet};
use stateright::actor::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, Instant};

/// Replicas whose questions about the log are answered in one turn.
pub const READS_MAX: usize = 16;
/// Chunks in the answer to a replica, so many that it catches up with a log that grows as fast as it
/// can; and half of what may be put together of one sender's fragments at once.
pub const CHUNKS_MAX: usize = 16;

/// The host of a replica.
pub struct ReplicaHost {
    users: BTreeSet<String>,
    tuning: Tuning,
    log: Store,
    /// What is asked of the log in this turn.
    reads: BTreeMap<Asker, LogRead>,
    reads_served: u64,
    read_errors: u64,
    /// Entries that others have sent.
    fetched: u64,
    /// Requests that clients have made here.
    requests: u64,
    office: Office,
    vitals: Vitals,
    narrator: Narrator,
    /// What each replica is written to in.
    formats: Vec<u8>,
    /// The highest ballot in which a leader was heard.
    heard: Ballot,
    leadership: Leadership,
}

impl ReplicaHost {
    /// Writes what is applied to `log`, and serves these users; all, if there are none. Chunks are
    /// cut as the replica cuts them.
    pub fn new(
        log: Store,
        users: impl IntoIterator<Item = String>,
        tuning: &Tuning,
    ) -> ReplicaHost {
        ReplicaHost {
            users: users.into_iter().collect(),
            tuning: tuning.clone(),
            log,
            reads: BTreeMap::new(),
            reads_served: 0,
            read_errors: 0,
            fetched: 0,
            requests: 0,
            office: Office::default(),
            vitals: Vitals::default(),
            narrator: Narrator::default(),
            formats: Vec::new(),
            heard: Ballot::ZERO,
            leadership: Leadership { promised: Ballot::ZERO, is_led: false },
        }
    }

    /// Makes the chat log durable, at the end. Nothing depends on it: what was promised is in the
    /// journal, and what the log lacks is fetched.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn close(&mut self) -> io::Result<()> {
        self.log.flush()?;
        self.log.file().sync()
    }

    /// How long a slot takes from a leader's proposal until it is applied; for others to read.
    pub fn commits(&self) -> CommitMeter {
        self.office.commits()
    }

    /// Where what the replica shows of itself can be seen.
    pub fn vitals(&self) -> Vitals {
        self.vitals.clone()
    }

    /// How the replica is in this state, as far as its driver knows.
    pub fn status(&self, state: &State, counters: Counters) -> Status {
        Status {
            log_lines: self.log.lines(),
            log_hash: self.log.chain().to_hex(),
            log_reads: self.reads_served,
            read_errors: self.read_errors,
            fetched: self.fetched,
            requests: self.requests,
            elections_won: self.office.won(),
            leader_changes: self.office.changes(),
            counters,
            formats: self.formats.clone(),
            is_led: state.leading().is_some()
                || (state.leader_alive && self.heard == state.durable.promised),
            ..Status::of(state)
        }
    }

    /// From now on, serves these users; all, if there are none.
    pub fn serve_only(&mut self, users: impl IntoIterator<Item = String>) {
        self.users = users.into_iter().collect();
    }

    fn serves(&self, user: &str) -> bool {
        self.users.is_empty() || self.users.contains(user)
    }

    /// What this user asks, as it enters the cluster, unless it asks too much or in another's name.
    fn stamped(&self, message: ToReplica, user: &str, now: Duration) -> Option<ToReplica> {
        match message {
            ToReplica::Request(mut command) => {
                command.stamp = Timestamp(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
                let is_own = *command.user.0 == *user;
                (is_own && self.is_within_limits(&command)).then_some(ToReplica::Request(command))
            }
            ToReplica::Read(ref read) => (*read.user.0 == *user).then_some(message),
            ToReplica::Tail(_) => Some(message),
        }
    }

    fn is_within_limits(&self, command: &Command) -> bool {
        let is_allowed = match &command.operation {
            Operation::InSession { body: body @ Body::Write(_), .. } => text_of(body).is_some(),
            // No user may change the members.
            Operation::InSession { body: Body::Reconfigure(_), .. } => false,
            _ => true,
        };
        let is_short = command.user.0.len() <= USER_BYTES_MAX;
        is_short && is_allowed && command.body_bytes() <= BODY_BYTES_MAX
    }
}

/// The longest name that a command holds is the longest that a datagram can name.
const _: () = assert!(USER_BYTES_MAX == actor_runtime::wire::USER_BYTES_MAX);

impl Host<Replica> for ReplicaHost {
    type Packet = Packet;

    fn admit(&mut self, from: Sender<'_>, packet: Packet, now: Duration) -> Option<Message> {
        if !packet.is_plausible() {
            return None;
        }
        match (packet, from) {
            (Packet::ToPeer(message), Sender::Replica) => {
                match &message {
                    ToPeer::Decided(entries) => self.fetched += entries.values.len() as u64,
                    // Only who leads sends them; a Prepare comes of whoever stands.
                    ToPeer::Heartbeat(Heartbeat { ballot, .. })
                    | ToPeer::Accept(Accept { ballot, .. }) => {
                        self.heard = self.heard.max(*ballot);
                    }
                    _ => {}
                }
                Some(message.into())
            }
            (Packet::ToReplica(message), Sender::Client(user)) if self.serves(user) => {
                let taken = self.stamped(message, user, now)?;
                self.requests += u64::from(matches!(taken, ToReplica::Request(_)));
                Some(taken.into())
            }
            (Packet::ToPeer(_) | Packet::ToReplica(_), _) => None,
            // For clients.
            (Packet::ToClient(_) | Packet::Leadership(_), _) => None,
        }
    }

    fn may_wait(&self, message: &Message) -> bool {
        matches!(message, Message::ToReplica(ToReplica::Tail(_)))
    }

    fn release(&mut self, message: Message) -> Option<Packet> {
        if let Message::ToPeer(ToPeer::Accept(Accept { slot, .. })) = message {
            self.office.proposed(slot, Instant::now());
        }
        Packet::of(message)
    }

    fn beside(&self, packet: &Packet) -> Option<Packet> {
        let is_read = matches!(packet, Packet::ToClient(ToClient::Entries(_)));
        is_read.then_some(Packet::Leadership(self.leadership))
    }

    /// What the log holds above the compacted bound. Whatever of it was torn or damaged by the crash was cut off.
    fn recall(&mut self, state: &State) -> io::Result<Option<Message>> {
        let (from, upto) = (state.learner.applied_upto, Slot(self.log.written().get().slots));
        let chunk = self.read(from, upto, Value::size_bytes)?;
        let values: Vec<Value> = chunk.into_iter().map(|applied| applied.value).collect();
        let is_end = values.is_empty();
        let entries = Entries { from, values, applied_upto: upto };
        Ok((!is_end).then(|| Input::Recall(entries).into()))
    }

    fn on_local(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::Output(Output::Applied { slot, value, outcomes }) => {
                self.office.applied(slot, Instant::now());
                self.log.append(&Entry { slot, value, outcomes })?;
            }
            Message::Output(Output::ReadLog(read)) if self.has_place(read.asker) => {
                self.reads.insert(read.asker, read);
            }
            _ => {}
        }
        Ok(())
    }

    fn on_oddity(&mut self, replica: u8, oddity: Oddity) {
        self.narrator.oddity(replica, oddity, Instant::now());
    }

    fn on_formats(&mut self, spoken: &[u8]) {
        if self.formats != spoken {
            self.formats = spoken.to_vec();
            self.narrator.formats(spoken, Instant::now());
        }
    }

    fn observe(&mut self, state: &State, counters: &Counters) {
        let status = self.status(state, *counters);
        let (promised, is_led) = (state.durable.promised, status.is_led);
        self.leadership = Leadership { promised, is_led };
        self.office.turn(status.role, promised, is_led);
        self.narrator.turn(&status, Instant::now());
        self.vitals.publish(status);
    }

    fn on_turn_end(&mut self) -> io::Result<Vec<(Id, Message)>> {
        self.log.flush()?;
        let reads = std::mem::take(&mut self.reads);
        let mut answers = Vec::new();
        for read in reads.into_values() {
            answers.extend(self.answer(read));
        }
        Ok(answers)
    }
}

/// The size of a value in a message, in bytes.
type Size = fn(&Value) -> usize;

impl ReplicaHost {
    /// Clients take turns at the driver's, and do not take the places of replicas.
    fn has_place(&self, asker: Asker) -> bool {
        let is_replica = |asker: &&Asker| matches!(asker, Asker::Replica(_));
        !is_replica(&&asker)
            || self.reads.contains_key(&asker)
            || self.reads.keys().filter(is_replica).count() < READS_MAX
    }

    /// A replica gets several chunks for one question, in order, because it asks again only once its
    /// turn and this one's have ended, disks included; a client gets one. Only the last tells that
    /// there is more, so that an answer is followed by one question. What cannot be read ends the answer.
    fn answer(&mut self, read: LogRead) -> Vec<(Id, Message)> {
        let LogRead { asker, mut from, upto } = read;
        // Outcomes are not told to replicas, so more of the log fits a chunk.
        let (chunks_max, size): (_, Size) = match asker {
            Asker::Replica(_) => (CHUNKS_MAX, Value::size_bytes),
            Asker::Client(_) => (1, AppliedValue::size_bytes_of),
        };
        let mut chunks: Vec<(LogRead, Vec<AppliedValue>)> = Vec::new();
        while from < upto && chunks.len() < chunks_max {
            self.reads_served += 1;
            let chunk = match self.read(from, upto, size) {
                Ok(chunk) if chunk.is_empty() => break,
                Ok(chunk) => chunk,
                Err(error) => {
                    self.read_errors += 1;
                    self.narrator.unread(self.read_errors, &error);
                    break;
                }
            };
            let end = Slot(from.0 + chunk.len() as u64);
            chunks.push((LogRead { asker, from, upto: end }, chunk));
            from = end;
        }
        if let Some((last, _)) = chunks.last_mut() {
            last.upto = upto;
        }
        let answer = |(read, chunk): (LogRead, _)| read.answer(chunk, &self.tuning);
        chunks.into_iter().map(|chunk| (asker.node().into(), answer(chunk))).collect()
    }

    /// A chunk of what the log holds, of values of this size.
    fn read(&mut self, from: Slot, upto: Slot, size: Size) -> io::Result<Vec<AppliedValue>> {
        let mut chunk = Chunk::of(&self.tuning);
        let takes = |entry: &Entry| chunk.takes(size(&entry.value));
        let entries = self.log.read(from, upto, takes)?;
        let applied = |Entry { value, outcomes, .. }| AppliedValue { value, outcomes };
        Ok(entries.into_iter().map(applied).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actor_runtime::disk::fake::FakeDisk;
    use actor_runtime::wire::ClusterId;
    use paxos_chat::message::{Busy, Outcome, Page, Tail};
    use paxos_chat::state::Storage;
    use paxos_chat::types::NodeId;
    use paxos_chat::types::{Nonce, ReplicaId, Seq, SessionId, User};

    fn host(users: &[&str]) -> ReplicaHost {
        let path = std::path::Path::new("/data/replica-0.log");
        let log = Store::create(&FakeDisk::default(), path, ClusterId::of("test")).unwrap();
        ReplicaHost::new(log, users.iter().map(|user| (*user).to_owned()), &Tuning::default())
    }

    fn opening(user: &str) -> Packet {
        let (stamp, user) = (Timestamp(0), User::new(user));
        let operation = Operation::OpenSession { nonce: Nonce(1) };
        Packet::ToReplica(ToReplica::Request(Command { stamp, user, operation }))
    }

    const ANN: Sender<'static> = Sender::Client("ann");
    const NOW: Duration = Duration::from_millis(7);

    #[test]
    fn senders_may_send_what_is_theirs() {
        let mut host = host(&[]);
        let mut admits = |from, packet| host.admit(from, packet, NOW).is_some();
        let heartbeat = Heartbeat { ballot: Ballot::ZERO, decided_upto: Slot(0) };
        let heartbeat = Packet::ToPeer(ToPeer::Heartbeat(heartbeat));
        assert!(admits(Sender::Replica, heartbeat.clone()));
        assert!(!admits(ANN, heartbeat));
        assert!(admits(ANN, opening("ann")));
        assert!(!admits(Sender::Replica, opening("ann")));
        for from in [Sender::Replica, ANN] {
            assert!(!admits(from, Packet::ToClient(ToClient::Busy(Busy { queued: 1 }))));
            let leadership = Leadership { promised: Ballot::ZERO, is_led: true };
            assert!(!admits(from, Packet::Leadership(leadership)));
        }
    }

    #[test]
    fn requests_are_stamped_and_limited() {
        let admitted = host(&[]).admit(ANN, opening("ann"), NOW);
        let Some(Message::ToReplica(ToReplica::Request(command))) = admitted else {
            panic!("still a request")
        };
        assert_eq!(command.stamp, Timestamp(7));
        let serves = |users: &[&str], from, packet| host(users).admit(from, packet, NOW).is_some();
        let long = "x".repeat(USER_BYTES_MAX + 1);
        assert!(!serves(&[], Sender::Client(&long), opening(&long)));
        let session = SessionId { slot: Slot(0), index: 0 };
        let saying = |bytes: &[u8]| {
            let (seq, acked_below, body) = (Seq(1), Seq(1), Body::write(bytes));
            let operation = Operation::InSession { session, seq, acked_below, body };
            let (stamp, user) = (Timestamp(0), User::new("ann"));
            Packet::ToReplica(ToReplica::Request(Command { stamp, user, operation }))
        };
        assert!(serves(&[], ANN, saying("hé".as_bytes())));
        assert!(!serves(&[], ANN, saying(&[b'h', 0xe9])), "what is no text can't be read");
        assert!(!serves(&[], ANN, saying(&[b'x'; BODY_BYTES_MAX + 1])));
        assert!(serves(&["ann"], ANN, opening("ann")));
        assert!(!serves(&["bob"], ANN, opening("ann")));
        let tail = Packet::ToReplica(ToReplica::Tail(Tail { from: Some(Slot(0)) }));
        assert!(!serves(&["bob"], ANN, tail));
    }

    #[test]
    fn nobody_speaks_in_another_s_name() {
        let admits = |from, packet| host(&[]).admit(from, packet, NOW).is_some();
        assert!(admits(ANN, opening("ann")));
        assert!(!admits(ANN, opening("bob")));
        assert!(!admits(Sender::Client("an"), opening("ann")));
    }

    fn applied(slot: u64) -> Message {
        Message::Output(Output::Applied {
            slot: Slot(slot),
            value: Value::Noop,
            outcomes: Vec::new(),
        })
    }

    #[test]
    fn questions_about_the_log_are_answered_at_the_end_of_the_turn() {
        let mut host = host(&[]);
        host.tuning.chunk_entries_max = 2;
        let asker = Asker::Replica(ReplicaId(2));
        let read = |from| {
            Message::Output(Output::ReadLog(LogRead { asker, from: Slot(from), upto: Slot(5) }))
        };
        for slot in 0..5 {
            host.on_local(applied(slot)).unwrap();
        }
        host.on_local(read(0)).unwrap();
        host.on_local(read(1)).unwrap();
        let answer = |from, count, upto| {
            let (from, applied_upto) = (Slot(from), Slot(upto));
            Message::ToPeer(ToPeer::Decided(Entries {
                from,
                values: vec![Value::Noop; count],
                applied_upto,
            }))
        };
        let answers = host.on_turn_end().unwrap();
        let expected = [(Id::from(2), answer(1, 2, 3)), (Id::from(2), answer(3, 2, 5))];
        assert_eq!(answers, expected, "one answer for each asker, to its last question");
        host.on_local(read(4)).unwrap();
        assert_eq!(host.on_turn_end().unwrap(), [(Id::from(2), answer(4, 1, 5))]);
        assert_eq!(host.on_turn_end().unwrap(), []);
    }

    #[test]
    fn a_replica_gets_several_chunks_for_a_question_and_a_client_one() {
        let mut host = host(&[]);
        host.tuning.chunk_entries_max = 1;
        let slots = 2 * CHUNKS_MAX as u64;
        for slot in 0..slots {
            host.on_local(applied(slot)).unwrap();
        }
        for asker in [Asker::Replica(ReplicaId(2)), Asker::Client(NodeId(9))] {
            let read = LogRead { asker, from: Slot(0), upto: Slot(slots) };
            host.on_local(Message::Output(Output::ReadLog(read))).unwrap();
        }
        let answers = host.on_turn_end().unwrap();
        let to = |node| answers.iter().filter(|(to, _)| *to == Id::from(node)).count();
        assert_eq!((to(2), to(9)), (CHUNKS_MAX, 1));
    }

    /// Or a replica that lags would need more questions for the same log, and might never catch up.
    #[test]
    fn a_chunk_for_a_replica_is_as_large_as_it_may_be_without_outcomes() {
        let mut host = host(&[]);
        let (session, user) = (SessionId { slot: Slot(0), index: 0 }, User::new("ann"));
        let (seq, acked_below, body) = (Seq(1), Seq(1), Body::write("hi"));
        let operation = Operation::InSession { session, seq, acked_below, body };
        let command = Command { stamp: Timestamp(0), user, operation };
        let value = Value::batch(vec![command; 50]);
        host.tuning.chunk_bytes_max = 2 * value.size_bytes();
        for slot in (0..4).map(Slot) {
            let (value, outcomes) = (value.clone(), vec![Outcome::Applied; 50]);
            host.on_local(Output::Applied { slot, value, outcomes }.into()).unwrap();
        }
        let mut chunks = |asker| {
            let read = LogRead { asker, from: Slot(0), upto: Slot(4) };
            host.on_local(Message::Output(Output::ReadLog(read))).unwrap();
            host.on_turn_end().unwrap().len()
        };
        assert_eq!(chunks(Asker::Replica(ReplicaId(1))), 2);
        assert_eq!(chunks(Asker::Client(NodeId(9))), 1);
    }

    #[test]
    fn a_client_is_told_what_commands_came_to() {
        let mut host = host(&[]);
        let (slot, user) = (Slot(0), User::new("ann"));
        let operation = Operation::OpenSession { nonce: Nonce(1) };
        let value = Value::batch([Command { stamp: Timestamp(0), user, operation }]);
        let outcomes = vec![Outcome::Opened(SessionId { slot, index: 0 })];
        let (applied, from) =
            (AppliedValue { value: value.clone(), outcomes: outcomes.clone() }, slot);
        host.on_local(Output::Applied { slot, value, outcomes }.into()).unwrap();
        let read = LogRead { asker: Asker::Client(NodeId(9)), from, upto: Slot(1) };
        host.on_local(Message::Output(Output::ReadLog(read))).unwrap();
        let page = Page { from, values: vec![applied], applied_upto: Slot(1) };
        assert_eq!(host.on_turn_end().unwrap(), [(Id::from(9), page.into())]);
    }

    #[test]
    fn a_turn_reads_for_a_few_replicas_and_clients_do_not_take_their_places() {
        let mut host = host(&[]);
        host.on_local(applied(0)).unwrap();
        let mut ask = |asker| {
            let read = LogRead { asker, from: Slot(0), upto: Slot(1) };
            host.on_local(Message::Output(Output::ReadLog(read))).unwrap();
        };
        ask(Asker::Client(NodeId(100)));
        (1..2 * READS_MAX as u8).for_each(|id| ask(Asker::Replica(ReplicaId(id))));
        assert_eq!(host.on_turn_end().unwrap().len(), 1 + READS_MAX);
    }

    #[test]
    fn what_the_log_holds_is_handed_over_chunk_by_chunk_until_it_is_applied() {
        let mut host = host(&[]);
        host.tuning.chunk_entries_max = 2;
        (0..3).for_each(|slot| host.on_local(applied(slot)).unwrap());
        host.on_turn_end().unwrap();
        let mut state = State::restored(Storage::default());
        let mut recalled = |upto| {
            state.learner.applied_upto = Slot(upto);
            match host.recall(&state).unwrap()? {
                Message::Input(Input::Recall(entries)) => {
                    Some((entries.from.0, entries.values.len()))
                }
                other => panic!("{other}"),
            }
        };
        assert_eq!(recalled(0), Some((0, 2)));
        assert_eq!(recalled(2), Some((2, 1)));
        assert_eq!(recalled(3), None);
        assert_eq!(host.reads_served, 0, "nobody has asked");
    }

    #[test]
    fn nothing_local_leaves() {
        assert_eq!(host(&[]).release(Input::SkipSlot.into()), None);
        assert!(host(&[]).release(Busy { queued: 1 }.into()).is_some());
    }
}
