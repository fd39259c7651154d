//! Opening: from datagrams to messages.
//!
//! **Invariant**: a datagram goes through three gates, each cheaper to fail at than the next: its
//! header is one of this cluster's, its seal is that of whom it names, its body is messages.

use super::cookie::{COOKIE_BYTES, Cookie};
use super::fragment::Fragment;
use super::header::{Direction, Header};
use super::replay::Window;
use super::{
    ClientId, ClientLink, Codec, MESSAGES_PER_DATAGRAM_MAX, Party, Payload, Peer,
    REPLICA_BOOTS_MAX, UserName, WHOLE, WireError,
};
use crate::keys::{Boot, Cipher, LinkKey, TAG_BYTES};
use std::net::SocketAddr;

/// What a datagram shows, beside its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Who it comes from.
    pub peer: Peer,
    /// Of which boot it is.
    pub boot: Boot,
    /// Its number in that boot; of several that carry one message, the first's.
    pub number: u64,
    /// Its sender has heard something of this process at the address that it came from; replicas are not asked
    /// for that.
    pub is_proven: bool,
    /// What else is in it.
    pub content: Content,
}

/// What a datagram carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Messages, a part of one, or nothing.
    Messages,
    /// A cookie, and nothing else.
    Cookie,
    /// Something in this format, which is not read here.
    Unread(u8),
}

/// A datagram that was decrypted.
struct Decrypted {
    from: Peer,
    boot: Boot,
    number: u64,
    body_at: usize,
    /// Of what it carries.
    format: u8,
    /// The newest that its sender reads.
    newest: u8,
}

/// What opens the datagrams of one boot of one sender.
#[derive(Debug)]
pub(super) struct Inbound {
    cipher: Cipher,
    window: Window,
}

impl Inbound {
    pub(super) fn new(key: &LinkKey, boot: Boot) -> Inbound {
        Inbound { cipher: key.boot(boot), window: Window::default() }
    }

    /// Decrypts the body in place, if it is authentic and new. The body loses its tag.
    pub(super) fn open(
        &mut self,
        number: u64,
        datagram: &mut [u8],
        body_at: usize,
    ) -> Result<(), WireError> {
        if !self.window.is_new(number) {
            return Err(WireError::Replayed);
        }
        let (header, sealed) = datagram.split_at_mut(body_at);
        if !self.cipher.open(number, header, sealed) {
            return Err(WireError::Forged);
        }
        self.window.take(number);
        Ok(())
    }
}

impl Codec {
    /// The message of a datagram that carries one, and who it comes from. Decrypts it in place.
    ///
    /// # Errors
    /// When it is not a new datagram that a peer has sealed for this process, or carries anything
    /// but one message.
    pub fn open<M: Payload>(&mut self, datagram: &mut [u8]) -> Result<(Peer, M), WireError> {
        let mut messages = Vec::new();
        let Opened { peer: from, content, .. } = self.open_all(None, datagram, &mut messages)?;
        if let Content::Unread(format) = content {
            return Err(WireError::Format(format));
        }
        let others = messages.len().saturating_sub(1);
        match messages.pop() {
            Some(message) if others == 0 => Ok((from, message)),
            None => Err(WireError::Nothing),
            Some(_) => Err(WireError::Trailing(others)),
        }
    }

    /// Replaces `messages` by those that this datagram carries, or completes: none, if it is a part
    /// of one of which others are missing, carries a cookie alone, or is in a format that is not read. Decrypts it in
    /// place. Without the address that it came from, no client's is proven.
    ///
    /// # Errors
    /// When it is not a new datagram that a peer has sealed for this process, or something in it is
    /// not a message; then there are none.
    pub fn open_all<M: Payload>(
        &mut self,
        address: Option<SocketAddr>,
        datagram: &mut [u8],
        messages: &mut Vec<M>,
    ) -> Result<Opened, WireError> {
        messages.clear();
        let Decrypted { from, boot, mut number, body_at, format, newest } =
            self.decrypt(datagram)?;
        self.heard(from, newest);
        let body = &datagram[body_at..datagram.len() - TAG_BYTES];
        let (is_proven, body) = self.take_cookie(from, address, body)?;
        let content = match body {
            [WHOLE] if self.has_cookie(from) => Content::Cookie,
            [WHOLE] => Content::Messages,
            _ if !self.formats.contains(format) => Content::Unread(format),
            _ => Content::Messages,
        };
        let read = match body {
            [WHOLE] => Ok(()),
            _ if content != Content::Messages => Ok(()),
            [] => Err(WireError::Body(postcard::Error::DeserializeUnexpectedEnd)),
            [WHOLE, encoded @ ..] => read_all(format, encoded, messages),
            [count, part @ ..] => {
                let part = Fragment::read(*count, part)?;
                let own = number;
                number = part.first(own)?;
                let whole = match from {
                    Peer::Replica(id) => self.of_replicas.add((id, boot), own, part)?,
                    Peer::Client(client) => {
                        self.of_clients.add((client.user, client.boot), own, part)?
                    }
                };
                whole.map_or(Ok(()), |encoded| read_all(format, &encoded, messages))
            }
        };
        if read.is_err() {
            messages.clear();
        }
        read.map(|()| Opened { peer: from, boot, number, is_proven, content })
    }

    /// This is the newest format that this peer reads.
    fn heard(&mut self, peer: Peer, newest: u8) {
        if self.formats.is_one() {
            return;
        }
        let known = match peer {
            Peer::Replica(id) => self.spoken.get_mut(usize::from(id)),
            Peer::Client(client) => self.clients.get(&client).map(|link| &mut link.format),
        };
        if let Some(known) = known {
            *known = self.formats.with(newest);
        }
    }

