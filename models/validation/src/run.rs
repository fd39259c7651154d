//! All processes of a run, in one order.
//!
//! **Invariants**
//! - *Causes come first*: what arrives is handled behind its departure.
//! - *What nothing explains is told, and goes on*: if no process can go on, the one whose turn it would be takes what nobody
//!   has sent.
//!
//! **Absent**: what is judged (see [`crate::scene`]).

use crate::finding::{Finding, TOLD_MAX, What};
use crate::process::{Process, Source, Stage};
use crate::replay::{Next, Place, Refusal};
use crate::scene::{Counts, Scene};
use crate::sent::Arrival;
use crate::story::Listener;
use actor_recording::entry::Entry;
use actor_recording::reader::{ReadError, entries, find};
use paxos_chat::effects::Timer;
use paxos_chat::message::Message;
use paxos_chat::replica::Replica;
use paxos_chat::state::Storage;
use paxos_chat::types::Slot;
use paxos_chat_models::situations::Situations;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Why a run can't be validated at all.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A recording can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The first frame of one is none.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is nothing.
    #[error("{}: there are no recordings in it; `replica --record` and `cluster run --validate` make some", .0.display())]
    Nothing(PathBuf),
    /// Nothing of a replica.
    #[error("no recording is of a replica, so there is no cluster to judge")]
    NoReplica,
    /// It is of an actor that is not known.
    #[error("{0}: {1}")]
    Unknown(String, String),
    /// There can be no temporary files.
    #[error("cannot make a temporary file: {0}")]
    Temporary(io::Error),
}

/// What a validation comes to.
#[derive(Clone, Debug)]
pub struct Report {
    /// The processes, by name.
    pub processes: Vec<String>,
    /// What has happened.
    pub counts: Counts,
    /// Messages that have left, and of them those that arrived.
    pub left: u64,
    /// Those that arrived.
    pub arrived: u64,
    /// Everything below this slot is chosen.
    pub chosen_upto: Slot,
    /// From the first turn to the last, in milliseconds.
    pub span_ms: u64,
    /// The first ones of what was found.
    pub findings: Vec<Finding>,
    /// How many there are.
    pub found: u64,
    /// What has happened to replicas.
    pub situations: Situations,
    /// It was stopped before its end.
    pub stopped: bool,
}

impl Report {
    /// Is all of it as it should be?
    pub fn is_good(&self) -> bool {
        self.found == 0 && !self.stopped
    }
}

/// A process that was recorded: its name, and its lives.
pub type Recorded = (String, Vec<Source>);

/// The processes recorded in these folders.
///
/// # Errors
/// When they can't be read, or hold nothing.
pub fn recorded(folders: &[PathBuf]) -> Result<Vec<Recorded>, RunError> {
    let mut found: BTreeMap<PathBuf, Vec<Vec<PathBuf>>> = BTreeMap::new();
    for folder in folders {
        let here = find(folder)?;
        if here.is_empty() {
            return Err(RunError::Nothing(folder.clone()));
        }
        found.extend(here);
    }
    let common = common_folder(found.keys());
    let name = |folder: &Path| {
        let name = folder.strip_prefix(&common).unwrap_or(folder).display().to_string();
        if name.is_empty() { folder.display().to_string() } else { name }
    };
    let lives = |lives: Vec<Vec<PathBuf>>| lives.into_iter().map(Source::Files).collect();
    Ok(found.into_iter().map(|(folder, files)| (name(&folder), lives(files))).collect())
}

fn common_folder<'a>(mut folders: impl Iterator<Item = &'a PathBuf>) -> PathBuf {
    let mut common = folders.next().cloned().unwrap_or_default();
    for folder in folders {
        while !folder.starts_with(&common) && common.pop() {}
    }
    common
}

