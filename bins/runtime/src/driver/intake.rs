//! What a driver takes in: datagrams as they come, and questions, which take turns.

use super::{
    BURST_MAX, Driver, DriverError, Host, MESSAGES_MAX, Oddity, QUESTIONS_PART, Sender, Whence,
};
use crate::nodes::Receipt;
use crate::wire::{Content, Opened, Peer, WireError};
use actor_recording::recorder::Origin;
use stateright::actor::{Actor, Id};
use std::net::SocketAddr;

/// The datagram that was opened last.
#[derive(Debug)]
pub(super) struct Opening<P> {
    of: Option<Envelope>,
    /// Those of its packets that were not handed over, the next one last.
    packets: Vec<P>,
}

/// A question that may wait, and where it came from.
#[derive(Debug)]
pub(super) struct Question<M> {
    origin: Origin,
    message: M,
}

/// What is around the messages of a datagram.
#[derive(Debug)]
struct Envelope {
    peer: Peer,
    /// Of the next one that is handed over.
    origin: Origin,
    heard: Receipt,
    /// Its sender's, once it has sent something that is admitted.
    id: Option<u64>,
    content: Content,
}

/// How much a turn may still handle.
struct Allowance {
    datagrams: usize,
    messages: usize,
}

impl Allowance {
    fn is_some(&self) -> bool {
        self.datagrams > 0 && self.messages > 0
    }
}

impl<P> Default for Opening<P> {
    fn default() -> Opening<P> {
        Opening { of: None, packets: Vec::new() }
    }
}

impl<P> Opening<P> {
    /// Is nothing left of it?
    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }
}

