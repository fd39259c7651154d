//! What to run, as the command line and scenarios ask for it.

use super::fault::Fault;
use super::input::Input;
use super::scenario::Scenario;
use paxos_chat_config::Config;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// What to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The cluster; its ports are used as they are.
    pub config: Option<Config>,
    /// How many replicas may fail, where no configuration is given.
    pub f: u8,
    /// Clients.
    pub clients: u32,
    /// Messages of each.
    pub messages: u64,
    /// What clients of these names say, in place of generated messages.
    pub inputs: Vec<Input>,
    /// The random time between the messages of a client; none if there is none.
    pub pace: Option<Range<Duration>>,
    /// What is done to the replicas.
    pub fault: Fault,
    /// Rounds of a kill loop.
    pub kill_rounds: u64,
    /// The scenario that this is, whose event must have happened.
    pub scenario: Option<&'static Scenario>,
    /// Keep what replicas promise in memory only.
    pub volatile: bool,
    /// Slots that every primary jumps over.
    pub skip_slots: BTreeSet<u64>,
    /// Loss at all replicas and clients.
    pub loss: Option<f64>,
    /// Seed of everything random.
    pub seed: u64,
    /// Where logs and records go.
    pub folder: PathBuf,
    /// The election time-out.
    pub timeout_ms: Option<u64>,
    /// Record all that replicas and clients are told and do, in [`RECORDINGS`].
    pub records: bool,
}

/// Rounds of a kill loop, where nobody says how many.
pub const KILL_ROUNDS: u64 = 12;

/// The folder of the recordings, beside logs and records.
pub const RECORDINGS: &str = "recordings";

impl RunOptions {
    /// A quiet run of three replicas, without clients, which is recorded and validated.
    pub fn new(folder: PathBuf, seed: u64) -> RunOptions {
        RunOptions {
            config: None,
            f: 1,
            clients: 0,
            messages: 0,
            inputs: Vec::new(),
            pace: None,
            fault: Fault::None,
            kill_rounds: KILL_ROUNDS,
            scenario: None,
            volatile: false,
            skip_slots: BTreeSet::new(),
            loss: None,
            seed,
            folder,
            timeout_ms: None,
            records: true,
        }
    }

    /// Where this process is recorded, if it is.
    pub(super) fn recording_of(&self, process: &str) -> Option<PathBuf> {
        self.records.then(|| self.folder.join(RECORDINGS).join(process))
    }

    /// How many messages are said in all.
    pub fn messages_in_all(&self) -> u64 {
        let given: u64 = self.inputs.iter().map(|input| input.lines.len() as u64).sum();
        let generating = u64::from(self.clients).saturating_sub(self.inputs.len() as u64);
        given + generating * self.messages
    }

    /// Does what a scenario does, with as many clients and messages as are asked for.
    pub fn play(&mut self, scenario: &'static Scenario) {
        self.f = scenario.f;
        self.fault = scenario.fault;
        self.skip_slots = scenario.skip_slots.iter().copied().collect();
        self.loss.get_or_insert(scenario.loss);
        self.pace.clone_from(&scenario.pace);
        self.scenario = Some(scenario);
    }
}
