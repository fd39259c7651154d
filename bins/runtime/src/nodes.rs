//! Who an actor's id stands for, and where that is.
//!
//! **Invariants**
//! - *Ids `0..n` are the configured replicas*, at their configured addresses, or where their names say, wherever a
//!   datagram of theirs came from.
//! - *A client is a process of a user*, whatever its address: what is meant for it goes to where it
//!   was heard last.
//! - *Bounded, and fair between users*: at most a given number of clients is remembered, as [`Shares`] tells;
//!   whoever is forgotten asks again.
//! - *No reflector*: until a client has shown that it hears at its address, at most [`CREDIT`] bytes are sent
//!   there for each that came from there (RFC 9000, section 8.1).
//! - *An id is never given twice*, by no life of a process ([`NodeTable::of_life`]), so that an answer cannot reach a client
//!   that did not ask: it may come back by others, to whom its asker is an id.

use crate::addresses::Addresses;
use crate::shares::Shares;
use crate::wire::{ClientId, Peer};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Bytes that are sent, for each that is heard, to an address that has shown nothing.
pub const CREDIT: usize = 3;

/// Addresses and ids of the actors that a driver talks to.
#[derive(Debug)]
pub struct NodeTable {
    addresses: Addresses,
    /// An edition of these, and its number.
    replicas: Vec<Option<SocketAddr>>,
    edition: u64,
    clients: Shares<Client>,
    by_id: HashMap<u64, ClientId>,
    next_id: u64,
}

#[derive(Clone, Copy, Debug)]
struct Client {
    id: u64,
    address: SocketAddr,
    /// Bytes that may be sent to this address, until it is proven.
    credit: Option<usize>,
}

/// Whom an id stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Who it is.
    pub peer: Peer,
    /// Where it is.
    pub address: SocketAddr,
    /// It has shown that it hears what is sent there; replicas need not.
    pub is_proven: bool,
}

/// Where a datagram came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The address.
    pub address: SocketAddr,
    /// Its sender hears what is sent there.
    pub is_proven: bool,
    /// How long it is.
    pub bytes: usize,
}

impl Client {
    fn hears(&mut self, heard: Receipt) {
        if self.address != heard.address {
            (self.address, self.credit) = (heard.address, Some(0));
        }
        self.credit = match self.credit {
            Some(credit) if !heard.is_proven => Some(credit + CREDIT * heard.bytes),
            _ => None,
        };
    }
}

impl NodeTable {
    /// A table of these replicas and at most `clients_max` clients.
    pub fn new(replicas: impl Into<Addresses>, clients_max: usize) -> NodeTable {
        let addresses = replicas.into();
        NodeTable {
            next_id: addresses.count() as u64,
            edition: addresses.edition(),
            replicas: addresses.known(),
            addresses,
            clients: Shares::new(clients_max),
            by_id: HashMap::new(),
        }
    }

    /// In a life of this number, which is far from those of other lives: so are its ids of clients.
    #[must_use]
    pub fn of_life(mut self, number: u64) -> NodeTable {
        self.next_id += number;
        self
    }

    /// Takes over where names say that replicas are now.
    pub fn refresh(&mut self) {
        let edition = self.addresses.edition();
        if edition != self.edition {
            (self.edition, self.replicas) = (edition, self.addresses.known());
        }
    }

    /// The replica whose configured address this is.
    pub fn replica_at(&self, address: SocketAddr) -> Option<u8> {
        let place = self.replicas.iter().position(|replica| *replica == Some(address))?;
        u8::try_from(place).ok()
    }

    /// Is this replica's configured address this one?
    pub fn is_at(&self, replica: u8, address: SocketAddr) -> bool {
        self.replicas.get(usize::from(replica)) == Some(&Some(address))
    }

    /// The id of a peer of whom a datagram was heard; a new one for a client that is not remembered.
    pub fn heard(&mut self, peer: Peer, heard: Receipt) -> u64 {
        let client = match peer {
            Peer::Replica(id) => {
                // Whoever has come back elsewhere is to be looked up.
                if self.is_at(id, heard.address) {
                    self.addresses.heard(id.into());
                }
                return id.into();
            }
            Peer::Client(client) => client,
        };
        if let Some(known) = self.clients.get(&client) {
            known.hears(heard);
            return known.id;
        }
        let id = self.next_id;
        self.next_id += 1;
        let mut new = Client { id, address: heard.address, credit: Some(0) };
        new.hears(heard);
        if let Some((_, forgotten)) = self.clients.insert(client, new) {
            self.by_id.remove(&forgotten.id);
        }
        self.by_id.insert(id, client);
        id
    }

