//! The programs of this project as child processes, and replicas as such.
//!
//! **Invariant — no child is left behind**: each is killed and waited for when its handle goes,
//! on panic too; and should this process be killed itself, replicas stop because their standard
//! input ends, and clients because of their patience. A replica that is held meanwhile goes on when
//! the system finds its process group orphaned.

use actor_runtime::memory::resident_bytes_of;
use paxos_chat_replica::status::Status;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// How long a process may take for what takes it no time.
pub(super) const PROMPTLY: Duration = Duration::from_secs(5);
/// Lines of a replica that may wait to be read here.
const LINES_MAX: usize = 1024;
/// A child process that ends with its handle.
#[derive(Debug)]
pub struct Guard(pub(super) Child);

impl Guard {
    pub(super) fn spawn(command: &mut Command) -> io::Result<Guard> {
        let program = command.get_program().to_owned();
        command.spawn().map(Guard).map_err(|error| {
            let program = Path::new(&program).display();
            io::Error::new(error.kind(), format!("cannot start {program}: {error}"))
        })
    }

    /// The status with which it has ended, if it has.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Kills it with SIGKILL, and waits for its end.
    ///
    /// # Errors
    /// When that is impossible.
    pub fn kill(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }

    fn wait_until(&mut self, deadline: Instant) -> io::Result<Option<ExitStatus>> {
        loop {
            match self.try_wait()? {
                Some(status) => return Ok(Some(status)),
                None if Instant::now() >= deadline => return Ok(None),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.kill();
    }
}

/// The executables of this project, which lie beside the one that runs.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Finds them beside the running executable.
    ///
    /// # Errors
    /// When one is not there.
    pub fn find() -> io::Result<Programs> {
        let own = std::env::current_exe()?;
        let folder = own.parent().unwrap_or(Path::new(".")).to_owned();
        for name in ["replica", "client"] {
            if !folder.join(name).is_file() {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!(
                        "{} is missing; build all executables with `cargo build --release --bins`",
                        folder.join(name).display()
                    ),
                ));
            }
        }
        Ok(Programs { folder })
    }

    pub(super) fn command(&self, name: &str) -> Command {
        Command::new(self.folder.join(name))
    }
}

/// What is given to a replica's process.
#[derive(Clone, Debug)]
pub struct ReplicaArgs<'a> {
    /// Its id.
    pub id: u8,
    /// The configuration's file.
    pub config: &'a Path,
    /// The folder of logs.
    pub folder: &'a Path,
    /// Its seed.
    pub seed: u64,
    /// Where it keeps what it promises.
    pub storage: StorageMode,
    /// Where it is recorded, if it is.
    pub recording: Option<PathBuf>,
}

/// Where a replica keeps what it promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageMode {
    /// On disk, formatted at this start.
    New,
    /// On disk, as an earlier start left it.
    Existing,
    /// In memory.
    Volatile,
}

/// A running replica.
#[derive(Debug)]
pub struct ReplicaProcess {
    /// Its id.
    pub id: u8,
    child: Guard,
    console: Option<ChildStdin>,
    lines: Receiver<String>,
}

/// Why a replica does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It ended, saying this.
    #[error("replica {id} ended at once: {said}")]
    Ended {
        /// Its id.
        id: u8,
        /// What it said.
        said: String,
    },
    /// It could not be started, or does not answer.
    #[error("replica {id}: {error}")]
    Failed {
        /// Its id.
        id: u8,
        /// Why.
        error: io::Error,
    },
}

impl ReplicaProcess {
    /// Starts a replica, and waits until it listens.
    ///
    /// # Errors
    /// When it does not.
    pub fn start(
        programs: &Programs,
        args: &ReplicaArgs<'_>,
    ) -> Result<ReplicaProcess, StartError> {
        let id = args.id;
        let failed = |error| StartError::Failed { id, error };
        let errors = args.folder.join(format!("replica-{id}.stderr"));
        // What an earlier life of it said is kept.
        let said_before = std::fs::metadata(&errors).map_or(0, |file| file.len());
        let stderr = File::options().append(true).create(true).open(&errors).map_err(failed)?;
        let mut command = programs.command("replica");
        command.arg("--config").arg(args.config).arg("--id").arg(id.to_string());
        command.arg("--log-dir").arg(args.folder).arg("--seed").arg(args.seed.to_string());
        command.arg("--stop-at-end-of-input");
        if let Some(folder) = &args.recording {
            command.arg("--record").arg(folder);
        }
        match args.storage {
            StorageMode::New => drop(command.arg("--init")),
            StorageMode::Existing => {}
            StorageMode::Volatile => drop(command.arg("--volatile")),
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = Guard::spawn(&mut command).map_err(failed)?;
        let console = child.0.stdin.take();
        let stdout = child.0.stdout.take().ok_or_else(|| failed(io::Error::other("no output")))?;
        let (sender, lines) = sync_channel(LINES_MAX);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut replica = ReplicaProcess { id, child, console, lines };
        match replica.lines.recv_timeout(PROMPTLY) {
            Ok(_) => Ok(replica),
            Err(RecvTimeoutError::Timeout) => Err(failed(io::ErrorKind::TimedOut.into())),
            Err(RecvTimeoutError::Disconnected) => {
                // Its end closes its output, so everything it said is in the file.
                let _ = replica.child.wait_until(Instant::now() + PROMPTLY);
                let said = std::fs::read(&errors).unwrap_or_default();
                let said = said.get(said_before as usize..).unwrap_or_default();
                let said = String::from_utf8_lossy(said).trim().to_owned();
                Err(StartError::Ended { id, said })
            }
        }
    }

    /// Types a line at its console.
    ///
    /// # Errors
    /// When it has no console any more.
    pub fn type_line(&mut self, line: &str) -> io::Result<()> {
        let console = self.console.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        console.write_all(format!("{line}\n").as_bytes())
    }

    /// Asks for its status.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status(&mut self) -> io::Result<Status> {
        while self.lines.try_recv().is_ok() {}
        self.type_line("status")?;
        let deadline = Instant::now() + PROMPTLY;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).map_err(|_| io::ErrorKind::TimedOut)?;
            if let Ok(status) = line.parse() {
                return Ok(status);
            }
        }
    }

    /// Its resident set, in bytes, as the system counts it.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn rss_bytes(&self) -> io::Result<u64> {
        let bytes = resident_bytes_of(self.child.0.id());
        bytes.ok_or_else(|| io::Error::other("the system does not tell its resident set"))
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// When that is impossible.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()
    }

    /// Holds it with SIGSTOP: it does nothing more, and what is sent to it waits in its socket.
    ///
    /// # Errors
    /// When that is impossible.
    pub fn hold(&self) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child.0), Signal::STOP)?)
    }

    /// Lets go of it after [`Self::hold`].
    ///
    /// # Errors
    /// When that is impossible.
    pub fn let_go(&self) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child.0), Signal::CONT)?)
    }

    /// Has it ended?
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends its input, so that it ends in good order; kills it if it does not.
    pub fn stop(&mut self) {
        self.console = None;
        if !matches!(self.child.wait_until(Instant::now() + PROMPTLY), Ok(Some(_))) {
            // An error means that it has ended in the meantime.
            let _ = self.kill();
        }
    }
}
