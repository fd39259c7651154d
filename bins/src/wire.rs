//! Datagrams: a versioned header in the clear, and a postcard body that is sealed.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | magic `PXCH` |
//! | 4 | version of the format |
//! | 5 | 0 from a replica to another, 1 from a client to a replica, 2 from a replica to a client |
//! | 6..14 | the cluster that the sender belongs to |
//! | 14..46 | the boot of the sending process |
//! | 46..54 | the datagram's number in that boot, little endian |
//! | 54 | the sending replica, or the length of the sending user's name |
//! | 55.. | that name |
//! | then | the message, in postcard, encrypted |
//! | last 16 | the tag of header and message |
//!
//! **Invariants**
//! - *Sealed by its sender for its receiver*: ChaCha20-Poly1305 under a key of sender, receiver, this
//!   direction and the sender's boot, over the header too. Whoever it comes from is who it names.
//! - *No nonce repeats*: a codec draws its boot when it is made, numbers what it seals, and is
//!   neither cloned nor stored.
//! - *None is taken twice* while its sender's boot is remembered: see `replay.rs`. Afterwards, or
//!   after a restart, one may be; the protocol survives that, because every model lets any message
//!   arrive again at any time.
//! - *Nothing is allocated for a stranger*: a datagram is looked at in the buffer that it arrived in,
//!   and a key is remembered once it has opened a datagram, and not before.
//! - *Decoding is total and bounded*: any bytes give a message or an error, and never more memory
//!   than a small multiple of the datagram.
//!
//! **Absent**: secrecy of who talks to whom, when and how much: the header is readable. And secrecy
//! of past messages once a key is known, which would need an exchange of keys.

mod header;
mod peer;
mod recent;
mod replay;

use crate::keys::{Boot, LinkKey, Secret, UserKey};
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, Nonce, Tag};
use header::{Direction, Header, TAG_BYTES};
use recent::Recent;
use replay::Window;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};

pub use peer::{ClientId, ClusterId, Peer, UserName};

/// The longest datagram that is sent or accepted, in bytes: what UDP over IPv4 carries.
pub const DATAGRAM_BYTES_MAX: usize = 65_507;
/// Clients whose keys a replica remembers.
pub const CLIENTS_MAX: usize = 16_384;
/// Boots of replicas whose keys are remembered.
const REPLICA_BOOTS_MAX: usize = 1024;

/// Why a datagram is not a message for this process.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Shorter than a header and a tag.
    #[error("{0} bytes are too short for a datagram")]
    TooShort(usize),
    /// Longer than a datagram may be.
    #[error("{0} bytes are more than a datagram carries")]
    TooLong(usize),
    /// Not of this program.
    #[error("not a datagram of this program")]
    Foreign,
    /// Of another version of this program.
    #[error("format version {0} is not supported")]
    Version(u8),
    /// Of another cluster.
    #[error("of another cluster")]
    Cluster,
    /// The header has impossible values.
    #[error("the header is malformed")]
    Header,
    /// Not sealed by whom it names for this process, or changed on its way.
    #[error("not authentic")]
    Forged,
    /// Taken before, or too old to know.
    #[error("taken before")]
    Replayed,
    /// Not a message.
    #[error("not a message: {0}")]
    Body(postcard::Error),
    /// A message with something behind it.
    #[error("{0} bytes follow the message")]
    Trailing(usize),
    /// There is no key for this receiver.
    #[error("nobody to send this to")]
    Nobody,
    /// A boot has sealed all it can.
    #[error("no number is left in this boot")]
    Exhausted,
}

/// What opens the datagrams of one boot of one sender.
#[derive(Debug)]
struct Inbound {
    cipher: ChaCha20Poly1305,
    window: Window,
}

impl Inbound {
    fn new(key: &LinkKey, boot: Boot) -> Inbound {
        Inbound { cipher: key.boot(boot), window: Window::default() }
    }

    /// Decrypts the body in place, if it is authentic and new. The body loses its tag.
    fn open(&mut self, number: u64, datagram: &mut [u8], body_at: usize) -> Result<(), WireError> {
        if !self.window.is_new(number) {
            return Err(WireError::Replayed);
        }
        let (header, sealed) = datagram.split_at_mut(body_at);
        let (body, tag) = sealed.split_at_mut(sealed.len() - TAG_BYTES);
        let tag = Tag::try_from(&*tag).map_err(|_| WireError::Forged)?;
        self.cipher
            .decrypt_inout_detached(&nonce(number), header, body.into(), &tag)
            .map_err(|_| WireError::Forged)?;
        self.window.take(number);
        Ok(())
    }
}

