//! Loss injection: drops datagrams on their way in and out.
//!
//! **Invariants**
//! - *Every path is subject to it*, in both directions, because it wraps the only network that a
//!   driver has. What operators send and are sent is not among it, so that a loss of everything can
//!   be ended.
//! - *Each direction has its own*: what is sent, what is received, and each link to a peer; until a
//!   [`LossDial`] is set, which then holds for all of them.

use crate::burst::{Arrivals, Departures};
use crate::network::Network;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The probability that a datagram is dropped: from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Loss(f64);

impl Loss {
    /// Nothing is dropped.
    pub const NONE: Loss = Loss(0.0);

    /// A probability, if it is one.
    pub fn new(probability: f64) -> Option<Loss> {
        (0.0..=1.0).contains(&probability).then_some(Loss(probability))
    }

    /// The probability.
    pub fn probability(self) -> f64 {
        self.0
    }
}

impl Display for Loss {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Loss {
    type Err = String;
    fn from_str(text: &str) -> Result<Loss, String> {
        text.parse().ok().and_then(Loss::new).ok_or_else(|| {
            format!(
                "{text:?} is not a probability: give a number from 0 (nothing is lost) to 1 \
                 (everything is lost), such as 0.05"
            )
        })
    }
}

/// What a process loses, by direction and by link.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Losses {
    /// Of what it sends, but to peers with a link of their own.
    pub sending: Loss,
    /// Of what it receives, but from peers with a link of their own.
    pub receiving: Loss,
    /// Of what it sends to these peers.
    pub to: BTreeMap<SocketAddr, Loss>,
    /// Of what it receives from these peers.
    pub from: BTreeMap<SocketAddr, Loss>,
}

impl Losses {
    /// The highest of any direction or link.
    pub fn highest(&self) -> Loss {
        let links = self.to.values().chain(self.from.values());
        let all = links.copied().chain([self.sending, self.receiving]);
        Loss(all.map(Loss::probability).fold(0.0, f64::max))
    }
}

impl From<Loss> for Losses {
    /// The same in both directions.
    fn from(loss: Loss) -> Losses {
        Losses { sending: loss, receiving: loss, ..Losses::default() }
    }
}

/// Losses that can be replaced while they are in force, from any thread. Clones are one.
#[derive(Clone, Debug)]
pub struct LossDial {
    /// In force until the dial is set.
    initial: Arc<Losses>,
    /// The bits of the probability that replaces them; [`UNSET`] before.
    set: Arc<AtomicU64>,
}

/// The bits of no probability.
const UNSET: u64 = u64::MAX;

impl LossDial {
    /// A dial that is not set: these losses are in force.
    pub fn new(initial: impl Into<Losses>) -> LossDial {
        LossDial { initial: Arc::new(initial.into()), set: Arc::new(AtomicU64::new(UNSET)) }
    }

    /// From now on, so much is lost, in both directions and on all links.
    pub fn set(&self, loss: Loss) {
        self.set.store(loss.0.to_bits(), Ordering::Relaxed);
    }

    /// The highest loss that is in force now, of any direction or link.
    pub fn highest(&self) -> Loss {
        self.replaced().unwrap_or_else(|| self.initial.highest())
    }

    /// What replaces the losses of the start, if anything does.
    fn replaced(&self) -> Option<Loss> {
        let bits = self.set.load(Ordering::Relaxed);
        (bits != UNSET).then(|| Loss(f64::from_bits(bits)))
    }

    fn sending(&self, to: SocketAddr) -> Loss {
        let Losses { sending, to: links, .. } = &*self.initial;
        self.replaced().or_else(|| links.get(&to).copied()).unwrap_or(*sending)
    }

    fn receiving(&self, from: SocketAddr) -> Loss {
        let Losses { receiving, from: links, .. } = &*self.initial;
        self.replaced().or_else(|| links.get(&from).copied()).unwrap_or(*receiving)
    }
}

/// A network that loses datagrams.
#[derive(Debug)]
pub struct LossyNetwork<N> {
    inner: N,
    losses: LossDial,
    rng: StdRng,
}

impl<N> LossyNetwork<N> {
    /// Drops what `inner` receives and what it is given to send, each with these probabilities.
    pub fn new(inner: N, losses: impl Into<Losses>, seed: u64) -> LossyNetwork<N> {
        LossyNetwork::dialled(inner, LossDial::new(losses), seed)
    }

    /// The same, with probabilities that may change.
    pub fn dialled(inner: N, losses: LossDial, seed: u64) -> LossyNetwork<N> {
        LossyNetwork { inner, losses, rng: StdRng::seed_from_u64(seed) }
    }
}

fn drops(rng: &mut StdRng, Loss(probability): Loss) -> bool {
    probability > 0.0 && rng.random_bool(probability)
}

