//! What a driver's turn sends: messages wait here, share datagrams, and leave together.
//!
//! **Invariants**
//! - *Order is kept*: messages to one peer leave in the order in which they were posted, and peers
//!   are served in the order in which the first message was posted to each. So an actor that
//!   answers a waiting client before it tells others does so on the network, too.
//! - *Nothing waits for company*: whatever is posted leaves when the outbox is dispatched, be the
//!   datagram as empty as it may.
//! - *No reflector*: what is too much for an address that has shown nothing is not sent; a greeting is, with whose cookie
//!   it can show that it hears.
//! - *Bounded*: sealed datagrams leave whenever there are many, and what a large burst needed is
//!   given back.
//!
//! **Absent**: when to send, and what may be sent, which is the driver's.

use crate::burst::Departures;
use crate::network::Network;
use crate::nodes::{NodeTable, Receiver};
use crate::wire::{Codec, MESSAGE_BYTES_MAX, Payload, WireError};
use stateright::actor::Id;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// Bytes of messages that should not wait for more.
const ENCODED_BYTES_MAX: usize = 1 << 20;
/// Bytes of sealed datagrams that leave without waiting for more.
const SEALED_BYTES_MAX: usize = 1 << 20;
/// Bytes of memory that are kept from one dispatch to the next.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Messages that wait to be sent.
#[derive(Debug, Default)]
pub struct Outbox {
    /// All of them, encoded.
    encoded: Vec<u8>,
    posted: Vec<Post>,
    /// Whose turn it is: 0 for the first node that something was posted to, and so on.
    turns: HashMap<Id, usize>,
    /// To whom a datagram without messages is sent.
    greetings: BTreeSet<Id>,
    sealed: Departures,
}

#[derive(Debug)]
struct Post {
    /// What whoever watches knows it by; none, if nobody is to know of it.
    number: Option<u64>,
    to: Id,
    turn: usize,
    format: u8,
    message: Range<usize>,
}

/// Is told what leaves, before it does.
pub trait Watcher {
    /// This message is in the datagram of this number, in this place; of several datagrams that carry one message, it is
    /// the first.
    fn departs(&mut self, message: u64, datagram: u64, index: u32);
    /// What was told so far is going to be sent.
    fn leaves(&mut self);
}

/// Nobody watches.
impl Watcher for () {
    fn departs(&mut self, _message: u64, _datagram: u64, _index: u32) {}
    fn leaves(&mut self) {}
}

/// What became of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dispatch {
    /// Messages that left.
    pub sent: u64,
    /// Messages to nobody, and datagrams that the system refused.
    pub unsent: u64,
}

impl Outbox {
    /// Takes a message for this node, which is to be written in this format, and is told of by this number.
    ///
    /// # Errors
    /// When it is too long to be sent at all, or can't be said in that format.
    pub fn post(
        &mut self,
        to: Id,
        format: u8,
        number: Option<u64>,
        message: &impl Payload,
    ) -> Result<(), WireError> {
        let start = self.encoded.len();
        let written = message.write(format, &mut self.encoded).map_err(WireError::Body);
        let length = self.encoded.len() - start;
        let fits = (length <= MESSAGE_BYTES_MAX).then_some(()).ok_or(WireError::TooLong(length));
        if let Err(error) = written.and(fits) {
            self.encoded.truncate(start);
            return Err(error);
        }
        let next = self.turns.len();
        let turn = *self.turns.entry(to).or_insert(next);
        self.posted.push(Post { number, to, turn, format, message: start..self.encoded.len() });
        Ok(())
    }

    /// Is so much waiting that it should leave before there is more?
    pub fn is_full(&self) -> bool {
        self.encoded.len() > ENCODED_BYTES_MAX
    }

    /// This node is to be sent a datagram without messages, which shows what is in front of them: a cookie, if it is
    /// for a client or of one, and what is read here.
    pub fn post_greeting(&mut self, to: Id) {
        self.greetings.insert(to);
    }

