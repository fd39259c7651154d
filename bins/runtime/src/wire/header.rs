//! The readable part of a datagram, as [`super`] lays it out.
//!
//! **Invariant**: reading is total and allocates nothing. A header says who somebody claims to be; only
//! the tag behind it shows that it is true.

use super::{ClusterId, DATAGRAM_BYTES_MAX, WireError};
use crate::keys::{Boot, KEY_BYTES, TAG_BYTES};

pub(super) const MAGIC: [u8; 4] = *b"PXCH";
/// The version of the format of datagrams, but for the messages in them, which tell theirs.
pub const VERSION: u8 = 9;
pub(super) const VERSION_AT: usize = MAGIC.len();
pub(super) const FORMAT_AT: usize = VERSION_AT + 1;
pub(super) const NEWEST_AT: usize = FORMAT_AT + 1;
pub(super) const DIRECTION_AT: usize = NEWEST_AT + 1;
pub(super) const CLUSTER_AT: usize = DIRECTION_AT + 1;
pub(super) const BOOT_AT: usize = CLUSTER_AT + size_of::<ClusterId>();
pub(super) const NUMBER_AT: usize = BOOT_AT + KEY_BYTES;
pub(super) const SENDER_AT: usize = NUMBER_AT + size_of::<u64>();
pub(super) const NAME_AT: usize = SENDER_AT + 1;

/// Who sends to whom: byte 7 of a datagram, with these values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// A replica to another one.
    Replicas = 0,
    /// A client to a replica.
    ToReplica = 1,
    /// A replica to a client.
    ToClient = 2,
}

/// The readable part of a datagram.
pub(super) struct Header<'a> {
    /// Of the messages behind it.
    pub(super) format: u8,
    /// The newest that its sender reads.
    pub(super) newest: u8,
    pub(super) direction: Direction,
    pub(super) boot: Boot,
    pub(super) number: u64,
    /// A replica's id, or the length of a name.
    pub(super) sender: u8,
    /// Empty if a replica sends.
    pub(super) name: &'a str,
}

/// The user that a datagram says it comes from, if it is from a client; proves nothing.
pub fn claimed_user(datagram: &[u8]) -> Option<&str> {
    if *datagram.get(DIRECTION_AT)? != Direction::ToReplica as u8 || datagram[..VERSION_AT] != MAGIC
    {
        return None;
    }
    let length = usize::from(*datagram.get(SENDER_AT)?);
    std::str::from_utf8(datagram.get(NAME_AT..NAME_AT + length)?).ok()
}

impl Header<'_> {
    /// Reads the header of a whole datagram of this cluster; tells where its body begins.
    pub(super) fn parse(
        datagram: &[u8],
        cluster: ClusterId,
    ) -> Result<(Header<'_>, usize), WireError> {
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
        if datagram[CLUSTER_AT..BOOT_AT] != cluster.to_bytes() {
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
            format: datagram[FORMAT_AT],
            newest: datagram[NEWEST_AT],
            direction,
            boot: Boot::of(boot),
            number: u64::from_le_bytes(number),
            sender: datagram[SENDER_AT],
            name: name.map_err(|_| WireError::Header)?,
        };
        // No sender gets there, and a window could not tell it from the one before.
        if header.number == u64::MAX { Err(WireError::Header) } else { Ok((header, body_at)) }
    }

    /// Appends this header.
    pub(super) fn append(&self, cluster: ClusterId, datagram: &mut Vec<u8>) {
        datagram.extend_from_slice(&MAGIC);
        datagram.extend_from_slice(&[VERSION, self.format, self.newest, self.direction as u8]);
        datagram.extend_from_slice(&cluster.to_bytes());
        datagram.extend_from_slice(self.boot.as_bytes());
        datagram.extend_from_slice(&self.number.to_le_bytes());
        datagram.push(self.sender);
        datagram.extend_from_slice(self.name.as_bytes());
    }
}
