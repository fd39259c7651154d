//! Somebody asks to stop.

use anyhow::Result;
use paxos_chat_shell::signals::on_request_to_end;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that is set when somebody asks to stop.
///
/// # Errors
/// When the system does not tell.
pub fn listen() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    on_request_to_end(move || flag.store(true, Ordering::Relaxed))?;
    Ok(interrupted)
}
