//! Messages that do not fit a datagram: they travel in several, and are put together again.
//!
//! The fragments of a message are sealed one after the other, so the first one's number names the
//! message. They are equally long but for the last, and each tells how many there are, which one it is,
//! and how long the message is; so each tells its place, and none can overlap another.
//!
//! **Invariants**
//! - *Nothing is kept for a stranger*: only the body of an authentic datagram gets here.
//! - *Whole means whole*: a part counts once, though its datagram may be shown again when its sender's
//!   boot has been forgotten.
//! - *Bounded*: so many messages of a sender's boot and so many in all are incomplete at once, as
//!   [`Limits`] say, none longer than [`MESSAGE_BYTES_MAX`]. Of a sender's boot the one begun
//!   first is given up, as if it had been lost.
//! - *Fair*: when there are too many in all, the one begun first of whoever has the most is given up, so
//!   no user makes a replica forget what others have begun, whatever the number of processes. Replicas
//!   and clients have such a store each, so that no number of clients makes a replica forget what
//!   another replica sends.
//!
//! **Absent**: asking for what is missing. A message that lost a fragment is a lost message, and the
//! protocol sends it again if it still matters.

use super::{MESSAGE_BYTES_MAX, WireError};
use crate::keys::Boot;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Bytes before the message's part in the body of a fragment, behind the number of fragments.
pub(super) const FRAGMENT_HEADER_BYTES: usize = 3;
/// How many messages may be incomplete at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Of one boot of a sender.
    pub(super) per_sender: usize,
    /// Of all senders together.
    pub(super) in_all: usize,
}

/// Replicas: of each, twice what answers one question of another that catches up, because a network
/// that reorders interleaves them.
pub(super) const OF_REPLICAS: Limits = Limits { per_sender: 32, in_all: 256 };
/// Clients, who have little to say at once.
pub(super) const OF_CLIENTS: Limits = Limits { per_sender: 4, in_all: 64 };

/// A part of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment<'a> {
    /// How many there are.
    count: u8,
    /// Which one this is, from 0 on.
    index: u8,
    /// Bytes of the whole message.
    total: u16,
    part: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// The fragments of a message, none with more than `part_bytes_max` bytes of it.
    pub(super) fn split(message: &[u8], part_bytes_max: usize) -> Option<Vec<Fragment<'_>>> {
        let total = u16::try_from(message.len()).ok()?;
        let count = u8::try_from(message.len().div_ceil(part_bytes_max)).ok()?;
        // Equal parts may make the last ones superfluous.
        let parts = message.chunks(part_bytes(total, count));
        let count = u8::try_from(parts.len()).ok()?;
        Some((0..).zip(parts).map(|(index, part)| Fragment { count, index, total, part }).collect())
    }

    /// What is sealed.
    pub(super) fn write(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(&[self.count, self.index]);
        body.extend_from_slice(&self.total.to_le_bytes());
        body.extend_from_slice(self.part);
    }

    /// One of `count` fragments, if it agrees with itself.
    pub(super) fn read(count: u8, body: &'a [u8]) -> Result<Fragment<'a>, WireError> {
        let [index, low, high, part @ ..] = body else { return Err(WireError::Fragment) };
        let fragment =
            Fragment { count, index: *index, total: u16::from_le_bytes([*low, *high]), part };
        let agrees = count > 1
            && fragment.index < count
            && usize::from(fragment.total) <= MESSAGE_BYTES_MAX
            && !part.is_empty()
            && part.len() == fragment.place().len();
        if agrees { Ok(fragment) } else { Err(WireError::Fragment) }
    }

    /// The number of the first one's datagram, if this one's is `own`.
    pub(super) fn first(&self, own: u64) -> Result<u64, WireError> {
        own.checked_sub(self.index.into()).ok_or(WireError::Fragment)
    }

    /// Where in the message it belongs.
    fn place(&self) -> std::ops::Range<usize> {
        let (each, total) = (part_bytes(self.total, self.count), usize::from(self.total));
        let start = usize::from(self.index) * each;
        start.min(total)..(start + each).min(total)
    }
}

fn part_bytes(total: u16, count: u8) -> usize {
    usize::from(total).div_ceil(usize::from(count.max(1))).max(1)
}

/// A message of which a part has arrived.
#[derive(Debug)]
struct Partial<P> {
    /// The replica or user, and its boot.
    sender: (P, Boot),
    /// The number of the datagram of its first fragment.
    first: u64,
    count: u8,
    arrived: [u64; 4],
    message: Vec<u8>,
}

