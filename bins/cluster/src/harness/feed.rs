//! When clients are given what they say: messages are released in shares, so that faults fall among
//! writes.

use super::client::ClientProcess;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A share of what each client says: so many of so many equal parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    parts: u64,
    of: u64,
}

impl Share {
    pub(super) const NONE: Share = Share { parts: 0, of: 1 };
    pub(super) const ALL: Share = Share { parts: 1, of: 1 };

    /// `parts` of `of` parts.
    pub(super) fn new(parts: u64, of: u64) -> Share {
        Share { parts, of: of.max(1) }
    }

    /// How many of these messages that is.
    pub(super) fn of(self, messages: u64) -> u64 {
        (u128::from(messages) * u128::from(self.parts) / u128::from(self.of)) as u64
    }
}

/// How much each client may be fed.
#[derive(Clone)]
pub(super) struct Feed(Arc<(Mutex<Share>, Condvar)>);

impl Feed {
    /// Feeds each client from a thread of its own, as far as messages are released. With a pace, it
    /// waits a random time before each message.
    pub(super) fn start(
        clients: &mut [ClientProcess],
        pace: Option<&Range<Duration>>,
        seed: u64,
    ) -> Feed {
        let feed = Feed(Arc::new((Mutex::new(Share::NONE), Condvar::new())));
        for (client, index) in clients.iter_mut().zip(0..) {
            let Some(mut input) = client.take_input() else { continue };
            let (feed, name, script) = (feed.clone(), client.name.clone(), client.script.clone());
            let (mut rng, pace) = (StdRng::seed_from_u64(seed.wrapping_add(index)), pace.cloned());
            std::thread::spawn(move || {
                let total = script.messages();
                for number in 1..=total {
                    let text = script.text(&name, number, &mut rng) + "\n";
                    feed.wait_for(number, total);
                    if let Some(pace) = &pace {
                        std::thread::sleep(rng.random_range(pace.clone()));
                    }
                    // A client that has ended takes nothing more; its record tells.
                    if input.write_all(text.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
        feed
    }

    /// Lets each client have this share in all.
    pub(super) fn release(&self, share: Share) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = share;
        self.0.1.notify_all();
    }

    /// Waits until so many of so many are released.
    fn wait_for(&self, number: u64, total: u64) {
        let mut released = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while released.of(total) < number {
            released = self.0.1.wait(released).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_down_and_all_is_all() {
        assert_eq!(Share::ALL.of(7), 7);
        assert_eq!(Share::NONE.of(7), 0);
        assert_eq!([1, 2, 3].map(|parts| Share::new(parts, 3).of(7)), [2, 4, 7]);
        assert_eq!(Share::new(1, 2).of(u64::MAX), u64::MAX / 2);
    }
}
