//! Floods: what an honest user gets while somebody else sends without end.
//!
//! Every attacker sends at a rate of its own, because what is measured is what the service does with an
//! attack, and not how many processors the attacker takes from it. Where an honest user alone is served
//! slowly, sending takes long, too, so all attacks are slower in proportion. An honest user's load goes
//! on all the time; the attack goes on and off, a tenth of a second each, so that whatever else the machine
//! does meets both. What is asserted is the median of the ratios of neighbours. `FLOOD_ROUNDS` sets how
//! many there are; `--nocapture` shows the figures.

mod recordings;
mod replicas;
mod senders;
mod support;

use actor_runtime::wire::Packing;
use paxos_chat::message::{Acknowledged, Tail, ToClient, ToReplica};
use paxos_chat::types::{Body, Nonce, Operation, Seq, SessionId, Slot};
use paxos_chat_client::Access;
use paxos_chat_client::load::{self, LoadOptions, LoadReport, Work};
use paxos_chat_config::credentials::Token;
use paxos_chat_packets::Packet;
use replicas::{Replica, TestCluster, leader_of, number};
use senders::*;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{eventually, run};

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
    /// Makes ready.
    ready: fn(&TestCluster, leader: u8, seen: &Arc<Seen>) -> Shot,
    /// The counters of replicas that show that it takes effect, if replicas count it.
    counters: &'static [&'static str],
    /// Of so many datagrams at least one takes effect.
    effect_of: u64,
}

/// What an attacker sees.
#[derive(Default)]
struct Seen {
    /// Answers that show that the attack takes effect.
    effects: AtomicU64,
    /// Of each of its sockets.
    traffic: Mutex<Vec<Arc<Traffic>>>,
}

impl Seen {
    /// One of its sockets, which waits for nothing.
    fn socket_of(&self, cluster: &TestCluster, user: &str) -> Sender {
        let sender = Sender::user(cluster, user);
        sender.socket.set_nonblocking(true).unwrap();
        self.traffic.lock().unwrap().push(Arc::clone(&sender.traffic));
        sender
    }

    /// Everything that has come to this socket; such answers are effects.
    fn drain(&self, sender: &mut Sender, is_effect: impl Fn(&Packet) -> bool) -> Vec<Packet> {
        let mut all = Vec::new();
        loop {
            let heard = sender.traffic.heard.load(Ordering::Relaxed);
            all.extend(sender.hears_all());
            // A datagram may be a part of a message.
            if sender.traffic.heard.load(Ordering::Relaxed) == heard {
                break;
            }
        }
        let effects = all.iter().filter(|answer| is_effect(answer)).count() as u64;
        self.effects.fetch_add(effects, Ordering::Relaxed);
        all
    }

    /// Bytes heard for each that was sent.
    fn amplification(&self) -> f64 {
        let traffic = self.traffic.lock().unwrap();
        let sum = |of: fn(&Traffic) -> &AtomicU64| {
            traffic.iter().map(|one| of(one).load(Ordering::Relaxed)).sum::<u64>()
        };
        sum(|one| &one.heard) as f64 / sum(|one| &one.sent).max(1) as f64
    }
}

const ATTACKS: [Attack; 12] = [
    Attack {
        name: "garbage of any size",
        rate: 20_000,
        ready: garbage,
        counters: &["malformed", "forged"],
        effect_of: 4,
    },
    Attack {
        name: "texts above the limit, by a user",
        rate: 2000,
        ready: oversized,
        counters: &["refused"],
        effect_of: 4,
    },
    Attack {
        name: "openings of sessions, by a user",
        rate: 5000,
        ready: openings,
        counters: &[],
        effect_of: 4,
    },
    Attack {
        name: "replays of what a user has sent",
        rate: 20_000,
        ready: replays,
        counters: &["replayed"],
        effect_of: 4,
    },
    Attack {
        name: "valid messages, by a user",
        rate: 5000,
        ready: messages,
        counters: &[],
        effect_of: 4,
    },
    Attack {
        name: "1,024 reads in a datagram, by a user",
        rate: 100,
        ready: reads_in_bulk,
        counters: &[],
        effect_of: 4,
    },
    Attack {
        name: "the same, where nobody hears",
        rate: 100,
        ready: reads_elsewhere,
        counters: &[],
        effect_of: 4,
    },
    Attack {
        name: "reads from disk, by 64 processes of a user",
        rate: 3000,
        ready: reads_by_many,
        counters: &["refused", "log_reads"],
        effect_of: 100,
    },
    Attack {
        name: "reads at the far end, by a user",
        rate: 10_000,
        ready: reads_at_the_end,
        counters: &[],
        effect_of: 100,
    },
    Attack {
        name: "seals of nobody, in a user's name",
        rate: 20_000,
        ready: unknown_processes,
        counters: &["forged"],
        effect_of: 4,
    },
    Attack {
        name: "parts of messages, by a user",
        rate: 10_000,
        ready: parts,
        counters: &["refused"],
        effect_of: 400,
    },
    Attack {
        name: "all of these, by a user",
        rate: 3000,
        ready: mixed,
        counters: &["forged", "refused", "malformed"],
        effect_of: 20,
    },
];