/// Replays and judges these processes through the actors on this stage, and tells events to whoever listens. `look` is shown the number of messages and
/// timers handled now and then, and says whether to go on.
///
/// # Errors
/// When they can't be validated at all.
pub fn validate_telling(
    recorded: &[Recorded],
    stage: &Stage,
    listener: Listener<'_>,
    mut look: impl FnMut(u64) -> bool,
) -> Result<Report, RunError> {
    let mut processes: Vec<Option<Box<dyn Process>>> = Vec::new();
    let mut cluster = None;
    for ((name, lives), number) in recorded.iter().zip(0..) {
        let kind = lives[0].kind()?;
        if kind == "replica" && cluster.is_none() {
            cluster = Some(first_of(&lives[0])?);
        }
        let made = stage.process(number, &kind, lives.clone());
        processes.push(Some(made.map_err(|wrong| RunError::Unknown(name.clone(), wrong))?));
    }
    let replica = cluster.ok_or(RunError::NoReplica)?;
    let names: Vec<String> = recorded.iter().map(|(name, _)| name.clone()).collect();
    let of = (replica.cluster(), replica.tuning().sessions_max);
    let scene = Scene::new(names.clone(), of, listener);
    let mut run = Run {
        names,
        processes,
        scene: scene.map_err(RunError::Temporary)?,
        findings: Vec::new(),
        found: 0,
        times: (u64::MAX, 0),
    };
    let mut stopped = false;
    let mut looked = 0;
    while let Some(next) = run.choose() {
        run.go_on(next);
        let events = run.scene.counts().handled;
        if events >= looked + LOOK_EVENTS {
            looked = events;
            if !look(events) {
                stopped = true;
                break;
            }
        }
    }
    Ok(run.report(stopped))
}

/// Replays and judges these processes.
///
/// # Errors
/// When they can't be validated at all.
pub fn validate(recorded: &[Recorded], look: impl FnMut(u64) -> bool) -> Result<Report, RunError> {
    validate_telling(recorded, &Stage::default(), Listener::none(), look)
}

/// Events between two looks.
const LOOK_EVENTS: u64 = 1 << 14;

/// The actor of a replica's life.
fn first_of(life: &Source) -> Result<Replica, RunError> {
    let mut frames = life.frames();
    let payload =
        frames.next_frame().map_err(RunError::Read)?.map(<[u8]>::to_vec).unwrap_or_default();
    let read = entries::<Replica, Message, Timer, Storage>(&payload);
    let (file, byte) = frames.place();
    let place = Place { file: file.to_owned(), byte, entry: 0 };
    let nonsense = |wrong: String| RunError::Refused(Refusal::Nonsense { place, wrong });
    match read {
        Ok(entries) => match entries.into_iter().next() {
            Some(Entry::Life(life)) => Ok(life.actor),
            _ => Err(nonsense("it does not begin with a life".into())),
        },
        Err(wrong) => Err(nonsense(wrong)),
    }
}

/// Whose turn it is.
struct Turn {
    process: usize,
    /// Nothing that anybody has sent explains what it takes.
    unexplained: bool,
    /// Whoever else can go on began its turn then, or later.
    until_ms: u64,
}

struct Run<'a> {
    names: Vec<String>,
    /// None of one that has come to its end.
    processes: Vec<Option<Box<dyn Process>>>,
    scene: Scene<'a>,
    findings: Vec<Finding>,
    found: u64,
    /// The first and the last time of day.
    times: (u64, u64),
}

