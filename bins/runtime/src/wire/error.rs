//! Why a datagram is dropped, or a message is not sent.

use super::packing::MESSAGES_PER_DATAGRAM_MAX;

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
    #[error("datagrams of version {0} are not supported")]
    Version(u8),
    /// Its messages have another format.
    #[error("messages of format {0} are not read")]
    Format(u8),
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
    /// Something in it is not a message, so none of it is taken.
    #[error("not a message: {0}")]
    Body(postcard::Error),
    /// No message, or not all of one.
    #[error("no whole message")]
    Nothing,
    /// A message with something behind it.
    #[error("{0} bytes follow the message")]
    Trailing(usize),
    /// More messages than a datagram may carry.
    #[error("more than {MESSAGES_PER_DATAGRAM_MAX} messages in a datagram")]
    TooMany,
    /// A part of a message contradicts itself, or another part.
    #[error("the parts of a message contradict each other")]
    Fragment,
    /// There is no key for this receiver.
    #[error("nobody to send this to")]
    Nobody,
    /// It is longer than what may be sent to an address that has shown nothing.
    #[error("the receiver has not shown that it hears at its address")]
    Unproven,
    /// A boot has sealed all it can.
    #[error("this process has used up its datagram numbers; restart it")]
    Exhausted,
}
