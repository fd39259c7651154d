//! Warm-up: a replica that was started with `--wait` holds its actor back until all are there.
//!
//! A replica that waits asks every other one, again and again, for decided entries from slot 0 on,
//! and starts its actor once it has heard all of them, or a leader, or is told to by its console.
//!
//! **Invariants**
//! - *It looks like a replica that is down*: the actor does not exist yet, so nothing is promised,
//!   voted or saved. What arrives is lost, and a lost message is survived by every message class.
//! - *It says nothing that changes anything*: `Fetch` is what any replica may ask at any moment; it is
//!   answered from the state of whoever is asked, and leaves that state as it is.
//! - *Only a replica is heard*: what counts is a datagram that it has sealed.
//! - *Nobody is left behind*: somebody whose questions were lost hears the leader that the others
//!   elect, which shows that a majority serves already.
//!
//! **Absent**: a guarantee that all are up when this ends. A replica may die a moment later, and that
//! is what the protocol is for. So safety does not depend on it, nor does liveness: it is off by
//! default, and `start` ends it.

use actor_runtime::addresses::Addresses;
use actor_runtime::burst::Arrivals;
use actor_runtime::network::Network;
use actor_runtime::nodes::NodeTable;
use actor_runtime::outbox::Outbox;
use actor_runtime::wire::{Codec, Opened, Peer};
use paxos_chat::message::{Fetch, ToPeer};
use paxos_chat::types::{ReplicaId, Slot};
use paxos_chat_packets::Packet;
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two rounds of questions. An opened gate is noticed as soon.
const ASK_INTERVAL: Duration = Duration::from_millis(100);

/// What a console knows of the warm-up, and may do to it.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Mutex<Phase>>);

#[derive(Clone, Debug, Default)]
enum Phase {
    /// The actor runs.
    #[default]
    Serving,
    /// These were not heard yet.
    Waiting(BTreeSet<u8>),
    /// Somebody has typed `start`.
    Told,
}

impl Gate {
    /// The gate of a replica that is to wait for all others.
    pub fn closed(own: u8, replicas: usize) -> Gate {
        let ids = 0..u8::try_from(replicas).unwrap_or(u8::MAX);
        Gate(Arc::new(Mutex::new(Phase::Waiting(ids.filter(|id| *id != own).collect()))))
    }

    fn set(&self, phase: Phase) -> Phase {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), phase)
    }

    fn phase(&self) -> Phase {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a replica that waits says of itself; `None` of one that serves.
    pub fn status(&self) -> Option<String> {
        let Phase::Waiting(missing) = self.phase() else { return None };
        let missing: Vec<String> = missing.iter().map(u8::to_string).collect();
        Some(format!("waits for replica {}; `start` starts without", missing.join(", ")))
    }

    /// Starts without waiting any longer; false if it does not wait.
    pub fn open(&self) -> bool {
        let waits = matches!(self.phase(), Phase::Waiting(_));
        if waits {
            self.set(Phase::Told);
        }
        waits
    }
}

/// Why a warm-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// All others were heard.
    AllHeard,
    /// This one leads, so a majority serves already.
    Leader(u8),
    /// Somebody has typed `start`.
    Told,
}

/// What every replica answers.
const QUESTION: Packet = Packet::ToPeer(ToPeer::Fetch(Fetch { from: Slot(0) }));

