//! The actors as the binaries run them, for runs under virtual time.

use crate::machine::Durability;
use crate::mutants::clients::MutantClient;
use crate::mutants::readers::MutantReader;
use crate::mutants::{Mutant, MutantReplica};
use crate::node::{Node, NodeStorage};
use paxos_chat::client::{Client, ClientTuning};
use paxos_chat::quorum::Cluster;
use paxos_chat::reader::Reader;
use paxos_chat::replica::Replica;
use paxos_chat::state::Storage;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{NodeId, Nonce, Slot, User};

/// What replicas, clients and readers are deployed with.
#[derive(Clone, Debug, Default)]
pub struct Deployed {
    /// The parameters of replicas.
    pub tuning: Tuning,
    /// The parameters of clients and readers.
    pub client_tuning: ClientTuning,
    /// Clients survive their crashes.
    pub durable_clients: bool,
    /// A bug that every replica has, or every client, or every reader.
    pub mutant: Option<Mutant>,
}

type Placed = (Node, Option<NodeStorage>);

impl Deployed {
    /// A replica of this cluster, with an empty disk.
    pub(crate) fn replica(&self, cluster: Cluster) -> Placed {
        let replica = Replica::new(cluster, self.tuning.clone());
        let durability = Durability::Saves;
        let node = match self.mutant.filter(|mutant| mutant.is_of_replicas()) {
            None => Node::Replica { replica, durability },
            Some(mutant) => {
                let replica = MutantReplica { replica, genesis: Storage::default(), mutant };
                Node::MutantReplica { replica, durability }
            }
        };
        (node, None)
    }

    /// The client of this number, who asks these replicas.
    pub(crate) fn client(&self, number: usize, replicas: Vec<NodeId>) -> Placed {
        let user = User::new(&format!("u{number}"));
        let tuning = self.client_tuning.clone();
        let mut client = Client::new(user, Nonce(number as u64), replicas, tuning);
        client.is_durable = self.durable_clients;
        let node = match self.mutant.filter(|mutant| mutant.is_of_clients()) {
            None => Node::Client(client),
            Some(mutant) => Node::MutantClient(MutantClient { client, mutant }),
        };
        (node, None)
    }

    /// A reader of the whole log, who asks these replicas.
    pub(crate) fn reader(&self, replicas: Vec<NodeId>) -> Placed {
        let reader = Reader {
            replicas,
            user: User::new("reader"),
            from: Some(Slot(0)),
            follows: true,
            tuning: self.client_tuning.clone(),
        };
        let node = match self.mutant.filter(|mutant| mutant.is_of_readers()) {
            None => Node::Reader(reader),
            Some(mutant) => Node::MutantReader(MutantReader { reader, mutant }),
        };
        (node, None)
    }
}
