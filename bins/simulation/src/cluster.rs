//! A cluster's machines and its clients, step by step.

use crate::air::Air;
use crate::bounds::{Bounds, Keys};
use crate::listener::Listener;
use crate::machine::{Machine, PowerCut};
use crate::speaker::Speaker;
use actor_runtime::keys::Secret;
use actor_runtime::wire::ClusterId;
use paxos_chat_validation::process::{Source, Stage};
use paxos_chat_validation::run::{Recorded, Report, RunError, validate_telling};
use paxos_chat_validation::story;
use std::rc::Rc;
use std::time::Duration;

/// A cluster under virtual time. What it has done is validated when it goes, if it was not judged before.
pub struct Cluster {
    /// The network and the time.
    pub air: Rc<Air>,
    /// The replicas.
    pub machines: Vec<Machine>,
    /// The clients.
    pub speakers: Vec<Speaker>,
    /// The readers.
    pub listeners: Vec<Listener>,
    /// On which it is validated, when it goes.
    stage: Stage,
    is_judged: bool,
}

impl Cluster {
    /// A cluster of which everything is started, and nothing was said.
    ///
    /// # Panics
    /// If the system has no randomness.
    pub fn new(bounds: &Bounds) -> Cluster {
        Cluster::on(Stage::default(), bounds)
    }

    /// A cluster whose actors are played as this stage has it.
    ///
    /// # Panics
    /// If the system has no randomness.
    pub fn on(stage: Stage, bounds: &Bounds) -> Cluster {
        let air = Air::new(bounds.links.clone(), bounds.seed);
        let secret = Secret::draw().expect("the system has randomness");
        let keys = Rc::new(Keys::new(ClusterId::of("simulated"), secret));
        let machine = |id| Machine::new(id, &air, &keys, bounds, &stage);
        let speaker = |number| Speaker::new(number, &air, &keys, bounds, &stage);
        let listener = |number| Listener::new(number, &air, &keys, bounds, &stage);
        let machines = (0..bounds.replicas).map(machine).collect();
        let first = bounds.replicas;
        let speakers = (first..first + bounds.clients).map(speaker).collect();
        let first = bounds.replicas + bounds.clients;
        let listeners = (first..first + bounds.readers).map(listener).collect();
        Cluster { air, machines, speakers, listeners, stage, is_judged: false }
    }

    /// Moves time to the next arrival or deadline, and lets everyone take a turn. Gives the power cuts in it.
    ///
    /// # Panics
    /// If a process fails in any other way.
    #[must_use = "where no power is cut, there must be none"]
    pub fn step(&mut self) -> Vec<PowerCut> {
        self.advance(Duration::MAX).expect("a process ends only where its power goes")
    }

    /// Moves time to the next arrival or deadline, or to this limit, and lets everyone take a turn who has something to do.
    /// Gives the power cuts in it.
    ///
    /// # Errors
    /// When a process ends of itself, though its disk does not fail.
    pub fn advance(&mut self, limit: Duration) -> Result<Vec<PowerCut>, String> {
        let deadlines = self.machines.iter().map(Machine::deadline);
        let deadlines = deadlines.chain(self.speakers.iter().map(Speaker::deadline));
        let deadlines = deadlines.chain(self.listeners.iter().map(Listener::deadline));
        let next = deadlines.chain([self.air.next_arrival(), Some(limit)]).flatten().min();
        self.air.move_to(next.unwrap_or(limit));
        let mut cuts = Vec::new();
        for machine in &mut self.machines {
            cuts.extend(machine.turn()?);
        }
        for speaker in &mut self.speakers {
            speaker.turn()?;
        }
        for listener in &mut self.listeners {
            listener.turn()?;
        }
        let machines = &self.machines;
        self.air.lose_untaken(|port| machines.get(usize::from(port)).is_some_and(Machine::is_busy));
        Ok(cuts)
    }

    /// The replica that leads in the highest ballot.
    pub fn leader(&self) -> Option<usize> {
        let ballot =
            |(index, machine): (usize, &Machine)| Some((machine.state()?.leading()?.ballot, index));
        let leaders = self.machines.iter().enumerate().filter_map(ballot);
        leaders.max().map(|(_, index)| index)
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
            named(format!("client-{number}"), speaker.recordings().collect())
        };
        let reader = |(number, listener): (usize, &Listener)| {
            named(format!("reader-{number}"), vec![listener.recording()])
        };
        let replicas = self.machines.iter().enumerate().map(replica);
        let clients = self.speakers.iter().enumerate().map(client);
        let readers = self.listeners.iter().enumerate().map(reader);
        replicas
            .chain(clients)
            .chain(readers)
            .filter(|(_, lives): &Recorded| !lives.is_empty())
            .collect()
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

impl Cluster {
    /// Validates what was recorded so far, by the actors on this stage, and tells whoever listens.
    ///
    /// # Errors
    /// When it can't be validated at all.
    pub fn judge(
        &mut self,
        stage: &Stage,
        listener: story::Listener<'_>,
    ) -> Result<Report, RunError> {
        self.is_judged = true;
        validate_telling(&self.recordings(), stage, listener, |_| true)
    }
}

impl Drop for Cluster {
    /// # Panics
    /// If what was recorded is not valid.
    fn drop(&mut self) {
        if std::thread::panicking() || self.is_judged {
            return;
        }
        let report = self.judge(&self.stage.clone(), story::Listener::none());
        let report = report.expect("it was recorded whole");
        assert!(report.is_good(), "{} findings: {:#?}", report.found, report.findings);
    }
}
