//! The formats that packets are written and read in, by builds that follow one another.
//!
//! A packet that changes its bytes gets a new format, [`FORMATS`] its number, and [`Payload`] what is written for
//! whoever reads only the one before. A release reads and writes its own format and that of the release before it, so
//! replicas and clients of both understand each other, and a cluster is upgraded, or taken back, one process after
//! the other.
//!
//! **Invariants**
//! - *What was released stays*: the bytes of each format are pinned, in `golden-N.txt` beside this file.
//! - *What an older format can't say is not said*: it counts as lost, so the protocol must do without.
//!
//! **Absent**: what each process is written to in, which is `actor_runtime::wire`'s.

use crate::Packet;
use actor_runtime::wire::{Formats, Payload};
use std::sync::LazyLock;

/// What this build reads and writes. Format 1 is 0.1.0's.
#[cfg(not(feature = "rehearsal"))]
pub const FORMATS: Formats = Formats::new(1, 1);
/// What the build after this one could read and write.
#[cfg(feature = "rehearsal")]
pub const FORMATS: Formats = Formats::new(1, 2);

/// What a program says of its version.
pub fn version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let (version, oldest) = (env!("CARGO_PKG_VERSION"), FORMATS.oldest());
        let newest = FORMATS.newest();
        format!("{version}\nReads and writes messages of formats {oldest} to {newest}.")
    });
    &TEXT
}

#[cfg(not(feature = "rehearsal"))]
impl Payload for Packet {}

/// The upgrade to a format that does not exist yet: in format 2 a packet's length is in front of it.
#[cfg(feature = "rehearsal")]
impl Payload for Packet {
    fn write(&self, format: u8, bytes: &mut Vec<u8>) -> postcard::Result<()> {
        match format {
            1 => postcard::to_io(self, bytes).map(drop),
            _ => postcard::to_io(&postcard::to_stdvec(self)?, bytes).map(drop),
        }
    }

    fn read(format: u8, bytes: &[u8]) -> postcard::Result<(Packet, &[u8])> {
        if format == 1 {
            return postcard::take_from_bytes(bytes);
        }
        let (packet, rest) = postcard::take_from_bytes::<&[u8]>(bytes)?;
        match postcard::take_from_bytes(packet)? {
            (packet, []) => Ok((packet, rest)),
            _ => Err(postcard::Error::DeserializeBadEncoding),
        }
    }
}
