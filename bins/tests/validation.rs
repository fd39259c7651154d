//! Validation must be able to fail: what is planted in a recorded run, one thing at a time, is refused with its reason.

use actor_recording::entry::{Cause, Digests, Entry};
use actor_recording::recorder::{Did, Looks, Outlines};
use paxos_chat::client::{Client, ClientStorage};
use paxos_chat::effects::Timer;
use paxos_chat::message::{Accept, Input, Message, ToPeer};
use paxos_chat::outline::Outline;
use paxos_chat::replica::Replica;
use paxos_chat::state::{State, Storage};
use paxos_chat::tuning::Tuning;
use paxos_chat::types::Value;
use paxos_chat_simulation::{Bounds, Cluster};
use paxos_chat_validation::finding::What;
use paxos_chat_validation::process::Source;
use paxos_chat_validation::run::{Recorded, Report, validate};
use paxos_chat_validation::sent::Arrival;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::collections::VecDeque;

/// Bytes before a frame's payload: its length and its checksum.
const HEADER: usize = 8;

type OfReplica = Entry<Replica, Message, Timer, Storage>;
type OfClient = Entry<Client, Message, Timer, ClientStorage>;

/// A run in which replicas are killed, and come back.
fn run() -> Vec<Recorded> {
    let tuning = Tuning { snapshot_slots: 8, recent_slots: 4, ..Tuning::default() };
    let mut cluster = Cluster::new(&Bounds { clients: 2, ..Bounds::new(7, tuning) });
    for round in 1..=6 {
        for speaker in &mut cluster.speakers {
            (0..10).for_each(|_| assert!(speaker.say_next()));
        }
        while !cluster.is_settled(round * 20) {
            assert!(cluster.step().is_empty(), "no power is cut");
        }
        let machine = &mut cluster.machines[round as usize % 3];
        let formats = machine.formats();
        machine.replace_program(formats);
    }
    cluster.recordings()
}

fn bytes(source: &Source) -> &[u8] {
    match source {
        Source::Memory(_, bytes) => bytes,
        Source::Files(_) => panic!("it was recorded in memory"),
    }
}

/// All entries of a life.
fn read<A, S>(source: &Source) -> Vec<Entry<A, Message, Timer, S>>
where
    A: DeserializeOwned,
    S: DeserializeOwned,
{
    let (mut rest, mut read) = (bytes(source), Vec::new());
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        let (payload, behind) = rest[HEADER..].split_at(length);
        read.extend(actor_recording::reader::entries(payload).unwrap());
        rest = behind;
    }
    read
}

/// The life with these entries, as one frame.
fn write<A: Serialize, S: Serialize>(entries: &[Entry<A, Message, Timer, S>]) -> Source {
    let payload: Vec<u8> =
        entries.iter().flat_map(|entry| postcard::to_stdvec(entry).unwrap()).collect();
    let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
    bytes.extend(crc32c::crc32c(&payload).to_le_bytes());
    bytes.extend(payload);
    Source::Memory("planted".into(), bytes)
}

/// Changes the lives of one process, in place.
fn plant<A, S>(
    run: &mut [Recorded],
    process: &str,
    change: impl Fn(&mut Vec<Entry<A, Message, Timer, S>>) -> bool,
) where
    A: DeserializeOwned + Serialize,
    S: DeserializeOwned + Serialize,
{
    let (_, lives) = run.iter_mut().find(|(name, _)| name == process).unwrap();
    for life in lives {
        let mut entries = read(life);
        if change(&mut entries) {
            *life = write(&entries);
            return;
        }
    }
    panic!("there is no place to plant it in {process}");
}

fn judged(run: &[Recorded]) -> Report {
    validate(run, |_| true).unwrap()
}

/// What was found first.
fn first(run: &[Recorded]) -> What {
    let report = judged(run);
    assert!(!report.is_good());
    report.findings[0].what.clone()
}

fn accept_at(entries: &[OfReplica]) -> Option<usize> {
    let is_accept = |entry: &OfReplica| {
        matches!(
            entry,
            Entry::Cause(Cause::Message {
                message: Message::ToPeer(ToPeer::Accept(Accept { value: Value::Batch(_), .. })),
                ..
            })
        )
    };
    entries.iter().position(is_accept)
}

