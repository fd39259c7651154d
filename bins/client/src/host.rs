//! What a client's process adds to its actors: answers are taken from replicas only, and results
//! become events.
//!
//! **Invariant**: the n-th message submitted in a session has number n, over all processes of a durable
//! client, so a number names what the user said.

use actor_runtime::driver::{Host, Sender};
use paxos_chat::client::Client;
use paxos_chat::message::{AppliedValue, Message, Output, Plausible, ToClient, ToReplica};
use paxos_chat::reader::Reader;
use paxos_chat::types::{Operation, Seq, SessionId, Slot};
use paxos_chat_packets::Packet;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// What happened to a client's session or to one of its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The session is open.
    Opened(SessionId),
    /// A message was acknowledged.
    Confirmed {
        /// The session.
        session: SessionId,
        /// The message's number.
        seq: Seq,
        /// Where it was applied.
        slot: Slot,
        /// How often it was sent again.
        retries: u64,
    },
    /// The session has expired.
    Expired {
        /// The messages whose outcome is unknown; some between them may be acknowledged.
        unknown: Vec<Seq>,
    },
    /// The client has ended before it was told to: nothing more is sent or saved.
    Failed {
        /// Why, and what to do.
        why: String,
        /// A durable client's file has the messages below this number; none, if it can't be read.
        saved_below: Option<Seq>,
    },
}

/// The host of a client.
pub struct ClientHost<F> {
    session: Option<SessionId>,
    /// How often each unacknowledged message was sent.
    sends: BTreeMap<Seq, u64>,
    on_event: F,
}

impl<F: FnMut(Event) -> io::Result<()>> ClientHost<F> {
    /// Hands events to `on_event`; its error ends the driver.
    pub fn new(on_event: F) -> ClientHost<F> {
        ClientHost { session: None, sends: BTreeMap::new(), on_event }
    }

    /// How often messages that are not acknowledged yet were sent again.
    pub fn retries(&self) -> u64 {
        self.sends.values().map(|sends| sends.saturating_sub(1)).sum()
    }
}

impl<F: FnMut(Event) -> io::Result<()>> Host<Client> for ClientHost<F> {
    type Packet = Packet;

    fn admit(&mut self, from: Sender<'_>, packet: Packet, _now: Duration) -> Option<Message> {
        answer(from, packet).map(Message::from)
    }

    fn release(&mut self, message: Message) -> Option<Packet> {
        if let Message::ToReplica(ToReplica::Request(command)) = &message
            && let Operation::InSession { seq, .. } = &command.operation
        {
            *self.sends.entry(*seq).or_default() += 1;
        }
        Packet::of(message)
    }

    fn on_local(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::Output(Output::Opened { session }) => {
                self.session = Some(session);
                (self.on_event)(Event::Opened(session))
            }
            Message::Output(Output::Confirmed { seq, slot }) => {
                let retries = self.sends.remove(&seq).unwrap_or_default().saturating_sub(1);
                let Some(session) = self.session else { return Ok(()) };
                (self.on_event)(Event::Confirmed { session, seq, slot, retries })
            }
            Message::Output(Output::OutcomeUnknown { unknown }) => {
                (self.on_event)(Event::Expired { unknown })
            }
            _ => Ok(()),
        }
    }
}

/// What a replica answers a client.
pub(crate) fn answer(from: Sender<'_>, packet: Packet) -> Option<ToClient> {
    match packet {
        Packet::ToClient(answer) if from == Sender::Replica => Some(answer),
        _ => None,
    }
    .filter(Plausible::is_plausible)
}

/// What a reader has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The end of the log, where it was to begin.
    End(Slot),
    /// What was applied at the next slot.
    Applied(Slot, AppliedValue),
    /// A current read has ended: everything is read below this bound, and so all that anybody was told of before it
    /// began.
    Current(Slot),
}

/// The host of a reader.
pub struct ReaderHost<F> {
    /// The bound that the replica which answered last had applied.
    applied_upto: Option<Slot>,
    on_news: F,
}

impl<F: FnMut(News) -> io::Result<()>> ReaderHost<F> {
    /// Hands what is read to `on_news`, in slot order; its error ends the driver.
    pub fn new(on_news: F) -> ReaderHost<F> {
        ReaderHost { applied_upto: None, on_news }
    }

    /// The bound that the replica which answered last had applied; `None` before any answer.
    pub fn applied_upto(&self) -> Option<Slot> {
        self.applied_upto
    }
}

impl<F: FnMut(News) -> io::Result<()>> Host<Reader> for ReaderHost<F> {
    type Packet = Packet;

    fn admit(&mut self, from: Sender<'_>, packet: Packet, _now: Duration) -> Option<Message> {
        let answer = answer(from, packet)?;
        match &answer {
            ToClient::Entries(entries) => self.applied_upto = Some(entries.applied_upto),
            ToClient::ReadBound(_) => {}
            _ => return None,
        }
        Some(answer.into())
    }

    fn release(&mut self, message: Message) -> Option<Packet> {
        Packet::of(message)
    }

    fn on_local(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::Output(Output::EndFound { end }) => (self.on_news)(News::End(end)),
            Message::Output(Output::Applied { slot, value, outcomes }) => {
                (self.on_news)(News::Applied(slot, AppliedValue { value, outcomes }))
            }
            Message::Output(Output::Current { nonce: _, upto }) => {
                (self.on_news)(News::Current(upto))
            }
            _ => Ok(()),
        }
    }
}