impl<N: Network> Network for LossyNetwork<N> {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.wait(timeout)
    }

    fn receive(&mut self, arrivals: &mut Arrivals) -> io::Result<bool> {
        let more = self.inner.receive(arrivals)?;
        arrivals.retain(|from| !drops(&mut self.rng, self.losses.receiving(from)));
        Ok(more)
    }

    fn send(&mut self, departures: &mut Departures) -> u64 {
        departures.retain(|to| !drops(&mut self.rng, self.losses.sending(to)));
        self.inner.send(departures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Receives a fixed number of datagrams, and counts those sent.
    struct Counting {
        waiting: u32,
        sent: usize,
    }

    impl Network for Counting {
        fn wait(&mut self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }

        fn receive(&mut self, arrivals: &mut Arrivals) -> io::Result<bool> {
            arrivals.clear();
            while self.waiting > 0 && arrivals.push(address(), b"") {
                self.waiting -= 1;
            }
            Ok(self.waiting > 0)
        }

        fn send(&mut self, departures: &mut Departures) -> u64 {
            self.sent += departures.len();
            0
        }
    }

    fn address() -> SocketAddr {
        ([127, 0, 0, 1], 1).into()
    }

    fn passed(loss: f64) -> (usize, usize) {
        passed_with(Loss::new(loss).unwrap())
    }

    fn passed_with(losses: impl Into<Losses>) -> (usize, usize) {
        let inner = Counting { waiting: 10_000, sent: 0 };
        let mut lossy = LossyNetwork::new(inner, losses, 7);
        let mut departures = Departures::default();
        for _ in 0..10_000 {
            let written: Result<(), ()> = departures.append(address(), |_| Ok(()));
            written.unwrap();
        }
        assert_eq!(lossy.send(&mut departures), 0);
        let (mut received, mut arrivals) = (0, Arrivals::new());
        while lossy.receive(&mut arrivals).unwrap() {
            received += arrivals.len();
        }
        (received + arrivals.len(), lossy.inner.sent)
    }

    #[test]
    fn loss_applies_to_both_directions() {
        assert_eq!(passed(0.0), (10_000, 10_000));
        assert_eq!(passed(1.0), (0, 0));
        let (received, sent) = passed(0.2);
        assert!((7_700..8_300).contains(&received) && (7_700..8_300).contains(&sent));
        assert_eq!(passed(0.2), (received, sent), "the same seed loses the same datagrams");
    }

    #[test]
    fn a_direction_and_a_link_have_losses_of_their_own() {
        const ALL: Loss = Loss(1.0);
        let (here, elsewhere) = (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
        let none = Losses::default();
        assert_eq!(passed_with(Losses { sending: ALL, ..none.clone() }), (10_000, 0));
        assert_eq!(passed_with(Losses { receiving: ALL, ..none.clone() }), (0, 10_000));
        let to = |peer| Losses { to: [(peer, ALL)].into(), ..none.clone() };
        assert_eq!(passed_with(to(here)), (10_000, 0));
        assert_eq!(passed_with(to(elsewhere)), (10_000, 10_000));
        let spared = [(here, Loss::NONE)];
        let others = Losses { from: spared.into(), to: spared.into(), ..ALL.into() };
        assert_eq!(passed_with(others), (10_000, 10_000), "a link takes the place of the rest");
    }

    #[test]
    fn a_dial_that_is_set_takes_the_place_of_all_losses_and_may_be_set_again() {
        let links: BTreeMap<_, _> = [(address(), Loss(1.0))].into();
        let dial = LossDial::new(Losses { to: links.clone(), from: links, ..Loss(0.5).into() });
        assert_eq!(dial.highest(), Loss(1.0));
        let inner = Counting { waiting: 0, sent: 0 };
        let mut lossy = LossyNetwork::dialled(inner, dial.clone(), 7);
        let (mut arrivals, mut received) = (Arrivals::new(), 0);
        for (set, passed) in [(None, 0), (Some(0.0), 1), (Some(1.0), 1), (Some(0.0), 2)] {
            if let Some(loss) = set {
                dial.set(Loss(loss));
                assert_eq!(dial.highest(), Loss(loss));
            }
            let mut departures = Departures::default();
            let written: Result<(), ()> = departures.append(address(), |_| Ok(()));
            written.unwrap();
            lossy.send(&mut departures);
            lossy.inner.waiting = 1;
            lossy.receive(&mut arrivals).unwrap();
            received += arrivals.len();
            assert_eq!((lossy.inner.sent, received), (passed, passed), "{set:?}");
        }
    }

    #[test]
    fn only_probabilities_are_losses() {
        for wrong in ["1.5", "-0.1", "NaN", "inf", "many", ""] {
            assert!(wrong.parse::<Loss>().is_err(), "{wrong}");
        }
        assert_eq!("0.05".parse(), Ok(Loss(0.05)));
    }
}
