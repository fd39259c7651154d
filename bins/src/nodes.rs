//! Which address an actor's id stands for.
//!
//! **Invariants**
//! - *Ids `0..n` are the configured replicas*, and their addresses never get another id.
//! - *Bounded*: at most a given number of other addresses is remembered; the one longest unused is
//!   forgotten first, and asks again.
//! - *An id is never given twice*, so that an answer cannot reach a client that did not ask.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

/// Addresses and ids of the actors that a driver talks to.
#[derive(Debug)]
pub struct NodeTable {
    replicas: Vec<SocketAddr>,
    clients_max: usize,
    ids: HashMap<SocketAddr, Client>,
    clients: HashMap<u64, SocketAddr>,
    by_use: BTreeMap<u64, SocketAddr>,
    next_id: u64,
    uses: u64,
}

#[derive(Clone, Copy, Debug)]
struct Client {
    id: u64,
    used: u64,
}

impl NodeTable {
    /// A table of these replicas and at most `clients_max` others.
    pub fn new(replicas: Vec<SocketAddr>, clients_max: usize) -> NodeTable {
        NodeTable {
            next_id: replicas.len() as u64,
            replicas,
            clients_max: clients_max.max(1),
            ids: HashMap::new(),
            clients: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
        }
    }

    /// The id of a configured replica.
    pub fn replica(&self, address: SocketAddr) -> Option<u64> {
        self.replicas.iter().position(|known| *known == address).map(|index| index as u64)
    }

    /// The id of a sender that is no replica; a new one if it is not remembered.
    pub fn client(&mut self, address: SocketAddr) -> u64 {
        self.uses += 1;
        let used = self.uses;
        if let Some(known) = self.ids.get_mut(&address) {
            self.by_use.remove(&known.used);
            known.used = used;
            self.by_use.insert(used, address);
            return known.id;
        }
        if self.ids.len() >= self.clients_max
            && let Some((_, oldest)) = self.by_use.pop_first()
            && let Some(forgotten) = self.ids.remove(&oldest)
        {
            self.clients.remove(&forgotten.id);
        }
        let id = self.next_id;
        self.next_id += 1;
        self.ids.insert(address, Client { id, used });
        self.clients.insert(id, address);
        self.by_use.insert(used, address);
        id
    }

    /// Where to send what is meant for this id.
    pub fn address(&self, id: u64) -> Option<SocketAddr> {
        let replica = usize::try_from(id).ok().and_then(|index| self.replicas.get(index));
        replica.or_else(|| self.clients.get(&id)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[test]
    fn replicas_have_the_first_ids_and_clients_those_above() {
        let mut nodes = NodeTable::new(vec![address(1), address(2)], 9);
        assert_eq!(nodes.replica(address(2)), Some(1));
        assert_eq!(nodes.replica(address(3)), None);
        assert_eq!(nodes.client(address(3)), 2);
        assert_eq!(nodes.client(address(4)), 3);
        assert_eq!(nodes.client(address(3)), 2);
        assert_eq!(nodes.address(0), Some(address(1)));
        assert_eq!(nodes.address(3), Some(address(4)));
        assert_eq!(nodes.address(4), None);
    }

    #[test]
    fn the_client_longest_unused_is_forgotten_and_its_id_is_not_used_again() {
        let mut nodes = NodeTable::new(vec![address(1)], 2);
        let ids = [3, 4, 3, 5, 4].map(|port| nodes.client(address(port)));
        assert_eq!(ids, [1, 2, 1, 3, 4]);
        assert_eq!(nodes.address(2), None);
        assert_eq!(nodes.address(1), None, "forgotten when 4 came back");
        assert_eq!((nodes.ids.len(), nodes.clients.len(), nodes.by_use.len()), (2, 2, 2));
    }
}
