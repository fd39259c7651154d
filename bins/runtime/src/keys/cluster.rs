//! Which cluster a key is of.

use std::fmt::{self, Debug, Formatter};

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

    /// The id that was stored so.
    pub fn from_bytes(bytes: [u8; 8]) -> ClusterId {
        ClusterId(bytes)
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
