//! Keys: the cluster's secret, and everything that is derived from it.
//!
//! | key | derived from | known to |
//! |---|---|---|
//! | [`Secret`] | the system's randomness, once | the replicas |
//! | of a pair of replicas | secret, cluster, sender, receiver | the replicas |
//! | of operators, for all between them and replicas | secret | the replicas, and operators |
//! | [`UserKey`] | secret, cluster, the user's name and generation | the replicas, and the user |
//! | of a user and a replica, for each direction | user key, replica | the replicas, and the user |
//! | of a boot ([`LinkKey::boot`]) | one of those of pairs, and what is drawn at each start | as above |
//!
//! **Invariants**
//! - *One key for one purpose*: each derivation is BLAKE3's `derive_key` with a context of its own,
//!   and its material is of fixed length but for its last part.
//! - *No nonce repeats*: only keys of a boot seal, and they contain a [`Boot`], 32 bytes that the
//!   system draws when the sealing process starts. A backup restores no process, and a cloned disk
//!   starts a new one, so neither can seal under a key that has sealed before.
//! - *Nothing prints a key*: `Debug` says which kind it is, and its memory is wiped when it goes, that
//!   of what seals ([`Cipher`]) too.
//!
//! **Absent**: files, datagrams ([`crate::wire`]), and how one secret replaces another
//! ([`Keyring`]).
//!
//! **Source**: BLAKE3 (2020), section 6.2 for key derivation; RFC 8439 for why a nonce must not repeat.

mod cipher;
mod cluster;
mod ring;

use std::fmt::{self, Debug, Formatter};
use zeroize::Zeroizing;

pub(crate) use cipher::{Cipher, TAG_BYTES};
pub use cluster::ClusterId;
pub use ring::{Beside, Fingerprint, Keyring, RotationError};

/// Bytes of every key and of every boot.
pub const KEY_BYTES: usize = 32;

/// From now on no core dump of this process is written, and no other process of its user may look into it: there are
/// keys in its memory. Where the system can't do that, its limits have to.
pub fn stay_out_of_core_dumps() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // It needs no right, and a system that refuses it has other ways to say so.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// What is drawn when a process starts, and tells its datagrams from all others'.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Boot([u8; KEY_BYTES]);

impl Boot {
    /// A new one.
    ///
    /// # Panics
    /// When the system has no randomness: nothing can be sealed safely without it.
    pub fn fresh() -> Boot {
        let mut bytes = [0; KEY_BYTES];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        Boot(bytes)
    }

    /// The boot that a datagram names.
    pub fn of(bytes: [u8; KEY_BYTES]) -> Boot {
        Boot(bytes)
    }

