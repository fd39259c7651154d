//! Datagrams: a versioned header, a checksum, and a postcard body.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | magic `PXCH` |
//! | 4 | version of the format |
//! | 5..13 | the cluster that the sender belongs to |
//! | 13..17 | CRC-32C of everything else, little endian |
//! | 17.. | the message, in postcard |
//!
//! **Invariants**
//! - *Decoding is total and bounded*: any bytes give a message or an error, and never more memory
//!   than a small multiple of the datagram.
//! - *What is decoded is what was encoded*: the whole body is used, and the checksum covers the
//!   header too.
//!
//! **Absent**: authentication. A checksum stops accidents, not attackers.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::{self, Debug, Formatter};

/// The longest datagram that is sent or accepted, in bytes: what UDP over IPv4 carries.
pub const DATAGRAM_BYTES_MAX: usize = 65_507;

const MAGIC: [u8; 4] = *b"PXCH";
const VERSION: u8 = 1;
const VERSION_AT: usize = MAGIC.len();
const CLUSTER_AT: usize = VERSION_AT + 1;
const CHECKSUM_AT: usize = CLUSTER_AT + size_of::<ClusterId>();
const BODY_AT: usize = CHECKSUM_AT + size_of::<u32>();

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

/// Why a datagram is not a message of this cluster.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Shorter than a header.
    #[error("{0} bytes are too short for a header")]
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
    /// Damaged on its way.
    #[error("the checksum does not fit")]
    Checksum,
    /// Not a message.
    #[error("not a message: {0}")]
    Body(postcard::Error),
    /// A message with something behind it.
    #[error("{0} bytes follow the message")]
    Trailing(usize),
}

/// Encodes and decodes the datagrams of one cluster.
#[derive(Clone, Copy, Debug)]
pub struct Codec {
    cluster: ClusterId,
}

impl Codec {
    /// The codec of this cluster.
    pub fn new(cluster: ClusterId) -> Codec {
        Codec { cluster }
    }

    /// Replaces the contents of `datagram` by this message.
    ///
    /// # Errors
    /// When the message does not fit a datagram.
    pub fn encode(
        &self,
        message: &impl Serialize,
        datagram: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        datagram.clear();
        datagram.extend_from_slice(&MAGIC);
        datagram.push(VERSION);
        datagram.extend_from_slice(&self.cluster.0);
        datagram.extend_from_slice(&[0; size_of::<u32>()]);
        let encoded = postcard::to_extend(message, std::mem::take(datagram));
        *datagram = encoded.map_err(WireError::Body)?;
        if datagram.len() > DATAGRAM_BYTES_MAX {
            return Err(WireError::TooLong(datagram.len()));
        }
        let checksum = checksum(datagram).to_le_bytes();
        datagram[CHECKSUM_AT..BODY_AT].copy_from_slice(&checksum);
        Ok(())
    }

    /// The message that this datagram carries.
    ///
    /// # Errors
    /// When it is not a whole and undamaged datagram of this cluster.
    pub fn decode<M: DeserializeOwned>(&self, datagram: &[u8]) -> Result<M, WireError> {
        if datagram.len() < BODY_AT {
            return Err(WireError::TooShort(datagram.len()));
        }
        if datagram.len() > DATAGRAM_BYTES_MAX {
            return Err(WireError::TooLong(datagram.len()));
        }
        if datagram[..VERSION_AT] != MAGIC {
            return Err(WireError::Foreign);
        }
        if datagram[VERSION_AT] != VERSION {
            return Err(WireError::Version(datagram[VERSION_AT]));
        }
        if datagram[CLUSTER_AT..CHECKSUM_AT] != self.cluster.0 {
            return Err(WireError::Cluster);
        }
        if datagram[CHECKSUM_AT..BODY_AT] != checksum(datagram).to_le_bytes() {
            return Err(WireError::Checksum);
        }
        let body = postcard::take_from_bytes(&datagram[BODY_AT..]);
        let (message, rest) = body.map_err(WireError::Body)?;
        if rest.is_empty() { Ok(message) } else { Err(WireError::Trailing(rest.len())) }
    }
}

/// The checksum of a datagram of at least a header's length.
fn checksum(datagram: &[u8]) -> u32 {
    let header = crc32c::crc32c(&datagram[..CHECKSUM_AT]);
    crc32c::crc32c_append(header, &datagram[BODY_AT..])
}

#[cfg(test)]
mod tests;
