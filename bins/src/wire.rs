//! Datagrams: a versioned header in the clear, and a postcard body that is sealed.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | magic `PXCH` |
//! | 4 | version of the format |
//! | 5 | who sends to whom: see [`Direction`] |
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

mod recent;
mod replay;

use crate::keys::{Boot, KEY_BYTES, LinkKey, Secret, UserKey};
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, Nonce, Tag};
use paxos_chat::tuning::USER_BYTES_MAX;
use recent::Recent;
use replay::Window;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};

/// The longest datagram that is sent or accepted, in bytes: what UDP over IPv4 carries.
pub const DATAGRAM_BYTES_MAX: usize = 65_507;
/// Clients whose keys a replica remembers.
pub const CLIENTS_MAX: usize = 16_384;
/// Boots of replicas whose keys are remembered.
const REPLICA_BOOTS_MAX: usize = 1024;

const MAGIC: [u8; 4] = *b"PXCH";
const VERSION: u8 = 2;
const VERSION_AT: usize = MAGIC.len();
const DIRECTION_AT: usize = VERSION_AT + 1;
const CLUSTER_AT: usize = DIRECTION_AT + 1;
const BOOT_AT: usize = CLUSTER_AT + size_of::<ClusterId>();
const NUMBER_AT: usize = BOOT_AT + KEY_BYTES;
const SENDER_AT: usize = NUMBER_AT + size_of::<u64>();
const NAME_AT: usize = SENDER_AT + 1;
const TAG_BYTES: usize = 16;

/// Tells the datagrams of one cluster from those of another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClusterId([u8; 8]);

impl ClusterId {
    /// The id of the cluster that this text describes.
    pub fn of(description: &str) -> ClusterId {
        let hash = blake3::hash(description.as_bytes());
        let mut id = [0; 8];
        id.copy_from_slice(&hash.as_bytes()[..8]);
        ClusterId(id)
    }

    /// The id as it is stored.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

impl Debug for ClusterId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(self, f)
    }
}

/// Who sends to whom: byte 5 of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// 0: a replica to another one.
    Replicas,
    /// 1: a client to a replica.
    ToReplica,
    /// 2: a replica to a client.
    ToClient,
}

/// The name of a user, without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserName {
    bytes: [u8; USER_BYTES_MAX],
    length: u8,
}

impl UserName {
    /// This name, if it is one.
    pub fn new(name: &str) -> Option<UserName> {
        let mut bytes = [0; USER_BYTES_MAX];
        bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        (!name.is_empty()).then_some(UserName { bytes, length: name.len() as u8 })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl Debug for UserName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(self.as_str(), f)
    }
}

/// One process of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId {
    /// Whose it is.
    pub user: UserName,
    /// Which one.
    pub boot: Boot,
}

/// Who a datagram comes from, or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A replica, by its id.
    Replica(u8),
    /// A process of a user.
    Client(ClientId),
}

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

/// The readable part of a datagram.
struct Header<'a> {
    direction: Direction,
    boot: Boot,
    number: u64,
    /// A replica's id, or the length of a name.
    sender: u8,
    /// Empty if a replica sends.
    name: &'a str,
}

impl Header<'_> {
    fn parse(datagram: &[u8], cluster: ClusterId) -> Result<(Header<'_>, usize), WireError> {
        let length = datagram.len();
        if length > DATAGRAM_BYTES_MAX {
            return Err(WireError::TooLong(length));
        }
        if length < NAME_AT + TAG_BYTES {
            return Err(WireError::TooShort(length));
        }
        if datagram[..VERSION_AT] != MAGIC {
            return Err(WireError::Foreign);
        }
        if datagram[VERSION_AT] != VERSION {
            return Err(WireError::Version(datagram[VERSION_AT]));
        }
        if datagram[CLUSTER_AT..BOOT_AT] != cluster.0 {
            return Err(WireError::Cluster);
        }
        let (direction, name_bytes) = match datagram[DIRECTION_AT] {
            0 => (Direction::Replicas, 0),
            1 => (Direction::ToReplica, usize::from(datagram[SENDER_AT])),
            2 => (Direction::ToClient, 0),
            _ => return Err(WireError::Header),
        };
        let body_at = NAME_AT + name_bytes;
        if length < body_at + TAG_BYTES {
            return Err(WireError::TooShort(length));
        }
        let mut boot = [0; KEY_BYTES];
        boot.copy_from_slice(&datagram[BOOT_AT..NUMBER_AT]);
        let mut number = [0; size_of::<u64>()];
        number.copy_from_slice(&datagram[NUMBER_AT..SENDER_AT]);
        let name = std::str::from_utf8(&datagram[NAME_AT..body_at]);
        let header = Header {
            direction,
            boot: Boot::of(boot),
            number: u64::from_le_bytes(number),
            sender: datagram[SENDER_AT],
            name: name.map_err(|_| WireError::Header)?,
        };
        // No sender gets there, and a window could not tell it from the one before.
        if header.number == u64::MAX { Err(WireError::Header) } else { Ok((header, body_at)) }
    }
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
            (Own::Replica { id, .. }, Peer::Replica(_)) => (0, *id, ""),
            (Own::Client(user), Peer::Replica(_)) => (1, user.length, user.as_str()),
            (Own::Replica { id, .. }, Peer::Client(_)) => (2, *id, ""),
            (Own::Client(_), Peer::Client(_)) => return Err(WireError::Nobody),
        };
        datagram.clear();
        datagram.extend_from_slice(&MAGIC);
        datagram.extend_from_slice(&[VERSION, direction]);
        datagram.extend_from_slice(&self.cluster.0);
        datagram.extend_from_slice(self.boot.as_bytes());
        datagram.extend_from_slice(&number.to_le_bytes());
        datagram.push(sender);
        datagram.extend_from_slice(name.as_bytes());
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
