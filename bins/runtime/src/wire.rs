//! Datagrams: a versioned header in the clear, and a body that is sealed.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | magic `PXCH` |
//! | 4 | version of all this |
//! | 5 | format of the messages in it: see `format.rs` |
//! | 6 | the newest format that the sender reads |
//! | 7 | 0 from a replica to another, 1 from a client to a replica, 2 from a replica to a client |
//! | 8..16 | the cluster that the sender belongs to |
//! | 16..48 | the boot of the sending process |
//! | 48..56 | the datagram's number in that boot, little endian |
//! | 56 | the sending replica, or the length of the sending user's name |
//! | 57.. | that name |
//! | then, encrypted | 8 bytes, unless both are replicas: see `cookie.rs` |
//! | then | how many datagrams carry this message; 1 if the rest is whole messages |
//! | if it is 1 | messages, one after the other; or none, in a datagram that only tells what is in front of them |
//! | else | which part this is, from 0 on; the bytes of all parts (2, little endian); this part |
//! | last 16 | the tag of all that |
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
//!   and a key is remembered once it has opened a datagram, and not before. (While one secret replaces another,
//!   there are two keys to try, and so one copy, which is given back at once.)
//! - *Decoding is total and bounded*: any bytes give messages or an error, and never more memory
//!   than a small multiple of the datagram, or than incomplete messages may take (`fragment.rs`).
//! - *All or nothing*: if one message of a datagram can't be read, none of it is taken. Whoever has
//!   sealed such a thing is of another version or broken; and to lose a datagram is harmless.
//!
//! **Absent**: secrecy of who talks to whom, when and how much: the header is readable. And secrecy
//! of past messages once a key is known, which would need an exchange of keys.

mod cookie;
mod error;
mod format;
mod fragment;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod header;
mod open;
mod packing;
mod peer;
mod replay;
mod seal;

use crate::keys::{Boot, Cipher, Keyring, LinkKey, Secret, TAG_BYTES, UserKey};
use crate::shares::Shares;
use cookie::{Bakery, COOKIE_BYTES, Cookie};
use fragment::{OF_CLIENTS, OF_REPLICAS, Partials};
use lru::{DefaultHasher, LruCache};
use open::Inbound;
use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::net::SocketAddr;

pub use crate::keys::ClusterId;
pub use error::WireError;
pub use format::{Formats, Payload};
pub use header::{VERSION, claimed_user};
pub use open::{Content, Opened};
pub use packing::{
    DATAGRAM_BYTES_INTERNET, DATAGRAM_BYTES_LEAST, DATAGRAM_BYTES_LOOPBACK, DATAGRAM_BYTES_MAX,
    MESSAGES_PER_DATAGRAM_MAX, Packing,
};
pub use peer::{ClientId, Peer, USER_BYTES_MAX, UserName};

/// The longest message, in bytes: what fits the longest datagram beside the longest header.
pub const MESSAGE_BYTES_MAX: usize =
    DATAGRAM_BYTES_MAX - header::NAME_AT - USER_BYTES_MAX - COOKIE_BYTES - KIND_BYTES - TAG_BYTES;
/// Bytes that tell messages from parts of one.
const KIND_BYTES: usize = 1;
/// The kind of a body of whole messages.
const WHOLE: u8 = 1;
/// Clients whose keys a replica remembers.
pub const CLIENTS_MAX: usize = 16_384;
/// Boots of replicas whose keys are remembered.
const REPLICA_BOOTS_MAX: usize = 1024;

/// Both directions between a replica and one process of a user.
#[derive(Debug)]
struct ClientLink {
    inbound: Inbound,
    outbound: Cipher,
    /// What it is written to in.
    format: u8,
    /// Its cookie at the address that it was heard at last: to compute it takes as long as half a seal.
    cookie: Option<(SocketAddr, Cookie)>,
}

/// Which generation of each user's key is valid: how often those before it were revoked.
pub type Generations = BTreeMap<String, u32>;

/// Whose datagrams a codec seals.
enum Party {
    Replica { id: u8, keyring: Keyring, generations: Generations },
    Client(UserName),
}