#[test]
fn what_was_recorded_is_valid_and_written_again_it_still_is() {
    let mut run = run();
    let report = judged(&run);
    assert!(report.is_good(), "{:#?}", report.findings);
    assert!(report.counts.lives == 10 && report.chosen_upto.0 > 12, "{report:?}");
    assert!(report.counts.handled > 500 && report.left >= report.arrived, "{report:?}");
    plant(&mut run, "replica-1", |_: &mut Vec<OfReplica>| true);
    assert!(judged(&run).is_good());
}

#[test]
fn a_flipped_bit_on_the_disk_is_found_by_its_checksum() {
    let mut run = run();
    let lives = &mut run[0].1;
    let mut changed = bytes(&lives[0]).to_vec();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    lives[0] = Source::Memory("flipped".into(), changed);
    let What::Unreadable(text) = first(&run) else { panic!("{:?}", judged(&run)) };
    assert!(text.contains("flipped: at byte") && text.contains("checksum"), "{text}");
}

#[test]
fn a_flipped_bit_of_a_message_is_not_what_was_sent() {
    let mut run = run();
    plant(&mut run, "replica-2", |entries: &mut Vec<OfReplica>| {
        let Some(at) = accept_at(entries) else { return false };
        let Entry::Cause(Cause::Message { message, .. }) = &mut entries[at] else { return false };
        let Message::ToPeer(ToPeer::Accept(accept)) = message else { return false };
        let mut commands = accept.value.commands().to_vec();
        commands[0].stamp.0 ^= 1;
        accept.value = Value::batch(commands);
        true
    });
    let What::Unexplained { why, sender, .. } = first(&run) else { panic!("{:?}", judged(&run)) };
    assert_eq!(why, Arrival::Changed);
    assert!(sender.unwrap().starts_with("replica-"));
}

#[test]
fn a_save_that_is_missing_is_missed() {
    let mut run = run();
    plant(&mut run, "replica-1", |entries: &mut Vec<OfReplica>| {
        let before = entries.len();
        entries.retain(|entry| !matches!(entry, Entry::Synced));
        entries.len() < before
    });
    let What::Violated { property, .. } = first(&run) else { panic!("{:?}", judged(&run)) };
    assert_eq!(property, "nothing is revealed before it is saved");
}

