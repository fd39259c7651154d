//! A client's process that makes load.

use super::process::{Guard, Programs};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// How long load is made that is not told to end, in seconds: longer than any run, a day.
const LOAD_SECONDS: u64 = 86_400;

/// What the client's process reports.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub(super) struct LoadResult {
    pub(super) acknowledged: u64,
    pub(super) errors: u64,
    pub(super) seconds: f64,
    pub(super) ops_per_s: f64,
}

/// A client's process that makes load.
#[derive(Debug)]
pub struct LoadProcess {
    child: Guard,
}

/// What load to make.
#[derive(Clone, Debug)]
pub struct LoadArgs<'a> {
    /// The configuration's file.
    pub config: &'a Path,
    /// The token's file.
    pub token: &'a Path,
    /// Clients.
    pub clients: u32,
    /// Messages of each that are unacknowledged at once.
    pub outstanding: u16,
    /// Bytes of each message.
    pub size: usize,
    /// Where to record what the clients are told and do, if at all.
    pub recording: Option<PathBuf>,
}

impl LoadProcess {
    /// Starts making load, without an end of its own within any run.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(programs: &Programs, args: &LoadArgs<'_>) -> io::Result<LoadProcess> {
        let mut command = programs.command("client");
        command.arg("--config").arg(args.config).arg("--token").arg(args.token);
        if let Some(folder) = &args.recording {
            command.arg("--record-run").arg(folder);
        }
        command.args(["load", "--json"]);
        let numbers = [
            ("--clients", u64::from(args.clients)),
            ("--seconds", LOAD_SECONDS),
            ("--outstanding", args.outstanding.into()),
            ("--size", args.size as u64),
        ];
        for (flag, number) in numbers {
            command.arg(flag).arg(number.to_string());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        Ok(LoadProcess { child: Guard::spawn(&mut command)? })
    }

    /// Lets it send no more.
    ///
    /// # Errors
    /// When the system refuses the signal.
    pub fn end(&self) -> io::Result<()> {
        let pid = Pid::from_child(&self.child.0);
        Ok(kill_process(pid, Signal::INT)?)
    }

    /// What it reports, once it has ended.
    ///
    /// # Errors
    /// When it has ended without a report.
    pub(super) fn result(&mut self) -> io::Result<Option<LoadResult>> {
        if self.child.try_wait()?.is_none() {
            return Ok(None);
        }
        let mut report = String::new();
        if let Some(mut stdout) = self.child.0.stdout.take() {
            stdout.read_to_string(&mut report)?;
        }
        Ok(Some(serde_json::from_str(&report)?))
    }
}