impl Run<'_> {
    /// Of those that can go on, the one whose turn began first. If none can, something is wrong, and it is looked for
    /// first where what is waited for can't come any more: others may wait for just that process.
    fn choose(&mut self) -> Option<Turn> {
        // When each process' turn began, and its number: of those that can go on, and of those that wait.
        let (mut ready, mut waiting) = (Vec::new(), Vec::new());
        for number in 0..self.processes.len() {
            let Some(process) = &mut self.processes[number] else { continue };
            let time = process.time_ms();
            match process.what_next() {
                Ok(next) if self.waits(number, next) => waiting.push((next, time, number)),
                Ok(_) => ready.push((time, number)),
                Err(refusal) => self.refuse(number, &refusal),
            }
        }
        ready.sort_unstable();
        let unexplained = ready.is_empty();
        let waiting = waiting.into_iter();
        let waiting = waiting.map(|(next, time, number)| (self.may_come(next), time, number));
        let first = ready.first().map(|(_, number)| *number);
        let process = first.or_else(|| waiting.min().map(|(_, _, number)| number))?;
        let until_ms = ready.get(1).map_or(u64::MAX, |(time, _)| *time);
        Some(Turn { process, unexplained, until_ms })
    }

    /// Does what comes next at this process come from another one, which has not sent it yet?
    fn waits(&self, number: usize, next: Next) -> bool {
        let Next::Arrival(origin) = next else { return false };
        let departures = &self.scene.departures;
        let arrival = departures.look(origin, None, (number as u32, 0));
        matches!(arrival, Arrival::NotYet | Arrival::Unknown)
    }

    /// May it still come: is whoever sends it recorded, and not at its end?
    fn may_come(&self, next: Next) -> bool {
        let Next::Arrival(origin) = next else { return true };
        let sender = self.scene.departures.life_of(&origin.boot);
        sender.is_some_and(|(process, _)| self.processes[process as usize].is_some())
    }

    /// Lets a process go on, until it has to wait for another one, or another one's turn began earlier.
    fn go_on(&mut self, Turn { process: number, unexplained, until_ms }: Turn) {
        let mut is_first = true;
        loop {
            let Some(process) = &mut self.processes[number] else { return };
            let next = match process.what_next() {
                Ok(Next::Over) => {
                    self.processes[number] = None;
                    return;
                }
                Ok(next) => next,
                Err(refusal) => return self.refuse(number, &refusal),
            };
            let is_later = process.time_ms() > until_ms;
            if !is_first && (unexplained || is_later || self.waits(number, next)) {
                return;
            }
            is_first = false;
            if !self.advance(number) {
                return;
            }
        }
    }

    /// Lets the next thing happen at a process; false if it is lost.
    fn advance(&mut self, number: usize) -> bool {
        let Some(process) = &mut self.processes[number] else { return false };
        let advanced = process.advance(&mut self.scene);
        let time = process.time_ms();
        if time > 0 {
            self.times = (self.times.0.min(time), self.times.1.max(time));
        }
        let found = self.scene.take_found();
        if !found.is_empty() {
            let place = process.place();
            for what in found {
                self.note(number, place.clone(), what);
            }
        }
        if let Err(refusal) = &advanced {
            self.refuse(number, refusal);
        }
        advanced.is_ok()
    }

    fn note(&mut self, number: usize, place: Place, what: What) {
        self.found += 1;
        if self.findings.len() >= TOLD_MAX {
            return;
        }
        let what = match what {
            What::Unexplained { origin, message, why, .. } => {
                let life = self.scene.departures.life_of(&origin.boot);
                let sender = life.map(|(process, life)| {
                    format!("{}, life {}", self.names[process as usize], life + 1)
                });
                What::Unexplained { origin, message, why, sender }
            }
            what => what,
        };
        let (process, event) = (self.names[number].clone(), self.scene.events());
        self.findings.push(Finding { process, event, place, what });
    }

    /// A process can't be replayed any further.
    fn refuse(&mut self, number: usize, refusal: &Refusal) {
        let place = match self.processes[number].take() {
            Some(process) => process.place(),
            None => return,
        };
        let what = match refusal {
            Refusal::Divergence(divergence) => What::Divergence(divergence.to_string()),
            other => What::Unreadable(other.to_string()),
        };
        self.note(number, place, what);
        self.scene.lose(number as u32);
    }

    fn report(mut self, stopped: bool) -> Report {
        if !stopped {
            for (process, what) in self.scene.end() {
                let place = Place { file: PathBuf::from("its end"), byte: 0, entry: 0 };
                self.note(process as usize, place, what);
            }
        }
        let Run { names, scene, findings, found, times, .. } = self;
        Report {
            processes: names,
            counts: scene.counts(),
            left: scene.departures.left,
            arrived: scene.departures.arrived,
            chosen_upto: scene.chosen_upto(),
            span_ms: times.1.saturating_sub(times.0),
            findings,
            found,
            situations: scene.situations().clone(),
            stopped,
        }
    }
}
