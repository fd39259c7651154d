//! Hostile datagrams at replicas that serve, over real sockets: whoever has no key, or another's, is
//! dropped, counted and not answered; and a user can do what a user may, and nothing more.

mod recordings;
mod replicas;
mod senders;
mod support;

use actor_runtime::keys::Secret;
use actor_runtime::wire::{Codec, Generations, UserName};
use paxos_chat::message::numbers::Numbered;
use paxos_chat::message::{
    Accept, Busy, Heartbeat, Prepare, SessionOpened, Tail, ToClient, ToPeer, ToReplica,
};
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Ballot, Nonce, Operation, ReplicaId, SessionId, Slot, Value};
use paxos_chat_config::credentials::Token;
use paxos_chat_packets::Packet;
use quickcheck::{Arbitrary, Gen};
use replicas::{CLUSTER, Replica, TestCluster, leader_of, number};
use senders::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use support::{arg, eventually, run};

/// Where the boot and the number of a datagram are.
const NONCE: std::ops::Range<usize> = 16..56;

/// How long something may take that happens in the end.
const LIMIT: Duration = Duration::from_secs(20);
/// Datagrams, and their bytes, that may wait for a replica: together with one that is as long as any,
/// much less than the 208 KiB of a socket's buffer where the system was not told otherwise.
const UNSEEN_MAX: u64 = 50;
const UNSEEN_BYTES_MAX: usize = 16 * 1024;

fn counter(replica: &mut Replica, key: &str) -> u64 {
    number(&replica.status(), key)
}

/// The counter rises by so much within a moment, and by no more.
fn counts(replica: &mut Replica, key: &str, before: u64, by: u64) {
    eventually("it is counted", || counter(replica, key) >= before + by);
    assert_eq!(counter(replica, key), before + by, "{key}");
}

/// Asks replica 0 until it answers. Each question has a slot of its own, and only the answer to the
/// last one counts: none is left behind that could be taken for one to what is asked next.
fn serves(who: &mut Sender) {
    let mut from = Slot(0);
    eventually("it is answered", || {
        from = from.next();
        who.send(0, &Packet::ToReplica(ToReplica::Tail(Tail { from: Some(from) })));
        let is_last = |answer: &Packet| matches!(answer, Packet::ToClient(ToClient::Entries(e)) if e.from == from);
        std::iter::from_fn(|| who.hears()).any(|answer| is_last(&answer))
    });
}

/// Waits longer than a moment for entries: for the answer to what can't be asked again.
fn hears_entries(who: &mut Sender) -> bool {
    who.socket.set_read_timeout(Some(LIMIT)).unwrap();
    let answer = who.hears();
    who.socket.set_read_timeout(Some(MOMENT)).unwrap();
    matches!(answer, Some(Packet::ToClient(ToClient::Entries(_))))
}

/// Sends these to replica 0, which can open none of them, and no more at a time than a socket's buffer
/// takes: none is lost, so each is counted.
fn sends_unopened(who: &Sender, replica: &mut Replica, datagrams: impl Iterator<Item = Vec<u8>>) {
    let (mut sent, mut unseen, mut unseen_bytes) = (0_u64, 0_u64, 0_usize);
    let mut are_counted = |sent: u64| {
        eventually("all are counted", || {
            let status = replica.status();
            number(&status, "malformed") + number(&status, "forged") == sent
        });
    };
    for datagram in datagrams {
        who.send_raw(0, &datagram);
        (sent, unseen, unseen_bytes) = (sent + 1, unseen + 1, unseen_bytes + datagram.len());
        if unseen == UNSEEN_MAX || unseen_bytes >= UNSEEN_BYTES_MAX {
            are_counted(sent);
            (unseen, unseen_bytes) = (0, 0);
        }
    }
    are_counted(sent);
}

/// A cluster that strangers speak to.
fn strangers_to(args: &[&str]) -> TestCluster {
    TestCluster::unrecorded("nobody records what strangers send", args)
}

