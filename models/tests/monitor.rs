//! The monitor of real runs: it sees what the catalog sees, raises no false alarm, and needs little memory.

mod recorded;

use actor_checker::compact::{Crashes, Reductions};
use actor_checker::engine::{Options, Stopped};
use actor_checker::spec::{Event as Happened, Step};
use paxos_chat::effects::Timer;
use paxos_chat::message::{Accepted, Input, Message, Output};
use paxos_chat::state::{State, Storage};
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Ballot, Body, ReplicaId, Slot, Value, Vote};
use paxos_chat_models::catalog::{self, Entry};
use paxos_chat_models::chat::Ghost;
use paxos_chat_models::config::Config;
use paxos_chat_models::machine::Durability;
use paxos_chat_models::monitor::{Monitor, Party};
use paxos_chat_models::mutants::{Mutant, SAFETY};
use paxos_chat_models::node::{Node, NodeTimer};
use paxos_chat_models::properties::Safety;
use paxos_chat_models::refinement::PROPERTIES;
use recorded::{Cut, Disk, Event, Run, Told};
use std::time::{Duration, Instant};

// --- What the catalog finds, the monitor finds.

/// An event of a step, by itself.
fn event_of(step: &Step<'_, Node, Ghost>) -> Event {
    match &step.event {
        Happened::Deliver { src, msg } => Event::Deliver(*src, step.actor, (*msg).clone()),
        Happened::Timeout(timer) => Event::Timeout(step.actor, **timer),
        Happened::Input(msg) => Event::Input(step.actor, (*msg).clone()),
        Happened::Crash => Event::Crash(step.actor),
        Happened::Recover => Event::Recover(step.actor),
        Happened::Start => unreachable!("everybody starts before the first step"),
    }
}

/// The property that kills a mutant in its entry, and the steps that lead there; nothing, if an assertion kills it.
fn counterexample(entry: &Entry) -> Option<(&'static str, Vec<Event>)> {
    // As `check mutants` has it.
    let stale_messages = entry.config.mutant != Some(Mutant::OtherBallotsVoteCounted);
    let reductions = Reductions { stale_messages, ..Reductions::ALL };
    let model = entry.config.model(&[], reductions);
    let report = model.bfs(&Options::default());
    if let Some(Stopped::Panic(_)) = &report.stopped {
        return None;
    }
    let mut found = Safety::ALL.iter().zip(&report.discoveries);
    let (safety, found) = found.find_map(|(safety, found)| Some((safety, (*found)?)))?;
    let (init, path) = model.path_to(found.fingerprint, found.depth).expect("a path");
    let mut state = init;
    let mut events = Vec::new();
    for (action, next) in path {
        events.push(model.inspect(&state, action, event_of).expect("a step of the path"));
        state = next;
    }
    Some((safety.name(), events))
}

fn disk_of(config: &Config) -> Disk {
    match config.durability {
        Durability::LateSaves => Disk::Late,
        Durability::Saves | Durability::SavesAndLog => Disk::AtOnce,
    }
}

/// Mutants in which the monitor sees something else than what kills them in the catalog, and why.
const OTHERWISE: &[(Mutant, Safety, &str)] = &[
    (
        Mutant::AppliedOverGaps,
        Safety::Compaction,
        "what is reported over a gap is out of order, and is not chosen yet: it is not known what it comes to",
    ),
    (
        Mutant::OwnVoteCountedEarly,
        Safety::SavedFirst,
        "what it sends itself leaves as well, too early, and is a vote that is told",
    ),
];

#[test]
fn every_mutant_that_the_catalog_kills_is_seen_by_the_monitor() {
    let mut wrong = String::new();
    for description in SAFETY.iter().filter(|it| it.equivalent.is_none()) {
        let mutant = description.mutant;
        for name in description.entries {
            let mut entry = catalog::find(name).expect("an entry");
            entry.config.mutant = Some(mutant);
            let Some((property, events)) = counterexample(&entry) else { continue };
            let mut run = Run::new(entry.config.clone(), disk_of(&entry.config));
            let mut monitor = run.monitor();
            for event in events {
                run.take(event);
                run.tell(&mut monitor);
                run.look_closely(&mut monitor);
            }
            monitor.ends();
            let seen: Vec<&str> = monitor.violations().iter().map(|it| it.property).collect();
            let other = OTHERWISE.iter().find(|(of, ..)| *of == mutant);
            let expected = other.map_or(property, |(_, safety, _)| safety.name());
            if !seen.contains(&expected) || other.is_some() && seen.contains(&property) {
                wrong += &format!("\n{mutant} in {name}, killed by {property:?}: {seen:?}");
            }
            break;
        }
    }
    assert!(wrong.is_empty(), "not seen:{wrong}");
}

