//! How much goes into one message: promises, and answers about the log, are cut into chunks.
//!
//! **Invariant — a chunk holds something**: its first part fits, whatever its size, so whoever pulls gets on.

use crate::tuning::Tuning;

/// What is filled of a chunk.
pub struct Chunk<'a> {
    tuning: &'a Tuning,
    parts: usize,
    bytes: usize,
}

impl Chunk<'_> {
    /// An empty one.
    pub fn of(tuning: &Tuning) -> Chunk<'_> {
        Chunk { tuning, parts: 0, bytes: 0 }
    }

    /// Takes a part of this size, in bytes, if it fits.
    pub fn takes(&mut self, bytes: usize) -> bool {
        let Tuning { chunk_entries_max, chunk_bytes_max, .. } = self.tuning;
        let fits = self.parts < *chunk_entries_max && self.bytes + bytes <= *chunk_bytes_max;
        let is_taken = fits || self.parts == 0;
        if is_taken {
            self.parts += 1;
            self.bytes += bytes;
        }
        is_taken
    }
}
