//! Real replicas, and clients on pseudo-terminals whose screens are read back.

#![allow(dead_code, reason = "each test file is a crate of its own, and none uses everything")]

mod svg;

use crate::recordings::Recordings;
use crate::support::{arg, eventually, free_ports, run};
use ptyprocess::{PtyProcess, Signal, WaitStatus};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(crate) const CLIENT: &str = env!("CARGO_BIN_EXE_client");

/// How long something may take to be seen.
const LIMIT: Duration = Duration::from_secs(30);

struct Replica {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Three replicas, killed at the end. What they and their clients do is recorded, and validated then.
pub(crate) struct Cluster {
    // Each goes after what is above it: first the replicas, and the folder last.
    replicas: Vec<Option<Replica>>,
    recordings: Option<Recordings>,
    folder: tempfile::TempDir,
    pub(crate) config: PathBuf,
}

impl Cluster {
    pub(crate) fn new() -> Cluster {
        Cluster::with_timeout_ms(300)
    }

    /// A cluster with this election time-out.
    pub(crate) fn with_timeout_ms(timeout_ms: u64) -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("cluster.toml");
        let port = free_ports("127.0.0.1", 3).to_string();
        let timeout = timeout_ms.to_string();
        let args = ["config", "--base-port", &port, "--timeout-ms", &timeout, "-o", arg(&config)];
        let ended = run(env!("CARGO_BIN_EXE_cluster"), &args);
        assert_eq!(ended.code, 0, "{ended:?}");
        let recordings = Some(Recordings::within(folder.path()));
        Cluster { replicas: (0..3).map(|_| None).collect(), recordings, folder, config }
    }

    /// The same, but not recorded, and `why`.
    pub(crate) fn unrecorded(why: &str) -> Cluster {
        assert!(!why.is_empty());
        Cluster { recordings: None, ..Cluster::new() }
    }

    /// The arguments of a replica.
    fn replica(&self, id: usize, storage: &[&str]) -> Vec<String> {
        let mut args = vec!["--config".to_owned(), arg(&self.config).to_owned()];
        args.extend(
            ["--id", &id.to_string(), "--log-dir", arg(self.folder.path())].map(str::to_owned),
        );
        if let Some(recordings) = &self.recordings {
            args.extend(["--record".to_owned(), arg(&recordings.of_replica(id as u64)).to_owned()]);
        }
        args.extend(storage.iter().map(|argument| (*argument).to_owned()));
        args
    }

    pub(crate) fn start(&mut self, id: usize, storage: &[&str]) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_replica"))
            .args(self.replica(id, storage))
            .arg("--stop-at-end-of-input")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        assert!(lines.recv_timeout(LIMIT).unwrap().contains("listens"));
        self.replicas[id] = Some(Replica { child, lines });
    }

    /// The same on a terminal.
    pub(crate) fn start_on_terminal(&self, id: usize, storage: &[&str]) -> Screen {
        let args = self.replica(id, storage);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Screen::of(env!("CARGO_BIN_EXE_replica"), &[], &args, 100, 30)
    }

    pub(crate) fn start_all(&mut self) {
        (0..3).for_each(|id| self.start(id, &["--init"]));
    }

    /// Kills whoever leads, and tells who that was.
    pub(crate) fn kill_leader(&mut self) -> usize {
        let started = Instant::now();
        while started.elapsed() < LIMIT {
            for id in 0..3 {
                let Some(replica) = &mut self.replicas[id] else { continue };
                writeln!(replica.child.stdin.as_mut().unwrap(), "status").unwrap();
                if replica.lines.recv_timeout(LIMIT).unwrap().contains("role=leading") {
                    self.kill(id);
                    return id;
                }
            }
        }
        panic!("nobody leads");
    }

    pub(crate) fn kill(&mut self, id: usize) {
        self.replicas[id] = None;
    }

    /// The arguments of a client of this cluster that has these of its own.
    pub(crate) fn client_args(&self, own: &[&str]) -> Vec<String> {
        let mut args = vec!["--config".to_owned(), arg(&self.config).to_owned()];
        if let Some(recordings) = &self.recordings {
            args.extend(["--record-run".to_owned(), arg(&recordings.of_client(own)).to_owned()]);
        }
        args.extend(own.iter().map(|argument| (*argument).to_owned()));
        args
    }

    pub(crate) fn client(&self, args: &[&str], input: &str) -> crate::support::Ended {
        let all = self.client_args(&[&["--patience", "20"], args].concat());
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        crate::support::run_with_input(CLIENT, &all, input)
    }
}