// --- No false alarm.

/// Numbers that are the same in every run: SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides.max(1) as u64) as usize
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.roll(from.len())].clone())
    }
}

/// What walks have come to.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    chosen: u64,
    elections: u64,
    compactions: u64,
    recoveries: u64,
    recalls: u64,
    expiries: u64,
    confirmations: u64,
    read: u64,
}

impl Reached {
    fn add(&mut self, told: &Told) {
        let reports = match told {
            Told::ReplicaHandles(_, call) => {
                let is_recall = matches!(&call.cause, Some(Message::Input(Input::Recall(_))));
                self.recalls += u64::from(is_recall);
                return;
            }
            Told::ClientHandles(_, call) => &call.reports,
            Told::ReaderHandles(_, call) => &call.reports,
            _ => return,
        };
        for report in reports {
            match report {
                Message::Output(Output::Confirmed { .. }) => self.confirmations += 1,
                Message::Output(Output::OutcomeUnknown { .. }) => self.expiries += 1,
                Message::Output(Output::Applied { .. }) => self.read += 1,
                _ => {}
            }
        }
    }
}

/// The next step of a walk, if the dice have named one that can be taken.
fn next_event(run: &Run, dice: &mut Dice, said: &mut u32) -> Option<Event> {
    let replicas = usize::from(run.config.replicas);
    let clients = run.config.clients.len();
    let up: Vec<usize> = (0..run.actors()).filter(|actor| run.is_up(*actor)).collect();
    match dice.roll(100) {
        0..66 => {
            let recent = if dice.roll(8) > 0 { 12 } else { usize::MAX };
            let from = run.network.len().saturating_sub(recent);
            let (src, dst, message) = dice.pick(&run.network[from..])?;
            run.is_up(dst).then_some(Event::Deliver(src, dst, message))
        }
        66..78 => {
            let actor = dice.pick(&up)?;
            let timer = dice.pick(&run.timers(actor))?;
            let is_rare = timer == NodeTimer::Actor(Timer::Election);
            (!is_rare || dice.roll(10) == 0).then_some(Event::Timeout(actor, timer))
        }
        78..91 => {
            let waits = |actor: &usize| run.timers(*actor).contains(&NodeTimer::Synced);
            let waiting: Vec<usize> = up.into_iter().filter(waits).collect();
            Some(Event::Timeout(dice.pick(&waiting)?, NodeTimer::Synced))
        }
        91..96 => {
            let client = replicas + dice.roll(clients);
            *said += 1;
            let body =
                if said.is_multiple_of(5) { Body::Sync } else { Body::write(format!("w{said}")) };
            run.is_up(client).then_some(Event::Input(client, Message::Input(Input::Submit(body))))
        }
        96 => {
            let actor = dice.pick(&up)?;
            let is_mortal = actor < replicas
                || actor >= replicas + clients
                || run.config.clients[actor - replicas].crashes;
            is_mortal.then_some(Event::Crash(actor))
        }
        _ => {
            let down: Vec<usize> = (0..run.actors()).filter(|actor| !run.is_up(*actor)).collect();
            Some(Event::Recover(dice.pick(&down)?))
        }
    }
}

