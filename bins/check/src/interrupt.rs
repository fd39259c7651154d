//! Somebody asks to stop: runs end with what they have found; asked again, the process ends at once.

use crate::status::INCOMPLETE;
use paxos_chat_shell::signals::on_request_to_end;
use paxos_chat_shell::tell;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set when somebody asks to stop.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Notes from now on that somebody asks.
pub(super) fn listen() {
    // Where the system tells nothing, a signal ends the process, as it does any other.
    let _ = on_request_to_end(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            tell!("check: interrupted twice: stopped at once, without a verdict");
            std::process::exit(INCOMPLETE.into());
        }
    });
}

/// Has somebody asked to stop?
pub(super) fn is_asked() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}
