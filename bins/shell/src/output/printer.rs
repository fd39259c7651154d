//! Prints for a process that must not wait for whoever reads: a replica.
//!
//! **Invariants**
//! - *Nobody is waited for longer than [`PATIENCE`]*, and for no second line while the first waits: whoever reads may have
//!   stopped, and not gone.
//! - *What is read is read in order*, and whoever prints goes on once it was written, if that is soon.
//! - *Bounded*: of those that wait, lines beyond [`LINES_MAX`] are lost.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    waiting: Arc<AtomicUsize>,
    /// Somebody has waited in vain, and nothing was written since.
    is_stuck: Arc<AtomicBool>,
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
        let printer = Printer { lines, waiting: Arc::default(), is_stuck: Arc::default() };
        let (left, is_stuck) = (Arc::clone(&printer.waiting), Arc::clone(&printer.is_stuck));
        let writes = move || {
            for Line { text, written } in waiting {
                let mut out = open();
                // Nothing is left to complain to.
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
                left.fetch_sub(1, Ordering::Relaxed);
                is_stuck.store(false, Ordering::Relaxed);
                let _ = written.try_send(());
            }
        };
        std::thread::Builder::new().name(name.into()).spawn(writes)?;
        Ok(printer)
    }

    /// Prints this.
    pub(super) fn print(&self, text: String) {
        let (written, wrote) = sync_channel(1);
        let patience = match self.is_stuck.load(Ordering::Relaxed) {
            true => Duration::ZERO,
            false => PATIENCE,
        };
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.lines.try_send(Line { text, written }).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        } else if wrote.recv_timeout(patience).is_err() && self.waiting.load(Ordering::Relaxed) > 0
        {
            self.is_stuck.store(true, Ordering::Relaxed);
        }
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
        printer.print("x".repeat(1 << 20));
        let began = Instant::now();
        (0..2 * LINES_MAX).for_each(|_| printer.print("lost\n".into()));
        assert!(began.elapsed() < PATIENCE, "nobody is waited for twice");
        // Once somebody reads again, whoever prints waits again until it was read.
        let reads = std::thread::spawn(move || io::copy(&mut reader, &mut io::sink()).unwrap());
        while printer.waiting.load(Ordering::Relaxed) > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!printer.is_stuck.load(Ordering::Relaxed));
        drop(printer);
        assert!(reads.join().unwrap() > 1 << 20);
    }
}
