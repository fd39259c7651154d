//! Replicas of this machine, run as processes with their consoles.

#![allow(dead_code, reason = "each test file is a crate of its own, and none uses everything")]

use crate::recordings::Recordings;
use crate::support::{Ended, arg, eventually, free_ports, run, run_with_input};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

pub(crate) const CLUSTER: &str = env!("CARGO_BIN_EXE_cluster");
pub(crate) const REPLICA: &str = env!("CARGO_BIN_EXE_replica");
pub(crate) const CLIENT: &str = env!("CARGO_BIN_EXE_client");

/// A replica with its console, killed at the end.
pub(crate) struct Replica {
    pub(crate) child: Child,
    pub(crate) console: ChildStdin,
    pub(crate) lines: Receiver<String>,
}

impl Replica {
    pub(crate) fn start(cluster: &TestCluster, id: u8, storage: &str) -> Replica {
        Replica::start_with(cluster, id, &[storage])
    }

    pub(crate) fn start_with(cluster: &TestCluster, id: u8, args: &[&str]) -> Replica {
        let mut command = Command::new(REPLICA);
        command.args(["--config", arg(&cluster.config), "--id", &id.to_string()]).args(args);
        command.args(["--log-dir", arg(cluster.folder.path()), "--stop-at-end-of-input"]);
        if let Some(recordings) = &cluster.recordings {
            command.arg("--record").arg(recordings.of_replica(id));
        }
        Replica::spawn(&mut command)
    }

    /// Starts it with pipes in place of a terminal, and waits until it listens.
    pub(crate) fn spawn(command: &mut Command) -> Replica {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let console = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let replica = Replica { child, console, lines };
        assert!(replica.line().contains("listens"));
        replica
    }

    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    /// What it said on standard error, once it has ended.
    pub(crate) fn said(&mut self) -> String {
        let mut said = String::new();
        let stderr = self.child.stderr.take().unwrap();
        std::io::Read::read_to_string(&mut { stderr }, &mut said).unwrap();
        said
    }

    /// Ends it in good order, and gives what it logged.
    pub(crate) fn end(mut self) -> String {
        let pid = self.child.id().to_string();
        assert_eq!(run("kill", &["-TERM", &pid]).code, 0);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.said()
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        writeln!(self.console, "{line}").unwrap();
    }

    pub(crate) fn status(&mut self) -> String {
        self.type_line("status");
        self.line()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The configuration of replicas on free ports: three, unless the arguments say otherwise. What its processes do is
/// recorded, and validated at the end.
pub(crate) struct TestCluster {
    // Before the folder that it is in, which the end of this removes.
    recordings: Option<Recordings>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) config: PathBuf,
    pub(crate) port: u16,
}

impl TestCluster {
    pub(crate) fn new(args: &[&str]) -> TestCluster {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("cluster.toml");
        // Enough for `-f 2`, too.
        let port = free_ports("127.0.0.1", 5);
        let port_text = port.to_string();
        let first = ["config", "--base-port", &port_text, "-o", arg(&config)];
        let all: Vec<&str> = first.iter().chain(args).copied().collect();
        let ended = run(CLUSTER, &all);
        assert_eq!(ended.code, 0, "{ended:?}");
        TestCluster { recordings: Some(Recordings::within(folder.path())), folder, config, port }
    }

    /// The same, but not recorded, and `why`.
    pub(crate) fn unrecorded(why: &str, args: &[&str]) -> TestCluster {
        assert!(!why.is_empty());
        TestCluster { recordings: None, ..TestCluster::new(args) }
    }

    /// Where a process that a test starts by hand records.
    pub(crate) fn recordings(&self) -> &Recordings {
        self.recordings.as_ref().expect("a cluster that records")
    }

    pub(crate) fn start(&self) -> Vec<Replica> {
        (0..3).map(|id| Replica::start(self, id, "--volatile")).collect()
    }

    pub(crate) fn client(&self, args: &[&str], input: &str) -> Ended {
        let mut all = vec!["--config", arg(&self.config), "--name", "alice", "--patience", "20"];
        let recording = self.recordings.as_ref().map(|recordings| recordings.of_client(args));
        if let Some(recording) = &recording {
            all.extend(["--record-run", arg(recording)]);
        }
        run_with_input(CLIENT, &[&all, args].concat(), input)
    }

    pub(crate) fn log(&self, id: u8) -> String {
        let path = self.folder.path().join(format!("replica-{id}.log"));
        // It may be read while it is written, and so end within a character.
        String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
    }
}

/// The command fails with the status of a usage error, and says all this.
pub(crate) fn refused(program: &str, args: &[&str], expected: &[&str]) {
    let ended = run(program, args);
    assert_eq!(ended.code, 2, "{args:?}: {ended:?}");
    for text in expected {
        assert!(ended.stderr.contains(text), "{args:?} does not say {text}: {}", ended.stderr);
    }
}

/// The number behind `key=` in a status line.
pub(crate) fn number(status: &str, key: &str) -> u64 {
    let field = status.split(' ').find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
    field.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{key}: {status}"))
}

/// Waits until a replica leads: nobody does while an election is on.
pub(crate) fn leader_of(replicas: &mut [Replica]) -> usize {
    let mut leader = None;
    eventually("somebody leads", || {
        leader = replicas.iter_mut().position(|r| r.status().contains("role=leading"));
        leader.is_some()
    });
    leader.unwrap()
}
