//! What timely's exchange does alone: the messages of a run are recorded, and sent again by workers that do nothing else.
//! They are threads here, that are connected as processes are.

use crate::flow::{Rounds, run};
use crate::limits::Limits;
use crate::message::{Content, Message};
use crate::shard::Shard;
use crate::transport::{Processes, connect};
use actor_checker::compact::{Reductions, shared};
use actor_checker::engine::{InMemory, Shared};
use paxos_chat_models::catalog::find;
use std::collections::VecDeque;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use timely::WorkerConfig;
use timely::execute::execute_from;
use timely::worker::Worker;

/// What a worker sends, by round.
type Sent = Vec<VecDeque<Message>>;

struct Recorder<S: Shared> {
    shard: Shard<S, InMemory>,
    sent: Sent,
}

impl<S: Shared> Rounds for Recorder<S> {
    fn receive(&mut self, time: u64, message: Message) {
        self.shard.receive(time, message);
    }

    fn work(&mut self, round: u64, mut send: impl FnMut(Message)) -> bool {
        let at = round as usize;
        self.sent.resize_with(self.sent.len().max(at + 1), VecDeque::new);
        let sent = &mut self.sent[at];
        self.shard.work(round, |message| {
            sent.push_back(message.clone());
            send(message);
        })
    }
}

struct Player {
    sent: Sent,
    received: Load,
}

impl Rounds for Player {
    fn receive(&mut self, _: u64, message: Message) {
        self.received.add(&message);
    }

    fn work(&mut self, round: u64, mut send: impl FnMut(Message)) -> bool {
        let next = self.sent.get_mut(round as usize).and_then(VecDeque::pop_front);
        let is_done = next.is_none();
        next.into_iter().for_each(&mut send);
        is_done
    }
}

/// How much is sent, or arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Load {
    messages: u64,
    states: u64,
    bytes: u64,
}

impl Load {
    fn add(&mut self, message: &Message) {
        self.messages += 1;
        if let Content::States(states) = &message.content {
            self.states += states.fingerprints.len() as u64 / 16;
            let parts = [&states.news, &states.block, &states.fingerprints];
            self.bytes += parts.iter().map(|part| part.len() as u64).sum::<u64>();
        }
    }

    fn sum(loads: impl IntoIterator<Item = Load>) -> Load {
        loads.into_iter().fold(Load::default(), |sum, load| Load {
            messages: sum.messages + load.messages,
            states: sum.states + load.states,
            bytes: sum.bytes + load.bytes,
        })
    }
}

/// Works until all rounds are done, and tells how long that took.
fn timed<R: Rounds + 'static>(worker: &mut Worker, rounds: R) -> (R, Duration) {
    let began = Instant::now();
    (run(worker, rounds, |_| ()), began.elapsed())
}

/// Explores an entry, and tells what each worker sends, and how long it took.
fn record(name: &str, workers: usize) -> (Vec<Sent>, Duration) {
    let entry = find(name).expect("an entry of the catalog");
    let config = timely::CommunicationConfig::ProcessBinary(workers);
    let (builders, others) = config.try_build().expect("threads");
    let running = execute_from(builders, others, WorkerConfig::default(), move |worker| {
        let model = Arc::new(entry.config.model(entry.reaches, Reductions::ALL));
        let me = (worker.index(), worker.peers());
        let kept = (InMemory::default(), None);
        let shard = Shard::new(Arc::new(shared(model)), kept, me, Limits::default());
        let (recorder, took) = timed(worker, Recorder { shard, sent: Vec::new() });
        (recorder.sent, took)
    });
    let done = running.expect("threads").join();
    let (sent, took): (Vec<Sent>, Vec<Duration>) = done.into_iter().map(Result::unwrap).unzip();
    (sent, took.into_iter().max().unwrap_or_default())
}

/// Sends it all again, between threads that are connected over loopback as processes are.
fn play(all: Vec<Sent>) -> (Vec<Load>, Duration) {
    let bind = |_: &Sent| TcpListener::bind("127.0.0.1:0").expect("a port");
    let listeners: Vec<TcpListener> = all.iter().map(bind).collect();
    let address = |listener: &TcpListener| listener.local_addr().expect("an address").to_string();
    let addresses: Vec<String> = listeners.iter().map(address).collect();
    let process = |(me, (sent, listener)): (usize, (Sent, TcpListener))| {
        let processes = Processes::new(addresses.clone(), me, [7; 32], Duration::from_secs(60));
        thread::spawn(move || {
            let connected = connect(&listener, &processes, || None).expect("the others come");
            let (builders, others) = crate::network(connected.streams, me).expect("connections");
            let sent = Mutex::new(Some(sent));
            let running = execute_from(builders, others, WorkerConfig::default(), move |worker| {
                let sent = sent.lock().unwrap().take().expect("one worker");
                let (player, took) = timed(worker, Player { sent, received: Load::default() });
                (player.received, took)
            });
            running.expect("a thread").join().remove(0).expect("it ends")
        })
    };
    let threads: Vec<_> = all.into_iter().zip(listeners).enumerate().map(process).collect();
    let played: Vec<_> = threads.into_iter().map(|t| t.join().expect("it ends")).collect();
    let (received, took): (Vec<Load>, Vec<Duration>) = played.into_iter().unzip();
    (received, took.into_iter().max().unwrap_or_default())
}

fn compare(name: &str) -> String {
    let (sent, explored) = record(name, 4);
    let mut loads = vec![Load::default(); sent.len()];
    for message in sent.iter().flatten().flatten() {
        loads[message.to].add(message);
    }
    let (received, took) = play(sent);
    assert_eq!(received, loads, "{name}: what arrives is what was sent");
    let Load { messages, states, bytes } = Load::sum(received);
    let rate = |took: Duration| states as f64 / took.as_secs_f64() / 1e6;
    format!(
        "{name}: {states} states in {messages} messages, {:.1} MB; explored by 4 workers in {:.2} s: {:.2} million sent \
         states/s; sent again over loopback in {:.2} s: {:.2} million states/s, {:.0} MB/s",
        bytes as f64 / 1e6,
        explored.as_secs_f64(),
        rate(explored),
        took.as_secs_f64(),
        rate(took),
        bytes as f64 / took.as_secs_f64() / 1e6,
    )
}

#[test]
fn what_was_recorded_arrives_when_it_is_sent_again() {
    compare("real-time");
}

#[test]
#[ignore = "it measures: cargo test --release -p actor-checker-timely replay -- --ignored --nocapture"]
fn how_fast_the_exchange_is_alone() {
    for name in ["rivals-two-rounds", "overlap-five", "overlap-rivals"] {
        println!("{}", compare(name));
    }
}
