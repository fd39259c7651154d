//! Whole clusters in one thread, under virtual time, over a network that loses, doubles and
//! reorders datagrams. Everything but the keys is drawn from a seed, so a failure repeats. A
//! datagram that arrives twice is dropped by its number; what reaches an actor twice is what was
//! sent again by a timer.

use actor_runtime::driver::Sends;
use actor_runtime::wire::{DATAGRAM_BYTES_LEAST, Formats, Packing, Peer};
use paxos_chat::effects::Timer;
use paxos_chat::message::Outcome;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Body, Operation, Timestamp};
use paxos_chat_log::ChatLog;
use paxos_chat_packets::formats::FORMATS;
use paxos_chat_simulation::{Bounds, Cluster, Machine, SKEW};
use std::collections::BTreeMap;
use std::time::Duration;

const CLIENTS: u8 = 2;
const MESSAGES: u64 = 30;
/// Virtual time within which everything must be acknowledged and equal.
const LIMIT: Duration = Duration::from_secs(600);

struct Simulation {
    cluster: Cluster,
}

impl Simulation {
    /// On paths on which one datagram in ten arrives twice, and each copy takes its own time.
    fn new(seed: u64, loss: f64, tuning: &Tuning) -> Simulation {
        Simulation::of_build(FORMATS, seed, loss, tuning)
    }

    /// Of programs that read and write these formats.
    fn of_build(formats: Formats, seed: u64, loss: f64, tuning: &Tuning) -> Simulation {
        let delay = Duration::from_micros(100)..Duration::from_millis(20);
        // Every other one with datagrams so short that batches and chunks travel in parts.
        let datagram_bytes_max = if seed.is_multiple_of(2) { DATAGRAM_BYTES_LEAST } else { 60_000 };
        let packing = Packing { datagram_bytes_max, ..Packing::default() };
        let bounds = Bounds::new(seed, tuning.clone());
        let mut bounds = Bounds { clients: CLIENTS, loss, packing, formats, ..bounds };
        (bounds.links.delay, bounds.links.doubled) = (delay, 0.1);
        Simulation { cluster: Cluster::new(&bounds) }
    }

    /// Runs until everything is acknowledged and all logs are equal.
    fn finish(&mut self) {
        let wanted = u64::from(CLIENTS) * MESSAGES;
        while !self.cluster.is_settled(wanted) {
            self.step();
            let confirmed = self.cluster.confirmed();
            assert!(self.cluster.air.now() < LIMIT, "{confirmed} of {wanted} confirmed");
        }
    }

    fn step(&mut self) {
        assert!(self.cluster.step().is_empty(), "no disk fails");
    }

    fn submit_all(&mut self) {
        for speaker in &mut self.cluster.speakers {
            (0..MESSAGES).for_each(|_| assert!(speaker.say_next()));
        }
    }

    fn log(&self) -> ChatLog {
        ChatLog::parse(&self.cluster.logs()[0]).unwrap()
    }

    /// The texts that took effect, by user, in the order of the log.
    fn said(&self) -> BTreeMap<String, Vec<String>> {
        let log = self.log();
        let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in &log.entries {
            for (command, outcome) in entry.value.commands().iter().zip(&entry.outcomes) {
                if let Operation::InSession { body: Body::Write(text), .. } = &command.operation
                    && *outcome == Outcome::Applied
                {
                    said.entry(command.user.to_string())
                        .or_default()
                        .push(String::from_utf8(text.to_vec()).unwrap());
                }
            }
        }
        said
    }

    fn assert_exactly_once_in_order(&self) {
        let expected: Vec<String> = (1..=MESSAGES).map(|n| format!("message {n}")).collect();
        let said = self.said();
        assert_eq!(said.len(), usize::from(CLIENTS));
        for (user, texts) in said {
            assert_eq!(texts, expected, "{user}");
        }
    }
}

#[test]
fn logs_are_equal_under_loss_duplication_and_reordering() {
    for seed in 0..20 {
        for loss in [0.0, 0.1, 0.3] {
            let mut simulation = Simulation::new(seed, loss, &Tuning::default());
            simulation.submit_all();
            simulation.finish();
            simulation.assert_exactly_once_in_order();
        }
    }
}

#[test]
fn snapshots_and_small_chunks_change_nothing() {
    let tuning = Tuning {
        snapshot_slots: 4,
        recent_slots: 2,
        chunk_entries_max: 2,
        batch_commands_max: 3,
        window_slots: 4,
        ..Tuning::default()
    };
    for seed in 0..10 {
        let mut simulation = Simulation::new(seed, 0.1, &tuning);
        simulation.submit_all();
        simulation.finish();
        simulation.assert_exactly_once_in_order();
    }
}

