//! What a driver takes in: datagrams as they come, and questions, which take turns.

use super::{BURST_MAX, Driver, DriverError, Host, MESSAGES_MAX, QUESTIONS_PART, Sender, index};
use crate::nodes::Heard;
use crate::wire::{Opened, Peer, WireError};
use paxos_chat::types::NodeId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stateright::actor::{Actor, Id};
use std::net::SocketAddr;

impl<A, H> Driver<A, H>
where
    A: Actor<Random = (), State: 'static>,
    A::Msg: Serialize + DeserializeOwned,
    H: Host<A>,
{
    /// Hands over what has arrived, until there is no more or it was much.
    pub(super) fn receive(&mut self) -> Result<(), DriverError> {
        let (mut datagrams, mut taken) = (0, 0);
        let mut may_be_more = true;
        loop {
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
                if datagrams >= BURST_MAX || taken >= MESSAGES_MAX {
                    break;
                }
                self.handled += 1;
                datagrams += 1;
                taken += self.take_datagram(from, datagram);
            }
            self.arrivals = arrivals;
            if datagrams >= BURST_MAX || taken >= MESSAGES_MAX {
                return Ok(());
            }
        }
    }

    /// Hands over the messages of a datagram, each if its sender may send it; how many it holds.
    fn take_datagram(&mut self, address: SocketAddr, datagram: &mut [u8]) -> usize {
        let (mut messages, bytes) = (std::mem::take(&mut self.opened), datagram.len());
        let opened = self.codec.open_all(Some(address), datagram, &mut messages);
        let count = messages.len();
        match opened {
            Ok(Opened { peer, is_proven, is_bare }) => {
                let heard = Heard { address, is_proven, bytes };
                let mut id = None;
                for message in messages.drain(..) {
                    self.take_message(peer, heard, &mut id, message);
                }
                self.take_proof(peer, heard, id, is_bare);
            }
            Err(error) => self.count_dropped(&error),
        }
        self.opened = messages;
        count
    }

    fn take_message(
        &mut self,
        peer: Peer,
        heard: Heard,
        id: &mut Option<u64>,
        mut message: A::Msg,
    ) {
        let sender = match &peer {
            Peer::Replica(_) => Sender::Replica,
            Peer::Client(client) => Sender::Client(client.user.as_str()),
        };
        if !self.host.admits(sender, &mut message, self.world.clock.timestamp()) {
            self.counters.refused += 1;
            return;
        }
        // Whoever sends nothing that is admitted is not remembered.
        let id = *id.get_or_insert_with(|| self.nodes.heard(peer, heard));
        if let Peer::Client(client) = peer
            && self.host.may_wait(&message)
        {
            let is_taken = if self.is_proven(id) {
                self.questions.put(client.user, id, message)
            } else {
                self.outbox.post_cookie(NodeId(id));
                self.questions.hold(client.user, id, message)
            };
            self.counters.refused += u64::from(!is_taken);
            return;
        }
        self.is_busy = true;
        self.counters.received += 1;
        self.hand_over(Id::from(index(NodeId(id))), message);
    }

    /// A client that has shown that it hears at its address gets what is held for it. A replica that sends a
    /// cookie alone wants to be shown.
    fn take_proof(&mut self, peer: Peer, heard: Heard, id: Option<u64>, is_bare: bool) {
        match peer {
            Peer::Client(client) => {
                let id = id.or_else(|| self.nodes.heard_again(client, heard));
                if let Some(id) = id
                    && self.is_proven(id)
                {
                    self.questions.release(client.user, id);
                }
            }
            Peer::Replica(id) if is_bare => self.outbox.post_cookie(NodeId(id.into())),
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
        if let Some((asker, question)) = self.questions.next() {
            self.counters.received += 1;
            self.hand_over(Id::from(index(NodeId(asker))), question);
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