    /// Its bytes, which are no secret.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// A number of 48 bits, drawn with it: boots that count from there do not meet.
    pub fn number(&self) -> u64 {
        self.0[..6].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

impl Debug for Boot {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "boot ")?;
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The secret of a cluster: whoever has it is a replica, or any user.
#[derive(Clone)]
pub struct Secret(KeyBytes);

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn draw() -> Result<Secret, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *bytes)?;
        Ok(Secret(bytes))
    }

    /// The secret that a file holds.
    pub fn of(bytes: KeyBytes) -> Secret {
        Secret(bytes)
    }

    /// For its file.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The secret from which everything between operators and replicas is derived, and nothing else:
    /// it opens and seals nothing of users or of replicas, and no user's key is derived from it.
    pub fn of_operators(&self) -> Secret {
        Secret(derive("paxos-chat 2026 operators", &[self.as_bytes()]))
    }

    /// The key of this user of this cluster. Each generation has another one.
    pub fn user(&self, cluster: ClusterId, user: &str, generation: u32) -> UserKey {
        let cluster = cluster.to_bytes();
        let generation = generation.to_le_bytes();
        let parts: [&[u8]; 4] = [self.as_bytes(), &cluster, &generation, user.as_bytes()];
        UserKey(derive("paxos-chat 2026 user", &parts))
    }

    /// The key of what one replica sends to another.
    pub(crate) fn replicas(&self, cluster: ClusterId, from: u8, to: u8) -> LinkKey {
        let parts: [&[u8]; 3] = [self.as_bytes(), &cluster.to_bytes(), &[from, to]];
        LinkKey(derive("paxos-chat 2026 replica to replica", &parts))
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The key of a user: whoever has it speaks as that user.
#[derive(Clone)]
pub struct UserKey(KeyBytes);

impl UserKey {
    /// The key that a token holds.
    pub fn of(bytes: KeyBytes) -> UserKey {
        UserKey(bytes)
    }

    /// For its token.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The key of what the user sends to this replica.
    pub(crate) fn to_replica(&self, replica: u8) -> LinkKey {
        LinkKey(derive("paxos-chat 2026 user to replica", &[self.as_bytes(), &[replica]]))
    }

    /// The key of what this replica sends to the user's process of that boot.
    pub(crate) fn of_replica(&self, replica: u8, boot: Boot) -> LinkKey {
        let parts: [&[u8]; 3] = [self.as_bytes(), &[replica], boot.as_bytes()];
        LinkKey(derive("paxos-chat 2026 replica to user", &parts))
    }
}

impl Debug for UserKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("UserKey(..)")
    }
}

/// The key of one sender and one receiver, in this direction. It seals nothing itself.
#[derive(Clone)]
pub(crate) struct LinkKey(KeyBytes);

impl LinkKey {
    /// What seals, and opens, the datagrams that the sender's process of this boot sends.
    pub(crate) fn boot(&self, boot: Boot) -> Cipher {
        let parts: [&[u8]; 2] = [&self.0[..], boot.as_bytes()];
        let key = derive("paxos-chat 2026 boot", &parts);
        Cipher::new(&key)
    }
}

/// The key for this purpose from these parts.
fn derive(context: &str, parts: &[&[u8]]) -> KeyBytes {
    let mut hasher = Zeroizing::new(blake3::Hasher::new_derive_key(context));
    for part in parts {
        hasher.update(part);
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    hasher.finalize_xof().fill(&mut *key);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn secret(byte: u8) -> Secret {
        Secret(Zeroizing::new([byte; KEY_BYTES]))
    }

    #[test]
    fn every_pair_user_generation_direction_and_cluster_has_a_key_of_its_own() {
        let mut keys = BTreeSet::new();
        let mut count = 0;
        let mut add = |key: &KeyBytes| {
            keys.insert(**key);
            count += 1;
        };
        for secret in [secret(1), secret(2)] {
            add(&secret.0);
            for (cluster, secret) in [
                (ClusterId::of("a"), &secret),
                (ClusterId::of("b"), &secret),
                (ClusterId::of("a"), &secret.of_operators()),
            ] {
                for from in 0..3 {
                    for to in 0..3 {
                        add(&secret.replicas(cluster, from, to).0);
                    }
                }
                for (user, generation) in [("alice", 0), ("alice", 1), ("bob", 0), ("alic", 0)] {
                    let user = secret.user(cluster, user, generation);
                    add(&user.0);
                    for replica in 0..3 {
                        add(&user.to_replica(replica).0);
                        add(&user.of_replica(replica, Boot([1; KEY_BYTES])).0);
                        add(&user.of_replica(replica, Boot([2; KEY_BYTES])).0);
                    }
                }
            }
        }
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn boots_are_drawn_anew() {
        let boots: BTreeSet<_> = (0..1000).map(|_| Boot::fresh().0).collect();
        assert_eq!(boots.len(), 1000);
    }

    #[test]
    fn nothing_prints_a_key() {
        let secret = secret(0xab);
        let user = secret.user(ClusterId::of("a"), "alice", 0);
        let printed = format!("{secret:?} {user:?}");
        assert_eq!(printed, "Secret(..) UserKey(..)");
    }
}
