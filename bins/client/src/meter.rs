//! What a client can measure of its cluster: round trips, loss, and what is on its way.
//!
//! **Invariants**
//! - *Nothing is changed*: a metered host admits and releases what its host does.
//! - *A round trip is of one question*: what was asked again before it was answered is not taken
//!   for a sample, because nobody knows which of the questions was answered (Karn and Partridge,
//!   1987).

use actor_runtime::driver::{Host, Sender};
use paxos_chat::message::{Acknowledged, Message, Plausible, ToClient, ToReplica};
use paxos_chat::types::{Ballot, Operation, Seq};
use paxos_chat_packets::{Leadership, Packet};
use stateright::actor::Actor;
use stateright::actor::Id;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Questions of the reader over which loss is counted.
const ASKED_MAX: usize = 100;
/// A question is lost when it is not answered for so long.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Of whom nothing was heard for so long, nothing is said as if it were so now.
pub const FRESH: Duration = Duration::from_secs(2);

/// What was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// From the latest request of the log to its answer.
    pub read_rtt: Option<Duration>,
    /// From the latest message that was sent once to its acknowledgement, a majority's disks
    /// included.
    pub commit_rtt: Option<Duration>,
    /// Of the last `ASKED_MAX` requests of the log, those without an answer; there and back.
    pub loss: Option<f64>,
    /// Messages sent again.
    pub retries: u64,
    /// All messages up to this one were sent at least once.
    pub sent_upto: Seq,
    /// Since anything was heard from a replica.
    pub silence: Option<Duration>,
    /// The highest ballot that a replica has told, which names who leads or stands.
    pub ballot: Option<Ballot>,
    /// The ballot of the leader that was heard last, as a replica has told, and how long ago that was.
    pub led: Option<(Ballot, Duration)>,
}

#[derive(Debug, Default)]
struct Counts {
    /// When the reader asked, and whether it was answered.
    asked: VecDeque<(Instant, bool)>,
    read_rtt: Option<Duration>,
    commit_rtt: Option<Duration>,
    /// When each unacknowledged message was sent, if it was sent once.
    sent: BTreeMap<Seq, Option<Instant>>,
    sent_upto: Seq,
    retries: u64,
    heard: Option<Instant>,
    ballot: Option<Ballot>,
    led: Option<(Ballot, Instant)>,
}

/// Counts of one client and its reader.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<Counts>>);

impl Meter {
    /// A host whose traffic is counted here.
    pub fn over<H>(&self, host: H) -> Metered<H> {
        Metered { host, meter: self.clone() }
    }

    /// What was measured so far.
    pub fn measured(&self) -> Measured {
        let counts = self.lock();
        let overdue = |(at, answered): &&(Instant, bool)| *answered || at.elapsed() > ANSWER_WITHIN;
        let judged: Vec<_> = counts.asked.iter().filter(overdue).collect();
        let lost = judged.iter().filter(|(_, answered)| !answered).count();
        Measured {
            read_rtt: counts.read_rtt,
            commit_rtt: counts.commit_rtt,
            loss: (!judged.is_empty()).then(|| lost as f64 / judged.len() as f64),
            retries: counts.retries,
            sent_upto: counts.sent_upto,
            silence: counts.heard.map(|heard| heard.elapsed()),
            ballot: counts.ballot,
            led: counts.led.map(|(ballot, at)| (ballot, at.elapsed())),
        }
    }

    /// Forgets a session that is over; the next one counts its messages from 1 again.
    pub fn restart(&self) {
        let mut counts = self.lock();
        counts.sent.clear();
        counts.sent_upto = Seq(0);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Counts are changed by steps that cannot panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn on_sent(&self, packet: &Packet) {
        let now = Instant::now();
        let mut counts = self.lock();
        match packet {
            Packet::ToReplica(ToReplica::Tail(_)) => {
                counts.asked.push_back((now, false));
                if counts.asked.len() > ASKED_MAX {
                    counts.asked.pop_front();
                }
            }
            Packet::ToReplica(ToReplica::Request(command)) => {
                let Operation::InSession { seq, .. } = command.operation else { return };
                if seq > counts.sent_upto {
                    counts.sent_upto = seq;
                    counts.sent.insert(seq, Some(now));
                } else {
                    counts.retries += 1;
                    counts.sent.insert(seq, None);
                }
            }
            _ => {}
        }
    }

    fn on_received(&self, message: &Message) {
        let now = Instant::now();
        let mut counts = self.lock();
        counts.heard = Some(now);
        match message {
            Message::ToClient(ToClient::Entries(_)) => {
                // Answers come in any order and do not name their questions: each is counted for
                // the latest, which the delay between questions makes right on all but slow paths.
                if let Some((asked, answered)) = counts.asked.iter_mut().rev().find(|(_, a)| !a) {
                    *answered = true;
                    let rtt = now.duration_since(*asked);
                    counts.read_rtt = Some(rtt);
                }
            }
            Message::ToClient(ToClient::Acknowledged(Acknowledged { seq, .. })) => {
                if let Some(Some(sent)) = counts.sent.remove(seq) {
                    counts.commit_rtt = Some(now.duration_since(sent));
                }
            }
            _ => {}
        }
    }

    /// A replica has told this. Of two leaders that are heard, the later one leads; whoever only stands, in however high
    /// a ballot, does not.
    fn on_leadership(&self, Leadership { promised, is_led }: Leadership) {
        let now = Instant::now();
        let mut counts = self.lock();
        counts.heard = Some(now);
        counts.ballot = counts.ballot.max(Some(promised));
        let is_earlier = |(ballot, at): (Ballot, Instant)| {
            promised < ballot && now.saturating_duration_since(at) < FRESH
        };
        if is_led && !counts.led.is_some_and(is_earlier) {
            counts.led = Some((promised, now));
        }
    }
}

/// A host whose traffic is counted.
#[derive(Debug)]
pub struct Metered<H> {
    host: H,
    meter: Meter,
}

impl<A: Actor<Msg = Message>, H: Host<A, Packet = Packet>> Host<A> for Metered<H> {
    type Packet = Packet;