    /// The id of a client of whom a datagram was heard, if it is remembered.
    pub fn heard_again(&mut self, client: ClientId, heard: Receipt) -> Option<u64> {
        let known = self.clients.get(&client)?;
        known.hears(heard);
        Some(known.id)
    }

    /// To whom, and where, to send what is meant for this id.
    pub fn find(&self, id: u64) -> Option<Receiver> {
        let index = usize::try_from(id).ok()?;
        if let Some(address) = self.replicas.get(index) {
            self.addresses.asked(index);
            let (peer, address) = (Peer::Replica(u8::try_from(id).ok()?), (*address)?);
            return Some(Receiver { peer, address, is_proven: true });
        }
        let client = self.by_id.get(&id)?;
        let Client { address, credit, .. } = *self.clients.peek(client)?;
        Some(Receiver { peer: Peer::Client(*client), address, is_proven: credit.is_none() })
    }

    /// May so many bytes be sent to this peer? If so, they count as sent.
    pub fn spend(&mut self, peer: Peer, bytes: usize) -> bool {
        let Peer::Client(client) = peer else { return true };
        match self.clients.peek(&client).map(|known| known.credit) {
            None => false,
            Some(None) => true,
            Some(Some(credit)) => {
                let left = credit.checked_sub(bytes);
                if left.is_some()
                    && let Some(known) = self.clients.get(&client)
                {
                    known.credit = left;
                }
                left.is_some()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Boot;
    use crate::wire::UserName;

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn from(port: u16) -> Receipt {
        Receipt { address: address(port), is_proven: true, bytes: 100 }
    }

    fn client() -> Peer {
        Peer::Client(ClientId { user: UserName::new("ann").unwrap(), boot: Boot::fresh() })
    }

    #[test]
    fn replicas_have_the_first_ids_and_clients_those_above() {
        let mut nodes = NodeTable::new(vec![address(1), address(2)], 9);
        let (one, other) = (client(), client());
        assert_eq!(nodes.heard(Peer::Replica(1), from(7)), 1);
        assert_eq!(nodes.heard(one, from(3)), 2);
        assert_eq!(nodes.heard(other, from(3)), 3);
        assert_eq!(nodes.heard(one, from(4)), 2);
        let found = |id| nodes.find(id).map(|to| (to.peer, to.address));
        assert_eq!(found(0), Some((Peer::Replica(0), address(1))));
        assert_eq!(found(1), Some((Peer::Replica(1), address(2))), "as configured");
        assert_eq!(found(2), Some((one, address(4))), "where it was heard last");
        assert_eq!(found(3), Some((other, address(3))));
        assert_eq!(nodes.find(4), None);
    }

    #[test]
    fn the_client_longest_unused_is_forgotten_and_its_id_is_not_used_again() {
        let mut nodes = NodeTable::new(vec![address(1)], 2);
        let (a, b, c) = (client(), client(), client());
        let ids = [a, b, a, c, b].map(|peer| nodes.heard(peer, from(3)));
        assert_eq!(ids, [1, 2, 1, 3, 4]);
        assert_eq!(nodes.find(2), None);
        assert_eq!(nodes.find(1), None, "forgotten when b came back");
        assert_eq!((nodes.clients.len(), nodes.by_id.len()), (2, 2));
    }

    #[test]
    fn an_id_of_another_life_stands_for_nobody() {
        let life = || NodeTable::new(vec![address(1)], 9).of_life(Boot::fresh().number());
        let (mut before, mut after) = (life(), life());
        let asked = before.heard(client(), from(2));
        let mut later = (0..9).map(|_| after.heard(client(), from(3)));
        assert!(later.all(|id| id != asked));
        assert_eq!((before.find(asked).is_some(), after.find(asked)), (true, None));
        assert!(after.find(0).is_some(), "replicas keep theirs");
    }

    #[test]
    fn an_address_that_has_shown_nothing_gets_three_times_what_came_from_there() {
        let mut nodes = NodeTable::new(vec![address(1)], 9);
        let client = client();
        let unproven = |port, bytes| Receipt { address: address(port), is_proven: false, bytes };
        nodes.heard(client, unproven(3, 100));
        assert!(!nodes.spend(client, 301) && nodes.spend(client, 200) && nodes.spend(client, 100));
        assert!(!nodes.spend(client, 1));
        nodes.heard(client, unproven(3, 1));
        assert!(nodes.spend(client, 3) && !nodes.spend(client, 1));
        nodes.heard(client, from(3));
        nodes.heard(client, unproven(3, 1));
        assert!(nodes.spend(client, 1_000_000), "once is enough");
        nodes.heard(client, unproven(4, 10));
        assert!(!nodes.spend(client, 31) && nodes.spend(client, 30), "another address has to");
        assert!(nodes.spend(Peer::Replica(0), 1_000_000));
    }
}