impl<P> Partial<P> {
    /// Notes a part; false if it was there before.
    fn note(&mut self, index: u8) -> bool {
        let (word, bit) = (&mut self.arrived[usize::from(index / 64)], 1 << (index % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn is_whole(&self) -> bool {
        self.arrived.iter().map(|word| word.count_ones()).sum::<u32>() == u32::from(self.count)
    }
}

/// Messages of which a part has arrived, the one begun first in front.
#[derive(Debug)]
pub(super) struct Partials<P> {
    partials: VecDeque<Partial<P>>,
    limits: Limits,
}

impl<P: Eq + Hash> Partials<P> {
    /// None yet.
    pub(super) fn new(limits: Limits) -> Partials<P> {
        Partials { partials: VecDeque::new(), limits }
    }

    /// Adds a fragment that has arrived under this number; the message, if it is whole now.
    pub(super) fn add(
        &mut self,
        sender: (P, Boot),
        number: u64,
        fragment: Fragment<'_>,
    ) -> Result<Option<Vec<u8>>, WireError> {
        let first = fragment.first(number)?;
        let known = |partial: &Partial<P>| partial.first == first && partial.sender == sender;
        let at = match self.partials.iter().position(known) {
            Some(at) => at,
            None => self.begin(sender, first, &fragment),
        };
        let partial = &mut self.partials[at];
        if partial.count != fragment.count || partial.message.len() != usize::from(fragment.total) {
            return Err(WireError::Fragment);
        }
        if !partial.note(fragment.index) {
            return Err(WireError::Replayed);
        }
        partial.message[fragment.place()].copy_from_slice(fragment.part);
        if partial.is_whole() { Ok(self.partials.remove(at).map(|p| p.message)) } else { Ok(None) }
    }

    /// Makes room for a message and tells where.
    fn begin(&mut self, sender: (P, Boot), first: u64, fragment: &Fragment<'_>) -> usize {
        let of_sender = self.partials.iter().filter(|partial| partial.sender == sender).count();
        if of_sender >= self.limits.per_sender {
            if let Some(oldest) = self.partials.iter().position(|partial| partial.sender == sender)
            {
                self.partials.remove(oldest);
            }
        } else if self.partials.len() >= self.limits.in_all {
            self.give_up_one();
        }
        let (count, message) = (fragment.count, vec![0; usize::from(fragment.total)]);
        self.partials.push_back(Partial { sender, first, count, arrived: [0; 4], message });
        self.partials.len() - 1
    }

    /// Gives up the message begun first of whoever has begun the most; of several such, the one of
    /// whom it is the oldest.
    fn give_up_one(&mut self) {
        let mut begun: HashMap<&P, usize> = HashMap::new();
        for partial in &self.partials {
            *begun.entry(&partial.sender.0).or_default() += 1;
        }
        let most = begun.values().max().copied();
        let has_most = |partial: &Partial<P>| begun.get(&partial.sender.0).copied() == most;
        if let Some(oldest) = self.partials.iter().position(has_most) {
            self.partials.remove(oldest);
        }
    }

    /// Bytes of all incomplete messages.
    #[cfg(any(test, feature = "fuzz"))]
    pub(super) fn bytes(&self) -> usize {
        self.partials.iter().map(|partial| partial.message.capacity()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    /// A process of somebody.
    fn of<P>(party: P) -> (P, Boot) {
        (party, Boot::of([0; 32]))
    }

    /// What one fragment says.
    fn fragment(
        count: u8,
        index: u8,
        total: u16,
        part: &[u8],
    ) -> Result<Fragment<'static>, WireError> {
        let body = [&[index], &total.to_le_bytes()[..], part].concat();
        Fragment::read(count, body.leak())
    }

    #[test]
    fn each_fragment_has_one_place_and_one_length() {
        assert!(fragment(2, 0, 5, &[0; 3]).is_ok() && fragment(2, 1, 5, &[0; 2]).is_ok());
        for (count, index, total, length) in [
            (2, 2, 5, 2),             // Behind the last.
            (2, 255, 5, 2),           // Far behind it.
            (2, 1, 5, 3),             // Overlapping.
            (2, 0, 5, 2),             // Leaving a gap.
            (1, 0, 5, 5),             // Alone, and so no fragment.
            (0, 0, 5, 5),             // Of nothing.
            (2, 0, 0, 0),             // Of an empty message.
            (255, 254, 5, 0),         // More fragments than bytes.
            (255, 254, 300, 0),       // The last would be empty.
            (2, 0, u16::MAX, 32_768), // Of a message that is too long.
        ] {
            let part = vec![0; length];
            let read = fragment(count, index, total, &part);
            assert!(matches!(read, Err(WireError::Fragment)), "{count} {index} {total} {length}");
        }
        for short in [&[][..], &[0], &[0, 0], &[0, 0, 0]] {
            assert!(matches!(Fragment::read(2, short), Err(WireError::Fragment)));
        }
    }

    #[test]
    fn fragments_that_contradict_each_other_are_refused_and_the_others_count() {
        let mut partials = Partials::new(OF_CLIENTS);
        assert_eq!(partials.add(of('a'), 7, fragment(2, 0, 4, b"ab").unwrap()), Ok(None));
        let other_total = fragment(2, 1, 3, b"x").unwrap();
        assert_eq!(partials.add(of('a'), 8, other_total), Err(WireError::Fragment));
        let other_count = fragment(4, 1, 4, b"x").unwrap();
        assert_eq!(partials.add(of('a'), 8, other_count), Err(WireError::Fragment));
        let early = fragment(2, 1, 4, b"xy").unwrap();
        assert_eq!(
            partials.add(of('a'), 0, early),
            Err(WireError::Fragment),
            "begun before number 0"
        );
        let end = fragment(2, 1, 4, b"cd").unwrap();
        assert_eq!(partials.add(of('b'), 8, end), Ok(None), "of somebody else");
        let again = fragment(2, 0, 4, b"ab").unwrap();
        assert_eq!(partials.add(of('a'), 7, again), Err(WireError::Replayed), "repeated");
        assert_eq!(partials.add(of('a'), 8, end), Ok(Some(b"abcd".to_vec())));
        assert_eq!(partials.partials.len(), 1, "the other one's");
    }

    #[test]
    fn first_fragments_alone_take_bounded_memory() {
        let mut partials = Partials::new(OF_CLIENTS);
        let total = MESSAGE_BYTES_MAX as u16;
        let part = vec![1; part_bytes(total, 2)];
        let first = fragment(2, 0, total, &part).unwrap();
        for number in 0..10_000 {
            assert_eq!(partials.add(of(0), number, first), Ok(None));
        }
        assert_eq!(partials.partials.len(), OF_CLIENTS.per_sender);
        for sender in 0..10_000 {
            assert_eq!(partials.add(of(sender), 1, first), Ok(None));
        }
        assert_eq!(partials.partials.len(), OF_CLIENTS.in_all);
        assert!(partials.bytes() <= OF_CLIENTS.in_all * MESSAGE_BYTES_MAX);
    }

    #[test]
    fn the_message_begun_first_is_given_up() {
        let mut partials = Partials::new(OF_CLIENTS);
        let (begin, end) = (fragment(2, 0, 2, b"a").unwrap(), fragment(2, 1, 2, b"b").unwrap());
        for first in 0..=OF_CLIENTS.per_sender as u64 {
            assert_eq!(partials.add(of(0), 10 * first, begin), Ok(None));
        }
        assert_eq!(partials.add(of(0), 41, end), Ok(Some(b"ab".to_vec())));
        assert_eq!(partials.add(of(0), 1, end), Ok(None), "its first part is gone");
    }

    #[test]
    fn whoever_begins_the_most_is_given_up_whatever_the_number_of_processes() {
        let mut partials = Partials::new(OF_CLIENTS);
        let (begin, end) = (fragment(2, 0, 2, b"a").unwrap(), fragment(2, 1, 2, b"b").unwrap());
        for (at, honest) in ["ann", "bob"].into_iter().enumerate() {
            assert_eq!(partials.add(of(honest), at as u64, begin), Ok(None));
        }
        for process in 0..1000_u16 {
            let mut boot = [0; 32];
            boot[..2].copy_from_slice(&process.to_le_bytes());
            for first in [10, 20] {
                assert_eq!(partials.add(("mallory", Boot::of(boot)), first, begin), Ok(None));
            }
        }
        assert_eq!(partials.partials.len(), OF_CLIENTS.in_all);
        for (at, honest) in ["ann", "bob"].into_iter().enumerate() {
            assert_eq!(partials.add(of(honest), at as u64 + 1, end), Ok(Some(b"ab".to_vec())));
        }
    }

    quickcheck! {
        fn any_message_is_put_together_from_its_fragments_in_any_order(
            length: u16, part_bytes_max: u16, order: u64
        ) -> bool {
            let length = usize::from(length).clamp(1, MESSAGE_BYTES_MAX);
            let message: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let part_bytes_max = usize::from(part_bytes_max).max(length.div_ceil(255));
            let Some(fragments) = Fragment::split(&message, part_bytes_max) else { return false };
            let small = fragments.iter().all(|fragment| fragment.part.len() <= part_bytes_max);
            if fragments.len() < 2 {
                return small;
            }
            let mut numbered: Vec<(u64, _)> = (100..).zip(fragments).collect();
            numbered.sort_by_key(|(number, _)| number.wrapping_mul(order | 1));
            let mut partials = Partials::new(OF_CLIENTS);
            let mut whole = None;
            for (number, fragment) in numbered {
                let mut body = Vec::new();
                fragment.write(&mut body);
                let Ok(read) = Fragment::read(body[0], &body[1..]) else { return false };
                match partials.add(of(()), number, read) {
                    Ok(made) if whole.is_none() => whole = made,
                    _ => return false,
                }
            }
            small && whole == Some(message)
        }

        fn any_bytes_are_a_fragment_or_not(count: u8, body: Vec<u8>, number: u64) -> bool {
            let Ok(fragment) = Fragment::read(count, &body) else { return true };
            let mut partials = Partials::new(OF_CLIENTS);
            partials.add(of(()), number, fragment).is_ok() || number < 255
        }
    }
}