/// Both directions between a replica and one process of a user.
#[derive(Debug)]
struct ClientLink {
    inbound: Inbound,
    outbound: ChaCha20Poly1305,
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_le_bytes());
    nonce.into()
}

/// Which generation of each user's key is valid: see [`crate::config::Config::revoked`].
pub type Generations = BTreeMap<String, u32>;

/// Whose datagrams a codec seals.
enum Own {
    Replica { id: u8, secret: Secret, generations: Generations },
    Client(UserName),
}

/// Seals and opens the datagrams of one process.
pub struct Codec {
    cluster: ClusterId,
    boot: Boot,
    /// Datagrams sealed in this boot.
    sealed: u64,
    own: Own,
    /// To each replica.
    outbound: Vec<ChaCha20Poly1305>,
    /// From each replica.
    inbound: Vec<LinkKey>,
    /// Boots of replicas that were heard.
    replicas: Recent<(u8, Boot), Inbound>,
    /// Clients that were heard.
    clients: Recent<ClientId, ClientLink>,
}

impl Debug for Codec {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Codec { cluster, boot, sealed, .. } = self;
        write!(f, "Codec({cluster}, {boot:?}, {sealed} sealed)")
    }
}

impl Codec {
    /// The codec of replica `id`, one of so many, in a new boot.
    pub fn replica(
        secret: &Secret,
        cluster: ClusterId,
        id: u8,
        replicas: usize,
        generations: Generations,
    ) -> Codec {
        let ids = 0..u8::try_from(replicas).unwrap_or(u8::MAX);
        let outbound = ids.clone().map(|to| secret.replicas(cluster, id, to));
        let outbound = outbound.collect();
        let inbound = ids.map(|from| secret.replicas(cluster, from, id)).collect();
        let own = Own::Replica { id, secret: secret.clone(), generations };
        Codec::new(cluster, Boot::fresh(), own, outbound, inbound)
    }

    /// The codec of a process of this user, towards so many replicas, in a new boot.
    pub fn client(key: &UserKey, cluster: ClusterId, user: UserName, replicas: usize) -> Codec {
        let boot = Boot::fresh();
        let ids = 0..u8::try_from(replicas).unwrap_or(u8::MAX);
        let outbound = ids.clone().map(|to| key.to_replica(to)).collect();
        let inbound = ids.map(|from| key.of_replica(from, boot)).collect();
        Codec::new(cluster, boot, Own::Client(user), outbound, inbound)
    }

    fn new(
        cluster: ClusterId,
        boot: Boot,
        own: Own,
        outbound: Vec<LinkKey>,
        inbound: Vec<LinkKey>,
    ) -> Codec {
        let outbound = outbound.into_iter().map(|key| key.boot(boot)).collect();
        let (replicas, clients) = (Recent::new(REPLICA_BOOTS_MAX), Recent::new(CLIENTS_MAX));
        Codec { cluster, boot, sealed: 0, own, outbound, inbound, replicas, clients }
    }

    /// The cluster that it talks in.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The boot of this process.
    pub fn boot(&self) -> Boot {
        self.boot
    }

    /// From now on, these generations of keys are valid. Has no effect at a client.
    pub fn set_generations(&mut self, new: Generations) {
        let Own::Replica { generations, .. } = &mut self.own else { return };
        let valid = |of: &Generations, user: &str| of.get(user).copied().unwrap_or_default();
        self.clients.retain(|client| {
            let user = client.user.as_str();
            valid(generations, user) == valid(&new, user)
        });
        *generations = new;
    }

