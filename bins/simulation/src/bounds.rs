//! What a cluster is made of, and its keys.

use actor_checker::links::Links;
use actor_runtime::keys::Secret;
use actor_runtime::loss::Loss;
use actor_runtime::wire::{ClusterId, Codec, Formats, Generations, Packing, UserName};
use paxos_chat::quorum;
use paxos_chat::tuning::Tuning;
use paxos_chat_packets::formats::FORMATS;
use std::time::Duration;

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// From what everything is drawn.
    pub seed: u64,
    /// How many replicas there are.
    pub replicas: u8,
    /// How many clients there are, besides.
    pub clients: u8,
    /// Do they survive their crashes?
    pub durable_clients: bool,
    /// How many readers there are, besides.
    pub readers: u8,
    /// How datagrams travel.
    pub links: Links,
    /// The probability that a process drops a datagram, on sending and again on receiving.
    pub loss: f64,
    /// The parameters of the replicas.
    pub tuning: Tuning,
    /// Bytes of a segment of a journal. The fewer, the more often one is used again; all that is saved at once fits one.
    pub segment_bytes: usize,
    /// How messages share datagrams.
    pub packing: Packing,
    /// The formats that its programs read and write.
    pub formats: Formats,
}

impl Bounds {
    /// Three replicas and a client, on good links.
    pub fn new(seed: u64, tuning: Tuning) -> Bounds {
        let mut links = Links::default();
        links.delay = Duration::from_micros(200)..Duration::from_micros(3200);
        Bounds {
            seed,
            replicas: 3,
            clients: 1,
            durable_clients: false,
            readers: 0,
            links,
            loss: 0.0,
            tuning,
            segment_bytes: 4096,
            packing: Packing::default(),
            formats: FORMATS,
        }
    }

    pub(crate) fn loss(&self) -> Loss {
        Loss::new(self.loss).expect("a probability")
    }

    pub(crate) fn cluster(&self) -> quorum::Cluster {
        quorum::Cluster::new(self.replicas)
    }
}

/// The keys of a cluster.
pub(crate) struct Keys {
    pub(crate) cluster: ClusterId,
    secret: Secret,
}

impl Keys {
    pub(crate) fn new(cluster: ClusterId, secret: Secret) -> Keys {
        Keys { cluster, secret }
    }

    pub(crate) fn replica(&self, id: u8, replicas: u8) -> Codec {
        let generations = Generations::new();
        Codec::replica(&self.secret, self.cluster, id, replicas.into(), generations)
    }

    pub(crate) fn client(&self, user: &str, replicas: u8) -> Codec {
        let key = self.secret.user(self.cluster, user, 0);
        let name = UserName::new(user).expect("it is a name");
        Codec::client(&key, self.cluster, name, replicas.into())
    }
}
