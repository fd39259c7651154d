//! How many messages share a datagram, and how long it is.
//!
//! **Invariant**: any packing is understood by every receiver, which takes whatever a datagram can
//! carry. So a sender may choose, and members of a cluster may differ.

/// The longest datagram that is accepted, in bytes: what UDP over IPv4 carries.
pub const DATAGRAM_BYTES_MAX: usize = 65_507;
/// The shortest datagram that may be chosen as the longest.
pub const DATAGRAM_BYTES_LEAST: usize = 512;
/// What every path of IPv6 carries unfragmented (RFC 8200, section 5), less the headers of IPv6 and
/// UDP: 1280 - 40 - 8. IPv4 carries as much nearly everywhere.
pub const DATAGRAM_BYTES_INTERNET: usize = 1232;
/// What a loopback interface carries over IPv6 as well: its packets have 65,536 bytes.
pub const DATAGRAM_BYTES_LOOPBACK: usize = 65_000;
/// Messages in one datagram, at most.
pub const MESSAGES_PER_DATAGRAM_MAX: usize = 1024;

/// A sender's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// The longest datagram that is sent. A longer message travels in several.
    pub datagram_bytes_max: usize,
    /// How many messages share a datagram, at most.
    pub messages_per_datagram_max: usize,
}

impl Default for Packing {
    fn default() -> Packing {
        Packing {
            datagram_bytes_max: DATAGRAM_BYTES_INTERNET,
            messages_per_datagram_max: MESSAGES_PER_DATAGRAM_MAX,
        }
    }
}

impl Packing {
    /// The same within the limits of the format.
    pub(super) fn within_limits(self) -> Packing {
        let Packing { datagram_bytes_max, messages_per_datagram_max } = self;
        Packing {
            datagram_bytes_max: datagram_bytes_max.clamp(DATAGRAM_BYTES_LEAST, DATAGRAM_BYTES_MAX),
            messages_per_datagram_max: messages_per_datagram_max
                .clamp(1, MESSAGES_PER_DATAGRAM_MAX),
        }
    }
}
