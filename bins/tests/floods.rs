//! Floods: what an honest user gets while somebody else sends without end.
//!
//! Every attacker sends at a rate of its own, because what is measured is what the service does with an
//! attack, and not how many processors the attacker takes from it. Where an honest user alone is served
//! slowly, sending takes long, too, so all attacks are slower in proportion. An honest user's load goes
//! on all the time; the attack goes on and off, a tenth of a second each, so that whatever else the machine
//! does meets both. What is asserted is the median of the ratios of neighbours. `FLOOD_ROUNDS` sets how
//! many there are; `--nocapture` shows the figures.

mod replicas;
mod senders;
mod support;

use paxos_chat::message::Message;
use paxos_chat::types::{Body, Nonce, Operation, Seq, SessionId};
use paxos_chat_runtime::client::Access;
use paxos_chat_runtime::client::load::{self, LoadOptions, LoadReport};
use paxos_chat_runtime::credentials::Token;
use paxos_chat_runtime::loss::Loss;
use replicas::{Replica, TestCluster, leader_of, number};
use senders::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::eventually;

/// The least part of its throughput that an honest user keeps.
const RATIO_MIN: f64 = 0.5;
/// Where an honest user gets less a second than this without an attack, attacks have a part of their rates.
/// It is four times the highest of them.
const HONEST_MIN: u64 = 80_000;
/// How long the attack goes on, and then off.
const MOMENT_ON: Duration = Duration::from_millis(100);
/// What does not count of it, because there is still work of the moment before.
const MOMENT_BETWEEN: Duration = Duration::from_millis(20);
/// The most that the memory of a replica grows in an attack: what the values since the last snapshot,
/// the session table and what is remembered of processes may take together, and far below what is sent.
const GROWTH_KIB_MAX: u64 = 48 * 1024;

/// Sends once, and says how many datagrams went out.
type Shot = Box<dyn FnMut() -> u64 + Send>;

struct Attack {
    name: &'static str,
    /// Shots a second, at the most.
    rate: u64,
    /// Makes ready; what is added to the count shows that the attack takes effect.
    ready: fn(&TestCluster, leader: u8, effects: Arc<AtomicU64>) -> Shot,
    /// The counters of replicas that show it, if replicas count it.
    counters: &'static [&'static str],
}

const ATTACKS: [Attack; 5] = [
    Attack {
        name: "garbage of any size",
        rate: 20_000,
        ready: garbage,
        counters: &["malformed", "forged"],
    },
    Attack {
        name: "texts above the limit, by a user",
        rate: 2000,
        ready: oversized,
        counters: &["refused"],
    },
    Attack { name: "openings of sessions, by a user", rate: 5000, ready: openings, counters: &[] },
    Attack {
        name: "replays of what a user has sent",
        rate: 20_000,
        ready: replays,
        counters: &["replayed"],
    },
    Attack { name: "valid messages, by a user", rate: 5000, ready: messages, counters: &[] },
];

/// Random bytes, bare or behind the beginning of a good datagram.
fn garbage(cluster: &TestCluster, _: u8, _: Arc<AtomicU64>) -> Shot {
    let (mut stranger, mut at) = (Sender::user(cluster, "mallory"), 0_u64);
    let good = stranger.sealed(0, &TAIL);
    let noise: Vec<u8> = noise_bytes(66_000);
    Box::new(move || {
        at += 1;
        let length = [0, 1, 40, 72, 100, 300, 1200, 9000][(at / 3) as usize % 8];
        let from = (at * 37) as usize % (noise.len() - length);
        let begin = if at.is_multiple_of(2) { &good[..] } else { &[] };
        stranger.send_raw((at % 3) as u8, &[begin, &noise[from..from + length]].concat());
        1
    })
}