    /// Seals and sends everything that was posted.
    pub fn dispatch(
        &mut self,
        codec: &mut Codec,
        nodes: &mut NodeTable,
        network: &mut (impl Network + ?Sized),
        watcher: &mut impl Watcher,
    ) -> Dispatch {
        nodes.refresh();
        let Outbox { encoded, posted, turns, greetings, sealed } = self;
        let mut done = Dispatch::default();
        // A stable sort, which keeps the order of what is for one node.
        posted.sort_by_key(|posted| posted.turn);
        for group in posted.chunk_by(|one, next| (one.to, one.format) == (next.to, next.format)) {
            let Some(to) = nodes.find(usize::from(group[0].to) as u64) else {
                done.unsent += group.len() as u64;
                continue;
            };
            let mut rest = group;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(fitting(codec, rest));
                let datagram = codec.next_number();
                match seal(codec, nodes, to, encoded, now, sealed) {
                    Ok(()) => {
                        done.sent += now.len() as u64;
                        for (index, posted) in (0..).zip(now) {
                            if let Some(number) = posted.number {
                                watcher.departs(number, datagram, index);
                            }
                        }
                    }
                    Err(error) => {
                        done.unsent += now.len() as u64;
                        if error == WireError::Unproven {
                            greetings.insert(group[0].to);
                        }
                    }
                }
                if sealed.bytes() > SEALED_BYTES_MAX {
                    watcher.leaves();
                    done.unsent += network.send(sealed);
                    sealed.clear(KEPT_BYTES_MAX);
                }
                rest = later;
            }
        }
        for node in std::mem::take(greetings) {
            if let Some(to) = nodes.find(usize::from(node) as u64) {
                // What has no credit even for that is asked for again.
                let _ = append(nodes, to, sealed, |bytes| {
                    let reader = (to.peer, codec.format_for(to.peer));
                    codec.append_whole(reader, Some(to.address), std::iter::empty(), bytes)
                });
            }
        }
        if !sealed.is_empty() {
            watcher.leaves();
            done.unsent += network.send(sealed);
        }
        sealed.clear(KEPT_BYTES_MAX);
        turns.clear();
        posted.clear();
        posted.shrink_to(KEPT_BYTES_MAX / size_of::<Post>());
        encoded.clear();
        encoded.shrink_to(KEPT_BYTES_MAX);
        done
    }
}

/// How many of these messages go into the next datagram: at least one.
fn fitting(codec: &Codec, messages: &[Post]) -> usize {
    let (mut room, mut count) = (codec.room(), 0);
    for posted in messages.iter().take(codec.packing().messages_per_datagram_max) {
        let Some(left) = room.checked_sub(posted.message.len()) else { break };
        (room, count) = (left, count + 1);
    }
    count.max(1)
}

/// Seals messages for one datagram; a single one that does not fit is sealed in parts.
fn seal(
    codec: &mut Codec,
    nodes: &mut NodeTable,
    to: Receiver,
    encoded: &[u8],
    messages: &[Post],
    sealed: &mut Departures,
) -> Result<(), WireError> {
    let reader = (to.peer, messages[0].format);
    if let [posted] = messages
        && posted.message.len() > codec.room()
    {
        for part in codec.split(&encoded[posted.message.clone()])? {
            append(nodes, to, sealed, |datagrams| {
                codec.append_part(reader, Some(to.address), &part, datagrams)
            })?;
        }
        return Ok(());
    }
    let messages = messages.iter().map(|posted| &encoded[posted.message.clone()]);
    append(nodes, to, sealed, |datagrams| {
        codec.append_whole(reader, Some(to.address), messages, datagrams)
    })
}

