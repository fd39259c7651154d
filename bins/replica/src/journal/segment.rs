//! Segments: files of frames, with a header that says whose they are.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | magic `PXCJ` |
//! | 4 | version of the format |
//! | 5 | the replica |
//! | 8..16 | the cluster |
//! | 16..24 | number of the segment, counted from 1 |
//! | 24..32 | number of its first frame |
//! | 32..40 | length of the file |
//! | 60..64 | CRC-32C of the bytes before |
//! | 64.. | frames, then zeros |
//!
//! **Invariants**
//! - *Prewritten*: a segment has its whole length and its header, and is zero behind it, before it
//!   has its name. So appending changes no metadata, which makes a sync cheaper, cannot run out of
//!   space, and leaves zeros where a crash cut it short.
//! - *Recycled segments are new ones*: one that no snapshot needs is written over as a whole, and
//!   synced, before it has a segment's name again. Until then it has a temporary name, or a number
//!   below the snapshot's, and is not read.

use super::Identity;
use super::blank::Blank;
use super::error::{Damage, JournalError};
use super::frame;
use actor_runtime::disk::{Disk, DiskFile, TEMPORARY, write_all_at};
use std::io;
use std::path::{Path, PathBuf};

/// Where the first frame is.
pub(super) const FRAMES_AT: usize = 64;
const CRC_AT: usize = FRAMES_AT - 4;
const MAGIC: [u8; 4] = *b"PXCJ";
const VERSION: u8 = 1;
const PREFIX: &str = "segment-";

/// A segment that is being written.
pub(super) struct Segment {
    file: Box<dyn DiskFile>,
    pub(super) number: u64,
    length: usize,
    end: usize,
}

impl Segment {
    /// Makes an empty one of its blank file; it is durable when this returns.
    pub(super) fn create(
        disk: &dyn Disk,
        folder: &Path,
        identity: Identity,
        number: u64,
        first_frame: u64,
        blank: Blank,
    ) -> io::Result<Segment> {
        let length = blank.length();
        let mut bytes = [0; FRAMES_AT];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4] = VERSION;
        bytes[5] = identity.replica;
        bytes[8..16].copy_from_slice(&identity.cluster.to_bytes());
        bytes[16..24].copy_from_slice(&number.to_le_bytes());
        bytes[24..32].copy_from_slice(&first_frame.to_le_bytes());
        bytes[32..40].copy_from_slice(&(length as u64).to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..CRC_AT]).to_le_bytes();
        bytes[CRC_AT..FRAMES_AT].copy_from_slice(&crc);
        let path = path(folder, number);
        let file = blank.finish(disk, &path, &bytes)?;
        Ok(Segment { file, number, length, end: FRAMES_AT })
    }

    /// Where the next frame goes.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Is there room for frames of so many bytes?
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.end + bytes <= self.length
    }

    /// Appends a frame and syncs it.
    pub(super) fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        write_all_at(&mut *self.file, self.end as u64, frame)?;
        self.file.sync()?;
        self.end += frame.len();
        Ok(())
    }
}

/// The file of a segment.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{number:010}"))
}

/// The file of a segment of this number that waits to be used again.
pub(super) fn spare(folder: &Path, number: u64) -> PathBuf {
    path(folder, number).with_extension(TEMPORARY)
}

/// The number of the segment that has this name.
pub(super) fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_prefix(PREFIX)?.parse().ok()?;
    (path(Path::new(""), number) == Path::new(name)).then_some(number)
}

/// Where reading goes on in a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// The offset, in bytes.
    pub(super) at: usize,
    /// The number of the frame that begins there.
    pub(super) frame: u64,
}

impl Start {
    /// At the segment's first frame.
    pub(super) fn first(frame: u64) -> Start {
        Start { at: FRAMES_AT, frame }
    }
}

/// Checks that these bytes are the segment that they should be, and finds its frames from there on.
///
/// # Errors
/// When they are not, or are damaged.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    file: &Path,
    identity: Identity,
    number: u64,
    start: Start,
) -> Result<frame::Scan<'a>, JournalError> {
    check_header(bytes, identity, number, start)
        .and_then(|()| frame::scan(bytes, start.at, start.frame))
        .map_err(|damage| damage.of(file))
}

fn check_header(bytes: &[u8], own: Identity, number: u64, start: Start) -> Result<(), Damage> {
    let Some(header) = bytes.get(..FRAMES_AT) else {
        return Damage::at(bytes.len(), "the file ends within its header");
    };
    if header[0..4] != MAGIC {
        return Damage::foreign(0, "this is no segment of a journal");
    }
    if header[CRC_AT..] != crc32c::crc32c(&header[..CRC_AT]).to_le_bytes() {
        return Damage::at(0, "the checksum of the header does not fit");
    }
    if header[4] != VERSION {
        return Damage::version(4, header[4]);
    }
    own.check(header, 5)?;
    let word = |at: usize| {
        header[at..at + 8].iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    };
    if word(16) != number {
        return Damage::at(16, format!("it is segment {}, whatever its name says", word(16)));
    }
    let (first, Start { at, frame }) = (word(24), start);
    if at > bytes.len() {
        return Damage::at(bytes.len(), format!("it ends before {at}, where the journal goes on"));
    }
    let fits = if at == FRAMES_AT { first == frame } else { first < frame };
    if !fits {
        let wrong = format!("it begins with frame {first}, and frame {frame} is expected at {at}");
        return Damage::at(24, wrong);
    }
    if word(32) != bytes.len() as u64 {
        let wrong = format!("the file has {} bytes where it had {}", bytes.len(), word(32));
        return Damage::at(bytes.len(), wrong);
    }
    Ok(())
}
