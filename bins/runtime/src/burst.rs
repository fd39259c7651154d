//! Datagrams that travel together, side by side in buffers that are made once.
//!
//! **Invariants**
//! - *Nothing is allocated for what arrives*: [`Arrivals`] are slots that are filled again and again,
//!   each of the length that a kernel may fill at once.
//! - *Order is kept*: datagrams leave, and are handed over, as they were put in.
//!
//! **Absent**: what is in them (see [`crate::wire`]) and how they travel (see [`crate::network`]).

use std::net::SocketAddr;
use std::ops::Range;

/// Bytes of a slot: a kernel may join several datagrams of one sender to that many.
pub const SLOT_BYTES: usize = 65_536;
/// Slots that are filled at once.
pub const SLOTS: usize = 32;

/// Datagrams that have arrived, and who from.
#[derive(Debug, Default)]
pub struct Arrivals {
    bytes: Vec<u8>,
    datagrams: Vec<(SocketAddr, Range<usize>)>,
}

impl Arrivals {
    /// Empty slots. The system gives them memory when they are first filled.
    pub fn new() -> Arrivals {
        Arrivals { bytes: vec![0; SLOTS * SLOT_BYTES], datagrams: Vec::with_capacity(SLOTS) }
    }

    /// Forgets what has arrived.
    pub fn clear(&mut self) {
        self.datagrams.clear();
    }

    /// Forgets what does not fulfil this, by the address it comes from.
    pub fn retain(&mut self, mut keeps: impl FnMut(SocketAddr) -> bool) {
        self.retain_datagrams(|from, _| keeps(from));
    }

    /// Forgets what does not fulfil this, by the address it comes from and by its bytes.
    pub fn retain_datagrams(&mut self, mut keeps: impl FnMut(SocketAddr, &[u8]) -> bool) {
        let Arrivals { bytes, datagrams } = self;
        datagrams.retain(|(from, range)| keeps(*from, &bytes[range.clone()]));
    }

    /// How many datagrams there are.
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// The buffers to be filled.
    pub fn slots(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.bytes.chunks_exact_mut(SLOT_BYTES)
    }

    /// Notes what was filled into a slot: datagrams of `stride` bytes each, the last maybe shorter.
    pub fn filled(&mut self, slot: usize, from: SocketAddr, length: usize, stride: usize) {
        let (start, mut at) = (slot * SLOT_BYTES, 0);
        loop {
            let end = length.min(at + stride.max(1));
            self.datagrams.push((from, start + at..start + end));
            at = end;
            if at >= length {
                return;
            }
        }
    }

    /// Copies a datagram into the next slot, for networks that have it elsewhere; false if there is
    /// no slot left.
    ///
    /// # Panics
    /// If it is longer than a slot.
    pub fn push(&mut self, from: SocketAddr, datagram: &[u8]) -> bool {
        let slot = self.len();
        let Some(buffer) = self.slots().nth(slot) else { return false };
        buffer[..datagram.len()].copy_from_slice(datagram);
        self.filled(slot, from, datagram.len(), datagram.len());
        true
    }

    /// The datagrams and who they come from.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (SocketAddr, &mut [u8])> {
        let mut rest: &mut [u8] = &mut self.bytes;
        let mut at = 0;
        self.datagrams.iter().map(move |(from, range)| {
            // Ranges rise and never overlap, so what is before this one is not needed any more.
            let (_, from_here) = std::mem::take(&mut rest).split_at_mut(range.start - at);
            let (datagram, after) = from_here.split_at_mut(range.len());
            rest = after;
            at = range.end;
            (*from, datagram)
        })
    }
}

/// Datagrams that are to leave, and where to.
#[derive(Debug, Default)]
pub struct Departures {
    bytes: Vec<u8>,
    datagrams: Vec<(SocketAddr, Range<usize>)>,
}

/// Adjacent datagrams to one receiver, all of one length but for the last, which may be shorter.
#[derive(Debug, PartialEq, Eq)]
pub struct Train<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// All of them.
    pub bytes: &'a [u8],
    /// The length of each but the last.
    pub stride: usize,
}

impl Departures {
    /// Forgets all of them. The memory of a large burst is given back.
    pub fn clear(&mut self, kept_bytes_max: usize) {
        self.datagrams.clear();
        self.bytes.clear();
        self.bytes.shrink_to(kept_bytes_max);
    }

    /// Forgets what does not fulfil this, by the address it goes to.
    pub fn retain(&mut self, mut keeps: impl FnMut(SocketAddr) -> bool) {
        self.datagrams.retain(|(address, _)| keeps(*address));
    }