/// Appends the datagram that `write` appends, if so much may be sent to its receiver.
fn append(
    nodes: &mut NodeTable,
    to: Receiver,
    sealed: &mut Departures,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    sealed.append(to.address, |datagrams| {
        let start = datagrams.len();
        write(datagrams)?;
        let may_leave = to.is_proven || nodes.spend(to.peer, datagrams.len() - start);
        may_leave.then_some(()).ok_or(WireError::Unproven)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::burst::Arrivals;
    use crate::keys::Secret;
    use crate::wire::{ClusterId, Generations, Packing};
    use quickcheck::quickcheck;
    use std::io;
    use std::net::SocketAddr;
    use std::time::Duration;

    /// Keeps what is sent, and loses what is too long.
    #[derive(Default)]
    struct Sent {
        datagrams: Vec<(SocketAddr, Vec<u8>)>,
        calls: usize,
        loses_above: Option<usize>,
    }

    impl Network for Sent {
        fn wait(&mut self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }

        fn receive(&mut self, arrivals: &mut Arrivals) -> io::Result<bool> {
            arrivals.clear();
            Ok(false)
        }

        fn send(&mut self, departures: &mut Departures) -> u64 {
            self.calls += 1;
            let mut lost = 0;
            for (to, bytes) in departures.iter() {
                if self.loses_above.is_some_and(|most| bytes.len() > most) {
                    lost += 1;
                } else {
                    self.datagrams.push((to, bytes.to_vec()));
                }
            }
            lost
        }
    }

    fn codec(id: u8) -> Codec {
        let secret = Secret::of([3; 32].into());
        Codec::replica(&secret, ClusterId::of("test"), id, 3, Generations::new())
    }

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn nodes() -> NodeTable {
        NodeTable::new((1..=3).map(address).collect::<Vec<_>>(), 9)
    }

    /// What replica `id` reads in what was sent to it, a list for each datagram.
    fn read(sent: &Sent, id: u8) -> Vec<Vec<String>> {
        let mut codec = codec(id);
        let mut messages = Vec::new();
        let here = sent.datagrams.iter().filter(|(to, _)| *to == address(u16::from(id) + 1));
        here.map(|(_, datagram)| {
            codec.open_all::<String>(None, &mut datagram.clone(), &mut messages).unwrap();
            messages.clone()
        })
        .collect()
    }

    quickcheck! {
        /// Of any lengths, packed in any way.
        fn everything_arrives_once_in_order_and_no_datagram_is_too_long(
            lengths: Vec<(bool, u16)>, datagram_bytes_max: u16, messages_max: u8
        ) -> bool {
            let packing = Packing {
                datagram_bytes_max: datagram_bytes_max.into(),
                messages_per_datagram_max: messages_max.into(),
            };
            let (mut zero, mut outbox) = (codec(0).with_packing(packing), Outbox::default());
            let packing = zero.packing();
            let said: Vec<(u8, String)> = lengths
                .iter()
                .enumerate()
                .map(|(at, (to, length))| {
                    let length = usize::from(length % if at % 7 == 0 { 20_000 } else { 300 });
                    (1 + u8::from(*to), format!("{at}{}", "x".repeat(length)))
                })
                .collect();
            for (to, text) in &said {
                outbox.post(Id::from(usize::from(*to)), 1, None, text).unwrap();
            }
            let mut sent = Sent::default();
            let done = outbox.dispatch(&mut zero, &mut nodes(), &mut sent, &mut ());
            let fits = sent.datagrams.iter().all(|(_, d)| d.len() <= packing.datagram_bytes_max);
            let arrived = (1..=2).all(|id| {
                let read = read(&sent, id);
                let here = said.iter().filter(|(to, _)| *to == id).map(|(_, text)| text);
                read.iter().all(|together| together.len() <= packing.messages_per_datagram_max)
                    && here.eq(read.iter().flatten())
            });
            fits && arrived && done == Dispatch { sent: said.len() as u64, unsent: 0 }
        }
    }

    #[test]
    fn what_fits_one_datagram_is_in_one_and_leaves_at_once() {
        let (mut zero, mut outbox, mut sent) = (codec(0), Outbox::default(), Sent::default());
        for at in 0..20 {
            outbox.post(Id::from(1), 1, None, &format!("message {at}")).unwrap();
            outbox.post(Id::from(2), 1, None, &format!("message {at}")).unwrap();
        }
        outbox.dispatch(&mut zero, &mut nodes(), &mut sent, &mut ());
        assert_eq!((sent.datagrams.len(), sent.calls), (2, 1));
        assert_eq!(read(&sent, 1)[0].len(), 20);
        outbox.dispatch(&mut zero, &mut nodes(), &mut sent, &mut ());
        assert_eq!((sent.datagrams.len(), sent.calls), (2, 1), "nothing leaves twice");
    }

    #[test]
    fn peers_are_served_in_the_order_in_which_they_were_first_thought_of() {
        let (mut zero, mut outbox, mut sent) = (codec(0), Outbox::default(), Sent::default());
        for to in [2, 1, 2] {
            outbox.post(Id::from(to), 1, None, &7_u8).unwrap();
        }
        outbox.dispatch(&mut zero, &mut nodes(), &mut sent, &mut ());
        outbox.post(Id::from(1), 1, None, &8_u8).unwrap();
        outbox.dispatch(&mut zero, &mut nodes(), &mut sent, &mut ());
        let to: Vec<_> = sent.datagrams.iter().map(|(to, _)| *to).collect();
        assert_eq!(to, [address(3), address(2), address(2)]);
    }

    #[test]
    fn what_cannot_be_sent_is_counted() {
        let (mut zero, mut outbox) = (codec(0), Outbox::default());
        let longest = "x".repeat(MESSAGE_BYTES_MAX);
        assert!(matches!(outbox.post(Id::from(1), 1, None, &longest), Err(WireError::TooLong(_))));
        outbox.post(Id::from(77), 1, None, &7_u8).unwrap();
        outbox.post(Id::from(1), 1, None, &"short".to_owned()).unwrap();
        outbox.post(Id::from(2), 1, None, &"x".repeat(1000)).unwrap();
        let mut sent = Sent { loses_above: Some(900), ..Sent::default() };
        let done = outbox.dispatch(&mut zero, &mut nodes(), &mut sent, &mut ());
        assert_eq!(done, Dispatch { sent: 2, unsent: 2 });
        assert_eq!(read(&sent, 1), [["short"]]);
    }

    #[test]
    fn a_large_burst_leaves_in_pieces_and_its_memory_is_given_back() {
        let packing = Packing { datagram_bytes_max: 60_000, ..Packing::default() };
        let (mut zero, mut outbox) = (codec(0).with_packing(packing), Outbox::default());
        for _ in 0..300 {
            outbox.post(Id::from(1), 1, None, &"x".repeat(30_000)).unwrap();
        }
        let mut sent = Sent::default();
        outbox.dispatch(&mut zero, &mut nodes(), &mut sent, &mut ());
        assert!(sent.calls > 5, "{}", sent.calls);
        assert_eq!(read(&sent, 1).iter().flatten().count(), 300);
        assert!(outbox.encoded.capacity() <= KEPT_BYTES_MAX);
        assert!(outbox.sealed.bytes() == 0 && outbox.posted.is_empty());
    }
}