    fn admit(&mut self, from: Sender, packet: Packet, now: Duration) -> Option<Message> {
        // It is told beside what the actor has asked for, and only measured.
        if let Packet::Leadership(leadership) = packet
            && from == Sender::Replica
            && packet.is_plausible()
        {
            self.meter.on_leadership(leadership);
            return None;
        }
        let message = self.host.admit(from, packet, now)?;
        self.meter.on_received(&message);
        Some(message)
    }

    fn release(&mut self, message: Message) -> Option<Packet> {
        let packet = self.host.release(message)?;
        self.meter.on_sent(&packet);
        Some(packet)
    }

    fn on_local(&mut self, message: Message) -> io::Result<()> {
        self.host.on_local(message)
    }

    fn on_turn_end(&mut self) -> io::Result<Vec<(Id, Message)>> {
        self.host.on_turn_end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxos_chat::message::{Page, Tail};
    use paxos_chat::types::Timestamp;
    use paxos_chat::types::{Body, Command, ReplicaId, SessionId, Slot, User};

    const SESSION: SessionId = SessionId { slot: Slot(0), index: 0 };

    fn request(seq: u64) -> Packet {
        let operation = Operation::InSession {
            session: SESSION,
            seq: Seq(seq),
            acked_below: Seq(1),
            body: Body::write("hi"),
        };
        Packet::ToReplica(ToReplica::Request(Command {
            stamp: Timestamp(0),
            user: User::new("ann"),
            operation,
        }))
    }

    #[test]
    fn messages_are_sent_once_or_again() {
        let meter = Meter::default();
        meter.on_sent(&request(1));
        meter.on_sent(&request(2));
        meter.on_sent(&request(1));
        let measured = meter.measured();
        assert_eq!((measured.sent_upto, measured.retries), (Seq(2), 1));
        meter.on_received(&Message::ToClient(ToClient::Acknowledged(Acknowledged {
            session: SESSION,
            seq: Seq(1),
            slot: Slot(1),
        })));
        assert_eq!(meter.measured().commit_rtt, None, "it was sent twice");
        meter.on_received(&Message::ToClient(ToClient::Acknowledged(Acknowledged {
            session: SESSION,
            seq: Seq(2),
            slot: Slot(2),
        })));
        assert!(meter.measured().commit_rtt.is_some());
    }

    #[test]
    fn the_highest_ballot_told_is_known_and_whether_its_leader_was_heard() {
        let meter = Meter::default();
        assert_eq!(meter.measured().ballot, None);
        let of = |round| Ballot { round, replica: ReplicaId(1) };
        let tell = |round, is_led| {
            meter.on_leadership(Leadership { promised: of(round), is_led });
            meter.measured()
        };
        let led = |told: Measured| told.led.map(|(ballot, _)| ballot.round);
        assert_eq!(led(tell(2, true)), Some(2));
        let stands = tell(3, false);
        assert_eq!((stands.ballot, led(stands)), (Some(of(3)), Some(2)), "nobody has heard it");
        assert_eq!(led(tell(2, true)), Some(2), "the old one is heard all the same");
        assert_eq!(led(tell(3, true)), Some(3));
        assert_eq!(led(tell(2, true)), Some(3), "who was late to hear of it");
    }

    #[test]
    fn an_answered_question_is_not_lost() {
        let meter = Meter::default();
        meter.on_sent(&Packet::ToReplica(ToReplica::Tail(Tail { from: Some(Slot(0)) })));
        assert_eq!(meter.measured().loss, None, "it may still be answered");
        let page = Page { from: Slot(0), values: Vec::new(), applied_upto: Slot(0) };
        meter.on_received(&page.into());
        let measured = meter.measured();
        assert_eq!(measured.loss, Some(0.0));
        assert!(measured.read_rtt.is_some() && measured.silence.is_some());
    }
}
