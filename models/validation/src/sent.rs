//! What has left, so that what arrives can be told from what nobody sent.
//!
//! **Invariants**
//! - *By number, never by time*: an arrival belongs to the departure of the same boot, datagram and place.
//! - *Bounded*: of each boot so many departures are remembered, and none of a boot whose life ended long ago.

use actor_recording::digest::OutputDigest;
use actor_recording::entry::Boot;
use actor_recording::recorder::Origin;
use std::collections::{HashMap, VecDeque};

/// Departures of one boot that are remembered. A datagram is under way for seconds at most, so this is as if all were.
const REMEMBERED_MAX: usize = 1 << 18;
/// Events after the end of a life after which nothing of it arrives any more.
const FORGOTTEN_AFTER: u64 = 1 << 21;

/// A message that has left.
#[derive(Clone, Copy, Debug)]
struct Sent {
    datagram: u64,
    index: u32,
    message: OutputDigest,
    /// The number of the event that has sent it.
    event: u64,
    /// The life that has taken it.
    taken_by: Option<LifeId>,
}

/// A life: the process, and which life of it.
pub type LifeId = (u32, u32);

/// What one boot has sent.
#[derive(Debug, Default)]
struct Boots {
    life: LifeId,
    /// Of datagrams below this number nothing is told: they are none of the actor's.
    from: u64,
    sent: VecDeque<Sent>,
    /// Below this datagram, departures were forgotten.
    forgotten: u64,
    /// The number of events when its life ended.
    ended: Option<u64>,
}

/// What is known of something that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It has left, and says the same.
    Sent,
    /// It has left, and was taken by another life as well: its datagram was doubled under way, and that receiver has lost
    /// its memory of it between.
    Again,
    /// It left so long ago that it is not known any more what it said.
    Forgotten,
    /// Its process sent it before its actor started.
    Before,
    /// It has not left yet.
    NotYet,
    /// It has left, and says something else.
    Changed,
    /// It was taken by the same life before.
    Twice,
    /// Nobody who is recorded has this boot.
    Unknown,
}

/// What has left.
#[derive(Debug, Default)]
pub struct Departures {
    boots: HashMap<Boot, Boots>,
    /// Messages that have left, and that were taken.
    pub left: u64,
    /// Of them, those that arrived.
    pub arrived: u64,
}

impl Departures {
    /// Whoever lives this life sends under this boot from now on; datagrams below this number are none of its actor's.
    pub fn begin(&mut self, boot: Boot, life: LifeId, from: u64) {
        self.boots.insert(boot, Boots { life, from, ..Boots::default() });
    }

    /// Whose boot this is.
    pub fn life_of(&self, boot: &Boot) -> Option<LifeId> {
        self.boots.get(boot).map(|known| known.life)
    }

    /// This message of this event leaves. False if what leaves later must have left before it.
    pub fn leaves(&mut self, origin: Origin, message: OutputDigest, event: u64) -> bool {
        self.left += 1;
        let Some(known) = self.boots.get_mut(&origin.boot) else { return false };
        let Origin { datagram, index, .. } = origin;
        let sent = Sent { datagram, index, message, event, taken_by: None };
        let place = |sent: &Sent| (sent.datagram, sent.index);
        let in_order = known.sent.back().is_none_or(|last| place(last) < place(&sent));
        if known.sent.len() >= REMEMBERED_MAX
            && let Some(gone) = known.sent.pop_front()
        {
            known.forgotten = gone.datagram + 1;
        }
        known.sent.push_back(sent);
        in_order
    }

    /// What is known of a message that this life is about to take.
    pub fn look(&self, origin: Origin, message: Option<OutputDigest>, by: LifeId) -> Arrival {
        let Some(known) = self.boots.get(&origin.boot) else { return Arrival::Unknown };
        if origin.datagram < known.from {
            return Arrival::Before;
        }
        match known.find(origin) {
            None if origin.datagram < known.forgotten => Arrival::Forgotten,
            None => Arrival::NotYet,
            Some(at) => {
                let sent = &known.sent[at];
                match sent.taken_by {
                    _ if message.is_some_and(|message| message != sent.message) => Arrival::Changed,
                    Some(life) if life == by => Arrival::Twice,
                    Some(_) => Arrival::Again,
                    None => Arrival::Sent,
                }
            }
        }
    }

    /// This life takes it; the number of the event that has sent it, if that is known.
    pub fn taken(&mut self, origin: Origin, by: LifeId) -> Option<u64> {
        let known = self.boots.get_mut(&origin.boot)?;
        let at = known.find(origin)?;
        let sent = &mut known.sent[at];
        self.arrived += u64::from(sent.taken_by.is_none());
        sent.taken_by = Some(by);
        Some(sent.event)
    }

    /// A life has ended, after so many events in all.
    pub fn end(&mut self, life: LifeId, events: u64) {
        for known in self.boots.values_mut().filter(|known| known.life == life) {
            known.ended = Some(events);
        }
        for known in self.boots.values_mut() {
            if known.ended.is_some_and(|ended| ended + FORGOTTEN_AFTER < events) {
                known.forgotten =
                    known.sent.back().map_or(known.forgotten, |last| last.datagram + 1);
                known.sent = VecDeque::new();
            }
        }
    }
}

impl Boots {
    fn find(&self, origin: Origin) -> Option<usize> {
        let place = |sent: &Sent| (sent.datagram, sent.index);
        self.sent.binary_search_by_key(&(origin.datagram, origin.index), place).ok()
    }
}
