//! Hostile datagrams at replicas that serve, over real sockets: whoever has no key, or another's, is
//! dropped, counted and not answered; and a user can do what a user may, and nothing more.

mod replicas;
mod support;

use paxos_chat::message::Message;
use paxos_chat::types::{
    Ballot, Body, Command, NodeId, Nonce, Operation, ReplicaId, Seq, SessionId, Slot, Timestamp,
    User, Value,
};
use paxos_chat_runtime::burst::{Arrivals, Departures};
use paxos_chat_runtime::config::Config;
use paxos_chat_runtime::credentials::{Token, read_secret, secret_path};
use paxos_chat_runtime::keys::Secret;
use paxos_chat_runtime::network::Network;
use paxos_chat_runtime::nodes::NodeTable;
use paxos_chat_runtime::outbox::Outbox;
use paxos_chat_runtime::wire::{Codec, Generations, Peer, UserName};
use quickcheck::{Arbitrary, Gen};
use replicas::{CLUSTER, Replica, TestCluster, number};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use support::{arg, eventually, run};

/// Long enough for an answer over loopback.
const MOMENT: Duration = Duration::from_millis(300);
/// Where the boot and the number of a datagram are.
const NONCE: std::ops::Range<usize> = 14..54;

fn config(cluster: &TestCluster) -> Config {
    Config::read(&cluster.config).unwrap()
}

fn secret(cluster: &TestCluster) -> Secret {
    read_secret(&secret_path(&cluster.config)).unwrap()
}

/// Keeps what is sent.
#[derive(Default)]
struct Sent(Vec<Vec<u8>>);

impl Network for Sent {
    fn wait(&mut self, _: Option<Duration>) -> std::io::Result<()> {
        Ok(())
    }

    fn receive(&mut self, arrivals: &mut Arrivals) -> std::io::Result<bool> {
        arrivals.clear();
        Ok(false)
    }

    fn send(&mut self, departures: &mut Departures) -> u64 {
        self.0.extend(departures.iter().map(|(_, datagram)| datagram.to_vec()));
        0
    }
}

/// Somebody with a socket, and with the key of this codec.
struct Sender {
    socket: UdpSocket,
    codec: Codec,
    port: u16,
}

impl Sender {
    fn new(cluster: &TestCluster, codec: Codec) -> Sender {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(MOMENT)).unwrap();
        Sender { socket, codec, port: cluster.port }
    }

    fn user(cluster: &TestCluster, user: &str) -> Sender {
        let token = Token::issue(&secret(cluster), &config(cluster), user).unwrap();
        Sender::new(cluster, token.codec())
    }

    fn address(&self, id: u8) -> SocketAddr {
        ([127, 0, 0, 1], self.port + u16::from(id)).into()
    }

    fn sealed(&mut self, id: u8, message: &Message) -> Vec<u8> {
        let mut datagram = Vec::new();
        self.codec.seal(Peer::Replica(id), message, &mut datagram).unwrap();
        datagram
    }

    /// The datagrams of a message that travels in parts.
    fn in_parts(&mut self, id: u8, message: &Message) -> Vec<Vec<u8>> {
        let (mut outbox, mut sent) = (Outbox::default(), Sent::default());
        let nodes = NodeTable::new((0..3).map(|id| self.address(id)).collect(), 0);
        outbox.post(NodeId(id.into()), message).unwrap();
        outbox.dispatch(&mut self.codec, &nodes, &mut sent);
        assert!(sent.0.len() > 1);
        sent.0
    }

    fn send_tuple(&mut self, id: u8, messages: &impl serde::Serialize) {
        let mut datagram = Vec::new();
        self.codec.seal(Peer::Replica(id), messages, &mut datagram).unwrap();
        self.send_raw(id, &datagram);
    }

    fn send_raw(&self, id: u8, datagram: &[u8]) {
        self.socket.send_to(datagram, self.address(id)).unwrap();
    }

    fn send(&mut self, id: u8, message: &Message) {
        let datagram = self.sealed(id, message);
        self.send_raw(id, &datagram);
    }

    /// The next datagram that arrives within a moment.
    fn hears_raw(&self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 65_536];
        let length = self.socket.recv(&mut buffer).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }

    fn hears(&mut self) -> Option<Message> {
        let mut datagram = self.hears_raw()?;
        let mut messages: Vec<Message> = Vec::new();
        self.codec.open_all(&mut datagram, &mut messages).unwrap();
        messages.pop()
    }

    fn is_answered(&mut self, id: u8) -> bool {
        self.send(id, &TAIL);
        matches!(self.hears(), Some(Message::Entries(_)))
    }

    /// Asks all replicas again and again, until one gives the answer that is wanted.
    fn asks<T>(&mut self, message: &Message, wanted: impl Fn(Message) -> Option<T>) -> T {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            (0..3).for_each(|id| self.send(id, message));
            while let Some(answer) = self.hears() {
                if let Some(found) = wanted(answer) {
                    return found;
                }
            }
        }
        panic!("no answer to {message}");
    }

    fn opens_session(&mut self, user: &str) -> SessionId {
        let request = request(user, Operation::OpenSession { nonce: Nonce(7) });
        self.asks(&request, |answer| match answer {
            Message::SessionOpened { session, .. } => Some(session),
            _ => None,
        })
    }
}

