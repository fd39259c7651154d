//! What systemd is told, where it has started the process: that it serves, lives, and ends.
//!
//! **Invariants**
//! - *Life is the driver's*: a process whose driver hangs is not said to live, whatever else runs in it.
//! - *Nobody listens, nothing is done*: without `NOTIFY_SOCKET` these do nothing.
//!
//! **Source**: `sd_notify(3)` and `sd_watchdog_enabled(3)`.

use crate::health::is_alive;
use crate::panel::Panel;
use sd_notify::NotifyState;
use std::io;

/// It serves: its log is read, and its driver takes turns from now on.
pub fn ready(id: u8) {
    let status = format!("replica {id} serves");
    // Whoever does not listen loses nothing.
    let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// It ends, in good order.
pub fn ends() {
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}

/// Tells that it lives, twice in the time within which that is wanted, from a thread of its own.
///
/// # Errors
/// When there is no thread.
pub fn watch(panel: Panel) -> io::Result<()> {
    let Some(within) = sd_notify::watchdog_enabled() else { return Ok(()) };
    let tell = move || {
        loop {
            if is_alive(&panel.status()).is_ok() {
                let _ = sd_notify::notify(&[NotifyState::Watchdog]);
            }
            std::thread::sleep(within / 2);
        }
    };
    std::thread::Builder::new().name("watchdog".into()).spawn(tell).map(drop)
}
