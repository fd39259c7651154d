//! Structured logs on standard error.
//!
//! **Invariants**
//! - *Who logs never waits*: lines go through a bounded queue to a thread that writes them; what does
//!   not fit is dropped, and how much that was is said.
//! - *Quiet unless asked*: warnings and errors only, of this project only.
//!
//! **Absent**: what is logged (see [`crate::narrator`]).

use clap::ValueEnum;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait to be written.
const LINES_MAX: usize = 1024;
/// How long an ending process waits for its last lines.
const FLUSH: Duration = Duration::from_millis(500);

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What ends the process.
    Error,
    /// What somebody should look at: forged datagrams, slow syncs.
    #[default]
    Warn,
    /// Start and stop, changes of leadership, catching up, what operators do, too.
    Info,
    /// Everything.
    Debug,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> LevelFilter {
        match level {
            LogLevel::Off => LevelFilter::OFF,
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
        }
    }
}

enum Entry {
    Line(Vec<u8>),
    /// Everything before this is to be written; then say so.
    Flush(SyncSender<()>),
}

/// Gives lines to the thread that writes them.
#[derive(Clone)]
struct Queue {
    entries: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.entries.try_send(Entry::Line(line.to_vec())) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Queue;

    fn make_writer(&'a self) -> Queue {
        self.clone()
    }
}

/// Writes what is still queued when it goes.
pub struct LogGuard(SyncSender<Entry>);

impl Drop for LogGuard {
    fn drop(&mut self) {
        let deadline = Instant::now() + FLUSH;
        let (done, written) = sync_channel(1);
        let mut request = Entry::Flush(done);
        // A queue that stays full means that nobody reads standard error.
        while let Err(TrySendError::Full(again)) = self.0.try_send(request) {
            if Instant::now() >= deadline {
                return;
            }
            request = again;
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = written.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

/// Logs to standard error from now on, until the guard goes.
pub fn to_stderr(format: LogFormat, level: LogLevel) -> LogGuard {
    let (queue, guard) = queue(io::stderr());
    let common = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from(level))
        .with_target(false)
        .with_ansi(false)
        .with_writer(queue);
    // Another subscriber is there already only in tests, which then keep it.
    let _ = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(common.finish()),
        LogFormat::Json => {
            tracing::subscriber::set_global_default(common.json().flatten_event(true).finish())
        }
    };
    guard
}

/// A queue that a new thread writes to `out`.
fn queue(out: impl Write + Send + 'static) -> (Queue, LogGuard) {
    let (entries, waiting) = sync_channel(LINES_MAX);
    let dropped = Arc::new(AtomicU64::new(0));
    let guard = LogGuard(entries.clone());
    let counter = Arc::clone(&dropped);
    std::thread::spawn(move || write_all(&waiting, &counter, out));
    (Queue { entries, dropped }, guard)
}

/// Whoever closed the output does not want to hear it.
fn write_all(waiting: &Receiver<Entry>, dropped: &AtomicU64, mut out: impl Write) {
    for entry in waiting {
        match entry {
            Entry::Line(line) => drop(out.write_all(&line)),
            Entry::Flush(done) => drop(done.send(())),
        }
        let lines = dropped.swap(0, Ordering::Relaxed);
        if lines > 0 {
            let _ = writeln!(out, "({lines} lines were dropped)");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// An output that a test holds up.
    #[derive(Clone, Default)]
    struct HeldOutput(Arc<Mutex<Vec<u8>>>);

    impl Write for HeldOutput {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_logs_never_waits_and_is_told_what_was_dropped() {
        let out = HeldOutput::default();
        let holds = out.0.lock().unwrap();
        let (mut queue, guard) = queue(out.clone());
        for _ in 0..3 * LINES_MAX {
            queue.write_all(b"line\n").unwrap();
        }
        drop(holds);
        drop(guard);
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        let (lines, told) = (text.matches("line\n").count(), text.contains("lines were dropped)"));
        assert!((LINES_MAX..2 * LINES_MAX).contains(&lines) && told, "{lines} {told}");
    }
}