#[test]
fn a_stranger_gets_no_reply_whatever_it_sends() {
    let cluster = strangers_to(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    let mut alice = Sender::user(&cluster, "alice");
    serves(&mut alice);
    // Random bytes, bare and behind the beginning of a good datagram; too long ones, too.
    let (good, mut g) = (alice.sealed(0, &TAIL), Gen::new(3000));
    let stranger = Sender::user(&cluster, "alice");
    let datagrams = (0..500).map(|round| {
        let mut datagram = good[..usize::arbitrary(&mut g) % good.len()].to_vec();
        datagram.extend(Vec::<u8>::arbitrary(&mut g));
        if round % 50 == 0 {
            datagram.resize(65_507, 0);
        }
        datagram
    });
    sends_unopened(&stranger, &mut replica, datagrams);
    assert!(counter(&mut replica, "forged") > 0 && counter(&mut replica, "malformed") > 0);
    assert_eq!(stranger.hears_raw(), None);
    serves(&mut alice);
}

/// A socket whose address others could have named, and who asks for much there.
#[test]
fn where_nobody_shows_that_they_hear_come_at_most_three_times_as_many_bytes() {
    let cluster = strangers_to(&[]);
    let mut replicas = cluster.start();
    let leader = leader_of(&mut replicas) as u8;
    let text = "x".repeat(16_000);
    for _ in 0..4 {
        let ended = cluster.client(&["send"], &text);
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    let mut alice = Sender::user(&cluster, "alice");
    let opening = request("alice", Operation::OpenSession { nonce: Nonce(7) });
    let mut heard_any = false;
    for round in 0..12 {
        match round % 3 {
            0 => alice.send_tuple(leader, &[[&TAIL; 32]; 32]),
            1 => alice.send(leader, &TAIL),
            _ => alice.send(leader, &opening),
        }
        // Nothing of it is opened, so its cookie is not known.
        while alice.hears_raw().is_some() {
            heard_any = true;
        }
        let [sent, heard] =
            [&alice.traffic.sent, &alice.traffic.heard].map(|bytes| bytes.load(Relaxed));
        assert!(heard <= 3 * sent, "round {round}: {heard} bytes for {sent}");
    }
    assert!(heard_any);
    assert!(alice.is_answered(leader), "who shows it is answered");
}

#[test]
fn a_flipped_bit_is_dropped_counted_and_not_answered() {
    let cluster = strangers_to(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    let mut alice = Sender::user(&cluster, "alice");
    let good = alice.sealed(0, &TAIL);
    let flipped = (0..good.len() * 8).map(|bit| {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    });
    sends_unopened(&alice, &mut replica, flipped);
    assert_eq!(alice.hears_raw(), None);
    alice.send_raw(0, &good);
    assert!(hears_entries(&mut alice), "the good one is not used up");
}

#[test]
fn another_cluster_s_secret_opens_nothing_and_gets_no_reply() {
    let cluster = strangers_to(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    let (config, other) = (config(&cluster), Secret::draw().unwrap());
    let mut user = Sender::new(&cluster, Token::issue(&other, &config, "alice").unwrap().codec());
    assert!(!user.is_answered(0));
    let codec = Codec::replica(&other, config.cluster_id(), 1, 3, Generations::new());
    let mut peer = Sender::new(&cluster, codec);
    peer.send(0, &prepare());
    assert_eq!(peer.hears_raw(), None);
    counts(&mut replica, "forged", 0, 2);
    assert_eq!(counter(&mut replica, "received"), 0);
}

/// What would depose any leader, if it came from a replica.
fn prepare() -> Packet {
    let ballot = Ballot { round: 1 << 20, replica: ReplicaId(1) };
    Packet::ToPeer(ToPeer::Prepare(Prepare { ballot, from: Slot(0) }))
}

#[test]
fn a_client_can_t_send_what_replicas_send() {
    let cluster = strangers_to(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    let mut alice = Sender::user(&cluster, "alice");
    let ballot = Ballot { round: 1 << 20, replica: ReplicaId(1) };
    let (slot, decided_upto) = (Slot(0), Slot(0));
    let accept =
        Packet::ToPeer(ToPeer::Accept(Accept { ballot, slot, value: Value::Noop, decided_upto }));
    let heartbeat = Packet::ToPeer(ToPeer::Heartbeat(Heartbeat { ballot, decided_upto }));
    for message in
        [prepare(), accept, heartbeat, Packet::ToClient(ToClient::Busy(Busy { queued: 1 }))]
    {
        alice.send(0, &message);
    }
    assert_eq!(alice.hears_raw(), None);
    counts(&mut replica, "refused", 0, 4);
    // What passes between an actor and its driver has no number, so none stands for it.
    let after_the_last = ToPeer::NUMBERS.iter().max().unwrap() + 1;
    for number in after_the_last..after_the_last + 7 {
        alice.send_tuple(0, &number);
    }
    counts(&mut replica, "malformed", 0, 7);
    assert!(number(&replica.status(), "round") < 1 << 20, "nothing was promised");
    // With the header of a replica it is no better.
    let mut forged = alice.sealed(0, &prepare());
    (forged[7], forged[56]) = (0, 1);
    alice.send_raw(0, &forged);
    counts(&mut replica, "forged", 0, 1);
}

#[test]
fn alice_can_t_speak_as_bob() {
    let cluster = strangers_to(&[]);
    let mut replicas = cluster.start();
    let mut alice = Sender::user(&cluster, "alice");
    let session = alice.opens_session("alice");
    let before: Vec<u64> = replicas.iter_mut().map(|r| counter(r, "refused")).collect();
    for id in 0..3 {
        alice.send(id, &request("bob", Operation::OpenSession { nonce: Nonce(9) }));
        alice.send(id, &post("bob", session, "I am Bob"));
    }
    for (replica, before) in replicas.iter_mut().zip(before) {
        counts(replica, "refused", before, 2);
    }
    // Her key under his name.
    let (config, bob) = (config(&cluster), UserName::new("bob").unwrap());
    let key = secret(&cluster).user(config.cluster_id(), "alice", 0);
    let mut as_bob = Sender::new(&cluster, Codec::client(&key, config.cluster_id(), bob, 3));
    assert!(!as_bob.is_answered(0));
    counts(&mut replicas[0], "forged", 0, 1);
    assert!((0..3).all(|id| !cluster.log(id).contains("bob")));
}

/// The test sits at the address of replica 2, and returns what it hears, or passes it on.
#[test]
fn reflected_and_diverted_datagrams_of_replicas_are_dropped() {
    let cluster = TestCluster::new(&[]);
    let mut replicas = [0, 1].map(|id| Replica::start(&cluster, id, "--volatile"));
    let two = UdpSocket::bind(("127.0.0.1", cluster.port + 2)).unwrap();
    two.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut buffer = vec![0; 65_536];
    let forged_before: u64 = replicas.iter_mut().map(|r| counter(r, "forged")).sum();
    for _ in 0..50 {
        let (length, from) = two.recv_from(&mut buffer).unwrap();
        let other = if from.port() == cluster.port { cluster.port + 1 } else { cluster.port };
        two.send_to(&buffer[..length], from).unwrap();
        two.send_to(&buffer[..length], ("127.0.0.1", other)).unwrap();
    }
    eventually("all are counted", || {
        replicas.iter_mut().map(|r| counter(r, "forged")).sum::<u64>() == forged_before + 100
    });
    assert_eq!(cluster.client(&["send", "still here"], "").code, 0);
}

#[test]
fn a_replayed_request_is_applied_once_before_and_after_a_restart() {
    let cluster = strangers_to(&["--timeout-ms", "200"]);
    let start = |args: &[&str]| [0, 1, 2].map(|id| Replica::start_with(&cluster, id, args));
    let mut replicas = start(&["--init"]);
    let mut alice = Sender::user(&cluster, "alice");
    let session = alice.opens_session("alice");
    let message = post("alice", session, "once");
    let recorded = [0, 1, 2].map(|id| alice.sealed(id, &message));
    let replay = |from: &Sender| {
        for _ in 0..20 {
            (0..3).for_each(|id| from.send_raw(id, &recorded[usize::from(id)]));
        }
    };
    let stranger = Sender::user(&cluster, "alice");
    replay(&alice);
    alice.asks(&message, |answer| {
        matches!(answer, Packet::ToClient(ToClient::Acknowledged(_))).then_some(())
    });
    replay(&stranger);
    eventually("each is counted", || {
        replicas.iter_mut().all(|replica| counter(replica, "replayed") == 39)
    });
    assert_eq!(stranger.hears_raw(), None, "a recorded datagram gets its sender nothing");
    // Replicas forget what they have taken; the session does not.
    drop(replicas);
    let mut replicas = start(&[]);
    replay(&stranger);
    eventually("each is counted", || {
        replicas.iter_mut().all(|replica| counter(replica, "replayed") == 19)
    });
    assert_eq!(cluster.client(&["send", "after"], "").code, 0);
    eventually("it is there once", || {
        (0..3).all(|id| {
            let log = cluster.log(id);
            log.contains("\"after\"")
                && log
                    .lines()
                    .filter(|l| l.contains("\"once\"") && l.contains("\tapplied\t"))
                    .count()
                    == 1
        })
    });
}

#[test]
fn a_revoked_user_gets_no_reply_and_an_invited_one_does() {
    let cluster = strangers_to(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    let (mut alice, mut bob) = (Sender::user(&cluster, "alice"), Sender::user(&cluster, "bob"));
    serves(&mut alice);
    serves(&mut bob);
    let ended = run(CLUSTER, &["revoke", "--user", "alice", "--config", arg(&cluster.config)]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("SIGHUP") && ended.stdout.contains("invite --user alice"));
    // The replica has not read it.
    serves(&mut alice);
    let pid = replica.child.id().to_string();
    assert_eq!(run("sh", &["-c", &format!("kill -HUP {pid}")]).code, 0);
    assert_eq!(replica.line(), "reloaded: any user, tokens of 1 revoked");
    assert!(!alice.is_answered(0));
    serves(&mut bob);
    counts(&mut replica, "forged", 0, 1);
    // She has a new token.
    serves(&mut Sender::user(&cluster, "alice"));
    // It holds after a restart, too.
    drop(replica);
    std::fs::remove_file(cluster.folder.path().join("replica-0.log")).unwrap();
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    assert!(!alice.is_answered(0));
    counts(&mut replica, "forged", 0, 1);
    // What can't be read changes nothing.
    std::fs::write(&cluster.config, "cluster = ").unwrap();
    replica.type_line("reload");
    serves(&mut bob);
}

#[test]
fn no_nonce_repeats_across_restarts() {
    let cluster = TestCluster::new(&["--timeout-ms", "100"]);
    let two = UdpSocket::bind(("127.0.0.1", cluster.port + 2)).unwrap();
    two.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (mut nonces, mut boots) = (BTreeMap::new(), BTreeSet::new());
    let mut buffer = vec![0; 65_536];
    // The same seed, and the same empty storage: a restored backup.
    for _ in 0..3 {
        let _replica = Replica::start_with(&cluster, 0, &["--init", "--seed", "1"]);
        for _ in 0..20 {
            let (length, _) = two.recv_from(&mut buffer).unwrap();
            let datagram = &buffer[..length];
            boots.insert(datagram[16..48].to_vec());
            let before = nonces.insert(datagram[NONCE].to_vec(), datagram.to_vec());
            assert!(before.is_none(), "sealed twice under one key and nonce");
        }
        drop(_replica);
        std::fs::remove_dir_all(cluster.folder.path().join("replica-0.journal")).unwrap();
        std::fs::remove_file(cluster.folder.path().join("replica-0.log")).unwrap();
        while two.set_nonblocking(true).is_ok() && two.recv_from(&mut buffer).is_ok() {}
        two.set_nonblocking(false).unwrap();
    }
    assert_eq!(boots.len(), 3);
}

#[test]
fn memory_stays_under_a_flood_of_forged_datagrams() {
    let cluster = strangers_to(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    let mut alice = Sender::user(&cluster, "alice");
    serves(&mut alice);
    let asked = alice.sealed(0, &TAIL);
    let told = {
        let config = config(&cluster);
        let codec =
            Codec::replica(&secret(&cluster), config.cluster_id(), 1, 3, Generations::new());
        Sender::new(&cluster, codec).sealed(0, &prepare())
    };
    let flood = |rounds: std::ops::Range<u32>| {
        for round in rounds {
            // Each names a boot, and every other one a user, that was never heard of.
            let mut forged = if round % 2 == 0 { asked.clone() } else { told.clone() };
            forged[16..20].copy_from_slice(&round.to_le_bytes());
            if round % 2 == 0 {
                forged[57..61].copy_from_slice(format!("{:04x}", round >> 8 & 0xffff).as_bytes());
            }
            alice.send_raw(0, &forged);
        }
    };
    flood(0..20_000);
    eventually("it has looked at them", || counter(&mut replica, "forged") > 1000);
    let before = rss_kib(&replica);
    flood(20_000..300_000);
    let after = rss_kib(&replica);
    assert!(counter(&mut replica, "forged") > 20_000);
    assert!(after < before + 2048, "{before} KiB before, {after} KiB after");
    serves(&mut alice);
}

/// An authentic user, who never sends the rest of anything.
#[test]
fn memory_stays_under_a_flood_of_first_parts() {
    let cluster = strangers_to(&[]);
    let text = std::fs::read_to_string(&cluster.config).unwrap();
    assert!(text.contains("max_datagram = 65000"), "{text}");
    std::fs::write(&cluster.config, text.replace("max_datagram = 65000", "max_datagram = 512"))
        .unwrap();
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    // A sender of parts, from which only the first one is let through.
    let session = SessionId { slot: Slot(0), index: 0 };
    let message = post("alice", session, &"x".repeat(16_000));
    let flood = |count| {
        let mut alice = Sender::user(&cluster, "alice");
        for at in 0..count {
            if at % 100 == 0 {
                alice = Sender::user(&cluster, "alice");
            }
            let mut parts = alice.in_parts(0, &message);
            alice.send_raw(0, &parts.remove(0));
        }
    };
    flood(2000);
    let mut alice = Sender::user(&cluster, "alice");
    serves(&mut alice);
    let before = rss_kib(&replica);
    flood(20_000);
    serves(&mut alice);
    let after = rss_kib(&replica);
    // It remembers 200 processes more: their keys, and not what they have begun to say.
    assert!(after < before + 2048, "{before} KiB before, {after} KiB after");
    let received = counter(&mut replica, "received");
    for part in alice.in_parts(0, &message) {
        alice.send_raw(0, &part);
    }
    counts(&mut replica, "received", received, 1);
}

#[test]
fn a_malformed_message_voids_its_datagram_and_no_other() {
    let cluster = strangers_to(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    let mut alice = Sender::user(&cluster, "alice");
    alice.send_tuple(0, &(TAIL, TAIL));
    assert!(hears_entries(&mut alice));
    let received = counter(&mut replica, "received");
    alice.send_tuple(0, &(TAIL, 0xff_u8, TAIL));
    counts(&mut replica, "malformed", 0, 1);
    assert_eq!(alice.hears_raw(), None);
    // In one that is well-formed, each message is judged for itself.
    alice.send_tuple(0, &(prepare(), TAIL));
    counts(&mut replica, "refused", 0, 1);
    assert!(hears_entries(&mut alice));
    assert_eq!(counter(&mut replica, "received"), received + 1);
}

/// More sessions than the table holds, opened by one user: others keep theirs, in use or not.
#[test]
fn whoever_opens_sessions_without_end_loses_only_their_own() {
    let cluster = strangers_to(&[]);
    let _replicas = cluster.start();
    let (mut alice, mut bob) = (Sender::user(&cluster, "alice"), Sender::user(&cluster, "bob"));
    let idle = alice.opens_session("alice");
    let active = bob.opens_session("bob");
    let mut mallory = Sender::user(&cluster, "mallory");
    mallory.socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let first = mallory.opens_session("mallory");
    // Nobody's table has room for these.
    let count = Tuning::default().sessions_max as u64 + 100;
    let mut wanted: BTreeSet<u64> = (1000..1000 + count).collect();
    let started = Instant::now();
    while !wanted.is_empty() {
        assert!(started.elapsed() < Duration::from_secs(60), "{} were not opened", wanted.len());
        for nonce in wanted.iter().take(64) {
            let opening = Operation::OpenSession { nonce: Nonce(*nonce) };
            (0..3).for_each(|id| mallory.send(id, &request("mallory", opening.clone())));
        }
        loop {
            let answers = mallory.hears_all();
            let opened = |answer: &Packet| match answer {
                Packet::ToClient(ToClient::SessionOpened(SessionOpened { nonce, .. })) => {
                    Some(nonce.0)
                }
                _ => None,
            };
            wanted.retain(|nonce| !answers.iter().filter_map(opened).any(|of| of == *nonce));
            if answers.is_empty() {
                break;
            }
        }
    }
    for (sender, user, session) in [(&mut alice, "alice", idle), (&mut bob, "bob", active)] {
        let is_answer = |answer| match answer {
            Packet::ToClient(ToClient::Acknowledged(_)) => Some(true),
            Packet::ToClient(ToClient::SessionExpired(_)) => Some(false),
            _ => None,
        };
        assert!(sender.asks(&post(user, session, "still here"), is_answer), "{user} was evicted");
    }
    let is_expired =
        |answer| matches!(answer, Packet::ToClient(ToClient::SessionExpired(_))).then_some(());
    mallory.asks(&post("mallory", first, "gone"), is_expired);
}