/// Seals and opens the datagrams of one process.
pub struct Codec {
    cluster: ClusterId,
    boot: Boot,
    /// Datagrams sealed in this boot.
    sealed: u64,
    own: Party,
    /// What is read and written here.
    formats: Formats,
    /// What each replica is written to in.
    spoken: Vec<u8>,
    /// To each replica.
    outbound: Vec<Cipher>,
    /// From each replica, the key of each secret that may have sealed.
    inbound: Vec<Vec<LinkKey>>,
    /// The last cookie of each replica.
    cookies: Vec<Cookie>,
    bakery: Bakery,
    /// Boots of replicas that were heard. Each stays where it is, so that its key leaves no copies behind.
    replicas: LruCache<(u8, Boot), Box<Inbound>, DefaultHasher>,
    /// Clients that were heard.
    clients: Shares<ClientLink>,
    /// Incomplete messages of replicas.
    of_replicas: Partials<u8>,
    /// Incomplete messages of clients.
    of_clients: Partials<UserName>,
    packing: Packing,
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
        keyring: impl Into<Keyring>,
        cluster: ClusterId,
        id: u8,
        replicas: usize,
        generations: Generations,
    ) -> Codec {
        let keyring = keyring.into();
        let ids = 0..u8::try_from(replicas).unwrap_or(u8::MAX);
        let outbound = ids.clone().map(|to| keyring.seals().replicas(cluster, id, to));
        let outbound = outbound.collect();
        let keys = |from| keyring.all().map(|secret| secret.replicas(cluster, from, id)).collect();
        let inbound = ids.map(keys).collect();
        let own = Party::Replica { id, keyring, generations };
        Codec::new(cluster, Boot::fresh(), own, outbound, inbound)
    }

    /// The codec of a process of this user, towards so many replicas, in a new boot.
    pub fn client(key: &UserKey, cluster: ClusterId, user: UserName, replicas: usize) -> Codec {
        let boot = Boot::fresh();
        let ids = 0..u8::try_from(replicas).unwrap_or(u8::MAX);
        let outbound = ids.clone().map(|to| key.to_replica(to)).collect();
        let inbound = ids.map(|from| vec![key.of_replica(from, boot)]).collect();
        Codec::new(cluster, boot, Party::Client(user), outbound, inbound)
    }

    fn new(
        cluster: ClusterId,
        boot: Boot,
        own: Party,
        outbound: Vec<LinkKey>,
        inbound: Vec<Vec<LinkKey>>,
    ) -> Codec {
        let outbound: Vec<_> = outbound.into_iter().map(|key| key.boot(boot)).collect();
        let cookies = vec![Cookie::default(); outbound.len()];
        let (replicas, clients) = (LruCache::unbounded(), Shares::new(CLIENTS_MAX));
        let (packing, formats) = (Packing::default(), Formats::default());
        Codec {
            cluster,
            boot,
            sealed: 0,
            own,
            formats,
            spoken: vec![formats.oldest(); outbound.len()],
            outbound,
            inbound,
            cookies,
            bakery: Bakery::new(),
            replicas,
            clients,
            of_replicas: Partials::new(OF_REPLICAS),
            of_clients: Partials::new(OF_CLIENTS),
            packing,
        }
    }

    /// The same codec, which packs messages like this, within the limits of the format.
    #[must_use]
    pub fn with_packing(self, packing: Packing) -> Codec {
        Codec { packing: packing.within_limits(), ..self }
    }

    /// The same codec, which reads and writes these formats, and has heard nobody yet.
    #[must_use]
    pub fn with_formats(self, formats: Formats) -> Codec {
        let spoken = vec![formats.oldest(); self.outbound.len()];
        Codec { formats, spoken, ..self }
    }

    /// What it reads and writes.
    pub fn formats(&self) -> Formats {
        self.formats
    }

    /// The formats of messages for each replica.
    pub fn spoken(&self) -> &[u8] {
        &self.spoken
    }

    /// The format of messages for this peer, as it was heard last.
    pub fn format_for(&self, peer: Peer) -> u8 {
        let known = match peer {
            Peer::Replica(id) => self.spoken.get(usize::from(id)).copied(),
            Peer::Client(client) => self.clients.peek(&client).map(|link| link.format),
        };
        known.unwrap_or(self.formats.oldest())
    }

    /// How its datagrams are packed.
    pub fn packing(&self) -> Packing {
        self.packing
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
        let Party::Replica { generations, .. } = &mut self.own else { return };
        let valid = |of: &Generations, user: &str| of.get(user).copied().unwrap_or_default();
        self.clients
            .retain_users(|user| valid(generations, user.as_str()) == valid(&new, user.as_str()));
        *generations = new;
    }

    /// From now on, this replica seals and opens under these secrets, in a new boot. It remembers nobody, as after
    /// a restart. Has no effect at a client.
    pub fn set_keyring(&mut self, keyring: Keyring) {
        let Party::Replica { id, generations, .. } = &mut self.own else { return };
        let (id, generations) = (*id, std::mem::take(generations));
        *self = Codec::replica(keyring, self.cluster, id, self.outbound.len(), generations)
            .with_packing(self.packing)
            .with_formats(self.formats);
    }

    /// The own id of a replica, and the key of this user under each of its secrets.
    fn keys_of(
        &self,
        user: UserName,
    ) -> Result<(u8, impl Iterator<Item = UserKey> + use<'_>), WireError> {
        let Party::Replica { id, keyring, generations } = &self.own else {
            return Err(WireError::Nobody);
        };
        let generation = generations.get(user.as_str()).copied().unwrap_or_default();
        let key = move |secret: &Secret| secret.user(self.cluster, user.as_str(), generation);
        Ok((*id, keyring.all().map(key)))
    }

    /// What seals for a process that is not remembered.
    fn to_client(&self, client: ClientId) -> Result<Cipher, WireError> {
        let (id, mut keys) = self.keys_of(client.user)?;
        let key = keys.next().ok_or(WireError::Nobody)?;
        Ok(key.of_replica(id, client.boot).boot(self.boot))
    }

    /// How many senders are remembered.
    #[cfg(any(test, feature = "fuzz"))]
    fn remembered(&self) -> usize {
        self.replicas.len() + self.clients.len()
    }
}

#[cfg(test)]
mod tests;
