//! Parameters of the protocol: sizes, limits and time-outs.
//!
//! **Invariant**: no parameter can make the protocol unsafe; they trade memory, latency and
//! liveness. Models use the same parameters with smaller numbers, and print them.

use crate::types::Slot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

/// The longest body of a command, in bytes.
pub const BODY_BYTES_MAX: usize = 16 * 1024;
/// The longest user name, in bytes.
pub const USER_BYTES_MAX: usize = 64;

/// Parameters of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuning {
    /// Slots in flight at once.
    pub window_slots: usize,
    /// Slots in flight below which whatever waits is proposed at once. From there on only full values
    /// are, and what does not fill one waits until a slot in flight is decided: so an idle leader adds
    /// no delay, and a busy one puts many commands into each value (Nagle's rule, RFC 896). At least 1.
    pub eager_slots: usize,
    /// Commands that wait for a slot before clients are told that the leader is busy.
    pub queue_commands_max: usize,
    /// Their bytes, which long messages reach first.
    pub queue_bytes_max: usize,
    /// Commands that came before an earlier one of their session and are kept until that comes.
    pub held_commands_max: usize,
    /// Current reads that a leader has open at once, shared by the users who ask: up to twice as many while the shares
    /// shrink, and one of each user. Whoever asks for more asks again.
    pub reads_max: usize,
    /// Commands in one value.
    pub batch_commands_max: usize,
    /// Bytes of one value; one command may exceed it alone.
    pub batch_bytes_max: usize,
    /// Votes or entries in one chunk.
    pub chunk_entries_max: usize,
    /// Bytes of votes or entries in one chunk; the first may exceed it alone.
    pub chunk_bytes_max: usize,
    /// Sessions in the session table before one is evicted: of a user with the most, the one longest
    /// unused.
    pub sessions_max: usize,
    /// A snapshot is taken, and votes below it are dropped, every so many slots; 0 is never.
    pub snapshot_slots: u64,
    /// Applied values below the compacted bound that are kept in memory, so that whoever lags a
    /// little is answered without the disk; counted in slots.
    pub recent_slots: u64,
    /// How far above what it has applied a replica votes: it keeps such votes until the gap below
    /// them is closed. Above the window and what a stuck leader adds to it, so that only a replica
    /// that catches up ever gets there.
    pub votes_ahead_max: u64,
    /// How many slots above its window a leader goes when a slot below is stuck: enough for its followers
    /// to notice, and a bound on what the next leader must propose again.
    pub stuck_slots_max: u64,
    /// Bytes of values in flight at once, while a link loses nothing; one value may exceed it alone.
    pub flight_bytes_max: usize,
    /// Who is no leader passes requests on to one, and answers them once it has applied them; and whoever
    /// lags is helped on when it asks for support.
    pub relay: bool,
    /// How often a time-out may double, for as long as it proves too short. With 0, time-outs are as
    /// short as they are, and whoever does not answer is asked again at each of them, and nobody else.
    pub doublings_max: u8,
    /// How long a leader or candidate waits at most before it sends an unanswered proposal or question again,
    /// in times of its `Resend` timer.
    pub resend_ticks_max: u64,
    /// A replica that follows halves its election time-out again for so many slots applied.
    pub calm_slots: u64,
    /// Ask for support before using a ballot, so that a replica back from a partition or a
    /// restart does not depose a healthy leader.
    pub pre_vote: bool,
    /// Slots that this replica jumps over when it leads: an injected fault.
    pub skip_slots: BTreeSet<Slot>,
    /// The shortest time without a sign of life before a replica suspects the leader; the
    /// longest is twice that.
    pub election_timeout: Duration,
    /// Time between two heartbeats.
    pub heartbeat_interval: Duration,
    /// Time before an unanswered message between replicas is sent again.
    pub resend_interval: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            window_slots: 64,
            eager_slots: 1,
            queue_commands_max: 4096,
            queue_bytes_max: 4 * 1024 * 1024,
            held_commands_max: 4096,
            reads_max: 4096,
            batch_commands_max: 256,
            batch_bytes_max: 32 * 1024,
            chunk_entries_max: 256,
            chunk_bytes_max: 32 * 1024,
            sessions_max: 4096,
            snapshot_slots: 512,
            recent_slots: 256,
            votes_ahead_max: 1024,
            stuck_slots_max: 64,
            flight_bytes_max: 4 * 1024 * 1024,
            relay: true,
            doublings_max: 4,
            resend_ticks_max: 64,
            calm_slots: 64,
            pre_vote: true,
            skip_slots: BTreeSet::new(),
            election_timeout: Duration::from_millis(500),
            heartbeat_interval: Duration::from_millis(50),
            resend_interval: Duration::from_millis(40),
        }
    }
}

