//! Names of those who talk: clusters, replicas, users and their processes.
//!
//! **Invariant**: names are plain data of fixed size, so that looking one up allocates nothing.

use crate::keys::Boot;
use std::fmt::{self, Debug, Formatter};

/// No user's name is longer, in bytes.
pub const USER_BYTES_MAX: usize = 64;

/// The name of a user, without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
