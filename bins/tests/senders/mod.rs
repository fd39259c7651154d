//! Whoever has a socket and a key, and sends what it likes.

#![allow(dead_code, reason = "each test file is a crate of its own, and none uses everything")]

use crate::replicas::{Replica, TestCluster};
use actor_runtime::burst::{Arrivals, Departures};
use actor_runtime::keys::Secret;
use actor_runtime::network::Network;
use actor_runtime::nodes::NodeTable;
use actor_runtime::outbox::Outbox;
use actor_runtime::wire::fuzz::Raw;
use actor_runtime::wire::{Codec, Content, Opened, Peer};
use paxos_chat::message::{SessionOpened, Tail, ToClient, ToReplica};
use paxos_chat::types::{
    Body, Command, NodeId, Nonce, Operation, Seq, SessionId, Slot, Timestamp, User,
};
use paxos_chat_config::Config;
use paxos_chat_config::credentials::{Token, read_keyring, secret_path};
use paxos_chat_packets::Packet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Long enough for an answer over loopback.
pub(crate) const MOMENT: Duration = Duration::from_millis(300);
pub(crate) fn config(cluster: &TestCluster) -> Config {
    Config::read(&cluster.config).unwrap()
}

pub(crate) fn secret(cluster: &TestCluster) -> Secret {
    read_keyring(&secret_path(&cluster.config)).unwrap().seals().clone()
}

/// Keeps what is sent.
#[derive(Default)]
pub(crate) struct Sent(Vec<Vec<u8>>);

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
pub(crate) struct Sender {
    pub(crate) socket: UdpSocket,
    pub(crate) codec: Codec,
    pub(crate) traffic: Arc<Traffic>,
    port: u16,
}

/// Bytes of a socket's datagrams.
#[derive(Default)]
pub(crate) struct Traffic {
    pub(crate) sent: AtomicU64,
    /// What did not fit the socket's buffer is not among them.
    pub(crate) heard: AtomicU64,
}

impl Sender {
    pub(crate) fn new(cluster: &TestCluster, codec: Codec) -> Sender {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(MOMENT)).unwrap();
        Sender { socket, codec, traffic: Arc::default(), port: cluster.port }
    }

    pub(crate) fn user(cluster: &TestCluster, user: &str) -> Sender {
        let token = Token::issue(&secret(cluster), &config(cluster), user).unwrap();
        Sender::new(cluster, token.codec())
    }

    pub(crate) fn address(&self, id: u8) -> SocketAddr {
        ([127, 0, 0, 1], self.port + u16::from(id)).into()
    }

    pub(crate) fn sealed(&mut self, id: u8, message: &Packet) -> Vec<u8> {
        let mut datagram = Vec::new();
        self.codec.seal(Peer::Replica(id), message, &mut datagram).unwrap();
        datagram
    }

    /// The datagrams of a message that travels in parts.
    pub(crate) fn in_parts(&mut self, id: u8, message: &Packet) -> Vec<Vec<u8>> {
        let sent =
            self.posted(|outbox| outbox.post(NodeId(id.into()).into(), 1, None, message).unwrap());
        assert!(sent.len() > 1);
        sent
    }

    /// What leaves if this is posted.
    fn posted(&mut self, post: impl FnOnce(&mut Outbox)) -> Vec<Vec<u8>> {
        let (mut outbox, mut sent) = (Outbox::default(), Sent::default());
        let mut nodes = NodeTable::new((0..3).map(|id| self.address(id)).collect::<Vec<_>>(), 0);
        post(&mut outbox);
        outbox.dispatch(&mut self.codec, &mut nodes, &mut sent, &mut ());
        sent.0
    }

    /// Shows that it hears at its address, if a replica wants to be shown.
    fn proves(&mut self, opened: Opened) {
        if let Opened { peer: Peer::Replica(id), content: Content::Cookie, .. } = opened {
            let sent = self.posted(|outbox| outbox.post_greeting(NodeId(id.into()).into()));
            sent.iter().for_each(|datagram| self.send_raw(id, datagram));
        }
    }

    pub(crate) fn send_tuple(&mut self, id: u8, messages: &impl serde::Serialize) {
        let mut datagram = Vec::new();
        let messages = Raw(postcard::to_stdvec(messages).unwrap());
        self.codec.seal(Peer::Replica(id), &messages, &mut datagram).unwrap();
        self.send_raw(id, &datagram);
    }

    pub(crate) fn send_raw(&self, id: u8, datagram: &[u8]) {
        self.socket.send_to(datagram, self.address(id)).unwrap();
        self.traffic.sent.fetch_add(datagram.len() as u64, Ordering::Relaxed);
    }

    pub(crate) fn send(&mut self, id: u8, message: &Packet) {
        let datagram = self.sealed(id, message);
        self.send_raw(id, &datagram);
    }

    /// The next datagram that arrives within a moment.
    pub(crate) fn hears_raw(&self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 65_536];
        let length = self.socket.recv(&mut buffer).ok()?;
        buffer.truncate(length);
        self.traffic.heard.fetch_add(length as u64, Ordering::Relaxed);
        Some(buffer)
    }

    pub(crate) fn hears(&mut self) -> Option<Packet> {
        self.hears_all().pop()
    }

    /// What the next datagram says that arrives within a moment, but for the ballot beside entries. If it is a
    /// cookie alone, that is shown, and the next one counts.
    pub(crate) fn hears_all(&mut self) -> Vec<Packet> {
        let mut messages: Vec<Packet> = Vec::new();
        while let Some(mut datagram) = self.hears_raw() {
            let opened = self.codec.open_all(None, &mut datagram, &mut messages).unwrap();
            if opened.content == Content::Cookie {
                self.proves(opened);
                continue;
            }
            messages.retain(|message| !matches!(message, Packet::Leadership(_)));
            break;
        }
        messages
    }

    pub(crate) fn is_answered(&mut self, id: u8) -> bool {
        self.send(id, &TAIL);
        matches!(self.hears(), Some(Packet::ToClient(ToClient::Entries(_))))
    }

    /// Asks all replicas again and again, until one gives the answer that is wanted.
    pub(crate) fn asks<T>(&mut self, message: &Packet, wanted: impl Fn(Packet) -> Option<T>) -> T {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            (0..3).for_each(|id| self.send(id, message));
            while let Some(answer) = self.hears() {
                if let Some(found) = wanted(answer) {
                    return found;
                }
            }
        }
        panic!("no answer to {message:?}");
    }

    pub(crate) fn opens_session(&mut self, user: &str) -> SessionId {
        let request = request(user, Operation::OpenSession { nonce: Nonce(7) });
        self.asks(&request, |answer| match answer {
            Packet::ToClient(ToClient::SessionOpened(SessionOpened { session, .. })) => {
                Some(session)
            }
            _ => None,
        })
    }
}

pub(crate) const TAIL: Packet = Packet::ToReplica(ToReplica::Tail(Tail { from: Some(Slot(0)) }));

pub(crate) fn request(user: &str, operation: Operation) -> Packet {
    Packet::ToReplica(ToReplica::Request(Command {
        stamp: Timestamp(0),
        user: User::new(user),
        operation,
    }))
}

pub(crate) fn post(user: &str, session: SessionId, text: &str) -> Packet {
    let body = Body::write(text);
    let (seq, acked_below) = (Seq(1), Seq(1));
    request(user, Operation::InSession { session, seq, acked_below, body })
}

/// The resident set of a replica.
pub(crate) fn rss_kib(replica: &Replica) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", replica.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
