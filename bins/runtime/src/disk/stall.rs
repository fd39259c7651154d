//! A disk whose next sync can be made to take long: an injected fault, such as a drive that is busy
//! with itself.

use super::hook::SyncHook;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The longest stall that can be injected, in milliseconds.
pub const STALL_MS_MAX: u64 = 600_000;

/// Makes syncs stall, from any thread. Clones act on the same disk.
#[derive(Clone, Debug, Default)]
pub struct Stall(Arc<AtomicU64>);

impl Stall {
    /// The next sync takes so much longer.
    pub fn next_sync(&self, millis: u64) {
        self.0.store(millis, Ordering::Relaxed);
    }
}

impl SyncHook for Stall {
    fn around(&self, sync: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        let millis = self.0.swap(0, Ordering::Relaxed);
        if millis > 0 {
            std::thread::sleep(Duration::from_millis(millis));
        }
        sync()
    }
}
