//! What clients are given to say, and when: messages are released in phases, so that faults fall
//! among writes.
//!
//! **Invariant**: what is said follows from the seed, and no two messages of a run are equal.

use super::process::ClientProcess;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// How many messages each client may be fed.
#[derive(Clone)]
pub(super) struct Feed(Arc<(Mutex<u64>, Condvar)>);

impl Feed {
    /// Feeds each client from a thread of its own, as far as messages are released.
    pub(super) fn start(clients: &mut [ClientProcess], messages: u64, seed: u64) -> Feed {
        let feed = Feed(Arc::new((Mutex::new(0), Condvar::new())));
        for (client, index) in clients.iter_mut().zip(0..) {
            let Some(mut input) = client.take_input() else { continue };
            let (feed, name) = (feed.clone(), client.name.clone());
            let mut rng = StdRng::seed_from_u64(seed.wrapping_add(index));
            std::thread::spawn(move || {
                for number in 1..=messages {
                    let text = sentence(&name, number, &mut rng);
                    // A client that has ended takes nothing more; its record tells.
                    feed.wait_for(number);
                    if input.write_all(text.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
        feed
    }

    /// Lets each client have this many messages in all.
    pub(super) fn release(&self, count: u64) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = count;
        self.0.1.notify_all();
    }

    /// Waits until so many are released.
    fn wait_for(&self, number: u64) {
        let mut released = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *released < number {
            released = self.0.1.wait(released).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A message that is told from all others, with characters of one to four bytes.
fn sentence(name: &str, number: u64, rng: &mut StdRng) -> String {
    const WORDS: [&str; 8] = ["slot", "größer", "ballot", "投票", "🙂", "quorum", "\\t", "\"log\""];
    let words: Vec<&str> =
        (0..rng.random_range(1..6)).map(|_| WORDS[rng.random_range(0..WORDS.len())]).collect();
    format!("{name} #{number}: {}\n", words.join(" "))
}