    /// Replaces the contents of `datagram` by this message, sealed for that peer.
    ///
    /// # Errors
    /// When the message does not fit a datagram, or there is no such peer.
    pub fn seal(
        &mut self,
        to: Peer,
        message: &impl Serialize,
        datagram: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        let number = self.sealed;
        self.sealed =
            number.checked_add(1).filter(|n| *n < u64::MAX).ok_or(WireError::Exhausted)?;
        let (direction, sender, name) = match (&self.own, to) {
            (Own::Replica { id, .. }, Peer::Replica(_)) => (Direction::Replicas, *id, ""),
            (Own::Client(user), Peer::Replica(_)) => {
                let name = user.as_str();
                (Direction::ToReplica, name.len() as u8, name)
            }
            (Own::Replica { id, .. }, Peer::Client(_)) => (Direction::ToClient, *id, ""),
            (Own::Client(_), Peer::Client(_)) => return Err(WireError::Nobody),
        };
        let boot = self.boot;
        Header { direction, boot, number, sender, name }.write(self.cluster, datagram);
        let body_at = datagram.len();
        let encoded = postcard::to_extend(message, std::mem::take(datagram));
        *datagram = encoded.map_err(WireError::Body)?;
        if datagram.len() + TAG_BYTES > DATAGRAM_BYTES_MAX {
            return Err(WireError::TooLong(datagram.len() + TAG_BYTES));
        }
        let (header, body) = datagram.split_at_mut(body_at);
        let drawn;
        let cipher = match to {
            Peer::Replica(id) => self.outbound.get(usize::from(id)).ok_or(WireError::Nobody)?,
            Peer::Client(client) => match self.clients.peek(&client) {
                Some(link) => &link.outbound,
                None => {
                    drawn = self.to_client(client)?;
                    &drawn
                }
            },
        };
        let tag = cipher.encrypt_inout_detached(&nonce(number), header, body.into());
        let tag = tag.map_err(|_| WireError::TooLong(datagram.len()))?;
        datagram.extend_from_slice(&tag);
        Ok(())
    }

    /// The message that this datagram carries, and who it comes from. Decrypts it in place.
    ///
    /// # Errors
    /// When it is not a whole and new datagram that a peer has sealed for this process.
    pub fn open<M: DeserializeOwned>(
        &mut self,
        datagram: &mut [u8],
    ) -> Result<(Peer, M), WireError> {
        let (header, body_at) = Header::parse(datagram, self.cluster)?;
        let (boot, number, sender) = (header.boot, header.number, header.sender);
        let from = match (&self.own, header.direction) {
            (Own::Replica { id, .. }, Direction::Replicas) if *id != sender => {
                Peer::Replica(sender)
            }
            (Own::Client(_), Direction::ToClient) => Peer::Replica(sender),
            (Own::Replica { .. }, Direction::ToReplica) => {
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
        let body = &datagram[body_at..datagram.len() - TAG_BYTES];
        let (message, rest) = postcard::take_from_bytes(body).map_err(WireError::Body)?;
        if rest.is_empty() { Ok((from, message)) } else { Err(WireError::Trailing(rest.len())) }
    }

    fn open_of_replica(
        &mut self,
        id: u8,
        boot: Boot,
        number: u64,
        datagram: &mut [u8],
        body_at: usize,
    ) -> Result<(), WireError> {
        if let Some(inbound) = self.replicas.get(&(id, boot)) {
            return inbound.open(number, datagram, body_at);
        }
        let key = self.inbound.get(usize::from(id)).ok_or(WireError::Forged)?;
        let mut inbound = Inbound::new(key, boot);
        inbound.open(number, datagram, body_at)?;
        self.replicas.insert((id, boot), inbound);
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
        let (id, key) = self.key_of(client.user)?;
        let mut inbound = Inbound::new(&key.to_replica(id), client.boot);
        inbound.open(number, datagram, body_at)?;
        let outbound = self.to_client(client)?;
        self.clients.insert(client, ClientLink { inbound, outbound });
        Ok(())
    }

    /// The own id of a replica, and the key of this user.
    fn key_of(&self, user: UserName) -> Result<(u8, UserKey), WireError> {
        let Own::Replica { id, secret, generations } = &self.own else {
            return Err(WireError::Nobody);
        };
        let user = user.as_str();
        let generation = generations.get(user).copied().unwrap_or_default();
        Ok((*id, secret.user(self.cluster, user, generation)))
    }

    fn to_client(&self, client: ClientId) -> Result<ChaCha20Poly1305, WireError> {
        let (id, key) = self.key_of(client.user)?;
        Ok(key.of_replica(id, client.boot).boot(self.boot))
    }

    /// How many senders are remembered.
    #[cfg(test)]
    fn remembered(&self) -> usize {
        self.replicas.len() + self.clients.len()
    }
}

#[cfg(test)]
mod tests;