/// Walks at random, and tells a monitor of it.
fn walk(config: &Config, disk: Disk, seed: u64, steps: usize, reached: &mut Reached) -> Monitor {
    let mut dice = Dice(seed);
    let mut run = Run::new(config.clone(), disk).with_new_nonces();
    let mut monitor = run.monitor();
    let mut said = 0;
    let begins = monitor.chosen_upto();
    let (mut taken, mut rolled) = (0, 0);
    while taken < steps && rolled < 20 * steps {
        rolled += 1;
        let Some(event) = next_event(&run, &mut dice, &mut said) else { continue };
        taken += 1;
        let is_recovery =
            matches!(event, Event::Recover(actor) if actor < usize::from(run.config.replicas));
        let bounds = |run: &Run| -> Vec<(bool, Slot)> {
            let replicas = 0..usize::from(run.config.replicas);
            let states = replicas.map(|actor| run.replica(actor));
            states
                .map(|state| match state {
                    Some(state) => (state.leading().is_some(), state.durable.snapshot.upto),
                    None => (false, Slot(0)),
                })
                .collect()
        };
        let before = bounds(&run);
        match event {
            Event::Crash(actor) => match dice.pick(&[Cut::Unheard, Cut::SnapshotOwed, Cut::Torn]) {
                Some(how) if dice.roll(3) > 0 => run.crash_saving(actor, how),
                _ => run.take(event),
            },
            event => run.take(event),
        }
        for (was, is) in before.iter().zip(bounds(&run)) {
            reached.elections += u64::from(!was.0 && is.0);
            reached.compactions += u64::from(was.1 > Slot(0) && is.1 > was.1);
        }
        reached.recoveries += u64::from(is_recovery);
        run.told.iter().for_each(|told| reached.add(told));
        run.tell(&mut monitor);
        if dice.roll(4) == 0 {
            run.look_closely(&mut monitor);
        }
        if let Some(violation) = monitor.violations().first() {
            panic!("{disk:?}, seed {seed}, step {taken}: {violation:?}");
        }
    }
    monitor.ends();
    assert_eq!(monitor.violations(), [], "seed {seed}");
    reached.chosen += monitor.chosen_upto().0 - begins.0;
    monitor
}

/// Entries with faults of all kinds, each of which is walked through.
const WALKED: &[&str] = &[
    "crash-recovery",
    "crash-recall",
    "compaction-recall",
    "overlap",
    "client-crash",
    "client-evicted",
    "compaction-crash",
    "eviction-again",
    "reader-crash",
    "reader-snapshots",
    "reader-end",
    "relay-crash",
    "batch-two-crashes",
    "batch-chunks",
    "five-recovery",
    "overlap-any-crash",
    "overlap-compaction",
    "overlap-eviction",
    "sessions-chunks",
    "long-messages",
    "retry-compact-crash",
    "two-crashes",
    "batch-client-crash",
    "pipeline",
];
const WALKS_EACH: u64 = 24;
const STEPS: usize = 1500;

#[test]
fn no_walk_through_a_healthy_entry_raises_an_alarm() {
    let mut reached = Reached::default();
    for (number, name) in (0..).zip(WALKED) {
        let mut entry = catalog::find(name).expect("an entry");
        entry.config.crashes = Crashes { at_once: 2, total: u32::MAX, recovery: true };
        for client in &mut entry.config.clients {
            client.messages = client.messages.max(1) * 4;
        }
        for walked in 0..WALKS_EACH {
            let disk = match (walked % 2, disk_of(&entry.config)) {
                (0, disk) => disk,
                _ => Disk::Bursts,
            };
            let config = match walked % 3 {
                0 => entry.config.clone(),
                _ => entry.config.clone().tuned(|tuning| {
                    tuning.snapshot_slots = tuning.snapshot_slots.max(1 + walked % 3);
                    tuning.recent_slots = walked % 4;
                }),
            };
            walk(&config, disk, 100_000 * number + walked, STEPS, &mut reached);
        }
    }
    eprintln!("{reached:?}");
    let Reached { chosen, elections, compactions, recoveries, recalls, .. } = reached;
    assert!(chosen > 1000 && elections > 500 && compactions > 500, "{reached:?}");
    assert!(recoveries > 500 && recalls > 50, "{reached:?}");
    assert!(
        reached.confirmations > 300 && reached.expiries > 5 && reached.read > 100,
        "{reached:?}"
    );
}

// --- A long run.

/// A cluster that works without faults, message by message, for as long as it is asked to.
struct Work {
    run: Run,
    said: u64,
}

