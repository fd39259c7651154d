//! Prints for a process that must not wait for whoever reads: a replica.
//!
//! **Invariants**
//! - *Nobody is waited for longer than [`PATIENCE`]*, and for no second line while the first waits: whoever reads may have
//!   stopped, and not gone.
//! - *What is read is read in order*, and whoever prints goes on once it was written, if that is soon.
//! - *Bounded*: lines beyond [`LINES_MAX`] are lost.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// How long whoever prints waits until it is written.
const PATIENCE: Duration = Duration::from_millis(500);
/// Lines that wait to be written.
const LINES_MAX: usize = 256;

/// Prints lines to one output, on a thread of its own.
#[derive(Debug)]
pub(super) struct Printer {
    lines: SyncSender<Line>,
    is_stuck: AtomicBool,
}

#[derive(Debug)]
struct Line {
    text: String,
    written: SyncSender<()>,
}

impl Printer {
    /// Prints to this output, which can be opened more than once.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(super) fn start<W: Write>(
        name: &str,
        open: impl Fn() -> W + Send + 'static,
    ) -> io::Result<Printer> {
        let (lines, waiting): (_, Receiver<Line>) = sync_channel(LINES_MAX);
        let writes = move || {
            for Line { text, written } in waiting {
                let mut out = open();
                // Nothing is left to complain to.
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
                let _ = written.try_send(());
            }
        };
        std::thread::Builder::new().name(name.into()).spawn(writes)?;
        Ok(Printer { lines, is_stuck: AtomicBool::new(false) })
    }

    /// Prints this.
    pub(super) fn print(&self, text: String) {
        let (written, wrote) = sync_channel(1);
        let patience = match self.is_stuck.load(Ordering::Relaxed) {
            true => Duration::ZERO,
            false => PATIENCE,
        };
        let is_queued = self.lines.try_send(Line { text, written }).is_ok();
        let is_written = is_queued && wrote.recv_timeout(patience).is_ok();
        self.is_stuck.store(!is_written, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn what_is_read_is_read_in_order_and_who_stops_reading_is_not_waited_for_twice() {
        let (mut reader, writer) = io::pipe().unwrap();
        let printer = Printer::start("test", move || writer.try_clone().unwrap()).unwrap();
        for line in ["one\n", "two\n"] {
            printer.print(line.into());
        }
        let mut read = [0; 8];
        io::Read::read_exact(&mut reader, &mut read).unwrap();
        assert_eq!(&read, b"one\ntwo\n");
        let (began, much) = (Instant::now(), "x".repeat(1 << 20));
        printer.print(much);
        assert!(began.elapsed() >= PATIENCE, "it waits for as long as it may");
        let began = Instant::now();
        (0..2 * LINES_MAX).for_each(|_| printer.print("lost\n".into()));
        assert!(began.elapsed() < PATIENCE, "and then no more");
    }
}