/// Bytes without a pattern, always the same.
fn noise_bytes(length: usize) -> Vec<u8> {
    let mut word = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        (word >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn oversized(cluster: &TestCluster, _: u8, _: Arc<AtomicU64>) -> Shot {
    let (mut mallory, mut at) = (Sender::user(cluster, "mallory"), 0_u64);
    let session = mallory.opens_session("mallory");
    let message = post("mallory", session, &"x".repeat(50_000));
    Box::new(move || {
        at += 1;
        mallory.send((at % 3) as u8, &message);
        1
    })
}

fn openings(cluster: &TestCluster, leader: u8, effects: Arc<AtomicU64>) -> Shot {
    let (mut mallory, mut at) = (Sender::user(cluster, "mallory"), 0_u64);
    mallory.socket.set_nonblocking(true).unwrap();
    // Each attack's nonces are its own.
    let first = u64::from(std::process::id()) << 32;
    Box::new(move || {
        at += 1;
        let operation = Operation::OpenSession { nonce: Nonce(first + at) };
        mallory.send(leader, &request("mallory", operation));
        let opened = |answer: &&Message| matches!(answer, Message::SessionOpened { .. });
        loop {
            let answers = mallory.hears_all();
            effects.fetch_add(answers.iter().filter(opened).count() as u64, Ordering::Relaxed);
            if answers.is_empty() {
                return 1;
            }
        }
    })
}

/// What a user has sealed and sent once, from another socket.
fn replays(cluster: &TestCluster, _: u8, _: Arc<AtomicU64>) -> Shot {
    let (mut alice, mut at) = (Sender::user(cluster, "alice"), 0_usize);
    let recorded: Vec<(u8, Vec<u8>)> =
        (0..300).map(|at| ((at % 3) as u8, alice.sealed((at % 3) as u8, &TAIL))).collect();
    recorded.iter().for_each(|(id, datagram)| alice.send_raw(*id, datagram));
    let stranger = Sender::user(cluster, "mallory");
    Box::new(move || {
        at += 1;
        let (id, datagram) = &recorded[at % recorded.len()];
        stranger.send_raw(*id, datagram);
        1
    })
}

/// As many messages as may be, in one session, without waiting for answers.
fn messages(cluster: &TestCluster, leader: u8, effects: Arc<AtomicU64>) -> Shot {
    let mut mallory = Sender::user(cluster, "mallory");
    let session = mallory.opens_session("mallory");
    mallory.socket.set_nonblocking(true).unwrap();
    let (mut next, mut acked, mut moved) = (1, 0, Instant::now());
    Box::new(move || {
        loop {
            let answers = mallory.hears_all();
            if answers.is_empty() {
                break;
            }
            for answer in answers {
                if let Message::Acknowledged { seq, .. } = answer {
                    effects.fetch_add(1, Ordering::Relaxed);
                    (acked, moved) = (acked.max(seq.0), Instant::now());
                }
            }
        }
        // What was lost is sent again, or nothing behind it would count.
        if moved.elapsed() > Duration::from_millis(100) {
            (next, moved) = (acked + 1, Instant::now());
        }
        mallory.send(leader, &numbered(session, next, acked + 1));
        next += 1;
        1
    })
}

fn numbered(session: SessionId, seq: u64, acked_below: u64) -> Message {
    let (seq, acked_below, body) = (Seq(seq), Seq(acked_below), Body::post(&"m".repeat(100)));
    request("mallory", Operation::InSession { session, seq, acked_below, body })
}

/// Shoots at this rate while it is told to, until it is told to stop; says how many datagrams went out.
/// What it has missed while it did not run, it does not make up for, beyond a few milliseconds: a burst is
/// another attack than a rate.
fn shoot(rate: u64, mut shot: Shot, is_on: &AtomicBool, ends: &AtomicBool) -> u64 {
    let (mut last, mut due, mut sent) = (Instant::now(), 0.0, 0);
    while !ends.load(Ordering::Relaxed) {
        let now = Instant::now();
        due += (now - last).min(MADE_UP_FOR).as_secs_f64() * rate as f64;
        last = now;
        if !is_on.load(Ordering::Relaxed) {
            due = 0.0;
        }
        while due >= 1.0 {
            sent += shot();
            due -= 1.0;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    sent
}

/// The longest pause that an attacker makes up for.
const MADE_UP_FOR: Duration = Duration::from_millis(5);

/// Sets these when it goes, on panic too, so that no thread of a scope outlives what it waits for.
struct Ends<'a>([&'a AtomicBool; 2]);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|end| end.store(true, Ordering::Relaxed));
    }
}

/// What an honest user gets, and the attacker sends.
struct Measured {
    /// Messages acknowledged in each moment with the attack, and in the one beside it without.
    moments: Vec<(u64, u64)>,
    load: LoadReport,
    sent: u64,
}

