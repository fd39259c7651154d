//! Who an actor's id stands for, and where that is.
//!
//! **Invariants**
//! - *Ids `0..n` are the configured replicas*, at their configured addresses, wherever a datagram of
//!   theirs came from.
//! - *A client is a process of a user*, whatever its address: what is meant for it goes to where it
//!   was heard last.
//! - *Bounded, and fair between users*: at most a given number of clients is remembered, as [`Shares`] tells;
//!   whoever is forgotten asks again.
//! - *An id is never given twice*, so that an answer cannot reach a client that did not ask.

use crate::shares::Shares;
use crate::wire::{ClientId, Peer};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Addresses and ids of the actors that a driver talks to.
#[derive(Debug)]
pub struct NodeTable {
    replicas: Vec<SocketAddr>,
    clients: Shares<Client>,
    by_id: HashMap<u64, ClientId>,
    next_id: u64,
}

#[derive(Clone, Copy, Debug)]
struct Client {
    id: u64,
    address: SocketAddr,
}

impl NodeTable {
    /// A table of these replicas and at most `clients_max` clients.
    pub fn new(replicas: Vec<SocketAddr>, clients_max: usize) -> NodeTable {
        NodeTable {
            next_id: replicas.len() as u64,
            replicas,
            clients: Shares::new(clients_max),
            by_id: HashMap::new(),
        }
    }

    /// The id of a peer that was heard at this address; a new one for a client that is not
    /// remembered.
    pub fn heard(&mut self, peer: Peer, address: SocketAddr) -> u64 {
        let client = match peer {
            Peer::Replica(id) => return id.into(),
            Peer::Client(client) => client,
        };
        if let Some(known) = self.clients.get(&client) {
            known.address = address;
            return known.id;
        }
        let id = self.next_id;
        self.next_id += 1;
        if let Some((_, forgotten)) = self.clients.insert(client, Client { id, address }) {
            self.by_id.remove(&forgotten.id);
        }
        self.by_id.insert(id, client);
        id
    }

    /// To whom, and where, to send what is meant for this id.
    pub fn find(&self, id: u64) -> Option<(Peer, SocketAddr)> {
        let index = usize::try_from(id).ok()?;
        if let Some(address) = self.replicas.get(index) {
            return Some((Peer::Replica(u8::try_from(id).ok()?), *address));
        }
        let client = self.by_id.get(&id)?;
        Some((Peer::Client(*client), self.clients.peek(client)?.address))
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

    fn client() -> Peer {
        Peer::Client(ClientId { user: UserName::new("ann").unwrap(), boot: Boot::fresh() })
    }

    #[test]
    fn replicas_have_the_first_ids_and_clients_those_above() {
        let mut nodes = NodeTable::new(vec![address(1), address(2)], 9);
        let (one, other) = (client(), client());
        assert_eq!(nodes.heard(Peer::Replica(1), address(7)), 1);
        assert_eq!(nodes.heard(one, address(3)), 2);
        assert_eq!(nodes.heard(other, address(3)), 3);
        assert_eq!(nodes.heard(one, address(4)), 2);
        assert_eq!(nodes.find(0), Some((Peer::Replica(0), address(1))));
        assert_eq!(nodes.find(1), Some((Peer::Replica(1), address(2))), "as configured");
        assert_eq!(nodes.find(2), Some((one, address(4))), "where it was heard last");
        assert_eq!(nodes.find(3), Some((other, address(3))));
        assert_eq!(nodes.find(4), None);
    }

    #[test]
    fn the_client_longest_unused_is_forgotten_and_its_id_is_not_used_again() {
        let mut nodes = NodeTable::new(vec![address(1)], 2);
        let (a, b, c) = (client(), client(), client());
        let ids = [a, b, a, c, b].map(|peer| nodes.heard(peer, address(3)));
        assert_eq!(ids, [1, 2, 1, 3, 4]);
        assert_eq!(nodes.find(2), None);
        assert_eq!(nodes.find(1), None, "forgotten when b came back");
        assert_eq!((nodes.clients.len(), nodes.by_id.len()), (2, 2));
    }
}