/// Waits until all other replicas, or a leader, were heard at these addresses, or until the gate is
/// opened.
///
/// # Errors
/// When the network is gone.
pub fn hold(
    gate: &Gate,
    network: &mut dyn Network,
    codec: &mut Codec,
    own: u8,
    addresses: &Addresses,
) -> io::Result<Reason> {
    let (mut nodes, mut outbox) = (NodeTable::new(addresses.clone(), 0), Outbox::default());
    let others = || (0..).take(addresses.count()).filter(|id| *id != own);
    let mut missing: BTreeSet<u8> = others().collect();
    let (mut arrivals, mut packets) = (Arrivals::new(), Vec::new());
    let mut ask_at = Instant::now();
    let reason = loop {
        if Instant::now() >= ask_at {
            for id in others() {
                // What cannot be sent is lost, and asked again.
                let format = codec.format_for(Peer::Replica(id));
                let _ = outbox.post(ReplicaId(id).into(), format, None, &QUESTION);
            }
            outbox.dispatch(codec, &mut nodes, network, &mut ());
            ask_at = Instant::now() + ASK_INTERVAL;
        }
        // Asked before, so that the last one missing hears this one.
        if missing.is_empty() {
            break Reason::AllHeard;
        }
        network.wait(Some(ask_at.saturating_duration_since(Instant::now())))?;
        let mut leader = None;
        while network.receive(&mut arrivals)? || !arrivals.is_empty() {
            for (_, datagram) in arrivals.iter_mut() {
                let opened = codec.open_all::<Packet>(None, datagram, &mut packets);
                let Ok(Opened { peer: Peer::Replica(id), .. }) = opened else { continue };
                missing.remove(&id);
                let leads = |packet: &Packet| {
                    matches!(packet, Packet::ToPeer(ToPeer::Heartbeat(_) | ToPeer::Accept(_)))
                };
                if packets.iter().any(leads) {
                    leader = Some(id);
                }
            }
        }
        if matches!(gate.phase(), Phase::Told) {
            break Reason::Told;
        }
        if let Some(leader) = leader {
            break Reason::Leader(leader);
        }
        // Somebody may open the gate at this moment, and that counts.
        let mut phase = gate.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Phase::Waiting(shown) = &mut *phase {
            shown.clone_from(&missing);
        }
    };
    gate.set(Phase::Serving);
    Ok(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actor_runtime::burst::Departures;
    use actor_runtime::keys::Secret;
    use actor_runtime::wire::ClusterId;
    use paxos_chat::message::Heartbeat;
    use paxos_chat::types::Ballot;
    use std::collections::{BTreeMap, VecDeque};
    use std::net::SocketAddr;

    fn address(id: u8) -> SocketAddr {
        ([127, 0, 0, 1], 7100 + u16::from(id)).into()
    }

    fn codecs() -> [Codec; 3] {
        let secret = Secret::draw().unwrap();
        [0, 1, 2].map(|id| Codec::replica(&secret, ClusterId::of("c"), id, 3, BTreeMap::new()))
    }

    /// Delivers what is prepared, one datagram at each wait, and then opens the gate.
    struct ScriptedNetwork {
        datagrams: VecDeque<Vec<u8>>,
        arrived: Option<Vec<u8>>,
        sent: Vec<(SocketAddr, Vec<u8>)>,
        gate: Gate,
    }

    impl Network for ScriptedNetwork {
        fn wait(&mut self, _: Option<Duration>) -> io::Result<()> {
            self.arrived = self.datagrams.pop_front();
            if self.arrived.is_none() {
                assert!(self.gate.open(), "nothing more will come");
            }
            Ok(())
        }

        fn receive(&mut self, arrivals: &mut Arrivals) -> io::Result<bool> {
            arrivals.clear();
            if let Some(datagram) = self.arrived.take() {
                assert!(arrivals.push(address(9), &datagram));
            }
            Ok(false)
        }

        fn send(&mut self, departures: &mut Departures) -> u64 {
            self.sent.extend(departures.iter().map(|(to, datagram)| (to, datagram.to_vec())));
            0
        }
    }

    fn sealed(codec: &mut Codec, packet: &Packet) -> Vec<u8> {
        let mut datagram = Vec::new();
        codec.seal(Peer::Replica(0), packet, &mut datagram).unwrap();
        datagram
    }

    fn held(codec: &mut Codec, datagrams: Vec<Vec<u8>>) -> (Reason, ScriptedNetwork) {
        let gate = Gate::closed(0, 3);
        let (arrived, sent) = (None, Vec::new());
        let mut network =
            ScriptedNetwork { datagrams: datagrams.into(), arrived, sent, gate: gate.clone() };
        let addresses = Addresses::from([0, 1, 2].map(address).to_vec());
        let reason = hold(&gate, &mut network, codec, 0, &addresses).unwrap();
        assert_eq!(gate.status(), None, "it serves now");
        assert!(!gate.open(), "there is nothing to open");
        (reason, network)
    }

    #[test]
    fn it_ends_when_all_others_were_heard() {
        let [mut own, mut one, mut two] = codecs();
        let question = |codec: &mut Codec| sealed(codec, &QUESTION);
        let heard = vec![question(&mut one), question(&mut one), question(&mut two)];
        let (reason, network) = held(&mut own, heard);
        assert_eq!(reason, Reason::AllHeard);
        assert!(network.datagrams.is_empty(), "one alone is not enough, however often");
        let mut asked: Vec<SocketAddr> = network.sent.iter().map(|(to, _)| *to).collect();
        asked.truncate(2);
        assert_eq!(asked, [address(1), address(2)], "everybody else is asked");
        let mut datagram = network.sent[0].1.clone();
        let mut questions = Vec::new();
        let from = one.open_all::<Packet>(None, &mut datagram, &mut questions).unwrap().peer;
        assert_eq!((from, questions), (Peer::Replica(0), vec![QUESTION]));
    }

    #[test]
    fn it_ends_when_a_leader_is_heard() {
        let [mut own, mut one, _] = codecs();
        let heartbeat = Packet::ToPeer(ToPeer::Heartbeat(Heartbeat {
            ballot: Ballot::ZERO,
            decided_upto: Slot(0),
        }));
        let (reason, _) = held(&mut own, vec![sealed(&mut one, &heartbeat)]);
        assert_eq!(reason, Reason::Leader(1));
    }

    #[test]
    fn it_ends_when_told_and_strangers_are_not_heard() {
        let [mut own, mut one, _] = codecs();
        let [_, mut stranger, mut other] = codecs();
        let mut changed = sealed(&mut one, &QUESTION);
        *changed.last_mut().unwrap() ^= 1;
        let forged = [&mut stranger, &mut other].map(|codec| sealed(codec, &QUESTION));
        let datagrams = forged.into_iter().chain([changed, b"garbage".to_vec()]).collect();
        assert_eq!(held(&mut own, datagrams).0, Reason::Told);
    }

    #[test]
    fn one_that_waits_says_for_whom() {
        let gate = Gate::closed(0, 3);
        let said = gate.status().unwrap();
        assert_eq!(said, "waits for replica 1, 2; `start` starts without");
        assert!(gate.open() && !gate.open());
    }
}