fn measure(cluster: &TestCluster, rate: u64, shot: Shot, rounds: usize) -> Measured {
    let config = config(cluster);
    let token = Token::issue(&secret(cluster), &config, "alice").unwrap();
    let patience = Duration::from_secs(20);
    let access = Access { config, token, loss: Loss::NONE, seed: 1, patience, state: None };
    let (messages, duration, warmup) = (None, None, Duration::ZERO);
    let options =
        LoadOptions { clients: 2, messages, duration, warmup, outstanding: 8, size: 100, pack: 1 };
    let (acknowledged, ending) = (AtomicU64::new(0), AtomicBool::new(false));
    let (is_on, ends) = (AtomicBool::new(false), AtomicBool::new(false));
    let progress = |more| {
        acknowledged.fetch_add(more, Ordering::Relaxed);
    };
    std::thread::scope(|scope| {
        let load = scope.spawn(|| load::run(&access, &options, &ending, &progress));
        let attacker = scope.spawn(|| shoot(rate, shot, &is_on, &ends));
        let end = Ends([&ending, &ends]);
        eventually("it is served", || acknowledged.load(Ordering::Relaxed) > 100);
        let moment = |with: bool| {
            is_on.store(with, Ordering::Relaxed);
            std::thread::sleep(MOMENT_BETWEEN);
            let (before, began) = (acknowledged.load(Ordering::Relaxed), Instant::now());
            std::thread::sleep(MOMENT_ON - MOMENT_BETWEEN);
            let more = acknowledged.load(Ordering::Relaxed) - before;
            // A sleep may take longer than it was to.
            (more as f64 / began.elapsed().as_secs_f64()) as u64
        };
        let round = |at: usize| {
            // This one or that one first.
            let first = moment(at.is_multiple_of(2));
            let second = moment(!at.is_multiple_of(2));
            if at.is_multiple_of(2) { (first, second) } else { (second, first) }
        };
        let moments = (0..rounds).map(round).collect();
        drop(end);
        Measured { moments, load: load.join().unwrap(), sent: attacker.join().unwrap() }
    })
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn counted(replicas: &mut [Replica], keys: &[&str]) -> u64 {
    let of = |replica: &mut Replica| {
        let status = replica.status();
        keys.iter().map(|key| number(&status, key)).sum::<u64>()
    };
    replicas.iter_mut().map(of).sum()
}

#[test]
fn an_honest_user_keeps_half_of_the_throughput_under_each_flood_and_memory_stays() {
    let rounds = std::env::var("FLOOD_ROUNDS").map_or(40, |rounds| rounds.parse().unwrap());
    let cluster = TestCluster::new(&[]);
    let mut replicas = cluster.start();
    // The machine may do something else in any moment, so the best one counts.
    let alone = measure(&cluster, 0, Box::new(|| 0), 2);
    let honest = alone.moments.iter().map(|(first, second)| *first.max(second)).max().unwrap();
    println!("an honest user alone is served {honest} a second");
    println!("| flood | a second | sent | served a second without | with | ratio | p99 us | MiB |");
    for attack in &ATTACKS {
        let leader = leader_of(&mut replicas) as u8;
        let effects = Arc::new(AtomicU64::new(0));
        let shot = (attack.ready)(&cluster, leader, Arc::clone(&effects));
        let counted_before = counted(&mut replicas, attack.counters);
        let memory: Vec<u64> = replicas.iter().map(rss_kib).collect();
        let rate = (attack.rate * honest.min(HONEST_MIN) / HONEST_MIN).max(1);
        let Measured { moments, load, sent } = measure(&cluster, rate, shot, rounds);
        let grown = replicas.iter().zip(&memory).map(|(r, was)| rss_kib(r).saturating_sub(*was));
        let grown = grown.max().unwrap();
        // Where nothing was served without the attack, the machine did something else.
        let fair = moments.iter().filter(|(_, without)| *without > 0);
        let ratio = median(fair.map(|(with, without)| *with as f64 / *without as f64));
        let with = median(moments.iter().map(|(with, _)| *with as f64));
        let without = median(moments.iter().map(|(_, without)| *without as f64));
        let (name, p99) = (attack.name, load.p99_us);
        let grown_mib = grown / 1024;
        println!(
            "| {name} | {rate} | {sent} | {without:.0} | {with:.0} | {ratio:.2} | {p99} | +{grown_mib} |"
        );
        let effect = if attack.counters.is_empty() {
            effects.load(Ordering::Relaxed)
        } else {
            counted(&mut replicas, attack.counters) - counted_before
        };
        assert!(sent > 0 && effect > sent / 4, "{name}: of {sent} datagrams {effect} took effect");
        assert_eq!(load.errors, 0, "{name}: {:?}", load.first_error);
        assert!(ratio > RATIO_MIN, "{name}: {ratio} of what an honest user gets is left");
        assert!(grown < GROWTH_KIB_MAX, "{name}: a replica has grown by {grown} KiB");
    }
}