impl<A, H> Driver<A, H>
where
    A: Actor<Random = (), State: 'static>,
    H: Host<A>,
{
    /// Hands over what has arrived, until there is no more or it was much.
    pub(super) fn receive(&mut self) -> Result<(), DriverError> {
        let mut left = Allowance { datagrams: BURST_MAX, messages: MESSAGES_MAX };
        self.take_messages(&mut left);
        let mut may_be_more = true;
        while left.is_some() {
            if self.handled == self.arrivals.len() {
                if !may_be_more {
                    return Ok(());
                }
                let received = self.world.network.receive(&mut self.arrivals);
                may_be_more = received.map_err(DriverError::Network)?;
                self.handled = 0;
            }
            let mut arrivals = std::mem::take(&mut self.arrivals);
            for (from, datagram) in arrivals.iter_mut().skip(self.handled) {
                if !left.is_some() {
                    break;
                }
                self.handled += 1;
                left.datagrams -= 1;
                self.open(from, datagram);
                self.take_messages(&mut left);
            }
            self.arrivals = arrivals;
        }
        Ok(())
    }

    /// Opens a datagram, whose messages are to be handed over.
    fn open(&mut self, address: SocketAddr, datagram: &mut [u8]) {
        let (mut packets, bytes) = (std::mem::take(&mut self.opened.packets), datagram.len());
        match self.codec.open_all(Some(address), datagram, &mut packets) {
            Ok(Opened { peer, boot, number, is_proven, content }) => {
                let heard = Receipt { address, is_proven, bytes };
                if let Peer::Replica(id) = peer {
                    self.look_at_replica(id, address, content);
                }
                self.counters.malformed += u64::from(matches!(content, Content::Unread(_)));
                let origin = Origin { boot: *boot.as_bytes(), datagram: number, index: 0 };
                self.opened.of = Some(Envelope { peer, origin, heard, id: None, content });
            }
            Err(error) => {
                let oddity = match error {
                    WireError::Forged => Some(Oddity::Seal),
                    WireError::Cluster => Some(Oddity::Cluster),
                    WireError::Version(version) => Some(Oddity::Version(version)),
                    _ => None,
                };
                if let (Some(oddity), Some(id)) = (oddity, self.nodes.replica_at(address)) {
                    self.host.on_oddity(id, oddity);
                }
                self.count_dropped(&error);
            }
        }
        packets.reverse();
        self.opened.packets = packets;
    }

    /// Tells the host what this datagram of a replica shows.
    fn look_at_replica(&mut self, id: u8, address: SocketAddr, content: Content) {
        if !self.nodes.is_at(id, address) {
            self.host.on_oddity(id, Oddity::Address(address));
        }
        if let Content::Unread(format) = content {
            self.host.on_oddity(id, Oddity::Format(format));
        }
    }

    /// Hands over the messages of the datagram that was opened last, each if its sender may send it, as long as there
    /// may be more.
    fn take_messages(&mut self, left: &mut Allowance) {
        let Some(mut of) = self.opened.of.take() else { return };
        while left.messages > 0
            && let Some(packet) = self.opened.packets.pop()
        {
            left.messages -= 1;
            self.take_message(&mut of, packet);
            of.origin.index += 1;
        }
        if self.opened.is_empty() {
            self.take_proof(of);
        } else {
            self.opened.of = Some(of);
        }
    }

    fn take_message(&mut self, of: &mut Envelope, packet: H::Packet) {
        let Envelope { peer, origin, heard, id, .. } = of;
        let sender = match &peer {
            Peer::Replica(_) => Sender::Replica,
            Peer::Client(client) => Sender::Client(client.user.as_str()),
        };
        let now = self.world.clock.time_of_day();
        let Some(message) = self.host.admit(sender, packet, now) else {
            self.counters.refused += 1;
            return;
        };
        // Whoever sends nothing that is admitted is not remembered, but for whom it is told what is read here.
        let id = *id.get_or_insert_with(|| self.nodes.heard(*peer, *heard));
        if let Peer::Client(client) = *peer
            && self.host.may_wait(&message)
        {
            let question = Question { origin: *origin, message };
            let is_taken = if self.is_proven(id) {
                self.questions.put(client.user, id, question)
            } else {
                self.outbox.post_greeting(id_of(id));
                self.questions.hold(client.user, id, question)
            };
            self.counters.refused += u64::from(!is_taken);
            return;
        }
        self.is_busy = true;
        self.counters.received += 1;
        self.hand_over(Whence::Peer(id_of(id), *origin), message);
    }

    /// A client that has shown that it hears at its address gets what is held for it. A replica that sends a
    /// cookie alone wants to be shown. Whoever writes what is not read here is told.
    fn take_proof(&mut self, of: Envelope) {
        let Envelope { peer, heard, id, content, .. } = of;
        match peer {
            _ if matches!(content, Content::Unread(_)) => {
                let id = self.nodes.heard(peer, heard);
                self.outbox.post_greeting(id_of(id));
            }
            Peer::Client(client) => {
                let id = id.or_else(|| self.nodes.heard_again(client, heard));
                if let Some(id) = id
                    && self.is_proven(id)
                {
                    self.questions.release(client.user, id);
                }
            }
            Peer::Replica(id) if content == Content::Cookie => {
                self.outbox.post_greeting(id_of(id.into()))
            }
            Peer::Replica(_) => {}
        }
    }

    fn is_proven(&self, id: u64) -> bool {
        self.nodes.find(id).is_some_and(|to| to.is_proven)
    }

    /// Hands over the next question, if it is its turn, and sends what comes of it.
    pub(super) fn answer_next(&mut self) -> Result<(), DriverError> {
        let began = self.world.clock.now();
        if self.questions.is_empty() || (self.is_busy && began < self.questions_at) {
            return Ok(());
        }
        if let Some((asker, Question { origin, message })) = self.questions.next() {
            self.counters.received += 1;
            self.hand_over(Whence::Peer(id_of(asker), origin), message);
            self.flush()?;
        }
        let ended = self.world.clock.now();
        self.questions_at = ended + (ended - began) * (QUESTIONS_PART - 1);
        Ok(())
    }

    fn count_dropped(&mut self, error: &WireError) {
        let counter = match error {
            WireError::Forged => &mut self.counters.forged,
            WireError::Replayed => &mut self.counters.replayed,
            _ => &mut self.counters.malformed,
        };
        *counter += 1;
    }
}

/// A number of the node table as an actor's id.
fn id_of(number: u64) -> Id {
    Id::from(usize::try_from(number).unwrap_or(super::LOCAL))
}