    /// Do the datagrams of this peer carry a cookie?
    fn has_cookie(&self, from: Peer) -> bool {
        match (&self.own, from) {
            (Party::Replica { .. }, Peer::Replica(_)) => false,
            (Party::Client(_), _) | (_, Peer::Client(_)) => true,
        }
    }

    /// Takes the cookie off a body: does it prove where it came from, and what is behind it?
    fn take_cookie<'a>(
        &mut self,
        from: Peer,
        address: Option<SocketAddr>,
        body: &'a [u8],
    ) -> Result<(bool, &'a [u8]), WireError> {
        if !self.has_cookie(from) {
            return Ok((true, body));
        }
        let (cookie, rest) = body
            .split_first_chunk::<COOKIE_BYTES>()
            .ok_or(WireError::Body(postcard::Error::DeserializeUnexpectedEnd))?;
        let cookie = Cookie::of(*cookie);
        match from {
            Peer::Replica(id) => {
                if let Some(last) = self.cookies.get_mut(usize::from(id)) {
                    *last = cookie;
                }
                Ok((true, rest))
            }
            Peer::Client(client) => {
                let Some(address) = address else { return Ok((false, rest)) };
                let expected = match self.clients.get(&client) {
                    Some(ClientLink { cookie: Some((at, known)), .. }) if *at == address => *known,
                    Some(link) => {
                        let baked = self.bakery.cookie(client, address);
                        link.cookie = Some((address, baked));
                        baked
                    }
                    None => return Ok((false, rest)),
                };
                Ok((expected == cookie, rest))
            }
        }
    }

    /// Decrypts a datagram in place.
    fn decrypt(&mut self, datagram: &mut [u8]) -> Result<Decrypted, WireError> {
        let (header, body_at) = Header::parse(datagram, self.cluster)?;
        let (format, newest) = (header.format, header.newest);
        let (boot, number, sender) = (header.boot, header.number, header.sender);
        let from = match (&self.own, header.direction) {
            (Party::Replica { id, .. }, Direction::Replicas) if *id != sender => {
                Peer::Replica(sender)
            }
            (Party::Client(_), Direction::ToClient) => Peer::Replica(sender),
            (Party::Replica { .. }, Direction::ToReplica) => {
                let user = UserName::new(header.name).ok_or(WireError::Header)?;
                Peer::Client(ClientId { user, boot })
            }
            // What this process has sent itself, or what is meant for others.
            _ => return Err(WireError::Forged),
        };
        match from {
            Peer::Replica(id) => self.open_of_replica(id, boot, number, datagram, body_at)?,
            Peer::Client(client) => self.open_of_client(client, number, datagram, body_at)?,
        }
        Ok(Decrypted { from, boot, number, body_at, format, newest })
    }

    fn open_of_replica(
        &mut self,
        id: u8,
        boot: Boot,
        number: u64,
        datagram: &mut [u8],
        body_at: usize,
    ) -> Result<(), WireError> {
        if let Some(inbound) = self.replicas.get_mut(&(id, boot)) {
            return inbound.open(number, datagram, body_at);
        }
        let keys = self.inbound.get(usize::from(id)).ok_or(WireError::Forged)?;
        let each = keys.iter().map(|key| (Inbound::new(key, boot), ()));
        let (inbound, ()) = open_with_any(each, number, datagram, body_at)?;
        if self.replicas.len() >= REPLICA_BOOTS_MAX {
            self.replicas.pop_lru();
        }
        self.replicas.put((id, boot), Box::new(inbound));
        Ok(())
    }

    fn open_of_client(
        &mut self,
        client: ClientId,
        number: u64,
        datagram: &mut [u8],
        body_at: usize,
    ) -> Result<(), WireError> {
        if let Some(link) = self.clients.get(&client) {
            return link.inbound.open(number, datagram, body_at);
        }
        let (id, keys) = self.keys_of(client.user)?;
        let each = keys.map(|key| (Inbound::new(&key.to_replica(id), client.boot), key));
        let (inbound, key) = open_with_any(each, number, datagram, body_at)?;
        let outbound = key.of_replica(id, client.boot).boot(self.boot);
        let format = self.formats.oldest();
        self.clients.insert(client, ClientLink { inbound, outbound, format, cookie: None });
        Ok(())
    }
}

/// Decrypts the body in place with the first of these that can.
fn open_with_any<K>(
    each: impl Iterator<Item = (Inbound, K)>,
    number: u64,
    datagram: &mut [u8],
    body_at: usize,
) -> Result<(Inbound, K), WireError> {
    let mut each = each.peekable();
    while let Some((mut inbound, key)) = each.next() {
        // What cannot open a body leaves it void.
        let copy = each.peek().is_some().then(|| datagram[body_at..].to_vec());
        match (inbound.open(number, datagram, body_at), copy) {
            (Ok(()), _) => return Ok((inbound, key)),
            (Err(_), Some(copy)) => datagram[body_at..].copy_from_slice(&copy),
            (Err(error), None) => return Err(error),
        }
    }
    Err(WireError::Forged)
}
/// Appends all messages that are encoded here in this format, one after the other.
fn read_all<M: Payload>(
    format: u8,
    mut encoded: &[u8],
    messages: &mut Vec<M>,
) -> Result<(), WireError> {
    loop {
        if messages.len() >= MESSAGES_PER_DATAGRAM_MAX {
            return Err(WireError::TooMany);
        }
        let (message, rest) = M::read(format, encoded).map_err(WireError::Body)?;
        messages.push(message);
        if rest.is_empty() {
            return Ok(());
        }
        encoded = rest;
    }
}
