//! Sealing: from messages to datagrams.
//!
//! **Invariant**: every datagram takes the next number, whether or not it can be sealed then.
//!
//! **Absent**: which messages share a datagram (see [`crate::outbox`]).

use super::cookie::{COOKIE_BYTES, Cookie};
use super::fragment::{FRAGMENT_HEADER_BYTES, Fragment};
use super::header::{self, Direction, Header};
use super::{
    Codec, DATAGRAM_BYTES_MAX, KIND_BYTES, MESSAGE_BYTES_MAX, Party, Payload, Peer, WHOLE,
    WireError,
};
use crate::keys::TAG_BYTES;
use std::net::SocketAddr;

impl Codec {
    /// Replaces the contents of `datagram` by this message, sealed for that peer, however long the
    /// datagram becomes.
    ///
    /// # Errors
    /// When the message does not fit any datagram, or there is no such peer.
    pub fn seal(
        &mut self,
        to: Peer,
        message: &impl Payload,
        datagram: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        datagram.clear();
        let format = self.format_for(to);
        self.append((to, format), None, datagram, |body| {
            body.push(WHOLE);
            message.write(format, body).map_err(WireError::Body)
        })
    }

    /// The number of the datagram that is sealed next.
    pub(crate) fn next_number(&self) -> u64 {
        self.sealed
    }

    /// Bytes of messages that fit one of this process's datagrams.
    pub(crate) fn room(&self) -> usize {
        let beside = self.header_bytes() + COOKIE_BYTES + KIND_BYTES + TAG_BYTES;
        self.packing.datagram_bytes_max - beside
    }

    /// Appends a datagram that carries these messages, encoded in that format, sealed for that peer at this address.
    /// Without any, it tells what is read here, and carries a cookie if it is for a client or of one.
    pub(crate) fn append_whole<'a>(
        &mut self,
        to: (Peer, u8),
        address: Option<SocketAddr>,
        messages: impl Iterator<Item = &'a [u8]>,
        datagrams: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        self.append(to, address, datagrams, |body| {
            body.push(WHOLE);
            messages.for_each(|message| body.extend_from_slice(message));
            Ok(())
        })
    }

    /// The parts of an encoded message that does not fit one datagram. They have to be sealed for
    /// one peer, all of them, one after the other.
    pub(crate) fn split<'a>(&self, message: &'a [u8]) -> Result<Vec<Fragment<'a>>, WireError> {
        let too_long = WireError::TooLong(message.len());
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(too_long);
        }
        Fragment::split(message, self.room() - FRAGMENT_HEADER_BYTES).ok_or(too_long)
    }

    /// Appends a datagram that carries a part of a message in that format, sealed for that peer at this address.
    pub(crate) fn append_part(
        &mut self,
        to: (Peer, u8),
        address: Option<SocketAddr>,
        part: &Fragment<'_>,
        datagrams: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        self.append(to, address, datagrams, |body| {
            part.write(body);
            Ok(())
        })
    }

    fn header_bytes(&self) -> usize {
        let name_bytes = match &self.own {
            Party::Replica { .. } => 0,
            Party::Client(user) => user.as_str().len(),
        };
        header::NAME_AT + name_bytes
    }

    /// Appends a datagram whose body `write` appends behind the cookie, in that format.
    pub(super) fn append(
        &mut self,
        (to, format): (Peer, u8),
        address: Option<SocketAddr>,
        datagrams: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        let number = self.sealed;
        self.sealed =
            number.checked_add(1).filter(|n| *n < u64::MAX).ok_or(WireError::Exhausted)?;
        let (direction, sender, name) = match (&self.own, to) {
            (Party::Replica { id, .. }, Peer::Replica(_)) => (Direction::Replicas, *id, ""),
            (Party::Client(user), Peer::Replica(_)) => {
                let name = user.as_str();
                (Direction::ToReplica, name.len() as u8, name)
            }
            (Party::Replica { id, .. }, Peer::Client(_)) => (Direction::ToClient, *id, ""),
            (Party::Client(_), Peer::Client(_)) => return Err(WireError::Nobody),
        };
        let link = match to {
            Peer::Client(client) => self.clients.peek(&client),
            Peer::Replica(_) => None,
        };
        let (start, boot) = (datagrams.len(), self.boot);
        let newest = self.formats.newest();
        Header { format, newest, direction, boot, number, sender, name }
            .append(self.cluster, datagrams);
        let body_at = datagrams.len();
        match to {
            Peer::Client(client) => {
                let cookie = match (address, link.and_then(|link| link.cookie)) {
                    (None, _) => Cookie::default(),
                    (Some(address), Some((at, cookie))) if at == address => cookie,
                    (Some(address), _) => self.bakery.cookie(client, address),
                };
                datagrams.extend_from_slice(&cookie.to_bytes());
            }
            Peer::Replica(id) if direction == Direction::ToReplica => {
                let heard = self.cookies.get(usize::from(id)).copied().unwrap_or_default();
                datagrams.extend_from_slice(&heard.to_bytes());
            }
            Peer::Replica(_) => {}
        }
        write(datagrams)?;
        let length = datagrams.len() - start + TAG_BYTES;
        if length > DATAGRAM_BYTES_MAX {
            return Err(WireError::TooLong(length));
        }
        let (header, body) = datagrams[start..].split_at_mut(body_at - start);
        let drawn;
        let cipher = match to {
            Peer::Replica(id) => self.outbound.get(usize::from(id)).ok_or(WireError::Nobody)?,
            Peer::Client(client) => match link {
                Some(link) => &link.outbound,
                None => {
                    drawn = self.to_client(client)?;
                    &drawn
                }
            },
        };
        let tag = cipher.seal(number, header, body).ok_or(WireError::TooLong(length))?;
        datagrams.extend_from_slice(&tag);
        Ok(())
    }
}
