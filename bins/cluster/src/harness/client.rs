//! Clients that say what they are fed, as child processes.

use super::process::{Guard, PROMPTLY, Programs};
use super::script::Script;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::time::{Duration, Instant};

/// A running client that says what it is fed.
#[derive(Debug)]
pub struct ClientProcess {
    /// Its name.
    pub name: String,
    /// What it is to say.
    pub(super) script: Script,
    child: Guard,
    input: Option<ChildStdin>,
    record: File,
    partial: Vec<u8>,
    acknowledged: u64,
}

/// What is given to a client's process.
#[derive(Clone, Debug)]
pub struct ClientArgs<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is to say.
    pub(super) script: Script,
    /// Its token's file.
    pub token: &'a Path,
    /// The configuration's file.
    pub config: &'a Path,
    /// The folder of records.
    pub folder: &'a Path,
    /// Its seed.
    pub seed: u64,
    /// How long it waits for an answer.
    pub patience: Duration,
    /// Where it is recorded, if it is.
    pub recording: Option<PathBuf>,
}

impl ClientProcess {
    /// Starts a client.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(programs: &Programs, args: &ClientArgs<'_>) -> io::Result<ClientProcess> {
        let name = args.name;
        let path = args.folder.join(format!("{name}.{}", paxos_chat_client::record::EXTENSION));
        let stderr = File::create(args.folder.join(format!("{name}.stderr")))?;
        let mut command = programs.command("client");
        command.arg("--config").arg(args.config).arg("--name").arg(name);
        command.arg("--token").arg(args.token);
        command.arg("--record").arg(&path).arg("--seed").arg(args.seed.to_string());
        if let Some(folder) = &args.recording {
            command.arg("--record-run").arg(folder);
        }
        command.arg("--patience").arg(args.patience.as_secs().to_string()).arg("send");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(stderr);
        let mut child = Guard::spawn(&mut command)?;
        let input = child.0.stdin.take();
        let deadline = Instant::now() + PROMPTLY;
        let record = loop {
            match File::open(&path) {
                Ok(file) => break file,
                Err(error) if Instant::now() >= deadline || child.try_wait()?.is_some() => {
                    return Err(io::Error::new(error.kind(), format!("{name} does not start")));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let (partial, acknowledged) = (Vec::new(), 0);
        let (name, script) = (name.to_owned(), args.script.clone());
        Ok(ClientProcess { name, script, child, input, record, partial, acknowledged })
    }

    /// Its standard input, once.
    pub fn take_input(&mut self) -> Option<ChildStdin> {
        self.input.take()
    }

    /// How many messages its record says are acknowledged.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn acknowledged(&mut self) -> io::Result<u64> {
        let position = self.record.stream_position()?;
        self.record.seek(SeekFrom::Start(position))?;
        self.record.read_to_end(&mut self.partial)?;
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            self.acknowledged += u64::from(line.starts_with(b"{\"event\":\"acknowledged\""));
        }
        Ok(self.acknowledged)
    }

    /// Has it ended?
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}
