//! Kills replicas with SIGKILL and starts them again, at random moments, while clients write.
//!
//! **Invariants**
//! - *Kills fall among writes*: each round releases its share of the messages right before.
//! - *Everything random follows from the seed*; what a moment hits, the machine decides.
//! - *Bounded*: so many rounds, each with a limit; messages are released in as many shares.

use super::error::RunError;
use super::fault::KillLoop;
use super::feed::{Feed, Share};
use super::process::Programs;
use super::stage::{Mishap, Stage};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::{Duration, Instant};

/// The longest time between the release of messages and a kill.
const BEFORE_KILL_MAX: Duration = Duration::from_millis(200);
/// The longest time that a killed replica is down.
const DOWN_MAX: Duration = Duration::from_millis(800);

impl Stage<'_> {
    /// Kills and restarts, round after round, until all messages are released.
    pub(super) fn kill_and_restart(&mut self, whom: KillLoop, feed: &Feed) -> Mishap {
        let programs = Programs::find()?;
        let mut rng = StdRng::seed_from_u64(self.options.seed);
        let rounds = self.options.kill_rounds;
        for round in 0..rounds {
            feed.release(Share::new(round + 1, rounds + 1));
            self.pause_for(rng.random_range(Duration::ZERO..BEFORE_KILL_MAX))?;
            let victims = self.victims(whom, &mut rng);
            for &index in &victims {
                self.cluster.replicas[index].kill()?;
            }
            self.pause_for(rng.random_range(Duration::ZERO..DOWN_MAX))?;
            for &index in &victims {
                self.cluster.restart(&programs, self.options, index)?;
            }
            let ids: Vec<u8> = victims.iter().map(|v| self.cluster.replicas[*v].id).collect();
            self.progress.note(&format!("killed and restarted {ids:?}"));
            // The share before last must be through, so that no client runs out of patience.
            let due = Share::new(round, rounds + 1);
            if let Some(fault) = self.wait_for_acknowledgements(due)? {
                return Ok(Some(fault));
            }
        }
        Ok(None)
    }

    fn victims(&mut self, whom: KillLoop, rng: &mut StdRng) -> Vec<usize> {
        let count = self.cluster.replicas.len();
        match whom {
            KillLoop::One(id) => vec![usize::from(id)],
            KillLoop::All => match rng.random_range(0..4) {
                0 => (0..count).collect(),
                1 => {
                    let any = rng.random_range(0..count);
                    vec![self.cluster.primary().map_or(any, |(primary, _)| primary)]
                }
                _ => vec![rng.random_range(0..count)],
            },
        }
    }

    fn pause_for(&self, time: Duration) -> Result<(), RunError> {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            self.pause()?;
        }
        Ok(())
    }
}