#[test]
fn a_skipped_slot_is_filled_by_a_noop() {
    let skip_slots = [3, 7].map(paxos_chat::types::Slot).into();
    let tuning = Tuning { skip_slots, batch_commands_max: 2, ..Tuning::default() };
    for seed in 0..10 {
        let mut simulation = Simulation::new(seed, 0.05, &tuning);
        simulation.submit_all();
        simulation.finish();
        simulation.assert_exactly_once_in_order();
        let log = simulation.log();
        let noops = log.entries.iter().filter(|entry| entry.value.commands().is_empty());
        assert!(noops.count() >= 1);
    }
}

#[test]
fn a_request_that_entered_twice_has_the_stamp_of_its_first_entry_on_all_replicas() {
    let entered = |stamp: Timestamp| u128::from(stamp.0) / SKEW.as_millis();
    let mut elsewhere = 0;
    for seed in 0..20 {
        let tuning = Tuning { pre_vote: false, ..Tuning::default() };
        let mut simulation = Simulation::new(seed, 0.2, &tuning);
        simulation.submit_all();
        for step in 0..2000 {
            simulation.step();
            if step % 40 == 0 {
                let machine = &mut simulation.cluster.machines[step / 40 % 3];
                let replica = machine.driver_mut().expect("no disk fails");
                replica.expire(&Timer::Election, Sends::Leave);
            }
        }
        // Equal byte for byte, stamps included, though no two clocks agree.
        simulation.finish();
        let log = simulation.log();
        let mut stamps = BTreeMap::new();
        for entry in &log.entries {
            for (command, outcome) in entry.value.commands().iter().zip(&entry.outcomes) {
                let Operation::InSession { session, seq, .. } = &command.operation else {
                    continue;
                };
                let (stamp, is_new) = (command.stamp, !stamps.contains_key(&(*session, *seq)));
                match outcome {
                    Outcome::Applied => {
                        assert!(is_new, "{command} is applied where it entered the log first");
                        stamps.insert((*session, *seq), stamp);
                    }
                    Outcome::Duplicate(_) => {
                        let first: Timestamp = stamps[&(*session, *seq)];
                        elsewhere += u64::from(entered(first) != entered(stamp));
                    }
                    // A gap: it was not applied there.
                    _ => {}
                }
            }
        }
    }
    assert!(elsewhere > 0, "no request entered at two replicas");
}

/// Does whoever leads write to the others in this format, and they to it? The others need not have heard each other.
fn writes(simulation: &mut Simulation, format: u8) -> bool {
    let machines = &mut simulation.cluster.machines;
    let leads = |machine: &Machine| machine.state().is_some_and(|state| state.leading().is_some());
    let Some(leader) = machines.iter().position(leads) else { return false };
    let mut format_for = |from: usize, to: usize| {
        let codec = machines[from].driver_mut().expect("no disk fails").codec_mut();
        codec.format_for(Peer::Replica(to as u8))
    };
    let mut others = (0..3).filter(|other| *other != leader);
    others.all(|other| [format_for(leader, other), format_for(other, leader)] == [format; 2])
}

/// From one build to the next and back, one replica after the other, with clients of either, while they talk.
#[test]
fn a_cluster_goes_from_build_to_build_and_back_while_it_serves() {
    let builds = [Formats::new(1, 1), Formats::new(1, 2), Formats::new(2, 3)];
    for seed in 0..10 {
        for (first, second) in [(0, 1), (1, 0), (1, 2), (2, 1)].map(|(a, b)| (builds[a], builds[b]))
        {
            let mut simulation = Simulation::of_build(first, seed, 0.1, &Tuning::default());
            for (round, build) in (0..).zip([second, first]) {
                for id in 0..3_u64 {
                    let said =
                        1 + (round * 3 + id) * MESSAGES / 6..=(round * 3 + id + 1) * MESSAGES / 6;
                    for speaker in &mut simulation.cluster.speakers {
                        said.clone().for_each(|_| assert!(speaker.say_next()));
                    }
                    let wanted = u64::from(CLIENTS) * *said.end();
                    let middle = simulation.cluster.confirmed() + 3;
                    while !simulation.cluster.is_settled(wanted) {
                        simulation.step();
                        // In the middle of it.
                        let confirmed = simulation.cluster.confirmed();
                        let machine = &mut simulation.cluster.machines[id as usize];
                        if confirmed >= middle && machine.formats() != build {
                            machine.replace_program(build);
                        }
                        assert!(simulation.cluster.air.now() < LIMIT, "{confirmed} of {wanted}");
                    }
                }
                // Whoever leads is heard by all, and heard from.
                while !writes(&mut simulation, build.newest()) {
                    simulation.step();
                    assert!(simulation.cluster.air.now() < LIMIT, "{build:?}");
                }
            }
            simulation.finish();
            simulation.assert_exactly_once_in_order();
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_logs() {
    let run = || {
        let mut simulation = Simulation::new(5, 0.2, &Tuning::default());
        simulation.submit_all();
        simulation.finish();
        (simulation.cluster.logs(), simulation.cluster.air.sent(), simulation.cluster.air.now())
    };
    assert_eq!(run(), run());
}