/// A program on a terminal of its own.
pub(crate) struct Screen {
    process: PtyProcess,
    keyboard: File,
    parser: Arc<Mutex<vt100::Parser>>,
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

impl Screen {
    /// Starts a client on a terminal of this size.
    pub(crate) fn start(cluster: &Cluster, args: &[&str], columns: u16, rows: u16) -> Screen {
        Screen::start_with(cluster, &[], args, columns, rows)
    }

    /// The same with variables of the environment, such as `NO_COLOR=1`.
    pub(crate) fn start_with(
        cluster: &Cluster,
        variables: &[&str],
        args: &[&str],
        columns: u16,
        rows: u16,
    ) -> Screen {
        let all = cluster.client_args(args);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        Screen::of(CLIENT, variables, &all, columns, rows)
    }

    /// Any program on a terminal.
    pub(crate) fn of(
        program: &str,
        variables: &[&str],
        args: &[&str],
        columns: u16,
        rows: u16,
    ) -> Screen {
        let mut command = Command::new("env");
        command.args(["-u", "NO_COLOR"]).args(variables);
        // The program starts when the terminal has its size: a new one gets another, which may come late.
        let wait =
            "until test \"$(stty size)\" = \"$2 $1\"; do sleep 0.01; done; shift 2; exec \"$@\"";
        command.args(["TERM=xterm-256color", "sh", "-c", wait]);
        command.args(["sh", &columns.to_string(), &rows.to_string()]);
        command.arg(program).args(args);
        let mut process = PtyProcess::spawn(command).unwrap();
        process.set_window_size(columns, rows).unwrap();
        let keyboard = process.get_raw_handle().unwrap();
        let mut output = process.get_raw_handle().unwrap();
        let parser = Arc::new(Mutex::new(vt100::Parser::new(cells(rows), cells(columns), 0)));
        let shown = Arc::clone(&parser);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The end of the client ends its terminal by an error.
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..length]);
            }
        });
        Screen { process, keyboard, parser }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        self.press(line);
        self.press("\r");
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.parser.lock().unwrap().set_size(cells(rows), cells(columns));
        self.process.set_window_size(columns, rows).unwrap();
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        self.process.kill(signal).unwrap();
    }

    pub(crate) fn text(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    /// Waits until something is seen.
    pub(crate) fn shows(&self, what: &str, is_seen: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let text = self.text();
            if is_seen(&text) {
                return text;
            }
            assert!(started.elapsed() < LIMIT, "{what} is not seen:\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn shows_text(&self, expected: &str) -> String {
        self.shows(expected, |text| text.contains(expected))
    }

    /// Has any cell a colour?
    pub(crate) fn has_colour(&self) -> bool {
        let parser = self.parser.lock().unwrap();
        let (rows, columns) = parser.screen().size();
        let mut all =
            (0..u16::from(rows)).flat_map(|y| (0..u16::from(columns)).map(move |x| (y, x)));
        all.any(|(y, x)| {
            parser.screen().cell(y, x).is_some_and(|cell| cell.fgcolor() != vt100::Color::Default)
        })
    }

    /// Waits for its end, and gives the exit status.
    pub(crate) fn end(self) -> i32 {
        let mut status = WaitStatus::StillAlive;
        eventually("it has ended", || {
            status = self.process.status().unwrap();
            status != WaitStatus::StillAlive
        });
        match status {
            WaitStatus::Exited(_, code) => code,
            other => panic!("{other:?}"),
        }
    }

    /// What is on it now, for a picture.
    pub(crate) fn snapshot(&self) -> vt100::Screen {
        self.parser.lock().unwrap().screen().clone()
    }
}

/// Draws screens with their captions into a file of the folder `docs`.
pub(crate) fn record(file: &str, title: &str, screens: &[(&str, vt100::Screen)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(file);
    std::fs::write(path, svg::draw(title, screens)).unwrap();
}
