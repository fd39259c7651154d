//! What the processes of a test record, validated when the test ends.

#![allow(dead_code, reason = "each test file is a crate of its own, and none uses everything")]
#![allow(clippy::print_stdout, reason = "cargo shows it of a test that fails, or with --nocapture")]

use crate::support::eventually;
use actor_recording::reader::ReadError;
use paxos_chat_validation::run::{RunError, recorded, validate};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder with one folder for each process. It goes before the temporary folder that it is in, and after the processes.
pub(crate) struct Recordings {
    folder: PathBuf,
    clients: AtomicU32,
}

impl Recordings {
    pub(crate) fn within(folder: &Path) -> Recordings {
        Recordings { folder: folder.join("recordings"), clients: AtomicU32::new(0) }
    }

    /// The folder of what a process records in all its lives.
    pub(crate) fn of(&self, process: &str) -> PathBuf {
        self.folder.join(process)
    }

    pub(crate) fn of_replica(&self, id: impl Into<u64>) -> PathBuf {
        self.of(&format!("replica-{}", id.into()))
    }

    /// The folder of a client with these arguments: one that keeps a state is the same one again, and any other is new.
    pub(crate) fn of_client(&self, args: &[&str]) -> PathBuf {
        match args.iter().position(|arg| *arg == "--state") {
            Some(state) => {
                let file = Path::new(args[state + 1]).file_name().unwrap();
                self.of(&format!("client-of-{}", file.display()))
            }
            None => self.of(&format!("client-{}", self.clients.fetch_add(1, Ordering::Relaxed))),
        }
    }
}

impl Drop for Recordings {
    fn drop(&mut self) {
        if std::thread::panicking() || !self.folder.exists() {
            return;
        }
        let mut report = None;
        eventually("all that was recorded is written", || {
            let folders = std::slice::from_ref(&self.folder);
            match recorded(folders).and_then(|run| validate(&run, |_| true)) {
                Err(RunError::Read(ReadError::Busy { .. })) => return false,
                // No replica came so far that it had something to record.
                Err(RunError::Nothing(_) | RunError::NoReplica) => {}
                validated => report = Some(validated.unwrap()),
            }
            true
        });
        if let Some(report) = report {
            let found: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
            assert!(report.is_good(), "what was recorded is not valid: {found:#?}");
            let (events, lives) = (report.counts.handled, report.counts.lives);
            println!("valid: {events} events of {lives} lives");
        }
    }
}