    /// Adds the datagram that `write` appends. If that fails, nothing is added.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn append<E>(
        &mut self,
        to: SocketAddr,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.bytes.len();
        let written = write(&mut self.bytes);
        match written {
            Ok(()) => self.datagrams.push((to, start..self.bytes.len())),
            Err(_) => self.bytes.truncate(start),
        }
        written
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// The datagrams and where they go.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        self.datagrams.iter().map(|(to, range)| (*to, &self.bytes[range.clone()]))
    }

    /// All datagrams, in as few trains as their order allows; none of more than so many datagrams,
    /// or, unless it is a single one, of more than so many bytes.
    pub fn trains(
        &self,
        datagrams_max: usize,
        bytes_max: usize,
    ) -> impl Iterator<Item = Train<'_>> {
        let mut rest = self.datagrams.as_slice();
        std::iter::from_fn(move || {
            let ((to, first), others) = rest.split_first()?;
            let (stride, mut end, mut count) = (first.len(), first.end, 1);
            for (other, range) in others {
                let joins = other == to
                    && range.start == end
                    && (end - first.start) == count * stride
                    && range.len() <= stride
                    && !range.is_empty()
                    && count < datagrams_max
                    && range.end - first.start <= bytes_max;
                if !joins {
                    break;
                }
                (end, count) = (range.end, count + 1);
            }
            rest = &rest[count..];
            Some(Train { to: *to, bytes: &self.bytes[first.start..end], stride })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn departures(datagrams: &[(u16, Vec<u8>)]) -> Departures {
        let mut departures = Departures::default();
        for (port, bytes) in datagrams {
            let written: Result<(), ()> = departures.append(address(*port), |buffer| {
                buffer.extend(bytes);
                Ok(())
            });
            written.unwrap();
        }
        departures
    }

    #[test]
    fn what_was_filled_in_is_there_in_order() {
        let mut arrivals = Arrivals::new();
        assert!(arrivals.push(address(1), b"one") && arrivals.push(address(2), b""));
        arrivals.slots().nth(2).unwrap()[..7].copy_from_slice(b"aabbccd");
        arrivals.filled(2, address(3), 7, 2);
        let found: Vec<_> =
            arrivals.iter_mut().map(|(from, b)| (from.port(), b.to_vec())).collect();
        let expected: [(u16, &[u8]); 6] =
            [(1, b"one"), (2, b""), (3, b"aa"), (3, b"bb"), (3, b"cc"), (3, b"d")];
        assert_eq!(found, expected.map(|(from, bytes)| (from, bytes.to_vec())));
        let mut keeps = [true, false, true, false, false, true].into_iter();
        arrivals.retain(|_| keeps.next().unwrap());
        let left: Vec<_> = arrivals.iter_mut().map(|(_, b)| b.to_vec()).collect();
        assert_eq!(left, [b"one".to_vec(), b"aa".to_vec(), b"d".to_vec()]);
        arrivals.retain_datagrams(|from, bytes| from == address(1) || bytes == b"d");
        let left: Vec<_> = arrivals.iter_mut().map(|(_, b)| b.to_vec()).collect();
        assert_eq!(left, [b"one".to_vec(), b"d".to_vec()]);
    }

    #[test]
    fn there_are_no_more_slots_than_there_are() {
        let mut arrivals = Arrivals::new();
        assert!((0..SLOTS).all(|_| arrivals.push(address(1), &[7; SLOT_BYTES])));
        assert!(!arrivals.push(address(1), b"one more"));
        assert_eq!((arrivals.len(), arrivals.iter_mut().count()), (SLOTS, SLOTS));
        arrivals.clear();
        assert!(arrivals.is_empty() && arrivals.push(address(1), b"x"));
    }

    #[test]
    fn a_train_ends_with_its_receiver_its_length_and_its_limits() {
        let sizes = [(1, 3), (1, 3), (1, 2), (1, 3), (2, 3), (2, 0), (2, 5)];
        let departures = departures(&sizes.map(|(to, size)| (to, vec![7; size])));
        let trains = |count, bytes| -> Vec<(u16, usize, usize)> {
            let trains = departures.trains(count, bytes);
            trains.map(|train| (train.to.port(), train.bytes.len(), train.stride)).collect()
        };
        let rest = [(1, 3, 3), (2, 3, 3), (2, 0, 0), (2, 5, 5)];
        assert_eq!(trains(9, 99), [&[(1, 8, 3)], &rest[..]].concat());
        assert_eq!(trains(2, 99), [&[(1, 6, 3), (1, 2, 2)], &rest[..]].concat());
        assert_eq!(trains(9, 7), [&[(1, 6, 3), (1, 2, 2)], &rest[..]].concat());
        assert_eq!(trains(1, 1).len(), sizes.len());
    }

    #[test]
    fn a_datagram_that_is_dropped_is_in_no_train() {
        let mut departures = departures(&[(1, vec![1; 4]), (1, vec![2; 4]), (1, vec![3; 4])]);
        let mut keeps = [true, false, true].into_iter();
        departures.retain(|_| keeps.next().unwrap());
        let trains: Vec<_> = departures.trains(9, 99).map(|train| train.bytes.to_vec()).collect();
        assert_eq!(trains, [[1; 4], [3; 4]]);
        assert_eq!(
            departures.append(address(1), |bytes| {
                bytes.push(9);
                Err("no")
            }),
            Err("no")
        );
        assert_eq!((departures.len(), departures.bytes()), (2, 12));
    }

    quickcheck! {
        fn trains_are_all_datagrams_in_order(sizes: Vec<(bool, u8)>, count: u8, bytes: u8) -> bool {
            let datagrams: Vec<(u16, Vec<u8>)> = sizes
                .iter()
                .enumerate()
                .map(|(at, (to, size))| (u16::from(*to), vec![at as u8; usize::from(*size % 4)]))
                .collect();
            let departures = departures(&datagrams);
            let (count, bytes) = (usize::from(count).max(1), usize::from(bytes));
            let mut split = Vec::new();
            for train in departures.trains(count, bytes) {
                let mut cars: Vec<_> = match train.stride {
                    0 => vec![&[][..]],
                    stride => train.bytes.chunks(stride).collect(),
                };
                if cars.len() > count || (cars.len() > 1 && train.bytes.len() > bytes) {
                    return false;
                }
                split.extend(cars.drain(..).map(|car| (train.to.port(), car.to_vec())));
            }
            split == datagrams
        }
    }
}