impl Work {
    fn new(snapshot_slots: u64, batch_commands_max: usize) -> Work {
        let mut config = Config::new(3).client("ann", 0, 0).client("bob", 0, 0).client("cy", 0, 0);
        for client in &mut config.clients {
            client.window = 16;
        }
        let config = config.tuned(|tuning| {
            *tuning = Tuning { snapshot_slots, batch_commands_max, ..Tuning::default() };
        });
        let mut work = Work { run: Run::new(config, Disk::Bursts), said: 0 };
        work.run.take(Event::Timeout(0, NodeTimer::Actor(Timer::Election)));
        work.settle(None);
        work
    }

    /// Each client says something, and all is delivered; but not to this replica.
    fn round(&mut self, deaf: Option<usize>) {
        for client in 3..6 {
            for _ in 0..8 {
                self.said += 1;
                let body =
                    Body::write(format!("this is what I have to say as number {}", self.said));
                self.run.take(Event::Input(client, Message::Input(Input::Submit(body))));
            }
        }
        self.settle(deaf);
    }

    /// Delivers everything, in bursts.
    fn settle(&mut self, deaf: Option<usize>) {
        loop {
            let mut arrived = std::mem::take(&mut self.run.network);
            arrived.sort_by_key(|(_, dst, _)| *dst);
            for actor in 0..self.run.actors() {
                let own = arrived.iter().filter(|(_, dst, _)| *dst == actor);
                for (src, dst, message) in own.filter(|(_, dst, _)| Some(*dst) != deaf) {
                    self.run.take(Event::Deliver(*src, *dst, message.clone()));
                }
                if self.run.timers(actor).contains(&NodeTimer::Synced) {
                    self.run.take(Event::Timeout(actor, NodeTimer::Synced));
                }
            }
            if self.run.network.is_empty() {
                return;
            }
        }
    }

    /// The leader's timers run out.
    fn tick(&mut self, deaf: Option<usize>) {
        for timer in [Timer::Heartbeat, Timer::Resend] {
            self.run.take(Event::Timeout(0, NodeTimer::Actor(timer)));
        }
        self.settle(deaf);
    }
}

#[test]
fn memory_does_not_grow_with_a_run() {
    let mut work = Work::new(64, 1);
    let mut monitor = work.run.monitor();
    let mut most = monitor.extents();
    for round in 0..1000 {
        work.round(None);
        if round % 10 == 0 {
            work.tick(None);
        }
        work.run.tell(&mut monitor);
        if round % 100 == 0 {
            work.run.look_closely(&mut monitor);
        }
        let extents = monitor.extents();
        most.slots = most.slots.max(extents.slots);
        most.numbers = most.numbers.max(extents.numbers);
        assert_eq!(monitor.violations(), []);
    }
    assert!(monitor.chosen_upto() > Slot(20_000), "{}", monitor.chosen_upto());
    assert!(most.slots < 400 && most.numbers < 1000, "{most:?}");
}

#[test]
fn what_a_slow_replica_lacks_is_kept_until_it_has_caught_up_or_is_gone() {
    let mut work = Work::new(64, 1);
    let mut monitor = work.run.monitor();
    for _ in 0..50 {
        work.round(Some(2));
    }
    work.run.tell(&mut monitor);
    assert!(monitor.extents().slots > 1000, "{:?}", monitor.extents());
    for _ in 0..50 {
        work.tick(None);
    }
    work.run.tell(&mut monitor);
    assert_eq!(monitor.violations(), []);
    assert!(monitor.extents().slots < 400, "{:?}", monitor.extents());
    for _ in 0..50 {
        work.round(Some(2));
    }
    work.run.tell(&mut monitor);
    assert!(monitor.extents().slots > 1000, "{:?}", monitor.extents());
    monitor.gone(ReplicaId(2));
    assert!(monitor.extents().slots < 400, "{:?}", monitor.extents());
    assert_eq!(monitor.violations(), []);
}

// --- What a recording may tell beside what an actor does.