fn is_entries(answer: &Packet) -> bool {
    matches!(answer, Packet::ToClient(ToClient::Entries(_)))
}

/// Each costs a few bytes to ask, and some 32 KiB to answer.
fn reads_in_bulk(cluster: &TestCluster, _: u8, seen: &Arc<Seen>) -> Shot {
    let (mut mallory, mut at, seen) = (seen.socket_of(cluster, "mallory"), 0_u64, seen.clone());
    let mut upto = 0;
    Box::new(move || {
        at += 1;
        // What was said last, which replicas read from their logs. Behind one another, as they are in a datagram of several.
        let read =
            Packet::ToReplica(ToReplica::Tail(Tail { from: Some(Slot(upto - upto.min(100))) }));
        let reads: [[&Packet; 32]; 32] = [[&read; 32]; 32];
        mallory.send_tuple((at % 3) as u8, &reads);
        for answer in seen.drain(&mut mallory, is_entries) {
            if let Packet::ToClient(ToClient::Entries(entries)) = answer {
                upto = upto.max(entries.applied_upto.0);
            }
        }
        1
    })
}

/// As if it named another's address: it never shows that it has heard anything.
fn reads_elsewhere(cluster: &TestCluster, _: u8, seen: &Arc<Seen>) -> Shot {
    let (mut mallory, mut at, seen) = (seen.socket_of(cluster, "mallory"), 0_u64, seen.clone());
    Box::new(move || {
        at += 1;
        mallory.send_tuple((at % 3) as u8, &[[&TAIL; 32]; 32]);
        let heard = std::iter::from_fn(|| mallory.hears_raw()).count() as u64;
        seen.effects.fetch_add(heard, Ordering::Relaxed);
        assert!(seen.amplification() <= 3.0, "{} bytes for each", seen.amplification());
        1
    })
}

/// The first slots have left the memory of replicas.
fn reads_by_many(cluster: &TestCluster, leader: u8, seen: &Arc<Seen>) -> Shot {
    let mut processes: Vec<Sender> = (0..64).map(|_| seen.socket_of(cluster, "mallory")).collect();
    let (mut at, seen) = (0_usize, seen.clone());
    Box::new(move || {
        at += 1;
        let process = at % 64;
        processes[process].send(leader, &TAIL);
        seen.drain(&mut processes[process], is_entries);
        1
    })
}

fn reads_at_the_end(cluster: &TestCluster, leader: u8, seen: &Arc<Seen>) -> Shot {
    let (mut mallory, seen) = (seen.socket_of(cluster, "mallory"), seen.clone());
    Box::new(move || {
        mallory
            .send(leader, &Packet::ToReplica(ToReplica::Tail(Tail { from: Some(Slot(1 << 40)) })));
        seen.drain(&mut mallory, is_entries);
        1
    })
}

/// A replica derives the keys of a process before it finds that they do not fit.
fn unknown_processes(cluster: &TestCluster, _: u8, seen: &Arc<Seen>) -> Shot {
    const BOOT: std::ops::Range<usize> = 16..48;
    let mut mallory = seen.socket_of(cluster, "alice");
    let (mut datagram, noise, mut at) = (mallory.sealed(0, &TAIL), noise_bytes(66_000), 0_usize);
    Box::new(move || {
        at += 1;
        let from = (at * 37) % (noise.len() - BOOT.len());
        datagram[BOOT].copy_from_slice(&noise[from..from + BOOT.len()]);
        mallory.send_raw((at % 3) as u8, &datagram);
        1
    })
}

