//! What is told of a run while it goes on.

/// What is told of a run while it goes on.
pub trait Progress {
    /// So many of all messages are acknowledged.
    fn acknowledged(&mut self, count: u64);
    /// Something happened.
    fn note(&mut self, what: &str);
}
