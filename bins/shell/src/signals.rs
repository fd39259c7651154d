//! Somebody asks a program to end: SIGINT, SIGTERM, SIGHUP.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;

/// Calls this from now on, on a thread of its own, each time somebody asks.
///
/// # Errors
/// When the system does not tell, or has no thread.
pub fn on_request_to_end(mut asked: impl FnMut() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let tell = move || signals.forever().for_each(|_| asked());
    std::thread::Builder::new().name("signals".into()).spawn(tell)?;
    Ok(())
}