/// Of four messages three lack their first part.
fn parts(cluster: &TestCluster, _: u8, seen: &Arc<Seen>) -> Shot {
    let mut mallory = seen.socket_of(cluster, "mallory");
    let token = Token::issue(&secret(cluster), &config(cluster), "mallory").unwrap();
    mallory.codec = token.codec().with_packing(Packing::default());
    let session = SessionId { slot: Slot(1), index: 0 };
    let message = post("mallory", session, &"x".repeat(50_000));
    let (mut waiting, mut messages) = (Vec::new(), 0_u64);
    Box::new(move || {
        if waiting.is_empty() {
            messages += 1;
            let id = (messages % 3) as u8;
            waiting = mallory.in_parts(id, &message).into_iter().map(|part| (id, part)).collect();
            waiting.reverse();
            if !messages.is_multiple_of(4) {
                waiting.pop();
            }
        }
        let (id, part) = waiting.pop().unwrap();
        mallory.send_raw(id, &part);
        1
    })
}

fn mixed(cluster: &TestCluster, leader: u8, seen: &Arc<Seen>) -> Shot {
    let kinds = [oversized, openings, messages, reads_in_bulk, reads_by_many, unknown_processes];
    let mut shots: Vec<Shot> = kinds.iter().map(|kind| kind(cluster, leader, seen)).collect();
    let mut at = 0_usize;
    Box::new(move || {
        at += 1;
        // Of what is large there is less.
        let kind = if at.is_multiple_of(30) { 3 } else { [0, 1, 2, 4, 5][at % 5] };
        shots[kind]()
    })
}

