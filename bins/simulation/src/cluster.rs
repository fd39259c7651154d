//! A cluster's machines and its clients, step by step.

use crate::air::{Air, Paths, address};
use crate::machine::{Machine, PowerCut};
use crate::speaker::Speaker;
use actor_runtime::keys::Secret;
use actor_runtime::loss::Loss;
use actor_runtime::wire::{ClusterId, Codec, Formats, Generations, Packing, UserName};
use paxos_chat::quorum;
use paxos_chat::tuning::Tuning;
use paxos_chat_packets::formats::FORMATS;
use paxos_chat_validation::process::Source;
use paxos_chat_validation::run::{Recorded, validate};
use std::rc::Rc;
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
    /// What paths do to datagrams.
    pub paths: Paths,
    /// The probability that a datagram is lost, on sending and again on receiving.
    pub loss: f64,
    /// The parameters of the replicas.
    pub tuning: Tuning,
    /// How messages share datagrams.
    pub packing: Packing,
    /// The formats that its programs read and write.
    pub formats: Formats,
}

impl Bounds {
    /// Three replicas and a client, on good links.
    pub fn new(seed: u64, tuning: Tuning) -> Bounds {
        let delay = Duration::from_micros(200)..Duration::from_micros(3200);
        let paths = Paths { delay, doubled: 0.0 };
        let (packing, formats) = (Packing::default(), FORMATS);
        Bounds { seed, replicas: 3, clients: 1, paths, loss: 0.0, tuning, packing, formats }
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

/// A cluster under virtual time. What it has done is validated when it goes.
pub struct Cluster {
    /// The network and the time.
    pub air: Rc<Air>,
    /// The replicas.
    pub machines: Vec<Machine>,
    /// The clients.
    pub speakers: Vec<Speaker>,
}

impl Cluster {
    /// A cluster of which everything is started, and nothing was said.
    ///
    /// # Panics
    /// If the system has no randomness.
    pub fn new(bounds: &Bounds) -> Cluster {
        let air = Air::new(bounds.paths.clone(), bounds.seed);
        let secret = Secret::draw().expect("the system has randomness");
        let keys = Rc::new(Keys { cluster: ClusterId::of("simulated"), secret });
        let machine = |id| Machine::new(id, &air, &keys, bounds);
        let speaker = |number| Speaker::new(number, &air, &keys, bounds);
        let machines = (0..bounds.replicas).map(machine).collect();
        let speakers = (0..bounds.clients).map(|at| speaker(bounds.replicas + at)).collect();
        Cluster { air, machines, speakers }
    }

    /// Moves time to the next arrival or deadline, and lets everyone take a turn. Gives the power cuts in it.
    ///
    /// # Panics
    /// If a driver fails in any other way.
    #[must_use = "where no power is cut, there must be none"]
    pub fn step(&mut self) -> Vec<PowerCut> {
        let deadlines = self.machines.iter().map(Machine::deadline);
        let deadlines = deadlines.chain(self.speakers.iter().map(Speaker::deadline));
        let next = deadlines.chain([self.air.next_arrival()]).flatten().min();
        self.air.move_to(next.expect("election timers are set"));
        let cuts = self.machines.iter_mut().filter_map(Machine::turn).collect();
        for speaker in &mut self.speakers {
            speaker.turn();
        }
        let machines = &self.machines;
        let is_busy =
            |to| (0..).zip(machines).any(|(id, machine)| address(id) == to && machine.is_busy());
        self.air.lose_untaken(is_busy);
        cuts
    }

    /// Messages that were acknowledged, of all clients.
    pub fn confirmed(&self) -> u64 {
        self.speakers.iter().map(Speaker::confirmed).sum()
    }

    /// What was recorded of each process so far, life by life.
    pub fn recordings(&self) -> Vec<Recorded> {
        let named = |name: String, lives: Vec<Vec<u8>>| {
            let lives = (1..).zip(lives).filter(|(_, bytes)| !bytes.is_empty());
            let source = |(life, bytes)| Source::Memory(format!("{name}, life {life}"), bytes);
            (name.clone(), lives.map(source).collect())
        };
        let replica = |(id, machine): (usize, &Machine)| {
            named(format!("replica-{id}"), machine.recordings().collect())
        };
        let client = |(number, speaker): (usize, &Speaker)| {
            named(format!("client-{number}"), vec![speaker.recording()])
        };
        let replicas = self.machines.iter().enumerate().map(replica);
        let clients = self.speakers.iter().enumerate().map(client);
        replicas.chain(clients).filter(|(_, lives): &Recorded| !lives.is_empty()).collect()
    }

    /// The chat logs.
    pub fn logs(&self) -> Vec<Vec<u8>> {
        self.machines.iter().map(Machine::log).collect()
    }

    /// Has so much been acknowledged, by machines that are all up and have equal logs?
    pub fn is_settled(&self, confirmed: u64) -> bool {
        self.machines.iter().all(Machine::is_up)
            && self.confirmed() == confirmed
            && self.logs().windows(2).all(|pair| pair[0] == pair[1])
    }
}

impl Drop for Cluster {
    /// # Panics
    /// If what was recorded is not valid.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let recordings = self.recordings();
        if recordings.iter().any(|(name, _)| name.starts_with("replica")) {
            let report = validate(&recordings, |_| true).expect("it was recorded whole");
            assert!(report.is_good(), "{} findings: {:#?}", report.found, report.findings);
        }
    }
}
