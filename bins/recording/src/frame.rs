//! Frames: some entries as bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | length of the payload, little endian |
//! | 4..8 | CRC-32C of the payload |
//! | 8.. | the payload: entries in postcard, one after the other |
//!
//! A file begins with [`MAGIC`], and has frames behind it.

/// What a file of a recording begins with.
pub(crate) const MAGIC: [u8; 8] = *b"PXREC\0\0\x01";
/// Bytes before a frame's payload.
pub(crate) const HEADER: usize = 8;
/// The longest payload: far above what a turn records.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 256 << 20;

/// Begins a frame in an empty buffer; its payload is appended to it.
pub(crate) fn begin(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.resize(HEADER, 0);
}

/// Completes a frame that was begun.
pub(crate) fn finish(buffer: &mut [u8]) {
    let (header, payload) = buffer.split_at_mut(HEADER);
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4..].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
}

/// How long the payload of a frame is that begins like this; none, if there is less than a header.
pub(crate) fn payload_bytes(frame: &[u8]) -> Option<usize> {
    let length: [u8; 4] = frame.get(..HEADER)?[..4].try_into().ok()?;
    Some(u32::from_le_bytes(length) as usize)
}

/// Is this the payload that this header announces?
pub(crate) fn is_whole(header: &[u8], payload: &[u8]) -> bool {
    header[4..HEADER] == crc32c::crc32c(payload).to_le_bytes()
}