/// Random bytes, bare or behind the beginning of a good datagram.
fn garbage(cluster: &TestCluster, _: u8, seen: &Arc<Seen>) -> Shot {
    let (mut stranger, mut at) = (seen.socket_of(cluster, "mallory"), 0_u64);
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

fn oversized(cluster: &TestCluster, _: u8, seen: &Arc<Seen>) -> Shot {
    let (mut mallory, mut at) = (seen.socket_of(cluster, "mallory"), 0_u64);
    let session = SessionId { slot: Slot(1), index: 0 };
    let message = post("mallory", session, &"x".repeat(50_000));
    Box::new(move || {
        at += 1;
        mallory.send((at % 3) as u8, &message);
        1
    })
}

fn openings(cluster: &TestCluster, leader: u8, seen: &Arc<Seen>) -> Shot {
    let (mut mallory, mut at, seen) = (seen.socket_of(cluster, "mallory"), 0_u64, seen.clone());
    // Each attack's nonces are its own.
    let first = u64::from(std::process::id()) << 32;
    Box::new(move || {
        at += 1;
        let operation = Operation::OpenSession { nonce: Nonce(first + at) };
        mallory.send(leader, &request("mallory", operation));
        seen.drain(&mut mallory, |answer| {
            matches!(answer, Packet::ToClient(ToClient::SessionOpened(_)))
        });
        1
    })
}

/// What a user has sealed and sent once, from another socket.
fn replays(cluster: &TestCluster, _: u8, seen: &Arc<Seen>) -> Shot {
    let (mut alice, mut at) = (Sender::user(cluster, "alice"), 0_usize);
    let recorded: Vec<(u8, Vec<u8>)> =
        (0..300).map(|at| ((at % 3) as u8, alice.sealed((at % 3) as u8, &TAIL))).collect();
    recorded.iter().for_each(|(id, datagram)| alice.send_raw(*id, datagram));
    let stranger = seen.socket_of(cluster, "mallory");
    Box::new(move || {
        at += 1;
        let (id, datagram) = &recorded[at % recorded.len()];
        stranger.send_raw(*id, datagram);
        1
    })
}

/// As many messages as may be, in one session, without waiting for answers.
fn messages(cluster: &TestCluster, leader: u8, seen: &Arc<Seen>) -> Shot {
    let session = Sender::user(cluster, "mallory").opens_session("mallory");
    let (mut mallory, seen) = (seen.socket_of(cluster, "mallory"), seen.clone());
    let (mut next, mut acked, mut moved) = (1, 0, Instant::now());
    Box::new(move || {
        let is_acknowledged =
            |answer: &Packet| matches!(answer, Packet::ToClient(ToClient::Acknowledged(_)));
        for answer in seen.drain(&mut mallory, is_acknowledged) {
            if let Packet::ToClient(ToClient::Acknowledged(Acknowledged { seq, .. })) = answer {
                (acked, moved) = (acked.max(seq.0), Instant::now());
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

fn numbered(session: SessionId, seq: u64, acked_below: u64) -> Packet {
    let (seq, acked_below, body) = (Seq(seq), Seq(acked_below), Body::write("m".repeat(100)));
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
    /// How long a replica that lags takes to catch up, while the attack goes on.
    catches_up: Duration,
}

fn measure(
    cluster: &TestCluster,
    rate: u64,
    shot: Shot,
    rounds: usize,
    catch_up: impl FnOnce() -> Duration,
) -> Measured {
    let config = config(cluster);
    let token = Token::issue(&secret(cluster), &config, "alice").unwrap();
    let patience = Duration::from_secs(20);
    let access = Access { seed: 1, ..Access::of(config, token, patience).unwrap() };
    let (messages, duration, warmup) = (None, None, Duration::ZERO);
    let options = LoadOptions {
        clients: 2,
        messages,
        duration,
        warmup,
        outstanding: 8,
        work: Work::Messages(Body::write("x".repeat(100))),
        pack: 1,
    };
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
        is_on.store(true, Ordering::Relaxed);
        let catches_up = catch_up();
        drop(end);
        Measured { moments, load: load.join().unwrap(), sent: attacker.join().unwrap(), catches_up }
    })
}

/// A follower is stopped for a while, in which it misses thousands of messages; then it goes on. How long it takes
/// until it has applied what the leader had applied by then.
fn lag(replicas: &mut [Replica], leader: usize) -> Duration {
    let follower = (leader + 1) % replicas.len();
    let pid = replicas[follower].child.id().to_string();
    assert_eq!(run("kill", &["-STOP", &pid]).code, 0);
    std::thread::sleep(MISSES_FOR);
    assert_eq!(run("kill", &["-CONT", &pid]).code, 0);
    let began = Instant::now();
    let mut applied = |id: usize| number(&replicas[id].status(), "applied_upto");
    let missed = applied(leader);
    eventually("it catches up", || applied(follower) >= missed);
    began.elapsed()
}

/// How long a follower that is stopped misses everything.
const MISSES_FOR: Duration = Duration::from_millis(300);

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
    let cluster = TestCluster::unrecorded("nobody records what floods it", &[]);
    let mut replicas = cluster.start();
    // The machine may do something else in any moment, so the best one counts.
    let alone = measure(&cluster, 0, Box::new(|| 0), 2, || Duration::ZERO);
    let honest = alone.moments.iter().map(|(first, second)| *first.max(second)).max().unwrap();
    println!("an honest user alone is served {honest} a second");
    println!(
        "| flood | a second | sent | served a second without | with | ratio | p99 us | MiB | \
         heard for a byte | who lags catches up, ms |"
    );
    for attack in &ATTACKS {
        let leader = leader_of(&mut replicas) as u8;
        let seen = Arc::new(Seen::default());
        let shot = (attack.ready)(&cluster, leader, &seen);
        let counted_before = counted(&mut replicas, attack.counters);
        let memory: Vec<u64> = replicas.iter().map(rss_kib).collect();
        let rate = (attack.rate * honest.min(HONEST_MIN) / HONEST_MIN).max(1);
        let lags = || lag(&mut replicas, leader.into());
        let Measured { moments, load, sent, catches_up } =
            measure(&cluster, rate, shot, rounds, lags);
        let caught_up_ms = catches_up.as_millis();
        let grown = replicas.iter().zip(&memory).map(|(r, was)| rss_kib(r).saturating_sub(*was));
        let grown = grown.max().unwrap();
        // Where nothing was served without the attack, the machine did something else.
        let fair = moments.iter().filter(|(_, without)| *without > 0);
        let ratio = median(fair.map(|(with, without)| *with as f64 / *without as f64));
        let with = median(moments.iter().map(|(with, _)| *with as f64));
        let without = median(moments.iter().map(|(_, without)| *without as f64));
        let (name, p99) = (attack.name, load.p99_us);
        let (grown_mib, heard) = (grown / 1024, seen.amplification());
        println!(
            "| {name} | {rate} | {sent} | {without:.0} | {with:.0} | {ratio:.2} | {p99} | +{grown_mib} | \
             {heard:.2} | {caught_up_ms} |"
        );
        let effect = if attack.counters.is_empty() {
            seen.effects.load(Ordering::Relaxed)
        } else {
            counted(&mut replicas, attack.counters) - counted_before
        };
        let least = sent / attack.effect_of;
        assert!(sent > 0 && effect > least, "{name}: of {sent} datagrams {effect} took effect");
        assert_eq!(load.errors, 0, "{name}: {:?}", load.first_error);
        assert!(ratio > RATIO_MIN, "{name}: {ratio} of what an honest user gets is left");
        assert!(grown < GROWTH_KIB_MAX, "{name}: a replica has grown by {grown} KiB");
    }
}
