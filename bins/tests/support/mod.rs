//! Runs the project's own executables.

#![allow(dead_code, reason = "each test file is a crate of its own, and none uses everything")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The object that it printed.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs an executable to its end, within a limit.
pub(crate) fn run(program: &str, args: &[&str]) -> Ended {
    run_with_input(program, args, "")
}

/// Runs an executable that reads this input.
pub(crate) fn run_with_input(program: &str, args: &[&str], input: &str) -> Ended {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that a shell's children end with it.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // Whoever ends early reads no further.
        let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
    });
    let group = format!("-{}", child.id());
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(LIMIT) else {
        Command::new("kill").args(["-9", "--", &group]).status().unwrap();
        panic!("{program} {args:?} has not ended within {LIMIT:?}");
    };
    writer.join().unwrap();
    let Output { status, stdout, stderr } = output.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A path as an argument.
pub(crate) fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The first of some free UDP ports that follow one another.
pub(crate) fn free_ports(host: &str, count: u16) -> u16 {
    for _ in 0..100 {
        let first = std::net::UdpSocket::bind(host).unwrap().local_addr().unwrap();
        let is_free = |offset| {
            let port = first.port().checked_add(offset);
            port.is_some_and(|port| std::net::UdpSocket::bind((first.ip(), port)).is_ok())
        };
        if (0..count).all(is_free) {
            return first.port();
        }
    }
    panic!("no {count} free ports in a row");
}