#[test]
fn a_save_that_the_actor_did_not_ask_for_then_is_a_divergence() {
    let mut run = run();
    plant(&mut run, "replica-1", |entries: &mut Vec<OfReplica>| {
        let saves =
            |entry: &&mut OfReplica| matches!(entry, Entry::Did(Digests { saved: Some(_), .. }));
        let Some(Entry::Did(digests)) = entries.iter_mut().find(saves) else { return false };
        digests.saved = None;
        true
    });
    let What::Divergence(text) = first(&run) else { panic!("{:?}", judged(&run)) };
    for part in ["it saves, and did not", "told: ", "state before it: State {", "sends "] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_datagram_is_taken_once_in_a_life() {
    let mut run = run();
    plant(&mut run, "replica-2", |entries: &mut Vec<OfReplica>| {
        let Some(at) = accept_at(entries) else { return false };
        let pair = entries[at..at + 2].to_vec();
        entries.splice(at + 2..at + 2, pair);
        true
    });
    let What::Unexplained { why, .. } = first(&run) else { panic!("{:?}", judged(&run)) };
    assert_eq!(why, Arrival::Twice);
}

#[test]
fn two_events_in_the_wrong_order_lead_elsewhere() {
    let mut run = run();
    plant(&mut run, "replica-2", |entries: &mut Vec<OfReplica>| {
        let told = |entry: &OfReplica| matches!(entry, Entry::Cause(Cause::Message { .. }));
        let is_pair = |at: &usize| {
            let (one, other) = (&entries[*at], &entries[*at + 2]);
            told(one) && told(other) && format!("{one:?}") != format!("{other:?}")
        };
        let Some(at) = (0..entries.len() - 4).find(is_pair) else { return false };
        entries.swap(at, at + 2);
        entries.swap(at + 1, at + 3);
        true
    });
    assert!(matches!(first(&run), What::Divergence(_)), "{:?}", judged(&run));
}

#[test]
fn a_departure_in_the_wrong_place_is_not_what_arrived() {
    let mut run = run();
    plant(&mut run, "client-0", |entries: &mut Vec<OfClient>| {
        let departures: Vec<usize> = (0..entries.len())
            .filter(|at| matches!(entries[*at], Entry::Departure { .. }))
            .collect();
        let datagram = |entry: &OfClient| match entry {
            Entry::Departure { datagram, .. } => *datagram,
            _ => unreachable!("it is a departure"),
        };
        let (one, other) = (departures[1], departures[2]);
        let (first, second) = (datagram(&entries[one]), datagram(&entries[other]));
        for (at, number) in [(one, second), (other, first)] {
            if let Entry::Departure { datagram, .. } = &mut entries[at] {
                *datagram = number;
            }
        }
        true
    });
    let found = judged(&run);
    assert!(
        found.findings.iter().any(|finding| matches!(finding.what, What::Unexplained { .. })),
        "{found:?}"
    );
}

#[test]
fn a_process_that_is_missing_is_missed() {
    for missing in ["client-1", "replica-0"] {
        let mut run = run();
        run.retain(|(name, _)| name != missing);
        let What::Unexplained { why, .. } = first(&run) else { panic!("{:?}", judged(&run)) };
        assert_eq!(why, Arrival::Unknown, "{missing}");
        // Who waits for somebody who waits for what is missing is not blamed.
        for finding in judged(&run).findings {
            if let What::Unexplained { why, .. } = finding.what {
                assert_eq!(why, Arrival::Unknown, "{missing}: {finding:?}");
            }
        }
    }
}

#[test]
fn the_end_of_a_recording_that_is_missing_is_missed() {
    let mut run = run();
    plant(&mut run, "replica-0", |entries: &mut Vec<OfReplica>| {
        let half = entries.len() / 2;
        entries.truncate(half);
        true
    });
    let found = judged(&run);
    assert!(
        found
            .findings
            .iter()
            .any(|it| matches!(it.what, What::Unexplained { why: Arrival::NotYet, .. })),
        "{found:?}"
    );
}

/// What an actor does with these causes now, in place of what was recorded: as if its process had been told so.
fn recorded_anew(entries: &mut [OfReplica]) {
    let outlines: Outlines<Replica> = Outlines {
        state: |state: &State, digester| state.outline(digester),
        storage: |storage: &Storage, digester| storage.outline(digester),
    };
    let looks = Looks::new(outlines);
    let (mut actor, mut state, mut own) = (None, None, VecDeque::new());
    let mut cause = None;
    for entry in entries {
        let mut out: Out<Replica> = Out::new();
        let digests = match entry {
            Entry::Life(life) => {
                actor = Some((life.actor.clone(), Id::from(life.id as usize)));
                continue;
            }
            Entry::Cause(told) => {
                cause = Some(told.clone());
                continue;
            }
            Entry::Start { stored, digests } => {
                let (actor, id) = actor.as_ref().unwrap();
                state = Some(Cow::Owned(actor.on_start(*id, stored, &mut out)));
                digests
            }
            Entry::Did(digests) => {
                let ((actor, id), state) = (actor.as_ref().unwrap(), state.as_mut().unwrap());
                let (from, message) = match cause.take().unwrap() {
                    Cause::Timer(timer) => {
                        actor.on_timeout(*id, state, &timer, &mut out);
                        (*id, None)
                    }
                    Cause::Own => (*id, own.pop_front()),
                    Cause::Driver(message) => (Id::from(usize::MAX), Some(message)),
                    Cause::Message { from, message, .. } => {
                        (Id::from(from as usize), Some(message))
                    }
                };
                if let Some(message) = message {
                    actor.on_msg(*id, state, from, message, &mut out);
                }
                digests
            }
            _ => continue,
        };
        let state: &Cow<'_, State> = state.as_ref().unwrap();
        *digests = looks.of(Did { state, out: &out });
        for command in out {
            if let Command::Send(to, message) = command
                && to == actor.as_ref().unwrap().1
            {
                own.push_back(message);
            }
        }
    }
}

#[test]
fn an_altered_line_of_the_log_is_not_what_was_chosen() {
    let mut run = run();
    plant(&mut run, "replica-1", |entries: &mut Vec<OfReplica>| {
        let recalled = entries.iter_mut().find_map(|entry| match entry {
            Entry::Cause(Cause::Driver(Message::Input(Input::Recall(entries)))) => Some(entries),
            _ => None,
        });
        let Some(recalled) = recalled else { return false };
        let Some(value) = recalled.values.iter_mut().find(|value| **value != Value::Noop) else {
            return false;
        };
        let mut commands = value.commands().to_vec();
        commands[0].stamp.0 += 1;
        *value = Value::batch(commands);
        recorded_anew(entries);
        true
    });
    let What::Violated { property, .. } = first(&run) else { panic!("{:?}", judged(&run)) };
    assert_eq!(property, "decided values are chosen");
}
