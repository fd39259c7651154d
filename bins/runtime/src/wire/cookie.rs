//! Cookies: what shows that whoever sends from an address also hears there.
//!
//! A replica puts one into each datagram for a client, a function of the client's process and of the address
//! that the datagram goes to. The client puts the last one that it has heard from a replica into each datagram
//! for that replica. If the two fit, whoever sent it has heard something at the address that it came from.
//!
//! **Invariants**
//! - *Nothing is remembered for it*: a replica computes it anew, under a key that it draws when it starts.
//! - *It is sealed with the rest*, so nobody but the process that it is for can read it.
//!
//! **Absent**: what an address gets that has shown nothing (see [`crate::nodes`]).
//!
//! **Source**: RFC 9000, section 8.1, for why an address is to be validated; RFC 7873, section 6, for a cookie
//! that needs no memory.

use super::peer::ClientId;
use crate::keys::{Boot, KEY_BYTES};
use std::net::{IpAddr, SocketAddr};

/// Bytes of a cookie.
pub(super) const COOKIE_BYTES: usize = 8;

/// Shows that something was heard at an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cookie(u64);

impl Cookie {
    pub(super) fn of(bytes: [u8; COOKIE_BYTES]) -> Cookie {
        Cookie(u64::from_le_bytes(bytes))
    }

    pub(super) fn to_bytes(self) -> [u8; COOKIE_BYTES] {
        self.0.to_le_bytes()
    }
}

/// Makes cookies.
pub(super) struct Bakery {
    /// Drawn as a boot is, and told to nobody.
    key: [u8; KEY_BYTES],
}

impl Bakery {
    /// With a key that the system draws.
    pub(super) fn new() -> Bakery {
        Bakery { key: *Boot::fresh().as_bytes() }
    }

    /// The cookie of this process at this address.
    pub(super) fn cookie(&self, client: ClientId, address: SocketAddr) -> Cookie {
        let mut of = [0; KEY_BYTES + 16 + size_of::<u16>()];
        of[..KEY_BYTES].copy_from_slice(client.boot.as_bytes());
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        of[KEY_BYTES..KEY_BYTES + 16].copy_from_slice(&ip.octets());
        of[KEY_BYTES + 16..].copy_from_slice(&address.port().to_le_bytes());
        let hash = blake3::keyed_hash(&self.key, &of);
        let mut bytes = [0; COOKIE_BYTES];
        bytes.copy_from_slice(&hash.as_bytes()[..COOKIE_BYTES]);
        Cookie::of(bytes)
    }
}
