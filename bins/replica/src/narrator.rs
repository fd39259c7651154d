//! What is logged of a replica's life: it compares each turn with the one before, and says what has
//! changed. It runs at the end of each turn, so where nothing has changed it only compares.
//!
//! **Invariants**
//! - *An attacker can't fill a disk*: of datagrams that were dropped, of catching up, and of what cannot be read, there is at
//!   most one line in [`PAUSE`] each, with how many there were; and so it is of what depends on what others read.
//! - *Nothing of a message, and no key, is in a line.*

use crate::status::{Role, Status};
use actor_runtime::driver::Oddity;
use paxos_chat_packets::formats::FORMATS;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The shortest time between two lines about the same thing.
pub const PAUSE: Duration = Duration::from_secs(10);

/// Says what changes from turn to turn.
#[derive(Debug, Default)]
pub struct Narrator {
    /// At the end of the turn before.
    before: Option<Office>,
    forged: Throttle,
    malformed: Throttle,
    refused: Throttle,
    replayed: Throttle,
    fetched: Throttle,
    unread: Throttle,
    sealed: Tally,
    strange: Tally,
    versions: Tally,
    /// Of what is not read, and of what is written.
    formats: Tally,
    written: Tally,
    moved: Tally,
    /// Where replicas were heard that are not at their address.
    addresses: BTreeMap<u8, SocketAddr>,
}

/// What a replica does about leadership in which ballot: that one's round, and whose it is.
type Office = (Role, u32, Option<u8>);

/// A count that is told now and then.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    told: u64,
    at: Option<Instant>,
}

impl Throttle {
    /// By how much the count has risen, if that is to be told now.
    pub(crate) fn rise(&mut self, count: u64, now: Instant) -> Option<u64> {
        if count <= self.told {
            return None;
        }
        if self.at.is_some_and(|at| now.saturating_duration_since(at) < PAUSE) {
            return None;
        }
        let rise = count - self.told;
        (self.told, self.at) = (count, Some(now));
        Some(rise)
    }
}

/// What is counted here, and told now and then.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    told: Throttle,
}

impl Tally {
    /// One more; how many there were since this was told last, if it is to be told now.
    fn next(&mut self, at: Instant) -> Option<u64> {
        self.count += 1;
        self.told.rise(self.count, at)
    }
}

impl Narrator {
    /// Compares a turn with the one before.
    pub fn turn(&mut self, now: &Status, at: Instant) {
        let counters = &now.counters;
        if let Some(count) = self.forged.rise(counters.forged, at) {
            tracing::warn!(count, "dropped datagrams with an unknown seal");
        }
        if let Some(count) = self.malformed.rise(counters.malformed, at) {
            tracing::warn!(count, "dropped datagrams of another cluster, version or format");
        }
        if let Some(count) = self.refused.rise(counters.refused, at) {
            tracing::warn!(count, "refused messages that their senders may not send");
        }
        if let Some(count) = self.replayed.rise(counters.replayed, at) {
            tracing::info!(count, "dropped datagrams that were taken before");
        }
        if let Some(entries) = self.fetched.rise(now.fetched, at) {
            let applied_upto = now.applied_upto;
            tracing::info!(entries, applied_upto, "catches up with others");
        }
        let office = (now.role, now.round, now.leader);
        if let Some(before) = self.before.replace(office).filter(|before| *before != office) {
            Narrator::leadership(before, now);
        }
    }

    /// So many chunks of the log could not be read for others so far, the last one for this reason.
    pub fn unread(&mut self, count: u64, error: &io::Error) {
        if let Some(count) = self.unread.rise(count, Instant::now()) {
            tracing::error!(count, %error, "did not answer: the chat log cannot be read");
        }
    }

    /// This is odd about a datagram of a replica. Whoever sends datagrams in its name can bring it about, so each kind is
    /// told as seldom as the rest, whichever replica it is of.
    pub fn oddity(&mut self, replica: u8, oddity: Oddity, at: Instant) {
        if let Oddity::Address(address) = oddity {
            // Behind a translation of addresses this is as it must be.
            if self.addresses.insert(replica, address) != Some(address)
                && self.moved.next(at).is_some()
            {
                tracing::info!("replica {replica} is heard from {address}, not from its address");
            }
            return;
        }
        let kind = match oddity {
            Oddity::Seal => &mut self.sealed,
            Oddity::Cluster => &mut self.strange,
            Oddity::Format(_) => &mut self.formats,
            Oddity::Version(_) | Oddity::Address(_) => &mut self.versions,
        };
        let Some(count) = kind.next(at) else { return };
        let whose = format!("from the address of replica {replica}, or from others lately");
        match oddity {
            Oddity::Seal => tracing::warn!(
                count,
                "dropped datagrams {whose}: if the replica has sent them, it has another secret"
            ),
            Oddity::Cluster => tracing::warn!(
                count,
                "dropped datagrams {whose}: of another cluster, which the replica is of, too, if its configuration \
                 has other addresses, or another name, than the one here"
            ),
            Oddity::Version(version) => tracing::warn!(
                count,
                version,
                "dropped datagrams {whose}: if the replica has sent them, its program is of another version"
            ),
            Oddity::Format(format) => tracing::warn!(
                count,
                format,
                "replica {replica} wrote in a format that is not read here, and was told what is: its program is of another \
                 release"
            ),
            Oddity::Address(_) => {}
        }
    }

    /// Each replica is written to in this format from now on.
    pub fn formats(&mut self, spoken: &[u8], at: Instant) {
        if spoken.iter().any(|format| format != &FORMATS.oldest())
            && self.written.next(at).is_some()
        {
            tracing::info!("replicas are written to in formats {spoken:?}");
        }
    }

    fn leadership((role_before, round_before, leader_before): Office, now: &Status) {
        let ballot = &now.ballot;
        match (role_before, now.role) {
            (Role::Leading, Role::Leading) => {}
            (_, Role::Leading) => {
                let applied_upto = now.applied_upto;
                tracing::info!(ballot, applied_upto, "leads");
            }
            (Role::Leading, _) => tracing::info!(ballot, "leads no more"),
            _ => {}
        }
        let promises = (now.round, now.leader) != (round_before, leader_before);
        if promises && now.role != Role::Leading {
            let leader = now.leader;
            tracing::info!(ballot, leader, "has promised a ballot");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_told_at_once_and_then_now_and_then() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.rise(0, start), None);
        assert_eq!(throttle.rise(3, start), Some(3));
        assert_eq!(throttle.rise(9, start + PAUSE / 2), None);
        assert_eq!(throttle.rise(9, start + PAUSE), Some(6));
        assert_eq!(throttle.rise(9, start + 3 * PAUSE), None);
    }
}