/// What the monitor says if this replica comes back with this storage, after a vote that was durable.
fn found(change: impl FnOnce(&mut Storage)) -> Vec<&'static str> {
    let mut work = Work::new(64, 1);
    let mut monitor = work.run.monitor();
    work.round(None);
    work.run.tell(&mut monitor);
    let mut storage = (*work.run.replica(1).expect("it is up").durable).clone();
    assert!(!storage.votes.is_empty());
    change(&mut storage);
    let who = ReplicaId(1);
    monitor.crashes(Party::Replica(who));
    let state = State::restored(storage.clone());
    monitor.replica_starts(who, &work.run.config.tuning, Some(&storage), &state);
    monitor.violations().iter().map(|violation| violation.property).collect()
}

#[test]
fn a_storage_that_lacks_what_was_durable_or_holds_what_was_not_saved_is_seen() {
    assert_eq!(found(|_| ()), [""; 0]);
    let lost = found(|storage| drop(storage.votes.remove(&Slot(3))));
    assert_eq!(lost, [Safety::VotesKept.name()]);
    let forgotten = found(|storage| storage.promised = Ballot::ZERO);
    assert!(forgotten.contains(&Safety::PromisedMonotone.name()), "{forgotten:?}");
    let invented = found(|storage| {
        let vote = Vote { ballot: storage.promised, value: Value::Noop };
        storage.votes.insert(Slot(50), vote);
    });
    assert!(invented.contains(&Safety::SavedFirst.name()), "{invented:?}");
}

#[test]
fn what_leaves_is_judged_by_what_is_durable_then() {
    let mut work = Work::new(64, 1);
    let mut monitor = work.run.monitor();
    work.round(None);
    work.run.tell(&mut monitor);
    let [leader, follower] = [0, 1].map(|replica| Party::Replica(ReplicaId(replica)));
    let state = work.run.replica(1).expect("it is up");
    let (ballot, slot) = (state.durable.promised, state.learner.applied_upto);
    let known = Accepted { ballot, slot: Slot(slot.0 - 1) };
    monitor.leaves(follower, leader, &known.into());
    assert_eq!(monitor.violations(), []);
    monitor.leaves(follower, leader, &Accepted { ballot, slot }.into());
    let seen: Vec<&str> = monitor.violations().iter().map(|it| it.property).collect();
    assert_eq!(seen, [Safety::SavedFirst.name(), PROPERTIES[2].name]);
}

#[test]
fn a_vote_below_every_snapshot_is_seen() {
    let mut work = Work::new(64, 1);
    let mut monitor = work.run.monitor();
    (0..20).for_each(|_| work.round(None));
    work.tick(None);
    work.run.tell(&mut monitor);
    let mut storage = (*work.run.replica(1).expect("it is up").durable).clone();
    let vote = Vote { ballot: storage.promised, value: Value::Noop };
    storage.votes.insert(Slot(5), vote);
    let who = ReplicaId(1);
    let state = State::restored(storage.clone());
    monitor.crashes(Party::Replica(who));
    monitor.replica_starts(who, &work.run.config.tuning, Some(&storage), &state);
    let seen: Vec<&str> = monitor.violations().iter().map(|it| it.property).collect();
    assert!(seen.contains(&Safety::Compaction.name()), "{seen:?}");
}

#[test]
#[ignore = "it measures"]
fn speed() {
    [1, 256].into_iter().for_each(|commands| eprintln!("{}", measure(commands)));
}

/// Measures how fast steps are judged, with so many commands in a value at most.
fn measure(batch_commands_max: usize) -> String {
    let mut work = Work::new(512, batch_commands_max);
    let mut monitor = work.run.monitor();
    let (mut steps, mut took) = (0, Duration::ZERO);
    for _ in 0..2000 {
        if took > Duration::from_secs(3) {
            break;
        }
        for _ in 0..20 {
            work.round(None);
        }
        work.tick(None);
        let told = std::mem::take(&mut work.run.told);
        let started = Instant::now();
        told.iter().for_each(|told| work.run.tell_one(told, &mut monitor));
        took += started.elapsed();
        steps += told.len();
    }
    assert_eq!(monitor.violations(), []);
    let (rate, slots) = (steps as f64 / took.as_secs_f64(), monitor.chosen_upto().0);
    let commands = work.said as f64 / slots as f64;
    format!("{rate:.0} steps a second; {slots} slots with {commands:.1} commands each")
}
