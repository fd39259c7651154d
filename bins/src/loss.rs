//! Loss injection: drops datagrams on their way in and out.
//!
//! **Invariant**: every path is subject to it, in both directions, because it wraps the only
//! network that a driver has.

use crate::network::Network;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fmt::{self, Display, Formatter};
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
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

/// A network that loses datagrams.
#[derive(Debug)]
pub struct LossyNetwork<N> {
    inner: N,
    loss: Loss,
    rng: StdRng,
}

impl<N> LossyNetwork<N> {
    /// Drops what `inner` receives and what it is given to send, each with this probability.
    pub fn new(inner: N, loss: Loss, seed: u64) -> LossyNetwork<N> {
        LossyNetwork { inner, loss, rng: StdRng::seed_from_u64(seed) }
    }

    fn drops(&mut self) -> bool {
        self.loss.0 > 0.0 && self.rng.random_bool(self.loss.0)
    }
}

impl<N: Network> Network for LossyNetwork<N> {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.wait(timeout)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        while let Some(received) = self.inner.receive(buffer)? {
            if !self.drops() {
                return Ok(Some(received));
            }
        }
        Ok(None)
    }

    fn send(&mut self, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        if self.drops() { Ok(()) } else { self.inner.send(to, datagram) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Receives a fixed number of datagrams, and counts those sent.
    struct Counting {
        waiting: u32,
        sent: u32,
    }

    impl Network for Counting {
        fn wait(&mut self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }

        fn receive(&mut self, _: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
            let from: SocketAddr = ([127, 0, 0, 1], 1).into();
            self.waiting = self.waiting.saturating_sub(1);
            Ok((self.waiting > 0).then_some((0, from)))
        }

        fn send(&mut self, _: SocketAddr, _: &[u8]) -> io::Result<()> {
            self.sent += 1;
            Ok(())
        }
    }

    fn passed(loss: f64) -> (u32, u32) {
        let inner = Counting { waiting: 10_001, sent: 0 };
        let mut lossy = LossyNetwork::new(inner, Loss::new(loss).unwrap(), 7);
        for _ in 0..10_000 {
            lossy.send(([127, 0, 0, 1], 1).into(), b"").unwrap();
        }
        let mut received = 0;
        while lossy.receive(&mut []).unwrap().is_some() {
            received += 1;
        }
        (received, lossy.inner.sent)
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
    fn only_probabilities_are_losses() {
        for wrong in ["1.5", "-0.1", "NaN", "inf", "many", ""] {
            assert!(wrong.parse::<Loss>().is_err(), "{wrong}");
        }
        assert_eq!("0.05".parse(), Ok(Loss(0.05)));
    }
}
