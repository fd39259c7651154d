//! Takes operators' datagrams out of a replica's network, before its driver sees them.
//!
//! **Invariants**
//! - *The driver does no work for them*, but to look at a name and to copy a few bytes: whether they are
//!   genuine is found out on another thread.
//! - *Bounded*: at most [`WAITING_MAX`] wait, of at most [`QUESTION_BYTES_MAX`] bytes; others are
//!   dropped and counted. And once `DIVERTED_MAX` were taken out, the driver is told that there is no
//!   more until it has waited, so that a flood of them does not keep it from its turn.

use super::codecs::OPERATOR;
use super::message::QUESTION_BYTES_MAX;
use actor_runtime::burst::{Arrivals, Departures};
use actor_runtime::network::Network;
use actor_runtime::wire::claimed_user;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Datagrams that may wait to be answered.
pub const WAITING_MAX: usize = 64;
/// Datagrams taken out after which the driver's turn goes on.
const DIVERTED_MAX: usize = 64;

/// A datagram in the name of an operator.
pub struct OperatorDatagram {
    bytes: [u8; QUESTION_BYTES_MAX],
    length: usize,
    /// From where.
    pub from: SocketAddr,
}

impl OperatorDatagram {
    /// The datagram.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }
}

/// A network without what operators send.
pub struct OperatorTap<N> {
    inner: N,
    diverted: SyncSender<OperatorDatagram>,
    dropped: Arc<AtomicU64>,
    /// Taken out since the driver has waited.
    taken_out: usize,
}

impl<N> OperatorTap<N> {
    /// The network without them, where they go, and how many were dropped.
    pub fn new(inner: N) -> (OperatorTap<N>, Receiver<OperatorDatagram>, Arc<AtomicU64>) {
        let (diverted, waiting) = sync_channel(WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let tap = OperatorTap { inner, diverted, dropped: Arc::clone(&dropped), taken_out: 0 };
        (tap, waiting, dropped)
    }

    fn divert(&mut self, datagram: &[u8], from: SocketAddr) {
        self.taken_out += 1;
        let mut bytes = [0; QUESTION_BYTES_MAX];
        let taken = bytes.get_mut(..datagram.len()).is_some_and(|bytes| {
            bytes.copy_from_slice(datagram);
            true
        });
        let length = datagram.len();
        if !taken || self.diverted.try_send(OperatorDatagram { bytes, length, from }).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<N: Network> Network for OperatorTap<N> {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.taken_out = 0;
        self.inner.wait(timeout)
    }

    fn receive(&mut self, arrivals: &mut Arrivals) -> io::Result<bool> {
        let may_be_more = self.inner.receive(arrivals)?;
        arrivals.retain_datagrams(|from, datagram| {
            let is_operators = claimed_user(datagram) == Some(OPERATOR);
            if is_operators {
                self.divert(datagram, from);
            }
            !is_operators
        });
        // The rest is still there when the driver waits next, which it then does not.
        Ok(may_be_more && self.taken_out < DIVERTED_MAX)
    }

    fn send(&mut self, departures: &mut Departures) -> u64 {
        self.inner.send(departures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::codecs::of_operator;
    use actor_runtime::keys::Secret;
    use actor_runtime::wire::Peer;
    use paxos_chat_config::Config;
    use paxos_chat_config::credentials::Token;
    use std::collections::VecDeque;

    struct QueuedNetwork(VecDeque<Vec<u8>>);

    impl Network for QueuedNetwork {
        fn wait(&mut self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }

        fn receive(&mut self, arrivals: &mut Arrivals) -> io::Result<bool> {
            arrivals.clear();
            let from = ([127, 0, 0, 1], 1).into();
            while let Some(datagram) = self.0.pop_front() {
                if !arrivals.push(from, &datagram) {
                    self.0.push_front(datagram);
                    return Ok(true);
                }
            }
            Ok(false)
        }

        fn send(&mut self, _: &mut Departures) -> u64 {
            0
        }
    }

    #[test]
    fn operators_datagrams_never_reach_the_driver_and_others_do() {
        let addresses = (1..4).map(|port| ([127, 0, 0, 1], port).into()).collect();
        let (config, secret) =
            (Config::new("t".into(), 1, addresses).unwrap(), Secret::draw().unwrap());
        let mut operator = of_operator(&secret, &config);
        let mut user = Token::issue(&secret, &config, "operator").unwrap().codec();
        let mut sealed = |by_operator: bool, bytes: usize| {
            let codec = if by_operator { &mut operator } else { &mut user };
            let mut datagram = Vec::new();
            codec.seal(Peer::Replica(0), &vec![7u8; bytes], &mut datagram).unwrap();
            datagram
        };
        let (theirs, too_long) = (sealed(true, 9), sealed(true, QUESTION_BYTES_MAX));
        let (other, cut) = (sealed(false, 9), theirs[..60].to_vec());
        let all = [theirs.clone(), other.clone(), too_long, cut.clone(), theirs.clone()];
        let (mut tap, waiting, dropped) = OperatorTap::new(QueuedNetwork(all.into()));
        let mut arrivals = Arrivals::new();
        assert!(!tap.receive(&mut arrivals).unwrap());
        let received: Vec<_> = arrivals.iter_mut().map(|(_, bytes)| bytes.to_vec()).collect();
        assert_eq!(received, [other, cut]);
        let mut diverted: Vec<_> = waiting.try_iter().collect();
        assert_eq!(diverted.len(), 2);
        assert_eq!(diverted[0].bytes_mut(), theirs);
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_flood_is_dropped_and_leaves_the_driver_its_turn() {
        let addresses = (1..4).map(|port| ([127, 0, 0, 1], port).into()).collect();
        let config = Config::new("t".into(), 1, addresses).unwrap();
        let mut datagram = Vec::new();
        let mut operator = of_operator(&Secret::draw().unwrap(), &config);
        operator.seal(Peer::Replica(0), &7u8, &mut datagram).unwrap();
        let flood = VecDeque::from(vec![datagram; 3 * DIVERTED_MAX]);
        let (mut tap, _waiting, dropped) = OperatorTap::new(QueuedNetwork(flood));
        let mut arrivals = Arrivals::new();
        for turns in 1..=2 {
            tap.wait(None).unwrap();
            while tap.receive(&mut arrivals).unwrap() {
                assert!(arrivals.is_empty());
            }
            let left = (3 - turns) * DIVERTED_MAX;
            assert_eq!(tap.inner.0.len(), left, "the rest waits for the next turn");
        }
        assert_eq!(dropped.load(Ordering::Relaxed), (2 * DIVERTED_MAX - WAITING_MAX) as u64);
    }
}
