//! Frames: what one save appends to a segment, and how the end of the journal is found again.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | length of the payload |
//! | 4..8 | CRC-32C of the payload |
//! | 8..16 | number of the frame, counted over all segments |
//! | 16 | version of the format |
//! | 17..27 | zero |
//! | 27..31 | CRC-32C of the bytes before |
//! | 31 | `0xa5` |
//! | 32.. | the payload, `0xe5`, and zeros up to a multiple of 32 |
//!
//! **Invariants**
//! - *At most one frame is not synced*: each is synced before the next is written. So only the
//!   last frame of a journal can be torn, and whatever is wrong before it is damage.
//! - *Torn is told from damaged*: a segment is zeros before a frame is written, and a disk writes
//!   sectors whole. A frame that a crash cut short therefore lacks its last mark or a whole sector;
//!   one that has everything and a wrong checksum was complete, and was changed afterwards.
//! - *Scanning is total*: any bytes give frames, a torn end, or an error with an offset.
//!
//! **Source**: Alagappan et al., *Protocol-Aware Recovery for Consensus-Based Storage* (FAST 2018),
//! section 3.3, for why a crash must be told from corruption.

use super::error::Damage;
use std::io;

/// Frames begin at multiples of this, so that a header never spans two sectors.
pub(super) const ALIGNMENT: usize = 32;
const HEADER: usize = 32;
const HEADER_CRC_AT: usize = 27;
const MARK_AT: usize = HEADER - 1;
const MARK: u8 = 0xa5;
const END_MARK: u8 = 0xe5;
const VERSION: u8 = 1;
const SECTOR: usize = 512;

/// How many bytes of a segment a payload of this length takes.
pub(super) fn size(payload: usize) -> usize {
    (HEADER + payload + 1).next_multiple_of(ALIGNMENT)
}

/// Begins a frame in this buffer, whatever it held; the payload is appended to it.
pub(super) fn begin(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.resize(HEADER, 0);
}

/// The payload of a frame that was begun, so far.
pub(super) fn payload(buffer: &[u8]) -> &[u8] {
    buffer.get(HEADER..).unwrap_or_default()
}

/// Completes a frame that was begun, whose payload is what was appended.
///
/// # Errors
/// When the payload is longer than a length can say.
pub(super) fn finish(buffer: &mut Vec<u8>, number: u64) -> io::Result<()> {
    let payload = payload(buffer);
    let length = u32::try_from(payload.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let (crc, size) = (crc32c::crc32c(payload), size(payload.len()));
    buffer[0..4].copy_from_slice(&length.to_le_bytes());
    buffer[4..8].copy_from_slice(&crc.to_le_bytes());
    buffer[8..16].copy_from_slice(&number.to_le_bytes());
    buffer[16] = VERSION;
    let crc = crc32c::crc32c(&buffer[..HEADER_CRC_AT]).to_le_bytes();
    buffer[HEADER_CRC_AT..MARK_AT].copy_from_slice(&crc);
    buffer[MARK_AT] = MARK;
    buffer.push(END_MARK);
    buffer.resize(size, 0);
    Ok(())
}

/// The frames of a segment.
pub(super) struct Scan<'a> {
    /// Offsets and payloads, in order.
    pub(super) frames: Vec<(usize, &'a [u8])>,
    /// Where a frame begins that was not completely written, if one does.
    pub(super) torn_at: Option<usize>,
}

struct Header {
    length: usize,
    crc: u32,
    number: u64,
}

/// Finds the frames of a segment from an offset on; the first has this number.
///
/// # Errors
/// When something is wrong that no crash explains.
pub(super) fn scan(segment: &[u8], from: usize, first: u64) -> Result<Scan<'_>, Damage> {
    let mut scan = Scan { frames: Vec::new(), torn_at: None };
    let mut at = from;
    while let Some(header) = segment.get(at..at + HEADER) {
        let number = first + scan.frames.len() as u64;
        if is_zero(header) {
            if !is_zero(&segment[at..]) {
                refuse_later_frames(segment, at + ALIGNMENT, number)?;
                scan.torn_at = Some(at);
            }
            break;
        }
        let Some(header) = parse_header(header, at)? else {
            if is_zero(&segment[at + HEADER..]) {
                scan.torn_at = Some(at);
                break;
            }
            return Damage::at(at, "the header of a frame is damaged");
        };
        if header.number != number {
            let found = header.number;
            return Damage::at(at, format!("frame {found} is where frame {number} is expected"));
        }
        let end = at + size(header.length);
        let Some(frame) = segment.get(at..end) else {
            return Damage::at(at, "a frame reaches beyond the end of its segment");
        };
        let payload = &frame[HEADER..HEADER + header.length];
        let (end_mark, padding) = (frame[HEADER + header.length], HEADER + header.length + 1);
        let is_whole = end_mark == END_MARK && is_zero(&frame[padding..]);
        if is_whole && crc32c::crc32c(payload) == header.crc {
            scan.frames.push((at, payload));
            at = end;
            continue;
        }
        let lacks_sector = || sectors(segment, at, end).any(is_zero);
        if (end_mark == 0 || lacks_sector()) && is_zero(&segment[end..]) {
            scan.torn_at = Some(at);
            break;
        }
        return Damage::at(at, format!("the checksum of frame {number} does not fit"));
    }
    Ok(scan)
}

/// The header at this offset; `None` where it is not complete.
fn parse_header(bytes: &[u8], at: usize) -> Result<Option<Header>, Damage> {
    if bytes[MARK_AT] == 0 {
        return Ok(None);
    }
    let crc = crc32c::crc32c(&bytes[..HEADER_CRC_AT]).to_le_bytes();
    if bytes[MARK_AT] != MARK || bytes[HEADER_CRC_AT..MARK_AT] != crc {
        return Damage::at(at, "the checksum of a frame's header does not fit");
    }
    if bytes[16] != VERSION {
        return Damage::version(at, bytes[16]);
    }
    let word =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let number = u64::from(word(8)) | u64::from(word(12)) << 32;
    let length = usize::try_from(word(0)).unwrap_or(usize::MAX / 2);
    Ok(Some(Header { length, crc: word(4), number }))
}

/// Whole frames behind a gap were synced after it, so the gap is no torn end.
fn refuse_later_frames(segment: &[u8], from: usize, number: u64) -> Result<(), Damage> {
    for at in (from..segment.len()).step_by(ALIGNMENT) {
        let Some(header) = segment.get(at..at + HEADER) else { break };
        if let Ok(Some(later)) = parse_header(header, at)
            && later.number > number
        {
            let found = later.number;
            let wrong = format!("frame {number} is missing, and frame {found} follows");
            return Damage::at(from - ALIGNMENT, wrong);
        }
    }
    Ok(())
}

/// The parts of a range that a disk writes as a whole.
fn sectors(segment: &[u8], from: usize, end: usize) -> impl Iterator<Item = &[u8]> {
    let mut at = from;
    std::iter::from_fn(move || {
        let next = ((at / SECTOR + 1) * SECTOR).min(end);
        let sector = (at < end).then(|| &segment[at..next]);
        at = next;
        sector
    })
}

pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