const TAIL: Message = Message::Tail { from: Slot(0) };

fn request(user: &str, operation: Operation) -> Message {
    Message::Request(Command { stamp: Timestamp(0), user: User::new(user), operation })
}

fn post(user: &str, session: SessionId, text: &str) -> Message {
    let body = Body::post(text);
    let (seq, acked_below) = (Seq(1), Seq(1));
    request(user, Operation::InSession { session, seq, acked_below, body })
}

fn counter(replica: &mut Replica, key: &str) -> u64 {
    number(&replica.status(), key)
}

/// The counter rises by so much within a moment, and by no more.
fn counts(replica: &mut Replica, key: &str, before: u64, by: u64) {
    eventually("it is counted", || counter(replica, key) >= before + by);
    assert_eq!(counter(replica, key), before + by, "{key}");
}

#[test]
fn a_stranger_gets_no_reply_whatever_it_sends() {
    let cluster = TestCluster::new(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    let mut alice = Sender::user(&cluster, "alice");
    assert!(alice.is_answered(0));
    // Random bytes, bare and behind the beginning of a good datagram; too long ones, too.
    let (good, mut g) = (alice.sealed(0, &TAIL), Gen::new(3000));
    let stranger = Sender::user(&cluster, "alice");
    for round in 0..500 {
        let mut datagram = good[..usize::arbitrary(&mut g) % good.len()].to_vec();
        datagram.extend(Vec::<u8>::arbitrary(&mut g));
        if round % 50 == 0 {
            datagram.resize(65_507, 0);
        }
        stranger.send_raw(0, &datagram);
    }
    eventually("all are counted", || {
        counter(&mut replica, "malformed") + counter(&mut replica, "forged") == 500
    });
    assert!(counter(&mut replica, "forged") > 0 && counter(&mut replica, "malformed") > 0);
    assert_eq!(stranger.hears_raw(), None);
    assert!(alice.is_answered(0), "and it serves");
}

#[test]
fn a_flipped_bit_is_dropped_counted_and_not_answered() {
    let cluster = TestCluster::new(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    let mut alice = Sender::user(&cluster, "alice");
    let good = alice.sealed(0, &TAIL);
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        alice.send_raw(0, &flipped);
    }
    let sent = good.len() as u64 * 8;
    eventually("all are counted", || {
        counter(&mut replica, "malformed") + counter(&mut replica, "forged") == sent
    });
    assert_eq!(alice.hears_raw(), None);
    alice.send_raw(0, &good);
    assert!(matches!(alice.hears(), Some(Message::Entries(_))), "the good one is not used up");
}

#[test]
fn another_cluster_s_secret_opens_nothing_and_gets_no_reply() {
    let cluster = TestCluster::new(&[]);
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
fn prepare() -> Message {
    let ballot = Ballot { round: 1 << 20, replica: ReplicaId(1) };
    Message::Prepare { ballot, from: Slot(0) }
}

#[test]
fn a_client_can_t_send_what_replicas_send() {
    let cluster = TestCluster::new(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    let mut alice = Sender::user(&cluster, "alice");
    let ballot = Ballot { round: 1 << 20, replica: ReplicaId(1) };
    let (slot, decided_upto) = (Slot(0), Slot(0));
    let accept = Message::Accept { ballot, slot, value: Value::Noop, decided_upto };
    let heartbeat = Message::Heartbeat { ballot, decided_upto };
    for message in [prepare(), accept, heartbeat, Message::SkipSlot, Message::Busy { queued: 1 }] {
        alice.send(0, &message);
    }
    assert_eq!(alice.hears_raw(), None);
    counts(&mut replica, "refused", 0, 5);
    assert!(number(&replica.status(), "round") < 1 << 20, "nothing was promised");
    // With the header of a replica it is no better.
    let mut forged = alice.sealed(0, &prepare());
    (forged[5], forged[54]) = (0, 1);
    alice.send_raw(0, &forged);
    counts(&mut replica, "forged", 0, 1);
}

#[test]
fn alice_can_t_speak_as_bob() {
    let cluster = TestCluster::new(&[]);
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
    let cluster = TestCluster::new(&["--timeout-ms", "200"]);
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
    alice.asks(&message, |answer| matches!(answer, Message::Acknowledged { .. }).then_some(()));
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
    let cluster = TestCluster::new(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    let (mut alice, mut bob) = (Sender::user(&cluster, "alice"), Sender::user(&cluster, "bob"));
    assert!(alice.is_answered(0) && bob.is_answered(0));
    let ended = run(CLUSTER, &["revoke", "--user", "alice", "--config", arg(&cluster.config)]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("SIGHUP") && ended.stdout.contains("invite --user alice"));
    assert!(alice.is_answered(0), "the replica has not read it");
    let pid = replica.child.id().to_string();
    assert_eq!(run("sh", &["-c", &format!("kill -HUP {pid}")]).code, 0);
    assert_eq!(replica.line(), "reloaded: any user, tokens of 1 revoked");
    assert!(!alice.is_answered(0) && bob.is_answered(0));
    counts(&mut replica, "forged", 0, 1);
    assert!(Sender::user(&cluster, "alice").is_answered(0), "a new token");
    // It holds after a restart, too.
    drop(replica);
    std::fs::remove_file(cluster.folder.path().join("replica-0.log")).unwrap();
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    assert!(!alice.is_answered(0));
    counts(&mut replica, "forged", 0, 1);
    // What can't be read changes nothing.
    std::fs::write(&cluster.config, "cluster = ").unwrap();
    replica.type_line("reload");
    assert!(bob.is_answered(0));
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
            boots.insert(datagram[14..46].to_vec());
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
    let cluster = TestCluster::new(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    let mut alice = Sender::user(&cluster, "alice");
    assert!(alice.is_answered(0));
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
            forged[14..18].copy_from_slice(&round.to_le_bytes());
            if round % 2 == 0 {
                forged[55..59].copy_from_slice(format!("{:04x}", round >> 8 & 0xffff).as_bytes());
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
    eventually("it serves", || alice.is_answered(0));
}

/// An authentic user, who never sends the rest of anything.
#[test]
fn memory_stays_under_a_flood_of_first_parts() {
    let cluster = TestCluster::new(&[]);
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
    eventually("it serves", || alice.is_answered(0));
    let before = rss_kib(&replica);
    flood(20_000);
    eventually("it serves", || alice.is_answered(0));
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
    let cluster = TestCluster::new(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    let mut alice = Sender::user(&cluster, "alice");
    alice.send_tuple(0, &(TAIL, TAIL));
    assert!(matches!(alice.hears(), Some(Message::Entries(_))));
    let received = counter(&mut replica, "received");
    alice.send_tuple(0, &(TAIL, 0xff_u8, TAIL));
    counts(&mut replica, "malformed", 0, 1);
    assert_eq!(alice.hears_raw(), None);
    // In one that is well-formed, each message is judged for itself.
    alice.send_tuple(0, &(prepare(), TAIL));
    counts(&mut replica, "refused", 0, 1);
    assert!(matches!(alice.hears(), Some(Message::Entries(_))));
    assert_eq!(counter(&mut replica, "received"), received + 1);
}

/// The resident set of a replica.
fn rss_kib(replica: &Replica) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", replica.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