impl Tuning {
    /// All time-outs in proportion to this election time-out.
    #[must_use]
    pub fn with_election_timeout(mut self, timeout: Duration) -> Self {
        self.election_timeout = timeout;
        self.heartbeat_interval = timeout / 10;
        self.resend_interval = timeout / 12;
        self
    }

    /// Do time-outs adapt to what they wait for?
    pub fn adapts(&self) -> bool {
        self.doublings_max > 0
    }

    /// The range of a randomised election time-out that has doubled so often.
    pub fn election_delay(&self, doublings: u8) -> Range<Duration> {
        let timeout = self.election_timeout * (1 << doublings);
        timeout..timeout * 2
    }

    /// The range of the delay between two heartbeats.
    pub fn heartbeat_delay(&self) -> Range<Duration> {
        self.heartbeat_interval..self.heartbeat_interval * 5 / 4
    }

    /// The range of the delay before an unanswered message is sent again.
    pub fn resend_delay(&self) -> Range<Duration> {
        self.resend_interval..self.resend_interval * 3 / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Body, Command, Operation, Seq, SessionId, Timestamp, User, Value};

    #[test]
    fn a_leader_s_heartbeats_fit_many_times_into_an_election_time_out() {
        for millis in [20, 500, 10_000] {
            let timeout = Duration::from_millis(millis);
            let tuning = Tuning::default().with_election_timeout(timeout);
            assert_eq!(tuning.election_delay(0), timeout..timeout * 2);
            assert_eq!(tuning.election_delay(2), timeout * 4..timeout * 8);
            assert!(tuning.heartbeat_delay().end * 5 < timeout, "{tuning:?}");
            assert!(tuning.resend_delay().end * 5 < timeout, "{tuning:?}");
        }
    }

    #[test]
    fn all_time_outs_are_in_proportion() {
        let tuning = Tuning::default();
        assert_eq!(tuning.clone().with_election_timeout(tuning.election_timeout), {
            let resend_interval = tuning.election_timeout / 12;
            Tuning { resend_interval, ..tuning }
        });
    }

    #[test]
    fn every_delay_is_drawn_from_a_range() {
        let tuning = Tuning::default().with_election_timeout(Duration::from_millis(1));
        for delay in [tuning.election_delay(0), tuning.heartbeat_delay(), tuning.resend_delay()] {
            assert!(delay.start < delay.end, "{delay:?}");
        }
    }

    #[test]
    fn the_longest_message_fits_a_batch_and_a_chunk() {
        let command = Command {
            stamp: Timestamp(u64::MAX),
            user: User::new(&"u".repeat(USER_BYTES_MAX)),
            operation: Operation::InSession {
                session: SessionId { slot: Slot(0), index: 0 },
                seq: Seq(1),
                acked_below: Seq(1),
                body: Body::write("t".repeat(BODY_BYTES_MAX)),
            },
        };
        let tuning = Tuning::default();
        assert!(command.size_bytes() <= tuning.batch_bytes_max);
        assert!(Value::batch([command]).size_bytes() <= tuning.chunk_bytes_max);
    }
}
